"""What reviewers decided about faces: one line a series in ``face_decisions.csv``, the last one counts."""

from __future__ import annotations

from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.workspace import Workspace

DECISIONS = ("deface", "release", "hold")
Triple = tuple[float, float, float]


class Decision(NamedTuple):
    """``deface``: remove with the mask found, though it was not accepted; ``release``: as it is; ``hold``: never.

    ``start``: degrees of nodding, turning and tilting to search from; ``shift``: mm the mask is moved by (left,
    back, up).
    """

    decision: str
    start: Triple | None
    shift: Triple


def decisions(workspace: Workspace) -> dict[str, Decision]:
    """By Series Instance UID."""
    if not workspace.has(tables.FACE_DECISIONS):
        return {}
    table = workspace.read(tables.FACE_DECISIONS).astype(str)
    found = {}
    for number, row in enumerate(table.sort_values("time", kind="stable").to_dict("records"), 1):
        if row["decision"] not in DECISIONS:
            raise InputError(f"face_decisions.csv, row {number}: decision must be {', '.join(DECISIONS)}")
        try:
            found[row["item"]] = Decision(row["decision"], *pose(row["start"], row["shift"]))
        except InputError as error:
            raise InputError(f"face_decisions.csv, row {number}: {error}") from None
    return found


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
