"""What can be known of a call in a CTP script without a file: faults, parameters that are missing, what it copies."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chorus_nb.mapping.ctp.expressions import (
    Call,
    PathStep,
    ScriptFault,
    ValueTemplate,
    calls,
    element,
    pattern,
    unquoted,
)
from chorus_nb.mapping.ctp.functions import CONDITIONS, FUNCTIONS

COPYING = frozenset(
    ("contents", "value", "truncate", "lowercase", "uppercase", "pathelement", "initials", "append", "decrypt", "round")
)


def check_call(call: Call, parameters: Mapping[str, str], own: Mapping[str, PathStep]) -> None:
    """What can be known of a call without a file; :class:`ScriptFault` names what is wrong."""
    if call.name not in FUNCTIONS:
        raise ScriptFault(f"unknown function @{call.name}")
    kinds = _kinds(call)
    if kinds is None:
        raise ScriptFault(f"@{call.name} is given {len(call.arguments):,} arguments, which it cannot take")
    if call.name == "if" and call.arguments[1] not in CONDITIONS:
        raise ScriptFault(f"@if has no condition {call.arguments[1]}")
    undefined = undefined_parameters(call, parameters)
    _check_patterns(call, parameters)
    for kind, argument in zip(kinds, call.arguments, strict=False):
        if kind[0] == "E":
            for name in argument.split("|"):
                element(name, own)
        if (
            kind[0] == "N"
            and argument not in undefined
            and not re.fullmatch(r"[+-]?\d+", parameters.get(argument[1:], argument))
        ):
            raise ScriptFault(f"@{call.name}: {argument} is not a number")


def _check_patterns(call: Call, parameters: Mapping[str, str]) -> None:
    match (call.name, *call.arguments):
        case ("contents", _, expression, *replacement):
            groups = pattern(unquoted(expression)).groups
            if any(int(group) > groups for group in re.findall(r"(?<!\\)\$(\d)", "".join(replacement))):
                raise ScriptFault("@contents: the replacement names brackets that the expression has not")
        case ("if", _, "matches", expression) if expression[:1] not in ("@", "$"):
            pattern(unquoted(expression))
        case ("if", _, "matches", parameter):
            pattern(parameters.get(parameter[1:], ""))
        case ("lookup", _, _, "ignore", expression):
            pattern(unquoted(expression))


def undefined_parameters(call: Call, parameters: Mapping[str, str]) -> list[str]:
    """Arguments of a checked call that name a parameter which the script does not define."""
    return [
        argument
        for kind, argument in zip(_kinds(call) or (), call.arguments, strict=False)
        if kind[0] in "PN" and argument[:1] in ("@", "$") and argument[1:] not in parameters
    ]


def _kinds(call: Call) -> list[str] | None:
    """What the arguments are, of the form of the function that takes so many; ``None`` = it has none."""
    forms = [form.split() for form in FUNCTIONS[call.name][0].split("|")]
    return next((f for f in forms if sum(k[-1] != "?" for k in f) <= len(call.arguments) <= len(f)), None)


def copies(template: ValueTemplate) -> bool:
    """Whether what a template comes to may hold a part of an original value as it was typed."""
    return any(
        call.name in COPYING or (call.name == "lookup" and "ignore" in map(unquoted, call.arguments[2:3]))
        for call in calls(template)
    )
