"""CTP's DicomFilter language: which objects pass, ``Modality.equals("CT") * !Rows.isLessThan("64")`` (ctp.md §2).

``*`` and, ``+`` or, ``!`` not, parentheses, ``//`` comments. CTP takes every fault for "no"; under a ``!`` that means
"yes". Here a fault is an error when the filter is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from chorus_nb.mapping.ctp.expressions import ElementName, ScriptFault, Values, element, pattern

_TOKEN = re.compile(
    r"""\s*(?://[^\n]*\n?\s*)*(?:
    (?P<sign>[()*+!])
    | (?P<constant>true|false)\.?(?=[\s()*+!]|\Z)
    | (?P<name>(?:\[[^"]*?\](?!\])|root:|::|[A-Za-z]\w*)+)\s*\.\s*(?P<method>\w+)\s*\(\s*"(?P<argument>[^"]*)"\s*\)
    )\s*(?://[^\n]*(?:\n|\Z)\s*)*""",
    re.VERBOSE,
)
METHODS: dict[str, Callable[[str, str], bool]] = {
    "equals": str.__eq__,
    "equalsIgnoreCase": lambda value, other: value.lower() == other.lower(),
    "matches": lambda value, expression: pattern(expression).fullmatch(value) is not None,
    "contains": str.__contains__,
    "containsIgnoreCase": lambda value, part: part.lower() in value.lower(),
    "startsWith": str.startswith,
    "startsWithIgnoreCase": lambda value, part: value.lower().startswith(part.lower()),
    "endsWith": str.endswith,
    "endsWithIgnoreCase": lambda value, part: value.lower().endswith(part.lower()),
    "isGreaterThan": lambda value, other: _as_number(value) > _as_number(other),
    "isLessThan": lambda value, other: _as_number(value) < _as_number(other),
}


def _as_number(text: str) -> int:
    """Digits of the text as one number: CTP strips the sign, the point and letters."""
    return int("0" + re.sub(r"\D", "", text))


@dataclass(frozen=True)
class Test:
    """A method of an element's value."""

    name: ElementName
    method: str
    argument: str

    def __call__(self, values: Values) -> bool:
        return METHODS[self.method](values.text(self.name.steps, self.name.root) or "", self.argument)


@dataclass(frozen=True)
class Not:
    """The opposite."""

    part: Filter

    def __call__(self, values: Values) -> bool:
        return not self.part(values)


@dataclass(frozen=True)
class Join:
    """All of the parts, or any of them."""

    parts: tuple[Filter, ...]
    every: bool

    def __call__(self, values: Values) -> bool:
        return (all if self.every else any)(part(values) for part in self.parts)


Filter = Test | Not | Join


def parse_filter(text: str) -> Filter:
    """A filter to be called with the values of a file; :class:`ScriptFault` tells where it cannot be read."""
    tokens: list[re.Match[str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise ScriptFault(f"cannot be read at character {at + 1}")
        tokens.append(match)
        at = match.end()
    made, rest = _either(tokens)
    if rest:
        raise ScriptFault(f"an operator is missing before character {rest[0].start() + 1}")
    return made


Tokens = list[re.Match[str]]


def _either(tokens: Tokens) -> tuple[Filter, Tokens]:
    return _joined(tokens, "+", _both)


def _both(tokens: Tokens) -> tuple[Filter, Tokens]:
    return _joined(tokens, "*", _one_test)


def _joined(tokens: Tokens, sign: str, part: Callable[[Tokens], tuple[Filter, Tokens]]) -> tuple[Filter, Tokens]:
    made, tokens = part(tokens)
    parts = [made]
    while tokens and tokens[0]["sign"] == sign:
        made, tokens = part(tokens[1:])
        parts.append(made)
    return (parts[0] if len(parts) == 1 else Join(tuple(parts), every=sign == "*")), tokens


def _one_test(tokens: Tokens) -> tuple[Filter, Tokens]:
    if not tokens:
        raise ScriptFault("ends where a condition should be")
    token, rest = tokens[0], tokens[1:]
    if token["constant"]:
        return Join((), every=token["constant"] == "true"), rest
    if token["sign"] == "!":
        made, rest = _one_test(rest)
        return Not(made), rest
    if token["sign"] == "(":
        made, rest = _either(rest)
        if not rest or rest[0]["sign"] != ")":
            raise ScriptFault("'(' is never closed")
        return made, rest[1:]
    if token["sign"]:
        raise ScriptFault(f"'{token['sign']}' where a condition should be")
    if token["method"] not in METHODS:
        raise ScriptFault(f"unknown method {token['method']}")
    if token["method"] == "matches":
        pattern(token["argument"])
    return Test(element(token["name"], {}), token["method"], token["argument"]), rest
