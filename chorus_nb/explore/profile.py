"""The tag profile: every tag at any depth, by modality and SOP class, from the parts the scan left (SOP steps 7, 8)."""

from __future__ import annotations

import pandas as pd
from pydicom import datadict

from chorus_nb import standards, tables
from chorus_nb.errors import NotReady
from chorus_nb.explore.catalog import SURVEY, catalog_view, connect, parts_folder
from chorus_nb.explore.tally import EXAMPLES
from chorus_nb.workspace import Workspace

MOST_EXACT = 50_000_000  # values in all parts; above it distinct values are estimated (HyperLogLog, about 2 %)

NOT_COVERED = "local, not covered by CHoRUS"

_QUERY = """
WITH tag AS (
    SELECT key, any_value(modality) AS modality, any_value(sop_class) AS sop_class, any_value(path) AS path,
           any_value(tag) AS number, any_value(private_creator) AS private_creator, any_value(vr) AS vr,
           sum(files)::BIGINT AS files, sum(empty)::BIGINT AS empty,
           sum(odd_files)::BIGINT AS odd_files, sum(unusable_files)::BIGINT AS unusable_files,
           min(shortest) AS shortest, max(longest) AS longest, min(low) AS low, max(high) AS high,
           min(nullif("first", '')) AS "first", max(nullif("last", '')) AS "last"
    FROM tags GROUP BY key
), value AS (
    SELECT key, {distinct} AS "distinct", {distinct} FILTER (invalid) AS invalid
    FROM distinct_values GROUP BY key
), example AS (
    SELECT key, string_agg(example, ' | ' ORDER BY example) AS examples FROM (
        SELECT DISTINCT key, value, example FROM distinct_values WHERE example IS NOT NULL
        QUALIFY dense_rank() OVER (PARTITION BY key ORDER BY value) <= {examples}
    ) GROUP BY key
), kind AS (
    SELECT Modality AS modality, SOPClassUID AS sop_class, count(*) AS files
    FROM catalog WHERE status = 'dicom' GROUP BY ALL
)
SELECT modality, sop_class, path, number, private_creator, vr, least(tag.files, kind.files) AS files,
       greatest(kind.files - tag.files, 0) AS missing, empty,
       coalesce("distinct", 0) AS "distinct", coalesce(invalid, 0) AS invalid,
       least(odd_files, kind.files) AS odd_files, least(unusable_files, kind.files) AS unusable_files,
       shortest, longest,
       coalesce("first", printf('%.12g', low), '') AS lowest, coalesce("last", printf('%.12g', high), '') AS highest,
       coalesce(examples, '') AS examples
FROM tag JOIN kind USING (modality, sop_class) LEFT JOIN value USING (key) LEFT JOIN example USING (key)
ORDER BY modality, sop_class, path, number, private_creator, vr
"""


def profile(workspace: Workspace) -> pd.DataFrame:
    """Make the tag profile of the last scan; no file is read again.

    Counts are exact; distinct values are estimated above :data:`MOST_EXACT` values. Of long values only the first
    64 KiB count as the value. Examples identify patients: the table stays local.
    """
    folder = parts_folder(workspace)
    if not workspace.has(tables.CATALOG):
        raise NotReady("tag_profile: the source is not scanned yet: run scan first")
    if not any(folder.glob("*.values.parquet")):
        return _kept(workspace, tables.empty(tables.TAG_PROFILE))
    with tables.reading(*SURVEY), connect(workspace) as connection:
        catalog_view(connection, "tags", folder, "*.tags.parquet")
        catalog_view(connection, "distinct_values", folder, "*.values.parquet")
        (total,) = connection.execute("SELECT count(*) FROM distinct_values").fetchall()[0]
        exact = total <= MOST_EXACT
        frame = connection.execute(
            _QUERY.format(
                distinct="count(DISTINCT value)" if exact else "approx_count_distinct(value)",
                examples=EXAMPLES,
            )
        ).df()
    frame["tag"] = [standards.tag_pattern(number) for number in frame["number"]]
    frame["keyword"] = [keyword(number) for number in frame["number"]]
    frame["covered_by"] = [
        covered_by(number, path, creator)
        for number, path, creator in zip(frame["number"], frame["path"], frame["private_creator"], strict=True)
    ]
    return _kept(workspace, frame[tables.TAG_PROFILE.column_names])


def _kept(workspace: Workspace, frame: pd.DataFrame) -> pd.DataFrame:
    workspace.write(tables.TAG_PROFILE, frame)
    return workspace.read(tables.TAG_PROFILE)


def keyword(tag: int) -> str:
    """The keyword of the DICOM dictionary; '' for private and unknown tags."""
    if tag >> 16 & 1:
        return "PrivateCreator" if tag & 0xFFFF == 0x10 else ""
    return datadict.keyword_for_tag(tag)


def covered_by(tag: int, path: str, creator: str) -> str:
    """Which lists name the tag, joined by '; '; :data:`NOT_COVERED` if none does (SOP step 8)."""
    if tag >> 16 & 1:
        safe = (creator, tag >> 16, tag & 0xFF) in standards.safe_private() and tag & 0xFFFF != 0x10
        return "safe private" if safe else NOT_COVERED
    name = standards.tag_name(tag)
    lists = (
        ("minimum", name in standards.minimum_metadata() and not path),
        ("keep list", name in standards.keep_list()),
        ("E.1-1", standards.ps315_rule(tag) is not None),
        ("official script", standards.official_action(tag) != standards.NOT_IN_SCRIPT),
    )
    return "; ".join(label for label, named in lists if named) or NOT_COVERED
