"""06 searches a file again when it, what is searched for, the lists of words or the code are others, and only then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import layout, tables
from chorus_nb.leaks.known import APPROVALS
from chorus_nb.release import pack
from chorus_nb.verify import search_contents, tree_checks, tree_memory, verify_tree
from chorus_nb.workbench import audit
from chorus_nb.workspace import Workspace
from tests.small_release import parameters

SERIES = "release/Metadata/series.csv"
MEMORY = "searched/tree.json"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are searched, by their paths below ``release/``."""
    names, real = list[str](), tree_checks.search_file

    def search(searcher: object, name: str, contents: object) -> object:
        names.append(name)
        return real(searcher, name, contents)  # type: ignore[arg-type]

    monkeypatch.setattr(tree_checks, "search_file", search)
    return names


def a_term(workspace: Workspace) -> None:
    terms = workspace.read(tables.SEARCH_TERMS)
    more = pd.DataFrame([{"kind": "name", "text": "Quillfeather", "whole": "Quillfeather^Tim"}])
    workspace.write(tables.SEARCH_TERMS, pd.concat([terms, more], ignore_index=True))


def an_accession(workspace: Workspace) -> None:
    catalog = workspace.read(tables.CATALOG)
    workspace.write(tables.CATALOG, catalog.assign(AccessionNumber="ACC-4711-9"))


def a_person_of_whom_nothing_is_released(workspace: Workspace) -> None:
    catalog = workspace.read(tables.CATALOG)
    held = catalog.head(1).assign(source_path="held.dcm", PatientName="FEATHERSTONEHAUGH^QUILLON")
    workspace.write(tables.CATALOG, pd.concat([catalog, held], ignore_index=True))


def an_original_uid(workspace: Workspace) -> None:
    workspace.write(tables.CATALOG, workspace.read(tables.CATALOG).assign(FrameOfReferenceUID="1.2.3.4.5.6.7"))


def a_new_id(workspace: Workspace) -> None:
    """An id that the lookup tables give is no original one, though somebody's is the same."""
    linkage = workspace.read(tables.LINKAGE)
    known = workspace.read(tables.SEARCH_TERMS)
    workspace.write(tables.SEARCH_TERMS, known.assign(text=known.text.where(known.index > 0, "9901")))
    verify_tree(workspace)
    workspace.write(
        tables.LINKAGE, linkage.assign(image_occurrence_id=linkage.image_occurrence_id.where(linkage.index > 0, 9901))
    )


def a_login(workspace: Workspace) -> None:
    with (workspace.audit / layout.AUDIT_LOG).open("a") as log:
        log.write('{"user": "quillfeather"}\n')


def a_word(workspace: Workspace) -> None:
    APPROVALS.append(workspace, "A. Reviewer", {"word": "quillfeather", "decision": "approve", "note": "a product"})


CHANGES: list[Callable[[Workspace], None]] = [
    a_term,
    an_accession,
    a_person_of_whom_nothing_is_released,
    an_original_uid,
    a_new_id,
    a_login,
    a_word,
]


@pytest.fixture(scope="module")
def searched(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything but packed, and searched; made once, copied for each change."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copytree(template, folder, dirs_exist_ok=True)
    verify_tree(Workspace(parameters(folder)))
    return folder


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_file_is_searched_again_for_what_is_searched_for_now(
    searched: Path, tmp_path: Path, read: list[str], change: Callable[[Workspace], None]
) -> None:
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(parameters(tmp_path))
    verify_tree(workspace)
    assert not read, "nothing new"
    change(workspace)
    read.clear()
    verify_tree(workspace)
    no_images = [path for path in workspace.release.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert {path.relative_to(workspace.release).as_posix() for path in no_images} <= set(read)


def test_nothing_new_searches_nothing_and_says_the_same(built: Workspace, read: list[str]) -> None:
    pack(built)
    first = {
        name: built.read(table)
        for name, table in tables.TABLES.items()
        if table.made_by == "06_release" and built.has(table)
    }
    pack(built)  # the certificate and the manifest stand in the release now
    read.clear()
    pack(built)
    assert not read, "nothing new"
    for name, frame in first.items():
        pd.testing.assert_frame_equal(built.read(tables.TABLES[name]), frame)


def test_of_two_files_the_changed_one_is_searched_and_what_it_held_is_said_each_time(
    built: Workspace, read: list[str]
) -> None:
    series = built.root / SERIES
    whole = series.read_text()
    verify_tree(built)
    for content, result in ((whole.replace("CHEST", "MRN-0004711"), "fail"), (whole, "pass")):
        series.write_text(content)
        read.clear()
        assert dict(verify_tree(built)[["check", "result"]].values)["tables"] == result
        assert read == [SERIES.removeprefix("release/")]
        findings = built.read(tables.TREE_FINDINGS)
        read.clear()
        assert dict(verify_tree(built)[["check", "result"]].values)["tables"] == result
        assert not read, "nothing new"
        pd.testing.assert_frame_equal(built.read(tables.TREE_FINDINGS), findings)


def test_a_file_of_the_same_bytes_is_searched_by_its_own_name(built: Workspace, read: list[str]) -> None:
    verify_tree(built)
    for name in ("a.json", "MRN-0004711.json"):
        read.clear()
        (built.audit / name).write_text("{}")
        verify_tree(built)
        assert read == [name]
    assert "audit/MRN-0004711.json" in set(built.read(tables.TREE_FINDINGS).file)


def test_a_memory_that_is_damaged_or_of_other_code_is_none(
    built: Workspace, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_tree(built)
    every = sorted(read)
    for damage in (b"", b"[]", b'{"a": [1]}', b'{"a": 1}', b"\xff"):
        (built.local / MEMORY).write_bytes(damage)
        read.clear()
        verify_tree(built)
        assert set(every) <= set(read), damage
    read.clear()
    monkeypatch.setattr(tree_memory, "TREE_RECIPE", tree_memory.TREE_RECIPE._replace(module="chorus_nb.leaks.files"))
    verify_tree(built)
    assert set(every) <= set(read)


def test_what_would_be_written_is_refused_each_time(built: Workspace, read: list[str], tmp_path: Path) -> None:
    made = {"a.html": b"<p>of MRN-0004711</p>", "b.html": b"<p>of nobody</p>"}
    for searched in (sorted(made), []):
        read.clear()
        assert search_contents(built, made) == ["a.html"]
        assert sorted(read) == searched
    an_accession(built)
    read.clear()
    assert search_contents(built, made) == ["a.html"]
    assert sorted(read) == sorted(made)


def test_the_name_of_a_person_of_whom_nothing_is_released_does_not_leave(built: Workspace) -> None:
    a_person_of_whom_nothing_is_released(built)
    (built.audit / "notes.txt").write_text("asked for Featherstonehaugh\n")
    assert dict(verify_tree(built)[["check", "result"]].values)["tables"] == "fail"
    assert "audit/notes.txt" in set(built.read(tables.TREE_FINDINGS)["file"])


@pytest.mark.parametrize("own", ["site", "login"])
def test_who_is_called_like_the_site_or_who_works_there_closes_nothing(
    built: Workspace, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_person_of_whom_nothing_is_released(built)
    if own == "site":
        built = Workspace(built.parameters.model_copy(update={"site": "Featherstonehaugh Memorial"}))
    else:
        monkeypatch.setattr("getpass.getuser", lambda: "featherstonehaugh")
    audit.append_line(built, {"event": "notebook", "parameters": built.parameters.model_dump(mode="json")})
    pack(built)
    assert set(built.read(tables.TREE_CHECKS)["result"]) == {"pass"}
    (built.audit / "notes.txt").write_text("asked for Quillon Featherstonehaugh\n")
    assert dict(verify_tree(built)[["check", "result"]].values)["tables"] == "fail", "a full name is one all the same"


@pytest.mark.parametrize("beside", ["", "MRN-0004711\n"])
def test_letters_of_the_public_key_are_nobodys_number(built: Workspace, beside: str) -> None:
    """Once a release was signed, the key lay beside each later one."""
    key = "MCowBQYDK2VwAyEA" + "0004711/".ljust(43, "x") + "="
    (built.audit / layout.PUBLIC_KEY).write_text(
        f"-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n{beside}"
    )
    verify_tree(built)
    found = built.read(tables.TREE_FINDINGS)
    found = found[(found["severity"] == "high") & (found["file"] == f"audit/{layout.PUBLIC_KEY}")]
    assert found.empty == (not beside)
