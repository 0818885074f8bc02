"""Informational tables of the imaging extension MI-CDM 5.4; CHoRUS central makes its own (facts: chorus.md §5).

MI-CDM's ``image_occurrence`` is a series, while CHoRUS calls the accession ``image_occurrence_id``: here a series has
the lowest ``image_registry_id`` of its files as its key, and ``image_occurrence_source`` leads to the accession.

With ``omop_concepts`` how a series was acquired (``standards/data/attribute_concepts.csv``) are features too: a row of
``measurement`` each, as DICOM2OMOP makes them.
"""

from __future__ import annotations

import re
from functools import cache
from math import inf

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.metadata.dictionary import possible_ranges, units_by_column
from chorus_nb.omop import cdm_fields
from chorus_nb.processes.queries import asking
from chorus_nb.standards import DATA, attribute_concepts, body_part_concepts, modality_concepts
from chorus_nb.workspace import Workspace, write_if_changed

FROM_EHR = 32817  # type concept: taken from the record, here from the header
MEASUREMENT_ID = 1147330  # concept of the field measurement.measurement_id, which a feature leads to
MEASUREMENTS_FROM = 2_000_000_000  # ids far from those of a site's own record
SOURCE_LENGTH = 50  # characters of a source value of the CDM
_EVENT = dict.fromkeys(("image_feature_event_field_concept_id", "image_feature_event_id"), "Int64")
_DIFFERS = r".* \(\d+\); .* \(\d+\)"  # a list with counts: no value of the series
VOCABULARY = "DICOM custom concepts, DICOM2OMOP v5"  # ids differ between published files; the code is what counts
DDL = (DATA / "mi_cdm_5_4_postgresql.sql").read_bytes()
COLUMNS = {  # of each table, in the order in which its DDL creates them
    table: re.findall(r"^    (\w+)", body, re.MULTILINE)
    for table, body in re.findall(r"CREATE TABLE (\w+) ?\(\n(.*?)\);", DDL.decode(), re.DOTALL)
}
SOURCE = (
    *("image_occurrence_id", "accession_image_occurrence_id", "procedure_occurrence_id", "image_series_uid"),
    *("modality_source_value", "anatomic_site_source_value", "vocabulary"),
)


def build_mi_cdm(workspace: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``image_occurrence``, ``image_feature`` and the bridge to the accession, in ``Metadata/mi_cdm/`` with the DDL."""
    series = _image_occurrences(workspace)
    occurrence = series.reindex(columns=COLUMNS["image_occurrence"])
    feature, measured = _features(series), workspace.release / layout.MI_CDM / "measurement.csv"
    if workspace.parameters.omop_concepts:
        measurement, of_measurement = _measurements(workspace, series, len(feature) and int(feature.iloc[-1, 0]))
        feature = pd.concat([feature, of_measurement], ignore_index=True).astype(_EVENT)
        write_if_changed(measured, tables.csv_bytes(measurement))
    else:
        measured.unlink(missing_ok=True)
    source = series.assign(vocabulary=VOCABULARY).reindex(columns=list(SOURCE))
    folder = workspace.release / layout.MI_CDM
    named = {"image_occurrence": occurrence, "image_feature": feature, "image_occurrence_source": source}
    for name, frame in named.items():
        write_if_changed(folder / f"{name}.csv", tables.csv_bytes(frame))
    write_if_changed(folder / "ddl_postgresql.sql", DDL)
    return occurrence, feature, source


_BY_SERIES = """
    SELECT parse_dirpath(src_file, 'forward_slash') AS folder, min(image_registry_id) AS image_occurrence_id,
           arg_min(proc_id, image_registry_id) AS procedure_occurrence_id,
           arg_min(visit_id, image_registry_id) AS visit_occurrence_id, min(datetime) AS day
    FROM image_registry GROUP BY folder"""


def _image_occurrences(workspace: Workspace) -> pd.DataFrame:
    with asking(workspace, tables.IMAGE_REGISTRY) as connection:
        linked = tables.to_compact(connection.sql(_BY_SERIES).to_arrow_table())
    series = workspace.read(tables.SERIES).rename(
        columns={
            "image_occurrence_id": "accession_image_occurrence_id",
            "StudyInstanceUID": "image_study_uid",
            "SeriesInstanceUID": "image_series_uid",
            "Modality": "modality_source_value",
            "folder": "local_path",
        }
    )
    made = series.merge(linked, left_on="local_path", right_on="folder", validate="m:1")
    made = made.drop_duplicates("image_occurrence_id").sort_values("image_occurrence_id", ignore_index=True)
    one_day = made["SeriesDate"].str.fullmatch(r"\d{4}-\d\d-\d\d")
    made["image_occurrence_date"] = made["SeriesDate"].where(one_day, made["day"].str[:10])
    coded = made["anatomic_region"].map(_body_part_by_code())
    made["anatomic_site_source_value"] = coded.fillna(made["BodyPartExamined"])
    modalities, parts = modality_concepts(), body_part_concepts()
    for name, concepts, source in (
        ("modality", modalities, made["modality_source_value"]),
        ("anatomic_site", parts, made["anatomic_site_source_value"]),
    ):
        known = source.map(concepts)
        made[f"{name}_concept_id"] = [getattr(c, "omop_concept_id", 0) for c in known]
        made[f"{name}_dicom_concept_id"] = [getattr(c, "dicom_concept_id", 0) for c in known]
    return made


def _features(series: pd.DataFrame) -> pd.DataFrame:
    """Modality and body part of each series as features: the value's DICOM concept, 0 where the code is unknown."""
    made = [
        series.assign(
            image_feature_id=2 * series["image_occurrence_id"] - offset,
            image_feature_concept_id=series[f"{name}_dicom_concept_id"],
            image_feature_type_concept_id=FROM_EHR,
            image_finding_concept_id=0,
            alg_system=VOCABULARY,
        )[series[f"{name}_source_value"] != ""]
        for offset, name in ((1, "modality"), (0, "anatomic_site"))
    ]
    return pd.concat(made).sort_values("image_feature_id", ignore_index=True).reindex(columns=COLUMNS["image_feature"])


def _measurements(workspace: Workspace, series: pd.DataFrame, last: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How each series was acquired, as ``measurement`` and the features that lead to it, numbered on from ``last``.

    An attribute is told if all files of the series say one value, and one that a device can have (``units.csv``). No
    attribute has a standard concept: 0 with the DICOM concept as source.
    """
    named, units, ranges = attribute_concepts(), units_by_column(), possible_ranges()
    key = {"folder": "local_path", "SeriesInstanceUID": "image_series_uid", "StudyInstanceUID": "image_study_uid"}
    found = []
    for table in (tables.SERIES, *tables.ACQUIRED):
        held = workspace.read(table)
        for name in held.columns.intersection(list(named)):
            said = held[[*key, name]].rename(columns={**key, name: "value"}).dropna(subset="value")
            if pd.api.types.is_numeric_dtype(held[name]):
                said = said[said["value"].between(*ranges.get(name, (-inf, inf)))]
                said = said.assign(value_as_number=said["value"], value=said["value"].map("{:.12g}".format))
            found.append(said.assign(keyword=name, value=said["value"].astype("string")))
    told = pd.concat(found)
    told = told[(told["value"] != "") & ~told["value"].str.fullmatch(_DIFFERS)]
    told = told.merge(series, on=list(key.values()), validate="m:1")
    told = told.sort_values(["image_occurrence_id", "keyword"], ignore_index=True)
    told["image_feature_id"], told["measurement_id"] = last + 1 + told.index, MEASUREMENTS_FROM + told.index
    concept = [named[keyword].dicom_concept_id for keyword in told["keyword"]]
    measurement = told.assign(
        measurement_concept_id=0,
        measurement_date=told["image_occurrence_date"],
        measurement_type_concept_id=FROM_EHR,
        measurement_source_value=told["keyword"],
        measurement_source_concept_id=concept,
        unit_source_value=[units.get(keyword, "") for keyword in told["keyword"]],
        value_source_value=told["value"].str[:SOURCE_LENGTH],
    )
    feature = told.assign(
        image_feature_event_field_concept_id=MEASUREMENT_ID,
        image_feature_event_id=told["measurement_id"],
        image_feature_concept_id=concept,
        image_feature_type_concept_id=FROM_EHR,
        image_finding_concept_id=0,
        alg_system=VOCABULARY,
    )
    return (
        measurement.reindex(columns=cdm_fields("measurement")["column"].tolist()),
        feature.reindex(columns=COLUMNS["image_feature"]),
    )


@cache
def _body_part_by_code() -> dict[str, str]:
    """Body Part Examined by the SNOMED code of the same meaning (PS3.16 CID 4031)."""
    from pydicom.sr import codes  # slow to import

    by_meaning = {part.meaning.casefold(): name for name, part in body_part_concepts().items()}
    return {
        f"SCT:{code.value}": by_meaning[code.meaning.casefold()]
        for code in codes.cid4031.concepts.values()
        if code.meaning.casefold() in by_meaning
    }
