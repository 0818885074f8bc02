"""What may be claimed of text in the released pictures: how each was looked at, and how many may still hold some.

The number is that of Clopper and Pearson (Biometrika 1934): the largest that would, with 5 % probability, have shown as
little among the pictures drawn at random. It holds for what 03 holds back as text, whatever that is a person's or not.
Where 03 made a hidden control, its pictures say how many detector and reviewers find at least; each of the two numbers
that the bound is made of may then be wrong with a probability of 2.5 %.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import DecisionLog
from chorus_nb.workspace import Workspace

_RISK = 0.05
_DETECTOR_FINDS = 0.96  # share of lines that 03 finds and that tell (measured: pixels/MEASURED.md)
_ROUNDING = 1e-9
_CONTROL_LOG = DecisionLog(tables.CONTROL_DECISIONS, frozenset({"accept", "redact", "reject"}))
_COVERED = 0.5  # of what was drawn, by the boxes of somebody who redacts it
SAMPLED_RISKS = ("possible", "unlikely")


class ControlCounts(NamedTuple):
    """The hidden control: pictures looked at by the detector and found; shown to reviewers, who kept the text in."""

    looked: int = 0
    found: int = 0
    shown: int = 0
    seen: int = 0


_NO_CONTROLS = ControlCounts()


class TextClaim(NamedTuple):
    """``read``: pictures of groups that were read whole; ``in_groups``: those of sampled groups, of which
    ``drawn_read`` were read and ``told`` held text (and are held back); at most ``may_hold`` of the rest do, and of
    those that a person ``decided`` at most ``missed``, where any of the ``planted`` ones were ``shown`` to people."""

    read: int
    in_groups: int
    drawn_read: int
    told: int
    may_hold: int
    decided: int
    not_looked: int
    planted: int = 0
    planted_found: int = 0
    shown: int = 0
    shown_seen: int = 0
    missed: int = 0

    def __str__(self) -> str:
        parts = [f"{self.read:,} pictures were read"]
        if self.in_groups:
            finds = (
                "" if self.planted else f", where the detector finds {100 * _DETECTOR_FINDS:.0f} % of it, as elsewhere"
            )
            parts.append(
                f"{self.in_groups:,} are in groups of which {self.drawn_read:,} were read and "
                f"{self.told:,} held text that may identify; at 95 % confidence fewer than {self.may_hold + 1:,} of "
                f"{self.in_groups:,} hold text that was not seen{finds}"
            )
        parts += [f"{self.decided:,} were decided by a person"] if self.decided else []
        parts += [f"at {self.not_looked:,} nobody looked"] if self.not_looked else []
        if self.planted:
            parts.append(f"of {self.planted:,} pictures with planted text the detector found {self.planted_found:,}")
        if self.shown:
            parts.append(
                f"of {self.shown:,} such shown to reviewers they saw {self.shown_seen:,}; at 95 % confidence "
                f"fewer than {self.missed + 1:,} of {self.decided:,} decided hold text that nobody saw"
            )
        return "; ".join(parts) + "."


def text_claim(workspace: Workspace) -> TextClaim:
    """The claim about the released images of a workspace."""
    return claim_of(_verdicts(workspace), controls_of(workspace))


def controls_of(workspace: Workspace) -> ControlCounts:
    """What detector and reviewers made of the hidden control so far; of a picture that several decided, the last."""
    made = workspace.read_or_empty(tables.TEXT_CONTROLS)
    said = _CONTROL_LOG.current(workspace)
    shown = [_kept_in(said[item], box) for item, box in zip(made["item"], made["box"], strict=True) if item in said]
    return ControlCounts(len(made), int(made["found"].sum()), len(shown), sum(shown))


def _kept_in(decision: dict[str, str], planted: str) -> bool:
    """Whether what was drawn at ``planted`` would not have left: rejected, or most of it lies in the boxes filled."""
    x0, y0, x1, y1 = map(int, planted.split(","))
    left = np.ones((y1, x1), bool)
    for box in decision["boxes"].split(";") if decision["boxes"] else ():
        a0, b0, a1, b1 = map(int, box.split(","))
        left[b0:b1, a0:a1] = False
    filled = 1 - left[y0:, x0:].mean() >= _COVERED
    return decision["decision"] == "reject" or (decision["decision"] == "redact" and bool(filled))


def claim_by_device(workspace: Workspace) -> pd.DataFrame:
    """A row per device, layout and risk of which pictures were released unread, with its own bound."""
    rows = []
    verdicts, controls = _verdicts(workspace), controls_of(workspace)
    for (device, risk), own in verdicts.groupby(["device", "risk"], sort=True):
        said = claim_of(own, controls)
        if said.in_groups:
            share = round(100 * said.may_hold / said.in_groups, 1)
            rows.append((device, risk, said.in_groups, said.drawn_read, said.told, said.may_hold, share))
    columns = ["device and layout", "text is", "pictures", "read", "told", "at most unseen", "that is (%)"]
    return pd.DataFrame(rows, columns=columns)


def _verdicts(workspace: Workspace) -> pd.DataFrame:
    if not workspace.has(tables.IMAGE_VERDICTS):
        return tables.empty(tables.IMAGE_VERDICTS).assign(released=False)
    verdicts = workspace.read(tables.IMAGE_VERDICTS)
    outcomes = workspace.read(tables.OUTCOMES, ["source_path", "status"])
    return verdicts.assign(released=verdicts.source_path.isin(outcomes.source_path[outcomes.status == "released"]))


def claim_of(verdicts: pd.DataFrame, controls: ControlCounts = _NO_CONTROLS) -> TextClaim:
    """The claim from rows of ``image_verdicts`` with ``released``.

    Groups that were read whole because one of them told belong to what was drawn from: leaving them out would leave
    out every find.
    """
    looked, told = verdicts.checked == "looked", verdicts.verdict != "clean"
    released = verdicts[verdicts.released]
    sampled_groups = set(released.group[released.checked == "sampled"])
    of_sampled = verdicts.group.isin(sampled_groups) & verdicts.checked.isin(("looked", "sampled"))
    unread = int((released.checked == "sampled").sum())
    population = verdicts[verdicts.risk.isin(SAMPLED_RISKS) & verdicts.checked.isin(("looked", "sampled"))]
    drawn = population.drawn == 1
    groups = drawn.groupby(population.group)
    shares = groups.sum() / groups.size()
    found = (population.checked == "looked") & (population.verdict != "clean")
    hidden = 0
    if unread:
        most = most_with_text(int((found & drawn).sum()), float(shares.min()), len(population), *_measured(controls))
        hidden = min(unread, max(0, most - int(found.sum())))
    decided = int((released.checked == "decided").sum())
    saw = int(((verdicts.verdict == "redact") | (verdicts.reason == "rejected_by_review")).sum())
    return TextClaim(
        read=int((verdicts.released & looked & ~of_sampled).sum()),
        in_groups=int((of_sampled & (verdicts.released | told)).sum()),
        drawn_read=int((of_sampled & looked & (verdicts.released | told)).sum()),
        told=int((of_sampled & looked & told).sum()),
        may_hold=hidden,
        decided=decided,
        not_looked=int((~released.checked.isin(("looked", "sampled", "decided"))).sum()),
        planted=controls.looked,
        planted_found=controls.found,
        shown=controls.shown,
        shown_seen=controls.seen,
        missed=_missed_by_reviewers(decided, saw, controls) if controls.shown else 0,
    )


def _missed_by_reviewers(decided: int, saw: int, controls: ControlCounts) -> int:
    """The largest number of ``decided`` pictures with text that nobody saw, where it was seen in ``saw`` others."""
    least = least_share(controls.seen, controls.shown, _RISK / 2)
    return min(decided, most_with_text(saw, 1.0, decided + saw, least, _RISK / 2) - saw)


def _measured(controls: ControlCounts) -> tuple[float, float]:
    """The share that the detector finds at least, and the risk that is left for the bound."""
    if not controls.looked:
        return _DETECTOR_FINDS, _RISK
    return least_share(controls.found, controls.looked, _RISK / 2), _RISK / 2


def least_share(found: int, shown: int, risk: float) -> float:
    """The smallest share that would, with a probability of ``risk``, show at least ``found`` of ``shown``.

    >>> round(least_share(60, 60, 0.025), 3), round(least_share(54, 60, 0.025), 3), least_share(0, 60, 0.025)
    (0.94, 0.795, 0.0)
    """
    low, high = 0.0, 1.0
    for _ in range(40 if found else 0):
        middle = (low + high) / 2
        low, high = (low, middle) if 1 - _at_most(found - 1, shown, middle) > risk else (middle, high)
    return low


@functools.cache  # asked for the same by the gate, the certificate and the pages
def most_with_text(told: int, share: float, pictures: int, finds: float = _DETECTOR_FINDS, risk: float = _RISK) -> int:
    """The largest number of ``pictures`` with text of which no more than ``told`` would, with a probability of over
    ``risk``, be drawn and found, where each is drawn with a probability of at least ``share``.

    >>> most_with_text(0, 0.1, 1000), most_with_text(2, 0.1, 1000), most_with_text(0, 0.0, 50)
    (29, 63, 50)
    """
    chance = share * finds
    low, high = told, pictures
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(told, middle, chance) > risk + _ROUNDING:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(successes: int, trials: int, chance: float) -> float:
    """The lower tail of the binomial distribution."""
    if chance <= 0 or successes >= trials:
        return 1.0
    total = 0.0
    for k in range(successes + 1):
        ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        total += math.exp(ways + k * math.log(chance) + (trials - k) * math.log1p(-chance))
    return total
