"""Filling boxes, and faces, in the pixel data of a DICOM file, in every transfer syntax, and changing nothing else.

Uncompressed pixel data is filled in place. 8-bit JPEG Baseline is filled among its DCT coefficients, so that the rest
of the picture stays bit-identical, unless its blocks take too much beside the boxes. Everything else is decoded, filled
and written without loss, in its own family where an encoder exists: never lossy again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import decompress
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGTransferSyntaxes,
    RLELossless,
)

from chorus_nb.errors import WorkbenchError
from chorus_nb.pixels.beside import MOST_BESIDE, taken_beside
from chorus_nb.pixels.boxes import Box
from chorus_nb.processes.child import in_child

if TYPE_CHECKING:
    from chorus_nb.faces import FaceMask

# what a decoded and filled picture is written as
LOSSLESS: dict[str, UID] = {
    RLELossless: RLELossless,
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless, *JPEGTransferSyntaxes), JPEGLSLossless),
    **dict.fromkeys((JPEG2000Lossless, JPEG2000, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), JPEG2000Lossless),
}
LOSSY = {JPEG2000, JPEGLSNearLossless, HTJ2K, *JPEGTransferSyntaxes[:2]}
# share of a picture that whole blocks of JPEG may take beside the boxes: those take of MOST_BESIDE themselves
MOST_IN_BLOCKS = MOST_BESIDE / 4
# describe or repeat the pixels as they were; Smallest/Largest and the icon would still tell what was removed
STALE = (
    *("IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
)


def redact(content: bytes, boxes: Sequence[Box], face: FaceMask | None = None) -> bytes:
    """A whole DICOM file with ``boxes`` filled in every frame, and the ``face`` where its mask says.

    The header changes only where the new pixels demand it: transfer syntax and photometric interpretation, overlay
    planes, icon, smallest and largest value. Runs in a child process; :class:`~chorus_nb.errors.ChildFault` when
    the pixels cannot be decoded: the image must then be held back.
    """
    return in_child(fill, content, list(boxes), face) if boxes or face is not None else content


def fill(content: bytes, boxes: Sequence[Box], face: FaceMask | None = None) -> bytes:
    """:func:`redact` in this process: for the supervised child."""
    from chorus_nb.dicom import codecs  # the extra `pixels`, which the caller may do without
    from chorus_nb.pixels import jpeg

    dataset = dcmread(io.BytesIO(content), force=True)
    inside = [box.within(dataset.Rows, dataset.Columns) for box in boxes]
    inside = [box for box in inside if box.area]
    syntax = codecs.decoder_of(dataset).UID
    planar = dataset.get("PlanarConfiguration")
    if "PixelData" not in dataset or dataset.BitsAllocated not in (8, 16, 32):
        raise WorkbenchError("no pixel data of 8, 16 or 32 bits to redact")
    if face is None and syntax == JPEGBaseline8Bit and jpeg.fill_jpeg(dataset, inside):
        filled = _written(dataset)
        if taken_beside(content, filled, inside) <= MOST_IN_BLOCKS:
            return filled
        dataset = dcmread(io.BytesIO(content), force=True)
        codecs.decoder_of(dataset)  # its frames are those that leave
    if syntax.is_compressed:
        _decompress(dataset)
    _fill_native(dataset, inside, face)
    if syntax in LOSSLESS:
        _compress(dataset, LOSSLESS[syntax])
    if dataset.file_meta.TransferSyntaxUID == RLELossless and planar is not None:
        dataset.PlanarConfiguration = planar  # RLE holds planes whatever this says; US demands 1 of YBR_FULL
    return _written(dataset)


def _written(dataset: Dataset) -> bytes:
    """The file, without what tells of the pixels as they were."""
    for keyword in STALE:
        if keyword in dataset:
            delattr(dataset, keyword)
    del dataset[0x60000000:0x60200000]  # overlay planes
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


# --- pixel data without compression -----------------------------------------------------------------------------------


def _fill_native(dataset: Dataset, boxes: Sequence[Box], face: FaceMask | None) -> None:
    if dataset.PhotometricInterpretation in ("YBR_FULL_422", "YBR_PARTIAL_422"):  # two pixels share their colour
        dataset.PixelData = dataset.pixel_array.tobytes()
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    samples = dataset.SamplesPerPixel
    planar = samples > 1 and dataset.get("PlanarConfiguration") == 1
    frames, rows, columns = int(dataset.get("NumberOfFrames") or 1), dataset.Rows, dataset.Columns
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    kind = ("<" if little else ">") + ("i" if dataset.PixelRepresentation else "u") + str(dataset.BitsAllocated // 8)
    swapped = not little and dataset.BitsAllocated == 8 and dataset["PixelData"].VR == "OW"  # bytes of a word
    stored = _swap_pairs(dataset.PixelData) if swapped else dataset.PixelData
    values = np.frombuffer(stored, kind, count=frames * rows * columns * samples).copy()
    if _hides_overlays(dataset):
        values &= (1 << dataset.BitsStored) - 1
    if planar:
        picture = np.moveaxis(values.reshape(frames, samples, rows, columns), 1, -1)
    else:
        picture = values.reshape(frames, rows, columns, samples)
    background = _background(dataset, values)
    for box in boxes:
        picture[:, box.y0 : box.y1, box.x0 : box.x1] = background
    if face is not None:
        picture[face.mask] = face.value
    filled = values.tobytes() + stored[values.nbytes :]
    dataset.PixelData = _swap_pairs(filled) if swapped else filled


def _background(dataset: Dataset, values: NDArray[np.generic]) -> NDArray[np.generic]:
    """What the picture shows where there is nothing, so that its statistics and display window stay as they were."""
    interpretation = dataset.PhotometricInterpretation
    if interpretation == "PALETTE COLOR":
        first = int(dataset.RedPaletteColorLookupTableDescriptor[1])
        entries = np.arange(first, first + (int(dataset.RedPaletteColorLookupTableDescriptor[0]) or 1 << 16))
        return np.asarray([entries[apply_color_lut(entries, dataset).sum(axis=-1, dtype=np.int64).argmin()]])
    if dataset.SamplesPerPixel == 1:
        return np.asarray([values.max() if interpretation == "MONOCHROME1" else values.min()])
    if interpretation == "YBR_FULL":
        return np.asarray([0, 128, 128])
    return np.zeros(dataset.SamplesPerPixel, values.dtype)


def _hides_overlays(dataset: Dataset) -> bool:
    """Whether unused bits of the pixel data hold overlay planes (a retired form; PS3.5 8.1.2 of 2004 and before)."""
    return not dataset.PixelRepresentation and any(
        dataset.get((group, 0x0102)) is not None and dataset[group, 0x0102].value for group in range(0x6000, 0x6020, 2)
    )


def _swap_pairs(content: bytes) -> bytes:
    return np.frombuffer(content, "u2").byteswap().tobytes()


# --- compressed pixel data ----------------------------------------------------------------------------------------


def _decompress(dataset: Dataset) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    colour_is_coded = syntax in JPEGTransferSyntaxes[:2]  # lossy JPEG codes colour as YCbCr with shared chroma
    decompress(dataset, as_rgb=colour_is_coded, generate_instance_uid=False)
    if syntax in LOSSY and not dataset.get("LossyImageCompression"):
        dataset.LossyImageCompression = "01"


def _compress(dataset: Dataset, syntax: UID) -> None:
    """Compress without loss; the picture stays uncompressed where the encoder cannot hold it exactly."""
    native = dataset.PixelData
    interpretation = dataset.PhotometricInterpretation
    if syntax == JPEG2000Lossless and interpretation == "RGB":
        dataset.PhotometricInterpretation = "YBR_RCT"  # the reversible colour transform halves the size
    try:
        dataset.compress(syntax, generate_instance_uid=False)
        decoded = b"".join(frame.tobytes() for frame, _ in get_decoder(syntax).iter_array(dataset, raw=True))
        exact = decoded == native[: len(decoded)]
    except Exception:  # the encoders raise whatever they like
        exact = False
    if not exact:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.PhotometricInterpretation = interpretation
        dataset.PixelData = native
        dataset["PixelData"].is_undefined_length = False
