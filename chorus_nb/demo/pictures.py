"""Pictures: the pixel data of a series with the attributes that describe it (Image Pixel, Image Plane, modality).

Real pixel data comes from the files inside the pydicom wheel, everything else from :mod:`chorus_nb.demo.phantoms`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pydicom.uid
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from chorus_nb.demo import phantoms
from chorus_nb.demo.scenario import Series


class Picture(NamedTuple):
    """A dataset with pixel data; ``burned_in`` are the texts, with facts in braces, that are written into the pixels."""

    dataset: Dataset
    burned_in: tuple[str, ...] = ()


def draw(series: Series, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[Picture]:
    """The pictures of the first ``files`` files of ``series``; ``scale`` shrinks the matrix for the tiny site."""
    if not files:
        return
    for picture in PICTURES[series.picture](files, scale, facts):
        encode(picture.dataset, getattr(pydicom.uid, series.syntax))
        yield picture


def image(sop_class: UID, array: NDArray[Any], photometric: str = "MONOCHROME2", **attributes: Any) -> Dataset:
    """A native dataset around ``array``: rows and columns, optional frames before and samples behind them."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    bits = {"u1": 8, "u2": 12, "i2": 16}[array.dtype.str[1:]]
    dataset.set_pixel_data(array, photometric, bits, generate_instance_uid=False)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encode(dataset: Dataset, syntax: UID) -> None:
    """Bring native pixel data into ``syntax``; what is compressed already stays as it is."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    if syntax == pydicom.uid.JPEGBaseline8Bit:  # pydicom has no encoder for it
        content = io.BytesIO()
        Image.fromarray(dataset.pixel_array).save(content, "JPEG", quality=92)
        dataset.PixelData = encapsulate([content.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.LossyImageCompression = "01"
    elif syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    elif not syntax.is_little_endian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax


def real(name: str, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[Picture]:
    """A real image of the pydicom wheel, with the header its scanner wrote."""
    for _ in range(files):
        yield Picture(dcmread(str(get_testdata_file(name)), force=True))


def todo(files, scale, facts):
    size = int(64)
    for index in range(files):
        yield Picture(image(pydicom.uid.CTImageStorage, np.full((size, size), index, "i2"), PixelSpacing=[1, 1]))

def todo_us(files, scale, facts):
    for index in range(files):
        yield Picture(image(pydicom.uid.UltrasoundMultiFrameImageStorage, np.full((4, 64, 64, 3), index, "u1"), "RGB", FrameTime=33), ("{family} {mrn}",))

import collections
PICTURES: dict[str, Callable[[int, float, Mapping[str, str]], Iterator[Picture]]] = collections.defaultdict(lambda: todo) | {
    "us_cine": todo_us,
    "real_us_echo": partial(real, "examples_ybr_color.dcm"),
    "real_us_color": partial(real, "examples_rgb_color.dcm"),
    "real_us_j2k": partial(real, "examples_jpeg2k.dcm"),
    "real_us_palette": partial(real, "examples_palette.dcm"),
    "real_ct_head": partial(real, "J2K_pixelrep_mismatch.dcm"),
    "real_ct_small": partial(real, "CT_small.dcm"),
    "real_mr_small": partial(real, "MR_small.dcm"),
    "real_mr_overlay": partial(real, "examples_overlay.dcm"),
}
