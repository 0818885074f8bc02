"""A site's own script as policy: what it promises is no finding, and nothing passes because it says so."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

import chorus_nb.verify
from chorus_nb import standards
from chorus_nb.mapping.ctp import ctp_differences
from chorus_nb.standards import tag_name
from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace
from tests import vectors
from tests.mapping.test_official_script import official_script
from tests.verify.small_site import rewrite

HASH = str(int.from_bytes(hashlib.md5(b"STUDY8812").digest(), "big"))[:16]
LINES = (  # element, what the script says, what was released, the checks that hold the file for it
    ("StudyID", "@hash(this,16)", HASH, set()),
    ("ClinicalTrialSiteName", "Zorbaxium trial", "Zorbaxium trial", set()),  # the site's own words, in every file
    ("RequestedProcedureID", "@hash(this,16)", "4471982055600177", {"removed", "patterns"}),  # another number
    ("ClinicalTrialSiteID", "617-555-0199", "617-555-0199", {"patterns"}),
    # as it was promised, and this patient's all the same
    ("ClinicalTrialSponsorName", "MRN-77120034", "MRN-77120034", {"leaks", "patterns"}),
    ("AdmissionID", "@contents(PatientID)", "MRN-77120034", {"leaks", "patterns", "removed"}),
    ("CurrentPatientLocation", "@initials(PatientName)", "MRI", {"removed"}),
)
LEAKS = list(csv.DictReader((Path(vectors.__file__).parent / "scripts" / "leaks.csv").open(encoding="utf-8")))


def test_a_value_of_the_sites_script_is_held_when_it_tells_of_the_patient(release: Workspace) -> None:
    script = release.local / "site.script"
    lines = (f"<e en='T' t='{tag_for_keyword(name):08x}'>{action}</e>" for name, action, _, _ in LINES)
    script.write_text(f"<script>{''.join(lines)}</script>")
    scripted = Workspace(release.parameters.model_copy(update={"policy": str(script)}))
    rewrite(scripted, lambda d: d.update({name: value for name, _, value, _ in LINES}))
    findings = verify(scripted)
    grave = findings[(findings.severity == "high") & (findings.tag != "")]
    found = {name: set(grave.check[grave.tag == tag_name(tag_for_keyword(name) or 0)]) for name, *_ in LINES}
    assert found == {name: checks for name, _, _, checks in LINES}
    assert grave.held.all()


def test_what_the_official_script_leaves_is_found_or_named_as_left(release: Workspace) -> None:
    """Each value stands in the released file as CTP itself leaves it, with the official script as policy."""
    script = release.local / "site.script"
    script.write_text(official_script())
    scripted = Workspace(release.parameters.model_copy(update={"policy": str(script)}))
    rewrite(scripted, lambda d: [_leave(d, row) for row in LEAKS])
    findings = verify(scripted)
    grave = findings[(findings.severity == "high") & (findings.tag != "")]
    found = {row["element"]: " ".join(sorted(set(grave.check[grave.tag == _place(row)]))) for row in LEAKS}
    assert found == {row["element"]: row["checks"] for row in LEAKS}


def _tag(name: str) -> int:
    return tag_for_keyword(name) or int(name, 16)


def _place(row: dict[str, str]) -> str:
    *sequence, name = row["element"].split(".")
    return ".".join([*(f"{standards.path_step(_tag(one))}.0" for one in sequence), tag_name(_tag(name))])


def _leave(d: Dataset, row: dict[str, str]) -> None:
    *sequence, name = row["element"].split(".")
    owner = d[sequence[0]].value[0] if sequence else d
    left: object = row["left"].encode() if row["vr"] == "OW" else row["left"]
    if left == "=md5":
        left = HASH if name == "StudyID" else f"1.2.826.0.1.3680043.10.1596.{HASH}"
    if _tag(name) >> 16 == 0x0013:
        owner.add_new(0x00130010, "LO", "CTP")
    owner.add_new(_tag(name), row["vr"], left)


def test_the_page_of_the_room_tells_each_of_them() -> None:
    told = Path(chorus_nb.verify.__file__).with_name("README.md").read_text("utf-8").splitlines()
    rows = [f"| `{row['difference']}` | {row['what']} | {row['checks'].replace(' ', ', ') or '–'} |" for row in LEAKS]
    assert [line for line in told if line.startswith("| `") and line in rows] == rows
    assert {row["difference"] for row in LEAKS} <= {row.name for row in ctp_differences()}
