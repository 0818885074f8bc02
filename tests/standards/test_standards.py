"""The facts the workbench rests on: complete, and the same as the tables they come from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag

from chorus_nb import standards

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_table_e_1_1_names_its_edition_in_every_row() -> None:
    assert len(standards.ps315()) == 659
    assert {row.edition for row in standards.ps315().values()} == {"2024e", "2026c"}


def test_repeating_and_private_groups_have_their_rule() -> None:
    assert standards.ps315_rule(0x60023000) == standards.ps315()["(60XX,3000)"]
    assert standards.ps315_rule(0x50041234) == standards.ps315()["(50XX,XXXX)"]
    assert standards.ps315_rule(0x00191001).name == "Private Attributes"
    assert standards.ps315_rule(0x00280010) is None


def test_safe_private_attributes_are_found_by_creator_group_and_offset() -> None:
    assert len({(row.creator, row.group, row.offset) for row in standards.safe_private().values()}) == 479
    assert standards.safe_private()["Philips PET Private Group", 0x7053, 0x00].vr == "DS"
    assert standards.safe_private()["PHILIPS PET PRIVATE GROUP", 0x7053, 0x00].creator == "Philips PET Private Group"


def test_both_filter_tags_of_the_sops_slip_are_on_the_keep_list() -> None:
    assert standards.keep_list()["(0018,7050)"] == "FilterMaterial"
    assert standards.keep_list()["(0018,1160)"] == "FilterType"


def test_keywords_of_the_chorus_lists_are_those_of_the_dictionary() -> None:
    lists = {**standards.keep_list(), **standards.date_table()}
    lists.update({tag: keyword for tag, (keyword, _) in standards.minimum_metadata().items()})
    assert len(standards.minimum_metadata()) == 22
    assert len(standards.date_table()) == 19
    for tag, keyword in lists.items():
        assert keyword_for_tag(int(tag[1:5] + tag[6:10], 16)) == keyword


def test_the_type_of_an_attribute_is_that_at_its_own_path() -> None:
    assert standards.attribute_type(CT, (), "PatientID") == "2"
    assert standards.attribute_type(CT, ("OtherPatientIDsSequence",), "PatientID") == "1"
    assert standards.attribute_type(CT, (), "EchoTime") is None
    assert standards.attribute_type("1.2.3", (), "PatientID") is None


def test_a_mandatory_module_outweighs_an_optional_one() -> None:
    assert standards.attribute_type(CT, (), "ImageType") == "1"  # CT Image says 1, General Image says 3


def test_every_releasable_class_has_an_iod() -> None:
    assert all(standards.iod_of(sop_class) for sop_class in standards.RELEASABLE)


def test_the_compact_iods_say_what_their_source_says(shared: Path) -> None:
    source = json.loads(gzip.decompress((shared / "data" / "iod_types.json.gz").read_bytes()))
    for sop_class in standards.RELEASABLE:
        iod = source["sop_to_iod"].get(sop_class)
        for path, attribute in source["types"].get(iod, {}).items():
            *above, keyword = path.split(".")
            assert standards.attribute_type(sop_class, tuple(above), keyword) == attribute["type"], (iod, path)


@pytest.mark.parametrize(
    ("tag", "official"),
    [
        (0x00080020, "dates shifted"),
        (0x00100020, "lookup"),
        (0x00091001, "removed (private groups)"),
        (0x60003000, "removed (curves, overlays)"),
        (0x00080031, "@time()"),
        (0x00401002, "kept (not in the script)"),
    ],
)
def test_the_official_action_is_told_in_words(tag: int, official: str) -> None:
    assert standards.official_action(tag) == official


def test_ctp_means_another_tag_by_eleven_keywords() -> None:
    assert standards.ctp_tag("ImagePosition") == 0x00200032
    assert standards.ctp_tag("RequestAttributesSeq") == 0x00400275
    assert standards.ctp_tag("RequestAttributesSequence") is None


def test_study_descriptions_are_matched_without_regard_to_case_and_signs() -> None:
    key = ("CT", standards.normalised_description("ct chest-pulmonary  angio WITH iv con"))
    assert standards.loinc_map()[key].code == "79077-4"
