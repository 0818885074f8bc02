"""One released file against its original: identifiers, names, dates, UIDs, what was kept and what must be gone."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pydicom.datadict import DicomDictionary

from chorus_nb import standards
from chorus_nb.layout import InstancePath
from chorus_nb.leaks.reading import MEDIA_INSTANCE, Reading
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import SearchTerm, read_date
from chorus_nb.parameters import Parameters
from chorus_nb.verify.element_checks import shifted
from chorus_nb.verify.findings import Finding, Findings
from chorus_nb.verify.site_script import Promise, promise_faults

GONE = {
    0x04000561: "Original Attributes Sequence",
    0x04000500: "Encrypted Attributes Sequence",
    0x00880200: "Icon Image Sequence",
    0xFFFAFFFA: "Digital Signatures Sequence",
    0x4FFE0001: "MAC Parameters Sequence",
    0x7FE00003: "Encapsulated Pixel Data Value Total Length",
    0x7FE00020: "Coefficients SDVN",
    0x7FE00030: "Coefficients SDHN",
    0x7FE00040: "Coefficients SDDN",
    0xFFFCFFFC: "Data Set Trailing Padding",
}
"""Never in a release: values from before (PS3.15 E.1.1), envelopes, pictures nobody looks at, void signatures."""
HOW = "DeidentificationMethodCodeSequence"
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

    def shifted_days(self, header_terms: Iterable[SearchTerm]) -> frozenset[str]:
        """Original dates that are also the shifted form of another original date of this file: they prove nothing."""
        days = frozenset(term.text for term in header_terms if term.kind == "date")
        return _all_shifted(days, self.patient.days_shifted) if self.patient else frozenset()


@functools.lru_cache(maxsize=64)
def _all_shifted(days: frozenset[str], by: int) -> frozenset[str]:
    return frozenset(shifted(day, by) for day in days)


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


# --- the file as a whole ----------------------------------------------------------------------------------------------


def check_meta(pair: Pair, _: Parameters) -> Findings:
    """The file meta information names the instance and class of the data set."""
    for meta, inside, name in ((MEDIA_INSTANCE, 0x00080018, "instance"), (0x00020002, 0x00080016, "class")):
        if text(pair.release, meta) != text(pair.release, inside):
            tag = standards.tag_name(meta)
            yield _finding(pair, "uids", "high", tag, f"the file meta information names another {name}")


def check_removed(pair: Pair, _: Parameters) -> Findings:
    """What the site's script takes out, what is never in a release, and ages above 89."""
    for name, fault in promise_faults(pair.promises, pair.source, pair.release):
        yield _finding(pair, "removed", "high", name, fault)
    for tag in pair.release.once(_still_there, _no_value):
        yield _finding(pair, "removed", "high", standards.tag_name(tag), f"{GONE[tag]} is still there")
    if pair.release.more:
        yield _finding(pair, "removed", "high", "", "something stands behind the data set")
    age = text(pair.release, 0x00101010)
    if re.fullmatch(r"\d{3}Y", age) and int(age[:3]) > 90:
        yield _finding(pair, "removed", "high", "(0010,1010)", "an age above 89 (Safe Harbor item 3)")
    born, studied = read_date(text(pair.release, 0x00100030)), read_date(text(pair.release, 0x00080020))
    if born and studied and years_at(born, studied) > 90:
        yield _finding(pair, "removed", "high", "(0010,0030)", "a birth date that tells an age above 89")


def _no_value(_: int) -> bool:
    """What is asked of which elements a file has, whatever their values."""
    return False


def _still_there(read: Reading) -> list[int]:
    steps = {step for path in {path for path, _ in read.leaves} for step in path.split(".")}
    named = ((tag, DicomDictionary.get(tag, ("", "", "", "", f"{tag:08X}"))[4]) for tag in GONE)
    return [tag for tag, step in named if tag in read.dataset or step in steps]


def years_at(born: datetime.date, then: datetime.date) -> int:
    """Whole years."""
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


def check_blocks(pair: Pair, _: Parameters) -> Findings:
    """No name of a private block in which nothing stands."""
    for path, tag in pair.release.once(_empty_blocks, _no_value):
        yield _finding(pair, "private", "medium", standards.tag_name(tag), f"an empty private block {path}".strip())


def _empty_blocks(read: Reading) -> list[tuple[str, int]]:
    private = [(path, tag) for path, tag in read.leaves if tag >> 16 & 1]
    used = {(path, tag & 0xFFFF0000 | tag >> 8 & 0xFF) for path, tag in private}
    return [(path, tag) for path, tag in private if 0x10 <= tag & 0xFFFF <= 0xFF and (path, tag) not in used]


# --- what the file says of itself -------------------------------------------------------------------------------------


def check_claims(pair: Pair, _: Parameters) -> Findings:
    if text(pair.release, 0x00120062) != "YES":
        yield _finding(pair, "claims", "high", "(0012,0062)", "does not say that identity was removed")
    is_sequence = pair.release.once(_says_how, _no_value)
    if not text(pair.release, 0x00120063) and not is_sequence:
        yield _finding(pair, "claims", "high", "(0012,0064)", "does not say how identity was removed")
    temporal = text(pair.release, 0x00280303)
    if pair.patient and pair.patient.days_shifted and temporal not in ("MODIFIED", "REMOVED"):
        yield _finding(pair, "claims", "medium", "(0028,0303)", "does not say that dates were modified")
    burned = text(pair.source, 0x00280301), text(pair.release, 0x00280301)
    if burned == ("YES", "NO") and pair.source.pixels == pair.release.pixels:
        yield _finding(pair, "claims", "low", "(0028,0301)", "says NO burned-in text where the source said YES")
    codes = pair.release.once(_how_codes, _no_value)  # of items, which are equal in files that are alike
    features = text(pair.source, 0x00280302), text(pair.release, 0x00280302)
    defaced = bool(pair.task.face_mask)
    if (CLEAN_FEATURES in codes) != defaced or (features[1] == "NO") != (defaced or features[0] == "NO"):
        yield _finding(pair, "claims", "high", "(0028,0302)", "says of faces what is not on record")


def _says_how(read: Reading) -> bool:
    return HOW in read.dataset and ("", 0x00120064) not in read.leaves


def _how_codes(read: Reading) -> set[str]:
    items = re.compile(rf"{HOW}\.\d+")
    return {leaf.text for (path, tag), leaf in read.leaves.items() if tag == 0x00080100 and items.fullmatch(path)}


FILE_CHECKS = {
    "ids": check_ids,
    "layout": check_layout,
    "uids": check_meta,
    "removed": check_removed,
    "private": check_blocks,
    "claims": check_claims,
}
"""The checks of a file as a whole that need nothing but it, its original, its row of the lookup tables and the site's
script; :mod:`chorus_nb.verify.element_checks` asks of each element."""
