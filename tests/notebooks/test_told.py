"""What index and reports say is what the tables hold: recomputed without the package; a planted false number is found.

``told.csv`` has a row for each table of a report: its caption, the columns that are compared, and the query over the
tables of the workspace that gives them again. Sentences of answers, index, reports and certificate are made again here.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.asked_first import SOON_OTHER, headers_said, inputs_said
from tests.notebooks.certified import certificate_said, certificate_spans, certificate_told, text_in_pictures
from tests.notebooks.finished_chain import ROOT, Chain
from tests.notebooks.queried import WRITTEN, Tables, plain

Told = dict[str, list[Any]]
"""What a page says: its sentences, and the rows of each table by the beginning of its caption."""
ROWS = list(csv.DictReader(Path(__file__).with_name("told.csv").read_text(encoding="utf-8").splitlines()))
REPORTS = ("01_explore_headers", "02_map_tags", "03_run_deid", "04_verify", "05_build_registry", "06_release")
CERTIFICATE = "verification_certificate"
SAID = re.compile(r'<p class="say">(.*?)</p>')
INDEXES = ("local/reports/index.html", "audit/reports/index.html")
TABLE = re.compile(r"<caption>([^<]*)</caption><thead>(.*?)</thead><tbody>(.*?)</tbody>", re.S)
SENTENCE = re.compile(r"<(h1|p)(?: class=\"answer\")?>(.*?)</(?:h1|p)>", re.S)
STEP = re.compile(r"<tr>\s*<td>(\d*)</td>\s*<td>(.*?)<br>.*?</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>\s*</tr>", re.S)
HEADER = re.compile(r"One \w+ image: ")
INPUTS = {"caption": "The inputs and how they fit together", "columns": "input|found|rows|range|unreadable|says"}
PLANTED = 40  # numbers of a page that are falsified
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?![\w.]*\d)")


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", "", markup)).split())


def is_captioned(caption: str, begin: str) -> bool:
    """Whether a caption is, or begins with, these words."""
    return bool(re.match(rf"{re.escape(begin)}(?:[,;:]|$)", caption))


def cells(row: str) -> list[str]:
    return [text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]


def told_by(name: str, page: str) -> Told:
    """What a page says where it is recomputed; numbers without separators."""
    if name.endswith("index.html"):
        head, main = page.split("<main", 1)
        said = [found[2] for found in SENTENCE.finditer(head.split('<p class="guard')[0])]
        said += re.findall(r"<li>(<b>.*?)</li>", main) + re.findall(r"<dd>((?:<a [^>]*>)?[\d,]+)(?:</a>)?</dd>", main)
        steps = [[text_of(cell) for cell in found.groups()] for found in STEP.finditer(main)]
        return {"sentences": [text_of(one) for one in said], "steps": steps}
    if name == CERTIFICATE:
        return certificate_told(page)
    head = page.split("<main", 1)[0].split('<p class="guard')[0]
    told: Told = {"sentences": [text_of(found[2]) for found in SENTENCE.finditer(head) if found[1] == "p"]}
    told["said"] = [text_of(page[slice(*span)]) for span in said_spans(name, page)]
    for row in (*ROWS, {"notebook": name, "caption": "Written", "columns": "place|rows|bytes|blake3"}):
        if row["notebook"] == name:
            rows = [line for _, line in rows_of(page, row)]
            told[row["caption"]] = sorted([plain(text_of(cell)) for _, cell in line] for line in rows)
    told["Written"] = [line for line in told["Written"] if Path(line[0]).stem in WRITTEN[name]]
    if name == "01_explore_headers":
        told["inputs"] = sorted([plain(text_of(cell)) for _, cell in line] for line in inputs_of(page))
    if name == "02_map_tags":
        told["headers"] = [text_of(page[slice(*span)]) for span in header_spans(page)]
    return told


def inputs_of(page: str) -> Iterator[list[tuple[int, str]]]:
    """The rows of the inputs that are compared."""
    yield from (line for _, line in rows_of(page, INPUTS) if text_of(line[0][1]) not in SOON_OTHER)


def header_spans(page: str) -> Iterator[tuple[int, int]]:
    """Where 02 tells a header of each modality: its caption, and tag, before and after of each row."""
    for found in TABLE.finditer(page):
        if HEADER.match(caption := text_of(found[1])):
            yield found.span(1)
            for _, line in rows_of(page, {"caption": caption, "columns": "tag|before|after"}):
                yield from ((at, at + len(cell)) for at, cell in line)


def said_spans(name: str, page: str) -> list[tuple[int, int]]:
    """Where the sentences between the tables stand. Not compared: what 02 says of the words that lists know, which no
    table holds, and how many decisions would free what text holds back, which 04 works out from the boxes."""
    found = [] if name == "02_map_tags" else [found.span(1) for found in SAID.finditer(page)]
    partly = [page.find("; ", start, end) if "of these devices" in page[start:end] else end for start, end in found]
    return [(start, end) for (start, _), end in zip(found, partly, strict=True)]


def rows_of(page: str, row: dict[str, str]) -> list[tuple[int, list[tuple[int, str]]]]:
    """The rows of a table, each with its cells that are compared, with the place of each in the page.

    None where the page says that the table is empty, in one line.
    """
    tables = [found for found in TABLE.finditer(page) if is_captioned(text_of(found[1]), row["caption"])]
    if not tables:
        lines = [text_of(line) for line in re.findall(r'<p class="none">(.*?)</p>', page)]
        assert any(is_captioned(line, row["caption"]) and line.endswith(": none.") for line in lines), row["caption"]
        return []
    [table] = tables
    places = [cells(table[2]).index(column) for column in row["columns"].split("|")]
    made = []
    for line in re.compile(r"<tr[^>]*>.*?</tr>", re.S).finditer(page, *table.span(3)):
        found = list(re.compile(r"<td[^>]*>(.*?)</td>", re.S).finditer(page, *line.span()))
        made.append((line.start(), [(found[place].start(1), found[place][1]) for place in places]))
    return made


def files(count: str) -> str:
    return f"{count} {'file' if count == '1' else 'files'}"


def noun(count: str, word: str) -> str:
    return f"{count} {word if count == '1' else word + 's'}"


def recomputed(tables: Tables, source: Path) -> dict[str, Told]:
    """What each page has to say."""
    n, of = tables.n, "from outcomes where status"
    status = {
        s: n(f"count(*) {of} = '{s}'") for s in ("released", "held_back", "quarantined", "duplicate", "not_dicom")
    }
    found, packed = n("count(*) from outcomes"), n("count(*) from manifest where delta <> 'removed'")
    delta = {d: n(f"count(*) from manifest where delta = '{d}'") for d in ("added", "modified", "removed", "unchanged")}
    size = tables.connection.execute("select sum(size::bigint) / 1e6 from manifest where delta <> 'removed'").fetchall()
    examined = n("sum(examined) from checks where \"check\" = 'readable'")
    gate = f"The gate is open: {examined} files passed every check that was run."
    not_run = "\"check\" from checks where result = 'not run'"
    if lacking := [name.replace("_", " ") for (name,) in tables.connection.execute(f"select {not_run}").fetchall()]:
        gate += f" Not run: {', '.join(lacking)} (the reasons stand below)."  # where Tesseract is not installed
    then, now = "May the release leave? When this report was made:", "What the index says now."
    release, packed_said = (
        "06 Release and upload, and the signature of a person.",
        "The release is packed; it may leave",
    )
    packed_said += " once a person has signed it."
    answers: dict[str, list[str]] = {
        "02_map_tags": [
            f"{n(planned('K C S U shift lookup age script'))} of {n('count(*) from tag_plan')} tags of the plan have "
            "something in the release (kept, cleaned, shifted or replaced); "
            f"{n(planned('X Z D'))} are removed, emptied or replaced by a dummy.",
            f"{n('''count(*) from tag_plan where decided_by <> 'policy' ''')} were decided by a person. "
            f"{n('''count(*) from unknown_words where coalesce(decision, '') = '' ''')} words of descriptions would go "
            f"because no list knows them. {n('count(*) from linkage where image_occurrence_id is null')} of "
            f"{n('count(*) from linkage')} accessions lack a row in the lookup tables.",
        ],
        "03_run_deid": [
            f"Of {files(found)} found, {status['released']} {'is' if status['released'] == '1' else 'are'} released, "
            f"{status['held_back']} held back, {status['quarantined']} in quarantine, {status['duplicate']} duplicates "
            f"and {status['not_dicom']} not DICOM."
        ],
        "04_verify": [
            gate,
            tables.checks("checks"),
            f"{then} not yet. Still to come: 05 Build the registry, {release} {now}",
        ],
        "05_build_registry": [
            f"{files(n('count(*) from image_registry'))} of "
            f"{noun(n('count(distinct person_id) from image_registry'), 'person')} and "
            f"{noun(n('count(distinct group_id) from image_registry'), 'accession')} stand in the image registry.",
            tables.checks("registry_checks"),
            f"{then} not yet. Still to come: {release} {gate} {now}",
        ],
        "06_release": [
            f"{files(packed)}, {size[0][0]:,.1f} MB, are packed.",
            f"Since the last delivery: {', '.join(f'{count} {name}' for name, count in delta.items())}. "
            f"{tables.checks('tree_checks')}",
            f"{then} not yet. {packed_said} {gate} {now}",
        ],
    }
    made: dict[str, Told] = {name: {"sentences": said} for name, said in answers.items()}
    made["01_explore_headers"] = {"sentences": [explored(tables)]}
    for row in ROWS:
        made[row["notebook"]][row["caption"]] = tables.rows(row["query"])
    for name, said in said_between(tables).items():
        made[name] |= {"said": said, "Written": tables.written(name)}
    made[CERTIFICATE] = certificate_said(tables.connection, tables.root, gate, text_in_pictures(tables.connection))
    top = [
        f"not yet {packed_said}",
        gate,
        f"{files(packed)} of the release, all new: nothing of it was delivered before.",
    ]
    counts = [found, *status.values()]
    made["01_explore_headers"]["inputs"] = inputs_said(tables.connection)
    told = headers_said(tables.connection, source)
    made["02_map_tags"]["headers"] = [
        cell for caption, rows in told for cell in (caption, *(c for row in rows for c in row))
    ]
    steps = list(steps_said(tables.root))
    made[INDEXES[0]] = {"sentences": [*top, *waiting(tables), *counts], "steps": steps}
    of_audit = [row for row in steps if row[3] != "the site only" and row[1] != "Certificate"]
    made[INDEXES[1]] = {"sentences": [*top, *counts], "steps": of_audit}
    return made


def steps_said(root: Path) -> Iterator[list[str]]:
    """Number, title, result and readers of each report, from the notebooks and the audit log; what stands beside."""
    lines = [json.loads(line) for line in (root / "audit/audit.jsonl").read_text("utf-8").splitlines()]
    reports = {line["notebook"]: line for line in lines if line["event"] == "report"}
    for name in (*REPORTS, "selftest"):
        heading = (
            json.loads((ROOT / f"notebooks/{name}.ipynb").read_text("utf-8"))["cells"][0] if name in REPORTS else {}
        )
        title = "".join(heading["source"]).partition("\n")[0].lstrip("# 0123456789") if heading else "Self-test"
        report = reports.get(name, {"status": "not run", "report": ""})
        place = report["report"].partition("/")[0]
        readers = {"audit": "the consortium", "local": "the site only"}.get(place, "")
        yield [name[:2] if heading else "", title, report["status"], readers]
    if (root / "release/Metadata/verification_certificate.html").is_file():
        yield ["", "Certificate", "", "the consortium"]


def said_between(tables: Tables) -> dict[str, list[str]]:
    """The sentences between the tables of each report."""
    n = tables.n
    claim = text_in_pictures(tables.connection)
    later = ["Metadata/verification_certificate%", "Metadata/manifest.csv", "Metadata/IMAGING%", "Metadata/reports/%"]
    of_05 = "from seal where true" + "".join(f" and path not like 'release/{path}'" for path in later)
    changed = "from manifest where delta in ('added', 'modified')"
    manifest = (tables.root / "release" / "Metadata" / "manifest.csv").stat().st_size
    [[size]] = tables.connection.execute(f"select sum(size::bigint) {changed}").fetchall()
    for_text = "where reason in ('burned_in_text', 'burned_in_text_unchecked', 'filled_beside_text')"
    of_layouts = f"from image_verdicts {for_text}"
    devices = f"from image_verdicts where device in (select device {of_layouts})"
    waiting = n(f"count(*) from outcomes {for_text}")
    return {
        "01_explore_headers": [],
        "02_map_tags": [],
        "03_run_deid": ["The release holds no file yet.", f"Text in the released pictures: {claim}"],
        "04_verify": [
            claim,
            own_looks(n),
            f"{waiting} of {n(f'count(*) {devices}')} files of these devices wait for a look at their text",
        ],
        "05_build_registry": [f"Sealed: {n(f'count(*) {of_05}')} files, {n(f'sum(size) {of_05}')} bytes."],
        "06_release": [
            f"{n(f'count(*) + 1 {changed}')} files, {(size + manifest) / 1e6:,.1f} MB, would go: what is added or "
            "modified, a signature and the manifest.",
            "Packed only: upload_url is empty.",
        ],
    }


def own_looks(n: Callable[[str], str]) -> str:
    """What 04 says of its own look for faces."""
    agrees, disagrees, unsure, not_asked = (
        n(f"count(*) from face_looks where beside = '{word}'")
        for word in ("agrees", "disagrees", "unsure", "not_asked")
    )
    return (
        f"Of {n('count(*) from face_looks')} released volumes the own look agrees with 03 in {agrees}, sees a face "
        f"that 03 does not in {disagrees}, is not sure in {unsure}, could not be had in {not_asked} "
        "(03's word stands alone there); "
        f"{n('count(*) from face_looks where held')} of them are held back by 04."
    )


def planned(actions: str) -> str:
    return f"count(*) from tag_plan where list_contains({actions.split()}, action)"


def explored(tables: Tables) -> str:
    n, dicom = tables.n, "from catalog where status = 'dicom'"
    [[first, last]] = tables.rows(f"select left(min(acquired), 10), left(max(acquired), 10) {dicom} and acquired <> ''")
    rules = tables.connection.execute(
        "select rule, count(*) from quality_findings where severity = 'high' group by 1 order by 2 desc, 1"
    ).fetchall()
    linked = "from linkage where image_occurrence_id is not null and visit_occurrence_id is not null"
    accessions = int(n("count(*) from linkage"))
    names = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    distinct = {name: n(f"count(distinct nullif(trim({name}), '')) {dicom}") for name in names}
    fall = int(n(f"count(*) {linked}"))
    urgent = ", ".join(f"{rule.replace('_', ' ')} ({count:,})" for rule, count in rules) or "nothing of high severity"
    return (
        f"{n(f'count(*) {dicom}')} DICOM files ({n(f'round(sum(size) / 1e6) {dicom}')} MB) among "
        f"{n('count(*) from catalog')} files: {distinct['PatientID']} patients, {distinct['StudyInstanceUID']} "
        f"studies, {distinct['SeriesInstanceUID']} series from {first} to {last}. Of {accessions:,} accessions "
        f"{fall:,} fall in a visit; {accessions - fall:,} lack a patient, an accession or a visit to link to. "
        f"Needs attention first: {urgent}."
    )


def waiting(tables: Tables) -> Iterator[str]:
    """Who has to do what next."""
    told: list[str] = []
    package = ROOT / "chorus_nb" / "workbench" / "waiting.csv"
    of = "from outcomes where status in ('held_back', 'quarantined')"
    for row in csv.DictReader(package.read_text(encoding="utf-8").splitlines()):
        told += row["reasons"].split()
        count = tables.n(f"count(*) {of} and list_contains({row['reasons'].split()}, reason)")
        if count != "0" and row["what"]:
            yield f"{row['who']}: {files(count)} {row['what']}. {row['notebook'][:2]} {row['where']}"
    count = tables.n(f"count(*) {of} and not list_contains({told}, reason)")
    if count != "0":
        yield (
            f"the PACS team: {files(count)} with another fault: mend at the source what is wanted. "
            "03 What became of every file"
        )
    yield "the privacy officer: Nobody has signed the release that is packed now. 06 Sign-off"


def untrue(name: str, page: str, expected: Told) -> list[str]:
    """What a page says that the tables do not hold, or does not say that they hold."""
    told = told_by(name, page)
    return [place for place, said in expected.items() if told.get(place) != said]


@pytest.fixture(scope="module")
def expected(chain: Chain) -> dict[str, Told]:
    places = chain.workspace.parameters
    return recomputed(Tables(chain.ended, places.lookup_path), Path(places.source))


def page_of(chain: Chain, name: str) -> str:
    folders = ("local/reports", "audit/reports", "release/Metadata")
    paths = [chain.ended / name, *(chain.ended / folder / f"{name}.html" for folder in folders)]
    return next(path for path in paths if path.is_file()).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*REPORTS, *INDEXES, CERTIFICATE])
def test_what_a_page_says_is_what_the_tables_hold(chain: Chain, expected: dict[str, Told], name: str) -> None:
    page = page_of(chain, name)
    told = told_by(name, page)
    assert {place: told.get(place) for place in expected[name]} == expected[name]


def compared(name: str, page: str) -> Iterator[tuple[int, int]]:
    """Where on a page the text stands that is compared."""
    if name == CERTIFICATE:
        yield from (span for _, span in certificate_spans(page))
        return
    guard, main = page.index('<p class="guard'), page.index("<main")
    yield from (
        found.span(2)
        for found in SENTENCE.finditer(page, page.index("<h1"), guard)
        if "index" in name or found[1] == "p"
    )
    if "index" in name:
        items = re.compile(r"<li>(?=<b>)(.*?)(?=<span)|<dd>(?:<a [^>]*>)?([\d,]+)<")
        yield from (found.span(found.lastindex or 0) for found in items.finditer(page, main))
        yield from (found.span(1) for found in STEP.finditer(page, main))
    yield from said_spans(name, page)
    if name == "01_explore_headers":
        yield from ((at, at + len(cell)) for line in inputs_of(page) for at, cell in line)
    if name == "02_map_tags":
        yield from header_spans(page)
    for row in (row for row in ROWS if row["notebook"] == name):
        yield from ((at, at + len(cell)) for _, line in rows_of(page, row) for at, cell in line)


@pytest.mark.parametrize("name", [*REPORTS, *INDEXES, CERTIFICATE])
def test_a_false_number_or_sentence_is_found(chain: Chain, expected: dict[str, Told], name: str) -> None:
    """Numbers that are compared, one higher, one at a time; and a sentence too many."""
    page = page_of(chain, name)
    numbers = [found for span in compared(name, page) for found in NUMBER.finditer(page, *span)]
    assert len(numbers) >= 5
    missed = []
    for number in numbers[:: 1 + len(numbers) // PLANTED]:
        false = f"{int(number[0].replace(',', '')) + 1:,}"
        if not untrue(name, page[: number.start()] + false + page[number.end() :], expected[name]):
            missed.append(page[number.start() - 40 : number.end() + 40])
    assert missed == []
    lie = page.replace('<p class="guard', '<p>All of it was looked at.</p>\n<p class="guard', 1)
    lie = lie.replace("<h2>Policy</h2>", "<p>All of it was looked at.</p><h2>Policy</h2>", 1)
    assert untrue(name, lie, expected[name]) == ["sentences"]


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize(
    ("true", "false"),
    [
        ('<span class="badge passed">passed</span></td>', '<span class="badge failed">failed</span></td>'),
        ('<span class="badge not run">not run</span></td>', '<span class="badge passed">passed</span></td>'),
        ("<td>the consortium</td>", "<td>the site only</td>"),
        (">Run de-identification</a>", ">Verify</a>"),
    ],
)
def test_a_false_word_about_a_step_or_the_self_test_is_found(
    chain: Chain, expected: dict[str, Told], name: str, true: str, false: str
) -> None:
    page = page_of(chain, name)
    assert true in page
    assert untrue(name, page.replace(true, false, 1), expected[name]) == ["steps"]
