"""Reading a DicomAnonymizer script, XML or properties, into lines that were checked (facts: ctp.md §1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from chorus_nb.errors import InputError
from chorus_nb.mapping.ctp.checking import check_call, undefined_parameters
from chorus_nb.mapping.ctp.expressions import PathStep, ScriptFault, ValueTemplate, calls, parse
from chorus_nb.mapping.ctp.lookup import properties, text_of_script

REMOVABLE = ("privategroups", "unspecifiedelements", "curves", "overlays")
_STANDARD_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
_PRIVATE_TAG = re.compile(r"([0-9A-Fa-f]{4})\[(.*)\]([0-9A-Fa-f]{2})\Z")


class ScriptLine(NamedTuple):
    """An enabled line for an element; ``undefined`` are parameters it uses that the script does not define."""

    number: int
    name: str
    text: str
    template: ValueTemplate
    undefined: tuple[str, ...] = ()


class _Entry(NamedTuple):
    """A line as either file form gives it: ``kind`` is p, e, k or r."""

    kind: str
    number: int
    target: str
    name: str
    text: str


@dataclass(frozen=True)
class Script:
    """A DicomAnonymizer script. Parts that are not enabled are not in it."""

    parameters: Mapping[str, str]
    lines: Mapping[PathStep, ScriptLine]
    keep_groups: frozenset[int]
    keep_safe_private: bool
    remove: frozenset[str]
    names: Mapping[str, PathStep] = field(repr=False)

    @cached_property
    def templates(self) -> Mapping[PathStep, ValueTemplate]:
        """What each line says, by element."""
        return {step: line.template for step, line in self.lines.items()}

    def line(self, tag: int, creator: str = "") -> ScriptLine | None:
        """The line for an element; a private one is found by its creator and offset, whatever its block."""
        step = PathStep(tag & 0xFFFF00FF if creator else tag, creator)
        return self.lines.get(step)


def read_script(path: Path) -> Script:
    """Read and check a script; :class:`InputError` has a line for each fault, with its place and its tag.

    CTP treats a damaged script as an empty one and lets every file pass unchanged; here nothing runs.
    """
    text = text_of_script(path)
    is_xml = re.search(r"^\s*<", text, re.MULTILINE)
    try:
        entries = list(_xml(text) if is_xml else _properties(text))
    except expat.ExpatError as error:
        raise InputError(f"{path.name} line {error.lineno}: not well-formed XML") from None
    except ScriptFault as fault:
        raise InputError(f"{path.name}: {fault}") from None
    if not entries:
        raise InputError(f"{path.name}: holds no line of a DicomAnonymizer script")
    faults: list[str] = []
    script = _script(path, entries, faults)
    if faults:
        raise InputError(*faults)
    return script


def _xml(text: str) -> Iterator[_Entry]:
    """Only direct children p, e, k, r of the root count; ``en`` must be T except for p."""
    entries: list[list[str | int]] = []
    depth = 0
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 2 and tag in "pekr" and (tag == "p" or attributes.get("en") == "T"):
            entries.append([tag, parser.CurrentLineNumber, attributes.get("t", ""), attributes.get("n", ""), ""])
        elif depth == 2:
            entries.append(["", 0, "", "", ""])

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1

    def characters(data: str) -> None:
        if depth == 2:
            entries[-1][4] = str(entries[-1][4]) + data

    def refuse(*_: object) -> None:
        raise ScriptFault("entities are not allowed in a script")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    parser.EntityDeclHandler = refuse
    parser.Parse(text, True)
    for kind, number, target, name, content in entries:
        if kind:
            shown = str(content) if kind == "p" else str(content).strip()
            yield _Entry(str(kind), int(number), str(target), str(name), shown)


def _properties(text: str) -> Iterator[_Entry]:
    for number, key, value in properties(text):
        if key.startswith("param."):
            yield _Entry("p", number, key.removeprefix("param."), "", value)
        elif match := re.match(r"set\.\[([^,]{4}),((?:\[.*\])?[^\]]*)\](.*)\Z", key):
            yield _Entry("e", number, match[1] + match[2], match[3], value.strip())
        elif key.startswith("keep."):
            yield _Entry("k", number, key.removeprefix("keep.").removeprefix("group"), "", value)
        elif key.startswith("remove."):
            yield _Entry("r", number, key.removeprefix("remove."), "", value)
        else:
            yield _Entry("?", number, key, "", value)


def _script(path: Path, entries: list[_Entry], faults: list[str]) -> Script:
    parameters = {entry.target: entry.text for entry in entries if entry.kind == "p"}
    steps = {entry: step for entry in entries if entry.kind == "e" and (step := _sequence_step(entry.target))}
    names = {entry.name: step for entry, step in steps.items() if step.creator and entry.name}
    lines: dict[PathStep, ScriptLine] = {}
    keep, remove, keep_safe = set(), set(), False
    for entry in entries:
        where = f"{path.name} line {entry.number} ({entry.target})"
        match entry.kind:
            case "e" if entry not in steps:
                faults.append(f"{where}: is no tag: 8 hexadecimal digits, or gggg[creator]ee")
            case "e":
                try:
                    lines[steps[entry]] = _line(entry, parameters, names)
                except ScriptFault as fault:
                    faults.append(f"{where}: {fault}")
            case "k" if entry.target.startswith("safe"):
                keep_safe = True
            case "k" if re.fullmatch(r"[0-9A-Fa-f]{4}", entry.target):
                keep.add(int(entry.target, 16))
            case "r" if entry.target in REMOVABLE:
                remove.add(entry.target)
            case "p":
                pass
            case _:
                faults.append(f"{where}: is not understood")
    return Script(parameters, lines, frozenset(keep), keep_safe, frozenset(remove), names)


def _line(entry: _Entry, parameters: Mapping[str, str], names: Mapping[str, PathStep]) -> ScriptLine:
    template = parse(entry.text)
    undefined: dict[str, None] = {}
    for call in calls(template):
        check_call(call, parameters, names)
        undefined |= dict.fromkeys(name[1:] for name in undefined_parameters(call, parameters))
    return ScriptLine(entry.number, entry.name, entry.text, template, tuple(undefined))


def _sequence_step(target: str) -> PathStep | None:
    if _STANDARD_TAG.match(target):
        return PathStep(int(target, 16))
    match = _PRIVATE_TAG.match(target)
    return PathStep(int(match[1] + "00" + match[3], 16), match[2]) if match else None
