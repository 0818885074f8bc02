"""Codes and short names of technique: a word in them stays because a text may hold it, or because it is a term."""

from __future__ import annotations

import re
from functools import lru_cache

from chorus_nb import standards
from chorus_nb.identity.words import Token, Vocabulary

_RUN = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=8)
def _with_terms(vocabulary: Vocabulary) -> Vocabulary:
    return Vocabulary({*vocabulary.approved, *standards.terms_of_technique()}, vocabulary.refused, vocabulary.base)


@lru_cache(maxsize=16384)
def no_terms(vocabulary: Vocabulary, text: str) -> list[Token]:
    """The words of a code or short name that neither a vocabulary nor the list of terms knows; of a few letters makers
    have all (read only)."""
    runs = (found for found in _RUN.finditer(text))
    long = [found.span() for found in runs if len(found[0]) > standards.SHORT_CODE or not found[0].isascii()]
    unknown = _with_terms(vocabulary).unknown(text) if long else []
    return [token for token in unknown if any(start <= token.start < end for start, end in long)]
