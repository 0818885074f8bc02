"""What index and reports say is what the tables hold: recomputed without the package; a planted false number is found.

``told.csv`` has a row for each table of a report: its caption, the columns that are compared, and the query over the
tables of the workspace that gives them again. The sentences of the answers and of the index are made again here.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.notebooks.finished_chain import ROOT, Chain

Told = dict[str, list[Any]]
"""What a page says: its sentences, and the rows of each table by the beginning of its caption."""
ROWS = list(csv.DictReader(Path(__file__).with_name("told.csv").read_text(encoding="utf-8").splitlines()))
REPORTS = ("01_explore_headers", "02_map_tags", "03_run_deid", "04_verify", "05_build_registry", "06_release")
INDEXES = ("local/reports/index.html", "audit/reports/index.html")
TABLE = re.compile(r"<caption>([^<]*)</caption><thead>(.*?)</thead><tbody>(.*?)</tbody>", re.S)
SENTENCE = re.compile(r"<(h1|p)(?: class=\"answer\")?>(.*?)</(?:h1|p)>", re.S)
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
        return {"sentences": [text_of(one) for one in said]}
    head = page.split("<main", 1)[0].split('<p class="guard')[0]
    told: Told = {"sentences": [text_of(found[2]) for found in SENTENCE.finditer(head) if found[1] == "p"]}
    tables = TABLE.findall(page)
    for row in ROWS:
        if row["notebook"] != name:
            continue
        [(_, heads, body)] = [found for found in tables if is_captioned(found[0], row["caption"])]
        places = [cells(heads).index(column) for column in row["columns"].split("|")]
        rows = [cells(line) for line in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)]
        told[row["caption"]] = sorted([plain(line[place]) for place in places] for line in rows)
    return told


def plain(cell: str) -> str:
    return cell.removeprefix("check: ").replace(",", "") if re.fullmatch(r"(check: )?[\d,]+", cell) else cell


class Tables:
    """The tables of a workspace, read by DuckDB alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.connection = root, duckdb.connect()
        for path in (*(root / "local").glob("*.*"), *(root / "release" / "Metadata").glob("*.csv")):
            if path.suffix == ".parquet":
                self.connection.execute(f"create view \"{path.stem}\" as select * from read_parquet('{path}')")
            elif path.suffix == ".csv":
                reader = f"read_csv('{path}', header = true, all_varchar = true)"
                self.connection.execute(f'create view "{path.stem}" as select * from {reader}')

    def rows(self, query: str) -> list[list[str]]:
        found = self.connection.execute(query).fetchall()
        return sorted(["" if cell is None else str(cell) for cell in row] for row in found)

    def n(self, query: str) -> str:
        return f"{int(self.connection.execute(f'select {query}').fetchone()[0] or 0):,}"  # type: ignore[index]

    def checks(self, table: str) -> str:
        """The sentence on the checks of a notebook."""
        rest = f"from {table} where \"check\" <> 'released_bytes'"
        passed, failed, idle = (
            self.n(f"count(*) {rest} and result = '{word}'") for word in ("pass", "fail", "not run")
        )
        was = "was" if idle == "1" else "were"
        return f"Of {self.n(f'count(*) {rest}')} checks {passed} passed, {failed} failed and {idle} {was} not run."


def files(count: str) -> str:
    return f"{count} {'file' if count == '1' else 'files'}"


def noun(count: str, word: str) -> str:
    return f"{count} {word if count == '1' else word + 's'}"


def recomputed(tables: Tables) -> dict[str, Told]:
    """What each page has to say."""
    n, of = tables.n, "from outcomes where status"
    status = {
        s: n(f"count(*) {of} = '{s}'") for s in ("released", "held_back", "quarantined", "duplicate", "not_dicom")
    }
    found, packed = n("count(*) from outcomes"), n("count(*) from manifest where delta <> 'removed'")
    delta = {d: n(f"count(*) from manifest where delta = '{d}'") for d in ("added", "modified", "removed", "unchanged")}
    size = tables.connection.execute("select sum(size::bigint) / 1e6 from manifest where delta <> 'removed'").fetchall()
    examined = n("sum(examined) from checks where \"check\" = 'readable'")
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
            f"YES, this release may leave the house: {examined} files passed every check that was run.",
            tables.checks("checks"),
        ],
        "05_build_registry": [
            f"{files(n('count(*) from image_registry'))} of "
            f"{noun(n('count(distinct person_id) from image_registry'), 'person')} and "
            f"{noun(n('count(distinct group_id) from image_registry'), 'accession')} stand in the image registry.",
            tables.checks("registry_checks"),
        ],
        "06_release": [
            f"{files(packed)}, {size[0][0]:,.1f} MB, are packed. Nobody has signed them off: nothing may leave yet.",
            f"Since the last delivery: {', '.join(f'{count} {name}' for name, count in delta.items())}. "
            f"{tables.checks('tree_checks')}",
        ],
    }
    made: dict[str, Told] = {name: {"sentences": said} for name, said in answers.items()}
    made["01_explore_headers"] = {"sentences": [explored(tables)]}
    for row in ROWS:
        made[row["notebook"]][row["caption"]] = tables.rows(row["query"])
    top = [
        "not yet The gate is open and the release is packed, but nobody has signed it.",
        f"{examined} files passed every check that was run.",
        f"{files(packed)} of the release, all new: nothing of it was delivered before.",
    ]
    counts = [found, *status.values()]
    made[INDEXES[0]] = {"sentences": [*top, *waiting(tables), *counts]}
    made[INDEXES[1]] = {"sentences": [*top, *counts]}
    return made


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
    urgent = ", ".join(f"{rule} ({count:,})" for rule, count in rules) or "nothing of high severity"
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
    return recomputed(Tables(chain.workspace.root))


def page_of(chain: Chain, name: str) -> str:
    reports = (chain.workspace.reports_local, chain.workspace.reports_audit)
    paths = [chain.workspace.root / name, *(folder / f"{name}.html" for folder in reports)]
    return next(path for path in paths if path.is_file()).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*REPORTS, *INDEXES])
def test_what_a_page_says_is_what_the_tables_hold(chain: Chain, expected: dict[str, Told], name: str) -> None:
    page = page_of(chain, name)
    told = told_by(name, page)
    assert {place: told.get(place) for place in expected[name]} == expected[name]


def compared(name: str, page: str) -> Iterator[tuple[int, int]]:
    """Where on a page the text stands that is compared."""
    guard, main = page.index('<p class="guard'), page.index("<main")
    yield from (
        found.span(2)
        for found in SENTENCE.finditer(page, page.index("<h1"), guard)
        if "index" in name or found[1] == "p"
    )
    if "index" in name:
        items = re.compile(r"<li>(?=<b>)(.*?)(?=<span)|<dd>(?:<a [^>]*>)?([\d,]+)<")
        yield from (found.span(found.lastindex or 0) for found in items.finditer(page, main))
    for row in (row for row in ROWS if row["notebook"] == name):
        [table] = [found for found in TABLE.finditer(page) if is_captioned(found[1], row["caption"])]
        places = [cells(table[2]).index(column) for column in row["columns"].split("|")]
        for line in re.compile(r"<tr[^>]*>.*?</tr>", re.S).finditer(page, *table.span(3)):
            spans = [found.span(1) for found in re.compile(r"<td[^>]*>(.*?)</td>", re.S).finditer(page, *line.span())]
            yield from (spans[place] for place in places)


@pytest.mark.parametrize("name", [*REPORTS, *INDEXES])
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
    assert untrue(name, lie, expected[name]) == ["sentences"]
