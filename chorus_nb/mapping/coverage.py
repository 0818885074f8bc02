"""How far the lookup tables cover the source, and whether they agree with OMOP (SOP steps 6, 12, 13)."""

from __future__ import annotations

import pandas as pd
from pydicom.uid import MediaStorageDirectoryStorage

from chorus_nb import tables
from chorus_nb.mapping.lookups import Lookups, loosely, read_lookups
from chorus_nb.omop import contradict, open_omop, read_omop
from chorus_nb.omop.cdm import LINKED, NEEDED
from chorus_nb.workspace import Workspace

PAIR = ["PatientID", "AccessionNumber"]
SPELL_ALIKE = "spell it alike in both: a row differs from it only in leading zeros, blanks, capitals or signs"


ACCESSION_NOT_MAPPED = (
    "the accession of this patient has no row in Image_map: its files are held back",
    "add it, if it belongs to an encounter of interest (SOP step 6)",
)
ACCESSION_MISSING = (
    "this patient has files without an AccessionNumber: they are held back",
    "have it filled in at the PACS, if they belong to an encounter of interest (SOP step 6)",
)


def check_lookups(workspace: Workspace) -> pd.DataFrame:
    """Findings about the lookup tables, as ``quality_findings`` rows; what makes them unusable is raised instead.

    Identifiable: ``item`` names the patient or accession.
    """
    lookups = read_lookups(workspace)
    pairs = in_source(workspace)
    rows = [*_not_mapped(lookups, pairs), *_not_in_source(lookups, pairs), *_against_omop(workspace, lookups)]
    findings = tables.frame(tables.QUALITY_FINDINGS, rows)
    order = {"high": 0, "medium": 1, "low": 2}
    return findings.sort_values("severity", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def count_causes(findings: pd.DataFrame) -> pd.DataFrame:
    """What to mend in the lookup tables, a row a cause, with the first three patients or accessions it is about."""
    causes = findings.groupby(["severity", "rule", "detail", "what_to_do"], sort=False, as_index=False)
    return causes.agg(
        times=("item", "size"),
        files=("files", "sum"),
        first=("item", lambda items: "; ".join(items[:3])),
    )


def coverage(workspace: Workspace) -> pd.DataFrame:
    """Patients, accessions and files in the source, and how many of each the lookup tables map."""
    lookups = read_lookups(workspace)
    pairs = in_source(workspace)
    mapped = pairs[_has_image(lookups, pairs) & _has_person(lookups, pairs)]
    named = pairs.PatientID[pairs.PatientID != ""]
    rows = [
        ("patients", named.nunique(), named[_has_person(lookups, pairs)].nunique()),
        ("accessions", len(pairs), len(mapped)),
        ("files", int(pairs.files.sum()), int(mapped.files.sum())),
    ]
    frame = pd.DataFrame(rows, columns=["of the", "in the source", "mapped"])
    frame["not mapped"] = frame["in the source"] - frame["mapped"]
    return frame


def in_source(workspace: Workspace) -> pd.DataFrame:
    """Every pair of PatientID and AccessionNumber found in the source, with its number of files.

    An index of files (DICOMDIR) is of no patient.
    """
    catalog = workspace.read(tables.CATALOG, ("status", "MediaStorageSOPClassUID", *PAIR))
    wanted = (catalog.status == "dicom") & (catalog.MediaStorageSOPClassUID != MediaStorageDirectoryStorage)
    stripped = catalog.loc[wanted, PAIR].apply(lambda column: column.str.strip(" \0"))
    return stripped.groupby(PAIR, as_index=False).size().rename(columns={"size": "files"})


def _has_person(lookups: Lookups, pairs: pd.DataFrame) -> pd.Series:
    return pairs.PatientID.map(lambda patient: lookups.person(patient) is not None).astype(bool)


def _has_image(lookups: Lookups, pairs: pd.DataFrame) -> pd.Series:
    return pd.Series(
        [lookups.image(row.PatientID, row.AccessionNumber) is not None for row in pairs.itertuples()],
        index=pairs.index,
        dtype=bool,
    )


def _coverage_finding(*values: object) -> dict[str, object]:
    return dict(zip(tables.QUALITY_FINDINGS.column_names, values, strict=True))


def _not_mapped(lookups: Lookups, pairs: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    strangers = pairs[~_has_person(lookups, pairs)]
    alike = {loosely(patient) for patient in lookups.persons.PatientID} - {""}
    for patient, files in strangers.groupby("PatientID").files.sum().items():
        text = "PatientID has no row in Personal_map: its files are quarantined"
        fix = "add the patient"
        if loosely(str(patient)) in alike:
            fix = SPELL_ALIKE
        item = str(patient) or tables.NOT_IN_FILE
        rows.append(_coverage_finding("patient_not_mapped", "high", "patient", item, text, fix, int(files)))
    for row in pairs[_has_person(lookups, pairs) & ~_has_image(lookups, pairs)].itertuples():
        text, fix = ACCESSION_NOT_MAPPED if row.AccessionNumber else ACCESSION_MISSING
        severity = "medium" if row.AccessionNumber else "low"
        item = f"{row.PatientID} {row.AccessionNumber}".strip()
        rows.append(_coverage_finding("accession_not_mapped", severity, "study", item, text, fix, int(row.files)))
    return rows


def _not_in_source(lookups: Lookups, pairs: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    known = set(zip(pairs.PatientID, pairs.AccessionNumber, strict=True))
    alike = {loosely(patient) for patient in lookups.persons.PatientID} - {""}
    for row in lookups.images.itertuples():
        item = f"{row.PatientID} {row.AccessionNumber}"
        if lookups.person(row.PatientID) is None:
            text, fix = "row of Image_map whose PatientID is not in Personal_map", "add the patient, or remove the row"
            fix = SPELL_ALIKE if loosely(row.PatientID) in alike else fix
            rows.append(_coverage_finding("image_without_person", "medium", "study", item, text, fix, 0))
        elif (row.PatientID, row.AccessionNumber) not in known:
            text, fix = "row of Image_map with no file in the source", "see whether images are still to be exported"
            rows.append(_coverage_finding("accession_without_files", "low", "study", item, text, fix, 0))
    return rows


def _against_omop(workspace: Workspace, lookups: Lookups) -> list[dict[str, object]]:
    """Every person_id exists in the site's PERSON table, and no id says two things."""
    every = {table: read_omop(workspace, table, contradicting=True) for table in NEEDED}
    known = set(every["person"].person_id)
    text, fix = "person_id is not in the OMOP table PERSON", "mend the map, or deliver the person with the OMOP tables"
    rows = [
        _coverage_finding("person_not_in_omop", "high", "patient", str(row.PatientID), text, fix, 0)
        for row in lookups.persons.itertuples()
        if row.person_id not in known
    ]
    opened = open_omop(workspace.parameters)
    fix = "mend that row of the file"
    rows += [
        _coverage_finding("omop_row_left_out", "high", "patient", f"{table} row {n}", f"is not read: {why}", fix, 0)
        for table in (*NEEDED, *LINKED)
        if table in opened.names()
        for n, why in opened.left_out(table).items()
    ]
    text, fix = "rows of one id in an OMOP table contradict each other: none of them is read", "mend that table"
    for table, given in every.items():
        wrong = given.loc[contradict(table, given), f"{table}_id"].unique()
        rows += [_coverage_finding("omop_contradicts", "high", "patient", f"{table} {i}", text, fix, 0) for i in wrong]
    return rows
