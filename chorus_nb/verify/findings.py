"""A finding, and the checks of the gate (``checks.csv``): what each asks, of what, and what to do when it fails."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from chorus_nb.leaks.search import Severity


class Finding(NamedTuple):
    """A row of ``tables.VERIFICATION``: summaries count by ``kind``; ``context`` is of this one finding, "" if none."""

    check: str
    severity: Severity
    file: str
    tag: str
    kind: str
    context: str = ""

    @property
    def detail(self) -> str:
        return f"{self.kind}: {self.context}" if self.context else self.kind


Findings = Iterator[Finding]


class Check(NamedTuple):
    """A check of the gate. ``optional`` ones may be "not run" while what they look at is not made yet.

    ``scope``: its function looks at a released ``file`` beside its original, at a ``series``, or at the ``release``.
    """

    question: str
    remedy: str
    scope: str
    optional: bool


def _checks() -> dict[str, Check]:
    text = resources.files(__package__).joinpath("checks.csv").read_text(encoding="utf-8")
    return {
        row["check"]: Check(row["question"], row["remedy"], row["scope"], row["optional"] == "yes")
        for row in csv.DictReader(text.splitlines())
    }


GATE_CHECKS = _checks()
