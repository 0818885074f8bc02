"""What reviewers decided about faces: rows of ``face_decisions.csv``; the last one about a series counts.

``deface_head``, ``release_head`` and ``hold_head`` are about every series of the head that the item shows: those of its
study in its frame of reference. Without ``_head`` a decision is about that series alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog, series_digests
from chorus_nb.errors import InputError
from chorus_nb.workspace import Workspace

Triple = tuple[float, float, float]
OF_HEAD = "_head"
FACE_LOG = DecisionLog(
    tables.FACE_DECISIONS,
    frozenset(word + reach for word in ("deface", "release", "hold") for reach in ("", OF_HEAD)),
    lambda row: pose(row["start"], row["shift"]),
)


class FaceDecision(NamedTuple):
    """``deface``: remove with the mask found, though it was not accepted; ``release``: as it is; ``hold``: never.

    ``start``: degrees of nodding, turning and tilting to search from; ``shift``: mm the mask is moved by (left,
    back, up). ``lead``: the series that was looked at, whose mask is meant.
    """

    decision: str
    start: Triple | None
    shift: Triple
    lead: str = ""


def face_decisions(workspace: Workspace, heads: Mapping[str, str] = MappingProxyType({})) -> dict[str, FaceDecision]:
    """By series; ``heads``: the head that each shows. :class:`InputError` names the rows that cannot stand."""
    return decided_faces(still_seen(workspace, FACE_LOG.standing(workspace)), heads)


def still_seen(workspace: Workspace, standing: Iterable[Cells]) -> list[Cells]:
    """Of these rows those that count: what lets a face go, or says where it is, only for the images that were seen."""
    rows = list(standing)
    now = series_digests(workspace, (row["item"] for row in rows if row["seen_digest"]))
    return [
        row for row in rows if row["decision"].startswith("hold") or row["seen_digest"] in ("", now.get(row["item"]))
    ]


def decided_faces(
    standing: Iterable[Cells], heads: Mapping[str, str] = MappingProxyType({})
) -> dict[str, FaceDecision]:
    """The same of these rows."""
    decided: dict[str, FaceDecision] = {}
    for lead, row in FACE_LOG.latest(standing).items():
        word = row["decision"].removesuffix(OF_HEAD)
        said = FaceDecision(word, *pose(row["start"], row["shift"]), lead)
        whole = word != row["decision"] and lead in heads
        shown = [series for series, head in heads.items() if head == heads[lead]] if whole else [lead]
        decided |= dict.fromkeys(shown, said)
    return decided


def pose(start: str, shift: str) -> tuple[Triple | None, Triple]:
    """Start and shift from their text forms, three numbers each; :class:`InputError` when they are not."""
    return _triple(start, "start"), _triple(shift, "shift") or (0.0, 0.0, 0.0)


def _triple(text: str, name: str) -> Triple | None:
    if not text.strip():
        return None
    try:
        one, two, three = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{name} must be three numbers, such as 10,0,0") from None
    return one, two, three
