"""A site's own CTP scripts as a policy: the script's lines first, the policy ``chorus`` for all it does not name.

Where CTP lets something pass, this does not (ctp.md §6): what the script leaves to "keep" is decided by the default
policy, sequences are always entered, dates the script keeps are shifted as the official first script would have done,
and patients and accessions take the values of the lookup tables. The reason of each rule says where it departs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from chorus_nb.errors import InputError
from chorus_nb.mapping.chorus import CLAIMS, NEVER, Chorus
from chorus_nb.mapping.ctp import functions
from chorus_nb.mapping.ctp.expressions import Call, PathStep, ScriptFault, Values, calls
from chorus_nb.mapping.ctp.filters import Filter, parse_filter
from chorus_nb.mapping.ctp.lookup import read_lookup
from chorus_nb.mapping.ctp.regions import Signature, parse_regions
from chorus_nb.mapping.ctp.script import Script, ScriptLine, read_script
from chorus_nb.mapping.overrides import FIXED
from chorus_nb.mapping.rules import DATES, SHORT_TEXT, Rule, dictionary

NEEDS_TABLE = frozenset({"lookup", "dateinterval"})
DECLARED = 0x00120064  # De-identification Method Code Sequence: a CTP script lists its options there
HEADER_OPTIONS = re.compile(r"\b(113100|113105|11310[7-9]|113111)\b")  # CID 7050 without what concerns pixels


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
        """The codes of CID 7050 the script itself declares; and 113107, as dates that stay are always shifted."""
        line = self.script.line(DECLARED)
        declared = HEADER_OPTIONS.findall(line.text) if line else ["113100"]
        return tuple(sorted({*declared, "113107"}))

    def fingerprint(self) -> str:
        return f"{self.name} {self.digest} {self.base.fingerprint()}"

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        base = self.base.rule(sop_class, path, tag, vr, creator)
        if tag in FIXED or tag in CLAIMS or tag in NEVER or not tag & 0xFFFF:
            return base
        line = self.script.line(tag, creator)
        if line:
            return self._line(line, tag, vr, base)
        return self._unnamed(tag, vr, creator, base)

    def _line(self, line: ScriptLine, tag: int, vr: str, base: Rule) -> Rule:
        """The action of a line; only what depends on the file is left to be evaluated for each file."""
        source = f"{self.name} line {line.number}"
        entry = dictionary(tag)
        known = entry.vr if entry else vr
        call = line.template[0] if len(line.template) == 1 else None
        named = call.name if isinstance(call, Call) else ""
        if not line.template or named in ("empty", "blank"):
            return Rule("Z", "", "the site's script empties it", source)
        if named == "remove":
            return Rule("X", "", "the site's script removes it", source)
        if known == "SQ":
            if named in ("keep", "process"):
                return Rule("S", "", "the site's script keeps it; here its items are always processed", source)
            return Rule("X", "", "the site's script replaces it; a sequence cannot be replaced by text", source)
        if named in ("keep", "process") and known in DATES:
            return Rule("shift", "", "the site's script keeps it, for dates shifted before; here it is shifted", source)
        if named in ("keep", "process") and known == "AS":
            return Rule("age", "", "the site's script keeps it; here an age above 89 years becomes 090Y", source)
        if named in ("keep", "process"):
            return Rule("K", "", "the site's script keeps it", source)
        if named in ("time", "date"):
            return base._replace(
                reason=f"the site's script writes the time of the run; here: {base.reason}", source=source
            )
        if named == "hashuid" and isinstance(call, Call) and call.arguments[1:] == ("this",):
            return Rule("U", "", "the site's script replaces the UID", source)
        return Rule("script", line.text, "the site's script makes the value", source)

    def _unnamed(self, tag: int, vr: str, creator: str, base: Rule) -> Rule:
        group, remove = tag >> 16, self.script.remove
        kept = group in self.script.keep_groups or (creator and self.script.keep_safe_private)
        entry = dictionary(tag)
        if kept and base.action == "X" and entry and entry.vr in SHORT_TEXT:
            return Rule("C", "", f"the site's script keeps group {group:04X}; identifiers in it are removed", self.name)
        if creator and "privategroups" in remove and not kept:
            return Rule("X", "", "the site's script removes private groups", self.name)
        if "unspecifiedelements" in remove and not kept and group not in (0x0028, 0x7FE0) and tag != 0x00080016:
            return Rule("X", "", "the site's script removes what it does not name", self.name)
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
            parse_filter(filters.read_text(encoding="utf-8-sig")) if filters else None,
            parse_regions(regions.read_text(encoding="utf-8-sig")) if regions else (),
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
        if call.name in ("encrypt", "decrypt") and not find_spec("cryptography"):
            faults.append(f"script line {line.number}: @{call.name} needs more packages; pip install 'chorus-nb[ctp]'")
        if call.name == "hashuid" and uid_root:
            root = script.parameters.get(call.arguments[0][1:], call.arguments[0]).removesuffix(".")
            if root != uid_root:
                faults.append(f"script line {line.number}: makes UIDs below another root than uid_root")
    return faults
