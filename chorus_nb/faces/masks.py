"""The face masks of a series, kept beside the ledger until its files are written: what is filled, in which files."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from chorus_nb.errors import FileFault
from chorus_nb.faces.atlas import Mask
from chorus_nb.workspace import write_if_changed

MASKS_FOLDER = "faces"  # below local/


class DamagedMask(FileFault):
    """The masks of a series are gone, or not as they were written."""


class FaceMask(NamedTuple):
    """``mask`` (frames, rows, columns): what is filled with ``value``, a stored value (PS3.3 C.7.6.3.1.4)."""

    mask: Mask
    value: int


def write(folder: Path, series: Mapping[str, FaceMask]) -> str:
    """Write the masks of a series by source path; returns the name to read them by, a digest of what they say."""
    rows = {
        "source_path": list(series),
        "shape": [json.dumps(face.mask.shape) for face in series.values()],
        "value": [face.value for face in series.values()],
        "mask": [zlib.compress(np.packbits(face.mask).tobytes(), 6) for face in series.values()],
    }
    name = _name_of(rows)
    sink = io.BytesIO()
    pq.write_table(pa.table(rows), sink)
    folder.mkdir(exist_ok=True)
    write_if_changed(folder / f"{name}.parquet", sink.getvalue())
    return name


def _name_of(rows: Mapping[str, object]) -> str:
    return blake3(repr(rows).encode()).hexdigest()[:32]


def are_whole(folder: Path, name: str) -> bool:
    """Whether the masks called ``name`` are there, and as they were written."""
    try:
        _columns(folder / f"{name}.parquet")
    except DamagedMask:
        return False
    return True


def read_mask(folder: Path, name: str, source_path: str) -> FaceMask:
    """The mask of a file; :class:`KeyError` if the series does not hold it, :class:`DamagedMask`."""
    shape, value, packed = _masks_of_series(folder / f"{name}.parquet")[source_path]
    count = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), "u1"), count=count)
    return FaceMask(bits.reshape(shape).astype(bool), value)


def all_of(folder: Path, name: str) -> dict[str, FaceMask]:
    """The masks under ``name`` by source path; :class:`DamagedMask`."""
    return {path: read_mask(folder, name, path) for path in paths(folder, name)}


def paths(folder: Path, name: str) -> set[str]:
    """The files that have a mask under ``name``; :class:`DamagedMask`."""
    return set(_masks_of_series(folder / f"{name}.parquet"))


@lru_cache(maxsize=4)
def _masks_of_series(path: Path) -> dict[str, tuple[tuple[int, ...], int, bytes]]:
    columns = _columns(path)
    shapes = (tuple(json.loads(shape)) for shape in columns["shape"])
    return dict(zip(columns["source_path"], zip(shapes, columns["value"], columns["mask"], strict=True), strict=True))


def _columns(path: Path) -> dict[str, list[Any]]:
    """What a file of masks holds, once it is compared with the digest that it is called by."""
    try:
        columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    except (OSError, pa.ArrowException, UnicodeDecodeError):
        columns = {}
    if _name_of(columns) != path.stem:
        raise DamagedMask(
            f"local/{MASKS_FOLDER}/{path.name} is damaged or gone; run 03_run_deid again: it is made anew"
        )
    return columns


def keep_masks(folder: Path, names: set[str]) -> None:
    """Remove the masks that no file of the worklist uses any more."""
    for path in folder.glob("*.parquet"):
        if path.stem not in names:
            path.unlink()
