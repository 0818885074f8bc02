"""What the archives answered in a run that was broken off: its questions need not be asked again."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from chorus_nb.workspace import Workspace

HOLDS = timedelta(days=1)  # an older answer may lack what was stored since
ArchiveQuestion = tuple[str, str, str, str]
"""Archive, patients, accession and day."""


class AnsweredQuestions:
    """``local/asked.jsonl``: a line a question with its rows, appended when it was answered; gone when all were."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.local / "asked.jsonl"
        self._answers: dict[ArchiveQuestion, list[dict[str, Any]]] = {}
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            with suppress(ValueError, KeyError):  # the last one was not written whole
                told = json.loads(line)
                if abs(datetime.now(UTC) - datetime.fromisoformat(told["time"])) < HOLDS:  # a clock may be set back
                    self._answers[tuple(told["question"])] = told["rows"]
        if lines:
            with self._path.open("ab") as file:
                file.write(b"\n")  # after half a line begins another

    def rows(self, question: ArchiveQuestion) -> list[dict[str, Any]] | None:
        """The rows of an answer, ``None`` where there is none."""
        return self._answers.get(question)

    def note(self, question: ArchiveQuestion, rows: list[dict[str, Any]]) -> None:
        """Keep an answer."""
        told = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "question": question, "rows": rows}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    def close(self) -> None:
        """All was asked: the next run asks anew."""
        self._path.unlink(missing_ok=True)
