"""How the command line looks: help with examples, in colour where a terminal is, and completion by the shell."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

PROGRAM = "chorus-nb"
GIVEN_LIKE = {  # by command; "" = of all of them
    "": (
        "demo && chorus-nb run runs/demo/demo.yaml   # an invented hospital, in any folder",
        "parameters > my_site.yaml                   # your own: fill in site, source, omop, lookup, workspace",
        "check my_site.yaml && chorus-nb run my_site.yaml",
    ),
    "run": ("run my_site.yaml", "run my_site.yaml --only 03,04 --set workers=8", "run sites/*.yaml --failed"),
    "check": ("check my_site.yaml", "check my_site.yaml --set workers=8"),
    "outlook": ("outlook my_site.yaml > outlook.csv",),
    "demo": ("demo", "demo /data/invented --seed 2"),
    "lab": (
        "lab my_site.yaml",
        "lab my_site.yaml --copies",
        "lab my_site.yaml --no-browser -- --ServerApp.port_retries=0",
    ),
    "notebooks": ("notebooks workbench",),
    "audit": ("audit /data/chorus_run", "audit delivered --public site.pub --number 3"),
    "selftest": ("selftest my_site.yaml", "selftest my_site.yaml --files 0"),
    "sign": ('sign my_site.yaml --by "Ada Lovelace" --note "looked at 40 pictures"',),
    "crosswalk": ("crosswalk my_site.yaml --old 1.2.840.1", "crosswalk my_site.yaml --element PatientID --each-file"),
    "status": ("status my_site.yaml",),
    "pdf": ("pdf my_site.yaml",),
    "withdraw": (
        'withdraw my_site.yaml --person 1001 --by "Ada Lovelace" --note "asked by letter"',
        'withdraw my_site.yaml --person 1001 --by "Ada Lovelace" --undo',
    ),
    "rotate-key": ('rotate-key my_site.yaml --by "Ada Lovelace" --note "the key was seen"',),
    "backup": ("backup my_site.yaml /media/safe/chorus.locked",),
    "restore": ("restore /media/safe/chorus.locked my_site.yaml --passphrase-env CHORUS_PASSPHRASE",),
    "lookups": ("lookups my_site.yaml --persons persons.csv", "lookups my_site.yaml"),
    "relayout": ("relayout older.yaml /data/newer > left.csv",),
    "parameters": ("parameters > my_site.yaml", "parameters --schema > schema.json"),
}
COMPLETION = f"""
completion of commands, options and parameters, in bash and zsh (docs/install.md has PowerShell and fish):
  eval "$(register-python-argcomplete {PROGRAM})"
"""


def new_parser(description: str) -> argparse.ArgumentParser:
    """The parser of the program itself."""
    return argparse.ArgumentParser(
        prog=PROGRAM, description=description, epilog=_examples("") + COMPLETION, formatter_class=_look
    )


def add_command(
    commands: Any,
    name: str,
    what: str,
    run: Callable[[argparse.Namespace], int],
    *,
    file: bool = True,
    sets: bool = False,
    note: str = "",
) -> argparse.ArgumentParser:
    """A command with its examples; ``file``: it is given a parameter file, ``sets``: ``--set`` too."""
    said = f"{what[0].upper()}{what[1:]}."
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=said, epilog=_examples(name) + note, formatter_class=_look
    )
    if file:
        made.add_argument("file", metavar="FILE.yaml", help="the parameters of the run")
    if sets:
        add_set(made)
    made.set_defaults(command=run)
    return made


def add_set(made: argparse.ArgumentParser) -> None:
    """``--set NAME=VALUE``, whose names the shell completes."""
    action = made.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter, over the file's"
    )
    action.completer = _parameters  # type: ignore[attr-defined]  # read by argcomplete


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, where it is the shell that asks, and end."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def _examples(name: str) -> str:
    return "\n".join(("examples:", *(f"  {PROGRAM} {example}" for example in GIVEN_LIKE[name]), ""))


def _parameters(**_: Any) -> list[str]:
    from chorus_nb.parameters import Parameters

    return [f"{name}=" for name in Parameters.model_fields]


def _look(prog: str) -> argparse.HelpFormatter:
    """Plain text, or in colour where a person reads it."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        from rich_argparse import RawDescriptionRichHelpFormatter

        RawDescriptionRichHelpFormatter.text_markup = False  # brackets are brackets
        formatter: argparse.HelpFormatter = RawDescriptionRichHelpFormatter(prog)
        return formatter
    return argparse.RawDescriptionHelpFormatter(prog)
