"""When an image was made: one table for 01, which links by it, and for the verifier, which compares with it."""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from chorus_nb.explore.values import acquired
from chorus_nb.leaks.reading import parse_file
from chorus_nb.verify.clocks import moment

ROWS = list(csv.DictReader((Path(__file__).parent / "values" / "clocks.csv").open(encoding="utf-8")))
SITE = ZoneInfo("America/New_York")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=[row["why"] for row in ROWS])
def test_both_sides_agree_on_when_an_image_was_made(row: dict[str, str]) -> None:
    header = {keyword: value for keyword, value in row.items() if keyword not in ("moment", "why")}
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    for keyword, value in header.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sink = BytesIO()
    made.save_as(sink)
    assert acquired(header, SITE)[0] == moment(parse_file(sink.getvalue()), SITE) == row["moment"]
