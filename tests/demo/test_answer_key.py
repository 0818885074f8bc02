"""The answer key holds after the images have gone through the chain (pixels are not looked at here)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from chorus_nb import deid, explore, mapping, tables
from chorus_nb.demo.awkward import ODDITIES, Oddity
from chorus_nb.parameters import Parameters
from chorus_nb.source import open_source
from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace
from tests.deid.small_run import tree
from tests.demo.planted import answer_key, value_at


@dataclass(frozen=True)
class Chain:
    """A finished run over the tiny site, and its answer key."""

    site: Path
    before: dict[str, str]  # the source, file by file
    workspace: Workspace
    outcomes: pd.DataFrame

    def released(self, expected: str) -> list[tuple[str, Dataset, Dataset]]:
        """Row, and the element's data set in the release, of every header row that has this expectation."""
        key = answer_key(self.site)
        key = key[(key.place.isin(("header", "meta"))) & (key.expected == expected)]
        targets = self.outcomes[self.outcomes.status == "released"].set_index("source_path").target_path
        found = []
        for source_path, rows in key[key.source_path.isin(targets.index)].groupby("source_path"):
            dataset = dcmread(self.workspace.release / targets[source_path])
            found += [
                (row, dataset.file_meta if row.place == "meta" else dataset, dataset) for row in rows.itertuples()
            ]
        return found


@pytest.fixture(scope="module")
def chain(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folders = {name: str(demo_site / name) for name in ("omop", "lookup")}
    folders |= {"source": str(demo_site / "dicom"), "workspace": str(tmp_path_factory.mktemp("chain"))}
    before = tree(demo_site / "dicom")
    workspace = Workspace(Parameters(**folders, workers=1, burned_in_text="skip")).create()
    for verb in (explore.scan, explore.link, explore.profile, mapping.make_plan, deid.make_worklist, deid.deidentify):
        verb(workspace)
    return Chain(demo_site, before, workspace, workspace.read(tables.OUTCOMES))


def test_every_file_has_one_outcome_and_the_source_is_as_it_was(chain: Chain) -> None:
    outcomes, source = chain.outcomes, chain.site / "dicom"
    assert tree(source) == chain.before
    assert sorted(outcomes.source_path) == sorted(file.source_path for file in open_source(source).find())
    assert outcomes.status.isin(tables.STATUSES).all()
    released = outcomes[outcomes.status == "released"]
    assert len(released) > 0
    assert (outcomes.reason[outcomes.status != "released"] != "").all()
    assert set(tree(chain.workspace.release)) == set(released.target_path)


def test_no_planted_identifier_is_in_the_release(chain: Chain) -> None:
    key = answer_key(chain.site)
    planted = set(key[key.expected.isin(("removed", "cleaned", "uid"))].value)
    files = [path for path in chain.workspace.release.rglob("*") if path.is_file()]
    assert len(planted) > 100
    assert len(files) > 8
    for path in files:
        content = path.read_bytes() + str(path).encode()
        assert [value for value in planted if value.encode() in content or _latin(value) in content] == []


def _latin(value: str) -> bytes:
    return value.encode("latin-1", "xmlcharrefreplace")


def test_what_must_survive_is_equal(chain: Chain) -> None:
    rows = chain.released("kept")
    assert len(rows) > 100
    assert [(row.source_path, row.tag) for row, dataset, _ in rows if value_at(dataset, row) != row.value] == []


def test_dates_are_moved_by_the_days_of_the_patient(chain: Chain) -> None:
    persons = pd.read_csv(chain.site / "lookup/Personal_map.csv", dtype=str).set_index("person_id")
    wrong = []
    for row, dataset, whole in chain.released("shifted"):
        days = timedelta(days=int(persons.Days_Shifted[whole.PatientID]))
        moved = f"{datetime.strptime(row.value[:8], '%Y%m%d') + days:%Y%m%d}"
        if not value_at(dataset, row).startswith(moved):
            wrong.append((row.source_path, row.path, row.tag))
    assert wrong == []


@pytest.mark.parametrize("odd", [odd for odd in ODDITIES if "burned_in" not in odd.outcome], ids=lambda odd: odd.path)
def test_odd_files_end_as_their_table_says(chain: Chain, odd: Oddity) -> None:
    name = odd.path.split("}")[-1]
    outcome = chain.outcomes[chain.outcomes.source_path.str.endswith(name)].iloc[0]
    assert f"{outcome.status} {outcome.reason}".strip() == odd.outcome


def test_the_verifier_gives_no_false_alarm(chain: Chain, tmp_path: Path) -> None:
    """Of a copy: 04 moves what it holds back."""
    shutil.copytree(chain.workspace.root, tmp_path / "workspace", ignore=shutil.ignore_patterns("scratch"))
    parameters = chain.workspace.parameters.model_copy(update={"workspace": tmp_path / "workspace"})
    findings = verify(Workspace(parameters))
    grave = findings[findings.severity == "high"]
    assert grave.empty, grave[["check", "tag", "detail"]].to_string()
