"""``image_registry`` in a database: SQLite under ``local/``; PostgreSQL, MySQL, MariaDB or SQL Server by URL."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    null,
    select,
)
from sqlalchemy import inspect as inspect_database
from sqlalchemy.dialects import registry
from sqlalchemy.schema import CreateTable

from chorus_nb.errors import InputError
from chorus_nb.omop.databases import engine, sqlite_url
from chorus_nb.processes.queries import add_rows, in_parts
from chorus_nb.workspace import Workspace, replacing

ROWS_AT_ONCE = 20_000  # rows compared, deleted and inserted at a time: memory stays flat
DELETE = 500  # ids in one DELETE: every database takes that many parameters


def registry_table(*, visit_required: bool) -> Table:
    """``image_registry`` as the Imaging SOP creates it; ``visit_id`` may be null only with ``visit_policy: blank``."""
    return Table(
        "image_registry",
        MetaData(),
        Column("image_registry_id", Integer, primary_key=True, autoincrement=True),
        Column("file_id", String(1024), nullable=False),
        Column("proc_id", Integer, nullable=False),
        Column("person_id", Integer, nullable=False),
        Column("group_id", Integer, nullable=False),
        Column("visit_id", Integer, nullable=not visit_required),
        Column("datetime", DateTime, nullable=False),
        Column("src_file", String(1024), nullable=False),
        Column("trg_file", String(1024), nullable=True),
    )


def create_statement(dialect: str, *, visit_required: bool) -> str:
    """The SOP's ``CREATE TABLE`` in the words of ``dialect``: mysql, postgresql, sqlite or mssql."""
    words = registry.load(dialect)()
    made = CreateTable(registry_table(visit_required=visit_required)).compile(dialect=words)
    return "\n".join(line.rstrip() for line in str(made).strip().splitlines()) + ";\n"


@contextlib.contextmanager
def registry_database(workspace: Workspace) -> Iterator[Engine]:
    """The database of ``registry_url``."""
    url = workspace.parameters.registry_url or sqlite_url(workspace.local / "registry.sqlite")
    with engine("registry_url", url) as opened:
        yield opened


def ask_registry(workspace: Workspace, within: int) -> None:
    """:class:`InputError` where ``registry_url`` cannot be connected to within so many seconds, or holds another table
    of that name. Nothing is made: of a file that is not there the folder has to be."""
    with engine("registry_url", workspace.parameters.registry_url, within) as opened:
        file = opened.url.database if opened.dialect.name == "sqlite" else ""
        if file and not Path(file).is_file():
            if not Path(file).absolute().parent.is_dir():
                raise InputError("registry_url: the folder of the database is not there")
            return
        _check_shape(opened, registry_table(visit_required=False))


def store(opened: Engine, asked: duckdb.DuckDBPyConnection, *, visit_required: bool) -> None:
    """Make the table hold exactly the rows that ``asked`` knows as ``registered``, in one transaction; rows that are
    right already are left alone.

    :class:`InputError`, and nothing is written, where a row is of a file that is not among ``known``: another site or
    workspace shares the database, and the numbers of both begin with 1.
    What central wrote into ``trg_file`` stays with its file.
    """
    table = registry_table(visit_required=visit_required)
    _check_shape(opened, table)
    with opened.begin() as connection:
        table.create(connection, checkfirst=True)
        _refuse_strangers(connection, table, asked)
        ((count,),) = asked.sql("SELECT count(*) FROM registered").fetchall()
        connection.execute(delete(table).where(table.c.image_registry_id > count))
        rows = asked.sql("""
            SELECT registered.* REPLACE (standing.trg_file AS trg_file)
            FROM registered LEFT JOIN standing USING (file_id) ORDER BY image_registry_id""")
        for part in in_parts(rows, ROWS_AT_ONCE) if count else ():
            _store_chunk(connection, table, part)


def _refuse_strangers(connection: Connection, table: Table, asked: duckdb.DuckDBPyConnection) -> None:
    """Makes ``standing``, what stands in ``trg_file`` by file id; no row may be of a file that was never numbered."""
    asked.execute("CREATE TABLE standing (file_id VARCHAR, trg_file VARCHAR)")
    wanted = select(table.c.file_id, table.c.trg_file).execution_options(yield_per=ROWS_AT_ONCE)
    for part in connection.execute(wanted).partitions():
        files, targets = zip(*part, strict=True)
        add_rows(asked, "standing", pa.table({"file_id": files, "trg_file": pa.array(targets, pa.string())}))
    numbered = "(SELECT file_id FROM known UNION ALL SELECT file_id FROM numbered) AS ever"
    ((strangers,),) = asked.sql(f"SELECT count(*) FROM standing ANTI JOIN {numbered} USING (file_id)").fetchall()
    if strangers:
        raise InputError(
            f"registry_url: the table image_registry there holds {strangers:,} files that this workspace never"
            " registered; nothing was written. Give each site and workspace a database or schema of its own, or drop"
            " the table if nobody needs it"
        )
    asked.execute("DELETE FROM standing WHERE coalesce(trg_file, '') = ''")


def export(opened: Engine, path: Path) -> None:
    """Write the table to ``path`` as the SOP's CSV, in the order of its numbers; the file is left alone if it is so.

    ``trg_file`` is blank whatever central wrote there (Imaging SOP, section 2).
    """
    table = registry_table(visit_required=False)
    told = [null().label(column.name) if column.name == "trg_file" else column for column in table.c]
    wanted = select(*told).order_by(table.c.image_registry_id)
    with (
        replacing(path, if_changed=True) as new,
        opened.connect() as connection,
        open(new, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.c.keys())
        for part in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(wanted).partitions():
            writer.writerows(part)


def stored(opened: Engine) -> Iterator[pd.DataFrame]:
    """The rows that stand in the table, whosever they are, some thousands at a time; none where there is no table."""
    table = registry_table(visit_required=False)
    if not inspect_database(opened).has_table(table.name):
        return
    _check_shape(opened, table)
    with opened.connect() as connection:
        for part in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table)).partitions():
            yield pd.DataFrame(part, columns=table.c.keys())


def _check_shape(opened: Engine, table: Table) -> None:
    inspector = inspect_database(opened)
    if inspector.has_table(table.name):
        found = [column["name"] for column in inspector.get_columns(table.name)]
        if found != table.c.keys():
            raise InputError("registry_url: a table image_registry with other columns is there already; move it away")


def _store_chunk(connection: Connection, table: Table, part: pa.Table) -> None:
    """``part`` holds consecutive numbers, so the rows to compare with lie between its first and its last."""
    wanted = {row[0]: row for row in _row_values(part)}
    key = table.c.image_registry_id
    present = {row[0]: tuple(row) for row in connection.execute(select(table).where(key.between(*_ends(wanted))))}
    changed = [number for number, row in wanted.items() if present.get(number) != row]
    stale = [number for number in changed if number in present]
    for start in range(0, len(stale), DELETE):
        connection.execute(delete(table).where(key.in_(stale[start : start + DELETE])))
    if changed:
        names = table.c.keys()
        connection.execute(insert(table), [dict(zip(names, wanted[number], strict=True)) for number in changed])


def _ends(numbers: Collection[int]) -> tuple[int, int]:
    return min(numbers), max(numbers)


def _row_values(part: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows as the database takes them: None for null."""
    columns = {name: part[name].to_pylist() for name in part.column_names}
    columns["datetime"] = [datetime.fromisoformat(moment) for moment in columns["datetime"]]
    return zip(*columns.values(), strict=True)
