"""The gate: a table of checks with pass, fail or not run, and whether it is open.

An open gate lets 05 and 06 go on; whether the release may leave, :mod:`chorus_nb.workbench.waiting` says of all six.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.verify.findings import GATE_CHECKS, Check
from chorus_nb.workspace import Workspace

RELEASED_BYTES = "released_bytes"
SEE_OUTCOMES = "see in 03's report, and above, what each file is held back for"
TOO_MANY_HELD = "too many "
FOR_TOO_MANY = (
    "; or, if these files are at fault one by one, reject some in 04's review and run 03 and 04 again, or raise "
    "held_share and run 04 again"
)
KINDS_IN_WORDS = {
    "path": "words of a source path",
    "identifier": "identifiers of a patient",
    "name": "names",
    "place": "places",
    "device": "serial numbers of a device",
    "contact": "addresses or phone numbers",
    "uid": "original UIDs",
    "date": "original dates",
}
"""What a search term of each kind is, where a person reads how many were found."""


class HeldFiles(NamedTuple):
    """How many files each check held back, and whether they are too many to go on."""

    by_check: Mapping[str, int]
    files: int
    too_many: bool


def table(
    findings: pd.DataFrame, examined: Mapping[str, int], not_run: Mapping[str, str], images: str, held: HeldFiles
) -> pd.DataFrame:
    """``tables.CHECKS``: a check fails with its first finding of high severity that is still in the release.

    A file that is held back closes nothing, unless too many are. The last row holds the digest of the ``images`` that
    were examined, which ``06`` asks for; without a pass there is none.
    """
    rows = check_rows(GATE_CHECKS, findings[~findings.held], examined, not_run)
    for row in rows:
        row["held"] = held.by_check.get(str(row["check"]), 0)
        if row["held"]:
            own = findings[findings.held & (findings.check == row["check"])]
            concern_all = held.too_many or GATE_CHECKS[str(row["check"])].scope == "release"
            said = f"{TOO_MANY_HELD * held.too_many}files held back: {row['held']:,} ({_summary(own.kind)})"
            row["detail"] = "; ".join(filter(None, (said, str(row["detail"]))))
            row["result"] = "fail" if concern_all else row["result"]
    closed = len(blocking(pd.DataFrame(rows)))
    last: dict[str, object] = {"check": RELEASED_BYTES, "question": "Which bytes were checked?"}
    last |= {"detail": "" if closed else images, "result": "fail" if closed else "pass"}
    return tables.frame(
        tables.CHECKS, [*rows, last | {"examined": examined.get("readable", 0), "findings": 0, "held": held.files}]
    )


def failed_of_registry(workspace: Workspace) -> tuple[str, ...]:
    """The checks of 05 that failed, a sentence each with what to do: they close the gate of 06 like those of 04."""
    made = workspace.read(tables.REGISTRY_CHECKS)
    failed = made[made["result"] == "fail"]
    return tuple(f"05_build_registry: {row.question} No: {row.detail}" for row in failed.itertuples())


def check_rows(
    asked: Mapping[str, Check], findings: pd.DataFrame, examined: Mapping[str, int], not_run: Mapping[str, str]
) -> list[dict[str, object]]:
    """A row for each check: pass, fail or not run, and why."""
    rows: list[dict[str, object]] = []
    kinds, graves = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)  # by check
    for name, severity, kind in tables.row_values(findings, "check", "severity", "kind"):
        kinds[name].append(kind)
        if severity == "high":
            graves[name].append(kind)
    for name, check in asked.items():
        grave = graves[name]
        count = examined.get(name, 0)
        if name in not_run and not grave:
            result, detail = "not run", not_run[name]
        elif grave:
            result, detail = "fail", _summary(grave)
        elif not count:
            result, detail = "not run", "there was nothing to examine"
        else:
            result, detail = "pass", _summary(kinds[name])
        row = {"check": name, "question": check.question, "result": result, "detail": detail}
        rows.append({**row, "examined": count, "findings": len(grave)})
    return rows


def _summary(kinds: Iterable[str]) -> str:
    """The commonest of these ``kinds`` of findings with their number; masked details are named by their kind only."""
    counts = Counter(kinds)
    parts = [f"{KINDS_IN_WORDS.get(kind, kind)} ({count:,})" for kind, count in counts.most_common(3)]
    return "; ".join([*parts, *([f"and {len(counts) - 3:,} more kinds"] if len(counts) > 3 else [])])


def checks(workspace: Workspace) -> pd.DataFrame:
    """The gate's table as 04 left it (``tables.CHECKS``)."""
    return workspace.read(tables.CHECKS)


def blocking(frame: pd.DataFrame) -> pd.DataFrame:
    """The checks that keep the release in the house: failed, missing, or not run although they could have been."""
    missing = [
        {"check": name, "result": "not run", "detail": "is missing"} for name in set(GATE_CHECKS) - set(frame.check)
    ]
    optional = {name for name, check in GATE_CHECKS.items() if check.optional}
    frame = frame[frame.check != RELEASED_BYTES]
    stops = (frame.result == "fail") | ((frame.result != "pass") & ~frame.check.isin(optional))
    return pd.concat([frame[stops], pd.DataFrame(missing, columns=frame.columns)], ignore_index=True)


def is_open(frame: pd.DataFrame) -> bool:
    """Whether no check keeps the release in the house."""
    return len(blocking(frame)) == 0


def answer(frame: pd.DataFrame) -> str:
    """Whether the gate is open, in words; whoever says it says it with these."""
    stops = blocking(frame)
    files = _files(frame)
    if not len(stops):
        waiting = ", ".join(map(tables.code_in_words, frame.check[frame.result == "not run"]))
        rest = f" Not run: {waiting} (the reasons stand below)." if waiting else ""
        files_held = int(frame.held[frame.check == RELEASED_BYTES].sum())
        more = "1 more file is" if files_held == 1 else f"{files_held:,} more files are"
        held = f" {more} held back and not in it (below)." if files_held else ""
        return f"The gate is open: {files:,} files passed every check that was run.{held}{rest}"
    if not files:
        return "The gate is closed: no file is in the release."
    names = ", ".join(map(tables.code_in_words, stops.check))
    return f"The gate is closed: {len(stops):,} of {len(GATE_CHECKS):,} checks keep the release in the house ({names})."


def to_do(frame: pd.DataFrame) -> pd.DataFrame:
    """What exactly to do, a row for each check that keeps the release in the house; of an empty one, where to look."""
    stops = blocking(frame)
    remedies = [
        (GATE_CHECKS[row.check].remedy if row.check in GATE_CHECKS else "run 03 and 04 again")
        + FOR_TOO_MANY * str(row.detail).startswith(TOO_MANY_HELD)
        for row in stops.itertuples()
    ]
    rows = stops[["check", "result", "findings", "detail"]].assign(what_to_do=remedies)
    if not _files(frame):
        rows = rows[(rows.result == "fail") | (rows.check == "readable")]
        rows.loc[rows.check == "readable", ["detail", "what_to_do"]] = "no file is in release/", SEE_OUTCOMES
    return rows


def _files(frame: pd.DataFrame) -> int:
    """How many files 04 found in the release."""
    return int(frame.examined[frame.check == "readable"].sum())


def require_pass(frame: pd.DataFrame) -> None:
    """Raise :class:`WorkbenchError` with a line for each check that keeps the release in the house."""
    stops = to_do(frame)
    if len(stops):
        lines = [f"{row.check} ({row.result}): {row.detail}. To do: {row.what_to_do}." for row in stops.itertuples()]
        raise WorkbenchError("This release may not leave the house.", *lines)
