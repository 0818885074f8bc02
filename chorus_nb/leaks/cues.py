"""Words that give an identifier away (cues.csv), in the five languages that a US site meets."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources

from chorus_nb.leaks.spellings import plain

OF_PEOPLE = (
    "title", "person", "role", "label", "shy", "suffix", "degree", "relative", "relative noun", "organisation",
    "organisation of",
)  # fmt: skip
"""Kinds of words beside which a person or a house is named."""


@cache
def cues(kind: str) -> tuple[str, ...]:
    """Words of a kind that give an identifier away (cues.csv), longest first; ``_`` stands for a blank."""
    text = resources.files("chorus_nb.leaks").joinpath("cues.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    words = {plain(word.replace("_", " ")) for row in rows if row["kind"] == kind for word in row["words"].split()}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


def any_of(kind: str) -> str:
    """Any cue of a kind, as a pattern for plain letters."""
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in cues(kind)) + ")"


@cache
def words_for_people() -> frozenset[str]:
    """Every word beside which a name may stand."""
    return frozenset(word for kind in OF_PEOPLE for cue in cues(kind) for word in re.findall(r"[^\W\d_]+", cue))
