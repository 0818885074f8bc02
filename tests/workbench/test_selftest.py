"""The self-test: nothing of the invented people is left of a sound engine, and a spoilt one scores less.

The engine runs in this process, where it can be spoilt; decoding and reading text too, which a child does otherwise.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pandas as pd
import pytest

from chorus_nb import deid, tables
from chorus_nb.deid import text, worker
from chorus_nb.errors import ChildFault, InputError
from chorus_nb.faces import FaceMask, judge, masks
from chorus_nb.faces.study import Asked, FaceFound
from chorus_nb.holds import HELD
from chorus_nb.parameters import Parameters
from chorus_nb.processes import child, pool
from chorus_nb.workbench import audit
from chorus_nb.workbench import selftest as trial
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.selftest.left import TRIAL_COLUMNS, held_rightly, score, trial_report
from chorus_nb.workbench.selftest.pictures import face_and_brain
from chorus_nb.workbench.selftest.plants import Plants
from chorus_nb.workspace import Workspace
from tests.conftest import parameter_file
from tests.workbench.sabotages import SABOTAGES, Sabotage

FILES = 5


def here(function: Callable[..., Any], *args: Any, seconds: float = 0) -> Any:
    """What a supervised child does, in this process."""
    try:
        return function(*args)
    except Exception as error:
        raise ChildFault(type(error).__name__) from None


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "workers", lambda parameters: contextlib.nullcontext(pool.Here()))
        for module in [module for name, module in sys.modules.items() if name.startswith("chorus_nb.")]:
            if getattr(module, "in_child", None) is child.in_child and module is not child:
                patch.setattr(module, "in_child", here)
        patch.setattr(child, "in_child", here)
        yield
    _forget()


def _forget() -> None:
    """What the engine remembers of texts and plans, for a spoilt one remembers other things."""
    for remembering in (worker._ready, text.removals):
        remembering.cache_clear()


class Tried(NamedTuple):
    """Planted copies that a sound engine has run over once, and the workspace as it was then."""

    scratch: Workspace
    plants: Plants
    sound: Path

    def again(self, stage: str) -> float:
        """The score after one stage was run anew over what the sound engine left."""
        shutil.rmtree(self.scratch.root)
        shutil.copytree(self.sound, self.scratch.root)
        if stage == "tables":
            trial.make_tables(self.scratch)
        else:
            for path in self.scratch.release.iterdir():
                if path.name.isdigit():
                    shutil.rmtree(path)
            (self.scratch.local / "ledger.sqlite").unlink()
            if stage != "images":
                deid.make_worklist(self.scratch)
            deid.deidentify(self.scratch)
        return score(trial_report(self.scratch, self.plants))


def tried_once(site: Workspace, files: list[str], folder: Path, *, tables_too: bool = True) -> Tried:
    """Without ``tables_too`` 03 alone runs, over a row of OMOP that is as it should be."""
    plants = trial.plant_copies(site, files, folder)
    scratch = trial.scratch_workspace(site, folder)
    trial.look_at_copies(scratch)
    if tables_too:
        trial.clean_copies(scratch)
    else:
        deid.make_worklist(scratch)
        deid.deidentify(scratch)
        rows = [f"1,{one.person_id},4180642,{one.shifted},\n" for one in plants.people]
        scratch.omop_out.mkdir(exist_ok=True)
        (scratch.omop_out / "procedure_occurrence.csv").write_text("".join(rows))
    report = trial_report(scratch, plants)
    assert (report.left.sum(), report.lost.sum(), score(report)) == (0, 0, 1)
    shutil.copytree(scratch.root, folder / "sound")
    return Tried(scratch, plants, folder / "sound")


@pytest.fixture(scope="module")
def site(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    own = {"source": str(demo_site / "dicom"), "workspace": str(tmp_path_factory.mktemp("selftest"))}
    site = Workspace(Parameters(site="tiny", **own, workers=1, burned_in_text="skip", deface="skip")).create()
    trial.explore.scan(site)
    return site


@pytest.fixture(scope="module")
def headers(site: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    return tried_once(site, trial.chosen_files(site, FILES), tmp_path_factory.mktemp("headers"))


def radiograph(site: Workspace) -> list[str]:
    catalog = site.read(tables.CATALOG)
    return list(catalog.source_path[catalog.Modality == "CR"][:1])


@pytest.fixture(scope="module")
def texts(site: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    pytest.importorskip("rapidocr")
    redacting = Workspace(site.parameters.model_copy(update={"burned_in_text": "redact"}))
    tried = tried_once(redacting, radiograph(site), tmp_path_factory.mktemp("texts"), tables_too=False)
    assert tried.plants.tried["picture", "text"] == 1
    return tried


def face_known(source: object, folder: Path, asked: tuple[Asked, ...], *_: object) -> list[FaceFound]:
    """The face of the phantom as it was made: that it is found and goes, tests/faces and a run of the command prove."""
    [one] = asked
    slices = sorted(one.paths, key=lambda path: int(path.removesuffix(".dcm").rpartition("_")[2]))
    face, _ = face_and_brain()
    name = masks.write(folder, {path: FaceMask(face[n : n + 1], -1000) for n, path in enumerate(slices)})
    return [FaceFound(one.series, "defaced", "", name, removed=float(face.mean()))]


@pytest.fixture(scope="module")
def heads(site: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    defacing = Workspace(site.parameters.model_copy(update={"deface": "apply"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "_faces_of_group", face_known)
        tried = tried_once(defacing, [], tmp_path_factory.mktemp("heads"), tables_too=False)
    assert len(tried.plants.head) == 72
    return tried


TRIED_OVER = {"text": "texts", "face": "heads"}


def spoil(patch: pytest.MonkeyPatch, sabotage: Sabotage) -> None:
    module, _, name = sabotage.place.partition(":")
    owner = importlib.import_module(module)
    *within, last = name.split(".")
    for part in within:
        owner = getattr(owner, part)
    patch.setattr(owner, last, sabotage.spoilt(getattr(owner, last)))


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: f"{one.place.rpartition(':')[2]}: {one.why}")
def test_a_spoilt_engine_scores_less(
    request: pytest.FixtureRequest, sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: Tried = request.getfixturevalue(TRIED_OVER.get(sabotage.stage, "headers"))
    _forget()
    with monkeypatch.context() as patch:
        spoil(patch, sabotage)
        spoilt = tried.again(sabotage.stage)
    _forget()
    assert spoilt < 1


@pytest.mark.parametrize("stage", ["images", "worklist", "tables"])
def test_a_sound_engine_scores_full_again(headers: Tried, stage: str) -> None:
    assert headers.again(stage) == 1


def test_the_report_tells_counts_and_the_copies_are_gone(
    site: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "clean_copies", lambda scratch, progress: None)  # it is tried above
    monkeypatch.setattr(trial, "trial_report", lambda scratch, plants: made(plants))
    assert main(["selftest", parameter_file(site), "--files", "2"]) == 1
    page = site.reports_audit / "selftest.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {page}"
    said = page.read_text("utf-8")
    assert '<span class="badge failed">3</span> of 7 invented identifiers were left' in said
    assert "2 of 9 values were lost" in said and "text in pictures (burned_in_text is skip)" in said
    assert "zor" not in (said + (site.audit / trial.REPORT).read_text()).lower()
    assert not (site.local / trial.SCRATCH).exists()
    for folder, href in (
        (site.reports_audit, "selftest.html"),
        (site.reports_local, "../../audit/reports/selftest.html"),
    ):
        told = (folder / "index.html").read_text("utf-8")
        assert f'<a href="{href}">Self-test</a>' in told and '<span class="badge failed">failed</span>' in told
        assert "3 of 7 invented identifiers were left in 2 copies." in told
    assert "before anybody signs" in told, "the site's index says who has to look at it"
    assert audit.verify_chain(site) == []
    page.write_text(said.replace(">3<", ">0<"), "utf-8")
    assert audit.verify_chain(site) == ["audit/reports/selftest.html: the report is not the one that was recorded"]


def made(plants: Plants) -> pd.DataFrame:
    """A report of a trial that left and lost something."""
    assert len(plants.copies) == 2
    rows = [("tag", "name", 7, 3, 0), ("kept", "Rows", 9, 0, 2), ("files", "copies", 2, 0, 0)]
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    own = {"source": str(tmp_path / "dicom"), "workspace": str(tmp_path / "workspace")}
    with pytest.raises(InputError, match="no image"):
        trial.selftest(Parameters(site="tiny", **own, workers=1))


def test_nothing_of_the_site_is_written_to_but_its_own_folder(site: Workspace, tmp_path: Path) -> None:
    """A registry or an upload that the site names is not that of the trial."""
    named = {"registry_url": "env:REGISTRY", "upload_url": "az://container/there", "cohort": "cohort.csv"}
    scratch = trial.scratch_workspace(Workspace(site.parameters.model_copy(update=named)), tmp_path)
    assert not any(getattr(scratch.parameters, name) for name in named)
    assert scratch.root.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("path", "reason", "detail", "rightly"),
    [
        *[("head", "face_not_removed", "", True), ("head", HELD, "faces", True), ("head", HELD, "faces, leaks", False)],
        *[("other", HELD, "faces", False), ("drawn", "burned_in_text", "", True), ("head", "no_visit", "", False)],
    ],
)
def test_a_head_that_04_holds_is_not_lost(path: str, reason: str, detail: str, rightly: bool) -> None:
    """With ``deface: flag`` the self-test told all 72 slices of its own head as lost."""
    copies = {name: SimpleNamespace(drawn="text" if name == "drawn" else "") for name in ("head", "other", "drawn")}
    plants = SimpleNamespace(copies=copies, head={"head": 1})
    assert held_rightly(path, reason, detail, cast(Plants, plants)) is rightly
