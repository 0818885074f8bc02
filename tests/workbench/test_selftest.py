"""The self-test: nothing of the invented people is left of a sound engine, and a spoilt one scores less."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from chorus_nb.deid.elements import Elements
from chorus_nb.deid.text import Cleaner
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.processes import pool
from chorus_nb.workbench.selftest import REPORT, score, selftest
from chorus_nb.workspace import Workspace


@pytest.fixture(scope="module")
def parameters(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Parameters:
    own = {"source": str(demo_site / "dicom"), "workspace": str(tmp_path_factory.mktemp("selftest"))}
    return Parameters(site="tiny", **own, workers=1, burned_in_text="skip")


def test_nothing_is_left_and_the_copies_are_gone(parameters: Parameters) -> None:
    report = selftest(parameters, 3)
    places = {"OMOP table", "file name", "nested", "outside the data set", "private", "tag"}
    assert places <= set(report.place)
    assert (report.left.sum(), report.lost.sum(), score(report)) == (0, 0, 1)
    assert report[report.place.isin(places)].tried.sum() > 90
    workspace = Workspace(parameters)
    assert not (workspace.local / "selftest").exists()
    assert "zor" not in (workspace.audit / REPORT).read_text().lower()


@pytest.mark.parametrize(
    ("owner", "name", "spoilt"),
    [
        (Cleaner, "_clean", lambda self, text: text),
        (Elements, "looked_up", lambda self, e, level: "1"),
    ],
)
def test_a_spoilt_engine_scores_less(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, spoilt: object
) -> None:
    monkeypatch.setattr(owner, name, spoilt)
    monkeypatch.setattr(pool, "workers", lambda parameters: contextlib.nullcontext(pool._Here()))  # a child is sound
    assert score(selftest(parameters, 2)) < 0.99


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    own = {"source": str(tmp_path / "dicom"), "workspace": str(tmp_path / "workspace")}
    with pytest.raises(InputError, match="no image"):
        selftest(Parameters(site="tiny", **own, workers=1))
