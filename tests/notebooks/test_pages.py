"""The pages for the analyst: their commands are given in turn on a finished run, and do what the pages say."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from chorus_nb.workbench import lab, run
from chorus_nb.workbench.commands import main
from tests.notebooks.finished_chain import Chain

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("first_release", "first_review", "second_delivery", "patient_missing", "backup", "jupyterhub")
PAGES += ("wrong_shift", "split_merge")
LATER = {"status": (0, 1)}  # 1: somebody has to do something, which is no fault


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("chorus-nb ")]


@pytest.fixture
def given(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What stands on the pages, and what it means here: a copy of the run, and one of its patients."""
    shutil.copytree(chain.ended, tmp_path / "workspace")
    values = yaml.safe_load(chain.file.read_text()) | {"workspace": str(tmp_path / "workspace")}
    (tmp_path / "my_site.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "backup").mkdir()
    released = pd.read_csv(tmp_path / "workspace/release/Metadata/image_registry.csv").person_id
    person = pd.read_csv(f"{values['lookup']}/Personal_map.csv", dtype=str).query(f"person_id == '{released[0]}'")
    monkeypatch.setenv("BACKUP_PASSPHRASE", "invented for this test")
    return {
        "my_site.yaml": str(tmp_path / "my_site.yaml"),
        "/data/chorus_run": str(tmp_path / "workspace"),
        "/backup": str(tmp_path / "backup"),
        "MRN-0001": person.PatientID.iloc[0],
        "1001": person.person_id.iloc[0],
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(
    page: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the notebooks do not run again: other tests do that."""
    ran: list[Any] = []
    monkeypatch.setattr(run, "run_notebooks", lambda *told: ran.append(told) or {})
    monkeypatch.setattr(lab, "open_lab", lambda *told: ran.append(told) or 0)
    lines = commands(page)
    assert len(lines) >= 2
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "selftest":
            continue
        for old, new in given.items():
            words = [word.replace(old, new) for word in words]
        code = main(words)
        assert code in LATER.get(words[0], (0,)), (line, capsys.readouterr())
    opened = [line for line in lines if re.match(r"chorus-nb (run|lab) (?!.*--copies)", line)]
    assert len(ran) == len(opened)
    assert len((DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines()) <= 60, "a page is read standing"
