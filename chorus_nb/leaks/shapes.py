"""What a text looks like, whoever it is about: dates, ages, phones, labelled numbers, names beside a title.

No shape ends because a full stop, comma or bracket follows. The words that give a shape away are data (cues.csv,
months.csv), in the five languages that a US site meets.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

from chorus_nb import standards
from chorus_nb.leaks.known import also_named, anatomy_words
from chorus_nb.leaks.spellings import month_names, plain

Severity = Literal["high", "medium", "low", "info"]
Said = tuple[Severity, str]

SHAPES: dict[str, tuple[Severity, re.Pattern[str]]] = {
    "e-mail address": ("high", re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", re.IGNORECASE)),
    "social security number": ("high", re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)")),
    "phone number": ("high", re.compile(r"(?<!\d)(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?!\d)")),
    "web address": ("medium", re.compile(r"https?://|www\.\w", re.IGNORECASE)),
    "network address": ("low", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")),
    "record number": ("high", re.compile(r"\b(?:MRN|SSN|PAT(?:IENT)? ?ID)\W{0,3}\d{3,}", re.IGNORECASE)),
    "date of birth": ("high", re.compile(r"\b(?:DOB|BORN|BIRTH ?DATE)\W{0,3}\d", re.IGNORECASE)),
    "date": ("medium", re.compile(r"(?<!\d)(?:19|20)\d{2}([-/._])(?:0\d|1[0-2])\1[0-3]\d(?!\d)")),
}
"""Shapes that tell in any text, also one read from a picture."""
TITLED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof)\.? +([A-Z][a-z]{2,}|[A-Z]{3,})|\b(?:DR|MR|MRS|MS)\. *([A-Z][A-Za-z]{2,})")


@cache
def cues(kind: str) -> tuple[str, ...]:
    """Words of a kind that give an identifier away (cues.csv), longest first; ``_`` stands for a blank."""
    text = resources.files("chorus_nb.leaks").joinpath("cues.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    words = {plain(word.replace("_", " ")) for row in rows if row["kind"] == kind for word in row["words"].split()}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


def _any(kind: str) -> str:
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in cues(kind)) + ")"


_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_ALONE, _ENDS = r"(?<![^\W_])", r"(?![^\W_])"
_NUMBER_ENDS = r"(?!\d|[.,]\d)"


@cache
def _text_shapes() -> list[tuple[Severity, str, re.Pattern[str]]]:
    """Shapes of descriptions and other free text; looked for in plain letters."""
    names = sorted(
        {plain(name) for each in month_names().values() for name in each}, key=lambda name: (-len(name), name)
    )
    full = "(?:" + "|".join(name for name in names if len(name) > 4) + "|march|may|june|july|juni|juli|juin|juil)"
    month = "(?:" + "|".join(names) + ")"
    sign, of = r"[\s.,/_-]{0,3}", r"(?:de\s+|of\s+)?"
    dates = [
        rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[\s_t-]?\d{{4,6}})?(?!\d)",
        rf"(?<!\d){_YEAR}([-/._]){_MONTH}\1{_DAY}(?!\d)",
        rf"(?<![\d.])(?:{_DAY}([-/.]){_MONTH}|{_MONTH}([-/.]){_DAY})(?:\1|\2)(?:{_YEAR}|\d\d){_NUMBER_ENDS}",
        rf"(?<!\d){_DAY}(?:st|nd|rd|th)?{sign}{of}{month}{sign}{of}(?:{_YEAR}|\d\d){_NUMBER_ENDS}{_ENDS}",
        rf"{_ALONE}{month}{sign}{_DAY}(?:st|nd|rd|th)?[\s,.-]{{1,3}}{_YEAR}{_ENDS}",
        rf"{_ALONE}{month}{sign}{of}{_YEAR}{_ENDS}",
        rf"(?<![\d.]){_DAY}(?:st|nd|rd|th)?\.?\s?{of}{full}{_ENDS}",
        rf"{_ALONE}(?:{full}|jul|jan|feb|aug|oct|nov)\.?\s(?:[12]\d|3[01]|{_DAY}(?:st|nd|rd|th)){_NUMBER_ENDS}{_ENDS}(?!\s?(?:mm|cm|ms|s|x|%))",
        rf"{_ALONE}(?:dob|born|birth\s?date|geb|geboren|nacid[oa]|nascid[oa]|nee? le)"
        r"[\s:.=]{0,3}(?:am |el |em )?\d\d",
    ]
    ages = [
        r"(?<![\d.])0?(?:9\d|1[0-2]\d)[\s-]*(?:y(?:ea)?rs?|yo|y/o|y|jahre?n?|jahrige?[rn]?|anos?|ans)(?![^\W_])",
        rf"{_ALONE}(?:age|aged|alter|edad|idade)[\s:=]{{0,3}}(?!90\s?\+)(?:9\d|1[0-2]\d){_NUMBER_ENDS}",
    ]
    phones = [
        r"(?<![\d.])(?:\(\d{2,3}\)\s?|\d{3}[\s.-])\d{3,5}[\s.-]\d{4}(?!\d)",
        r"(?<![\d.-])\d{3}-\d{4}(?!\d|-\d)|\+\d[\d\s().-]{7,}\d",
        r"(?<![\d.])(?:0\d{1,4}[\s/]\d{5,8}|0\d(?:\s\d\d){4}|\d{3}(?:\s\d{3}){2})(?!\d)",
    ]
    unit = r"(?!\s?(?:mm|cm|ms|s|x|%|kv|ma|ml|views?)\b)"
    numbers = [
        rf"{_ALONE}{_any('number')}(?:\s?(?:no|nr|number|tag|plate|#))?[\s.:#=-]{{0,3}}(?=[a-z-]{{0,4}}\d\w*\d|[a-z-]{{1,4}}\s?\d{{2}})[\w-]+{unit}",
        rf"{_ALONE}{_any('long number')}(?:\s?(?:no|nr|number|#))?[\s.:#=-]{{0,3}}(?=[\w-]*\d{{4}})[\w-]+",
        rf"(?<![^\W_])x\d{{4}}{_ENDS}|(?<![\d.])\d{{3}}[\s-]\d{{2}}[\s-]\d{{4}}(?!\d)|(?<!\d)\d{{3}}\.\d{{3}}\.\d{{3}}-?\d*",
        rf"(?<![\d.])\d{{6,}}{_NUMBER_ENDS}",
    ]
    streets = [
        rf"(?<![\d.])\d{{1,5}}\s+(?:[^\W\d_]+\s+){{1,3}}{_any('street')}{_ENDS}",
        rf"(?<![\d.])\d{{1,5}}\s+(?:main|high|church|park|oak)\s+st{_ENDS}",
        r"[^\W\d_]*(?:strasse|str\.|gasse|allee|platz)\s+\d+",
        rf"{_ALONE}{_any('street before')}\s+(?:[^\W\d_]+\s+){{1,4}}\d+",
        rf"(?<![\d.])\d+\s(?:bis\s)?{_any('street before')}\s[^\W\d_]+|{_ALONE}[a-z]{{2}}\s\d{{5}}(?:-\d{{4}})?{_ENDS}",
    ]
    kinds = {
        "date": dates,
        "age above 89": ages,
        "phone number": phones,
        "number of a person": numbers,
        "address": streets,
    }
    made: list[tuple[Severity, str, re.Pattern[str]]] = []
    for kind, forms in kinds.items():
        made += [("high", kind, re.compile(form)) for form in forms]
    made.append(("medium", "network address", SHAPES["network address"][1]))
    made.append(("medium", "web address", SHAPES["web address"][1]))
    return [*made, ("medium", "age above 89", re.compile(r"(?<![\w.])9\d[fm](?![^\W_])"))]


def looks_like(kind: str) -> str:
    """``looks like an age above 89``: the kind of a finding, in words."""
    return f"looks like {'an' if kind[0] in 'aeiou' else 'a'} {kind}"


@lru_cache(maxsize=16384)
def text_shapes(text: str) -> tuple[Said, ...]:
    """What kinds of identifier a text that people write holds, each once."""
    simple = plain(text)
    found: dict[str, Severity] = {}
    for severity, kind, pattern in _text_shapes():
        if kind not in found and pattern.search(simple):
            found[kind] = severity
    said: list[Said] = [(severity, looks_like(kind)) for kind, severity in found.items()]
    if _names_beside(text):
        said.append(("high", "a name beside a title, role or label"))
    return tuple(said)


@cache
def _cue_patterns() -> dict[str, re.Pattern[str]]:
    between = rf"(?:[a-z]\.?|med\.|{_any('title')}|{_any('role')}|de|la|von|van|der)[\s.,]{{1,2}}"
    before = rf"(?P<mark>[\s:.,;#=()'\"/-]{{1,4}})(?:{between}){{0,3}}"
    made = {
        kind: re.compile(rf"{_ALONE}{_any(kind)}(?![^\W_]){before}(?P<who>[^\W\d_]{{2,}})")
        for kind in ("title", "role", "label")
    }
    made["suffix"] = re.compile(rf"(?P<who>[^\W\d_]{{2,}})(?P<mark>[\s,]{{1,2}}){_any('suffix')}(?![^\W_])")
    made["organisation"] = re.compile(rf"(?P<who>[^\W\d_]{{2,}})(?P<mark>\s){_any('organisation')}{_ENDS}")
    return made


def _is_modality(text: str, found: re.Match[str]) -> bool:
    """Whether a title is written as the code of a modality, in capitals and tied to what follows: ``DR.KNEE``."""
    title = text[found.start() : found.start("mark")]
    return found["mark"] == "." and len(text) == len(plain(text)) and title in standards.modality_words()


def _names_beside(text: str) -> bool:
    """Whether a word that is a name too, or that nobody knows, stands where a name stands."""
    simple = plain(text)
    for kind, pattern in _cue_patterns().items():
        for found in pattern.finditer(simple):
            who = found["who"]
            said = kind == "title" or ":" in found["mark"] or "." in found["mark"]
            titled = kind == "title" and "." in found["mark"] and not _is_modality(text, found)
            if who in anatomy_words() and not titled:
                continue
            if also_named(who) == "common" or (also_named(who) and said):
                return True
    return False
