"""The checks of what is no image, when all of it is made: the registry, and each file of ``release/`` and ``audit/``.

04 examines the images before 05 makes the tables; 06 asks here before it packs. So the same input gets the same answer
the first time and the second.
"""

from __future__ import annotations

import filecmp
import functools
import glob
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydicom.datadict import dictionary_VR, tag_for_keyword

from chorus_nb import layout, standards, tables
from chorus_nb.leaks.cells import IdentifyingCells, identifying_cells
from chorus_nb.leaks.files import (
    of_content,
    of_csv,
    original_uids,
    pieces,
    search_file,
    searchers,
    uid_digest,
)
from chorus_nb.leaks.known import KnownWords, known_words_of
from chorus_nb.leaks.parts import csv_parts
from chorus_nb.leaks.reading import Leaf
from chorus_nb.leaks.said import said_by_site
from chorus_nb.leaks.search import Searcher
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import SearchTerm, uids_in
from chorus_nb.leaks.texts import NUMERIC, identifier_shapes, is_written_text, severity_in, tells
from chorus_nb.memory import digest
from chorus_nb.processes.programs import scratch
from chorus_nb.processes.queries import ROWS_TOLD, asking, in_bounded_memory, told
from chorus_nb.verify.findings import ASKED_OF_TREE, RANK, Finding, Findings
from chorus_nb.verify.gate import check_rows
from chorus_nb.verify.tree_memory import Found, SearchLog, TreeMemory, in_any_order
from chorus_nb.workspace import Workspace

DESCRIBED_TABLES = tuple(tables.TABLES[name] for name in layout.METADATA_TABLES.split("|"))
CELLS_REMEMBERED = 100_000  # most cells of a column stand in many rows
UNREAD = "cannot be read, so it cannot be searched"
END_OF_RANGE = re.compile("_(min|max)$")  # a column of a range holds numbers of the element it is named after


def verify_tree(workspace: Workspace, made: Mapping[str, bytes | Path] | None = None) -> pd.DataFrame:
    """Examine all that is no image; writes ``tables.TREE_FINDINGS``, writes and returns ``tables.TREE_CHECKS``.

    ``made``: what is about to be written into the release, by its path there.
    """
    release = workspace.release.name
    files = {f"{release}/{path}": content for path, content in (made or {}).items()}
    names = sorted({*_names(workspace), *files})
    # the same number whether the release was packed before or not: the certificate holds it
    counted = {name for name in names if name.startswith(release)} - {f"{release}/{n}" for n in layout.MADE_LAST}
    with asking(workspace, tables.IMAGE_REGISTRY) as connection:
        ((rows_there,),) = connection.sql("SELECT count(*) FROM image_registry").fetchall()
    examined = Counter(tables=len(counted), registry=rows_there)
    log = SearchLog()
    findings = {*_in_files(workspace, names, files, log), *_registry(workspace)}
    rows = sorted(findings, key=lambda one: (RANK[one.severity], *one))
    frame = tables.frame(tables.TREE_FINDINGS, [row._asdict() | {"detail": row.detail} for row in rows])
    workspace.write(tables.TREE_FINDINGS, frame)
    checks = tables.frame(tables.TREE_CHECKS, check_rows(ASKED_OF_TREE, frame, examined, {}))
    workspace.write(tables.TREE_CHECKS, checks)
    workspace.write(tables.SEARCHED_PARTS, log.table(counted))
    return checks


def search_contents(workspace: Workspace, made: Mapping[str, bytes | Path]) -> list[str]:
    """The same search in what is about to be written, by its path below ``release/``; the paths that hold a term."""
    wanted = _Wanted(workspace)
    memory = TreeMemory(workspace, "made", wanted.digest)
    known = {name: memory.recall(name, content) for name, content in made.items()}
    leaking = {name for name, found in known.items() if found and found.findings}
    asked = {name: content for name, content in made.items() if known[name] is None}
    new = dict[str, tuple[Finding, ...]](dict.fromkeys(asked, ()))
    for _, searcher in wanted if asked else ():
        for name, content in asked.items():
            for place, hit, severity in search_file(searcher, name, _contents(name, content)):
                if severity == "high":
                    new[name] = (Finding("tables", severity, name, place, hit.term.kind),)
    for name, findings in new.items():
        memory.keep(name, Found(0, findings))
    memory.write()
    return sorted({*leaking, *(name for name, findings in new.items() if findings)})


def _contents(name: str, content: bytes | Path) -> Iterator[bytes]:
    """What is about to be written says."""
    if Path(name).suffix == ".csv":
        yield from of_csv(content)
    else:
        yield from of_content(content if isinstance(content, bytes) else content.read_bytes(), Path(name).suffix)


def _is_ours(name: str) -> bool:
    """Whether the workbench wrote the file; what else lies in ``release/`` closes the gate by its place."""
    root, _, path = name.partition("/")
    report = path.startswith("reports/") and path.endswith(".html")
    ours = path in (layout.AUDIT_LOG, layout.PUBLIC_KEY) or report or path.startswith(f"{layout.SIGNATURES}/")
    return root == "release" or ours


def _names(workspace: Workspace) -> Iterator[str]:
    for root in (workspace.release, workspace.audit):
        for path in layout.each_below(root):
            if root == workspace.audit or not layout.is_image_place(path):
                yield f"{root.name}/{path}"


# --- everybody's terms in every file ----------------------------------------------------------------------------------


class _Wanted:
    """The searches for everybody's terms, held where they are one; how many terms, how many of them are words of pages,
    and a digest of all of them and of what the site says of itself."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, first = workspace, list(islice(searchers(workspace), 2))
        self._held = first if len(first) < 2 else None
        self.terms = self.page_words = 0
        self.digest = digest(in_any_order(self._counted()), sorted(said_by_site(workspace)))

    def _counted(self) -> Iterator[SearchTerm]:
        for count, searcher in self:
            self.terms += count
            self.page_words += searcher.own_words()
            yield from searcher.terms

    def __iter__(self) -> Iterator[tuple[int, Searcher]]:
        return searchers(self._workspace) if self._held is None else iter(self._held)

    def in_turn(self, names: list[str]) -> list[list[str]]:
        """Which of these files are searched together: one after the other, so that a table is read once, but where the
        searches would have to be made again for each."""
        return [[name] for name in names] if self._held is not None else [names]


def _in_files(workspace: Workspace, names: list[str], made: Mapping[str, bytes | Path], log: SearchLog) -> Findings:
    """What each file tells by itself, from memory where it was searched for the same before."""
    wanted, originals, known = _Wanted(workspace), original_uids(workspace), known_words_of(workspace)
    log.terms, log.page_words = wanted.terms, wanted.page_words
    memory = TreeMemory(workspace, "tree", wanted.digest, in_any_order(originals), known)
    before = {name: memory.recall(name, made.get(name, workspace.root / name)) for name in names}
    found = set[Finding]()
    for some in wanted.in_turn([name for name in names if before[name] is None]):
        found |= {*_texts(workspace, some, made, log, wanted, originals)}
        found |= {*_described(workspace, some, known), *_canonical(workspace, some)}
    by_file = defaultdict[str, list[Finding]](list)
    for finding in found:
        by_file[finding.file].append(finding)
    for name, kept in before.items():
        if kept is None:
            memory.keep(name, Found(log.bytes[name], tuple(sorted(by_file[name]))))
        else:
            log.bytes[name], found = kept.size, found.union(kept.findings)
    memory.write()
    yield from found
    unread = {finding.file for finding in found if finding.kind == UNREAD}
    omop = [name for name in names if name.startswith(f"release/{layout.OMOP}/") and name not in unread]
    searched = {name: functools.partial(_parts, workspace.root / name) for name in omop}
    for name, cells in identifying_cells(workspace, searched).items():
        yield from _cells_of(name, cells)


def _texts(
    workspace: Workspace,
    names: list[str],
    made: Mapping[str, bytes | Path],
    log: SearchLog,
    wanted: Iterable[tuple[int, Searcher]],
    originals: Container[int],
) -> Findings:
    """What identifies anybody, in each file and in its name; a file that cannot be read cannot be searched."""
    unread: set[str] = set()

    def contents_of(name: str) -> Iterable[bytes]:
        return _contents(name, made[name]) if name in made else pieces(workspace.root / name, ours=_is_ours(name))

    for name in names:
        try:
            contents = log.reading(name, chain((name.encode(),), contents_of(name)))
            if sum(uid_digest(uid) in originals for content in contents for uid in {*uids_in(content)}):  # to its end
                yield Finding("tables", "high", name, "", "uid", "an original UID")
        except Exception:  # whatever a damaged archive or Parquet file leads to
            unread.add(name)
            yield Finding("tables", "high", name, "", UNREAD)
    readable = [name for name in names if name not in unread]
    metadata = {path.relative_to(workspace.root).as_posix() for path in _metadata_files(workspace)}
    for _, searcher in wanted:
        for name in readable:
            if name in metadata and name not in made:
                yield from _terms_in(searcher, name, pieces(workspace.root / name, _technique_columns()))
                yield from _terms_in_technique(searcher, name, workspace.root / name)
            else:
                yield from _terms_in(searcher, name, contents_of(name))


def _terms_in(searcher: Searcher, name: str, contents: Iterable[bytes]) -> Findings:
    first: dict[tuple[str, str, str], Finding] = {}
    for place, hit, severity in search_file(searcher, name.partition("/")[2], contents):
        finding = Finding("tables", severity, name, place, hit.term.kind, hit.context)
        first.setdefault((place, severity, hit.term.kind), finding)
    yield from first.values()


def _cells_of(name: str, cells: IdentifyingCells) -> Findings:
    for column, found in cells.items():
        for kind, count in sorted(Counter(found.values()).items()):
            yield Finding("tables", "high", name, column, kind, f"{count:,} different cells")


def _parts(path: Path) -> Iterator[pa.Table]:
    """The table and the names of its columns, or the lines of a file that is none."""
    try:
        for part in csv_parts(path):
            yield pa.table({"": part.column_names})
            yield part
    except ValueError:
        yield pa.table({"": pa.array(path.read_bytes().decode("latin-1").splitlines(), pa.string())})


def _metadata_files(workspace: Workspace) -> Iterator[Path]:
    for table in DESCRIBED_TABLES:
        yield from (workspace.path(table), workspace.path(replace(table, format="parquet")))


def _element_of(column: str) -> int | None:
    return tag_for_keyword(END_OF_RANGE.sub("", column))


@functools.cache
def _technique_columns() -> dict[str, Leaf]:
    """Columns of the metadata tables whose element never holds a patient or is a number, with an empty one of these."""
    leaves = {}
    for name in {column.name for table in DESCRIBED_TABLES for column in table.columns}:
        if (tag := _element_of(name)) is not None:
            vr = dictionary_VR(tag)
            if vr in NUMERIC or standards.never_a_patient(tag, vr):
                leaves[name] = Leaf("", tag, vr, "", b"", "")
    return leaves


def _cells_by_column(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The different cells of each column, a part of the table after the other; nothing of a damaged file.

    That it cannot be read is a finding already.
    """
    try:
        if path.suffix == ".csv":
            for part in csv_parts(path):
                for name, values in zip(part.column_names, part.columns, strict=True):
                    cells = values.unique().to_pylist()
                    yield name, [cell.encode("latin-1").decode("utf-8", "replace") for cell in cells]
            return
        for batch in pq.ParquetFile(path).iter_batches(ROWS_TOLD):
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                yield name, [str(value) for value in values.unique().to_pylist() if value is not None]
    except Exception:  # whatever a damaged file leads to
        return


def _terms_in_technique(searcher: Searcher, name: str, path: Path) -> Findings:
    """Equipment, technique and measures, with 04's severities: a product's name or a number is hardly a patient."""
    for column, cells in _cells_by_column(path):
        if leaf := _technique_columns().get(column):
            for hit in searcher.search("\n".join(cells).encode()):
                yield Finding("tables", severity_in(leaf, hit), name, column, hit.term.kind, hit.context)


def _described(workspace: Workspace, names: Container[str], known: KnownWords) -> Findings:
    """Cells of the metadata tables by the rules that 04 has for the elements they are from, whoever they tell of."""
    for path in _metadata_files(workspace):
        name = path.relative_to(workspace.root).as_posix()
        if name not in names:
            continue
        said_by = functools.lru_cache(CELLS_REMEMBERED)(functools.partial(_said_by, known=known))
        for column, cells in _cells_by_column(path):
            if (tag := _element_of(column)) is not None:
                for severity, detail in chain.from_iterable(map(functools.partial(said_by, tag), cells)):
                    yield Finding("tables", severity, name, column, detail)


def _said_by(tag: int, text: str, *, known: KnownWords) -> tuple[tuple[Severity, str], ...]:
    leaf = Leaf("", tag, dictionary_VR(tag), "", text.encode(), text)
    written = tells(leaf, known, ()) if is_written_text(leaf, {}) else ()
    return (*identifier_shapes(leaf), *written)


def _canonical(workspace: Workspace, names: Container[str]) -> Findings:
    """A Parquet file holds its table and nothing else: written anew, in parts of as many rows, it is the same bytes."""
    for table in DESCRIBED_TABLES:
        path = workspace.path(replace(table, format="parquet"))
        name = path.relative_to(workspace.root).as_posix()
        if name in names:
            try:
                same = _is_canonical(table, path)
            except Exception:  # whatever a damaged file leads to
                same = False
            if not same:
                yield Finding("tables", "high", name, "", "is not the table as 05 writes it")


def _is_canonical(table: tables.Table, path: Path) -> bool:
    tables.probe(table, path)
    file, key = pq.ParquetFile(path), ", ".join(table.key)
    parts = range(file.num_row_groups)
    sizes = {file.metadata.row_group(part).num_rows for part in parts[:-1]}
    if len(sizes) > 1 or (sizes and file.metadata.row_group(parts[-1]).num_rows > max(sizes)):
        return False  # how its rows are parted says something
    with scratch() as folder, in_bounded_memory() as connection:
        anew = Path(folder) / path.name
        with pq.ParquetWriter(anew, table.schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(tables.fitted(table, file.read_row_group(part)).combine_chunks())
        repeated = connection.read_parquet(glob.escape(str(anew))).aggregate(f"count(*) > count(DISTINCT ({key}))")
        return filecmp.cmp(anew, path, shallow=False) and repeated.fetchall() == [(False,)]


# --- the registry -----------------------------------------------------------------------------------------------------


def _registry(workspace: Workspace) -> Findings:
    """A row per released file, with the person, the group and the time that the file has, as 04 read it."""
    name = f"{workspace.release.name}/{layout.METADATA}/{tables.IMAGE_REGISTRY.name}.csv"
    fault = functools.partial(Finding, "registry", "high", name)
    with asking(workspace, tables.IMAGE_REGISTRY, tables.VERIFIED_IMAGES) as connection:
        ((gaps, *repeated),) = connection.sql("""
            SELECT count(*) FILTER (image_registry_id <> rowid + 1),
                   count(*) - count(DISTINCT file_id), count(*) - count(DISTINCT src_file)
            FROM image_registry""").fetchall()
        if gaps:
            yield fault("image_registry_id", "is not 1 to n without gaps")
        for column, many in zip(("file_id", "src_file"), repeated, strict=True):
            if many:
                yield fault(column, "is not unique")
        for number, missing, other, another_date, another_time, filled in told(connection, _ROWS_AT_FAULT):
            here = f"row {number}"
            if missing:
                yield fault(here, "names a file that is not released")
                continue
            if other:
                yield fault(here, "has another person or group")
            if another_date:
                yield fault(here, "has another date than the file")
            elif another_time:
                yield Finding("registry", "medium", name, here, "has another time than the file")
            if filled:
                yield fault(here, "trg_file is filled centrally")
        unnamed = "SELECT target_path FROM verified_images ANTI JOIN image_registry ON target_path = src_file"
        for (path,) in told(connection, unnamed):
            yield Finding("registry", "high", f"{workspace.release.name}/{path}", "", "is not in the registry")


_ROWS_AT_FAULT = f"""
    SELECT image_registry_id, missing, other, another_date, another_time, filled
    FROM (
        SELECT image_registry_id,
               moment IS NULL OR row_number() OVER (PARTITION BY src_file ORDER BY image_registry.rowid) > 1 AS missing,
               NOT (len(string_split(src_file, '/')) = 6 AND split_part(src_file, '/', 2) = '{layout.IMAGES}'
                    AND split_part(src_file, '/', 1) = person_id::VARCHAR
                    AND split_part(src_file, '/', 4) = group_id::VARCHAR) AS other,
               moment <> '' AND "datetime"[:10] <> moment[:10] AS another_date,
               moment <> '' AND "datetime" <> moment AS another_time,
               coalesce(trg_file, '') <> '' AS filled
        FROM image_registry LEFT JOIN verified_images ON target_path = src_file)
    WHERE missing OR other OR another_date OR another_time OR filled"""
