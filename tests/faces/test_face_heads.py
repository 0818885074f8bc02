"""A head is told by its pixels, whatever its header says, its slices are and lies around it; what is none, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import asking, judge, stacks
from chorus_nb.faces.heads import HeadAnswer, head_in
from chorus_nb.faces.study import Asked, FaceFound
from chorus_nb.faces.volume import Volume
from chorus_nb.source import open_source
from tests import heads

CT, T1 = heads.head("CT"), heads.head("T1")
Made = Callable[[], Volume]

HEADS: dict[str, Made] = {
    "CT": lambda: CT,
    "CT, whole body on a couch, arms beside the head": lambda: heads.on_a_body(CT, arms=True, couch=True),
    "CT, neck and shoulders": lambda: heads.above(heads.on_a_body(CT), -260),
    "CT, noise of 150 HU": lambda: next(case.volume for case in heads.stress(CT) if case.name == "8 % noise"),
    "CT, face alone": lambda: heads.below(CT, 0),
    "CT, field of the sinuses": lambda: heads.in_front(CT, 0),
    "CT, a bone window in 8 bits": lambda: CT._replace(values=np.clip((CT.values + 500) / 8, 0, 255).astype("f4")),
    "CT, 6 mm slices": lambda: next(case.volume for case in heads.stress(CT) if case.name == "6 mm slices"),
    "MR": lambda: T1,
    "MR, whole body, arms beside the head": lambda: heads.on_a_body(T1, arms=True),
    "MR, face alone": lambda: heads.below(T1, 0),
    "PT": heads.pet,
}
OTHERS: dict[str, Made] = {
    **{name: (lambda volume=volume: volume) for name, volume in heads.negatives() if name != "skull-stripped brain"},
    "CT, trunk with a pelvis": lambda: heads.below(heads.on_a_body(CT), -150),
    "MR, trunk": lambda: heads.below(heads.on_a_body(T1), -150),
}


@pytest.mark.parametrize("made", HEADS.values(), ids=HEADS)
def test_a_head_is_told_whatever_lies_around_it_and_is_cut_off(made: Made) -> None:
    assert head_in([made()]).may_be


@pytest.mark.parametrize("made", OTHERS.values(), ids=OTHERS)
def test_what_is_no_head_is_not_held_for_one(made: Made) -> None:
    answer = head_in([made()])
    assert not answer.may_be and answer.why


def written(folder: Path, **volumes: Volume) -> list[asking.Question]:
    """The volumes as series in a folder each, in one frame of reference."""
    return [
        asking.Question(
            name, tuple(f"{name}/{file}" for file in heads.write(volume, folder / name, SeriesDescription=name))
        )
        for name, volume in volumes.items()
    ]


def test_every_way_that_the_slices_of_a_series_lie_is_asked(tmp_path: Path) -> None:
    """A chest and, in the same series, a head across it: the chest has more slices."""
    chest = dict(heads.negatives())["chest"]
    turned = Volume(np.ascontiguousarray(CT.values.transpose(1, 0, 2)), CT.affine[:, [0, 2, 1, 3]], "CT")
    [one] = written(tmp_path, chest=chest)
    [other] = written(tmp_path, head=turned)
    both = one._replace(paths=one.paths + other.paths)
    assert asking.answers(open_source(tmp_path), [both])["chest"].may_be
    assert not asking.answers(open_source(tmp_path), [one])["chest"].may_be


def test_the_ct_of_a_pet_ct_answers_for_its_pet_as_far_as_it_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = Volume(np.full((30, 8, 8), -1000, "f4"), np.diag([60.0, 60.0, 10.0, 1.0]), "CT")
    trunk.affine[:2, 3] = -210
    pet = Volume(np.zeros((30, 8, 8), "f4"), np.diag([85.0, 85.0, 10.0, 1.0]), "PT")
    pet.affine[:2, 3] = -298
    longer = pet._replace(values=np.zeros((45, 8, 8), "f4"))
    questions = written(tmp_path, ct=trunk, pt=pet, vertex=longer)
    asked = []

    def answered(group: list[Volume], thin: bool) -> HeadAnswer:
        asked.append((group[0].modality, len(group[0].values)))
        return HeadAnswer(group[0].modality == "PT", "made up")

    monkeypatch.setattr(asking, "head_in", answered)
    said = asking.answers(open_source(tmp_path), questions)
    assert asked == [("CT", 30), ("PT", 45)]
    assert (said["pt"].may_be, said["pt"].asked_of) == (False, "ct")
    assert (said["vertex"].may_be, said["vertex"].asked_of) == (True, "")


@pytest.mark.parametrize(("other_part", "may_be"), [(False, True), (True, False)])
def test_words_decide_only_where_a_few_slices_cannot_tell(tmp_path: Path, other_part: bool, may_be: bool) -> None:
    [few, slab] = written(tmp_path, few=CT._replace(values=CT.values[40:46]), slab=CT._replace(values=CT.values[32:46]))
    for question, expected in ((few, may_be), (slab, True)):
        [said] = asking.answers(open_source(tmp_path), [question._replace(other_part=other_part)]).values()
        assert said.may_be == expected


def test_one_slice_many_times_is_no_volume_and_slices_in_many_directions_cannot_be_asked(tmp_path: Path) -> None:
    [copies] = written(tmp_path, copies=CT._replace(values=CT.values[40:41]))
    same = copies._replace(paths=copies.paths * 4)
    assert not asking.answers(open_source(tmp_path), [same])["copies"].may_be
    turned = []
    for degrees in range(0, 180, 15):
        volume = CT._replace(
            values=CT.values[40:41], affine=heads.about_middle(CT, heads.rotated(0, degrees, 0)) @ CT.affine
        )
        [one] = written(tmp_path, **{f"at {degrees}": volume})
        turned.extend(one.paths)
    assert asking.answers(open_source(tmp_path), [asking.Question("mip", tuple(turned))])["mip"].may_be


def test_what_cannot_be_asked_may_be_a_head(tmp_path: Path) -> None:
    [mosaic] = written(tmp_path, mosaic=T1)
    for path in (tmp_path / "mosaic").iterdir():
        path.write_bytes(path.read_bytes().replace(b"ORIGINAL\\PRIMARY", b"ORIGINAL\\MOSAIC "))
    assert asking.answers(open_source(tmp_path), [mosaic])["mosaic"].may_be
    [broken] = written(tmp_path, broken=T1)
    for path in (tmp_path / "broken").iterdir():
        path.write_bytes(path.read_bytes()[:-5000])
    answer = asking.answers(open_source(tmp_path), [broken])["broken"]
    assert answer.may_be and answer.why.startswith("could not be looked at")


@pytest.mark.parametrize(
    ("deface", "removed", "listed"),
    [
        (
            "apply",
            ["head", "silent", "hip"],
            {"head": "defaced", "knee": "no_head", "silent": "defaced", "hip": "defaced"},
        ),
        ("flag", [], {"head": "may_be_head", "knee": "no_head", "silent": "may_be_head", "hip": "may_be_head"}),
    ],
)
def test_only_what_no_word_names_is_let_go_by_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deface: str, removed: list[str], listed: dict[str, str]
) -> None:
    """``face`` is looked at though its pixels say no; ``pixels`` and ``other`` are let go, or go the same way."""
    looked = []

    def remove(source: object, folder: object, asked: list[Asked], ears: bool) -> list[FaceFound]:
        looked.extend(one.series for one in asked)
        return [FaceFound(one.series, "defaced", "") for one in asked]

    def answered(_: object, questions: list[asking.Question]) -> dict[str, HeadAnswer]:
        return {one.series: HeadAnswer(one.series in ("silent", "hip"), "by its pixels") for one in questions}

    monkeypatch.setattr(judge.asking, "answers", answered)
    monkeypatch.setattr(judge, "remove_faces", remove)
    needs = {"head": "face", "knee": "other", "silent": "pixels", "hip": "other"}
    asked = tuple(Asked(name, need, ("a",)) for name, need in needs.items())
    found = judge._faces_of_group(open_source(tmp_path), tmp_path, asked, (deface, False), "")
    assert looked == removed
    assert {one.series: one.status for one in found} == listed


def test_of_thin_slices_as_many_are_read_as_are_needed() -> None:
    rows = pd.DataFrame(
        {
            "source_path": [f"{number:03d}" for number in range(200)],
            "ImagePositionPatient": [f"0\\0\\{number % 100 * 0.75}" for number in range(200)],
            "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
            "EchoTime": ["1"] * 100 + ["2"] * 100,
        }
    ).assign(Rows="8", Columns="8", PixelSpacing="1\\1")
    assert [int(path) for path in asking.sample(rows)] == [*range(0, 100, 4), *range(100, 200, 4)]
    assert len(asking.sample(rows.assign(ImagePositionPatient=""))) == 200, "nothing is known of where they lie"
    assert len(asking.sample(rows[:30])) == 30


def test_real_heads_are_told(shared: Path) -> None:
    folders = {
        "commontk__CTKData/Data/DICOM/MRHEAD": float("nan"),
        "plotly__dash-vtk/demos/data/mri_brain": float("nan"),
        "neurolabusc__dcm_qa_ct/In/GE": 963,
    }
    for folder, enclosed in folders.items():
        source = open_source(shared / "dicom" / folder)
        paths = sorted(path.name for path in (shared / "dicom" / folder).iterdir())
        answer = head_in(stacks.stacks(stacks.load(source, paths)))
        assert answer.may_be, folder
        assert answer.enclosed == pytest.approx(enclosed, abs=20, nan_ok=True)
