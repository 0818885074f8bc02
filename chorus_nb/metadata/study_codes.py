"""The LOINC code of a study by the parts of its description: modality, body part, contrast, side and views.

Only codes that a table states, found by the parts their long common names are made of; a description that says more
than its parts (an angiogram, a biopsy) has none. Where it names no body part at all, that of the header is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from chorus_nb import standards
from chorus_nb.metadata.field_words import is_part_of, read_description, read_words, words_of

_NAME = re.compile(
    r"(?P<modality>CT|MR|XR|US|MG|DBT) (?P<region>[A-Z][A-Za-z ]+?)(?: - (?P<side>left|right|bilateral))?"
    r"(?P<contrast> WO and W contrast IV| WO contrast| W contrast IV)?"
    r"(?P<views> Views| Single view| 2 Views| [Ss]creening| [Dd]iagnostic)?\Z"
)
_SIDES = {"left": "L", "right": "R", "bilateral": "B", None: ""}
_CONTRAST = {" WO and W contrast IV": "both", " WO contrast": "without", " W contrast IV": "with", None: ""}
_PARSED_VIEWS = {"Single view": "1", "2 Views": "2", "Views": ""}
_VIEWS = {("1", "VIEW"): "1", ("SINGLE", "VIEW"): "1", ("2", "VIEWS"): "2"}
_RADIOGRAPHS = frozenset(("CR", "DX"))
_BREAST = {"SCREENING": "screening", "SCREEN": "screening", "DIAGNOSTIC": "diagnostic", "DIAG": "diagnostic"}
_TOMOSYNTHESIS = frozenset(("TOMOSYNTHESIS", "DBT"))
_REGIONS = ("CHEST", "ABDOMEN", "PELVIS")  # in the header of a CT a part of them is where the disease is


class StudyParts(NamedTuple):
    """What a plain study is named by."""

    modality: str
    body_part: str
    side: str
    contrast: str
    views: str


@cache
def codes_by_parts() -> Mapping[StudyParts, str]:
    """LOINC codes of plain studies by their parts, those that two codes would share left out."""
    made: dict[StudyParts, set[str]] = {}
    for code, name in standards.loinc_names().items():
        if not (parsed := _NAME.match(name)):
            continue
        whole = read_words(name, {"XR": "DX", "DBT": "MG"}.get(parsed["modality"], parsed["modality"]))
        region = read_words(parsed["region"], "DX")
        if whole.get("loinc") or whole["unread"] or region.get("view") or region.get("contrast"):
            continue
        part = read_description(parsed["region"], "").get("body_part", "")
        views = _PARSED_VIEWS.get(said := (parsed["views"] or "").strip(), said.lower())
        key = StudyParts(parsed["modality"], part, _SIDES[parsed["side"]], _CONTRAST[parsed["contrast"]], views)
        if part:
            made.setdefault(key, set()).add(code)
    return {key: next(iter(found)) for key, found in made.items() if len(found) == 1}


def parts_of(description: str, modality: str, header_part: str = "") -> StudyParts | None:
    """The parts a study description names; ``None`` if it names more than these, or no body part and the header
    (``header_part``) none either."""
    said, words = read_description(description, modality), read_words(description, modality)
    part = said.get("body_part", "") or ("" if words.get("body_part") else _of_header(header_part, modality))
    if words.get("loinc") or words["unread"] or not part:
        return None
    part = "HEAD" if modality == "CT" and part == "BRAIN" else part
    part = "BRAIN" if modality == "MR" and part == "HEAD" else part
    part = "CHEST" if part == "LUNG" else part
    if modality == "MG":
        return _of_breast(words_of(description), part, said.get("laterality", ""))
    kind = "XR" if modality in _RADIOGRAPHS else modality
    views = _views(words_of(description)) if kind == "XR" else ""
    if kind == "XR" and not views and (words.get("view") or "VIEWS" in words_of(description)):
        return None
    return StudyParts(kind, part, said.get("laterality", ""), said.get("contrast", ""), views)


def _views(words: tuple[str, ...]) -> str:
    """How many views a description counts; "" where it gives a range (``1-2 VIEWS``) or none."""
    counts = {
        "" if before.isdigit() and number.isdigit() else _VIEWS.get((number, word), "")
        for before, number, word in zip(("", *words), words, words[1:], strict=False)
    } - {""}
    return counts.pop() if len(counts) == 1 else ""


def _of_header(part: str, modality: str) -> str:
    inner = part not in (*_REGIONS, "LUNG") and any(is_part_of("body_part", part, region) for region in _REGIONS)
    return "" if modality == "CT" and inner else part


def _of_breast(words: tuple[str, ...], part: str, side: str) -> StudyParts | None:
    kinds = {_BREAST[word] for word in words if word in _BREAST}
    if len(kinds) > 1:
        return None
    kind, by = next(iter(kinds), ""), "DBT" if _TOMOSYNTHESIS & set(words) else "MG"
    return StudyParts(by, part, "B" if by == "DBT" and kind == "screening" and not side else side, "", kind)


def plain_code(description: str, modality: str, header_part: str = "") -> str:
    """The LOINC code of a plain study with the parts that its description names; "" if there is none."""
    parts = parts_of(description, modality, header_part)
    return codes_by_parts().get(parts, "") if parts else ""


def loinc_of(attribute: str, local: str, modality: str, header_part: str = "") -> tuple[str, str]:
    """``code name`` of a study by an attribute, and how it was found ("" = as it stands)."""
    names = standards.loinc_names()
    if attribute == "ProcedureCodeSequence":
        found = [part.removeprefix("LN:") for part in local.split("\\") if part.startswith("LN:")]
        return (f"{found[0]} {names.get(found[0], '')}", "") if len(set(found)) == 1 else ("", "")
    study = standards.loinc_map().get((modality, standards.normalised_description(local)))
    if study:
        return f"{study.code} {study.name}", ", MIDRC map"
    for part, how in (("", ", by parts"), (header_part, ", by parts and BodyPartExamined")):
        if code := plain_code(local, modality, part):
            return f"{code} {names[code]}", how
    return "", ""
