"""What may be claimed of text in the released pictures: how each was looked at, and how many may still hold some.

The number is that of Clopper and Pearson (Biometrika 1934): the largest that would, with 5 % probability, have shown as
little among the pictures drawn at random. It holds for what 03 holds back as text, whatever that is a person's or not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.workspace import Workspace

_CONFIDENCE = 0.95
_DETECTOR_FINDS = 0.96  # share of lines that 03 finds and that tell (measured: pixels/README.md)
_ROUNDING = 1e-9
SAMPLED_RISKS = ("possible", "unlikely")


class TextClaim(NamedTuple):
    """``read``: pictures of groups that were read whole; ``in_groups``: those of sampled groups, of which
    ``drawn_read`` were read and ``told`` held text (and are held back); at most ``may_hold`` of the rest do."""

    read: int
    in_groups: int
    drawn_read: int
    told: int
    may_hold: int
    decided: int
    not_looked: int

    def __str__(self) -> str:
        parts = [f"{self.read:,} pictures were read"]
        if self.in_groups:
            parts.append(
                f"{self.in_groups:,} are in groups of which {self.drawn_read:,} were read, {self.told:,} told; at "
                f"95 % confidence fewer than {self.may_hold + 1:,} of {self.in_groups:,} hold text that was not seen"
            )
        parts += [f"{self.decided:,} were decided by a person"] if self.decided else []
        parts += [f"at {self.not_looked:,} nobody looked"] if self.not_looked else []
        return "; ".join(parts) + "."


def text_claim(workspace: Workspace) -> TextClaim:
    """The claim about the released images of a workspace."""
    return claim_of(_verdicts(workspace))


def claim_by_device(workspace: Workspace) -> pd.DataFrame:
    """A row per device, layout and risk of which pictures were released unread, with its own bound."""
    rows = []
    verdicts = _verdicts(workspace)
    for (device, risk), own in verdicts.groupby(["device", "risk"], sort=True):
        said = claim_of(own)
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


def claim_of(verdicts: pd.DataFrame) -> TextClaim:
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
        most = most_with_text(int((found & drawn).sum()), float(shares.min()), len(population))
        hidden = min(unread, max(0, most - int(found.sum())))
    return TextClaim(
        read=int((verdicts.released & looked & ~of_sampled).sum()),
        in_groups=int((of_sampled & (verdicts.released | told)).sum()),
        drawn_read=int((of_sampled & looked & (verdicts.released | told)).sum()),
        told=int((of_sampled & looked & told).sum()),
        may_hold=hidden,
        decided=int((released.checked == "decided").sum()),
        not_looked=int((~released.checked.isin(("looked", "sampled", "decided"))).sum()),
    )


def most_with_text(told: int, share: float, pictures: int) -> int:
    """The largest number of ``pictures`` with text of which no more than ``told`` would, with a probability of over
    5 %, be drawn and found, where each is drawn with a probability of at least ``share``.

    >>> most_with_text(0, 0.1, 1000), most_with_text(2, 0.1, 1000), most_with_text(0, 0.0, 50)
    (29, 63, 50)
    """
    chance = share * _DETECTOR_FINDS
    low, high = told, pictures
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(told, middle, chance) > 1 - _CONFIDENCE + _ROUNDING:
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
