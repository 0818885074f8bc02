"""What must not be found in a release: a patient's own identifiers, from the original headers and the lookup tables."""

from __future__ import annotations

import csv
import datetime
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

from pydicom._dicom_dict import DicomDictionary

from chorus_nb import standards, tables
from chorus_nb.leaks.reading import MEDIA_INSTANCE, Leaf
from chorus_nb.leaks.spellings import date_forms, name_spellings, number_spellings, plain
from chorus_nb.parameters import Parameters

_CONTACTS = {"phone": "contact", "address": "contact", "issuer": "identifier"}
KIND_OF = {
    keyword: _CONTACTS.get(kind, kind)
    for keyword, (kind, searched) in standards.identifying_attributes().items()
    if searched
}
"""Attributes that hold identifiers, by kind, beside every PN, DA, DT and UI (Table E.1-1; 45 CFR 164.514(b)(2))."""
TERM_KINDS = {
    "name": "names of persons, part by part",
    "identifier": "numbers of persons, accessions and orders, and whom a lookup table names",
    "contact": "addresses, telephones and e-mails",
    "place": "institutions, departments and stations",
    "device": "serial numbers and names of devices",
    "uid": "UIDs",
    "path": "words and numbers in the names of source files",
}
"""What is searched for in every file, by kind, gravest first; the dates of a person are compared one by one."""
TITLES = frozenset(
    ("dr", "mr", "mrs", "ms", "miss", "prof", "md", "phd", "jr", "sr", "ii", "iii", "iv", "rn", "rt", "do", "np", "pa")
)
UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*)){3,}")
_UID_BYTES = re.compile(rb"[0-2](?:\.\d+){3,}")


class SearchTerm(NamedTuple):
    """A text that must not be found. ``whole`` names the identifier it is a part of (the parts of one name)."""

    kind: str  # one of TERM_KINDS, or date
    text: str
    whole: str = ""


@cache
def vocabulary() -> frozenset[str]:
    """Words of the DICOM Standard itself: a surname that is one of them proves nothing when it stands alone."""
    from pydicom.sr._concepts_dict import concepts  # slow to import

    counts: dict[str, int] = {}
    schemes: dict[str, Any] = concepts
    for codes in schemes.values():
        for meanings in codes.values():
            for meaning, _ in meanings.values():
                for word in set(re.findall(r"[a-z]{2,}", meaning.lower())):
                    counts[word] = counts.get(word, 0) + 1
    names = " ".join(entry[2] for entry in DicomDictionary.values()).lower()
    return frozenset(word for word, count in counts.items() if count >= 10) | set(re.findall(r"[a-z]{2,}", names))


@cache
def page_words() -> frozenset[str]:
    """Words and numbers that the workbench itself writes into tables and pages: page_words.txt, columns, parameters,
    MI-CDM."""
    listed = resources.files("chorus_nb.leaks").joinpath("page_words.txt").read_text("utf-8").splitlines()
    said = [line for line in listed if not line.startswith("#")]
    said.append((standards.DATA / "mi_cdm_5_4_postgresql.sql").read_text("utf-8"))
    said += [f"{column.name} {column.meaning}" for table in tables.TABLES.values() for column in table.columns]
    said += tables.TABLES
    said += [f"{name} {field.default}" for name, field in Parameters.model_fields.items()]
    return frozenset(re.findall(r"[a-z]{2,}|\d{4,}", " ".join(said).lower()))


@cache
def _placeholders() -> frozenset[str]:
    text = resources.files("chorus_nb.leaks").joinpath("placeholders.csv").read_text("utf-8")
    return frozenset(_bare(row["value"]) for row in csv.DictReader(text.splitlines()))


def _bare(value: str) -> str:
    return re.sub(r"[\W_]", "", plain(value))


def stands_for_nobody(value: str) -> bool:
    """Whether a value is one that people and software write where they know none (placeholders.csv).

    >>> stands_for_nobody("0000"), stands_for_nobody("N/A"), stands_for_nobody("0815")
    (True, True, False)
    """
    bare = _bare(value)
    return bare in _placeholders() or (bare.isdigit() and len(set(bare)) == 1)


def from_header(leaves: Iterable[Leaf], keep_device: bool) -> Iterator[SearchTerm]:
    """The terms of one original header."""
    for leaf in leaves:
        yield from _of_leaf(leaf, keep_device)


def _of_leaf(leaf: Leaf, keep_device: bool) -> Iterator[SearchTerm]:
    keyword, vrs = leaf.keyword, {leaf.vr, _vr_in_dictionary(leaf.tag)}  # a date stays one under another VR
    if "PN" in vrs:
        for name in leaf.values:
            if not stands_for_nobody(name):
                yield from of_name(name)
    elif vrs & {"DA", "DT"}:
        for value in leaf.days:
            if (date := read_date(value)) and not stands_for_nobody(day := date.strftime("%Y%m%d")):
                yield SearchTerm("date", day)
    elif "UI" in vrs and (leaf.tag >> 16 != 0x0002 or leaf.tag == MEDIA_INSTANCE):
        rule = standards.ps315_rule(leaf.tag)
        for value in leaf.values:
            if (rule is None or "U" in rule.basic) and UID.fullmatch(value) and not standards.is_registered_uid(value):
                yield SearchTerm("uid", value)
    elif (kind := KIND_OF.get(keyword)) and not (kind == "device" and keep_device):
        for value in leaf.values:
            if len(value) > 2 and not stands_for_nobody(value):
                yield SearchTerm(kind, value)
            if kind == "contact" and len(digits := re.sub(r"\D", "", value)) >= 7:
                yield SearchTerm(kind, digits)


@cache
def _vr_in_dictionary(tag: int) -> str:
    entry = DicomDictionary.get(tag)
    return entry[0] if entry else ""


def of_name(name: str) -> Iterator[SearchTerm]:
    """The parts of a person name: each alone; that several of one name stand together is seen when they are found."""
    for part in name_parts(name):
        if not stands_for_nobody(part):
            yield SearchTerm("name", part, name)


def name_parts(name: str) -> list[str]:
    """The words of a name, without titles and initials; those that signs or particles part also as one."""
    made: dict[str, None] = {}
    for component in re.split(r"[\^=,]", unicodedata.normalize("NFC", name)):
        words = [word for word in re.split(r"[^\w]+|_|\d+", component) if word and word.lower() not in TITLES]
        made |= dict.fromkeys(word for word in words if len(word) > 1)
        if len(words) > 1 and (len(words[0]) < 4 or re.search(r"\w['’‘ʼ`´-]\w", component)):
            made["".join(words)] = None
    return list(made)


def of_path(source_path: str) -> Iterator[SearchTerm]:
    """Folder and file names of a source path, as far as they could identify someone: words and long numbers."""
    for part in path_parts(source_path):
        stem = part.rsplit(".", 1)[0] if part.lower().endswith((".dcm", ".zip", ".ima", ".dicom")) else part
        if UID.fullmatch(stem):
            yield SearchTerm("uid", stem)
            continue
        for word in re.findall(r"[^\W\d_]{4,}|\d{5,}", stem):
            yield SearchTerm("path", word)


def path_parts(source_path: str) -> list[str]:
    """The folders and the file of a source path, and of what lies in an archive both paths'."""
    return source_path.replace("!", "/").split("/")


def uids_in(content: bytes) -> Iterator[str]:
    """Everything in ``content`` that is written like a UID."""
    for match in _UID_BYTES.finditer(content):
        yield match[0].decode("ascii")


@lru_cache(maxsize=4096)
def read_date(value: str) -> datetime.date | None:
    """The date of a DA or DT value; None if it has none or is impossible."""
    found = re.match(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})", value)
    try:
        return datetime.date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def spellings(term: SearchTerm) -> list[str]:
    """How a term may be written."""
    if term.kind == "date":
        return date_forms(datetime.datetime.strptime(term.text, "%Y%m%d").date())
    if term.kind == "name":
        return name_spellings(term.text)
    if term.kind == "identifier":
        return number_spellings(term.text)
    return list(dict.fromkeys((term.text, plain(term.text))))
