"""One header in, one header out: the tag plan applied to every element at every depth (SOP steps 12, 13).

What the plan keeps is passed on as the bytes it was; the pixel data is not touched. Nothing of what is refused leaves.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydicom.datadict import keyword_for_tag

from chorus_nb import __version__, standards
from chorus_nb.deid import claims, dates, identifiers, spans
from chorus_nb.deid.spans import Buffer, Element, Refused, Spans, vr_of
from chorus_nb.deid.text import Cleaner, Identifiers
from chorus_nb.deid.uids import UidMap
from chorus_nb.deid.values import (
    DEFAULT_CHARSET,
    FORMATTED,
    FORMS,
    TEXT,
    UNDIVIDED,
    Charset,
    Encoding,
    charset_of,
    decode,
    dummy,
    encode,
    family,
    shorten,
)

if TYPE_CHECKING:
    from chorus_nb.mapping import Policy, Rule

IMPLEMENTATION_UID = "2.25.302043790172249692526321623266752743501"  # of this program; tells a released file
IMPLEMENTATION_VERSION = f"CHORUS_NB {__version__}"[:16]
# Coding schemes whose codes and meanings are fixed by a standard (PS3.16 section 8); all others are free text.
STANDARD_SCHEMES = frozenset((b"DCM", b"SCT", b"SRT", b"SNM3", b"LN", b"UCUM", b"RADLEX", b"FMA", b"UMLS", b"NCIt"))
CODE = frozenset((0x00080100, 0x00080102, 0x00080103, 0x00080104))
KEPT: Literal[True] = True  # an element passed on as the bytes it was
Parents = tuple[str, ...]  # keywords of the enclosing sequences


class Subject(NamedTuple):
    """Whom a file belongs to and what the lookup tables say (SOP step 12)."""

    person_id: int
    days_shifted: int
    image_occurrence_id: int
    known_ids: frozenset[str] = frozenset()  # every PatientID of this person


class Change(NamedTuple):
    """A changed element: a row of the crosswalk (SOP step 10). Identifiable."""

    path: str
    tag: str
    keyword: str
    vr: str
    original: str
    action: str
    rule_source: str
    new: str


class Deidentified(NamedTuple):
    """A file to be written: ``header``, then ``pixels`` as they were (empty where there are none)."""

    header: bytes
    pixels: Buffer
    pixel_value: Buffer
    sop_instance_uid: str
    changes: list[Change]
    notes: Counter[str]


@dataclass(frozen=True)
class Deidentifier:
    """Applies one policy with one site key. Made once per process; what it has decided it remembers."""

    policy: Policy
    uids: UidMap
    zone: ZoneInfo
    rules: dict[tuple[str, Parents, int, str, str], Rule] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cleaner", lru_cache(maxsize=512)(self._cleaner))

    def _cleaner(self, found: Identifiers) -> Cleaner:
        return Cleaner(found, self.uids.new)

    cleaner = _cleaner

    def apply(
        self, content: Buffer, subject: Subject, *, text_checked: bool = False, cleaned_pixels: tuple[str, ...] = ()
    ) -> Deidentified:
        """De-identify one file; :class:`Refused` (with a reason code) if any of it cannot be understood.

        ``text_checked``: the pixels were searched and hold no identifying text now. ``cleaned_pixels``: codes of
        CID 7050 for what was done to the pixels.
        """
        taken = spans.take_apart(content)
        if taken.meta.get(0x00020012, b"").rstrip(b"\0 ").decode("ascii", "replace") == IMPLEMENTATION_UID:
            raise Refused("already_deidentified", "written by this workbench")
        return _File(self, taken, subject).make(text_checked, cleaned_pixels)

    def rule(self, sop_class: str, path: Parents, tag: int, vr: str, creator: str) -> Rule:
        key = (sop_class, path, tag, vr, creator)
        try:
            return self.rules[key]
        except KeyError:
            rule = self.rules[key] = self.policy.rule(sop_class, path, tag, vr, creator)
            return rule


class _File:
    """One file on its way through."""

    def __init__(self, engine: Deidentifier, taken: Spans, subject: Subject) -> None:
        self.engine = engine
        self.taken = taken
        self.data = taken.data
        self.subject = subject
        self.changes: list[Change] = []
        self.notes: Counter[str] = Counter()
        self.charset = charset_of(taken.data, taken.elements, DEFAULT_CHARSET)
        self.root = {element.tag: element for element in taken.elements}
        self.sop_class = self.text_of(0x00080016)
        sop_instance = self.text_of(0x00080018)
        if not self.sop_class or not sop_instance:
            raise Refused("identifiers_missing", "no SOP Class UID or SOP Instance UID")
        self.sop_instance = engine.uids.replace(sop_instance)
        self.patient_id, self.accession = self.text_of(0x00100020), self.text_of(0x00080050)
        found = identifiers.harvest(taken.data, taken.elements, self.charset, subject.known_ids)
        self.cleaner = engine.cleaner(found)
        self.hide_birth_date = dates.birth_date_tells(
            self.text_of(0x00100030), self.text_of(0x00101010), [self.text_of(tag) for tag in claims.STUDY_DATES]
        )

    def text_of(self, tag: int) -> str:
        element = self.root.get(tag)
        return decode(self.raw(element), self.charset).strip(" \0") if element and element.items is None else ""

    def raw(self, element: Element) -> bytes:
        return bytes(self.data[element.value : element.end])

    # --- the whole file -----------------------------------------------------------------------------------------

    def make(self, text_checked: bool, cleaned_pixels: tuple[str, ...]) -> Deidentified:
        taken = self.taken
        claims.check_pixel_length(taken, self.number_of)
        encoding = Encoding(taken.implicit, taken.big)
        chunks, _ = self.data_set(list(self.root.values()), (), "", self.charset, encoding)
        claimed = claims.claims(
            self.engine.policy.options,
            self.engine.policy.digest,
            self.method_before(),
            shifted=self.subject.days_shifted != 0,
            text_checked=text_checked,
            cleaned_pixels=cleaned_pixels,
        )
        by_tag = dict(chunks)
        for tag, vr, value in claimed:
            by_tag[tag] = (
                encoding.element(tag, vr, value)
                if isinstance(value, bytes)
                else encoding.sequence(tag, "SQ", _code_items(encoding, value), False)
            )
        body = b"".join(by_tag[tag] for tag in sorted(by_tag))
        pixels = self.data[taken.pixels.start : taken.pixels.end] if taken.pixels else b""
        value = self.data[taken.pixels.value : taken.pixels.value + taken.pixels.length] if taken.pixels else b""
        head = self.meta()
        if taken.transfer_syntax in spans.DEFLATED_SYNTAXES:
            body, pixels = _deflate(body + bytes(pixels)), b""
        return Deidentified(head + body, pixels, value, self.sop_instance, self.changes, self.notes)

    def meta(self) -> bytes:
        """Preamble of zeros and fresh file meta information (PS3.10 section 7.1)."""
        write = Encoding(False, False).element
        content = (
            write(0x00020001, "OB", b"\0\1")
            + write(0x00020002, "UI", self.sop_class.encode("ascii", "replace"))
            + write(0x00020003, "UI", self.sop_instance.encode("ascii", "replace"))
            + write(0x00020010, "UI", self.taken.transfer_syntax.encode("ascii", "replace"))
            + write(0x00020012, "UI", IMPLEMENTATION_UID.encode("ascii"))
            + write(0x00020013, "SH", IMPLEMENTATION_VERSION.encode("ascii"))
        )
        return bytes(128) + b"DICM" + write(0x00020000, "UL", struct.pack("<L", len(content))) + content

    def method_before(self) -> list[str]:
        """De-identification methods applied before us; the chain is continued, cleaned of identifiers."""
        text = self.text_of(0x00120063)
        return [self.cleaner.clean(part.strip()) for part in text.split("\\") if part.strip()]

    def number_of(self, tag: int) -> int | None:
        """An unsigned number or an integer string at the root, None if it is not there or no number."""
        element = self.root.get(tag)
        if element is None or element.items is not None:
            return None
        raw = self.raw(element)
        if vr_of(tag) == "IS":
            text = raw.strip(b" \0")
            return int(text) if text.isdigit() else None
        return struct.unpack(">H" if self.taken.big else "<H", raw[:2])[0] if len(raw) >= 2 else None

    # --- a data set, at the root or in an item ------------------------------------------------------------------

    def data_set(
        self, elements: list[Element], path: Parents, where: str, charset: Charset, encoding: Encoding
    ) -> tuple[list[tuple[int, Buffer]], bool]:
        """What is left of a data set, as (tag, bytes), and whether anything changed."""
        data, rule_of, sop_class = self.data, self.engine.rule, self.sop_class
        creators = self.creators(elements)
        coded = self.standard_code(elements)
        kept_blocks: set[tuple[int, int]] = set()
        chunks: list[tuple[int, Buffer]] = []
        changed = False
        for element in elements:
            tag = element.tag
            group, number = tag >> 16, tag & 0xFFFF
            creator = ""
            if group & 1:
                if number <= 0xFF:
                    continue  # creators come last, with their blocks
                creator = creators.get((group, number >> 8), "")
            if coded and tag in CODE and not self.cleaner.finds_own(decode(self.raw(element), charset)):
                chunks.append((tag, data[element.start : element.end]))
                continue
            rule = rule_of(sop_class, path, tag, element.vr, creator)
            made = self.element(element, rule, path, where, charset, encoding, creator)
            if made is None:
                changed = True
                continue
            if made is KEPT:
                chunks.append((tag, data[element.start : element.end]))
            else:
                chunks.append((tag, made))
                changed = True
            if group & 1:
                kept_blocks.add((group, number >> 8))
        for element in elements:
            group, number = element.tag >> 16, element.tag & 0xFFFF
            if group & 1 and number <= 0xFF:
                if (group, number) in kept_blocks:
                    chunks.append((element.tag, data[element.start : element.end]))
                else:
                    changed = True
                    self.record(element, where, charset, "X", "private block with nothing kept", "")
        chunks.sort(key=itemgetter(0))
        return chunks, changed

    def standard_code(self, elements: list[Element]) -> bool:
        """Whether this is an item of a code sequence under a scheme of the Standard: its words are no one's own."""
        for element in elements:
            if element.tag >= 0x00080102:
                scheme = self.raw(element).strip(b" \0") if element.tag == 0x00080102 else b""
                return scheme in STANDARD_SCHEMES
        return False

    def creators(self, elements: list[Element]) -> dict[tuple[int, int], str]:
        """Private creators by (group, block) (PS3.5 section 7.8.1)."""
        found = {}
        for element in elements:
            group, number = element.tag >> 16, element.tag & 0xFFFF
            if group & 1 and 0x10 <= number <= 0xFF and element.items is None:
                found[group, number] = decode(self.raw(element), DEFAULT_CHARSET).strip(" \0")
        return found

    def element(
        self, e: Element, rule: Rule, path: Parents, where: str, charset: Charset, encoding: Encoding, creator: str
    ) -> bytes | Literal[True] | None:
        """The element after its rule: KEPT, new bytes, or None if it is removed."""
        action = rule.action
        if e.items is not None:
            if action in ("K", "C", "S"):
                return self.sequence(e, path, where, charset, encoding, creator)
            self.record(e, where, charset, action if action == "Z" else "X", rule.source, "")
            return encoding.sequence(e.tag, "SQ", b"", False) if action == "Z" else None
        if action == "X" or (e.tag & 0xFFFF) == 0:
            self.record(e, where, charset, "X", rule.source, "")
            return None
        expected = self.expected_vr(e, creator)
        vr = expected if e.vr == "UN" else e.vr
        if vr in ("UN", "SQ") or expected == "SQ":
            self.note_removed(e, where, charset, "unknown value representation")
            return None
        if action == "K":
            return self.keep(e, vr, expected, rule, where, charset, encoding)
        if action == "C":
            return self.clean(e, vr, expected, rule, where, charset, encoding)
        new = self.new_value(e, vr, expected, rule, charset)
        if new is None:
            self.note_removed(e, where, charset, "value does not suit its rule")
            return None
        return self.replaced(e, vr, new, rule, where, charset, encoding)

    def expected_vr(self, e: Element, creator: str) -> str:
        """The VR the dictionary gives, whatever the file says: values whose VR lies are decided by tag."""
        if not e.tag >> 16 & 1:
            return vr_of(e.tag) if vr_of(e.tag) != "UN" else e.vr
        known = standards.safe_private().get((creator, e.tag >> 16, e.tag & 0xFF))
        return known.vr[:2] if known else e.vr

    def sequence(
        self, e: Element, path: Parents, where: str, charset: Charset, encoding: Encoding, creator: str
    ) -> bytes | Literal[True]:
        """A sequence item by item; every element inside answers to its own rule."""
        assert e.items is not None
        keyword = _keyword(e.tag, creator)
        inner_path = (*path, keyword)
        inside = Encoding(e.implicit_items, encoding.big and not e.implicit_items)
        made: list[bytes] = []
        changed = False
        for number, item in enumerate(e.items, 1):
            item_charset = charset_of(self.data, item.elements, charset)
            there = f"{where}{keyword}[{number}]."
            chunks, item_changed = self.data_set(item.elements, inner_path, there, item_charset, inside)
            changed |= item_changed
            made.append(inside.item(b"".join(chunk for _, chunk in chunks), item.undefined))
        if not changed:
            return KEPT
        in_unknown = e.vr != "SQ" or (not encoding.implicit and e.implicit_items)
        return encoding.sequence(e.tag, "UN" if in_unknown else "SQ", b"".join(made), e.undefined)

    # --- values -------------------------------------------------------------------------------------------------

    def keep(
        self, e: Element, vr: str, expected: str, rule: Rule, where: str, charset: Charset, encoding: Encoding
    ) -> bytes | Literal[True] | None:
        """A kept value, looked at all the same: it must have the form of its VR and hold no identifier."""
        if family(vr) != family(expected) and not (vr in TEXT and expected in FORMATTED):
            self.note_removed(e, where, charset, "value representation is not the dictionary's")
            return None
        form = FORMS.get(expected)
        raw = self.raw(e)
        if form is None and vr not in TEXT:
            return KEPT
        if form is not None and not form.match(raw):
            if expected == "CS" and vr in TEXT:
                return self.clean(e, vr, expected, rule, where, charset, encoding)
            self.note_removed(e, where, charset, "value does not have the form of its VR")
            return None
        if expected in ("AS", "DA", "DT", "TM", "UI"):
            return KEPT
        if expected in ("DS", "IS"):
            if len(raw) >= 6 and any(self.cleaner.finds_own(part) for part in raw.decode("ascii").split("\\")):
                return self.replaced(e, vr, "", rule, where, charset, encoding, "an identifier stood in a number")
            return KEPT
        return self.clean(e, vr, expected, rule, where, charset, encoding, own_only=True)

    def clean(
        self,
        e: Element,
        vr: str,
        expected: str,
        rule: Rule,
        where: str,
        charset: Charset,
        encoding: Encoding,
        own_only: bool = False,
    ) -> bytes | Literal[True] | None:
        """Text without identifiers; unchanged text keeps its bytes."""
        if expected not in TEXT or vr not in TEXT:
            if expected in ("DA", "DT"):
                return self.replaced(e, vr, self.shift(e, expected), rule, where, charset, encoding)
            return self.keep(e, vr, expected, rule, where, charset, encoding)
        text = decode(self.raw(e), charset)
        if own_only and not self.cleaner.finds_own(text):
            return KEPT
        parts = [text] if vr in UNDIVIDED else text.split("\\")
        cleaned = [self.cleaner.clean(part) for part in parts]
        if cleaned == parts:
            return KEPT
        new = "\\".join(shorten(part, vr) for part in cleaned)
        self.notes["text cleaned"] += 1
        return self.replaced(e, vr, new, rule, where, charset, encoding)

    def new_value(self, e: Element, vr: str, expected: str, rule: Rule, charset: Charset) -> str | bytes | None:
        """The value an action makes; None if the action does not suit the element."""
        action = rule.action
        if action == "Z":
            return rule.replacement
        if action == "D":
            return rule.replacement or dummy(vr)
        if action == "U":
            return self.engine.uids.replace(decode(self.raw(e), charset)) if vr in TEXT or vr == "UI" else None
        if action == "shift":
            return self.shift(e, expected) if vr in TEXT or vr in FORMATTED else None
        if action == "age":
            return dates.cap_age(decode(self.raw(e), charset))
        if action == "lookup":
            return self.looked_up(e, charset)
        return None

    def shift(self, e: Element, expected: str) -> str:
        """A date moved by the person's days; a birth date that tells an age above 89 is emptied (DS-30)."""
        if e.tag == 0x00100030 and e.length and self.hide_birth_date:
            self.notes["birth date emptied: age may be over 89"] += 1
            return ""
        text = self.raw(e).decode("latin-1")
        vr = expected if expected in ("DA", "DT") else "DA"
        shifted, faults = dates.shift_value(text, vr, self.subject.days_shifted, self.engine.zone)
        if faults:
            self.notes["date emptied: not a valid date"] += faults
        return shifted

    def looked_up(self, e: Element, charset: Charset) -> str:
        """The person or the image occurrence; someone else's identifier in a nested item is emptied."""
        value = decode(self.raw(e), charset).strip(" \0")
        if e.tag == 0x00100020:
            ours = value == self.patient_id or value in self.subject.known_ids
            return str(self.subject.person_id) if ours else ""
        return str(self.subject.image_occurrence_id) if value == self.accession else ""

    def replaced(
        self,
        e: Element,
        vr: str,
        new: str | bytes,
        rule: Rule,
        where: str,
        charset: Charset,
        encoding: Encoding,
        source: str = "",
    ) -> bytes | Literal[True]:
        value = encode(new, charset) if isinstance(new, str) else new
        if value == self.raw(e).rstrip(b" \0"):
            return KEPT
        self.record(e, where, charset, rule.action, source or rule.source, decode(value, charset))
        return encoding.element(e.tag, vr, value)

    # --- the crosswalk ------------------------------------------------------------------------------------------

    def note_removed(self, e: Element, where: str, charset: Charset, why: str) -> None:
        self.notes[f"removed: {why}"] += 1
        self.record(e, where, charset, "X", why, "")

    def record(self, e: Element, where: str, charset: Charset, action: str, source: str, new: str) -> None:
        """A row of the crosswalk; of a removed sequence, a row for every element it held."""
        keyword = _keyword(e.tag, "")
        if e.items is not None:
            self.changes.append(Change(where, spans.name(e.tag), keyword, "SQ", "", action, source, new))
            for number, item in enumerate(e.items, 1):
                for inner in item.elements:
                    self.record(inner, f"{where}{keyword}[{number}].", charset, action, source, new)
            return
        raw = self.raw(e)
        original = decode(raw[:1024], charset).strip(" \0") if e.vr in TEXT or e.vr in FORMATTED else raw[:64].hex()
        self.changes.append(Change(where, spans.name(e.tag), keyword, e.vr, original, action, source, new))


@lru_cache(maxsize=65536)
def _keyword(tag: int, creator: str) -> str:
    if tag >> 16 & 1:
        return f"{tag >> 16:04x}[{creator}]{tag & 0xFF:02x}"
    return keyword_for_tag(tag) or spans.name(tag)


def _code_items(encoding: Encoding, codes: list[tuple[str, str, str]]) -> bytes:
    """Items of a code sequence: value, scheme, meaning (PS3.3 section 8.8)."""
    inside = Encoding(encoding.implicit, encoding.big)
    return b"".join(
        inside.item(
            b"".join(
                inside.element(tag, vr, text.encode("ascii", "replace"))
                for tag, vr, text in zip((0x00080100, 0x00080102, 0x00080104), ("SH", "SH", "LO"), code, strict=True)
            ),
            False,
        )
        for code in codes
    )


def _deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    return deflated + b"\0" * (len(deflated) & 1)
