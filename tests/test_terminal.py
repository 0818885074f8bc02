"""What headers and tables say reaches neither terminal nor log: hostile values through commands and rooms."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydicom.datadict import dictionary_VR, tag_for_keyword

from chorus_nb import deid, explore, mapping, tables
from chorus_nb.deid.preview import preview
from chorus_nb.errors import WorkbenchError
from chorus_nb.workbench.commands import main
from chorus_nb.workspace import Workspace
from tests.deid.small_run import NEVER, SmallSite
from tests.small_release import Accession, write_omop
from tests.test_guard import element, with_elements

MARK = "Zyxiaquell"
VALUES = (
    *(MARK, f"{MARK}^Ada", f"{MARK}\x1b[31m", f"{MARK}\nTraceback", f"{MARK}\r\n", f"../../{MARK}", f"/etc/{MARK}"),
    *(f"%s{MARK}%n", f"{{{MARK}}}", f"{{0}}{MARK}", f"${{{MARK}}}", f"$({MARK})", f"`{MARK}`", f"'{MARK}'", f'"{MARK}'),
    *(f"<b>{MARK}</b>", f"<script>{MARK}", f"={MARK}()", f"@{MARK}", f"+1 {MARK}", f"{MARK}\0x", f"{MARK}\u202e"),
    *(f"Ä{MARK}ß", f"{MARK}\udcff", f"{MARK}, {MARK}", f"{MARK}; drop table", f"!!python/object:{MARK}", f"{MARK}: {{"),
    *(f"[{MARK}", f"2024-13-45 {MARK}", f"1e400{MARK}", f"1.2.{MARK}", "x" * 5000 + MARK),
)
DESCRIBING = ("PatientName", "StudyTime", "PatientAge", "StudyID", "KVP", "ImageType", "AcquisitionDateTime")
DECIDING = (  # one of them alone decides what becomes of the file
    *("PatientID", "StudyDate", "Modality", "InstanceNumber", "SeriesInstanceUID", "SOPClassUID", "AccessionNumber"),
    *("SpecificCharacterSet", "NumberOfFrames", "PixelSpacing", "PhotometricInterpretation"),
)


def spoilt(keywords: tuple[str, ...], number: int, text: str) -> bytes:
    """An image, otherwise as it should be, whose elements hold ``text``."""
    value = text.encode("utf-8", "surrogateescape")
    value += b" " * (len(value) % 2)
    tags = [tag_for_keyword(keyword) or 0 for keyword in keywords]
    content = with_elements({tag: element(tag, dictionary_VR(tag)[:2].encode(), value) for tag in tags})
    own = ((b"MRN-0042-77 ", b"MRN-1       "), (b"A9988776", b"ACC-1   "))
    for before, after in (*own, (b"1.2.3.4.5.6\0", f"1.2.9.{100000 + number}".encode())):
        content = content.replace(before, after)
    return content.replace(b"1.2.3.4.5\0", f"1.2.8.{1000 + number}".encode())


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    made = SmallSite(tmp_path / "site")
    write_omop(made.folder / "omop", (Accession("MRN-1", "ACC-1", 1001, 501, -100, "2024-02-29 07:27:30"),))
    for number, text in enumerate(VALUES):
        keyword = (*DECIDING, *DESCRIBING)[number % (len(DECIDING) + len(DESCRIBING))]
        (made.dicom / f"{number}-{keyword}").write_bytes(spoilt((keyword,), number, text))
    for number, text in enumerate(VALUES[::4], len(VALUES)):
        (made.dicom / f"{number}-describing").write_bytes(spoilt(DESCRIBING, number, text))
    return made


def settings(site: SmallSite, workspace: Path) -> Path:
    """The parameter file of a site."""
    folders = {"source": site.dicom, "omop": site.folder / "omop", "lookup": site.folder / "lookup"}
    file = site.folder / "site.yaml"
    values = {"site": "odd", "workspace": str(workspace), **NEVER, **{n: str(path) for n, path in folders.items()}}
    file.write_text(yaml.safe_dump(values))
    return file


def commands(site: SmallSite, workspace: Workspace) -> None:
    assert main(["check", str(settings(site, workspace.root))]) == 0
    main(["audit", str(workspace.root)])


STEPS: tuple[Callable[[Workspace], object], ...] = (
    *(explore.scan, explore.profile, explore.link, explore.assess, mapping.make_plan, preview),
    *(deid.make_worklist, deid.deidentify),
)


def test_no_value_of_a_header_reaches_terminal_or_log(
    site: SmallSite,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    workspace = site.open()
    lines = list[str]()
    for step in STEPS:
        try:
            step(workspace)
        except WorkbenchError as told:  # what a notebook ends with: its lines go to the terminal
            lines += told.lines
    commands(site, workspace)
    outcomes = workspace.read(tables.OUTCOMES)
    assert outcomes.status.nunique() == 3 and sum(outcomes.status == "released") > len(VALUES) // 4
    said = {"terminal": "".join(capfd.readouterr()), "log": caplog.text, "lines": "\n".join(lines)}
    said |= {"warnings": " ".join(str(one.message) for one in recwarn), "reasons": " ".join(outcomes.detail)}
    assert "ok     source" in said["terminal"]
    assert [where for where, text in said.items() if MARK in text or "Traceback" in text] == []


def cells(site: SmallSite) -> list[tuple[Path, int]]:
    """Every column of the lookup and OMOP tables that is read as what it is, no mere text, as file and place."""
    files = sorted([*(site.folder / "lookup").glob("*.csv"), *(site.folder / "omop").glob("*.csv")])
    columns = [
        (file, *one) for file in files for one in enumerate(file.read_text(encoding="utf-8").split("\n")[0].split(","))
    ]
    return [(file, place) for file, place, name in columns if not name.endswith(("_value", "_concept_id"))]


def test_no_value_of_a_lookup_or_omop_table_reaches_terminal_or_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = SmallSite(tmp_path / "site")
    write_omop(site.folder / "omop", (Accession("MRN-1", "ACC-1", 1001, 501, -100, "2024-02-29 07:27:30"),))
    (site.dicom / "image").write_bytes(spoilt(DESCRIBING[:1], 0, "Ada"))
    workspace = site.open()
    explore.scan(workspace)
    ended, lines = list[int](), list[str]()
    for file, place in cells(site):
        before = file.read_bytes()
        head, *filled = csv.reader(before.decode().splitlines())
        first = filled[0] if filled else [""] * len(head)
        rows = [[*first[:place], text.encode("utf-8", "replace").decode(), *first[place + 1 :]] for text in VALUES]
        with file.open("w", newline="", encoding="utf-8") as sink:
            csv.writer(sink).writerows([head, first, *rows])
        ended.append(main(["check", str(settings(site, tmp_path / "workspace"))]))
        for step in (explore.link, deid.make_worklist)[: 2 if file.parent.name == "lookup" else 1]:
            try:
                step(workspace)
            except WorkbenchError as told:
                lines += told.lines
        file.write_bytes(before)
    said = {"terminal": "".join(capfd.readouterr()), "log": caplog.text, "lines": "\n".join(lines)}
    assert set(ended) == {0, 2} and lines
    assert [where for where, text in said.items() if MARK in text or "Traceback" in text] == []
