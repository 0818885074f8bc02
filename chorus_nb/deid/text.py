"""Cleaning text that is kept: identifiers go, clinical words stay (PS3.15 E.3.5 Clean Descriptors Option).

Two kinds of rule: the patient's own identifiers (:mod:`chorus_nb.identity`), wherever they occur;
and patterns that tell an identifier by its shape. Nothing is guessed from word lists of names, so "Young" and "Brown"
stay in a description unless this patient, physician or hospital is called so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from chorus_nb.deid.text_patterns import ADDRESSES, LABEL, PATTERNS
from chorus_nb.identity.identifiers import START, Identifiers
from chorus_nb.identity.words import is_clinical

UID_IN_TEXT = re.compile(r"(?<![\w.])[0-2](?:\.\d+){5,}(?![\w.])")
_ADDRESSES = [re.compile(pattern.shape, re.IGNORECASE) for pattern in ADDRESSES]
_PATTERNS = [(re.compile(pattern.shape, re.IGNORECASE), pattern) for pattern in PATTERNS]
_DANGLING = re.compile(
    rf"{START}(?:{LABEL}|name|dob|patient|pt|dr|for|by|from|at|per|ref|tel|call|see|ordered)\s*[:=#]*\s*\Z",
    re.IGNORECASE,
)
_HINT = re.compile(r"\d|@|www|dr|prof|doctor|m(?:r|s)|miss|nurse|name|for|by|patient|pt", re.IGNORECASE)


class Cleaner:
    """Cleans texts of one patient; what it has cleaned once it remembers."""

    def __init__(self, identifiers: Identifiers, new_uid: Callable[[str], str]) -> None:
        self.own = identifiers.pattern()
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
        cleaned = UID_IN_TEXT.sub(lambda found: self.new_uid(found.group()), cleaned)
        if _HINT.search(cleaned):
            kept = [found.group() for found in UID_IN_TEXT.finditer(cleaned)]
            cleaned = UID_IN_TEXT.sub("\ue000", cleaned)  # a new UID is no phone number
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


def _unless_clinical(found: re.Match[str]) -> str:
    words = re.findall(r"\w+", found["who"])
    return found.group() if any(is_clinical(word) or any(map(str.isdigit, word)) for word in words) else " "
