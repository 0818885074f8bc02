"""From files to volumes: every slice where its header says, whatever the scanner did."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedMRImageStorage, NuclearMedicineImageStorage

from chorus_nb.faces import stacks
from chorus_nb.faces.stacks import Unfit
from chorus_nb.faces.volume import Volume
from chorus_nb.source import open_source
from tests.deid.conftest import encoded, image
from tests.heads import mosaic, slices

AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
BLOCK = Volume(np.arange(16 * 8 * 8, dtype="f4").reshape(16, 8, 8), AFFINE, "MR")


def load(folder: Path, files: list[bytes]) -> stacks.SliceSeries:
    for number, content in enumerate(files):
        (folder / f"{number:03d}").write_bytes(content)
    return stacks.load(open_source(folder), [f"{number:03d}" for number in range(len(files))])


def edited(content: bytes, **attributes: object) -> bytes:
    dataset = dcmread(io.BytesIO(content))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    sink = io.BytesIO()
    dataset.save_as(sink)
    return sink.getvalue()


def test_slices_in_any_order_make_the_volume_they_came_from(tmp_path: Path) -> None:
    [volume] = stacks.stacks(load(tmp_path, slices(BLOCK)[::-1]))
    assert np.array_equal(volume.values, BLOCK.values)
    assert np.allclose(volume.affine, AFFINE)


@pytest.mark.parametrize("away", [1e5, 1e9])
def test_slices_further_apart_than_a_body_is_long_are_unfit_before_memory_is_taken(tmp_path: Path, away: float) -> None:
    affine = AFFINE.copy()
    affine[2, 3] = away
    far = slices(Volume(BLOCK.values[:4], affine, "MR"))
    series = load(tmp_path, [*slices(BLOCK), *far])
    with pytest.raises(Unfit, match="further apart than a body"):
        stacks.all_stacks(series)


def test_a_tilted_gantry_shears_the_volume(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[:3, 2] = 0, 1.8, 5
    [volume] = stacks.stacks(load(tmp_path, slices(BLOCK._replace(affine=affine))))
    assert np.allclose(volume.affine[:3, 2], (0, 1.8, 5))


@pytest.mark.parametrize("missing", [1, 2])
def test_missing_slices_are_made_from_their_neighbours(tmp_path: Path, missing: int) -> None:
    files = slices(BLOCK)
    del files[11 - missing : 11]
    [volume] = stacks.stacks(load(tmp_path, files))
    assert np.allclose(volume.values, BLOCK.values), "the block grows evenly"
    assert np.allclose(volume.affine, AFFINE)


def test_where_too_many_slices_are_missing_the_stack_is_cut(tmp_path: Path) -> None:
    files = slices(BLOCK)
    del files[8:11]
    volumes = stacks.stacks(load(tmp_path, files))
    assert sorted(len(volume.values) for volume in volumes) == [5, 8]


def test_two_slice_thicknesses_make_two_stacks_of_one_head(tmp_path: Path) -> None:
    files = slices(BLOCK)
    thick = [edited(content, ImagePositionPatient=[0, 0, 75 + 8 * (n + 1)]) for n, content in enumerate(files[:6])]
    volumes = stacks.stacks(load(tmp_path, files + thick))
    assert sorted(round(volume.spacing[2], 3) for volume in volumes) == [5, 8]


@pytest.mark.parametrize("apart", [(4.0, 4.0, 5.0, 5.0), (4.0, 4.0, 8.0, 7.0), (5.0, 6.0, 4.0, 5.0)])
def test_slices_at_uneven_distances_lie_where_they_were_taken(tmp_path: Path, apart: tuple[float, ...]) -> None:
    heights = np.concatenate([[0], np.cumsum(np.repeat(apart, 4))])
    values = np.broadcast_to(heights[:, None, None] * 10, (17, 8, 8)).astype("f4")
    files = slices(Volume(values, AFFINE, "MR"))
    moved = [edited(one, ImagePositionPatient=[0, 0, float(z)]) for one, z in zip(files, heights, strict=True)]
    for volume in stacks.stacks(load(tmp_path, moved)):
        places = volume.affine[2, 3] + volume.affine[2, 2] * np.arange(len(volume.values))
        off = volume.values[:, 0, 0] / 10 - places
        assert np.abs(off).max() <= 0.1 * volume.spacing[2] + 0.01, "the block says how high each slice was taken"


def test_of_several_images_at_one_place_the_first_counts(tmp_path: Path) -> None:
    files = slices(BLOCK)
    later = slices(BLOCK._replace(values=BLOCK.values + 7))
    series = load(tmp_path, files + later)
    [volume] = stacks.stacks(series)
    assert np.array_equal(volume.values, BLOCK.values)
    assert len(series.slices) == 32, "all of them get a mask"


def test_frames_of_an_enhanced_image_lie_where_their_functional_groups_say(tmp_path: Path) -> None:
    dataset = image(SOPClassUID=EnhancedMRImageStorage, Modality="MR", Rows=8, Columns=8, NumberOfFrames=16)
    dataset.PixelData = BLOCK.values.astype("<u2").tobytes()
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = [1, 0, 0, 0, 1, 0], [4, 4]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    frames = []
    for number in range(16):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 5 * number]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    [volume] = stacks.stacks(load(tmp_path, [encoded(dataset)]))
    assert np.array_equal(volume.values, BLOCK.values)
    assert np.allclose(volume.affine, AFFINE)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic"),
        ({"ImagePositionPatient": None}, "does not say where"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "orientation"),
        ({"PixelSpacing": [0, 0]}, "no number"),  # parts of such a series were looked for without end
        ({"PixelSpacing": [-4, 4]}, "no number"),
    ],
)
def test_what_does_not_lie_in_space_is_refused_with_the_reason(
    tmp_path: Path, attributes: dict[str, object], why: str
) -> None:
    with pytest.raises(Unfit, match=why):
        load(tmp_path, [edited(content, **attributes) for content in slices(BLOCK)])


def test_a_few_slices_are_no_volume(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="too few"):
        stacks.stacks(load(tmp_path, slices(BLOCK)[:6]))


def test_air_is_minus_1000_hounsfield_units_and_in_mr_the_darkest_signal(tmp_path: Path) -> None:
    ct = BLOCK._replace(values=np.full((16, 8, 8), -1000, "f4"), modality="CT")
    ct.values[:, 2:6, 2:6] = 40
    (tmp_path / "ct").mkdir()
    assert stacks.air(load(tmp_path / "ct", slices(ct))) == 24
    assert stacks.air(load(tmp_path, slices(BLOCK))) < 20


@pytest.mark.parametrize("upwards", [True, False])
def test_a_mosaic_is_the_slices_it_holds(tmp_path: Path, upwards: bool) -> None:
    affine = AFFINE.copy()
    affine[:3, 2] = 0, 0.6, 4.96 if upwards else -4.96
    affine[:3, 1] = 0, 3.9712, -0.4804 if upwards else 0.4804
    affine[:3, 3] = -30, -20, 10
    block = BLOCK._replace(values=BLOCK.values[:14], affine=affine)
    series = load(tmp_path, [mosaic(block)])
    [volume] = stacks.stacks(series)
    ordered = volume.values if upwards else volume.values[::-1]
    assert np.array_equal(ordered, block.values)
    assert np.allclose(series.slices[0].affine[:3, 3], affine[:3, 3], atol=1e-3)
    assert np.allclose(series.slices[13].affine[:3, 3], affine[:3, 3] + 13 * affine[:3, 2], atol=1e-2)
    assert series.slices[6].window == (slice(8, 16), slice(16, 24))


@pytest.mark.parametrize("lacking", [(0x0019, 0x100A), (0x0029, 0x1010), (0x0018, 0x0088)])
def test_a_mosaic_that_does_not_say_how_its_slices_lie_is_unfit(tmp_path: Path, lacking: tuple[int, int]) -> None:
    dataset = dcmread(io.BytesIO(mosaic(BLOCK)))
    del dataset[lacking]
    sink = io.BytesIO()
    dataset.save_as(sink)
    with pytest.raises(Unfit, match="how its slices lie"):
        load(tmp_path, [sink.getvalue()])


def test_a_mosaic_of_united_imaging_is_the_slices_it_holds(tmp_path: Path) -> None:
    content = as_united_imaging(mosaic(BLOCK._replace(values=BLOCK.values[:11])))
    [volume] = stacks.stacks(load(tmp_path, [content]), thinnest=0)
    assert np.array_equal(volume.values, BLOCK.values[:11])
    assert np.allclose(volume.affine, AFFINE)


@pytest.mark.parametrize("maker", ["Siemens", "United Imaging"])
def test_a_mosaic_that_lost_its_word_is_told_by_its_private_header(tmp_path: Path, maker: str) -> None:
    content = mosaic(BLOCK._replace(values=BLOCK.values[:11]))
    content = edited(content if maker == "Siemens" else as_united_imaging(content), ImageType=["ORIGINAL", "PRIMARY"])
    [volume] = stacks.stacks(load(tmp_path, [content]), thinnest=0)
    assert np.array_equal(volume.values, BLOCK.values[:11])


@pytest.mark.parametrize("count", [4, 9, 12, 14, 20])
def test_a_mosaic_that_shows_other_slices_than_its_header_says_is_unfit(tmp_path: Path, count: int) -> None:
    """Of 16 slices in four rows: seams elsewhere, and places beyond the last one that are not empty."""
    values = np.zeros((16, 24, 24), "f4")
    values[:, 6:18, 6:18] = 500
    dataset = dcmread(io.BytesIO(mosaic(BLOCK._replace(values=values))))
    assert len(load(tmp_path, [encoded(dataset)]).slices) == 16
    dataset[0x0019, 0x100A].value = count
    with pytest.raises(Unfit, match=r"other slices than its header says|do not fill it"):
        load(tmp_path, [encoded(dataset)])


def as_united_imaging(content: bytes) -> bytes:
    """Its slices in no more rows than it takes, their places in private items."""
    dataset = dcmread(io.BytesIO(content))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "VFRAME"]
    dataset.PixelData, dataset.Rows = dataset.PixelData[: 3 * 8 * 32 * 2], 3 * 8
    del dataset.ImagePositionPatient, dataset[0x0019, 0x100A], dataset[0x0029, 0x1010]
    items = [Dataset() for _ in range(11)]
    for number, item in enumerate(items):
        item.ImagePositionPatient = [0, 0, 5 * number]
    dataset.private_block(0x0065, "Image Private Header", create=True).add_new(0x51, "SQ", items)
    sink = io.BytesIO()
    dataset.save_as(sink)
    return sink.getvalue()


@pytest.mark.parametrize("upwards", [True, False])
def test_a_reconstructed_nm_volume_lies_where_its_detector_says(tmp_path: Path, upwards: bool) -> None:
    apart = 5.0 if upwards else -5.0
    dataset = image(SOPClassUID=NuclearMedicineImageStorage, Modality="NM", Rows=8, Columns=8, NumberOfFrames=16)
    dataset.PixelData, dataset.PixelSpacing = BLOCK.values.astype("<u2").tobytes(), [4, 4]
    dataset.SpacingBetweenSlices = apart
    detector = Dataset()
    detector.ImageOrientationPatient, detector.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-20, 10, 30]
    dataset.DetectorInformationSequence = [detector]
    series = load(tmp_path, [encoded(dataset)])
    [volume] = stacks.stacks(series)
    assert np.array_equal(volume.values, BLOCK.values if upwards else BLOCK.values[::-1])
    assert np.allclose([piece.height for piece in series.slices], 30 + apart * np.arange(16))
    del detector.ImagePositionPatient
    with pytest.raises(Unfit, match="do not say where"):
        load(tmp_path, [encoded(dataset)])
