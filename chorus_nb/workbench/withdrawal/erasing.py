"""Taking what belongs to somebody out of ``release/`` and ``local/``, place by place as ``places.csv`` says."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import layout
from chorus_nb.deid.shredding import shred
from chorus_nb.deid.worker import withdraw as take_out
from chorus_nb.leaks.files import of_content, pieces
from chorus_nb.workbench.withdrawal.belongings import Belongings
from chorus_nb.workspace import Workspace, replacing, write_atomically

ROWS_HELD = 20_000  # of a table held in memory
FILES_HELD = 32  # of originals
DROPPED = ("item", "text", "word", "old", "new")  # an identifier there is what the row is about


class KeptPlace(NamedTuple):
    """A place below ``local/``, what becomes of what stands there, and why."""

    place: str
    what: str
    why: str


@cache
def places() -> tuple[KeptPlace, ...]:
    with Path(__file__).with_name("places.csv").open(encoding="utf-8", newline="") as file:
        return tuple(KeptPlace(**row) for row in csv.DictReader(file))


def place_of(path: str) -> KeptPlace:
    """The first place that ``path`` below ``local/`` is of; one that is on no list is only searched."""
    return next((one for one in places() if _is_of(path, one.place)), KeptPlace("elsewhere", "searched", "on no list"))


def _is_of(path: str, place: str) -> bool:
    return fnmatchcase(path, place) and ("/" in place or "/" not in path)


def erase_release(workspace: Workspace, whose: Belongings) -> int:
    """Their images, and all that 05 and 06 made and will make again; returns how many images."""
    images = 0
    for path in layout.files_below(workspace.release):
        is_image = layout.is_image_place(path)
        if not is_image or whose.withdrawn.paths(pd.Series([path])).any():
            take_out(workspace.release, path)
            images += is_image
    return images


def erase_reports(workspace: Workspace, whose: Belongings) -> dict[str, int]:
    """Reports that may be shared and show a new UID or number of theirs: their notebooks write them again. By place,
    how many went."""
    pages = [workspace.reports_audit / path for path in layout.files_below(workspace.reports_audit)]
    gone = sum(_erase_telling(page, whose) for page in pages)
    return {"audit/reports/*": gone} if gone else {}


def erase_local(workspace: Workspace, whose: Belongings) -> dict[str, int]:
    """By place the files that were changed or went. What tells whose files they are goes last: a killed command can
    be given again."""
    changed: dict[str, int] = {}
    found = [(place_of(path), workspace.local / path) for path in layout.files_below(workspace.local)]
    found.sort(key=lambda one: (one[0].what == "last", one[0].what == "ledger"))
    if any(place.what == "ledger" for place, _ in found):
        shred(workspace, whose.paths)
    for place, path in found:
        if path.is_file() and ERASE[place.what](path, whose):
            named = f"local/{place.place}"
            changed[named] = changed.get(named, 0) + 1
    return changed


def _erase_rows(path: Path, whose: Belongings) -> bool:
    """A table without their rows and without texts in which an identifier of theirs stands."""
    if path.suffix == ".csv":
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        kept = _cleaned(frame, whose)
        if kept.equals(frame):
            return False
        write_atomically(path, kept.to_csv(index=False, lineterminator="\n").encode())
        return True
    file, changed = pq.ParquetFile(path), False
    with contextlib.closing(file), replacing(path, if_changed=True) as new:
        with pq.ParquetWriter(new, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(ROWS_HELD):
                frame = batch.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
                kept = _cleaned(frame, whose)
                changed |= not kept.equals(frame)
                writer.write_table(pa.Table.from_pandas(kept, file.schema_arrow, preserve_index=False))
        if not changed:
            new.write_bytes(path.read_bytes())
    return changed


def _cleaned(frame: pd.DataFrame, whose: Belongings) -> pd.DataFrame:
    kept = frame[~whose.rows(frame)]
    for name in [name for name in kept if kept[name].dtype == object or isinstance(kept[name].dtype, pd.StringDtype)]:
        texts = [text for text in kept[name].dropna().unique() if text]
        if not whose.found_in("\n".join(texts).encode("utf-8", "surrogatepass")):
            continue
        telling = kept[name].isin([text for text in texts if whose.found_in(text.encode("utf-8", "surrogatepass"))])
        kept = kept[~telling] if name in DROPPED else kept.assign(**{name: kept[name].mask(telling, "")})
    return kept


def _erase_parts(path: Path, whose: Belongings) -> bool:
    """A part that holds one of their files, with the parts beside it of the same name."""
    if path.suffix != ".parquet" or "source_path" not in pq.read_schema(path).names:
        return False
    if whose.paths.isdisjoint(pq.read_table(path, columns=["source_path"])["source_path"].to_pylist()):
        return False
    for part in path.parent.glob(f"{path.name.partition('.')[0]}.*"):
        part.unlink()
    return True


def _erase_telling(path: Path, whose: Belongings) -> bool:
    if not whose.found_in(path.read_bytes()):
        return False
    path.unlink()
    return True


def _erase_images(path: Path, whose: Belongings) -> bool:
    folder = next(parent for parent in path.parents if parent.name == "quarantine")
    relative = path.relative_to(folder).as_posix()
    if not whose.withdrawn.paths(pd.Series([relative])).any():
        return False
    take_out(folder, relative)
    return True


def _erase_lines(path: Path, whose: Belongings) -> bool:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not whose.found_in(b"".join(of_content(line, path.suffix)))]
    if len(kept) == len(lines):
        return False
    write_atomically(path, b"".join(kept))
    return True


def _erase_all(path: Path, whose: Belongings) -> bool:
    path.unlink()
    return True


def _leave(path: Path, whose: Belongings) -> bool:
    return False


ERASE: dict[str, Callable[[Path, Belongings], bool]] = {
    "rows": _erase_rows,
    "last": _erase_rows,
    "parts": _erase_parts,
    "telling": _erase_telling,
    "images": _erase_images,
    "lines": _erase_lines,
    "all": _erase_all,
    "ledger": _leave,  # once for all of it: deid.shredding
    "kept": _leave,
    "searched": _leave,
}


# --- the proof --------------------------------------------------------------------------------------------------------


def what_stands(workspace: Workspace, whose: Belongings) -> pd.DataFrame:
    """By place the ``files`` that were searched, how many ``identifiers`` stand there and in how many ``holding``
    files; ``kept`` says why what stands there may."""
    rows: dict[tuple[str, str], list[set[object]]] = {}
    for root, path in _all_files(workspace):
        place = place_of(path) if root == "local" else KeptPlace("", "", "")
        named = f"local/{place.place}" if root == "local" else root
        searched, found, holding = rows.setdefault((named, place.why * (place.what == "kept")), [set(), set(), set()])
        standing = _identifiers_in(workspace.root / root / path, path, whose)
        searched.add(path)
        found |= standing
        holding |= {path} if standing else set()
    counts = [(place, *map(len, sets), why) for (place, why), sets in rows.items()]
    return pd.DataFrame(counts, columns=["place", "files", "identifiers", "holding", "kept"])


def _all_files(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for root, folder in (("release", workspace.release), ("audit", workspace.audit), ("local", workspace.local)):
        yield from ((root, path) for path in layout.files_below(folder))


def _identifiers_in(path: Path, name: str, whose: Belongings) -> set[object]:
    """Of an image the header is searched: its pixels were looked at by 03 and 04."""
    found: set[object] = set(whose.found_in(name.encode("utf-8", "surrogateescape")))
    return found.union(*map(whose.found_in, _parts_of(path)))


def _parts_of(path: Path) -> Iterator[bytes]:
    if path.suffix == ".dcm":
        yield _header(path)
    elif path.suffix == ".parquet" and any(map(_is_binary, pq.read_schema(path).types)):
        for batch in pq.ParquetFile(path).iter_batches(FILES_HELD):  # of whole files, with texts beside them
            for column in batch.columns:
                cells = column.to_pylist()
                yield b"\n".join(c if isinstance(c, bytes) else str(c).encode("utf-8", "surrogatepass") for c in cells)
    else:
        yield from pieces(path)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _header(path: Path) -> bytes:
    content = path.read_bytes()
    end = content.find(b"\xe0\x7f\x10\x00")  # Pixel Data (7FE0,0010), little endian
    return content if end < 0 else content[:end]
