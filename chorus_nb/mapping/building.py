"""Making the lookup tables where a site has none, and adding to them release by release (SOP steps 12, 13).

What is once given is given for ever: a person keeps its shift and an accession its image_occurrence_id.
"""

from __future__ import annotations

import functools
import secrets
from pathlib import Path

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.mapping.coverage import PAIR, in_source
from chorus_nb.mapping.lookups import (
    FARTHEST_SHIFT,
    Fault,
    Lookups,
    bad_shift,
    fault_lines,
    find_table,
    read_lookups,
    read_rows,
    whole_number,
)
from chorus_nb.omop import read_omop
from chorus_nb.workspace import Workspace, write_if_changed


def build_lookups(workspace: Workspace, id_file: Path) -> Lookups:
    """Write both tables into the lookup folder: persons of ``id_file``, accessions of the catalog.

    ``id_file`` has the columns PatientID and person_id, and Days_Shifted where the site has shifted its OMOP tables
    (blank = a new random shift, which then has to be applied to the OMOP tables too). New shifts come from the
    operating system's generator (:mod:`secrets`), uniform over the whole days in [-730, -1] that the shift code allows.
    """
    known = _known_shifts(workspace)
    persons = _new_persons(workspace, id_file, known)
    images = _new_images(workspace, persons, known)
    folder = workspace.parameters.lookup_path
    for table, frame in ((tables.PERSON_MAP, persons), (tables.IMAGE_MAP, images)):
        path = folder / f"{table.name}.csv"
        write_if_changed(path, tables.encode(table, frame))
        path.chmod(0o600)
    return read_lookups(workspace)


def allowed_shifts(code: int) -> list[int]:
    """The shifts a date shift code allows: 0 none, 1 whole weeks, 2 the same season, 3 both, 4 any (DS-05)."""
    return [shift for shift in range(-FARTHEST_SHIFT, 1) if not bad_shift(shift, code)]


def _known_shifts(workspace: Workspace) -> Lookups:
    try:
        for table in (tables.PERSON_MAP, tables.IMAGE_MAP):
            find_table(workspace.parameters.lookup_path, table)
    except InputError:
        return Lookups.of(tables.empty(tables.PERSON_MAP), tables.empty(tables.IMAGE_MAP))
    return read_lookups(workspace)


def _new_persons(workspace: Workspace, id_file: Path, known: Lookups) -> pd.DataFrame:
    in_omop = {int(person) for person in read_omop(workspace, "person").person_id}
    shifts = {int(row.person_id): int(row.Days_Shifted) for row in known.persons.itertuples()}
    allowed = allowed_shifts(workspace.parameters.shift_code)
    rows = {row.PatientID: (int(row.person_id), int(row.Days_Shifted)) for row in known.persons.itertuples()}
    faults: list[Fault] = []
    for line, row in read_rows(id_file, ["PatientID", "person_id"], optional=["Days_Shifted"]):
        patient, person, given = row["PatientID"], row["person_id"], row["Days_Shifted"]
        fault, shifted = functools.partial(Fault, id_file.name, line), whole_number(given)
        if not patient or not person.isdecimal():
            faults.append(fault("needs a PatientID and a person_id"))
        elif int(person) not in in_omop:
            faults.append(fault("person_id is not in the OMOP table PERSON"))
        elif patient in rows and rows[patient][0] != int(person):
            faults.append(fault("the PatientID belongs to another person already"))
        elif given and (wrong := bad_shift(shifted, workspace.parameters.shift_code)):
            faults += map(fault, wrong)
        else:
            shift = shifts.setdefault(int(person), secrets.choice(allowed) if shifted is None else shifted)
            if shifted not in (None, shift):
                faults.append(fault("the person has another shift already"))
            rows[patient] = (int(person), shift)
    if faults:
        raise InputError(*fault_lines(faults))
    return tables.frame(
        tables.PERSON_MAP,
        [{"PatientID": p, "person_id": person, "Days_Shifted": shift} for p, (person, shift) in sorted(rows.items())],
    )


def _new_images(workspace: Workspace, persons: pd.DataFrame, known: Lookups) -> pd.DataFrame:
    """Every accession of a mapped patient in the catalog; new ids in an order that tells nothing."""
    pairs = set(in_source(workspace)[PAIR].itertuples(index=False, name=None))
    mapped = set(persons.PatientID)
    ids = {(r.PatientID, r.AccessionNumber): int(r.image_occurence_id) for r in known.images.itertuples()}
    new = sorted(pair for pair in pairs if pair[0] in mapped and pair[1] and pair not in ids)
    secrets.SystemRandom().shuffle(new)
    ids.update(zip(new, range(max(ids.values(), default=0) + 1, 2**31), strict=False))
    rows = [
        {"PatientID": patient, "AccessionNumber": accession, "image_occurence_id": image}
        for (patient, accession), image in sorted(ids.items(), key=lambda item: item[1])
    ]
    return tables.frame(tables.IMAGE_MAP, rows)
