"""A face is found where there is one and removed whole; nothing else is ever called defaced."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import read_mask
from chorus_nb.faces.acceptance import LIMITS, Limit, Measures, measure, posed, refusals
from chorus_nb.faces.masks import paths
from chorus_nb.faces.registration import Pose, register_head
from chorus_nb.faces.study import Asked, remove_faces
from chorus_nb.faces.volume import Grid, Volume, grid
from chorus_nb.source import open_source
from tests import heads


def found(volume: Volume) -> tuple[Grid, Pose, list[str], Measures]:
    even = grid([volume])
    pose = register_head(even, volume.modality)
    measures = measure(even, pose, posed(even, pose))
    return even, pose, refusals(measures, volume.modality), measures


@cache
def demo_head() -> tuple[Grid, Pose, list[str], Measures]:
    return found(heads.head("T1"))


def test_the_demo_head_is_accepted_and_its_face_goes_while_its_brain_stays(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "faces"
    names = heads.write(heads.head("CT"), source)
    [answer] = remove_faces(open_source(source), folder, [Asked("1", "face", tuple(names))], False)
    assert (answer.status, answer.reason) == ("defaced", "")
    removed = np.concatenate([read_mask(folder, answer.mask, name).mask for name in names])
    assert removed[heads.face()].mean() >= 0.95
    assert removed[np.isin(heads.tissues(), ("grey", "white"))].mean() < 0.02, "the phantom's brain fills its brow"
    assert answer.brain_ml == 0, "of the template's brain"
    assert read_mask(folder, answer.mask, names[0]).value == 24, "air"


def test_the_same_volume_gives_the_same_pose_every_time() -> None:
    _, pose, _, _ = demo_head()
    _, again, _, _ = found(heads.head("T1"))
    assert np.array_equal(pose.matrix, again.matrix)


def test_a_turned_head_gets_a_mask_that_is_turned_with_it() -> None:
    _, pose, _, _ = demo_head()
    case = next(heads.stress(heads.head("T1"), seed=3))
    even, turned, reasons, _ = found(case.volume)
    wanted = pose._replace(matrix=pose.matrix @ np.linalg.inv(case.moved), rivals=())
    should, does = (posed(even, one).face & even.head for one in (wanted, turned))
    assert reasons or (should & does).sum() >= 0.9 * should.sum()


@pytest.mark.parametrize(("name", "volume"), [*heads.negatives()], ids=[name for name, _ in heads.negatives()])
def test_what_is_no_head_with_a_face_is_never_called_defaced(name: str, volume: Volume) -> None:
    _, _, reasons, measures = found(volume)
    assert reasons or measures.face < 0.02, name


GOOD = Measures(0.96, 1.09, 1.0, 1.05, 5.0, 0.0, 0.15, 0.9, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.measure}{limit.modality}")
def test_each_limit_refuses_by_itself_and_says_why(limit: Limit) -> None:
    modality = limit.modality or "MR"
    assert refusals(GOOD, modality) == []
    beyond = limit.high + 0.001 if limit.high < np.inf else min(limit.low, limit.doubt) - 0.001
    for value in (beyond, float("nan")):
        [reason] = refusals(GOOD._replace(**{limit.measure: value}), modality)
        assert limit.reason in reason


@pytest.mark.parametrize("limit", [limit for limit in LIMITS if limit.doubt < np.inf], ids=lambda limit: limit.measure)
def test_a_measure_in_doubt_is_outvoted_only_where_all_others_are_sure(limit: Limit) -> None:
    doubtful = GOOD._replace(**{limit.measure: limit.doubt})
    assert refusals(doubtful, "MR") == []
    for other in LIMITS:
        if other.measure == limit.measure or other.modality not in ("", "MR"):
            continue
        unsure = other.sure - 0.001 if other.high == np.inf else other.sure + 0.001
        assert refusals(doubtful._replace(**{other.measure: unsure}), "MR"), f"{other.measure} is not sure"


def one_head() -> dict[str, Volume]:
    """What a study of one head holds beside its T1: by name, in the same frame of reference."""
    t2 = heads.head("T2")
    brain = np.isin(heads.tissues(), ("grey", "white", "csf"))
    random = np.random.default_rng(3)
    hiss = random.uniform(0, 1, brain.shape)
    noise = np.abs(random.normal(0, 40, brain.shape))
    bare = np.where(brain, t2.values, noise)
    left_by = t2.affine + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4])

    def few(volume: Volume, *places: int) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * places[0]
        affine[:3, 2] *= places[1] - places[0] if len(places) > 1 else 1
        return volume._replace(values=volume.values[list(places)].astype("f4"), affine=affine)

    return {
        "t2": t2,
        "dwi": few(t2._replace(values=bare), *range(8, 64, 4)),
        "moved by 5 mm": few(t2._replace(values=bare, affine=left_by), *range(8, 64, 4)),
        "adc": few(t2._replace(values=np.where(brain, 700 + noise, hiss * 3000)), 20, 30, 40),
        "phase": few(t2._replace(values=np.where(brain, 2000 + noise, hiss * 4095)), 20, 30, 40),
        "fa": few(t2._replace(values=np.where(brain, noise * 10, 0)), 20, 30, 40),
        "localizer": few(t2, 24, 34),
        "single": few(t2, 24),
    }


def test_the_face_of_one_series_goes_from_every_series_of_its_frame_of_reference(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "faces"
    volumes = one_head()
    t2 = volumes["t2"]
    away = np.array([[0, 0, 0, 0], [0, 0, 0, 70.0], [0, 0, 0, 0], [0] * 4])
    volumes |= {"t1": heads.head("T1"), "few away": t2._replace(values=t2.values[30:36], affine=t2.affine + away)}
    asked = []
    for name, volume in volumes.items():
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
    asked.append(asked[-1]._replace(series="decided", decision="deface", lead="t1"))
    (source / "mosaic").write_bytes(heads.mosaic(volumes["dwi"]))
    asked.append(Asked("mosaic", "face", ("mosaic",)))
    answers = {one.series: one for one in remove_faces(open_source(source), folder, asked, False)}
    away_one = answers.pop("few away")
    assert away_one.status == "not_defaced", "it lies where the head is not"
    assert {name: one.status for name, one in answers.items()} == dict.fromkeys(answers, "defaced")
    assert {name: one.shared_from for name, one in answers.items()} == dict.fromkeys(answers, "t1") | {"t1": ""}
    assert all(one.brain_ml == 0 for one in answers.values())
    tiles = read_mask(folder, answers["mosaic"].mask, "mosaic").mask[0].reshape(4, heads.SIZE, 4, heads.SIZE)
    alone = sorted(path.name for path in (source / "dwi").iterdir())
    slices = [read_mask(folder, answers["dwi"].mask, f"dwi/{name}").mask[0] for name in alone]
    assert np.array_equal(tiles.transpose(0, 2, 1, 3).reshape(16, heads.SIZE, heads.SIZE)[:14], slices)
    moved = "moved by 5 mm"
    names = sorted(path.name for path in (source / moved).iterdir())
    removed = np.stack([read_mask(folder, answers[moved].mask, f"{moved}/{name}").mask[0] for name in names])
    assert removed[heads.face()[8:64:4]].mean() >= 0.95


def test_without_a_pose_to_share_too_few_slices_are_held(tmp_path: Path) -> None:
    volume = heads.head("CT")
    names = heads.write(volume._replace(values=volume.values[:5]), tmp_path / "source")
    [answer] = remove_faces(
        open_source(tmp_path / "source"), tmp_path / "faces", [Asked("1", "face", tuple(names))], False
    )
    assert (answer.status, answer.reason) == ("not_defaced", "too few slices")


def test_a_damaged_file_costs_itself_only_and_a_series_of_them_that_series(tmp_path: Path) -> None:
    volume = heads.head("CT")
    source = tmp_path / "source"
    asked = []
    for name in ("whole", "broken"):
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
    for path in [source / "whole" / "030.dcm", *(source / "broken").iterdir()]:
        path.write_bytes(path.read_bytes()[:-5000])
    answers = {one.series: one for one in remove_faces(open_source(source), tmp_path / "faces", asked, False)}
    whole = answers["whole"]
    assert (whole.status, whole.left_out, whole.remembered) == ("defaced", ("whole/030.dcm",), False)
    assert "whole/030.dcm" not in paths(tmp_path / "faces", whole.mask)
    assert (answers["broken"].status, answers["broken"].reason[:23]) == ("not_defaced", "could not be looked at ")


def test_a_real_head_loses_its_face_and_keeps_its_brain(shared: Path, tmp_path: Path) -> None:
    source = shared / "dicom" / "commontk__CTKData" / "Data" / "DICOM" / "MRHEAD"
    names = sorted(path.name for path in source.iterdir())
    [answer] = remove_faces(open_source(source), tmp_path / "faces", [Asked("1", "pixels", tuple(names))], False)
    assert (answer.status, answer.brain_ml) == ("defaced", 0)
    assert answer.measures and answer.measures.nose == answer.measures.front == 1


def test_a_tilted_head_cut_below_the_orbits_is_defaced_or_held_and_never_passed(shared: Path, tmp_path: Path) -> None:
    source = shared / "dicom" / "neurolabusc__dcm_qa_ct" / "In" / "GE"
    names = sorted(path.name for path in source.iterdir())
    [answer] = remove_faces(open_source(source), tmp_path / "faces", [Asked("1", "face", tuple(names))], False)
    assert answer.status in ("defaced", "not_defaced")
    assert answer.mask, "a reviewer can look at what would go"
