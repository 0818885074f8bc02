"""Every transfer syntax through pydicom: imagecodecs joins in where the other decoders cannot read a stream.

It is the only one here for JPEG Lossless (.57, .70), 12-bit JPEG Extended (.51) and progressive JPEG; GDCM is left
out because an exception in it ends the interpreter, pylibjpeg-libjpeg because of its licence.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder

from chorus_nb.dicom.encodings import Buffer

# without the extra `pixels` only pydicom's own decoders remain
imagecodecs: Any = importlib.import_module("imagecodecs") if importlib.util.find_spec("imagecodecs") else None

JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
# retired (Spectral Selection, Full Progression): pydicom has no decoder of these names, but those of Extended read them
PROGRESSIVE = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
FRAGMENT = b"\xfe\xff\0\xe0"  # begins a fragment
# decoded by what decodes another
FAMILIES: dict[str, str] = {
    **dict.fromkeys(PROGRESSIVE, uid.JPEGExtended12Bit),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (92, 93, 201, 202, 203)), uid.JPEG2000),
}
_DECODERS: dict[str, Callable[..., Any]] = (
    {
        **dict.fromkeys(JPEG, imagecodecs.jpeg_decode),
        **dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), imagecodecs.jpegls_decode),
        **dict.fromkeys((uid.JPEG2000Lossless, uid.JPEG2000), imagecodecs.jpeg2k_decode),
    }
    if imagecodecs
    else {}
)
DECODER_DEPENDENCIES = dict.fromkeys((*JPEG, uid.JPEGLSLossless, uid.JPEGLSNearLossless), ("imagecodecs",))


def is_available(syntax: str) -> bool:
    """Part of pydicom's plugin protocol: whether :func:`decode_frame` reads this transfer syntax."""
    return syntax in _DECODERS


def decode_frame(content: bytes, runner: Any) -> bytes:
    """Part of pydicom's plugin protocol: one encoded frame to its stored values, little endian, colour by pixel."""
    syntax = runner.transfer_syntax
    if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit) and runner.samples_per_pixel > 1:
        # a decoder guesses the colour space where no APP14 marker names it; the header knows it
        space = "RGB" if runner.photometric_interpretation == "RGB" else "YCBCR"
        frame = imagecodecs.jpeg8_decode(content, colorspace=space, outcolorspace=space)
    else:
        frame = _DECODERS[syntax](content)
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * frame.dtype.itemsize)
    return np.ascontiguousarray(frame).astype(frame.dtype.newbyteorder("<")).tobytes()


def decoder_of(dataset: Dataset) -> Decoder:
    """What decodes ``dataset``, which is then also what its transfer syntax says; a data set without file meta
    information says none, and pydicom found out how it is written. Its frames are then those that leave."""
    register()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        plain = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else plain
    if dataset.file_meta.TransferSyntaxUID in PROGRESSIVE:
        dataset.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    decoder = get_decoder(uid.UID(dataset.file_meta.TransferSyntaxUID))
    if decoder.UID.is_encapsulated and "PixelData" in dataset:
        _forget_offsets(dataset)
    return decoder


def _forget_offsets(dataset: Dataset) -> None:
    """What leaves are the frames that follow each other (container.py); pydicom takes those that a table tells, which
    may be others, or one twice. A table stays where it is needed to tell them: container.py holds it to the frames."""
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            delattr(dataset, keyword)
    value, frames = dataset.PixelData or b"", int(dataset.get("NumberOfFrames") or 1)
    starts, at = [], 8 + int.from_bytes(value[4:8], "little")
    first = at
    while value[at : at + 4] == FRAGMENT:
        starts.append(at - first)
        at += 8 + int.from_bytes(value[at + 4 : at + 8], "little")
    if first > 8 and frames in (1, len(starts)) and value[8:first] != struct.pack(f"<{frames}L", *starts[:frames]):
        dataset.PixelData = FRAGMENT + bytes(4) + value[first:]


def decode_image(content: bytes, syntax: str) -> NDArray[np.generic]:
    """One compressed image as it stands in a fragment, whatever a header says of it. Any fault of the decoder."""
    frame: NDArray[np.generic] = _DECODERS[FAMILIES.get(syntax, syntax)](content)
    return frame


def stored_words(content: bytes, syntax: str) -> NDArray[np.unsignedinteger]:
    """:func:`decode_image` as numbers without a sign, one sample of all pixels behind the other."""
    frame = decode_image(content, syntax)
    planes = np.moveaxis(frame, -1, 0) if frame.ndim == 3 else frame
    return np.ascontiguousarray(planes).view(f"u{frame.itemsize}").ravel()


def unpacked(frame: Buffer, bits: int, pixels: int) -> NDArray[np.unsignedinteger]:
    """The same of a walked frame of RLE (PS3.5 Annex G), of so many bits a pixel."""
    number, *starts = struct.unpack_from("<16L", frame)
    stops = [*starts[1:number], len(frame)]
    parts = [_unpack(memoryview(frame)[start:stop], pixels) for start, stop in zip(starts, stops, strict=False)]
    planes = np.frombuffer(b"".join(parts), "u1").reshape(-1, bits // 8, pixels)  # the highest byte comes first
    return np.ascontiguousarray(planes.swapaxes(1, 2)).view(f">u{bits // 8}").astype(f"<u{bits // 8}").ravel()


def _unpack(segment: memoryview, wanted: int) -> bytes:
    if unpacks_to(segment, wanted):
        return bytes(_buffer(wanted + 1)[:wanted])
    made, at = bytearray(), 0
    while len(made) < wanted:
        head, behind = segment[at], at + 1
        at = behind if head == 128 else behind + 1 + (head if head < 128 else 0)
        made += bytes(segment[behind:at]) * (257 - head if head > 128 else 1)
    return bytes(made[:wanted])


def unpacks_to(segment: memoryview, wanted: int) -> bool:
    """Whether a segment of RLE decodes to ``wanted`` bytes with its last run, a 0 behind it aside. False where that
    is not sure: the decoder is twelve times faster than a walk, and passes over runs of 128 that make nothing."""
    if imagecodecs is None or not len(segment) or 128 in segment[-2:]:
        return False
    try:
        # a byte more than wanted: a version that fills what it is given is then seen to
        return len(imagecodecs.packbits_decode(segment, out=_buffer(wanted + 1))) == wanted
    except (ValueError, RuntimeError):  # too much, or a run without its end
        return False


@lru_cache(maxsize=1)
def _buffer(size: int) -> bytearray:
    return bytearray(size)


@cache
def register() -> None:
    """Offer imagecodecs to pydicom, after its own decoders; called by whoever decodes, in whichever process."""
    for syntax in _DECODERS:
        decoder = get_decoder(uid.UID(syntax))
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, "decode_frame"))
