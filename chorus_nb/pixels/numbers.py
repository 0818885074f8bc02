"""What a number in a picture means: of a date, an age, a telephone, or of technique beside its own unit or label.

Meaning comes before shape: a number is harmless only where ``measures.csv`` knows the word beside it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Set
from functools import cache
from importlib import resources
from typing import NamedTuple

_DIGIT = "[0-9OoIl]"
_MONTHS = "JAN|FEB|MAR|MRZ|APR|MAY|MAI|JUN|JUL|AUG|SEP|OCT|OKT|NOV|DEC|DEZ"
_MONTH = (
    r"(?<![^\W\d_])(?:JAN(?:UARY?)?|FEB(?:RUARY?)?|MAR(?:CH)?|MRZ|MÄRZ|APR(?:IL)?|MA[IY]|JUN[EI]?|JUL[IY]?|AUG(?:UST)?"
    r"|SEPT?(?:EMBER)?|O[CK]T(?:OBER)?|NOV(?:EMBER)?|DE[CZ](?:EMBER)?)(?![^\W\d_])"
)
_YEAR, _SIGN = r"(?:19|20)\d\d", r"[-/., ']{0,3}"
_SEX = "(?:MALE|FEMALE|[MF])"
_OLD = r"0?(?:9\d|1[0-2]\d)"
_SHAPES = {
    "a date": (
        rf"(?<!\d){_DIGIT}{{4}}[-/.: ]{_DIGIT}{{1,2}}[-/.: ]{_DIGIT}{{1,2}}(?!\d)"
        rf"|(?<!\d){_DIGIT}{{1,2}}[-/. ]{_DIGIT}{{1,2}}[-/. ]{_DIGIT}{{2,4}}(?!\d)"
        rf"|(?<!\d)\d{{1,2}}[-/., ]*(?:{_MONTHS})[A-Z]*[-/., ]*\d{{2,4}}"
        rf"|(?:{_MONTHS})[A-Z]*[-/., ]+\d{{1,2}}[-/., ]+\d{{2,4}}"
    ),
    "a month and a year": (
        rf"(?<![\d/.-])(?:0?[1-9]|1[0-2]) ?[-/] ?{_YEAR}(?![\d/-]|[.,]\d)"
        rf"|(?<![\d/.,-])(?:0[1-9]|1[0-2])\.{_YEAR}(?!\d)"
        rf"|(?<!\d){_YEAR} ?[-/] ?(?:0[1-9]|1[0-2])(?![\d/-]|[.,]\d)|{_MONTH}{_SIGN}(?:{_YEAR}|'\d\d)(?!\d)"
    ),
    "a day of a month": (
        rf"(?<!\d)(?:0?[1-9]|[12]\d|3[01])(?:ST|ND|RD|TH)?{_SIGN}{_MONTH}|{_MONTH}{_SIGN}\d{{1,2}}(?!\d)"
    ),
    "a year of birth": (
        rf"(?:\*|\bb\.|[♀♂]) ?{_YEAR}(?!\d)|(?<![\w.,/]){_YEAR}[ /,-]{{0,2}}{_SEX}(?![^\W_]|/)"
        rf"|(?<![\w.,/]){_SEX}[ /,-]{{0,2}}{_YEAR}(?![\w%]|[.,]\d)"
    ),
    "an age of 90 or more": (
        rf"(?<![\w.,/]){_OLD} ?-?(?:Y|YRS?|YEARS?|Y\.?/?O\.?|J|JAHRE|ANS|AÑOS|ANNI)(?![^\W\d_])"
        rf"|(?<![\w.,/]){_OLD}(?:[ /,-]{{0,2}}{_SEX}(?![^\W_]|/))"
        rf"|(?<![\w.,/]){_SEX}[ /,-]{{0,2}}{_OLD}(?![\w%]|[.,]\d)"
    ),
    "like a telephone number": (
        r"(?<![\d.,])(?:\+?\d{1,3}[ .-]?)?\(?\d{3}\)?[ .-]{0,2}\d{3}[ .-]\d{4}(?!\d)"
        r"|(?<![\d.,])\d{3}[.-]\d{4}(?![\d.])|\+\d(?:[ ./()-]{0,2}\d){6,}"
    ),
    "a number of six or more digits": r"\d(?:[ -]?\d){5,}",
}
_COUNTED = re.compile(r"\b(?:im|img|image|images|fr|frame|slice|se|ser|series|page)\W{0,2}\d{1,4} ?/ ?\d{1,4}\b", re.I)
TIME = re.compile(r"(?<![\d:.,/-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,3})?)?(?: ?[AP]M)?(?![\d:/-])", re.I)
_PIECE = re.compile(r"(?P<number>\d+(?:[.,]\d+)*)|(?P<word>(?:[cm]m|m)/s\b|[^\W\d_]+|[%°])|(?P<sign>\S)", re.IGNORECASE)
_SMALL, _FEW_DECIMALS = 90, 2  # a scale's figures: below this, with at most so many decimals, alone on their line
_MOST = 4  # digits of a number beside a word that a site added
_JOINS = frozenset("xX*/:-–~,;()×")


class Measure(NamedTuple):
    before: bool
    after: bool
    digits: int


class _Piece(NamedTuple):
    kind: str
    text: str


@cache
def measures() -> dict[str, Measure]:
    """The words that explain a number beside them: on which side, and with how many digits (measures.csv)."""
    text = resources.files(__package__).joinpath("measures.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["word"]: Measure(row["stands"] != "after", row["stands"] != "before", int(row["digits"])) for row in rows
    }


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {said: re.compile(shape, re.IGNORECASE) for said, shape in _SHAPES.items()}


def what_numbers_tell(text: str) -> str:
    """What the numbers of a line tell of a person, by their meaning ("" = nothing that is known)."""
    rest = _COUNTED.sub(" ", text)
    return next((said for said, pattern in _patterns().items() if pattern.search(rest)), "")


def unexplained(text: str, site_words: Iterable[str] = ()) -> str:
    """Why a number of the line is not known to be technique; "" where each stands beside its own unit or label, is a
    time of day, or is one of a scale's few figures."""
    rest = _COUNTED.sub(" ", TIME.sub(" ", text)).casefold()
    pieces = [_Piece(str(found.lastgroup), found.group()) for found in _PIECE.finditer(rest)]
    places = [at for at, piece in enumerate(pieces) if piece.kind == "number"]
    known = {at for at in places if _has_measure(pieces, at, frozenset(site_words))}
    for at in (*places, *reversed(places)):  # 12 x 45 mm, W 400/40: one unit or label for both
        if at not in known and any(other in known and _joined(pieces, at, other) for other in places):
            known.add(at)
    for at in places:
        if at in known:
            continue
        alone = not any(
            other != at and _joined(pieces, at, other, _JOINS - {":"}) for other in places
        )  # 3:9 is a ratio
        if not (alone and _is_small(pieces[at].text)):
            return "a number without its unit or label"
    return ""


def _has_measure(pieces: list[_Piece], at: int, site_words: frozenset[str]) -> bool:
    number = pieces[at].text
    digits = len(re.split("[.,]", number)[0])
    if len(re.sub(r"\D", "", number)) > _MOST + _FEW_DECIMALS or re.search(r"[.,]\d*[.,]|[.,]\d{4}", number):
        return False
    for step, side in ((-1, "before"), (1, "after")):
        place = at + step
        while 0 <= place < len(pieces) and pieces[place].kind == "sign" and pieces[place].text in _between(side):
            place += step
        if 0 <= place < len(pieces) and pieces[place].kind == "word":
            measure = measures().get(pieces[place].text)
            if measure is not None and getattr(measure, side) and digits <= measure.digits:
                return True
            if pieces[place].text in site_words and digits <= _MOST:
                return True
    return False


def _between(side: str) -> str:
    return ":=<>~#.([+-±≈" if side == "before" else "\"'"


def _joined(pieces: list[_Piece], at: int, other: int, signs: Set[str] = _JOINS) -> bool:
    """Whether nothing but one sign, or an x, stands between two numbers."""
    first, last = sorted((at, other))
    return last - first == 2 and pieces[first + 1].text in signs


def _is_small(number: str) -> bool:
    whole, _, decimals = number.replace(",", ".").partition(".")
    padded = len(whole) > 1 and whole.startswith("0")
    like_a_day = len(whole) == 2 and len(decimals) == 2 and int(decimals) <= 12  # 24.12
    return len(whole) <= 2 and int(whole) < _SMALL and len(decimals) <= _FEW_DECIMALS and not (padded or like_a_day)
