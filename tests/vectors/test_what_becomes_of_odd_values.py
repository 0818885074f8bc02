"""What 01 says that will become of an odd value is what 03 does with it."""

from __future__ import annotations

import io

import pytest
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.dicom.spans import Refused
from chorus_nb.dicom.survey import Header
from chorus_nb.explore.quality import _becomes
from chorus_nb.explore.tally import Tally
from tests.deid.conftest import engine  # noqa: F401  (a fixture)
from tests.deid.test_values import left_of, with_raw

HELD, SERIES, EMPTIED, REMOVED = "the file is held back", "its series is held back", "it is emptied", "it is removed"
DONE = {"value_unusable": HELD, "geometry_unusable": SERIES, b"": EMPTIED, None: REMOVED}


@pytest.mark.parametrize(
    ("vr", "keyword", "value", "becomes"),
    [
        ("DS", "PixelSpacing", b"0,5\\0,5 ", SERIES),
        ("DS", "PixelSpacing", b"NaN\\NaN ", SERIES),
        ("DS", "ImagePositionPatient", b"1\\2\\far ", SERIES),
        ("US", "Rows", b"\4\0\0\0\0", SERIES),
        ("DS", "RescaleSlope", b"one ", HELD),
        ("TM", "StudyTime", b"9:15 AM ", EMPTIED),
        ("DS", "KVP", b"120 kV", EMPTIED),
        ("DA", "SeriesDate", b"20241399", EMPTIED),
        ("AS", "PatientAge", b"forty ", EMPTIED),
        ("TM", "SeriesTime", b"MORNING ", REMOVED),
        ("IS", "ExposureTime", b"500 ms", REMOVED),
        ("FD", "CTDIvol", b"\1\2\3\4", REMOVED),
        ("DS", "WindowCenter", b"400 HU", REMOVED),  # Type 1C, and only how pixels are shown
        ("DS", "WindowWidth", b"NaN ", "harmless"),
        ("US", "PixelPaddingValue", b"\1\0\0", REMOVED),
        ("US", "PlanarConfiguration", b"\1\0\0", HELD),  # Type 1C, and pixels are read by it
        ("IS", "Exposure", b"14.5", "harmless"),
        ("IS", "InstanceNumber", b"0000000012", ""),
        ("DS", "SpacingBetweenSlices", b"NaN ", "harmless"),
        ("DS", "KVP", b"120     ", ""),
    ],
)
def test_01_foretells_what_03_does(engine: Deidentifier, vr: str, keyword: str, value: bytes, becomes: str) -> None:  # noqa: F811
    content, tally = with_raw(vr, keyword, value), Tally()
    tally.add(Header(io.BytesIO(content), len(content)), "CT", CTImageStorage)
    rows = tally.tables()[0].to_pylist()
    (row,) = (row for row in rows if row["tag"] == Tag(keyword) and not row["path"])
    told = (
        _becomes(CTImageStorage, "", keyword, vr) if row["unusable_files"] else "harmless" if row["odd_files"] else ""
    )
    try:
        left = left_of(engine, vr, keyword, value)
        done = DONE.get(left, "kept")
    except Refused as refused:
        done = DONE[refused.reason]
    assert told == becomes
    assert done == (becomes if becomes in DONE.values() else "kept")
