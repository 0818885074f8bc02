"""Commands for what a site must keep, and for what it may keep no longer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from chorus_nb.workbench.given import given
from chorus_nb.workbench.shell import add_command


def keeping_commands(commands: Any) -> None:
    """withdraw, rotate-key, backup and restore."""
    what = "take a patient or an accession out of everything, for good, and prove it by search"
    codes = "\n0: none of their identifiers stands where it may not; 1: some do, or a place could not be searched.\n"
    withdraw = add_command(commands, "withdraw", what, _withdraw, note=codes)
    whom = withdraw.add_mutually_exclusive_group(required=True)
    whom.add_argument("--person", metavar="PERSON_ID", type=int, default=0, help="OMOP person_id: all of a person")
    whom.add_argument("--accession", metavar="ID", type=int, default=0, help="image_occurrence_id: one accession")
    whom.add_argument("--patient", metavar="PatientID", default="", help="any PatientID: all of that person")
    withdraw.add_argument("--by", metavar="NAME", required=True, help="the person who decides")
    withdraw.add_argument("--note", metavar="WHY", help="why; stays in local/decisions")
    withdraw.add_argument("--undo", action="store_true", help="take back what the same person withdrew")

    rotate = add_command(commands, "rotate-key", "make another site key on purpose: every UID changes", _rotate)
    rotate.add_argument("--by", metavar="NAME", required=True, help="the person who decides")
    rotate.add_argument("--note", metavar="WHY", required=True, help="why; stands in the audit log")

    what = "write what cannot be made anew to one file that a passphrase locks"
    backup = add_command(commands, "backup", what, _backup)
    backup.add_argument("to", metavar="TO", type=Path, help="the file to write, outside of the workspace")
    what = "put back what chorus-nb backup wrote; nothing is written over"
    restore = add_command(commands, "restore", what, _restore, file=False)
    restore.add_argument("source", metavar="FROM", type=Path, help="the file that chorus-nb backup wrote")
    restore.add_argument("file", metavar="FILE.yaml", help="the parameters of the run")
    for one in (backup, restore):
        one.add_argument("--passphrase-env", metavar="NAME", default="", help="the variable that holds the passphrase")


def _withdraw(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "source", "lookup", "workspace")
    from chorus_nb.errors import InputError
    from chorus_nb.workbench import lost, ownership, withdrawal
    from chorus_nb.workbench.index import write_indexes
    from chorus_nb.workspace import Workspace

    ownership.refuse_mixture(parameters)
    workspace = Workspace(parameters).create()
    ownership.refuse_other_site(workspace)
    lost.refuse_lost(workspace)
    whom = {"person": chosen.person, "accession": chosen.accession, "patient": chosen.patient}
    if not chosen.note and not chosen.undo:
        raise InputError("withdraw: say why with --note")
    with ownership.alone(workspace):
        if chosen.undo:
            print(f"taken back: {withdrawal.take_back(workspace, by=chosen.by, **whom)}; run 01 to 06 to have it again")
            return 0
        done = withdrawal.withdraw_for_good(workspace, by=chosen.by, note=chosen.note, **whom)
        write_indexes(workspace)
    print(f"withdrawn: {done.item}; {done.images:,} images taken out of release/, with all tables about them")
    print(*(f"   {place}: {files:,} files changed or gone" for place, files in done.changed.items()), sep="\n")
    print(done.proof[done.proof.identifiers > 0].to_string(index=False))
    print(
        f"{done.standing:,} of {done.identifiers:,} identifiers stand in release/, audit/ and local/"
        " but for the places above that say why they are kept"
    )
    if done.unsearched:
        print(f"not searched: {done.unsearched}; give the command again when it can be reached")
    print(f"the source has {done.in_source:,} files of theirs; as the lookup tables it is never written to")
    print(f"next: chorus-nb run {chosen.file} --only 03,04,05,06 makes tables and manifest again")
    return int(done.standing > 0 or bool(done.unsearched))


def _rotate(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "workspace")
    from chorus_nb.workbench import lost, ownership, site_keys
    from chorus_nb.workspace import Workspace

    workspace = Workspace(parameters).create()
    ownership.refuse_other_site(workspace)
    lost.refuse_lost(workspace)
    with ownership.alone(workspace):
        changed = site_keys.rotate_key(workspace, by=chosen.by, note=chosen.note)
    print(f"another key: {changed:,} UIDs change (local/{site_keys.UID_MAP}); the old key is in local/retired_keys")
    print(f"next: chorus-nb run {chosen.file} --only 03,04,05,06 makes everything anew")
    return 0


def _backup(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "workspace")
    from chorus_nb.workbench import backup, lost, ownership
    from chorus_nb.workspace import Workspace

    workspace = Workspace(parameters)
    ownership.refuse_other_site(workspace)
    lost.refuse_lost(workspace)
    held = backup.back_up(workspace, chosen.to, backup.passphrase(chosen.passphrase_env, twice=True))
    print(f"{held.files:,} files, {held.size / 1e6:,.1f} MB: {chosen.to}; without the passphrase nobody opens it")
    print("it identifies patients; release/ is not in it: keep a copy of that too, it holds the pixels")
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "workspace")
    from chorus_nb.workbench import backup
    from chorus_nb.workspace import Workspace

    secret = backup.passphrase(chosen.passphrase_env, twice=False)
    held = backup.restore(Workspace(parameters), chosen.source, secret)
    print(f"{held.files:,} files, {held.size / 1e6:,.1f} MB are back in {parameters.workspace}")
    print(f"next: put release/ back beside local/ if it is gone, then chorus-nb check {chosen.file}")
    return 0
