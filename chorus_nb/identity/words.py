"""Known words: what may stand in a text or picture because it names technique or anatomy (known_words.txt)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from chorus_nb.identity.names import fold

Use = Literal["descriptions", "makers", "abbreviations", "pictures", "labels"]


@cache
def known_words(*uses: Use) -> frozenset[str]:
    """The words known for these uses, in lower case; some labels are several words."""
    content = resources.files("chorus_nb.identity").joinpath("known_words.txt").read_text("utf-8")
    words: dict[str, list[str]] = {}
    for line in content.splitlines():
        if line.startswith("["):
            section = words.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section += filter(None, map(str.strip, line.split(",")))
    return frozenset(word for use in uses for word in words[use])


def is_clinical(word: str) -> bool:
    """Whether a word is one of anatomy or technique, or two of them written together.

    >>> is_clinical("HEADNECK"), is_clinical("Threlkeld")
    (True, False)
    """
    word, known = fold(word), known_words("descriptions", "makers", "abbreviations")
    return word in known or any(word[:cut] in known and word[cut:] in known for cut in range(3, len(word) - 2))
