"""The official CHoRUS script as a site has it, unchanged: every line does what CTP does, or a declared difference."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.datadict import DicomDictionary, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from chorus_nb import standards
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import ScriptRules, ctp_differences, read_script_rules
from chorus_nb.mapping.policy import Policy

ROOT = "1.2.826.0.1.3680043.10.1596"
PARAMETERS = {  # as published, without the words that only tell people what to enter
    **dict.fromkeys(("BODYPART", "DATEINC", "NOTICE1", "NOTICE2", "SHORTNAME"), "Enter"),
    "PROFILENAME": "TCIA",
    "PROJECTNAME": "CHORUS",
    "PTIDGROUP": "xx",
    "SITEID": "1",
    "SITENAME": "SiteName",
    "SUBJECT": "Subject",
    "TRIALNAME": "Trial",
    "UIDROOT": ROOT,
}
SWITCHES = (
    *(f'<k en="F" t="{group}">Keep group {group}</k>' for group in ("0018", "0020", "0028")),
    '<k en="F" t="safeprivateelements">Keep safe private elements</k>',
    *(f'<r en="T" t="{name}">Remove {name}</r>' for name in ("curves", "overlays", "privategroups")),
    '<r en="F" t="unspecifiedelements">Remove unchecked elements</r>',
)


def official_script() -> str:
    """The script in the form it is published in: parameters, lines, switches."""
    texts = [f' <p t="{name}">{value}</p>' for name, value in PARAMETERS.items()]
    for tag, action in standards.official_actions().items():
        texts.append(f' <e en="T" t="{standards.parse_tag(tag):08x}" n="any">{escape(action)}</e>')
    return "\n".join(["<script>", *texts, *(f" {line}" for line in SWITCHES), "</script>", ""])


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "DicomAnonymizer_chorus.script"
    path.write_text(official_script())
    return path


@pytest.fixture(scope="module")
def rules(script: Path) -> ScriptRules:
    return read_script_rules(script, Chorus(), ROOT)


def test_it_is_read_to_its_last_line_and_warns_of_the_one_parameter_that_it_does_not_define(rules: ScriptRules) -> None:
    assert len(rules.script.lines) == len(standards.official_actions()) == 309
    assert [re.sub(r"line \d+", "line", text) for text in rules.warnings] == [
        "DicomAnonymizer_chorus.script line (00120010): parameter TRIALSPONSOR is not defined; "
        "the policy chorus decides about this element"
    ]
    assert rules.options == ("113100", "113105", "113107", "113108")


def test_the_list_in_the_package_is_the_published_one(shared: Path) -> None:
    rows = list(csv.DictReader((shared / "data" / "chorus_ctp_script_actions.csv").open(encoding="utf-8")))
    enabled = {standards.tag_name(int(row["tag"], 16)): row["action"] for row in rows if row["enabled"] == "T"}
    of_the_trial = ("(0013,1011)", "(0013,1012)", "(0013,1013)")  # the shared table lacks their @always()
    assert standards.official_actions() == enabled | {tag: f"@always(){enabled[tag]}" for tag in of_the_trial}


# --- every line on a file that has every element ---------------------------------------------------------------------

SAMPLES: dict[str, Any] = {
    "AE": "STATION1",
    "AS": "093Y",
    "CS": "YES",
    "DA": "20240131",
    "DS": "1.5",
    "DT": "20240131101500.5",
    "IS": "7",
    "LO": "Zebrafink",
    "LT": "Zebrafink wrote",
    "PN": "Zebrafink^Ada",
    "SH": "Zebrafink",
    "ST": "Zebrafink wrote",
    "TM": "101500",
    "UC": "Zebrafink",
    "UI": "1.2.3.4.5",
    "UN": b"Zebrafink ",
    "US": 4,
    "UT": "Zebrafink wrote",
    "OB": b"Zebrafink ",
    "OW": b"Zebrafink ",
}
TEXTS = {  # words that a list knows, which cleaning leaves
    "StudyDescription": "CT CHEST",
    "SeriesDescription": "AXIAL",
    "BodyPartExamined": "CHEST",
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Sensation 64",
    "SoftwareVersions": "VA1",
    "ContrastBolusAgent": "IODINE",
    "EthnicGroup": "",
    "StudyID": "ST-99",
    "PatientSex": "F",
    "SmokingStatus": "YES",
    "Modality": "CT",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "SpecificCharacterSet": "ISO_IR 100",
}


def original(tags: list[int]) -> Dataset:
    """A CT header with every element the script has a line for, but those no file can hold."""
    made = Dataset()
    for tag in tags:
        vr, keyword = dictionary_VR(tag).split(" or ")[0], DicomDictionary[tag][4]
        if vr == "SQ":
            item = Dataset()
            item.CodeMeaning, item.StudyDate = "Zebrafink", "20240131"
            made.add_new(tag, vr, [item])
        else:
            made.add_new(tag, vr, TEXTS.get(keyword, SAMPLES[vr]))
    return made


def written(dataset: Dataset) -> bytes:
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def decimal(text: str) -> str:
    return str(int.from_bytes(hashlib.md5(text.encode()).digest(), "big"))


def uid(text: str) -> str:
    digits = decimal(text)
    return f"{ROOT}.{'9' * digits.startswith('0')}{digits}"[:64]


CTP: dict[str, Callable[[str], str | None]] = {  # docs/facts/ctp.md sections 1.2, 1.4, 1.5
    "@remove()": lambda text: None,
    "@keep()": lambda text: text,
    "@require()": lambda text: text,
    "@empty()": lambda text: "",
    "@hashuid(@UIDROOT,this)": uid,
    "@hash(this,16)": lambda text: decimal(text)[:16],
    "@param(@SITEID)": lambda text: PARAMETERS["SITEID"],
    "@param(@SITENAME)": lambda text: PARAMETERS["SITENAME"],
    "@param(@TRIALSPONSOR)": lambda text: "null",
    "@time()": lambda text: "the time of the run",
    "@always()YES": lambda text: "YES",
    "@always()MODIFIED": lambda text: "MODIFIED",
}
DECLARED = {  # keyword: the row of `ctp_differences`, what stands here
    **dict.fromkeys(("SeriesTime", "AcquisitionTime", "ContentTime"), ("clock", "101500")),
    "ClinicalTrialSponsorName": ("undefined_parameter", "REMOVED"),
    "PatientID": ("identifiers", "10001"),
    "AccessionNumber": ("identifiers", "70"),
    "PatientAge": ("kept_age", "090Y"),
    "PatientBirthDate": ("kept_date", ""),  # it would tell an age above 89
    "DeviceUID": ("kept_uid", uid("1.2.3.4.5")),
    **dict.fromkeys(
        ("DeviceSerialNumber", "PlateID", "GeneratorID", "CassetteID", "GantryID", "DetectorID"),
        ("kept_identifying", None),
    ),
    "BurnedInAnnotation": ("declarations", "YES"),
}


def test_every_line_does_what_ctp_does_or_a_declared_difference(rules: ScriptRules) -> None:
    declared_here = {0x00120063, 0x00120064}  # what was done is told by the workbench: other tests
    no_file = {tag for tag in map(standards.parse_tag, standards.official_actions()) if not known(tag)}
    tags = [t for t in map(standards.parse_tag, standards.official_actions()) if t not in no_file | declared_here]
    before = original(tags)
    engine = Deidentifier(Policy(rules), UidMap("ctp", ROOT, b"0" * 32), ZoneInfo("America/New_York"))
    made = pydicom.dcmread(io.BytesIO(engine.apply(written(before), Subject(10001, -30, 70)).header))
    found: dict[str, tuple[str, str | None]] = {}
    for tag in tags:
        action, keyword = standards.official_actions()[standards.tag_name(tag)], DicomDictionary[tag][4]
        old = before[tag]
        ctp = CTP[action]("1 item" if old.VR == "SQ" else str(old.value))
        here = None if tag not in made else "1 item" if old.VR == "SQ" else str(made[tag].value or "")
        shifted = action == "@keep()" and old.VR in ("DA", "DT") and here == "20240101" + str(old.value)[8:]
        if here != ctp and not shifted:
            found[keyword] = (DECLARED.get(keyword, ("undeclared", None))[0], here)
    assert found == DECLARED
    assert {name for name, _ in DECLARED.values()} <= {row.name for row in ctp_differences()}
    assert "Zebrafink" not in str(made)


def known(tag: int) -> bool:
    """Whether a file can hold the element: no command, file meta, directory, private block or tag without an entry."""
    return tag in DicomDictionary and tag >> 16 not in (0, 2, 4) and tag not in (0xFFFAFFFA, Tag(0xFFFCFFFC))


def test_what_it_does_not_name_and_what_is_in_sequences_is_the_default_policys(rules: ScriptRules) -> None:
    ct = "1.2.840.10008.5.1.4.1.1.2"
    for path, tag, vr in (
        ((), 0x00180060, "DS"),
        ((), 0x00401002, "LO"),
        (("ProcedureCodeSequence",), 0x00080104, "LO"),
        (("SharedFunctionalGroupsSequence", "FrameContentSequence"), 0x00189074, "DT"),  # @remove() at the root
    ):
        assert rules.rule(ct, path, tag, vr, "").action == Chorus().rule(ct, path, tag, vr, "").action
    assert rules.rule(ct, (), 0x0019100C, "IS", "SIEMENS MR HEADER").action == "X"
