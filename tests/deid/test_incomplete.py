"""A slice that does not say where it lies holds its series, and nothing else, until it is mended or gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb import tables
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, age, run, times

PLACE = {"ImagePositionPatient": ["0", "0", "5"], "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}
OTHER = {"SeriesInstanceUID": "1.2.3.4.6", "PixelSpacing": ["1", "1"], **PLACE}


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    """A series of three slices, of which the second has a spacing that is none, and another series."""
    made = SmallSite(tmp_path)
    made.add_series(3, PixelSpacing=["1", "1"], **PLACE)
    made.add("other", **OTHER)
    spoil(made)
    return made


def spoil(site: SmallSite, name: str = "series/0002") -> None:
    file = site.dicom / name
    content = file.read_bytes()
    assert content.count(b"DS\4\x001\\1 ") == 1
    file.write_bytes(content.replace(b"DS\4\x001\\1 ", b"DS\4\x001,1 "))


def told(workspace: Workspace) -> dict[str, tuple[str, str]]:
    outcomes = run(workspace)
    return {path: (row.status, row.reason) for path, row in outcomes.iterrows()}


def test_the_other_slices_wait_and_another_series_goes_on(site: SmallSite) -> None:
    workspace = site.open()
    waits = ("held_back", "series_incomplete")
    assert told(workspace) == {
        "other": ("released", ""),
        "series/0001": waits,
        "series/0002": ("quarantined", "geometry_unusable"),
        "series/0003": waits,
    }
    outcomes = workspace.read(tables.OUTCOMES).set_index("source_path")
    assert outcomes.detail["series/0002"].startswith("(0028,0030)") and "1,1" not in outcomes.detail["series/0002"]
    assert set(times(workspace.release)) == {outcomes.target_path["other"]}
    assert not outcomes.target_path["series/0001"] and not outcomes.target_digest["series/0001"]
    age(workspace.release)
    again = times(workspace.release)
    assert told(workspace)["series/0001"] == waits and times(workspace.release) == again


@pytest.mark.parametrize("mended", [True, False], ids=["mended", "taken out"])
def test_they_go_when_the_slice_is_mended_or_gone(site: SmallSite, mended: bool) -> None:
    workspace = site.open()
    run(workspace)
    if mended:
        site.add("series/0002", InstanceNumber=2, PixelSpacing=["1", "1"], **PLACE)
    else:
        (site.dicom / "series/0002").unlink()
    assert set(told(workspace).values()) == {("released", "")}


def test_a_projection_image_stands_alone(site: SmallSite) -> None:
    alone = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "CR", "SeriesInstanceUID": "1.2.3.4.7"}
    site.add("cr/1", **alone)
    bad = site.add("cr/2", **alone)
    content = bad.read_bytes()
    bad.write_bytes(content.replace(b"\x28\0\x10\0US\2\0\4\0", b"\x28\0\x10\0US\4\0\4\0\4\0"))
    found = told(site.open())
    assert (found["cr/1"], found["cr/2"]) == (("released", ""), ("quarantined", "value_unusable"))
