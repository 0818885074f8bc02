"""Identifiers planted into technical descriptions: a grammar of where, between which signs and in which form.

``names.csv`` (a name that no list knows, one of two letters, one that is a word, one that is a word of anatomy),
``frames.csv`` (what stands beside a name; ``weak`` may mean something else), ``months.csv``, ``forms.csv`` (ages,
telephones, rooms, plates, numbers, addresses of machines, and days that are no three parts). Nobody looked at what the
cleaner or the verifier does when the tables were written.
"""

from __future__ import annotations

import csv
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

BESIDE = (
    *(
        " ",
        "  ",
        ": ",
        ":",
        " : ",
        " - ",
        "-",
        " – ",
        "–",
        " — ",
        "_",
        " _ ",
        "/",
        " / ",
        "; ",
        ", ",
        ",",
        " = ",
        "=",
        " | ",
    ),
    *("|", " (", " [", " # ", "#", " * ", "*", "^", ". ", " > ", "~", ' "', "\t"),
)
WITHIN = (
    *(
        " ",
        "-",
        "/",
        ".",
        "_",
        ", ",
        " - ",
        "–",
        " / ",
        ". ",
        "__",
        "  ",
        " _ ",
        "^",
        "=",
        "~",
        "|",
        "; ",
        ": ",
        ":",
        " (",
        "#",
    ),
)
AROUND = (" ", "  ", " - ", ", ", "; ", "_", " / ", ". ", " | ", " (", " [", "^")
CLOSED = {"(": ")", "[": "]", '"': '"'}
PARTICLES = frozenset(("von", "der", "de", "la", "le", "dos", "mc", "el"))
SAID = {"neunzigjährige", "dreiundneunzigjährig", "vierundneunzig", "ninety", "hundred", "noventa", "treize"}


class Planted(NamedTuple):
    """A text with an identifier in it. ``gone`` are the words and numbers that tell; ``base`` is what it was."""

    kind: str
    text: str
    gone: tuple[str, ...]
    base: str
    cue: str


@cache
def table(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return re.findall(r"\d+|[^\W\d_]+", unicodedata.normalize("NFC", text).casefold())


def left(planted: Planted, cleaned: str) -> list[str]:
    """What tells and is still there, though the description and the words beside a name may say the same."""
    there = Counter(words(cleaned))
    there.subtract(words(f"{planted.base} {planted.cue} 90+ years"))
    return [word for word in planted.gone if there[word] > 0]


def _name(draw: random.Random) -> tuple[str, str, list[str]]:
    row, frame = draw.choice(table("names")), draw.choice(table("frames"))
    family, given, cue = row["family"], row["given"], frame["words"]
    forms = [family, family, family.upper(), f"{given} {family}", f"{family}, {given}", f"{family} {given}"]
    forms += [f"{given[0]}. {family}", f"{family} {given[0]}.", f"{family}^{given}", f"{given[0]}.{family}"]
    forms += [f"{family}, {given[0]}", f"{given} {family}".upper(), f"{given}_{family}", f"{given[0]} {family}"]
    forms += [family.lower()] if row["kind"] == "unknown" else []
    written = draw.choice(forms)
    cue = draw.choice([cue, cue, cue.upper()]) if len(cue) > 3 else cue
    sign = draw.choice(BESIDE)
    close = CLOSED.get(sign.strip(), "")
    text = f"{cue}{sign}{written}{close}" if frame["place"] == "before" else f"{written}{sign}{cue}{close}"
    gone = [word for word in words(written) if len(word) > 1 and word not in PARTICLES - {family.casefold()}]
    return f"name, {row['kind']}, {frame['strength']} {frame['place']}", text, gone


def _day(draw: random.Random) -> tuple[str, str]:
    year, month, day = draw.randint(1931, 2024), draw.randint(1, 12), draw.randint(1, 28)
    short = draw.random() < 0.4
    first, second = draw.choice(WITHIN), draw.choice(WITHIN)
    second = first if draw.random() < 0.7 else second
    if draw.random() < 0.4:
        years = f"{year % 100:02d}" if short else str(year)
        zeros = draw.choice(["", "02"])
        one, other = f"{month:{zeros}}", f"{day:{zeros}}"
        order = draw.choice([(other, one, years), (one, other, years), (years, one, other)])
        return f"date, numbers, {len(years)}", f"{order[0]}{first}{order[1]}{second}{order[2]}"
    row = draw.choice(table("months"))
    name = draw.choice(row["names"].split())
    name = draw.choice([name, name.upper(), name.lower()])
    years = draw.choice(["'", "’"]) + f"{year % 100:02d}" if short else str(year)
    number = draw.choice([str(day), f"{day:02d}"])
    if row["language"] in ("es", "pt") and draw.random() < 0.3:
        first = second = " de "
    order = draw.choice([(number, name, years), (name, number, years), (years, name, number)])
    return "date, named", f"{order[0]}{first}{order[1]}{second}{order[2]}"


def _form(draw: random.Random) -> tuple[str, str]:
    row = draw.choice(table("forms"))
    year = draw.randint(1931, 2024)
    kind = row["kind"]
    return kind, row["form"].format(
        n=draw.randint(90, 109) if kind == "age" else draw.randint(201, 365),
        d=f"{draw.randint(1, 28):02d}" if kind == "date" else draw.randint(1000101, 9998999),
        s=draw.randint(10101, 99899), b=draw.randint(18, 33), a=draw.choice([617, 312, 415]),
        p=draw.choice([555, 486, 274]), q=f"{draw.randint(1, 9987):04d}", y=year, yy=f"{year % 100:02d}",
        m=f"{draw.randint(1, 12):02d}", w=draw.randint(10, 52), k=draw.randint(1, 7), v=draw.randint(1, 4),
    )  # fmt: skip


def plant(seed: int, count: int, bases: list[str]) -> Iterator[Planted]:
    """So many texts with an identifier each, of this seed."""
    draw = random.Random(seed)
    for _ in range(count):
        kind, text, gone, cue = *_drawn(draw), ""
        base = draw.choice(bases)
        before, behind = draw.choice(AROUND), draw.choice(AROUND[:9])
        close = CLOSED.get(before.strip(), "")
        words_at = [found.start() for found in re.finditer(r"(?<= )\S", base)]
        where = draw.choice(("end", "start", "within", "alone"))
        if where == "end" or (where == "within" and not words_at):
            made = f"{base}{before}{text}{close}"
        elif where == "start":
            made = f"{text}{behind}{base}"
        elif where == "within":
            at = draw.choice(words_at)
            made = f"{base[:at].rstrip()}{before}{text}{close}{behind}{base[at:]}"
        else:
            made, base = text, ""
        cue = " ".join(word for word in words(text) if word not in gone)
        yield Planted(kind, made, tuple(gone), base, cue)


def _drawn(draw: random.Random) -> tuple[str, str, list[str]]:
    which = draw.random()
    if which < 0.5:
        return _name(draw)
    kind, text = _day(draw) if which < 0.7 else _form(draw)
    return kind, text, [word for word in words(text) if word.isdigit() or word in SAID or "threlk" in word]
