"""The search in the cells of OMOP tables: which of them identify somebody.

05 empties these cells in the tables it delivers; 06 looks for them again in all that is packed.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import accumulate
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb import tables
from chorus_nb.leaks.cell_shapes import DAY_IN_TEXT, ENCODED, out_of_signs, shape_of_text, words_of_package
from chorus_nb.leaks.files import PLAIN_CELL, holding_uids, holds_text, searchers
from chorus_nb.leaks.parts import number_in_cell
from chorus_nb.leaks.people import people_in_full
from chorus_nb.leaks.search import MASK, Hit, Searcher
from chorus_nb.leaks.spellings import other_readings
from chorus_nb.leaks.terms import SearchTerm, read_date
from chorus_nb.omop import read_omop
from chorus_nb.workspace import Workspace

LEAST_DIGITS = 6  # a shorter number that is somebody's is a code of some vocabulary just as well
ROUND_DIGITS, MOST_DIGITS = 8, 20  # the same of a number that ends in zeros; and of any that is looked at
NUMBERING = 5  # digits that a number with letters has at least, for its form to be one of a numbering of persons
WINDOW, OVERLAP = 2000, 200  # letters looked at together: a pattern may take the square of their number
BIRTH_DATE = "PatientBirthDate"
WRITTEN_APART = re.compile(
    r"\d[\s/_-]\d|\d\.\d\d\.\d|[^\W\d_][ .-][^\W\d_][ .-][^\W\d_]\b|[a-z]\d[a-z]|[^\x00-\x7f]", re.I
)
PARTED_NUMBER = re.compile(r"[^\W_][\s/_-]+\d|\d[\s/_-]+[^\W_]")  # AC 70037 X
LEAST_AMONG_WORDS, FEW_PERSONS = 4, 2  # letters of a name among other words, and persons in whose rows one stands
LEAST_LETTERS = 5  # of a name that is looked for from its end, too
PATH = re.compile(r"[^\s/\\]*[/\\]\S*[/\\]\S*")
VALUE_BY_ITSELF = re.compile(rf"[=:|>]\s*[\"']?{MASK}[\"']?\s*(?:[;,|<}}\]]|\Z)")
INITIAL = re.compile(r"(?<![^\W_])[^\W\d_](?![^\W_])")
LETTER = re.compile(r"[^\W\d_]")
NUMBER_OF_MANY_DIGITS = rf"\A\s*[-+]?(?:\d{{{LEAST_DIGITS},}}(?:\.0*)?|\d+(?:\.\d*)?[eE]\+?\d{{1,3}})\s*\z"
NOTHING, PLAIN = re.compile(""), re.compile(PLAIN_CELL)

IdentifyingCells = dict[str, dict[str, str]]
"""By column, each cell that identifies somebody and the kind of identifier it holds."""
_Among = dict[str, dict[str, set[str]]]
"""By column, each cell with a name that does not identify by itself, and its names that tell."""
Parts = Callable[[], Iterable[pa.Table]]
"""The parts of a table, anew at each call; cells are text of bytes as they are (Latin-1)."""


def identifying_cells(
    workspace: Workspace, searched: Mapping[str, Parts], withdrawn: Collection[int] | None = None
) -> dict[str, IdentifyingCells]:
    """The cells that identify somebody, by table.

    A cell does if it holds an identifier, a full name or a birth date of anybody in the lookup tables, the catalog, the
    crosswalk or OMOP's PERSON, a name and nothing else, or what looks like an identifier, whoever's it is. So does a
    text with a day and its year, unless ``omop_columns`` names the column: nobody knows whether it was shifted. So do
    cells that say a full name together with others of their row, and a name among other words, or a full one of
    somebody who is nobody here, that stands in rows of no more than two persons: an eponym (Foley, Jackson Pratt)
    stands in many.
    ``withdrawn``: persons whose rows do not count there, for they are not delivered. 06 gives None and does not ask for
    these: cells of a name that 05 left in rows of three may have gone empty in one.
    """
    found: dict[str, IdentifyingCells] = {name: defaultdict(dict) for name in searched}
    forms, shared = _forms_of_numbers(workspace), workspace.parameters.omop_columns
    others: dict[str, _Among] = {name: defaultdict(dict) for name in searched}
    for name, parts in searched.items():
        for column, values in _texts_of(parts):
            full = ((value, people_in_full(_text_of(value), words_of_package().unknown)) for value in values)
            others[name][column].update((value, names) for value, names in full if names)
            looks = {value: kind for value in values if (kind := shape_of_cell(value, forms))}
            days_stay = not holds_text(column) or f"{PurePath(name).stem}.{column.strip().lower()}" in shared
            found[name][column] |= {
                value: kind for value, kind in looks.items() if kind != DAY_IN_TEXT or not days_stay
            }
            found[name][column] |= dict.fromkeys(holding_uids(workspace, values), "original UID")
    among: dict[str, _Among] = {name: defaultdict(dict) for name in searched}
    for _, searcher in searchers(workspace, _of_omop(workspace)):
        numbers = _whole_numbers(searcher.terms)
        for name, parts in searched.items():
            for column, values in _texts_of(parts):
                for value, kind, names in _of_somebody(values, searcher):
                    if kind:
                        found[name][column][value] = kind
                    else:
                        among[name][column].setdefault(value, set()).update(names)
            for column, values in _numbers_of(parts):
                own = ((value, numbers.get(_whole(value))) for value in values)
                found[name][column] |= {value: kind for value, kind in own if kind}
            for column, value in _of_full_names(parts, among[name], searcher):
                found[name][column][value] = "name"
    for cells in (among, others) if withdrawn is not None else ():
        for name, column, value in _of_few(searched, cells, withdrawn or ()):
            found[name][column][value] = "name"
    return {name: {column: cells for column, cells in columns.items() if cells} for name, columns in found.items()}


def _texts_of(parts: Parts) -> Iterator[tuple[str, list[str]]]:
    """The different cells of each column that may hold text: of numbers and dates, those that are none."""
    for part in parts():
        for column, cells in zip(part.column_names, part.columns, strict=True):
            plain = NOTHING if holds_text(column) else PLAIN
            if left := [value for value in cells.unique().to_pylist() if not plain.fullmatch(value)]:
                yield column, left


def _numbers_of(parts: Parts) -> Iterator[tuple[str, list[str]]]:
    """The different numbers of each column that holds numbers and leads nowhere: a measured value, a quantity."""
    for part in parts():
        for column, cells in zip(part.column_names, part.columns, strict=True):
            if not holds_text(column) and not column.strip().lower().endswith("_id"):
                different = cells.unique()
                yield column, different.filter(pc.match_substring_regex(different, NUMBER_OF_MANY_DIGITS)).to_pylist()


# --- anybody ----------------------------------------------------------------------------------------------------------


def shape_of_cell(value: str, forms: frozenset[str]) -> str:
    """What the text of a cell looks like, "" if nothing that identifies; ``forms`` are those of the site's numbers."""
    text = _text_of(value)
    day = ""  # which may stay where the site says so: nothing that stands beside it does
    for start in range(0, len(text), WINDOW - OVERLAP):
        if (kind := shape_of_text(text[start : start + WINDOW])) not in ("", DAY_IN_TEXT):
            return kind
        day = day or kind
    return "number of the form of a patient's" if len(text) < OVERLAP and _form(text) in forms else day


def _text_of(cell: str) -> str:
    return cell.encode("latin-1").decode("utf-8", "replace")


def _forms_of_numbers(workspace: Workspace) -> frozenset[str]:
    """The forms of the site's own identifiers, such as ``AAA-9999999``: only of those with letters and many digits."""
    terms = workspace.read(tables.SEARCH_TERMS)
    own = map(_form, terms.loc[terms["kind"] == "identifier", "text"])
    return frozenset(form for form in own if form.count("9") >= NUMBERING and "A" in form)


def _form(text: str) -> str:
    return re.sub(r"\d", "9", LETTER.sub("A", text.strip()))


# --- somebody ---------------------------------------------------------------------------------------------------------


def _whole(value: str) -> str:
    """The digits of a number that is whole, however it is written: ``7.34402E+05`` is 734402; "" of any other."""
    number = Decimal(value.strip())
    return str(int(number)) if number.adjusted() < MOST_DIGITS and number == int(number) else ""


def _whole_numbers(terms: Iterable[SearchTerm]) -> dict[str, str]:
    """The identifiers and dates that a number may be, by their digits, to their kind: those of six digits, or of eight
    where they end in zeros, as measured values do."""
    digits = ((re.sub(r"\D", "", term.text).lstrip("0"), term.kind) for term in terms)
    return {
        number: kind
        for number, kind in digits
        if kind in ("identifier", "date") and len(number) >= (ROUND_DIGITS if number.endswith("00") else LEAST_DIGITS)
    }


def _of_omop(workspace: Workspace) -> Iterator[SearchTerm]:
    """The keys of all persons of OMOP at the site, and the birth dates of all patients of the source."""
    persons = read_omop(workspace, "person", contradicting=True)
    for value in persons.loc[
        persons["person_source_value"] != persons["person_id"].astype("string"), "person_source_value"
    ]:
        if len(value) >= LEAST_DIGITS:
            yield SearchTerm("identifier", value)
    born = workspace.read(tables.CATALOG, [BIRTH_DATE])[BIRTH_DATE].unique() if workspace.has(tables.CATALOG) else []
    for date in {read_date(value) for value in born} - {None}:
        yield SearchTerm("date", f"{date:%Y%m%d}")


def _of_somebody(values: list[str], searcher: Searcher) -> Iterator[tuple[str, str, set[str]]]:
    """Cells with terms: the kind of one that identifies by itself, "" where none does, and names among other words.

    One pass over all cells says which to look at, for a name may not be put together of two of them.
    """
    read = [(value, reading) for value in values for reading in _readings(value)]
    starts = [0, *accumulate(len(reading) + 1 for _, reading in read)]
    content = b"\n".join(reading for _, reading in read)
    for place in sorted({bisect_right(starts, hit.start) - 1 for hit in searcher.search(content)}):
        value, reading = read[place]
        path = PATH.fullmatch(value) is not None
        hits = searcher.search(reading)
        kind = next((hit.term.kind for hit in hits if _is_grave(hit, path)), "")
        names = [hit for hit in hits if hit.term.kind == "name"]
        if kind or names:
            telling = (hit.term.text.lower() for hit in names if hit.severity == "high")
            yield value, kind, {name for name in telling if len(name) >= LEAST_AMONG_WORDS}


def _of_full_names(parts: Parts, among: _Among, searcher: Searcher) -> Iterator[tuple[str, str]]:
    """Cells, by column, that say a full name together with another of their row."""
    if len(among) < 2:
        return
    seen = set[tuple[tuple[str, str], ...]]()
    for part in parts():
        there = among.keys() & {*part.column_names}
        if len(there) < 2:
            continue
        masks = {name: pc.is_in(part.column(name), pa.array([*among[name]], pa.string())) for name in sorted(there)}
        several = functools.reduce(pc.add, (mask.cast(pa.int8()) for mask in masks.values()))
        rows = part.select([*masks]).filter(pc.greater(several, 1))
        for row in rows.to_pylist():
            seen.add(tuple((name, cell) for name, cell in row.items() if cell in among[name]))
    for cells in seen:
        joined = ",".join(cell for _, cell in cells).encode("latin-1")
        if any(hit.full_name for hit in searcher.search(joined)):
            yield from cells


def _of_few(
    searched: Mapping[str, Parts], among: Mapping[str, _Among], withdrawn: Collection[int]
) -> Iterator[tuple[str, str, str]]:
    """Cells, by table and column, with a name among other words that stands in rows of few persons."""
    persons: dict[str, set[str]] = defaultdict(set)
    nobody = {str(number) for number in withdrawn}
    telling = {
        (table, column): {cell: names for cell, names in cells.items() if names}
        for table, columns in among.items()
        for column, cells in columns.items()
    }
    for table, parts in searched.items():
        columns = {column: cells for (name, column), cells in telling.items() if name == table and cells}
        for part in parts() if columns else ():
            owner = next((name for name in part.column_names if name.strip().lower() == "person_id"), None)
            there = columns.keys() & {*part.column_names} if owner else ()  # 06 reads the header as a part of its own
            for column, cells in ((name, columns[name]) for name in there):
                own = part.filter(pc.is_in(part.column(column), pa.array([*cells], pa.string())))
                for cell, written in {*zip(own.column(column).to_pylist(), own.column(owner).to_pylist(), strict=True)}:
                    person = number_in_cell(written)
                    for name in cells[cell] if person not in nobody else ():
                        persons[name].add(person)
    few = {name for name, of in persons.items() if len(of) <= FEW_PERSONS}
    for (table, column), cells in telling.items():
        yield from ((table, column, cell) for cell, names in cells.items() if names & few)


def _readings(value: str) -> Iterator[bytes]:
    """A cell as its bytes stand, and as it may be meant where signs part a number or letters (``007-182-64``), from its
    end, and out of Base64 or hexadecimal digits."""
    yield value.encode("latin-1")
    if WRITTEN_APART.search(value):
        yield from map(str.encode, other_readings(value.encode("latin-1").decode("utf-8", "replace")))
    if len(value) < OVERLAP and PARTED_NUMBER.search(value):
        yield re.sub(r"[\s./_-]", "", value).encode("latin-1")
    if value.isalpha() and len(value) >= LEAST_LETTERS:
        yield value[::-1].encode("latin-1")
    yield from filter(None, map(out_of_signs, ENCODED.findall(value)))


def _is_grave(hit: Hit, path: bool) -> bool:
    """Tables of a hospital are full of words that are surnames, and of codes that are numbers; a path is not."""
    if hit.severity != "high":
        return False
    if hit.term.kind == "name":
        alone = path or VALUE_BY_ITSELF.search(hit.context) is not None  # subject=Quillfeather
        return alone or hit.context.count(MASK) > 1 or not LETTER.search(INITIAL.sub("", hit.context.replace(MASK, "")))
    return not (hit.term.text.isdigit() and len(hit.term.text) < LEAST_DIGITS)
