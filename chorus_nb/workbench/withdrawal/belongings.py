"""What belongs to a person or an accession: files, places in the release, and the identifiers nobody else has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from chorus_nb import tables
from chorus_nb.deid.ledger import Ledger
from chorus_nb.deid.uids import UidMap
from chorus_nb.leaks.files import SHORTEST
from chorus_nb.leaks.search import Hit, Searcher
from chorus_nb.leaks.terms import SearchTerm, name_parts, of_name, stands_for_nobody
from chorus_nb.mapping import Lookups
from chorus_nb.omop import read_omop
from chorus_nb.withdrawn import FILLING, Withdrawn
from chorus_nb.workspace import Workspace

OWN_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName")
OWN_NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
OWN_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
LEAVES = {"target_path": "", "file": "", "path": "", "folder": "/x"}  # columns with a place below release/


@dataclass(frozen=True)
class Belongings:
    """Of what is withdrawn now. ``own``: values by column of the catalog that no other file of the source has."""

    withdrawn: Withdrawn
    pairs: frozenset[tuple[str, str]]  # PatientID and AccessionNumber of the lookup tables and the headers
    patients: frozenset[str]  # of a person, not of an accession
    paths: frozenset[str]
    own: dict[str, frozenset[str]]
    others_names: frozenset[str]  # parts of names that somebody else has too
    new_uids: frozenset[str]

    def rows(self, frame: pd.DataFrame) -> pd.Series:
        """Which rows of a table are theirs, by whatever column it has."""
        found = pd.Series(False, index=frame.index)
        texts = {name: frame[name].astype("string").fillna("") for name in frame}
        for name in ("source_path", "item"):
            if name in texts:
                found |= texts[name].isin(self.paths)
        for name, more in LEAVES.items():
            if name in texts:
                found |= self.withdrawn.paths(texts[name] + more) | texts[name].isin(self.paths)
        for name, numbers in (
            ("person_id", self.withdrawn.persons),
            ("image_occurrence_id", self.withdrawn.accessions),
            ("image_occurence_id", self.withdrawn.accessions),
        ):
            if name in texts:
                found |= texts[name].isin(map(str, numbers))
        if "PatientID" in texts:
            patient = texts["PatientID"].str.strip(FILLING)
            found |= patient.isin(self.patients)
            if "AccessionNumber" in texts:
                pairs = pd.MultiIndex.from_arrays([patient, texts["AccessionNumber"].str.strip(FILLING)])
                found |= pairs.isin(self.pairs)
        for name in OWN_UIDS:
            if name in texts:
                found |= texts[name].isin(self.own[name])
        if "series_uid" in texts:
            found |= texts["series_uid"].isin(self.own["SeriesInstanceUID"])
        return found

    @cached_property
    def terms(self) -> list[SearchTerm]:
        """What is searched for: identifiers that are theirs alone."""
        made = [SearchTerm("identifier", text) for name in ("number", *OWN_NUMBERS) for text in self.own[name]]
        made = [term for term in made if len(term.text) >= SHORTEST and not stands_for_nobody(term.text)]
        made += [SearchTerm("uid", uid) for name in OWN_UIDS for uid in self.own[name]]
        made += [SearchTerm("uid", uid, "new") for uid in self.new_uids]
        made += [SearchTerm("path", path) for path in self.paths]
        return made + [term for name in OWN_NAMES for text in self.own[name] for term in of_name(text)]

    @cached_property
    def searcher(self) -> Searcher:
        return Searcher(self.terms)

    def found_in(self, content: bytes) -> set[SearchTerm]:
        """The identifiers that stand in ``content``, each by its whole."""
        return {self._whole(hit.term) for hit in self.searcher.search(content) if self._tells(hit)}

    def _tells(self, hit: Hit) -> bool:
        if hit.term.kind == "name":
            return hit.full_name or (hit.severity == "high" and hit.term.text.lower() not in self.others_names)
        return hit.severity == "high" or (hit.term.kind == "path" and "/" in hit.term.text)

    @staticmethod
    def _whole(term: SearchTerm) -> SearchTerm:
        return SearchTerm("name", term.whole) if term.kind == "name" else SearchTerm(term.kind, term.text)

    @property
    def identifiers(self) -> int:
        """How many there are, a name counted once."""
        return len({self._whole(term) for term in self.terms})


def belongings(workspace: Workspace, lookups: Lookups, asked: Withdrawn) -> Belongings:
    """All that the lookup tables, the catalog, the ledger and the OMOP tables say of whom ``asked`` names."""
    catalog = _catalog(workspace, lookups)
    mine = asked.files(catalog) | asked.paths(catalog.target_path)
    rows, rest = catalog[mine], catalog[~mine]
    of_person = lookups.persons.person_id.isin(asked.persons)
    images = lookups.images
    of_image = images.image_occurence_id.isin(asked.accessions) | images.PatientID.isin(
        lookups.persons.PatientID[of_person]
    )
    listed = images[of_image]
    values = {name: _values(rows[name]) - _values(rest[name]) for name in (*OWN_NAMES, *OWN_NUMBERS, *OWN_UIDS)}
    whole = rows[rows.person_id.isin(asked.persons) | rows.PatientID.map(asked.has).astype(bool)]
    patients = {*lookups.persons.PatientID[of_person], *_values(whole.PatientID)} - {""}
    values["PatientID"] |= patients
    values["AccessionNumber"] |= set(listed.AccessionNumber) - _values(rest.AccessionNumber)
    values["number"] = _person_sources(workspace, asked)
    pairs = zip(rows.PatientID.str.strip(FILLING), rows.AccessionNumber.str.strip(FILLING), strict=True)
    keys, method, root = workspace.keys(), workspace.parameters.uid_method, workspace.parameters.resolved_uid_root
    maps = [UidMap(method, root, key) for key in keys]  # a key that was rotated made UIDs too
    return Belongings(
        asked,
        frozenset(pairs) | frozenset(zip(listed.PatientID, listed.AccessionNumber, strict=True)),
        frozenset(patients),
        frozenset(rows.source_path),
        {name: frozenset(found) for name, found in values.items()},
        frozenset(part.lower() for name in OWN_NAMES for text in _values(rest[name]) for part in name_parts(text)),
        frozenset(uids.new(uid) for uids in maps for name in OWN_UIDS for uid in values[name]),
    )


def _catalog(workspace: Workspace, lookups: Lookups) -> pd.DataFrame:
    """A row for every file that is or was known, with its numbers by the lookup tables and its place in the release."""
    columns = ["source_path", *OWN_NAMES, *OWN_NUMBERS, *OWN_UIDS]
    files = workspace.read_or_empty(tables.CATALOG)[columns]
    with Ledger(workspace) as ledger:
        known = ledger.known()[["source_path", "target_path"]]
    files = files.merge(known, on="source_path", how="outer").astype("string").fillna("").astype(object)
    pairs = list(zip(files.PatientID, files.AccessionNumber, strict=True))
    persons = [lookups.person(patient.strip(FILLING)) for patient, _ in pairs]
    files["person_id"] = pd.array([person[0] if person else None for person in persons], dtype="Int64")
    files["image_occurrence_id"] = pd.array(
        [lookups.image(*(part.strip(FILLING) for part in pair)) for pair in pairs], dtype="Int64"
    )
    return files


def _values(column: pd.Series) -> set[str]:
    """The different values of a column, those of a multi-value each."""
    return {part.strip(FILLING) for text in column.unique() for part in str(text).split("\\")} - {""}


def _person_sources(workspace: Workspace, asked: Withdrawn) -> set[str]:
    person = read_omop(workspace, "person", contradicting=True)
    own = person.person_source_value[person.person_id.isin(asked.persons)].dropna()
    rest: Iterable[str] = person.person_source_value[~person.person_id.isin(asked.persons)].dropna()
    return set(own) - set(rest)
