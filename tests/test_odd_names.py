"""Names are data: a site whose files, folders, members and tables have odd names goes through all six rooms."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path

import pytest

from chorus_nb import deid, explore, mapping, metadata, registry, release, seal, tables, verify
from chorus_nb.deid.preview import preview
from chorus_nb.review import HeaderExplorer
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite

NAMES = (
    *(
        b"100%.dcm",
        b"a%20b.dcm",
        b"%2e%2e/x.dcm",
        b"who?#1.dcm",
        b"dir%/in#ner/?.dcm",
        b"new\nline.dcm",
        b"<b>x</b>.dcm",
    ),
    *(b"a!b.dcm", b"back\\slash.dcm", b"*[ab].dcm", b"{x}.dcm", b"file:x.dcm", b"=1+1.dcm", b"nfd-a\xcc\x88.dcm"),
    *(b"nfd-\xc3\xa4.dcm", b"latin-\xe4.dcm", b"latin-\xe5.dcm", b"d\xff\xfe/x.dcm", b" lead", b"trail.", b"x" * 250),
)
MEMBERS = ("same.dcm", "same.dcm", "../up.dcm", "/abs.dcm", "who?#%41.dcm", "new\nline.dcm")
# OMOP tables without their optional columns, in another order
PERSON = "year_of_birth,race_concept_id,person_id,ethnicity_concept_id,gender_concept_id\n1950,0,1001,0,8507\n"
VISIT = (
    "visit_end_date,visit_start_date,person_id,visit_occurrence_id,visit_type_concept_id,visit_concept_id\n"
    "2023-11-30,2023-11-10,1001,7,44818517,9201\n"
)
PROCEDURE = "procedure_date,person_id,procedure_type_concept_id,procedure_concept_id,procedure_occurrence_id\n"


def one(number: int) -> bytes:
    return encoded(
        image(PatientID="MRN-1", AccessionNumber="ACC-1", SOPInstanceUID=f"1.2.9.{number}", InstanceNumber=number)
    )


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    """A site below a folder with an odd name of its own."""
    made = SmallSite(tmp_path / "50% #1? [x]")
    for number, name in enumerate(NAMES, 1):
        path = made.dicom / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one(number))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        for number, member in enumerate(MEMBERS, 1 + len(NAMES)):
            archive.writestr(zipfile.ZipInfo(member), one(number))
    (made.dicom / "we%ird #1?.zip").write_bytes(sink.getvalue())
    for name, text in (("person", PERSON), ("visit_occurrence", VISIT), ("procedure_occurrence", PROCEDURE)):
        (made.folder / "omop" / f"{name}.csv").write_text(text)
    return made.open("work #2 100%", visit_policy="hold", site="50% of #1?")


def test_odd_names_go_through_all_rooms(site: Workspace) -> None:
    found = len(NAMES) + len(MEMBERS)
    files = found - sum(b"\xe4" in name or b"\xe5" in name or b"\xff" in name for name in NAMES)
    for step in (explore.scan, explore.profile, explore.link, explore.assess):
        step(site)
    assert len(HeaderExplorer(site).header(site.read(tables.CATALOG).source_path[0])[0]["rows"]) > 20
    mapping.make_plan(site)
    assert len(preview(site)) > 20
    deid.make_worklist(site)
    outcomes = deid.deidentify(site)
    assert outcomes.groupby(["status", "reason"]).size().to_dict() == {
        ("released", ""): files,
        ("quarantined", "name_not_text"): found - files,
    }
    assert outcomes.target_path[outcomes.status == "released"].nunique() == files
    findings = verify.verify(site)
    high = findings[findings.severity == "high"]
    assert high.empty, high[["check", "kind"]].to_numpy().tolist()
    for build in (registry.build_registry, registry.build_omop, metadata.build_metadata, registry.build_mi_cdm):
        build(site)
    checked = registry.check_registry(site)
    failed = checked[checked.result == "fail"]
    assert failed.empty, failed[["check", "detail"]].to_numpy().tolist()
    seal.seal_release(site)
    release.pack(site)
    assert site.read(tables.MANIFEST).path.str.endswith(".dcm").sum() == files
    assert site.read(tables.IMAGE_REGISTRY).visit_id.tolist() == [7] * files
