"""Which series can show a face, from their headers alone (``needs.json``: a row per rule, the first that fits)."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.standards import RELEASABLE

VOLUME_MODALITIES = ("CT", "MR", "PT")  # what is a volume though it may not say where it lies
VOLUME_CLASSES = ("1.2.840.10008.5.1.4.1.1.13.1.1", "1.2.840.10008.5.1.4.1.1.20")  # X-Ray 3D Angiographic; NM
CAPTURES = r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\.\d)?"  # secondary captures: pictures, whatever their Modality
LARGEST_SLICE = 1024  # rows or columns; what a detector takes has more
STACKED = 10  # images in as many places that are a volume, whatever their Modality
RECONSTRUCTED = "RECON"  # in ImageType: an NM image of slices (PS3.3 C.8.4.9), not of projections
NEEDED_COLUMNS = ("Modality", "ImageType", "BodyPartExamined", "SeriesDescription", "StudyDescription", "SOPClassUID")


@functools.cache
def _rules() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("needs.json").read_text(encoding="utf-8"))
    return content


@functools.lru_cache(maxsize=4096)
def need(
    modality: str,
    image_type: str,
    body_part: str,
    series: str,
    study: str,
    sop_class: str = "",
    volume: bool = True,
    drawn: bool = False,
) -> tuple[str, str]:
    """``face`` or ``rendering`` by its words; ``pixels``: they are asked, whatever words say; ``none``; and the reason.

    ``other``: the pixels are asked, and the header names another part of the body and no head.
    What the series says of itself outweighs what the study says. A localizer has the need of its words.
    """
    says = {
        "SOPClassUID": sop_class.strip(),
        "volume": "YES" if volume else "NO",
        "drawn": "YES" if drawn else "NO",
        "ImageType": image_type,
        "SeriesDescription": series,
        "series": _says(f"{body_part} {series}"),
        "study": _says(study),
        "said": _says(f"{body_part} {series} {study}"),
    }
    for rule in _rules()["rules"]:
        if all(re.fullmatch(pattern, says[name], re.IGNORECASE) for name, pattern in rule["when"].items()):
            return rule["need"], rule["reason"]
    raise AssertionError("the last rule fits everything")


def lies_in_space(images: pd.DataFrame) -> pd.Series:
    """Which of ``images`` are slices of a volume: CT, MR and PT, and others that have the geometry of one."""
    modality = images.Modality.str.strip()
    frames = images.SOPClassUID.isin(VOLUME_CLASSES) & (
        modality.ne("NM") | images.ImageType.str.contains(RECONSTRUCTED, case=False)
    )
    kind = images.SOPClassUID.str.strip().map(RELEASABLE)  # whatever Modality says
    # of frames: no segmentation, nor a breast: a gigabyte between plates that hold no head; 04 looks at its blocks
    captures = images.SOPClassUID.str.strip().str.fullmatch(CAPTURES)
    in_frames = images.frame_places.gt(0) & (kind.notna() & kind.ne("MG") | captures)
    placed = images.ImagePositionPatient.str.strip().ne("") | in_frames | frames
    stacked = placed & _is_stacked(images) & images.SamplesPerPixel.str.strip().ne("3")  # a slice has no colours
    flat = modality.str.fullmatch(_rules()["flat"]["modalities"]) & ~stacked
    sliced = kind.isin(VOLUME_MODALITIES)
    return (modality.isin(VOLUME_MODALITIES) | sliced | (placed & ~flat) | _is_piled(images)) & ~(captures & ~stacked)


def _is_drawn(images: pd.DataFrame) -> pd.Series:
    """Which are no pictures of a device: in colours that it does not measure, or, in colour or without place or size,
    among slices of CT, MR or PT that have both."""
    coloured = images.SamplesPerPixel.str.strip().eq("3")
    grey_only = images.Modality.str.strip().str.fullmatch(_rules()["grey"]["modalities"])
    slices = images.Modality.str.strip().isin(VOLUME_MODALITIES)
    no_size = [said for said in images.PixelSpacing.unique() if not said.strip("\\ 0.+-")]  # none, or 0
    sized = ~images.PixelSpacing.isin(no_size)
    placed = (images.ImagePositionPatient.str.strip().ne("") & sized) | images.frame_places.gt(0)
    is_slice = slices & placed & ~coloured
    among_slices = images.SeriesInstanceUID.isin(images.SeriesInstanceUID[is_slice].unique())
    return (grey_only & coloured) | (slices & ~is_slice & among_slices)


def _is_piled(images: pd.DataFrame) -> pd.Series:
    """Which are of :data:`STACKED` pictures of a series and more that have the size of a slice, and do not say where
    they lie: a volume that lost its places."""
    fits = images.Modality.str.strip().str.fullmatch(_rules()["piled"]["modalities"])
    if not fits.any():  # as of most sites
        return fits
    fits &= images.ImagePositionPatient.str.strip().eq("") & images.SOPClassUID.str.strip().isin([*RELEASABLE])
    for name, most in {"Rows": LARGEST_SLICE, "Columns": LARGEST_SLICE, "NumberOfFrames": 1}.items():
        fits &= pd.to_numeric(images[name], errors="coerce").fillna(1).le(most)
    size = images.SeriesInstanceUID + " " + images.Rows.str.strip() + " " + images.Columns.str.strip()
    return fits & fits.groupby(size).transform("sum").ge(STACKED)


def _is_stacked(images: pd.DataFrame) -> pd.Series:
    """Which are of a series with :data:`STACKED` places and more, of files or of frames: cone beam CT and tomosynthesis
    come as DX or PX."""
    placed = images.ImagePositionPatient.where(images.ImagePositionPatient.str.strip() != "")
    places = placed.groupby(images.SeriesInstanceUID).nunique()
    places += images.frame_places.groupby(images.SeriesInstanceUID).sum()
    return images.SeriesInstanceUID.isin(places.index[places >= STACKED])


def _says(text: str) -> str:
    """HEAD, OTHER (another part of the body) or SILENT. A text that names both is about a head."""
    for name, pattern in _rules()["words"].items():
        if re.search(rf"(?<![a-z])(?:{pattern})", text, re.IGNORECASE):
            return str(name)
    return "SILENT"


def needs(images: pd.DataFrame) -> pd.DataFrame:
    """``need`` and ``need_reason`` of each of ``images`` (rows of the catalog), the gravest of its series."""
    order = ["rendering", "face", "pixels", "other", "none"]
    volume = lies_in_space(images)
    said_by = tables.row_values(images.reindex(columns=list(NEEDED_COLUMNS), fill_value=""), *NEEDED_COLUMNS)
    drawn = _is_drawn(images)
    found = [need(*map(str, row), bool(one), bool(two)) for row, one, two in zip(said_by, volume, drawn, strict=True)]
    table = pd.DataFrame(found, columns=["need", "need_reason"], index=images.index)
    # views of a neck, most of them: of a pile no face can be removed, so pixels alone tell
    table.loc[_is_piled(images) & table.need.eq("face"), ["need", "need_reason"]] = "pixels", "no place is said"
    # a rendering among slices holds back itself, not the slices; and what is no volume stays that
    own = table.need.eq("rendering") | ~volume
    ranked = table.assign(rank=table.need.map(order.index), series=images.SeriesInstanceUID)
    worst = ranked[~own].sort_values("rank", kind="stable").drop_duplicates("series").set_index("series")
    said = worst.reindex(images.SeriesInstanceUID)[["need", "need_reason"]].set_index(images.index)
    said.loc[own] = table[own]
    return said
