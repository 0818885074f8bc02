"""Commands for a site that has no lookup tables, and for files that were de-identified before (SOP step 12)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from chorus_nb.errors import InputError
from chorus_nb.workbench.given import given
from chorus_nb.workbench.shell import add_command

ONCE = "\nWhat is given is given for ever; the headers are read first. Again whenever there is something new.\n"


def linking_commands(commands: Any) -> None:
    """lookups and relayout."""
    what = "make the lookup tables of a site that has none, or add what is new to them"
    lookups = add_command(commands, "lookups", what, _lookups, note=ONCE)
    whose = lookups.add_mutually_exclusive_group()
    columns = "PatientID, person_id and, where OMOP is shifted already, Days_Shifted"
    whose.add_argument("--persons", metavar="FILE.csv", type=Path, help=f"new patients: {columns}")
    whose.add_argument(
        "--as-they-are", action="store_true", help="the source is de-identified: each id stands for itself"
    )

    what = "copy files de-identified in an older layout to today's folders, their bytes as they are"
    relayout = add_command(commands, "relayout", what, _relayout)
    relayout.add_argument("to", metavar="TO", type=Path, help="the folder to write to, outside of the source")


def _lookups(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "source", "lookup", "workspace", *(["omop"] if chosen.persons else []))
    parameters.check_folders()
    if chosen.persons and not chosen.persons.is_file():
        raise InputError(f"--persons: not found: {chosen.persons}")
    from chorus_nb import explore
    from chorus_nb.mapping import build_lookups
    from chorus_nb.release.relayout import write_identity_lookups
    from chorus_nb.workbench import audit, lost, ownership
    from chorus_nb.workspace import Workspace

    ownership.refuse_mixture(parameters)
    workspace = Workspace(parameters).create()
    ownership.refuse_other_site(workspace)
    lost.refuse_lost(workspace)
    with ownership.alone(workspace):
        if chosen.as_they_are:
            left = write_identity_lookups(workspace)
            audit.append_line(workspace, {"event": "lookups", "shift_code": 0, "cannot_take_part": len(left)})
            return _say_left(left, "cannot take part")
        explore.scan(workspace)
        built = build_lookups(workspace, chosen.persons)
        counts = {name: value for name, value in built._asdict().items() if name != "lookups"}
        audit.append_line(workspace, {"event": "lookups", "shift_code": parameters.shift_code, **counts})
    persons, images = len(built.lookups.persons), len(built.lookups.images)
    print(f"Personal_map: {persons:,} patients, {built.persons:,} of them new")
    print(f"Image_map: {images:,} accessions, {built.accessions:,} of them new")
    if built.put_back:
        print(f"{built.put_back:,} of the new rows had been there when 01 ran last: they are as they were")
    if built.accessions:
        print(
            "every accession of these patients has a row; 03 holds those outside of a visit, or of cohort if it is set"
        )
    if built.shifts and parameters.shift_code:
        print(f"{built.shifts:,} persons got a shift now: shift the OMOP tables by Days_Shifted before 01 to 06 run")
    if built.unfit:
        print(f"{built.unfit:,} accessions hold what a table cannot: their files are held back")
    print(f"nobody can make them again: keep a copy of {parameters.lookup}; next: chorus-nb run {chosen.file}")
    return 0


def _relayout(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("source")
    parameters.check_folders()
    from chorus_nb.release.relayout import relayout

    table = relayout(parameters, chosen.to)
    print(
        f"{(table.reason == '').sum():,} files copied to {chosen.to}; nobody looked at what is in them", file=sys.stderr
    )
    return _say_left(table[table.reason != ""], "have no place there")


def _say_left(left: Any, what: str) -> int:
    from chorus_nb import tables

    sys.stdout.buffer.write(tables.csv_bytes(left[["source_path", "reason"]]))
    sys.stdout.flush()
    print(f"{len(left):,} files {what}; paths may identify patients", file=sys.stderr)
    return int(not left.empty)
