"""Which UIDs stay: one table for the de-identifier, which replaces the others, and the verifier, which asks for it."""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from chorus_nb.deid.uids import UidMap, names_an_object
from chorus_nb.leaks.reading import parse_file
from chorus_nb.parameters import Parameters
from chorus_nb.verify.elements import ElementsInTurn, findings
from chorus_nb.verify.file_checks import Pair, ReleasedFile

ROWS = list(csv.DictReader((Path(__file__).parent / "values" / "uids.csv").open(encoding="utf-8")))
MAP = UidMap("keyed", "2.25", b"k" * 32)


@pytest.mark.parametrize("row", ROWS, ids=[row["why"] for row in ROWS])
def test_both_sides_agree_on_which_uids_stay(row: dict[str, str]) -> None:
    tag = tag_for_keyword(row["keyword"])
    assert tag is not None
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    setattr(made, row["keyword"], row["uid"])
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sink = BytesIO()
    made.save_as(sink)
    reading = parse_file(sink.getvalue())
    pair = Pair(ReleasedFile("a", "b", "", ""), reading, reading, None)
    said = findings(pair, ElementsInTurn(Parameters(), {}).of(pair))
    kept = [one for one in said if one.kind == "the original UID is still there"]
    stays = MAP.replace(row["uid"], instance=names_an_object(tag)) == row["uid"]
    assert stays == (not kept) == (row["stays"] == "yes")
