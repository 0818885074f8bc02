"""Checks of the registry against files, persons, visits and procedures: what the consortium's own checks ask for."""

from __future__ import annotations

import csv
from importlib import resources

import duckdb
import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.metadata.dictionary import possible_ranges
from chorus_nb.omop import NEAR_VISIT, birthdays, lifetimes, read_omop, visit_spans
from chorus_nb.processes.queries import asking, hold_paths
from chorus_nb.registry.identifiers import MINTED
from chorus_nb.registry.omop import PROCEDURE_TABLE
from chorus_nb.registry.omop_ages import delivered_births
from chorus_nb.workspace import Workspace


def check_registry(workspace: Workspace) -> pd.DataFrame:
    """The table ``registry_checks``: every row of ``checks.csv`` with what was examined and what broke it.

    A share of wrong ones up to ``tolerated`` passes (DataQualityDashboard thresholds); where there was nothing to
    examine, the check was not run.
    """
    rows = []
    text = resources.files(__package__).joinpath("checks.csv").read_text(encoding="utf-8")
    with asking(workspace, tables.IMAGE_REGISTRY, tables.RELEASED_HEADERS, tables.CATALOG) as connection:
        _know(connection, workspace)
        for check in csv.DictReader(text.splitlines()):
            tolerated = float(check["tolerated"])
            asked = (
                f"SELECT count(*), count(*) FILTER (wrong) FROM ({RECORD_CHECKS[check['check']]}) AS examined(wrong)"
            )
            ((examined, findings),) = connection.sql(asked).fetchall()
            result = "pass" if findings <= tolerated * examined else "fail"
            detail = f"{findings:,} of {examined:,}; {tolerated:.0%} tolerated" if findings else ""
            if not examined:
                result, detail = "not run", "there is nothing of the kind in the release"
            if result == "fail":
                detail += f". To do: {check['remedy']}"
            row = {"check": check["check"], "question": check["question"], "result": result, "detail": detail}
            rows.append({**row, "examined": examined, "findings": findings})
    made = tables.frame(tables.REGISTRY_CHECKS, rows)
    workspace.write(tables.REGISTRY_CHECKS, made)
    return made


def _know(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """What the registry links to: the files that are there, persons, visits and procedures of the record."""
    images = filter(layout.is_image_place, layout.each_below(workspace.release))
    hold_paths(connection, "on_disk", (path for path in images if path.endswith(".dcm")))
    visits = read_omop(workspace, "visit_occurrence").drop_duplicates("visit_occurrence_id")
    spans = visit_spans(visits)
    known = {"since": spans.starts - NEAR_VISIT, "until": spans.ends + NEAR_VISIT}
    connection.register("visits", visits[["visit_occurrence_id", "person_id"]].astype("Int64").assign(**known))
    procedures = read_omop(workspace, PROCEDURE_TABLE)[["procedure_occurrence_id", "person_id"]]
    connection.register("procedures", procedures.astype("Int64").drop_duplicates("procedure_occurrence_id"))
    persons = read_omop(workspace, "person")
    connection.register("persons", lifetimes(persons, read_omop(workspace, "death")).reset_index())
    leaves = "person" in workspace.parameters.omop_tables
    delivered = persons if leaves else persons.head(0)
    connection.register("birthdays", birthdays(delivered))
    connection.register("birth_years", delivered_births(workspace))
    asked = ["PatientID", "person_id", "days_shifted", "visit_link", "visit_if", "person_differs"]
    connection.register("linkage", workspace.read(tables.LINKAGE, asked))
    connection.execute(f"""
        CREATE VIEW images AS SELECT *, datetime::TIMESTAMP AS taken,
               proc_id BETWEEN {MINTED.start} AND {MINTED.stop - 1} AS minted FROM image_registry""")


def _value_possible() -> str:
    """Each number of a header that has a range in ``units.csv``: field strengths in gauss, voltages in volt. Told, and
    closes nothing: the release says what the device wrote."""
    return " UNION ALL ".join(
        f"SELECT NOT number BETWEEN {least} AND {most} FROM (SELECT TRY_CAST({name} AS DOUBLE) AS number"
        " FROM released_headers) WHERE NOT isnan(number)"
        for name, (least, most) in possible_ranges().items()
    )


RECORD_CHECKS = {
    "row_has_file": "SELECT path IS NULL FROM images LEFT JOIN on_disk ON path = src_file",
    "file_has_row": """
        SELECT src_file IS NULL FROM on_disk LEFT JOIN (SELECT DISTINCT src_file FROM images) ON path = src_file""",
    "one_row_per_file": "SELECT row_number() OVER (PARTITION BY src_file) > 1 FROM images",
    "gapless": "SELECT image_registry_id <> row_number() OVER (ORDER BY image_registry_id) FROM images",
    "file_id_unique": "SELECT row_number() OVER (PARTITION BY file_id) > 1 FROM images",
    "one_person_per_folder": "SELECT split_part(src_file, '/', 1) IS DISTINCT FROM person_id::VARCHAR FROM images",
    "header_agrees": """
        SELECT PatientID IS DISTINCT FROM person_id::VARCHAR OR AccessionNumber IS DISTINCT FROM group_id::VARCHAR
        FROM images LEFT JOIN released_headers ON target_path = src_file""",
    "person_exists": "SELECT persons.person_id IS NULL FROM images LEFT JOIN persons USING (person_id)",
    "person_is_patient": "SELECT bool_or(person_differs <> '') FROM linkage GROUP BY person_id",
    "visit_is_persons": """
        SELECT visits.person_id IS DISTINCT FROM images.person_id
        FROM images LEFT JOIN visits ON visit_id = visit_occurrence_id WHERE visit_id IS NOT NULL""",
    "procedure_is_persons": """
        SELECT procedures.person_id IS DISTINCT FROM images.person_id
        FROM images LEFT JOIN procedures ON proc_id = procedure_occurrence_id WHERE NOT minted""",
    "procedure_id_free": """
        SELECT procedures.person_id <> ours.person_id
        FROM (SELECT proc_id, arg_min(person_id, image_registry_id) AS person_id FROM images WHERE minted GROUP BY ALL)
             AS ours LEFT JOIN procedures ON proc_id = procedure_occurrence_id""",
    "omop_is_shifted": """
        SELECT visit_if = 'unshifted' FROM linkage WHERE visit_if = 'unshifted' OR visit_link IN ('overlap', 'tie')""",
    "birth_is_shifted": """
        SELECT bool_or(birthday = born)
        FROM linkage JOIN birthdays USING (person_id) JOIN (
            SELECT DISTINCT trim(PatientID) AS PatientID, try_strptime(PatientBirthDate, '%Y%m%d')::DATE AS born
            FROM catalog WHERE PatientBirthDate <> '') AS headers USING (PatientID)
        WHERE days_shifted <> 0 GROUP BY person_id""",
    "old_age_told": """
        SELECT bool_or(year(taken) - year_of_birth > 90)
        FROM images JOIN birth_years USING (person_id) WHERE year_of_birth IS NOT NULL GROUP BY person_id""",
    "within_visit": """
        SELECT taken < since OR taken > until
        FROM images LEFT JOIN visits ON visit_id = visit_occurrence_id WHERE visit_id IS NOT NULL""",
    "after_birth": "SELECT taken < born FROM images LEFT JOIN persons USING (person_id)",
    "before_death": "SELECT taken > until FROM images LEFT JOIN persons USING (person_id)",
    "value_possible": _value_possible(),
}
"""What each check asks for: a truth for each thing examined, true where it breaks the rule."""
