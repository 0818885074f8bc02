"""What the text of a released element tells: the patient's own in any form, shapes of identifiers, unknown words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from pydicom.datadict import DicomDictionary, dictionary_VM

from chorus_nb import standards
from chorus_nb.leaks.cues import words_for_people
from chorus_nb.leaks.known import KnownWords, first_names, listed
from chorus_nb.leaks.reading import BINARY, Leaf, Leaves
from chorus_nb.leaks.search import Hit
from chorus_nb.leaks.shapes import SHAPES, Severity, escaped_letters, looks_like, text_shapes
from chorus_nb.leaks.spellings import plain

NUMERIC = frozenset(("IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "TM", "UI", "AT", "OB", "OW", "OF", "OD", "OL"))
UNSEEN = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
FREE = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE", "UN", "UR"))
WRITTEN = frozenset(("LO", "SH", "ST", "LT", "UT", "UC"))  # what people write words in
BYTES_OF = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
WITHIN_TEXT = re.compile(r"[\0-\x08\x0b\x0e-\x1f\x7f][ \0]*[^\\ \0]")  # they may fill up the end of a value
RUN_OF_TEXT = re.compile(rb"[\w ^.,:/()'=&@-]{12,}", re.ASCII)
OF_ONE_CASE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
BEHIND_TITLE = re.compile(
    r"\b(?:dr|prof|doctor|mrs|tech|read by|reported by)\b[\s.:^_-]{1,3}([^\W\d_]{3,})", re.IGNORECASE
)
UNDECIDED = KnownWords()
BY_LOOKUP = frozenset(("PatientID", "AccessionNumber"))  # compared with the lookup tables by another check
OFF_LIST = "none of the values that the Standard allows"
UNKNOWN_WORD = "a word that no list knows"
OWN_METHOD = re.compile(r"chorus-nb [^,]*, .*")  # what 03 writes into De-identification Method
CODE_MEANING, CODE_SCHEME, CODE_VALUE = 0x00080104, 0x00080102, 0x00080100
CODES = frozenset((CODE_SCHEME, CODE_VALUE, 0x00080103, 0x0008010C, 0x00080105, 0x0008010F))


@cache
def longest_value(tag: int, vr: str) -> int:
    """Bytes of the most numbers that the dictionary lets an attribute have; 0 where it may have any number of them."""
    most = dictionary_VM(tag).split("-")[-1] if tag in DicomDictionary else ""
    return BYTES_OF.get(vr, 0) * int(most) if most.isdecimal() else 0


def _is_text_among_numbers(value: bytes) -> bool:
    """Whether binary data holds a run of characters with a word that is listed; curves and noise spell none so long."""
    for each in (value, value[::2], value[1::2]):
        for run in RUN_OF_TEXT.findall(each):
            words = [word for word in re.split(r"[\W\d_]+", run.decode("ascii")) if OF_ONE_CASE.fullmatch(word)]
            if 2 * sum(map(len, words)) >= len(run) and any(word.lower() in _telling() for word in words):
                return True
    return False


@cache
def _telling() -> frozenset[str]:
    return frozenset(word for word in listed() | words_for_people() | first_names() if len(word) > 3)


def _tells_whom(value: str) -> bool:
    """Whether a text of equipment or technique has a title and behind it a word that the package does not know."""
    found = BEHIND_TITLE.search(value)
    return found is not None and bool(UNDECIDED.unknown(f"{found[1]}."))


def identifier_shapes(leaf: Leaf) -> Iterator[tuple[Severity, str]]:
    """Kinds of identifier that any released element looks like, whoever's they are."""
    if leaf.vr in BINARY and _is_text_among_numbers(leaf.value):
        yield "high", "a text in binary data"
    if leaf.keyword == "SpecificCharacterSet" and set(leaf.values) - standards.character_sets() - {""}:
        yield "high", "no character set that the Standard defines"
    if standards.is_off_list(leaf.tag, leaf.values):
        yield "high", OFF_LIST
    if leaf.vr not in FREE:
        return
    if leaf.vr != "UN" and WITHIN_TEXT.search(leaf.text):  # of that it is not known whether it is a text
        yield "high", "characters that no text may hold"
    equipment = standards.never_a_patient(leaf.tag, leaf.vr)
    if equipment and any(form.search(plain(leaf.text)) for form in escaped_letters()):
        yield "high", looks_like("text in escaped letters")
    if equipment and any(map(_tells_whom, leaf.values)):
        yield "high", "a name beside a title, role or label"
    for kind, (severity, pattern) in SHAPES.items():
        if pattern.search(leaf.text) and not (severity != "high" and equipment):
            yield severity, looks_like(kind)


def is_written_text(leaf: Leaf, leaves: Leaves) -> bool:
    """Whether people write in this element, or could: not equipment, technique, codes, or what the workbench put there;
    where terms stand, words tell."""
    if leaf.tag >> 16 != 0x0002 and standards.holds_terms(leaf.tag, leaf.vr):
        return True
    if leaf.vr not in WRITTEN or leaf.tag >> 16 == 0x0002 or leaf.keyword in BY_LOOKUP or leaf.tag in CODES:
        return False
    if leaf.tag >> 16 & 1 and leaf.tag & 0xFFFF <= 0xFF:
        return False  # the name of a private block is on a list or it is gone
    if leaf.tag == CODE_MEANING:
        scheme, code = (leaves.get((leaf.path, tag)) for tag in (CODE_SCHEME, CODE_VALUE))
        return not (scheme and code and leaf.text.casefold() in standards.code_meanings(scheme.text, code.text))
    return not standards.never_a_patient(leaf.tag, leaf.vr)


def tells(leaf: Leaf, known: KnownWords, days: Iterable[re.Pattern[str]]) -> Iterator[tuple[Severity, str]]:
    """Why a text should not be there; graver where PS3.15 Table E.1-1 lists the attribute."""
    if standards.holds_terms(leaf.tag, leaf.vr):
        yield from (("high", UNKNOWN_WORD) for value in leaf.values if known.no_terms(value))
        return
    listed = standards.ps315_rule(leaf.tag) is not None
    for value in leaf.values:
        if leaf.keyword == "DeidentificationMethod" and OWN_METHOD.fullmatch(value):
            continue
        for severity, detail in text_shapes(value):
            yield severity if listed else "medium", detail
        if any(day.search(value) for day in days):
            yield "high", "day and month of a date of this person"
        if known.unknown(value):
            yield "high" if listed else "medium", UNKNOWN_WORD


def severity_in(leaf: Leaf, hit: Hit) -> Severity:
    """A short number in a numeric element is most likely that number; four bytes in binary data, chance.

    A product may be called like somebody, but not by a first and a family name of one person.
    """
    text = hit.term.text
    if hit.full_name and leaf.vr not in NUMERIC:
        return hit.severity
    if standards.never_a_patient(leaf.tag, leaf.vr) and not (text.isdigit() and len(text) > 6):
        return "medium" if hit.term.kind in ("name", "place", "device", "contact", "path") else "info"
    if hit.term.kind == "date" or leaf.vr not in NUMERIC:
        return hit.severity
    return "info" if (text.isdigit() and len(text.lstrip("0")) < 8) or len(text) < 5 else hit.severity


def severity_in_path(hit: Hit) -> Severity:
    """A path of a release holds numbers of our own (ids, instances, parts of UIDs): a short one is most likely that."""
    return "info" if hit.term.text.isdigit() and len(hit.term.text) < 8 else hit.severity
