"""A value that nobody can use costs what the Type of its attribute says: the file, the value, or the element."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from pydicom.tag import Tag

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.values import reads_as_text
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.leaks.reading import Leaf
from chorus_nb.leaks.texts import identifier_shapes
from tests.deid.conftest import SUBJECT, Release, encoded, image, whole
from tests.deid.test_dataset import item


def with_raw(vr: str, keyword: str, value: bytes) -> bytes:
    """A CT image (explicit VR) in which one element has exactly these bytes."""
    made, tag = image(), Tag(keyword)
    if tag in made:
        del made[tag]
    content = encoded(made)
    behind = (each.start for each in take_apart(content).elements if each.tag > tag)
    at = next(behind, content.rindex(b"\xe0\x7f\x10\0OW"))
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
    long = vr in ("OB", "OW", "UN")  # two bytes of nothing, and a length of four (PS3.5 7.1.2)
    length = (b"\0\0" if long else b"") + len(value).to_bytes(4 if long else 2, "little")
    return content[:at] + head + vr.encode() + length + value + content[at:]


def left_of(engine: Deidentifier, vr: str, keyword: str, value: bytes) -> bytes | None:
    """The value in what was made of such an image, None if the element is gone."""
    made = take_apart(whole(engine.apply(with_raw(vr, keyword, value), SUBJECT)))
    return next((bytes(made.data[e.value : e.end]) for e in made.elements if e.tag == Tag(keyword)), None)


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [
        ("DS", "PixelSpacing", b"0,5\\0,5 "),
        ("DS", "PixelSpacing", b"NaN\\NaN "),
        ("DS", "ImagePositionPatient", b"1\\2\\far "),
        ("US", "Rows", b"\4\0\0\0\0"),
        ("DS", "RescaleSlope", b"one "),
        ("DS", "RescaleSlope", b"1e400 "),
        ("DS", "RescaleIntercept", b"\\\\"),
        ("US", "PixelRepresentation", b"\0\0\0\0"),
        ("CS", "PhotometricInterpretation", b"BROWN "),
    ],
)
def test_a_file_without_a_value_that_its_image_needs_is_refused(
    engine: Deidentifier, vr: str, keyword: str, value: bytes
) -> None:
    with pytest.raises(Refused) as refused:
        engine.apply(with_raw(vr, keyword, value), SUBJECT)
    places = keyword in ("PixelSpacing", "ImagePositionPatient", "Rows")  # a slice of a volume: its series waits too
    assert refused.value.reason == ("geometry_unusable" if places else "value_unusable")
    assert refused.value.detail.startswith("(00") and value.decode().strip() not in refused.value.detail


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [
        ("TM", "StudyTime", b"9:15 AM "),
        ("DS", "KVP", b"120 kV"),
        ("DS", "SliceThickness", b"5,0 "),
        ("LO", "KVP", b"SMITHSON"),
        ("CS", "PatientPosition", b"BROWN "),
    ],
)
def test_an_attribute_that_must_be_present_is_emptied(
    engine: Deidentifier, vr: str, keyword: str, value: bytes
) -> None:
    assert left_of(engine, vr, keyword, value) == b""


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [
        ("TM", "SeriesTime", b"MORNING "),
        ("IS", "ExposureTime", b"500 ms"),
        ("US", "SmallestImagePixelValue", b"\1\0\0"),
        ("FD", "CTDIvol", b"\1\2\3\4"),
        ("CS", "RotationDirection", b"BROWN "),
    ],
)
def test_an_attribute_that_may_be_absent_goes(engine: Deidentifier, vr: str, keyword: str, value: bytes) -> None:
    assert left_of(engine, vr, keyword, value) is None


@pytest.mark.parametrize(
    ("keyword", "value", "left"),
    [
        ("ScanningSequence", b"GR\\XX ", b"GR\\ "),
        ("ScanningSequence", b"gr\\ir ", b"GR\\IR "),
        ("SeriesType", b"BROWN\\IMAGE ", b"\\IMAGE"),
        ("PatientPosition", b"hfs ", b"HFS "),
    ],
)
def test_of_a_closed_list_each_value_answers_for_itself(
    engine: Deidentifier, keyword: str, value: bytes, left: bytes
) -> None:
    assert (left_of(engine, "CS", keyword, value) or b"").strip() == left.strip()


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [
        ("IS", "Exposure", b"14.5"),
        ("IS", "ExposureTime", b"500.0 "),
        ("IS", "InstanceNumber", b"0000000012"),
        ("IS", "InstanceNumber", b"1.0 "),
        ("DS", "SpacingBetweenSlices", b"NaN "),
        ("DS", "KVP", b"120     "),
        ("CS", "PatientPosition", b"HFS "),
        ("CS", "RotationDirection", b""),
    ],
)
def test_a_harmless_oddity_keeps_its_bytes(engine: Deidentifier, vr: str, keyword: str, value: bytes) -> None:
    assert left_of(engine, vr, keyword, value) == value


def test_what_became_of_a_value_is_told_with_its_attribute_but_not_the_value(engine: Deidentifier) -> None:
    made = engine.apply(with_raw("DS", "KVP", b"120 kV"), SUBJECT)
    assert made.notes == {"emptied: value does not have the form of its VR": 1}
    assert [change.keyword for change in made.changes if change.action == "Z" and change.keyword == "KVP"] == ["KVP"]


@pytest.mark.parametrize(("age", "left"), [("42Y", "42Y"), ("7M", "7M"), ("95Y", "090Y"), ("42", "")])
def test_an_age_of_fewer_digits_is_an_age(release: Release, age: str, left: str) -> None:
    assert release(with_raw("AS", "PatientAge", age.encode().ljust(4))).PatientAge == left


def test_a_patient_id_that_an_item_needs_is_replaced_not_emptied(release: Release) -> None:
    out = release(image(SourcePatientGroupIdentificationSequence=[item(PatientID="MRN-OTHER-1", PatientName="X")]))
    assert "MRN-OTHER-1" not in out.to_json()
    for group in out.get("SourcePatientGroupIdentificationSequence", []):
        assert group.PatientID


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [
        ("IS", "NumberOfFrames", b"1e400 "),  # in no IOD of a CT image, and decoders ask for it all the same
        ("IS", "NumberOfFrames", b"-1"),
        ("LO", "SeriesDescription", b"chest " * 2731),
    ],
)
def test_what_would_mislead_whoever_reads_it_is_left_out(
    engine: Deidentifier, vr: str, keyword: str, value: bytes
) -> None:
    assert left_of(engine, vr, keyword, value) is None


def test_what_calls_itself_a_sequence_and_cannot_be_taken_apart_costs_its_file(engine: Deidentifier) -> None:
    content = with_raw("LO", "BodyPartExamined", b"xxxx\1\2\3").replace(b"LO\7\0xxxx", b"SQ\0\0\3\0\0\0")
    with pytest.raises(Refused) as refused:
        engine.apply(content, SUBJECT)
    assert refused.value.reason == "structure_refused"


def test_a_file_with_several_instance_uids_is_refused(engine: Deidentifier) -> None:
    with pytest.raises(Refused) as refused:
        engine.apply(with_raw("UI", "SOPInstanceUID", b"1.2.3\\4.5.6\0"), SUBJECT)
    assert refused.value.reason == "identifiers_missing"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"REPORTED BY VANDERQUILL 617-555-0142", True),
        (struct.pack("<4H", 0, 9, 18, 27) + b"SIGNED VANDERQUILL", True),
        ("READ BY VANDERQUILL".encode("utf-16-le"), True),
        (struct.pack("<4096H", *range(0, 65536, 16)), False),
        (struct.pack("<256H", *(number * 257 for number in range(256))), False),
        (struct.pack("<1024H", *(int(65535 / (1 + math.exp((512 - x) / 90))) for x in range(1024))), False),
        (bytes(range(256)), False),
        (np.random.default_rng(1).normal(0, 1000, 16384).astype("<f4").tobytes(), False),
        (np.cumsum(np.random.default_rng(2).normal(0, 5, 10000)).astype("<i2").tobytes(), False),
        ((105 + np.random.default_rng(3).normal(0, 5, 10000)).astype("<i2").tobytes(), False),
        (
            (np.linspace(0, 255, 256) + np.random.default_rng(4).normal(0, 4, 256)).clip(0, 255).astype("u1").tobytes(),
            False,
        ),
    ],
    ids=(
        "a report",
        "behind numbers",
        "in two bytes",
        "ramp",
        "steps",
        "sigmoid",
        "bytes",
        "a spectrum",
        "an ECG",
        "small",
        "palette",
    ),
)
def test_a_text_among_numbers_is_told_from_curves_by_both_sides(value: bytes, told: bool) -> None:
    assert reads_as_text(value) is told
    assert bool(list(identifier_shapes(Leaf("", 0x00281201, "OW", "", value, "")))) is told


def test_numbers_that_read_as_text_go(engine: Deidentifier) -> None:
    assert left_of(engine, "FD", "AcquisitionDuration", b"READ BY DR VANDERQUILL X") is None
    assert left_of(engine, "FD", "AcquisitionDuration", bytes(8)) == bytes(8)


@pytest.mark.parametrize(
    ("vr", "keyword", "value", "stays"),
    [
        ("FD", "AcquisitionDuration", struct.pack("<d", 734402.0), False),
        ("FL", "TableSpeed", struct.pack("<f", 734402), False),
        ("IS", "ExposureTime", b"734402", False),
        ("FD", "AcquisitionDuration", struct.pack("<d", 734402.5), True),
        ("FD", "AcquisitionDuration", struct.pack("<d", 734403.0), True),
        ("DS", "SliceLocation", b"734402.0", False),
        ("DS", "SliceLocation", b"734402.5", True),
        ("IS", "ExposureTime", b"100000", True),
        ("IS", "ExposureTime", b"120 ", True),
    ],
)
def test_a_number_of_the_patient_goes_from_numbers_of_technique_and_round_ones_stay(
    engine: Deidentifier, vr: str, keyword: str, value: bytes, stays: bool
) -> None:
    ids = frozenset({"00734402", "00100000", "00000120"})
    subject = SUBJECT._replace(known=Identifiers(numbers=ids))
    made = take_apart(whole(engine.apply(with_raw(vr, keyword, value), subject)))
    left = [bytes(made.data[e.value : e.end]) for e in made.elements if e.tag == Tag(keyword)]
    assert (left == [value]) is stays


def test_a_text_that_came_under_another_representation_is_padded_as_text(engine: Deidentifier) -> None:
    assert left_of(engine, "UI", "SeriesDescription", b"AXIAL\0") == b"AXIAL "


def test_where_a_code_stands_a_word_that_no_list_knows_goes_also_from_a_makers_own(engine: Deidentifier) -> None:
    assert left_of(engine, "CS", "ScanOptions", b"THRELKELD\\HELICAL MODE ") == b"\\HELICAL MODE "
    assert left_of(engine, "CS", "ImageType", b"ORIGINAL\\PRIMARY\\THRELKELD ") == b"ORIGINAL\\PRIMARY\\REMOVED"
    assert left_of(engine, "SH", "ConvolutionKernel", b"Threlkeld ") == b""
    made = image()
    block = made.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0D, "CS", "THRELKELD")
    assert b"THRELKELD" not in whole(engine.apply(encoded(made), SUBJECT))
    block.add_new(0x0D, "CS", "DIRECTIONAL")
    assert b"DIRECTIONAL" in whole(engine.apply(encoded(made), SUBJECT))
