"""What reviewers decided about faces: rows of ``face_decisions.csv`` about a series, the last one counts."""

from __future__ import annotations

from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.decisions import DecisionLog
from chorus_nb.errors import InputError
from chorus_nb.workspace import Workspace

Triple = tuple[float, float, float]
FACE_LOG = DecisionLog(
    tables.FACE_DECISIONS, frozenset({"deface", "release", "hold"}), lambda row: pose(row["start"], row["shift"])
)


class FaceDecision(NamedTuple):
    """``deface``: remove with the mask found, though it was not accepted; ``release``: as it is; ``hold``: never.

    ``start``: degrees of nodding, turning and tilting to search from; ``shift``: mm the mask is moved by (left,
    back, up).
    """

    decision: str
    start: Triple | None
    shift: Triple


def face_decisions(workspace: Workspace) -> dict[str, FaceDecision]:
    """By Series Instance UID; :class:`InputError` names the rows that cannot stand."""
    current = FACE_LOG.current(workspace)
    return {item: FaceDecision(row["decision"], *pose(row["start"], row["shift"])) for item, row in current.items()}


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
