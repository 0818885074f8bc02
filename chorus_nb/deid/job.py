"""The run: worklist in, release and outcomes out; parallel, resumable, and nothing lost (SOP steps 12, 13).

Each file is written under a temporary name in its folder and renamed, then recorded: see RUN.md.
"""

from __future__ import annotations

import pickle
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from chorus_nb import faces, processes, tables
from chorus_nb.by_hand import asked, name_given
from chorus_nb.deid import crosswalk, originals, shredding
from chorus_nb.deid.incomplete import hold_incomplete, waiting_for_nothing
from chorus_nb.deid.ledger import RESUME, Ledger
from chorus_nb.deid.outlook import among, what_changes
from chorus_nb.deid.persons import subject_of
from chorus_nb.deid.settings import keep_settings
from chorus_nb.deid.worker import Job, Row, Task, has_size, outcome, process, withdraw
from chorus_nb.deid.worklist import DEID_RECIPE, uid_map
from chorus_nb.errors import WorkbenchError, WorkerLost
from chorus_nb.holds import NOT_RELEASED
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.memory import code_digest
from chorus_nb.paths import long_path
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.source import earlier
from chorus_nb.workspace import Workspace, below, remove_partials

if TYPE_CHECKING:
    from chorus_nb.processes import Progress

BATCH_FILES, BATCH_BYTES = 256, 64 << 20
CLUSTER = 64  # workers a cluster is taken to have, so that all of them get something to do
FILE_SECONDS = 900.0  # a file may take; the slowest seen, removing text from a 300-frame colour cine, took 60
# What may be gone the next time is tried again in every run.
PASSING = {"unreadable", "changed_since_scan", "worker_lost", "timed_out", "out_of_memory", "target_unwritable"}
PASSING |= {"original_gone"}  # until the source holds it again
PASSING |= {"face_not_removed"}  # of a worker's: the mask was damaged, and is made again with the worklist


def deidentify(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """De-identify what the worklist releases and what is not done yet; writes and returns ``outcomes``.

    Can be interrupted at any moment and called again: it goes on where it stopped. :class:`WorkbenchError` says how,
    when a person, a full disk or a damaged ledger stops it; a bad file is a row, never an error.
    """
    worklist = workspace.read(tables.WORKLIST, compact=True)
    with _stops_cleanly(), Ledger(workspace) as ledger:
        done = _done(workspace, ledger)
        todo = _to_do(worklist, done, workspace)
        _withdraw(workspace, worklist, done, ledger)
        try:
            ledger.note_rests(worklist[todo])
            _run(workspace, worklist[todo], ledger, progress)
            hold_incomplete(workspace, worklist, ledger)
            ledger.forget(done.source_path[~among(done.source_path, worklist.source_path)])  # another path has it now
        finally:
            remove_partials(workspace.release)
            for name in (crosswalk.CROSSWALK_FOLDER, earlier.ORIGINALS_FOLDER):
                remove_partials(workspace.local / name)
        outcomes = _outcomes(worklist, ledger.rows())
        shredding.drop_superseded(workspace, ledger)
        parts = ledger.part_names()
        originals.list_kept(workspace, worklist, ledger)
        crosswalk.keep_parts(workspace.local / crosswalk.CROSSWALK_FOLDER, parts)
        originals.keep_kept(workspace, parts)
        keep_settings(workspace, str(worklist.settings.max() or ""), ledger.tidy())
    workspace.write(tables.OUTCOMES, outcomes)
    return outcomes


def outlook(workspace: Workspace) -> pd.DataFrame:
    """What :func:`deidentify` would do now with the files of each person, and why; writes and returns ``outlook``."""
    worklist = workspace.read(tables.WORKLIST, compact=True)
    with Ledger(workspace) as ledger:
        done = _done(workspace, ledger)
        todo = _to_do(worklist, done, workspace)
        before = done[done.status == "released"]
        again = among(before.source_path, worklist.source_path[(worklist.status == "release") & ~todo])
        doubtful = before[~again]
        before = pd.concat([before[again], doubtful[_stands(workspace, doubtful)]])
        made = what_changes(workspace, worklist, todo, before, ledger)
    workspace.write(tables.OUTLOOK, made)
    return made


def vanished(workspace: Workspace) -> pd.DataFrame:
    """Released files whose source is not there any more (``source_path``, ``target_path``).

    They stay, verified against what is kept of their originals. To take them out, :func:`withdraw_vanished`.
    """
    columns, gone = ["source_path", "target_path"], _gone(workspace)
    if not (gone and workspace.has(tables.OUTCOMES)):  # as whenever an index is written
        return tables.empty(tables.OUTCOMES)[columns]
    outcomes = workspace.read(tables.OUTCOMES, [*columns, "status"])
    there = (outcomes.status == "released") & outcomes.source_path.isin(gone)
    return outcomes.loc[there, columns].reset_index(drop=True)


def _gone(workspace: Workspace) -> list[str]:
    return [file.source_path for file in earlier.read_earlier(workspace.local)]


def withdraw_vanished(workspace: Workspace, reviewer: str, note: str) -> pd.DataFrame:
    """Take the :func:`vanished` files out of the release; the decision is written to ``image_decisions``."""
    gone = vanished(workspace)
    outcomes = workspace.read(tables.OUTCOMES)
    out = outcomes.source_path.isin(gone.source_path)
    pixels = dict(zip(outcomes.source_path[out], outcomes.pixel_digest_before[out], strict=True))
    known = workspace.read(tables.CATALOG, ["source_path", "SOPInstanceUID", "acquired"])
    known = known[known.source_path.isin(gone.source_path)].rename(columns={"source_path": "item"})
    reject = {"decision": "reject", "note": note}
    rows = ({**row, **reject, "pixel_digest": pixels[row["item"]]} for row in known.to_dict("records"))
    IMAGE_LOG.append(workspace, reviewer, *rows)
    outcomes.loc[out, ["status", "reason"]] = ("held_back", "rejected_by_review")
    outcomes.loc[out, list(NOT_RELEASED)] = tuple(NOT_RELEASED.values())
    outcomes.loc[out, ["face_share", "seconds"]] = 0.0
    workspace.write(tables.OUTCOMES, outcomes)
    with Ledger(workspace) as ledger:
        for path, target in zip(gone.source_path, gone.target_path, strict=True):
            workspace.source.keep_whole(path)
            withdraw(workspace.release, target)
        ledger.forget(gone.source_path)
    return gone


def ask_to_withdraw(workspace: Workspace) -> pd.DataFrame:
    """:func:`withdraw_vanished` if a person gives their name and a reason now; returns what was taken out."""
    gone = vanished(workspace)
    if gone.empty:
        return gone
    reviewer = name_given(f"take {len(gone):,} released files without a source out of the release")
    note = asked("Why they go: ") if reviewer else ""
    return withdraw_vanished(workspace, reviewer, note) if note else gone.head(0)


@contextmanager
def _stops_cleanly() -> Iterator[None]:
    """What stops a run, in words that say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise WorkbenchError(f"stopped; {RESUME}") from None
    except OSError as error:
        raise WorkbenchError(f"the workspace cannot be written ({error.strerror}); {RESUME}") from None


# --- what is left to do -----------------------------------------------------------------------------------------------


def _done(workspace: Workspace, ledger: Ledger) -> pd.DataFrame:
    """What is done by the ledger; of no use any more is what was made of a file whose part of the crosswalk is lost."""
    done = ledger.known()
    if lost := crosswalk.lost_parts(workspace.local / crosswalk.CROSSWALK_FOLDER, ledger.part_names()):
        parts = ledger.parts()
        done.loc[among(done.source_path, parts.source_path[parts.part.isin(lost)]), "fingerprint"] = ""
    return done


def _to_do(worklist: pd.DataFrame, done: pd.DataFrame, workspace: Workspace) -> pd.Series:
    """Files to release whose result would not be the same, or is not there any more."""
    lasting = done[~done.reason.isin(PASSING) & ~waiting_for_nothing(worklist, done)]
    there = _stands(workspace, lasting)
    finished = lasting.loc[(lasting.status != "released") | there, ["source_path", "fingerprint"]].assign(finished=True)
    same = worklist[["source_path", "fingerprint"]].merge(finished, how="left", on=["source_path", "fingerprint"])
    return (worklist.status == "release") & same.finished.isna().set_axis(worklist.index)


def _stands(workspace: Workspace, done: pd.DataFrame) -> pd.Series:
    """Which of these stand in the release, in the recorded size."""
    release = long_path(workspace.release)
    rows = tables.row_values(done, "status", "target_path", "target_size")
    there = (status == "released" and has_size(below(release, target), size) for status, target, size in rows)
    return pd.Series(np.fromiter(there, bool, len(done)), done.index)


def _no_longer(worklist: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """Released files that the worklist no longer puts where they are."""
    return done[(done.status == "released") & ~among(done.target_path, worklist.target_path)]


def _withdraw(workspace: Workspace, worklist: pd.DataFrame, done: pd.DataFrame, ledger: Ledger) -> None:
    """Take out of the release what the worklist no longer puts there."""
    gone = _no_longer(worklist, done)
    for path, target in zip(gone.source_path, gone.target_path, strict=True):
        workspace.source.keep_whole(path)
        withdraw(long_path(workspace.release), target)
    ledger.forget(gone.source_path)


def _tasks(files: pd.DataFrame, workspace: Workspace) -> Iterator[Task]:
    subject = subject_of(workspace, read_lookups(workspace))
    *of_file, _, _ = Task._fields  # the columns of the worklist before subject and fingerprint
    for row in tables.row_values(files, *of_file, "person_id", "days_shifted", "image_occurrence_id", "fingerprint"):
        person, days, image, fingerprint = row[-4:]
        yield Task._make((*row[:-4], subject(person, days, image), fingerprint))


def _batches(tasks: Iterator[Task], most: int) -> Iterator[tuple[Task, ...]]:
    batch: list[Task] = []
    size = 0
    for task in tasks:
        batch.append(task)
        size += task.size
        if len(batch) >= most or size > BATCH_BYTES:
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


# --- doing it ---------------------------------------------------------------------------------------------------------


def _run(workspace: Workspace, files: pd.DataFrame, ledger: Ledger, progress: Progress | None) -> None:
    if files.empty:
        return
    parameters = workspace.parameters
    workers = CLUSTER if parameters.scheduler else parameters.worker_count
    most = min(BATCH_FILES, len(files) // (4 * workers) + 1)
    batches = _batches(_tasks(files, workspace), most)
    meter = _Meter(len(files), int(files["size"].sum()), progress)
    work = partial(process, _job(workspace))
    began = time.monotonic()
    for batch, result in processes.map_surviving(parameters, work, batches, lambda batch: ((task,) for task in batch)):
        if isinstance(result, WorkerLost):
            result = [_given_up(task, time.monotonic() - began) for task in batch]
        elif isinstance(result, BaseException):
            raise _worker_fault(result)
        ledger.record(result)
        meter.add(batch, result)
        began = time.monotonic()


def _job(workspace: Workspace) -> bytes:
    parameters, policy = workspace.parameters, load_policy(workspace)
    policy.rules_digest  # noqa: B018  (made once, here, and sent along)
    job = Job(
        workspace.source,
        long_path(workspace.release),
        long_path(workspace.local / crosswalk.CROSSWALK_FOLDER),
        long_path(workspace.local / earlier.ORIGINALS_FOLDER),
        long_path(workspace.local / faces.MASKS_FOLDER),
        policy,
        site_vocabulary(workspace),
        uid_map(workspace),
        DEID_RECIPE.seen(parameters).time_zone,
        FILE_SECONDS,
        code_digest() if parameters.scheduler else "",
    )
    return pickle.dumps(job)


def _given_up(task: Task, seconds: float) -> Row:
    """A worker died on this file, with nothing else under way: ``seconds`` ago the file before it had ended."""
    if seconds >= FILE_SECONDS:
        return outcome(task, "quarantined", "timed_out", f"took longer than {FILE_SECONDS:.0f} s")
    return outcome(task, "quarantined", "worker_lost", "the worker process died on this file")


def _worker_fault(error: BaseException) -> BaseException:
    if isinstance(error, WorkbenchError):
        return error
    return WorkbenchError("a worker failed; what is done is kept; run again")


class _Meter:
    """Progress in words: rate, bytes, time left, counts by status."""

    def __init__(self, files: int, size: int, progress: Progress | None) -> None:
        self.files, self.size, self.progress = files, size, progress
        self.done = self.bytes = 0
        self.counts: Counter[str] = Counter()
        self.began = time.monotonic()
        self._show("starting the workers")

    def add(self, batch: tuple[Task, ...], rows: list[Row]) -> None:
        self.done += len(batch)
        self.bytes += sum(task.size for task in batch)
        self.counts.update(row["status"] for row in rows)
        seconds = max(time.monotonic() - self.began, 1e-3)
        left = seconds * (self.size - self.bytes) / max(self.bytes, 1)
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(self.counts.items(), reverse=True))
        rates = f"{self.done / seconds:,.0f} files/s, {self.bytes / 1e6 / seconds:,.0f} MB/s; {_duration(left)} left"
        meanwhile = f"; {rates}" if self.done < self.files else ""  # the last one stands in a report: no time is there
        self._show(f"files: {counts}; {_amount(self.bytes)} of {_amount(self.size)}{meanwhile}")

    def _show(self, text: str) -> None:
        if self.progress:
            self.progress(self.done, self.files, text)


def _amount(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# --- outcomes ---------------------------------------------------------------------------------------------------------


def _outcomes(worklist: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """A row for every file found: what the worklist decided, or what became of it."""
    decided = worklist[worklist.status != "release"].assign(
        target_path="", boxes="", face_mask="", face_share=0.0, seconds=0.0
    )
    released = worklist.loc[worklist.status == "release", ["source_path"]].merge(done, on="source_path", how="left")
    if released.status.isna().any():
        raise WorkbenchError("some files have no outcome: the run was interrupted; run again to resume")
    both = pd.concat([decided, released], ignore_index=True)
    for name in tables.OUTCOMES.column_names:
        if name not in both:
            both[name] = ""
    return both[tables.OUTCOMES.column_names].sort_values("source_path", ignore_index=True)
