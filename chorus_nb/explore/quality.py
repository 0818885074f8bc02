"""What is wrong with the source data (SOP step 9): each rule a query over the catalog or the tag profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from blake3 import blake3
from pydicom import datadict

from chorus_nb import sources, tables
from chorus_nb.errors import NotReady
from chorus_nb.explore.catalog import connect
from chorus_nb.explore.rules import RULES, Rule
from chorus_nb.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

SEVERITIES = ("high", "medium", "low")

# What the rules read: the DICOM files, with the numbers they compare as numbers and lengths the geometry asks for.
_VIEWS = """
CREATE VIEW file AS SELECT *,
    TRY_CAST(Rows AS BIGINT) * TRY_CAST(Columns AS BIGINT) * coalesce(TRY_CAST(SamplesPerPixel AS BIGINT), 1)
        * coalesce(TRY_CAST(NumberOfFrames AS BIGINT), 1) AS samples,
    TransferSyntaxUID IN ('', '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2',
        '1.2.840.10008.1.2.1.99') AS native,
    TRY_CAST(InstanceNumber AS BIGINT) AS instance,
    try_strptime(nullif(StudyDate, ''), '%Y%m%d') AS study_day,
    try_strptime(nullif(PatientBirthDate, ''), '%Y%m%d') AS birth_day
FROM catalog WHERE status = 'dicom' AND MediaStorageSOPClassUID <> '1.2.840.10008.1.3.10';
"""


class Outcome(NamedTuple):
    """A rule and how many findings it has."""

    rule: Rule
    findings: int


def assess(workspace: Workspace) -> pd.DataFrame:
    """Apply every rule to the last scan; the findings, worst first. Reads again only files that claim to be the same."""
    if not workspace.has(tables.CATALOG) or not workspace.has(tables.TAG_PROFILE):
        raise NotReady("quality_findings: run scan and profile first")
    frames = []
    with connect(workspace) as connection:
        connection.execute(_VIEWS)
        connection.read_parquet(str(workspace.path(tables.TAG_PROFILE))).create_view("tag")
        connection.create_function("dictionary_vr", _dictionary_vr, ["VARCHAR"], "VARCHAR")
        connection.register("same_content", _same_content(connection, workspace))
        for rule in RULES:
            found = connection.execute(rule.query).df()
            frames.append(found.assign(rule=rule.name, severity=rule.severity, level=rule.level, what_to_do=rule.what_to_do))
    findings = pd.concat(frames, ignore_index=True)
    findings["files"] = findings["files"].astype("Int64")
    order = findings["severity"].map({severity: rank for rank, severity in enumerate(SEVERITIES)})
    findings = findings.assign(order=order).sort_values(["order", "rule", "item", "detail"], kind="stable")
    workspace.write(tables.QUALITY_FINDINGS, findings[tables.QUALITY_FINDINGS.column_names])
    return workspace.read(tables.QUALITY_FINDINGS)


def by_rule(findings: pd.DataFrame) -> pd.DataFrame:
    """The findings counted: a row per rule, worst first, with what to do."""
    grouped = findings.groupby(["severity", "rule", "what_to_do"], as_index=False).agg(
        findings=("item", "size"), files=("files", "sum")
    )
    order = grouped["severity"].map({severity: rank for rank, severity in enumerate(SEVERITIES)})
    grouped = grouped.assign(order=order).sort_values(["order", "findings", "rule"], ascending=[True, False, True])
    return grouped[["severity", "rule", "findings", "files", "what_to_do"]].reset_index(drop=True)


def _same_content(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> pd.DataFrame:
    """SOP Instance UIDs that stand in several files, and how many different contents those files have."""
    rows = connection.execute(
        "SELECT SOPInstanceUID, source_path, size FROM file WHERE SOPInstanceUID <> '' "
        "QUALIFY count(*) OVER (PARTITION BY SOPInstanceUID) > 1 ORDER BY ALL"
    ).df()
    sizes = rows.groupby("SOPInstanceUID")["size"].transform("nunique")
    root = workspace.parameters.source_path
    rows["content"] = [
        str(size) if several > 1 else _digest(root, path)
        for path, size, several in zip(rows["source_path"], rows["size"], sizes, strict=True)
    ]
    return rows.groupby("SOPInstanceUID", as_index=False).agg(
        files=("content", "size"), contents=("content", "nunique"), example=("source_path", "first")
    )


def _dictionary_vr(keyword: str) -> str:
    """The VRs the DICOM dictionary allows, joined by ' or '."""
    tag = datadict.tag_for_keyword(keyword)
    return "" if tag is None else datadict.dictionary_VR(tag)


def _digest(root: object, source_path: str) -> str:
    try:
        return blake3(sources.read_bytes(root, source_path)).hexdigest()  # type: ignore[arg-type]
    except OSError:
        return f"unreadable {source_path}"
