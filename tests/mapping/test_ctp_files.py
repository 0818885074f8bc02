"""Whole files: the engine with a site's script against what CTP itself wrote; every difference has its reason."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset

from chorus_nb.deid import scripted
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import InputError
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import read_script_rules
from chorus_nb.mapping.policy import Policy

OTHERS = {
    "U1": "files/UNreal.in.dcm",
    "U3": "files/UNreal.in.dcm",
    **dict.fromkeys(("P1", "P2", "P3"), "files/priv.in.dcm"),
}
LEFT = "CTP leaves a sequence as it is when it is to be emptied or replaced"
ENTERED = "sequences without a script are entered too; CTP keeps them whole"
STRANGER = "another patient's identifier: emptied, not given this patient's value or kept"
UNKNOWN_VR = "CTP leaves an element sent as UN as it is, PHI and all"
IDENTIFIER = "identifiers take the values of the lookup tables, whatever the script says"

# case: place -> (what stands there, None = removed; why it is not what CTP writes)
DIFFERENCES: dict[str, dict[str, tuple[str | None, str]]] = {
    "A": {},
    "B": {
        "00081111": ("0 items", LEFT),
        "00081111.00400275": (None, LEFT),
        "00081140": ("0 items", LEFT),
        "00081140.00400275": (None, LEFT),
    },
    "B2": {
        "00081111": (None, LEFT),
        "00081111.00400275": (None, LEFT),
        "00081140.00400275": (None, ENTERED),
    },
    "D": {
        "00100020": ("10001", IDENTIFIER),
        "00400275.00100020": ("", STRANGER),
    },
    "E2": {
        "00400275.00100020": ("", STRANGER),
        "00101002.00100020": (None, "not in the script: the default policy removes the sequence"),
        "00081111.00080020": ("20120128", ENTERED),
        "00081111.00100020": ("", STRANGER),
        "00081111.00400275.00080020": ("20111229", ENTERED),
        "00081140.00080020": ("20120128", ENTERED),
        "00081140.00100020": ("", STRANGER),
        "00081140.00400275.00080020": ("20111229", ENTERED),
    },
    "P1": {},
    "P2": {},
    "P3": {"00291110": (None, "text does not suit OB: removed; CTP changes the VR")},
    "U1": {"00101060": ("ANON", UNKNOWN_VR)},
    "U3": {"00101060": ("35818641", UNKNOWN_VR)},
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "data" / "ctp_golden"


def deidentified(golden: Path, folder: Path, case: str) -> tuple[Dataset, Policy]:
    """What the engine makes of the input of a case with its script."""
    script = folder / "site.script"
    script.write_text((golden / "files" / f"{case}.script.xml").read_text().replace("NoSuch,", "OtherPatientNames,"))
    shutil.copy(golden / "lut.properties", folder / "LookupTable.properties")
    policy = Policy(read_script_rules(script, Chorus(), "1.2.3"))
    engine = Deidentifier(policy, UidMap("ctp", "1.2.3", b"0" * 32), ZoneInfo("America/New_York"))
    content = (golden / OTHERS.get(case, "a.dcm")).read_bytes()
    return pydicom.dcmread(io.BytesIO(engine.apply(content, Subject(10001, -3, 70)).header)), policy


def values(dataset: Dataset, above: str = "") -> Iterator[tuple[str, str]]:
    """Every element by its place, tags joined by dots; of several items the first."""
    for element in dataset:
        place = f"{above}{element.tag:08X}"
        if element.VR == "SQ":
            yield place, f"{len(element.value)} items"
            for item in element.value[:1]:
                yield from values(item, f"{place}.")
        elif element.tag != 0x7FE00010:
            value = element.value
            yield place, "\\".join(map(str, value)) if isinstance(value, list) else str(value or "")


@pytest.mark.parametrize("case", DIFFERENCES)
def test_what_a_script_names_becomes_what_ctp_makes_of_it(golden: Path, tmp_path: Path, case: str) -> None:
    made, policy = deidentified(golden, tmp_path, case)
    before = dict(values(pydicom.dcmread(golden / OTHERS.get(case, "a.dcm"))))
    ctp = dict(values(pydicom.dcmread(golden / "files" / f"{case}.out.dcm")))
    ours = dict(values(made))
    named = {f"{step.tag:08X}" for step in policy.rules.script.lines if not step.creator}
    places = {place for place in before if place.split(".")[-1] in named} | set(DIFFERENCES[case])
    found = {place: ours.get(place) for place in places if ours.get(place) != ctp.get(place)}
    assert found == {place: value for place, (value, _) in DIFFERENCES[case].items()}


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
