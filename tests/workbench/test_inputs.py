"""``chorus-nb check``: a line for every input, in seconds; an exit code that says whether a run may start."""

from __future__ import annotations

import csv
import itertools
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pytest
import yaml

from chorus_nb import explore, tables
from chorus_nb.errors import InputError
from chorus_nb.explore import summary
from chorus_nb.figures.explore import at_a_glance
from chorus_nb.parameters import Parameters
from chorus_nb.release import destination
from chorus_nb.source import Identity, Source, SourceFile
from chorus_nb.workbench import check, inputs, source_sample
from chorus_nb.workbench.check import check_inputs
from chorus_nb.workbench.commands import main
from chorus_nb.workspace import Workspace


@pytest.fixture
def site(demo_site: Path, tmp_path: Path) -> Path:
    """A copy of the tiny demo site, to be spoilt."""
    return Path(shutil.copytree(demo_site, tmp_path / "site"))


def parameter_file(site: Path, **changed: object) -> Path:
    values = {
        name: str(site / folder) for name, folder in (("source", "dicom"), ("omop", "omop"), ("lookup", "lookup"))
    }
    path = site / "site.yaml"
    path.write_text(yaml.safe_dump({**values, "site": "tiny", "workspace": str(site / "workspace"), **changed}))
    return path


def checked(site: Path, capsys: pytest.CaptureFixture[str], **changed: object) -> tuple[int, list[str]]:
    code = main(["check", str(parameter_file(site, **changed))])
    said = capsys.readouterr()
    assert said.err == "" and not (site / "workspace").exists()
    identifiers = {row[0] for row in csv.reader((site / "lookup/Personal_map.csv").open())} - {"PatientID"}
    assert identifiers and not [one for one in identifiers if one in said.out]
    return code, said.out.splitlines()


def test_every_input_has_its_line_and_nothing_is_written(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = checked(site, capsys)
    assert (code, lines[-1]) == (0, "a run can start")
    marks, names = zip(*(re.split(r" {2,}", line)[:2] for line in lines[:-1]), strict=True)
    assert (set(marks[:-1]), marks[-1]) == ({"ok"}, "-")
    assert list(names) == [
        *("source", "omop person", "omop visit_occurrence", "omop procedure_occurrence"),
        *("lookup Personal_map", "lookup Image_map", "policy", "decisions", "key", "workspace"),
        *("extras", "chorus-upload"),
    ]
    rows = len((site / "omop/visit_occurrence.csv").read_text().splitlines()) - 1
    assert f"CSV, commas, UTF-8; {rows} rows; 2017-06-09 to 2021-07-25; persons: 4 of 4 in person" in lines[2]


def spoilt(path: str, content: bytes | None) -> Callable[[Path], None]:
    return lambda site: (site / path).write_bytes(content) if content is not None else (site / path).unlink()  # type: ignore[func-returns-value]


HEADER = b"person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n"
FAULTS: dict[str, tuple[Callable[[Path], None], dict[str, object], str, str]] = {
    "absent": (spoilt("omop/person.csv", None), {}, "omop person", "omop: person is not there (found "),
    "empty": (spoilt("omop/person.csv", HEADER), {}, "omop person", "omop: person is there and holds no row"),
    "unreadable": (spoilt("omop/person.csv", b""), {}, "omop person", "omop: person.csv is not a readable CSV table"),
    "no table": (spoilt("lookup/Image_map.csv", None), {}, "lookup Image_map", "lookup: Image_map.csv not found in "),
    "no header": (spoilt("lookup/Image_map.csv", b"a\n"), {}, "lookup Image_map", "Image_map.csv: columns not found"),
    "no source": (lambda site: None, {"source": "/nowhere"}, "source", "source: folder not found: /nowhere"),
    "no omop": (lambda site: None, {"omop": "/nowhere"}, "omop", "omop: folder not found: /nowhere"),
    "no database": (
        lambda site: None,
        {"omop": "env:NOWHERE_SET"},
        "omop",
        "omop: environment variable NOWHERE_SET is",
    ),
    "no lookup": (lambda site: None, {"lookup": "/nowhere"}, "lookup", "lookup: folder not found: /nowhere"),
    "no script": (lambda site: None, {"policy": "/nowhere.script"}, "", "policy: must be chorus, ps3.15 or the path"),
    "bad script": (
        spoilt("p.script", b"<x>"),
        {"policy": "SITE/p.script"},
        "policy",
        "p.script line 1: not well-formed",
    ),
    "bad key": (spoilt("key", b"no key"), {"key_file": "SITE/key"}, "key", "key_file: "),
    "not set": (lambda site: None, {"omop": ""}, "", "not set: omop; "),
    "decision": (
        spoilt("known_words.csv", b"x\n"),
        {"decisions": "SITE"},
        "decisions known_words",
        "known_words.csv, row 1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keeps_a_run_from_starting_is_one_line(site: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    spoil, changed, name, says = FAULTS[fault]
    spoil(site)
    code, lines = checked(
        site, capsys, **{key: str(value).replace("SITE", str(site)) for key, value in changed.items()}
    )
    assert (code, lines[-1]) == (2, "a run cannot start: mend what is at fault")
    marked = [line[7:] for line in lines if line.startswith("FAULT")]
    assert [line[: len(name)] for line in marked] == [name], "one fault, said once"
    assert len([line for line in lines if line[7:].startswith(says)]) == 1


@pytest.mark.parametrize(
    "table", [one for one in tables.TABLES.values() if one.kept == "decisions"], ids=lambda one: one.name
)
def test_every_list_of_decisions_is_read(site: Path, capsys: pytest.CaptureFixture[str], table: tables.Table) -> None:
    (site / f"{table.name}.csv").write_text("x\ny\n")
    code, lines = checked(site, capsys, decisions=str(site))
    assert code == 2 and [line.split()[1:3] for line in lines if line.startswith("FAULT")] == [
        ["decisions", table.name]
    ]
    assert any(f"{table.name}.csv" in line for line in lines if line.startswith("    ")), "what is wrong with it"


def test_a_lookup_table_is_read_though_the_other_is_not_there(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was called ok unread, and its fault came a run later."""
    (site / "lookup/Image_map.csv").unlink()
    assert [line[:5] for line in checked(site, capsys)[1] if "lookup Personal_map" in line] == ["ok   "]
    (site / "lookup/Personal_map.csv").write_text("PatientID,b\nQX-1,1\n")
    code, lines = checked(site, capsys)
    assert (code, [line[:5] for line in lines if "  lookup " in line]) == (2, ["FAULT", "FAULT"])
    assert len([line for line in lines if "Image_map.csv not found" in line]) == 1
    assert len([line for line in lines if "Personal_map.csv: columns not found" in line]) == 1


def test_a_workspace_that_cannot_be_written_keeps_a_run_from_starting(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs.os, "access", lambda *_: False)
    code, lines = checked(site, capsys)
    assert (code, [line for line in lines if "workspace: cannot be written" in line] != []) == (2, True)


def test_a_run_is_refused_by_the_same_lines(site: Path) -> None:
    (site / "omop/person.csv").unlink()
    (site / "lookup/Image_map.csv").write_text("a\n")
    workspace = Workspace(Parameters.read(parameter_file(site)))
    with pytest.raises(InputError) as refused:
        check_inputs(workspace)
    assert list(refused.value.lines) == inputs.faults_of(inputs.run_inputs(workspace))
    assert len(refused.value.lines) == 2


def test_identifiers_that_a_spreadsheet_changed_are_told(site: Path) -> None:
    person_map = site / "lookup/Personal_map.csv"
    rows = list(csv.reader(person_map.open()))
    for name in ("Personal_map.csv", "Image_map.csv"):
        text = (site / "lookup" / name).read_text()
        for patient, *_ in rows[1:]:
            text = text.replace(f"{patient},", f"00{patient},")
        (site / "lookup" / name).write_text(text)
    state = inputs.run_inputs(Workspace(Parameters.read(parameter_file(site))))
    persons = next(one for one in state if one.input == "lookup Personal_map")
    assert persons.fits.startswith("patients of the files opened: NONE of 5 mapped (4 differ only in leading zeros, ")
    assert list(inputs.inputs_table(state)["input"][inputs.needs_a_look(state)])[:1] == ["lookup Personal_map"]


class Endless(Source):
    """A source of files without end, of which every seventh cannot be read."""

    def find(self) -> Iterator[SourceFile]:
        return (SourceFile(f"{number}", 1, 1, "" if number % 7 else "unreadable") for number in itertools.count())

    def open(self, source_path: str) -> AbstractContextManager[BinaryIO]:
        raise OSError

    def identity(self, source_path: str) -> Identity:
        return Identity(1, 1)

    def reachable(self) -> bool:
        return True

    def mark(self) -> str:
        return ""


def test_a_source_without_end_is_looked_at_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        source_sample, "_header", lambda _, file: ("A", "1", "20200101") if int(file.source_path) % 3 else None
    )
    seen = source_sample.sample_source(Endless())
    assert (seen.files, seen.more, seen.opened) == (source_sample.MOST_COUNTED, True, source_sample.MOST_OPENED)
    assert 0 < seen.dicom < seen.opened and seen.problems == -(-seen.files // 7)
    assert seen.pairs.to_numpy().tolist() == [["A", "1"]] and seen.years == ("2020", "2020")


def test_a_run_starts_once_a_few_files_were_looked_at(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """01 tells the rest; that there is any DICOM is known before."""
    seen = []
    monkeypatch.setattr(check, "run_inputs", lambda *asked: seen.extend(inputs.run_inputs(*asked)) or seen)
    check_inputs(Workspace(Parameters.read(parameter_file(site))))
    assert seen[0].found == f"more than {source_sample.TO_START} files"


def test_the_one_dicom_file_among_many_others_is_found(tmp_path: Path, demo_site: Path) -> None:
    for number in range(2 * source_sample.MOST_OPENED):
        (tmp_path / f"{number:04}.txt").write_text("no image")
    image = next(path for path in sorted((demo_site / "dicom").rglob("*.dcm")))
    shutil.copy(image, tmp_path / "0008x.dcm")
    source = Parameters(source=str(tmp_path)).open_source()
    assert source_sample.sample_source(source).dicom == 1
    assert source_sample.sample_source(source, source_sample.TO_START).dicom == 1


@pytest.mark.parametrize("start", [b"", bytes(128) + b"DICM", b"\x08\0\5\0CS\0\0"])
def test_a_file_full_of_zeros_costs_no_time(tmp_path: Path, demo_site: Path, start: bytes) -> None:
    """As a disk that failed leaves them: read as elements of no length, they take a minute for 200 MB."""
    (tmp_path / "0.dcm").write_bytes(start + bytes(1 << 25))
    shutil.copy(next(path for path in sorted((demo_site / "dicom").rglob("*.dcm"))), tmp_path / "1.dcm")
    begun = time.process_time()
    assert source_sample.sample_source(Parameters(source=str(tmp_path)).open_source()).opened == 2
    assert time.process_time() - begun < 2


def test_headers_are_explored_without_omop_and_lookup_tables(workspace: Workspace) -> None:
    explore.scan(workspace)
    explore.profile(workspace)
    assert len(explore.link(workspace)) > 0 and workspace.has(tables.LINKAGE)
    values: dict[str, Any] = {**workspace.parameters.model_dump(), "omop": "", "lookup": ""}
    alone = Workspace(Parameters.of(values))
    linkage, findings = explore.link(alone), explore.assess(alone)
    assert linkage.empty and not alone.has(tables.LINKAGE), "an older one would be taken for this one's"
    said = summary.in_words(alone, findings, linkage)
    assert "Nothing was linked, for omop and lookup are not set: they tell which accessions" in said
    assert summary.links(linkage).empty and summary.not_linked(linkage).empty and explore.absent(alone).empty
    at_a_glance(summary.counts(alone, "Modality"), summary.links(linkage), summary.by_rule(findings))
    notes = [one.fits for one in inputs.run_inputs(alone) if one.input in ("omop", "lookup")]
    assert all(note.startswith("with it 01 says which ") for note in notes) and len(notes) == 2
    assert isinstance(inputs.inputs_table(inputs.run_inputs(alone)), pd.DataFrame)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("", None),
        ("{folder}/there", "ok     upload_url                 a folder of this machine"),
        ("ftp://host/x", "look   upload_url                 ftp is no kind of address that is known"),
        (
            "s3://site",
            "look   upload_url                 the destination cannot be used: nothing answers there. To do: ",
        ),
    ],
)
def test_the_destination_is_tried_and_keeps_no_run_from_starting(
    site: Path, tmp_path: Path, url: str, line: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def refused(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(destination, "_opened", refused if url == "s3://site" else destination._opened)
    code, lines = checked(site, capsys, upload_url=url.format(folder=tmp_path))
    [*said] = [one for one in lines if "upload_url" in one]
    assert code == 0 and not (tmp_path / "there").exists()
    assert len(said) == (line is not None) and all(one.startswith(str(line)) for one in said)
