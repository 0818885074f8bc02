"""The audit chain: nothing recorded can be changed, removed or swapped unseen."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import blake3
import pytest
from filelock import FileLock

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.workbench import audit
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.kept import refuse_broken_log
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Parameters.of({"workspace": str(tmp_path / "workspace")})).create()


def test_an_untouched_log_is_whole(workspace: Workspace) -> None:
    for number in range(3):
        audit.append_line(workspace, {"event": "notebook", "number": number})
    assert audit.verify_chain(workspace) == []
    assert [line["number"] for line in audit.read_log(workspace)] == [0, 1, 2]


@pytest.mark.parametrize("tamper", ["change", "remove", "swap"])
def test_a_tampered_line_is_found(workspace: Workspace, tamper: str) -> None:
    for number in range(3):
        audit.append_line(workspace, {"event": "notebook", "number": number})
    first, second, third = audit.path(workspace).read_text().splitlines()
    changed = {
        "change": [first.replace('"number": 0', '"number": 7'), second, third],
        "remove": [first, third],
        "swap": [second, first, third],
    }[tamper]
    audit.path(workspace).write_text("\n".join(changed) + "\n")
    assert audit.verify_chain(workspace)


def test_who_appends_waits_for_who_appends(workspace: Workspace) -> None:
    with FileLock(workspace.local / ".audit.jsonl.lock"):
        other = threading.Thread(target=audit.append_line, args=(workspace, {"event": "x"}))
        other.start()
        other.join(0.2)
        assert other.is_alive() and not audit.path(workspace).exists()
    other.join()
    assert [line["event"] for line in audit.read_log(workspace)] == ["x"]


def test_a_line_cut_by_a_killed_run_is_told_until_the_log_goes_on(workspace: Workspace) -> None:
    log_steps(workspace)
    with open(audit.path(workspace), "ab") as log:
        log.write(b'{"time": "20')
    assert ["ends amid a line" in finding for finding in audit.verify_chain(workspace)] == [True]
    refuse_broken_log(workspace)
    audit.append_line(workspace, {"event": "notebook"})
    assert audit.verify_chain(workspace) == []  # or nobody could ever sign
    audit.append_line(workspace, {"event": "notebook"})
    lines = audit.path(workspace).read_bytes().splitlines(keepends=True)
    audit.path(workspace).write_bytes(b"".join([b"{\n", *lines[1:]]))
    assert "line 1: cannot be read" in audit.verify_chain(workspace)[0]


def log_steps(workspace: Workspace) -> None:
    workspace.write(tables.SEAL, tables.empty(tables.SEAL))
    for step in STEPS[:-1]:
        audit.append_line(workspace, {"event": "notebook", "notebook": step.name})


def test_nothing_is_packed_beside_a_log_that_is_no_chain_or_lacks_a_notebook(workspace: Workspace) -> None:
    log_steps(workspace)
    refuse_broken_log(workspace)
    first, *rest = audit.path(workspace).read_bytes().splitlines(keepends=True)
    audit.path(workspace).write_bytes(b"".join([first.replace(b'"user"', b'"nobody"'), *rest]))
    with pytest.raises(WorkbenchError, match="line 2: does not follow"):
        refuse_broken_log(workspace)
    audit.path(workspace).write_bytes(b"".join([first, *rest[:-1]]))
    with pytest.raises(WorkbenchError, match="no line of 05_build_registry"):
        refuse_broken_log(workspace)


def test_a_report_of_which_the_log_tells_nothing_is_found(workspace: Workspace) -> None:
    for name in ("03_run_deid.html", "index.html"):
        (workspace.reports_audit / name).write_bytes(b"<p>fine</p>")
    audit.append_line(workspace, {"event": "notebook"})
    [finding] = audit.verify_chain(workspace)
    assert finding.startswith("audit/reports/03_run_deid.html: no line of the log tells of it")


def test_a_changed_report_is_found(workspace: Workspace) -> None:
    report = workspace.reports_audit / "03_run_deid.html"
    report.write_bytes(b"<p>fine</p>")
    digest = blake3.blake3(b"<p>fine</p>").hexdigest()
    audit.append_line(workspace, {"event": "report", "report": "audit/reports/03_run_deid.html", "digest": digest})
    assert audit.verify_chain(workspace) == []
    report.write_bytes(b"<p>finer</p>")
    assert audit.verify_chain(workspace) == [
        "audit/reports/03_run_deid.html: the report is not the one that was recorded"
    ]
    report.unlink()
    assert audit.verify_chain(workspace) == ["audit/reports/03_run_deid.html: the report is gone"]


@pytest.fixture
def released(workspace: Workspace) -> Workspace:
    """A workspace with one released file, its manifest and the manifest's digest in the log."""
    file = workspace.release / "1001/Images/CT/5/7/001.dcm"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"image")
    row = {
        "path": "1001/Images/CT/5/7/001.dcm",
        "size": 5,
        "md5": hashlib.md5(b"image").hexdigest(),
        "sha256": hashlib.sha256(b"image").hexdigest(),
        "delta": "added",
    }
    manifest = workspace.write(tables.MANIFEST, tables.frame(tables.MANIFEST, [row]))
    digest = blake3.blake3(manifest.read_bytes()).hexdigest()
    audit.append_line(workspace, {"event": "notebook", "outputs": {"release/Metadata/manifest.csv": digest}})
    assert audit.verify_chain(workspace) == []
    return workspace


def test_a_changed_released_file_is_found(released: Workspace) -> None:
    (released.release / "1001/Images/CT/5/7/001.dcm").write_bytes(b"other")
    assert audit.verify_chain(released) == ["release/1001/Images/CT/5/7/001.dcm: changed since it was packed"]


def test_a_file_that_was_slipped_into_the_release_is_found(released: Workspace) -> None:
    (released.release / "notes.txt").write_text("hello")
    assert audit.verify_chain(released) == ["release/notes.txt: not in the manifest"]


def test_a_manifest_of_which_the_log_tells_nothing_is_found(released: Workspace) -> None:
    audit.append_line(released, {"event": "notebook"})
    last = audit.path(released).read_bytes().splitlines(keepends=True)[-1]
    audit.path(released).write_bytes(last.replace(audit.read_log(released)[-1]["previous"].encode(), b""))
    assert audit.verify_chain(released) == [
        "release/Metadata/manifest.csv: no line of the log tells of it; the end of the log was cut off, or a run was"
        " stopped"
    ]


def test_a_manifest_made_to_fit_is_found(released: Workspace) -> None:
    path = released.path(tables.MANIFEST)
    path.write_text(path.read_text().replace("added", "unchanged"))
    assert audit.verify_chain(released) == [
        "release/Metadata/manifest.csv: the manifest is not the one that was recorded"
    ]


def test_the_command_exits_1_on_a_finding_and_prints_the_head_otherwise(
    released: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(released.root)]) == 0
    assert audit.chain_head(released) in capsys.readouterr().out
    (released.release / "1001/Images/CT/5/7/001.dcm").unlink()
    assert main(["audit", str(released.root)]) == 1
    assert "gone" in capsys.readouterr().out


def test_a_workspace_without_a_log_is_not_called_whole(workspace: Workspace) -> None:
    assert main(["audit", str(workspace.root)]) == 1


def test_lines_are_plain_ascii_json(workspace: Workspace) -> None:
    audit.append_line(workspace, {"event": "notebook", "site": "Zürich\u2028"})
    content = audit.path(workspace).read_bytes()
    assert content.isascii() and content.count(b"\n") == 1
    assert json.loads(content)["site"] == "Zürich\u2028"
