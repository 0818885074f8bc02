"""The OMOP tables of the release: the site's own, byte for byte, and a procedure for each accession without one."""

from __future__ import annotations

import csv
import filecmp
import io
import os
import shutil
from pathlib import Path

import pandas as pd
from sqlalchemy import MetaData, inspect, select
from sqlalchemy import Table as DatabaseTable

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.layout import series_folder
from chorus_nb.omop import IMAGE_OCCURRENCE, cdm, cdm_fields, omop_files, read_omop
from chorus_nb.omop.databases import engine
from chorus_nb.registry.image_registry import released_links
from chorus_nb.workspace import Workspace, replacing, write_if_changed

PROCEDURE_TABLE = "procedure_occurrence"
IMAGING_PROCEDURE = 4180938  # Multimodal-Linkage SOP C.1: provisional, `procedure_concepts` refines it
STANDARD_ALGORITHM = 32880  # procedure type of rows that an algorithm made


def build_omop(workspace: Workspace) -> pd.DataFrame:
    """Copy the site's OMOP tables into ``release/OMOP`` and add the minted procedures to ``procedure_occurrence``.

    Returns the added rows. Rows of the EHR stay byte for byte as the site delivers them; a database is exported
    table by table. What is not a table of CDM 5.4 is not copied.
    """
    added = minted_procedures(workspace)
    delivered = _delivered(workspace)
    for name in delivered.keys() - {PROCEDURE_TABLE}:
        _copy(delivered[name], workspace.omop_out / f"{name}.csv")
    ehr = delivered[PROCEDURE_TABLE].read_bytes() if PROCEDURE_TABLE in delivered else b""
    write_if_changed(workspace.omop_out / f"{PROCEDURE_TABLE}.csv", merged(ehr, added))
    kept = {f"{name}.csv" for name in (*delivered, PROCEDURE_TABLE)}
    for path in workspace.omop_out.iterdir():
        if path.name not in kept:  # what the site no longer delivers leaves the release too
            path.unlink()
    return added


def minted_procedures(workspace: Workspace) -> pd.DataFrame:
    """A CDM 5.4 row per minted procedure id of the registry, in the order of the ids; columns in the CDM's order."""
    registry = workspace.read(tables.IMAGE_REGISTRY)
    ours = registry[registry["proc_id"].isin(workspace.read(tables.PROCEDURE_IDS)["proc_id"])]
    ehr = read_omop(workspace, PROCEDURE_TABLE).set_index("procedure_occurrence_id")["person_id"]
    fed_back = ours["proc_id"].isin(ehr.index)  # the site took an earlier release into its own table
    if (ours.loc[fed_back, "proc_id"].map(ehr) != ours.loc[fed_back, "person_id"]).any():
        raise InputError("omop: procedure_occurrence has other persons under procedure ids of the images")
    studies = released_links(workspace)[["target_path", "modality", "loinc_code"]].rename(
        columns={"target_path": "src_file"}
    )
    ours = ours[~fed_back].merge(studies, on="src_file", validate="1:1").sort_values(["datetime", "src_file"])
    ours["folder"] = ours["src_file"].map(series_folder).map(series_folder)
    first = ours.groupby("proc_id").agg(
        {"person_id": "first", "datetime": "first", "visit_id": "first", "group_id": "first", "modality": "first"}
        | {"loinc_code": "first", "folder": _common_folder}
    )
    source_value = "path: " + first["folder"] + ", group: " + first["group_id"].astype("string")
    made = pd.DataFrame(
        {
            "procedure_occurrence_id": first.index,
            "person_id": first["person_id"],
            "procedure_concept_id": _procedure_concepts(workspace, first),
            "procedure_date": first["datetime"].str[:10],
            "procedure_datetime": first["datetime"],
            "procedure_type_concept_id": STANDARD_ALGORITHM,
            "visit_occurrence_id": first["visit_id"],
            "procedure_source_value": source_value,
        }
    )
    return made.reindex(columns=cdm_fields(PROCEDURE_TABLE)["column"]).reset_index(drop=True)


def merged(ehr: bytes, added: pd.DataFrame) -> bytes:
    """``ehr`` as it is, followed by the added rows in the order of its columns and with its line ends."""
    content = ehr or tables.csv_bytes(added.iloc[:0])
    newline = "\r\n" if b"\r\n" in content[: content.find(b"\n") + 1] else "\n"
    header = next(csv.reader(io.StringIO(content[: content.find(b"\n")].decode("utf-8-sig"))))
    rows = added.reindex(columns=[name.strip().lower() for name in header])
    text = rows.to_csv(index=False, header=False, lineterminator=newline)
    separator = "" if content.endswith(b"\n") else newline
    return content + (separator + text).encode() if len(rows) else content


def _common_folder(folders: pd.Series) -> str:
    """The accession's folder, or what the folders have in common when it has several modalities."""
    return str(os.path.commonpath(folders.unique().tolist())).replace(os.sep, "/")


def _procedure_concepts(workspace: Workspace, procedures: pd.DataFrame) -> pd.Series:
    """The concept the site decided on for modality and LOINC code, for either of them, or the SOP's."""
    if not workspace.has(tables.PROCEDURE_CONCEPTS):
        return pd.Series(IMAGING_PROCEDURE, index=procedures.index)
    decided = workspace.read(tables.PROCEDURE_CONCEPTS)
    concepts = decided.set_index(["modality", "loinc_code"])["procedure_concept_id"].to_dict()
    return pd.Series(
        [
            next((concepts[k] for k in ((m, code), ("", code), (m, "")) if k in concepts), IMAGING_PROCEDURE)
            for m, code in zip(procedures["modality"], procedures["loinc_code"], strict=True)
        ],
        index=procedures.index,
    )


def _delivered(workspace: Workspace) -> dict[str, Path]:
    """The site's tables as CSV files by name; those of a database are exported under ``local/`` first."""
    known = set(cdm()["table"]) - {IMAGE_OCCURRENCE}
    if not workspace.parameters.omop.startswith("env:"):
        return {name: path for name, path in omop_files(workspace.parameters).items() if name in known}
    made = {}
    with engine("omop", workspace.parameters.omop) as opened:
        inspector = inspect(opened)
        for found in (*inspector.get_view_names(), *inspector.get_table_names()):
            if found.lower() in known:
                table = DatabaseTable(found, MetaData(), autoload_with=opened)
                made[found.lower()] = workspace.local / "omop" / f"{found.lower()}.csv"
                with opened.connect() as connection, replacing(made[found.lower()]) as temporary:
                    ordered = connection.execution_options(yield_per=10_000).execute(
                        select(table).order_by(*table.primary_key or table.columns)
                    )
                    with open(temporary, "w", newline="", encoding="utf-8") as file:
                        writer = csv.writer(file, lineterminator="\n")
                        writer.writerow(column.name.lower() for column in table.columns)
                        writer.writerows(ordered)
    return made


def _copy(source: Path, target: Path) -> None:
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
