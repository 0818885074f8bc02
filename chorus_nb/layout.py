"""Every path of a release, made and read in one place, and the kinds of files that a release may hold.

The folders are those of SOP step 15; what the tool takes and how central counts: chorus.md §0 item 6 and §9.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chorus_nb.sop import omop_deliverable

if TYPE_CHECKING:
    import pandas as pd

OMOP, METADATA, IMAGES, WAVEFORMS = "OMOP", "Metadata", "Images", "Waveforms"
# below release/
REPORTS = f"{METADATA}/reports"
REGISTRY_DDL = f"{METADATA}/ddl"
MI_CDM = f"{METADATA}/mi_cdm"
DATA_DICTIONARY = f"{METADATA}/data_dictionary.csv"
DATA_PACKAGE = f"{METADATA}/datapackage.json"
CROISSANT = f"{METADATA}/croissant.json"
METADATA_TABLES = "study|series|image|ct|mr|pt|us|xr"
SUBMISSION_NOTE = f"{METADATA}/IMAGING_SUBMISSION.md"
CERTIFICATE = f"{METADATA}/verification_certificate"  # .html, .json and .pdf
MANIFEST_FILE = f"{METADATA}/manifest.csv"
AUDIT_LOG = "audit.jsonl"  # below audit/
SIGNATURES = "signatures"  # below audit/: of whole releases
PUBLIC_KEY = "signing_key.pub"  # below audit/: of the site
SIGNATURE_FILE = f"{METADATA}/release_signature.json"  # of a delivery only: a release cannot hold what signs it
MADE_LAST = (*(f"{CERTIFICATE}.{form}" for form in ("html", "json", "pdf")), MANIFEST_FILE)  # about all else

# The only shape the place of an image may have: no header text becomes part of it that is not a plain code or UID.
INSTANCE = re.compile(r"[0-9]+/Images/[A-Z0-9]{2,16}/[0-9]+/[0-9][0-9.]{0,62}[0-9]/[0-9]{3,}(_[0-9]+)?\.dcm")
WINDOWS_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])")  # no folder can have such a name on Windows
COUNTED_ELSEWHERE = ("note", "omop", "wave")  # words by which central's report sorts files of a person
LONGEST_EXTENSION = 9
DIALECTS = "mysql|postgresql|sqlite|mssql"  # of the registry's CREATE TABLE
UPLOADED = re.compile(rf"({OMOP}|{METADATA}|\w+/({IMAGES}|{WAVEFORMS}))/.+", re.ASCII)


class FileKind(NamedTuple):
    """A kind of file that a release may hold: which paths, what it is, what makes it, whether the tool uploads it."""

    pattern: str
    what: str
    made_by: str
    uploaded: bool = True


# Waveforms are none: nothing here reads them, and whoever makes them delivers them.
FILE_KINDS = (
    FileKind(INSTANCE.pattern, "an image", "03_run_deid"),
    FileKind(rf"{OMOP}/({'|'.join(sorted(omop_deliverable()))})\.csv", "a table of CDM 5.4", "05_build_registry"),
    FileKind(rf"{METADATA}/({METADATA_TABLES})\.(csv|parquet)", "metadata of the images", "05_build_registry"),
    FileKind(rf"{METADATA}/image_registry\.csv", "the registry", "05_build_registry"),
    FileKind(r"image_registry\.csv", "its copy at the top (Multimodal-Linkage SOP)", "05_build_registry", False),
    FileKind(DATA_DICTIONARY, "what the columns mean", "05_build_registry"),
    FileKind(DATA_PACKAGE, "the same for programs: types, units, keys", "05_build_registry"),
    FileKind(CROISSANT, "the same for machine learning (Croissant)", "05_build_registry"),
    FileKind(
        rf"{REGISTRY_DDL}/image_registry_(mysql|postgresql|sqlite|mssql)\.sql",
        "CREATE TABLE of the registry",
        "05_build_registry",
    ),
    FileKind(rf"{MI_CDM}/image_(occurrence|feature|occurrence_source)\.csv", "a table of MI-CDM", "05_build_registry"),
    FileKind(rf"{MI_CDM}/measurement\.csv", "how series were acquired, for MI-CDM", "05_build_registry"),
    FileKind(rf"{MI_CDM}/ddl_postgresql\.sql", "CREATE TABLE of these", "05_build_registry"),
    FileKind(rf"{CERTIFICATE}\.(html|json|pdf)", "what was checked", "06_release"),
    FileKind(SUBMISSION_NOTE, "what the release holds", "06_release"),
    FileKind(rf"{REPORTS}/(03_run_deid|05_build_registry)\.html", "a report that may be shared", "06_release"),
    FileKind(MANIFEST_FILE, "size and checksums of every file", "06_release"),
)


class InstancePath(NamedTuple):
    """``<person_id>/Images/<Modality>/<image_occurrence_id>/<series>/<instance>.dcm`` (SOP step 15)."""

    person_id: str
    modality: str
    image_occurrence_id: str
    series_uid: str
    name: str

    @property
    def path(self) -> str:
        person, *others = self
        return "/".join((person, IMAGES, *others))

    @classmethod
    def read(cls, path: str) -> InstancePath | None:
        """The parts of ``path``, whatever they are; None if it has other folders.

        >>> InstancePath.read("7/Images/CT/12/2.25.4/001.dcm").series_uid
        '2.25.4'
        """
        parts = path.split("/")
        return cls(parts[0], *parts[2:]) if len(parts) == 6 and parts[1] == IMAGES else None

    @classmethod
    def columns(cls, paths: pd.Series) -> pd.DataFrame:
        """The parts of many paths, a column each; null where a path has fewer."""
        parts = paths.str.split("/", expand=True).reindex(columns=range(6))
        return parts.drop(columns=1).set_axis(list(cls._fields), axis="columns")


def series_folder(path: str) -> str:
    """The folder of a released image: that of its series."""
    return path.rpartition("/")[0]


def instance_names(files: pd.DataFrame, *then: str) -> pd.Series:
    """File names by ``InstanceNumber`` (text) within ``folder``: ``000.dcm``; a repeated number gets ``_1``, ``_2``…

    Images without a usable number follow the highest one, by ``SliceLocation`` and the columns ``then``.
    """
    import pandas as pd

    if files.empty:
        return pd.Series(index=files.index, dtype="str")
    text = files["InstanceNumber"].str.strip(" \0")
    number = pd.to_numeric(text.where(text.str.fullmatch(r"\+?0*[0-9]{1,9}(?:\.0*)?")), errors="coerce").astype("Int64")
    order = files.assign(number=number, location=pd.to_numeric(files["SliceLocation"], errors="coerce"))
    order = order.sort_values(["folder", "number", "location", *then], na_position="last")
    without, highest = order["number"].isna(), order.groupby("folder")["number"].transform("max").fillna(0)
    order["number"] = order["number"].where(~without, highest + without.astype(int).groupby(order["folder"]).cumsum())
    repeats = order.groupby(["folder", "number"]).cumcount()
    names = [f"{n:03d}{f'_{again}' if again else ''}.dcm" for n, again in zip(order["number"], repeats, strict=True)]
    return pd.Series(names, order.index).reindex(files.index)


def may_be_released(path: str) -> bool:
    """Whether an image may stand at ``path``: plain codes, and nothing that Windows or central would misread."""
    below = path.partition("/")[2]
    misread = any(WINDOWS_DEVICE.fullmatch(part) for part in below.split("/"))
    misread |= any(word in below.lower() for word in COUNTED_ELSEWHERE)
    return bool(INSTANCE.fullmatch(path)) and not misread


def is_image_place(path: str) -> bool:
    """Whether ``path`` lies where images lie: anywhere but ``OMOP/``, ``Metadata/`` and the root itself."""
    return "/" in path and path.split("/")[0] not in (OMOP, METADATA)


def file_kind(path: str) -> FileKind | None:
    """What a file of a release is, by its path; None if a release may not hold it."""
    return next((kind for kind in FILE_KINDS if re.fullmatch(kind.pattern, path, re.ASCII)), None)


def upload_problem(path: str) -> str:
    """Why the consortium's tool or central would not take the file at ``path`` as what it is; "" = they do."""
    if INSTANCE.fullmatch(path) and not any(word in path.lower() for word in COUNTED_ELSEWHERE):
        return ""  # which nearly all are: the questions below would say the same
    kind = file_kind(path)
    if kind and not kind.uploaded:
        return ""
    if not UPLOADED.fullmatch(path):
        return "stands where the upload tool skips it; it takes OMOP/, Metadata/, <person_id>/Images/ and /Waveforms/"
    if is_image_place(path):
        below = path.split("/", 2)[2].lower()
        if word := next((word for word in COUNTED_ELSEWHERE if word in below), ""):
            return f"holds the word {word} below the person's folder; central would count it as something else"
        name, _, extension = path.rpartition("/")[2].rpartition(".")
        if not (name and 1 <= len(extension) <= LONGEST_EXTENSION):
            return "has no file extension that central counts"
    return "" if kind else "is of no kind that a release may hold; take it out of release/"


def strangers(release: Path) -> dict[str, str]:
    """What stands below ``release`` and may not, with the reason: whatever is no plain file of a kind on the list."""
    return {path: why for path, _, why in standing(release) if why}


def standing(release: Path) -> Iterator[tuple[str, os.stat_result, str]]:
    """Everything below ``release`` but folders that hold something, with its state, and why it may not stand there,
    "" = it may; asked once for each, for they are many."""
    for base, below, folders, names in _walked(release):
        if below and not (folders or names):
            yield below, os.lstat(base), "is an empty folder"
        for name in (*folders, *names):
            state = os.lstat(f"{base}{os.sep}{name}")
            if not stat.S_ISDIR(state.st_mode):
                yield below + name, state, _why_not(below + name, state)


def _why_not(path: str, state: os.stat_result) -> str:
    if stat.S_ISLNK(state.st_mode):  # it may lead out of the release
        return "is a link; a release holds files only"
    if not stat.S_ISREG(state.st_mode):
        return "is no plain file"
    return upload_problem(path) or ("" if state.st_size else "is empty; central does not count it")


def empty_folders(folder: Path) -> list[str]:
    """Every folder below ``folder`` with nothing in it, relative, with ``/`` at its end, sorted."""
    return sorted(below for _, below, folders, names in _walked(folder) if below and not (folders or names))


def files_below(folder: Path) -> list[str]:
    """Every file below ``folder``, relative, with ``/``, sorted; a link counts as a file, wherever it leads."""
    return sorted(each_below(folder))


def each_below(folder: Path) -> Iterator[str]:
    """The same as they are met, none of them held: a release may have millions."""
    for base, below, folders, names in _walked(folder):
        links = [name for name in folders if os.path.islink(f"{base}{os.sep}{name}")]  # noqa: PTH114
        yield from (below + name for name in (*names, *links))


def _walked(folder: Path) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Each folder, its path below ``folder`` with ``/`` at its end, and what is in it; as text, for they are many."""
    top = os.fspath(folder)
    for base, folders, names in os.walk(top):
        below = base[len(top) :].strip(os.sep).replace(os.sep, "/")
        yield base, f"{below}/" if below else "", folders, names
