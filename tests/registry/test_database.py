"""The registry in SQLite, in a real PostgreSQL and in a real MariaDB."""

from __future__ import annotations

import importlib.abc
import sys
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.omop import open_omop, read_omop
from chorus_nb.omop.databases import engine
from chorus_nb.parameters import Parameters
from chorus_nb.registry import build_registry
from chorus_nb.registry.database import create_statement
from chorus_nb.workspace import Workspace
from tests.omop import omop_faults
from tests.small_release import MR, TWO_PATIENTS, fill, make_workspace, registered

SOP = """
CREATE TABLE image_registry (
image_registry_id integer NOT NULL AUTO_INCREMENT,
file_id varchar(1024) NOT NULL,
proc_id integer NOT NULL,
person_id integer NOT NULL,
group_id integer NOT NULL,
visit_id integer NOT NULL,
datetime datetime NOT NULL,
src_file varchar(1024) NOT NULL,
trg_file varchar(1024),
PRIMARY KEY (image_registry_id)
);
"""


def at(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, url: str) -> Workspace:
    monkeypatch.setenv("REGISTRY", url)
    return Workspace(workspace.parameters.model_copy(update={"registry_url": "env:REGISTRY"}))


def rows(url: str) -> pd.DataFrame:
    engine = create_engine(url)
    try:
        return pd.read_sql("SELECT * FROM image_registry ORDER BY 1", engine)
    finally:
        engine.dispose()


def test_the_mysql_statement_is_the_sops() -> None:
    made = create_statement("mysql", visit_required=True)
    assert made.lower().split() == SOP.lower().split()


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite", "mssql"])
def test_other_dialects_have_the_sops_columns_in_its_order(dialect: str) -> None:
    made = create_statement(dialect, visit_required=True)
    columns = [line.split()[0] for line in made.splitlines()[1:-2]]
    assert columns == tables.IMAGE_REGISTRY.column_names


def test_a_server_holds_what_the_csv_holds(small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registered(at(small, monkeypatch, server_url))
    stored = rows(server_url)
    stored["datetime"] = stored["datetime"].dt.strftime("%Y-%m-%d %H:%M:%S")
    for column in tables.IMAGE_REGISTRY.column_names[:-1]:
        assert stored[column].tolist() == registry[column].tolist()
    assert stored["trg_file"].isna().all()


def test_storing_again_inserts_changes_and_removes_just_what_is_needed(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at(small, monkeypatch, server_url)
    build_registry(workspace)
    assert len(rows(server_url)) == 4
    fill(workspace, (MR,))
    build_registry(workspace)
    assert rows(server_url)["person_id"].tolist() == [502, 502]
    fill(workspace, TWO_PATIENTS)
    assert rows(server_url)["file_id"].tolist() == registered(workspace)["file_id"].tolist()[:2]


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_what_central_wrote_into_trg_file_stays_with_its_file_and_out_of_the_csv(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at(small, monkeypatch, server_url)
    build_registry(workspace)
    of_mr = rows(server_url).query("person_id == 502")["file_id"].tolist()
    execute(server_url, f"UPDATE image_registry SET trg_file = 'central/a' WHERE file_id = '{of_mr[1]}'")
    fill(workspace, (MR,))  # the rows of the other person go, and the numbers of these change
    registry = registered(workspace)
    stored = rows(server_url).set_index("file_id")["trg_file"]
    assert stored[of_mr[1]] == "central/a" and pd.isna(stored[of_mr[0]])
    assert set(registry["trg_file"].fillna("")) == {""}


def test_rows_of_another_workspace_are_neither_overwritten_nor_deleted(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at(small, monkeypatch, server_url)
    build_registry(workspace)
    execute(server_url, "UPDATE image_registry SET file_id = 'of another site' WHERE image_registry_id IN (1, 4)")
    before = rows(server_url)
    with pytest.raises(InputError, match=r"holds 2 files that this workspace never registered; nothing was written"):
        build_registry(workspace)
    pd.testing.assert_frame_equal(rows(server_url), before)


def test_a_wrong_password_is_one_line_without_it(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_url(server_url).set(password="wrong-horse").render_as_string(hide_password=False)
    with pytest.raises(InputError, match="registry_url: user or password refused") as caught:
        build_registry(at(small, monkeypatch, wrong))
    assert "horse" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_rights_leave_the_table_as_it_was(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_registry(at(small, monkeypatch, server_url))
    before = rows(server_url)
    owner = make_url(server_url)
    host = "@'127.0.0.1'" if "mysql" in server_url else ""
    password = "IDENTIFIED BY 'reader'" if host else "PASSWORD 'reader'"
    engine = create_engine(server_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE USER reader{host} {password}"))
        connection.execute(text(f"GRANT SELECT ON image_registry TO reader{host}"))
    try:
        reader = owner.set(username="reader", password="reader").render_as_string(hide_password=False)
        fill(small, (MR,))
        with pytest.raises(InputError, match="rights are missing"):
            build_registry(at(small, monkeypatch, reader))
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE image_registry"))
            connection.execute(text(f"DROP USER reader{host}"))
        engine.dispose()
    assert len(before) == 4


def test_a_table_of_another_shape_is_left_alone(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(server_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE image_registry (file_id varchar(10))"))
        connection.execute(text("INSERT INTO image_registry VALUES ('mine')"))
    engine.dispose()
    with pytest.raises(InputError, match="other columns"):
        build_registry(at(small, monkeypatch, server_url))
    assert rows(server_url)["file_id"].tolist() == ["mine"]


def test_a_row_that_the_table_refuses_leaves_nothing_half_written(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = at(small, monkeypatch, server_url)
    build_registry(workspace)
    linkage = small.read(tables.LINKAGE).assign(visit_occurrence_id=pd.NA)
    small.write(tables.LINKAGE, linkage)  # visit_policy is hold: the column takes no null
    with pytest.raises(InputError, match="breaks a constraint"):
        build_registry(workspace)
    assert rows(server_url)["visit_id"].tolist() == [71, 71, 72, 72]


def test_omop_tables_are_read_from_a_server_as_from_a_folder(
    small: Workspace, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_folder = read_omop(small, "visit_occurrence")
    engine = create_engine(server_url)
    typed = from_folder.replace("", None).assign(
        visit_start_date=pd.to_datetime(from_folder["visit_start_date"]).dt.date,
        visit_start_datetime=pd.to_datetime(from_folder["visit_start_datetime"]),
    )
    typed.to_sql("visit_occurrence", engine, index=False, if_exists="replace")
    engine.dispose()
    monkeypatch.setenv("CDM", server_url)
    parameters = small.parameters.model_copy(update={"omop": "env:CDM"})
    pd.testing.assert_frame_equal(read_omop(parameters, "visit_occurrence"), from_folder)


def test_omop_tables_lie_in_the_schema_that_is_named(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(server_url)
    schema = "cdm" if engine.dialect.name == "postgresql" else "chorus"  # a schema is a database there
    with engine.begin() as connection:
        if schema == "cdm":
            connection.execute(text("CREATE SCHEMA cdm"))
        made = pd.DataFrame({"DEATH_DATE": ["2024-01-02"], "PERSON_ID": [7]})
        made.to_sql("DEATH", connection, schema=schema, index=False)
    engine.dispose()
    monkeypatch.setenv("CDM", server_url)
    read = read_omop(Parameters(omop="env:CDM", omop_schema=schema), "death")
    assert read.loc[0, ["person_id", "death_date"]].tolist() == [7, "2024-01-02"]
    if schema == "cdm":
        assert omop_faults(Parameters(omop="env:CDM", omop_schema=schema), tmp_path)[0].startswith(
            "omop: person is not there"
        )


ODD = """
CREATE SCHEMA odd;
CREATE TABLE odd.person (person_id numeric(12,2), gender_concept_id float8, year_of_birth int, race_concept_id int,
    ethnicity_concept_id int, person_source_value bytea, extra json);
INSERT INTO odd.person VALUES (1, 8507, 1950, 0, 0, 'MRN-0004711', '{"a": 1}');
CREATE MATERIALIZED VIEW odd.visit_occurrence AS SELECT 1 AS visit_occurrence_id, 1 AS person_id,
    9201 AS visit_concept_id, date '2024-01-02' AS visit_start_date, 'infinity'::date AS visit_end_date,
    'infinity'::timestamp AS visit_end_datetime, 32817 AS visit_type_concept_id;
CREATE TABLE odd.death (person_id int, death_date date);
INSERT INTO odd.death VALUES (1, '0044-03-15 BC'), (2, '2024-01-03');
"""


def test_what_only_postgresql_knows_costs_its_cell(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date without end, a row that cannot be sorted, a view that is kept: each refused its table, or all of them."""
    execute(postgresql_url, *filter(None, map(str.strip, ODD.split(";"))))
    monkeypatch.setenv("CDM", postgresql_url)
    parameters = Parameters(omop="env:CDM", omop_schema="odd")
    assert not omop_faults(parameters, tmp_path)
    person, visit, death = (read_omop(parameters, table) for table in ("person", "visit_occurrence", "death"))
    assert person.loc[0, ["person_id", "person_source_value"]].tolist() == [1, "MRN-0004711"]
    assert visit.loc[0, ["visit_start_date", "visit_end_date", "visit_end_datetime"]].tolist() == ["2024-01-02", "", ""]
    assert death["death_date"].tolist() == ["0044-03-15 BC", "2024-01-03"]
    execute(postgresql_url, 'CREATE TABLE odd."PERSON" (person_id int)')
    [fault] = omop_faults(parameters, tmp_path)
    assert fault.startswith("omop: two tables for person: ")


@pytest.mark.parametrize("password", ["pa@word", "pa@wo/rd", "pa@wo:rd", "pa@wo#rd", "@@", "pa@wo?rd"])
def test_a_password_that_is_not_written_as_a_url_wants_it_stays_out_of_the_message(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDM", f"postgresql://owner:{password}@127.0.0.1:9/cdm")
    with pytest.raises(InputError, match=r"write @ : / \? # of a password as %40") as caught:
        open_omop(Parameters(omop="env:CDM"))
    assert "wo" not in str(caught.value).replace("password", "").replace("two", "")


@pytest.mark.parametrize("url", ["nonsense", "oracle://x", "sqlite:////nowhere/at/all.sqlite"])
def test_a_url_that_leads_nowhere_is_one_clear_line(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^registry_url: ") as caught:
        build_registry(at(make_workspace(tmp_path), monkeypatch, url))
    assert len(str(caught.value).splitlines()) == 1


class Absent(importlib.abc.MetaPathFinder):
    """A driver that is not installed, or whose own library the system lacks."""

    def __init__(self, missing: str, error: type[ImportError]) -> None:
        self.missing, self.error = missing, error

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.missing:
            raise self.error(f"lib{name}.so.2: cannot open shared object file")


@pytest.mark.parametrize(
    ("url", "driver", "error", "words"),
    [
        (
            "mssql://u@h/d",
            "pyodbc",
            ModuleNotFoundError,
            r"pip install pyodbc, and .*msodbcsql18\); the URL then is mssql\+pyodbc:",
        ),
        ("mssql+pyodbc://u@h/d", "pyodbc", ImportError, "mssql.pyodbc://user@host/database.driver=ODBC.Driver"),
        (
            "postgresql://u@h/d",
            "psycopg",
            ModuleNotFoundError,
            r"pip install 'chorus-nb\[databases\]'; the URL then is postgresql:",
        ),
        ("snowflake://u@h/d", "", ImportError, "or use one of postgresql, mysql, mariadb, mssql, oracle"),
    ],
)
def test_a_driver_that_is_missing_is_named_with_the_form_of_its_url(
    url: str, driver: str, error: type[ImportError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", [Absent(driver, error), *sys.meta_path])
    for name in [name for name in sys.modules if driver and name.partition(".")[0] == driver]:
        monkeypatch.delitem(sys.modules, name)
    said = pytest.raises(InputError, match=f"^registry_url: no driver for .*{words}")
    with said as caught, engine("registry_url", url):
        pass
    assert len(str(caught.value).splitlines()) == 1


DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
LOGIN = f"[28000] {DRIVER}[SQL Server]Login failed for user 'quill'. (18456) (SQLDriverConnect)"
CLOSED = f'; [28000] {DRIVER}[SQL Server]Cannot open database "quill" requested by the login. (4060)'


@pytest.mark.parametrize(
    ("state", "said", "words"),
    [
        ("28000", LOGIN, "user or password refused"),
        ("28000", LOGIN + CLOSED, "no such database, or this user may not open it"),
        ("42000", f"{DRIVER}[SQL Server]The SELECT permission was denied on the object 'quill'. (229)", "rights are"),
        (
            "08001",
            f"{DRIVER}SSL Provider: [error:0A000086::certificate verify failed] (-1)",
            "certificate is not trusted",
        ),
        ("08001", f"{DRIVER}TCP Provider: Error code 0x2AF9 (11001)", "cannot be reached"),
        ("HYT00", f"{DRIVER}Login timeout expired (0)", "cannot be reached"),
        ("42S02", f"{DRIVER}[SQL Server]Invalid object name 'quill'. (208)", "no such table"),
        ("23000", f"{DRIVER}[SQL Server]Violation of PRIMARY KEY constraint. The value is (229). (2627)", "constraint"),
        ("IM002", "[unixODBC][Driver Manager]Data source name not found (0)", "or none of that name is installed"),
        ("01000", "[unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18' : file not found", "is not installed"),
    ],
)
def test_what_sql_server_says_through_odbc(state: str, said: str, words: str) -> None:
    """No server and no driver of Microsoft's is here: texts as pyodbc's users report them, by invented names."""
    with pytest.raises(InputError, match=f"^registry_url: .*{words}") as caught, engine("registry_url", "sqlite://"):
        raise DBAPIError("SELECT 1", {}, Exception(state, said))
    assert "quill" not in str(caught.value)


def test_a_server_that_goes_away_is_told() -> None:
    with pytest.raises(InputError, match="omop: the connection was lost; run it again"), engine("omop", "sqlite://"):
        raise DBAPIError("SELECT 1", {}, Exception("terminating"), connection_invalidated=True)
