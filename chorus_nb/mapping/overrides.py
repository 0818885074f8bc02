"""What people decided against the policy: a row of ``decisions/tag_decisions.csv`` each, with who, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from chorus_nb import standards, tables
from chorus_nb.decisions import Cells, DecisionLog
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
        *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
        *("PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    )
)
"""What the release is laid out, linked and declared by, and pixels are decoded with: not for a person to decide."""


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
    """The decisions that count; :class:`InputError` names the row of each that cannot stand."""
    made = []
    for row in TAG_LOG.current(workspace).values():
        rule = Rule(row["action"], row["replacement"], row["reason"], f"decision of {row['reviewer']}, {row['time']}")
        made.append(Override(*plan_place(row), rule, row["reviewer"]))
    return tuple(made)


def decide(
    workspace: Workspace, tag: str, action: str, reason: str, reviewer: str, *, creator: str = "", path: str = "*"
) -> None:
    """Write down a decision about a tag; the last one about a place counts.

    It holds from the next ``make_plan`` on. :class:`InputError` if it cannot stand.
    """
    row = {"path": path, "tag": tag, "private_creator": creator, "action": action, "reason": reason}
    TAG_LOG.append(workspace, reviewer, row)


def plan_place(row: Mapping[str, str]) -> tuple[str, int, int, str]:
    """Path, group, element (its offset if private) and private creator of a row of the plan or of a decision."""
    text, creator = row["tag"].lower(), row["private_creator"]
    try:
        tag = 0 if text.endswith("xx)") or ("xx" in text and not creator) else standards.parse_tag(text)
    except ValueError:
        tag = 0
    if not tag:
        raise InputError("tag must be (gggg,eeee), or (gggg,xxee) with its private creator")
    return row["path"], tag >> 16, tag & (0xFF if creator else 0xFFFF), creator


def _item(row: Cells) -> str:
    path, *place = plan_place(row)
    return repr((path.casefold(), *place))


def _check_decision(row: Cells) -> None:
    _, group, element, creator = plan_place(row)
    tag = None if creator else group << 16 | element
    if not row["reason"].strip() or not row["reviewer"].strip():
        raise InputError("a decision needs a reason and a reviewer")
    if tag in FIXED:
        raise InputError("the release depends on this attribute; it cannot be overridden")
    if row["replacement"]:
        if row["action"] != "D":
            raise InputError("only action D takes a replacement")
        entry = None if tag is None else dictionary(tag)
        if entry is None or entry.vr in BINARY_NUMBER_VRS | BULK | {"SQ"}:
            raise InputError("a replacement is text; this element does not hold text")


TAG_LOG = DecisionLog(tables.TAG_DECISIONS, ALLOWED, _check_decision, _item, column="action")
