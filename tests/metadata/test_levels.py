"""No value speaks for others: what a row of study or series says is so of every file of it, recomputed from headers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from chorus_nb import tables
from chorus_nb.metadata import build_metadata
from chorus_nb.metadata.headers import HEADERS_RECIPE, read_header
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

CT = TWO_PATIENTS[0]
GROUPS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "RadiopharmaceuticalInformationSequence",
)
LEVELS = (
    (tables.STUDY, ["image_occurrence_id", "StudyInstanceUID"]),
    *((table, list(table.key)) for table in (tables.SERIES, *tables.ACQUIRED)),
)
ISO = re.compile(r"(?<=\d)[-:](?=\d)")


def own_value(dataset: Dataset, keyword: str) -> str:
    """The attribute of a file by another way: at its root, else that on which all items agree."""

    def text(value: object) -> str:
        several = not isinstance(value, str) and hasattr(value, "__iter__")
        return "\\".join(map(str, value)) if several else "" if value is None else str(value)  # type: ignore[call-overload]

    if keyword == "TransferSyntaxUID":
        return str(dataset.file_meta.TransferSyntaxUID)
    if keyword in dataset and text(dataset[keyword].value):
        return text(dataset[keyword].value)
    for place in GROUPS:
        said = []
        for item in dataset.get(place) or ():
            nested = [inner for element in item if isinstance(element.value, Sequence) for inner in element.value]
            said.append({text(one[keyword].value) for one in (item, *nested) if keyword in one} - {""})
        if any(said):
            return said[0].pop() if all(len(one) == 1 and one == said[0] for one in said) else ""
    return ""


def tables_of(files: list[Path], folder: Path) -> tuple[Workspace, dict[str, Dataset]]:
    """The metadata tables over any files: a study is an accession, as if all had been released as they are."""
    workspace = make_workspace(folder, ())
    rows: list[dict[str, object]] = []
    datasets, accessions = {}, dict[str, int]()
    for number, file in enumerate(sorted(files)):
        try:
            dataset, header = pydicom.dcmread(file, stop_before_pixels=True), read_header(file, file.name)
            study, series, modality = (
                str(dataset[k].value) for k in ("StudyInstanceUID", "SeriesInstanceUID", "Modality")
            )
        except Exception:  # no image, or a damaged one: 03 releases none of these
            continue
        accession = accessions.setdefault(study, len(accessions) + 1)
        path = f"1/Images/{modality}/{accession}/{series}/{number:06d}.dcm"
        own = {"PatientID": "1", "AccessionNumber": str(accession), "SOPInstanceUID": f"2.25.{number}"}
        rows.append({**header, **own, "target_path": path, "target_digest": str(number)})
        datasets[path] = dataset
    workspace.write(tables.RELEASED_HEADERS, tables.frame(tables.RELEASED_HEADERS, rows))
    key = workspace.path(tables.RELEASED_HEADERS).with_suffix(".key")
    key.write_bytes(HEADERS_RECIPE.key(None).encode())
    outcome = [{"status": "released", "seconds": 0.0, "source_path": r["target_path"], **r} for r in rows]
    named = [{k: v for k, v in row.items() if k in tables.OUTCOMES.column_names} for row in outcome]
    workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, named))
    build_metadata(workspace)
    return workspace, datasets


def faults(workspace: Workspace, datasets: dict[str, Dataset]) -> Iterator[str]:
    """Every cell that says of a file what its header does not say."""
    image = workspace.read(tables.IMAGE).assign(image_occurrence_id=lambda t: t.path.str.split("/").str[3].astype(int))
    for table, key in LEVELS:
        rows = workspace.read(table)
        paths = defaultdict(list)
        for values in image[[*key, "path"]].itertuples(index=False):
            paths[tuple(values)[:-1]].append(values.path)
        for row in rows.to_dict("records"):
            files = [datasets[path] for path in paths[tuple(row[name] for name in key)]]
            for column in (one for one in table.columns if one.attribute):
                said = [own_value(file, column.name) for file in files]
                if not (
                    _is_said(row[column.name], said) if column.kind == "text" else _is_number(row, column.name, said)
                ):
                    yield f"{table.name}.{column.name}: {row[column.name]!r} of {Counter(said)}"


def _is_said(cell: str, said: list[str]) -> bool:
    counts = sorted(Counter(said).items())
    listed = "; ".join(f"{value or '(none)'} ({files})" for value, files in counts)
    return ISO.sub("", cell) == ISO.sub("", listed if len(counts) > 1 else said[0])


def _is_number(row: dict[str, object], name: str, said: list[str]) -> bool:
    numbers = [float(text) for text in said if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text)]
    same = len(set(numbers)) == 1 and len(numbers) == len(said)
    wanted = (numbers[0] if same else None, min(numbers, default=None), max(numbers, default=None))
    return wanted == tuple(None if pd.isna(row[n]) else row[n] for n in (name, f"{name}_min", f"{name}_max"))  # type: ignore[call-overload]


@pytest.mark.parametrize("which", ["demo", "shared"])
def test_no_value_of_a_series_or_study_hides_a_difference(
    which: str, demo_site: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = demo_site / "dicom" if which == "demo" else request.getfixturevalue("shared") / "dicom"
    workspace, datasets = tables_of([file for file in source.rglob("*") if file.is_file()], tmp_path)
    assert len(datasets) > 20
    assert not list(faults(workspace, datasets))


def with_last(workspace: Workspace, keyword: str, value: str) -> Workspace:
    """Another value in the last file of the first series."""
    path = max((workspace.release / "501").rglob("*.dcm"))
    dataset = pydicom.dcmread(path)
    setattr(dataset, keyword, value)
    dataset.save_as(path)
    return workspace


def test_a_series_of_both_sides_says_both_and_each_image_its_own(tmp_path: Path) -> None:
    right = make_workspace(tmp_path, (replace(CT, images=4, attributes=(("ImageLaterality", "R"),)),))
    workspace = with_last(right, "ImageLaterality", "L")
    _, series = build_metadata(workspace)
    assert series["ImageLaterality"].tolist() == ["L (1); R (3)"]
    assert workspace.read(tables.IMAGE)["ImageLaterality"].tolist() == ["R", "R", "R", "L"]


@pytest.mark.parametrize(("last", "least"), [("80", 80), ("", 120)], ids=["differs", "some have none"])
def test_a_number_that_not_all_files_have_is_its_range(tmp_path: Path, last: str, least: int) -> None:
    workspace = with_last(make_workspace(tmp_path, (replace(CT, attributes=(("KVP", "120"),)),)), "KVP", last)
    build_metadata(workspace)
    [ct] = workspace.read(tables.ACQUIRED[0])[["KVP", "KVP_min", "KVP_max"]].values.tolist()
    assert pd.isna(ct[0])
    assert ct[1:] == [least, 120]


def test_what_differs_among_frames_is_empty_and_named(tmp_path: Path) -> None:
    frames = []
    for position, thickness in (("0", "2"), ("5", "2")):
        frame, plane, measures = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient, measures.SliceThickness = ["0", "0", position], thickness
        frame.PlanePositionSequence, frame.PixelMeasuresSequence = [plane], [measures]
        frames.append(frame)
    attributes = (("PerFrameFunctionalGroupsSequence", frames),)
    workspace = make_workspace(tmp_path, (replace(CT, images=1, attributes=attributes),))
    _, series = build_metadata(workspace)
    image = workspace.read(tables.IMAGE)
    assert image[["SliceThickness", "ImagePositionPatient", "differ_within"]].values.tolist() == [
        [2, "", "ImagePositionPatient"]
    ]
    assert series["SliceThickness"].tolist() == [2]


def test_the_same_bytes_in_another_character_set_are_another_text(tmp_path: Path) -> None:
    """What was read in the file before is known again by more than its bytes."""
    found, file = [], tmp_path / "one.dcm"
    for charset, text in (("ISO_IR 100", "\xc9"), ("ISO_IR 144", "\u0429")):
        dataset = Dataset()
        dataset.SpecificCharacterSet, dataset.SeriesDescription = charset, text
        dataset.preamble, dataset.file_meta = bytes(128), pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.save_as(file)
        assert b"\xc9 " in file.read_bytes()
        found.append(read_header(file, file.name)["SeriesDescription"])
    assert found == ["\xc9", "\u0429"]
