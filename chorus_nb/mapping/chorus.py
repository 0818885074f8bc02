"""The policy ``chorus``: deny by default, per SOP class (SOP steps 7, 12, 13 and "Tags recommended to keep").

PS3.15 Basic Application Level Confidentiality Profile with the options Clean Descriptors, Retain Longitudinal Temporal
Information with Modified Dates, Retain Patient Characteristics and, by parameter, Retain Safe Private and Retain Device
Identity; identifiers by the site's lookup tables. The order of the sections below is the order of precedence.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from chorus_nb import standards
from chorus_nb.mapping.rules import (
    BULK,
    DATES,
    NOT_TEXT,
    SHORT_TEXT,
    Entry,
    Rule,
    by_type,
    dictionary,
    rules_digest,
    type_at,
)
from chorus_nb.parameters import Parameters

CLASS_UID = re.compile(r"SOPClass|TransferSyntaxUID|(Context|CodingScheme|MappingResource)UID\Z")  # in a keyword
E11 = "PS3.15 Table E.1-1"
SOP = "Imaging SOP"
POLICY = "CHoRUS policy"


def policy_rows(name: str) -> list[dict[str, str]]:
    """The rows of a data file of the policies."""
    return list(csv.DictReader(resources.files(__package__).joinpath(name).read_text("utf-8").splitlines()))


def _members(name: str) -> dict[int, str]:
    """Tags or groups of a set of ``chorus.csv``, with the reason."""
    return {int(row["number"], 16): row["reason"] for row in policy_rows("chorus.csv") if row["set"] == name}


LOOKUP, CLAIMS = _members("lookup"), _members("claim")
NEVER, NEVER_GROUPS = _members("never"), _members("never group")
EQUIPMENT = _members("equipment")
TECHNICAL_TEXT, REVIEWED_GROUPS = _members("technical"), _members("reviewed group")


def never_released(tag: int, path: tuple[str, ...]) -> Rule | None:
    """The rule of a standard attribute that no policy lets out, None for any other."""
    group = tag >> 16
    if path and group == 0x7FE0:
        return Rule("X", "", "a picture within a sequence, whose pixels nobody looks at", POLICY)
    if group in NEVER_GROUPS:
        return Rule("X", "", NEVER_GROUPS[group], "PS3.10 section 7")
    if not tag & 0xFFFF:
        return Rule("X", "", "group length, retired; it would be wrong after any change", "PS3.5 section 7.2")
    if group in standards.lists.CURVE_GROUPS or group in standards.lists.OVERLAY_GROUPS:
        return Rule("X", "", "overlays and curves may hold text drawn over the image", E11)
    if tag in NEVER:
        return Rule("X", "", NEVER[tag], f"{E11}; {POLICY}")
    return None


def _identity(tag: int, vr: str) -> Rule | None:
    if tag in LOOKUP:
        return Rule("lookup", "", LOOKUP[tag], f"{SOP} steps 12, 13")
    if tag == 0x00100010:
        return Rule("Z", "", "a name; the person is known by person_id", f"{E11} (Z)")
    if vr == "AS":
        return Rule("age", "", "age is a patient characteristic; above 89 years it becomes 090Y", "Safe Harbor item 3")
    return None


@cache
def removed_texts() -> dict[str, tuple[str, str]]:
    """Free text that goes whole, by tag: why, and whose rule it is (removed_texts.csv)."""
    return {row["tag"]: (row["reason"], row["source"]) for row in policy_rows("removed_texts.csv")}


def _removed_text(sop_class: str, path: tuple[str, ...], tag: int, entry: Entry) -> Rule | None:
    """Comments, histories, reasons and interpretations: a site takes one in by a decision about its tag."""
    listed = removed_texts().get(standards.tag_name(tag))
    if listed is None:
        return None
    action = by_type("X", entry.vr, type_at(sop_class, path, entry.keyword), standards.iod_of(sop_class) is not None)
    return Rule(action, "", f"free text: {listed[0]}", listed[1])


def _by_kind(tag: int, vr: str, keyword: str, sop_class: str, path: tuple[str, ...]) -> Rule | None:
    """Dates, times and UIDs: the value representation decides."""
    row = standards.ps315_rule(tag)
    if row is not None and row.basic == "X" and not row.rtn_long_modif:
        return None  # the table removes it, whatever it holds
    if vr in DATES:
        return Rule("shift", "", "every date moves by the days of the person, at any depth", "Date-Shifting SOP")
    if vr == "TM":
        if row is not None or type_at(sop_class, path, keyword) or standards.in_some_image(keyword):
            return Rule("K", "", "time of day stays intact when dates are shifted", "Date-Shifting SOP")
        return Rule("X", "", "a time that does not belong to this kind of image", POLICY)
    if vr == "UI":
        if CLASS_UID.search(keyword):
            why = "names a class, a syntax or a coding scheme, not an object; a private one gets a new UID"
            return Rule("K", "", why, "PS3.15 E.3.9; PS3.6 Annex A")
        return Rule("U", "", "the same new UID wherever the old one occurs", f"{E11} (U)" if row else POLICY)
    return None


def _listed(tag: int, vr: str) -> Rule | None:
    """The SOP's keep list and minimum metadata."""
    name = standards.tag_name(tag)
    if name in standards.keep_list():
        source = f"{SOP}, tags recommended to keep"
    elif name in standards.minimum_metadata():
        source = f"{SOP} step 7, minimum metadata"
    else:
        return None
    if (vr in SHORT_TEXT and tag not in EQUIPMENT) or tag in standards.lists.PEOPLE_WRITE:
        return Rule("C", "", "needed for research; free text, so identifiers in it are removed", source)
    return Rule("K", "", "needed for research", source)


def _table(sop_class: str, path: tuple[str, ...], tag: int, vr: str, keyword: str, device: bool) -> Rule | None:
    """What Table E.1-1 says, with the options of this policy."""
    row = standards.ps315_rule(tag)
    if row is None:
        return None
    if row.clean_desc == "C" and vr not in BULK:
        option = f"{E11}, Clean Descriptors"
        if vr == "SQ":
            return Rule("S", "", "a description by codes; its items have rules of their own", option)
        return Rule("C", "", "a description: identifiers are removed, clinical words stay", option)
    if row.rtn_pat_chars:
        if row.rtn_pat_chars == "C" or vr in SHORT_TEXT:
            return Rule("C", "", "a patient characteristic in words", f"{E11}, Retain Patient Characteristics")
        return Rule("K", "", "a patient characteristic, needed for research", f"{E11}, Retain Patient Characteristics")
    if device and row.rtn_dev_id:
        action = "S" if vr == "SQ" else "C" if row.rtn_dev_id == "C" else "K"
        return Rule(action, "", "keep_device_identifiers is set", f"{E11}, Retain Device Identity")
    if vr == "SQ" and row.rtn_uids and row.basic != "X":
        return Rule("S", "", "refers to other objects, whose UIDs are replaced alike", f"{E11} ({row.basic})")
    type_ = type_at(sop_class, path, keyword)
    action = by_type(row.basic, vr, type_, standards.iod_of(sop_class) is not None)
    why = "may identify a person, a place or a device"
    if "/" in row.basic:
        why += f"; Type {type_} here" if type_ else "; not needed here"
    return Rule(action, "", why, f"{E11} ({row.basic})")


def _elsewhere(sop_class: str, path: tuple[str, ...], tag: int, vr: str, keyword: str, retired: bool) -> Rule:
    """Attributes Table E.1-1 does not name: kept if they belong to the image and cannot carry free text."""
    here = type_at(sop_class, path, keyword)
    belongs = here is not None or standards.in_some_image(keyword)
    if vr == "SQ":
        if belongs:
            return Rule("S", "", "belongs to the image; its items have rules of their own", "PS3.3")
        return Rule("X", "", "a sequence that does not belong to this kind of image", POLICY)
    if vr in NOT_TEXT and (belongs or tag >> 16 in REVIEWED_GROUPS):
        return Rule(
            "K",
            "",
            "a number or a code, not text" + ("" if here else "; of another kind of image"),
            "PS3.3; not in E.1-1",
        )
    if vr in BULK and here:
        return Rule("K", "", "part of the image, such as a lookup table", "PS3.3; not in E.1-1")
    if vr in SHORT_TEXT and belongs and not retired:
        return Rule("C", "", "short text of the image: identifiers in it are removed", "PS3.3; not in E.1-1")
    if tag in TECHNICAL_TEXT:
        return Rule("C", "", "describes the acquisition: identifiers in it are removed", "PS3.3; not in E.1-1")
    action = {"1": "D", "2": "Z"}.get(here or "3", "X")
    why = "free text" if belongs else "does not belong to this kind of image"
    return Rule(action, "", f"{why}, not known to be safe", POLICY)


def _private(tag: int, vr: str, creator: str, private: bool) -> Rule:
    element = tag & 0xFFFF
    if 0x10 <= element <= 0xFF:
        return Rule("X", "", "reserves a private block; goes with what is in it", "PS3.5 section 7.8.1")
    if not creator:
        return Rule("X", "", "a private element without a private creator", POLICY)
    row = standards.safe_private().get((creator, tag >> 16, element & 0xFF))
    if row is None:
        return Rule("X", "", "a private element not known to be safe", f"{E11}; E.3.10")
    if not private:
        return Rule("X", "", "safe private elements are not kept (keep_safe_private)", f"{E11}; E.3.10")
    known = row.vr or vr
    source = "PS3.15 Table E.3.10-1, Retain Safe Private"
    if known in DATES or vr in DATES:
        return Rule("shift", "", "a date in a safe private element", source)
    if known == "UI":
        return Rule("U", "", "a UID in a safe private element", source)
    if known.partition("/")[0] in {*BULK, "UN"}:
        return Rule("X", "", "a picture or a file of a maker's own making, which nobody looks into", POLICY)
    if known == "SQ":
        return Rule("S", "", "a safe private sequence; its items have rules of their own", source)
    if {known, vr} & {"LO", "SH", "ST", "LT", "UT", "UC"}:
        return Rule("C", "", "text in a safe private element: identifiers in it are removed", source)
    return Rule("K", "", "a private element known to be safe", source)


@dataclass(frozen=True)
class Chorus:
    """The default policy."""

    keep_device_identifiers: bool = False
    keep_safe_private: bool = True
    name: str = field(default="chorus", init=False)

    @property
    def options(self) -> tuple[str, ...]:
        """Codes of CID 7050: the profile and the options it is applied with."""
        device = ("113109",) if self.keep_device_identifiers else ()
        private = ("113111",) if self.keep_safe_private else ()
        return ("113100", "113105", "113107", "113108", *device, *private)

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        """What the policy does with an element."""
        if tag >> 16 & 1:
            return _private(tag, vr, creator, self.keep_safe_private)
        if gone := never_released(tag, path):
            return gone
        entry = dictionary(tag)
        if entry is None:
            return Rule("X", "", "not in the DICOM dictionary, so not known to be safe", POLICY)
        if tag >> 16 == 0x7FE0:
            return Rule("K", "", "the pixels; checked and redacted on their own", "PS3.3")
        if tag in CLAIMS and not path:  # of an item nothing is set
            return Rule("K", "", CLAIMS[tag], "PS3.15 E.1")
        return (
            _identity(tag, entry.vr)
            or _removed_text(sop_class, path, tag, entry)
            or _by_kind(tag, entry.vr, entry.keyword, sop_class, path)
            or _listed(tag, entry.vr)
            or _table(sop_class, path, tag, entry.vr, entry.keyword, self.keep_device_identifiers)
            or _elsewhere(sop_class, path, tag, entry.vr, entry.keyword, entry.retired)
        )

    @cache  # noqa: B019  (a plain frozen value; there are few)
    def fingerprint(self) -> str:
        return f"{self.name} {self.options} {rules_digest(self.rule)}"


def chorus_rules(parameters: Parameters) -> Chorus:
    """The policy as the parameters want it."""
    return Chorus(parameters.keep_device_identifiers, parameters.keep_safe_private)
