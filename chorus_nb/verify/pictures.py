"""The pixels of a released file: whole, decodable by two decoders, and those of the source except inside redactions."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from blake3 import blake3
from pydicom.dataset import Dataset, FileDataset

from chorus_nb.leaks import reading
from chorus_nb.leaks.shapes import Severity
from chorus_nb.verify import pixel_container
from chorus_nb.verify.file_checks import Pair
from chorus_nb.verify.findings import Finding
from chorus_nb.verify.second_opinion import SecondDecoder, agree, describes_pixels, gdcm_available, native_description

JPEG_BLOCK = 16  # pixels; redaction of JPEG Baseline in the DCT domain fills whole blocks (subsampled chroma: 16)
SMOOTHED_RIM = 2  # pixels around those blocks that decoders smooth where chroma is shared by neighbours
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


def check_pixels(
    pair: Pair,
    path: Path,
    faces: Path,
    second: SecondDecoder | None = None,
    first: FirstDecoder | None = None,
    seen: Callable[[np.ndarray], None] = lambda image: None,
) -> Iterator[Finding]:
    """All findings about the pixels of the released file at ``path``; ``faces`` is where masks of faces are kept.

    ``second``, ``first``: those of the files of this series. ``seen`` gets what was decoded, for whoever needs it too.
    """
    target = pair.task.target_path
    if pair.release.pixels is None:
        if pair.source.pixels is not None:
            yield Finding("readable", "high", target, "(7FE0,0010)", "the pixel data is gone")
        return
    if pair.release.once(_is_short, describes_pixels):
        yield Finding("readable", "high", target, "(7FE0,0010)", "the pixel data is shorter than Rows, Columns say")
        return
    among = (
        () if pair.release.once(_is_filled, describes_pixels) else pixel_container.among_pixels(pair.release.dataset)
    )
    for what in dict.fromkeys(among):
        yield Finding("container", "high", target, "(7FE0,0010)", what)
    image = (first or FirstDecoder()).pixels(pair.release)
    if image is not None:
        seen(image)
    yield from _two_decoders(pair, image, path, second or SecondDecoder())
    yield from _pixels_unchanged(pair, image, faces)


def holds_code(released: reading.Reading) -> bool:
    """Of a file as it was read: see :mod:`chorus_nb.verify.pixel_container`."""
    return pixel_container.is_coded(released.dataset)


def _is_short(released: reading.Reading) -> bool:
    """Whether the pixel data, in no code, is shorter than the header says."""
    wanted = reading.expected_length(released.dataset)
    return wanted is not None and len(released.dataset.PixelData) < wanted


def _is_filled(released: reading.Reading) -> bool:
    """Whether every bit of the pixel data is that of a pixel, by the header alone."""
    wanted, dataset = reading.expected_length(released.dataset), released.dataset
    allocated = dataset.get("BitsAllocated")
    return (
        wanted is not None
        and len(dataset.PixelData) == wanted == wanted // 2 * 2
        and dataset.PhotometricInterpretation != "YBR_FULL_422"
        and allocated in (8, 16, 32, 64)
        and dataset.get("BitsStored") == allocated
        and isinstance(dataset.get("HighBit"), int)
    )


class FirstDecoder:
    """pydicom on the files of a series: on coded pixels each time, on others once for each description of them.

    Where it gave grey values as they stand in the file, another file of which the header says the same is read alike:
    nothing else says how to (:func:`native_description`).
    """

    def __init__(self) -> None:
        self._as_they_stand: dict[object, tuple[np.dtype[Any], tuple[int, ...], int]] = {}

    def pixels(self, released: reading.Reading) -> np.ndarray | None:
        """The decoded pixels; None if it cannot."""
        described = native_description(released)
        if described is not None and (known := self._as_they_stand.get(described)):
            return _as_they_stand(released, *known)
        image = _decode(released.dataset)
        if described is not None and image is not None and _is_plain(released.dataset, image):
            unused = int(released.dataset.BitsAllocated) - int(released.dataset.BitsStored)
            known = image.dtype, image.shape, unused
            if np.array_equal(_as_they_stand(released, *known), image):
                self._as_they_stand[described] = known
        return image


def _is_plain(dataset: FileDataset, image: np.ndarray) -> bool:
    """Whether pixels are whole numbers one behind the other, which no picture of one value alone would tell."""
    one_each = dataset.SamplesPerPixel == 1 and dataset.BitsAllocated == 8 * image.itemsize
    return bool(one_each and dataset.file_meta.TransferSyntaxUID.is_little_endian)


def _as_they_stand(released: reading.Reading, kind: np.dtype[Any], shape: tuple[int, ...], unused: int) -> np.ndarray:
    """As pydicom reads them: without the bits above Bits Stored."""
    numbers = np.frombuffer(released.pixels or b"", kind, math.prod(shape)).reshape(shape)
    return numbers << unused >> unused if unused > 0 else numbers


def _decode(dataset: Dataset) -> np.ndarray | None:
    try:
        return reading.decode_pixels(dataset)
    except Exception:  # decoders raise whatever damaged data leads to
        return None


def _two_decoders(pair: Pair, image: np.ndarray | None, path: Path, second: SecondDecoder) -> Iterator[Finding]:
    target = pair.task.target_path
    if image is not None and second.agreed_on(pair.release):
        return
    other = second.pixels(path) if gdcm_available() else None
    if image is None and other is None:
        yield Finding("decoded", "high", target, "(7FE0,0010)", "no decoder can read the pixels")
    elif image is None:
        yield Finding("decoded", "low", target, "(7FE0,0010)", "only GDCM can read the pixels")
    elif other is None and gdcm_available():
        yield Finding("second_decoder", "low", target, "(7FE0,0010)", "only the first decoder can read the pixels")
    elif image is not None and other is not None:
        match agree(pair.release.dataset, image, other):
            case True:
                second.agrees_on(pair.release)
            case False:
                same = pair.source.pixels == pair.release.pixels  # then the doubt is about the source, not the release
                severity: Severity = "medium" if same else "high"
                detail = "the two decoders see different pixels"
                yield Finding("second_decoder", severity, target, "(7FE0,0010)", detail)
            case None:
                detail = "the two decoders give another shape (a palette that one of them applies)"
                yield Finding("second_decoder", "info", target, "(7FE0,0010)", detail)


def _pixels_unchanged(pair: Pair, image: np.ndarray | None, faces: Path) -> Iterator[Finding]:
    """Equal bytes; or every pixel equal outside a recorded redaction, and a face that is really gone."""
    target = pair.task.target_path
    try:
        face = face_mask(faces, pair.task.face_mask, pair.task.source_path) if pair.task.face_mask else None
    except (OSError, KeyError, ValueError):
        yield Finding("pixels", "high", target, "(7FE0,0010)", "the mask of its face is on record and cannot be read")
        return
    face = face if face is not None and face.any() else None
    if pair.source.pixels == pair.release.pixels and face is None:
        return
    recorded = bool(pair.task.boxes) or face is not None
    before = _decode(_without_tables(pair.source.dataset))
    if before is None:
        before = _decode(pair.source.dataset)
    if before is not None:
        before = _announced(before, pair.source.dataset)
    if before is None or image is None or np.squeeze(before).shape != np.squeeze(image).shape:
        yield Finding("pixels", "high", target, "(7FE0,0010)", "cannot be compared with the source")
        return
    in_blocks = all(each.dataset.file_meta.TransferSyntaxUID == JPEG_BASELINE for each in (pair.source, pair.release))
    rim = SMOOTHED_RIM if in_blocks and int(pair.release.dataset.SamplesPerPixel) > 1 else 0
    inside = mask(pair.release.dataset, pair.task.boxes, JPEG_BLOCK if in_blocks else 1, rim)
    outside = np.broadcast_to(~inside, _planes(image, pair).shape[:3])
    if face is not None:
        if face.shape != outside.shape:
            yield Finding("pixels", "high", target, "(7FE0,0010)", "the mask of its face has another shape")
            return
        emptied = _planes(image, pair)[face & outside]
        if len(emptied) and np.ptp(emptied, axis=0).any():
            yield Finding("pixels", "high", target, "(7FE0,0010)", "its face is on record as removed and is there")
        outside = outside & ~face
    slack = 1 if "YBR" in str(pair.source.dataset.get("PhotometricInterpretation")) else 0
    difference = np.abs(before.astype(np.int64) - image.astype(np.int64))
    if (_planes(difference, pair)[outside] > slack).any():
        what = "outside what is on record" if recorded else ", and no redaction is on record"
        yield Finding("pixels", "high", target, "(7FE0,0010)", f"differs from the source {what}".replace(" ,", ","))


def _announced(image: np.ndarray, dataset: FileDataset) -> np.ndarray:
    """The frames that the header announces: pydicom also gives those that stand behind them."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    there = image.size // max(1, int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel))
    return image[:frames] if there > frames else image


def _without_tables(dataset: FileDataset) -> Dataset:
    """The same without tables of offsets: with a wrong one a decoder finds other frames than follow each other."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return dataset
    value = dataset.PixelData
    bare = value[:4] + bytes(4) + value[8 + int.from_bytes(value[4:8], "little") :]
    return reading.altered(dataset, ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"), PixelData=bare)


def _planes(image: np.ndarray, pair: Pair) -> np.ndarray:
    """(frames, rows, columns, samples)."""
    dataset = pair.release.dataset
    return image.reshape(-1, int(dataset.Rows), int(dataset.Columns), int(dataset.SamplesPerPixel))


def face_mask(faces: Path, name: str, source_path: str) -> np.ndarray:
    """(frames, rows, columns): where the face of a file was filled, read from the record of its series."""
    row = _masks(faces / f"{name}.parquet")[source_path]
    shape = json.loads(row["shape"])
    bits = np.unpackbits(np.frombuffer(zlib.decompress(row["mask"]), np.uint8), count=int(np.prod(shape)))
    return bits.reshape(shape).astype(bool)


@lru_cache(maxsize=2)
def _masks(path: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table(path)
    if blake3(repr(table.to_pydict()).encode()).hexdigest()[:32] != path.stem:  # they are called by their digest
        raise ValueError("not as they were written")
    return {row["source_path"]: row for row in table.to_pylist()}


def recorded_boxes(text: str) -> list[tuple[int, int, int, int]]:
    """``x0,y0,x1,y1`` per box, joined by ``;``; exclusive ends."""
    boxes = []
    for box in filter(None, text.split(";")):
        x0, y0, x1, y1 = map(int, box.split(","))
        boxes.append((x0, y0, x1, y1))
    return boxes


def mask(dataset: FileDataset, boxes: str, block: int = 1, rim: int = 0) -> np.ndarray:
    """True inside the boxes, grown to whole blocks of the compression and a rim around those."""
    made = np.zeros((int(dataset.Rows), int(dataset.Columns)), bool)
    for x0, y0, x1, y1 in recorded_boxes(boxes):
        top, left = (max(0, start // block * block - rim) for start in (y0, x0))
        made[top : -(-y1 // block) * block + rim, left : -(-x1 // block) * block + rim] = True
    return made
