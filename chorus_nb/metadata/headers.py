"""The headers of the released files, each read once: what the registry and the metadata tables are made from."""

from __future__ import annotations

import contextlib
import functools
import glob
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pydicom
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from chorus_nb import tables
from chorus_nb.guard import one_file
from chorus_nb.memory import Recipe
from chorus_nb.processes import Progress, each
from chorus_nb.processes.queries import ROWS_TOLD, asking, in_lists, told
from chorus_nb.workspace import Workspace, replacing, write_atomically

if TYPE_CHECKING:
    import duckdb

# Where an enhanced image or a PET image keeps what others have at the root of the data set
PLACES = (
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "RadiopharmaceuticalInformationSequence",
)
CODE_SEQUENCES = {"AnatomicRegionSequence": "anatomic_region", "ViewCodeSequence": "view_code"}  # and its column
WANTED: list[BaseTag] = [
    Tag(keyword) for keyword in (*tables.RELEASED_HEADERS.keywords, *PLACES, *CODE_SEQUENCES, "SpecificCharacterSet")
]
FILES_A_BATCH = 200  # files a worker reads per call
KEYWORDS = {Tag(keyword): keyword for keyword in tables.RELEASED_HEADERS.keywords}
HEADER_KEY = ("target_path", "target_digest")
# how a value of these is read follows from itself: the VR of others is told by other elements
BY_ITSELF = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "SH", "SL", "SS", "TM", "UI", "UL", "US")
)
HEADERS_RECIPE = Recipe(__name__, libraries=("pydicom",))


def update_headers(workspace: Workspace, progress: Progress | None = None) -> Path:
    """Bring ``released_headers`` up to date: a row per released file with its attributes as text.

    Only files that are new or changed are read. Rows go to disk as they come, so memory stays flat.
    """
    path = workspace.path(tables.RELEASED_HEADERS)
    made_by, key = path.with_suffix(".key"), HEADERS_RECIPE.key(None).encode()
    if not (path.is_file() and made_by.is_file() and made_by.read_bytes() == key):
        workspace.write(tables.RELEASED_HEADERS, tables.empty(tables.RELEASED_HEADERS))
        write_atomically(made_by, key)
    key_columns = ", ".join(HEADER_KEY)
    with tempfile.TemporaryDirectory(dir=workspace.local) as folder, asking(workspace, tables.OUTCOMES) as connection:
        with tables.reading(f"local/{path.name}", tables.RELEASED_HEADERS.if_damaged):
            connection.read_parquet(glob.escape(str(path))).create_view("known")
            connection.execute(f"""
                CREATE VIEW released AS SELECT {key_columns} FROM outcomes WHERE status = 'released';
                CREATE TABLE todo AS FROM released ANTI JOIN known USING ({key_columns}) ORDER BY target_path""")
            gone = connection.sql(f"SELECT 1 FROM known ANTI JOIN released USING ({key_columns}) LIMIT 1").fetchall()
        ((many,),) = connection.sql("SELECT count(*) FROM todo").fetchall()
        if not many and not gone:
            return path
        read = Path(folder, "read.parquet")
        _read_headers(workspace, connection, many, read, progress)
        connection.read_parquet([glob.escape(str(path)), glob.escape(str(read))]).create_view("headers")
        connection.execute("SET preserve_insertion_order = false")
        try:
            with tables.reading(f"local/{path.name}", tables.RELEASED_HEADERS.if_damaged), replacing(path) as new:
                connection.sql(
                    f"SELECT * FROM headers SEMI JOIN released USING ({key_columns}) ORDER BY target_path"
                ).write_parquet(str(new), compression="zstd")
        finally:
            connection.execute("RESET preserve_insertion_order")
    return path


def _read_headers(
    workspace: Workspace, connection: duckdb.DuckDBPyConnection, many: int, target: Path, progress: Progress | None
) -> None:
    """The headers of the files ``todo``, some thousands under way at a time."""
    read, done = functools.partial(_read_batch, workspace.release), 0
    with pq.ParquetWriter(target, tables.RELEASED_HEADERS.schema, compression="zstd") as writer:
        for _, part in in_lists(told(connection, f"SELECT {', '.join(HEADER_KEY)} FROM todo"), ROWS_TOLD):
            digests = dict(part)
            batches = [tuple(paths) for _, paths in in_lists(digests, FILES_A_BATCH)]
            for _, result in each(workspace.parameters, read, batches):
                rows = [{**row, "target_digest": digests[str(row["target_path"])]} for row in result]
                frame = tables.frame(tables.RELEASED_HEADERS, rows)
                writer.write_table(tables.to_arrow(tables.RELEASED_HEADERS, frame))
                done += len(rows)
                if progress:
                    progress(done, many, "reading released headers")


def _read_batch(release: Path, paths: tuple[str, ...]) -> list[dict[str, object]]:
    return [{"target_path": path, **read_header(release / path, path)} for path in paths]


def read_header(file: Path, path: str) -> dict[str, object]:
    """The attributes of one released file as text, multi-values joined by a backslash; "" for what is no value."""
    with one_file(f"{path}: a released file cannot be used"):
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=WANTED)
        found, differ = _values(dataset), set[str]()
        for place in PLACES:
            items = _items(dataset, place)
            for keyword, value in _agreed(items).items() if items else ():
                if keyword not in found and keyword not in differ:
                    found |= {} if value is None else {keyword: value}
                    differ |= {keyword} if value is None else set()
        found["TransferSyntaxUID"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        named = {keyword: found.get(keyword, "") for keyword in tables.RELEASED_HEADERS.keywords}
        coded = {column: _codes(dataset, keyword) for keyword, column in CODE_SEQUENCES.items()}
        return {**named, **coded, "differ_within": "\\".join(sorted(differ)), "size": file.stat().st_size}


def _values(holder: Dataset) -> dict[str, str]:
    """The wanted attributes that stand in ``holder`` itself with a value.

    A value that the library refuses (IS ``inf``, a sequence where text belongs) costs itself, not its file.
    """
    found, charset = {}, holder.original_character_set
    encodings = (charset,) if isinstance(charset, str) else tuple(charset)
    for tag in holder.keys() & KEYWORDS.keys():
        with contextlib.suppress(Exception):
            stored = holder.get_item(tag)
            if isinstance(stored, RawDataElement) and stored.VR in BY_ITSELF and stored.value and encodings:
                text = _text_of(stored._replace(value_tell=0), encodings)
            else:
                text = _as_text(holder[tag].value)
            if text:
                found[KEYWORDS[tag]] = text
    return found


@functools.lru_cache(maxsize=10_000)
def _text_of(stored: RawDataElement, encodings: tuple[str, ...]) -> str:
    """Most values of a file are those of the file before."""
    return _as_text(convert_raw_data_element(stored, encoding=list(encodings)).value)


def _as_text(value: object) -> str:
    if isinstance(value, Sequence):
        return ""
    parts = value if isinstance(value, MultiValue | list) else [value]
    return "\\".join("" if part is None else str(part) for part in parts)


def _items(holder: Dataset, tag: str | BaseTag) -> list[Dataset]:
    """The items of a sequence of ``holder``; none where the library cannot read it as one."""
    with contextlib.suppress(Exception):
        value = holder[tag].value
        return list(value) if isinstance(value, Sequence) else []
    return []


def _agreed(items: list[Dataset]) -> dict[str, str | None]:
    """What the items of a sequence, or the functional groups in them, say: None unless all of them say the same."""
    said: dict[str, list[set[str]]] = {}
    for item in items:
        here: dict[str, set[str]] = {}
        for holder in (item, *(inner for tag in item.keys() for inner in _items(item, tag))):  # noqa: SIM118
            for keyword, text in _values(holder).items():
                here.setdefault(keyword, set()).add(text)
        for keyword, texts in here.items():
            said.setdefault(keyword, []).append(texts)
    return {
        keyword: next(iter(texts[0])) if len(texts) == len(items) and len(set().union(*texts)) == 1 else None
        for keyword, texts in said.items()
    }


def _codes(dataset: Dataset, keyword: str) -> str:
    """The items of a code sequence as ``scheme:code``, joined by a backslash."""
    found = []
    for item in _items(dataset, keyword):
        value, scheme = item.get("CodeValue", ""), item.get("CodingSchemeDesignator", "")
        found += [f"{scheme}:{value}"] if value and scheme else []
    return "\\".join(dict.fromkeys(found))
