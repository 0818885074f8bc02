"""A signed release: what was changed, signed with another key, cut off or put back is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chorus_nb import layout, tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.layout import CERTIFICATE, MANIFEST_FILE, SIGNATURE_FILE, SIGNATURES
from chorus_nb.release import pack, plan_upload, signed_off, upload
from chorus_nb.seal import seal_release
from chorus_nb.workbench import audit, signing
from chorus_nb.workbench.commands import main
from chorus_nb.workspace import Workspace, digest_of
from tests.small_release import make_workspace, parameters, ready

FIRST, SECOND = "first", "second"  # copies of release and audit as they were after each signature


def recorded(workspace: Workspace) -> None:
    """Packed, with the line that 06 leaves in the audit log."""
    pack(workspace)
    manifest = workspace.path(tables.MANIFEST)
    outputs = {audit.place(workspace, manifest): digest_of(manifest)}
    audit.append_line(workspace, {"event": "notebook", "outputs": outputs})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that was signed, changed, packed and signed again; how it stood after the first stands beside it."""
    folder = tmp_path_factory.mktemp("signed")
    workspace = ready(make_workspace(folder))
    recorded(workspace)
    signing.sign_release(workspace, "Ada Lovelace", "looked at all of it")
    for part in ("release", "audit"):
        shutil.copytree(workspace.root / part, folder / FIRST / part)
    (workspace.release / "Metadata/data_dictionary.csv").write_text("column,meaning\nx,y\n")
    seal_release(workspace)
    recorded(workspace)
    signing.sign_release(workspace, "Grace Hopper", "looked at what changed")
    return folder


@pytest.fixture
def signed(site: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    return Workspace(parameters(tmp_path))


def faults(workspace: Workspace, number: int = 0, public: Path | None = None) -> str:
    found = signing.signature_faults(workspace, public or workspace.audit / layout.PUBLIC_KEY, number)
    return "\n".join([*audit.verify_chain(workspace), *found])


def put_back(workspace: Workspace, *places: str) -> None:
    """What stood in these places after the first signature."""
    for place in places:
        before, now = workspace.root.parent / FIRST / place, workspace.root / place
        if before.is_dir():
            shutil.rmtree(now)
            shutil.copytree(before, now)
        else:
            shutil.copy(before, now)


def test_what_was_signed_is_whole_also_without_what_stays_local(
    signed: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["audit", str(signed.root), "--public", str(signed.audit / layout.PUBLIC_KEY), "--number", "2"]
    assert main(command) == 0
    assert "all as signed and recorded" in capsys.readouterr().out
    assert signed_off(signed)["reviewer"].tolist() == ["Grace Hopper"]
    statement = json.loads((signed.audit / SIGNATURES / "000002.json").read_text())["statement"]
    assert (statement["by"], statement["number"], statement["log_lines"]) == ("Grace Hopper", 2, 3)
    assert (signed.local / signing.PRIVATE_KEY).stat().st_mode & 0o777 == 0o600
    shutil.rmtree(signed.local)
    assert main(command) == 0
    assert "local/ is not here" in capsys.readouterr().out


def a_byte(place: str) -> Callable[[Workspace], None]:
    def plant(workspace: Workspace) -> None:
        path = next(workspace.root.glob(place))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return plant


def another_name(workspace: Workspace) -> None:
    path = workspace.audit / SIGNATURES / "000002.json"
    path.write_text(path.read_text().replace("Grace Hopper", "Alan Turing"))


def cut(workspace: Workspace, lines: int) -> None:
    log = audit.path(workspace)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:lines]))


def all_of_the_first(workspace: Workspace) -> None:
    put_back(workspace, "release", "audit")


CASES: dict[str, tuple[Callable[[Workspace], None], str]] = {
    "image": (a_byte("release/*/Images/CT/*/*/001.dcm"), "001.dcm: changed since it was packed"),
    "table": (a_byte("release/Metadata/study.csv"), "study.csv: changed since it was packed"),
    "certificate": (a_byte(f"release/{CERTIFICATE}.json"), "verification_certificate.json: is not the one"),
    "manifest": (a_byte(f"release/{MANIFEST_FILE}"), f"{MANIFEST_FILE}: is not the one that was signed"),
    "signature": (another_name, "000002.json: was changed since it was signed"),
    "log line": (a_byte("audit/audit.jsonl"), "audit.jsonl, line"),
    "log cut before": (lambda w: cut(w, 2), "the audit log was cut: 3 lines of it were signed, 2 are there"),
    "log cut after": (lambda w: cut(w, 3), "does not name signature 2"),
    "older certificate": (
        lambda w: put_back(w, f"release/{CERTIFICATE}.json", f"release/{CERTIFICATE}.html"),
        "is the one of signature 1, put back; signature 2 is for another",
    ),
    "older release": (lambda w: put_back(w, "release"), "is the one of signature 1, put back"),
    "latest signature gone": (
        lambda w: (w.audit / SIGNATURES / "000002.json").unlink(),
        "000002.json: is gone, and the audit log says that it was signed",
    ),
    "older signature in its place": (
        lambda w: shutil.copy(w.audit / SIGNATURES / "000001.json", w.audit / SIGNATURES / "000002.json"),
        "000002.json: does not follow the signature before it",
    ),
    "no signature": (lambda w: shutil.rmtree(w.audit / SIGNATURES), "nobody signed this release"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_named(signed: Workspace, case: str) -> None:
    plant, said = CASES[case]
    assert faults(signed, 2) == ""
    plant(signed)
    assert said in faults(signed)


def test_all_put_back_is_told_by_the_number_that_was_noted(signed: Workspace) -> None:
    all_of_the_first(signed)
    shutil.rmtree(signed.local)
    assert faults(signed) == "", "nothing of the second is left to tell"
    assert "number 1, an older one than 2" in faults(signed, 2)


def test_another_key_is_named(signed: Workspace, tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    public = tmp_path / "other.pub"
    public.write_bytes(other.public_bytes(encoding, form))
    assert "was signed with another key" in faults(signed, public=public)
    (signed.local / signing.PRIVATE_KEY).unlink()  # somebody signs with a key of his own
    signing.sign_release(signed, "Mallory M", "as it was")
    real = signed.root.parent / FIRST / "audit" / layout.PUBLIC_KEY
    assert "000003.json: was signed with another key" in faults(signed, public=real)


def test_nothing_is_signed_that_is_not_as_it_was_recorded(signed: Workspace) -> None:
    for name in ("", "  ", "7", "A"):
        with pytest.raises(InputError, match="name of the person"):
            signing.sign_release(signed, name, "note")
    (signed.release / "Metadata/study.csv").write_text("x\n")
    with pytest.raises(WorkbenchError, match=r"not signed:\n.*study.csv: changed"):
        signing.sign_release(signed, "Ada Lovelace", "note")
    assert not (signed.audit / SIGNATURES / "000003.json").exists()


def test_an_officer_called_like_a_patient_is_told_so_before_a_log_says_it(signed: Workspace) -> None:
    """The log is never rewritten: with such a name in it, no later release of this workspace could be packed."""
    names = signed.local / tables.CROSSWALK.name
    names.mkdir(exist_ok=True)
    tables.frame(tables.CROSSWALK, [{"vr": "PN", "original": "LOVELACE^ADA"}]).to_parquet(names / "more.parquet")
    log = (signed.audit / "audit.jsonl").read_bytes()
    with pytest.raises(InputError, match="identifies a patient too") as refused:
        signing.sign_release(signed, "Ada Lovelace", "note")
    assert "lovelace" not in str(refused.value).lower()
    assert (signed.audit / "audit.jsonl").read_bytes() == log
    assert not (signed.audit / SIGNATURES / "000003.json").exists()
    signing.sign_release(signed, "Privacy officer, A. L.", "note")
    assert faults(signed, 3) == ""


def test_the_command_signs_and_says_how_to_verify(signed: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    file = signed.root.parent / "site.yaml"
    file.write_text(json.dumps({"site": "north", **signed.parameters.model_dump(exclude={"site"})}, default=str))
    assert main(["sign", str(file), "--by", "Ada Lovelace"]) == 0
    assert "--public" in capsys.readouterr().out
    assert faults(signed, 3) == ""
    assert main(["audit", str(signed.root), "--public", str(file)]) == 2


@pytest.fixture
def arrived(signed: Workspace, tmp_path: Path) -> Path:
    """The signed release as it was delivered to a folder."""
    there = tmp_path / "there"
    workspace = Workspace(signed.parameters.model_copy(update={"upload_url": str(there)}))
    sent = upload(workspace)
    assert sent["path"].tolist()[-2:] == [SIGNATURE_FILE, MANIFEST_FILE]
    return next(there.iterdir())


def flipped(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"X")


ARRIVED: dict[str, tuple[Callable[[Path], object], str]] = {
    "as sent": (lambda there: None, "what was delivered is as signed"),
    "a byte of a table": (
        lambda there: flipped(there / "Metadata/data_dictionary.csv"),
        "data_dictionary.csv: changed",
    ),
    "a byte of the manifest": (lambda there: flipped(there / MANIFEST_FILE), f"{MANIFEST_FILE}: is not the one"),
    "a byte of the statement": (
        lambda there: (there / SIGNATURE_FILE).write_text(
            (there / SIGNATURE_FILE).read_text().replace("Grace Hopper", "Grace Hopped")
        ),
        f"{SIGNATURE_FILE}: was changed since it was signed",
    ),
    "a file gone": (
        lambda there: (there / "Metadata/data_dictionary.csv").unlink(),
        "data_dictionary.csv: is not here",
    ),
    "a file more": (lambda there: (there / "Metadata/x.csv").write_text("x"), "Metadata/x.csv: is not in what"),
    "an empty folder": (lambda there: (there / "Metadata/DOE^JANE").mkdir(), "Metadata/DOE^JANE/: is an empty folder"),
    "no signature": (lambda there: (there / SIGNATURE_FILE).unlink(), "nobody signed what was delivered"),
}


@pytest.mark.parametrize("change", ARRIVED)
def test_who_receives_a_delivery_is_told_what_is_not_as_signed(
    signed: Workspace, arrived: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signature goes with the upload, before the manifest; nothing else is needed but the public key."""
    plant, said = ARRIVED[change]
    plant(arrived)
    public = signed.audit / layout.PUBLIC_KEY
    assert main(["audit", str(arrived), "--public", str(public)]) == int(change != "as sent")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_a_signature_of_other_bytes_does_not_go_with_them(signed: Workspace) -> None:
    assert plan_upload(signed)["path"].iloc[-2] == SIGNATURE_FILE
    (signed.release / "Metadata/data_dictionary.csv").write_text("column,meaning\nx,z\n")
    seal_release(signed)
    pack(signed)
    assert SIGNATURE_FILE not in set(plan_upload(signed)["path"])
