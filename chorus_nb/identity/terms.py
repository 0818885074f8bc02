"""Codes and short names of technique: a word in them stays because a text may hold it, or because it is a term."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from chorus_nb import standards
from chorus_nb.identity.words import Token, Vocabulary

_RUN = re.compile(r"[^\W\d_]+")
_BESIDE = (" ", "^", ",", ", ")  # between two words of a name


@lru_cache(maxsize=8)
def _with_terms(vocabulary: Vocabulary) -> Vocabulary:
    return Vocabulary({*vocabulary.approved, *standards.terms_of_technique()}, vocabulary.refused, vocabulary.base)


@lru_cache(maxsize=16384)
def no_terms(vocabulary: Vocabulary, text: str) -> list[Token]:
    """The words of a code or short name that neither a vocabulary nor the list of terms knows; of a few letters makers
    have all, but no two beside each other: ``KIM LEE`` (read only)."""
    unknown = _with_terms(vocabulary).unknown(text)
    runs = [run for run in _RUN.finditer(text) if any(run.start() <= each.start < run.end() for each in unknown)]
    told = {run.start() for run in runs if len(run[0]) > standards.SHORT_CODE or not run[0].isascii()}
    for one, other in pairwise(runs):
        if text[one.end() : other.start()] in _BESIDE:
            told |= {one.start(), other.start()}
    return [
        each for each in unknown if any(run.start() in told and run.start() <= each.start < run.end() for run in runs)
    ]
