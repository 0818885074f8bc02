"""The LOINC code of a study by the parts of its description: modality, body part, contrast, side and views.

Only codes that MIDRC's table states, found by the parts their long common names are made of; a description that says
more than its parts (an angiogram, a biopsy, a screening) has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from chorus_nb import standards
from chorus_nb.mapping.field_words import read_description, read_words, words_of

_NAME = re.compile(
    r"(?P<modality>CT|MR|XR|US) (?P<region>[A-Z][A-Za-z ]+?)(?: - (?P<side>left|right|bilateral))?"
    r"(?P<contrast> WO and W contrast IV| WO contrast| W contrast IV)?(?P<views> Views| Single view| 2 Views)?\Z"
)
_SIDES = {"left": "L", "right": "R", "bilateral": "B", None: ""}
_CONTRAST = {" WO and W contrast IV": "both", " WO contrast": "without", " W contrast IV": "with", None: ""}
_VIEWS = {("1", "VIEW"): "Single view", ("SINGLE", "VIEW"): "Single view", ("2", "VIEWS"): "2 Views"}
_RADIOGRAPHS = frozenset(("CR", "DX"))


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
        if not (parsed := _NAME.match(name)) or read_words(name, parsed["modality"]).get("loinc"):
            continue
        if read_words(parsed["region"], "DX").get("view"):
            continue
        part = read_description(parsed["region"], "").get("body_part", "")
        views = (parsed["views"] or "").strip().replace("Single view", "1").replace("2 Views", "2").replace("Views", "")
        key = StudyParts(parsed["modality"], part, _SIDES[parsed["side"]], _CONTRAST[parsed["contrast"]], views)
        if part:
            made.setdefault(key, set()).add(code)
    return {key: next(iter(found)) for key, found in made.items() if len(found) == 1}


def parts_of(description: str, modality: str) -> StudyParts | None:
    """The parts a study description names; ``None`` if it names no body part, or more than the parts."""
    said = read_description(description, modality)
    if read_words(description, modality).get("loinc") or "body_part" not in said:
        return None
    part = "HEAD" if modality == "CT" and said["body_part"] == "BRAIN" else said["body_part"]
    part = "BRAIN" if modality == "MR" and part == "HEAD" else part
    part = "CHEST" if part == "LUNG" else part
    kind = "XR" if modality in _RADIOGRAPHS else modality
    words = words_of(description)
    pairs = {_VIEWS.get(pair, "") for pair in pairwise(words)} - {""}
    views = {"Single view": "1", "2 Views": "2"}.get(pairs.pop(), "") if len(pairs) == 1 else ""
    if kind == "XR" and not views and (read_words(description, modality).get("view") or "VIEWS" in words):
        return None
    return StudyParts(kind, part, said.get("laterality", ""), said.get("contrast", ""), views)


def plain_code(description: str, modality: str) -> str:
    """The LOINC code of a plain study with the parts that its description names; "" if there is none."""
    parts = parts_of(description, modality)
    return codes_by_parts().get(parts, "") if parts else ""


def loinc_of(attribute: str, local: str, modality: str) -> tuple[str, str]:
    """``code name`` of a study by an attribute, and how it was found ("" = as it stands)."""
    names = standards.loinc_names()
    if attribute == "ProcedureCodeSequence":
        found = [part.removeprefix("LN:") for part in local.split("\\") if part.startswith("LN:")]
        return (f"{found[0]} {names.get(found[0], '')}", "") if len(set(found)) == 1 else ("", "")
    study = standards.loinc_map().get((modality, standards.normalised_description(local)))
    if study:
        return f"{study.code} {study.name}", ", MIDRC map"
    code = plain_code(local, modality)
    return (f"{code} {names[code]}", ", by parts") if code else ("", "")
