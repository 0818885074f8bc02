"""A workspace as notebooks 01 to 04 leave it, with two invented patients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from chorus_nb.workspace import Workspace
from tests.registry.servers import mariadb, postgresql
from tests.small_release import make_workspace


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """Two patients: a chest CT without a procedure in the record and an MR with one."""
    return make_workspace(tmp_path)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    with mariadb() as url:
        yield url


@pytest.fixture(params=["postgresql", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each real server in turn, its registry table dropped."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS image_registry"))
    engine.dispose()
    return url
