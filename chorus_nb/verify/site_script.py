"""What a site's own CTP script promises of a released file, read by the verifier itself (docs/facts/ctp.md §1.1, 1.2).

Only lines whose result is plain are read: removed, emptied, a fixed text, a decimal MD5. They hold at the root of a
file, for elements that a person decided nothing about and that are the script's to decide.
"""

from __future__ import annotations

import hashlib
import html
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from chorus_nb import standards, tables
from chorus_nb.leaks.reading import Leaf, Reading, keyword_of
from chorus_nb.parameters import SCRIPT, Parameters, resolve
from chorus_nb.workspace import Workspace

NOT_THE_SCRIPTS = frozenset(
    (
        *(0x00100020, 0x00080050, 0x00080018, 0x00080016, 0x0020000D, 0x0020000E),  # linked and laid out by
        *(0x00080060, 0x00200013, 0x00080005, 0x7FE00010),
        *(0x00120062, 0x00120063, 0x00120064, 0x00280301, 0x00280302, 0x00280303),  # say what was done
    )
)
_LINE = re.compile(r"<e\b([^>]*?)(?:/>|>(.*?)</e\s*>)", re.DOTALL)
_ATTRIBUTE = re.compile(r"""\b(en|t|n)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_PARAMETER = re.compile(r"""<p\b[^>]*?\bt\s*=\s*["']([^"']*)["'][^>]*>(.*?)</p\s*>""", re.DOTALL)
_PROPERTY = re.compile(r"^\s*set\.\[([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\][^=\n]*=[ \t]*(.*)$", re.MULTILINE)
_PROPERTY_PARAMETER = re.compile(r"^\s*param\.([^=\s]+)\s*=[ \t]*(.*)$", re.MULTILINE)
_HASH = re.compile(r"@hash\(this(?:,(\d+))?\)\Z")
_COPIED = re.compile(
    r"@(contents|value|truncate|lowercase|uppercase|initials|pathelement|decrypt|append|round)\(|,\s*\"?ignore\b"
)
_PLAIN = re.compile(r"(?:[^@\\]|@param\(@\w+\))+\Z")


class Promise(NamedTuple):
    """What becomes of an element: ``gone``, ``text`` (with it; "" = empty), ``md5`` (its first ``digits``, 0 = all),
    ``made`` (a value that only CTP's language can tell), or ``copied`` (one that shows a part of an original value)."""

    kind: str
    text: str = ""
    digits: int = 0


def script_path(parameters: Parameters) -> Path | None:
    """The script, None if the policy is none."""
    return resolve(parameters.policy) if parameters.policy_name == SCRIPT else None


def script_digest(parameters: Parameters) -> str:
    """BLAKE3 of the script, "" if the policy is none."""
    path = script_path(parameters)
    return blake3(path.read_bytes()).hexdigest() if path else ""


def promises(workspace: Workspace) -> dict[int, Promise]:
    """The promises of the site's script by tag, without those that a decision in the tag plan takes back."""
    path = script_path(workspace.parameters)
    if path is None:
        return {}
    content = path.read_bytes()
    wide = content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE)
    try:
        made = read_promises(content.decode("utf-16" if wide else "utf-8-sig"))
    except UnicodeDecodeError:  # as Java writes and reads properties
        made = read_promises(content.decode("latin-1"))
    if workspace.has(tables.TAG_PLAN):
        plan = workspace.read(tables.TAG_PLAN)
        for tag in plan.tag[plan.decided_by != "policy"].unique():
            made.pop(int(re.sub(r"\W", "", tag), 16) if re.fullmatch(r"\([0-9A-Fa-f,]{9}\)", tag) else 0, None)
    return made


def read_promises(text: str) -> dict[int, Promise]:
    """The promises of a script in either of CTP's forms."""
    if re.search(r"^\s*<", text, re.MULTILINE):
        text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        parameters = {name: html.unescape(value) for name, value in _PARAMETER.findall(text)}
        lines = list(_xml_lines(text))
    else:
        parameters = dict(_PROPERTY_PARAMETER.findall(text))
        lines = [(group + element, action) for group, element, action in _PROPERTY.findall(text)]
    made: dict[int, Promise] = {}
    for tag, action in lines:
        number, promise = int(tag, 16), _promise(action.strip(), parameters)
        made.pop(number, None)  # of a tag given twice, the last line counts
        if promise and number not in NOT_THE_SCRIPTS:
            made[number] = promise
    return made


def _xml_lines(text: str) -> Iterator[tuple[str, str]]:
    for attributes, action in _LINE.findall(text):
        found = {name: double or single for name, double, single in _ATTRIBUTE.findall(attributes)}
        if found.get("en") == "T" and re.fullmatch(r"[0-9A-Fa-f]{8}", found.get("t", "")):
            yield found["t"], html.unescape(re.sub(r"<!\[CDATA\[(.*?)\]\]>", r"\1", action, flags=re.DOTALL))


def _promise(action: str, parameters: Mapping[str, str]) -> Promise | None:
    """What a line promises; None where something is kept, or what is made depends on the clock or is not defined."""
    action = action.removeprefix("@always()")
    used = re.findall(r"[@$](\w+)\s*[,)]", action)
    if any(name not in parameters for name in used) or re.search(r"@(keep|process|require|time|date)\(", action):
        return None
    if "@remove()" in action and "{" not in action:
        return Promise("gone")
    if action in ("", "@empty()") or re.fullmatch(r"@blank\(\d*\)", action):
        return Promise("text")
    if found := _HASH.match(action):
        return Promise("md5", digits=int(found[1] or 0))
    if _PLAIN.match(action):
        return Promise("text", re.sub(r"@param\(@(\w+)\)", lambda name: parameters[name[1]], action).strip())
    return Promise("copied" if _COPIED.search(action) else "made")


def promise_faults(promises: Mapping[int, Promise], source: Reading, release: Reading) -> Iterator[tuple[str, str]]:
    """Where the root of a released file does not hold what the script makes of it: the element, and what is wrong."""
    sop_class = release.leaves.get(("", 0x00080016))
    for tag, promise in promises.items():
        type_ = standards.attribute_type(sop_class.text if sop_class else "", (), keyword_of(tag))
        if promise.kind == "gone" and type_ == "1":
            continue  # an image needs it; the default policy decides
        if promise.kind == "gone" and type_ == "2":
            promise = Promise("text")
        new = release.leaves.get(("", tag))
        if new is not None and (fault := broken(promise, source.leaves.get(("", tag)), new)):
            yield new.name, fault
        elif new is None and tag in release.dataset and promise.kind in ("gone", "text"):
            items = release.dataset[tag].value
            if promise.kind == "gone" or items:
                yield standards.tag_name(tag), "a sequence that the site's script removes or empties"


def broken(promise: Promise, old: Leaf | None, new: Leaf) -> str:
    """What is wrong with a released element, "" if nothing. A value may be cut to what its VR holds."""
    value = new.text.strip()
    if promise.kind == "gone":
        return "is there, which the site's script removes"
    if promise.kind == "text" and not promise.text:
        return "has a value, which the site's script empties" if value else ""
    if not value or promise.kind in ("made", "copied"):
        return ""
    wanted = promise.text
    if promise.kind == "md5":
        digits = str(int.from_bytes(hashlib.md5((old.text.strip() if old else "").encode()).digest(), "big"))
        wanted = digits[: promise.digits] if promise.digits else digits
    return "" if wanted.startswith(value) else "has another value than the site's script gives"


def is_made(promise: Promise | None) -> bool:
    """Whether the script puts a value of its own there, which stands in for the dummy or nothing of the profile."""
    return promise is not None and (promise.kind in ("md5", "made") or bool(promise.text))


def promised_kind(promise: Promise | None, old: Leaf | None, new: Leaf) -> str:
    """``text`` or ``md5`` if a value is the one that the script gives; "" if not, or if only CTP could tell."""
    told = promise is not None and (promise.kind == "md5" or bool(promise.text))
    return promise.kind if promise and told and not broken(promise, old, new) else ""
