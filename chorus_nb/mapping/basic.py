"""The policy ``ps3.15``: the Basic Application Level Confidentiality Profile without options (PS3.15 E.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from chorus_nb import standards
from chorus_nb.mapping.chorus import CLAIMS, E11, LOOKUP, SOP, never_released
from chorus_nb.mapping.rules import Rule, by_type, dictionary, rules_digest, type_at
from chorus_nb.parameters import Parameters


@dataclass(frozen=True)
class BasicProfile:
    """The plain profile of PS3.15."""

    name: str = field(default="ps3.15", init=False)
    options: tuple[str, ...] = field(default=("113100",), init=False)

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        """What the profile does with an element.

        Identifiers take the value of the lookup tables, which serves as the dummy the profile asks for: without it the
        release could not be laid out or linked.
        """
        entry = dictionary(tag)
        if tag in LOOKUP:
            return Rule("lookup", "", LOOKUP[tag], f"{E11} (dummy value); {SOP} steps 12, 13")
        if not tag >> 16 & 1 and (gone := never_released(tag, path)):
            return gone
        row = standards.ps315_rule(tag)
        if row is not None:
            type_ = type_at(sop_class, path, row.keyword)
            action = by_type(row.basic, row.vr or vr, type_, standards.iod_of(sop_class) is not None)
            return Rule(action, "", "named in the Basic Profile", f"{E11} ({row.basic})")
        if entry is None:
            return Rule("X", "", "not in the DICOM dictionary, so not known to be safe", "PS3.15 E.2")
        if tag in CLAIMS:
            return Rule("K", "", CLAIMS[tag], "PS3.15 E.1")
        if entry.vr == "SQ":
            return Rule("S", "", "not named in the Basic Profile; its items have rules of their own", "PS3.15 E.2")
        return Rule("K", "", "not named in the Basic Profile", "PS3.15 E.2")

    @cache  # noqa: B019  (a plain frozen value; there are few)
    def fingerprint(self) -> str:
        return f"{self.name} {rules_digest(self.rule)}"


def basic_rules(_: Parameters) -> BasicProfile:
    """The policy; no parameter changes it."""
    return BasicProfile()
