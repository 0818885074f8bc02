"""The lookup tables: read in every form sites deliver, refused when they could be wrong silently."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chorus_nb.errors import InputError
from chorus_nb.mapping import lookups, read_lookups
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

PERSONS = "PatientID,person_id,Days_Shifted\n0042,7,-100\n43,8,-1\n"
IMAGES = "PatientID,AccessionNumber,image_occurence_id\n0042,00A1,70\n43,A2,80\n"


def site(folder: Path, persons: str | bytes = PERSONS, images: str | bytes = IMAGES, **parameters: object) -> Workspace:
    """A workspace over a folder that holds these two tables."""
    lookup = folder / "lookup"
    lookup.mkdir(exist_ok=True)
    for name, content in (("Personal_map.csv", persons), ("Image_map.csv", images)):
        (lookup / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Workspace(Parameters(lookup=str(lookup), workspace=str(folder / "workspace"), **parameters))


def faults(workspace: Workspace) -> str:
    with pytest.raises(InputError) as caught:
        read_lookups(workspace)
    return str(caught.value)


def test_the_official_form_is_read(tmp_path: Path) -> None:
    found = read_lookups(site(tmp_path))
    assert found.person("0042") == (7, -100)
    assert found.person("42") is None  # leading zeros count
    assert found.image("43 ", " A2") == 80
    assert found.image("43", "00A1") is None  # the pair is the key
    assert pickle.loads(pickle.dumps(found)).person("43") == (8, -1)


HEADERS = {
    "PatientID": ["PatientID", "MRN", "patient_id", "Source Patient ID"],
    "person_id": ["person_id", "PersonID", "OMOP person id"],
    "Days_Shifted": ["Days_Shifted", "DateShift", "days shifted", "Days"],
    "AccessionNumber": ["AccessionNumber", "accession", "Accession No", "ACC"],
    "image_occurence_id": ["image_occurence_id", "image_occurrence_id", "ImageOccurrenceID"],
}


@st.composite
def forms(draw: st.DrawFn) -> tuple[str, str, bytes, bool]:
    """How a site may have saved its tables: headers, delimiter, line ends, encoding, blank lines."""
    ends, delimiter = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([",", ";", "\t", "|"]))
    bom, blank = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])), draw(st.booleans())
    return ends, delimiter, bom, blank


@given(
    form=forms(), names=st.fixed_dictionaries({k: st.sampled_from(v) for k, v in HEADERS.items()}), note=st.booleans()
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tables_are_read_whatever_their_form(
    tmp_path: Path, form: tuple[str, str, bytes, bool], names: dict[str, str], note: bool
) -> None:
    ends, delimiter, bom, blank = form

    def table(columns: list[str], rows: list[list[str]]) -> bytes:
        if note:  # a column of the site's own, in the site's code page
            columns, rows = [*columns, "remark"], [[*row, "Jos\xe9"] for row in rows]
        lines = [delimiter.join(columns), *([""] if blank else []), *(delimiter.join(row) for row in rows)]
        text = ends.join([*lines, ""])
        return bom + text.encode("utf-8" if bom else "cp1252")

    persons = table([names[c] for c in ("PatientID", "person_id", "Days_Shifted")], [["007", "12", " -30 "]])
    images = table([names[c] for c in ("PatientID", "AccessionNumber", "image_occurence_id")], [["007", "0A", "5"]])
    found = read_lookups(site(tmp_path, persons, images))
    assert found.person("007") == (12, -30)
    assert found.image("007", "0A") == 5


@pytest.mark.parametrize(
    ("persons", "fault"),
    [
        ("PatientID,person_id,Days_Shifted\nP1,7,-5\nP1,8,-5\n", "row 3: contradicts an earlier row"),
        ("PatientID,person_id,Days_Shifted\nP1,7,-5\nP2,7,-6\n", "one person has one shift"),
        ("PatientID,person_id,Days_Shifted\nP1,7,5\n", "row 2: Days_Shifted is positive"),
        ("PatientID,person_id,Days_Shifted\nP1,7,0\n", "not between -730 and -1"),
        ("PatientID,person_id,Days_Shifted\nP1,7,-731\n", "not between -730 and -1"),
        ("PatientID,person_id,Days_Shifted\nP1,7,-1.5\n", "not a whole number"),
        ("PatientID,person_id,Days_Shifted\nP1,0,-5\n", "not a positive whole number"),
        ("PatientID,person_id,Days_Shifted\nP1,2147483648,-5\n", "above 2147483647"),
        ("PatientID,person_id,Days_Shifted\n,7,-5\n", "PatientID is empty"),
    ],
)
def test_a_row_that_cannot_stand_is_named_by_number_and_never_by_identifier(
    tmp_path: Path, persons: str, fault: str
) -> None:
    text = faults(site(tmp_path, persons))
    assert fault in text
    assert "P1" not in text


def test_several_patient_ids_of_one_person_share_its_shift(tmp_path: Path) -> None:
    found = read_lookups(site(tmp_path, "PatientID,person_id,Days_Shifted\nP1,7,-5\nP2,7,-5\nP1,7,-5\n"))
    assert found.person("P1") == found.person("P2") == (7, -5)
    assert len(found.persons) == 2


def test_whole_numbers_as_spreadsheets_write_them_are_read(tmp_path: Path) -> None:
    found = read_lookups(site(tmp_path, "PatientID,person_id,Days_Shifted\n0042,7.0,-5.0\n43,8,-1\n"))
    assert found.person("0042") == (7, -5)


def test_one_image_occurrence_belongs_to_one_person(tmp_path: Path) -> None:
    images = "PatientID,AccessionNumber,image_occurence_id\n0042,A1,70\n43,A2,70\n"
    assert "belongs to another person too" in faults(site(tmp_path, images=images))


def test_every_bad_row_is_listed_at_once(tmp_path: Path) -> None:
    persons = "PatientID,person_id,Days_Shifted\nP1,x,-5\nP2,7,9\nP3,8,-5\n"
    assert len(faults(site(tmp_path, persons)).splitlines()) == 2


def test_a_table_without_a_header_is_refused_without_quoting_it(tmp_path: Path) -> None:
    text = faults(site(tmp_path, "10000032,2705,-100\n"))
    assert "columns not found" in text
    assert "10000032" not in text


def test_missing_and_doubled_tables_are_told(tmp_path: Path) -> None:
    workspace = site(tmp_path)
    (tmp_path / "lookup" / "image_map.tsv").write_text(IMAGES)
    assert "more than one Image_map" in faults(workspace)
    (tmp_path / "lookup" / "image_map.tsv").unlink()
    (tmp_path / "lookup" / "Image_map.csv").unlink()
    assert "Image_map.csv not found" in faults(workspace)


@pytest.mark.parametrize(
    ("code", "shift", "stands"),
    [(0, 0, True), (0, -5, False), (1, -14, True), (1, -15, False), (2, -365, True), (2, -180, False), (3, -364, True)],
)
def test_the_shift_has_the_property_its_code_claims(tmp_path: Path, code: int, shift: int, stands: bool) -> None:
    workspace = site(tmp_path, f"PatientID,person_id,Days_Shifted\n0042,7,{shift}\n", shift_code=code)
    if stands:
        assert read_lookups(workspace).person("0042") == (7, shift)
    else:
        assert "Days_Shifted" in faults(workspace)


SAME_PERSONS = "PatientID,person_id,Days_Shifted\n00774001,774001,-100\n774002,8,-1\n"
SAME_IMAGES = "PatientID,AccessionNumber,image_occurence_id\n00774001,005512,5512\n774002,A2,80\n"


@pytest.mark.parametrize(
    ("persons", "images", "said"),
    [
        (SAME_PERSONS, IMAGES, "Personal_map.csv row 2: person_id is the PatientID"),
        (SAME_PERSONS.replace("774001,-100", "9,-100"), SAME_IMAGES, "Image_map.csv row 2: image_occurence_id is the"),
    ],
)
def test_an_id_of_the_source_is_not_given_out_as_a_new_one(
    tmp_path: Path, persons: str, images: str, said: str
) -> None:
    assert said in faults(site(tmp_path, persons, images))
    assert read_lookups(site(tmp_path, persons, images, pseudonymous_source=True)).persons.shape == (2, 3)


def test_a_few_numbers_may_be_alike_by_chance(tmp_path: Path) -> None:
    rows = "".join(f"{7000 + row},{6000 + row},-1\n" for row in range(30)) + "9001,9001,-1\n7,7,-1\n"
    assert len(read_lookups(site(tmp_path, PERSONS.splitlines()[0] + "\n" + rows, IMAGES)).persons) == 32


def test_a_cause_is_one_line_with_its_count_and_three_rows(tmp_path: Path) -> None:
    images = IMAGES.splitlines()[0] + "\n" + "".join(f"43,7.{row:02}E+08,{80 + row}\n" for row in range(5))
    said = faults(site(tmp_path, images=images))
    assert said.count("shortened by a spreadsheet") == 1
    assert "5 rows, such as 2, 3, 4" in said
    assert "E+08" not in said


def test_a_sheet_saved_as_unicode_text_is_read_and_a_workbook_is_named(tmp_path: Path) -> None:
    workspace = site(tmp_path, images=IMAGES.replace(",", "\t").encode("utf-16"))
    assert read_lookups(workspace).image("43", "A2") == 80
    (tmp_path / "lookup" / "Image_map.csv").rename(tmp_path / "lookup" / "Image_map.xlsx")
    assert "save Image_map.xlsx as CSV" in faults(workspace)


@pytest.mark.parametrize(
    "written", ['"=""00700001"""', "'00700001", "\u200b00700001", "\ufeff00700001\u200e", "00700001\t"]
)
def test_a_number_that_a_spreadsheet_is_told_to_leave_is_read_as_meant(tmp_path: Path, written: str) -> None:
    images = f"PatientID,AccessionNumber,image_occurence_id\nMRN-1,{written},501\n"
    looked = read_lookups(site(tmp_path, "PatientID,person_id,Days_Shifted\nMRN-1,1001,-100\n", images))
    assert looked.image("MRN-1", "00700001") == 501


SPOILT = pd.read_csv(Path(lookups.__file__).with_name("spreadsheet_faults.csv"), dtype=str, keep_default_na=False)


@pytest.mark.parametrize("column", ["PatientID", "AccessionNumber", "image_occurence_id"])
@pytest.mark.parametrize(("example", "says"), SPOILT[["example", "says"]].itertuples(index=False, name=None))
def test_what_a_spreadsheet_spoils_is_named_by_cause(tmp_path: Path, column: str, example: str, says: str) -> None:
    row = {"PatientID": "43", "AccessionNumber": "A2", "image_occurence_id": "80"} | {column: example}
    workspace = site(tmp_path, images=IMAGES.splitlines()[0] + "\n" + ",".join(row.values()) + "\n")
    if column == "image_occurence_id" and example == "42.0":
        assert read_lookups(workspace).image("43", "A2") == 42  # a number may be one
        return
    assert faults(workspace) == f"Image_map.csv row 2: {column.replace('ccurence', 'ccurrence')} {says}"


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (
            '\n"43,A2,80\n"44,A3,81\n',
            "row 3: PatientID holds a line break or a control character; look for a quotation mark",
        ),
        (f'\n43,A2,80\n"{"x" * 200_000}",A3,81\n', "cannot be read as CSV after row 2"),
    ],
    ids=["an open quotation mark", "a cell without end"],
)
def test_rows_that_a_quotation_mark_swallows_are_not_lost(tmp_path: Path, images: str, says: str) -> None:
    assert says in faults(site(tmp_path, images=IMAGES.splitlines()[0] + images))


@pytest.mark.parametrize("header", ["\u7ad0\ufb32,\u8eb9", "SMITH^JOHN,QUILL^ADA"])
def test_a_first_line_that_may_be_no_header_is_not_said(tmp_path: Path, header: str) -> None:
    said = faults(site(tmp_path, images=header + "\n"))
    assert said.startswith("Image_map.csv: columns not found: ") and header.partition(",")[0] not in said


def test_zeros_that_one_table_lost_are_one_line(tmp_path: Path) -> None:
    rows = "".join(f"00{n},{n + 1},-5\n" for n in range(100, 140))
    images = "".join(f"{n},A{n},{n}\n" for n in range(100, 140))
    said = faults(site(tmp_path, PERSONS.splitlines()[0] + "\n" + rows, IMAGES.splitlines()[0] + "\n\n" + images))
    assert said == (
        "Image_map.csv: PatientID is in Personal_map only with other leading zeros, blanks, capitals or signs:"
        " 40 rows, such as 3, 4, 5"
    )


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (b"PK\x03\x04 and more", "Image_map.csv: is an Excel workbook, whatever its name; save it as CSV"),
        (IMAGES.replace("\n43", "\n,").encode(), "Image_map.csv row 3: PatientID is empty"),
        (b"sep=;\n" + IMAGES.replace(",", ";").encode(), ""),
        (IMAGES.encode("utf-16-le"), ""),
    ],
)
def test_other_forms_that_spreadsheets_write(tmp_path: Path, images: bytes, says: str) -> None:
    workspace = site(tmp_path, images=images)
    if says:
        assert says in faults(workspace)
    else:
        assert read_lookups(workspace).image("0042", "00A1") == 70


def test_zero_bytes_are_told_as_that_or_passed_over(tmp_path: Path) -> None:
    header, rows = IMAGES.encode().split(b"\n", 1)
    assert read_lookups(site(tmp_path, images=header + b"\0\0\0\n" + rows)).image("43", "A2") == 80
    assert "row 4: PatientID holds zero bytes" in faults(site(tmp_path, images=IMAGES.encode() + b"\0\0\0\n"))
