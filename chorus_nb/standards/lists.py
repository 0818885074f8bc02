"""The tables of the Standard and of CHoRUS, each read once from its file in ``data/`` (sources: README.md)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from chorus_nb.standards.tags import tag_name

DATA = Path(__file__).parent / "data"
CURVE_GROUPS = range(0x5000, 0x5020, 2)  # repeating groups, PS3.5 section 7.6
OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


class Attribute(NamedTuple):
    """A row of PS3.15 Table E.1-1: the action of the Basic Profile and of some options ("" = the option says nothing).

    Actions: D dummy, Z empty or dummy, X remove, K keep, C clean, U new UID; X/Z and the like depend on the Type.
    """

    tag: str
    name: str
    keyword: str
    vr: str
    basic: str
    rtn_uids: str
    rtn_dev_id: str
    rtn_pat_chars: str
    rtn_long_modif: str
    clean_desc: str
    clean_struct: str
    edition: str


class PrivateAttribute(NamedTuple):
    """A row of PS3.15 Table E.3.10-1, Safe Private Attributes."""

    creator: str
    group: int
    offset: int
    vr: str
    vm: str
    meaning: str
    edition: str


class Concept(NamedTuple):
    """A term as concepts of the DICOM and of the OMOP vocabulary (0 = none is stated anywhere public)."""

    meaning: str
    dicom_concept_id: int
    omop_concept_id: int


class StudyCode(NamedTuple):
    """LOINC code of a study description."""

    code: str
    name: str


def data_rows(name: str, delimiter: str = ",") -> Iterator[dict[str, str]]:
    text = (DATA / name).read_text(encoding="utf-8-sig")
    return csv.DictReader(io.StringIO(text), delimiter=delimiter)


@cache
def ps315() -> Mapping[str, Attribute]:
    """PS3.15 Table E.1-1 by tag. Rows for repeating groups keep their form, as in ``(60XX,3000)``."""
    return {row["tag"]: Attribute(**{name: row[name] for name in Attribute._fields}) for row in data_rows("ps3_15.csv")}


@lru_cache(maxsize=4096)
def ps315_rule(tag: int) -> Attribute | None:
    """The row of Table E.1-1 for a tag, repeating groups and private groups too; ``None`` if the table has none."""
    table, group = ps315(), tag >> 16
    if group % 2:
        return table["(GGGG,EEEE) WHERE GGGG IS ODD"]
    if group in CURVE_GROUPS:
        return table["(50XX,XXXX)"]
    if group in OVERLAY_GROUPS:
        return table.get(f"(60XX,{tag & 0xFFFF:04X})")
    return table.get(tag_name(tag))


@cache
def safe_private() -> Mapping[tuple[str, int, int], PrivateAttribute]:
    """PS3.15 Table E.3.10-1 by (private creator, group, element offset in its block).

    Some software (Philips) writes the same creator in capitals: that form is found too.
    """
    made = {}
    for row in data_rows("safe_private.csv"):
        group, offset = int(row["group"], 16), int(row["element"], 16)
        for creator in (row["creator"].upper(), row["creator"]):
            made[creator, group, offset] = PrivateAttribute(
                row["creator"], group, offset, row["vr"], row["vm"], row["meaning"], row["source"]
            )
    return made


def _listed_tags(name: str) -> list[dict[str, str]]:
    return [row for row in data_rows("chorus_tags.csv") if row["list"] == name]


@cache
def keep_list() -> Mapping[str, str]:
    """ "DICOM Tags Recommended to Keep" of the Imaging SOP: tag to keyword."""
    return {row["tag"]: row["keyword"] for row in _listed_tags("keep")}


@cache
def minimum_metadata() -> Mapping[str, tuple[str, str]]:
    """The header metadata selected by CHoRUS (SOP step 7): tag to (keyword, ``study`` or ``series``)."""
    return {row["tag"]: (row["keyword"], row["level"]) for row in _listed_tags("minimum")}


@cache
def date_table() -> Mapping[str, str]:
    """Table 1 of the official package, the 19 dates its first script shifts: tag to keyword."""
    return {row["tag"]: row["keyword"] for row in _listed_tags("date")}


@cache
def identifying_attributes() -> Mapping[str, tuple[str, bool]]:
    """Attributes that identify somebody, by keyword: kind, and whether the search for leaks looks for their values
    (identifying.csv; beside every PN, DA, DT and UI)."""
    return {row["keyword"]: (row["kind"], row["searched"] == "yes") for row in data_rows("identifying.csv")}


@cache
def _never_patients() -> tuple[Mapping[str, str], Mapping[str, frozenset[str]]]:
    """Kinds by tag, and VRs by group (XXXX = any), of never_patients.csv."""
    tags: dict[str, str] = {}
    groups: dict[str, frozenset[str]] = {}
    for row in data_rows("never_patients.csv"):
        if row["keyword"]:
            tags[row["tag"]] = row["kind"]
        else:
            groups[row["tag"][1:5]] = frozenset(row["vr"].split())
    return tags, groups


PEOPLE_WRITE = frozenset((0x00180015, 0x00185101))
"""Body Part Examined, View Position: codes of technique in which people write words."""


@cache
def never_a_patient(tag: int, vr: str) -> str:
    """What an attribute holds that is never a patient: equipment, technique, geometry, measure or code
    (never_patients.csv); "" for any other."""
    tags, groups = _never_patients()
    if tag & 0x00010000 or tag in PEOPLE_WRITE:
        return ""
    if vr in groups.get("XXXX", ()) or vr in groups.get(f"{tag >> 16:04X}", ()):
        return "measure"
    return tags.get(tag_name(tag), "")


SHORT_CODE = 3
"""Letters up to which a word of technique is a code: makers have all of them (``FC51``, ``Hr40d``, ``*tfl3d1_ns``)."""


@cache
def terms_of_technique() -> frozenset[str]:
    """Words of codes and short names that no text has (technique_words.csv)."""
    return frozenset(word for row in data_rows("technique_words.csv") for word in row["words"].split())


TERMS_BY_VR = {
    "SH": ("technique", "equipment", "geometry"),
    "LO": ("technique", "geometry"),  # makers and their products have more words than any list (deid/README.md)
    "LT": ("technique",),
}


def holds_terms(tag: int, vr: str) -> bool:
    """Whether what stands there is a code or name of technique or equipment, of a maker's or the Standard's words:
    every CS but those in which people write, and what scanners call their sequences, kernels, methods and coils."""
    if vr == "CS":
        return tag not in PEOPLE_WRITE
    return vr in TERMS_BY_VR and never_a_patient(tag, vr) in TERMS_BY_VR[vr]


NOT_IN_SCRIPT = "kept (not in the script)"


@cache
def official_actions() -> Mapping[str, str]:
    """The enabled lines of the official CHoRUS CTP script: tag to CTP action."""
    return {row["tag"]: row["action"] for row in data_rows("official_script.csv")}


def official_action(tag: int) -> str:
    """What the official chain (its first script, then CTP) does to a tag at the root of a data set, in words."""
    name, group = tag_name(tag), tag >> 16
    if group % 2:
        return "removed (private groups)"
    if group in CURVE_GROUPS or group in OVERLAY_GROUPS:
        return "removed (curves, overlays)"
    if name in date_table():
        return "dates shifted"
    if name in ("(0010,0020)", "(0008,0050)"):
        return "lookup"
    return official_actions().get(name, NOT_IN_SCRIPT)


def _concepts(name: str) -> Mapping[str, Concept]:
    rows = (list(row.values())[:4] for row in data_rows(name))
    return {term: Concept(meaning, int(dicom or 0), int(omop or 0)) for term, meaning, dicom, omop in rows}


@cache
def body_part_concepts() -> Mapping[str, Concept]:
    """Concepts by Body Part Examined (0018,0015), a defined term of PS3.16 Annex L."""
    return _concepts("body_parts.csv")


@cache
def modality_concepts() -> Mapping[str, Concept]:
    """Concepts by Modality (0008,0060)."""
    return _concepts("modality_concepts.csv")


@cache
def attribute_concepts() -> Mapping[str, Concept]:
    """Concepts by keyword of the attributes that say how a series was acquired."""
    return _concepts("attribute_concepts.csv")


@cache
def modality_words() -> frozenset[str]:
    """What stands for a modality in a description: defined terms of Modality, retired ones, and what consoles write."""
    return frozenset(modality_concepts()) | {row["term"] for row in data_rows("modality_words.csv")}


@cache
def loinc_map() -> Mapping[tuple[str, str], StudyCode]:
    """MIDRC's LOINC codes by (Modality, :func:`normalised_description` of the Study Description)."""
    made: dict[tuple[str, str], StudyCode] = {}
    for row in data_rows("study_loinc.tsv", "\t"):
        code = row["LOINC code"].strip()
        if re.fullmatch(r"\d+-\d", code):
            description = row["StudyDescription"].strip()
            said = "" if description in ("(blank)", "[blank]") else normalised_description(description)
            for modality in re.findall(r"[A-Z]{2}", row["Modality"]):  # "CR, DX"; "PT, CTPT": the CT of a PET/CT too
                made.setdefault((modality, said), StudyCode(code, (row["L-Long Common Name"] or "").strip()))
    return made


@cache
def loinc_names() -> Mapping[str, str]:
    """Long common names by LOINC code: of MIDRC's table, and of plain studies beside it (``loinc_plain.csv``)."""
    plain = {row["code"]: row["name"] for row in data_rows("loinc_plain.csv")}
    return plain | {study.code: study.name for study in loinc_map().values()}


def normalised_description(text: str) -> str:
    """A study description in the form :func:`loinc_map` is keyed by: capitals, letters and digits, single blanks.

    >>> normalised_description("CT chest w/o  contrast")
    'CT CHEST W O CONTRAST'
    """
    return " ".join(re.findall(r"[A-Z0-9]+", text.upper()))


@cache
def _ctp_names() -> Mapping[str, int]:
    from pydicom.datadict import DicomDictionary

    unknown = {int(row["tag"], 16) for row in data_rows("ctp_unknown_keywords.tsv", "\t")}
    other = {int(row["tag"], 16): row["dcm4che_1.4JP_name(s)"] for row in data_rows("ctp_keyword_aliases.tsv", "\t")}
    made = {}
    for tag, (_, _, _, _, keyword) in DicomDictionary.items():
        if tag not in unknown:
            for name in re.split(r"[^A-Za-z0-9]+", other.get(tag, keyword)):
                made[name] = tag
    return made


def ctp_tag(name: str) -> int | None:
    """The tag CTP means by an element name: dcm4che 1.4 spells 1,455 keywords in its own way and lacks 256."""
    return _ctp_names().get(name)
