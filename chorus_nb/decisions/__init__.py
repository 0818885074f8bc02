"""What people decided: one CSV a kind of decision, appended and never rewritten, ordered by instant.

People also write these files by hand, so a time may be in any ISO 8601 form with any offset (without one it is meant
in the site's zone), and the columns in any order. A decision is taken back by a row of its own, ``withdraw``.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from operator import itemgetter
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from filelock import FileLock

from chorus_nb import tables
from chorus_nb.by_hand import person_name
from chorus_nb.decisions.about import SEEN, Cells, as_met, images_meant, series_digests
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.tables.cells import as_cell, csv_writer, from_cell
from chorus_nb.workspace import Workspace, write_atomically

__all__ = ["WITHDRAW", "Cells", "DecisionLog", "images_meant", "kappa", "series_digests", "technical_labels"]

WITHDRAW = "withdraw"
"""Takes back the last decision of the same reviewer about the same item; those of others stand."""
TICK = timedelta(microseconds=1)  # the least that a row's time tells apart
LOCK_SECONDS = 60.0
LOCK_ASKED = 0.002  # seconds between two tries: who waits gets in though another writes without a pause
A_TIME = re.compile(rb"2\d{3}-\d\d-\d\d(?:[T ][\d:.]*)?(?:\+00:00)?")
LONGEST_CELL = 131_072  # characters: what ``csv.reader`` takes back, unless something else in the process told it
READ_AGAIN = 50  # times, 10 ms apart, while others write
LABELS = "technical_labels.txt"  # beside the decisions: words in pictures that a site knows to be harmless, one a line


@dataclass(frozen=True)
class DecisionLog:
    """A kind of decision. ``check`` raises :class:`WorkbenchError` for a row that cannot stand; ``item`` names what a
    row is about; ``column`` holds the decision, "" where there is but one, which nobody can withdraw.
    """

    table: tables.Table
    allowed: frozenset[str] = frozenset()
    check: Callable[[Cells], object] = lambda row: None
    item: Callable[[Cells], str] = itemgetter("item")
    column: str = "decision"

    def append(self, workspace: Workspace, reviewer: str, *rows: Mapping[str, str]) -> None:
        """Write decisions down, on disk when this returns; :class:`WorkbenchError` if one cannot stand."""
        name, blank = person_name(reviewer), dict.fromkeys(self.table.column_names, "")
        with self._locked(workspace):
            now, made = datetime.now(UTC), list[Cells]()
            before = self._last_instants(workspace) if _may_be_ahead(workspace.path(self.table), now) else {}
            for row in rows:
                cells = self._checked({**blank, **row, "reviewer": name, "time": _cell_text(now)})
                if (last := before.get(self.item(cells), now)) > now:  # a clock was set back: this is the later one
                    cells["time"] = _cell_text(last + TICK)
                made.append(cells)
            self._write(workspace, made)

    def withdraw(self, workspace: Workspace, reviewer: str, item: str = "") -> str:
        """Take back the last decision of ``reviewer`` (about ``item``); returns its item, "" if there is none."""
        with self._locked(workspace):
            for instant, row in reversed(self._standing(workspace)):
                if row["reviewer"] == reviewer and item in ("", self.item(row)):
                    time = _cell_text(max(instant, datetime.now(UTC)))  # after it, whatever the clocks say
                    self._write(workspace, [{**row, self.column: WITHDRAW, "time": time}])
                    return self.item(row)
        return ""

    def history(self, workspace: Workspace) -> pd.DataFrame:
        """Every row, oldest first; :class:`InputError` names file and row of each that cannot stand."""
        return self._frame(row for _, _, row in self._rows(workspace))

    def standing(self, workspace: Workspace) -> list[Cells]:
        """Every decision that was not withdrawn, oldest first. Errors as :meth:`history`."""
        rows = [row for _, row in self._standing(workspace)]
        return as_met(workspace, self.table, rows) if SEEN in self.table.column_names else rows

    def current(self, workspace: Workspace) -> dict[str, Cells]:
        """By item, the row that counts: the last one that stands, in their order. Errors as :meth:`history`."""
        return self.latest(self.standing(workspace))

    def latest(self, standing: Iterable[Cells]) -> dict[str, Cells]:
        """By item, the last of these rows, in their order."""
        rows: dict[str, Cells] = {}
        for row in standing:
            rows.pop(self.item(row), None)
            rows[self.item(row)] = row
        return rows

    def disagreements(self, workspace: Workspace) -> pd.DataFrame:
        """Items on which the last decisions of two reviewers differ; both are kept, the later one is applied."""
        return self._frame(row for rows in self.differing(self.standing(workspace)) for row in rows)

    def differing(self, standing: Iterable[Cells]) -> list[list[Cells]]:
        """Of these rows, by item on which two reviewers differ: the last of each."""
        said = [rows for _, rows in sorted(self._readings(standing).items())]
        return [list(own.values()) for own in said if len({row[self.column] for row in own.values()}) > 1]

    def agreement(self, workspace: Workspace) -> pd.DataFrame:
        """By pair of reviewers: the items both decided, of how many one was read blind, on how many they agree, Cohen's
        kappa (NaN = no spread)."""
        readings = self._readings(self.standing(workspace)).values()
        rows = []
        for pair in combinations(sorted({name for own in readings for name in own}), 2):
            read = [(own[pair[0]], own[pair[1]]) for own in readings if own.keys() >= {*pair}]
            both = [(one[self.column], other[self.column]) for one, other in read]
            if both:
                agreed = sum(one == other for one, other in both)
                blind = sum(any(row.get("blind") for row in pair_of) for pair_of in read)
                rows.append((*pair, len(both), blind, agreed, agreed / len(both), kappa(both)))
        names = ["reviewer", "second_reviewer", "items", "blind", "agreed", "share", "kappa"]
        return pd.DataFrame(rows, columns=names)

    def _readings(self, standing: Iterable[Cells]) -> dict[str, dict[str, Cells]]:
        """By item and reviewer, the last of these rows."""
        last: dict[str, dict[str, Cells]] = {}
        for row in standing:
            own = last.setdefault(self.item(row), {})
            own.pop(row["reviewer"], None)
            own[row["reviewer"]] = row
        return last

    def _last_instants(self, workspace: Workspace) -> dict[str, datetime]:
        """By item, when it was decided about last; none where rows cannot stand, which whoever reads them is told."""
        try:
            return {self.item(row): instant for _, instant, row in self._rows(workspace)}
        except WorkbenchError:
            return {}

    def _frame(self, rows: Iterator[Cells]) -> pd.DataFrame:
        return tables.frame(self.table, [dict(row) for row in rows])

    def _standing(self, workspace: Workspace) -> list[tuple[datetime, Cells]]:
        """What was not withdrawn, oldest first."""
        rows: dict[int, tuple[datetime, Cells]] = {}
        own: dict[tuple[str, str], list[int]] = {}
        for number, instant, row in self._rows(workspace):
            mine = own.setdefault((self.item(row), row["reviewer"]), [])
            if not self._withdraws(row):
                mine.append(number)
                rows[number] = instant, row
            elif mine:
                del rows[mine.pop()]
            else:
                raise InputError(f"{self._file}, row {number}: this reviewer decided nothing before that to withdraw")
        return list(rows.values())

    def _rows(self, workspace: Workspace) -> list[tuple[int, datetime, Cells]]:
        """Row number in the file, instant and cells of every row; equal instants as in the file."""
        zone = workspace.parameters.zone
        faults, rows = [], []
        for number, cells in self._records(workspace):
            try:
                row = self._checked(cells)
                rows.append((number, _instant(row["time"], zone), row))
            except WorkbenchError as error:
                faults.append(f"{self._file}, row {number}: {error}")
        if faults:
            raise InputError(*faults)
        return sorted(rows, key=itemgetter(1))

    def _checked(self, row: Cells) -> Cells:
        if row.keys() != set(self.table.column_names):
            raise InputError("needs a cell for each column")
        if self.column and row[self.column] not in {*self.allowed, WITHDRAW}:
            raise InputError(f"{self.column} must be one of {', '.join(sorted(self.allowed))}, {WITHDRAW}")
        if not self._withdraws(row):
            self.check(row)
        self.item(row)
        if max(map(len, row.values())) > LONGEST_CELL:
            raise InputError("a cell is longer than can be read back")
        return row

    def _withdraws(self, row: Cells) -> bool:
        return bool(self.column) and row[self.column] == WITHDRAW

    def _records(self, workspace: Workspace) -> Iterator[tuple[int, Cells]]:
        """The rows that hold anything, numbered as in a spreadsheet; ``{}`` for one with too few or too many cells."""
        path, number = workspace.path(self.table), 0
        if not path.is_file():
            return
        later = dict.fromkeys(self.table.later, "")
        try:
            records = csv.reader(io.StringIO(_whole(path).decode("utf-8-sig"), newline=""), strict=True)
            names = self._names(next(records, self.table.column_names))
            for number, cells in enumerate(records, 2):
                if any(cells):
                    whole = len(cells) == len(names)
                    yield number, {**later, **dict(zip(names, map(from_cell, cells), strict=True))} if whole else {}
        except (UnicodeDecodeError, csv.Error):
            raise InputError(f"{self._file}, row {number + 1}: cannot be read as CSV in UTF-8") from None

    def _names(self, header: list[str]) -> list[str]:
        if sorted({*header, *self.table.later}) != sorted(self.table.column_names) or len({*header}) < len(header):
            raise InputError(f"{self._file}, row 1: the columns must be {','.join(self.table.column_names)}")
        return header

    @property
    def _file(self) -> str:
        return f"{self.table.name}.csv"

    @contextlib.contextmanager
    def _locked(self, workspace: Workspace) -> Iterator[None]:
        """Alone among all processes. The lock is a file beside it: Windows lets nobody read one that is locked."""
        path = workspace.path(self.table)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS, poll_interval=LOCK_ASKED):
                _finish(path)
                yield
        except OSError as error:
            fault = error.strerror or "another process keeps it locked"
            raise WorkbenchError(f"{self._file}: cannot be written ({fault})") from None

    def _write(self, workspace: Workspace, rows: list[Cells]) -> None:
        """Append, in the columns of the file, which a person may have arranged and left without an end of line."""
        path = workspace.path(self.table)
        head = _head(path)
        names = self._names(next(csv.reader([head]))) if head else self.table.column_names
        if missing := [name for name in self.table.later if name not in names and any(row[name] for row in rows)]:
            _widen(path, missing)
            names = [*names, *missing]
        lines = [[as_cell(row[name]) for name in names] for row in rows]
        text = io.StringIO()
        csv_writer(text).writerows(lines if head else [names, *lines])
        _append(path, text.getvalue().encode("utf-8"))


# --- a file that only grows, by whole lines ---------------------------------------------------------------------------


def _begun(path: Path) -> Path:
    """What is being appended stands here until it is in the file, so that whoever comes next can finish it."""
    return path.with_name(f".{path.name}.begun")


def _append(path: Path, lines: bytes) -> None:
    """All of ``lines`` or nothing, on disk when this returns; alone under the lock."""
    content = path.read_bytes() if path.is_file() else b""
    lines = lines if content.endswith(b"\n") or not content else b"\n" + lines
    try:
        _on_disk(_begun(path), "wb", b"%d %d\n%b" % (len(content), len(lines), lines))
        _on_disk(path, "ab", lines)
    except OSError:  # the disk is full: its person is told, so nothing of it stays
        with contextlib.suppress(OSError):
            os.truncate(path, len(content))
        _begun(path).unlink(missing_ok=True)
        raise
    _begun(path).unlink()


def _on_disk(path: Path, mode: str, content: bytes) -> None:
    with open(path, mode) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unfinished(path: Path) -> tuple[int, bytes] | None:
    """Where an append began, and what it was to write; ``None`` if there is none, or it had not begun in the file."""
    try:
        sizes, _, lines = _begun(path).read_bytes().partition(b"\n")
    except OSError:
        return None
    end, size = [int(part) if part.isdigit() else -1 for part in [*sizes.split(b" "), b"", b""][:2]]
    return (end, lines) if end >= 0 and size == len(lines) else None


def _finish(path: Path) -> None:
    """Append what a writer that was killed did not; alone under the lock."""
    if unfinished := _unfinished(path):
        end, lines = unfinished
        written = path.read_bytes() if path.is_file() else b""
        if len(written) >= end and lines.startswith(written[end:]):  # else a person arranged the file since
            _on_disk(path, "ab", lines[len(written) - end :])
    _begun(path).unlink(missing_ok=True)


def _whole(path: Path) -> bytes:
    """What the file holds, without a lock; lines that another is writing, or was killed at, are whole."""
    for _ in range(READ_AGAIN):
        content = path.read_bytes()
        if unfinished := _unfinished(path):
            end, lines = unfinished
            if len(content) >= end:
                return content[:end] + lines if lines.startswith(content[end:]) else content
        elif path.stat().st_size == len(content):
            return content
        time.sleep(0.01)
    return content


def _head(path: Path) -> str:
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        return file.readline().decode("utf-8-sig").rstrip("\r\n")


def _widen(path: Path, names: list[str]) -> None:
    """Give a file of an earlier version the columns ``names``, empty; the one time that it is written anew."""
    records = [row for row in csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")) if any(row)]
    text = io.StringIO()
    added = [names, *([""] * len(names) for _ in records[1:])]
    csv_writer(text).writerows(row + more for row, more in zip(records, added, strict=True))
    mode = path.stat().st_mode
    write_atomically(path, text.getvalue().encode("utf-8"))
    path.chmod(mode)


def kappa(both: Sequence[tuple[str, str]]) -> float:
    """Cohen's kappa of two reviewers' words on the same items (Cohen 1960); NaN if each always said the same one."""
    one, other = (Counter(words) for words in zip(*both, strict=True))
    chance = sum(one[word] * other[word] for word in one) / len(both) ** 2
    observed = sum(first == second for first, second in both) / len(both)
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)


def _may_be_ahead(path: Path, now: datetime) -> bool:
    """Whether a log may hold a time after ``now``: its rows are read only then, for most clocks are never set back."""
    content = path.read_bytes() if path.is_file() else b""
    here, yesterday = (_cell_text(instant).encode() for instant in (now, now - timedelta(days=1)))
    times = A_TIME.findall(content)
    return any(found > (here if found.endswith(b"+00:00") else yesterday[:10]) for found in times)


def _cell_text(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds")


def _instant(text: str, zone: ZoneInfo) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError("time must be a date and time in ISO 8601, such as 2026-01-31T14:05:00-05:00") from None


def technical_labels(workspace: Workspace) -> frozenset[str]:
    """The words in pictures that the site's list lets pass; it says neither who nor when."""
    path = workspace.decisions / LABELS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return frozenset(line.strip() for line in lines if line.strip())
