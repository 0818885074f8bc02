"""What is claimed of text in pictures is a number that holds."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from chorus_nb.pixels import triage
from chorus_nb.verify import claim
from chorus_nb.verify.claim import claim_of, most_with_text

RUNS = 1000
bound, measured = functools.cache(most_with_text), functools.cache(claim._measured)


def drawn_of(sizes: np.ndarray) -> np.ndarray:
    """Pictures drawn of each group: as triage draws of an unlikely one."""
    return np.minimum(triage.SAMPLE, np.ceil(sizes / triage.ONE_IN)).astype(int)


@pytest.mark.parametrize(
    ("sizes", "with_text"),
    [
        (np.full(300, 100), lambda random, sizes: np.ones(300, int)),  # one in each of many series
        (np.full(300, 30), lambda random, sizes: random.binomial(sizes, 0.01)),  # here and there
        (np.full(300, 30), lambda random, sizes: sizes * (random.random(300) < 0.05)),  # whole series
        (np.tile([5, 40, 90, 400], 60), lambda random, sizes: random.binomial(sizes, 0.004)),
        (np.full(200, 3), lambda random, sizes: random.binomial(sizes, 0.02)),
    ],
)
def test_the_stated_bound_covers_the_truth(sizes: np.ndarray, with_text) -> None:
    """Detectors miss as many as was measured; a group in which something was found is read whole."""
    random, covered = np.random.default_rng(5), 0
    drawn = drawn_of(sizes)
    for _ in range(RUNS):
        text = with_text(random, sizes)
        found = random.binomial(random.hypergeometric(text, sizes - text, drawn), claim._DETECTOR_FINDS)
        more = random.binomial(text - found, claim._DETECTOR_FINDS) * (found > 0)
        unseen = int((text - found - more).sum())
        most = bound(int(found.sum()), float((drawn / sizes).min()), int(sizes.sum()))
        covered += unseen <= most - int((found + more).sum())
    assert covered >= 0.94 * RUNS


@pytest.mark.parametrize("pictures", [10, 235, 3000, 40_000])
@pytest.mark.parametrize("wanted", [0.001, 0.01, 0.1])
def test_what_is_drawn_for_a_bound_is_enough_for_the_claim(pictures: int, wanted: float) -> None:
    share = triage.share_to_draw(pictures, wanted)
    assert most_with_text(0, share, pictures) <= wanted * pictures
    assert (triage._RISK, triage._DETECTOR_FINDS) == (claim._RISK, claim._DETECTOR_FINDS)
    assert triage.SAMPLED == claim.SAMPLED_RISKS


def verdicts(*groups: tuple[str, str, str]) -> pd.DataFrame:
    """A row for each letter of a group: Read as drawn, r read later, . not read, T drawn and told, t told later,
    d decided, n nobody looked."""
    how = {".": "sampled", "d": "decided", "n": "not"}
    rows = [
        {"group": f"{number}", "device": device, "risk": risk, "checked": how.get(letter, "looked")}
        | {"verdict": "hold" if letter in "Tt" else "clean", "released": letter not in "Tt"}
        | {"drawn": int(letter in "RT"), "reason": ""}
        for number, (device, risk, letters) in enumerate(groups)
        for letter in letters
    ]
    return pd.DataFrame(rows)


def test_every_released_picture_is_counted_once_by_how_it_was_looked_at() -> None:
    frame = verdicts(
        ("a", "likely", "rrrd"), ("a", "unlikely", "R" + "." * 29), ("b", "unlikely", "Trrt"), ("b", "none", "nn")
    )
    said = claim_of(frame)
    assert (said.read, said.in_groups, said.drawn_read, said.told) == (5, 30, 1, 0)
    assert (said.decided, said.not_looked) == (1, 2)
    assert said.read + said.in_groups + said.decided + said.not_looked == frame.released.sum()


def test_a_group_that_told_and_was_read_whole_raises_the_bound_of_the_others() -> None:
    quiet = [("a", "unlikely", "R" + "." * 9)] * 20
    assert claim_of(verdicts(*quiet)).may_hold < claim_of(verdicts(*quiet, ("a", "unlikely", "T" + "r" * 9))).may_hold


def test_the_sentence_says_the_numbers() -> None:
    said = str(claim_of(verdicts(("a", "likely", "rr"), *[("a", "unlikely", "RR" + "." * 8)] * 20)))
    assert said == (
        "2 pictures were read; 200 are in groups of which 40 were read and 0 held text that may identify; "
        "at 95 % confidence fewer than 15 of 200 hold text that was not seen, "
        "where the detector finds 96 % of it, as elsewhere."
    )
    assert str(claim_of(verdicts(("a", "likely", "rr")))) == "2 pictures were read."


@pytest.mark.parametrize("finds", [0.7, 0.9, 0.96, 0.999])
def test_the_bound_covers_the_truth_whatever_the_detector_finds_where_a_control_measured_it(finds: float) -> None:
    random, covered, sizes = np.random.default_rng(7), 0, np.full(300, 30)
    drawn = drawn_of(sizes)
    for _ in range(RUNS):
        text = random.binomial(sizes, 0.005)
        found = int(random.binomial(random.hypergeometric(text, sizes - text, drawn), finds).sum())
        known = claim.ControlCounts(60, int(random.binomial(60, finds)))
        most = bound(found, float((drawn / sizes).min()), int(sizes.sum()), *measured(known))
        covered += int(text.sum()) <= most
    assert covered >= 0.94 * RUNS


@pytest.mark.parametrize(("shown", "sees"), [(6, 0.9), (60, 0.9), (60, 0.6), (20, 0.99)])
def test_what_reviewers_miss_is_covered_by_what_they_missed_of_the_control(shown: int, sees: float) -> None:
    """200 pictures decided by somebody who sees text in them with this probability; in one of 20 there is some."""
    random, covered = np.random.default_rng(11), 0
    missed = functools.cache(claim._missed_by_reviewers)
    for _ in range(RUNS):
        text = int(random.binomial(200, 0.05))
        saw = int(random.binomial(text, sees))
        known = claim.ControlCounts(60, 60, shown, int(random.binomial(shown, sees)))
        covered += text - saw <= missed(200 - saw, saw, known)
    assert covered >= 0.94 * RUNS


def test_the_sentence_says_what_the_hidden_control_showed() -> None:
    frame = verdicts(("a", "likely", "rrd" + "d" * 19))
    said = str(claim_of(frame, claim.ControlCounts(60, 58, 10, 10)))
    assert "20 were decided by a person; of 60 pictures with planted text the detector found 58; " in said
    assert "of 10 such shown to reviewers they saw 10; at 95 % confidence fewer than 4 of 20 decided hold text" in said
    assert str(claim_of(frame)) == "2 pictures were read; 20 were decided by a person."
