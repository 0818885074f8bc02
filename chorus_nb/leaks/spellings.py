"""How what identifies may be written: letters, numbers and dates in every form, in every encoding. The verifier's own.

A name is looked for by its spellings in what a file says as it stands, and in its :func:`other_readings`: the same
text with plain letters, without the signs within a number, and as another character set would read it.
"""

from __future__ import annotations

import base64
import csv
import datetime
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache, partial
from importlib import resources

from pydicom.charset import encode_string, python_encoding

# Letters that Unicode does not take apart, as people write them without.
SINGLE = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ŋ": "ng", "ς": "σ"}
    | {"\u0640": ""}  # tatweel makes an Arabic word longer to look at
)
WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}
_CODED = re.compile(rb"(?:[0-9A-Fa-f]{2}[ :-]){5,}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])|[A-Za-z0-9+/_-]{8,}={0,2}")
_HEXADECIMAL, _LETTERS = re.compile(rb"[0-9A-Fa-f]{12,}"), re.compile(rb"[A-Za-z0-9+/]+")
SHORTEST_CODED, KEPT_SPELT = 8, 512  # bytes of a run at least; of a part of a header that is remembered at most
_URL_SAFE, _SHOWN = bytes.maketrans(b"-_", b"+/"), re.compile(rb"[\x20-\x7e\x80-\xff]{6,}")
# Sets of one byte a letter that are declared for one another.
ONE_BYTE = ("cp1252", "cp1251", "koi8_r", "iso8859_5", "iso8859_7", "cp1253", "iso8859_2", "cp1250", "cp1254")
PARTICLES = ("mac", "mc", "de", "van", "von", "der", "den", "la", "le", "o", "d", "al", "el", "st")
_SIGNS = r"['’‘ʼ`´\s-]+"


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """Small letters without accents and without what nobody sees, such as soft hyphens; every sign for an apostrophe as
    the simple one, and digits of any script as 0 to 9.

    >>> plain("O’Brénnan WEIẞ Λόγος Łucja")
    "o'brennan weiss λογοσ lucja"
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold().translate(SINGLE)
    every = unicodedata.normalize("NFKD", folded)
    letters = (each for each in every if not unicodedata.combining(each) and unicodedata.category(each) != "Cf")
    letters = (str(unicodedata.decimal(each, each)) for each in letters)
    return re.sub("[’‘ʼ`´]", "'", "".join(letters)).translate(_HIRAGANA)


_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def name_spellings(name: str) -> list[str]:
    """How a word of a name may be written, in small letters: with and without accents, umlauts written out or not,
    signs left out, joined or parted."""
    simple = plain(name)
    made = {simple, name, name.lower(), name.upper(), unicodedata.normalize("NFD", name)}
    composed = unicodedata.normalize("NFC", name).lower()
    made |= {composed.upper(), *map(plain, _written_out(composed))}
    if not name.isascii():  # where bytes are searched, only letters of ASCII count as both
        made |= {composed.capitalize(), simple.capitalize()}
    if simple.isascii():
        made.add(re.sub(r"(?<=[aou])e|(?<=a)a", "", simple))  # ae, oe, ue, aa for ä, ö, ü, å
    for form in list(made):
        if re.search(_SIGNS, form):
            made |= {re.sub(_SIGNS, "", form), re.sub(_SIGNS, " ", form), re.sub(_SIGNS, "'", form)}
    made |= set(_parted(simple))
    if parted := re.fullmatch(r"(ma?c)[\s'-]*([^\W\d_]{3,})", simple):  # MacDonald, McDonald
        other = "mac" if parted[1] == "mc" else "mc"
        made |= {other + parted[2], f"{other} {parted[2]}"}
    return sorted(form for form in made if form)


def _written_out(name: str) -> list[str]:
    """A name in small letters with each of its umlauts as it is and as two letters."""
    forms = [name]
    for letter, two in WRITTEN_OUT.items():
        forms += [form.replace(letter, two) for form in forms if letter in form]
    return forms


def _parted(name: str) -> Iterator[str]:
    """A name with a blank behind each particle it may begin with: ``van der velthoven``, ``mac tavish``."""
    for particle in PARTICLES:
        rest = name.removeprefix(particle)
        if rest != name and len(rest) >= 4:
            yield from (f"{particle} {rest}", f"{particle}'{rest}")
            yield from (f"{particle} {form}" for form in _parted(rest))


def number_spellings(number: str) -> list[str]:
    """A number as it stands; without its letters, signs and leading zeros where enough is left to tell it."""
    bare = re.sub(r"[\s./_-]", "", number)
    digits = re.sub(r"\D", "", number)
    made = {number, bare} | ({digits, digits.lstrip("0")} if re.search(r"\d{4}", number) else set())
    return sorted(form for form in made if form == number or len(form) >= 6)


# --- dates ------------------------------------------------------------------------------------------------------------


@cache
def month_names() -> dict[int, tuple[str, ...]]:
    """Number of a month to its names, full and short, in five languages (months.csv)."""
    text = resources.files("chorus_nb.leaks").joinpath("months.csv").read_text("utf-8")
    return {int(row["month"]): tuple(row["names"].split()) for row in csv.DictReader(text.splitlines())}


def date_forms(day: datetime.date) -> list[str]:
    """The ways a date is written in headers, tables and reports."""
    y, m, d = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
    short_month, short_day, century = str(day.month), str(day.day), y[2:]
    orders = [(y, m, d), (d, m, y), (m, d, y), (short_month, short_day, y), (short_day, short_month, y)]
    orders += [(m, d, century), (d, m, century), (short_month, short_day, century), (short_day, short_month, century)]
    forms = [f"{y}{m}{d}"] + [sign.join(parts) for sign in "-./_ " for parts in orders if len(parts[-1]) > 1]
    forms += [sign.join((y, short_month, short_day)) for sign in "-/_"]  # 2021.9.5 is a version
    forms += [sign.join(parts) for sign in (" - ", " / ", ", ", "  ") for parts in orders[:5]]
    forms = [
        form for form in forms if not re.fullmatch(r"[\d ]{1,8}|\d{1,2}[. ]\d{1,2}[. ]\d\d", form) or form.isdigit()
    ]
    for name in month_names()[day.month]:
        for one in {short_day, d}:
            forms += [f"{name} {one} {y}", f"{name} {one}, {y}", f"{one} {name} {y}", f"{one}-{name}-{y}"]
            forms += [f"{one}. {name} {y}", f"{one}{name}{y}", f"{one}/{name}/{y}", f"{one} de {name} de {y}"]
            forms += [f"{name}. {one}, {y}", f"{one}. {name}. {y}", f"{one} {name}. {y}", f"{name}-{one}-{y}"]
            forms += [f"{one}-{name}-{century}", f"{one}{name}{century}"]
    return list(dict.fromkeys(forms))


def day_pattern(day: datetime.date) -> re.Pattern[str]:
    """A date as it is written without its year or day, or short: ``Mar 14``, ``3/14``, ``14.03.``, ``190314``."""
    names = "|".join(sorted(map(re.escape, month_names()[day.month]), key=len, reverse=True))
    m, d = f"0?{day.month}" if day.month < 10 else str(day.month), f"0?{day.day}" if day.day < 10 else str(day.day)
    end = r"(?!\d|[.,/-]\d|\s?(?:mm|cm|ms|s|sec|deg|x|%|t|kv|ml)\b)"
    forms = [rf"(?<![^\W\d_])(?:{names})\.?[\s-]?{d}(?:st|nd|rd|th)?{end}"]
    forms.append(rf"(?<![\d.,/-]){d}(?:st|nd|rd|th)?[.\s-]{{0,2}}(?:de |of )?(?:{names})(?![^\W\d_])")
    forms.append(rf"(?<!\d){day:%y%m%d}(?!\d)|(?<![\d.]){d}\.{m}\.{day:%y}{end}")
    forms.append(rf"(?<![^\W\d_])(?:{names})[\s.,-]{{0,3}}(?:de |of )?{day.year}(?!\d)")
    if day.day > 12 or len({day.day, day.month}) == 1:  # 3/4 is a grade, a fraction or a part of a series
        forms.append(rf"(?<![\d./-])(?:{m}/{d}|{d}/{m}){end}")
    forms.append(rf"(?<![\d./-]){day.day:02d}\.\s?{day.month:02d}\.(?!\d)")
    return re.compile("|".join(forms), re.IGNORECASE)


# --- encodings and readings -------------------------------------------------------------------------------------------


def encoded(text: str, character_sets: Iterable[str] = ()) -> set[tuple[bytes, int]]:
    """``text`` in the encodings in use, with the bytes a letter takes; ASCII letters in lower case."""
    made = {(text.encode("utf-8").lower(), 1)}
    for codec, step in (("latin-1", 1), ("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4)):
        try:
            made.add((text.encode(codec).lower(), step))
        except UnicodeEncodeError:
            continue
    if not text.isascii():
        for name in character_sets:
            if declared := python_encoding.get(name):
                try:
                    made.add((encode_string(text, [declared]).lower(), 1))
                except (UnicodeEncodeError, LookupError, ValueError):
                    continue
    return {(form, step) for form, step in made if len(form) > step}


def spelt_in(content: bytes) -> bytes:
    """What runs of hexadecimal digits and of Base64 in ``content`` spell, wherever in them it begins: each text of six
    characters and more in a line of its own."""
    texts = dict.fromkeys(
        text
        for part in content.split(b"\0")  # no run holds one, and most parts of a header stand in the next file as well
        if len(part) >= SHORTEST_CODED
        for text in (_spelt_within(part) if len(part) <= KEPT_SPELT else _of_part(part))
    )
    return b"\n".join(texts)


def _of_part(content: bytes) -> tuple[bytes, ...]:
    return tuple(text for run in _CODED.findall(content) for text in _spelt_by(run))


_spelt_within = lru_cache(maxsize=8192)(_of_part)


@lru_cache(maxsize=65536)
def _spelt_by(run: bytes) -> tuple[bytes, ...]:
    forms, letters = list[bytes](), run.rstrip(b"=").translate(_URL_SAFE)
    for digits in _HEXADECIMAL.findall(run.translate(None, b" :-")):
        forms += [bytes.fromhex(digits[at : len(digits) - (len(digits) - at) % 2].decode()) for at in (0, 1)]
    if _LETTERS.fullmatch(letters):
        parts = [letters[at : len(letters) - ((len(letters) - at) % 4 == 1)] for at in range(4)]
        forms += [base64.b64decode(part + b"=" * (-len(part) % 4)) for part in parts]
    return tuple(text for form in forms for text in _SHOWN.findall(form))


def read_otherwise(text: str) -> Iterator[str]:
    """What a text that is not ASCII says if the character set it was read in was the wrong one."""
    if text.isascii():
        return
    every = itertools.permutations(("latin-1", *ONE_BYTE), 2)
    pairs = [pair for pair in every if "latin-1" in pair or "cp1252" in pair]
    for read, meant in (*pairs, ("latin-1", "utf-8"), ("cp1252", "utf-8")):
        try:
            yield text.encode(read).decode(meant)
        except UnicodeError:
            continue


# Letters of one word: v a n  d e r, v.a.n.d.e.r, o. t. t. o.
LETTERS_APART = re.compile(r"(?<![^\W_])[^\W\d_]\.?([ ._-])\1?[^\W\d_](?:\.?\1{1,2}[^\W\d_]){2,}(?![^\W_])")
_WITH_DIGITS = re.compile(r"[a-z]+\d[a-z\d]*|\d+[a-z][a-z\d]+")  # qu1llf3ather
_DIGITS_FOR_LETTERS = str.maketrans("0345789", "oeastbg")
_PAIRS = re.compile(r"(?<![\w.,])\d\d(?:\.\d\d){2,3}(?!\w|[.,]\d)")  # 73.91.26: two points are no decimal's


def letters_of(letters: str) -> str:
    """The word that letters apart make."""
    return "".join(filter(str.isalpha, letters))


def _may_spell(run: str) -> bool:
    """Whether letters and digits may be a name some of whose letters are written as digits."""
    return len(run) > 3 and 2 * sum(map(str.isalpha, run)) >= len(run)


def _spelt(ones: str, found: re.Match[str]) -> str:
    return found[0].translate(_DIGITS_FOR_LETTERS).replace("1", ones)


def other_readings(text: str) -> list[str]:
    """The other ways to read a text: plain letters, no signs within a number or between letters that stand apart,
    other character sets."""
    made = [plain(text)]
    made += [plain(other) for other in read_otherwise(text)]
    made.append(re.sub(r"(?<=\d)[\s/_-](?=\d)", "", made[0]))
    if _PAIRS.search(made[0]):
        made.append(_PAIRS.sub(lambda found: re.sub(r"\D", "", found.group()), made[0]))
    if LETTERS_APART.search(made[0]):
        made.append(LETTERS_APART.sub(lambda found: letters_of(found[0]), made[0]))
    if any(map(_may_spell, _WITH_DIGITS.findall(made[0]))):
        made += [_WITH_DIGITS.sub(partial(_spelt, ones), made[0]) for ones in "il"]
    as_bytes = text.encode("utf-8", "replace").lower()  # as they are searched themselves
    return [form for form in dict.fromkeys(made) if form.encode("utf-8", "replace") != as_bytes]
