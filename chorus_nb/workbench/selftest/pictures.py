"""What is planted into pictures, a text and a face; and what became of it, pixel by pixel.

The functions that decode are for the supervised child (:func:`chorus_nb.processes.child.in_child`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import decompress

from chorus_nb.demo import phantoms
from chorus_nb.demo.pictures import ct_head
from chorus_nb.dicom.codecs import decoder_of
from chorus_nb.pixels import Box
from chorus_nb.pixels.controls import ink

PixelValues = NDArray[np.integer[Any]]
LEAST_COLUMNS = 250  # of a picture that a line of text is drawn into
LETTERS_ACROSS = 18
SMALLEST, LARGEST = 12, 40  # pixels of a letter
READABLE = 0.05  # share of the pixels of a text that may be as they were when it is gone
BLOCK_CHANGED = 16  # pixels around a box that a JPEG changes with it
HEAD_SLICES, HEAD_SIZE = 72, 96
WHOLE_FACE = 0.95  # of its voxels must be gone
BRAIN_LOST = 0.001  # of its voxels may be: none but at its rim
HEAD_HEADER = {
    "Modality": "CT",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "BodyPartExamined": "HEAD",
    "SeriesDescription": "CT HEAD",
    "StudyDescription": "CT HEAD",
    "StudyTime": "120000",
    "StudyID": "1",
    "SeriesNumber": 1,
    "AcquisitionNumber": 1,
    "FrameOfReferenceUID": "1",
    "PositionReferenceIndicator": "",
    "PatientPosition": "HFS",
    "PatientSex": "O",
    "KVP": 120,
    "Manufacturer": "SIEMENS",
}


def drawn(content: bytes, lines: Sequence[str]) -> bytes:
    """The file with ``lines`` in its picture, white on a black band, not compressed; :class:`ValueError` where the
    picture cannot take them."""
    dataset = dcmread(BytesIO(content), force=True)
    pixels = decoder_of(dataset)
    if pixels.UID.is_compressed:
        decompress(dataset, generate_instance_uid=False)
    interpretation = dataset.PhotometricInterpretation
    if (
        interpretation not in ("MONOCHROME1", "MONOCHROME2", "RGB")
        or not dataset.file_meta.TransferSyntaxUID.is_little_endian
    ):
        raise ValueError("a picture of another kind")
    values = decoded(dataset).copy()
    if values.min() == values.max():
        raise ValueError("an empty picture")
    letters, band = _letters(int(dataset.Rows), int(dataset.Columns), tuple(lines))
    values[:, band.y0 : band.y1, band.x0 : band.x1] = values.min()
    values[:, letters] = values.max()
    dataset.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    if "PlanarConfiguration" in dataset:
        dataset.PlanarConfiguration = 0
    sink = BytesIO()
    dataset.save_as(sink)
    return sink.getvalue()


def compared(planted: bytes, released: bytes, boxes: Sequence[Box], lines: Sequence[str]) -> tuple[bool, bool]:
    """Whether the text can still be read in the released picture; whether anything changed outside ``boxes`` and it."""
    before, after = (decoded(dcmread(BytesIO(content), force=True)) for content in (planted, released))
    if before.shape != after.shape:
        return False, True
    same = (before == after).all(axis=-1)
    free = np.ones(same.shape[1:], bool)
    for box in boxes:
        grown = box.grown(BLOCK_CHANGED).within(*free.shape)
        free[grown.y0 : grown.y1, grown.x0 : grown.x1] = False
    text = False
    if lines:
        letters, band = _letters(*free.shape, tuple(lines))
        text = bool((same[:, letters].mean(axis=1) > READABLE).any())
        free[: band.y1 + band.y1, :] = False
    return text, not bool(same[:, free].all())


def decoded(dataset: Dataset) -> PixelValues:
    """Stored values (frames, rows, columns, samples), without what stands above Bits Stored."""
    values, _ = decoder_of(dataset).as_array(dataset, raw=True)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    unused = values.dtype.itemsize * 8 - int(dataset.BitsStored)
    return np.asarray((values << unused) >> unused).reshape(frames, int(dataset.Rows), int(dataset.Columns), samples)


@cache
def _letters(rows: int, columns: int, lines: tuple[str, ...]) -> tuple[NDArray[np.bool_], Box]:
    """The pixels of the text, and the band around it."""
    size = min(columns // LETTERS_ACROSS, LARGEST)
    height = round(1.4 * size)
    band = Box(0, 0, columns, height * len(lines) + 4)
    if columns < LEAST_COLUMNS or size < SMALLEST or band.y1 > rows // 2:
        raise ValueError("too small for a text")
    page = np.zeros((rows, columns), bool)
    for number, line in enumerate(lines):
        place = page[2 + height * number :, 8:]
        letters = ink(line, size)[: place.shape[0], : place.shape[1]]
        place[: letters.shape[0], : letters.shape[1]] = letters > 0.5
    return page, band


# --- a head -----------------------------------------------------------------------------------------------------------


def head_slices() -> Iterator[Dataset]:
    """The slices of a head with a face, which is nobody's: the phantom of the demo site."""
    for number, picture in enumerate(ct_head(HEAD_SLICES, HEAD_SIZE / 256, {}), 1):
        dataset = picture.dataset
        for keyword, value in {**HEAD_HEADER, "InstanceNumber": number}.items():
            setattr(dataset, keyword, value)
        yield dataset


def head_compared(planted: Sequence[Dataset], released: Sequence[Dataset]) -> tuple[bool, bool]:
    """Whether the face of the head is left; whether its brain is lost. Of the slices that were released."""
    where = [int(dataset.InstanceNumber) - 1 for dataset in planted]
    gone = np.stack([_differs(*pair) for pair in zip(planted, released, strict=True)])
    face, brain = (voxels[where] for voxels in face_and_brain())
    return bool(face.any() and gone[face].mean() < WHOLE_FACE), bool(brain.any() and gone[brain].mean() > BRAIN_LOST)


def face_and_brain() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The voxels of the head (slices, rows, columns) that make its face known, and those of its brain."""
    tissue = np.array(phantoms.NAMES)[phantoms.head_phantom(HEAD_SLICES, HEAD_SIZE)]
    at = phantoms.space(HEAD_SLICES, HEAD_SIZE, phantoms.HEAD_HEIGHT, phantoms.HEAD_FIELD)
    skin = np.isin(tissue, ("skin", "fat", "eye"))
    face = skin & (at.z < 8) & (at.z > -75) & (at.y < -72)  # from under the brow to above the chin
    return face, np.isin(tissue, ("grey", "white"))


def _differs(planted: Dataset, released: Dataset) -> NDArray[np.bool_]:
    return np.asarray((decoded(planted) != decoded(released))[0, ..., 0])
