"""The records of a CSV table as bytes, cut where the readers of :mod:`chorus_nb.leaks.parts` cut them.

A quotation mark is one at the beginning of a cell. What stands behind the closing one belongs to the cell, too
(``"a, b" c``), as pandas and Python have it: who cuts it otherwise moves every cell behind it into another column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_CELL = rb'(?:"(?:[^"]++|"")*+"[^,\r\n]*+|(?!")[^,\r\n]*+)'
_FIELD = re.compile(rb"(" + _CELL + rb")(,|\r\n|\n|\r|\Z)")
_WHOLE = re.compile(rb"(?:" + _CELL + rb",)*+" + _CELL + rb"(?:\r\n|\n|\r|\Z)")
ODD = re.compile(r'[",\r\n]')  # in a text that has to be quoted
_QUOTED = re.compile(rb'"((?:[^"]++|"")*+)"(.*)', re.DOTALL)


def csv_records(path: Path) -> Iterator[bytes]:
    """The records of a CSV file with their line ends; a line end within quotes is a part of its cell."""
    begun: list[bytes] = []
    with path.open("rb") as file:
        for line in file:
            begun.append(line)
            if b'"' not in line:
                if len(begun) == 1:
                    yield begun.pop()
            elif _WHOLE.match(record := b"".join(begun)):
                yield record
                begun.clear()
    if begun:
        yield b"".join(begun)


def cells_of(record: bytes) -> list[bytes]:
    """The cells of a record as they are written; one whose quotation marks readers may take differently is quoted."""
    cells = []
    for found in _FIELD.finditer(record):
        cells.append(found[1] if b'"' not in found[1] or _is_wellquoted(found[1]) else quoted(text_of_cell(found[1])))
        if found[2] != b",":
            break
    return cells


def _is_wellquoted(cell: bytes) -> bool:
    """Whether every reader finds the same in a cell with quotation marks: one at each end, and pairs between them."""
    found = _QUOTED.fullmatch(cell)
    return found is not None and not found[2]


def text_of_cell(cell: bytes) -> bytes:
    """The text of a cell."""
    found = _QUOTED.fullmatch(cell)
    return found[1].replace(b'""', b'"') + found[2] if found else cell


def quoted(text: bytes) -> bytes:
    """A text as a cell that every reader takes alike."""
    return b'"' + text.replace(b'"', b'""') + b'"'


def line_end(record: bytes) -> bytes:
    """What a record ends with."""
    return record[len(record.rstrip(b"\r\n")) :]
