"""One released file against its original: identifiers, names, dates, UIDs, what was kept and what must be gone."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydicom.datadict import DicomDictionary

from chorus_nb import standards
from chorus_nb.layout import InstancePath
from chorus_nb.leaks.reading import MEDIA_INSTANCE, Leaf, Reading, vr_by_tag
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import read_date
from chorus_nb.parameters import POLICIES, Parameters
from chorus_nb.verify.findings import Finding, Findings
from chorus_nb.verify.site_script import Promise, is_made, promise_faults
from chorus_nb.verify.values import must_be, unusable

GONE = {
    0x04000561: "Original Attributes Sequence",
    0x04000500: "Encrypted Attributes Sequence",
    0x00880200: "Icon Image Sequence",
    0xFFFAFFFA: "Digital Signatures Sequence",
    0x4FFE0001: "MAC Parameters Sequence",
    0xFFFCFFFC: "Data Set Trailing Padding",
}
"""Never in a release: values from before (PS3.15 E.1.1), envelopes, thumbnails, signatures that no longer verify."""
META = frozenset((0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013))
"""All of the file meta information that is needed (PS3.10 section 7.1), and the name of what wrote the file."""
REPLACED = frozenset((0x00100020, 0x00080050))  # PatientID and AccessionNumber: by the lookup tables
EXACT = frozenset(("CS", "IS", "DS", "US", "SS", "UL", "SL", "FL", "FD"))
PIXEL_MODULE = frozenset(f"(0028,{element})" for element in ("0004", "0006", "0100", "0101", "0102", "0103"))
CLEAN_FEATURES = "113102"  # CID 7050 Clean Recognizable Visual Features Option


class ReleasedFile(NamedTuple):
    """A released file as ``outcomes`` has it, and what is on record as filled: boxes, and the mask of a face."""

    source_path: str
    target_path: str
    source_digest: str
    boxes: str
    face_mask: str = ""


class Patient(NamedTuple):
    """What the lookup tables say of a PatientID; ``images`` = accession to image_occurrence_id."""

    person_id: int
    days_shifted: int
    images: dict[str, int]


class Pair(NamedTuple):
    """An original and what was released of it. ``None`` = the lookup tables do not know the patient of the original."""

    task: ReleasedFile
    source: Reading
    release: Reading
    patient: Patient | None
    promises: Mapping[int, Promise] = MappingProxyType({})  # of the site's own script, by tag

    @property
    def image_occurrence_id(self) -> int | None:
        return self.patient.images.get(text(self.source, 0x00080050)) if self.patient else None


def _finding(pair: Pair, check: str, severity: Severity, tag: str, detail: str) -> Finding:
    return Finding(check, severity, pair.task.target_path, tag, detail)


def text(reading: Reading, keyword_tag: int, path: str = "") -> str:
    leaf = reading.leaves.get((path, keyword_tag))
    return leaf.text.strip() if leaf else ""


# --- identity ---------------------------------------------------------------------------------------------------------


def check_ids(pair: Pair, _: Parameters) -> Findings:
    for tag, wanted, name in (
        (0x00100020, pair.patient.person_id if pair.patient else None, "person_id"),
        (0x00080050, pair.image_occurrence_id, "image_occurrence_id"),
    ):
        if wanted is None:
            yield _finding(pair, "ids", "high", standards.tag_name(tag), f"the lookup tables have no {name} for it")
        elif text(pair.release, tag) != str(wanted):
            yield _finding(pair, "ids", "high", standards.tag_name(tag), f"is not the {name} of the lookup tables")
        elif len(str(wanted)) > 4 and text(pair.source, tag) == str(wanted):  # shorter ones are alike by chance
            yield _finding(pair, "ids", "medium", standards.tag_name(tag), f"the original value is the {name} itself")


def check_layout(pair: Pair, _: Parameters) -> Findings:
    """``<person_id>/Images/<Modality>/<image_occurrence_id>/<series>/<instance>.dcm`` (SOP step 15)."""
    place = InstancePath.read(pair.task.target_path)
    if place is None:
        yield _finding(pair, "layout", "high", "", "is not person/Images/modality/accession/series/instance")
        return
    for part, tag, fault in (
        (place.person_id, 0x00100020, "the person folder has another name"),
        (place.modality, 0x00080060, "the modality folder has another name"),
        (place.image_occurrence_id, 0x00080050, "the accession folder has another name"),
        (place.series_uid, 0x0020000E, "the series folder is not the Series Instance UID"),
    ):
        if part != text(pair.release, tag):
            yield _finding(pair, "layout", "high", standards.tag_name(tag), fault)
    number = re.fullmatch(r"(\d+)(?:_\d+)?\.dcm", place.name)
    instance = re.fullmatch(r"\+?0*(\d{1,9})(?:\.0*)?", text(pair.release, 0x00200013))  # as numbers: 0012 and 12.0
    if number is None or (instance and int(number[1]) != int(instance[1])):
        yield _finding(pair, "layout", "high", "(0020,0013)", "the file name is not the Instance Number")


# --- dates ------------------------------------------------------------------------------------------------------------


def check_dates(pair: Pair, parameters: Parameters) -> Findings:
    days = pair.patient.days_shifted if pair.patient else None
    for key, old in pair.source.leaves.items():
        new = pair.release.leaves.get(key)
        if new is None or not new.text.strip() or not old.text.strip():
            continue
        vr = vr_by_tag(old.tag) or old.vr  # the original may stand under any
        if vr == "TM" and old.values != new.values:
            yield _finding(pair, "dates", "high", new.name, "the time of day changed")
        if vr not in ("DA", "DT") and new.vr not in ("DA", "DT"):
            continue
        if len(old.days) != len(new.days):
            yield _finding(pair, "dates", "high", new.name, "another number of dates than in the source")
        for before, after in zip(old.days, new.days, strict=False):
            if after and (fault := date_fault(before, after, days, parameters.zone)):
                yield _finding(pair, "dates", "high", new.name, fault)
    for key, new in pair.release.leaves.items():
        if new.vr in ("DA", "DT") and key not in pair.source.leaves:
            for value in new.values:
                if value:
                    yield _finding(pair, "dates", "medium", new.name, "a date that the source does not have there")


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


def uid_pairs(pair: Pair) -> set[tuple[str, str]]:
    """(original, released) UID of every place both files have; references are places like any other."""
    made = set()
    for key, old in pair.source.leaves.items():
        new = pair.release.leaves.get(key)
        if old.vr == "UI" and new is not None and old.tag >> 16 != 0x0002:  # the meta is compared within its own file
            for before, after in zip(old.values, new.values, strict=False):
                if before and after and not _may_stay(old.tag, before):
                    made.add((before, after))
    return made


def _may_stay(tag: int, uid: str) -> bool:
    """Whether PS3.6 registers the UID for what its attribute names: a class is no name of a file."""
    rule = standards.ps315_rule(tag)
    if rule and "U" in rule.basic and rule.keyword != "UID":
        return standards.is_well_known_uid(uid)
    return standards.is_registered_uid(uid)


def check_uids(pair: Pair, parameters: Parameters) -> Findings:
    every = parameters.policy_name in POLICIES  # a site's own script may keep the UID of a private class
    for key, old in pair.source.leaves.items():
        new = pair.release.leaves.get(key)
        if (vr_by_tag(old.tag) or old.vr) != "UI" or new is None:
            continue
        rule = standards.ps315_rule(old.tag)
        own = {uid for uid in set(old.values) & set(new.values) - {""} if not _may_stay(old.tag, uid)}
        if own and ("U" in rule.basic if rule else every and old.tag >> 16 != 0x0002):
            yield _finding(pair, "uids", "high", new.name, "the original UID is still there")
    for leaf in pair.release.leaves.values():
        if leaf.vr == "UI":
            for value in leaf.values:
                if value and (len(value) > 64 or not re.fullmatch(r"[0-2](\.(0|[1-9]\d*))+", value)):
                    yield _finding(pair, "uids", "high", leaf.name, "is not a valid UID")
    for meta, inside, name in ((MEDIA_INSTANCE, 0x00080018, "instance"), (0x00020002, 0x00080016, "class")):
        if text(pair.release, meta) != text(pair.release, inside):
            tag = standards.tag_name(meta)
            yield _finding(pair, "uids", "high", tag, f"the file meta information names another {name}")


# --- what stays, what goes --------------------------------------------------------------------------------------------


def check_retained(pair: Pair, parameters: Parameters) -> Findings:
    wanted = {**standards.keep_list(), **{tag: row[0] for tag, row in standards.minimum_metadata().items()}}
    grave: Severity = "high" if parameters.policy_name == "chorus" else "low"  # other policies may remove more
    redacted = pair.source.pixels != pair.release.pixels
    for key, old in pair.source.leaves.items():
        tag = standards.tag_name(old.tag)
        if key[0] or tag not in wanted or not old.value.strip(b"\\ \0"):
            continue
        new = pair.release.leaves.get(key)
        needed = must_be(text(pair.release, 0x00080016), old) if unusable(old) else "value"
        if new is None and needed:
            yield _finding(pair, "retained", grave, tag, f"{wanted[tag]} is gone")
        elif new is None or (needed == "present" and not new.value.strip(b" \0")):
            yield _finding(pair, "retained", "low", tag, f"{wanted[tag]} had a value that nobody can use")
        elif not new.value.strip(b" \0"):
            severity: Severity = "medium" if grave == "high" else "low"
            yield _finding(pair, "retained", severity, tag, f"{wanted[tag]} is empty")
        elif EXACT & {vr_by_tag(old.tag)} and not _kept(old, new) and not (redacted and tag in PIXEL_MODULE):
            severity = "medium" if vr_by_tag(old.tag) == "CS" and new.text and _is_within(new, old) else grave
            yield _finding(pair, "retained", severity, tag, f"{wanted[tag]} has another value")


def _kept(old: Leaf, new: Leaf) -> bool:
    return _same(old, new) or (old.keyword == "Modality" and standards.modality_code(old.text) == new.text)


def _is_within(new: Leaf, old: Leaf) -> bool:
    """Whether nothing but words were taken out: a code of several words may hold a name."""
    left = iter(old.text.replace("\\", " ").split())
    return all(word in left for word in new.text.replace("\\", " ").split())


def _same(old: Leaf, new: Leaf) -> bool:
    return old.value.strip(b" \0") == new.value.strip(b" \0") or (bool(old.text) and old.values == new.values)


def check_removed(pair: Pair, parameters: Parameters) -> Findings:
    for name, fault in promise_faults(pair.promises, pair.source, pair.release):
        yield _finding(pair, "removed", "high", name, fault)
    for name, tag in ((name, tag) for tag, name in GONE.items() if _present(pair.release, tag)):
        yield _finding(pair, "removed", "high", standards.tag_name(tag), f"{name} is still there")
    for leaf in pair.release.leaves.values():
        group = leaf.tag >> 16
        if group == 0x0002 and leaf.tag not in META:
            yield _finding(pair, "removed", "high", leaf.name, "file meta information that no reader needs")
        if group in (0x0000, 0x0002) or group % 2 or not leaf.value.strip(b" \0"):
            continue
        if 0x5000 <= group <= 0x501E or 0x6000 <= group <= 0x601E:
            yield _finding(pair, "removed", "high", leaf.name, "an overlay or curve is still there")
        elif leaf.tag not in DicomDictionary:
            yield _finding(pair, "removed", "high", leaf.name, "an element that the DICOM dictionary does not know")
        elif _is_the_scripts(pair, leaf):
            pass
        elif leaf.vr == "PN" and leaf.text not in (text(pair.release, 0x00100020), ""):
            severity: Severity = "high" if _no_dummy(pair, leaf) else "medium"
            yield _finding(pair, "removed", severity, leaf.name, "a person name that is not empty")
        elif _to_go(leaf.tag, parameters) and _no_dummy(pair, leaf):
            yield _finding(pair, "removed", "high", leaf.name, "has a value, which the profile removes")
    age = text(pair.release, 0x00101010)
    if re.fullmatch(r"\d{3}Y", age) and int(age[:3]) > 90:
        yield _finding(pair, "removed", "high", "(0010,1010)", "an age above 89 (Safe Harbor item 3)")
    born, studied = read_date(text(pair.release, 0x00100030)), read_date(text(pair.release, 0x00080020))
    if born and studied and _years(born, studied) > 90:
        yield _finding(pair, "removed", "high", "(0010,0030)", "a birth date that tells an age above 89")


def _is_the_scripts(pair: Pair, leaf: Leaf) -> bool:
    """Whether the site's script put this value there; whether it is that value is asked elsewhere."""
    return not leaf.path and is_made(pair.promises.get(leaf.tag)) and not _unchanged(pair, leaf)


def _no_dummy(pair: Pair, leaf: Leaf) -> bool:
    """Whether the value is the original, a part of one that the site's script copied, or where none may stand."""
    promise = None if leaf.path else pair.promises.get(leaf.tag)
    copied = promise is not None and promise.kind == "copied"
    return copied or _unchanged(pair, leaf) or _never_a_dummy(pair, leaf)


def _years(born: datetime.date, then: datetime.date) -> int:
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


def _present(reading: Reading, tag: int) -> bool:
    keyword = DicomDictionary.get(tag, ("", "", "", "", f"{tag:08X}"))[4]
    return tag in reading.dataset or any(keyword in leaf.path.split(".") for leaf in reading.leaves.values())


def _unchanged(pair: Pair, leaf: Leaf) -> bool:
    old = pair.source.leaves.get((leaf.path, leaf.tag))
    return old is not None and _same(old, leaf)


def _never_a_dummy(pair: Pair, leaf: Leaf) -> bool:
    """Whether no value at all may stand there: a dummy is for what the IOD requires (PS3.15 Table E.1-1a)."""
    sop_class, rule = text(pair.release, 0x00080016), standards.ps315_rule(leaf.tag)
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


def check_private(pair: Pair, parameters: Parameters) -> Findings:
    for leaf in pair.release.leaves.values():
        group, element = leaf.tag >> 16, leaf.tag & 0xFFFF
        if not group % 2 or element <= 0xFF:
            continue
        known = (leaf.creator, group, element & 0xFF) in standards.safe_private()
        if not (known and parameters.keep_safe_private):
            yield _finding(pair, "private", "high", leaf.name, "a private element that is not known to be safe")
    creators = {(leaf.path, leaf.tag) for leaf in pair.release.leaves.values() if _reserves(leaf.tag)}
    used = {(leaf.path, leaf.tag & 0xFFFF0000 | leaf.tag >> 8 & 0xFF) for leaf in pair.release.leaves.values()}
    for path, tag in creators - used:
        yield _finding(pair, "private", "medium", standards.tag_name(tag), f"an empty private block {path}".strip())


def _reserves(tag: int) -> bool:
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


# --- what the file says of itself -------------------------------------------------------------------------------------


def check_claims(pair: Pair, _: Parameters) -> Findings:
    if text(pair.release, 0x00120062) != "YES":
        yield _finding(pair, "claims", "high", "(0012,0062)", "does not say that identity was removed")
    if not text(pair.release, 0x00120063) and "DeidentificationMethodCodeSequence" not in pair.release.dataset:
        yield _finding(pair, "claims", "high", "(0012,0064)", "does not say how identity was removed")
    temporal = text(pair.release, 0x00280303)
    if pair.patient and pair.patient.days_shifted and temporal not in ("MODIFIED", "REMOVED"):
        yield _finding(pair, "claims", "medium", "(0028,0303)", "does not say that dates were modified")
    burned = text(pair.source, 0x00280301), text(pair.release, 0x00280301)
    if burned == ("YES", "NO") and pair.source.pixels == pair.release.pixels:
        yield _finding(pair, "claims", "low", "(0028,0301)", "says NO burned-in text where the source said YES")
    codes = {item.get("CodeValue") for item in pair.release.dataset.get("DeidentificationMethodCodeSequence") or ()}
    features = text(pair.source, 0x00280302), text(pair.release, 0x00280302)
    defaced = bool(pair.task.face_mask)
    if (CLEAN_FEATURES in codes) != defaced or (features[1] == "NO") != (defaced or features[0] == "NO"):
        yield _finding(pair, "claims", "high", "(0028,0302)", "says of faces what is not on record")


FILE_CHECKS = {
    "ids": check_ids,
    "layout": check_layout,
    "dates": check_dates,
    "uids": check_uids,
    "retained": check_retained,
    "removed": check_removed,
    "private": check_private,
    "claims": check_claims,
}
"""The checks that need nothing but the file, its original, its row of the lookup tables and the site's script."""
