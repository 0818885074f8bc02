"""``image_registry`` in a database: SQLite under ``local/``; PostgreSQL, MySQL, MariaDB or SQL Server by URL."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
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
from chorus_nb.omop.databases import engine
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
    url = workspace.parameters.registry_url or f"sqlite:///{workspace.local / 'registry.sqlite'}"
    with engine("registry_url", url) as opened:
        yield opened


def store(opened: Engine, rows: pd.DataFrame, own: Collection[str], *, visit_required: bool) -> None:
    """Make the table hold exactly ``rows``, in one transaction; rows that are right already are left alone.

    ``own``: the file ids that this workspace ever numbered. :class:`InputError`, and nothing is written, where a row
    is of another file: another site or workspace shares the database, and the numbers of both begin with 1.
    What central wrote into ``trg_file`` stays with its file.
    """
    table = registry_table(visit_required=visit_required)
    _check_shape(opened, table)
    with opened.begin() as connection:
        table.create(connection, checkfirst=True)
        filled = _refuse_strangers(connection, table, own)
        rows = rows.assign(trg_file=rows["file_id"].map(filled))
        connection.execute(delete(table).where(table.c.image_registry_id > len(rows)))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            _store_chunk(connection, table, rows.iloc[start : start + ROWS_AT_ONCE])


def _refuse_strangers(connection: Connection, table: Table, own: Collection[str]) -> dict[str, str]:
    """What stands in ``trg_file``, by file id; no row may be of a file that is not among ``own``."""
    filled, strangers = dict[str, str](), 0
    asked = select(table.c.file_id, table.c.trg_file).execution_options(yield_per=ROWS_AT_ONCE)
    for file, target in connection.execute(asked):
        strangers += file not in own
        if target:
            filled[file] = target
    if strangers:
        raise InputError(
            f"registry_url: the table image_registry there holds {strangers:,} files that this workspace never"
            " registered; nothing was written. Give each site and workspace a database or schema of its own, or drop"
            " the table if nobody needs it"
        )
    return filled


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


def _store_chunk(connection: Connection, table: Table, part: pd.DataFrame) -> None:
    """``part`` holds consecutive numbers, so the rows to compare with lie between its first and its last."""
    first, last = int(part["image_registry_id"].iloc[0]), int(part["image_registry_id"].iloc[-1])
    wanted = {row[0]: row for row in _row_values(part)}
    key = table.c.image_registry_id
    present = {row[0]: tuple(row) for row in connection.execute(select(table).where(key.between(first, last)))}
    changed = [number for number, row in wanted.items() if present.get(number) != row]
    stale = [number for number in changed if number in present]
    for start in range(0, len(stale), DELETE):
        connection.execute(delete(table).where(key.in_(stale[start : start + DELETE])))
    if changed:
        names = table.c.keys()
        connection.execute(insert(table), [dict(zip(names, wanted[number], strict=True)) for number in changed])


def _row_values(part: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """The rows as the database takes them: None for null."""
    columns = {name: part[name].astype(object).where(part[name].notna(), None).tolist() for name in part.columns}
    columns["datetime"] = [datetime.fromisoformat(moment) for moment in columns["datetime"]]
    return zip(*columns.values(), strict=True)
