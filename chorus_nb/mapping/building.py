"""Making the lookup tables where a site has none, and adding to them release by release (SOP steps 12, 13).

What is once given is given for ever: a person keeps its shift and an accession its image_occurrence_id.
"""

from __future__ import annotations

import functools
import secrets
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import InputError
from chorus_nb.mapping.coverage import PAIR, in_source
from chorus_nb.mapping.lookups import (
    FARTHEST_SHIFT,
    Fault,
    Images,
    Lookups,
    Persons,
    bad_shift,
    contradictions,
    fault_lines,
    read_lookups,
    read_rows,
    table_files,
    unfit_id,
    unfit_identifier,
    whole_number,
)
from chorus_nb.omop import read_omop
from chorus_nb.workspace import Workspace, write_if_changed


class Built(NamedTuple):
    """Both tables as they stand now, and what is new in them."""

    lookups: Lookups
    persons: int
    put_back: int  # new rows that the tables had when 01 ran last, with what they said then
    shifts: int  # persons whose shift was drawn now: the OMOP tables have to be shifted by it, too
    accessions: int
    unfit: int  # accessions of the catalog that a table cannot hold


def build_lookups(workspace: Workspace, id_file: Path | None = None) -> Built:
    """Write what is new into both tables of the lookup folder: persons of ``id_file``, accessions of the catalog.

    ``id_file`` has the columns PatientID and person_id, and Days_Shifted where the site has shifted its OMOP tables
    (blank = a new random shift, which then has to be applied to the OMOP tables too). New shifts come from the
    operating system's generator (:mod:`secrets`), uniform over the whole days in [-730, -1] that the shift code allows.
    Where 01 linked by a row that is gone, the shift and the id are those of then; no shift is drawn for a person who is
    in the release. Nothing is written unless both tables can be read back.
    """
    known = read_lookups(workspace, begun=True)
    before = _linked_before(workspace)
    persons, drawn = _new_persons(workspace, id_file, known, before) if id_file else (known.persons, 0)
    if persons.empty:
        raise InputError("lookup: no patient is known yet: say who they are with --persons")
    images, unfit = _new_images(workspace, persons, known, before)
    lookups = extend_lookups(workspace, known, persons, images)
    new = persons[len(known.persons) :], images[len(known.images) :]
    put_back = sum(before.person(row.PatientID) == (row.person_id, row.Days_Shifted) for row in new[0].itertuples())
    put_back += sum(before.image(row.PatientID, row.AccessionNumber) is not None for row in new[1].itertuples())
    return Built(lookups, len(new[0]), put_back, drawn, len(new[1]), unfit)


def _linked_before(workspace: Workspace) -> Lookups:
    """The rows that 01 linked by when it ran last."""
    linked = workspace.read_or_empty(tables.LINKAGE)
    linked = linked.rename(columns={"days_shifted": "Days_Shifted", "image_occurrence_id": "image_occurence_id"})
    return Lookups.of(*(linked[table.column_names].dropna() for table in (tables.PERSON_MAP, tables.IMAGE_MAP)))


def extend_lookups(workspace: Workspace, known: Lookups, persons: pd.DataFrame, images: pd.DataFrame) -> Lookups:
    """Write the tables that have more rows than are ``known``; the others are not touched.

    :class:`InputError` where one holds what would be lost, as a column of the site's own, or where the rows contradict
    each other; then nothing was written.
    """
    made: dict[Path, bytes] = {}
    for table, before, after in ((tables.PERSON_MAP, known.persons, persons), (tables.IMAGE_MAP, known.images, images)):
        there = table_files(workspace.parameters.lookup_path, table)
        path = next(iter(there), workspace.parameters.lookup_path / f"{table.name}.csv")
        if there and len(before) == len(after):
            continue
        if there and _plain(path.read_bytes()) != _plain(tables.encode(table, before)):
            form = f"UTF-8 with commas and no columns but {', '.join(table.column_names)}"
            raise InputError(
                f"{path.name}: is not {form}, what else it holds would be lost; add the rows by hand, or save it so"
            )
        made[path] = tables.encode(table, after)
    numbered = [
        [{**row, "line": line} for line, row in enumerate(of.to_dict("records"), 2)] for of in (persons, images)
    ]
    by_patient: Persons = {row["PatientID"]: row for row in numbered[0]}
    by_accession: Images = {(row["PatientID"], row["AccessionNumber"]): row for row in numbered[1]}
    names = tables.PERSON_MAP.name, tables.IMAGE_MAP.name
    if faults := contradictions(workspace, by_patient, by_accession, *names):
        raise InputError(*fault_lines(faults))
    for path, content in made.items():
        write_if_changed(path, content)
        path.chmod(0o600)
    return read_lookups(workspace)


def _plain(content: bytes) -> str:
    """A table without what editors and spreadsheets put around it."""
    return content.decode("utf-8-sig", "replace").replace("\r\n", "\n").rstrip()


def allowed_shifts(code: int) -> list[int]:
    """The shifts a date shift code allows: 0 none, 1 whole weeks, 2 the same season, 3 both, 4 any (DS-05)."""
    return [shift for shift in range(-FARTHEST_SHIFT, 1) if not bad_shift(shift, code)]


def _new_persons(workspace: Workspace, id_file: Path, known: Lookups, before: Lookups) -> tuple[pd.DataFrame, int]:
    """All persons, and for how many a shift was drawn."""
    in_omop = {int(person) for person in read_omop(workspace, "person").person_id}
    of_then, shifts = (
        {int(row.person_id): int(row.Days_Shifted) for row in of.persons.itertuples()} for of in (before, known)
    )
    allowed = allowed_shifts(workspace.parameters.shift_code)
    rows = {row.PatientID: (int(row.person_id), int(row.Days_Shifted)) for row in known.persons.itertuples()}
    released = {folder.parent.name for folder in workspace.release.glob(f"*/{layout.IMAGES}")}
    drawn, lost, faults = 0, bool(of_then) and not shifts, list[Fault]()
    for line, row in read_rows(id_file, ["PatientID", "person_id"], optional=["Days_Shifted"]):
        patient, person, given = row["PatientID"], whole_number(row["person_id"]), row["Days_Shifted"]
        fault, shifted = functools.partial(Fault, id_file.name, line), whole_number(given)
        unfit = [*unfit_identifier(patient, "PatientID"), *unfit_id(row["person_id"], "person_id")]
        if unfit or person is None:
            faults += map(fault, unfit)
        elif person not in in_omop:
            faults.append(fault("person_id is not in the OMOP table PERSON"))
        elif patient in rows and rows[patient][0] != person:
            faults.append(fault("the PatientID belongs to another person already"))
        elif given and (wrong := bad_shift(shifted, workspace.parameters.shift_code)):
            faults += map(fault, wrong)
        elif shifted is None and lost and person not in of_then:
            faults.append(fault("Personal_map had rows when 01 ran last and is gone: put it back or give Days_Shifted"))
        elif shifted is None and str(person) in released and person not in {**of_then, **shifts}:
            faults.append(fault("the release holds images of the person, shifted: give the Days_Shifted of then"))
        else:
            drawn += shifted is None and person not in of_then and person not in shifts
            new = of_then.get(person, secrets.choice(allowed)) if shifted is None else shifted
            if shifts.setdefault(person, new) != new and shifted is not None:
                faults.append(fault("the person has another shift already"))
            rows.setdefault(patient, (person, shifts[person]))
    if faults:
        raise InputError(*fault_lines(faults))
    made = [{"PatientID": p, "person_id": person, "Days_Shifted": shift} for p, (person, shift) in rows.items()]
    return tables.frame(tables.PERSON_MAP, made), drawn


def _new_images(
    workspace: Workspace, persons: pd.DataFrame, known: Lookups, before: Lookups
) -> tuple[pd.DataFrame, int]:
    """Every accession of a mapped patient, new ids in an order that tells nothing; and how many can have none."""
    pairs = set(in_source(workspace)[PAIR].itertuples(index=False, name=None))
    mapped = set(persons.PatientID)
    ids = {(r.PatientID, r.AccessionNumber): int(r.image_occurence_id) for r in known.images.itertuples()}
    new = sorted(pair for pair in pairs if pair[0] in mapped and pair[1] and pair not in ids)
    fit = [pair for pair in new if not unfit_identifier(pair[1], "AccessionNumber")]
    given = {*known.images.image_occurence_id}
    again = {pair: image for pair in fit if (image := before.image(*pair)) is not None and image not in given}
    ids.update(again)
    unfit, fit = len(new) - len(fit), [pair for pair in fit if pair not in again]
    secrets.SystemRandom().shuffle(fit)
    folders = (folder.name for folder in workspace.release.glob(f"*/{layout.IMAGES}/*/*") if folder.name.isdecimal())
    ids.update(zip(fit, range(max([*ids.values(), *map(int, folders)], default=0) + 1, 2**31), strict=False))
    rows = [
        {"PatientID": patient, "AccessionNumber": accession, "image_occurence_id": image}
        for (patient, accession), image in ids.items()
    ]
    return tables.frame(tables.IMAGE_MAP, rows), unfit
