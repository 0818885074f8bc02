"""Text among the coded pixels of a released image that no decoded pixel needs: the verifier's own search and proof.

Built on nothing of the de-identifier; pydicom's decoders read the image with other bytes in the place of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate

from chorus_nb.leaks import reading

READS = re.compile(rb"(?:[\w^ ,.:/()-]\0?){8,}")
BEFORE_THE_END = 64  # bytes in which an image seldom reads so by chance
WRITES = bytes(120 * (re.match(rb"[\w^ ,.:/()-]", bytes([code])) is not None) for code in range(256))
A_LINE = b"x" * 16  # of such bytes, anywhere
KINDS = 4  # of bytes: evenness is coded as a repetition of few
SPARE = 4  # bytes at the end of a run that must be spare; its first may be pixels that read so
INSTEAD = 0x33, 0xCC  # each bit set in one of them


def text_that_no_pixel_needs(dataset: FileDataset, image: bytes, coded: Sequence[tuple[int, int]]) -> Iterator[str]:
    """In words, whether ``image``, one frame, holds such text; ``coded``: from where to where coded pixels stand."""
    runs = [(stop, end) for begin, end in coded for stop in _readable(image, begin, end)]
    if not runs:
        return
    try:
        pixels = _decode(dataset, image)
    except Exception:  # decoders of JPEG-LS refuse what follows the last block
        yield "coded pixels that read as text and cannot be decoded"
        return
    for stop, end in runs:
        if any(_same(dataset, image, pixels, stop - SPARE, until) for until in (end, stop)):
            yield "a text among coded pixels that no pixel needs"
            return


def _readable(image: bytes, begin: int, end: int) -> Iterator[int]:
    """Where runs that read as text stop."""
    for run in READS.finditer(image, max(begin, end - BEFORE_THE_END), end):
        if len(set(run[0])) >= KINDS:
            yield run.end()
    marks = image[begin:end].translate(WRITES)
    place = marks.find(A_LINE)
    while place >= 0:
        stop = marks.find(b"\0", place)
        stop = len(marks) if stop < 0 else stop
        if len(set(image[begin + place : begin + stop])) >= KINDS:
            yield begin + stop
        place = marks.find(A_LINE, stop)


def _same(dataset: FileDataset, image: bytes, pixels: np.ndarray, start: int, stop: int) -> bool:
    try:
        return all(
            np.array_equal(_decode(dataset, image[:start] + bytes([byte]) * (stop - start) + image[stop:]), pixels)
            for byte in INSTEAD
        )
    except Exception:
        return False


def _decode(dataset: FileDataset, image: bytes) -> np.ndarray:
    made = FileDataset("", {}, file_meta=dataset.file_meta)
    for keyword in DESCRIBING:
        if keyword in dataset:
            setattr(made, keyword, dataset[keyword].value)
    made.PixelData = encapsulate([image])
    return reading.decode_pixels(made)


DESCRIBING = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)
