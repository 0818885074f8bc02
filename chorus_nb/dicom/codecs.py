"""Every transfer syntax through pydicom: imagecodecs joins in where the other decoders cannot read a stream.

It is the only one here for JPEG Lossless (.57, .70), 12-bit JPEG Extended (.51) and progressive JPEG; GDCM is left
out because an exception in it ends the interpreter, pylibjpeg-libjpeg because of its licence.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from pydicom import Dataset, uid
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder

# without the extra `pixels` only pydicom's own decoders remain
imagecodecs: Any = importlib.import_module("imagecodecs") if importlib.util.find_spec("imagecodecs") else None

JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
# retired (Spectral Selection, Full Progression): pydicom has no decoder of these names, but those of Extended read them
PROGRESSIVE = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
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
    """What decodes ``dataset``, which is then also what its transfer syntax says."""
    register()
    if dataset.file_meta.TransferSyntaxUID in PROGRESSIVE:
        dataset.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    return get_decoder(uid.UID(dataset.file_meta.TransferSyntaxUID))


@cache
def register() -> None:
    """Offer imagecodecs to pydicom, after its own decoders; called by whoever decodes, in whichever process."""
    for syntax in _DECODERS:
        decoder = get_decoder(uid.UID(syntax))
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, "decode_frame"))
