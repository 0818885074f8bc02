"""What the policies say of single elements."""

from __future__ import annotations

import pickle

import pytest
from pydicom.datadict import DicomDictionary, dictionary_VR, tag_for_keyword

from chorus_nb import standards
from chorus_nb.mapping import ACTIONS, Policy
from chorus_nb.mapping.basic import BasicProfile
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.policy import rule_set
from chorus_nb.mapping.rules import Rule, by_type, rules_digest
from chorus_nb.parameters import POLICIES, Parameters

CT = "1.2.840.10008.5.1.4.1.1.2"
CHORUS = Policy(Chorus())


def action(keyword: str, *path: str, policy: Policy = CHORUS, sop_class: str = CT) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return policy.rule(sop_class, path, tag, dictionary_VR(tag)[:2]).action


def tags_of(names: object) -> list[int]:
    return [int(name[1:5] + name[6:10], 16) for name in names]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("PatientID", "lookup"),
        ("AccessionNumber", "lookup"),
        ("PatientName", "Z"),
        ("PatientBirthDate", "shift"),
        ("PatientAge", "age"),
        ("PatientSex", "K"),
        ("StudyDate", "shift"),
        ("StudyTime", "K"),
        ("TimezoneOffsetFromUTC", "X"),
        ("SOPInstanceUID", "U"),
        ("SOPClassUID", "K"),
        ("StudyDescription", "C"),
        ("ProtocolName", "C"),
        ("PatientComments", "X"),
        ("ImageComments", "X"),
        ("AdditionalPatientHistory", "X"),
        ("ReasonForStudy", "X"),
        ("InterpretationText", "X"),
        ("RequestedProcedureDescription", "X"),
        ("ConvolutionKernel", "C"),
        ("BodyPartExamined", "C"),
        ("InstitutionName", "X"),
        ("DeviceSerialNumber", "X"),
        ("RequestAttributesSequence", "S"),
        ("ReferencedImageSequence", "S"),
        ("OriginalAttributesSequence", "X"),
        ("IconImageSequence", "X"),
        ("EncryptedAttributesSequence", "X"),
        ("Manufacturer", "K"),
        ("PixelData", "K"),
    ],
)
def test_the_default_policy_decides(keyword: str, expected: str) -> None:
    assert action(keyword) == expected


def test_every_attribute_of_the_dictionary_has_one_action_with_a_reason_and_a_source() -> None:
    for policy in (CHORUS, Policy(BasicProfile())):
        for sop_class in (CT, "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3"):
            for tag, entry in DicomDictionary.items():
                rule = policy.rule(sop_class, (), tag, entry[0][:2])
                assert rule.action in ACTIONS
                assert rule.reason
                assert rule.source


@pytest.mark.parametrize("sop_class", sorted(standards.RELEASABLE))
def test_keep_list_and_minimum_metadata_survive_in_every_released_class(sop_class: str) -> None:
    for tag in tags_of([*standards.keep_list(), *standards.minimum_metadata()]):
        rule = CHORUS.rule(sop_class, (), tag, dictionary_VR(tag)[:2])
        assert rule.action in ("K", "C", "U", "shift", "lookup"), standards.tag_name(tag)


@pytest.mark.parametrize("path", [(), ("RequestAttributesSequence",), ("PerFrameFunctionalGroupsSequence", "X")])
def test_no_date_stays_as_it_is_at_any_depth(path: tuple[str, ...]) -> None:
    for tag, entry in DicomDictionary.items():
        if entry[0] in ("DA", "DT"):
            assert CHORUS.rule(CT, path, tag, entry[0]).action in ("shift", "X"), standards.tag_name(tag)


def test_names_of_persons_and_identifiers_the_table_removes_are_never_kept() -> None:
    for tag, entry in DicomDictionary.items():
        if entry[0] == "PN":
            assert CHORUS.rule(CT, (), tag, "PN").action in ("X", "Z", "D"), standards.tag_name(tag)


def test_the_dictionary_decides_and_not_the_vr_in_the_file() -> None:
    assert CHORUS.rule(CT, (), 0x00080090, "DS").action == "Z"  # Referring Physician's Name sent as a number


def test_a_uid_of_an_object_is_replaced_also_where_it_does_not_belong() -> None:
    assert action("ConcatenationUID") == "U"
    assert action("ReferencedSOPClassUID", "ReferencedImageSequence") == "K"


def test_text_outside_the_table_is_cleaned_if_it_belongs_to_the_image_and_removed_otherwise() -> None:
    assert action("SoftwareVersions") == "C"
    assert CHORUS.rule(CT, (), 0x0008FFF0, "LO").action == "X"
    assert action("ScheduledAdmissionDate") == "shift"
    assert action("SelectorPNValue") in ("X", "D")


def test_numbers_of_the_acquisition_are_kept_also_in_another_kind_of_image() -> None:
    assert action("EchoTime") == "K"  # standard extended SOP class: a CT with an MR attribute


def test_overlays_curves_and_group_lengths_are_removed() -> None:
    for tag in (0x60003000, 0x60024000, 0x50000010, 0x00080000, 0xFFFCFFFC):
        assert CHORUS.rule(CT, (), tag, "OW").action == "X"


def test_a_safe_private_element_is_kept_by_creator_and_offset_whatever_its_block() -> None:
    for tag in (0x70531000, 0x7053FF00):
        assert CHORUS.rule(CT, (), tag, "DS", "Philips PET Private Group").action == "K"
    assert CHORUS.rule(CT, (), 0x70531000, "DS", "ANOTHER").action == "X"
    assert CHORUS.rule(CT, (), 0x70531000, "DS").action == "X"
    assert (
        Policy(Chorus(keep_safe_private=False)).rule(CT, (), 0x70531000, "DS", "Philips PET Private Group").action
        == "X"
    )


def test_uids_texts_and_sequences_in_safe_private_elements_are_not_kept_blindly() -> None:
    for (creator, group, offset), row in standards.safe_private().items():
        found = CHORUS.rule(CT, (), group << 16 | 0x1000 | offset, row.vr, creator).action
        expected = {
            "UI": "U",
            "SQ": "S",
            "LO": "C",
            "SH": "C",
            "ST": "C",
            "LT": "C",
            "OB": "X",
            "OW": "X",
            "OW/OB": "X",
        }.get(row.vr, "K")
        assert found == expected


def test_device_identity_is_retained_only_on_request_and_institutions_never() -> None:
    devices = Policy(Chorus(keep_device_identifiers=True))
    assert action("DeviceSerialNumber", policy=devices) == "K"
    assert action("InstitutionName", policy=devices) == "X"
    assert "113109" in devices.options
    assert "113109" not in CHORUS.options


def test_the_plain_profile_claims_no_option_and_keeps_no_description() -> None:
    plain = Policy(BasicProfile())
    assert plain.options == ("113100",)
    assert action("StudyDescription", policy=plain) == "X"
    assert action("StudyDate", policy=plain) == "Z"
    assert action("PatientID", policy=plain) == "lookup"


@pytest.mark.parametrize(
    ("code", "type_", "expected"),
    [
        ("X/Z", "3", "X"), ("X/Z", "2", "Z"), ("X/D", "1", "D"), ("X/D", "2", "D"), ("X/D", "3", "X"),
        ("Z/D", "1C", "D"), ("Z/D", "2", "Z"), ("X/Z/D", "1", "D"), ("X/Z/D", "2C", "Z"), ("X/Z/D", None, "X"),
        ("X/Z/U*", "1", "S"), ("X", "1", "D"), ("X", "3", "X"),
    ],
)  # fmt: skip
def test_choices_of_the_table_are_made_by_the_type(code: str, type_: str | None, expected: str) -> None:
    assert by_type(code, "LO", type_, known_iod=True) == expected


def test_an_unknown_iod_gets_the_choice_that_breaks_nothing() -> None:
    assert by_type("X/Z/D", "LO", None, known_iod=False) == "D"
    assert by_type("X/Z", "LO", None, known_iod=False) == "Z"


def test_a_policy_is_the_same_after_a_trip_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(CHORUS))
    assert copy == CHORUS
    assert copy.digest == CHORUS.digest


def test_the_digest_tells_policies_apart() -> None:
    others = [
        Policy(Chorus(keep_safe_private=False)),
        Policy(Chorus(keep_device_identifiers=True)),
        Policy(BasicProfile()),
    ]
    assert len({CHORUS.digest, *(policy.digest for policy in others)}) == 4


def changed(tag: int, **fields: str) -> str:
    """The digest of rules that treat one tag in another way."""

    def rule(sop_class: str, path: tuple[str, ...], tag_: int, vr: str, creator: str) -> Rule:
        found = Chorus().rule(sop_class, path, tag_, vr, creator)
        return found._replace(**fields) if tag_ == tag else found

    return rules_digest(rule)


@pytest.mark.parametrize("tag", [0x00100010, 0x00080018, 0x00091001, 0x00191023])
def test_another_action_is_another_digest_and_another_wording_is_not(tag: int) -> None:
    """What stands in every released file must not change because somebody wrote the code or a reason anew."""
    own = rules_digest(Chorus().rule)
    assert changed(tag, action="age") != own
    assert changed(tag, reason="said in other words") == own


def test_every_policy_a_parameter_file_may_name_has_rules() -> None:
    assert [rule_set(Parameters(policy=name)).name for name in POLICIES] == list(POLICIES) != []
