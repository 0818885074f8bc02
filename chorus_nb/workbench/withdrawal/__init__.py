"""A patient or an accession is withdrawn: taken out of everything at once, for good, with a proof by search."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.mapping import Lookups, read_lookups
from chorus_nb.omop.procedures import linked_procedures
from chorus_nb.withdrawn import FILLING, WITHDRAWAL_LOG, Withdrawn, marks_of
from chorus_nb.workbench import audit
from chorus_nb.workbench.withdrawal.belongings import Belongings, belongings
from chorus_nb.workbench.withdrawal.erasing import erase_local, erase_release, erase_reports, what_stands
from chorus_nb.workbench.withdrawal.registry import registry_stands
from chorus_nb.workspace import Workspace, digest_of

WITHDRAWAL_EVENT = "withdrawal"


@dataclass(frozen=True)
class Withdrawal:
    """What was done. ``proof``: by place, the identifiers that stand there still, and why they may (``kept``)."""

    item: str
    images: int  # taken out of the release
    in_source: int  # files of theirs in the source, as the last run found it
    changed: dict[str, int]
    identifiers: int
    proof: pd.DataFrame
    unsearched: str = ""  # why the database of ``registry_url`` could not be searched

    @property
    def standing(self) -> int:
        """Identifiers that stand where they may not."""
        return int(self.proof.identifiers[self.proof.kept == ""].sum())


def withdraw_for_good(
    workspace: Workspace, *, by: str, note: str, person: int = 0, accession: int = 0, patient: str = ""
) -> Withdrawal:
    """Take a person (OMOP person_id, or any PatientID of theirs) or an accession (image_occurrence_id) out for good.

    At once: images, what 05 and 06 made, and all that stands under ``local/`` (``places.csv`` says what becomes of
    what). Then 03 to 06 make tables and manifest again. Given again it goes on where it was stopped, or proves anew.
    """
    lookups = read_lookups(workspace)
    patient = patient.strip(FILLING)
    if patient and (known := lookups.person(patient)):
        person = known[0]
    asked, row = _asked(workspace, lookups, person, accession, patient)
    if row["item"] not in WITHDRAWAL_LOG.current(workspace):  # before anything goes: nothing may come back
        WITHDRAWAL_LOG.append(workspace, by, {**row, "decision": "remove", "note": note})
    whose = belongings(workspace, lookups, asked)
    gone = _recorded(workspace)
    images = erase_release(workspace, whose)
    changed = erase_reports(workspace, whose) | erase_local(workspace, whose)
    _note_in_log(workspace, row["item"], images, gone)
    there, unsearched = registry_stands(workspace, whose)
    proof = pd.concat([what_stands(workspace, whose), there], ignore_index=True)
    return Withdrawal(row["item"], images, len(whose.paths), changed, whose.identifiers, proof, unsearched)


def take_back(workspace: Workspace, *, by: str, person: int = 0, accession: int = 0, patient: str = "") -> str:
    """Undo: what was withdrawn may come again with the next run of 01 to 06. Only who withdrew it takes it back."""
    lookups = read_lookups(workspace)
    if patient and (known := lookups.person(patient.strip(FILLING))):
        person = known[0]
    item = _asked(workspace, lookups, person, accession, patient.strip(FILLING))[1]["item"]
    if not WITHDRAWAL_LOG.withdraw(workspace, by, item):
        raise InputError(f"withdraw: {by} withdrew no {item.partition(':')[0]} like that; withdrawals.csv has who did")
    audit.append_line(workspace, {"event": WITHDRAWAL_EVENT, "item": item, "undone": True})
    return item


def _asked(
    workspace: Workspace, lookups: Lookups, person: int, accession: int, patient: str
) -> tuple[Withdrawn, dict[str, str]]:
    """What is withdrawn, alone, and its row of the log."""
    key, keys, images = workspace.key(), workspace.keys(), lookups.images
    if accession:
        rows = images[images.image_occurence_id == accession]
        if rows.empty:
            raise InputError("withdraw: Image_map has no such image_occurrence_id")
        marks = marks_of(key, zip(rows.PatientID, rows.AccessionNumber, strict=True))
        procedures = _procedures_of(workspace, lookups, accession)
        row = {"item": f"accession:{accession}", "procedures": " ".join(map(str, sorted(procedures)))}
        asked = Withdrawn(frozenset(), frozenset([accession]), frozenset(procedures), frozenset(marks), keys)
    elif person:
        own = lookups.persons.PatientID[lookups.persons.person_id == person]
        marks = marks_of(key, ((one,) for one in own))
        row = {"item": f"person:{person}"}
        asked = Withdrawn(frozenset([person]), marks=frozenset(marks), keys=keys)
    elif patient:
        marks = marks_of(key, [(patient,)])
        row, asked = {"item": f"patient:{marks[0]}"}, Withdrawn(marks=frozenset(marks), keys=keys)
    else:
        raise InputError("withdraw: say whom: --person, --accession or --patient")
    return asked, {**row, "marks": " ".join(marks)}


def _procedures_of(workspace: Workspace, lookups: Lookups, accession: int) -> set[int]:
    """Procedures of the record that are this accession's and no other's."""
    persons = lookups.persons.set_index("PatientID").person_id
    rows = lookups.images.rename(columns={"image_occurence_id": "image_occurrence_id"})
    rows = rows.assign(person_id=rows.PatientID.map(persons)).reset_index(drop=True)
    linked = linked_procedures(workspace, rows).procedure_occurrence_id
    mine = rows.image_occurrence_id == accession
    return {int(number) for number in set(linked[mine].dropna()) - set(linked[~mine].dropna())}


def _recorded(workspace: Workspace) -> list[str]:
    """Reports and tables that the audit log names and that are there now."""
    named = audit.recorded_reports(workspace).keys() | audit.recorded_digests(workspace).keys()
    return sorted(name for name in named if (workspace.root / name).is_file())


def _note_in_log(workspace: Workspace, item: str, images: int, before: list[str]) -> None:
    """A line with what went and the digests of tables as they are now, so that later checks find nothing amiss."""
    recorded = audit.recorded_digests(workspace)
    there = [name for name in before if (workspace.root / name).is_file()]
    outputs = {name: digest_of(workspace.root / name) for name in there if name in recorded}
    event = {"event": WITHDRAWAL_EVENT, "item": item, "images": images, "outputs": outputs}
    audit.append_line(workspace, event | {"removed": sorted(set(before) - set(there))})


__all__ = ["Belongings", "Withdrawal", "take_back", "withdraw_for_good"]
