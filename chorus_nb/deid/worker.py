"""What a worker does: one file after another from the source to the release, each whole or not at all.

A file is read once; hashing and writing share its buffer, and what the plan keeps is written as the bytes it was.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from blake3 import blake3

from chorus_nb import faces, pixels, processes
from chorus_nb.deid import crosswalk, originals, scripted
from chorus_nb.deid.context import Change, Subject
from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.errors import ChildFault, WorkbenchError
from chorus_nb.guard import DISK_FAULTS
from chorus_nb.identity.words import Vocabulary
from chorus_nb.memory import code_digest
from chorus_nb.source import Source
from chorus_nb.source.earlier import Original, OriginalGone, write_originals
from chorus_nb.workspace import below, put

if TYPE_CHECKING:
    from chorus_nb.mapping import Policy

REDACTED = ("113101",)  # CID 7050 Clean Pixel Data Option
DEFACED = ("113102",)  # CID 7050 Clean Recognizable Visual Features Option


class Task(NamedTuple):
    """A file to release."""

    source_path: str
    target_path: str
    sop_class: str
    modality: str
    size: int
    modified_ns: int
    boxes: str
    text_checked: bool
    face_mask: str
    subject: Subject
    fingerprint: str


@dataclass(frozen=True)
class Job:
    """What a worker needs to know, whichever machine it runs on. Holds the site key."""

    source: Source
    release: Path
    crosswalk: Path
    originals: Path
    faces: Path
    policy: Policy
    vocabulary: Vocabulary
    uids: UidMap
    time_zone: str
    seconds: float  # a file may take
    code: str  # digest of the package that a worker on another machine must have, "" = this machine


Row = dict[str, Any]
"""Outcome of a file, as the ledger keeps it."""


def process(job: bytes, batch: tuple[Task, ...]) -> list[Row]:
    """De-identify a batch of files; a row of the ledger for each. ``job`` is a pickled :class:`Job`."""
    known, engine = _ready(job)
    rows: list[Row] = []
    changes: list[tuple[str, str, list[Change]]] = []
    kept: list[Original] = []
    with _time_limit(known.seconds) as next_file, _no_collection():
        for task in batch:
            next_file()
            begun = time.perf_counter()
            row, changed, original = _one(known, engine, task)
            row["seconds"] = time.perf_counter() - begun
            rows.append(row)
            if original:
                changes.append((task.source_path, task.target_path, changed))
                kept.append(original)
    if changes:
        try:
            part = crosswalk.write_part(known.crosswalk, changes)
            write_originals(known.originals, part, kept)
        except OSError as error:
            raise _unwritable("the crosswalk", error) from None
        written = {source_path for source_path, _, _ in changes}
        for row in rows:
            row["part"] = part if row["source_path"] in written else ""
    return rows


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for reference cycles, of which a batch makes hardly any: it costs 5 % of a CT slice."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@lru_cache(maxsize=2)
def _ready(job: bytes) -> tuple[Job, Deidentifier]:
    """Once per process: the plan, whose decisions it then remembers."""
    known: Job = pickle.loads(job)
    if known.code and known.code != code_digest():
        raise WorkbenchError("a worker has another version of chorus-nb; restart the workers with this one")
    processes.keep_memory()  # of a worker of Dask, or of this one process
    return known, Deidentifier(known.policy, known.uids, ZoneInfo(known.time_zone), known.vocabulary)


def _one(job: Job, engine: Deidentifier, task: Task) -> tuple[Row, list[Change], Original | None]:
    try:
        content, identity = job.source.look(task.source_path)
        if (len(content), identity.modified_ns) != (task.size, task.modified_ns):
            raise Refused("changed_since_scan", "not the file that 01 read")
        row, made = _made(job, engine, task, content)
        row["target_size"], row["target_digest"] = _write_target(
            job.release, task.target_path, made.header, made.pixels
        )
        return row, made.changes, originals.kept_of(task.source_path, task.target_path, content, made)
    except Refused as refused:
        row = outcome(task, "quarantined", refused.reason, refused.detail)
    except faces.DamagedMask:
        row = outcome(task, "quarantined", "face_not_removed", "its mask is damaged")
    except ChildFault as refused:
        row = outcome(task, "quarantined", "pixels_undecodable", refused.code)
    except OriginalGone:
        row = outcome(task, "quarantined", "original_gone", "not in the source any more, and changed in the release")
    except OSError as error:
        job.source.require_reachable()
        row = outcome(task, "quarantined", "unreadable", error.strerror or "damaged in its archive")
    except RecursionError:
        row = outcome(task, "quarantined", "structure_refused", "nests too deep")
    except MemoryError:
        row = outcome(task, "quarantined", "out_of_memory", "needs more memory than a worker may take")
    except WorkbenchError:
        raise
    except Exception as error:  # whatever a broken header does to a library, it costs this file and tells no value
        row = outcome(task, "quarantined", "unexpected_fault", f"{type(error).__name__} in {_line_of(error)}")
    try:
        job.source.keep_whole(task.source_path)
        withdraw(job.release, task.target_path)  # what an earlier run made of it must not stay
    except OSError as error:
        raise _unwritable("the release", error) from None
    return row, [], None


def _made(job: Job, engine: Deidentifier, task: Task, content: Buffer) -> tuple[Row, Deidentified]:
    """The outcome of a released file but for the writing, and what is to be written."""
    source_digest = _digest(content)
    pixel_digest = ""
    boxes = [*pixels.parse_boxes(task.boxes), *scripted.regions(engine.policy, content)]
    face = faces.read_mask(job.faces, task.face_mask, task.source_path) if task.face_mask else None
    cut = face if face is not None and face.mask.any() else None  # slices above the face stay as they are
    if boxes or cut:
        taken = take_apart(content)
        pixel_digest = _digest(taken.pixels.content(taken.data)) if taken.pixels else ""
        content = pixels.redact(bytes(content), boxes, cut)
    cleaned = (REDACTED if boxes else ()) + (DEFACED if face else ())
    made = engine.apply(content, task.subject, text_checked=task.text_checked, cleaned_pixels=cleaned)
    after = _digest(made.pixel_value) if len(made.pixel_value) else ""
    row = outcome(
        task,
        "released",
        detail="; ".join(f"{note}: {count}" for note, count in sorted(made.notes.items())),
        target_path=task.target_path,
        source_digest=source_digest,
        pixel_digest_before=pixel_digest or after,
        pixel_digest_after=after,
        boxes=pixels.format_boxes(boxes),
        face_mask=task.face_mask,
        face_share=float(cut.mask.mean()) if cut else 0.0,
    )
    return row, made


def _write_target(release: Path, target_path: str, header: bytes, pixel_data: Buffer) -> tuple[int, str]:
    """Write the file, whole or not at all; a file that has these bytes already is left as it is."""
    target = below(release, target_path)
    digest = blake3(header).update(pixel_data).hexdigest()
    size = len(header) + len(pixel_data)
    try:
        if not (has_size(target, size) and blake3().update_mmap(target).hexdigest() == digest):
            put(target, header, pixel_data)
    except OSError as error:
        if error.errno in DISK_FAULTS or not os.access(release, os.W_OK):
            raise _unwritable("the release", error) from None
        raise Refused("target_unwritable", type(error).__name__) from None
    return size, digest


def _unwritable(what: str, error: OSError) -> WorkbenchError:
    return WorkbenchError(
        f"{what} cannot be written ({error.strerror}); mend that and run again: it goes on where it stopped"
    )


def has_size(path: str, size: int) -> bool:
    """Whether there is a file of this size."""
    try:
        return os.stat(path).st_size == size  # noqa: PTH116 - asked for every file of a rerun
    except OSError:
        return False


def withdraw(release: Path, target_path: str) -> None:
    """Take a file out of the release, with the folders that are empty then."""
    target = release / target_path
    try:
        target.unlink(missing_ok=True)
    except OSError:
        if target.is_file():
            raise  # a folder in its place, or a file in that of its folder, is nothing that a run wrote
    for folder in target.parents:
        if folder == release or not _removed(folder):
            return


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # not empty
        return False
    return True


def _digest(content: Buffer) -> str:
    return blake3(content).hexdigest()


def outcome(task: Task, status: str, reason: str = "", detail: str = "", **more: Any) -> Row:
    """The row of a file, as far as it is known without reading it."""
    return {
        "source_path": task.source_path,
        "status": status,
        "reason": reason,
        "detail": detail,
        "target_path": "",
        "sop_class": task.sop_class,
        "modality": task.modality,
        "fingerprint": task.fingerprint,
        "face_share": 0.0,
        "seconds": 0.0,
        "target_size": 0,
        **more,
    }


def _line_of(error: BaseException) -> str:
    """Module and line of an error, without its text, which may quote a header."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"


# --- time limit -------------------------------------------------------------------------------------------------------

_deadlines: dict[int, float] = {}  # by thread: a Dask worker may have several
_lock = threading.Lock()


@contextmanager
def _time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Ends this process when a file takes longer, even in native code that never comes back to the interpreter.

    The block calls what it gets at the start of each file. The parent sees a lost worker and gives up that file.
    """
    thread = threading.get_ident()
    renewed = 0.0

    def next_file() -> None:
        nonlocal renewed
        if time.monotonic() - renewed > min(1.0, seconds / 2):  # setting the alarm for every file would cost 5 %
            renewed = time.monotonic()
            with _lock:
                _deadlines[thread] = renewed + seconds
                _set_alarm()

    try:
        yield next_file
    finally:
        with _lock:
            _deadlines.pop(thread, None)
            _set_alarm()


def _set_alarm() -> None:
    if _deadlines:
        left = max(min(_deadlines.values()) - time.monotonic(), 0.001)
        faulthandler.dump_traceback_later(left, exit=True, file=_nowhere())
    else:
        faulthandler.cancel_dump_traceback_later()


@lru_cache(maxsize=1)
def _nowhere() -> Any:
    return open(os.devnull, "w")
