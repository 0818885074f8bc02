"""What people decided against the policy: a line of ``decisions/tag_decisions.csv`` each, with who, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from pydicom.datadict import tag_for_keyword

from chorus_nb import standards, tables
from chorus_nb.errors import InputError
from chorus_nb.mapping.rules import ACTIONS, BINARY_NUMBER_VRS, BULK, Rule, dictionary
from chorus_nb.workspace import Workspace

ALLOWED = frozenset(ACTIONS) - {"script", "lookup"}
FIXED = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        *("PatientID", "AccessionNumber", "SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"),
        *("Modality", "InstanceNumber", "SpecificCharacterSet", "PatientIdentityRemoved", "DeidentificationMethod"),
        *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "PixelData"),
    )
)
"""What the release is laid out, linked and declared by: not for a person to decide."""


@dataclass(frozen=True)
class Override:
    """A decision: ``path`` joined by '.', '*' at any depth; ``element`` the offset in its block if it is private."""

    path: str
    group: int
    element: int
    creator: str
    rule: Rule
    reviewer: str

    def fits(self, path: tuple[str, ...], tag: int, creator: str) -> bool:
        """Whether the decision is about this element."""
        if creator and tag & 0xFFFF <= 0xFF:
            return False  # the private creator itself, which goes with its block
        element = tag & 0xFF if creator else tag & 0xFFFF
        same = (tag >> 16, element, creator) == (self.group, self.element, self.creator)
        return same and (self.path == "*" or self.path.casefold() == ".".join(path).casefold())


def read_overrides(workspace: Workspace) -> tuple[Override, ...]:
    """The decisions; :class:`InputError` names the row of each that cannot stand."""
    if not workspace.has(tables.TAG_DECISIONS):
        return ()
    faults: list[str] = []
    made = []
    for number, row in enumerate(workspace.read(tables.TAG_DECISIONS).to_dict("records"), 2):
        fault = _fault(row)
        if fault:
            faults.append(f"tag_decisions row {number}: {fault}")
            continue
        tag, creator = standards.parse_tag(row["tag"]), row["private_creator"]
        element = tag & (0xFF if creator else 0xFFFF)
        source = f"decision of {row['reviewer']}, {row['time']}"
        rule = Rule(row["action"], row["replacement"], row["reason"], source)
        made.append(Override(row["path"], tag >> 16, element, creator, rule, row["reviewer"]))
    if faults:
        raise InputError(*faults)
    return tuple(made)


def decide(
    workspace: Workspace, tag: str, action: str, reason: str, reviewer: str, *, creator: str = "", path: str = "*"
) -> pd.DataFrame:
    """Write down a decision about a tag, replacing an earlier one about the same place; returns all decisions.

    It holds from the next ``make_plan`` on. :class:`InputError` if it cannot stand.
    """
    time = datetime.now().astimezone().isoformat(timespec="seconds")
    table = tables.TAG_DECISIONS
    row = dict(zip(table.column_names, (path, tag, creator, action, "", reason, reviewer, time), strict=True))
    fault = _fault(row)
    if fault:
        raise InputError(f"{tag}: {fault}")
    known = workspace.read(table) if workspace.has(table) else tables.empty(table)
    other = known[(known[["path", "tag", "private_creator"]] != [path, tag, creator]).any(axis=1)]
    decisions = pd.concat([other, tables.frame(table, [dict(row)])], ignore_index=True)
    workspace.write(table, decisions)
    return decisions


def _fault(row: dict[str, str]) -> str:
    text, creator = row["tag"].lower(), row["private_creator"]
    try:
        tag = standards.parse_tag(text)
    except ValueError:
        tag = 0
    if not tag or text.endswith("xx)") or ("xx" in text and not creator):
        return "tag must be (gggg,eeee), or (gggg,xxee) with its private creator"
    if row["action"] not in ALLOWED:
        return f"action must be one of {', '.join(sorted(ALLOWED))}"
    if not row["reason"].strip() or not row["reviewer"].strip():
        return "a decision needs a reason and a reviewer"
    if not creator and tag in FIXED:
        return "the release depends on this attribute; it cannot be overridden"
    if row["replacement"] and row["action"] != "D":
        return "only action D takes a replacement"
    if row["replacement"] and (creator or not _takes_text(tag)):
        return "a replacement is text; this element does not hold text"
    return ""


def _takes_text(tag: int) -> bool:
    entry = dictionary(tag)
    return entry is not None and entry.vr not in BINARY_NUMBER_VRS | BULK | {"SQ"}
