"""A head is told by its pixels, whatever its header says, its slices are and lies around it; what is none, too."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import asking, judge, stacks
from chorus_nb.faces.braincase import Enclosed
from chorus_nb.faces.heads import HeadAnswer, head_in
from chorus_nb.faces.needs import need
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
    "CT, on its side": lambda: heads.turned(CT, 0, 90, 0),
    "CT, looking down": lambda: heads.turned(CT, -90, 0, 0),
    "CT, dark for bright": lambda: CT._replace(values=CT.values.max() - CT.values),
    "CT, in bandages of 30 mm": lambda: heads.wrapped(CT, 30),
    "MR": lambda: T1,
    "MR, on its side": lambda: heads.turned(T1, 0, 90, 0),
    "MR, upside down": lambda: heads.turned(T1, 180, 0, 0),
    "MR, dark for bright": lambda: T1._replace(values=T1.values.max() - T1.values),
    "MR, whole body, arms beside the head": lambda: heads.on_a_body(T1, arms=True),
    "MR, face alone": lambda: heads.below(T1, 0),
    "PT": heads.pet,
}
OTHERS: dict[str, Made] = {
    **{name: lambda name=name: heads.negatives()[name] for name in heads.negatives() if name != "skull-stripped brain"},
    "CT, trunk with a pelvis": lambda: heads.below(heads.on_a_body(CT), -150),
    "MR, trunk": lambda: heads.below(heads.on_a_body(T1), -150),
}


WORDS = {  # body part, series, study
    "blank": ("", "", ""),
    "wrong part": ("CHEST", "LUNG 1.0", "CT CHEST"),
    "hip": ("HIP", "AX HIP", "HIP LEFT"),
    "hippocampus": ("", "T1 HIPPOCAMPUS", ""),
    "arm": ("ARM", "T1 ARM", ""),
    "leg": ("LEG", "LEG LEFT", "LEGACY"),
    "thigh": ("", "EYES TO THIGH", "PET"),
    "vertex": ("", "PET AC VERTEX TO THIGH", ""),
    "arch": ("", "CTA AORTA ARCH-COW", ""),
    "spine": ("SPINE", "WHOLE SPINE", ""),
    "panscan": ("CHEST", "5.0", "TRAUMA PANSCAN"),
}


@functools.cache
def answer_of(name: str) -> HeadAnswer:
    return head_in([(HEADS | OTHERS)[name]()])


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_told_whatever_lies_around_it_and_is_cut_off(name: str) -> None:
    assert answer_of(name).may_be


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_head_is_not_held_for_one(name: str) -> None:
    answer = answer_of(name)
    assert not answer.may_be and answer.why


def test_no_wording_of_the_header_lets_a_head_go_nor_holds_another_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every volume under every wording, by what the pixels said above; the table is printed."""
    volumes = [*HEADS, *OTHERS]
    answers = {name: answer_of(name) for name in volumes}
    monkeypatch.setattr(judge.asking, "answers", lambda _, asked: {one.series: answers[one.series] for one in asked})
    monkeypatch.setattr(
        judge, "remove_faces", lambda _, __, asked, *___: [FaceFound(a.series, "searched", "") for a in asked]
    )
    said: dict[str, dict[str, str]] = {}
    for wording, words in WORDS.items():
        asked = tuple(Asked(name, need(name[:2], "ORIGINAL", *words)[0], ("a",)) for name in volumes)
        found = judge._faces_of_group(open_source(tmp_path), tmp_path, asked, ("apply", False), "")
        said[wording] = {one.series: one.status for one in found}
    table = pd.DataFrame(said).reindex(volumes)
    with capsys.disabled():
        print("\n" + table.replace({"searched": "face", "no_head": "-"}).to_string())
    assert (table.loc[list(HEADS)] == "searched").all(axis=None)
    assert (table.loc[list(OTHERS)] == "no_head").all(axis=None)


def test_a_slab_of_a_pelvis_is_let_go_and_one_of_a_head_is_not() -> None:
    """A ring of bone deep in a wide body; a shell close under the skin, however little of it is shown."""
    slab = heads.below(heads.above(heads.on_a_body(CT), -560), -524)
    answer = head_in([slab], thin=True)
    assert not answer.may_be and answer.enclosed > 500
    body = heads.on_a_body(T1)
    for low in (-560, -512, -424):  # of the last two an end is rounded off
        slab = heads.below(heads.above(body, low), low + 36)
        assert not head_in([slab], thin=True).may_be, "by its width alone"
    for start in (24, 40, 56):
        assert head_in([plane(CT, 2, *range(start, start + 8))], thin=True).may_be


def test_the_ring_of_a_pelvis_is_no_skull_and_nothing_around_a_head_makes_it_one() -> None:
    """By depth, width and gaps of the ring, each of which tells by itself."""
    assert answer_of("CT, on its side").why.startswith("bone close under the skin")
    assert answer_of("CT, trunk with a pelvis").why.startswith("bone encloses"), "and nothing else was asked"
    skull = Enclosed(1200, np.zeros(3, int), np.ones(3, int), depth=7, width=171, bony=0.93)
    pelvis = skull._replace(depth=15, width=291)
    assert skull.is_skull and not skull.is_pelvis
    assert pelvis.is_pelvis and not pelvis.is_skull
    for other in (pelvis._replace(width=220), pelvis._replace(depth=9), pelvis._replace(depth=float("nan"))):
        assert not other.is_pelvis, "doubt"
    assert skull._replace(depth=45).is_skull, "wrapped"
    assert not skull._replace(depth=45, bony=0.8).is_skull, "ribs have gaps"
    assert not skull._replace(bony=0.6).is_skull and not skull._replace(millilitres=80).is_skull


def written(folder: Path, **volumes: Volume) -> list[asking.HeadQuestion]:
    """The volumes as series in a folder each, in one frame of reference."""
    return [
        asking.HeadQuestion(
            name, tuple(f"{name}/{file}" for file in heads.write(volume, folder / name, SeriesDescription=name))
        )
        for name, volume in volumes.items()
    ]


def test_every_way_that_the_slices_of_a_series_lie_is_asked(tmp_path: Path) -> None:
    """A chest and, in the same series, a head across it: the chest has more slices."""
    chest = heads.negatives()["chest"]
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

    def answered(group: list[Volume], **_: bool) -> HeadAnswer:
        asked.append((group[0].modality, len(group[0].values)))
        return HeadAnswer(group[0].modality == "PT", "made up", enclosed=0.0 if group[0].modality == "CT" else np.nan)

    monkeypatch.setattr(asking, "head_in", answered)
    said = asking.answers(open_source(tmp_path), questions)
    assert asked == [("CT", 30), ("PT", 45)]
    assert (said["pt"].may_be, said["pt"].asked_of) == (False, "ct")
    assert (said["vertex"].may_be, said["vertex"].asked_of) == (True, "")


def test_a_picture_of_noise_or_phases_speaks_for_nothing_that_lies_there(tmp_path: Path) -> None:
    """Larger than the head, in its frame of reference; or in its very series, as another image of each place."""
    t1 = T1._replace(values=T1.values[::4, ::2, ::2], affine=T1.affine @ np.diag([2.0, 2, 4, 1]))
    values = np.random.default_rng(2).uniform(0, 900, (len(t1.values) + 4, *t1.values.shape[1:]))
    phases, head = written(tmp_path, phases=t1._replace(values=values.astype("f4")), head=t1)
    said = asking.answers(open_source(tmp_path), [phases, head])
    assert (said["phases"].may_be, said["head"].may_be, said["head"].asked_of) == (False, True, "")
    phases = phases._replace(paths=phases.paths[: len(t1.values)])
    [others] = written(tmp_path, others=t1._replace(values=values[::-1][: len(t1.values)].astype("f4")))
    lots = (phases.paths, head.paths, others.paths)
    in_turn = tuple(lots[(place + turn) % 3][place] for turn in range(3) for place in range(len(head.paths)))
    for paths in (phases.paths + head.paths, head.paths + phases.paths, sum(lots, ()), in_turn):
        answer = asking.answers(open_source(tmp_path), [head._replace(paths=paths)])["head"]
        assert (answer.may_be, answer.likeness) == (True, pytest.approx(said["head"].likeness))


@pytest.fixture
def decoded_frames(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SOP Instance UIDs of the files whose pixels were decoded."""
    seen, decoder_of = [], stacks.codecs.decoder_of

    def decoder(dataset: Dataset) -> object:
        seen.append(dataset.SOPInstanceUID)
        return decoder_of(dataset)

    monkeypatch.setattr(stacks.codecs, "decoder_of", decoder)
    return seen


LYING = {"ImageOrientationPatient": "1\\0\\0\\0\\1\\0", "EchoTime": "1", "Rows": "8", "Columns": "8"}
LYING |= {"PixelSpacing": "1\\1", "NumberOfFrames": "", "Modality": "CT"}


def in_thin_slices(volume: Volume) -> Volume:
    """The volume as slices 1.5 mm apart, of every other row and column."""
    steps, affine = round(volume.spacing[2] / 1.5), volume.affine.copy()
    affine[:3, :3] @= np.diag([2, 2, 1.5 / volume.spacing[2]])
    return volume._replace(values=np.repeat(volume.values[:, ::2, ::2], steps, axis=0), affine=affine)


def test_of_a_ct_that_is_no_head_slices_6_mm_apart_are_decoded_of_a_head_all(
    tmp_path: Path, decoded_frames: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is decoded twice, nor read twice; where the catalog says which lie so, the others are not even read."""
    placed, read = stacks._placed, list[str]()
    monkeypatch.setattr(stacks, "_placed", lambda source, path: read.append(path) or placed(source, path))
    chest = heads.negatives()["chest"]
    for name, volume, catalogued in (("chest", chest, False), ("again", chest, True), ("head", CT, True)):
        decoded_frames.clear()
        read.clear()
        thin = in_thin_slices(volume)
        [question] = written(tmp_path, **{name: thin})
        places = {"ImagePositionPatient": [f"0\\0\\{1.5 * number}" for number in range(len(thin.values))]}
        few = asking.coarse(pd.DataFrame({"source_path": question.paths, **places, **LYING}), question.paths)
        asked = question._replace(coarse=few if catalogued else ())
        answer = asking.answers(open_source(tmp_path), [asked])[name]
        assert answer.may_be == (name == "head")
        assert sorted(read) == sorted(few if name == "again" else question.paths)
        assert len(decoded_frames) == (len(thin.values) if name == "head" else pytest.approx(len(few), abs=1)), name
        assert len(set(decoded_frames)) == len(decoded_frames)


def test_what_another_series_answers_for_is_not_decoded(tmp_path: Path, decoded_frames: list[str]) -> None:
    chest = heads.negatives()["chest"]
    questions = written(tmp_path, thin=chest, thick=chest._replace(values=chest.values[:50]))
    said = asking.answers(open_source(tmp_path), questions)
    assert said["thick"] == said["thin"]._replace(asked_of="thin")
    assert len(decoded_frames) == len(chest.values)


def test_a_slice_that_cannot_be_decoded_lets_all_be_looked_at(tmp_path: Path, decoded_frames: list[str]) -> None:
    chest = in_thin_slices(heads.negatives()["chest"])
    [question] = written(tmp_path, chest=chest)
    broken = tmp_path / question.paths[0]
    broken.write_bytes(broken.read_bytes()[:-500])
    assert not asking.answers(open_source(tmp_path), [question])["chest"].may_be
    assert len(set(decoded_frames)) == len(chest.values)


def plane(volume: Volume, direction: int, *places: int) -> Volume:
    """Slices across an axis of a volume (0 = i, 1 = j, 2 = k), at these places."""
    axes = [*(axis for axis in range(3) if axis != direction), direction, 3]
    affine = volume.affine[:, axes].copy()
    affine[:3, 3] += volume.affine[:3, direction] * places[0]
    affine[:3, 2] *= places[1] - places[0] if len(places) > 1 else 1
    values = np.moveaxis(volume.values, 2 - direction, 0)[list(places)]
    return Volume(np.ascontiguousarray(values), affine, volume.modality)


def localizer(volume: Volume, apart: int = 0) -> dict[str, Volume]:
    """Slices through the middle in three directions, one or, that many voxels apart, three in each."""
    middle = np.array(volume.values.shape[::-1]) // 2
    beside = [-apart, 0, apart] if apart else [0]
    return {f"way {way}": plane(volume, way, *(int(middle[way]) + place for place in beside)) for way in range(3)}


def asked_together(folder: Path, volumes: dict[str, Volume]) -> HeadAnswer:
    """As one series."""
    paths = [path for one in written(folder, **volumes) for path in one.paths]
    return asking.answers(open_source(folder), [asking.HeadQuestion("few", tuple(paths))])["few"]


FEW: dict[str, Callable[[], dict[str, Volume]]] = {
    "CT, chin": lambda: {"few": plane(CT, 2, 10, 12, 14, 16)},
    "CT, mouth": lambda: {"few": plane(CT, 2, 25, 27, 29, 31)},
    "MR, mouth, a slab of 12 mm": lambda: {"few": plane(T1, 2, 25, 26, 27, 28)},
    "CT, a slice in each direction": lambda: localizer(CT),
    "MR, a slice in each direction": lambda: localizer(T1),
    "MR, three slices in each direction": lambda: localizer(T1, 4),
}


@pytest.mark.parametrize("made", FEW.values(), ids=FEW)
def test_a_few_slices_of_a_head_are_told_by_their_pixels(tmp_path: Path, made: Callable[[], dict[str, Volume]]) -> None:
    """No word of the header lets them go: less than ten slices, also below the braincase."""
    answer = asked_together(tmp_path, made())
    assert answer.may_be and not answer.likeness <= 1.77, "or a shell of bone tells"


def test_a_localizer_of_another_part_is_let_go_by_its_pixels(tmp_path: Path) -> None:
    chest = heads.negatives()["chest"]
    for number, apart in enumerate((0, 4)):
        answer = asked_together(tmp_path / str(number), localizer(chest, apart))
        assert not answer.may_be and answer.likeness < 2


def test_a_head_sent_slice_by_slice_each_as_a_series_is_asked_as_one(tmp_path: Path) -> None:
    alone = {f"at {place}": plane(T1, 2, place) for place in range(4, 72, 6)}
    questions = [one._replace(single=True) for one in written(tmp_path, **alone)]
    assert {one.may_be for one in asking.answers(open_source(tmp_path), questions).values()} == {True}
    assert set(asking.answers(open_source(tmp_path), questions[:2]).values()) == {asking.NO_VOLUME}


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
    assert asking.answers(open_source(tmp_path), [asking.HeadQuestion("mip", tuple(turned))])["mip"].may_be


@pytest.mark.parametrize("others", [0, 4])
def test_rows_of_slices_that_no_header_tells_may_be_a_head(tmp_path: Path, others: int) -> None:
    """A mosaic that lost its word and its private headers, alone and at several places."""
    paths = []
    for number in range(1 + others):
        dataset = dcmread(io.BytesIO(heads.mosaic(T1)))
        dataset.remove_private_tags()
        dataset.ImageType, dataset.InstanceNumber = ["ORIGINAL", "PRIMARY", "M"], number + 1
        dataset.ImagePositionPatient = [0, 0, 3 * number]
        paths.append(f"{number}.dcm")
        dataset.save_as(tmp_path / paths[-1])
    answer = asking.answers(open_source(tmp_path), [asking.HeadQuestion("rows", tuple(paths))])["rows"]
    assert answer.may_be and "mosaic" in answer.why


@pytest.mark.fast
@pytest.mark.parametrize(("height", "thin"), [(40, True), (55, True), (70, False)])
def test_a_coronal_series_is_thin_by_its_height_too(monkeypatch: pytest.MonkeyPatch, height: int, thin: bool) -> None:
    asked = []
    monkeypatch.setattr(asking, "head_in", lambda _, thin: asked.append(thin) or asking.NO_VOLUME)
    lies = np.array([[2.0, 0, 0, 0], [0, 0, 2, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    asking._asked([Volume(np.zeros((90, height, 100), "f4"), lies, "MR")])
    assert asked == [thin]


def test_what_cannot_be_asked_may_be_a_head(tmp_path: Path) -> None:
    [mosaic] = written(tmp_path, mosaic=T1)
    for path in (tmp_path / "mosaic").iterdir():
        path.write_bytes(path.read_bytes().replace(b"ORIGINAL\\PRIMARY", b"ORIGINAL\\MOSAIC "))
    assert asking.answers(open_source(tmp_path), [mosaic])["mosaic"].may_be
    [broken] = written(tmp_path, broken=T1)
    for path in (tmp_path / "broken").iterdir():
        path.write_bytes(path.read_bytes()[:-5000])
    answer = asking.answers(open_source(tmp_path), [broken])["broken"]
    alone = broken._replace(paths=broken.paths[:1])
    assert asking.answers(open_source(tmp_path), [alone])["broken"].may_be
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

    def answered(_: object, questions: list[asking.HeadQuestion]) -> dict[str, HeadAnswer]:
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
    ).assign(Modality="CT", Rows="8", Columns="8", PixelSpacing="1\\1", NumberOfFrames="")
    assert [int(path) for path in asking.sample(rows)] == [*range(0, 100, 4), *range(100, 200, 4)]
    placeless = rows.assign(ImagePositionPatient="")
    assert len(asking.sample(placeless)) == 200, "nothing is known of where they lie"
    a_pile = placeless.assign(Modality="DX", EchoTime="")
    assert len(asking.sample(a_pile)) == 100, "as many as are laid above one another"
    assert len(asking.sample(rows[:30])) == 30
    in_centimetres = rows[:72].assign(ImagePositionPatient=[f"0\\0\\{number * 0.25}" for number in range(72)])
    assert len(asking.sample(in_centimetres)) == 24
    again = pd.concat([rows, rows.assign(source_path="b" + rows.source_path), rows.assign(source_path="a")])
    places = {int(path) % 100 for path in asking.sample(rows)}
    assert set(asking.sample(again)) == {
        path for path in again.source_path if path == "a" or int(path[-3:]) % 100 in places
    }
    assert asking.coarse(again[again.EchoTime == "1"], again.source_path) == ()
    places = [f"0\\0\\{2.5 * number}" for number in range(100)]
    one_way = rows[:100].assign(ImagePositionPatient=places)
    paths = asking.sample(one_way)
    assert asking.coarse(one_way, paths) == (*paths[::2], paths[-1])
    for other in (one_way.assign(Modality="MR"), one_way.assign(ImagePositionPatient=""), rows):
        assert asking.coarse(other, other.source_path) == ()


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
