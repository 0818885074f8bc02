"""How words are written that no list holds as they stand: inflected, run together by vendors, with a letter lost.

A name that could be read so is none of these (``names_like_words.csv``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from string import ascii_lowercase

ENDINGS = (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""))
"""An ending, and what stands in its place in the word itself."""
WORD_LETTERS = 4  # letters of a word within a longer one; shorter parts are on a list
MOST_LETTERS = 64  # no word of any language is longer; the search takes time with the square of it
MOST_PARTS = 4
CUT_LETTERS = 5  # letters from which the beginning of a word tells which it is
LONG_WORD = 7  # letters from which one wrong letter still leaves a word that can be told


@cache
def names_like_words() -> frozenset[str]:
    """Names of people that are written like forms of known words (US Census)."""
    text = resources.files("chorus_nb.identity").joinpath("names_like_words.csv").read_text("utf-8")
    return frozenset(text.splitlines()[1:])


def is_form(word: str, words: Collection[str], parts: Collection[str]) -> bool:
    """Whether a word (folded) is a form of ``words``, or is made of them and of the short ``parts``.

    >>> [is_form(word, {"axial", "chest"}, {"fs", "sag"}) for word in ("axials", "fssag", "chests")]
    [True, True, True]
    >>> is_form("breas", {"breast"}, ()), is_form("sagital", {"sagittal"}, ()), is_form("chestfield", {"chest"}, ())
    (True, True, False)
    """
    if not WORD_LETTERS <= len(word) <= MOST_LETTERS or not word.isascii() or word in names_like_words():
        return False
    return (
        _is_whole(word, words)
        or _is_joined(word, words, parts, 0)
        or _lost_a_letter(word, words)
        or _has_a_wrong_letter(word, words)
    )


def is_cut_off(word: str, words: Sequence[str]) -> bool:
    """Whether a word (folded) begins a longer one of ``words`` (sorted), as the last of a text that a field had no
    room for: ``PERMEABILIT``.

    >>> is_cut_off("permeabilit", ["perm", "permeability"]), is_cut_off("perm", ["permeability"])
    (True, False)
    """
    if not CUT_LETTERS <= len(word) <= MOST_LETTERS or not word.isascii() or word in names_like_words():
        return False
    at = bisect_left(words, word)
    return at < len(words) and words[at].startswith(word)


def _is_whole(word: str, words: Collection[str]) -> bool:
    if word in words:
        return True
    for ending, instead in ENDINGS:
        stem = word.removesuffix(ending) + instead
        if len(stem) >= WORD_LETTERS and word.endswith(ending) and stem in words:
            return True
    return False


def _is_joined(rest: str, words: Collection[str], parts: Collection[str], before: int) -> bool:
    """Whether ``rest`` can be cut into known parts, after ``before`` others."""
    if not rest:
        return before > 1
    if before == MOST_PARTS:
        return False
    for end in range(len(rest), 0, -1):
        part = rest[:end]
        long = end >= WORD_LETTERS and _is_whole(part, words)
        if (long or part in parts) and _is_joined(rest[end:], words, parts, before + 1):
            return True
    return False


def _lost_a_letter(word: str, words: Collection[str]) -> bool:
    """The last letter, one of two equal ones, or two letters exchanged: cut and typed wrongly most often."""
    if len(word) > 4 and any(word + letter in words for letter in ascii_lowercase):
        return True
    if len(word) > 5 and any(word[:at] + word[at - 1] + word[at:] in words for at in range(1, len(word))):
        return True
    exchanged = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1))
    return len(word) > 6 and any(each in words for each in exchanged)


def _has_a_wrong_letter(word: str, words: Collection[str]) -> bool:
    """One letter too many, too few or another one, behind the first: ``unehanced``."""
    if len(word) < LONG_WORD:
        return False
    for at in range(1, len(word)):
        before, after = word[:at], word[at + 1 :]
        if len(word) > LONG_WORD and before + after in words:
            return True
        if any(before + letter + after in words or before + letter + word[at:] in words for letter in ascii_lowercase):
            return True
    return False
