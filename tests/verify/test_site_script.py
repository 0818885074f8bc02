"""A site's own script as policy: what it promises is no finding, and nothing passes because it says so."""

from __future__ import annotations

import hashlib

from pydicom.datadict import tag_for_keyword

from chorus_nb.standards import tag_name
from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace
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
