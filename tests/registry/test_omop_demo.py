"""On 100 real ICU patients (MIMIC-IV demo in OMOP): images in a few hundred of their visits, linked and loaded."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from chorus_nb import tables
from chorus_nb.explore import link
from chorus_nb.metadata import build_metadata
from chorus_nb.omop import cdm_fields, moments, read_omop
from chorus_nb.omop.visits import INPATIENT
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_mi_cdm, build_omop, check_registry
from chorus_nb.registry.identifiers import MINTED
from chorus_nb.workspace import Workspace
from tests.small_release import Accession, fill, make_workspace, registered

VISITS = 240
# in the order of their foreign keys; visit_detail stays out, for the demo's own values are longer than the CDM allows
SITE = ("person", "visit_occurrence", "procedure_occurrence", "death", "observation_period")


@pytest.fixture(scope="module")
def demo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Invented images in real visits, some of them troubled, and some images outside every visit."""
    folder = tmp_path_factory.mktemp("omop_demo")
    workspace = make_workspace(folder, (), omop_tables=list(SITE))
    omop = resolve(workspace.parameters.omop)
    for path in omop.iterdir():
        path.unlink()
    for name in SITE:
        shutil.copy(shared / "data" / "omop_demo" / f"{name}.csv", omop)
    _trouble(omop / "visit_occurrence.csv")
    accessions = _accessions(workspace)
    lookup = workspace.parameters.lookup_path
    persons = {(a.patient, a.person, a.shift) for a in accessions}
    images = {(a.patient, a.accession, a.image_occurrence) for a in accessions}
    for name, head, rows in (
        ("Personal_map.csv", "PatientID,person_id,Days_Shifted", persons),
        ("Image_map.csv", "PatientID,AccessionNumber,image_occurence_id", images),
    ):
        (lookup / name).write_text("\n".join([head, *(",".join(map(str, row)) for row in sorted(rows))]) + "\n")
    fill(workspace, accessions)
    link(workspace)
    return workspace


def _trouble(path: Path) -> None:
    """Some visits end on a date alone, and most inpatient stays get an ICU stay of their own that they overlap."""
    visits = pd.read_csv(path, dtype=str, keep_default_na=False)
    visits.loc[::3, "visit_end_datetime"] = ""
    icu = visits[visits["visit_concept_id"].isin(["9201", "262"]) & (visits.index % 4 != 0)].copy()
    icu["visit_concept_id"] = "32037"
    icu["visit_occurrence_id"] = (icu["visit_occurrence_id"].astype(int) + 400_000).astype(str)
    icu["visit_start_datetime"] = ""
    pd.concat([visits, icu]).to_csv(path, index=False)


def _accessions(workspace: Workspace) -> tuple[Accession, ...]:
    chance = random.Random(8)
    visits = read_omop(workspace, "visit_occurrence")
    start = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    end = moments(visits["visit_end_date"], visits["visit_end_datetime"], end_of_day=True)
    made = []
    for number, row in enumerate(visits.sample(VISITS, random_state=8).index, start=1):
        person = int(visits.loc[row, "person_id"])
        shift = -(person % 700) - 1
        moment = start[row] + chance.random() * (end[row] - start[row])
        outside = number % 12 == 0
        if outside:
            moment = start.min() - pd.Timedelta(days=365)
        original = (moment - pd.Timedelta(days=shift)).strftime("%Y-%m-%d %H:%M:%S")
        ids = (f"MRN-{person}", f"ACC-{number:05d}", person, 40_000 + number, shift, original)
        made.append(
            Accession(*ids, ("CT", "MR", "DX")[number % 3], images=1, status="held_back" if outside else "released")
        )
    return tuple(made)


@pytest.fixture(scope="module")
def registry(demo: Workspace) -> pd.DataFrame:
    built = registered(demo)
    build_omop(demo)
    return built


def test_each_image_is_in_the_visit_that_the_rules_name(demo: Workspace, registry: pd.DataFrame) -> None:
    visits = read_omop(demo, "visit_occurrence")
    visits["start"] = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    told = moments(visits["visit_end_date"], visits["visit_end_datetime"], end_of_day=True)
    day = visits["start"].dt.normalize() + pd.Timedelta(hours=23, minutes=59, seconds=59)
    visits["end"] = told.where(told > visits["start"], day)  # a visit that ends as it begins lasts its day
    visits["inpatient"] = visits["visit_concept_id"].isin(INPATIENT)
    visits["length"] = visits["end"] - visits["start"]
    ties = 0
    for row in registry.itertuples():
        moment = pd.Timestamp(row.datetime)
        own = visits[(visits["person_id"] == row.person_id) & (visits["start"] <= moment) & (moment <= visits["end"])]
        ties += len(own) > 1
        best = own.sort_values(
            ["inpatient", "length", "start", "visit_occurrence_id"], ascending=[False, True, True, True]
        )
        assert row.visit_id == best["visit_occurrence_id"].iloc[0]
    assert ties > 5  # the data does hold overlapping stays, or this test says nothing
    assert len(registry) == VISITS - VISITS // 12


def test_images_outside_every_visit_are_linked_to_none(demo: Workspace) -> None:
    counts = demo.read(tables.LINKAGE)["visit_link"].value_counts()
    assert counts["none"] == VISITS // 12
    assert counts["tie"] > 0
    assert counts["overlap"] > 0


def test_every_check_passes(demo: Workspace, registry: pd.DataFrame) -> None:
    assert len(registry)
    checks = check_registry(demo)
    assert set(checks.loc[checks["examined"] > 0, "result"]) == {"pass"}
    assert (checks["examined"] >= 0).all()


def test_the_site_table_grows_by_the_minted_rows_only(demo: Workspace, registry: pd.DataFrame) -> None:
    ehr = (resolve(demo.parameters.omop) / "procedure_occurrence.csv").read_bytes()
    merged = (demo.omop_out / "procedure_occurrence.csv").read_bytes()
    assert merged.startswith(ehr)
    assert merged[len(ehr) :].count(b"\n") == registry["proc_id"].nunique()
    assert registry["proc_id"].between(MINTED.start, MINTED.stop - 1).all()


def test_the_release_loads_into_cdm_5_4_in_postgresql_with_all_constraints(
    demo: Workspace, registry: pd.DataFrame, shared: Path, postgresql_url: str
) -> None:
    build_metadata(demo)
    build_mi_cdm(Workspace(demo.parameters.model_copy(update={"omop_concepts": True})))
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as connection:
        connection.execute("DROP SCHEMA IF EXISTS cdm CASCADE; CREATE SCHEMA cdm; SET search_path TO cdm")
        ddl = (shared / "data" / "omop_cdm_5_4" / "OMOPCDM_postgresql_5.4_ddl.sql").read_text()
        connection.execute(ddl.replace("@cdmDatabaseSchema.", "").encode())
        for statement in _constraints(shared):
            connection.execute(statement.encode())
        mi_cdm = demo.metadata / "mi_cdm"
        concepts = _concepts([*demo.omop_out.glob("*.csv"), *mi_cdm.glob("*.csv")])
        for concept in concepts:
            connection.execute(
                "INSERT INTO concept VALUES (%s, 'stub', 'Metadata', 'stub', 'stub', 'S', 'stub', '2000-01-01',"
                " '2099-12-31', NULL)",
                [concept],
            )
        connection.execute((mi_cdm / "ddl_postgresql.sql").read_bytes())
        paths = [demo.omop_out / f"{name}.csv" for name in SITE]
        for path in (
            *paths,
            *(mi_cdm / f"{name}.csv" for name in ("image_occurrence", "image_feature", "measurement")),
        ):
            _copy(connection, path)
        found = connection.execute(
            "SELECT count(*) FROM procedure_occurrence WHERE procedure_occurrence_id >= 2000000000"
        ).fetchone()
        series = connection.execute("SELECT count(*) FROM image_occurrence").fetchone()
        connection.rollback()
    assert found == (registry["proc_id"].nunique(),)
    assert series == (len(demo.read(tables.SERIES)),)


def _copy(connection: psycopg.Connection, path: Path) -> None:
    header = path.read_text().partition("\n")[0]
    with connection.cursor().copy(f"COPY {path.stem} ({header}) FROM STDIN CSV HEADER".encode()) as copy:
        copy.write(path.read_bytes())


def _constraints(shared: Path) -> list[str]:
    """Primary and foreign keys of the tables used here, from the CDM's own field list."""
    path = shared / "data" / "omop_cdm_5_4" / "OMOP_CDMv5.4_Field_Level.csv"
    fields = pd.read_csv(path, dtype=str, keep_default_na=False)
    fields["table"], fields["refers"] = fields["cdmTableName"].str.lower(), fields["fkTableName"].str.lower()
    here = fields[fields["table"].isin((*SITE, "concept"))]
    keys = here[here["isPrimaryKey"].str.lower() == "yes"]
    made = [f"ALTER TABLE {k.table} ADD PRIMARY KEY ({k.cdmFieldName})" for k in keys.itertuples()]
    for k in here[here["isForeignKey"].str.lower() == "yes"].itertuples():
        if k.refers in SITE or k.refers == "concept":
            deferred = "DEFERRABLE INITIALLY DEFERRED" if k.table == k.refers else ""
            target = f"{k.refers} ({k.fkFieldName.lower()})"
            made.append(f"ALTER TABLE {k.table} ADD FOREIGN KEY ({k.cdmFieldName}) REFERENCES {target} {deferred}")
    return [statement for statement in made if "ALTER TABLE concept ADD FOREIGN" not in statement]


def _concepts(paths: list[Path]) -> list[int]:
    """Every concept that the loaded tables name: the vocabulary itself is not part of the site's data."""
    found: set[int] = set()
    for path in paths:
        frame = pd.read_csv(path, dtype=str)
        for column in frame.columns[frame.columns.str.endswith("concept_id")]:
            found |= set(frame[column].dropna().astype(float).astype(int))
    return sorted(found)


def test_the_columns_loaded_by_position_are_those_of_the_cdm(demo: Workspace, registry: pd.DataFrame) -> None:
    header = (demo.omop_out / "procedure_occurrence.csv").read_text().partition("\n")[0]
    assert header.split(",") == cdm_fields("procedure_occurrence")["column"].tolist()
    assert len(registry)
