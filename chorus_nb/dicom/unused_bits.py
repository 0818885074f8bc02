"""Bits of a pixel that Bits Stored leaves out, coded or not: who looks at a picture passes over them, decoders do not.

So nothing may stand there but a sign, the same picture, or padding around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chorus_nb.dicom import codecs
from chorus_nb.dicom.encodings import RLE, Buffer
from chorus_nb.dicom.pixel_data import Geometry
from chorus_nb.dicom.segments import bits_of
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import ChildFault
from chorus_nb.processes.child import in_child

WHOLE_WORDS = (8, 16, 32, 64)  # bits of a pixel that take whole words
SMOOTH = 0.25  # of the step of the lowest unused bit: a picture that goes on above BitsStored makes smaller ones


def require_fit(geometry: Geometry) -> None:
    """:class:`Refused` where the bits of a pixel are not those from 0 to High Bit: decoders take them for these."""
    allocated, stored, high = geometry.bits_allocated or 0, geometry.bits_stored or 0, geometry.high_bit
    if allocated not in WHOLE_WORDS or not 0 < stored <= allocated or high not in (None, stored - 1):
        raise Refused("bits_beyond_stored", "Bits Allocated, Bits Stored and High Bit do not fit each other")


def require_unused_in(stream: Buffer, syntax: str, geometry: Geometry) -> None:
    """:func:`require_unused` of a walked image that can hold more bits than Bits Stored; one that cannot be decoded
    is :class:`Refused`, too."""
    allocated, stored = geometry.bits_allocated or 0, geometry.bits_stored or geometry.bits_allocated or 0
    if (allocated if syntax == RLE else bits_of(stream)) <= stored:
        return
    require_fit(geometry)
    try:
        if syntax == RLE:
            words = codecs.unpacked(stream, allocated, (geometry.rows or 0) * (geometry.columns or 0))
        else:
            words = in_child(codecs.stored_words, bytes(stream), syntax)
    except ChildFault:
        raise Refused("bits_beyond_stored", "more bits than Bits Stored in pixels that cannot be decoded") from None
    require_unused(words, geometry)


def require_unused(words: NDArray[np.unsignedinteger], geometry: Geometry) -> None:
    """:class:`Refused` where the bits above Bits Stored hold what is neither sign nor the same picture."""
    stored = geometry.bits_stored or geometry.bits_allocated or 0
    if not (
        _only_field(words, stored, signed=geometry.signed)
        or _goes_on(words, geometry, stored)
        or _is_padding(words, geometry, stored)
    ):
        raise Refused("bits_beyond_stored", "bits that Bits Stored leaves out hold something else than a sign")


def _only_field(words: NDArray[np.unsignedinteger], stored: int, *, signed: bool) -> bool:
    """Whether the bits above the pixel are 0, or the sign of a signed value."""
    if not len(words):
        return True
    if not signed:
        return int(words.max()) < 1 << stored
    numbers = words.view(words.dtype.str.replace("u", "i"))
    # some writers do not extend the sign: then the bits above are 0
    reach = 1 << (stored - 1)
    return (-reach <= int(numbers.min()) and int(numbers.max()) < reach) or int(words.max()) < 1 << stored


def _goes_on(words: NDArray[np.unsignedinteger], geometry: Geometry, stored: int) -> bool:
    """Whether the values above Bits Stored belong to the same picture (Bits Stored is wrong, as is common).

    Then neighbours on both sides of the limit differ little. A text or another picture in those bits makes steps as
    high as the lowest of them.
    """
    numbers = words.view(words.dtype.str.replace("u", "i")) if geometry.signed else words
    columns = geometry.columns or 1
    rows = numbers[: len(numbers) // columns * columns].reshape(-1, columns).astype(np.int64)
    beyond = (rows >> stored) != 0
    edges = beyond[:, 1:] != beyond[:, :-1]
    if not edges.any():
        return False
    steps = np.abs(np.diff(rows, axis=1))[edges]
    return bool(np.quantile(steps, 0.9) < SMOOTH * (1 << stored))


def _is_padding(words: NDArray[np.unsignedinteger], geometry: Geometry, stored: int) -> bool:
    """Whether the values above Bits Stored are one value around the picture: no row has any of it inside.

    Such are pixels outside a scanner's round field of view (Pixel Padding Value); no line of text has that form.
    """
    beyond = (words >> words.dtype.type(stored)) != 0
    values = words[beyond]
    if int(values.min()) != int(values.max()):
        return False
    columns = geometry.columns or 1
    within = ~beyond[: len(beyond) // columns * columns].reshape(-1, columns)
    begins = within[:, 1:] & ~within[:, :-1]
    return bool((begins.sum(axis=1) + within[:, 0] <= 1).all())
