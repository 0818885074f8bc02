"""What becomes of every file and where it goes, decided for all files before the first is written (SOP steps 6, 12-13).

Each rule takes the files no earlier rule took; what is left over at the end is released.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import blake3
import pandas as pd

from chorus_nb import faces, holds, layout, pixels, processes, standards, tables
from chorus_nb.deid.cohort import excluded, in_cohort, read_cohort
from chorus_nb.deid.ledger import MADE_FROM
from chorus_nb.deid.persons import known_digests, known_of_persons, old_persons
from chorus_nb.deid.settings import made_with, note_settings
from chorus_nb.deid.uids import UidMap
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.mapping import Lookups, read_lookups
from chorus_nb.memory import DECODERS, Recipe, digest
from chorus_nb.omop import AFTER_DEATH, NEAR_VISIT, lifetimes, read_omop, visit_spans
from chorus_nb.processes.child import one_child
from chorus_nb.source.earlier import counted_only
from chorus_nb.withdrawn import WITHDRAWN, Withdrawn
from chorus_nb.workspace import Workspace

if TYPE_CHECKING:
    from chorus_nb.processes import Progress

DICOMDIR = "1.2.840.10008.1.3.10"
UID_CHARACTERS = r"[!-~]{1,128}"  # a UID that reads the same to everybody; PS3.5 allows 64, of digits and points
REQUIRED_IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
ACCESSION = ("PatientID", "AccessionNumber")
OF_PICTURES = (
    *("burned_in_text", "burned_in_text_unchecked", "filled_beside_text", "rejected_by_review"),
    *("changed_since_review", "face_not_removed"),
)
DEID_RECIPE = Recipe("chorus_nb.deid.worker", ("uid_method", "uid_root", "time_zone"), (*DECODERS, "SimpleITK"))
"""What decides the bytes of a released file, besides the file, the policy and the site key."""

SAID_BY_TABLES = (
    *("dicomdir", "not_in_cohort", "excluded", "kind_not_released", "no_pixels", "accession_not_mapped", "no_date"),
    *("patient_not_mapped", "no_visit", "outside_visit", "no_person", "outside_lifetime", "identifiers_missing"),
    WITHDRAWN,
)
"""Reasons of the rules that look at the catalog and tables only, which may say otherwise the next time."""

CATALOG_COLUMNS = (
    *("source_path", "status", "reason", "detail", "size", "modified_ns", "MediaStorageSOPClassUID", "has_pixels"),
    *REQUIRED_IDENTIFIERS,
    *("AccessionNumber", "Modality", "InstanceNumber", "SliceLocation", "acquired"),
)
"""The catalog's columns that anything is decided by; what only text and faces are looked for by is read when they
are, and not kept: all of them at once would be most of the memory."""


def make_worklist(
    workspace: Workspace, progress: Progress | None = None, *, as_seen: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Decide every file of the catalog: its target path, or why it is not released; writes ``worklist``.

    ``as_seen``: an earlier worklist; no picture is looked at, what it says of them counts.
    """
    if as_seen is None and not workspace.has(tables.OUTCOMES):
        processes.prepare(workspace.parameters)  # for what comes next; later there may be nothing to do for a worker
    workspace.remember_key()
    catalog = workspace.read(tables.CATALOG, list(CATALOG_COLUMNS))
    lookups = read_lookups(workspace)
    work = _Work(catalog)
    _map(work, lookups)
    work.take(Withdrawn.of(workspace).files(work.files), "held_back", WITHDRAWN)
    _unreadable(work)
    _meant(work, workspace, catalog)
    _kinds(work, workspace.parameters.kinds)
    _mapped(work)
    _dated(work, workspace)
    _visits(work, workspace)
    _lifetimes(work, workspace)
    gone = counted_only(workspace.local)
    _counted_only(work, workspace, gone)
    _duplicates(work, workspace, gone)
    if as_seen is None:
        with one_child(workspace.parameters):
            _burned_in(work, workspace, catalog, progress)
            _faces(work, workspace, catalog, progress)
    else:
        _as_seen(work, as_seen)
    uids = uid_map(workspace)
    _targets(work, uids)
    known = known_digests(known_of_persons(workspace, lookups), old_persons(workspace, lookups))
    _fingerprint(work.files, workspace, known)
    _held_by_verify(work, workspace)
    worklist = work.table()
    workspace.write(tables.WORKLIST, worklist)
    return worklist


def uid_map(workspace: Workspace) -> UidMap:
    """The UID map of this site and run."""
    parameters = DEID_RECIPE.seen(workspace.parameters)
    return UidMap(parameters.uid_method, parameters.resolved_uid_root, workspace.key())


def _with(workspace: Workspace, catalog: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of the catalog, of which ``catalog`` has some already."""
    others = [name for name in columns if name not in catalog.columns]
    return catalog.join(workspace.read(tables.CATALOG, others))[list(columns)]


class _Work:
    """The files, and what has been decided about them so far."""

    def __init__(self, catalog: pd.DataFrame) -> None:
        self.files = catalog[list(CATALOG_COLUMNS)].rename(
            columns={"status": "found", "reason": "fault", "detail": "why"}
        )
        self.files = self.files.assign(
            status="", reason="", detail="", target_path="", boxes="", text_checked=False, face_mask=""
        )
        for column in ("person_id", "days_shifted", "image_occurrence_id"):
            self.files[column] = pd.array([pd.NA] * len(self.files), dtype="Int64")

    @property
    def open(self) -> pd.DataFrame:
        """The files no rule has taken."""
        return self.files[self.files.status == ""]

    def take(self, which: pd.Series, status: str, reason: str | pd.Series, detail: str | pd.Series = "") -> None:
        """Give the open files among ``which`` a status and a reason."""
        if not which.any():  # as nearly every rule of nearly every site
            return
        chosen = which.reindex(self.files.index, fill_value=False) & (self.files.status == "")
        self.files.loc[chosen, "status"] = status
        for column, value in (("reason", reason), ("detail", detail)):
            self.files.loc[chosen, column] = value[chosen] if isinstance(value, pd.Series) else value

    def table(self) -> pd.DataFrame:
        self.files.loc[self.files.status == "", "status"] = "release"
        made = self.files.rename(columns={"SOPClassUID": "sop_class", "Modality": "modality"})
        return made[tables.WORKLIST.column_names].reset_index(drop=True)


# --- the rules, in their order ----------------------------------------------------------------------------------------


def _unreadable(work: _Work) -> None:
    files = work.files
    work.take(files.found == "not_dicom", "not_dicom", files.fault.where(files.fault != "", "not_dicom"))
    known = files.fault.isin(("truncated", "structure_refused"))
    reason = files.fault.where(files.fault.isin(tables.REMEDIES), "unreadable")
    work.take(files.found == "unreadable", "quarantined", reason, files.why)
    work.take(known, "quarantined", files.fault, files.why)
    directory = (files.MediaStorageSOPClassUID == DICOMDIR) | (files.SOPClassUID == DICOMDIR)
    work.take(directory, "held_back", "dicomdir", "an index of files; the release needs none")
    missing = pd.concat(
        [files[name].str.strip(" \0") == "" for name in REQUIRED_IDENTIFIERS], axis=1, keys=REQUIRED_IDENTIFIERS
    )
    of_image = files.SOPClassUID.str.strip(" \0").isin([*standards.releasable(("SC",))])
    missing = missing[missing.any(axis=1) & (of_image | missing["SOPClassUID"])]  # a palette or protocol is of no study
    names = pd.Series(["missing " + ", ".join(missing.columns[row]) for row in missing.to_numpy()], missing.index)
    lacking = files.index.to_series().isin(missing.index)
    work.take(lacking, "quarantined", "identifiers_missing", names.reindex(files.index))


def _meant(work: _Work, workspace: Workspace, catalog: pd.DataFrame) -> None:
    """Outside the cohort (parameter ``cohort``), or excluded by a person."""
    cohort = read_cohort(workspace)
    if cohort is not None:
        work.take(~in_cohort(cohort, catalog), "held_back", "not_in_cohort", "not in the cohort")
    work.take(excluded(workspace, catalog), "held_back", "excluded", "excluded by a person, with a reason")


def _kinds(work: _Work, kinds: Sequence[str]) -> None:
    """Released are pixel images of the wanted kinds whose Modality and SOP Class agree to be so (chorus.md §0)."""
    files = work.files
    kind = files.SOPClassUID.map(standards.releasable(kinds))
    wanted = kind.isin(kinds) & files.Modality.isin(kinds)
    wanted |= (kind == "SC") & files.Modality.isin(standards.modalities(kinds))
    work.take(~wanted, "held_back", "kind_not_released", "Modality or SOP Class is not among the released kinds")
    work.take(~files.has_pixels, "held_back", "no_pixels")


def _map(work: _Work, lookups: Lookups) -> None:
    """PatientID and AccessionNumber by the lookup tables."""
    files = work.files
    pairs = files[["PatientID", "AccessionNumber"]].apply(lambda column: column.str.strip(" \0"))
    persons = {patient: lookups.person(patient) for patient in pairs.PatientID.unique()}
    said = list(zip(pairs.PatientID.tolist(), pairs.AccessionNumber.tolist(), strict=True))
    images = {pair: lookups.image(*pair) for pair in set(said)}
    found = [persons[patient] for patient, _ in said]
    files["person_id"] = pd.array([person[0] if person else None for person in found], dtype="Int64")
    files["days_shifted"] = pd.array([person[1] if person else None for person in found], dtype="Int64")
    files["image_occurrence_id"] = pd.array([images[pair] for pair in said], dtype="Int64")


def _mapped(work: _Work) -> None:
    """A patient without a row is a fault, an accession is not."""
    files = work.files
    work.take(files.person_id.isna(), "quarantined", "patient_not_mapped", "PatientID has no row in Personal_map")
    work.take(
        files.image_occurrence_id.isna(), "held_back", "accession_not_mapped", "no row in Image_map: not of interest"
    )


def _dated(work: _Work, workspace: Workspace) -> None:
    """Images without a date that can be shifted, of their own or of their accession: the registry asks for one."""
    files = work.files
    undated = ~_shifted(files).dt.year.between(1, 9999)
    if undated.any() and workspace.has(tables.LINKAGE):
        links = workspace.read(tables.LINKAGE, [*ACCESSION, "acquired_shifted"])
        links = links[links.acquired_shifted.str.len() == len("YYYY-MM-DD HH:MM:SS")]
        known, asked = (table[[*ACCESSION]].apply(lambda column: column.str.strip(" \0")) for table in (links, files))
        undated &= ~pd.MultiIndex.from_frame(asked).isin(pd.MultiIndex.from_frame(known))
    work.take(undated, "held_back", "no_date", "no date that can be used, of its own or of its accession")


def _visits(work: _Work, workspace: Workspace) -> None:
    """Images outside every visit are held back, unless ``visit_policy`` is ``blank`` (chorus.md §3.5).

    So is, under either, an image far outside the visit that the other images of its accession have.
    """
    blank, files = workspace.parameters.visit_policy == "blank", work.files
    if blank and not workspace.has(tables.LINKAGE):
        return
    links = workspace.read(tables.LINKAGE, [*ACCESSION, "visit_occurrence_id", "visit_link"])
    known, asked = (table[[*ACCESSION]].apply(lambda column: column.str.strip(" \0")) for table in (links, files))
    links = links.set_axis(pd.MultiIndex.from_frame(known)).dropna(subset="visit_occurrence_id")
    links = links[~links.index.duplicated()].reindex(pd.MultiIndex.from_frame(asked)).set_axis(files.index)
    if not blank:
        missing = links.visit_occurrence_id.isna()
        work.take(missing, "held_back", "no_visit", "within no visit of the OMOP tables")
    far = f"more than {NEAR_VISIT.days} days outside the visit of its accession"
    work.take(_far(files, links, workspace), "held_back", "outside_visit", far)


def _far(files: pd.DataFrame, links: pd.DataFrame, workspace: Workspace) -> pd.Series:
    """Which files lie further from the visit beside them than OMOP lets anything lie; an explicit link stands."""
    visits = read_omop(workspace, "visit_occurrence").set_index("visit_occurrence_id")
    spans = visit_spans(visits).reindex(links.visit_occurrence_id).set_axis(files.index)
    moment = _shifted(files)
    outside = (moment < spans.starts - NEAR_VISIT) | (moment > spans.ends + NEAR_VISIT)
    return outside & (links.visit_link != "explicit")


def _shifted(files: pd.DataFrame) -> pd.Series:
    """When each was taken, in the dates of the release; NaT where its header does not say."""
    moment = pd.to_datetime(files.acquired, format="%Y-%m-%d %H:%M:%S", errors="coerce")
    return moment + pd.to_timedelta(files.days_shifted.astype("float64"), unit="D")


def _lifetimes(work: _Work, workspace: Workspace) -> None:
    """Images of nobody in PERSON, or before that person's birth or long after their death: of somebody else, or with a
    wrong date. One of them in the release would fail a check of the registry, and so cost all of it."""
    files = work.files
    lives = lifetimes(read_omop(workspace, "person"), read_omop(workspace, "death"))
    nobody = ~files.person_id.isin(lives.index) & bool(len(lives))  # with no person at all 01 has ended
    work.take(
        nobody, "held_back", "no_person", "its person has no row in PERSON, or several that contradict each other"
    )
    lived, moment = lives.reindex(files.person_id).set_axis(files.index), _shifted(files)
    work.take(moment < lived.born, "held_back", "outside_lifetime", "before the birth of its person")
    late = f"more than {AFTER_DEATH.days} days after the death of its person"
    work.take(moment > lived.until, "held_back", "outside_lifetime", late)


def _counted_only(work: _Work, workspace: Workspace, gone: Collection[str]) -> None:
    """Files of earlier deliveries that were not released and can be read no more are what they were.

    What only a rule above held back waits for nothing any more, but that somebody sends it again.
    """
    if not gone:
        return
    outcomes = workspace.read_or_empty(tables.OUTCOMES)
    outcomes = outcomes[outcomes.source_path.isin(gone) & ~outcomes.reason.isin(SAID_BY_TABLES)]
    before = outcomes.set_index("source_path")[["status", "reason", "detail"]].reindex(work.files.source_path)
    before = before.set_axis(work.files.index)
    for status in sorted(before.status.dropna().unique()):
        work.take(before.status == status, status, before.reason, before.detail)
    work.take(work.files.source_path.isin(gone), "held_back", "not_kept", "not in the source any more")


def _duplicates(work: _Work, workspace: Workspace, gone: Collection[str]) -> None:
    """Files with one SOP Instance UID: of equal ones the first is kept, of different ones none.

    A copy that is held back for another reason counts too, unless it is ``gone``: it is not known which of them tells
    the truth.
    """
    files = work.files[work.files.status.isin(("", "held_back")) & ~work.files.source_path.isin(gone)]
    files = files[files.SOPInstanceUID.isin(work.open.SOPInstanceUID)]
    repeated = files[files.duplicated("SOPInstanceUID", keep=False)]
    equal, different = [], []
    for _, group in repeated.groupby("SOPInstanceUID", sort=True):
        contents = {_data_set_digest(workspace, path) for path in group.source_path}
        if len(contents) == 1:
            equal.extend(group.sort_values(["status", "source_path"]).index[1:])  # one that may go stands first
        else:
            different.extend(group.index)
    index = work.files.index.to_series()
    work.take(index.isin(equal), "duplicate", "duplicate_instance", "equal to a file that is kept")
    work.take(index.isin(different), "quarantined", "duplicate_conflict", "one SOP Instance UID, different contents")


def _data_set_digest(workspace: Workspace, source_path: str) -> str:
    """Hash of the data set without preamble and file meta information, which differ from archive to archive."""
    try:
        taken = take_apart(workspace.source.look(source_path)[0])
    except (OSError, Refused):
        return f"unreadable {source_path}"
    start = taken.elements[0].start
    return blake3.blake3(memoryview(taken.data)[start:]).hexdigest()


def _burned_in(work: _Work, workspace: Workspace, catalog: pd.DataFrame, progress: Progress | None) -> None:
    """Text in the pixels: what is found is held back, or removed where that was decided (parameter burned_in_text)."""
    candidates = _with(workspace, catalog, pixels.TRIAGE_COLUMNS).loc[work.open.index]
    judged = pixels.judge(workspace, candidates, progress).set_index("source_path")
    files = work.files
    said = judged.reindex(files.source_path).astype("string").fillna("").set_axis(files.index)
    reason = said.reason.replace("", "burned_in_text_unchecked")
    unjudged = (said.verdict == "") & files.index.isin(candidates.index)
    work.take((said.verdict == "hold") | unjudged, "held_back", reason, said.risk_reason)
    redact = said.verdict == "redact"
    files.loc[redact, "boxes"] = said.boxes[redact]
    files["text_checked"] = redact | said.checked.isin(("looked", "decided"))


def _faces(work: _Work, workspace: Workspace, catalog: pd.DataFrame, progress: Progress | None) -> None:
    """Faces in volumes of heads: removed, or the series is held back (parameter deface; Safe Harbor item 17).

    With ``flag`` volumes are asked whether they may show a head, and nothing is done about it.
    """
    if workspace.parameters.deface == "skip":
        faces.forget(workspace)
        return
    asked = _with(workspace, catalog, faces.ASKED_COLUMNS)
    found = faces.find_faces(workspace, asked, work.open.index, progress).set_index("source_path")
    if workspace.parameters.deface == "flag":
        return
    files = work.files
    said = found.reindex(files.source_path).astype("string").fillna("").set_axis(files.index)
    work.take(said.verdict == "hold", "held_back", said.reason, said.detail)
    files["face_mask"] = said.face_mask.where(files.status == "", "")


def _as_seen(work: _Work, worklist: pd.DataFrame) -> None:
    """Text and faces as an earlier worklist has them, of files that did not change since."""
    files = work.files
    seen = worklist.set_index("source_path").reindex(files.source_path).set_axis(files.index)
    same = (seen["size"] == files["size"]) & (seen.modified_ns == files.modified_ns)
    work.take(same & seen.reason.isin(OF_PICTURES), "held_back", seen.reason.fillna(""), seen.detail.fillna(""))
    for column in ("boxes", "face_mask", "text_checked"):
        files[column] = seen[column].where(same & (files.status == ""), files[column])


# --- target paths -----------------------------------------------------------------------------------------------------


def _targets(work: _Work, uids: UidMap) -> None:
    """Where each image goes (SOP step 15). The order rests on new UIDs, so it is always the same."""
    files = work.open.copy()
    if files.empty:
        return
    series_new = {uid: uids.replace(uid, instance=True) for uid in files.SeriesInstanceUID.unique()}
    files["sop_new"] = files.SOPInstanceUID.map(partial(uids.replace, instance=True))
    files["folder"] = [
        layout.series_folder(layout.InstancePath(str(person), modality, str(image), series_new[series], "").path)
        for person, modality, image, series in tables.row_values(
            files, "person_id", "Modality", "image_occurrence_id", "SeriesInstanceUID"
        )
    ]
    files["target_path"] = files.folder + "/" + layout.instance_names(files, "acquired", "sop_new")
    work.files.loc[files.index, "target_path"] = files.target_path
    unfit = ~files.target_path.map(layout.may_be_released) | ~files.SeriesInstanceUID.str.fullmatch(UID_CHARACTERS)
    work.take(unfit, "held_back", "path_not_allowed", "Modality or Series Instance UID does not fit into a path")
    work.files.loc[work.files.status != "", "target_path"] = ""


def _held_by_verify(work: _Work, workspace: Workspace) -> None:
    """What 04 held back and would again; it keeps its number in its series, so that no other file gets its name."""
    files = work.files
    checks = files.source_path.map(holds.still_held(workspace, work.open))
    work.take(checks.notna(), "held_back", holds.HELD, checks)
    files.loc[files.status != "", "target_path"] = ""


def _fingerprint(files: pd.DataFrame, workspace: Workspace, known: Mapping[int, str]) -> None:
    """Per file, the key of its result; it depends on what other files and the tables say of its person too."""
    made = made_with(workspace)
    run = DEID_RECIPE.key(workspace.parameters, *made.values())
    files["settings"] = note_settings(workspace, DEID_RECIPE, made)
    files["known"] = files.person_id.map(known).fillna("")
    files["fingerprint"] = [digest(run, row) for row in tables.row_values(files, *MADE_FROM)]
