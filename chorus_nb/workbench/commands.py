"""The ``chorus-nb`` command line."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chorus_nb import __version__, layout
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.guard import DISK_FAULTS
from chorus_nb.workbench.given import given, typed
from chorus_nb.workbench.keeping_commands import keeping_commands
from chorus_nb.workbench.linking_commands import linking_commands
from chorus_nb.workbench.shell import add_command, add_set, complete, new_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 a notebook or a check failed, 2 wrong parameters."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = _parser()
    complete(parser)
    chosen = parser.parse_args(given[:cut])
    chosen.jupyter = given[cut + 1 :]
    chosen.by_itself = arguments is None  # this process is the command and nothing else
    try:
        return int(chosen.command(chosen))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in {*DISK_FAULTS, errno.EFBIG}:  # of one file, so that 03 goes on without it
            raise
        what = "raise ulimit -f, or take another disk" if error.errno == errno.EFBIG else "make room"
        print(f"the disk: {error.strerror}. To do: {what}; the same command goes on where it stopped", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("The CHoRUS imaging workbench.")
    parser.add_argument("--version", action="version", version=f"chorus-nb {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = add_command(commands, "run", "run the notebooks in order, each with its report", _run_command, file=False)
    run.add_argument(
        "file", metavar="FILE.yaml", nargs="+", help="the parameters; of several files each is run in turn"
    )
    part = run.add_mutually_exclusive_group()
    part.add_argument("--only", metavar="01,04", type=lambda text: text.split(","), default=[], help="these notebooks")
    part.add_argument("--failed", action="store_true", help="what did not pass when these files were run last")
    run.add_argument("--index", metavar="FOLDER", type=Path, help="for the page over all sites (beside the files)")
    add_set(run)
    run.add_argument("--upload", metavar="TOKEN", default="", help="send the signed release whose token 06 showed")
    loud = run.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say only what did not pass; local/run.log has all")
    loud.add_argument("--verbose", action="store_true", help="say what begins, and progress every few seconds")

    what = "say of every input whether a run can start with it; writes nothing"
    add_command(commands, "check", what, _check, sets=True)
    what = "say what a run would change in the release and why; writes nothing"
    add_command(commands, "outlook", what, _outlook, sets=True)

    what = "make the demo site: DICOM, OMOP, lookup tables and the answer key"
    demo = add_command(commands, "demo", what, _demo, file=False)
    demo.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="for the site (runs/demo/site)")
    demo.add_argument("--seed", type=int, default=1, help="another seed, another site (1)")

    what = "open JupyterLab on a copy of the notebooks; outputs are never saved"
    lab = add_command(commands, "lab", what, _lab, file=False, note="\nAfter --: Jupyter's own.\n")
    lab.add_argument("file", metavar="FILE.yaml", nargs="?", help="the parameters (the demo site)")
    lab.add_argument("--port", type=int, default=8888, help="port on this machine (8888, or the next free one)")
    lab.add_argument("--copies", action="store_true", help="only make the copies, for a server that is there already")
    lab.add_argument("--no-browser", action="store_true", help="only print the address")

    what = "copy the notebooks, parameter files and pages to a folder"
    copies = add_command(commands, "notebooks", what, _notebooks, file=False)
    copies.add_argument("to", metavar="COPY_TO", type=Path, help="the folder; nothing in it is written over")

    _evidence_commands(commands)
    keeping_commands(commands)
    linking_commands(commands)
    what = "print a parameter file with every parameter explained"
    template = add_command(commands, "parameters", what, _parameters, file=False)
    template.add_argument("--schema", action="store_true", help="its JSON schema instead, for editors")
    return parser


def _evidence_commands(commands: Any) -> None:
    """What a privacy officer asks for: audit, sign and crosswalk."""
    what = "check the audit log, the reports and the release against each other"
    audit = add_command(commands, "audit", what, _audit, file=False)
    audit.add_argument(
        "workspace",
        metavar="WORKSPACE",
        type=Path,
        help="the workspace, a copy without local/, or a delivery as it arrived",
    )
    audit.add_argument("--public", metavar="KEY.pub", type=Path, help="the site's public key: the signatures too")
    audit.add_argument("--number", type=int, default=0, help="of the signature you were told of: no older one counts")

    what = "plant invented identifiers into copies of own files; what is left?"
    trial = add_command(commands, "selftest", what, _selftest)
    trial.add_argument("--files", type=int, default=40, help="how many are copied, of every kind in turn (40; 0 = all)")

    sign = add_command(commands, "sign", "sign what is packed: its seal and the audit log, with the site's key", _sign)
    sign.add_argument("--by", metavar="NAME", required=True, help="the person who signs")
    sign.add_argument("--note", metavar="TEXT", default="signed with chorus-nb sign", help="what was looked at")

    what = "what a value became, or was before, as CSV; identifiable, it stays at the site"
    crosswalk = add_command(commands, "crosswalk", what, _crosswalk, note="\nConditions are joined by and.\n")
    crosswalk.add_argument("--old", metavar="VALUE", help="an original value: a UID, accession, patient, date or text")
    crosswalk.add_argument("--new", metavar="VALUE", help="a value of the release")
    crosswalk.add_argument("--element", metavar="TAG", help="(gggg,eeee) or keyword")
    crosswalk.add_argument("--source", metavar="PATH", help="a file, by its path below the source or below release/")
    crosswalk.add_argument("--each-file", action="store_true", help="a row for each file, not for each change")

    add_command(commands, "status", "say whether the release may leave and what waits for whom", _status)
    add_command(commands, "pdf", "print all reports that may be shared to one PDF, where Chromium is", _pdf)


def _run_command(chosen: argparse.Namespace) -> int:
    if len(chosen.file) > 1 or "*" in chosen.file[0] or chosen.failed or chosen.index:
        return _run_sites(chosen)
    chosen.file = chosen.file[0]
    from chorus_nb.workbench import nursery

    with nursery.one_thread():
        parameters = given(chosen)
        from chorus_nb.workbench import check  # noqa: F401  (imported once for this process and its kernels)
        from chorus_nb.workbench.run import run_notebooks

    if chosen.upload:
        from chorus_nb.release.delivery import UPLOAD_VARIABLE

        os.environ[UPLOAD_VARIABLE] = chosen.upload
    level = logging.WARNING if chosen.quiet else logging.DEBUG if chosen.verbose else logging.INFO
    with nursery.opened(here=chosen.by_itself) as kernels:
        ended = run_notebooks(parameters, chosen.only, level, kernels)
    if not chosen.quiet:
        print(f"reports: {parameters.workspace}/local/reports/index.html", file=sys.stderr)
    return int(any(outcome.status != "passed" for outcome in ended.values()))


def _run_sites(chosen: argparse.Namespace) -> int:
    if chosen.upload:
        raise InputError("--upload: a token is that of one release; give one file")
    from chorus_nb.workbench import sites

    loud = [f"--{name}" for name in ("quiet", "verbose") if getattr(chosen, name)]
    options = [*loud, *(part for pair in chosen.set for part in ("--set", pair))]
    read = sites.read_sites(chosen.file, typed(chosen.set))
    return sites.run_sites(read, sites.index_folder(read, chosen.index), chosen.only, options, failed=chosen.failed)


def _check(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    from chorus_nb.workbench.check import check_run

    lines, may_start = check_run(parameters)
    print(*lines, "a run can start" if may_start else "a run cannot start: mend what is at fault", sep="\n")
    return 0 if may_start else InputError.exit_code


def _outlook(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("source", "omop", "lookup", "workspace")
    parameters.check_folders()
    from chorus_nb import deid, tables
    from chorus_nb.workbench.ahead import look_ahead
    from chorus_nb.workspace import Workspace

    ahead = look_ahead(Workspace(parameters))
    sys.stdout.buffer.write(tables.csv_bytes(deid.summary.outlook_by_person(ahead.outlook)))
    sys.stdout.flush()
    said = [deid.outlook_said(ahead.outlook), "It names persons: keep it at the site. No picture was looked at."]
    if any(ahead.source.values()):
        counts = ", ".join(f"{count:,} {what}" for what, count in ahead.source.items())
        said.append(f"Not in it: files of the source since 01 read it: {counts}.")
    print(*said, sep="\n", file=sys.stderr)
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    from chorus_nb.workbench.demo_site import copy_demo_file, demo_folder, make_demo_site

    folder = chosen.folder or demo_folder()
    made = make_demo_site(folder, chosen.seed)
    print(f"demo site {'made' if made else 'is there already'}: {folder}", file=sys.stderr)
    if not chosen.folder:
        print(f"run it: chorus-nb run {shlex.quote(str(copy_demo_file()))}", file=sys.stderr)
    return 0


def _notebooks(chosen: argparse.Namespace) -> int:
    from chorus_nb.paths import copy_carried

    for folder in copy_carried(chosen.to):
        print(folder)
    return 0


def _lab(chosen: argparse.Namespace) -> int:
    from chorus_nb.workbench.demo_site import DEMO_FILE
    from chorus_nb.workbench.lab import make_copies, open_lab

    chosen.file = chosen.file or DEMO_FILE
    parameters = given(chosen)
    if chosen.copies:
        print(f"open the notebooks in {make_copies(parameters)}")
        return 0
    browser = ["--no-browser"] if chosen.no_browser else []
    return open_lab(parameters, [f"--ServerApp.port={chosen.port}", *browser, *chosen.jupyter])


def _audit(chosen: argparse.Namespace) -> int:
    from chorus_nb.parameters import Parameters
    from chorus_nb.workbench import audit, signing
    from chorus_nb.workspace import Workspace

    if not os.path.isdir(chosen.workspace):  # noqa: PTH112  (False where it can be no path at all)
        raise InputError(f"workspace: folder not found: {chosen.workspace}")
    if chosen.public and not (chosen.workspace / "audit").is_dir():
        faults = signing.delivery_faults(chosen.workspace, chosen.public)
        print(*faults or ["what was delivered is as signed"], sep="\n")
        return int(bool(faults))
    workspace = Workspace(Parameters.of({"workspace": str(chosen.workspace.resolve())}))
    findings = audit.verify_chain(workspace)
    if chosen.public:
        findings += signing.signature_faults(workspace, chosen.public, chosen.number)
    head = audit.chain_head(workspace)
    print(
        *findings or [f"all as {'signed and ' * bool(chosen.public)}recorded; head of the audit log: {head}"], sep="\n"
    )
    if not workspace.local.is_dir():
        print("local/ is not here: its tables and reports were not compared")
    return int(bool(findings))


def _selftest(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "source", "workspace")
    parameters.check_folders()
    from chorus_nb.workbench import selftest
    from chorus_nb.workbench.index import write_indexes
    from chorus_nb.workspace import Workspace

    made = selftest.selftest(parameters, chosen.files)
    write_indexes(Workspace(parameters))
    print(made.report.to_string(index=False))
    left, lost = int(made.report["left"].sum()), int(made.report["lost"].sum())
    print(
        f"{left:,} identifiers were left, {lost:,} values or files lost.",
        *(f"Not tried: {one}." for one in made.missing),
    )
    print(f"report: {made.page}")
    return int(left > 0)


def _sign(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    parameters.require("site", "workspace")
    from chorus_nb.workbench import lost, ownership, signing
    from chorus_nb.workbench.index import write_indexes
    from chorus_nb.workspace import Workspace

    ownership.refuse_mixture(parameters)
    workspace = Workspace(parameters)
    ownership.refuse_other_site(workspace)
    lost.refuse_lost(workspace)
    with ownership.alone(workspace):
        path = signing.sign_release(workspace, chosen.by, chosen.note)
        write_indexes(workspace)  # they say that nobody has signed
    public = f"{workspace.audit / layout.PUBLIC_KEY}"
    print(f"signed: {path}", f"anyone can verify it: chorus-nb audit {workspace.root} --public {public}", sep="\n")
    return 0


def _crosswalk(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    from chorus_nb import tables
    from chorus_nb.deid import crosswalk
    from chorus_nb.workspace import Workspace

    asked = {"old": chosen.old, "new": chosen.new, "element": chosen.element, "file": chosen.source}
    found = crosswalk.find_changes(Workspace(parameters), **asked, each_file=chosen.each_file)
    sys.stdout.buffer.write(tables.csv_bytes(found))
    print(f"{len(found):,} rows; they identify patients: keep them at the site", file=sys.stderr)
    return int(found.empty)


def _status(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    from chorus_nb.workbench.index import report_states, write_indexes
    from chorus_nb.workbench.waiting import may_leave, what_waits
    from chorus_nb.workspace import Workspace

    workspace = Workspace(parameters)
    if not workspace.local.is_dir():
        raise InputError(f"workspace: nothing has run there yet: {parameters.workspace}")
    write_indexes(workspace)  # what people decided since the last run
    said = may_leave(workspace, states := report_states(workspace))
    print(f"may the release leave? {said.state}:", *said.said)
    print(
        *(f"{one.who}: {one.what} ({one.place})" for one in what_waits(workspace, states)),
        sep="\n",
    )
    return int(said.state != "yes")


def _pdf(chosen: argparse.Namespace) -> int:
    parameters = given(chosen)
    from chorus_nb.workbench.printing import print_shareable
    from chorus_nb.workspace import Workspace

    made = print_shareable(Workspace(parameters))
    print(f"{parameters.workspace}/local/reports/{made.name}")
    return 0


def _parameters(chosen: argparse.Namespace) -> int:
    from chorus_nb.workbench.template import parameter_schema, site_template

    print(parameter_schema() if chosen.schema else site_template(), end="")
    return 0
