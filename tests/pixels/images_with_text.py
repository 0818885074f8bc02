"""Small images with invented text burned in."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    generate_uid,
)

from chorus_nb.workspace import Workspace

Site = Callable[..., tuple[Workspace, pd.DataFrame]]  # what the fixture `site` gives

PERSON = "ZIMMERWALD OKTAVIA"  # invented; the header of every image here is hers
CLASSES = {"US": UltrasoundImageStorage, "CT": CTImageStorage, "OT": SecondaryCaptureImageStorage}


def picture(text: str = "", rows: int = 160, columns: int = 320, ink: int = 255, ground: int = 60) -> NDArray[np.uint8]:
    """Noise around ``ground`` with lines of ``text`` at the upper left."""
    drawn = np.random.default_rng(1).normal(ground, 3, (rows, columns)).clip(0, 255).astype(np.uint8)
    for number, line in enumerate(text.splitlines()):
        cv2.putText(drawn, line, (8, 24 + 28 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1, cv2.LINE_AA)
    return drawn


def image(
    text: str = "", modality: str = "US", pixels: NDArray[np.generic] | None = None, **attributes: object
) -> Dataset:
    """An image of one modality: ``pixels``, or a picture of ``text``."""
    pixels = picture(text) if pixels is None else pixels
    if modality == "CT" and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CLASSES[modality]
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality, dataset.PatientName, dataset.PatientID = modality, "Zimmerwald^Oktavia", "MR4471902"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.InstanceNumber = "Invented", "Scan One", 1
    colour = pixels.shape[-1] == 3
    dataset.set_pixel_data(pixels, "RGB" if colour else "MONOCHROME2", 8 if pixels.dtype == np.uint8 else 12)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def content(dataset: Dataset) -> bytes:
    """The image as the bytes of a file."""
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()
