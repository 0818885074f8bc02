"""An invented ultrasound loop, and header text that would like to be markup."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def ultrasound(frames: int = 3, rows: int = 60, columns: int = 80, number: int = 1) -> bytes:
    """An invented cine loop: grey, with a white banner where the name would be."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID = UltrasoundMultiFrameImageStorage, generate_uid(entropy_srcs=[str(number)])
    data.SeriesInstanceUID, data.StudyInstanceUID = "1.2.3.4", "1.2.3"
    data.PatientID, data.Modality, data.InstanceNumber = "P1", "US", number
    data.Rows, data.Columns, data.NumberOfFrames = rows, columns, frames
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    pixels = np.full((frames, rows, columns), 90, np.uint8)
    pixels[:, 4:14, 6:60] = 250
    data.PixelData = pixels.tobytes()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sink = io.BytesIO()
    pydicom.dcmwrite(sink, data, enforce_file_format=True)
    return sink.getvalue()
