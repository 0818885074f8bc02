"""The 36 functions of CTP scripts (facts: ctp.md §1.4), fail closed where CTP fails open."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chorus_nb.mapping.ctp import dates
from chorus_nb.mapping.ctp.expressions import (
    Call,
    ElementName,
    PathStep,
    ScriptFault,
    Values,
    ValueTemplate,
    element,
    pattern,
    unquoted,
)
from chorus_nb.mapping.ctp.lookup import look_up

REMOVE, KEEP, EMPTY, PROCESS = "@remove()", "@keep()", "@empty()", "@process()"


class Quarantine(Exception):
    """The script says, or its inputs make it impossible to say otherwise, that the file must not leave."""


@dataclass(frozen=True)
class Context:
    """What a script is evaluated in: the element it is about, the file, the parameters and tables of the site."""

    this: PathStep
    values: Values
    parameters: Mapping[str, str]
    table: Mapping[str, str]
    at_root: bool = True
    own: Mapping[str, PathStep] | None = None
    scripts: Mapping[PathStep, ValueTemplate] | None = None
    now: datetime | None = None
    integer: Callable[[str, str], int] | None = None

    def read(self, name: str) -> str | None:
        """Value of an element by its name; ``None`` = not there."""
        return self.value(element(name, self.own or {}))

    def value(self, found: ElementName) -> str | None:
        return self.values.text(found.steps or (self.this,), found.root)

    def parameter(self, argument: str) -> str:
        """An argument that may be a parameter, ``@P`` or ``$P``."""
        if argument[:1] in ("@", "$"):
            if argument[1:] not in self.parameters:
                raise ScriptFault(f"parameter {argument[1:]} is not defined")
            return self.parameters[argument[1:]]
        return unquoted(argument)


def evaluate(template: ValueTemplate, context: Context) -> str:
    """The text a script results in; the pseudo-functions remain in it as text (:func:`outcome` reads them)."""
    return "".join(part if isinstance(part, str) else FUNCTIONS[part.name][1](part, context) for part in template)


def element_outcome(result: str) -> str:
    """The final value, or one of ``@remove()``, ``@keep()``, ``@empty()``, ``@process()``."""
    result = result.strip()
    if REMOVE in result:
        return REMOVE
    if result.startswith("@blank("):
        return EMPTY  # blanks are trimmed when they are stored
    return result or EMPTY


# --- helpers ----------------------------------------------------------------------------------------------------------


def decimal_md5(text: str, length: int = 0) -> str:
    """MD5 of the text as a decimal number, its first ``length`` digits (0 = all)."""
    digits = str(int.from_bytes(hashlib.md5(text.encode("utf-8")).digest(), "big"))
    return digits[:length] if length > 0 else digits


def hash_uid(root: str, uid: str) -> str:
    """CTP's unkeyed UID: root, a 9 if the number starts with 0, decimal MD5; at most 64 characters."""
    digits = decimal_md5(uid)
    return f"{root.removesuffix('.')}.{'9' if digits.startswith('0') else ''}{digits}"[:64]


def _argument(call: Call, place: int, default: str = "") -> str:
    return call.arguments[place] if len(call.arguments) > place else default


def _numeric_argument(call: Call, place: int, context: Context, default: int = 0) -> int:
    text = context.parameter(_argument(call, place, str(default)))
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else default


def _element_of(call: Call, context: Context, place: int = 0) -> str | None:
    return context.read(call.arguments[place])


def _clause(call: Call, place: int, context: Context) -> str:
    return evaluate(call.clauses[place], context).strip() if len(call.clauses) > place else ""


# --- text -------------------------------------------------------------------------------------------------------------


def _contents_of(call: Call, context: Context) -> str:
    value = _element_of(call, context) or ""
    if len(call.arguments) < 2:
        return value
    replacement = unquoted(_argument(call, 2))
    return pattern(unquoted(call.arguments[1])).sub(lambda match: _filled_in(replacement, match), value)


def _filled_in(replacement: str, match: re.Match[str]) -> str:
    """``$1`` is what stands in the first brackets, a backslash takes the next character as it is, as in Java."""
    return re.sub(r"\\(.)|\$(\d)", lambda part: part[1] or match[int(part[2])] or "", replacement)


def _truncate(call: Call, context: Context) -> str:
    value, length = _element_of(call, context) or "", call.arguments[1]
    if not re.fullmatch(r"-?\d+", length):
        return value
    return value[: int(length)] if int(length) >= 0 else value.strip()[int(length) :]


def _path_element(call: Call, context: Context) -> str:
    value = _element_of(call, context) or ""
    parts = value.split("/")
    place = _numeric_argument(call, 1, context)
    return parts[place] if -len(parts) <= place < len(parts) else value


def _initials(call: Call, context: Context) -> str:
    words = [word for word in re.split(r"[\^,\s]+", _element_of(call, context) or "") if word]
    letters = "".join(word[0] for word in (*words[1:], *words[:1])).upper() or "X"
    offset = _numeric_argument(call, 1, context)
    return "".join(_rotated(letter, offset) for letter in letters)


def _rotated(letter: str, offset: int) -> str:
    for first, count in (("A", 26), ("0", 10)):
        if 0 <= ord(letter) - ord(first) < count:
            return chr((ord(letter) - ord(first) + offset) % count + ord(first))
    return letter


def _round(call: Call, context: Context) -> str:
    value, size = _element_of(call, context) or "", _numeric_argument(call, 1, context)
    digits, rest = re.sub(r"\D", "", value), re.sub(r"\d", "", value)
    if not value:
        return ""
    if not digits or size < 1:
        return EMPTY
    rounded = f"{math.floor(int(digits) / size + 0.5) * size}{rest}"
    return "0" * (len(rounded) % 2) + rounded


def _present_time(call: Call, context: Context, form: str) -> str:
    if context.now is None:
        raise Quarantine(f"@{call.name} gives the time of the run, which differs from run to run")
    return context.now.strftime(form.replace("|", unquoted(_argument(call, 0))))


# --- identifiers ------------------------------------------------------------------------------------------------------


def _hash_value(call: Call, context: Context) -> str:
    value = _element_of(call, context)
    return REMOVE if value is None else decimal_md5(value, _numeric_argument(call, 1, context))


def _hash_name(call: Call, context: Context) -> str:
    parts = (_element_of(call, context) or "").split("^")
    words = parts[: _numeric_argument(call, 2, context, len(parts))]
    return decimal_md5(re.sub(r"[\s,'^.]", "", "".join(words)).upper(), _numeric_argument(call, 1, context, 4))


def _hash_ptid(call: Call, context: Context) -> str:
    site, value = context.parameter(call.arguments[0]).strip(), (_element_of(call, context, 1) or "").strip()
    return decimal_md5(f"[{site}]{value}", _numeric_argument(call, 2, context))


def _hash_uid(call: Call, context: Context) -> str:
    value = _element_of(call, context, 1)
    if value is None:
        return REMOVE
    if len(call.arguments) > 2:
        third = element(call.arguments[2], context.own or {}).steps[-1:]
        script = (context.scripts or {}).get(third[0]) if third else None
        value += evaluate(script, context) if script else ""
    return hash_uid(context.parameter(call.arguments[0]), value)


def _lookup(call: Call, context: Context) -> str:
    value = "|".join((context.read(name) or "").strip() for name in call.arguments[0].split("|"))
    key_type, action = call.arguments[1], unquoted(_argument(call, 2))
    found = look_up(context.table, key_type, value.upper() if action == "UC" else value)
    if found is not None:
        return found
    match action:
        case "keep" | "remove" | "empty":
            return f"@{action}()"
        case "default":
            return unquoted(_argument(call, 3))
        case "ignore" if pattern(unquoted(_argument(call, 3))).fullmatch(value):
            return value
    raise Quarantine(f"the lookup table has no row for a value of {key_type}")


def _integer(call: Call, context: Context) -> str:
    if context.integer is None:
        raise Quarantine("@integer numbers values in the order files come in; use a lookup table")
    width = _numeric_argument(call, 2, context)
    return str(context.integer(call.arguments[1], _element_of(call, context) or "")).zfill(width)


def _cipher(call: Call, context: Context, encrypt: bool) -> str:
    """Blowfish, ECB, PKCS5 with a key made of the text as CTP makes it."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    text = re.sub(r"[^A-Za-z0-9+/]", "", context.parameter(call.arguments[1]))
    key = base64.b64decode((text + "tszyihnnphlyeaglle" * 2)[:22] + "==")
    cipher = Cipher(Blowfish(key), modes.ECB())
    value = _element_of(call, context) or ""
    if encrypt:
        padder, writer = PKCS7(64).padder(), cipher.encryptor()
        content = padder.update(value.encode()) + padder.finalize()
        return base64.b64encode(writer.update(content) + writer.finalize()).decode()
    try:
        reader, remover = cipher.decryptor(), PKCS7(64).unpadder()
        content = reader.update(base64.b64decode(value)) + reader.finalize()
        return (remover.update(content) + remover.finalize()).decode()
    except ValueError:
        return EMPTY


# --- dates ------------------------------------------------------------------------------------------------------------


def _increment_date(call: Call, context: Context) -> str:
    value = _element_of(call, context)
    if value is None:
        return REMOVE
    if len(call.arguments) == 2:
        return dates.increment(value, _numeric_argument(call, 1, context))
    key = (_element_of(call, context, 1) or "").strip()
    days = look_up(context.table, call.arguments[2], key)
    if days is None or not re.fullmatch(r"[+-]?\d+", days):
        raise Quarantine(f"the lookup table has no number of days for a value of {call.arguments[2]}")
    return dates.increment(value, int(days))


def _hash_date(call: Call, context: Context) -> str:
    value, key = _element_of(call, context), _element_of(call, context, 1)
    if value is None or key is None:
        return REMOVE
    return dates.increment(value, -(int(decimal_md5(key)[-4:]) % 3650) or -1)


def _modify_date(call: Call, context: Context) -> str:
    value = _element_of(call, context)
    return REMOVE if value is None else dates.modify(value, *(context.parameter(a) for a in call.arguments[1:4]))


def _date_interval(call: Call, context: Context) -> str:
    base = look_up(context.table, call.arguments[1], (_element_of(call, context, 2) or "").strip())
    try:
        return dates.interval(_element_of(call, context) or "", base or "", context.parameter(_argument(call, 3)))
    except ValueError:
        raise Quarantine("@dateinterval: a date or its base is missing or no date") from None


# --- choices ----------------------------------------------------------------------------------------------------------


def _if(call: Call, context: Context) -> str:
    value = _element_of(call, context)
    argument = context.parameter(_argument(call, 2))
    met = call.arguments[1] == "exists" and value is not None
    return _clause(call, 0 if met or CONDITIONS[call.arguments[1]](value or "", argument) else 1, context)


def _digits(text: str) -> int:
    return int("0" + re.sub(r"\D", "", text))


CONDITIONS: dict[str, Callable[[str, str], bool]] = {
    "isblank": lambda text, _: not text.strip(),
    "exists": lambda text, _: bool(text),
    "contains": lambda text, part: part.lower() in text.lower(),
    "equals": lambda text, other: other.lower() == text.lower(),
    "matches": lambda text, expression: pattern(expression).fullmatch(text) is not None,
    "greaterthan": lambda text, other: _digits(text) > _digits(other),
}


def _append_value(call: Call, context: Context) -> str:
    value = context.value(ElementName(()))
    return f"{value}\\{_clause(call, 0, context)}" if value else _clause(call, 0, context)


def _require(call: Call, context: Context) -> str:
    if context.value(ElementName(())) is not None:
        return KEEP
    return (_element_of(call, context) if call.arguments else None) or unquoted(_argument(call, 1))


def _quarantine(call: Call, context: Context) -> str:
    raise Quarantine(f"the script says @{call.name}()")


Function = Callable[[Call, Context], str]

# Arguments: E element, T text, P text or parameter, N number or parameter; ? may be left out; | separates forms.
FUNCTIONS: dict[str, tuple[str, Function]] = {
    "remove": ("", lambda call, context: REMOVE),
    "keep": ("", lambda call, context: KEEP),
    "empty": ("", lambda call, context: EMPTY),
    "blank": ("T?", lambda call, context: f"@blank({_argument(call, 0)})"),
    "contents": ("E T? T?", _contents_of),
    "value": ("E T?", lambda call, context: _element_of(call, context) or unquoted(_argument(call, 1))),
    "truncate": ("E T", _truncate),
    "lowercase": ("E", lambda call, context: (_element_of(call, context) or "").lower()),
    "uppercase": ("E", lambda call, context: (_element_of(call, context) or "").upper()),
    "pathelement": ("E N", _path_element),
    "initials": ("E N?", _initials),
    "param": ("P", lambda call, context: context.parameter(call.arguments[0])),
    "date": ("T?", lambda call, context: _present_time(call, context, "%Y|%m|%d")),
    "time": ("T?", lambda call, context: _present_time(call, context, "%H|%M|%S")),
    "hash": ("E N?", _hash_value),
    "hashname": ("E N N?", _hash_name),
    "hashptid": ("P E N?", _hash_ptid),
    "hashuid": ("P E E?", _hash_uid),
    "hashdate": ("E E", _hash_date),
    "incrementdate": ("E N|E E T", _increment_date),
    "modifydate": ("E P P P", _modify_date),
    "dateinterval": ("E T E P?", _date_interval),
    "lookup": ("E T T? T?", _lookup),
    "integer": ("E T N?", _integer),
    "encrypt": ("E P", lambda call, context: _cipher(call, context, True)),
    "decrypt": ("E P", lambda call, context: _cipher(call, context, False)),
    "round": ("E N", _round),
    "if": ("E T P?", _if),
    "select": ("", lambda call, context: _clause(call, 0 if context.at_root else 1, context)),
    "append": ("", _append_value),
    "always": ("", lambda call, context: ""),
    "require": ("E? T?", _require),
    "process": ("", lambda call, context: PROCESS),
    "skip": ("", _quarantine),
    "quarantine": ("", _quarantine),
    "call": ("T T? T? T? T? T? T? T?", _quarantine),
}
