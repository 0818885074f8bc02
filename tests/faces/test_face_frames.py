"""A series whose files lie in two frames of reference: a face in either is removed, and neither hides the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb import tables
from chorus_nb.faces import asking, frames, judge, masks
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.study import Asked, FaceFound
from chorus_nb.faces.volume import Volume
from chorus_nb.source import open_source
from tests import heads
from tests.deid.small_run import SmallSite, reasons, run

MINE = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.2"}
HIP = {"BodyPartExamined": "HIP", "SeriesDescription": "AX HIP", "StudyDescription": "HIP"}


def _thin() -> Volume:
    """Every second slice of a head."""
    head = heads.head("T1")
    return head._replace(values=head.values[::2].copy(), affine=head.affine @ np.diag([1.0, 1.0, 2.0, 1.0]))


def _moved(volume: Volume, *millimetres: float) -> Volume:
    affine = volume.affine.copy()
    affine[:3, 3] += millimetres
    return volume._replace(affine=affine)


@pytest.mark.usefixtures("without_children", "_larger_cubes")
@pytest.mark.parametrize(("first", "other"), [("head", "noise"), ("other", "noise"), ("head", "a head")])
def test_a_face_in_either_of_two_frames_of_reference_is_removed(tmp_path: Path, first: str, other: str) -> None:
    """Their slices lie between each other by their numbers, and the words say hip."""
    site, head = SmallSite(tmp_path), _thin()
    noise = np.random.default_rng(2).uniform(0, 900, head.values.shape).astype("f4")
    beside = _moved(head, 40, 0, 1.5) if other == "a head" else _moved(head._replace(values=noise), 0, 0, 1.5)
    folders = ("a", "b") if first == "head" else ("b", "a")
    heads.write(head, site.dicom / folders[0], FrameOfReferenceUID="1.2.8", **MINE, **HIP)
    heads.write(beside, site.dicom / folders[1], FrameOfReferenceUID="1.2.9", **MINE, **HIP)
    workspace = site.open(deface="apply")
    run(workspace)
    [row] = workspace.read(tables.FACE_VERDICTS).itertuples()
    assert row.status == "defaced" and row.files == 2 * len(head.values) and reasons(workspace) == {}
    cut = {path: one.mask.any() for path, one in masks.all_of(workspace.local / "faces", row.mask).items()}
    by_folder = pd.Series(cut).groupby(lambda path: path[0]).sum()
    assert by_folder[folders[0]] > 5 and (by_folder[folders[1]] > 5) == (other == "a head")
    outcomes = workspace.read(tables.OUTCOMES)
    shown = folders if other == "a head" else folders[:1]
    for one in outcomes[outcomes.source_path.str[0].isin(shown)].itertuples():
        number = int(Path(one.source_path).stem)
        face = heads.face()[::2][number]
        before, after = (dcmread(path) for path in (site.dicom / one.source_path, workspace.release / one.target_path))
        assert (before.pixel_array == after.pixel_array)[face].mean() < 0.1 if face.any() else True


@pytest.mark.fast
@pytest.mark.parametrize("refused", ["a", "b"])
def test_a_part_that_is_refused_holds_the_whole_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """A head, and in another frame of reference something whose words say head, too, in which no face is found."""

    def removed(_: object, __: object, asked: list[Asked], *___: object) -> list[FaceFound]:
        said = {True: "not_defaced", False: "no_face_in_view"}
        return [FaceFound(one.series, said[one.frame == refused], "") for one in asked]

    monkeypatch.setattr(judge, "remove_faces", removed)
    parts = tuple(Asked("1", "face", (path,), sample=(path,), frame=path) for path in "ab")
    [found] = judge._faces_of_group(open_source(tmp_path), tmp_path, parts, ("apply", False), "")
    assert found.status == "not_defaced"


@pytest.mark.fast
@pytest.mark.parametrize("together", [True, False])
def test_a_head_that_is_spread_over_frames_of_reference_is_none_in_each_and_one_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    def answered(_: object, questions: list[asking.HeadQuestion]) -> dict[str, HeadAnswer]:
        return {one.series: HeadAnswer(together and one.paths == ("a", "b"), "by its pixels") for one in questions}

    monkeypatch.setattr(asking, "answers", answered)
    monkeypatch.setattr(
        judge, "remove_faces", lambda _, __, asked, *___: [FaceFound(one.series, "not_defaced", "") for one in asked]
    )
    parts = tuple(Asked("1", "pixels", (path,), sample=(path,), frame=path) for path in "ab")
    [found] = judge._faces_of_group(open_source(tmp_path), tmp_path, parts, ("apply", False), "")
    assert found.status == ("not_defaced" if together else "no_head")


@pytest.mark.fast
@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({"a": 30}, [30]),
        ({"a": 30, "b": 20}, [30, 20]),
        ({"a": 30, "b": 4}, [34]),
        ({"b": 4, "a": 30}, [34]),
        (dict.fromkeys("abcdefghijklmnop", 1), [16]),
        ({"a": 30} | dict.fromkeys("bcdefghijklmnop", 1), [30, 15]),
    ],
)
def test_frames_of_a_few_slices_stay_together(counts: dict[str, int], parts: list[int]) -> None:
    frame = pd.Series([name for name, count in counts.items() for _ in range(count)])
    files = pd.DataFrame({"NumberOfFrames": "", "ImageType": "ORIGINAL", "at": range(len(frame))})
    found = frames.by_frame(files, frame)
    assert [len(part) for _, part in found] == parts
    assert len({name for name, _ in found}) == len(parts)
    assert sorted(at for _, part in found for at in part["at"]) == list(range(len(frame)))


@pytest.mark.fast
@pytest.mark.parametrize(("kind", "frames_in"), [("MOSAIC", ""), ("VFRAME", ""), ("M", "40")])
def test_a_file_may_hold_a_whole_volume(kind: str, frames_in: str) -> None:
    files = pd.DataFrame({"NumberOfFrames": [frames_in] * 2, "ImageType": [f"ORIGINAL\\PRIMARY\\{kind}"] * 2})
    assert len(frames.by_frame(files, pd.Series(["a", "b"]))) == 2
