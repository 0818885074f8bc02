"""Whatever changes in the release after 05 sealed it is found by 06, whichever file it is in.

The list grows: a change that once slipped through gets a row here before it gets a fix.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest

from chorus_nb import seal, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.leaks import files
from chorus_nb.processes import queries
from chorus_nb.release import manifest as release_manifest
from chorus_nb.release import pack, packing
from chorus_nb.seal import LINES, remove_superseded, require_seal, seal_release
from chorus_nb.verify.findings import ASKED_OF_TREE
from chorus_nb.workspace import Workspace, remove_partials
from tests.small_release import packed, ready

IMAGE = "release/501/Images/CT/9001/2.25.90011/001.dcm"
SERIES = "release/501/Images/CT/9001/2.25.90011"


class Change(NamedTuple):
    kind: str
    named: str  # the path that the refusal names
    plant: Callable[[Path, Path], object]  # the workspace's folder, and the path in it


def text(kind: str, named: str, old: str, new: str) -> Change:
    def plant(root: Path, path: Path) -> None:
        before = path.read_text()
        assert old in before, "the sabotage changes nothing"
        path.write_text(before.replace(old, new, 1))

    return Change(kind, named, plant)


def added(kind: str, named: str, content: bytes = b"text") -> Change:
    def plant(root: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return Change(kind, named, plant)


def table(kind: str, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return Change(kind, name, lambda root, path: change(pd.read_parquet(path)).to_parquet(path))


def grown(kind: str, named: str, end: bytes) -> Change:
    return Change(kind, named, lambda root, path: path.write_bytes(path.read_bytes() + end))


def with_metadata(root: Path, path: Path) -> None:
    rows = pq.read_table(path)
    pq.write_table(rows.replace_schema_metadata({"note": "of Quillfeather, Tim"}), path, compression="zstd")


def as_archive(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("names.txt", "Quillfeather, Tim")


def swapped(root: Path, path: Path) -> None:
    other = path.with_name("002.dcm")
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def folder_link(root: Path, path: Path) -> None:
    path.symlink_to(root / "local", target_is_directory=True)


def file_link(root: Path, path: Path) -> None:
    target = root / "local" / "moved"
    path.rename(target)
    path.symlink_to(target)


REGISTRY = "release/Metadata/image_registry.csv"
CHANGES = [
    # the registry
    text("a date in the registry", REGISTRY, "2024-03-02", "2024-06-10"),
    text("a person in the registry", REGISTRY, ",501,", ",502,"),
    text("a visit in the registry", REGISTRY, ",71,", ",72,"),
    Change(
        "a row of the registry gone",
        REGISTRY,
        lambda r, p: p.write_text(p.read_text()[: p.read_text()[:-1].rfind("\n") + 1]),
    ),
    grown("a row more in the registry", REGISTRY, b"9,x,1,501,9001,71,2024-03-02 08:15:30,x,\n"),
    text("the copy of the registry", "release/image_registry.csv", "2024-03-02", "2024-06-10"),
    text("the data definition", "release/Metadata/ddl/image_registry_mysql.sql", "INTEGER", "TEXT"),
    # metadata
    text("a cell of study.csv", "release/Metadata/study.csv", "2.25.9001", "1.2.3.9001"),
    text("a cell of series.csv", "release/Metadata/series.csv", "CHEST", "Quillfeather"),
    text("a cell of image.csv", "release/Metadata/image.csv", "001.dcm", "003.dcm"),
    text("a word of the data dictionary", "release/Metadata/data_dictionary.csv", "manifest", "MRN-0004711"),
    table("a cell of series.parquet", "release/Metadata/series.parquet", lambda f: f.assign(SeriesDescription="Tim")),
    table("a column more in image.parquet", "release/Metadata/image.parquet", lambda f: f.assign(PatientName="Tim")),
    Change("metadata of Parquet", "release/Metadata/study.parquet", with_metadata),
    grown("bytes behind a Parquet file", "release/Metadata/series.parquet", b"Quillfeather"),
    Change(
        "a line end", "release/Metadata/study.csv", lambda r, p: p.write_bytes(p.read_bytes().replace(b"\n", b"\r\n"))
    ),
    # OMOP
    text("a source value of OMOP", "release/OMOP/procedure_occurrence.csv", "head", "Quillfeather"),
    text("an added row of OMOP", "release/OMOP/procedure_occurrence.csv", "2000000000", "2000000009"),
    added("a table of OMOP nobody asked for", "release/OMOP/note.csv", b"note_id,note_text\n1,Quillfeather\n"),
    added("a table that may not leave", "release/OMOP/location.csv", b"location_id,address_1\n1,12 Elm\n"),
    Change("the OMOP table gone", "release/OMOP/", lambda r, p: (p / "procedure_occurrence.csv").unlink()),
    # images
    grown("bytes behind an image", IMAGE, b"Quillfeather"),
    Change("two images swapped", IMAGE, swapped),
    Change("an image gone", IMAGE, lambda r, p: p.unlink()),
    added("an image more", f"{SERIES}/777.dcm"),
    # what nobody made
    added("a certificate by hand", "release/Metadata/verification_certificate.html", b"all is well"),
    added("a note by hand", "release/Metadata/IMAGING_SUBMISSION.md", b"all is well"),
    added("a report by hand", "release/Metadata/reports/03_run_deid.html", b"<p>Quillfeather</p>"),
    added("a manifest by hand", "release/Metadata/manifest.csv", b"path,size,md5,sha256,delta\n"),
    added("another report", "release/Metadata/reports/01_explore_headers.html", b"<p>Quillfeather</p>"),
    added("an extra file under Metadata", "release/Metadata/names.csv"),
    added("a document", "release/Metadata/readme.docx"),
    added("an extra file under Waveforms", "release/501/Waveforms/ecg.h5"),
    added("a file at the top", "release/readme.txt"),
    added("a hidden file", "release/Metadata/.DS_Store"),
    added("a file beside an image", f"{SERIES}/thumbs.db"),
    added("a compressed table", "release/OMOP/person.csv.gz", gzip.compress(b"person_id\n1\n")),
    Change("an archive", "release/Metadata/all.zip", as_archive),
    Change("an archive in place of a table", "release/Metadata/study.csv", as_archive),
    added("an empty file", "release/OMOP/death.csv", b""),
    Change("an empty folder", "release/503/", lambda r, p: p.mkdir()),
    Change("an empty folder within", "release/Metadata/reports/", lambda r, p: p.mkdir()),
    Change("a link to a file", "release/Metadata/study.csv", file_link),
    Change("a link to a folder", "release/Metadata/more", folder_link),
    Change("a link to nothing", "release/OMOP/note.csv", lambda r, p: p.symlink_to(r / "nowhere")),
    Change("a pipe", "release/Metadata/mi_cdm", lambda r, p: os.mkfifo(p)),
    Change("a file others may write", "release/Metadata/series.csv", lambda r, p: p.chmod(0o666)),
    Change("an image that can be executed", IMAGE, lambda r, p: p.chmod(0o755)),
    # what the gate rests on
    table("the gate's table", "local/checks.parquet", lambda f: f.assign(findings=1)),
    table("a finding taken out", "local/registry_checks.parquet", lambda f: f.assign(examined=1)),
    table("what is searched for", "local/search_terms.parquet", lambda f: f.iloc[:1]),
    Change("findings gone", "local/verification.parquet", lambda r, p: p.unlink()),
    table("an outcome", "local/outcomes.parquet", lambda f: f.assign(reason="")),
    table("what 04 read", "local/verified_images.parquet", lambda f: f.assign(moment="")),
]


@pytest.mark.parametrize("change", CHANGES, ids=[change.kind for change in CHANGES])
def test_what_changed_after_05_is_refused_by_name(built: Workspace, change: Change) -> None:
    change.plant(built.root, built.root / change.named)
    before = _there(built)
    with pytest.raises(WorkbenchError) as refused:
        pack(built)
    said = str(refused.value)
    assert change.named in said or (change.named.endswith(".dcm") and "not the one the gate passed" in said)
    assert "Quillfeather" not in said
    assert _there(built) == before, "06 wrote something all the same"


def _there(workspace: Workspace) -> dict[str, tuple[int, int]]:
    states = ((path, path.lstat()) for path in workspace.root.rglob("*"))
    return {path.relative_to(workspace.root).as_posix(): (now.st_size, now.st_mtime_ns) for path, now in states}


def test_fifty_kinds_of_change_are_known() -> None:
    assert len({change.kind for change in CHANGES}) == len(CHANGES) >= 50


def test_every_byte_of_the_tree_is_under_the_seal(built: Workspace) -> None:
    """Each file in turn, and one byte of it: no file is left out because of where it lies."""
    pack(built)
    for path in sorted(built.release.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(WorkbenchError):
                pack(built)
            path.write_bytes(content)
    assert len(pack(built))


def test_the_same_input_gives_the_same_answer_the_first_and_the_second_time(built: Workspace) -> None:
    first = packed(built)
    pd.testing.assert_frame_equal(packed(built), first)
    series = built.metadata / "series.csv"
    series.write_text(series.read_text().replace("CHEST", "MRN-0004711"))
    frame = tables.read(tables.SERIES, series)
    built.write(replace(tables.SERIES, format="parquet"), frame)
    seal_release(built)
    answers = set()
    for _ in range(2):
        with pytest.raises(WorkbenchError) as refused:
            pack(built)
        answers.add(str(refused.value))
    assert len(answers) == 1


@pytest.mark.parametrize("check", ["tables", "registry"])
def test_what_06_refuses_is_put_right_by_its_advice(
    built: Workspace, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault went through 05, which sees no cell here, and its seal; the source is mended, or 05 is run again."""
    blind = lambda _, searched, *__: {name: {} for name in searched}  # noqa: E731
    monkeypatch.setattr("chorus_nb.registry.omop.identifying_cells", blind)
    if check == "tables":  # "mend the source of that table"
        source = Path(built.parameters.omop) / "procedure_occurrence.csv"
        whole = source.read_text()
        source.write_text(whole + "334,502,4180642,2024-01-30,,,,32833,,1,,,,,,ACC-0816\n")
    ready(built)
    if check == "registry":
        registry = built.read(tables.IMAGE_REGISTRY)
        built.write(tables.IMAGE_REGISTRY, registry.assign(person_id=registry.person_id.iloc[::-1].to_list()))
        seal_release(built)
    with pytest.raises(WorkbenchError, match=ASKED_OF_TREE[check].remedy.split(" (")[0]):
        pack(built)
    if check == "tables":
        source.write_text(whole)
    ready(built)
    assert len(pack(built))


class Killed(BaseException):
    """Nothing in the package catches it."""


def taken_out(workspace: Workspace, written: list[Path]) -> None:
    """As the refusal advises; a folder made for one of them goes when what a kill left in it does."""
    for path in written:
        path.rename(path.with_name(".partial-0011"))
        remove_partials(workspace.release)


def test_killed_at_any_write_06_leaves_nothing_half_and_the_next_run_packs_the_same(
    built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release without its last seal is refused by the name of what is new; 05, which seals, makes it right."""
    (built.reports_audit / "05_build_registry.html").write_text("<p>4 files</p>")
    sealed, real, written = built.read(tables.SEAL), packing.write_if_changed, list[Path]()

    def dies_at(most: int) -> Callable[..., bool]:
        def write(path: Path, content: bytes | Path, **_: object) -> bool:
            if len(written) == most:
                raise Killed
            written.append(path)
            return real(path, content)

        return write

    for most in (1, 5, 6):
        written.clear()
        monkeypatch.setattr(packing, "write_if_changed", dies_at(most))
        if most == 6:  # all is written, but not sealed
            monkeypatch.setattr(packing, "seal_release", dies_at(6))
        with pytest.raises(Killed):
            pack(built)
        monkeypatch.undo()
        assert len(written) == most
        assert built.has(tables.MANIFEST) == (most == 6), "the manifest goes last: where it stands, all is there"
        pd.testing.assert_frame_equal(built.read(tables.SEAL), sealed)
        with pytest.raises(WorkbenchError) as refused:
            pack(built)
        assert all(path.name in str(refused.value) for path in written)
        taken_out(built, written)
    killed = packed(built)
    taken_out(built, written)
    seal_release(built)
    pd.testing.assert_frame_equal(packed(built), killed)


def test_of_many_faults_the_first_are_named_and_the_others_counted(built: Workspace) -> None:
    for number in range(LINES + 5):
        (built.metadata / f"{number:02d}.txt").write_text("x")
    with pytest.raises(WorkbenchError) as refused:
        seal_release(built)
    assert (len(refused.value.lines), refused.value.lines[-1]) == (LINES + 1, "and 5 more")
    for path in built.metadata.glob("*.txt"):
        path.unlink()
    sealed = built.read(tables.SEAL)
    gone = pd.DataFrame({"path": [f"release/1/{n}.dcm" for n in range(LINES + 7)], "size": 1, "mode": 1, "blake3": "0"})
    built.write(tables.SEAL, pd.concat([sealed, gone], ignore_index=True))
    with pytest.raises(WorkbenchError) as refused:
        require_seal(built)
    assert (len(refused.value.lines), refused.value.lines[-1]) == (LINES + 1, "and 7 more")
    assert refused.value.lines[0].startswith("release/1/0.dcm: is gone since the release was sealed")


def test_a_few_rows_at_a_time_give_the_same_seal_and_manifest(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sealed = packed(built), built.path(tables.SEAL).read_bytes()
    manifest = built.path(tables.MANIFEST).read_bytes()
    for table in (tables.SEAL, tables.MANIFEST):
        paths = built.read(table)["path"].tolist()
        assert paths == sorted(paths)
    for module in (queries, seal, release_manifest):
        monkeypatch.setattr(module, "ROWS_TOLD", 3)
    monkeypatch.setattr(files, "ROWS_SEARCHED", 1)
    told = list[tuple[int, int, str]]()
    pack(built, lambda *progress: told.append(progress))
    assert built.path(tables.SEAL).read_bytes() == sealed
    assert built.path(tables.MANIFEST).read_bytes() == manifest
    measured = [done for done, many, doing in told if doing == "checksums of the release"]
    assert measured == list(range(1, len(whole) + 2))  # the manifest itself is measured too


def test_05_seals_the_images_that_04_examined_and_reads_none_of_them_again(
    built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that changed between 04 and 05 is not what was examined: no seal is put on it."""
    examined, read, real = built.read(tables.SEAL), list[str](), seal._digest
    path = built.root / IMAGE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(seal, "_digest", lambda root, path: read.append(path) or real(root, path))  # type: ignore[func-returns-value]
    seal_release(built)
    assert read and not [path for path in read if path.endswith(".dcm")]
    pd.testing.assert_frame_equal(built.read(tables.SEAL), examined)
    with pytest.raises(WorkbenchError, match=f"{IMAGE}: changed since the release was sealed"):
        require_seal(built)
    path.write_bytes(content)
    assert len(pack(built))


def test_what_an_earlier_version_packed_goes_and_what_anybody_else_put_there_is_refused(built: Workspace) -> None:
    """A workspace whose certificate was Markdown still: 05 ended in it."""
    pack(workspace := built)
    old, strange = "Metadata/verification_certificate.md", "Metadata/notes.md"
    for path in (old, strange):
        (workspace.release / path).write_bytes(b"# Certificate\n")
    manifest = workspace.read(tables.MANIFEST)
    digest = hashlib.sha256(b"# Certificate\n").hexdigest()
    more = [manifest.iloc[0].to_dict() | {"path": old, "sha256": digest}]
    more += [manifest.iloc[0].to_dict() | {"path": strange, "sha256": "another"}]
    workspace.write(tables.MANIFEST, pd.concat([manifest, pd.DataFrame(more)], ignore_index=True))
    assert remove_superseded(workspace) == [old]
    with pytest.raises(WorkbenchError, match=r"Metadata/notes\.md: is of no kind that a release may hold; take it out"):
        seal_release(workspace)
    (workspace.release / strange).unlink()
    seal_release(workspace)
