"""Whatever header there is: it comes out without the patient's identifiers, or it is refused."""

from __future__ import annotations

import io

import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.dicom.spans import Refused, take_apart
from tests.deid.conftest import SUBJECT, encoded, image, whole

SECRETS = ["Okonkwo-Lindqvist", "Adaeze", "MRN-0042-77", "A9988776", "19561224"]
WORDED = ("LO", "SH", "ST", "LT", "UT", "PN", "UC", "CS", "AE")
TAGS = sorted(
    tag
    for tag, (vr, *_) in DicomDictionary.items()
    if 0x00080000 <= tag < 0x50000000 and tag & 0xFFFF and tag not in (0x00080005, 0x00080016, 0x00080018)
)
texts = st.builds(
    lambda before, secret, after: f"{before} {secret} {after}".strip()[:60],
    st.sampled_from(["", "CT chest", "x", "for", "1.2.3"]),
    st.sampled_from(SECRETS),
    st.sampled_from(["", "axial", "(1)", "2"]),
)
# A VR of its own or one that lies: what is decided, is decided by the tag.
elements = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from((*WORDED, "UN")), texts), max_size=12)


def fill(dataset: Dataset, values: list[tuple[int, str, str]]) -> Dataset:
    for tag, vr, text in values:
        value: str | bytes = text.encode() if vr == "UN" else text
        if DicomDictionary[tag][0] != "SQ":
            element = pydicom.DataElement(tag, "OB" if vr == "UN" else "LT", text.encode() if vr == "UN" else text)
            element.VR = vr
            element._value = value
            dataset.add(element)
    return dataset


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=elements,
    nested=elements,
    sequence=st.sampled_from(
        ["ReferencedStudySequence", "RequestAttributesSequence", "ProcedureCodeSequence", "SourceImageSequence"]
    ),
    syntax=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]),
)
def test_no_own_identifier_survives_anywhere(
    engine: Deidentifier,
    values: list[tuple[int, str, str]],
    nested: list[tuple[int, str, str]],
    sequence: str,
    syntax: str,
) -> None:
    made = image(syntax)
    kept = {int(element.tag): element for element in made if element.tag < 0x00280000}
    fill(made, [entry for entry in values if entry[0] not in kept and entry[0] >> 16 != 0x0028])
    setattr(made, sequence, [fill(Dataset(), nested)])
    try:
        content = encoded(made)
    except Exception:
        return  # pydicom itself cannot write it
    try:
        out = whole(engine.apply(content, SUBJECT))
    except Refused:
        return
    header = bytes(take_apart(out).data).lower()
    assert [secret for secret in SECRETS if secret.lower().encode() in header] == []


@settings(max_examples=60, deadline=None)
@given(values=elements)
def test_no_element_comes_out_without_a_rule_of_the_plan(
    engine: Deidentifier, values: list[tuple[int, str, str]]
) -> None:
    made = fill(image(), [entry for entry in values if entry[0] >> 16 not in (0x0028, 0x0008, 0x0010, 0x0020)])
    try:
        content = encoded(made)
        out = engine.apply(content, SUBJECT)
    except Exception:
        return
    asked = {tag for (_, path, tag, _, _) in engine._rules if path == ()}
    claimed = {0x00120062, 0x00120063, 0x00120064, 0x00280303}
    assert {element.tag for element in take_apart(whole(out)).elements} <= asked | claimed


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 2000), flip=st.integers(0, 255))
def test_a_damaged_byte_costs_at_most_this_file(engine: Deidentifier, cut: int, flip: int) -> None:
    content = bytearray(encoded(image(StudyDescription="CT CHEST", SeriesNumber="3")))
    content[cut % len(content)] ^= flip
    try:
        out = whole(engine.apply(bytes(content), SUBJECT))
    except Refused as refused:
        assert not any(secret in str(refused) for secret in SECRETS)
        return
    assert b"Okonkwo" not in out
    pydicom.dcmread(io.BytesIO(out), force=True)
