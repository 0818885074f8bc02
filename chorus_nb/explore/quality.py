"""What is wrong with the source data (SOP step 9): the rules of ``rules.sql`` asked of the catalog and tag profile."""

from __future__ import annotations

import contextlib
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
from pydicom import charset, datadict

from chorus_nb import standards, tables
from chorus_nb.errors import NotReady
from chorus_nb.explore.catalog import catalog_view, connect
from chorus_nb.explore.values import CLOCK_TOLERANCE
from chorus_nb.workspace import Workspace

SEVERITIES = ("high", "medium", "low")
ASKED_AT_ONCE = 20_000_000  # bytes of a catalog that is read once for all rules; a larger one for each of them

_RULE = re.compile(r"^-- rule (\w+): (\w+), (\w+)\n-- (.*)\n((?:(?!-- rule).*\n)+)", re.MULTILINE)

# `asked`: bytes of pixel data that the geometry asks for; unknown where they are compressed or subsampled
_FILES = """
SELECT *,
    coalesce(nullif(SeriesInstanceUID, ''), source_path) AS series,
    TRY_CAST(nullif(acquired, '') AS TIMESTAMP) AS moment,
    try_strptime(nullif(StudyDate, ''), '%Y%m%d') AS study_day,
    try_strptime(nullif(PatientBirthDate, ''), '%Y%m%d') AS birth_day,
    TRY_CAST(InstanceNumber AS BIGINT) AS instance,
    CASE WHEN TransferSyntaxUID IN ('', '1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99',
        '1.2.840.10008.1.2.2') AND PhotometricInterpretation NOT LIKE 'YBR_%_42%' THEN (
        TRY_CAST(Rows AS BIGINT) * TRY_CAST(Columns AS BIGINT) * TRY_CAST(BitsAllocated AS BIGINT)
        * coalesce(TRY_CAST(SamplesPerPixel AS BIGINT), 1) * coalesce(TRY_CAST(NumberOfFrames AS BIGINT), 1) + 7
    ) // 8 END AS asked
FROM catalog WHERE status = 'dicom' AND MediaStorageSOPClassUID <> '1.2.840.10008.1.3.10'
"""


class QualityRule(NamedTuple):
    """A rule of ``rules.sql``."""

    name: str
    severity: str
    level: str
    what_to_do: str
    query: str


@cache
def rules() -> tuple[QualityRule, ...]:
    """Every rule, in the order of the file."""
    text = Path(__file__).with_name("rules.sql").read_text(encoding="utf-8")
    return tuple(QualityRule(*match) for match in _RULE.findall(text))


def assess(workspace: Workspace) -> pd.DataFrame:
    """Apply every rule to the last scan; the findings, worst first.

    Only files that claim to be the same image are read again, whole.
    """
    if not workspace.has(tables.CATALOG) or not workspace.has(tables.TAG_PROFILE):
        raise NotReady("quality_findings: run scan and profile first")
    rows: list[dict[str, Any]] = []
    with connect(workspace) as connection, contextlib.ExitStack() as made:
        at_once = workspace.path(tables.CATALOG).stat().st_size < ASKED_AT_ONCE
        connection.execute(f"CREATE TEMP {'TABLE' if at_once else 'VIEW'} file AS {_FILES}")
        connection.execute(f"SET VARIABLE clock_days = {CLOCK_TOLERANCE.days}")
        path = workspace.path(tables.TAG_PROFILE)
        catalog_view(connection, "tag", path.parent, path.name)
        for function, takes in ((_dictionary_vr, 1), (_becomes, 4)):
            connection.create_function(name := function.__name__[1:], function, ["VARCHAR"] * takes, "VARCHAR")
            made.callback(connection.remove_function, name)  # or the next who asks could not make it
        connection.register("character_set", pd.DataFrame({"term": sorted(charset.python_encoding)}))
        linked = workspace.read(tables.LINKAGE) if workspace.has(tables.LINKAGE) else tables.empty(tables.LINKAGE)
        connection.register("linkage", linked)
        connection.register("same_instance", _same_instance(connection, workspace))
        for rule in rules():
            found = connection.execute(rule.query)
            names = [column for column, *_ in found.description]
            about = {"rule": rule.name, "severity": rule.severity, "level": rule.level, "what_to_do": rule.what_to_do}
            rows += [about | dict(zip(names, row, strict=True)) for row in found.fetchall()]
    rows.sort(key=lambda row: (SEVERITIES.index(row["severity"]), row["rule"], row["item"] or "", row["detail"] or ""))
    findings = tables.frame(tables.QUALITY_FINDINGS, rows)
    workspace.write(tables.QUALITY_FINDINGS, findings)
    return findings


def _same_instance(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> pd.DataFrame:
    """SOP Instance UIDs that stand in several files, and how many different contents those files have."""
    rows = connection.execute(
        "SELECT SOPInstanceUID, source_path, size FROM file WHERE SOPInstanceUID <> '' "
        "QUALIFY count(*) OVER (PARTITION BY SOPInstanceUID) > 1 ORDER BY ALL"
    ).df()
    sizes = rows.groupby("SOPInstanceUID")["size"].transform("nunique")
    rows["content"] = [
        str(size) if several > 1 else _instance_digest(workspace, path)
        for path, size, several in zip(rows["source_path"], rows["size"], sizes, strict=True)
    ]
    return rows.groupby("SOPInstanceUID", as_index=False).agg(
        files=("content", "size"), contents=("content", "nunique"), first_path=("source_path", "first")
    )


def _instance_digest(workspace: Workspace, source_path: str) -> str:
    try:
        return workspace.source.digest(source_path)
    except OSError:
        return f"unreadable {source_path}"


def _becomes(sop_class: str, path: str, keyword: str, vr: str) -> str:
    """What notebook 03 does with a value that nobody can use: the Type of its attribute decides (PS3.5 section 7.4)."""
    plain = tuple(filter(None, path.split(".")))
    type_ = standards.attribute_type(sop_class, plain, keyword) or "3"
    if standards.is_needed(sop_class, plain, keyword):
        slice_of = not plain and standards.places_slice(sop_class, keyword)
        return "its series is held back" if slice_of else "the file is held back"
    return "it is emptied" if type_[0] == "2" or (type_ != "1C" and vr in ("DA", "DT", "AS")) else "it is removed"


def _dictionary_vr(tag: str) -> str:
    """The VRs the DICOM dictionary allows for ``(gggg,eeee)``, joined by ' or '."""
    try:
        return datadict.dictionary_VR(standards.parse_tag(tag))
    except (KeyError, ValueError):  # unknown or private: the engine may ask before it looks at the keyword
        return ""
