"""Commands for what a site must keep, and for what it may keep no longer."""

from __future__ import annotations

import argparse
from typing import Any

from chorus_nb.parameters import Parameters


def keeping_commands(commands: Any) -> None:
    """withdraw and rotate-key."""
    withdraw = commands.add_parser(
        "withdraw",
        help="take a patient or an accession out of everything, for good, and prove it by search",
        epilog="0: none of their identifiers stands where it may not; 1: some do, the table says where.",
    )
    withdraw.add_argument("file", metavar="FILE.yaml", help="the parameters of the run")
    whom = withdraw.add_mutually_exclusive_group(required=True)
    whom.add_argument("--person", metavar="PERSON_ID", type=int, default=0, help="OMOP person_id: all of a person")
    whom.add_argument("--accession", metavar="ID", type=int, default=0, help="image_occurrence_id: one accession")
    whom.add_argument("--patient", metavar="PatientID", default="", help="any PatientID: all of that person")
    withdraw.add_argument("--by", metavar="NAME", required=True, help="the person who decides")
    withdraw.add_argument("--note", metavar="WHY", help="why; stays in local/decisions")
    withdraw.add_argument("--undo", action="store_true", help="take back what the same person withdrew")
    withdraw.set_defaults(command=_withdraw)

    rotate = commands.add_parser("rotate-key", help="make another site key on purpose: every UID changes")
    rotate.add_argument("file", metavar="FILE.yaml", help="the parameters of the run")
    rotate.add_argument("--by", metavar="NAME", required=True, help="the person who decides")
    rotate.add_argument("--note", metavar="WHY", required=True, help="why; stands in the audit log")
    rotate.set_defaults(command=_rotate)


def _withdraw(chosen: argparse.Namespace) -> int:
    parameters = Parameters.read(chosen.file)
    parameters.require("site", "source", "lookup", "workspace")
    from chorus_nb.errors import InputError
    from chorus_nb.workbench import ownership, withdrawal
    from chorus_nb.workbench.index import write_indexes
    from chorus_nb.workspace import Workspace

    ownership.refuse_mixture(parameters)
    workspace = Workspace(parameters).create()
    ownership.refuse_other_site(workspace)
    whom = {"person": chosen.person, "accession": chosen.accession, "patient": chosen.patient}
    if chosen.undo:
        print(f"taken back: {withdrawal.take_back(workspace, by=chosen.by, **whom)}; run 01 to 06 to have it again")
        return 0
    if not chosen.note:
        raise InputError("withdraw: say why with --note")
    done = withdrawal.withdraw_for_good(workspace, by=chosen.by, note=chosen.note, **whom)
    write_indexes(workspace)
    print(f"withdrawn: {done.item}; {done.images:,} images taken out of release/, with all tables about them")
    print(*(f"   local/{place}: {files:,} files changed or gone" for place, files in done.changed.items()), sep="\n")
    print(done.proof[done.proof.identifiers > 0].to_string(index=False))
    print(
        f"{done.standing:,} of {done.identifiers:,} identifiers stand in release/, audit/ and local/"
        " but for the places above that say why they are kept"
    )
    print(f"the source has {done.in_source:,} files of theirs; as the lookup tables it is never written to")
    print(f"next: chorus-nb run {chosen.file} --only 03,04,05,06 makes tables and manifest again")
    return int(done.standing > 0)


def _rotate(chosen: argparse.Namespace) -> int:
    parameters = Parameters.read(chosen.file)
    parameters.require("site", "workspace")
    from chorus_nb.workbench import ownership, site_keys
    from chorus_nb.workspace import Workspace

    workspace = Workspace(parameters).create()
    ownership.refuse_other_site(workspace)
    changed = site_keys.rotate_key(workspace, by=chosen.by, note=chosen.note)
    print(f"another key: {changed:,} UIDs change (local/{site_keys.UID_MAP}); the old key is in local/retired_keys")
    print(f"next: chorus-nb run {chosen.file} --only 03,04,05,06 makes everything anew")
    return 0
