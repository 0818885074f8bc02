"""A finding, and the checks of the gate (``checks.csv``): what each asks, of what, and what to do when it fails."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from chorus_nb.leaks.shapes import Severity


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

    ``scope``: what is at fault when it fails. A ``file`` or a ``series`` is held back; the images of the ``release``
    together, or the ``tree`` of all that is no image (which 06 asks for), stay in the house.
    """

    question: str
    remedy: str
    scope: str
    optional: bool


def _checks(*scopes: str) -> dict[str, Check]:
    text = resources.files(__package__).joinpath("checks.csv").read_text(encoding="utf-8")
    return {
        row["check"]: Check(row["question"], row["remedy"], row["scope"], row["optional"] == "yes")
        for row in csv.DictReader(text.splitlines())
        if row["scope"] in scopes
    }


GATE_CHECKS = _checks("file", "series", "release")
ASKED_OF_TREE = _checks("tree")
RANK = {"high": 0, "medium": 1, "low": 2, "info": 3}
