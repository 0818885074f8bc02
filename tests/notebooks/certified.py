"""What the certificate has to say, made again from the tables by SQL; only words for codes are the package's own."""

from __future__ import annotations

import csv
import html
import math
import re
from pathlib import Path
from typing import Any

import duckdb
from blake3 import blake3

from chorus_nb.layout import MADE_LAST
from chorus_nb.verify.sentences import DONE_TO_ELEMENTS, EXAMINED, WHAT_BECAME_OF_FACES
from tests.notebooks.finished_chain import ROOT

VERIFY = ROOT / "chorus_nb" / "verify"
OPTED_IN = ("keep_safe_private", "deface")  # by the parameters of the chain, all of them defaults
FOUND_BY_DETECTOR = 0.96
PLAN_DIGEST = re.compile(r" \(BLAKE3 [0-9a-f]{64}\)")
TABLE = re.compile(r"<h2>([^<]*)</h2>\s*(?:<p>[^<]*</p>\s*)?<table>.*?<tbody>(.*?)</tbody>", re.S)
SENTENCE = re.compile(r"<p>(.*?)</p>", re.S)
ALL_CHECKS = f"({' union all by name '.join(f'select * from {of}checks' for of in ('', 'registry_', 'tree_'))})"
COMPARED = {"Checks": (0, 1, 2, 3, 4, 5, 6), "Safe Harbor, 45 CFR 164.514(b)(2)": (0, 3)}
"""Of the tables the columns that are compared."""


def certificate_spans(page: str) -> list[tuple[str, tuple[int, int]]]:
    """Where on the page each sentence and cell stands that is compared, with the name of its part."""
    until = page.index("<h2>To be filled in")
    spans = [("sentences", found.span(1)) for found in SENTENCE.finditer(page, 0, until)]
    for table in TABLE.finditer(page, 0, until):
        for row in re.compile(r"<tr>.*?</tr>", re.S).finditer(page, *table.span(2)):
            cells = [found.span(1) for found in re.compile(r"<td>(.*?)</td>", re.S).finditer(page, *row.span())]
            spans += [(html.unescape(table[1]), cells[place]) for place in COMPARED[html.unescape(table[1])]]
    return spans


def certificate_told(page: str) -> dict[str, list[Any]]:
    """The sentences and cells of the certificate."""
    told: dict[str, list[Any]] = {}
    for part, span in certificate_spans(page):
        text = PLAN_DIGEST.sub("", " ".join(html.unescape(page[slice(*span)]).split()))
        told.setdefault(part, []).append(text if part == "sentences" else text.replace(",", ""))
    return told


def certificate_said(connection: duckdb.DuckDBPyConnection, root: Path, gate: str, claim: str) -> dict[str, list[Any]]:
    """The same from the tables; ``gate``: what 04 says, ``claim``: how pictures were looked at for text."""

    def all_of(query: str) -> list[Any]:
        return connection.execute(query).fetchall()

    def counted(column: str, rest: str, shown: str = "{n:,} {code}") -> list[str]:
        found = all_of(f"select {column}, count(*) {rest} group by 1 order by 1")
        return [shown.format(n=n, code=code.replace("_", " ").replace("dicom", "DICOM")) for code, n in found]

    released = "from outcomes where status = 'released'"
    [[files, persons, accessions, series]] = all_of(
        "select count(*), count(distinct split_part(target_path, '/', 1)), count(distinct split_part(target_path, '/', "
        f"4)), count(distinct split_part(target_path, '/', 5)) {released}"
    )
    stay = all_of(
        "select count(*), any_value(coalesce(meaning, words(o.reason))) from outcomes o left join reasons r "
        "using (reason) where status <> 'released' group by o.reason order by o.reason"
    )
    [[high, medium]] = all_of(
        "select count(*) filter (severity = 'high'), count(*) filter (severity = 'medium') from verification "
        "where not held"
    )
    checks = all_of(
        f"""select question, result, if(result = 'not run', detail, ''), examined, findings, coalesce(held, 0), "check"
        from {ALL_CHECKS} where "check" <> 'released_bytes'"""
    )
    idle = [f"{row[6].replace('_', ' ')}: {row[2]}" for row in checks if row[1] == "not run"]
    passed = f"{sum(row[1] == 'pass' for row in checks)} of {len(checks)} checks passed"
    was = f", {len(idle)} {'was' if len(idle) == 1 else 'were'} not run ({'; '.join(idle)})" if idle else ""
    says = {row["parameter"]: row["says"] for row in csv.DictReader((VERIFY / "opted_in.csv").open(encoding="utf-8"))}
    actions = dict(
        all_of(
            "select action, count(*) from tag_plan where tag not like '(0002,%' and tag not like '(FFFC,%' group by 1"
        )
    )
    done = [f"{actions[code]:,} {words}" for code, words in DONE_TO_ELEMENTS.items() if code in actions]
    sentences = [
        gate,
        "This release may leave once a person has signed exactly these bytes. This certificate is part of what is "
        "signed and cannot say whether somebody has: chorus-nb audit --public does.",
        f"{passed}{was}.",
        f"{files:,} files ({', '.join(counted('modality', released))}) of {persons:,} persons, {accessions:,} "
        f"accessions and {series:,} series are in the release. Each was read again beside its original.",
        f"Found in the source: {all_of('select count(*) from outcomes')[0][0]:,} files; "
        f"{', '.join(counted('status', 'from outcomes'))}.",
        f"Why files stay at the site: {'; '.join(f'{n:,} ({why})' for n, why in stay)}.",
        f"What was released has {high:,} findings of high and {medium:,} of medium severity.",
        f"All files but this certificate and the manifest (BLAKE3): {digest_of_all(root / 'release')}",
        "Policy: chorus.",
        "Date shift code: 4.",
        f"The plan has {sum(actions.values()):,} rows, one for each element of each kind of image (not counted is "
        f"how a file is written, which is made anew): {', '.join(done)}.",
        f"The site chose: {'; '.join(says[name].format(value='flag') for name in OPTED_IN)}.",
        "No person decided that something more may leave.",
        f"{claim} {second_look(all_of)}",
        faces(all_of),
        searched(all_of),
        EXAMINED,
    ]
    results = {row[6]: row[1] for row in checks}
    lines = (VERIFY / "safe_harbor.csv").read_text("utf-8").splitlines()
    items = csv.DictReader(line for line in lines if not line.startswith("#"))
    proofs = [
        (row["item"], " ".join(f"{name.replace('_', ' ')} {results[name]}" for name in row["checks"].split()))
        for row in items
    ]
    return {
        "sentences": sentences,
        "Checks": [str(cell).replace(",", "") for row in checks for cell in (row[6].replace("_", " "), *row[:6])],
        "Safe Harbor, 45 CFR 164.514(b)(2)": [cell for row in proofs for cell in row],
    }


def digest_of_all(release: Path) -> str:
    """BLAKE3 over path and digest of every file but those made last."""
    made = blake3()
    paths = sorted(path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file())
    for path in (path for path in paths if path not in MADE_LAST):
        made.update(f"{path}\0{blake3((release / path).read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()


def second_look(all_of: Any) -> str:
    [[redacted]] = all_of("select count(*) from outcomes where status = 'released' and boxes <> ''")
    [[result, examined, why]] = all_of("""select result, examined, detail from checks where "check" = 'second_look'""")
    painted = f"In {redacted:,} of the released pictures text was painted over."
    if result == "not run":
        return f"{painted} No second reader looked: {why}."
    return f"{painted} A second reader, Tesseract, looked at {examined:,} released pictures."


def searched(all_of: Any) -> str:
    """What 06 looked for, and in how much."""
    rows = all_of("select part, files, bytes, terms, page_words from searched_parts")
    told = (f"{files:,} {'file' if files == 1 else 'files'}, {size:,} bytes of text" for _, files, size, _, _ in rows)
    read = "; ".join(f"{part[0]}: {said}" for part, said in zip(rows, told, strict=True))
    return (
        f"{rows[0][3]:,} identifiers and names of the source and the lookup tables were searched for in every file "
        f"that is no image ({read}), and in the audit log and its reports. {rows[0][4]:,} of them are words that the "
        "pages, the site or the Standard say themselves: they prove nothing alone, but do beside another part of the "
        "name."
    )


def faces(all_of: Any) -> str:
    """What became of the faces of the released volumes."""
    found = all_of(
        """select coalesce(v.status, 'not_asked'), count(distinct SeriesInstanceUID), count(*)
        from outcomes o join catalog c using (source_path)
        left join face_verdicts v on v.series_uid = c.SeriesInstanceUID
        where o.status = 'released' and (v.status is not null or c.Modality in ('CT', 'MR', 'PT')) group by 1"""
    )
    if not found:
        return "No released series is a volume that could show a face."
    by_code = {code: f"{series:,} ({files:,} files) {WHAT_BECAME_OF_FACES[code]}" for code, series, files in found}
    said = "; ".join(by_code[code] for code in WHAT_BECAME_OF_FACES if code in by_code)
    [[left]] = all_of(
        """select count(distinct file) from verification where "check" = 'faces' and severity = 'medium' and not held"""
    )
    asked = f" In {left:,} series 04 found something that a person should look at." if left else ""
    return f"Of {sum(row[1] for row in found):,} series that could show a face, {said}.{asked}"


def text_in_pictures(connection: duckdb.DuckDBPyConnection) -> str:
    """How the released pictures were looked at for text, with the bound of what may hold some at 95 % confidence."""
    connection.execute(
        """create or replace temp view looked as select v.*, o.status = 'released' as out,
        v.checked = 'looked' as "read", v.verdict <> 'clean' as told,
        v.checked in ('looked', 'sampled') and v."group" in (select i."group" from image_verdicts i
        join outcomes u using (source_path) where u.status = 'released' and i.checked = 'sampled') as part
        from image_verdicts v join outcomes o using (source_path)"""
    )
    [[read, groups, drawn, told, decided, never, unread]] = connection.execute(
        """select count(*) filter (out and "read" and not part), count(*) filter (part and (out or told)),
        count(*) filter (part and "read" and (out or told)), count(*) filter (part and "read" and told),
        count(*) filter (out and checked = 'decided'), count(*) filter (out and checked not in ('looked', 'sampled',
        'decided')), count(*) filter (out and checked = 'sampled') from looked"""
    ).fetchall()
    parts = [f"{read:,} pictures were read"]
    if groups:
        [[pictures, found, found_drawn, share]] = connection.execute(
            """with population as (
                select * from looked where risk in ('possible', 'unlikely') and checked in ('looked', 'sampled')
            ), shares as (select avg((drawn = 1)::int) share from population group by "group")
            select count(*), count(*) filter ("read" and told), count(*) filter ("read" and told and drawn = 1),
            (select min(share) from shares) from population"""
        ).fetchall()
        chance = share * FOUND_BY_DETECTOR
        most = max(n for n in range(found_drawn, pictures + 1) if at_most(found_drawn, n, chance) > 0.05 + 1e-9)
        hidden = min(unread, max(0, most - found))
        parts.append(
            f"{groups:,} are in groups of which {drawn:,} were read and {told:,} held text that may identify; "
            f"at 95 % confidence fewer than {hidden + 1:,} of {groups:,} hold text that was not seen"
            f", where the detector finds {100 * FOUND_BY_DETECTOR:.0f} % of it, as elsewhere"
        )
    parts += [f"{decided:,} were decided by a person"] if decided else []
    parts += [f"at {never:,} nobody looked"] if never else []
    return "; ".join(parts) + "."


def at_most(successes: int, trials: int, chance: float) -> float:
    ways = (math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(min(successes, trials) + 1))
    return sum(ways)
