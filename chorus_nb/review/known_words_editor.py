"""The known words editor (notebook 02): words that would go from descriptions, approved or refused in bulk."""

from __future__ import annotations

from typing import Any

import pandas as pd

from chorus_nb.errors import InputError
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.mapping import decide_words, text_words
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

WORD_COLUMNS = ["word", "series", "patients", "files", "attributes", "examples", "is_name", "decision"]


class KnownWordsEditor(Panel):
    """``KnownWordsEditor(workspace)``: choose words, approve or refuse them; each decision is on disk at once."""

    _esm = script("known_words_editor")
    questions = ("decide", "undo")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        self._decided: list[list[str]] = []  # what this session decided, by click
        self.content = {**self._renew(), "columns": WORD_COLUMNS, "reviewer": self.reviewer}

    def decide(self, words: list[str], decision: str, note: str) -> Reply:
        """Write a decision about some words down; a name of a person is never approved."""
        names = self.words[self.words.is_name].word
        if decision == "approve" and set(names) & set(words):
            raise InputError("a name of a person cannot be approved")
        decide_words(self.workspace, words, decision, note, self.reviewer)
        self._decided.append(list(words))
        return self._renew(), []

    def undo(self) -> Reply:
        """Take back the last decision of this session."""
        for word in self._decided.pop() if self._decided else []:
            WORD_LOG.withdraw(self.workspace, self.reviewer, word)
        return self._renew(), []

    def static_table(self) -> pd.DataFrame:
        return WORD_LOG.history(self.workspace)[["word", "decision", "note", "reviewer", "time"]]

    def _renew(self) -> dict[str, Any]:
        found = text_words(self.workspace)
        self.words = found.unknown
        rows = self.words[WORD_COLUMNS].to_numpy(dtype=object).tolist()
        return {"rows": rows, "headline": found.headline, "undo": len(self._decided)}
