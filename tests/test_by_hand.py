"""Nothing is signed, withdrawn, uploaded or decided by running a cell: a person says so, in that moment."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from chorus_nb.by_hand import name_given, person_name, repeated
from chorus_nb.errors import InputError
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.workspace import Workspace

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ACTS = re.compile(
    r"\b(sign_off|withdraw_vanished|upload|decide\w*|append|withdraw|relayout|record_delivery|build_lookups|exclude)\("
)


def answering(*answers: str) -> Callable[[str], str]:
    waiting = list(answers)
    return lambda prompt: waiting.pop(0)


def nobody(kind: type[BaseException]) -> Callable[[str], str]:
    def read(prompt: str) -> str:
        raise kind

    return read


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_acts_by_what_is_written_in_it(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    acting = [cell.id for cell in cells if cell.cell_type == "code" and ACTS.search(cell.source)]
    assert acting == []


@pytest.mark.parametrize(
    "name",
    [
        "your name",
        "Your Name",
        " YOUR_NAME here ",
        "",
        " ",
        "reviewer",
        "n/a",
        "N/A",
        "...",
        "xxx",
        "first last",
        "TODO",
    ],
)
def test_a_placeholder_is_no_name(name: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="a person's name"):
        person_name(name)
    with pytest.raises(InputError, match="a person's name"):
        IMAGE_LOG.append(workspace, name, {"item": "a.dcm", "decision": "reject"})
    assert not workspace.path(IMAGE_LOG.table).exists()
    monkeypatch.setattr(builtins, "input", answering(name))
    if name.strip():
        with pytest.raises(InputError):
            name_given("sign")
    else:
        assert name_given("sign") == ""


@pytest.mark.parametrize("name", ["ada", "A. Reviewer", "Test Person", "Nguyễn Thị Hoa", "root", "jdoe2", "O'Na", "李"])
def test_a_name_is_a_name(name: str) -> None:
    assert person_name(f" {name} ") == name


@pytest.mark.parametrize("kind", [EOFError, NotImplementedError, OSError])
def test_where_nobody_answers_nothing_is_done(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", nobody(kind))
    assert name_given("sign") == "" and not repeated("a1b2c3d4", "upload")


@pytest.mark.parametrize(("token", "answer", "done"), [("a1", "a1", True), ("a1", "yes", False), ("", "", False)])
def test_only_the_token_that_is_shown_counts(
    token: str, answer: str, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "input", answering(answer))
    assert repeated(token, "upload") is done
