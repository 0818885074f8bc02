"""Cleaning text that is kept: identifiers go, clinical words stay (PS3.15 E.3.5 Clean Descriptors Option).

Two kinds of rule: the patient's own identifiers, harvested from this header and the lookup tables, wherever they occur;
and patterns that tell an identifier by its shape. Nothing is guessed from word lists of names, so "Young" and "Brown"
stay in a description unless this patient, physician or hospital is called so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from chorus_nb.deid.text_patterns import ADDRESSES, LABEL, PATTERNS, START, STOP

UID = re.compile(r"(?<![\w.])[0-2](?:\.\d+){5,}(?![\w.])")
_ADDRESSES = [re.compile(pattern.shape, re.IGNORECASE) for pattern in ADDRESSES]
_PATTERNS = [(re.compile(pattern.shape, re.IGNORECASE), pattern) for pattern in PATTERNS]
_DANGLING = re.compile(
    rf"{START}(?:{LABEL}|name|dob|patient|pt|dr|for|by|from|at|per|ref|tel|call|see|ordered)\s*[:=#]*\s*\Z",
    re.IGNORECASE,
)
_HINT = re.compile(r"\d|@|www|dr|prof|doctor|m(?:r|s)|miss|nurse|name|for|by|patient|pt", re.IGNORECASE)

# Words in the name of a hospital that do not tell which one.
_ORGANISATION = frozenset(
    re.findall(
        r"\w+",
        """
    hospital medical center centre clinic clinics university health healthcare system systems general
    community memorial regional department dept radiology imaging diagnostic institute school college of the
    and for saint st north south east west city county national
""",
    )
)


@dataclass(frozen=True)
class Identifiers:
    """What identifies this patient in this header: names (in any DICOM form), numbers, organisations and places."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()


class Cleaner:
    """Cleans texts of one patient; what it has cleaned once it remembers."""

    def __init__(self, identifiers: Identifiers, new_uid: Callable[[str], str]) -> None:
        self.own = _own(identifiers)
        self.new_uid = new_uid
        self.clean = lru_cache(maxsize=4096)(self._clean)

    def finds_own(self, text: str) -> bool:
        """Whether ``text`` holds one of the patient's own identifiers."""
        return self.own is not None and self.own.search(text) is not None

    def _clean(self, text: str) -> str:
        cleaned = unicodedata.normalize("NFC", text)
        if "@" in cleaned or "//" in cleaned or "www" in cleaned:
            for shape in _ADDRESSES:
                cleaned = shape.sub(" ", cleaned)
        if self.own is not None:
            cleaned = self.own.sub(" ", cleaned)
        cleaned = UID.sub(lambda found: self.new_uid(found.group()), cleaned)
        if _HINT.search(cleaned):
            kept = [found.group() for found in UID.finditer(cleaned)]
            cleaned = UID.sub("\ue000", cleaned)  # a new UID is no phone number
            for shape, pattern in _PATTERNS:
                cleaned = shape.sub(_unless_clinical if pattern.unless_clinical else pattern.written or " ", cleaned)
            for uid in kept:
                cleaned = cleaned.replace("\ue000", uid, 1)
        return text if cleaned == unicodedata.normalize("NFC", text) else tidy(cleaned)


def tidy(text: str) -> str:
    """Take away what removed words leave behind: empty brackets, dangling labels, doubled spaces and separators."""
    text = re.sub(r"\(\s*\)|\[\s*\]|\{\s*\}", " ", text)
    text = _DANGLING.sub(" ", text)
    text = re.sub(r"[ \t]*([,;|/_^=-])(?:[ \t]*[,;|/_^=-])+", r"\1", text)
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"[ \t]+([,;.:])", r"\1", text)
    return text.strip(" \t,;|/_^=-:")


@lru_cache(maxsize=1)
def clinical_words() -> frozenset[str]:
    """Words of anatomy and technique that a name alone never takes out of a description."""
    listed = resources.files("chorus_nb.deid").joinpath("clinical_words.txt").read_text("utf-8")
    return frozenset(word for line in listed.splitlines() if not line.startswith("#") for word in line.split())


def is_clinical(word: str) -> bool:
    """Whether a word is one of anatomy or technique, or two of them written together (HEADNECK)."""
    word, known = fold(word), clinical_words()
    return word in known or any(word[:cut] in known and word[cut:] in known for cut in range(3, len(word) - 2))


def _unless_clinical(found: re.Match[str]) -> str:
    words = re.findall(r"\w+", found["who"])
    return found.group() if any(is_clinical(word) or any(map(str.isdigit, word)) for word in words) else " "


def fold(text: str) -> str:
    """Lower case without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def name_parts(name: str) -> list[str]:
    """The words of a name in any DICOM form (``^`` between parts, ``=`` between groups)."""
    return [part for part in re.split(r"[\s^=,;/()\\\"]+", name.replace("\0", " ")) if part]


def _own(identifiers: Identifiers) -> re.Pattern[str] | None:
    """One pattern for everything that is the patient's own, longest first."""
    shapes: dict[str, None] = {}
    for name in sorted(identifiers.names):
        shapes.update(dict.fromkeys(_name_shapes(name)))
    for number in sorted(identifiers.numbers):
        shapes.update(dict.fromkeys(_number_shapes(number)))
    for place in sorted(identifiers.places):
        shapes.update(dict.fromkeys(_place_shapes(place)))
    if not shapes:
        return None
    longest_first = sorted(shapes, key=lambda shape: (-len(shape), shape))
    return re.compile("|".join(longest_first), re.IGNORECASE)


def _variants(word: str) -> Iterable[str]:
    yield re.escape(word)
    if fold(word) != word.casefold():
        yield re.escape(fold(word))


def _name_shapes(name: str) -> Iterable[str]:
    for group in name.split("="):
        parts = [part.strip(".") for part in name_parts(group)]
        parts = [part for part in parts if part]
        words = [part for part in parts if len(part) > 1]
        for part in words:
            lone = fold(part)
            if (len(part) >= 3 or not part.isascii()) and not is_clinical(part) and not lone.isdigit():
                for shape in _variants(part):
                    yield rf"{START}{shape}(?:['’]?s)?{STOP}"
                    if not part.isascii():
                        yield shape  # scripts without spaces between words
            if len(part) == 2 and part is parts[0] and part.isalpha() and not is_clinical(part):
                yield rf"{START}{re.escape(part)}(?:['’]?s)?{STOP}"  # a family name such as Ng or Vo
            for piece in part.split("-")[: 9 if "-" in part else 0]:
                if len(piece) >= 4 and not is_clinical(piece):
                    yield rf"{START}{re.escape(piece)}(?:['’]?s)?{STOP}"
        for first in (words[0], *words[0].split("-")) if len(words) >= 2 else ():
            family, given = re.escape(first), re.escape(words[1])
            if len(first) >= 2:
                yield rf"{START}{family}[\s,^_.-]*{given}{STOP}"
                yield rf"{START}{given}[\s,^_.-]*{family}{STOP}"
                yield rf"{START}{re.escape(words[1][0])}[\s,^_.-]*{family}{STOP}"


def _number_shapes(number: str) -> Iterable[str]:
    bare = re.sub(r"[\s./_-]", "", number)
    digits = sum(c.isdigit() for c in bare)
    if len(bare) < 4 or (digits == 0 and (len(bare) < 5 or is_clinical(bare))):
        return
    apart = r"[\s./_-]?".join(map(re.escape, bare))
    yield rf"(?<![^\W_]){apart}(?![^\W_])" if len(bare) < 7 else rf"(?<!\d){apart}(?!\d)"
    short = bare.lstrip("0")
    if short != bare and len(short) >= 5:
        yield rf"(?<![^\W_]){re.escape(short)}(?![^\W_])"


def _place_shapes(place: str) -> Iterable[str]:
    words = re.findall(r"[\w'’-]+", place)
    if not words or (len(words) == 1 and len(words[0]) < 4):
        return
    if not all(is_clinical(word) for word in words):
        yield START + r"[\W_]*".join(map(re.escape, words)) + STOP
    for word in words:
        lone = fold(word)
        if len(word) >= 5 and not word.isdigit() and lone not in _ORGANISATION and not is_clinical(word):
            yield rf"{START}{re.escape(word)}(?:['’]?s)?{STOP}"
