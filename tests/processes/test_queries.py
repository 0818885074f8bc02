"""Questions by SQL: DuckDB as the runs open it."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest

from chorus_nb import tables
from chorus_nb.metadata.headers import HEADERS_RECIPE, update_headers
from chorus_nb.processes.queries import in_bounded_memory, told
from chorus_nb.workspace import Workspace

ASKED = """
import duckdb
from chorus_nb.processes.queries import connected
setting = "SELECT current_setting('enable_progress_bar')"
print(*(opened.execute(setting).fetchone()[0] for opened in (duckdb.connect(), connected(memory_limit="1GB"))))
"""


def test_a_long_question_draws_no_bar_over_the_lines_of_a_run() -> None:
    """As in a kernel: in a process without a file of its own DuckDB draws one, unless it is told not to."""
    said = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]


def test_each_question_has_a_database_of_its_own_that_is_gone_with_it() -> None:
    with in_bounded_memory() as one, in_bounded_memory() as other:
        one.execute("CREATE TABLE kept AS SELECT range AS number FROM range(120000)")
        other.execute("CREATE TABLE kept AS SELECT 'another' AS number")
        numbers = told(one, "SELECT number FROM kept ORDER BY number")
        assert next(numbers) == (0,)
        assert list(told(other, "SELECT number FROM kept")) == [("another",)], "while the first is still read"
        assert sum(1 for _ in numbers) == 119_999
    with in_bounded_memory() as later:
        assert later.sql("SELECT * FROM duckdb_tables()").fetchall() == []


def test_a_question_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), in_bounded_memory() as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE half AS SELECT 1 AS number")
        with pytest.raises(duckdb.Error):
            connection.execute("SELEKT")
        raise ZeroDivisionError
    with in_bounded_memory() as later:
        assert later.sql("SELECT * FROM duckdb_tables()").fetchall() == []


def test_what_a_question_to_the_headers_sets_holds_for_no_other(workspace: Workspace) -> None:
    workspace.write(tables.OUTCOMES, tables.empty(tables.OUTCOMES))
    nothing = {"text": "", "integer": 0, "number": 0.0, "truth": False}
    gone = {column.name: nothing[column.kind] for column in tables.RELEASED_HEADERS.columns}
    workspace.write(tables.RELEASED_HEADERS, tables.frame(tables.RELEASED_HEADERS, [gone]))
    workspace.path(tables.RELEASED_HEADERS).with_suffix(".key").write_text(HEADERS_RECIPE.key(None))
    before = settings()
    update_headers(workspace)
    assert workspace.read(tables.RELEASED_HEADERS).empty
    assert settings() == before


def settings() -> list[tuple[object, ...]]:
    with in_bounded_memory() as connection:
        return connection.sql(
            "SELECT name, value FROM duckdb_settings() WHERE name <> 'search_path' ORDER BY name"
        ).fetchall()
