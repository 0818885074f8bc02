"""The run: worklist in, release and outcomes out; parallel, resumable, and nothing lost (SOP steps 12, 13).

Each file is written under a temporary name in its folder and renamed, then recorded. The release is not synced to the
disk file by file: after a power cut a file of the wrong size is made again, which the next run checks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import blake3
import pandas as pd

from chorus_nb import compute, pixels, sources, tables
from chorus_nb.deid import crosswalk, spans
from chorus_nb.deid.dataset import Change, Deidentifier, Subject
from chorus_nb.deid.ledger import Ledger
from chorus_nb.deid.spans import Refused
from chorus_nb.deid.uids import UidMap
from chorus_nb.deid.worklist import uid_map
from chorus_nb.errors import WorkbenchError
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.workspace import Workspace, remove_partials, replacing

if TYPE_CHECKING:
    from chorus_nb.compute import Progress
    from chorus_nb.mapping import Policy

BATCH_FILES, BATCH_BYTES = 64, 32 << 20
REDACTED = ("113101",)  # CID 7050 Clean Pixel Data Option


class Task(NamedTuple):
    """A file to release."""

    source_path: str
    target_path: str
    sop_class: str
    modality: str
    size: int
    boxes: str
    text_checked: bool
    subject: Subject
    fingerprint: str


@dataclass(frozen=True)
class Job:
    """What a worker needs to know, whichever machine it runs on."""

    source: Path
    release: Path
    crosswalk: Path
    policy: Policy
    uids: UidMap
    time_zone: str

    def __hash__(self) -> int:
        return hash((self.source, self.release, self.policy.digest, self.time_zone))


def deidentify(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """De-identify what the worklist releases and what is not done yet; writes and returns ``outcomes``."""
    worklist = workspace.read(tables.WORKLIST)
    remove_partials(workspace.release)
    job = _job(workspace)
    with Ledger(workspace) as ledger:
        done = ledger.rows()
        tasks = list(_tasks(worklist, _finished(worklist, done, workspace.release), read_lookups(workspace).persons))
        _withdraw(workspace.release, worklist, done)
        _run(workspace, job, tasks, ledger, progress)
        outcomes = _outcomes(worklist, ledger.rows())
        crosswalk.keep_only(job.crosswalk, set(ledger.parts().part))
    workspace.write(tables.OUTCOMES, outcomes)
    return outcomes


def _job(workspace: Workspace) -> Job:
    parameters = workspace.parameters
    return Job(
        parameters.source_path,
        workspace.release,
        workspace.local / crosswalk.FOLDER,
        load_policy(workspace),
        uid_map(workspace),
        parameters.time_zone,
    )


def _finished(worklist: pd.DataFrame, done: pd.DataFrame, release: Path) -> set[str]:
    """Files whose result would be the same and is still there."""
    merged = worklist.merge(done, on=["source_path", "fingerprint"], suffixes=("", "_done"))
    same = merged[merged.status == "release"]
    return {
        path
        for path, status, target, size in zip(
            same.source_path, same.status_done, same.target_path_done, same.target_size, strict=True
        )
        if status != "released" or _has_size(release / target, int(size))
    }


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _tasks(worklist: pd.DataFrame, finished: set[str], persons: pd.DataFrame) -> Iterator[Task]:
    known = {person: frozenset(group) for person, group in persons.groupby("person_id").PatientID}
    for row in worklist[worklist.status == "release"].itertuples(index=False):
        if row.source_path not in finished:
            subject = Subject(
                int(row.person_id),
                int(row.days_shifted),
                int(row.image_occurrence_id),
                known.get(row.person_id, frozenset()),
            )
            yield Task(
                row.source_path,
                row.target_path,
                row.sop_class,
                row.modality,
                int(row.size),
                row.boxes,
                bool(row.text_checked),
                subject,
                row.fingerprint,
            )


def _withdraw(release: Path, worklist: pd.DataFrame, done: pd.DataFrame) -> None:
    """Take out of the release what the worklist no longer releases. What merely vanished from the source stays."""
    planned = set(worklist.target_path[worklist.status == "release"])
    found = done[(done.status == "released") & done.source_path.isin(worklist.source_path)]
    for target in set(found.target_path) - planned:
        (release / target).unlink(missing_ok=True)


def _batches(tasks: list[Task]) -> Iterator[tuple[Task, ...]]:
    queue = iter(tasks)
    while first := next(queue, None):
        batch, size = [first], first.size
        for task in islice(queue, BATCH_FILES - 1):
            batch.append(task)
            size += task.size
            if size > BATCH_BYTES:
                break
        yield tuple(batch)


def _run(workspace: Workspace, job: Job, tasks: list[Task], ledger: Ledger, progress: Progress | None) -> None:
    total, count, size, begun = len(tasks), 0, 0, time.monotonic()
    lost: list[Task] = []
    work = partial(process, job)
    with compute.executor(workspace.parameters) as pool:
        for batch, result in compute.map_unordered(pool, work, _batches(tasks)):
            if isinstance(result, BaseException):
                lost.extend(batch)
                continue
            ledger.record(result)
            count += len(batch)
            size += sum(task.size for task in batch)
            if progress:
                progress(count, total, f"{size / 1e6 / (time.monotonic() - begun + 1e-9):.0f} MB/s")
    for task in lost:  # a worker died: one file at a time, so that only the one that kills it is given up
        ledger.record(_alone(workspace, work, task))
        count += 1
        if progress:
            progress(count, total, "one by one after a lost worker")


def _alone(workspace: Workspace, work: partial[list[dict[str, Any]]], task: Task) -> list[dict[str, Any]]:
    with compute.executor(workspace.parameters) as pool:
        try:
            return pool.submit(work, (task,)).result()
        except BrokenProcessPool:
            return [_outcome(task, "quarantined", "worker_lost", "the worker process died on this file")]
        except OSError as error:
            raise WorkbenchError(f"cannot write the release: {error.strerror}; run again to resume") from None


# --- in the worker ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _engine(job: Job) -> Deidentifier:
    from zoneinfo import ZoneInfo

    return Deidentifier(job.policy, job.uids, ZoneInfo(job.time_zone))


def process(job: Job, batch: tuple[Task, ...]) -> list[dict[str, Any]]:
    """De-identify a batch of files; a row of the ledger for each."""
    engine = _engine(job)
    rows: list[dict[str, Any]] = []
    changes: list[tuple[str, str, list[Change]]] = []
    for task in batch:
        begun = time.perf_counter()
        row, changed = _one(job, engine, task)
        row["seconds"] = time.perf_counter() - begun
        rows.append(row)
        if changed:
            changes.append((task.source_path, task.target_path, changed))
    if changes:
        part = crosswalk.write_part(job.crosswalk, changes)
        written = {source_path for source_path, _, _ in changes}
        for row in rows:
            row["part"] = part if row["source_path"] in written else ""
    return rows


def _one(job: Job, engine: Deidentifier, task: Task) -> tuple[dict[str, Any], list[Change]]:
    try:
        content = sources.read_bytes(job.source, task.source_path)
    except OSError as error:
        return _outcome(task, "quarantined", "unreadable", type(error).__name__), []
    source_digest = _digest(content)
    pixel_digest = ""
    try:
        if task.boxes:
            before = spans.take_apart(content)
            pixel_digest = _pixel_digest(before)
            content = pixels.redact(content, pixels.parse_boxes(task.boxes))
        made = engine.apply(
            content, task.subject, text_checked=task.text_checked, cleaned_pixels=REDACTED if task.boxes else ()
        )
    except Refused as refused:
        return _outcome(task, "quarantined", refused.reason, refused.detail, source_digest=source_digest), []
    except pixels.Refused as refused:
        return _outcome(task, "quarantined", "pixels_undecodable", refused.code, source_digest=source_digest), []
    except RecursionError:
        return _outcome(task, "quarantined", "structure_refused", "nests too deep", source_digest=source_digest), []
    except Exception as error:  # whatever a broken header does to a library, it costs this file and tells no value
        fault = f"{type(error).__name__} in {_place(error)}"
        return _outcome(task, "quarantined", "unexpected_fault", fault, source_digest=source_digest), []
    after = _digest(made.pixel_value) if len(made.pixel_value) else ""
    target = job.release / task.target_path
    size, target_digest = _write(target, made.header, made.pixels)
    row = _outcome(
        task,
        "released",
        detail="; ".join(f"{note}: {count}" for note, count in sorted(made.notes.items())),
        target_path=task.target_path,
        source_digest=source_digest,
        target_digest=target_digest,
        pixel_digest_before=pixel_digest or after,
        pixel_digest_after=after,
        target_size=size,
    )
    return row, made.changes


def _write(target: Path, header: bytes, pixel_data: spans.Buffer) -> tuple[int, str]:
    """Write the file, whole or not at all; a file that has these bytes already is left as it is."""
    digest = blake3.blake3(header).update(pixel_data).hexdigest()
    size = len(header) + len(pixel_data)
    if not (_has_size(target, size) and _digest(target.read_bytes()) == digest):
        with replacing(target, durable=False) as temporary, open(temporary, "wb", buffering=0) as file:
            for part in (header, pixel_data):
                view = memoryview(part)
                while len(view):
                    view = view[file.write(view) :]
    return size, digest


def _digest(content: spans.Buffer) -> str:
    return blake3.blake3(content).hexdigest()


def _pixel_digest(taken: spans.Spans) -> str:
    if taken.pixels is None:
        return ""
    start = taken.pixels.value
    return _digest(memoryview(taken.data)[start : start + taken.pixels.length])


def _outcome(task: Task, status: str, reason: str = "", detail: str = "", **more: Any) -> dict[str, Any]:
    return {
        "source_path": task.source_path,
        "status": status,
        "reason": reason,
        "detail": detail,
        "target_path": "",
        "sop_class": task.sop_class,
        "modality": task.modality,
        "fingerprint": task.fingerprint,
        "seconds": 0.0,
        "target_size": 0,
        **more,
    }


def _place(error: BaseException) -> str:
    """Module and line of an error, without its text, which may quote a header."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


# --- outcomes ---------------------------------------------------------------------------------------------------------


def _outcomes(worklist: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """A row for every file found: what the worklist decided, or what became of it."""
    decided = worklist[worklist.status != "release"].assign(target_path="", seconds=0.0)
    released = worklist.loc[worklist.status == "release", ["source_path"]].merge(done, on="source_path", how="left")
    if released.status.isna().any():
        raise WorkbenchError("some files have no outcome: the run was interrupted; run again to resume")
    both = pd.concat([decided, released], ignore_index=True)
    for name in tables.OUTCOMES.column_names:
        if name not in both:
            both[name] = ""
    return both[tables.OUTCOMES.column_names].sort_values("source_path", ignore_index=True)
