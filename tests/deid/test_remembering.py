"""What an engine has seen before never changes what it makes of a file."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from chorus_nb.deid import dataset
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import read_book
from chorus_nb.mapping.policy import Policy
from tests.deid.conftest import SUBJECT, encoded, image

UIDS = UidMap("keyed", "2.25", bytes(range(32)))
ZONE = ZoneInfo("America/New_York")


def fresh(policy: Policy | None = None) -> Deidentifier:
    return Deidentifier(policy or Policy(Chorus()), UIDS, ZONE)


def told(made: Deidentified) -> tuple[object, ...]:
    """All that leaves the engine."""
    return made.header, bytes(made.pixels), made.changes, made.notes


def study(**attributes: object) -> list[bytes]:
    """Three slices with words that identify some patients and not others, in a sequence and a private block too."""
    asked = Dataset()
    asked.RequestedProcedureDescription = "CT for Brandt, seen 19990101"
    made = []
    for number in (1, 2, 3):
        values = {
            "SOPInstanceUID": f"1.2.3.{number}",
            "InstanceNumber": number,
            "SeriesDescription": "Brandt Lund 2024-02-29 MRN-0042-77 A9988776",
            "ImageComments": "Lund, age 91",
            "PatientBirthDate": "19340101",
            "RequestAttributesSequence": [asked],
            **attributes,
        }
        slice_ = image(values.pop("syntax", ExplicitVRLittleEndian), **values)  # type: ignore[arg-type]
        block = slice_.private_block(0x0019, str(values.get("PrivateCreator", "GEMS_ACQU_01")), create=True)
        block.add_new(0x02, "SL", 3)
        made.append(encoded(slice_))
    return made


OTHER = Subject(2, -37, 4712, frozenset({"Brandt"}))
STUDIES = {
    "another name": (study(PatientName="Brandt^A"), SUBJECT),
    "another one still": (study(PatientName="Lund^B"), SUBJECT),
    "another person": (study(), SUBJECT._replace(person_id=2)),
    "another shift": (study(), SUBJECT._replace(days_shifted=-37)),
    "another image occurrence": (study(), SUBJECT._replace(image_occurrence_id=4712)),
    "other known ids": (study(), OTHER),
    "another age": (study(PatientAge="091Y"), SUBJECT),
    "another accession": (study(AccessionNumber="Lund"), SUBJECT),
    "another patient id": (study(PatientID="Brandt"), SUBJECT),
    "another class": (study(SOPClassUID=MRImageStorage, Modality="MR"), SUBJECT),
    "another character set": (study(SpecificCharacterSet="ISO_IR 192", PatientName="Mïller^C"), SUBJECT),
    "another encoding": (study(syntax=ImplicitVRLittleEndian), SUBJECT),
    "another creator": (study(PrivateCreator="SOMEONE ELSE"), SUBJECT),
    "none of these": (study(), SUBJECT),
}


@pytest.mark.parametrize("which", STUDIES)
def test_an_engine_that_has_seen_other_studies_makes_the_same_as_a_new_one(which: str) -> None:
    used = fresh()
    for contents, subject in chain(STUDIES.values(), [STUDIES["none of these"]]):
        for content in contents:
            used.apply(content, subject)
    contents, subject = STUDIES[which]
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
    engine = fresh(Policy(read_book(script, Chorus(), "")))
    texts = ["seen", "not", "seen"]
    made = [
        engine.apply(encoded(image(StudyDescription="CT CHEST", ImageComments=text)), SUBJECT).header for text in texts
    ]
    assert [b"CT CHEST" in header for header in made] == [True, False, True]
