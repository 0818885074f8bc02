"""What must be true of an element, beside what it was in the original: dates, UIDs, what was kept, what must be gone.

An answer rests on the element before and after and on :class:`Around`, on nothing else of the file: so what holds of an
element holds of the same element in the next file of the series (:mod:`chorus_nb.verify.elements`).
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydicom.datadict import DicomDictionary

from chorus_nb import standards
from chorus_nb.leaks import texts
from chorus_nb.leaks.reading import Leaf, vr_by_tag
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import read_date
from chorus_nb.parameters import POLICIES, Parameters
from chorus_nb.verify.site_script import Promise, is_made, promised_kind
from chorus_nb.verify.values import must_be, unusable

META = frozenset((0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013))
"""All of the file meta information that is needed (PS3.10 section 7.1), and the name of what wrote the file."""
REPLACED = frozenset((0x00100020, 0x00080050))  # PatientID and AccessionNumber: by the lookup tables
EXACT = frozenset(("CS", "IS", "DS", "US", "SS", "UL", "SL", "FL", "FD"))
LIKE_A_UID = re.compile(r"(?<![\w.])[0-2](?:\.\d+){5,}(?![\w.])")
PIXEL_MODULE = frozenset(f"(0028,{element})" for element in ("0004", "0006", "0100", "0101", "0102", "0103"))


class Around(NamedTuple):
    """All of a file that an answer about one of its elements may rest on."""

    days: int | None  # that its dates are shifted by; None: the lookup tables do not know
    sop_class: str  # released
    patient: str  # PatientID, released
    redacted: bool  # the pixels are not those of the original


class BeforeAndAfter(NamedTuple):
    """An element of the original (``old``) and of the release; one of them may be missing."""

    old: Leaf | None
    new: Leaf | None
    around: Around
    parameters: Parameters
    promise: Promise | None  # of the site's own script

    @property
    def promised(self) -> str:
        """The kind of value that the site's script gives this element, where its value is that; "" for any other."""
        return promised_kind(self.promise, self.old, self.new) if self.new and not self.new.path else ""


class ElementFault(NamedTuple):
    """A finding about an element in whatever file."""

    check: str
    severity: Severity
    tag: str
    kind: str


# --- dates ------------------------------------------------------------------------------------------------------------


def check_date(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """Every date moved by the days of the lookup table, every time of day as it was."""
    old, new = it.old, it.new
    if new is None:
        return
    if old is None:
        if new.vr in ("DA", "DT"):
            for _ in filter(None, new.values):
                yield ElementFault("dates", "medium", new.name, "a date that the source does not have there")
        return
    if not new.text.strip() or not old.text.strip():
        return
    vr = vr_by_tag(old.tag) or old.vr  # the original may stand under any
    if vr == "TM" and old.values != new.values:
        yield ElementFault("dates", "high", new.name, "the time of day changed")
    if vr not in ("DA", "DT") and new.vr not in ("DA", "DT"):
        return
    if len(old.days) != len(new.days):
        yield ElementFault("dates", "high", new.name, "another number of dates than in the source")
    for before, after in zip(old.days, new.days, strict=False):
        if after and (fault := date_fault(before, after, it.around.days, it.parameters.zone)):
            yield ElementFault("dates", "high", new.name, fault)


def date_fault(before: str, after: str, days: int | None, zone: ZoneInfo) -> str:
    """What is wrong with a shifted DA or DT value, "" if nothing: a DT with an offset is told by the site's clock
    (DS-10), and the offset may change with the local date."""
    before = _local(before, zone)
    old, new = read_date(before), read_date(after)
    if new is None:
        return "is not a date"
    if old is None:
        return "a date where the source has none that can be read"
    if days is None:
        return "no shift is known for this patient"
    if new - old != datetime.timedelta(days=days):
        return "the date is the original one" if new == old else "not moved by the days of the lookup table"
    if _clock(before) != _clock(after):
        return "the time of day changed"
    return ""


def _local(value: str, zone: ZoneInfo) -> str:
    """A DT with an offset by the clock of the site, to as many digits as it has; any other value as it is."""
    found = re.fullmatch(r"(\d{10}(?:\d\d){0,2})(\.\d+)?([+-]\d{4})", value)
    with contextlib.suppress(ValueError, OverflowError):
        if found:
            digits, leap = found[1].ljust(14, "0"), found[1][12:] == "60"
            digits = digits[:12] + "59" if leap else digits
            aware = datetime.datetime.strptime(digits + found[3], "%Y%m%d%H%M%S%z")
            there = aware.astimezone(zone).strftime("%Y%m%d%H%M%S").rjust(14, "0")
            return (there[:12] + "60" if leap else there)[: len(found[1])] + (found[2] or "")
    return value


def shifted(day: str, days: int) -> str:
    """A date YYYYMMDD moved by ``days``; "" where that leaves the calendar."""
    with contextlib.suppress(OverflowError):
        if date := read_date(day):
            return (date + datetime.timedelta(days=days)).strftime("%Y%m%d")
    return ""


def _clock(value: str) -> str:
    """What stands behind the date of a DA or DT, without the zone offset."""
    return re.sub(r"^\d{4}[-.]?\d\d[-.]?\d\d|[+-]\d{4}$", "", value)


# --- UIDs -------------------------------------------------------------------------------------------------------------


def uid_pairs(old: Leaf | None, new: Leaf | None) -> set[tuple[str, str]]:
    """(original, released) UID where both files have the element; a reference is a place like any other."""
    if old is None or new is None or old.vr != "UI" or old.tag >> 16 == 0x0002:  # the meta: within its own file
        return set()
    both = zip(old.values, new.values, strict=False)
    return {(before, after) for before, after in both if before and after and not _may_stay(old.tag, before)}


def _may_stay(tag: int, uid: str) -> bool:
    """Whether PS3.6 registers the UID for what its attribute names: a class is no name of a file."""
    rule = standards.ps315_rule(tag)
    if rule and "U" in rule.basic and rule.keyword != "UID":
        return standards.is_well_known_uid(uid)
    return standards.is_registered_uid(uid)


def check_uid(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """No UID of the site is left, and every one is a UID."""
    old, new = it.old, it.new
    if new is None:
        return
    if old is not None and (vr_by_tag(old.tag) or old.vr) == "UI":
        rule = standards.ps315_rule(old.tag)
        every = it.parameters.policy_name in POLICIES  # a site's own script may keep the UID of a private class
        own = {uid for uid in set(old.values) & set(new.values) - {""} if not _may_stay(old.tag, uid)}
        if own and ("U" in rule.basic if rule else every and old.tag >> 16 != 0x0002):
            yield ElementFault("uids", "high", new.name, "the original UID is still there")
    if old is not None and new.vr in texts.FREE:
        left = set(LIKE_A_UID.findall(new.text)) & set(LIKE_A_UID.findall(old.text))
        if not all(map(standards.is_registered_uid, left)):
            yield ElementFault("uids", "high", new.name, "the original UID is still there")
    if new.vr == "UI":
        for value in filter(None, new.values):
            if len(value) > 64 or not re.fullmatch(r"[0-2](\.(0|[1-9]\d*))+", value):
                yield ElementFault("uids", "high", new.name, "is not a valid UID")


# --- what stays, what goes --------------------------------------------------------------------------------------------


def check_kept(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """What the SOP asks for stands there as it was."""
    old, new = it.old, it.new
    if old is None or old.path or not old.value.strip(b"\\ \0"):
        return
    tag = standards.tag_name(old.tag)
    wanted = _wanted().get(tag)
    if wanted is None:
        return
    grave: Severity = "high" if it.parameters.policy_name == "chorus" else "low"  # other policies may remove more
    if new is None or not new.value.strip(b" \0"):
        needed = must_be(it.around.sop_class, old) if unusable(old) else "value"
        if new is None and needed:
            yield ElementFault("retained", grave, tag, f"{wanted} is gone")
        elif new is None or needed == "present":
            yield ElementFault("retained", "low", tag, f"{wanted} had a value that nobody can use")
        else:
            yield ElementFault("retained", "medium" if grave == "high" else "low", tag, f"{wanted} is empty")
    elif EXACT & {vr_by_tag(old.tag)} and not _kept(old, new) and not (it.around.redacted and tag in PIXEL_MODULE):
        severity: Severity = "medium" if vr_by_tag(old.tag) == "CS" and new.text and _is_within(new, old) else grave
        yield ElementFault("retained", severity, tag, f"{wanted} has another value")


@cache
def _wanted() -> Mapping[str, str]:
    return {**standards.keep_list(), **{tag: row[0] for tag, row in standards.minimum_metadata().items()}}


def _kept(old: Leaf, new: Leaf) -> bool:
    if _same(old, new):
        return True
    if old.keyword == "Modality":
        return standards.modality_code(old.text) == new.text
    return standards.is_off_list(old.tag, old.values) and standards.as_listed(old.tag, old.values) == list(new.values)


def _is_within(new: Leaf, old: Leaf) -> bool:
    """Whether nothing but words were taken out: a code of several words may hold a name."""
    left = iter(old.text.replace("\\", " ").split())
    return all(word in left for word in new.text.replace("\\", " ").split())


def _same(old: Leaf, new: Leaf) -> bool:
    return old.value.strip(b" \0") == new.value.strip(b" \0") or (bool(old.text) and old.values == new.values)


def check_gone(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """No element that no reader needs, nor a value that the profile removes."""
    leaf = it.new
    if leaf is None:
        return
    group = leaf.tag >> 16
    if group == 0x0002 and leaf.tag not in META:
        yield ElementFault("removed", "high", leaf.name, "file meta information that no reader needs")
    if group in (0x0000, 0x0002) or group % 2 or not leaf.value.strip(b" \0"):
        return
    if 0x5000 <= group <= 0x501E or 0x6000 <= group <= 0x601E:
        yield ElementFault("removed", "high", leaf.name, "an overlay or curve is still there")
    elif group == 0x7FE0 and leaf.path:
        yield ElementFault("removed", "high", leaf.name, "a picture within a sequence is still there")
    elif leaf.tag not in DicomDictionary:
        yield ElementFault("removed", "high", leaf.name, "an element that the DICOM dictionary does not know")
    elif not leaf.path and is_made(it.promise) and not _unchanged(it):
        pass  # the site's script put it there; whether it is that value is asked elsewhere
    elif leaf.vr == "PN" and leaf.text not in (it.around.patient, ""):
        severity: Severity = "high" if _no_dummy(it, leaf) else "medium"
        yield ElementFault("removed", severity, leaf.name, "a person name that is not empty")
    elif it.around.days == 0 and leaf.vr in ("DA", "DT") and not it.promise:
        pass  # moved by no day (DS-05, date shift code 0), it is what it was: check_date asks that
    elif _to_go(leaf.tag, it.parameters) and _no_dummy(it, leaf):
        yield ElementFault("removed", "high", leaf.name, "has a value, which the profile removes")


def _no_dummy(it: BeforeAndAfter, leaf: Leaf) -> bool:
    """Whether the value is the original, a part of one that the site's script copied, or where none may stand."""
    copied = not leaf.path and it.promise is not None and it.promise.kind == "copied"
    return copied or _unchanged(it) or _never_a_dummy(it.around.sop_class, leaf)


def _unchanged(it: BeforeAndAfter) -> bool:
    return it.old is not None and it.new is not None and _same(it.old, it.new)


def _never_a_dummy(sop_class: str, leaf: Leaf) -> bool:
    """Whether no value at all may stand there: a dummy is for what the IOD requires (PS3.15 Table E.1-1a)."""
    rule = standards.ps315_rule(leaf.tag)
    shifted_date = leaf.vr in ("DA", "DT")  # compared with the original elsewhere
    if rule is None or rule.basic == "D" or shifted_date or standards.iod_of(sop_class) is None:
        return False
    path = tuple(leaf.path.split(".")[::2]) if leaf.path else ()
    type_ = standards.attribute_type(sop_class, path, leaf.keyword) or "3"
    return type_[0] not in ("12" if rule.basic == "X/D" else "1")


def _to_go(tag: int, parameters: Parameters) -> bool:
    """Whether PS3.15's Basic Profile removes or replaces it and no option in use, nor the SOP, keeps it."""
    rule, name = standards.ps315_rule(tag), standards.tag_name(tag)
    if rule is None or rule.basic in ("K", "C", "U") or rule.vr == "UI" or tag in REPLACED:
        return False
    if name in standards.keep_list() or name in standards.minimum_metadata():
        return False
    if rule.rtn_pat_chars or rule.rtn_long_modif or rule.clean_desc or rule.clean_struct:
        return False
    return not (rule.rtn_dev_id and parameters.keep_device_identifiers)


def check_private(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """No private element but those known to be safe, where they may stay."""
    leaf = it.new
    if leaf is None or not leaf.tag >> 16 & 1 or leaf.tag & 0xFFFF <= 0xFF:
        return
    known = standards.safe_private().get((leaf.creator, leaf.tag >> 16, leaf.tag & 0xFF))
    if not (known and it.parameters.keep_safe_private):
        yield ElementFault("private", "high", leaf.name, "a private element that is not known to be safe")
    elif (known.vr or leaf.vr)[:2] in texts.UNSEEN and leaf.value.strip(b"\0"):
        yield ElementFault("private", "high", leaf.name, "a picture or file of a maker, which nobody looks into")


def check_shapes(it: BeforeAndAfter) -> Iterator[ElementFault]:
    """Text that looks like an identifier; a date that the shift explains is none, nor a hash that was promised."""
    if it.new is not None and 0 < texts.longest_value(it.new.tag, it.new.vr) < len(it.new.value):
        yield ElementFault("patterns", "high", it.new.name, "more values than its attribute has")
    if it.new is not None and it.promised != "md5":
        for severity, detail in texts.identifier_shapes(it.new):
            yield ElementFault("patterns", severity, it.new.name, detail)


ELEMENT_CHECKS: tuple[Callable[[BeforeAndAfter], Iterator[ElementFault]], ...] = (
    *(check_date, check_uid, check_kept, check_gone, check_private, check_shapes),
)
