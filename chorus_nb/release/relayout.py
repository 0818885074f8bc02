"""Older releases and files de-identified elsewhere, brought into today's folder layout (SOP step 12; chorus.md §9).

The layout changed four times, and CTP has one of its own (``Modality/PatientID/Accession/SeriesDescription``). The new
place is read from the header, whatever the folders were called; the bytes of a file are not changed.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path

import pandas as pd
import pydicom
from blake3 import blake3
from pydicom.dataset import Dataset

from chorus_nb import layout
from chorus_nb.errors import InputError
from chorus_nb.mapping.building import extend_lookups
from chorus_nb.mapping.lookups import read_lookups
from chorus_nb.parameters import Parameters
from chorus_nb.processes import Progress, each
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace, write_if_changed

HEADER_TAGS = (
    *("PatientID", "AccessionNumber", "Modality", "SeriesInstanceUID", "SOPInstanceUID", "InstanceNumber"),
    *("SliceLocation", "ContentDate", "ContentTime"),
)
RELAID_FOLDER = ("PatientID", "Modality", "AccessionNumber", "SeriesInstanceUID")
FIT = {"PatientID": r"\d{1,10}", "AccessionNumber": r"\d{1,10}", "Modality": r"[A-Z0-9]{2,16}"}
UID_FORM = r"[0-2](\.(0|[1-9]\d*))+"


def relayout(parameters: Parameters, newer: Path, progress: Progress | None = None) -> pd.DataFrame:
    """Copy the de-identified files of ``source`` to ``newer`` as ``<person>/Images/<Modality>/<accession>/<series>/``.

    Returns ``source_path, target_path, reason``: every file found, with the reason why one has no place ("" = it has).
    """
    older = parameters.open_source()
    if older.overlap(newer) == "inside":
        raise InputError("relayout: the new folder lies inside the old one, which is never written to")
    files = _headers(parameters, older, progress)
    laid_out = files[files["reason"] == ""].copy()
    names = layout.instance_names(laid_out, "ContentDate", "ContentTime", "SOPInstanceUID")
    laid_out["target_path"] = [f"{folder}/{name}" for folder, name in zip(laid_out["folder"], names, strict=True)]
    for row in laid_out.itertuples():
        write_if_changed(newer / row.target_path, older.read(row.source_path))
    files["target_path"] = laid_out["target_path"].reindex(files.index).fillna("")
    return files[["source_path", "target_path", "reason"]].sort_values("source_path", ignore_index=True)


def write_identity_lookups(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Write lookup tables that map the ids of already de-identified files to themselves, without a shift.

    With them, ``shift_code: 0`` and ``pseudonymous_source: true`` the notebooks run the same policy over such files
    (SOP step 12). Rows that are there stay.
    Returns the files that cannot take part, as :func:`relayout` does.
    """
    parameters = workspace.parameters
    if parameters.shift_code or not parameters.pseudonymous_source:
        raise InputError("lookups: ids that stay as they are need shift_code: 0 and pseudonymous_source: true")
    known = read_lookups(workspace, begun=True)
    files = _headers(parameters, workspace.source, progress)
    fit = files[files["reason"] == ""]
    persons = fit[["PatientID"]].assign(person_id=lambda f: f["PatientID"], Days_Shifted=0)
    images = fit[["PatientID", "AccessionNumber"]].assign(image_occurence_id=lambda f: f["AccessionNumber"])
    extend_lookups(workspace, known, _joined(known.persons, persons), _joined(known.images, images))
    return files.loc[files["reason"] != "", ["source_path", "reason"]].reset_index(drop=True)


def _joined(known: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The rows that are known, and those found that no row is about."""
    keys = [name for name in known.columns if name in ("PatientID", "AccessionNumber")]
    new = found.astype(dict.fromkeys(found.columns.difference(keys), "Int64")).sort_values(keys)
    return pd.concat([known, new]).drop_duplicates(keys, ignore_index=True)


def _headers(parameters: Parameters, older: Source, progress: Progress | None) -> pd.DataFrame:
    found = [file.source_path for file in older.find()]
    read = functools.partial(_read_header, older)
    rows = [row for _, row in each(parameters, read, found, progress, "reading headers")]
    files = pd.DataFrame(rows, columns=["source_path", "reason", "digest", *HEADER_TAGS]).fillna("")
    files = files.sort_values("source_path", ignore_index=True)
    fit = files["reason"] == ""
    for name, pattern in FIT.items():
        files.loc[fit & ~files[name].str.fullmatch(pattern), "reason"] = f"{name}_not_mapped"
        fit = files["reason"] == ""
    for name in ("SeriesInstanceUID", "SOPInstanceUID"):
        files.loc[fit & ~files[name].str.fullmatch(UID_FORM), "reason"] = f"{name}_missing"
        fit = files["reason"] == ""
    conflict = files[fit].groupby("SOPInstanceUID")["digest"].transform("nunique") > 1
    files.loc[conflict[conflict].index, "reason"] = "duplicate_conflict"
    again = files[files["reason"] == ""].duplicated("SOPInstanceUID")
    files.loc[again[again].index, "reason"] = "duplicate_instance"
    person, *below = (files[name] for name in RELAID_FOLDER)
    folders = ["/".join((one, layout.IMAGES, *others)) for one, *others in zip(person, *below, strict=True)]
    return files.assign(folder=folders)


def _read_header(older: Source, path: str) -> dict[str, str]:
    try:
        content = older.read(path)
    except OSError:
        return {"source_path": path, "reason": "unreadable"}
    try:
        dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
    except Exception:  # pydicom raises many kinds, and their texts quote values
        return {"source_path": path, "reason": "not_dicom"}
    return {"source_path": path, "reason": "", "digest": blake3(content).hexdigest(), **_header_texts(dataset)}


def _header_texts(dataset: Dataset) -> dict[str, str]:
    return {keyword: str(dataset.get(keyword, "")).strip() for keyword in HEADER_TAGS}
