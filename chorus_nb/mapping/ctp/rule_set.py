"""A site's own CTP scripts as a policy: the script's lines first, the policy ``chorus`` for all it does not name.

Where CTP lets something pass, this does not: what a script leaves to "keep" is decided by the default policy, and what
it keeps stays as that policy lets such values stay. Every deliberate difference is a row of ``differences.csv``; the
source of a rule that is not what its line says ends in the name of that row.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from chorus_nb import standards
from chorus_nb.errors import InputError
from chorus_nb.mapping.chorus import CLAIMS, Chorus, never_released
from chorus_nb.mapping.ctp import checking, functions
from chorus_nb.mapping.ctp.expressions import Call, PathStep, ScriptFault, Values, calls
from chorus_nb.mapping.ctp.filters import Filter, parse_filter
from chorus_nb.mapping.ctp.lookup import read_lookup, text_of_script
from chorus_nb.mapping.ctp.regions import Signature, parse_regions
from chorus_nb.mapping.ctp.script import Script, ScriptLine, read_script
from chorus_nb.mapping.overrides import FIXED
from chorus_nb.mapping.rules import BULK, NOT_TEXT, SHORT_TEXT, Rule, dictionary, type_at
from chorus_nb.standards.tags import parse_step

NEEDS_TABLE = frozenset({"lookup", "dateinterval"})
DECLARED = 0x00120064  # De-identification Method Code Sequence: a CTP script lists its options there
KEPT_AS = {"C": "kept_text", "shift": "kept_date", "age": "kept_age", "U": "kept_uid", "lookup": "identifiers"}
"""Differences, by what the default policy does with an element that a script keeps."""
HEADER_OPTIONS = re.compile(r"\b(113100|113105|11310[7-9]|113111)\b")  # CID 7050 without what concerns pixels


class Difference(NamedTuple):
    """Where the workbench deliberately does other than CTP, and why."""

    name: str
    ctp: str
    here: str
    why: str


@cache
def ctp_differences() -> tuple[Difference, ...]:
    """Every deliberate difference from CTP (differences.csv), in the order in which they are told."""
    text = resources.files(__package__).joinpath("differences.csv").read_text("utf-8")
    return tuple(Difference(**row) for row in csv.DictReader(text.splitlines()))


@dataclass(frozen=True)
class ScriptRules:
    """The rules of a DicomAnonymizer script with the files CTP keeps beside it."""

    name: str
    script: Script = field(repr=False)
    table: Mapping[str, str] = field(repr=False)
    base: Chorus
    digest: str
    filter: Filter | None = field(default=None, repr=False)
    signatures: tuple[Signature, ...] = field(default=(), repr=False)

    @property
    def options(self) -> tuple[str, ...]:
        """The codes of CID 7050 the script itself declares, without 113109 where device identifiers go all the same;
        and 113107, as dates that stay are always shifted."""
        line = self.script.line(DECLARED)
        declared = set(HEADER_OPTIONS.findall(line.text) if line else ["113100"]) | {"113107"}
        if not self.base.keep_device_identifiers:
            declared.discard("113109")
        return tuple(sorted(declared))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines that are not run because they use parameters which the script does not define."""
        return tuple(
            f"{self.name} line {line.number} ({step.tag:08X}): parameter {', '.join(line.undefined)} is not defined; "
            "the policy chorus decides about this element"
            for step, line in sorted(self.script.lines.items(), key=lambda item: item[1].number)
            if line.undefined
        )

    def fingerprint(self) -> str:
        return f"{self.name} {self.digest} {self.base.fingerprint()}"

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        base = self.base.rule(sop_class, path, tag, vr, creator)
        if tag in FIXED or tag in CLAIMS or (not tag >> 16 & 1 and never_released(tag, path)):
            return base
        line = self.script.line(tag, creator) if self._processes(path) else None
        if line:
            return self._line(line, tag, vr, base, _required(sop_class, path, tag))
        type_ = _required(sop_class, path, tag)
        return self._unnamed(tag, vr, creator, base, type_, inside=not self._processes(path))

    def gone(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        """What becomes of an element for which a line comes to ``@remove()``, or to nothing that suits it."""
        line = self.script.line(tag, creator)
        assert line, "only an element with a line has the action `script`"
        base = self.base.rule(sop_class, path, tag, vr, creator)
        return self._removed(line, base, _required(sop_class, path, tag))

    def kept(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        """What becomes of an element for which a line comes to ``@keep()`` in this file."""
        line = self.script.line(tag, creator)
        assert line, "only an element with a line has the action `script`"
        return self._kept(line, tag, vr, self.base.rule(sop_class, path, tag, vr, creator))

    def copies(self, tag: int, creator: str) -> bool:
        """Whether the line for an element may copy a part of an original value."""
        line = self.script.line(tag, creator)
        return line is not None and checking.copies(line.template)

    def _processes(self, path: tuple[str, ...]) -> bool:
        """Whether the lines hold in the items at the end of a path: the script processes every sequence on it."""
        lines = (self.script.line(*parse_step(step)) for step in path)
        return all(line and any(call.name == "process" for call in calls(line.template)) for line in lines)

    def _line(self, line: ScriptLine, tag: int, vr: str, base: Rule, type_: str) -> Rule:
        """The action of a line; only what depends on the file is left to be evaluated for each file."""
        source = f"{self.name} line {line.number}"
        entry = dictionary(tag)
        known = entry.vr if entry else vr
        call = line.template[0] if len(line.template) == 1 else None
        named = call.name if isinstance(call, Call) else ""
        if line.undefined:
            return self._departs(base, line, "undefined_parameter", f"uses {', '.join(line.undefined)}, not defined")
        if not line.template or named in ("empty", "blank"):
            return Rule("Z", "", "the site's script empties it", source)
        if named == "remove":
            return self._removed(line, base, type_)
        if named in ("keep", "process"):
            return self._kept(line, tag, vr, base)
        if known == "SQ":
            removed = self._removed(line, base, type_)
            return self._departs(removed, line, "sequence_value", "replaces it, but a sequence is no text")
        if tag >> 16 & 1 and base.action == "X":
            return self._departs(base, line, "kept_private", "makes a value")
        if named in ("time", "date"):
            return self._departs(base, line, "clock", "writes the time of the run")
        if named == "hashuid" and isinstance(call, Call) and call.arguments[1:] == ("this",):
            return Rule("U", "", "the site's script replaces the UID", source)
        return Rule("script", line.text, "the site's script makes the value", source)

    def _removed(self, line: ScriptLine, base: Rule, type_: str) -> Rule:
        """What a line removes, but for what the image needs."""
        if type_ == "1":
            return self._departs(base, line, "required", "removes it, though an image needs it")
        if type_ == "2":
            return self._departs(Rule("Z", "", "emptied", ""), line, "required", "removes it, though it must be there")
        return Rule("X", "", "the site's script removes it", f"{self.name} line {line.number}")

    def _kept(self, line: ScriptLine, tag: int, vr: str, base: Rule) -> Rule:
        """What a line keeps: it stays as the default policy lets such values stay, never as more."""
        source, entry = f"{self.name} line {line.number}", dictionary(tag)
        known = entry.vr if entry else vr
        if base.action == "K":
            return Rule("K", "", "the site's script keeps it", source)
        if base.action == "S":
            processed = any(call.name == "process" for call in calls(line.template))
            which = (
                "the script's own lines and the default policy decide" if processed else "the default policy decides"
            )
            why = f"the site's script keeps it; {which} about its items"
            return Rule("S", "", why, source if processed else f"{source}, items")
        if base.action not in ("X", "Z", "D"):
            return self._departs(base, line, KEPT_AS[base.action], "keeps it")
        if tag >> 16 & 1:
            return self._departs(base, line, "kept_private", "keeps it")
        table = standards.ps315_rule(tag)
        if entry is None or known == "PN" or (table and not table.clean_desc):
            return self._departs(base, line, "kept_identifying", "keeps it")
        if known in BULK:
            return self._departs(base, line, "kept_bytes", "keeps it")
        if known in NOT_TEXT or known == "TM":
            return Rule("K", "", "the site's script keeps it", source)
        if known == "SQ":
            why = "the site's script keeps it; the default policy decides about its items"
            return Rule("S", "", why, f"{source}, items")
        return self._departs(Rule("C", "", "identifiers in it are removed", ""), line, "kept_text", "keeps it")

    def _departs(self, base: Rule, line: ScriptLine, difference: str, says: str) -> Rule:
        """A rule that is not what the line says: a row of :func:`ctp_differences`, which its source names."""
        why = f"the site's script {says}; here: {base.reason}"
        return base._replace(reason=why, source=f"{self.name} line {line.number}, {difference}")

    def _unnamed(self, tag: int, vr: str, creator: str, base: Rule, type_: str, *, inside: bool) -> Rule:
        group, remove = tag >> 16, self.script.remove
        kept = group in self.script.keep_groups or (creator and self.script.keep_safe_private)
        entry = dictionary(tag)
        if creator and "privategroups" in remove and not kept:
            return Rule("X", "", "the site's script removes private groups", self.name)
        if inside:
            return base._replace(reason=f"in an item that the site's script does not enter: {base.reason}")
        if kept and base.action == "X" and entry and entry.vr in SHORT_TEXT:
            return Rule("C", "", f"the site's script keeps group {group:04X}; identifiers in it are removed", self.name)
        if "unspecifiedelements" in remove and not kept and group not in (0x0028, 0x7FE0) and tag != 0x00080016:
            why = "the site's script removes what it does not name"
            if type_ == "1":  # an image needs it
                return base._replace(reason=f"{why}; here: {base.reason}", source=f"{self.name}, required")
            if type_ == "2":
                return Rule("Z", "", f"{why}; here: emptied", f"{self.name}, required")
            return Rule("X", "", why, self.name)
        return base._replace(reason=f"not in the site's script, which CTP would keep: {base.reason}")

    def run(self, tag: int, creator: str, values: Values, at_root: bool) -> str:
        """What a line makes of an element (:func:`functions.outcome`); :class:`functions.Quarantine` stops the file."""
        line = self.script.line(tag, creator)
        assert line, "only an element with a line has the action `script`"
        context = functions.Context(
            PathStep(tag & 0xFFFF00FF if creator else tag, creator),
            values,
            self.script.parameters,
            self.table,
            at_root,
            self.script.names,
            self.script.templates,
        )
        return functions.element_outcome(functions.evaluate(line.template, context))


def _required(sop_class: str, path: tuple[str, ...], tag: int) -> str:
    """Type of an attribute that must be there, 1 or 2; "" for any other."""
    entry = dictionary(tag)
    type_ = type_at(sop_class, path, entry.keyword) if entry else None
    return type_ if type_ in ("1", "2") else ""


def read_script_rules(path: Path, base: Chorus, uid_root: str) -> ScriptRules:
    """The script at ``path`` and, where they lie beside it, LookupTable, DicomFilter and DicomPixelAnonymizer.

    ``uid_root``: the root UIDs are made with by the CTP method, "" for keyed UIDs; a script with another is refused.
    """
    script = read_script(path)
    faults = [fault for line in script.lines.values() for fault in _faults(line, script, uid_root)]
    beside = {name: _beside(path, name) for name in ("LookupTable", "DicomFilter", "DicomPixelAnonymizer")}
    used = {call.name for line in script.lines.values() for call in calls(line.template)}
    if used & NEEDS_TABLE and not beside["LookupTable"]:
        faults.append(f"{path.name}: uses a lookup table, but no LookupTable.properties or .csv lies beside it")
    if faults:
        raise InputError(*faults)
    files = [path, *(file for file in beside.values() if file)]
    digest = hashlib.blake2b(b"\0".join(file.read_bytes() for file in files), digest_size=16).hexdigest()
    table, filters, regions = beside["LookupTable"], beside["DicomFilter"], beside["DicomPixelAnonymizer"]
    try:
        return ScriptRules(
            path.name,
            script,
            read_lookup(table) if table else {},
            base,
            digest,
            parse_filter(text_of_script(filters)) if filters else None,
            parse_regions(text_of_script(regions)) if regions else (),
        )
    except ScriptFault as fault:
        raise InputError(f"script beside {path.name}: {fault}") from None


def _beside(path: Path, name: str) -> Path | None:
    ends = (".properties", ".csv") if name == "LookupTable" else (".script",)
    return next((file for end in ends if (file := path.with_name(name + end)).is_file()), None)


def _faults(line: ScriptLine, script: Script, uid_root: str) -> list[str]:
    """What cannot be run the same way twice, or would make UIDs that match nothing sent before."""
    faults = []
    for call in calls(line.template):
        if call.name in ("integer", "call"):
            faults.append(f"script line {line.number}: @{call.name} depends on more than the file; use a lookup table")
        if call.name == "hashuid" and uid_root and not line.undefined:
            root = script.parameters.get(call.arguments[0][1:], call.arguments[0]).removesuffix(".")
            if root != uid_root:
                faults.append(f"script line {line.number}: makes UIDs below another root than uid_root")
    return faults
