"""An OMOP table of the site on its way into the release: what of it stays behind, and how it differs from the CDM.

Central loads the files by position (chorus.md §9), so that the columns, types and line ends of CDM 5.4 count.
"""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from chorus_nb.errors import InputError
from chorus_nb.leaks.cells import IdentifyingCells
from chorus_nb.leaks.known import KnownWords
from chorus_nb.leaks.parts import csv_parts, row_texts
from chorus_nb.omop import cdm_fields
from chorus_nb.registry.omop_ages import OldAges, old_values, says_old_age
from chorus_nb.registry.omop_repeated import given_ids
from chorus_nb.registry.omop_withdrawn import WithdrawnRows
from chorus_nb.registry.records import ODD, cells_of, csv_records, line_end, quoted, text_of_cell
from chorus_nb.sop import omop_consent

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOTHING = "|NULL|null|"
NUMBER_LIKE = rf"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?{NOTHING}"
DATE_LIKE = rf"\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}(?:[ T][\d:.,+Z -]*(?: ?[AaPp][Mm])?)?|(?:19|20)\d{{6}}{NOTHING}"
CDM_FORMS = {  # what a loader of each type takes
    "integer": ("number_form", rf"-?\d{{1,18}}{NOTHING}"),
    "float": ("number_form", NUMBER_LIKE),
    "date": ("date_form", rf"\d{{4}}-\d\d-\d\d{NOTHING}"),
    "datetime": (
        "date_form",
        rf"\d{{4}}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?{NOTHING}",
    ),
}
ALL = None  # every cell of a column


@dataclass
class Delivery:
    """What is found in one table. ``empty``: by position, the cells that go empty (:data:`ALL`, or some values)."""

    table: str
    source: Path
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # column and finding
    empty: dict[int, Collection[str] | None] = field(default_factory=dict)
    rows_of: Counter[int] = field(default_factory=Counter)  # of each person whose images are withheld
    rows: int = 0
    withdrawn: WithdrawnRows = field(default_factory=WithdrawnRows)
    concepts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by procedure id, for columns without one
    ages: OldAges | None = None  # by which years of birth tell too much
    old_values: bool = False  # whether a row says an age above 90 as its value
    twice: frozenset[str] = frozenset()  # ids that more than one row has

    @cached_property
    def required(self) -> frozenset[str]:
        fields = cdm_fields(self.table)
        return frozenset(fields.loc[fields["required"] == "yes", "column"])

    def goes_empty(self) -> dict[int, str]:
        """The columns with cells that go empty, by position, and what is written there.

        Nothing between two commas is null to a loader; "" is a text without letters, which a required column takes.
        """
        names = self.names()
        wanted = (place for place, values in self.empty.items() if values is ALL or values)
        return {place: '""' if names[place] in self.required else "" for place in wanted}

    def order(self) -> list[int]:
        """The places of the columns as they are written: those of the CDM in its order, then those it does not have.

        As they stand where that is so already, or where a column stands twice and nobody knows which is meant. A column
        that the CDM does not have and nobody agreed to share is not written: its name may tell somebody, and no loader
        has a place for it.
        """
        names, wanted = self.names(), list(cdm_fields(self.table)["column"])
        there = [name for name in wanted if name in names]
        others = {place for place, name in enumerate(names) if name not in wanted}
        if len(set(names)) < len(names) or there == [name for name in names if name in wanted]:
            found = list(range(len(names)))
        else:
            found = [*map(names.index, there), *sorted(others)]
        return [place for place in found if place not in others or self.empty.get(place, ()) is not ALL]

    def delivered_names(self) -> list[str]:
        """The columns as they are written."""
        names = self.names()
        return [names[place] for place in self.order()]

    def is_emptied(self, place: int, cell: str) -> bool:
        """Whether a cell of this text (Latin-1) goes empty there."""
        values = self.empty.get(place, ())
        return values is ALL or cell in values

    @cached_property
    def is_withdrawn(self) -> Callable[[Sequence[str]], bool] | None:
        """Tells of the cells of a row whether it stays behind; None where no row does."""
        return self.withdrawn.rule(self.names())

    def put_instead(self, cell: Callable[[int], str]) -> dict[int, str]:
        """Of a row whose cell at a place ``cell`` gives: by place, what stands there instead."""
        made = self.unsaid_concepts(cell)
        if self.ages or self.old_values:
            older = self.ages.of_birth(self.names_held, cell) if self.ages else {}
            older |= old_values(self.table, self.names_held, cell) if self.old_values else {}
            self.counts.update({(self.names_held[place], "old_age_capped") for place, text in older.items() if text})
            made |= older
        return made

    @cached_property
    def names_held(self) -> list[str]:
        """:meth:`names`, read once."""
        return self.names()

    def unsaid_concepts(self, cell: Callable[[int], str]) -> dict[int, str]:
        """Of a row whose cell at a place ``cell`` gives: by place, the concepts that go where none stands."""
        places = self._concept_places
        known = self.concepts.get(cell(places.get("procedure_occurrence_id", 0)).strip(), {}) if places else {}
        said = {places[name]: (name, concept) for name, concept in known.items() if name in places}
        empty = {place: one for place, one in said.items() if cell(place).strip() in ("", "0")}
        self.counts.update((name, "concept_added") for name, _ in empty.values())
        return {place: concept for place, (_, concept) in empty.items()}

    @cached_property
    def _concept_places(self) -> dict[str, int]:
        names = self.names()
        wanted = {"procedure_occurrence_id", *(name for own in self.concepts.values() for name in own)}
        return {name: place for place, name in enumerate(names) if name in wanted and names.count(name) == 1}

    def names(self) -> list[str]:
        """The columns of the file as the CDM calls them."""
        header = next(csv_records(self.source), b"")
        cells = cells_of(header.removeprefix(BYTE_ORDER_MARK))
        return [text_of_cell(cell).decode("utf-8", "replace").strip().lower() for cell in cells]


def examine_table(
    table: str,
    source: Path,
    identifying: IdentifyingCells,
    consented: Collection[str],
    withheld: Collection[int],
    withdrawn: WithdrawnRows | None = None,
) -> Delivery:
    """What of the table ``source`` stays behind, and how it differs from the CDM, cell by cell.

    ``identifying``: the cells that identify somebody; ``consented``: ``table.column`` that the site agreed to share;
    ``withheld``: persons whose images are; ``withdrawn``: rows that are not delivered. :class:`InputError` if the file
    is no CSV table with columns of the CDM.
    """
    found = Delivery(table, source, withdrawn=withdrawn or WithdrawnRows())
    names, fields = found.names(), cdm_fields(table)
    types = dict(zip(fields["column"], fields["type"], strict=True))
    if not types.keys() & set(names):
        raise InputError(f"omop: {source.name} has no column of {table}: it must be CSV with commas and a header")
    _check_columns(found, names, list(types))
    _check_bytes(found)
    found.counts["", "short_rows"] += _short_rows(source, len(names))
    key = f"{table}_id"
    with given_ids(table) as ids:
        try:
            for part in csv_parts(source):
                found.rows += len(part)
                if names.count(key) == 1:
                    ids.add(part.column(names.index(key)))
                part = _delivered_rows(found, part)
                found.old_values = found.old_values or says_old_age(table, names, part)
                for place, (name, raw) in enumerate(zip(names, part.column_names, strict=True)):
                    cells = {one["values"]: one["counts"] for one in part.column(place).value_counts().to_pylist()}
                    own = identifying.get(raw, {})
                    _check_cells(found, place, name, types.get(name, ""), cells, own, consented)
                if "person_id" in names and withheld:
                    persons = pd.to_numeric(part.column(names.index("person_id")).to_pandas(), errors="coerce")
                    found.rows_of.update(persons[persons.isin(withheld)].astype(int).tolist())
        except ValueError:
            raise InputError(f"omop: {source.name} is not a readable CSV table with a header") from None
        found.twice = ids.twice()
    return found


def _delivered_rows(found: Delivery, part: pa.Table) -> pa.Table:
    if found.is_withdrawn is None:
        return part
    stays = [not found.is_withdrawn(row) for row in row_texts(part)]
    found.counts["", "withdrawn"] += len(stays) - sum(stays)
    return part.filter(pa.array(stays, pa.bool_()))


def _check_columns(found: Delivery, names: list[str], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in names]
    found.counts.update((name, "column_missing") for name in missing)
    found.counts.update((name, "column_twice") for name, count in Counter(names).items() if count > 1)
    there = [name for name in names if name in wanted]
    if there != [name for name in wanted if name in names]:
        found.counts["", "column_order"] = sum(a != b for a, b in zip(names, wanted, strict=False))


def _check_bytes(found: Delivery) -> None:
    header = next(csv_records(found.source), b"")
    found.counts["", "line_ends"] += header.endswith(b"\r\n")
    found.counts["", "byte_order_mark"] += header.startswith(BYTE_ORDER_MARK)
    try:
        with found.source.open(encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        found.counts["", "not_utf8"] += 1


def _short_rows(source: Path, width: int) -> int:
    """How many rows have fewer cells than the header; those with more are refused when the cells are read."""
    with source.open(encoding="latin-1", newline="") as file:
        try:
            return sum(0 < len(row) < width for row in csv.reader(file))
        except csv.Error:  # a cell longer than this reader takes
            return 0


def _check_cells(
    found: Delivery,
    place: int,
    name: str,
    kind: str,
    cells: Mapping[str, int],
    identifying: Mapping[str, str],
    consented: Collection[str],
) -> None:
    """Count what is wrong with the cells of a column, and note those that go empty. ``cells``: each, and how often."""
    rows = sum(cells.values())
    filled = rows - cells.get("", 0)
    known = f"{found.table}.{name}"
    counts: dict[str, int] = defaultdict(int)
    if known in consented and (not kind or known in omop_consent()):
        counts["kept_by_consent"] = filled
    elif not kind or known in omop_consent():
        counts["free_text_emptied" if kind else "not_in_cdm_left_out"] = filled if kind else rows
        found.empty[place] = ALL
    elif kind in CDM_FORMS:
        code, form = CDM_FORMS[kind]
        wrong = {cell: count for cell, count in cells.items() if not re.fullmatch(form, cell) or _is_no_day(code, cell)}
        counts[code] = sum(wrong.values())
        like = NUMBER_LIKE if code == "number_form" else DATE_LIKE  # exports of fixed width fill numbers up
        words = {cell: count for cell, count in wrong.items() if not re.fullmatch(like, cell.strip(" "))}
        counts["text_emptied"] = sum(words.values())
        _also_empty(found, place, words)
    elif longest := re.search(r"\d+", kind):
        most = int(longest[0])
        counts["too_long"] = sum(count for cell, count in cells.items() if _is_longer(cell, most))
    if found.empty.get(place, ()) is not ALL and identifying:
        own = {cell: count for cell, count in cells.items() if cell in identifying}
        counts["identifier_emptied"] = sum(own.values())
        _also_empty(found, place, own)
    if name in found.required and found.empty.get(place, ()) is not ALL:
        counts["required_empty"] = rows - filled
    shown = name if kind or not _known().unknown(re.sub(r"[\W_]+", " ", name)) else f"column {place + 1}"
    for code, count in counts.items():
        found.counts[shown, code] += count


@functools.cache
def _known() -> KnownWords:
    """By which a column that the CDM does not have is named: one called like a patient would keep the report back."""
    return KnownWords()


def _is_no_day(code: str, cell: str) -> bool:
    """Whether a cell of the form of a date is none, such as MySQL's ``0000-00-00``: one ends the load of its table."""
    try:
        return code == "date_form" and cell[:1].isdigit() and not date.fromisoformat(cell[:10])
    except ValueError:
        return True


def _is_longer(cell: str, most: int) -> bool:
    return len(cell) > most and len(cell.encode("latin-1").decode("utf-8", "replace")) > most


def _also_empty(found: Delivery, place: int, cells: Iterable[str]) -> None:
    known = found.empty.setdefault(place, set())
    if isinstance(known, set):
        known.update(cells)


# --- the bytes --------------------------------------------------------------------------------------------------------


def delivered_records(found: Delivery) -> Iterator[bytes]:
    """The records of the table with its columns in the CDM's order, every cell byte for byte but for those that go
    empty, take a concept or have quotation marks that readers take differently, without the rows that stay behind."""
    emptied, is_withdrawn, order = found.goes_empty(), found.is_withdrawn, found.order()
    as_it_stands = order == list(range(len(found.names())))
    if sum(bool(record.strip()) for record in csv_records(found.source)) != found.rows + 1:
        yield from _written_anew(found)  # line ends that only some readers take for one
        return
    lines = csv_records(found.source)
    header = next(lines)
    yield header if as_it_stands else _in_order(header, cells_of(header), order)
    width = len(found.names()) if found.counts["", "short_rows"] else 0
    if not (emptied or is_withdrawn or found.concepts or found.ages or found.old_values or width) and as_it_stands:
        yield from (b",".join(cells_of(line)) + line_end(line) if b'"' in line else line for line in lines)
        return
    for record in lines:
        cells = cells_of(record)
        cells += [b""] * (width - len(cells)) if record.strip() else []
        if is_withdrawn and is_withdrawn([text_of_cell(cell).decode("latin-1") for cell in cells]):
            continue
        for place, nothing in emptied.items():
            if (
                place < len(cells)
                and cells[place]
                and found.is_emptied(place, text_of_cell(cells[place]).decode("latin-1"))
            ):
                cells[place] = nothing.encode()
        for place, other in found.put_instead(functools.partial(_text, cells)).items():
            cells[place] = other.encode()
        yield b",".join(cells) + line_end(record) if as_it_stands else _in_order(record, cells, order)


def _text(cells: Sequence[bytes], place: int) -> str:
    """A cell of a record; one that a short record lacks is none that could be filled."""
    return text_of_cell(cells[place]).decode("latin-1") if place < len(cells) else "missing"


def _in_order(record: bytes, cells: list[bytes], order: list[int]) -> bytes:
    """The cells of a record in another order; a byte order mark stays before the first, a missing cell is empty."""
    if not record.strip():
        return record
    mark = BYTE_ORDER_MARK if record.startswith(BYTE_ORDER_MARK) else b""
    cells = [cells[0].removeprefix(mark), *cells[1:]]
    moved = (cells[place] if place < len(cells) else b"" for place in order)
    return mark + b",".join(moved) + line_end(record)


def _end(record: bytes) -> bytes:
    return record[len(record.rstrip(b"\r\n")) :]


def _written_anew(found: Delivery) -> Iterator[bytes]:
    nothing, order = found.goes_empty(), found.order()
    yield ",".join(map(_cell, found.delivered_names())).encode() + b"\n"
    for part in csv_parts(found.source):
        for row in row_texts(part):
            if found.is_withdrawn and found.is_withdrawn(row):
                continue
            cells = [
                nothing[place] if cell and found.is_emptied(place, cell) else _cell(cell)
                for place, cell in enumerate(row)
            ]
            for place, other in found.put_instead(row.__getitem__).items():
                cells[place] = other
            yield ",".join(cells[place] for place in order).encode("latin-1") + b"\n"


def _cell(text: str) -> str:
    return quoted(text.encode()).decode() if ODD.search(text) else text
