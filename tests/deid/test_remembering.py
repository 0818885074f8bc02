"""What an engine has seen before never changes what it makes of a file."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from chorus_nb.deid import dataset
from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.identity.words import Vocabulary
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import read_script_rules
from chorus_nb.mapping.policy import Policy
from tests.deid.conftest import SUBJECT, encoded, image

UIDS = UidMap("keyed", "2.25", bytes(range(32)))
ZONE = ZoneInfo("America/New_York")
WORDS = Vocabulary(["Brandt", "Lund"])  # words of a site, and names of its patients


def fresh(policy: Policy | None = None) -> Deidentifier:
    return Deidentifier(policy or Policy(Chorus(keep_safe_private=True)), UIDS, ZONE, WORDS)


def told(made: Deidentified) -> tuple[object, ...]:
    """All that leaves the engine."""
    return made.header, bytes(made.pixels), made.changes, made.notes


def study(**attributes: object) -> list[bytes]:
    """Three slices of one study: words, an inner item and a private block that mean different things in another one."""
    inner = Dataset()
    inner.PatientID, inner.AccessionNumber = "MRN-0042-77", "A9988776"
    inner.RequestedProcedureDescription = "CT for Brandt"
    made = []
    for number in (1, 2, 3):
        values = {
            "SOPInstanceUID": f"1.2.3.{number}",
            "InstanceNumber": number,
            "SeriesDescription": "Brandt Lund 2024-02-29 MRN-0042-77 A9988776",
            "ScanOptions": "ADAEZE",
            "AdmissionID": "A1111111",
            "OtherPatientIDs": "MRN-1111-11",
            "RequestAttributesSequence": [inner],
            **attributes,
        }
        slice_ = image(**values)
        block = slice_.private_block(0x0019, str(values.get("PrivateCreator", "GEMS_ACQU_01")), create=True)
        block.add_new(0x23, "DS", "3")
        made.append(encoded(slice_))
    return made


BEFORE = study(), SUBJECT
DIFFERENT = {
    "name": (study(PatientName="Brandt^A"), SUBJECT),
    "person": (study(), SUBJECT._replace(person_id=2)),
    "shift": (study(), SUBJECT._replace(days_shifted=-37)),
    "image occurrence": (study(), SUBJECT._replace(image_occurrence_id=4712)),
    "known ids": (study(), SUBJECT._replace(known_ids=frozenset({"MRN-0042-77", "Brandt"}))),
    "age": (study(PatientAge="091Y"), SUBJECT),
    "accession": (study(AccessionNumber="A1111111", AdmissionID="A9988776"), SUBJECT),
    "patient id": (
        study(PatientID="MRN-1111-11", OtherPatientIDs="MRN-0042-77"),
        SUBJECT._replace(known_ids=frozenset()),
    ),
    "class": (study(SOPClassUID=MRImageStorage), SUBJECT),
    "character set": (study(SpecificCharacterSet="ISO_IR 100", StudyDescription="Adaeze M\u00c3\u00bc"), SUBJECT),
    "creator": (study(PrivateCreator="SOMEONE ELSE"), SUBJECT),
    "nothing": BEFORE,
}
# What the difference is to be told from, where it is not BEFORE.
INSTEAD = {
    "patient id": (BEFORE[0], SUBJECT._replace(known_ids=frozenset())),
    "character set": (study(SpecificCharacterSet="ISO_IR 192", StudyDescription="Adaeze M\u00fc"), SUBJECT),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_an_engine_that_has_seen_a_study_makes_of_another_what_a_new_engine_makes(what: str) -> None:
    used = fresh()
    contents, subject = INSTEAD.get(what, BEFORE)
    for content in contents:
        used.apply(content, subject)
    contents, subject = DIFFERENT[what]
    assert [told(used.apply(content, subject)) for content in contents] == [
        told(fresh().apply(content, subject)) for content in contents
    ]


def test_words_kept_for_one_patient_go_when_they_are_the_name_of_the_next() -> None:
    engine = fresh()
    words = {"SeriesDescription": "Brandt protocol", "StudyDescription": "Lund sequence"}
    first = engine.apply(encoded(image(PatientName="Lund^B", **words)), SUBJECT)
    second = engine.apply(encoded(image(PatientName="Brandt^A", **words)), SUBJECT)
    assert b"Brandt" in first.header
    assert b"Lund" not in first.header
    assert b"Lund" in second.header
    assert b"Brandt" not in second.header


def test_what_differs_from_image_to_image_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MOST_SEEN", 40)
    engine, seen = fresh(), []
    monkeypatch.setattr(engine, "seen", lambda known: seen.append(Deidentifier.seen(engine, known)) or seen[-1])
    sizes = []
    for number in range(1, 60):
        engine.apply(encoded(image(InstanceNumber=number, SOPInstanceUID=f"1.2.3.{number}")), SUBJECT)
        sizes.append(len(seen[-1]))
    assert 40 < max(sizes) < 80


def test_a_rule_that_looks_at_other_elements_is_asked_for_every_image(tmp_path: Path) -> None:
    script = tmp_path / "site.script"
    line = '@if(ImageComments,contains,"seen"){@keep()}{@remove()}'
    script.write_text(f'<script>\n<e en="T" t="00081030" n="StudyDescription">{line}</e>\n</script>\n')
    engine = fresh(Policy(read_script_rules(script, Chorus(), "")))
    texts = ["seen", "not", "seen"]
    made = [
        engine.apply(encoded(image(StudyDescription="CT CHEST", ImageComments=text)), SUBJECT).header for text in texts
    ]
    assert [b"CT CHEST" in header for header in made] == [True, False, True]
