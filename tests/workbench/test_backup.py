"""What cannot be made anew outlives the machine: in one locked file, whole, and a site goes on from it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
import yaml

from chorus_nb import deid, explore, tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.release.manifest import record_delivery
from chorus_nb.workbench import backup, locked, ownership
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.lost import refuse_lost
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, run, tree

SECRET = "twelve-words-and-one"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locked, "COST", 2)
    monkeypatch.setattr(locked, "FRAME", 4096)
    monkeypatch.setenv("BACKUP", SECRET)


def january(site: SmallSite) -> Workspace:
    return site.open(delivery="append", site="north")


def february(site: SmallSite) -> Workspace:
    """The source holds nothing of January any more."""
    shutil.rmtree(site.dicom)
    site.add("february/three", InstanceNumber=3)
    run(workspace := january(site))
    return workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site after January, delivered."""
    site = SmallSite(tmp_path_factory.mktemp("backup") / "site")
    site.add("january/one", InstanceNumber=1)
    site.add("january/two", InstanceNumber=2)
    run(workspace := january(site))
    ownership.remember_site(workspace)
    workspace.write(tables.MANIFEST, tables.empty(tables.MANIFEST))
    workspace.path(tables.SIGN_OFF).write_text("signed")
    record_delivery(workspace)
    (workspace.audit / "log.jsonl").write_text("{}\n")
    (workspace.local / "scratch").mkdir()
    (workspace.local / "scratch" / "page").write_text("not kept")
    return site.folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> SmallSite:
    """A copy of it, at another place: a site that moved."""
    shutil.copytree(made, tmp_path / "site")
    site = SmallSite.__new__(SmallSite)
    site.folder, site.dicom = tmp_path / "site", tmp_path / "site/dicom"
    return site


@pytest.fixture
def file(site: SmallSite, tmp_path: Path) -> Path:
    backup.back_up(january(site), tmp_path / "kept.backup", SECRET)
    return tmp_path / "kept.backup"


def loses(site: SmallSite) -> Workspace:
    """Local and audit are lost; what was delivered is there."""
    workspace = january(site)
    for folder in (workspace.local, workspace.audit):
        shutil.rmtree(folder)
    return workspace


def test_a_restored_site_goes_on_to_the_same_bytes(site: SmallSite, tmp_path: Path) -> None:
    values = {
        name: str(getattr(january(site).parameters, name)) for name in ("site", "workspace", "delivery", "source")
    }
    (parameters := tmp_path / "site.yaml").write_text(yaml.safe_dump(values))
    (january(site).local / ownership.SITE_FILE).unlink()
    ownership.remember_site(january(site))
    to = tmp_path / "kept.backup"
    assert main(["backup", str(parameters), str(to), "--passphrase-env", "BACKUP"]) == 0
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    content = to.read_bytes()
    assert b"MRN-1" not in content and january(site).key_path.read_bytes() not in content
    before = {part: tree(getattr(january(site), part)) for part in ("local", "audit")}
    shutil.copytree(site.folder, other := tmp_path / "never_lost")
    lost = loses(site)
    assert main(["restore", str(to), str(parameters), "--passphrase-env", "BACKUP"]) == 0
    assert tree(lost.audit) == before["audit"]
    assert before["local"].items() - tree(lost.local).items() == {("scratch/page", before["local"]["scratch/page"])}
    assert stat.S_IMODE(lost.key_path.stat().st_mode) == 0o600 and stat.S_IMODE(lost.local.stat().st_mode) == 0o700
    whole = SmallSite.__new__(SmallSite)
    whole.folder, whole.dicom = other, other / "dicom"
    assert tree(february(site).release) == tree(february(whole).release)
    assert len([*lost.release.rglob("*.dcm")]) == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("passphrase", "passphrase is another"),
        ("changed", "changed or cut"),
        ("cut", "changed or cut"),
        ("cut at a frame", "changed or cut"),
        ("two frames exchanged", "changed or cut"),
        ("salt", "passphrase is another, or the beginning"),
        ("format", "another format"),
        ("another file", "is no file that"),
        ("no file", "cannot be read"),
        ("site", "of site 'north', not of 'south'"),
    ],
)
def test_what_is_not_whole_restores_nothing(site: SmallSite, file: Path, fault: str, said: str) -> None:
    content, head, frame = file.read_bytes(), 19 + 32 + 16, 4096 + 16
    first, second = content[head : head + frame], content[head + frame : head + 2 * frame]
    middle = len(content) // 2
    damaged = {
        "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "cut": content[:-100],
        "cut at a frame": content[: head + (len(content) - head - 1) // frame * frame],
        "two frames exchanged": content[:head] + second + first + content[head + 2 * frame :],
        "salt": content[:30] + bytes([content[30] ^ 1]) + content[31:],
        "format": content.replace(b"backup 1\n", b"backup 9\n", 1),
        "another file": b"PK" + content,
    }
    file.write_bytes(damaged.get(fault, content))
    if fault == "no file":
        file.unlink()
    workspace = loses(site)
    if fault == "site":
        workspace = Workspace(workspace.parameters.model_copy(update={"site": "south"}))
    with pytest.raises(InputError, match=said) as stopped:
        backup.restore(workspace, file, "another one" if fault == "passphrase" else SECRET)
    assert stopped.value.exit_code == 2
    assert {path.name for path in workspace.root.iterdir()} == {"release"}


def test_nothing_is_written_over(site: SmallSite, file: Path) -> None:
    workspace = january(site)
    before = tree(workspace.root)
    assert backup.restore(workspace, file, SECRET).files > 5  # all of it is the same
    workspace.path(tables.SIGN_OFF).write_text("signed since")
    workspace.key_path.unlink()
    with pytest.raises(InputError, match=r"1 files are there and differ.*release_sign_off"):
        backup.restore(workspace, file, SECRET)
    assert not workspace.key_path.exists()
    before.pop("local/site.key")
    changed = "local/decisions/release_sign_off.csv"
    assert {**tree(workspace.root), changed: ""} == {**before, changed: ""}
    with pytest.raises(InputError, match="never written over"):
        backup.back_up(workspace, file, SECRET)


def test_key_and_decisions_that_stand_elsewhere_are_in_it(site: SmallSite, tmp_path: Path) -> None:
    places = {"key_file": str(tmp_path / "keys/key"), "decisions": str(tmp_path / "decided")}
    workspace = january(site)
    (tmp_path / "keys").mkdir()
    shutil.move(workspace.key_path, tmp_path / "keys/key")
    shutil.move(workspace.decisions, tmp_path / "decided")
    workspace = Workspace(workspace.parameters.model_copy(update=places))
    backup.back_up(workspace, tmp_path / "elsewhere", SECRET)
    key = workspace.key()
    for folder in (tmp_path / "keys", tmp_path / "decided", workspace.root):
        shutil.rmtree(folder)
    backup.restore(workspace, tmp_path / "elsewhere", SECRET)
    assert workspace.key() == key and workspace.has(tables.SIGN_OFF)


def test_a_workspace_that_changes_meanwhile_is_not_backed_up(
    site: SmallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, rounds = backup._found, []

    def changing(workspace: Workspace) -> object:
        rounds.append((workspace.local / "new").write_text("x" * len(rounds)))
        return found(workspace)

    monkeypatch.setattr(backup, "_found", changing)
    with pytest.raises(WorkbenchError, match="no run is on"):
        backup.back_up(january(site), tmp_path / "kept", SECRET)
    assert not [*tmp_path.glob("kept*"), *tmp_path.glob(".partial*")]


def test_a_passphrase_is_never_guessed_short_or_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "abc")
    for variable, said in (("SHORT", "12 characters"), ("NOT_THERE", "no NOT_THERE"), ("", "no terminal")):
        with pytest.raises(InputError, match=said):
            backup.passphrase(variable, twice=True)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("deliveries", "local/deliveries is gone"),
        ("decisions", "the decisions are gone"),
        ("originals", "local/originals is gone"),
        ("originals.parquet", r"local/originals\.parquet is gone"),
    ],
)
def test_what_a_delivery_rests_on_is_missed_before_anything_is_written(site: SmallSite, gone: str, said: str) -> None:
    refuse_lost(january(site))
    path = january(site).local / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=f"{said}.*chorus-nb restore"):
        refuse_lost(january(site))


@pytest.mark.parametrize("command", ["sign", "withdraw", "rotate-key"])
def test_no_command_writes_over_what_is_lost(site: SmallSite, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = january(site)
    shutil.rmtree(workspace.local / "originals")
    file, before = site.folder / "site.yaml", tree(workspace.root)
    file.write_text(yaml.safe_dump(workspace.parameters.model_dump(exclude_unset=True)))
    whom = ["--person", "1001"] if command == "withdraw" else []
    assert main([command, str(file), "--by", "A. Privacy", "--note", "x", *whom]) == 2
    assert "local/originals is gone" in capsys.readouterr().err
    assert tree(workspace.root) == before


def test_a_lost_ledger_costs_time_only(site: SmallSite, tmp_path: Path) -> None:
    workspace = january(site)
    (workspace.local / "ledger.sqlite").unlink()
    refuse_lost(workspace)
    assert len(february(site).read(tables.OUTCOMES)) == len([*workspace.release.rglob("*.dcm")]) == 3


def test_a_restore_that_was_killed_is_ended_first(site: SmallSite, file: Path) -> None:
    workspace = loses(site)
    (workspace.root / ".restoring-1234" / "local").mkdir(parents=True)
    with pytest.raises(InputError, match="a restore did not end"):
        refuse_lost(workspace)
    backup.restore(workspace, file, SECRET)
    refuse_lost(workspace)


def test_a_workspace_moves_with_its_folder(site: SmallSite) -> None:
    before = tree(january(site).release)
    (site.folder / "workspace").rename(site.folder / "moved")
    workspace = site.open("moved", delivery="append", site="north")
    explore.scan(workspace)
    deid.make_worklist(workspace)
    deid.deidentify(workspace)
    assert tree(workspace.release) == before
