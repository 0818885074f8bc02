"""``local/incoming``: studies that came whole; ``local/arriving``: those that are on their way; and the ledger."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from blake3 import blake3

from chorus_nb.acquire.archive import is_usable_uid
from chorus_nb.errors import FileFault
from chorus_nb.guard import one_file
from chorus_nb.parameters import incoming_path
from chorus_nb.workspace import PARTIAL, Workspace, put

SUFFIX = ".dcm"
READ_OF_HEADER = ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"]


class Incoming:
    """The two folders and the ledger ``local/incoming.jsonl``: a line whenever a study ends, appended and flushed."""

    def __init__(self, workspace: Workspace) -> None:
        self.whole = incoming_path(workspace.parameters)
        self.arriving = workspace.local / "arriving"
        self.ledger = workspace.local / "incoming.jsonl"
        self._lock = threading.Lock()
        for folder in (self.whole, self.arriving):
            folder.mkdir(parents=True, exist_ok=True)

    def kept(self, study: str) -> set[str]:
        """SOP Instance UIDs of a study that came whole."""
        return _names(self.whole / study)

    def note(self, **values: Any) -> None:
        """Append a line to the ledger."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), **values}) + "\n"
        with self._lock, self.ledger.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


class Arrival:
    """A study on its way: what comes is looked at, and kept if it is of this study, this patient and on the list."""

    def __init__(self, incoming: Incoming, study: str, patient: str) -> None:
        self.incoming, self.study, self.patient = incoming, study, patient
        self.folder = incoming.arriving / study
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.glob(f"{PARTIAL}*"):
            path.unlink()
        self.listed: set[str] = set()
        self.foreign: set[str] = set()  # listed, and of another patient or study
        self.set_aside = self.repeated = self.bytes = 0
        self.faults: set[str] = set()
        self._digests: dict[str, str] = {}
        self._lock = threading.Lock()

    def lists(self, listed: Iterable[str]) -> None:
        """Take what the archive lists now; what cannot name a file is a fault of its own."""
        self.listed = {name for name in listed if is_usable_uid(name)}
        self.faults |= {"uid_unusable"} if len(self.listed) < len(set(listed)) else set()

    def is_whole(self) -> bool:
        """Whether all that is listed is here, but for what is another patient's; and anything is."""
        return self.listed <= (kept := self.here()) | self.foreign and bool(kept)

    def here(self) -> set[str]:
        """SOP Instance UIDs that are here whole, from this run or one before."""
        return _names(self.folder) | self.incoming.kept(self.study)

    def keep(self, content: bytes) -> None:
        """Take one instance as it came; its place in the folder is its SOP Instance UID. Never raises for a header."""
        with self._lock:
            try:
                with one_file("an instance"):
                    told = pydicom.dcmread(
                        BytesIO(content), stop_before_pixels=True, specific_tags=list(READ_OF_HEADER)
                    )
                    name, study, _, patient = (str(told.get(keyword) or "").strip() for keyword in READ_OF_HEADER)
            except FileFault:
                self._aside("damaged")
                return
            if not (name and study):  # read as what it is not
                self._aside("damaged")
            elif (study, patient) != (self.study, self.patient):
                self.foreign |= {name} & self.listed
                self._aside("another_patient")
            elif name not in self.listed:
                self._aside("not_listed")
            else:
                self._store(name, content)

    def _store(self, name: str, content: bytes) -> None:
        digest = blake3(content).hexdigest()
        if name in self._digests:
            self.repeated += 1
            if self._digests[name] != digest:
                self._aside("repeated_differently")
            return
        try:
            put(str(self.folder / f"{name}{SUFFIX}"), content)
        except OSError:  # whoever sends is in a thread of the library, which takes no exception
            self.faults.add("disk")
            return
        self._digests[name] = digest
        self.bytes += len(content)

    def _aside(self, code: str) -> None:
        self.set_aside += 1
        self.faults.add(code)

    def complete(self) -> None:
        """Move the study to where the source is read, at once where it is new."""
        whole = self.incoming.whole / self.study
        for path in self.folder.glob("*"):
            if path.stem not in self.listed:
                path.unlink()  # the archive took it back
        if not whole.exists():
            self.folder.replace(whole)
            return
        for path in self.folder.glob(f"*{SUFFIX}"):
            path.replace(whole / path.name)
        self.folder.rmdir()


def _names(folder: Path) -> set[str]:
    found: Iterable[Path] = folder.glob(f"*{SUFFIX}")
    return {path.stem for path in found if not path.name.startswith(PARTIAL)}
