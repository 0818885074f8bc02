"""What a site's script copies of an original stays as it would stay if it was kept, never as more."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.scripted import regions
from chorus_nb.deid.uids import UidMap
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import read_script_rules
from chorus_nb.mapping.policy import Policy
from tests.deid.conftest import SUBJECT, encoded, image

Run = Callable[..., Dataset]
COPIES = (
    *("@contents(this)", '@contents(this,"q","")', '@value(this,"x")', "@uppercase(this)", "@lowercase(this)"),
    *("@truncate(this,60)", "@if(this,exists){X @contents(this)}{@remove()}", "@append(){more}", "@round(this,10)"),
    '@lookup(this,ptid,ignore,".*")',
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "LookupTable.properties").write_text("ptid/1 = 2")

    def go(lines: dict[str, str], method: str = "keyed", **attributes: object) -> Dataset:
        path = tmp_path / "site.script"
        elements = (f'<e en="T" t="{tag}" n="x">{script}</e>' for tag, script in lines.items())
        path.write_text(f"<script>{''.join(elements)}</script>")
        policy = Policy(read_script_rules(path, Chorus(), ""))
        engine = Deidentifier(policy, UidMap(method, "2.25", bytes(32)), ZoneInfo("America/New_York"))
        made = engine.apply(encoded(image(**attributes)), SUBJECT)
        return pydicom.dcmread(io.BytesIO(made.header + bytes(made.pixels)))

    return go


@pytest.mark.parametrize("script", COPIES)
def test_what_is_copied_leaves_no_name_and_no_date(run: Run, script: str) -> None:
    description = "KNEE OKONKWO seen by Dr Smithson 03/14/2019"
    referring = "Smithson^Jo"
    places = dict.fromkeys(("0008103E", "00081030", "00100010", "00080090", "00080080", "00321030"), script)
    made = run(
        places,
        SeriesDescription=description,
        StudyDescription=description,
        ReasonForStudy=description,
        ReferringPhysicianName=referring,
        InstitutionName="Smithson Clinic",
    )
    left = str(made).casefold()
    assert not any(word in left for word in ("okonkwo", "adaeze", "smithson", "2019", "03/14"))
    assert "knee" in str(made.get("SeriesDescription")).casefold()


def test_a_name_is_not_copied_into_another_element(run: Run) -> None:
    made = run({"0008103E": "KNEE @contents(PatientName)", "00181030": "@truncate(PatientName,7)"}, ProtocolName="x")
    assert made.SeriesDescription == "KNEE" if "SeriesDescription" in made else True
    assert "okonkwo" not in str(made).casefold()


@pytest.mark.parametrize("script", ["@contents(this)", "@contents(StudyDate)", "@truncate(this,8)"])
def test_a_date_that_is_copied_is_shifted(run: Run, script: str) -> None:
    made = run({"00080021": script}, SeriesDate="20240229")
    assert made.SeriesDate == made.StudyDate == "20231121"


def test_an_age_and_a_uid_that_are_copied_are_what_they_would_be(run: Run) -> None:
    lines = {"00101010": "@uppercase(this)", "00200052": "@truncate(this,12)"}
    made = run(lines, PatientAge="095y", FrameOfReferenceUID="1.2.3.4.77.8.9")
    assert made.PatientAge == "090Y"
    assert made.FrameOfReferenceUID.startswith("2.25.")


def test_a_year_of_birth_that_tells_an_age_above_89_does_not_stay(run: Run) -> None:
    lines = {"00100030": "@modifydate(this,*,1,1)"}
    assert run(lines).PatientBirthDate == "19560101"
    assert run(lines, PatientBirthDate="19311224", PatientAge="092Y").PatientBirthDate == ""


@pytest.mark.parametrize(
    ("moment", "made"),
    [
        ("20240229120000-0500", "20230813120000-0400"),  # New York in August
        ("20240229120000.5+0900", "20230812220000.5-0400"),
        ("20240229120000", "20230813120000"),
        ("202402", ""),
    ],
)
def test_a_moment_that_a_script_moves_has_the_offset_of_its_new_day(run: Run, moment: str, made: str) -> None:
    assert run({"0008002A": "@incrementdate(this,-200)"}, AcquisitionDateTime=moment).AcquisitionDateTime == made


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_bigendian.dcm"])
def test_regions_of_a_script_lie_in_the_picture_whatever_its_byte_order(name: str, tmp_path: Path) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("not in this pydicom wheel")
    (tmp_path / "site.script").write_text('<script><e en="T" t="00081030" n="x">@keep()</e></script>')
    (tmp_path / "DicomPixelAnonymizer.script").write_text('{ Rows.isLessThan("65") } (-10,-5,9,4)')
    policy = Policy(read_script_rules(tmp_path / "site.script", Chorus(), ""))
    assert regions(policy, Path(path).read_bytes()) == [(54, 59, 64, 64)]
