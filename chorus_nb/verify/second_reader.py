"""What the supervised child does for :mod:`chorus_nb.verify.second_opinion`: GDCM, which can abort the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np


def _quiet() -> Any:
    import SimpleITK  # an extra, and never in the process that verifies

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def decoded_pixels(path: str) -> np.ndarray:
    """The decoded, rescaled pixels; ``RuntimeError`` if GDCM cannot."""
    itk = _quiet()
    reader = itk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    array: np.ndarray = itk.GetArrayFromImage(reader.Execute())
    return array


def series_files(folder: str) -> list[int]:
    """Files in each series GDCM assembles from ``folder``."""
    reader = _quiet().ImageSeriesReader
    return [len(reader.GetGDCMSeriesFileNames(folder, one)) for one in reader.GetGDCMSeriesIDs(folder)]
