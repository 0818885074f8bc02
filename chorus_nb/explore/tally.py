"""The tags of many files counted: one part of the tag profile."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from blake3 import blake3

from chorus_nb import standards
from chorus_nb.dicom.forms import are_numbers
from chorus_nb.dicom.survey import Counted, Header, Key
from chorus_nb.explore import values

EXAMPLES = 3  # of each tag

TAG_SCHEMA = pa.schema(
    [("key", pa.int64())]
    + [(name, pa.string()) for name in ("modality", "sop_class", "path")]
    + [("tag", pa.int64()), ("private_creator", pa.string()), ("vr", pa.string())]
    + [(name, pa.int64()) for name in ("files", "empty", "odd_files", "unusable_files", "shortest", "longest")]
    + [("low", pa.float64()), ("high", pa.float64()), ("first", pa.string()), ("last", pa.string())]
)
VALUES = pa.schema([("key", pa.int64()), ("value", pa.int64()), ("invalid", pa.bool_()), ("example", pa.string())])


@dataclass(slots=True)
class _Tag:
    """A tag in files of one kind; values by their bytes, with their length."""

    files: int = 0
    empty: int = 0
    odd_files: int = 0  # in which a value breaks the rules of its VR; of these, with one that nobody can use:
    unusable_files: int = 0
    values: dict[bytes, int] = field(default_factory=dict)


class Tally:
    """Counts the tags of the headers it is given, by modality and SOP class."""

    def __init__(self) -> None:
        self._root: defaultdict[tuple[str, str], Counter[Counted]] = defaultdict(Counter)
        self._nested: defaultdict[tuple[str, str], defaultdict[Key, _Tag]] = defaultdict(lambda: defaultdict(_Tag))

    def add(self, header: Header, modality: str, sop_class: str) -> None:
        """Count one file."""
        kind = modality, sop_class
        self._root[kind].update(header.elements)  # most elements of a series are alike: counted whole, in C
        nested = self._nested[kind]
        for key, held in header.nested.items():
            entry = nested[key]
            entry.files += 1
            entry.empty += not any(held.values())
            worst = max((_trouble(sop_class, key, value, length) for value, length in held.items()), default=0)
            entry.odd_files += worst > 0
            entry.unusable_files += worst > 1
            entry.values.update(held)

    @property
    def held(self) -> int:
        """How many distinct values it holds in memory."""
        nested = sum(len(entry.values) for tags in self._nested.values() for entry in tags.values())
        return nested + sum(map(len, self._root.values()))

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The part: a row per tag, and a row per distinct value of a tag."""
        rows: list[dict[str, Any]] = []
        columns: dict[str, list[Any]] = {name: [] for name in VALUES.names}
        for kind, counted in self._root.items():
            tags = self._nested[kind]
            for (key, value, length), files in counted.items():
                entry = tags[key]
                entry.files += files
                entry.empty += 0 if length else files
                worst = _trouble(kind[1], key, value, length)
                entry.odd_files += files if worst > 0 else 0
                entry.unusable_files += files if worst > 1 else 0
                entry.values[value] = length
            rows.extend(_profile_row(*kind, key, entry, columns) for key, entry in tags.items())
        return pa.Table.from_pylist(rows, TAG_SCHEMA), pa.Table.from_pydict(columns, VALUES)


def _trouble(sop_class: str, key: Key, value: bytes, length: int) -> int:
    """:func:`values.trouble`, for this kind of image: NaN does no harm but where the image needs a number."""
    path, tag, _, vr = key
    found = values.trouble(value, vr, length)
    if found != 1 or vr not in ("DS", "IS") or are_numbers(value):
        return found
    needed = standards.is_needed(sop_class, tuple(filter(None, path.split("."))), standards.path_step(tag))
    return 2 if needed else 1


def _profile_row(modality: str, sop_class: str, key: Key, entry: _Tag, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """The tag's row; its distinct values are appended to ``columns``."""
    path, tag, creator, vr = key
    number = _number("\0".join((modality, sop_class, *map(str, key))).encode())
    valued = sorted((_number(value), value, length) for value, length in entry.values.items() if length)
    for rank, (value_number, value, length) in enumerate(valued):
        columns["key"].append(number)
        columns["value"].append(value_number)
        columns["invalid"].append(not values.keeps_its_vr(value, vr, length))
        # the values with the lowest hashes: the same ones however the files fall into parts
        columns["example"].append(values.example(value, vr, length) if rank < EXAMPLES and vr != "SQ" else None)
    numbers = [found for _, value, _ in valued for found in values.numbers(value, vr)]
    days = (
        [day for _, value, _ in valued if (day := values.text_of(value, vr))[:8].isdigit()]
        if vr in ("DA", "DT")
        else []
    )
    lengths = entry.values.values()
    row: dict[str, Any] = dict(
        zip(TAG_SCHEMA.names, (number, modality, sop_class, path, tag, creator, vr), strict=False)
    )
    row |= {"files": entry.files, "empty": entry.empty}
    row |= {"odd_files": entry.odd_files, "unusable_files": entry.unusable_files}
    row |= {"shortest": min(lengths), "longest": max(lengths)}
    row |= {"low": min(numbers, default=None), "high": max(numbers, default=None)}
    return row | {"first": min(days, default=""), "last": max(days, default="")}


def _number(content: bytes) -> int:
    """64 bits of a digest as a signed integer, the same in every process."""
    return int.from_bytes(blake3(content).digest(8), "little", signed=True)
