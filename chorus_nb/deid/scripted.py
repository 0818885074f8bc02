"""A site's CTP script in the engine: what a line makes of an element of this file, as a plain rule."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from chorus_nb.deid.context import Engine, Subject
from chorus_nb.deid.dates import cap_age, shift_value, with_offset_of_its_day
from chorus_nb.deid.text import Cleaner
from chorus_nb.deid.uids import names_an_object
from chorus_nb.deid.values import UNDIVIDED
from chorus_nb.dicom.charsets import DEFAULT_CHARSET, Charset, charset_of, decode_text
from chorus_nb.dicom.encodings import FORMATTED, TEXT, Buffer, numbers_in, vr_of
from chorus_nb.dicom.forms import FORMS
from chorus_nb.dicom.spans import Element, Refused, take_apart
from chorus_nb.mapping import Policy, Rule
from chorus_nb.mapping.ctp import PathStep, Quarantine, ScriptFault, boxes, trimmed
from chorus_nb.mapping.rules import DATES
from chorus_nb.pixels import Box
from chorus_nb.standards import tag_name

ROWS, COLUMNS, BIRTH = 0x00280010, 0x00280011, 0x00100030
LONGEST_NUMBER = {"DS": 16, "IS": 12}  # characters
REMOVING = frozenset("XZD")  # actions that leave nothing of a value
REMOVE, KEEP, EMPTY, PROCESS = "@remove()", "@keep()", "@empty()", "@process()"


def regions(policy: Policy, content: Buffer) -> list[Box]:
    """Regions the site's DicomPixelAnonymizer blanks in this file; :class:`Refused` if its DicomFilter stops it."""
    rules = policy.gate
    if rules is None:
        return []
    taken = take_apart(content)
    charset = charset_of(taken.data, taken.elements, DEFAULT_CHARSET)
    values = SpanValues(taken.data, taken.elements, taken.elements, charset, taken.big)
    if rules.filter and not rules.filter(values):
        raise Refused("filtered_by_script", "the site's DicomFilter script does not let it pass")
    columns, rows = (int(values.text((PathStep(tag),), True) or 0) for tag in (COLUMNS, ROWS))
    return [Box(*box) for box in boxes(rules.signatures, values, columns, rows) or []]


class SpanValues(NamedTuple):
    """Values of an item and of the root it belongs to, as CTP reads them."""

    data: Buffer
    item: list[Element]
    root: list[Element]
    charset: Charset
    big: bool = False

    def text(self, steps: tuple[PathStep, ...], root: bool) -> str | None:
        elements = self.root if root else self.item
        for step in steps[:-1]:
            above = self._find(elements, step)
            if above is None or not above.items:
                return None
            elements = above.items[0].elements
        found = self._find(elements, steps[-1])
        if found is None:
            return None
        vr = vr_of(found.tag) if found.vr == "UN" and not found.tag >> 16 & 1 else found.vr
        if found.items is not None or not (vr in TEXT or vr in FORMATTED):
            return self._number(found, vr)
        return trimmed(decode_text(bytes(self.data[found.value : found.end]), self.charset), vr)

    def _find(self, elements: list[Element], step: PathStep) -> Element | None:
        tag = step.tag
        if step.creator:
            block = self._block(elements, step)
            if block is None:
                return None
            tag |= block << 8
        return next((element for element in elements if element.tag == tag), None)

    def _block(self, elements: list[Element], step: PathStep) -> int | None:
        for element in elements:
            if element.tag >> 16 == step.tag >> 16 and 0x10 <= element.tag & 0xFFFF <= 0xFF:
                creator = decode_text(bytes(self.data[element.value : element.end]), DEFAULT_CHARSET).strip(" \0")
                if creator == step.creator:
                    return element.tag & 0xFF
        return None

    def _number(self, element: Element, vr: str) -> str:
        raw = bytes(self.data[element.value : element.end])
        if vr == "UN":
            return "\\".join(f"{byte:x}" for byte in raw)
        if vr in ("US", "UL"):
            return "\\".join(str(int(number)) for number in numbers_in(raw, vr, self.big))
        return ""


class Subjected(Protocol):
    """What is known of the file and of the person it is of."""

    engine: Engine
    subject: Subject
    cleaner: Cleaner
    sop_class: str
    hide_birth_date: bool


def resolve_script(
    of: Subjected, path: tuple[str, ...], element: Element, creator: str, rule: Rule, values: SpanValues
) -> Rule:
    """``rule``, an expression of the script, as the action it comes to here. :class:`Refused` where the script says so.

    A value that does not suit the VR is one removed: CTP leaves the original there, or writes it all the same. One that
    copies an original stays as that would stay if it was kept, never as more.
    """
    at_root, policy, place = values.item is values.root, of.engine.policy, (of.sop_class, path, element.tag, element.vr)
    try:
        made = policy.run_script(element.tag, creator, values, at_root)
    except Quarantine as reason:
        raise Refused("refused_by_script", f"{tag_name(element.tag)}: {reason}") from None
    except ScriptFault:  # another line, whose result is asked for, uses a parameter that is not defined
        made = REMOVE
    if made == EMPTY:
        return rule._replace(action="Z", replacement="")
    vr = element.vr if element.tag >> 16 & 1 else vr_of(element.tag)
    if element.tag == BIRTH and of.hide_birth_date and made not in (KEEP, PROCESS, REMOVE):
        return rule._replace(action="Z", replacement="")  # also a year alone tells an age above 89
    step = PathStep(element.tag & 0xFFFF00FF if creator else element.tag, creator)
    before = (values.text((step,), False) or "").strip()
    if policy.script_copies(element.tag, creator) and made not in (KEEP, PROCESS, REMOVE):
        kept = policy.scripted_rule(True, *place, creator)
        if kept.action in REMOVING or made == before:
            return kept
        made = _as_it_may_stay(of, element.tag, vr, made)
        if not made:
            return rule._replace(action="Z", replacement="")
    if vr == "DT":
        made = with_offset_of_its_day(before, made, of.engine.zone)
    fits = (vr in TEXT or vr in FORMATTED) and len(made) <= LONGEST_NUMBER.get(vr, len(made))
    form = FORMS.get(vr)
    if made in (KEEP, PROCESS, REMOVE) or not fits or (form and not form.match(made.encode())):
        return policy.scripted_rule(made in (KEEP, PROCESS), *place, creator)
    return rule._replace(action="D", replacement=made)


def _as_it_may_stay(of: Subjected, tag: int, vr: str, made: str) -> str:
    """A value that holds a part of an original, without what tells of a person."""
    if vr in DATES:
        return shift_value(made, vr, of.subject.days_shifted, of.engine.zone)[0]
    if vr == "AS":
        return cap_age(made)
    if vr == "UI":
        return of.engine.uids.replace(made, names_an_object(tag))
    if vr not in TEXT:
        return made
    return "\\".join(map(of.cleaner.clean, [made] if vr in UNDIVIDED else made.split("\\")))
