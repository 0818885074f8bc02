"""What is here, counted: small tables over the catalog for the notebook and its figures (SOP steps 2, 3, 9)."""

from __future__ import annotations

import pandas as pd
from pydicom.uid import UID

from chorus_nb import tables
from chorus_nb.explore.catalog import connect
from chorus_nb.explore.profile import NOT_COVERED
from chorus_nb.explore.quality import SEVERITIES
from chorus_nb.standards import attribute_type, iod_of, minimum_metadata
from chorus_nb.workspace import Workspace

NONE = "(none)"
HOW_FAR = (
    "in a visit",
    "outside every visit",
    "accession not in Image_map",
    "no accession number",
    "patient not in Personal_map",
)
OUTLYING = 5  # times the median size: a file that much larger is listed as an outlier

_DEVICE = "concat_ws(', ', nullif(Manufacturer, ''), nullif(ManufacturerModelName, '')"  # to be closed

_COUNTS = """count(DISTINCT nullif(trim(PatientID), '')) AS patients,
    count(DISTINCT nullif(StudyInstanceUID, '')) AS studies,
    count(DISTINCT nullif(SeriesInstanceUID, '')) AS series, count(*) AS files,
    round(coalesce(sum(size), 0)::DOUBLE / 1e6, 2) AS megabytes"""


def overview(workspace: Workspace) -> pd.DataFrame:
    """The source in one line: files found, DICOM files, patients, studies, series, size, first and last day."""
    with connect(workspace) as connection:
        return connection.execute(
            f"""SELECT (SELECT count(*) FROM catalog) AS found, {_COUNTS},
                coalesce(left(min(nullif(acquired, '')), 10), '') AS first_day,
                coalesce(left(max(nullif(acquired, '')), 10), '') AS last_day
            FROM catalog WHERE status = 'dicom'"""
        ).df()


def in_words(workspace: Workspace, findings: pd.DataFrame, linkage: pd.DataFrame) -> str:
    """The whole survey in three sentences, the first thing a reader sees."""
    row = overview(workspace).iloc[0]
    high = by_rule(findings[findings["severity"] == "high"])
    span = f" from {row['first_day']} to {row['last_day']}" if row["first_day"] else ""
    found = [f"{tables.code_in_words(rule.rule)} ({rule.findings:,})" for rule in high.itertuples()]
    urgent = ", ".join(found) or "nothing of high severity"
    return (
        f"{row['files']:,} DICOM files ({row['megabytes']:,.0f} MB) among {row['found']:,} files: {row['patients']:,} "
        f"patients, {row['studies']:,} studies, {row['series']:,} series{span}. "
        f"{_linked_in_words(workspace, linkage)} Needs attention first: {urgent}."
    )


def _linked_in_words(workspace: Workspace, linkage: pd.DataFrame) -> str:
    if absent := [name for name in ("omop", "lookup") if not getattr(workspace.parameters, name)]:
        tell = (
            "which accessions are mapped and fall in a visit, and which the lookup table expects but the export lacks"
        )
        return (
            f"Nothing was linked, for {' and '.join(absent)} {'are' if absent[1:] else 'is'} not set: they tell {tell}."
        )
    counts = links(linkage)["count"]
    return (
        f"Of {len(linkage):,} accessions {counts[:1].sum():,} fall in a visit; {counts[1:].sum():,} lack a patient, "
        "an accession or a visit to link to."
    )


def by_rule(findings: pd.DataFrame) -> pd.DataFrame:
    """The findings counted: a row per rule, worst first, with what to do.

    ``times``: files, each counted once in every finding about it.
    """
    grouped = findings.groupby(["severity", "rule", "what_to_do"], as_index=False).agg(
        findings=("item", "size"), times=("files", "sum")
    )
    grouped["order"] = grouped["severity"].map(SEVERITIES.index)
    grouped = grouped.sort_values(["order", "findings", "rule"], ascending=[True, False, True])
    return grouped[["severity", "rule", "findings", "times", "what_to_do"]].reset_index(drop=True)


def counts(workspace: Workspace, *keywords: str) -> pd.DataFrame:
    """Patients, studies, series, files and megabytes by one or more columns of the catalog, largest first."""
    columns = [f"coalesce(nullif({keyword}, ''), '{NONE}') AS {keyword}" for keyword in keywords]
    with connect(workspace) as connection:
        frame = connection.execute(
            f"SELECT {', '.join(columns)}, {_COUNTS} FROM catalog WHERE status = 'dicom' "
            f"GROUP BY ALL ORDER BY files DESC, {', '.join(keywords)}"
        ).df()
    if "TransferSyntaxUID" in keywords:
        names = [uid if uid == NONE else UID(uid).name for uid in frame["TransferSyntaxUID"]]
        frame.insert(1, "transfer syntax", names)
    return frame


def months(workspace: Workspace) -> pd.DataFrame:
    """Studies and files by month (of `acquired`) and modality."""
    with connect(workspace) as connection:
        return connection.execute(
            f"""SELECT acquired[:7] AS month, coalesce(nullif(Modality, ''), '{NONE}') AS Modality,
                count(DISTINCT StudyInstanceUID) AS studies, count(*) AS files
            FROM catalog WHERE status = 'dicom' AND acquired <> '' GROUP BY ALL ORDER BY ALL"""
        ).df()


def over_time(workspace: Workspace, keyword: str, most: int = 24) -> pd.DataFrame:
    """From when to when a device wrote which value of a catalog attribute: ``device, value, first, last, files``.

    Of the devices (manufacturer and model) with more than one value, those with the most files; one value says nothing.
    """
    with connect(workspace) as connection:
        return connection.execute(
            f"""WITH row AS (
                SELECT {_DEVICE}) AS device,
                    {keyword} AS value, acquired[:10] AS day
                FROM catalog WHERE status = 'dicom' AND acquired <> '' AND {keyword} <> ''
            ), span AS (
                SELECT device, value, min(day) AS first, max(day) AS last, count(*) AS files FROM row GROUP BY ALL
            )
            SELECT * FROM span QUALIFY count(*) OVER (PARTITION BY device) > 1
            ORDER BY sum(files) OVER (PARTITION BY device) DESC, device, first, value LIMIT {int(most)}"""
        ).df()


def missing_by_device(workspace: Workspace, most: int = 12) -> pd.DataFrame:
    """Percent of the minimum metadata that is missing, a row per device and month: ``device, month, missing, files``.

    The ``most`` devices with the most images; contrast is left out, for most images have none.
    """
    wanted = [keyword for keyword in dict(minimum_metadata().values()) if not keyword.startswith("Contrast")]
    share = " + ".join(f"({keyword} = '')::INTEGER" for keyword in wanted)
    with connect(workspace) as connection:
        return connection.execute(
            f"""WITH row AS (
                SELECT {_DEVICE}, nullif(Modality, '')) AS device,
                    acquired[:7] AS month, 100 * ({share}) / {len(wanted)} AS missing
                FROM catalog WHERE status = 'dicom' AND has_pixels AND acquired <> ''
            ), most AS (SELECT device FROM row GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {int(most)})
            SELECT device, month, avg(missing) AS missing, count(*) AS files
            FROM row SEMI JOIN most USING (device) GROUP BY ALL ORDER BY ALL"""
        ).df()


def private_creators(tag_profile: pd.DataFrame) -> pd.DataFrame:
    """Private elements by who reserved them: ``creator, tags, known_safe, files``, most tags first.

    ``known_safe``: those that PS3.15 Table E.3.10-1 calls safe; ``files``: of the tag that stands in the most.
    """
    private = tag_profile[(tag_profile["private_creator"] != "") & (tag_profile["keyword"] != "PrivateCreator")]
    tags = private.groupby(["private_creator", "tag"], as_index=False).agg(
        files=("files", "sum"), known_safe=("covered_by", lambda lists: lists.str.contains("safe private").any())
    )
    counted = tags.groupby("private_creator", as_index=False).agg(
        tags=("tag", "size"), known_safe=("known_safe", "sum"), files=("files", "max")
    )
    return counted.rename(columns={"private_creator": "creator"}).sort_values(
        ["tags", "creator"], ascending=[False, True], ignore_index=True
    )


def missing_minimum(workspace: Workspace) -> pd.DataFrame:
    """Percent of images without each attribute of the CHoRUS minimum metadata, a column per modality.

    NaN where the attribute has no place in that kind of image (it is not in its IOD, PS3.3).
    """
    wanted = dict(minimum_metadata().values())
    shares = ", ".join(f"100 * avg(({keyword} = '')::INTEGER) AS {keyword}" for keyword in wanted)
    with connect(workspace) as connection:
        frame = connection.execute(
            f"""SELECT coalesce(nullif(Modality, ''), '{NONE}') AS kind, list(DISTINCT SOPClassUID) AS sop_classes,
                {shares}
            FROM catalog WHERE status = 'dicom' AND has_pixels GROUP BY 1 ORDER BY count(*) DESC, 1"""
        ).df()
    for keyword in wanted:
        belongs = [
            any(iod_of(sop_class) is None or attribute_type(sop_class, (), keyword) for sop_class in sop_classes)
            for sop_classes in frame["sop_classes"]
        ]
        frame[keyword] = frame[keyword].where(
            [here or share < 100 for here, share in zip(belongs, frame[keyword], strict=True)]
        )
    turned = frame.drop(columns="sop_classes").set_index("kind").T.rename_axis(columns=None)
    turned.insert(0, "level", [wanted[keyword] for keyword in turned.index])
    return turned.rename_axis("attribute").reset_index()


def sizes(workspace: Workspace) -> pd.DataFrame:
    """File size in kilobytes by modality: smallest, quartiles, largest, and how many are outliers."""
    with connect(workspace) as connection:
        return connection.execute(
            f"""WITH file AS (
                SELECT coalesce(nullif(Modality, ''), '{NONE}') AS Modality, size / 1e3 AS size
                FROM catalog WHERE status = 'dicom'
            ), middle AS (SELECT Modality, median(size) AS median FROM file GROUP BY 1)
            SELECT Modality, count(*) AS files, min(size) AS smallest, quantile_cont(size, 0.25) AS lower_quartile,
                any_value(median) AS median, quantile_cont(size, 0.75) AS upper_quartile, max(size) AS largest,
                count(*) FILTER (size > {OUTLYING} * median) AS outliers
            FROM file JOIN middle USING (Modality) GROUP BY 1 ORDER BY files DESC, 1"""
        ).df()


def links(linkage: pd.DataFrame) -> pd.DataFrame:
    """Accessions and files by how far they link; only the first kind is released under ``visit_policy: hold``.

    No row where none was linked.
    """
    far = _how_far(linkage)
    return pd.DataFrame(
        [
            (
                kind,
                int((far == kind).sum()),
                int(linkage.loc[far == kind, "files"].sum()),
                int(linkage.loc[far == kind, "procedure_occurrence_id"].notna().sum()),
            )
            for kind in HOW_FAR * bool(len(linkage))
        ],
        columns=["accessions", "count", "files", "with a procedure"],
    )


def not_linked(linkage: pd.DataFrame) -> pd.DataFrame:
    """The accessions that lack something to link to, and what, most files first."""
    rows = linkage.assign(lacks=_how_far(linkage), modalities=linkage["modalities"].map(_listed))
    rows = rows[rows["lacks"] != HOW_FAR[0]].sort_values("files", ascending=False, kind="stable")
    ids = ["PatientID", "AccessionNumber"]
    rows[ids] = rows[ids].replace("", tables.NOT_IN_FILE)
    return rows[["PatientID", "AccessionNumber", "lacks", "files", "modalities", "acquired"]].reset_index(drop=True)


def _how_far(linkage: pd.DataFrame) -> pd.Series:
    """Of each accession one of ``HOW_FAR``: the first thing that it lacks."""
    far = pd.Series(HOW_FAR[0], index=linkage.index, dtype="str")
    far[linkage["visit_occurrence_id"].isna()] = HOW_FAR[1]
    far[linkage["image_occurrence_id"].isna()] = HOW_FAR[2]
    far[linkage["image_occurrence_id"].isna() & (linkage["AccessionNumber"] == "")] = HOW_FAR[3]
    far[linkage["person_id"].isna()] = HOW_FAR[4]
    return far


def _listed(modalities: str) -> str:
    return ", ".join(name or NONE for name in modalities.split("\\"))


def not_covered(tag_profile: pd.DataFrame) -> pd.DataFrame:
    """Tags at the root that hold values here and stand on none of CHoRUS's lists (SOP step 8), most files first."""
    local = tag_profile[
        (tag_profile["covered_by"] == NOT_COVERED)
        & (tag_profile["path"] == "")
        & (tag_profile["files"] > tag_profile["empty"])
        & ~tag_profile["tag"].str.startswith(("(0002", "(7FE0"))
        & (tag_profile["keyword"] != "PrivateCreator")
    ]
    name = local["keyword"].where(local["private_creator"] == "", "private, " + local["private_creator"])
    grouped = (
        local.assign(name=name)
        .groupby(["tag", "name"], as_index=False)
        .agg(
            files=("files", "sum"),
            modalities=("modality", lambda found: ", ".join(sorted({name or NONE for name in found}))),
            distinct=("distinct", "max"),
            examples=("examples", "first"),
        )
    )
    return grouped.sort_values(["files", "tag"], ascending=[False, True]).reset_index(drop=True)
