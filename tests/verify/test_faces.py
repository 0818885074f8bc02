"""What may show a face is listed, and nobody is told otherwise."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
)

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.faces import judge
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.study import Asked, FaceFound
from chorus_nb.parameters import Parameters
from chorus_nb.source import Source
from chorus_nb.verify import bodies, checks, fronts, held_by_check, outlines, verify
from chorus_nb.verify.face_looks import FaceLook, Looking, beside
from chorus_nb.verify.faces import faces_left
from chorus_nb.verify.fronts import Front
from chorus_nb.verify.skulls import Levels, Skull, sampling_of
from chorus_nb.verify.slabs import face_beside
from chorus_nb.workspace import Workspace
from tests import heads
from tests.deid.small_run import SmallSite, run
from tests.faces.conftest import in_this_process

FOLDER = "1/Images/CT/2/3"
CROWNED = Skull(900.0, is_head=True, has_crown=True, juts=25.0)
WITH_FACE = Front(skull=0.88, seen=1.0, face=0.7, in_view=1.0, size=0.95, hollow=0.0)
PERHAPS = WITH_FACE._replace(face=0.35)
WITHOUT = WITH_FACE._replace(face=0.05)
GONE = WITHOUT._replace(face=0.0, placed=True)
NO_HEAD = WITH_FACE._replace(skull=0.4)


@pytest.fixture(autouse=True, scope="module")
def _laid_once() -> Iterator[None]:
    """The average head is laid once on the same body."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fronts, "_laid_on", heads.remembered(fronts._laid_on))
        yield


def findings(
    modality: str,
    body_part: str = "",
    study: str = "",
    series: str = "",
    mask: str = "",
    status: str = "",
    removes: bool = False,
    skull: Skull | None = None,
    front: Front | None = None,
    sop_class: str = CTImageStorage,
    files: int = 2,
) -> list[str]:
    paths = [f"{number:03d}.dcm" for number in range(files)]
    released = pd.DataFrame({"source_path": paths, "target_path": [f"{FOLDER}/{path}" for path in paths]})
    released = released.assign(face_mask=mask)
    row = {"Modality": modality, "BodyPartExamined": body_part, "StudyDescription": study, "SeriesDescription": series}
    row["SOPClassUID"] = sop_class
    catalog = pd.DataFrame([{"source_path": path, "SeriesInstanceUID": "1.2", **row} for path in paths])
    said = pd.DataFrame([{"series_uid": "1.2", "status": status, "head": "1 2"}] if status else [])
    looks = {FOLDER: FaceLook(skull, front)}
    return [finding.severity for finding in faces_left(released, catalog, said, looks, removes=removes)]


@pytest.mark.parametrize("said", [{"body_part": "HEAD"}, {"study": "MR BRAIN W/O"}, {"series": "C-SPINE 2.0"}])
def test_a_series_of_the_head_is_listed_once(said: dict[str, str]) -> None:
    assert findings("CT", **said) == ["medium"]  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [{}, {"body_part": "CHEST"}, {"series": "PET VERTEX TO THIGH"}])
def test_a_volume_whose_pixels_were_not_asked_is_listed_whatever_its_header_says(said: dict[str, str]) -> None:
    assert findings("MR", **said) == ["low"]  # type: ignore[arg-type]
    assert findings("MR", removes=True, **said) == ["high"]  # type: ignore[arg-type]


def test_a_face_that_flag_leaves_for_certain_waits_until_somebody_signs_for_it() -> None:
    assert findings("MR", "HEAD", status="may_be_head", files=10) == ["high"]
    assert findings("CT", "THIGH", status="may_be_head", skull=CROWNED) == ["high"]
    assert findings("MR", "HEAD", status="may_be_head", files=3) == ["medium"], "a localizer"
    assert findings("MR", "KNEE", status="may_be_head", files=90) == ["medium"], "not certain"
    assert findings("MR", "HEAD", status="as_it_is", files=10) == ["medium"], "signed for"


def test_what_is_no_volume_is_not_listed() -> None:
    assert findings("DX", "SKULL", sop_class=DigitalXRayImageStorageForPresentation) == []
    assert findings("DX", "SKULL") == ["medium"], "slices of a CT, whatever its Modality says"


def test_a_captured_page_of_a_head_shows_no_face_and_another_capture_may() -> None:
    for series, severity in (("Dose Report", []), ("3D", ["high"])):
        found = findings("CT", study="CT HEAD", series=series, removes=True, sop_class=SecondaryCaptureImageStorage)
        assert found == severity
    assert findings("CT", series="CHEST FILM", removes=True, sop_class=SecondaryCaptureImageStorage) == []


def test_a_face_on_record_as_removed_is_only_mentioned() -> None:
    assert findings("CT", "HEAD", mask="abc", status="defaced", removes=True) == ["info"]


@pytest.mark.parametrize(
    ("status", "severity"),
    [
        ("as_it_is", "medium"),
        ("no_face_in_view", "low"),
        ("came_without_face", "low"),
        ("no_head", "low"),
        ("may_be_head", "medium"),
        ("odd", "high"),
    ],
)
def test_where_faces_are_to_be_removed_a_head_needs_its_reason_to_leave_with_one(status: str, severity: str) -> None:
    assert findings("CT", "HEAD", status=status, removes=True) == [severity]


@pytest.mark.parametrize(
    ("skull", "severities"),
    [
        (CROWNED, ["high"]),
        (CROWNED._replace(has_crown=False), ["medium"]),  # a pelvis at the end of its field looks alike
        (CROWNED._replace(juts=0.0), ["medium"]),
        (CROWNED._replace(is_head=False), []),
    ],
)
def test_a_skull_that_03_did_not_see_is_shown(skull: Skull, severities: list[str]) -> None:
    assert findings("CT", "HIP", status="no_head", removes=True, skull=skull) == severities


def test_a_face_that_03_did_not_see_in_view_is_shown() -> None:
    assert findings("CT", "HEAD", status="no_face_in_view", removes=True, skull=CROWNED) == ["low", "high"]


def test_a_face_in_a_head_that_is_said_to_have_come_without_is_held() -> None:
    assert findings("CT", "HEAD", status="came_without_face", removes=True, skull=CROWNED) == ["low", "high"]
    receding = CROWNED._replace(juts=-20.0)
    assert findings("CT", "HEAD", status="came_without_face", removes=True, skull=receding) == ["low", "info"]


@pytest.mark.parametrize(("juts", "severities"), [(25.0, ["info", "high"]), (-10.0, ["info", "info"])])
def test_a_front_that_still_stands_where_it_is_on_record_as_removed_is_shown(
    juts: float, severities: list[str]
) -> None:
    skull = CROWNED._replace(juts=juts)
    assert findings("CT", "HEAD", mask="abc", status="defaced", removes=True, skull=skull) == severities


@pytest.mark.parametrize(
    ("juts", "front", "severity"),
    [
        (8.0, GONE, "medium"),  # a real head whose skull was opened at the forehead
        (16.0, GONE, "high"),
        (8.0, GONE._replace(placed=False), "high"),
        (8.0, GONE._replace(in_view=0.5), "high"),
        (8.0, GONE._replace(face=0.35), "high"),
    ],
)
def test_what_stands_before_an_opened_skull_is_no_certain_face_where_all_of_it_is_seen_to_be_gone(
    juts: float, front: Front, severity: str
) -> None:
    skull = CROWNED._replace(juts=juts)
    found = findings("CT", "HEAD", mask="abc", status="defaced", removes=True, skull=skull, front=front)
    assert found == ["info", severity]


@pytest.mark.parametrize("status", ["defaced", "came_without_face", "no_face_in_view", "no_head"])
@pytest.mark.parametrize(
    ("front", "severity"), [(WITH_FACE, "high"), (PERHAPS, "medium"), (WITHOUT, "info"), (NO_HEAD, "")]
)
def test_a_face_in_a_released_mr_is_held_whatever_03_said(status: str, front: Front, severity: str) -> None:
    """One that may be a face is shown to a person; a head without one is only mentioned."""
    mask = "abc" if status == "defaced" else ""
    found = findings("MR", "ARM", mask=mask, status=status, removes=True, front=front)
    on_record = findings("MR", "ARM", mask=mask, status=status, removes=True)
    assert found == [*on_record, *filter(None, [severity])]


@pytest.mark.parametrize(("front", "severities"), [(WITH_FACE, ["high"]), (PERHAPS, ["medium"]), (WITHOUT, ["info"])])
def test_a_face_in_what_03_did_not_ask_is_held(front: Front, severities: list[str]) -> None:
    """Whatever made it: 03 has no word about what it takes for no volume."""
    for removes in (True, False):
        assert findings("XA", sop_class=XRayAngiographicImageStorage, front=front, removes=removes) == severities
    assert beside("", FaceLook(None, WITH_FACE)) == "disagrees"


def test_a_head_whose_brain_went_with_its_face_is_held() -> None:
    hollow = WITHOUT._replace(hollow=0.1, placed=True)
    assert findings("MR", "HEAD", mask="abc", status="defaced", removes=True, front=hollow) == ["info", "high"]
    assert beside("defaced", FaceLook(None, hollow)) == "disagrees"


def test_what_flag_leaves_with_a_face_waits_for_a_person_whatever_its_header_says() -> None:
    for status in ("may_be_head", "not_asked"):
        assert findings("MR", "KNEE", status=status, front=WITH_FACE) == ["high"]
    assert findings("MR", "KNEE", status="may_be_head", front=PERHAPS) == ["medium", "info"]
    assert findings("MR", "HEAD", status="as_it_is", front=WITH_FACE) == ["medium", "info"], "signed for"


def test_a_doubt_is_told_once_a_head_and_a_face_for_every_series() -> None:
    folders = ["1/Images/MR/2/3", "1/Images/MR/2/4"]
    released = pd.DataFrame({"source_path": ["a", "b"], "target_path": [f"{one}/1.dcm" for one in folders]})
    row = {"Modality": "MR", "BodyPartExamined": "", "StudyDescription": "", "SeriesDescription": ""}
    row["SOPClassUID"] = CTImageStorage
    catalog = pd.DataFrame([{"source_path": path, "SeriesInstanceUID": path, **row} for path in "ab"])
    said = pd.DataFrame([{"series_uid": path, "status": "no_head", "head": "1 2"} for path in "ab"])
    for front, count in ((PERHAPS, 1), (WITH_FACE, 2)):
        looks = dict.fromkeys(folders, FaceLook(None, front))
        found = faces_left(released.assign(face_mask=""), catalog, said, looks, removes=True)
        assert len([one for one in found if one.severity in ("high", "medium")]) == count


@pytest.mark.parametrize("modality", ["MG", "RF"])
def test_frames_that_say_where_they_lie_are_looked_at_whatever_made_them(tmp_path: Path, modality: str) -> None:
    head = thinned(heads.head("T1"), 4)
    path = tmp_path / "frames"
    path.write_bytes(heads.enhanced(head, Modality=modality, SOPClassUID=BreastTomosynthesisImageStorage))
    assert look_at([path]).answer == "face"


def test_a_reconstructed_nm_volume_is_looked_at_where_its_detector_says(tmp_path: Path) -> None:
    head = thinned(heads.head("T1"), 4)
    dataset = dcmread(io.BytesIO(heads.enhanced(head, Modality="NM", SOPClassUID=NuclearMedicineImageStorage)))
    first, measures = (
        dataset.PerFrameFunctionalGroupsSequence[0][name][0]
        for name in ("PlanePositionSequence", "PixelMeasuresSequence")
    )
    first.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SpacingBetweenSlices = measures.PixelSpacing, float(head.spacing[2])
    dataset.DetectorInformationSequence = [first]
    del dataset.PerFrameFunctionalGroupsSequence
    for kind, answer in (("RECON TOMO", "face"), ("TOMO", "not_asked")):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
        dataset.save_as(tmp_path / "nm")
        assert look_at([tmp_path / "nm"]).answer == answer


def looked_at(volume: heads.Volume, folder: Path) -> FaceLook:
    return look_at([folder / name for name in heads.write(volume, folder)])


def look_at(paths: list[Path]) -> FaceLook:
    looking = Looking(len(paths))
    for path in paths:
        dataset = dcmread(path)
        looking.add(path, dataset, dataset.pixel_array)
    return looking.look()


def skull_in(paths: list[Path]) -> Skull | None:
    levels = Levels(len(paths))
    for path in paths:
        dataset = dcmread(path)
        levels.add(dataset.pixel_array, sampling_of(dataset), np.array(dataset.ImagePositionPatient, float))
    return levels.skull()


def as_body(volume: heads.Volume) -> bodies.Body:
    """As the files of :func:`heads.write` would give it."""
    ways = (volume.affine[:3, :2] / volume.spacing[:2]).T.ravel()
    corners = [volume.affine[:3, 3] + number * volume.affine[:3, 2] for number in range(len(volume.values))]
    apart = (volume.spacing[1], volume.spacing[0])
    planes = [bodies._blocks(plane, apart) for plane in volume.values]
    stack = [
        bodies.PlacedSlice(Path(), number, corner, ways, apart, plane, volume.modality == "CT")
        for number, (corner, plane) in enumerate(zip(corners, planes, strict=True))
    ]
    body = bodies.body_of(stack)
    assert isinstance(body, bodies.Body)
    return body


FORGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it should be": lambda mask: mask,
    "emptied": np.zeros_like,
    "moved 40 mm forward": lambda mask: np.roll(mask, -15, axis=1) & mask,
    "moved 40 mm down": lambda mask: np.roll(mask, -12, axis=0) & mask,
    "over the brain too": lambda mask: mask | np.roll(mask, (25, 15), axis=(0, 1)),
    "the back for the front": lambda mask: np.flip(mask, axis=1),
    "upside down": lambda mask: np.flip(mask, axis=0),
    "rows for columns": lambda mask: mask.transpose(0, 2, 1),
}


@pytest.mark.parametrize("kind", ["CT", "T1"])
def test_a_mask_that_is_forged_is_told_by_what_it_leaves(kind: str) -> None:
    """The source shows where the face was; what is filled elsewhere leaves it, or takes the brain."""
    head = heads.head(kind)
    z, y, _ = heads.places()
    mask = np.broadcast_to((z < 8) & (z > -100) & (y < -45), head.values.shape)
    whole = fronts.laid_on(as_body(head))
    assert whole and whole.front.has_face
    told = {}
    for name, forged in FORGED.items():
        values = np.where(forged(mask), head.values.min(), head.values).astype("f4")
        left = fronts.left_of(whole, as_body(head._replace(values=values)))
        told[name] = left.has_face or left.is_hollow
    assert told == {name: name != "as it should be" for name in FORGED}


@pytest.mark.parametrize("kind", ["T1", "PT"])
def test_the_verifier_sees_a_face_in_mr_and_pt_and_that_it_was_removed(tmp_path: Path, kind: str) -> None:
    head = heads.pet() if kind == "PT" else heads.head(kind)
    assert looked_at(head, tmp_path / "whole").answer == "face"
    z, y, _ = heads.places()
    zone = np.broadcast_to((z < 5) & (y < -45), head.values.shape)
    cut = head._replace(values=np.where(zone, np.percentile(head.values, 1), head.values).astype("f4"))
    assert looked_at(cut, tmp_path / "cut").answer == "no_face"


@pytest.mark.parametrize("lies", ["face down", "on its side", "dark for bright"])
def test_the_verifier_sees_a_face_that_lies_otherwise_than_its_header_says(lies: str) -> None:
    t1 = heads.head("T1")
    made = {
        "face down": lambda: heads.turned(t1, 0, 180, 0),
        "on its side": lambda: heads.turned(t1, 0, 90, 0),
        "dark for bright": lambda: t1._replace(values=t1.values.max() - t1.values),
    }
    laid = fronts.laid_on(as_body(made[lies]()))
    assert laid and laid.front.has_face and laid.inverted == (lies == "dark for bright")


def test_a_rim_is_brighter_than_the_middle_by_their_medians() -> None:
    random, told = np.random.default_rng(3), set()
    for _ in range(2000):
        values = random.integers(0, random.integers(2, 6), random.integers(1, 6, 3)).astype("f4")
        rim = np.ones(values.shape, bool)
        rim[:, 1:-1, 1:-1] = False
        wanted = bool(not rim.all() and np.median(values[rim]) > np.median(values[~rim]))
        body = bodies.Body(values, np.eye(3), np.zeros(3), is_ct=False)
        assert outlines.is_bright_around(body) == wanted, values
        told.add(wanted)
    assert told == {True, False}


def test_the_verifier_looks_at_each_picture_of_a_place_and_at_every_device(tmp_path: Path) -> None:
    """Noise and a head, whose Modality names none that it looks at; a head without its face, and with it."""
    head, random = thinned(heads.head("T1"), 5, 2), np.random.default_rng(2)
    face = thinned(heads.head("T1")._replace(values=heads.face()), 5, 2).values
    front = np.logical_or.reduce([np.roll(face, by, axis=1) for by in range(-8, 9)])
    volumes = {"head": head, "faceless": head._replace(values=np.where(front, 0, head.values).astype("f4"))}
    for name in ("noise", "another"):
        volumes[name] = head._replace(values=random.uniform(0, 900, head.values.shape).astype("f4"))
    files = {
        name: [tmp_path / name / file for file in heads.write(volume, tmp_path / name, Modality="MG")]
        for name, volume in volumes.items()
    }
    whole, noise, another, without = (files[name] for name in ("head", "noise", "another", "faceless"))
    lots = (noise, whole, another)
    in_turn = [lots[(place + turn) % 3][place] for turn in range(3) for place in range(len(whole))]
    for paths in (noise + whole, whole + noise, noise + whole + another, in_turn, without + whole + without):
        assert look_at(paths).answer == "face"
    assert look_at(without + without).answer != "face"


@pytest.mark.parametrize(
    "among", ["a file of no volume", "a slice of another size", "another frame of reference", "a frame for each slice"]
)
def test_what_else_a_series_holds_hides_no_face_from_the_verifier(tmp_path: Path, among: str) -> None:
    head = thinned(heads.head("T1"), 5, 2)
    paths = [tmp_path / "head" / name for name in heads.write(head, tmp_path / "head")]
    if among == "another frame of reference":  # larger, and between the slices of the head
        beside, noise = head.affine.copy(), np.random.default_rng(2)
        beside[2, 3] -= 7
        values = noise.uniform(0, 900, (len(head.values) + 3, *head.values.shape[1:])).astype("f4")
        other = heads.write(head._replace(values=values, affine=beside), tmp_path / "b", FrameOfReferenceUID="1.2.9")
        paths += [tmp_path / "b" / name for name in other]
    elif among == "a frame for each slice":
        for number, path in enumerate(paths):
            odd = dcmread(path)
            odd.FrameOfReferenceUID = f"1.2.9.{number}"
            odd.save_as(path)
    else:
        odd = dcmread(paths[4])
        if among == "a file of no volume":
            odd.Modality, odd.SOPClassUID = "OT", "1.2.840.10008.5.1.4.1.1.7"
        else:
            odd.Rows //= 2
            odd.PixelData = odd.PixelData[: len(odd.PixelData) // 2]
        odd.save_as(paths[4])
    for look in (look_at(paths), look_at(paths[::-1])):
        assert look.answer == "face" and look.front and not look.front.few


@pytest.mark.parametrize("modality", ["DX", "OT"])
def test_a_face_is_seen_in_a_stack_of_any_modality_and_class(tmp_path: Path, modality: str) -> None:
    """A stack that says where it lies: cone beam CT comes so."""
    made = heads.write(
        thinned(heads.head("T1"), 5, 2), tmp_path, Modality=modality, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1"
    )
    assert look_at([tmp_path / name for name in made]).answer == "face"


def test_each_frame_has_a_scale_of_its_own() -> None:
    dataset, groups = Dataset(), []
    for intercept in (-1024, 0):
        group, scale, place, measures, way = (Dataset() for _ in range(5))
        scale.RescaleSlope, scale.RescaleIntercept = 2, intercept
        place.ImagePositionPatient, measures.PixelSpacing = [0, 0, intercept], [4, 4]
        way.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [way]
        group.PixelMeasuresSequence, group.PixelValueTransformationSequence = [measures], [scale]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence, dataset.NumberOfFrames, dataset.RescaleIntercept = groups, 2, 7
    found = bodies._slices(Path(), dataset, np.full((2, 4, 4), 10))
    assert [float(one.plane.mean()) for one in found] == [-1004, 20]


def as_united_imaging(path: Path) -> None:
    """No more rows of slices than it takes, and no place."""
    dataset = dcmread(path)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "VFRAME"]
    dataset.Rows -= heads.SIZE
    dataset.PixelData = dataset.PixelData[: dataset.Rows * dataset.Columns * 2]
    del dataset.ImagePositionPatient
    dataset.save_as(path)


@pytest.mark.parametrize("maker", ["Siemens", "United Imaging"])
def test_a_mosaic_is_asked_slice_by_slice_and_its_word_hides_no_head(tmp_path: Path, maker: str) -> None:
    """How many slices stand in it is told by the air along their seams: the private headers are gone."""
    head, (z, y, _) = heads.head("T1"), heads.places()
    was, left = tmp_path / "source.dcm", tmp_path / "released.dcm"
    was.write_bytes(heads.mosaic(head))
    left.write_bytes(heads.mosaic(head._replace(values=np.where((z < 15) & (y < -50), 0, head.values).astype("f4"))))
    for path in (was, left) if maker == "United Imaging" else ():
        as_united_imaging(path)
    assert look_at([was]).answer == "face"
    for path, answer in ((left, "no_face"), (was, "face")):
        dataset = dcmread(path)
        dataset.remove_private_tags()
        looking = Looking(1)
        looking.add(path, dataset, dataset.pixel_array)
        look = looking.look(lambda _: was.read_bytes())
        assert look.answer == answer and look.front and look.front.placed
    named = heads.write(head, tmp_path / "named", ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert look_at([tmp_path / "named" / name for name in named]).answer == "face"


@pytest.mark.parametrize("times", [1, 3])
def test_a_mosaic_that_lost_its_word_hides_no_head(tmp_path: Path, times: int) -> None:
    paths = [tmp_path / f"{number}.dcm" for number in range(times)]
    for path in paths:
        path.write_bytes(heads.mosaic(heads.head("T1")))
        dataset = dcmread(path)
        dataset.remove_private_tags()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        dataset.save_as(path)
    look = look_at(paths)
    assert look.answer == "face" and look.front and not look.front.few


def test_a_mosaic_that_lost_its_word_is_found_behind_other_pictures(tmp_path: Path) -> None:
    head = heads.head("T1")
    noise = head._replace(values=np.random.default_rng(2).uniform(0, 900, head.values.shape).astype("f4"))
    (tmp_path / "1.dcm").write_bytes(heads.mosaic(noise))
    (tmp_path / "2.dcm").write_bytes(heads.mosaic(head))
    paths = [tmp_path / "1.dcm", tmp_path / "2.dcm"]
    for path in paths:
        dataset = dcmread(path)
        dataset.remove_private_tags()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        dataset.save_as(path)
    flat = [tmp_path / "flat" / name for name in heads.write(noise, tmp_path / "flat")[:4]]
    assert look_at([*flat, *paths]).answer == "face"


@pytest.mark.parametrize("aside", [(40, 0, 0), (40, 0, 0.7), (0, 25, 1)])
def test_a_head_beside_noise_is_seen_though_their_slices_interleave(tmp_path: Path, aside: tuple[float, ...]) -> None:
    head = thinned(heads.head("T1"), 2)
    noise = head._replace(values=np.random.default_rng(2).uniform(0, 900, head.values.shape).astype("f4"))
    affine = head.affine.copy()
    affine[:3, 3] += aside
    paths = [tmp_path / "1" / name for name in heads.write(noise, tmp_path / "1")]
    paths += [tmp_path / "2" / name for name in heads.write(head._replace(affine=affine), tmp_path / "2")]
    assert look_at(paths).answer == "face"


def test_a_few_slices_are_asked_where_another_series_says_how_the_head_lies(tmp_path: Path) -> None:
    """Too few to find a head in; 03 took the face that it found in the other series."""
    head, (z, y, _) = heads.head("T1"), heads.places()
    whole = heads.write(thinned(head, 2), tmp_path / "whole")
    read = lambda name: (tmp_path / "whole" / name).read_bytes()  # noqa: E731
    cut = head._replace(values=np.where((z < 15) & (y < -50), 0, head.values).astype("f4"))
    for name, first, answers in (("mouth", 22, ("face", "no_face")), ("crown", 60, ("no_face", "no_face"))):
        below = head.affine.copy()
        below[:3, 3] += below[:3, 2] * first
        was, left = (
            [
                tmp_path / name / kind / file
                for file in heads.write(
                    volume._replace(values=volume.values[first : first + 9], affine=below), tmp_path / name / kind
                )
            ]
            for kind, volume in (("was", head), ("left", cut))
        )
        source = dict(zip([*was, *left], [*was, *was], strict=True))
        for paths, masked, answer in zip((was, was, left), (False, True, True), (answers[0], *answers), strict=True):
            looking = Looking(len(paths))
            for path in paths:
                dataset = dcmread(path)
                looking.add(path, dataset, dataset.pixel_array)
            original = (lambda path, source=source: source[path].read_bytes()) if masked else None
            look = looking.look(original, functools.partial(face_beside, read, whole))
            assert look.answer == answer and look.front and look.front.placed, (name, masked)


def test_the_verifier_sees_no_head_in_another_part_and_says_what_it_could_not_ask(tmp_path: Path) -> None:
    trunk = heads.below(heads.on_a_body(heads.head("T1")), -350)
    look = looked_at(trunk, tmp_path / "trunk")
    assert look.answer == "no_head" and beside("no_head", look) == "agrees"
    few = heads.head("T1")
    look = looked_at(few._replace(values=few.values[:2]), tmp_path / "few")
    assert (look.answer, look.why, beside("no_head", look)) == (
        "not_asked",
        "fewer than ten slices or 50 mm",
        "not_asked",
    )


@pytest.mark.parametrize(
    ("name", "made", "answer"),
    [
        ("eyes", lambda: heads.below(heads.above(heads.head("T1"), 0), 36), "face"),
        ("profile", lambda: across(heads._cut(heads.head("T1"), 0, lambda x: abs(x) < 18)), "face"),
        ("crown", lambda: heads.below(heads.above(heads.head("T1"), 60), 96), "no_head"),
        ("trunk", lambda: heads.below(heads.above(heads.on_a_body(heads.head("T1")), -400), -364), "no_head"),
        ("abdomen", lambda: heads.below(heads.above(heads.on_a_body(heads.head("CT")), -400), -364), "no_head"),
    ],
)
def test_in_a_few_slices_alone_a_face_is_told_and_no_other_part_is_one(
    name: str, made: Callable[[], heads.Volume], answer: str, tmp_path: Path
) -> None:
    look = looked_at(made(), tmp_path)
    assert look.answer == answer and look.front and look.front.few
    assert beside("no_head", look) == ("disagrees" if answer == "face" else "agrees")


@pytest.mark.parametrize("whole", ["a trunk", "its head without the face", "the same in another frame of reference"])
def test_a_face_in_a_few_slices_beside_a_whole_stack_is_told(tmp_path: Path, whole: str) -> None:
    """A series holds both: the stack that is enough for a head does not answer for the rest."""
    head, (z, y, _) = heads.head("T1"), heads.places()
    cut = head._replace(values=np.where((z < 15) & (y < -50), 0, head.values).astype("f4"))
    trunk = heads.below(heads.on_a_body(head), -350)
    slab = lambda volume: across(heads._cut(volume, 0, lambda x: abs(x) < 18))  # noqa: E731
    frame = {"FrameOfReferenceUID": "1.2.9"} if whole.startswith("the same") else {}

    def written(name: str, first: heads.Volume, few: heads.Volume) -> list[Path]:
        folders = (tmp_path / name / "whole", first, frame), (tmp_path / name / "few", few, {})
        return [path / file for path, volume, of in folders for file in heads.write(volume, path, **of)]

    first = trunk if whole == "a trunk" else head
    was = written("was", first, slab(head))
    for name, few, answer in (("left", slab(head), "face"), ("cut", slab(cut), None)):
        left = written(name, trunk if whole == "a trunk" else cut, few)
        source = dict(zip(left, was, strict=True))
        for paths in (left, left[::-1]):
            looking = Looking(len(paths))
            for path in paths:
                dataset = dcmread(path)
                looking.add(path, dataset, dataset.pixel_array)
            look = looking.look(lambda path, source=source: source[path].read_bytes())
            assert look.answer == answer if answer else not look.may_have_face, (name, look)


def across(volume: heads.Volume) -> heads.Volume:
    """The same in sagittal slices."""
    return volume._replace(
        values=np.ascontiguousarray(volume.values.transpose(2, 0, 1)), affine=volume.affine[:, [1, 2, 0, 3]]
    )


def test_a_file_that_cannot_be_taken_in_costs_the_look_and_no_other_check(ct_files: list[Path]) -> None:
    looking, dataset = Looking(2), dcmread(ct_files[0])
    looking.add(ct_files[0], dataset, dataset.pixel_array)
    looking.add(ct_files[0], dataset, np.zeros(3))  # as a damaged file may decode
    with pytest.raises(ValueError):
        looking.look()


def thinned(volume: heads.Volume, planes: int, pixels: int = 1) -> heads.Volume:
    """Every so many planes, and pixels of them: as fit for a look, in less files and time."""
    affine = volume.affine @ np.diag([pixels, pixels, planes, 1.0])
    values = np.ascontiguousarray(volume.values[::planes, ::pixels, ::pixels])
    return volume._replace(values=values, affine=affine)


def made(volume: heads.Volume, folder: Path) -> Skull | None:
    return skull_in([folder / name for name in heads.write(volume, folder)])


@pytest.fixture(scope="module")
def ct_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("ct")
    return [folder / name for name in heads.write(thinned(heads.head("CT"), 2), folder)]


def test_the_verifier_tells_a_head_and_its_face_by_the_pixels_of_the_release(
    ct_files: list[Path], tmp_path: Path
) -> None:
    whole = skull_in(ct_files)
    assert whole and whole.has_face and whole.has_crown and whole.enclosed > 500
    head = heads.head("CT")
    in_front = heads.places()[1] + 0 * heads.places()[0] < -40
    low = heads.places()[0] < 20
    cut = head._replace(values=np.where(in_front & low, -1000, head.values).astype("f4"))
    faceless = made(thinned(cut, 2), tmp_path / "cut")
    assert faceless and faceless.is_head and not faceless.has_face
    body = made(thinned(heads.on_a_body(head, arms=True, couch=True), 2), tmp_path / "body")
    assert body and body.has_face


@pytest.mark.parametrize("away", ["1e6", "1e12", "nan"])
def test_a_slice_far_away_hides_no_head_and_takes_no_memory(ct_files: list[Path], tmp_path: Path, away: str) -> None:
    dataset = dcmread(ct_files[3])
    dataset["ImagePositionPatient"].value = ["0", "0", away]
    dataset.save_as(tmp_path / "far.dcm")
    skull = skull_in([*ct_files[:3], tmp_path / "far.dcm", *ct_files[4:]])
    assert skull and skull.has_face


def test_the_verifier_takes_no_trunk_for_a_head(tmp_path: Path) -> None:
    chest = made(thinned(heads.negatives()["chest"], 2), tmp_path / "chest")
    assert chest and not chest.is_head
    trunk = made(thinned(heads.below(heads.on_a_body(heads.head("CT")), -350), 2), tmp_path / "trunk")
    assert trunk and trunk.enclosed > 500 and not trunk.is_head
    assert made(thinned(heads.head("T1"), 8), tmp_path / "mr") is None, "asked of Hounsfield units only"


@pytest.fixture(scope="module")
def blind_run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two heads and another part, under headers that name no head, of a run whose 03 sees no head in anything."""
    site = SmallSite(tmp_path_factory.mktemp("blind"))
    for kind, accession in (("CT", "ACC-1"), ("T1", "ACC-2")):
        study = f"1.2.3.{len(accession) + len(kind)}"
        mine = {"PatientID": "MRN-1", "AccessionNumber": accession, "StudyInstanceUID": study, "SeriesDescription": ""}
        heads.write(thinned(heads.head(kind), 5, 2), site.dicom / kind, BodyPartExamined="HIP", **mine)
    site.add_series(31, "hip", PatientID="MRN-2", AccessionNumber="ACC-3", BodyPartExamined="HIP")
    workspace = site.open(deface="apply")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
        forged = lambda _, questions: {one.series: HeadAnswer(False, "forged") for one in questions}  # noqa: E731
        patched.setattr("chorus_nb.faces.judge.asking.answers", forged)
        run(workspace)
    verify(workspace)
    return workspace


def test_a_face_that_03_is_blind_to_is_held_by_04_and_its_table_says_so(blind_run: Workspace) -> None:
    outcomes = blind_run.read(tables.OUTCOMES)
    part = outcomes.source_path.str.split("/").str[0]
    assert set(blind_run.read(tables.FACE_VERDICTS).status) == {"no_head"}
    assert set(outcomes[part.isin(("CT", "T1"))].reason) == {"held_by_verify"}
    assert set(outcomes[part == "hip"].status) == {"released"}
    held = held_by_check(blind_run)
    assert dict(zip(held.check, held.files, strict=True)) == {"faces": 30}
    looks = blind_run.read(tables.FACE_LOOKS).set_index("modality")
    for modality in ("CT", "MR"):
        row = looks[looks.files == 15].loc[modality]
        assert (row.status, row.own_look, row.beside, bool(row.held)) == ("no_head", "face", "disagrees", True)
    gate = checks(blind_run).set_index("check")
    assert gate.result["faces"] == "pass", "what is left shows none"


def test_a_face_left_in_a_few_slices_is_held_by_how_the_head_lies_in_another_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """03 finds the head in one series of the frame of reference, and says of a few slices beside it what is wrong."""
    site, head = SmallSite(tmp_path), thinned(heads.head("T1"), 2)
    mine = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "StudyInstanceUID": "1.2.3.5", "BodyPartExamined": "HEAD"}
    heads.write(head, site.dicom / "head", SeriesDescription="T1", **mine)
    few = head._replace(values=head.values[11:17], affine=head.affine.copy())
    few.affine[:3, 3] += few.affine[:3, 2] * 11
    heads.write(few, site.dicom / "few", SeriesDescription="T1 FEW", **mine)
    remove_faces = judge.remove_faces

    def blind(source: Source, folder: Path, asked: list[Asked], ears: bool) -> list[FaceFound]:
        least = min(asked, key=lambda one: len(one.paths)).series
        found = remove_faces(source, folder, asked, ears)
        return [FaceFound(least, "no_face_in_view", "") if one.series == least else one for one in found]

    monkeypatch.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
    monkeypatch.setattr("chorus_nb.faces.study.register_head", heads.registered)
    workspace = site.open(deface="apply")
    for wrong in (False, True):
        if wrong:
            monkeypatch.setattr(judge, "remove_faces", blind)
            workspace = site.open("wrong", deface="apply")
        run(workspace)
        verify(workspace)
        looks = workspace.read(tables.FACE_LOOKS).set_index("files")
        row = looks.loc[len(few.values)]
        said = ("no_face_in_view", "face", "disagrees", True) if wrong else ("defaced", "no_face", "agrees", False)
        assert (row.status, row.own_look, row.beside, bool(row.held)) == said
        assert not looks.held[len(head.values)]


def test_defacing_without_its_libraries_is_refused_in_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Parameters.of({**workspace.parameters.model_dump(), "deface": "apply"})
    asked.check_folders()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="deface: apply needs the extra deface"):
        asked.check_folders()
