"""The language of CTP element scripts: text with calls in it, ``ID-@hash(this,8)`` (facts: ctp.md §1.2, 1.3).

A script is parsed and checked when it is read, so that what CTP would let pass in silence (an unknown function, a
misspelt element, an undefined parameter) is an error with its line before any file is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from pydicom.datadict import tag_for_keyword

from chorus_nb import standards


class ScriptFault(Exception):
    """What is wrong with a script; the reader adds file, line and tag."""


class PathStep(NamedTuple):
    """An element of a data set: its tag, with the offset only and its creator if it is private."""

    tag: int
    creator: str = ""


class ElementName(NamedTuple):
    """An element as a script names it: ``this``, ``PatientID``, ``A::B`` (first items), ``root:PatientID``."""

    steps: tuple[PathStep, ...]  # empty = this
    root: bool = False


class Values(Protocol):
    """Where the values come from: the file a script is run on, as it was before anything was changed."""

    def text(self, steps: tuple[PathStep, ...], root: bool) -> str | None:
        """Value of an element of this item (or of the root) by CTP's trimming rules; ``None`` = not there."""


class Call(NamedTuple):
    """A call with its arguments as written, and the clauses in braces behind it."""

    name: str
    arguments: tuple[str, ...]
    clauses: tuple[ValueTemplate, ...] = ()


ValueTemplate = tuple["str | Call", ...]

_CLAUSES = {"if": 2, "select": 2, "append": 1}
_NAME = re.compile(r"@([A-Za-z\s]*)\(")
_STANDARD_NAME = re.compile(r"[\[(]?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})[\])]?\Z")
_PRIVATE_NAME = re.compile(r"\[?([0-9A-Fa-f]{4}),?\[(?P<creator>[^\]]*)\]([0-9A-Fa-f]{2})\]?\Z")


def parse(text: str) -> ValueTemplate:
    """An element script taken apart; :class:`ScriptFault` where CTP would stop in the middle."""
    return _Parser(text.strip()).template()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def template(self) -> ValueTemplate:
        parts: list[str | Call] = []
        literal = ""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "\\" and self.at + 1 < len(self.text):
                literal += self.text[self.at + 1]
                self.at += 2
            elif character == "@":
                if literal:
                    parts.append(literal)
                    literal = ""
                parts.append(self.call())
            else:
                literal += character
                self.at += 1
        return (*parts, literal) if literal else tuple(parts)

    def call(self) -> Call:
        match = _NAME.match(self.text, self.at)
        if not match:
            raise ScriptFault("'@' without a function and its arguments in parentheses")
        name = re.sub(r"\s", "", match[1])
        self.at = match.end()
        arguments = tuple(split_arguments(self.enclosed("(", ")")))
        clauses: list[ValueTemplate] = []
        while len(clauses) < _CLAUSES.get(name, 0) and (brace := re.compile(r"\s*\{").match(self.text, self.at)):
            self.at = brace.end()
            clauses.append(parse(self.enclosed("{", "}")))
        return Call(name, arguments, tuple(clauses))

    def enclosed(self, opening: str, closing: str) -> str:
        """The text up to the closing bracket that belongs to an opening one just read."""
        start, depth, quoted = self.at, 1, False
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == "\\":
                self.at += 1
            elif character == '"' and opening == "(":
                quoted = not quoted
            elif not quoted and character == opening:
                depth += 1
            elif not quoted and character == closing:
                depth -= 1
                if not depth:
                    return self.text[start : self.at - 1]
        raise ScriptFault(f"'{opening}' is never closed")


def split_arguments(text: str) -> Iterator[str]:
    """Arguments split at commas outside quotes and brackets; one level of backslashes is used up."""
    if not text.strip():
        return
    argument, depth, quoted = "", 0, False
    characters = iter(text)
    for character in characters:
        if character == "\\":
            argument += next(characters, "")
            continue
        quoted ^= character == '"'
        depth += (character in "[(") - (character in "])") if not quoted else 0
        if character == "," and not quoted and depth <= 0:
            yield argument.strip()
            argument = ""
        else:
            argument += character
    yield argument.strip()


def unquoted(argument: str) -> str:
    """An argument without the double quotes around it."""
    return argument[1:-1] if len(argument) > 1 and argument[0] == argument[-1] == '"' else argument


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression of a script; :class:`ScriptFault` for one that is none here, such as Java's ``\\p{Alpha}``.
    As in Java ``\\w``, ``\\d`` and ``\\s`` mean ASCII."""
    try:
        return re.compile(text, re.ASCII)
    except re.error as fault:
        raise ScriptFault(f"a regular expression that cannot be read: {fault.msg}") from None


def element(name: str, own: Mapping[str, PathStep]) -> ElementName:
    """The element a name stands for; ``own`` are names the script itself gives to private elements.

    CTP's spelling (dcm4che 1.4) comes first, then that of the Standard, which CTP takes for a missing element.
    """
    if name == "this":
        return ElementName(())
    root = name.startswith("root:")
    return ElementName(tuple(_path_step(part, own) for part in name.removeprefix("root:").split("::")), root)


def _path_step(name: str, own: Mapping[str, PathStep]) -> PathStep:
    if name in own:
        return own[name]
    if match := _PRIVATE_NAME.match(name):
        return PathStep(int(match[1] + "00" + match[3], 16), match["creator"])
    if match := _STANDARD_NAME.match(name):
        return PathStep(int(match[1] + match[2], 16))
    tag = standards.ctp_tag(name) or tag_for_keyword(name)
    if tag is None:
        raise ScriptFault(f"{name} is no element")
    return PathStep(tag)


def calls(template: ValueTemplate) -> Iterator[Call]:
    """Every call of a template, also those inside clauses."""
    for part in template:
        if isinstance(part, Call):
            yield part
            for clause in part.clauses:
                yield from calls(clause)


def trimmed(text: str, vr: str) -> str:
    """A value as CTP reads it: padding off both ends of short text, off the end of long text and of UIDs."""
    if vr in ("LO", "SH", "AE", "CS", "DS", "IS"):
        return "\\".join(part.strip(" \0") for part in text.split("\\"))
    return text if vr == "AS" else text.rstrip(" \0^" if vr == "PN" else " \0")
