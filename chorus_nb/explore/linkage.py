"""Which accessions belong to the encounters of interest: lookup tables, visits, procedures (SOP steps 5, 6)."""

from __future__ import annotations

import pandas as pd

from chorus_nb import tables
from chorus_nb.explore.catalog import connect
from chorus_nb.explore.loinc import study_codes
from chorus_nb.explore.values import CLOCK_TOLERANCE
from chorus_nb.mapping.lookups import read_lookups
from chorus_nb.omop import holding_visits, linked_procedures, read_omop
from chorus_nb.omop.imaging import imaging_procedures
from chorus_nb.omop.reading import LAST_SECOND
from chorus_nb.workspace import Workspace

UNLESS = {"other_sign": -2, "unshifted": -1}
"""What would lay an accession that no visit holds into one: how many shifts its shifted moment moves for it."""

SEXES = {8507: "M", 8532: "F"}  # OMOP's concepts of gender that PatientSex has a term for
YEARS_APART = 5  # of two years of birth: the record's may be shifted, or rounded
OLDEST = 85  # years at study: the record may give everybody older one year of birth (Safe Harbor 3)

# What the headers of a patient say of sex and birth, where they all say the same.
_PATIENTS = """
SELECT trim(PatientID) AS PatientID, any_value(PatientSex) FILTER (PatientSex IN ('F', 'M')) AS sex,
       any_value(left(PatientBirthDate, 4)) FILTER (regexp_full_match(PatientBirthDate, '[12][0-9]{7}')) AS born,
       min(left(acquired, 4)) FILTER (acquired <> '') AS first
FROM catalog WHERE status = 'dicom' GROUP BY ALL
HAVING count(DISTINCT PatientSex) FILTER (PatientSex IN ('F', 'M')) < 2
    AND count(DISTINCT nullif(PatientBirthDate, '')) < 2
"""

# The earliest moment of an accession among the files whose clocks agree, which most of them must: a file with a wrong
# clock does not move the others, nor does one with a date alone, which is read as midnight.
_ACCESSIONS = f"""
WITH dated AS (
    SELECT trim(PatientID) AS PatientID, trim(AccessionNumber) AS AccessionNumber, Modality,
           TRY_CAST(nullif(acquired, '') AS TIMESTAMP) AS moment,
           acquired_from LIKE '%+%' OR acquired NOT LIKE '% 00:00:00' AS timed
    FROM catalog WHERE status = 'dicom' AND MediaStorageSOPClassUID <> '1.2.840.10008.1.3.10'
), agreeing AS (
    SELECT *, count(moment) OVER (
        PARTITION BY PatientID, AccessionNumber ORDER BY moment
        RANGE BETWEEN INTERVAL {CLOCK_TOLERANCE.days} DAY PRECEDING AND INTERVAL {CLOCK_TOLERANCE.days} DAY FOLLOWING
    ) AS near FROM dated
), told AS (
    SELECT *, first_value(moment) OVER (
        PARTITION BY PatientID, AccessionNumber ORDER BY moment IS NULL, near DESC, moment DESC
    ) AS usual FROM agreeing
)
SELECT PatientID, AccessionNumber, count(*) AS files,
       string_agg(DISTINCT Modality, '\\' ORDER BY Modality) AS modalities,
       coalesce(strftime(coalesce(min(moment) FILTER (timed AND agrees), min(moment) FILTER (agrees)),
           '%Y-%m-%d %H:%M:%S'), '') AS acquired,
       count(*) FILTER (timed AND agrees) = 0 AS a_day
FROM (SELECT *, moment >= usual - INTERVAL {CLOCK_TOLERANCE.days} DAY AS agrees FROM told) GROUP BY ALL ORDER BY ALL
"""


def link(workspace: Workspace) -> pd.DataFrame:
    """A row per accession of the source: person, shift, image_occurrence_id, procedure, visit and LOINC code.

    The visit is that of the linked procedure (`explicit`), else the one that holds the shifted date and time
    (`overlap`, or `tie` if several do), else `none`; `unmapped` if the patient is not in the lookup table. Where it is
    `none`, ``visit_if`` says what would give one: OMOP tables that are `unshifted`, or a shift of the `other_sign`.
    No row, and no table kept, where parameter ``lookup`` or ``omop`` is not set: there is nothing to link to.
    """
    if not (workspace.parameters.lookup and workspace.parameters.omop):
        workspace.path(tables.LINKAGE).unlink(missing_ok=True)
        return tables.empty(tables.LINKAGE)
    lookups = read_lookups(workspace)
    with connect(workspace) as connection:
        rows = connection.execute(_ACCESSIONS).df()
        rows = rows.merge(
            lookups.persons.rename(columns={"Days_Shifted": "days_shifted"}), on="PatientID", how="left"
        ).merge(
            lookups.images.rename(columns={"image_occurence_id": "image_occurrence_id"}),
            on=["PatientID", "AccessionNumber"],
            how="left",
        )
        moment = pd.to_datetime(rows["acquired"], format="%Y-%m-%d %H:%M:%S", errors="coerce")
        shifted = moment + pd.to_timedelta(rows["days_shifted"].astype("float64"), unit="D")
        rows["acquired_shifted"] = shifted.dt.strftime("%Y-%m-%d %H:%M:%S").fillna("")
        rows = rows.join(linked_procedures(workspace, rows))
        _add_visits(workspace, rows, shifted)
        rows["person_differs"] = _differing(workspace, rows, connection.execute(_PATIENTS).df())
        codes = study_codes(connection, workspace)
    rows = rows.merge(codes, on=["PatientID", "AccessionNumber"], how="left")
    workspace.write(tables.LINKAGE, rows[tables.LINKAGE.column_names])
    return workspace.read(tables.LINKAGE)


def _add_visits(workspace: Workspace, rows: pd.DataFrame, shifted: pd.Series) -> None:
    """Fill ``visit_occurrence_id`` and ``visit_link``."""
    known = read_omop(workspace, "visit_occurrence")
    through = pd.Series(pd.Timedelta(0), rows.index).mask(rows["a_day"].astype(bool), LAST_SECOND)  # a date is a day
    overlap = holding_visits(known, rows["person_id"], shifted, shifted + through)
    owner = known.set_index("visit_occurrence_id")["person_id"]
    explicit = rows["procedure_visit"].where(rows["procedure_visit"].map(owner) == rows["person_id"])
    by_overlap = overlap["visit_occurrence_id"].reindex(rows.index)
    rows["visit_occurrence_id"] = explicit.fillna(by_overlap)
    rows["visit_link"] = "none"
    rows.loc[overlap.index, "visit_link"] = overlap["candidates"].gt(1).map({True: "tie", False: "overlap"})
    rows.loc[explicit.notna(), "visit_link"] = "explicit"
    rows.loc[rows["person_id"].isna(), "visit_link"] = "unmapped"
    rows["visit_if"] = ""
    lost = rows["visit_link"] == "none"
    for why, times in UNLESS.items():
        moved = shifted + times * pd.to_timedelta(rows["days_shifted"].astype("float64"), unit="D")
        held = holding_visits(known, rows.loc[lost, "person_id"], moved[lost], (moved + through)[lost])
        rows.loc[held.index, "visit_if"] = why


def _differing(workspace: Workspace, rows: pd.DataFrame, headers: pd.DataFrame) -> pd.Series:
    """`sex` or `birth` where the headers of a patient say another than PERSON does of the person mapped to them."""
    persons = read_omop(workspace, "person").drop_duplicates("person_id")[
        ["person_id", "gender_concept_id", "year_of_birth"]
    ]
    both = rows[["PatientID", "person_id"]].merge(headers, how="left").merge(persons, on="person_id", how="left")
    gender = both["gender_concept_id"].map(SEXES)
    born, first = (pd.to_numeric(both[name]).astype("Float64") for name in ("born", "first"))
    apart = (born - both["year_of_birth"]).abs() > YEARS_APART
    differs = pd.Series("", index=rows.index, dtype="str")
    differs[(apart & (first - born < OLDEST)).fillna(False).to_numpy(bool)] = "birth"
    differs[(gender.notna() & both["sex"].notna() & (gender != both["sex"])).to_numpy(bool)] = "sex"
    return differs


def absent(workspace: Workspace) -> pd.DataFrame:
    """The other way: accessions that Image_map or OMOP's image_occurrence expects and the export lacks."""
    known_images = read_lookups(workspace).images if workspace.parameters.lookup else tables.empty(tables.IMAGE_MAP)
    expected = known_images.rename(columns={"image_occurence_id": "image_occurrence_id"})
    with connect(workspace) as connection:
        here = connection.execute(_ACCESSIONS).df()[["PatientID", "AccessionNumber"]]
    known = read_omop(workspace, "image_occurrence")[["image_occurrence_id"]].drop_duplicates()
    merged = expected.merge(here, how="left", indicator="exported").merge(
        known, on="image_occurrence_id", how="outer", indicator="in_omop"
    )
    missing = merged[merged["exported"] != "both"]
    sources = {"left_only": "Image_map", "right_only": "image_occurrence", "both": "Image_map and image_occurrence"}
    return missing.assign(
        expected_by=missing["in_omop"].astype(str).map(sources),
        patient_in_source=missing["PatientID"].isin(here["PatientID"]),
    )[["PatientID", "AccessionNumber", "image_occurrence_id", "expected_by", "patient_in_source"]].reset_index(
        drop=True
    )


def procedures_without_images(workspace: Workspace) -> pd.DataFrame:
    """Imaging procedures of OMOP that no accession of the export is linked to, with the modality that their code says.

    Needs :func:`link`; without lookup or OMOP tables there is nothing to link, and no row.
    """
    columns = ["person_id", "procedure_occurrence_id", "procedure_date", "procedure_source_value", "modality"]
    if not workspace.has(tables.LINKAGE):
        return pd.DataFrame(columns=columns)
    imaging = imaging_procedures(read_omop(workspace, "procedure_occurrence"), workspace.parameters.lookup_path)
    linked = workspace.read(tables.LINKAGE, ["procedure_occurrence_id"])["procedure_occurrence_id"].dropna()
    return imaging.loc[~imaging["procedure_occurrence_id"].isin(linked), columns].reset_index(drop=True)
