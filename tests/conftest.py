"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import random
import secrets
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chorus_nb.__main__ import SELDOM
from chorus_nb.demo import make_site
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.browsing import browser  # noqa: F401  (a fixture, opened once for all tests)

SHARED = Path(__file__).parents[2] / "shared"

# `make check` runs these: whole rooms or modules that are quick, and every module beside this file but the slow ones.
# a copy of the package a test; processes that decide at once; every table damaged; rooms of odd names and values
SLOW = ("test_memory.py", "test_decisions.py", "test_damaged_tables.py", "test_odd_names.py", "test_terminal.py")
FAST = (
    *("standards", "mapping", "dicom", "omop", "source", "metadata/test_fields.py", "metadata/test_local_fields.py"),
    *(
        "deid/test_dates.py",
        "deid/test_text.py",
        "deid/test_uids.py",
        "deid/test_dataset.py",
        "deid/test_properties.py",
    ),
    *("pixels/test_boxes.py", "pixels/test_tiers.py", "pixels/test_triage.py", "faces/test_face_needs.py"),
    *("leaks/test_search.py", "release/test_relayout.py"),
    *("workbench/test_commands.py", "workbench/test_audit.py", "notebooks/test_shape.py", "notebooks/test_escaping.py"),
)


# Four processes share the tests of `make test`. What shares an expensive fixture stays together; the longest come
# first, so that no process has nothing to do while another one ends a long module.
TOGETHER = {"notebooks": "notebooks", "faces": "faces"}
TOGETHER |= dict.fromkeys(("review/test_face_reviewer.py", "verify/test_faces.py"), "faces")
LONG = (
    *("faces", "notebooks", "verify/test_sabotage.py", "release/test_pack.py", "deid/test_job_crashes.py"),
    *("pixels/test_detection.py", "release/test_searched.py", "pixels/test_judge.py", "pixels/test_demo_site.py"),
    *("workbench/test_selftest.py", "release/test_seal.py", "deid/test_job.py", "deid/test_worklist.py"),
    *("workbench/test_nothing_stale.py", "deid/test_earlier.py", "workbench/test_run.py", "release/test_upload.py"),
    *("verify/test_held.py", "registry/test_registry_checks.py", "workbench/test_withdrawal.py"),
    *("metadata/test_building.py", "explore/test_explore_quality.py", "release/test_upload_faults.py"),
    *("release/test_marks.py", "pixels/test_proof.py", "workbench/test_notebook.py", "review/test_image_reviewer.py"),
    *("vectors/test_forms.py", "acquire/test_real_pacs.py", "registry/test_mi_cdm.py"),
)


def _scope(module: str) -> str:
    """What a module (path below ``tests``) is given to a process with: a room, or itself."""
    room = module.partition("/")[0]
    return TOGETHER.get(room) or TOGETHER.get(module) or module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By ``TOGETHER`` and, of the others, by modules. (Marks for ``--dist loadgroup`` have no effect:
    pytest-xdist 3.8 writes the groups where pytest 9.2 does not look.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid.partition("::")[0].partition("tests/")[2])

    return Scheduling(config, log)


def pytest_configure() -> None:
    gc.set_threshold(*SELDOM)  # as the command itself


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Python looks for garbage neither while tests are collected nor, later, in what was: it would again and again,
    and there is none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or DuckDB's binding tells at exit what it found alive


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``FAST``; the ``LONG`` rooms and modules come first."""
    here = Path(__file__).parent
    scopes = {path: _scope(path.relative_to(here).as_posix()) for path in {item.path for item in items}}
    items.sort(key=lambda item: LONG.index(scopes[item.path]) if scopes[item.path] in LONG else len(LONG))
    quick = {here / name for name in FAST}
    fast = {path for path in scopes if (path.parent == here and path.name not in SLOW) or quick & {path, *path.parents}}
    for item in items:
        if item.path in fast:
            item.add_marker("fast")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A run confines its process (``processes.environment``); the next test starts from where this one did."""
    variables, mask = dict(os.environ), os.umask(0o022)
    os.umask(mask)
    yield
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    os.umask(mask)
    tempfile.tempdir = None


@pytest.fixture(autouse=True)
def _drawn_alike(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a site draws by chance (key, shifts) differs from test to test and is the same each time a test is run."""
    drawn, given = random.Random(request.node.nodeid), secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda n=None: drawn.randbytes(32).hex() if n == 32 else given(n))
    monkeypatch.setattr(secrets, "choice", drawn.choice)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared facts and files beside the repository; a test that needs it is skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("the shared folder is not beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny demo site, made once: ``dicom/``, ``omop/``, ``lookup/``, ``answer_key.csv``. Never write to it."""
    return make_site(tmp_path_factory.mktemp("site"), size="tiny")


def parameter_file(workspace: Workspace) -> str:
    """A file of the parameters of ``workspace``, as a command is given it."""
    path = workspace.root.with_name("parameters.yaml")
    path.write_text(yaml.safe_dump(workspace.parameters.model_dump(exclude_unset=True)), encoding="utf-8")
    return str(path)


@pytest.fixture
def workspace(demo_site: Path, tmp_path: Path) -> Workspace:
    """An empty workspace over the tiny demo site."""
    return Workspace(
        Parameters(
            site="tiny",
            source=str(demo_site / "dicom"),
            omop=str(demo_site / "omop"),
            lookup=str(demo_site / "lookup"),
            workspace=str(tmp_path / "workspace"),
            workers=1,
        )
    ).create()
