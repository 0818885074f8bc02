"""The headers of the released files, each read once: what the registry and the metadata tables are made from."""

from __future__ import annotations

import functools
import glob
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from chorus_nb import tables
from chorus_nb.guard import one_file
from chorus_nb.memory import Recipe
from chorus_nb.processes import Progress, each
from chorus_nb.workspace import Workspace, replacing, write_atomically

# Where an enhanced image or a PET image keeps what others have at the root of the data set
PLACES = (
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "RadiopharmaceuticalInformationSequence",
)
WANTED: list[BaseTag] = [
    Tag(keyword)
    for keyword in (*tables.RELEASED_HEADERS.keywords, *PLACES, "AnatomicRegionSequence", "SpecificCharacterSet")
]
FILES_A_BATCH = 200  # files a worker reads per call
HEADER_KEY = ("target_path", "target_digest")
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
    outcomes = workspace.read(tables.OUTCOMES, ["status", *HEADER_KEY])
    released = outcomes.loc[outcomes["status"] == "released", list(HEADER_KEY)]
    both = released.merge(
        workspace.read(tables.RELEASED_HEADERS, HEADER_KEY), on=list(HEADER_KEY), how="outer", indicator=True
    )
    todo = both[both["_merge"] == "left_only"]
    if (both["_merge"] == "both").all():
        return path
    with tempfile.TemporaryDirectory(dir=workspace.local) as folder, duckdb.connect() as connection:
        read = Path(folder, "read.parquet")
        _read_headers(workspace, dict(zip(todo["target_path"], todo["target_digest"], strict=True)), read, progress)
        connection.register("released", released)
        connection.read_parquet([glob.escape(str(path)), glob.escape(str(read))]).create_view("headers")
        connection.execute("SET preserve_insertion_order = false")
        with tables.reading(f"local/{path.name}", tables.RELEASED_HEADERS.if_damaged), replacing(path) as new:
            connection.sql(
                f"SELECT * FROM headers SEMI JOIN released USING ({', '.join(HEADER_KEY)}) ORDER BY target_path"
            ).write_parquet(str(new), compression="zstd")
    return path


def _read_headers(workspace: Workspace, digests: dict[str, str], target: Path, progress: Progress | None) -> None:
    paths = list(digests)
    batches = [tuple(paths[start : start + FILES_A_BATCH]) for start in range(0, len(paths), FILES_A_BATCH)]
    read, done = functools.partial(_read_batch, workspace.release), 0
    with pq.ParquetWriter(target, tables.RELEASED_HEADERS.schema, compression="zstd") as writer:
        for _, result in each(workspace.parameters, read, batches):
            rows = [{**row, "target_digest": digests[str(row["target_path"])]} for row in result]
            writer.write_table(tables.to_arrow(tables.RELEASED_HEADERS, tables.frame(tables.RELEASED_HEADERS, rows)))
            done += len(rows)
            if progress:
                progress(done, len(paths), "reading released headers")


def _read_batch(release: Path, paths: tuple[str, ...]) -> list[dict[str, object]]:
    return [{"target_path": path, **read_header(release / path, path)} for path in paths]


def read_header(file: Path, path: str) -> dict[str, object]:
    """The attributes of one released file as text, multi-values joined by a backslash; "" for what is no value."""
    with one_file(f"{path}: a released file cannot be used"):
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=WANTED)
        found: dict[str, object] = {
            keyword: _text_or_none(_attribute_text, dataset, keyword) for keyword in tables.RELEASED_HEADERS.keywords
        }
        return {**found, "anatomic_region": _text_or_none(_region_code, dataset)}


def _text_or_none(of: Callable[..., str], dataset: Dataset, *keyword: str) -> str:
    """A value that the library refuses (IS ``inf``, a sequence where text belongs) costs itself, not its file."""
    try:
        return of(dataset, *keyword)
    except Exception:
        return ""


def _attribute_text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if value in (None, ""):
        value = next((v for place in PLACES if (v := _inside(dataset, place, keyword)) not in (None, "")), "")
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)


def _inside(dataset: Dataset, place: str, keyword: str) -> object:
    """``keyword`` in the first item of the sequence ``place`` or in the functional groups of that item."""
    items = dataset.get(place) or []
    for item in items[:1]:
        for holder in (item, *(element.value[0] for element in item if element.VR == "SQ" and element.value)):
            if holder.get(keyword) not in (None, ""):
                return holder.get(keyword)
    return None


def _region_code(dataset: Dataset) -> str:
    region = next(iter(dataset.get("AnatomicRegionSequence") or []), Dataset())
    value, scheme = region.get("CodeValue", ""), region.get("CodingSchemeDesignator", "")
    return f"{scheme}:{value}" if value and scheme else ""
