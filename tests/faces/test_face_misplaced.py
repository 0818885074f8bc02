"""Headers that are wrong about where slices lie and how large they are hide no head; nor does a field too short."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import asking, stacks, study
from chorus_nb.faces.atlas import Region
from chorus_nb.faces.braincase import LIMITS_OF_HEADS
from chorus_nb.faces.coils import evened
from chorus_nb.faces.heads import HeadAnswer, head_in, no_braincase
from chorus_nb.faces.layers import unit_looks
from chorus_nb.faces.piles import by_their_looks, is_turning
from chorus_nb.faces.sizes import in_other_shapes, in_other_sizes
from chorus_nb.faces.stacks import Unfit
from chorus_nb.faces.volume import Volume, cubes, grid
from chorus_nb.source import open_source
from tests import heads

CT, T1 = heads.head("CT"), heads.head("T1")
CHEST = heads.negatives()["chest"]


def at_one_place(folder: Path, volume: Volume, order: list[int], *, numbered: bool = True) -> HeadAnswer:
    """The answer of its slices, in this order of files, all said to lie where the first does."""
    files = heads.slices(volume)
    for place, number in enumerate(order):
        dataset = dcmread(io.BytesIO(files[number]))
        dataset.ImagePositionPatient = [0, 0, 0]
        dataset.InstanceNumber = dataset.InstanceNumber if numbered else None
        dataset.save_as(folder / f"{place:03d}")
    paths = tuple(f"{place:03d}" for place in range(len(order)))
    return asking.answers(open_source(folder), [asking.HeadQuestion("all", paths)])["all"]


@pytest.mark.parametrize(("volume", "numbered"), [(CT, True), (T1, True), (T1, False)])
def test_a_head_whose_slices_are_all_said_to_lie_at_one_place_is_none_to_let_go(
    tmp_path: Path, volume: Volume, numbered: bool
) -> None:
    shuffled = np.random.default_rng(1).permutation(len(volume.values)).tolist()
    answer = at_one_place(tmp_path, volume, shuffled, numbered=numbered)
    assert answer.may_be and answer.why.startswith("said to lie at one place")


def test_pictures_of_a_detector_that_say_no_place_are_laid_above_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a volume; views that look alike are not."""
    monkeypatch.setattr(asking, "head_in", lambda volumes: HeadAnswer(len(volumes[0].values) >= 10, "a head"))
    for name, volume, head in (("head", T1, True), ("views", CHEST._replace(values=CHEST.values[[30] * 12]), False)):
        (tmp_path / name).mkdir()
        paths = []
        for number, content in enumerate(heads.slices(volume, SOPClassUID=DigitalXRayImageStorageForPresentation)):
            dataset = dcmread(io.BytesIO(content))
            dataset.Modality = "DX"
            del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
            dataset.save_as(tmp_path / name / f"{number:03}")
            paths.append(f"{name}/{number:03}")
        [answer] = asking.answers(open_source(tmp_path), [asking.HeadQuestion(name, tuple(paths))]).values()
        assert answer.may_be == head, answer


def test_a_head_sent_slice_by_slice_and_said_to_lie_at_one_place_is_none_to_let_go(tmp_path: Path) -> None:
    order = list(range(len(T1.values)))
    at_one_place(tmp_path, T1, order)
    questions = [asking.HeadQuestion(f"{place:03d}", (f"{place:03d}",), True) for place in order]
    said = asking.answers(open_source(tmp_path), questions)
    assert {answer.may_be for answer in said.values()} == {True}


def test_series_each_at_one_place_are_not_all_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(
        stacks,
        "with_pixels",
        lambda series, sound=stacks.with_pixels: (read.append(len(series.slices)), sound(series))[1],
    )
    still = T1._replace(values=np.repeat(T1.values[40:41], 12, axis=0))
    at_one_place(tmp_path, still, list(range(12)))
    paths = tuple(f"{place:03d}" for place in range(12))
    said = asking.answers(open_source(tmp_path), [asking.HeadQuestion(name, paths) for name in "abc"])
    assert set(said.values()) == {asking.NO_VOLUME} and max(read) == 12


def test_a_chest_at_one_place_and_one_slice_many_times_are_let_go(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).normal(0, 20, (30, *CHEST.values.shape[1:]))
    beating = CHEST._replace(values=(CHEST.values[30] + grain).astype("f4"))
    still = T1._replace(values=np.repeat(T1.values[40:41], 12, axis=0))
    for name, volume in (("chest", CHEST), ("beating", beating), ("still", still)):
        (tmp_path / name).mkdir()
        order = list(range(len(volume.values)))
        assert at_one_place(tmp_path / name, volume, order) == asking.NO_VOLUME


@pytest.mark.fast
def test_slices_are_put_in_order_by_what_they_show() -> None:
    order = np.random.default_rng(2).permutation(len(T1.values))
    found = order[by_their_looks(unit_looks([T1.values[number] for number in order]))]
    forward = found if found[0] < found[-1] else found[::-1]
    assert abs(forward - np.arange(len(order))).mean() < 2


def test_a_picture_that_meets_a_head_goes_its_way(tmp_path: Path) -> None:
    """A profile; alone it is no volume."""
    middle = T1.values.shape[2] // 2
    affine = T1.affine[:, [1, 2, 0, 3]].copy()
    affine[:3, 3] += T1.affine[:3, 0] * middle
    profile = Volume(np.ascontiguousarray(T1.values[:, :, middle][None]), affine, "MR")
    questions = [
        asking.HeadQuestion(name, tuple(f"{name}/{file}" for file in heads.write(volume, tmp_path / name)), True)
        for name, volume in {"head": T1, "profile": profile}.items()
    ]
    said = asking.answers(open_source(tmp_path), questions)
    assert (said["profile"].may_be, said["profile"].asked_of) == (True, "head")
    assert asking.answers(open_source(tmp_path), questions[1:])["profile"] == asking.NO_VOLUME


def sized(volume: Volume, *by: float) -> Volume:
    return volume._replace(affine=np.diag([*by, 1.0]) @ volume.affine)


@pytest.mark.parametrize("by", [(0.1, 0.1, 0.1), (10, 10, 10), (3, 3, 1), (3, 1, 1)])
def test_a_head_is_told_though_its_header_says_a_size_that_no_body_has(by: tuple[float, ...]) -> None:
    for volume in (CT, T1):
        answer = head_in([sized(volume, *by)], thin=min(by) < 1)
        assert answer.may_be, answer
        assert no_braincase([sized(volume, *by)]) is None


def across(volume: Volume) -> Volume:
    """In coronal slices."""
    values = np.ascontiguousarray(volume.values.transpose(1, 0, 2))
    return volume._replace(values=values, affine=volume.affine[:, [0, 2, 1, 3]])


@pytest.mark.parametrize("by", [2.5, 3.0])
def test_a_head_is_told_though_its_slices_are_said_to_lie_closer_than_they_do(by: float) -> None:
    """As a slab of coronal slices it is 1.8 like a head."""
    coronal = across(T1)
    answer = head_in([coronal._replace(affine=coronal.affine @ np.diag([1, 1, 1 / by, 1]))])
    assert answer.may_be and answer.why.startswith("in another shape")


def test_a_sphere_that_is_pressed_flat_is_no_head() -> None:
    sphere = heads.negatives()["sphere"]
    assert not head_in([sphere._replace(affine=sphere.affine @ np.diag([1, 1, 70 / 160, 1]))]).may_be


@pytest.mark.fast
def test_a_slab_is_pulled_apart_only_where_it_rounds_off() -> None:
    trunk = heads.below(heads.above(heads.on_a_body(T1), -341), -261)
    assert in_other_shapes([trunk], 6.0) == [] and in_other_shapes([T1], 6.0) == []


def with_pixels_said(volume: Volume, by: float) -> Volume:
    return volume._replace(affine=volume.affine @ np.diag([by, by, 1, 1]))


@pytest.mark.parametrize("by", [0.5, 2.0])
@pytest.mark.parametrize("coronal", [False, True])
def test_a_head_is_told_though_its_pixels_are_said_to_be_half_or_twice_as_large(by: float, coronal: bool) -> None:
    """It was 1.80 to 1.89 like a head."""
    answer = head_in([with_pixels_said(across(T1) if coronal else T1, by)])
    assert answer.may_be and answer.why.startswith("in another shape")


@pytest.mark.fast
def test_only_what_has_a_crown_and_the_measures_of_a_head_is_asked_with_other_pixels() -> None:
    body = heads.on_a_body(T1)
    pelvis = across(heads.below(heads.above(body, -620), -420))
    for volume in (pelvis, heads.below(body, -150), heads.negatives()["two knees"], heads.negatives()["sphere"]):
        assert in_other_shapes([volume], 6.0) == []
    assert len(in_other_shapes([with_pixels_said(T1, 2)], 6.0)) == 1


def projected(volume: Volume, sides: int) -> np.ndarray:
    """The brightest along the way (MIP), seen from so many sides."""
    import SimpleITK as sitk

    image, seen = sitk.GetImageFromArray(volume.values), []
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    for side in range(sides):
        turn = sitk.Euler3DTransform(middle, 0, 0, 2 * np.pi * side / sides)
        turned = sitk.Resample(image, image, turn, sitk.sitkLinear, float(volume.values.min()))
        seen.append(sitk.GetArrayFromImage(turned).max(axis=1)[::-1])
    return np.stack(seen)


def test_a_projection_from_many_sides_said_to_lie_at_one_place_is_none_to_let_go(tmp_path: Path) -> None:
    """Laid above one another its pictures were 1.9 like a head."""
    views = projected(T1, 12)
    answer = at_one_place(tmp_path, T1._replace(values=views), list(range(12)))
    assert answer.may_be and answer.why.startswith("projections from many sides")
    assert is_turning(list(views), 0) and not is_turning(list(views), 1)
    assert is_turning([view.T for view in views], 1)
    for other in (T1, CT, CHEST, across(T1)):
        assert not any(is_turning(list(other.values), axis) for axis in (0, 1))
    assert not is_turning([views[0], views[0][1:]], 0)


def heard_from(volume: Volume, axis: int, depth: float) -> Volume:
    """As a coil at the low end of an axis of its array shows it, in noise: a third is left at that ``depth`` (mm)."""
    body = volume.values > 40
    first = np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis})))[0]
    deep = np.clip(np.arange(volume.values.shape[axis]) - first, 0, None) * volume.spacing[2 - axis]
    fading = np.exp(-deep / depth).reshape([-1 if one == axis else 1 for one in range(3)])
    grain = np.random.default_rng(3).normal(0, 2, volume.values.shape)
    return volume._replace(values=np.rint(abs(volume.values * fading + grain)).astype("f4"))


def test_a_head_is_told_by_what_a_coil_before_its_eyes_hears_of_it() -> None:
    answer = head_in([heard_from(T1, 1, 35)])
    assert answer.may_be and answer.likeness > LIMITS_OF_HEADS["faded"]
    trunk = heads.below(heads.above(heads.on_a_body(T1), -420), -170)
    assert not head_in([heard_from(trunk, 1, 35)]).may_be


@pytest.mark.fast
def test_what_does_not_fade_is_not_asked_as_if_it_did() -> None:
    for volume in (T1, *(one for one in heads.negatives().values() if one.modality == "MR")):
        assert list(evened(cubes([volume], 6.0))) == []


def test_a_head_born_early_is_told_by_its_braincase_in_the_size_of_an_adult() -> None:
    pelvis = heads.below(heads.above(heads.on_a_body(CT), -520), -370)
    assert head_in([sized(CT, 0.5, 0.5, 0.5)]).may_be
    assert not head_in([sized(pelvis, 0.6, 0.6, 0.6)]).may_be


def test_what_has_the_size_of_a_body_is_asked_in_no_other() -> None:
    body = heads.on_a_body(T1, arms=True, couch=True)
    for volume in (CT, T1, heads.pet(), body, *heads.negatives().values()):
        assert in_other_sizes([volume]) == []


@pytest.mark.fast
@pytest.mark.parametrize("by", [0.1, 10])
def test_no_face_is_searched_for_in_a_field_that_no_body_fills(tmp_path: Path, by: float) -> None:
    small = T1._replace(values=T1.values[:, ::8, ::8], affine=T1.affine @ np.diag([8.0, 8, 1, 1]))
    names = heads.write(sized(small, by, by, max(by, 1)), tmp_path)
    with pytest.raises(Unfit, match="no body"):
        study._even(stacks.load(open_source(tmp_path), names))


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2)], ids=["axial", "coronal"])
def test_a_face_that_goes_round_to_the_back_of_its_field_goes(tmp_path: Path, axes: tuple[int, ...]) -> None:
    """The tip of the nose stands behind the head; of a head that lies within its field nothing there is touched."""
    pose = heads.registered(grid([T1]), "MR")
    columns = [2 - axis for axis in axes[::-1]]
    for rows, left in ((0, 0.0), (16, 0.02)):
        moved = np.eye(4)
        moved[1, 3] = rows * T1.spacing[1]
        rolled = T1._replace(
            values=np.ascontiguousarray(np.roll(T1.values, -rows, 1).transpose(axes)),
            affine=T1.affine[:, [*columns, 3]],
        )
        names = heads.write(rolled, tmp_path / str(rows))
        series = stacks.load(open_source(tmp_path / str(rows)), names)
        deep = study._field_deep(series)
        assert deep is not None and deep[1] == pytest.approx(T1.extent[1], abs=0.1)
        there = pose.mapped(lambda matrix, moved=moved: matrix @ moved)
        cut, alone = (
            np.stack([study._slice_regions(one, there, Region.FACE, how)[0] for one in series.slices])
            for how in (deep, None)
        )
        face = np.roll(heads.face(), -rows, 1).transpose(axes)
        assert 1 - cut[face].mean() <= left + 0.01
        assert (rows == 0) == (cut == alone).all()
