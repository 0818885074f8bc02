"""The gate fails closed, remembers what did not change, and its certificate names nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from blake3 import blake3

from chorus_nb import memory, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.layout import CERTIFICATE
from chorus_nb.parameters import SCRIPT
from chorus_nb.processes.pool import Here
from chorus_nb.seal import release_digest
from chorus_nb.verify import (
    all_checks,
    answer,
    certificate,
    checks,
    is_open,
    require_pass,
    safe_harbor,
    search_contents,
    summary,
    to_do,
    verify,
    verify_tree,
)
from chorus_nb.verify.face_looks import FaceLook
from chorus_nb.verify.file_checks import FILE_CHECKS
from chorus_nb.verify.findings import ASKED_OF_TREE, GATE_CHECKS
from chorus_nb.verify.gate import check_rows
from chorus_nb.verify.release_checks import RELEASE_CHECKS
from chorus_nb.verify.series import Series, SeriesResult
from chorus_nb.verify.verification import _in_bundles
from chorus_nb.workspace import Workspace
from tests.verify.small_site import first, rewrite

ORIGINAL_WORDS = ("Müller", "Okonkwo", "77120034", "ACC4471982", "Brigid", "Fitzgerald", "19610402", "1.2.826")


def test_the_answer_stands_first_and_says_what_to_do(release: Workspace) -> None:
    gate = checks(release)
    assert answer(gate).startswith("The gate is open") and is_open(gate)
    assert to_do(gate).empty
    rewrite(release, lambda d: setattr(d, "InstitutionName", "Saint Brigid Hospital"))
    verify(release)
    assert answer(checks(release)).startswith("The gate is open"), "a file at fault is held back"
    assert "1 more file is held back" in answer(checks(release))
    gate.loc[gate.check == "leaks", "result"] = "fail"
    assert answer(gate).startswith("The gate is closed: 1 of ") and not is_open(gate)
    assert to_do(gate).set_index("check").what_to_do["leaks"] == GATE_CHECKS["leaks"].remedy


def test_an_empty_release_is_one_line_and_says_where_to_look(release: Workspace) -> None:
    gate = checks(release)
    gate.loc[~gate.check.isin(("accounted", "released_bytes")), ["result", "examined"]] = "not run", 0
    assert answer(gate) == "The gate is closed: no file is in the release."
    assert list(to_do(gate).check) == ["readable"]
    with pytest.raises(WorkbenchError, match="what each file is held back for"):
        require_pass(gate)


def test_the_gate_names_the_digest_of_the_released_bytes(release: Workspace) -> None:
    outcomes = release.read(tables.OUTCOMES)
    released = outcomes[outcomes.status == "released"]
    bytes_checked = release_digest(dict(zip(released.target_path, released.target_digest, strict=True)))
    assert checks(release).set_index("check").detail["released_bytes"] == bytes_checked


def test_a_check_that_is_missing_or_not_run_closes_the_gate(release: Workspace) -> None:
    gate = checks(release)
    require_pass(gate)
    with pytest.raises(WorkbenchError, match="leaks"):
        require_pass(gate[gate.check != "leaks"])
    gate.loc[gate.check == "pixels", "result"] = "not run"
    with pytest.raises(WorkbenchError, match="pixels"):
        require_pass(gate)


def test_a_release_of_nothing_does_not_pass(release: Workspace) -> None:
    outcomes = release.read(tables.OUTCOMES)
    for path in release.release.rglob("*.dcm"):
        path.unlink()
    outcomes.loc[outcomes.status == "released", ["status", "reason", "target_path"]] = ("held_back", "no_visit", "")
    release.write(tables.OUTCOMES, outcomes)
    verify(release)
    with pytest.raises(WorkbenchError, match="no file is in release"):
        require_pass(checks(release))


def test_a_series_released_in_part_is_said_but_does_not_close_the_gate(release: Workspace) -> None:
    outcomes = release.read(tables.OUTCOMES)
    first(release).unlink()
    own = outcomes.target_path == outcomes.target_path[outcomes.status == "released"].min()
    outcomes.loc[own, ["status", "reason", "target_path"]] = ("held_back", "burned_in_text", "")
    release.write(tables.OUTCOMES, outcomes)
    findings = verify(release)
    partial = findings[findings.check == "geometry"]
    assert partial.severity.tolist() == ["medium"]
    assert partial.detail.tolist() == ["1 of 3 images of this series are not released"]


def test_04_answers_the_same_before_and_after_the_tables_are_made(release: Workspace) -> None:
    """What 05 makes is asked for by 06: the same input does not pass first and fail when it is run again."""
    shutil.rmtree(release.metadata)
    before = verify(release), checks(release)
    release.metadata.mkdir()
    (release.metadata / "series.csv").write_text("a,b\n1,Chest for Müller Änne\n")
    for one, other in zip(before, (verify(release), checks(release)), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_only_the_series_that_changed_is_examined_again(release: Workspace) -> None:
    verified = release.local / "verified"
    before = {path.name: path.stat().st_mtime_ns for path in verified.glob("*.json")}
    rewrite(release, lambda d: setattr(d, "PatientSex", "O"))
    verify(release)
    after = {path.name: path.stat().st_mtime_ns for path in verified.glob("*.json")}
    assert len(before) == len(after) == 3
    assert len(before.items() & after.items()) == 2


@pytest.fixture
def other_standards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as it is hashed has another edition of a table of the Standard."""
    copy = tmp_path / "chorus_nb"
    shutil.copytree(memory.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with open(copy / "standards/data/ps3_15.csv", "ab") as file:
        file.write(b"# another edition\n")
    monkeypatch.setattr(memory, "PACKAGE", copy)
    memory.closure_digest.cache_clear()
    yield
    memory.closure_digest.cache_clear()


def remembered(release: Workspace) -> set[str]:
    return {path.name for path in (release.local / "verified").glob("*.json")}


def test_what_was_found_under_other_standards_is_looked_for_again(release: Workspace, other_standards: None) -> None:
    before = remembered(release)
    verify(release)
    assert len(before) == len(remembered(release)) == 3
    assert not before & remembered(release)


@pytest.mark.parametrize("change", [{"time_zone": "Europe/Zurich"}, {"policy": "ps3.15"}])
def test_what_was_found_with_other_parameters_is_looked_for_again(release: Workspace, change: dict[str, str]) -> None:
    before = remembered(release)
    verify(Workspace(release.parameters.model_copy(update=change)))
    assert not before & remembered(release)


def test_verifying_twice_gives_the_same_bytes(release: Workspace) -> None:
    paths = [release.path(table) for table in (tables.VERIFICATION, tables.CHECKS)]
    before = [path.read_bytes() for path in paths]
    verify(release)
    assert [path.read_bytes() for path in paths] == before


def test_of_series_that_end_together_each_is_examined_by_itself() -> None:
    """A worker that dies of one series costs the others nothing but time."""
    todo = [Series(str(number), (), {}, (), {}) for number in range(9)]
    asked: list[list[str]] = []

    def examine(bundle: Sequence[Series]) -> list[tuple[str, SeriesResult] | Exception]:
        asked.append([one.folder for one in bundle])
        if "3" in asked[-1]:
            raise MemoryError
        return [(one.folder, empty) for one in bundle]

    empty = SeriesResult([], [], [], [], 0, 0, 0, FaceLook())
    found = {one.folder: given for one, given in _in_bundles(Here(), examine, todo, 1)}
    assert isinstance(found.pop("3"), MemoryError)
    assert found == {number: (number, empty) for number in "01245678"}
    assert asked[:2] == [["0", "1"], ["2", "3"]]


def test_two_processes_find_the_same_as_one(release: Workspace) -> None:
    rewrite(release, lambda d: setattr(d, "InstitutionName", "Saint Brigid Hospital"))
    alone = verify(release)
    for path in (release.local / "verified").iterdir():
        path.unlink()
    parallel = Workspace(release.parameters.model_copy(update={"workers": 2}))
    pd.testing.assert_frame_equal(verify(parallel), alone)


def test_the_certificate_says_what_was_checked_and_names_nobody(release: Workspace) -> None:
    verify_tree(release)
    made = certificate(release, "digest of all")
    page, data = made[f"{CERTIFICATE}.html"].decode(), json.loads(made[f"{CERTIFICATE}.json"])
    assert data["files"] == 8
    assert data["persons"] == 2
    assert {row["check"] for row in data["checks"]} == {*GATE_CHECKS, *ASKED_OF_TREE}
    assert data["release_blake3"] == "digest of all"
    assert f"of {len(data['checks'])} checks passed" in page
    assert len(safe_harbor(release, all_checks(release))) == 19  # the 18 items of 45 CFR 164.514(b)(2)(i), and (c)
    assert not [word for word in ORIGINAL_WORDS if word in page + json.dumps(data)]
    assert search_contents(release, made) == []
    assert search_contents(release, {"a.json": b'{"site": "M\\u00fcller, \\u00c4nne"}'}) == ["a.json"]


def test_the_certificate_names_the_sites_own_script_with_its_digest(release: Workspace) -> None:
    script = release.local / "site.script"
    script.write_text('<script><k en="T" t="0018"/></script>')
    scripted = Workspace(release.parameters.model_copy(update={"policy": str(script)}))
    with pytest.raises(WorkbenchError, match="not the one that 04 held the release to"):
        certificate(scripted, "")
    verify(scripted)
    made = certificate(scripted, "")
    digest = blake3(script.read_bytes()).hexdigest()
    said = json.loads(made[f"{CERTIFICATE}.json"])["policy"]
    assert said.items() >= {"name": SCRIPT, "script": "site.script", "script_blake3": digest}.items()
    assert f"Policy: CTP script site.script (BLAKE3 {digest})." in made[f"{CERTIFICATE}.html"].decode()
    assert "script" not in json.loads(certificate(release, "")[f"{CERTIFICATE}.json"])["policy"]


def test_the_certificate_counts_what_is_in_the_release(release: Workspace) -> None:
    rewrite(release, lambda d: setattr(d, "InstitutionName", "Saint Brigid Hospital"))
    verify(release)
    release.write(
        tables.IMAGE_REGISTRY, release.read(tables.IMAGE_REGISTRY).iloc[1:].assign(image_registry_id=range(1, 8))
    )
    verify_tree(release)
    made = certificate(release, "digest of all")
    data = json.loads(made[f"{CERTIFICATE}.json"])
    assert (data["files"], data["not_released_by_reason"]["held_by_verify"]) == (7, 1)
    # two of three images of a series are left, which is medium
    assert data["findings_by_severity"] == {"high": 0, "medium": 1}
    assert "1 (04 found it at fault)" in made[f"{CERTIFICATE}.html"].decode()


def test_there_is_no_certificate_when_the_gate_closes(release: Workspace) -> None:
    first(release).unlink()
    verify(release)
    with pytest.raises(WorkbenchError, match="may not leave"):
        certificate(release, "")


def test_findings_are_grouped_gravest_first(release: Workspace) -> None:
    rewrite(release, lambda d: setattr(d, "InstitutionName", "Saint Brigid Hospital"))
    grouped = summary(verify(release))
    assert grouped.severity.iloc[0] == "high"
    assert grouped.files.min() >= 1
    assert not [word for word in ORIGINAL_WORDS[:6] if word in grouped.to_csv()]


def test_every_check_function_has_its_row() -> None:
    assert set(FILE_CHECKS) <= {name for name, check in GATE_CHECKS.items() if check.scope == "file"}
    concern_all = {name for name, check in GATE_CHECKS.items() if check.scope == "release"}
    # the second look is made series by series, but a picture of its sample speaks for those outside it
    assert concern_all == {"accounted", "second_look"}
    assert concern_all - {"second_look"} <= set(RELEASE_CHECKS)
    assert set(RELEASE_CHECKS) <= set(GATE_CHECKS)


def test_a_kind_of_finding_is_told_in_words_that_say_what_was_counted() -> None:
    row = {"check": "leaks", "severity": "high", "kind": "path", "held": False}
    found = tables.frame(tables.VERIFICATION, [row] * 2)
    (told,) = check_rows({"leaks": GATE_CHECKS["leaks"]}, found, {"leaks": 2}, {})
    assert told["detail"] == "words of a source path (2)"
