"""What happens to each data element: its rule asked, its value kept, changed or left out, at every depth."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING

from chorus_nb import standards
from chorus_nb.deid import claims, dates
from chorus_nb.deid.colour_profiles import ICC_PROFILE, ICC_TEXTS, without_texts
from chorus_nb.deid.context import KEPT, Change, Circumstances, Engine, Level, Made, Seen, Subject
from chorus_nb.deid.root import NUMBER_OF_FRAMES, RootValues
from chorus_nb.deid.scripted import SpanValues, resolve_script
from chorus_nb.deid.text import without_users
from chorus_nb.deid.uids import names_an_object
from chorus_nb.deid.values import (
    LONGEST_TEXT,
    UNDIVIDED,
    as_allowed,
    binary_fault,
    dummy,
    expected_vr,
    family,
    reads_as_sequence,
    says,
    shorten,
    whole_numbers,
)
from chorus_nb.dicom.charsets import CHARACTER_SET, charset_of, decode_text, defined_terms, encode_text
from chorus_nb.dicom.encodings import FORMATTED, TEXT, Buffer, Encoding
from chorus_nb.dicom.forms import FORMS, PADS, are_numbers
from chorus_nb.dicom.spans import Element, Refused, Spans
from chorus_nb.identity import harvest as identifiers
from chorus_nb.identity.signs import is_plain, without_controls, without_escaped

if TYPE_CHECKING:
    from chorus_nb.mapping import Rule

CODE_VALUE, CODING_SCHEME, SCHEME_VERSION, CODE_MEANING = CODE = (0x00080100, 0x00080102, 0x00080103, 0x00080104)
VERSION_FORM = re.compile(r"[A-Za-z]{0,3}[\d._-]{1,12}")
PATIENT_ID, ACCESSION_NUMBER, BIRTH_DATE, AGE = 0x00100020, 0x00080050, 0x00100030, 0x00101010
MODALITY, MODALITIES = 0x00080060, frozenset(standards.modality_concepts())
PS33_TERMS, PS36 = "defined terms of PS3.3 C.12.1.1.2", "not registered in PS3.6 Annex A"
PS35_CS, PS36_VR = "PS3.5 section 6.2: a code is written in capitals", "PS3.6: the VR of the attribute"
CHARACTERS = TEXT | FORMATTED
NEEDED, PRESENT = ("1", "1C"), ("2", "2C")  # Types of PS3.5 section 7.4: a value; at least the element
LONGEST_REMEMBERED, SIX_DIGITS = 2048, re.compile(rb"(?<![\d.])\d{6}")  # bytes of an element; none behind a point


class Elements(RootValues):
    """The elements of one file on their way through; collects what changed."""

    def __init__(self, engine: Engine, taken: Spans, subject: Subject) -> None:
        super().__init__(taken)
        self.engine = engine
        self.subject = subject
        self.changes: list[Change] = []
        self.notes: list[str] = []
        self.sop_class = self.text_of(0x00080016)
        sop_instance = self.text_of(0x00080018)
        if not self.sop_class or not sop_instance or "\\" in self.sop_class + sop_instance:
            raise Refused("identifiers_missing", "no SOP Class UID or SOP Instance UID, or several")
        self.sop_instance = engine.uids.replace(sop_instance, True)
        self.patient_id, self.accession = self.text_of(PATIENT_ID), self.text_of(ACCESSION_NUMBER)
        found = identifiers.harvest(taken.data, taken.elements, self.charset, subject.everything, self.is_kept)
        self.cleaner = engine.cleaner(found)
        seen, is_old = [self.text_of(tag) for tag in claims.STUDY_DATES], subject.is_old
        self.hide_birth_date = dates.birth_date_tells(self.text_of(BIRTH_DATE), self.text_of(AGE), seen, is_old=is_old)
        self.level = Level((), "", self.charset, Encoding(taken.implicit, taken.big))
        known = (self.patient_id, self.accession, self.hide_birth_date, self.charset, self.level.encoding)
        self.seen = engine.seen(Circumstances(subject, self.sop_class, found, *known))

    def is_kept(self, element: Element) -> bool:
        """Whether the policy keeps this attribute as it is where it stands at the root."""
        return self.engine.rule(self.sop_class, (), element.tag, element.vr, "").action == "K"

    def methods_before(self) -> tuple[str, ...]:
        """De-identification methods applied before us; the chain is continued, cleaned of identifiers."""
        return tuple(self.cleaner.clean(part) for part in map(str.strip, self.text_of(0x00120063).split("\\")) if part)

    # --- data sets ----------------------------------------------------------------------------------------------

    def kept(self) -> dict[int, Buffer]:
        """What is left of the root data set, by tag."""
        return dict(self.data_set(self.taken.elements, self.level)[0])

    def data_set(self, elements: list[Element], level: Level) -> tuple[list[tuple[int, Buffer]], bool]:
        """What is left of a data set as (tag, bytes), in order of tags, and whether anything changed."""
        data, creators = self.data, self.creators(elements)
        level = level._replace(creators=creators)
        elements = list({element.tag: element for element in elements}.values())  # of a tag given twice, the last
        fixed, meaning = self.fixed_by_code(elements, level)
        recalled = (Seen() if level.path or fixed else self.seen).get
        reserving: list[Element] = []
        kept_blocks: set[tuple[int, int]] = set()
        chunks: list[tuple[int, Buffer]] = []
        changed = False
        for element in elements:
            tag, _, start, _, _, end, _, _, _ = element
            creator = ""
            if private := tag >> 16 & 1:
                group, number = tag >> 16, tag & 0xFFFF
                if number <= 0xFF:
                    reserving.append(element)  # private creators come last, with their blocks
                    continue
                creator = creators.get((group, number >> 8), "")
                if not creator:
                    changed = True
                    self.record(element, level, "X", "a private element without one private creator", "")
                    continue
            raw = data[start:end]
            if end - start <= LONGEST_REMEMBERED and (known := recalled((creator, raw) if private else raw)):
                made, changes, notes = known
                self.changes += changes
                self.notes += notes
            elif tag == CODE_MEANING and meaning:
                made = self.replaced(element, "LO", meaning, "D", "PS3.16: the meaning of its code", level)
            elif tag in fixed:
                made = KEPT
            else:
                made = (self.decided if level.path else self.remembered)(element, elements, level, creator)
            if made is None:
                changed = True
                continue
            if made is KEPT and (end - start) % 2:  # no value is of odd length (PS3.5 section 7.1.1)
                made = level.encoding.element(tag, element.vr, bytes(data[element.value : end]))
            changed |= made is not KEPT
            chunks.append((tag, raw if made is KEPT else made))
            if private:
                kept_blocks.add((group, number >> 8))
        for element in reserving:
            if divmod(element.tag, 1 << 16) in kept_blocks:
                made = level.encoding.element(element.tag, element.vr, bytes(data[element.value : element.end]))
                chunks.append((element.tag, made))
                changed |= element.length % 2 == 1
            else:
                changed = True
                self.record(element, level, "X", "private creator of nothing kept", "")
        chunks.sort(key=itemgetter(0))
        return chunks, changed

    def remembered(self, element: Element, elements: list[Element], level: Level, creator: str) -> Made:
        """:meth:`decided`, once for all images of a series in which the element is the same: most of them are."""
        changes_before, notes_before = len(self.changes), len(self.notes)
        made = self.decided(element, elements, level, creator)
        if element.end - element.start <= LONGEST_REMEMBERED:
            raw = bytes(self.data[element.start : element.end])
            known = made, self.changes[changes_before:], self.notes[notes_before:]
            self.seen[(creator, raw) if creator else raw] = known
        return made

    def decided(self, element: Element, elements: list[Element], level: Level, creator: str) -> Made:
        """The element after the rule for it."""
        rule = self.engine.rule(self.sop_class, level.path, element.tag, element.vr, creator)
        if rule.action == "script":
            values = SpanValues(self.data, elements, self.root_elements, level.charset, level.encoding.big)
            rule = resolve_script(self, level.path, element, creator, rule, values)
        return self.element(element, rule, level, creator)

    def fixed_by_code(self, elements: list[Element], level: Level) -> tuple[set[int], str]:
        """Which elements of a data set a code of a standard's scheme fixes: value, scheme, version; and the meaning
        where it is the one in PS3.16. Any other meaning is a text like others; where that would
        lose words, PS3.16's own takes its place: the second value, if it has one."""
        said = {}
        for element in elements:
            if element.tag > CODE_MEANING:
                break
            if element.tag in CODE and element.items is None:
                said[element.tag] = decode_text(self.raw(element), level.charset).strip(" \0")
        scheme, code = said.get(CODING_SCHEME, ""), said.get(CODE_VALUE, "")
        if not standards.is_code(scheme, code):
            return set(), ""
        fixed = {CODING_SCHEME} if self.cleaner.finds_own(code) else {CODE_VALUE, CODING_SCHEME}
        if VERSION_FORM.fullmatch(said.get(SCHEME_VERSION, "")) and not self.cleaner.finds_own(said[SCHEME_VERSION]):
            fixed.add(SCHEME_VERSION)
        if said.get(CODE_MEANING, "").casefold() in standards.code_meanings(scheme, code):
            fixed.add(CODE_MEANING)
        elif said.get(CODE_MEANING) and self.cleaner.clean(said[CODE_MEANING]) != said[CODE_MEANING]:
            return fixed, shorten(next(iter(standards.code_meanings(scheme, code).values()), ""), "LO")
        return fixed, ""

    def element(self, e: Element, rule: Rule, level: Level, creator: str) -> Made:
        """The element after its rule."""
        action = rule.action
        if e.vr == "SQ" and e.items is None and e.length and not reads_as_sequence(self.raw(e), level.encoding):
            raise Refused("structure_refused", f"{standards.tag_name(e.tag)} is a sequence that cannot be taken apart")
        if e.items is not None:
            mixed = e.implicit_items and level.encoding.big  # pydicom, with which 04 reads, reads none such
            if action in ("K", "C", "S") and not mixed:
                return self.sequence(e, level, creator)
            self.record(e, level, action if action == "Z" else "X", rule.source, "")
            return level.encoding.sequence(e.tag, "SQ", b"", False) if action == "Z" else None
        if action == "X" or not e.tag & 0xFFFF:
            self.record(e, level, "X", rule.source, "")
            return None
        expected = expected_vr(e, creator)
        vr = expected if e.vr == "UN" or {e.vr, expected} <= CHARACTERS else e.vr  # one text under the VR of another
        if vr in ("UN", "SQ") or expected == "SQ":
            return self.left_out(e, level, "unknown value representation")
        if expected in TEXT and e.length > LONGEST_TEXT and action not in ("Z", "D"):
            return self.left_out(e, level, "longer than a text may be")
        if action in ("K", "C") and (code := as_allowed(e.tag, self.raw(e))) is not None:
            if not code:
                return self.left_out(e, level, "none of the values that the Standard allows")
            return self.replaced(e, vr, code, "C", "PS3.3: the values that it allows", level)
        if action in ("K", "C"):
            made = (self.keep if action == "K" else self.clean)(e, vr, expected, rule, level)
            as_it_was = made is not KEPT or vr == e.vr
            return made if as_it_was else self.replaced(e, vr, self.raw(e).rstrip(b"\0"), "K", PS36_VR, level)
        new = self.new_value(e, vr, expected, rule, level)
        no_date = rule.action == "shift" and not new and bool(self.raw(e).strip(b" \0")) and e.tag != BIRTH_DATE
        if new is None or (no_date and self.type_of(e, level) in NEEDED):
            return self.left_out(e, level, "value does not suit its rule")
        return self.replaced(e, expected, new, rule.action, rule.source, level)

    def sequence(self, e: Element, level: Level, creator: str) -> Made:
        """A sequence item by item; every element inside answers to its own rule."""
        keyword = standards.path_step(e.tag, creator)
        inside = Encoding(e.implicit_items, level.encoding.big and not e.implicit_items)
        made, changed = list[bytes](), False
        for number, item in enumerate(e.items or (), 1):
            charset = charset_of(self.data, item.elements, level.charset)
            there = Level((*level.path, keyword), f"{level.where}{keyword}[{number}].", charset, inside)
            chunks, item_changed = self.data_set(item.elements, there)
            changed |= item_changed
            made.append(inside.item(b"".join(chunk for _, chunk in chunks), item.undefined))
        if not changed:
            return KEPT
        in_unknown = e.implicit_items and not level.encoding.implicit
        return level.encoding.sequence(e.tag, "UN" if in_unknown else "SQ", b"".join(made), e.undefined)

    def keep(self, e: Element, vr: str, expected: str, rule: Rule, level: Level) -> Made:
        """A kept value, looked at all the same: it must have the form of its VR and hold no identifier."""
        if family(vr) != family(expected) and not (vr in TEXT and expected in FORMATTED):
            return self.left_out(e, level, "value representation is not the dictionary's")
        form, raw = FORMS.get(expected), self.raw(e)
        if e.tag == CHARACTER_SET:
            if e.vr == "PN":  # pydicom, with which 04 reads the original, reads none such
                raise Refused("value_unusable", f"{level.where}{standards.tag_name(e.tag)}: is written as a name")
            return self.replaced(e, vr, defined_terms(raw.decode("ascii", "replace")), "C", PS33_TERMS, level)
        if expected == "UI":
            uids = decode_text(raw, level.charset).rstrip(" \0")
            return self.replaced(e, vr, self.engine.uids.replace(uids), "U", PS36, level)
        if form is not None and not form.match(raw):
            if e.tag == MODALITY and (code := standards.modality_code(raw.decode("latin-1"))) in MODALITIES:
                self.notes.append("modality written in capitals")
                return self.replaced(e, vr, code, "C", PS35_CS, level)
            if expected == "CS" and vr in TEXT:
                return self.cleaned(e, vr, self.cleaner.clean, rule, level)  # words, not a code
            return self.left_out(e, level, "value does not have the form of its VR")
        if expected in ("DS", "IS") and raw.strip(b" \0") and not self.suffices(e, raw, level):
            return self.left_out(e, level, "no number where the image needs one")
        protected = standards.never_a_patient(e.tag, expected)
        if expected in FORMATTED:
            parts = raw.decode("latin-1").split("\\") if SIX_DIGITS.search(raw) else ()
            if any(map(self.cleaner.is_own_measure if protected else self.cleaner.is_own_number, parts)):
                if self.type_of(e, level) in NEEDED:
                    return self.left_out(e, level, "an identifier stood in a number")
                return self.replaced(e, vr, "", "Z", "an identifier stood in a number", level)
            return KEPT
        told = protected or standards.holds_terms(e.tag, expected)
        text = decode_text(raw, level.charset) if expected in TEXT and not told else ""
        if expected in TEXT and (told or not is_plain(text) or self.cleaner.finds_own(text)):
            return self.clean(e, vr, expected, rule, level)
        creator = level.creators.get((e.tag >> 16, (e.tag & 0xFFFF) >> 8), "")
        if why := binary_fault(e, creator, expected, raw, big=level.encoding.big):
            return self.left_out(e, level, why)
        if e.tag == ICC_PROFILE:
            bare, why = without_texts(raw, self.cleaner.finds_own), "no colour profile that can be read"
            return self.replaced(e, vr, bare, "C", ICC_TEXTS, level) if bare else self.left_out(e, level, why)
        binary = family(expected) in ("words", "bytes") and e.tag >> 16 != 0x7FE0  # tables of pixels are written anew
        if binary and self.cleaner.finds_in_bytes(raw):
            return self.left_out(e, level, "an identifier or a text stood in binary data")
        if any(map(self.cleaner.is_own_measure, whole_numbers(raw, expected, big=level.encoding.big))):
            return self.left_out(e, level, "an identifier stood in a number")
        return KEPT

    def clean(self, e: Element, vr: str, expected: str, rule: Rule, level: Level) -> Made:
        """Text without identifiers; unchanged text keeps its bytes."""
        if expected in ("DA", "DT"):
            return self.replaced(e, vr, self.shifted(e, expected), "shift", rule.source, level)
        if expected not in TEXT or vr not in TEXT:
            return self.keep(e, vr, expected, rule, level)
        told = standards.never_a_patient(e.tag, expected) or standards.holds_terms(e.tag, expected)
        how = self.cleaner.for_technique(e.tag, expected) if told else self.cleaner.clean
        return self.cleaned(e, vr, how, rule, level)

    def cleaned(self, e: Element, vr: str, how: Callable[[str], str], rule: Rule, level: Level) -> Made:
        """Text each of whose values was cleaned; unchanged text keeps its bytes.

        Where a value must stand (Type 1, PS3.5 section 7.4.1), one of which nothing is left becomes a dummy, also among
        others: the third value of ImageType is needed as much as the first.
        """
        text = decode_text(self.raw(e), level.charset)
        bare = without_users(without_controls(text))
        parts = [bare] if vr in UNDIVIDED else without_escaped(bare).split("\\")
        cleaned = [part if (new := how(part)) == part else shorten(new, vr) for part in parts]
        if "\\".join(cleaned) == text:
            return KEPT
        self.notes.append("text cleaned")
        if self.type_of(e, level) in NEEDED or e.tag in CODE:
            stand_in = rule.replacement or dummy(vr).decode("ascii")
            cleaned = [
                after if after == before or says(after) or not before.strip(" \0") else stand_in
                for before, after in zip(parts, cleaned, strict=True)
            ]
        return self.replaced(e, vr, "\\".join(cleaned), "C", rule.source, level)

    def type_of(self, e: Element, level: Level) -> str | None:
        """Type of the attribute where it stands in the IOD (PS3.3); None if it has no place there."""
        return standards.attribute_type(self.sop_class, level.path, standards.path_step(e.tag))

    def suffices(self, e: Element, raw: bytes, level: Level) -> bool:
        """Whether a number is one as far as anything depends on it; of what is left out, the pixels hold one frame."""
        if e.tag == NUMBER_OF_FRAMES and not level.path:  # decoders ask for it wherever it stands
            return bool(self.number_of(e.tag))
        return are_numbers(raw) or not standards.is_needed(self.sop_class, level.path, standards.path_step(e.tag))

    def new_value(self, e: Element, vr: str, expected: str, rule: Rule, level: Level) -> str | bytes | None:
        """The value an action makes; None if the action does not suit the element."""
        worded = vr in CHARACTERS
        match rule.action:
            case "Z":
                return rule.replacement
            case "D":
                return shorten(rule.replacement, expected) or dummy(expected)
            case "U" if worded:
                return self.engine.uids.replace(decode_text(self.raw(e), level.charset), names_an_object(e.tag))
            case "shift" if worded:
                return self.shifted(e, expected)
            case "age" if worded:
                return dates.cap_age(decode_text(self.raw(e), level.charset))
            case "lookup" if worded:
                return self.looked_up(e, level)
        return None

    def shifted(self, e: Element, expected: str) -> str:
        """A date moved by the person's days; a birth date that tells an age above 89 is emptied (DS-30)."""
        if e.tag == BIRTH_DATE and e.length and self.hide_birth_date:
            self.notes.append("birth date emptied: age may be over 89")
            return ""
        vr, text = "DT" if expected == "DT" else "DA", self.raw(e).decode("latin-1")
        shifted, faults = dates.shift_value(text, vr, self.subject.days_shifted, self.engine.zone)
        self.notes += ["date emptied: not a valid date"] * faults
        return shifted

    def looked_up(self, e: Element, level: Level) -> str:
        """The person or the image occurrence; someone else's identifier in a nested item is emptied."""
        value = decode_text(self.raw(e), level.charset).strip(PADS)
        if e.tag == PATIENT_ID:
            ours = value == self.patient_id or value in self.subject.known_ids
            other = dummy("LO").decode("ascii") if self.type_of(e, level) in NEEDED else ""
            return str(self.subject.person_id) if ours else other
        return str(self.subject.image_occurrence_id) if value == self.accession else ""

    def replaced(self, e: Element, vr: str, new: str | bytes, action: str, source: str, level: Level) -> Made:
        value = encode_text(new, level.charset) if isinstance(new, str) else new
        padded = e.vr == "UN" and vr in TEXT and self.raw(e).endswith(b"\0")  # as no text may be
        if e.vr in (vr, "UN") and not padded and value.rstrip(b" \0") == self.raw(e).rstrip(b" \0"):
            return KEPT
        told = decode_text(value, level.charset) if vr in CHARACTERS else value[:64].hex()
        self.record(e, level, action, source, told)
        return level.encoding.element(e.tag, vr, value)

    # --- the crosswalk ------------------------------------------------------------------------------------------

    def left_out(self, e: Element, level: Level, why: str) -> Made:
        """A value that cannot be used: its file is refused, it is emptied or it goes, by its Type (PS3.5 7.4)."""
        if standards.is_needed(self.sop_class, level.path, step := standards.path_step(e.tag)):
            places = not level.path and standards.places_slice(self.sop_class, step)
            reason = "geometry_unusable" if places else "value_unusable"
            raise Refused(reason, f"{level.where}{standards.tag_name(e.tag)}: {why}")
        if self.type_of(e, level) in PRESENT:
            self.notes.append(f"emptied: {why}")
            self.record(e, level, "Z", why, "")
            return level.encoding.element(e.tag, expected_vr(e, ""), b"")
        self.notes.append(f"removed: {why}")
        self.record(e, level, "X", why, "")
        return None

    def record(self, e: Element, level: Level, action: str, source: str, new: str) -> None:
        """A row of the crosswalk; of a sequence left out, a row for every element it held."""
        tag, group, number = standards.tag_name(e.tag), e.tag >> 16, e.tag & 0xFFFF
        keyword = standards.path_step(e.tag, level.creators.get((group, number >> 8), ""))
        keyword = "PrivateCreator" if group & 1 and number <= 0xFF else keyword
        if e.items is not None:
            self.changes.append(Change(level.where, tag, keyword, "SQ", "", action, source, new))
            for at, item in enumerate(e.items, 1):
                charset = charset_of(self.data, item.elements, level.charset)
                creators = self.creators(item.elements)
                there = level._replace(where=f"{level.where}{keyword}[{at}].", charset=charset, creators=creators)
                for inner in item.elements:
                    self.record(inner, there, action, source, new)
            return
        raw = bytes(self.data[e.value : min(e.end, e.value + 1024)])
        original = decode_text(raw, level.charset).strip(" \0") if e.vr in CHARACTERS else raw[:64].hex()
        self.changes.append(Change(level.where, tag, keyword, e.vr, original, action, source, new))
