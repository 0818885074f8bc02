"""A series whose slices lie in several directions, or beside one another: each part is looked at by itself."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from pydicom import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import asking, masks, stacks, study
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.masks import FaceMask
from chorus_nb.faces.parts import series_parts
from chorus_nb.faces.runs import columns
from chorus_nb.faces.study import Asked, FaceFound
from chorus_nb.faces.volume import Volume
from chorus_nb.source import open_source
from tests import heads
from tests.heads import slices

BLOCK = Volume(np.arange(16 * 8 * 8, dtype="f4").reshape(16, 8, 8), np.diag([4.0, 4.0, 5.0, 1.0]), "MR")


def at(volume: Volume, *millimetres: float) -> Volume:
    affine = volume.affine.copy()
    affine[:3, 3] += millimetres
    return volume._replace(affine=affine)


def sagittal(volume: Volume) -> Volume:
    return volume._replace(affine=volume.affine[:, [1, 2, 0, 3]])


def load(folder: Path, *volumes: Volume) -> stacks.SliceSeries:
    """The slices of some volumes as one series."""
    files = [content for volume in volumes for content in slices(volume)]
    for number, content in enumerate(files):
        (folder / f"{number:03d}").write_bytes(content)
    return stacks.load(open_source(folder), [f"{number:03d}" for number in range(len(files))])


def sizes(series: stacks.SliceSeries) -> list[int]:
    return [len(part.slices) for part in series_parts(series)]


@pytest.mark.fast
@pytest.mark.parametrize(
    "place", [(0.0, 0.0, 0.0), (0.0, 0.0, 2.5), (3.0, 0.0, 1.0), (0.0, 0.0, 80.0), (40.0, 0.0, 80.0)]
)
def test_a_second_time_point_or_what_stands_above_is_no_part_of_its_own(
    tmp_path: Path, place: tuple[float, ...]
) -> None:
    series = load(tmp_path, BLOCK, at(BLOCK, *place))
    assert len(series_parts(series)) == 1 and series_parts(series)[0] is series


@pytest.mark.fast
@pytest.mark.parametrize("place", [(40.0, 0.0, 0.0), (40.0, 0.0, 0.7), (0.0, -12.0, 1.0), (20.0, 20.0, 2.5)])
def test_slices_that_stand_beside_one_another_are_two_volumes_and_two_parts(
    tmp_path: Path, place: tuple[float, ...]
) -> None:
    moved = at(BLOCK._replace(values=BLOCK.values + 2000), *place)
    series = load(tmp_path, BLOCK, moved)
    found = stacks.all_stacks(series)
    assert {(int(one.values[0, 0, 0]), *one.affine[:3, 3].round(2)) for one in found} == {
        (0, *BLOCK.affine[:3, 3].round(2)),
        (2000, *moved.affine[:3, 3].round(2)),
    }
    assert all(np.array_equal(one.values - one.values[0, 0, 0], BLOCK.values) for one in found)
    assert sizes(series) == [16, 16]


@pytest.mark.fast
@pytest.mark.parametrize(("count", "parts"), [(9, [25]), (10, [16, 10])])
def test_slices_of_another_direction_are_a_part_of_their_own_unless_they_are_few(
    tmp_path: Path, count: int, parts: list[int]
) -> None:
    other = sagittal(BLOCK._replace(values=BLOCK.values[:count]))
    assert sizes(load(tmp_path, BLOCK, other)) == parts


@pytest.mark.fast
def test_slices_of_a_tilted_gantry_stand_above_one_another() -> None:
    heights = np.arange(0, 150, 5.0)
    tilted = np.stack([heights * 0, heights * 0.577, heights], axis=1)
    assert not columns(tilted, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])).any()
    both = np.concatenate([tilted, tilted + np.array([40.0, 0, 1])])
    assert columns(both, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])).tolist() == [0] * 30 + [1] * 30


@pytest.mark.fast
def test_of_slices_beside_one_another_none_is_left_out_of_what_is_asked() -> None:
    def row(number: int, x: float, z: float) -> dict[str, object]:
        alike = dict.fromkeys(asking.LYING_ALIKE, "") | {"ImageOrientationPatient": "1\\0\\0\\0\\1\\0"}
        return {"source_path": f"{number:03d}", "Modality": "CT", "ImagePositionPatient": f"{x}\\0\\{z}", **alike}

    one = pd.DataFrame([row(n, 0, n * 1.0) for n in range(200)])
    both = pd.DataFrame([row(2 * n + m, 40 * m, n * 1.0 + m / 2) for n in range(100) for m in (0, 1)])
    assert len(asking.sample(one)) < 100 and asking.coarse(one, one.source_path)
    assert len(asking.sample(both)) == 200 and not asking.coarse(both, both.source_path)


def test_frames_of_one_file_are_taken_apart_as_files_are(tmp_path: Path) -> None:
    head = dcmread(io.BytesIO(slices(BLOCK)[0]))
    head.SOPClassUID = head.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    groups = []
    for volume in (BLOCK, at(BLOCK, 40, 0, 0.7)):
        for number in range(16):
            group, place = Dataset(), Dataset()
            place.ImagePositionPatient = [*(volume.affine[:3, 3] + number * volume.affine[:3, 2])]
            group.PlanePositionSequence = Items([place])
            groups.append(group)
    head.PerFrameFunctionalGroupsSequence, head.NumberOfFrames = Items(groups), 32
    head.PixelData = BLOCK.values.astype("<u2").tobytes() * 2
    sink = io.BytesIO()
    head.save_as(sink)
    (tmp_path / "one").write_bytes(sink.getvalue())
    series = stacks.load(open_source(tmp_path), ["one"])
    assert [[one.frame for one in part.slices] for part in series_parts(series)] == [[*range(16)], [*range(16, 32)]]


@pytest.mark.fast
@pytest.mark.parametrize("refused", [False, True])
def test_each_part_is_searched_and_what_any_of_them_removes_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """The gravest of their answers is that of the series."""
    series = load(tmp_path, BLOCK, at(BLOCK, 40, 0, 0.7), at(BLOCK, 80, 0, 1.4))

    def searched(part: stacks.SliceSeries, folder: Path, one: Asked, *_: object) -> FaceFound:
        if part.slices[0].source_path == "016" and refused:
            return FaceFound(one.series, "not_defaced", "too few slices")
        cut = {piece.source_path: FaceMask(np.ones((1, 8, 8), bool), 3) for piece in part.slices}
        return FaceFound(one.series, "defaced", "", masks.write(folder, cut), brain_ml=1.0)

    monkeypatch.setattr(study, "_face_of_slices", searched)
    monkeypatch.setattr(study, "part_asked", lambda part: HeadAnswer(part.slices[0].source_path != "032", ""))
    paths = tuple(f"{number:03d}" for number in range(48))
    [found] = study.remove_faces(open_source(tmp_path), tmp_path / "faces", [Asked("1", "pixels", paths)], False)
    cut = {path: one.mask.all() for path, one in masks.all_of(tmp_path / "faces", found.mask).items()}
    gone = 16 if refused else 32
    assert found.status == ("not_defaced" if refused else "defaced") and found.brain_ml == gone / 16
    assert len(cut) == 48 and [path for path in sorted(cut) if cut[path]] == list(paths[:gone])
    assert found.removed == pytest.approx(gone / 48)
    assert len(series.slices) == 48


@pytest.mark.parametrize(("wider", "aside"), [(1.0, (40.0, 0.0, 0.7)), (1.2, (0.0, 0.0, 0.0))])
def test_a_head_beside_noise_or_beneath_wider_noise_is_asked_by_itself(
    tmp_path: Path, wider: float, aside: tuple[float, ...]
) -> None:
    """By their heights the slices of both would interleave; noise that lies over it is not all that is asked."""
    head = heads.head("T1")
    head = head._replace(values=head.values[::3].copy(), affine=head.affine @ np.diag([1.0, 1.0, 3.0, 1.0]))
    values = np.random.default_rng(2).uniform(0, 900, head.values.shape).astype("f4")
    noise = Volume(values, heads.about_middle(head, np.diag([wider, wider, 1.0])) @ head.affine, "MR")
    series = load(tmp_path, noise, at(head, *aside))
    questions = [asking.HeadQuestion("1", tuple(one.source_path for one in series.slices))]
    assert asking.answers(open_source(tmp_path), questions)["1"].may_be
