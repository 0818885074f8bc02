"""Words that a site approved or refused: a row of ``decisions/known_words.csv`` each, with who and when."""

from __future__ import annotations

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.errors import InputError
from chorus_nb.identity.names import fold
from chorus_nb.identity.words import PIECE, Vocabulary
from chorus_nb.workspace import Workspace


def _check_word(row: Cells) -> None:
    word = fold(row["word"])
    found = PIECE.fullmatch(word)
    if found is None or word[0].isdigit():
        raise InputError("word must be one word, of letters only")
    if not row["reviewer"].strip():
        raise InputError("a decision needs a reviewer")


def _folded(row: Cells) -> str:
    return fold(row["word"])


WORD_LOG = DecisionLog(tables.KNOWN_WORDS, frozenset(("approve", "refuse")), _check_word, _folded)


def site_vocabulary(workspace: Workspace) -> Vocabulary:
    """The known words of a site; :class:`InputError` names the row of a decision that cannot stand."""
    decided = {word: row["decision"] for word, row in WORD_LOG.current(workspace).items()}
    approved = (word for word, decision in decided.items() if decision == "approve")
    return Vocabulary(approved, (word for word, decision in decided.items() if decision == "refuse"))
