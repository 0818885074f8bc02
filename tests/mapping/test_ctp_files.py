"""Whole files: the engine with a site's script against what CTP itself wrote; every difference has its reason."""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from chorus_nb.deid import scripted
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import InputError
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import ctp_differences, read_script_rules
from chorus_nb.mapping.policy import Policy

OTHERS = {
    "U1": "files/UNreal.in.dcm",
    "U3": "files/UNreal.in.dcm",
    **dict.fromkeys(("P1", "P2", "P3"), "files/priv.in.dcm"),
}
REFUSED = {"E", "E3", "E4"}  # by CTP or here: tests of their own
UNREADABLE = r'<e en="T" t="(00080060|00101010)".*?</e>'  # lines of C that are an error here
DIFFERENCES = list(csv.DictReader(Path(__file__).with_name("ctp_file_differences.csv").read_text().splitlines()))
"""Where a released file differs from CTP's: case, place (a pattern), what stands there, and of which kind it is."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "data" / "ctp_golden"


def deidentified(golden: Path, folder: Path, case: str) -> tuple[Dataset, Policy]:
    """What the engine makes of the input of a case with its script."""
    script = folder / "site.script"
    script.write_text((golden / "files" / f"{case}.script.xml").read_text().replace("NoSuch,", "OtherPatientNames,"))
    return engine_output(golden, script, golden / OTHERS.get(case, "a.dcm"))


def engine_output(golden: Path, script: Path, original: Path) -> tuple[Dataset, Policy]:
    shutil.copy(golden / "lut.properties", script.with_name("LookupTable.properties"))
    policy = Policy(read_script_rules(script, Chorus(), "1.2.3"))
    engine = Deidentifier(policy, UidMap("ctp", "1.2.3", b"0" * 32), ZoneInfo("America/New_York"))
    made = engine.apply(original.read_bytes(), Subject(10001, -3, 70))
    return pydicom.dcmread(io.BytesIO(made.header + bytes(made.pixels))), policy


def values(dataset: Dataset, above: str = "") -> Iterator[tuple[str, str]]:
    """Every element by its place: tags and items joined by dots; file meta and pixels too."""
    if not above:
        yield from values(dataset.file_meta, " ")
    for element in dataset:
        place = f"{above.strip()}{element.tag:08X}"
        if element.VR == "SQ":
            yield place, f"{len(element.value)} items"
            for number, item in enumerate(element.value):
                yield from values(item, f"{place}[{number}].")
        elif element.tag not in (0x00020000, 0x00020001):
            value = element.value
            many = isinstance(value, (list, MultiValue))
            yield place, "\\".join(map(str, value)) if many else "" if value is None else str(value)


def expected(here: str, original: str) -> str | None:
    """What the table of differences says of an element with this original value."""
    if here == "uid":
        return "1.2.3." + str(int.from_bytes(hashlib.md5(original.encode()).digest(), "big"))[:58]
    if here == "days":
        days = (datetime.strptime(part[:8], "%Y%m%d") - timedelta(days=3) for part in original.split("\\"))
        return "\\".join(f"{day:%Y%m%d}{part[8:]}" for day, part in zip(days, original.split("\\"), strict=True))
    return {"gone": None, "empty": ""}.get(here, here)


def cases(golden: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in (golden / "files").glob("*.script.xml"))


def test_every_element_is_what_ctp_makes_of_it_but_for_declared_differences(golden: Path, tmp_path: Path) -> None:
    undeclared, used = [], set()
    for case in set(cases(golden)) - REFUSED:
        script = tmp_path / "site.script"
        text = (golden / "files" / f"{case}.script.xml").read_text().replace("NoSuch,", "OtherPatientNames,")
        script.write_text(re.sub(UNREADABLE, "", text) if case == "C" else text)
        original = golden / OTHERS.get(case, "a.dcm")
        made, _ = engine_output(golden, script, original)
        before = dict(values(pydicom.dcmread(original)))
        ctp, ours = dict(values(pydicom.dcmread(golden / "files" / f"{case}.out.dcm"))), dict(values(made))
        for place in sorted(place for place in {*ctp, *ours} if ctp.get(place) != ours.get(place)):
            row = next((n for n, row in enumerate(DIFFERENCES) if row["case"] in (case, "*") and fits(place, row)), -1)
            here = DIFFERENCES[row]["here"]
            if row < 0 or (here != "any" and ours.get(place) != expected(here, before.get(place, ""))):
                undeclared.append((case, place, ctp.get(place), ours.get(place)))
            used.add(row)
    assert not undeclared
    assert used == set(range(len(DIFFERENCES))), "a declared difference is none"
    assert {row["difference"] for row in DIFFERENCES} <= {row.name for row in ctp_differences()}


def fits(place: str, row: dict[str, str]) -> bool:
    return fnmatch.fnmatchcase(place, row["place"])


def test_what_ctp_or_we_refuse_has_a_test_of_its_own(golden: Path) -> None:
    done = {case: (golden / "files" / f"{case}.out.dcm").is_file() for case in cases(golden)}
    assert len(done) == 15
    assert {case for case, there in done.items() if not there} == {"E3", "E4"} < REFUSED


def test_groups_a_script_removes_are_gone(golden: Path, tmp_path: Path) -> None:
    made, _ = deidentified(golden, tmp_path, "A")
    assert not [
        element.tag for element in made if element.tag.is_private or element.tag.group in (0x5000, 0x6000, 0x6002)
    ]


def test_a_script_with_an_unknown_function_is_refused_where_ctp_writes_it_into_the_image(
    golden: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        deidentified(golden, tmp_path, "C")
    assert "(00080060): unknown function @nosuchfn" in str(caught.value)
    assert "(00101010): '@' without a function" in str(caught.value)


@pytest.mark.parametrize("case", ["E", "E4"])
def test_a_date_that_cannot_be_shifted_stops_the_file(golden: Path, tmp_path: Path, case: str) -> None:
    """E4 as in CTP; in E, CTP empties the dates of items whose own PatientID has no shift."""
    with pytest.raises(Refused) as caught:
        deidentified(golden, tmp_path, case)
    assert caught.value.reason == "refused_by_script"
    assert "MRN001" not in str(caught.value)


def test_a_nested_identifier_of_another_patient_does_not_stop_the_file_but_goes(golden: Path, tmp_path: Path) -> None:
    """E3: CTP quarantines, as its lookup knows no such patient."""
    made, _ = deidentified(golden, tmp_path, "E3")
    assert made.PatientID == "10001"
    assert "NESTED" not in str(made)


def test_what_a_script_would_insert_is_not_inserted(golden: Path, tmp_path: Path) -> None:
    """I: only what the workbench itself declares is added, and existing elements follow the script."""
    made, _ = deidentified(golden, tmp_path, "I")
    assert list(made.StudyDescription) == ["e+1", "more"]
    assert "ProjectX" not in str(made)
    assert made.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in made.DeidentificationMethodCodeSequence]
    assert codes[:3] == ["113100", "113105", "113107"]
    assert "99999" not in codes


def test_the_filter_and_the_regions_beside_a_script_hold_for_its_files(golden: Path, tmp_path: Path) -> None:
    (tmp_path / "site.script").write_text('<script><k en="T" t="0018"/></script>')
    (tmp_path / "DicomFilter.script").write_text('Modality.equals("CT") * Rows.isGreaterThan("100")')
    (tmp_path / "DicomPixelAnonymizer.script").write_text('{ Columns.equals("128") } (0,0,128,9) (-8,-8,8,8)')
    content = (golden / "a.dcm").read_bytes()
    policy = Policy(read_script_rules(tmp_path / "site.script", Chorus(), ""))
    assert scripted.regions(policy, content) == [(0, 0, 128, 10), (120, 120, 128, 128)]
    (tmp_path / "DicomFilter.script").write_text('Modality.equals("MR")')
    with pytest.raises(Refused, match="filtered_by_script"):
        scripted.regions(Policy(read_script_rules(tmp_path / "site.script", Chorus(), "")), content)
    assert scripted.regions(Policy(Chorus()), content) == []
