"""What GDCM reads: called in a child only, which it may abort; imports nothing else, so that a child starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def _itk() -> Any:
    import SimpleITK  # GDCM can abort the interpreter: only ever in the child

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def decoded_pixels(path: str) -> np.ndarray:
    """The decoded, rescaled pixels; ``RuntimeError`` if GDCM cannot."""
    itk = _itk()
    reader = itk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    array: np.ndarray = itk.GetArrayFromImage(reader.Execute())
    return array


def series_files(folder: str) -> list[int]:
    """Files in each series GDCM assembles from ``folder``; each question reads all its headers."""
    reader = _itk().ImageSeriesReader
    first = len(reader.GetGDCMSeriesFileNames(folder))
    if first == sum(1 for path in Path(folder).iterdir() if path.is_file()):
        return [first]  # no file is left for another series
    return [len(reader.GetGDCMSeriesFileNames(folder, one)) for one in reader.GetGDCMSeriesIDs(folder)]
