"""Informational tables of the imaging extension MI-CDM 5.4; CHoRUS central makes its own (facts: chorus.md §5).

MI-CDM's ``image_occurrence`` is a series, while CHoRUS calls the accession ``image_occurrence_id``: here a series has
the lowest ``image_registry_id`` of its files as its key, and ``image_occurrence_source`` leads to the accession.
"""

from __future__ import annotations

import re
from functools import cache

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.standards import DATA, body_part_concepts, modality_concepts
from chorus_nb.workspace import Workspace, write_if_changed

FROM_EHR = 32817  # type concept: taken from the record, here from the header
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
    feature = _features(series)
    source = series.assign(vocabulary=VOCABULARY).reindex(columns=list(SOURCE))
    folder = workspace.release / layout.MI_CDM
    named = {"image_occurrence": occurrence, "image_feature": feature, "image_occurrence_source": source}
    for name, frame in named.items():
        write_if_changed(folder / f"{name}.csv", tables.csv_bytes(frame))
    write_if_changed(folder / "ddl_postgresql.sql", DDL)
    return occurrence, feature, source


def _image_occurrences(workspace: Workspace) -> pd.DataFrame:
    registry = workspace.read(tables.IMAGE_REGISTRY)
    registry["folder"] = registry["src_file"].map(layout.series_folder)
    linked = registry.groupby("folder", as_index=False).agg(
        image_occurrence_id=("image_registry_id", "min"),
        procedure_occurrence_id=("proc_id", "first"),
        visit_occurrence_id=("visit_id", "first"),
        day=("datetime", "min"),
    )
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
