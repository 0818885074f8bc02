"""Checks over the release as a whole: counts, UIDs one for one, text, visits, faces."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.holds import HELD
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.terms import SearchTerm, read_date
from chorus_nb.mapping.lookups import Lookups
from chorus_nb.omop import NEAR_VISIT, visit_spans
from chorus_nb.verify import clocks, faces
from chorus_nb.verify.face_looks import FaceLook
from chorus_nb.verify.file_checks import years_at
from chorus_nb.verify.findings import Finding, Findings
from chorus_nb.verify.persons import OmopReader
from chorus_nb.verify.series import Fact
from chorus_nb.workspace import PARTIAL, Workspace


@dataclass
class Release:
    """What the series gave, for the checks of the whole; each says here what it ``examined``, or why it was not run."""

    workspace: Workspace
    outcomes: pd.DataFrame
    catalog: pd.DataFrame  # the columns that are needed
    lookups: Lookups
    omop: OmopReader
    facts: list[Fact] = field(default_factory=list)
    terms: set[SearchTerm] = field(default_factory=set)
    ledger: UidLedger = field(default_factory=lambda: UidLedger())
    examined: collections.Counter[str] = field(default_factory=collections.Counter)
    not_run: dict[str, str] = field(default_factory=dict)
    looks: dict[str, FaceLook] = field(default_factory=dict)  # for a face, by series folder

    @property
    def released(self) -> pd.DataFrame:
        return self.outcomes[self.outcomes.status == "released"]


def accounted(release: Release) -> Findings:
    """Files found = released + held back + quarantined + duplicates + not DICOM; release files = released rows."""
    outcomes, released = release.outcomes, release.released
    release.examined["accounted"] = len(outcomes)
    found = {file.source_path for file in release.workspace.source.find()}
    known = set(outcomes.source_path)
    for path in sorted(found - known):
        yield Finding("accounted", "high", path, "", "a source file that 03 did not see")
    for path in sorted(known - found):
        yield Finding("accounted", "high", path, "", "a file on record that is not in the source any more")
    for row in outcomes[~outcomes.status.isin(tables.STATUSES)].itertuples():
        yield Finding("accounted", "high", row.source_path, "", "has no known status")
    silent = outcomes[(outcomes.status != "released") & (outcomes.reason == "")]
    for path in silent.source_path:
        yield Finding("accounted", "high", path, "", "is not released, and no reason is given")
    held = set(outcomes.source_path[outcomes.reason == HELD])
    for path in sorted(held - set(release.workspace.read_or_empty(tables.HELD_FINDINGS).source_path)):
        yield Finding("accounted", "high", path, "", "04 held it back, and it is not on record for what")
    for path in released.target_path[released.target_path.duplicated()]:
        yield Finding("accounted", "high", path, "", "two source files are on record for it")
    images = {path for path in layout.files_below(release.workspace.release) if layout.is_image_place(path)}
    for path in sorted(images - set(released.target_path)):
        detail = "half written" if Path(path).name.startswith(PARTIAL) else "no outcome is on record for it"
        yield Finding("accounted", "high", path, "", detail)
    for path in sorted(set(released.target_path) - images):
        yield Finding("accounted", "high", path, "", "is on record as released but not there")
    written = dict(tables.row_values(released, "target_path", "target_digest"))
    for fact in release.facts:
        if written.get(fact.target_path) != fact.digest:
            yield Finding("accounted", "high", fact.target_path, "", "changed since 03 wrote it")


def partial_series(release: Release) -> Findings:
    """Series of which some images are released and others are not: fewer slices than the scanner made."""
    series_of = dict(tables.row_values(release.catalog, "source_path", "SeriesInstanceUID"))
    outcomes = release.outcomes
    images = outcomes[~outcomes.status.isin(("duplicate", "not_dicom"))]
    series = images.source_path.map(series_of).fillna("")
    for name, rows in images[series != ""].groupby(series[series != ""]):
        released = rows.target_path[rows.status == "released"]
        if name and 0 < len(released) < len(rows):
            folder = layout.series_folder(released.iloc[0])
            detail = f"{len(rows) - len(released):,} of {len(rows):,} images of this series are not released"
            yield Finding("geometry", "medium", folder, "(0020,000E)", detail)


class UidLedger:
    """Original to new UIDs over all series: one for one. Keeps 8-byte digests: a million UIDs fit in memory."""

    def __init__(self) -> None:
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._several: set[int] = set()
        self._merged: set[int] = set()
        self.findings: list[Finding] = []

    def add(self, uids: Iterable[tuple[str, str]]) -> None:
        for old, new in (map(_short, pair) for pair in uids):
            if self._new.setdefault(old, new) != new:
                self._several.add(old)
            if self._old.setdefault(new, old) != old:
                self._merged.add(new)

    @property
    def in_conflict(self) -> bool:
        return bool(self._several or self._merged)

    def name(self, folder: str, uids: Iterable[tuple[str, str]]) -> None:
        """A finding for a series that has part in a conflict: which of them is right, nobody knows."""
        pairs = [tuple(map(_short, pair)) for pair in uids]
        if any(old in self._several for old, _ in pairs):
            self.findings.append(Finding("uids", "high", folder, "", "one original UID became several"))
        if any(new in self._merged for _, new in pairs):
            self.findings.append(Finding("uids", "high", folder, "", "several original UIDs became one"))

    def close(self) -> Findings:
        """What the UIDs of all series say together."""
        yield from self.findings
        if self._new.keys() & self._old.keys() - {old for old, new in self._new.items() if old == new}:
            yield Finding("uids", "high", "", "", "a released UID is also the original UID of another object")

    def __len__(self) -> int:
        return len(self._new)


def _short(uid: str) -> int:
    return int.from_bytes(blake3(uid.encode()).digest(length=8))


def unique_uids(release: Release) -> Findings:
    """Every original UID one new one, over all series, and no SOP Instance UID twice."""
    release.examined["uids"] = len(release.ledger)
    yield from release.ledger.close()
    counts = collections.Counter(fact.sop_instance_uid for fact in release.facts)
    for fact in release.facts:
        if counts[fact.sop_instance_uid] > 1:
            yield Finding("uids", "high", fact.target_path, "(0008,0018)", "another file has the same instance UID")


PROOFS = {
    "not_looked_at": "was not looked at again after its redaction",
    "not_as_written": "is not the file that was looked at after its redaction",
    "high_text_left": "high text left",
    "medium_text_left": "medium text left",
    "filled_beside_text": "more than 2 % of what it showed beside its text is gone",
}
"""What 03 may say of a redacted image besides ``nothing_left``, in words."""


def burned_in(release: Release) -> Findings:
    """Every released image was looked at for text in its pixels, and what was found is gone or accepted by a person.

    Every redacted image was looked at again as it stands in the release, and nothing was left (``text_proofs``).
    """
    workspace, released = release.workspace, release.released
    if workspace.parameters.burned_in_text == "skip":
        release.not_run["burned_in"] = "burned_in_text is skip: nobody looked for text in the pixels"
        return
    if not workspace.has(tables.IMAGE_VERDICTS):
        yield Finding("burned_in", "high", "", "", "image_verdicts is not there: run 03 again")
        return
    redacted = workspace.has(tables.TEXT_PROOFS)
    proofs = workspace.read(tables.TEXT_PROOFS) if redacted else tables.empty(tables.TEXT_PROOFS)
    verdicts = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "verdict"])
    proven = {(row.target_path, row.target_digest): row.result for row in proofs.itertuples()}
    for row in released[released.boxes != ""].itertuples():
        result = proven.get((row.target_path, row.target_digest), "not_looked_at")
        if result != "nothing_left":
            yield Finding("burned_in", "high", row.target_path, "(7FE0,0010)", PROOFS.get(result, "has no valid proof"))
    verdict_of = dict(tables.row_values(verdicts, "source_path", "verdict"))
    for source_path, target_path in tables.row_values(released, "source_path", "target_path"):
        verdict = verdict_of.get(source_path, "")
        if verdict not in ("clean", "redact"):
            detail = "is to be held back for its text" if verdict else "was not looked at for text in its pixels"
            yield Finding("burned_in", "high", target_path, "(7FE0,0010)", detail)


# --- visits and faces -------------------------------------------------------------------------------------------------


def visits(release: Release) -> Findings:
    """Shifted images against the (equally shifted) visits of OMOP, wall clock against wall clock, also across DST."""
    workspace = release.workspace
    if not workspace.has(tables.LINKAGE):
        release.not_run["visits"] = "linkage is not there: run 01"
        return
    linkage = workspace.read(tables.LINKAGE)
    visit = release.omop("visit_occurrence")
    known = visit_spans(visit)
    rows = zip(known.starts, known.ends, visit.person_id, strict=True)
    spans = dict(zip(visit.visit_occurrence_id, rows, strict=True))
    linked = linkage.dropna(subset=["visit_occurrence_id", "image_occurrence_id"])
    visit_of = dict(zip(linked.image_occurrence_id.astype(int), linked.visit_occurrence_id, strict=True))
    explicit = set(linked.image_occurrence_id[linked.visit_link == "explicit"].astype(int))
    for fact in release.facts:
        place = layout.InstancePath.read(fact.target_path)
        image = place.image_occurrence_id if place else ""
        visit_id = visit_of.get(int(image)) if image.isdigit() else None
        if visit_id is None:
            if workspace.parameters.visit_policy == "hold":
                yield Finding("visits", "high", fact.target_path, "", "is released without a visit")
            continue
        if visit_id not in spans:
            yield Finding("visits", "high", fact.target_path, "", "its visit is not in visit_occurrence")
            continue
        begin, end, owner = spans[visit_id]
        if place and str(owner) != place.person_id:
            yield Finding("visits", "high", fact.target_path, "", "its visit belongs to another person")
        elif fact.moment and not begin <= pd.Timestamp(fact.moment) <= end:
            # an explicit link of the EHR stands, though the clocks may differ; else as near as 05 asks for
            near = begin - NEAR_VISIT <= pd.Timestamp(fact.moment) <= end + NEAR_VISIT
            severity: Severity = "medium" if near or int(image) in explicit else "high"
            yield Finding("visits", severity, fact.target_path, "", "its time lies outside its visit")


def clocks_agree(release: Release) -> Findings:
    """The images of an accession among each other, and with the procedure that is linked to it."""
    workspace, procedures = release.workspace, dict[str, str]()
    if workspace.has(tables.LINKAGE):
        linked = workspace.read(tables.LINKAGE).dropna(subset=["image_occurrence_id", "procedure_occurrence_id"])
        known = release.omop("procedure_occurrence").set_index("procedure_occurrence_id").procedure_date
        dates = linked.procedure_occurrence_id.map(known).fillna("")
        procedures = dict(zip(linked.image_occurrence_id.astype(str), dates, strict=True))
    yield from clocks.apart({fact.target_path: fact.moment for fact in release.facts}, procedures)


def births(release: Release) -> Findings:
    """Birth dates that tell an age above 89 beside a later image of the same person."""
    last: dict[str, str] = {}
    for fact in release.facts:
        person = fact.target_path.partition("/")[0]
        last[person] = max(last.get(person, ""), fact.moment[:10])
    for fact in release.facts:
        born, day = read_date(fact.born), read_date(last[fact.target_path.partition("/")[0]])
        if born and day and years_at(born, day) > 90:
            said = "a birth date that tells an age above 89 at a later image"
            yield Finding("removed", "high", fact.target_path, "(0010,0030)", said)


def heads(release: Release) -> Findings:
    """The series that may show a face, what 03 made of them, and what their pixels say here."""
    workspace = release.workspace
    if workspace.parameters.deface == "skip":
        release.not_run["faces"] = "deface is skip: nobody looked for faces"
        return
    verdicts = workspace.read_or_empty(tables.FACE_VERDICTS)
    removes = workspace.parameters.deface == "apply"
    yield from faces.faces_left(release.released, release.catalog, verdicts, release.looks, removes=removes)


RELEASE_CHECKS = {
    "accounted": accounted,
    "burned_in": burned_in,
    "clocks": clocks_agree,
    "faces": heads,
    "geometry": partial_series,
    "removed": births,
    "uids": unique_uids,
    "visits": visits,
}
"""The checks of the release as a whole."""

ASKED_ANEW = frozenset(RELEASE_CHECKS) - {"removed"}
"""Those that rest on tables of others: what they find at a file is asked for by every run. An age that another image
tells is part of what the file was made from."""
