"""Several sites in one command: in turn, whatever becomes of one; what is on record; one page over all."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.verify.findings import GATE_CHECKS
from chorus_nb.workbench import audit, sites
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace

ALL = [step.name for step in STEPS]


class Played:
    """Stands for the process of a site: reports of the notebooks asked for, up to the first that does not pass."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[str, str]] = {}  # site: notebook and how it ends
        self.asked: list[tuple[str, list[str]]] = []
        self.stop_after = ""
        self.killed = ""  # the site whose process was killed within its third notebook
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, arguments: list[str]) -> int | None:
        self.meanwhile()
        file, only = Path(arguments[0]), arguments[arguments.index("--only") + 1].split(",")
        self.asked.append((file.stem, only))
        try:
            workspace = Workspace(Parameters.read(file)).create()
        except InputError:
            return 2
        ends = self.ends.get(file.stem, ("", ""))
        if ends[1] == "refused":
            return 2
        for name in only[:2] if self.killed == file.stem else only:
            status = ends[1] if name == ends[0] else "passed"
            line = {"event": "report", "notebook": name, "status": status, "seconds": 1.0, "lines": []}
            audit.append_line(workspace, {**line, "report": "audit/reports/x.html", "digest": ""})
            if name == "03_run_deid":
                rows = [
                    {"source_path": f"{n}", "status": "released" if n else "held_back", "seconds": 0.0}
                    for n in range(3)
                ]
                workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, rows))
            if name == "04_verify":
                result = "pass" if status == "passed" else "fail"
                checks = [{"check": c, "result": result, "examined": 1, "findings": 0, "held": 0} for c in GATE_CHECKS]
                workspace.write(tables.CHECKS, tables.frame(tables.CHECKS, checks))
            if status != "passed":
                return 1
        if self.killed == file.stem:
            return None
        (workspace.reports_audit / "index.html").touch()
        if self.stop_after == file.stem:
            raise KeyboardInterrupt
        return 0


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played()
    monkeypatch.setattr(sites, "_run_one", made)
    return made


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three sites; the name of one has markup in it, its workspace what no address may hold."""
    made = []
    for name, site in (("east", "East"), ("north", "North <b> & Co"), ("south", "South")):
        path = tmp_path / "sites" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"site": site, "workspace": str(tmp_path / "work spaces" / f"{name} #1?")}))
        made.append(str(path))
    return made


def table(said: str) -> dict[str, list[str]]:
    """The table that the command prints: cells by site."""
    rows = [re.split(r"  +", line) for line in said.splitlines() if not line.startswith("all sites: ")]
    assert rows[0] == ["site", "result", "notebooks", "stopped at", "files", "released", "gate", "seconds"]
    return {row[0]: row[1:-1] for row in rows[1:]}


def test_a_site_that_fails_stops_no_other_and_the_worst_code_counts(
    files: list[str], played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    played.ends["east"] = ("04_verify", "failed")
    assert main(["run", *files]) == 1
    assert table(capsys.readouterr().out) == {
        "East": ["failed", "3 of 6", "04 Verify", "3", "2", "closed"],
        "North <b> & Co": ["passed", "6 of 6", "-", "3", "2", "open"],
        "South": ["passed", "6 of 6", "-", "3", "2", "open"],
    }
    Path(files[1]).write_text("site: [")
    assert main(["run", *files, "--only", "01,02"]) == 2
    assert table(capsys.readouterr().out)["north"] == ["refused", "0 of 2", "-", "-", "-", "-"]


def test_failed_runs_what_did_not_pass_and_nothing_else(files: list[str], played: Played) -> None:
    played.ends = {"east": ("04_verify", "failed"), "north": ("06_release", "withheld")}
    assert main(["run", *files]) == 1
    played.asked.clear()
    played.ends = {"east": ("05_build_registry", "interrupted")}
    assert main(["run", *files, "--failed"]) == 1
    assert played.asked == [("east", ALL[3:]), ("north", ALL[5:])]
    played.asked.clear()
    played.ends = {}
    assert main(["run", *files, "--failed"]) == 0
    assert main(["run", *files, "--failed"]) == 0
    assert played.asked == [("east", ALL[4:])]


def test_what_passed_last_month_is_not_taken_for_this_month(files: list[str], played: Played) -> None:
    assert main(["run", *files]) == 0
    played.ends["south"] = ("", "refused")
    assert main(["run", *files]) == 2
    played.asked.clear()
    played.ends = {}
    assert main(["run", *files, "--failed"]) == 0
    assert played.asked == [("south", ALL)]


def test_failed_takes_what_a_person_ran_meanwhile_and_a_workspace_made_anew(
    files: list[str], played: Played, tmp_path: Path
) -> None:
    played.ends["east"] = ("02_map_tags", "failed")
    main(["run", *files, "--only", "01,02,03"])
    played.ends = {}
    played([files[0], "--only", "02_map_tags"])  # by hand
    (tmp_path / "work spaces" / "south #1?" / "audit" / "audit.jsonl").unlink()
    played.asked.clear()
    assert main(["run", *files, "--failed"]) == 0
    assert played.asked == [("east", ["03_run_deid"]), ("south", ALL[:3])]


def test_interrupted_between_sites_what_was_done_is_on_record(
    files: list[str], played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", *files])  # of last month: all passed
    played.asked.clear()
    played.stop_after = "north"
    assert main(["run", *files]) == 1
    said = capsys.readouterr()
    assert "--failed goes on where it stopped" in said.err
    assert [row[0] for row in table(said.out.partition("sites.html\n")[2]).values()] == [
        "passed",
        "passed",
        "not begun",
    ]
    played.asked.clear()
    played.stop_after = ""
    assert main(["run", *files, "--failed"]) == 0
    assert played.asked == [("south", ALL)]


def badges(page: Path) -> list[tuple[str, str]]:
    """Result of each site on the page, and since when."""
    rows = re.findall(
        r'<td><span class="badge [a-z_]+">([a-z ]+)</span>(?:<br>.*?since ([-0-9: ]+))?', page.read_text()
    )
    return [(result, since) for result, since in rows]


def test_the_page_says_what_is_running_and_since_when(files: list[str], played: Played, tmp_path: Path) -> None:
    pages, index = [], tmp_path / "sites" / sites.PAGE

    def look() -> None:
        pages.append([(result, bool(since)) for result, since in badges(index)])
        assert main(["run", files[2]]) == 2, "one at a time writes the record"

    played.meanwhile = look
    assert main(["run", *files[:2]]) == 0
    assert pages == [[("running", True), ("not begun", False)], [("passed", False), ("running", True)]]
    assert "began and is made again" not in index.read_text()


def test_a_site_that_was_killed_was_interrupted_and_the_others_go_on(
    files: list[str], played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played.killed = "east"
    assert main(["run", *files[:2]]) == 1
    assert [row[0] for row in table(capsys.readouterr().out).values()] == ["interrupted", "passed"]
    index = tmp_path / "sites" / sites.PAGE

    def killed() -> None:
        raise SystemExit  # as if all had been killed: the page is not written any more

    played.killed, played.meanwhile = "", killed
    with pytest.raises(SystemExit):
        main(["run", *files[:2]])
    assert badges(index)[0][0] == "running", "what stood there when all was killed"
    played.meanwhile = lambda: None
    assert main(["run", files[1], "--failed"]) == 0
    assert [result for result, _ in badges(index)] == ["interrupted", "passed"]


def test_nothing_begins_where_two_files_are_of_one_workspace(
    files: list[str], played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "work spaces", target_is_directory=True)
    for place, words in (("link/east #1?", "have one workspace"), ("work spaces/east #1?/local/x", "in the other")):
        Path(files[1]).write_text(yaml.safe_dump({"workspace": str(tmp_path / place)}))
        assert main(["run", *files]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "w").mkdir()
    (tmp_path / "work spaces" / "east #1?").mkdir(parents=True)
    for folder in (tmp_path / "w", tmp_path / "work spaces" / "east #1?"):
        (folder / "release").symlink_to(tmp_path / "one", target_is_directory=True)
    Path(files[1]).write_text(yaml.safe_dump({"workspace": str(tmp_path / "w")}))
    assert main(["run", *files]) == 2
    assert "have one release" in capsys.readouterr().err
    assert main(["run", files[0], files[0]]) == 2
    assert "is named twice" in capsys.readouterr().err
    assert main(["run", *files[::2], "--set", f"workspace={tmp_path / 'w'}"]) == 2
    assert played.asked == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--failed"], "no run is on record"),
        (["--upload", "0badcafe"], "a token is that of one release"),
        (["--only", "09"], "no such notebook"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    files: list[str], played: Played, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *files, *more]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line and played.asked == []


def test_the_page_escapes_names_and_its_links_lead_to_shareable_reports_only(
    files: list[str], played: Played, tmp_path: Path
) -> None:
    index = tmp_path / "over all"
    main(["run", *files, "--index", str(index)])
    page = (index / sites.PAGE).read_text(encoding="utf-8")
    assert "North &lt;b&gt; &amp; Co" in page and "<script" not in page and "local/" not in page
    written = re.findall(r'href="([^"]+)"', page)
    assert not [link for link in written if set(link) & set(" #?")]
    links = [unquote(unescape(link)) for link in written]
    assert len(links) == 3 and all((index / link).resolve().is_file() for link in links)
    assert {Path(link).parent.name for link in links} == {"reports"}
    assert {path.name for path in index.iterdir()} == {sites.PAGE, sites.RECORD, sites.LOCK}
    record = json.loads((index / sites.RECORD).read_text())
    assert {name for run in record.values() for name in run} == {"asked", "since", "began", "ended", "seconds"}
    assert main(["run", files[0], "--index", str(index)]) == 0
    assert (index / sites.PAGE).read_text(encoding="utf-8").count('<th scope="row">') == 3, "the others stay"
    Path(files[2]).unlink()
    main(["run", files[0], "--index", str(index)])
    assert "South" not in (index / sites.PAGE).read_text(encoding="utf-8")


def test_a_pattern_is_resolved_where_no_shell_did(files: list[str], played: Played, tmp_path: Path) -> None:
    assert main(["run", str(tmp_path / "sites" / "*.yaml"), "--only", "01"]) == 0
    assert [name for name, _ in played.asked] == ["east", "north", "south"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX systems")
def test_told_to_stop_it_tells_the_process_of_the_site_once_and_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the background, where Ctrl-C is ignored."""
    told = tmp_path / "told"
    site = f"""
import os, signal, sys, time
def end(*_):
    time.sleep(0.5)
    open({str(told)!r}, "a").write("told")
    sys.exit(1)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), signal.SIGUSR1)
time.sleep(60)
"""
    (tmp_path / "chorus_nb").mkdir()
    (tmp_path / "chorus_nb" / "__init__.py").touch()
    (tmp_path / "chorus_nb" / "__main__.py").write_text(site)
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sites._run_one(["x"])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told.read_text() == "told"


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX systems")
def test_a_process_that_was_killed_came_to_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chorus_nb").mkdir()
    (tmp_path / "chorus_nb" / "__init__.py").touch()
    (tmp_path / "chorus_nb" / "__main__.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert sites._run_one(["x"]) is None
