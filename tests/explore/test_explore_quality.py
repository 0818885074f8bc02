"""Every quality rule finds what it is there for, and a clean source has no findings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from chorus_nb import tables
from chorus_nb.deid.dates import shift_value
from chorus_nb.explore import assess, link, profile, scan, summary
from chorus_nb.explore.quality import SEVERITIES, rules
from chorus_nb.explore.values import trouble
from chorus_nb.workspace import Workspace
from tests.explore.survey_site import dataset, save, write_procedures

Add = Callable[..., Path]

SERIES = {"SeriesInstanceUID": "1.2.3.9"}
PATIENT = {"PatientID": "MRN2"}

# What to put into the source so that a rule must find something: attributes of one file each.
PLANTED: dict[str, list[dict[str, object]]] = {
    "pixel_data_too_short": [{"PixelData": bytes(6)}],
    "duplicate_conflict": [{"SOPInstanceUID": "1.9"}, {"SOPInstanceUID": "1.9", "StudyDescription": "OTHER"}],
    "duplicate_file": [{"SOPInstanceUID": "1.9"}, {"SOPInstanceUID": "1.9"}],
    "missing_identifier": [{"AccessionNumber": ""}],
    "identifier_too_long": [{"AccessionNumber": "A" * 17}],
    "study_of_several_patients": [{}, PATIENT | SERIES],
    "accession_of_several_patients": [{}, PATIENT | SERIES | {"StudyInstanceUID": "1.2.4"}],
    "accession_of_several_studies": [{}, SERIES | {"StudyInstanceUID": "1.2.4"}],
    "study_of_several_accessions": [{}, SERIES | {"AccessionNumber": "ACC2"}],
    "series_of_several_studies": [{}, {"StudyInstanceUID": "1.2.4"}],
    "series_of_several_modalities": [{}, {"Modality": "SC"}],
    "repeated_instance_number": [{"InstanceNumber": 1}, {"InstanceNumber": 1}],
    "gap_in_instance_numbers": [{"InstanceNumber": 1}, {"InstanceNumber": 2}, {"InstanceNumber": 5}],
    "inconsistent_geometry": [{}, {"Rows": 4, "Columns": 2}],
    "impossible_date": [{"StudyDate": "20241350"}],
    "implausible_date": [{"AcquisitionDate": "20990101", "StudyDate": "20990101"}],
    "clocks_in_header": [{"AcquisitionDate": "20130105"}],
    "clocks_of_accession": [{}, SERIES | {"AcquisitionDate": "20130105", "StudyDate": "20130105"}],
    "study_before_birth": [{"PatientBirthDate": "20250101"}],
    "age_against_birth_date": [{"PatientBirthDate": "19700101", "PatientAge": "020Y"}],
    "no_time_of_day": [{"AcquisitionTime": None, "StudyTime": None}],
    "unknown_character_set": [{"SpecificCharacterSet": "ISO-IR 999"}],
    "secondary_capture": [{"ConversionType": "WSD"}],
    "burned_in_annotation": [{"BurnedInAnnotation": "YES"}],
    "likely_burned_in_text": [{"Modality": "US"}],
    "already_deidentified": [{"PatientIdentityRemoved": "YES"}],
}


def found(workspace: Workspace) -> set[str]:
    scan(workspace)
    profile(workspace)
    return set(assess(workspace)["rule"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", PLANTED)
def test_a_rule_finds_what_is_planted_for_it(survey: Workspace, add: Add, rule: str) -> None:
    for number, attributes in enumerate(PLANTED[rule]):
        add(f"{number}", **attributes)
    assert rule in found(survey)


def _cut(root: Path) -> None:
    path = save(root / "a", dataset())
    path.write_bytes(path.read_bytes()[:-4])


def _appended(root: Path) -> None:
    path = save(root / "a", dataset())
    path.write_bytes(path.read_bytes() + b"\xaa" * 32)


def _two_in_one(root: Path) -> None:
    first, second = save(root / "a", dataset()), save(root / "b", dataset(InstanceNumber=2))
    first.write_bytes(first.read_bytes() + second.read_bytes())
    second.unlink()


def _unreadable(root: Path) -> None:
    (root / "a").symlink_to("/")


def _in_path(root: Path) -> None:
    save(root / "MRN12345" / "a", dataset(PatientID="MRN12345"))


def _wrong_vr(root: Path) -> None:
    made = dataset()
    made.add_new(0x00081090, "SH", "MODEL")  # ManufacturerModelName is LO
    save(root / "a", made)


def _icon(root: Path) -> None:
    icon = Dataset()
    icon.PixelData = bytes(4)
    icon["PixelData"].VR = "OB"
    save(root / "a", dataset(IconImageSequence=[icon]))


def _spoiled(root: Path, value: bytes) -> None:
    file = save(root / "a", dataset(KVP="120", PixelSpacing=["1", "1"]))
    save(root / "b", dataset(KVP="120", PixelSpacing=["1", "1"]))
    content = file.read_bytes()
    file.write_bytes(content.replace(b"DS\4\x00120 ", b"DS\4\0" + value))


FILES: dict[str, Callable[[Path], None]] = {
    "damaged_file": _cut,
    "appended_bytes": _appended,
    "file_behind": _two_in_one,
    "unreadable_file": _unreadable,
    "identifier_in_path": _in_path,
    "wrong_vr": _wrong_vr,
    "value_unusable": lambda root: _spoiled(root, b"1,2 "),
    "value_breaks_vr": lambda root: _spoiled(root, b"NaN "),
    "pixel_data_elsewhere": _icon,
}


@pytest.mark.parametrize("rule", FILES)
def test_a_rule_finds_the_file_made_for_it(survey: Workspace, rule: str) -> None:
    FILES[rule](Path(survey.parameters.source))
    assert rule in found(survey)


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        ("value_unusable", b"1,2 ", "in 1 of 2 files of CT; if the plan keeps it, it is emptied"),
        ("value_breaks_vr", b"NaN ", "1 of 2 values break VR DS in CT"),
    ],
)
def test_the_files_in_which_a_value_is_odd_are_counted(survey: Workspace, rule: str, value: bytes, said: str) -> None:
    _spoiled(Path(survey.parameters.source), value)
    scan(survey)
    profile(survey)
    finding = assess(survey).set_index("rule").loc[rule]
    assert (finding["item"], finding["files"]) == ("KVP", 1) and finding["detail"].endswith(said)


def test_images_far_from_the_procedure_of_their_accession_are_found(survey: Workspace, add: Add) -> None:
    write_procedures(survey, "77,1,100,ACC1")  # on 2023-12-26; Days_Shifted is -10
    add("a", AcquisitionDate=None, StudyDate="20130105")
    scan(survey)
    profile(survey)
    link(survey)
    found = assess(survey).set_index("rule").loc["clock_against_procedure"]
    assert (found["item"], found["detail"]) == ("ACC1", "the images lie 4017 days before the procedure")


@pytest.mark.parametrize(
    ("person", "image", "told"), [(4711, 9, True), (9, 815, False), (9, 5512, True), (9, 8, False)]
)
def test_a_new_id_with_the_digits_of_the_original_is_told(
    survey: Workspace, add: Add, person: int, image: int, told: bool
) -> None:
    add("a")
    scan(survey)
    profile(survey)
    row = {"PatientID": "MRN-0004711", "AccessionNumber": "A-5512", "files": 1}
    row |= {"person_id": person, "image_occurrence_id": image}
    survey.write(tables.LINKAGE, tables.frame(tables.LINKAGE, [row]))
    assert ("digits_of_original" in set(assess(survey)["rule"])) == told


@pytest.mark.parametrize(("shifts", "told"), [([-70] * 5, True), ([-70] * 4, False), ([-70] * 5 + [-71], False)])
def test_one_shift_for_everybody_is_told(survey: Workspace, add: Add, shifts: list[int], told: bool) -> None:
    add("a")
    scan(survey)
    profile(survey)
    rows = [{"PatientID": str(n), "AccessionNumber": "", "files": 1, "person_id": n} for n in range(len(shifts))]
    linkage = tables.frame(tables.LINKAGE, [row | {"days_shifted": s} for row, s in zip(rows, shifts, strict=True)])
    survey.write(tables.LINKAGE, linkage)
    assert ("one_shift_for_all" in set(assess(survey)["rule"])) == told


LINKED = {"another_person", "omop_not_shifted", "shift_of_other_sign"}  # tried in test_explore_linkage


def test_every_rule_is_tried_and_says_what_to_do() -> None:
    assert {rule.name for rule in rules()} == {
        *(*PLANTED, *FILES, *LINKED, "clock_against_procedure", "digits_of_original", "one_shift_for_all")
    }
    assert all(rule.severity in SEVERITIES and rule.what_to_do.endswith(".") for rule in rules())


def test_a_clean_source_has_no_findings(survey: Workspace, add: Add) -> None:
    add("a", InstanceNumber=1)
    add("b", InstanceNumber=2)
    made = dataset(InstanceNumber=3)
    made.add_new(0x60020050, "SS", [1, 1])  # a group that repeats is in the dictionary too
    save(Path(survey.parameters.source) / "c", made)
    assert found(survey) == set()


def test_findings_come_worst_first_and_are_counted_by_rule(survey: Workspace, add: Add) -> None:
    add("a", BurnedInAnnotation="YES", ConversionType="WSD")
    add("b", BurnedInAnnotation="YES", AcquisitionTime=None, StudyTime=None)
    scan(survey)
    profile(survey)
    counted = summary.by_rule(assess(survey))
    assert counted["severity"].tolist() == sorted(counted["severity"], key=SEVERITIES.index)
    assert counted.set_index("rule").at["burned_in_annotation", "times"] == 2


@pytest.mark.parametrize(
    "value", ["20190102", "20190102-20190105", "20190102-", "-20190105", "-", "20191302-20190105", "2019-01", "soon"]
)
def test_a_date_is_called_unusable_where_03_empties_it(value: str) -> None:
    emptied = shift_value(value, "DA", 7, ZoneInfo("America/New_York"))[1]
    assert (trouble(value.encode(), "DA", len(value)) == 2) == (emptied > 0)
