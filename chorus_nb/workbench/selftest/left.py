"""What of the invented people is left in a release, and what of their images was lost, by place and kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import BytesIO

import ahocorasick
import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from chorus_nb import layout, tables
from chorus_nb.errors import ChildFault
from chorus_nb.holds import HELD
from chorus_nb.parameters import Parameters
from chorus_nb.pixels import parse_boxes
from chorus_nb.processes.child import in_child
from chorus_nb.workbench.selftest.invented import OLD_AGE, Invented
from chorus_nb.workbench.selftest.pictures import compared, head_compared
from chorus_nb.workbench.selftest.plants import GOOD_WORDS, Copy, Plants, elements
from chorus_nb.workspace import Workspace

TRIAL_COLUMNS = ["place", "kind", "tried", "left", "lost"]
KEPT, FILES = "kept", "files"
"""Places of the rows about what has to stay."""
WORDED = frozenset(("LO", "LT", "ST", "UC", "UT", "SH", "PN", "CS", "UN"))
Report = Counter[tuple[str, str]]
Released = list[tuple[str, Copy, bytes, str]]
"""Source path, copy, bytes in the release, boxes that were filled."""


def trial_report(scratch: Workspace, plants: Plants) -> pd.DataFrame:
    """``place, kind, tried, left, lost``: a row for what was planted somewhere, kept values, and files by reason."""
    outcomes = scratch.read(tables.OUTCOMES)
    released = outcomes[outcomes.status == "released"]
    there: Released = [
        (row.source_path, plants.copies[row.source_path], (scratch.release / row.target_path).read_bytes(), row.boxes)
        for row in released.itertuples()
    ]
    tried, left, lost = Counter(plants.tried), Report(), Report()
    left.update(_in_images(there, plants))
    left.update(_in_tables(scratch, plants))
    for place, kind, is_lost in _kept(scratch, there):
        tried[place, kind] += 1
        lost[place, kind] += is_lost
    faceless = set(released.source_path[released.face_share > 0]) - set(plants.head)  # these had a face of their own
    pictures = [one for one in there if one[0] not in faceless]
    for kind, is_left, is_lost in _in_pictures(scratch, pictures, plants):
        left["picture", kind] += is_left
        tried[KEPT, f"picture beside a {kind}"] += 1
        lost[KEPT, f"picture beside a {kind}"] += is_lost
    stayed = zip(outcomes.source_path, outcomes.reason, outcomes.detail, outcomes.status, strict=True)
    tried[FILES, "copies"] = len(plants.copies)
    lost[FILES, "no outcome"] = len(plants.copies) - len(outcomes)
    for path, reason, detail, status in stayed:
        lost[FILES, reason] += status != "released" and not held_rightly(path, reason, detail, plants)
    rows = [(*one, tried[one], left[one], lost[one]) for one in sorted({*tried, *+left, *+lost})]
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def score(report: pd.DataFrame) -> float:
    """1 where nothing was left and nothing lost; a row in which all was is worth as much as any other."""
    files = report.place == FILES
    share = ((report.left + report.lost) / report.tried.clip(lower=1)).clip(upper=1)[~files]
    missing = report.lost[files].sum() / max(1, report.tried[files].sum())
    return float(1 - (share.sum() + missing) / max(1, len(share) + 1))


def held_rightly(path: str, reason: str, detail: str, plants: Plants) -> bool:
    """Whether a file was held back because of the text or the face that was planted in its picture, by 03 or, where
    ``deface: flag`` leaves heads, by 04."""
    drawn = bool(plants.copies[path].drawn) and reason == "burned_in_text"
    return drawn or (path in plants.head and (reason.startswith("face") or (reason, detail) == (HELD, "faces")))


# --- what is left -----------------------------------------------------------------------------------------------------


def _automaton(plants: Plants) -> ahocorasick.Automaton:
    made = ahocorasick.Automaton()
    for person in plants.people:
        for kind, text in person.terms():
            made.add_word(text, (kind, text))
    made.make_automaton()
    return made


def _in_images(there: Released, plants: Plants) -> Iterator[tuple[str, str]]:
    """Place and kind of everything that stands in a released file; a text once for each place."""
    terms = _automaton(plants)
    for _, one, content, _ in there:
        found = {hit for _, hit in terms.iter(content.lower().decode("latin-1"))}
        dataset = pydicom.dcmread(BytesIO(content), force=True, stop_before_pixels=True)
        values = [(place, str(element.value).lower()) for place, element in elements(dataset)] if found else []
        values += [("file meta", str(element.value).lower()) for element in dataset.file_meta] if found else []
        for kind, text in sorted(found):
            places = {place for place, value in values if text in value}
            yield from ((place, kind) for place in sorted(places) or ["outside the data set"])
        yield from _days_in(dataset, one.person)


def _days_in(dataset: Dataset, person: Invented) -> Iterator[tuple[str, str]]:
    says, day = person.says_day(), person.day(0)
    for place, element in elements(dataset):
        written = str(element.value)
        if element.VR in ("DA", "DT"):
            if element.keyword == "PatientBirthDate":
                if written == person.born or (person.is_old and written):
                    yield place, "date of birth"
            elif day in written:
                yield place, "date"
        elif element.VR in WORDED and says.search(written):
            yield place, "date"
        elif element.keyword == "PatientAge" and written == OLD_AGE:
            yield place, "age above 89"


def _in_tables(scratch: Workspace, plants: Plants) -> Iterator[tuple[str, str]]:
    """The same of names of files and of all that is no image."""
    terms, days = _automaton(plants), [person.says_day() for person in plants.people]
    for path in layout.files_below(scratch.release):
        yield from (("file name", kind) for kind, _ in sorted({hit for _, hit in terms.iter(path.lower())}))
        if path.endswith(".dcm"):
            continue
        content = (scratch.release / path).read_bytes().decode("latin-1")
        place = "OMOP table" if path.startswith(f"{layout.OMOP}/") else "metadata table"
        yield from ((place, kind) for kind, _ in sorted({hit for _, hit in terms.iter(content.lower())}))
        yield from ((place, "date") for day in days if day.search(content))


# --- what is lost -----------------------------------------------------------------------------------------------------


def _kept(scratch: Workspace, there: Released) -> Iterator[tuple[str, str, bool]]:
    """Values of the technique, words of descriptions that the plan keeps, days of OMOP rows: whether each is lost."""
    plan = scratch.read(tables.TAG_PLAN)
    kept = set(plan.keyword[(plan.path == "") & plan.action.isin(("K", "C"))])
    for _, one, content, _ in there:
        dataset = pydicom.dcmread(BytesIO(content), force=True, stop_before_pixels=True)
        for name, value in one.technique.items():
            yield KEPT, name, str(dataset.get(name, "")) != value
        for name in one.described:
            if name in kept:
                yield KEPT, f"words of {name}", GOOD_WORDS not in str(dataset.get(name, ""))
        if "StudyDate" in dataset:
            yield KEPT, "StudyDate, shifted", dataset.StudyDate != one.person.shifted.strftime("%Y%m%d")
    rows = (scratch.omop_out / "procedure_occurrence.csv").read_text("utf-8")
    people = {one.person.serial: one.person for _, one, _, _ in there}.values()
    for person in people:
        yield KEPT, "OMOP row", f",{person.person_id},4180642,{person.shifted:%Y-%m-%d}," not in rows


def _in_pictures(scratch: Workspace, there: Released, plants: Plants) -> Iterator[tuple[str, bool, bool]]:
    """Kind of what was planted in a picture, whether it is left, and whether the picture beside it is lost."""
    source = scratch.source
    for path, one, content, boxes in there:
        if path in plants.head:
            continue
        planted = source.read(path)
        try:
            text, changed = in_child(compared, planted, content, parse_boxes(boxes), one.drawn)
        except ChildFault:  # nor could the original be decoded
            continue
        if one.drawn:
            yield "text", text, changed
        else:
            yield "tail", False, changed
    head = [(source.read(path), content) for path, _, content, _ in there if path in plants.head]
    if head and _is_flagged(scratch):
        yield "face", False, False
    elif head:
        before, after = (
            [pydicom.dcmread(BytesIO(one), force=True) for one in side] for side in zip(*head, strict=True)
        )
        yield "face", *head_compared(before, after)


def _read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content), force=True)


def _is_flagged(scratch: Workspace) -> bool:
    """Whether faces are only told of, as the site chose (deface: flag), and the planted one was."""
    verdicts = scratch.read_or_empty(tables.FACE_VERDICTS)
    return scratch.parameters.deface == "flag" and "may_be_head" in set(verdicts.status)


def not_tried(parameters: Parameters, plants: Plants) -> list[str]:
    """In words, what was not tried and why."""
    said = []
    if parameters.burned_in_text == "skip":
        said.append("text in pictures (burned_in_text is skip)")
    elif not plants.tried["picture", "text"]:
        said.append("text in pictures (none is large enough, or can be decoded)")
    if parameters.deface == "skip":
        said.append("a face (deface is skip)")
    elif not plants.head:
        said.append("a face (CT is not among the kinds)")
    if plants.not_prepared:
        files = "file" if plants.not_prepared == 1 else "files"
        said.append(f"{plants.not_prepared:,} {files} that could not be written anew")
    return said
