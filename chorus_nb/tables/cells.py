"""Text in a CSV cell that a spreadsheet would take for a formula: written behind an apostrophe, read without."""

from __future__ import annotations

import re

FORMULA = r"'*[=+\-@\t\r]"
_FORMULA = re.compile(FORMULA)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_cell(text: str) -> str:
    """``text`` as it is written; a number is none of what could run.

    >>> as_cell("=1+1"), as_cell("-1024.0"), as_cell("CT HEAD")
    ("'=1+1", '-1024.0', 'CT HEAD')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """The text that :func:`as_cell` wrote.

    >>> from_cell(as_cell("'=1")), from_cell("'t Hart")
    ("'=1", "'t Hart")
    """
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell[1:]) and not _NUMBER.fullmatch(cell[1:]) else cell
