"""What was done is kept row by row, by one run at a time, and survives a killed process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from chorus_nb.deid import ledger
from chorus_nb.deid.ledger import Ledger
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return Workspace(Parameters(workspace=str(tmp_path))).create()


def test_a_row_replaces_the_one_of_the_same_file(opened: Workspace) -> None:
    with Ledger(opened) as kept:
        kept.record([{"source_path": "a", "status": "quarantined"}, {"source_path": "b", "status": "released"}])
        kept.record([{"source_path": "a", "status": "released", "part": "p"}])
    with Ledger(opened) as kept:
        assert kept.rows().set_index("source_path").status.to_dict() == {"a": "released", "b": "released"}
        assert kept.parts().to_dict("records") == [{"source_path": "a", "part": "p"}]


def test_a_forgotten_row_is_gone(opened: Workspace) -> None:
    with Ledger(opened) as kept:
        kept.record([{"source_path": "a"}, {"source_path": "b"}])
        kept.forget(["a"])
        assert kept.rows().source_path.tolist() == ["b"]


def test_a_batch_is_recorded_whole_or_not_at_all(opened: Workspace) -> None:
    with Ledger(opened) as kept:
        with pytest.raises(sqlite3.Error):
            kept.record([{"source_path": "a"}, {"source_path": object()}])
        assert kept.rows().empty


def test_it_is_for_one_process_at_a_time(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PATIENCE", 0.1)
    with Ledger(opened), pytest.raises(WorkbenchError, match="another run is at work"), Ledger(opened):
        pass


def test_a_ledger_of_another_version_is_begun_anew(opened: Workspace) -> None:
    connection = sqlite3.connect(opened.local / "ledger.sqlite")
    connection.execute("create table outcome (source_path text primary key, something)")
    connection.close()
    with Ledger(opened) as kept:
        assert kept.rows().empty
        kept.record([{"source_path": "a"}])
