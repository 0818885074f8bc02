"""The fields of CHoRUS from what a site writes in its headers (SOP step 7): code sequences before coded attributes,
before words of descriptions, before geometry; what a person of the site decided before all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import pandas as pd

from chorus_nb import standards
from chorus_nb.metadata.field_words import (
    FIELDS,
    code_of,
    goes_with,
    is_long_number,
    read_description,
    together,
    values,
    words_of,
)
from chorus_nb.metadata.study_codes import loinc_of

MAPPED_FIELDS = (*FIELDS, "loinc")
FIELD_COLUMNS = ("", "_code", "_source", "_confidence", "_original")
HIGH, MEDIUM, CONTRADICTED = "high", "medium", "contradicted"
OF_STUDY = frozenset(("body_part", "laterality"))
"""What the description of a study says of each of its series; a contrast or a view may be that of another series."""
CODED_IN = {
    "body_part": ("AnatomicRegionSequence", "BodyPartExamined"),
    "laterality": ("FrameLaterality", "ImageLaterality", "Laterality"),
    "view": ("ViewCodeSequence", "ViewPosition"),
    "contrast": ("ContrastBolusAgent",),
    "sequence_type": ("ImageType",),
}
DESCRIBED_IN = ("SeriesDescription", "ProtocolName", "StudyDescription")
_IMAGE_TYPES = {"ADC": "ADC", "TRACEW": "DWI", "LOCALIZER": "LOCALIZER", "DIFFUSION": "DWI"}
_NO_AGENT = frozenset(("NO", "NONE", "N", "0", "N A", "NA", "NO CONTRAST", "WITHOUT", "WO", "UNKNOWN"))
OBLIQUE_COSINE = 0.8  # of the slice's normal to the nearest axis: a slice more than 37 degrees off is oblique


class FieldSaid(NamedTuple):
    """What one source says of a field: its ``value`` and, beside it, the ``original``."""

    value: str
    source: str
    confidence: str
    original: str


def map_fields(rows: pd.DataFrame, site: pd.DataFrame | None = None) -> pd.DataFrame:
    """The mapped fields of every row, with the index of ``rows``.

    ``rows`` has columns named by DICOM keyword, of which any may be missing: Modality, StudyDescription,
    SeriesDescription, ProtocolName, BodyPartExamined, FrameLaterality, ImageLaterality, Laterality, ViewPosition,
    ContrastBolusAgent, ImageType and ImageOrientationPatient (values joined by ``\\``), and AnatomicRegionSequence,
    ViewCodeSequence, ProcedureCodeSequence as ``scheme:code``, joined likewise. ``site`` holds what people decided:
    columns ``attribute`` (a keyword), ``local`` (its value), ``field``, ``value`` ("" = leave it unsaid).

    For each of body_part, laterality, view, plane, contrast, phase, sequence_type, loinc five columns of text, "" where
    nothing is said: ``<field>`` (for loinc the long common name), ``<field>_code`` (``scheme:code``; for loinc the bare
    code), ``<field>_source`` (the attribute; ``site: ...`` for a decision), ``<field>_confidence`` and
    ``<field>_original`` (the value it was read from). Confidence is ``high`` (a code, a defined term, geometry, a
    decision), ``medium`` (words of a description) or ``contradicted``: two sources say what cannot both be, the value
    is empty, and source and original tell both, joined by `` | ``.
    """
    decided = _decisions(site)
    made = {}
    for field in MAPPED_FIELDS:
        wanted = (*_sources(field), *(CODED_IN["body_part"] if field == "loinc" else ()))
        columns = [name for name in ("Modality", *wanted) if name in rows]
        if not columns:
            answers = pd.DataFrame("", rows.index, [field + part for part in FIELD_COLUMNS])
        else:
            own = rows[columns].fillna("").astype(str)
            distinct = own.drop_duplicates()
            said = [_answer(field, dict(zip(columns, row, strict=True)), decided) for row in distinct.to_numpy()]
            distinct = distinct.assign(**_columns(field, said))
            answers = own.merge(distinct, on=columns, how="left").set_index(rows.index)
        for part in FIELD_COLUMNS:
            made[field + part] = answers[field + part]
    return pd.DataFrame(made, index=rows.index)


def _sources(field: str) -> tuple[str, ...]:
    if field == "loinc":
        return ("ProcedureCodeSequence", "StudyDescription")
    texts = DESCRIBED_IN if field in OF_STUDY else DESCRIBED_IN[:2]
    return (*CODED_IN.get(field, ()), *texts, *(("ImageOrientationPatient",) if field == "plane" else ()))


def _columns(field: str, said: list[FieldSaid]) -> dict[str, list[str]]:
    if field == "loinc":
        pairs = [one.value.partition(" ")[::2] for one in said]
        values, coded = [name for _, name in pairs], [code for code, _ in pairs]
    else:
        values, coded = [one.value for one in said], [code_of(field, one.value) for one in said]
    others = [[one.source for one in said], [one.confidence for one in said], [one.original for one in said]]
    return dict(zip((field + part for part in FIELD_COLUMNS), (values, coded, *others), strict=True))


def _decisions(site: pd.DataFrame | None) -> dict[tuple[str, str, str], str]:
    """The decided value by field, attribute and local value (its words)."""
    if site is None:
        return {}
    cells = zip(site.field, site.attribute, site.local, site.value, strict=True)
    return {(field, attribute, decision_key(local)): value for field, attribute, local, value in cells}


def decision_key(local: str) -> str:
    """The words a decision about ``local`` is for: without long numbers, which say nothing of a field and may be an
    identifier that the release does not have."""
    return " ".join(word for word in words_of(local) if not is_long_number(word)) or local


def _answer(field: str, row: dict[str, str], decided: dict[tuple[str, str, str], str]) -> FieldSaid:
    for name in _sources(field):
        if (local := row.get(name, "").strip()) and (field, name, decision_key(local)) in decided:
            value = decided[field, name, decision_key(local)]
            return FieldSaid(_as_site_says(field, value), f"site: {name}", HIGH, local)
    said = [one for one in _all_said(field, row) if one.value]
    if not said:
        return FieldSaid("", "", "", "")
    first = said[0]
    against = [one for one in said[1:] if not goes_with(field, first.value, one.value) and not _is_of_both(field, one)]
    if against and field != "loinc":
        told = (first, against[0])
        return FieldSaid("", " | ".join(o.source for o in told), CONTRADICTED, " | ".join(o.original for o in told))
    return first


def _is_of_both(field: str, said: FieldSaid) -> bool:
    """Whether a description speaks of both sides: of a bilateral study each image may show one."""
    return field == "laterality" and said.value == "B" and said.source in DESCRIBED_IN


def _as_site_says(field: str, value: str) -> str:
    if field != "loinc" or not value:
        return value
    return f"{value} {standards.loinc_names().get(value, '')}"


def _all_said(field: str, row: dict[str, str]) -> Iterator[FieldSaid]:
    """What each source says, in their order."""
    modality = row.get("Modality", "")
    for name in _sources(field):
        local = row.get(name, "").strip()
        if not local:
            continue
        if field == "loinc":
            code, how = loinc_of(name, local, modality, _header_part(row))
            yield FieldSaid(code, f"{name}{how}", MEDIUM if "parts" in how else HIGH, local)
        elif name in DESCRIBED_IN:
            yield FieldSaid(read_description(local, modality).get(field, ""), name, MEDIUM, local)
        else:
            yield FieldSaid(_READERS[name](local), name, HIGH, local)


def _header_part(row: dict[str, str]) -> str:
    """The body part that coded attributes state."""
    said = (_READERS[name](local) for name in CODED_IN["body_part"] if (local := row.get(name, "").strip()))
    return next(filter(None, said), "")


def _coded(field: str) -> Callable[[str], str]:
    """A reader of ``scheme:code``: the value with that code, in whichever order the codes stand."""

    def read(local: str) -> str:
        found = [_value_of(field).get(code, "") for code in local.split("\\")]
        return together(field, filter(None, found))

    return read


@cache
def _value_of(field: str) -> dict[str, str]:
    names = list(standards.body_part_concepts()) if field == "body_part" else [n for of, n in values() if of == field]
    return {code: name for name in reversed(names) if (code := code_of(field, name))}


def coded_part(local: str) -> str:
    """The body part that a value of BodyPartExamined states."""
    term = "".join(words_of(local.upper()))
    if term in standards.body_part_concepts():
        return "CHEST" if term == "THORAX" else term  # one concept in CID 4
    return read_description(local, "").get("body_part", "")


def _view(local: str) -> str:
    term = "".join(words_of(local.upper()))
    return term if code_of("view", term) else "LATERAL" if term == "LAT" else ""


def _agent(local: str) -> str:
    return "without" if " ".join(words_of(local.upper())) in _NO_AGENT else "with"


def _image_type(local: str) -> str:
    return together("sequence_type", {_IMAGE_TYPES[part] for part in local.upper().split("\\") if part in _IMAGE_TYPES})


def plane_of(orientation: str) -> str:
    """The plane of a slice by its direction cosines (ImageOrientationPatient): the axis its normal is nearest to."""
    try:
        a, b, c, d, e, f = (float(part) for part in orientation.split("\\"))
    except ValueError:
        return ""
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    if not 0.9 < sum(n * n for n in normal) ** 0.5 < 1.1:
        return ""
    largest = max(normal)
    return ("SAGITTAL", "CORONAL", "AXIAL")[normal.index(largest)] if largest >= OBLIQUE_COSINE else "OBLIQUE"


def _side(local: str) -> str:
    return local.upper() if local.upper() in ("R", "L", "B") else ""


_READERS: dict[str, Callable[[str], str]] = {
    "AnatomicRegionSequence": _coded("body_part"),
    "BodyPartExamined": coded_part,
    "FrameLaterality": _side,
    "ImageLaterality": _side,
    "Laterality": _side,
    "ViewCodeSequence": _coded("view"),
    "ViewPosition": _view,
    "ContrastBolusAgent": _agent,
    "ImageType": _image_type,
    "ImageOrientationPatient": plane_of,
}
