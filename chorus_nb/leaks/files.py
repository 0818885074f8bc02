"""The search in everything that is no image: tables, notes, archives, reports and the audit log.

04 asks it for the tables and the audit, ``chorus-nb run`` for every report that may be shared, 06 for what it packs.
"""

from __future__ import annotations

import base64
import glob
import gzip
import html
import re
import zipfile
from collections.abc import Container, Iterable, Iterator
from functools import cache
from itertools import chain, islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from blake3 import blake3
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID_dictionary

from chorus_nb import layout, standards, tables
from chorus_nb.leaks.embedded import PICTURE, picture_texts, unescaped
from chorus_nb.leaks.parts import ROWS_SEARCHED, csv_parts
from chorus_nb.leaks.said import said_by_site
from chorus_nb.leaks.search import MASK, Hit, Searcher
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import SearchTerm, of_name, stands_for_nobody
from chorus_nb.omop import cdm
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace

IDENTIFIER_COLUMNS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
PERSON_NAMES = tuple(
    column.name for column in tables.CATALOG.columns if column.name[0].isupper() and dictionary_VR(column.name) == "PN"
)
UID_TERMS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
SHORTEST = 4  # a shorter identifier, such as "12", equals a count sooner or later; its kind is still never shown
BATCH = 50_000  # values searched for at once: memory stays flat for any number of patients
FEW_ROWS = 1000  # the pattern below is made ready for all columns of so few at once: that takes longer than they do
# a cell of a column of numbers or dates that holds nothing else: ids, counts, sizes and times run through all numbers
PLAIN_CELL = (
    r"[-+]?\d*(?:\.\d*)?(?:[eE][-+]?\d+)?|\d{4}-\d\d-\d\d(?:[ T]\d\d(?::\d\d){1,2}(?:\.\d*)?(?:[+-]\d\d(?::?\d\d)?)?)?"
)
JSON_FILES = (".json", ".jsonl")
JSON_NUMBER = re.compile(rb"(?<=[:\[,])\s*-?\d+(?:\.\d+)?(?=\s*[,\]}])")
TERM_CELL = re.compile(rb"(<td[^>]*>)\s*([A-Z]{2,16})\s*(?=</td>)")
# of a column of numbers, as in a table
NUMBER_CELL = re.compile(rb'(<td style="text-align:right[^>]*>)[-+]?[\d,.]+(?=</td>)')
DATA_ELEMENT = re.compile(rb"\([0-9A-Fa-f]{4},(?:00xx|xx[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})\)")  # somebody's id may be 0020
# what files of ours say in numbers besides: lengths of columns and of parts of a PDF, where these begin, sizes, widths
OWN_NUMBER = re.compile(
    rb"VARCHAR\(\d+\)|/Length \d+|(?<=\n)\d{10} \d{5} [fn](?=[ \r]?\n)|(?<=startxref\n)\d+|\"\d+ B\"| width=\"\d+\""
)
HTML_TAG = re.compile(rb"<[^>]*>")
MARKUP = re.compile(rb"</?[A-Za-z][\w-]*|[\w-]+(?==[\"'])")
STYLE = re.compile(rb"<style.*?</style>|<meta[^>]*>", re.DOTALL)
# the site's public key (RFC 8410) and nothing else: 32 bytes of chance between words that are also a name (Public)
ED25519_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=\n-----END PUBLIC KEY-----\n")
UID_LIKE = re.compile(r"\d+(?:\.\d+)+")


# --- readers ----------------------------------------------------------------------------------------------------------


def pieces(path: Path, left_out: Container[str] = (), *, ours: bool = True) -> Iterator[bytes]:
    """What a file says, as bytes to search: rows of tables, members of archives, a page without pictures and style.

    ``left_out``: columns of a table that are not read. ``ours``: made here or by the CDM, so that what kind of numbers
    it holds is known; of any other file all of it is searched. Whatever a damaged archive or Parquet file leads to is
    raised; a damaged CSV is searched as it stands.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, left_out, ours)
        return
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        yield gzip.decompress(path.read_bytes())
    elif start == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode() + b"\n" + archive.read(name)
    elif not ours:
        content = path.read_bytes()
        yield unescaped(content) if path.suffix in JSON_FILES else content
        if path.suffix == ".html":
            yield html.unescape(content.decode("utf-8", "replace")).encode()
    elif path.suffix == ".csv":
        yield from of_csv(path, left_out)
    else:
        yield from of_content(path.read_bytes(), path.suffix)


def of_content(content: bytes, suffix: str) -> Iterator[bytes]:
    """The same of bytes that are no table and no archive."""
    if suffix == ".html":
        yield words_of_page(content)
        yield from picture_texts(content)
        return
    content = _without_own_numbers(content)
    if suffix in JSON_FILES:
        yield unescaped(JSON_NUMBER.sub(b" ", content))
    elif suffix == ".pub":
        yield ED25519_KEY.sub(b"", content)
    else:
        yield content


def _without_own_numbers(content: bytes) -> bytes:
    return OWN_NUMBER.sub(b" ", DATA_ELEMENT.sub(b"()", content))


def of_csv(table: Path | bytes, left_out: Container[str] = ()) -> Iterator[bytes]:
    """The same of a CSV table."""
    try:
        yield from (DATA_ELEMENT.sub(b"()", rows) for rows in _csv_rows(table, left_out))
    except ValueError:
        yield table if isinstance(table, bytes) else table.read_bytes()


def _csv_rows(table: Path | bytes, left_out: Container[str]) -> Iterator[bytes]:
    for part in csv_parts(table):
        columns = zip(part.column_names, (cells.combine_chunks() for cells in part.columns), strict=True)
        rows = _text_rows(columns, left_out).encode("latin-1")
        yield ",".join(part.column_names).encode("latin-1") + b"\n" + rows


def _parquet_rows(path: Path, left_out: Container[str], ours: bool) -> Iterator[bytes]:
    file = pq.ParquetFile(path)
    kept = {**(file.metadata.metadata or {}), **(file.schema_arrow.metadata or {})}
    fields = (part for field in file.schema_arrow for part in (field.metadata or {}).items())
    yield "\n".join((*file.schema_arrow.names, str(file.metadata.created_by))).encode()
    yield b"\n".join(part for name, text in (*kept.items(), *fields) for part in (name, _as_kept(name, text)))
    for batch in file.iter_batches(ROWS_SEARCHED):
        # each column, also one that pandas would take for its index, and of several with one name each
        columns = [(name, _as_text(cells)) for name, cells in zip(batch.schema.names, batch.columns, strict=True)]
        yield _text_rows(columns, left_out, ours).encode()


def _as_kept(name: bytes, text: bytes) -> bytes:
    """What stands beside a Parquet file's columns. Arrow keeps its schema there as Base64, of whose letters chance
    makes names (RG, AC): it is searched as what it says. What is no Base64 pyarrow has refused by then."""
    return base64.b64decode(text) if name == b"ARROW:schema" else text


def _as_text(cells: pa.Array) -> pa.Array:
    """Of lists, records and bytes all that is in them: pandas would shorten what is long."""
    bytes_or_parts = pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary
    if any(is_one(cells.type) for is_one in bytes_or_parts):
        return pa.array([_said(value) for value in cells.to_pylist()], pa.string())
    as_cast = pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_string
    if any(is_one(cells.type) for is_one in as_cast):
        return cells.cast(pa.string())
    return pa.array(cells.to_pandas().astype("string"), pa.string())


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_said, value))
    if isinstance(value, dict):
        return " ".join(map(_said, chain.from_iterable(value.items())))
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return "" if value is None else str(value)


def _text_rows(columns: Iterable[tuple[str, pa.Array]], left_out: Container[str], ours: bool = True) -> str:
    """A line a row, each different one once, without the numbers and dates of columns that hold these."""
    shown: list[pa.Array] = []
    counts: list[int] = []
    for name, values in columns:
        if name not in left_out:
            counts += [len(shown)] if ours and not holds_text(name) else []
            shown.append(pc.fill_null(values, "") if values.null_count else values)
    together = len(counts) if counts and len(shown[0]) < FEW_ROWS else 1
    for some in (counts[at : at + together] for at in range(0, len(counts), together)):
        for place, cells in zip(some, _without_plain([shown[place] for place in some]), strict=True):
            shown[place] = cells
    return "\n".join(pc.unique(pc.binary_join_element_wise(*shown, ",")).to_pylist()) if shown else ""


def _without_plain(columns: list[pa.Array]) -> list[pa.Array]:
    rows, cells = len(columns[0]), pa.concat_arrays(columns)
    left = pc.if_else(pc.match_substring_regex(cells, rf"\A(?:{PLAIN_CELL})\z"), "", cells)
    return [left.slice(place * rows, rows) for place in range(len(columns))]


def holds_text(column: str) -> bool:
    """Whether a column of a table holds text: by the CDM and the workbench's own tables; of others, all but ids."""
    name = column.strip().lower()
    return _kinds_of_columns().get(name, not name.endswith("_id"))


@cache
def _kinds_of_columns() -> dict[str, bool]:
    fields = cdm()
    known = dict(zip(fields["column"], fields["type"].str.startswith("varchar"), strict=True))
    released = (table for table in tables.TABLES.values() if table.kept == "metadata")
    return known | {column.name.lower(): column.kind == "text" for table in released for column in table.columns}


def words_of_page(page: bytes) -> bytes:
    """What a page says, raw and unescaped: without pictures, style sheet and the names of tags and attributes, and
    without the tags of elements, the numbers of columns that hold numbers and cells that hold a defined term of Body
    Part Examined alone, by which tables are counted."""
    parts = {term.encode() for term in standards.body_part_concepts()}
    page = TERM_CELL.sub(lambda cell: cell[1] if cell[2] in parts else cell[0], STYLE.sub(b"", PICTURE.sub(b"", page)))
    page = NUMBER_CELL.sub(rb"\1", _without_own_numbers(page))
    said = HTML_TAG.sub(lambda tag: MARKUP.sub(b" ", tag[0]), page)
    return said + b"\n" + html.unescape(said.decode("utf-8", "replace")).encode()


# --- the search -------------------------------------------------------------------------------------------------------


def search_file(searcher: Searcher, name: str, contents: Iterable[bytes]) -> Iterator[tuple[str, Hit, Severity]]:
    """``text`` or ``name`` (where it stands), hit and severity of each hit in a file called ``name`` below its root.

    ``contents``: what it says (:func:`pieces`, :func:`of_content`).
    """
    for place, parts in (("name", (name.encode(),)), ("text", contents)):
        for content in parts:
            for hit in searcher.search(content):
                severity = _severity_in_file(hit, name if place == "text" else "")
                over_rows = severity == "high" and place == "text" and name.startswith(f"{layout.OMOP}/")
                yield (
                    place,
                    hit,
                    "medium" if over_rows and not _is_full_in_its_row(searcher, content, hit) else severity,
                )


def _is_full_in_its_row(searcher: Searcher, content: bytes, hit: Hit) -> bool:
    """Names in rows below each other are of two: Braden score, Foley catheter."""
    end = content.find(b"\n", hit.end)
    row = content[content.rfind(b"\n", 0, hit.start) + 1 : end if end >= 0 else len(content)]
    return any(one.full_name for one in searcher.search(row))


def _severity_in_file(hit: Hit, name: str) -> Severity:
    """The site's own OMOP tables hold free words, drug names and codes: only a full name is found in their rows.

    What a cell of them says by itself, :mod:`chorus_nb.leaks.cells` finds.
    """
    lone = hit.term.kind == "name" and hit.context.count(MASK) < 2
    # descriptions were searched by 04 for the names of their own patient; part of another's name there is a word
    described = lone and name.startswith(
        tuple(f"{layout.METADATA}/{table}." for table in layout.METADATA_TABLES.split("|"))
    )
    weak = described or (name.startswith(f"{layout.OMOP}/") and not hit.full_name)
    return "medium" if weak and hit.severity == "high" else hit.severity


def search_pages(workspace: Workspace, pages: dict[str, str]) -> tuple[int, list[str]]:
    """How many original values were searched for in ``pages`` (name -> HTML), and the pages that hold one."""
    texts = {name: words_of_page(page.encode()) for name, page in pages.items()}
    searched, leaking = _search_uids(workspace, texts)
    for count, searcher in _whole_searchers(workspace):
        searched += count
        leaking |= {
            name for name, text in texts.items() if any(hit.severity == "high" for hit in searcher.search(text))
        }
    return searched, sorted(leaking)


def searchers(workspace: Workspace, others: Iterable[SearchTerm] = ()) -> Iterator[tuple[int, Searcher]]:
    """The search for all that 04 found to identify somebody, everybody's identifiers and names, and ``others``.

    In batches, each with the number of its terms. The ids that the lookup tables give are no original identifiers,
    though one may equal somebody's.
    """
    new = _new_ids(workspace)
    known, said = workspace.read(tables.SEARCH_TERMS), said_by_site(workspace)
    rows = map(SearchTerm, known["kind"], known["text"], known["whole"])
    originals = (term for terms in _original_values(workspace) for term in terms)
    wanted = (term for term in chain(rows, others, originals) if term.text not in new)
    while batch := list(islice(wanted, BATCH)):
        yield len(batch), Searcher(batch, words=said)


def _whole_searchers(workspace: Workspace) -> Iterator[tuple[int, Searcher]]:
    """The search in reports: everybody's identifiers and names, in batches, each with the number of its values."""
    new, said = _new_ids(workspace), said_by_site(workspace)
    values = (terms for terms in _original_values(workspace) if terms[0].text not in new)
    while batch := list(islice(values, BATCH)):
        yield len(batch), Searcher((term for one in batch for term in one), words=said, words_identify=True)


def _new_ids(workspace: Workspace) -> set[str]:
    linkage = workspace.read_or_empty(tables.LINKAGE)
    return {str(number) for name in ("person_id", "image_occurrence_id") for number in linkage[name].dropna()}


def _original_values(workspace: Workspace) -> Iterator[list[SearchTerm]]:
    """The terms of each identifier of the catalog and of each person name of catalog and crosswalk.

    The catalog knows everybody, also whom nothing is released of; the crosswalk all names of whom something is, also
    within sequences.
    """
    for column in IDENTIFIER_COLUMNS:
        for joined in _distinct_values(workspace, column):
            for value in map(str.strip, joined.split("\\")):
                if len(value) >= SHORTEST and not stands_for_nobody(value):
                    yield [SearchTerm("identifier", value)]
    for column in UID_TERMS:  # an instance identifier that is no UID
        for value in _distinct_values(workspace, column, "not regexp_full_match(value, '[0-9.]*')"):
            yield [SearchTerm("identifier", value)]
    for name in _person_names(workspace):
        if len(name) >= SHORTEST and not stands_for_nobody(name):
            yield list(of_name(name)) or [SearchTerm("name", name, name)]


def _person_names(workspace: Workspace) -> Iterator[str]:
    parts = workspace.local / tables.CROSSWALK.name
    sources, paths = [], []
    if workspace.has(tables.CATALOG):
        sources += [f'select distinct "{column}" as value from read_parquet(?)' for column in PERSON_NAMES]
        paths += [glob.escape(str(workspace.path(tables.CATALOG)))] * len(PERSON_NAMES)
    if any(parts.glob("*.parquet")):
        sources.append("select distinct original as value from read_parquet(?) where vr = 'PN'")
        paths.append(f"{glob.escape(str(parts))}/*.parquet")
    if sources:
        split = "select trim(unnest(string_split(value, chr(92)))) as value from"
        yield from _column(f"select distinct value from ({split} ({' union '.join(sources)}))", paths)


def _search_uids(workspace: Workspace, texts: dict[str, bytes]) -> tuple[int, set[str]]:
    """How many UIDs the catalog has, and the texts that hold one, also within a longer number with dots."""
    searched, leaking = 0, set()
    said = {name: _uids(text.decode("utf-8", "replace")) for name, text in texts.items()}
    wanted = pd.DataFrame({"uid": sorted(set().union(*said.values()))}, dtype="str")
    for column in UID_TERMS if workspace.has(tables.CATALOG) else ():
        with in_bounded_memory() as connection:
            connection.register("wanted", wanted)
            catalog = f'(select distinct "{column}" uid from read_parquet(?) where length("{column}") >= {SHORTEST})'
            sql = f"select count(*), list(uid) filter (uid in (select uid from wanted)) from {catalog}"
            [(count, found)] = connection.execute(sql, [glob.escape(str(workspace.path(tables.CATALOG)))]).fetchall()
        searched += count
        leaking |= {name for name, uids in said.items() if not uids.isdisjoint(found or ())}
    return searched, leaking


def original_uids(workspace: Workspace) -> frozenset[int]:
    """Digests (:func:`uid_digest`) of the UIDs of all instances, series, studies and frames of reference there are."""
    columns = (*UID_TERMS, "FrameOfReferenceUID")
    found = (uid for column in columns for uid in _distinct_values(workspace, column) if uid not in UID_dictionary)
    return frozenset(map(uid_digest, found))


def holding_uids(workspace: Workspace, texts: Iterable[str]) -> set[str]:
    """Those of the texts that hold an original UID."""
    like = {text: text.encode() for text in texts if text.count(".") > 3 and UID_LIKE.search(text)}
    return _search_uids(workspace, like)[1] if like else set()


def uid_digest(uid: str) -> int:
    """8 bytes stand for a UID: a million of them fit in memory."""
    return int.from_bytes(blake3(uid.encode()).digest(length=8))


def _uids(text: str) -> set[str]:
    """Every run of numbers with dots between them, and of each every part that dots bound."""
    parts = [run.split(".") for run in set(UID_LIKE.findall(text))]
    bounds = (
        (numbers, start, end) for numbers in parts for start in range(len(numbers)) for end in range(len(numbers))
    )
    return {".".join(numbers[start : end + 1]) for numbers, start, end in bounds if start < end}


def _distinct_values(workspace: Workspace, column: str, where: str = "true") -> Iterator[str]:
    if workspace.has(tables.CATALOG):
        sql = f'select distinct value from (select "{column}" as value from read_parquet(?)) where {where}'
        yield from _column(sql, [glob.escape(str(workspace.path(tables.CATALOG)))])


def _column(sql: str, values: list[str]) -> Iterator[str]:
    with in_bounded_memory() as connection:
        found = connection.execute(sql, values)
        while rows := found.fetchmany(BATCH):
            yield from (value for (value,) in rows if value)
