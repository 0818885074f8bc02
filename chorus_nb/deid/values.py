"""Values of data elements: the forms they must have, dummies, what a person could read in them (PS3.5 section 6.2)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.filereader import read_sequence

from chorus_nb import standards
from chorus_nb.deid.root import PIXEL_COUNTS
from chorus_nb.dicom.encodings import FORMATTED, NUMBERS, TEXT, WORD_SIZES, Encoding, vrs_of
from chorus_nb.dicom.spans import Element
from chorus_nb.identity.words import also_names, given_names, shipped_words, words_of_people

UNDIVIDED = frozenset(("LT", "ST", "UR", "UT"))  # a backslash in them is a character, not a separator
LONGEST_TEXT = 16_384  # bytes of a text that is cleaned; PS3.5 allows 10,240 characters in the longest VR but UT and UC
MOST_CHARACTERS = {"AE": 16, "CS": 16, "LO": 64, "PN": 64, "SH": 16, "ST": 1024, "LT": 10240}
DUMMIES = {
    "AS": "000D",
    "CS": "REMOVED",
    "DA": "20000101",  # 00010101 would break dcm2niix and pandas
    "DS": "0",
    "DT": "20000101000000",
    "IS": "0",
    "TM": "000000",
    "UC": "REMOVED REMOVED REMOVED",  # Long Code Value has more than 16 characters; no word that 04 does not know
    "UI": "",
}
SHORTEST_TEXT = 10  # characters of a text that no table of numbers holds by chance
MOST_NUMBERS = 64  # values of an element that is no table
SHORTEST_WORD = 4  # letters of a word that tells a text
_RUN = re.compile(rb"[A-Za-z0-9 ^.,:/()_'=&@-]{%d,}" % SHORTEST_TEXT)
_WORD = re.compile(rb"(?<![A-Za-z])(?:[A-Z]?[a-z]{1,19}|[A-Z]{2,20})(?![A-Za-z])")
_PRINTABLE = re.compile(rb"[\x20-\x7e\xa0-\xff]{5,}")
_NO_NUMBERS = re.compile(rb"[\x20-\x7e]{16,}\0?")  # three real numbers are twelve letters, of 11,000 values
_NO_SHORT_NUMBERS = re.compile(rb"[\x20-\x7e]{8,}\0?")  # four of two bytes each
_STREAM = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")  # how gzip and zlib begin
MOST_PACKED = 1 << 20  # bytes of what is packed in a binary value that are read


def family(vr: str) -> str:
    """Text, formatted text, words of bytes, or a sequence: VRs of one family may stand in for each other."""
    if vr in TEXT:
        return "text"
    if vr in FORMATTED:
        return vr
    return "words" if vr in WORD_SIZES else "SQ" if vr == "SQ" else "bytes"


def reads_as_sequence(value: bytes, encoding: Encoding) -> bool:
    """Whether a broken sequence, of which nothing is kept, can be read by pydicom: 04 reads the original with it, and
    what it cannot read it cannot search the release for."""
    try:
        for item in read_sequence(BytesIO(value), encoding.implicit, not encoding.big, len(value), "iso8859"):
            for _ in item.iterall():
                pass
    except Exception:  # whatever the damage leads to
        return False
    return True


def expected_vr(e: Element, creator: str) -> str:
    """The VR the dictionary gives, whatever the file says: values whose VR lies are decided by tag."""
    if not e.tag >> 16 & 1:
        known = vrs_of(e.tag)
        return e.vr if e.vr in known or known == ("UN",) else known[0]
    private = standards.safe_private().get((creator, e.tag >> 16, e.tag & 0xFF))
    return private.vr[:2] or e.vr if private else e.vr


def dummy(vr: str) -> bytes:
    """A value that says nothing, legal for the VR (PS3.15 E.1.2)."""
    if vr in WORD_SIZES:
        return bytes(WORD_SIZES[vr])
    return DUMMIES.get(vr, "REMOVED" if vr in TEXT else "").encode("ascii")


def readable(raw: bytes) -> str:
    """What a person could read in binary data: its runs of at least five printable characters."""
    return " ".join(run.decode("latin-1") for run in _PRINTABLE.findall(raw)) if len(raw) >= 5 else ""


def forms_of(raw: bytes) -> Iterator[bytes]:
    """Binary data as it stands; without zeros, as a text of two or four bytes a letter reads; and what whole streams of
    gzip or zlib in it hold."""
    yield raw
    if b"\0" in raw:
        yield raw.replace(b"\0", b"")
    for found in _STREAM.finditer(raw):
        stream = zlib.decompressobj(wbits=47)
        try:
            inside = stream.decompress(memoryview(raw)[found.start() :], MOST_PACKED)
        except zlib.error:
            continue
        if stream.eof or len(inside) == MOST_PACKED:  # whole: its check sum fits
            yield inside


def reads_as_text(raw: bytes) -> bool:
    """Whether a table of numbers holds a text: a run of its characters, in one or two bytes each, half of it words, and
    one of these known. Curves and noise spell words by chance, but none of four letters between signs.

    >>> reads_as_text(b"\\0\\1READ BY QUELLBROOK"), reads_as_text(bytes(range(256)))
    (True, False)
    """
    return any(
        2 * sum(map(len, words)) >= len(run) and any(word.lower() in _telling() for word in words)
        for part in (raw, raw[::2], raw[1::2])
        for run in _RUN.findall(part)
        if (words := _WORD.findall(run))
    )


@cache
def _telling() -> frozenset[bytes]:
    """Words, first names and what stands beside names, of so many letters that no table of numbers spells them."""
    every = shipped_words() | given_names() | also_names().keys() | words_of_people()
    return frozenset(word.encode("ascii") for word in every if word.isascii() and len(word) >= SHORTEST_WORD)


def whole_numbers(raw: bytes, vr: str, *, big: bool) -> list[str]:
    """The numbers of a few binary values that are whole and could be somebody's; two bytes hold none of six digits."""
    size = WORD_SIZES.get(vr, 0)
    if size < 4 or vr == "AT" or not 0 < len(raw) <= MOST_NUMBERS * size or len(raw) % size:
        return []
    numbers = np.frombuffer(raw, (">" if big else "<") + NUMBERS[vr]).tolist()
    return [str(int(number)) for number in numbers if 10**5 <= abs(number) < 10**15 and number == int(number)]


def binary_fault(e: Element, creator: str, vr: str, raw: bytes, *, big: bool) -> str:
    """Why binary numbers are none that their attribute may have, "" if they are: in Implicit VR, and under a VR that is
    not the dictionary's, anything may stand under its tag, such as a text."""
    sizes = [size for size in (WORD_SIZES.get(vr, 0), WORD_SIZES.get(e.vr, 0)) if size]
    if any(len(raw) % size for size in sizes) or (e.tag in PIXEL_COUNTS and len(raw) != 2):
        return "value does not have the form of its VR"
    if 0 < max(sizes, default=0) * _most_values(e.tag, creator) < len(raw):
        return "more values than its attribute has"
    if sizes and (_NO_SHORT_NUMBERS if max(sizes) == 2 else _NO_NUMBERS).fullmatch(raw):
        return "a text where numbers should be"
    return "value does not have the form of its VR" if vr == "AT" and not _are_tags(raw, big=big) else ""


@cache
def _most_values(tag: int, creator: str) -> int:
    """By the value multiplicity of the dictionary (PS3.6), of a safe private attribute of PS3.15; 0: any number."""
    private = standards.safe_private().get((creator, tag >> 16, tag & 0xFF)) if tag >> 16 & 1 else None
    most = private.vm if private else dictionary_VM(tag) if dictionary_has_tag(tag) else ""
    most = most.rpartition("-")[2]
    return int(most) if most.isdigit() else 0


@lru_cache(maxsize=4096)
def _are_tags(raw: bytes, *, big: bool) -> bool:
    """Whether every value of an AT is a tag of the dictionary, or a private one."""
    words = np.frombuffer(raw, ">u2" if big else "<u2", len(raw) // 4 * 2).reshape(-1, 2).tolist()
    return all(group & 1 or dictionary_has_tag(group << 16 | number) for group, number in words)


def says(text: str) -> bool:
    """Whether a value holds anything to read: a letter or a digit."""
    return any(map(str.isalnum, text))


def shorten(text: str, vr: str) -> str:
    """Cut to what the VR can hold."""
    return text[: MOST_CHARACTERS[vr]] if vr in MOST_CHARACTERS else text


def as_allowed(tag: int, raw: bytes) -> str | None:
    """The values of an attribute whose values PS3.3 lists, as it lists them, where they are not so: in capitals, and
    without one that is none; "" where nothing is left. None of any other, and of what is as it should be.

    Of the pixels' own (group 0028) nothing is left: whoever decoded the original read it as it was written.
    """
    values = raw.decode("latin-1").split("\\")
    if not standards.is_off_list(tag, values):
        return None
    listed = standards.as_listed(tag, values)
    return "\\".join(listed) if any(listed) and tag >> 16 != 0x0028 else ""
