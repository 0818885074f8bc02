"""A small site made for a test, and the run of it: scan, worklist, de-identification."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pandas as pd

from chorus_nb import deid, explore, tables
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image

PERSON_MAP = "PatientID,person_id,Days_Shifted\nMRN-1,1001,-100\nMRN-2,1002,-37\nMRN-2B,1002,-37\n"
IMAGE_MAP = "PatientID,AccessionNumber,image_occurence_id\nMRN-1,ACC-1,501\nMRN-1,ACC-2,502\nMRN-2,ACC-3,503\n"
NEVER = {"workers": 1, "visit_policy": "blank", "burned_in_text": "skip"}


class SmallSite:
    """Folders of a site; images are added one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dicom = folder / "dicom"
        for name in ("dicom", "lookup", "omop"):
            (folder / name).mkdir(parents=True)
        self.lookup("Personal_map", PERSON_MAP)
        self.lookup("Image_map", IMAGE_MAP)

    def lookup(self, name: str, text: str) -> None:
        (self.folder / "lookup" / f"{name}.csv").write_text(text)

    def add(self, path: str, **attributes: object) -> Path:
        """Write an image of patient MRN-1, accession ACC-1 with its own SOP Instance UID, unless told otherwise."""
        uid = f"1.2.3.{int(hashlib.sha256(path.encode()).hexdigest()[:12], 16)}"
        values = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "SOPInstanceUID": uid, **attributes}
        file = self.dicom / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(image(**values)))
        return file

    def add_series(self, count: int, folder: str = "series", **attributes: object) -> None:
        for number in range(1, count + 1):
            self.add(f"{folder}/{number:04d}", InstanceNumber=number, **attributes)

    def open(self, name: str = "workspace", **parameters: object) -> Workspace:
        """A workspace of this site."""
        folders = {"source": self.dicom, "omop": self.folder / "omop", "lookup": self.folder / "lookup"}
        values = {key: str(path) for key, path in folders.items()}
        return Workspace(
            Parameters(**{**NEVER, **values, "workspace": str(self.folder / name), **parameters})  # type: ignore[arg-type]
        ).create()


def plan(workspace: Workspace) -> pd.DataFrame:
    """Scan and make the worklist; indexed by source path."""
    explore.scan(workspace)
    return deid.make_worklist(workspace).set_index("source_path")


def run(workspace: Workspace) -> pd.DataFrame:
    """Scan, plan, de-identify; the outcomes, indexed by source path."""
    plan(workspace)
    return deid.deidentify(workspace).set_index("source_path")


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def times(folder: Path) -> dict[str, int]:
    """Modification time of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.dcm")}


def age(folder: Path) -> None:
    """Make every file older than anything a run writes."""
    for path in folder.rglob("*.dcm"):
        os.utime(path, ns=(10**18, 10**18))


def same_key(first: Workspace, second: Workspace) -> Workspace:
    """Give the second workspace the key of the first."""
    first.key()
    second.key_path.write_bytes(first.key_path.read_bytes())
    second.key_path.chmod(0o600)
    return second


def but_seconds(outcomes: pd.DataFrame) -> pd.DataFrame:
    return outcomes.drop(columns="seconds")


def reasons(workspace: Workspace) -> dict[str, str]:
    """Reason of every file that is not released."""
    outcomes = workspace.read(tables.OUTCOMES)
    kept = outcomes[outcomes.status != "released"]
    return dict(zip(kept.source_path, kept.reason, strict=True))
