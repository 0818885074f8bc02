"""What the next run will do with the files of each person, and why, told before anything is written.

Each file is compared with what its result in the release rests on (``Ledger.rested``, ``run_settings``); what a change
means, and which of several is told, stands in ``outlook_causes.csv``, the first that applies.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb import layout, tables
from chorus_nb.deid.ledger import MADE_FROM, Ledger
from chorus_nb.deid.settings import noted_settings
from chorus_nb.source import earlier
from chorus_nb.workspace import Workspace

WORDS = {
    "new": "made: new in the release",
    "made_again": "made again",
    "moved": "made again in another place",
    "leaves": "leave the release",
    "stays": "not touched",
}
CHANGES = ("made_again", "moved", "leaves")


class Cause(NamedTuple):
    """Why a file changes: what ``changed``, or the ``reasons`` for which it was or will be held back.

    ``parameters``: where one of them is set otherwise, that is told instead.
    """

    cause: str
    changed: tuple[str, ...]
    reasons: tuple[str, ...]
    parameters: tuple[str, ...]
    sentence: str


@cache
def causes() -> tuple[Cause, ...]:
    """Every cause, the one that is told first at the top."""
    return tuple(
        Cause(
            row["cause"],
            tuple(row["changed"].split()),
            tuple(row["reasons"].split()),
            tuple(row["parameters"].split()),
            row["sentence"],
        )
        for row in _rows("outlook_causes.csv")
    )


@cache
def limit(name: str) -> float:
    return next(float(row["value"]) for row in _rows("outlook_limits.csv") if row["limit"] == name)


def _rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def among(values: pd.Series, others: object) -> pd.Series:
    """As ``values.isin(others)``, which takes Arrow's text apart value by value."""
    found = pc.is_in(pa.array(values, pa.string()), value_set=pa.array(others, pa.string()))
    return pd.Series(np.asarray(found, dtype=bool), values.index)


def what_changes(
    workspace: Workspace, worklist: pd.DataFrame, todo: pd.Series, before: pd.DataFrame, ledger: Ledger
) -> pd.DataFrame:
    """The table ``outlook``: the worklist, which of it is ``todo``, and the files that stand in the release."""
    there = before.set_index("source_path").target_path
    now = worklist[worklist.status == "release"]
    kept = now[~todo[now.index] & among(now.source_path, before.source_path)]
    files = pd.concat([_staying(workspace, kept), _changing(workspace, worklist, todo, there, ledger)])
    keys = ["person_before", "person_now", "what", "cause", "changed"]
    counted = files.groupby(keys, as_index=False, dropna=False).agg(files=("size", "count"), bytes=("size", "sum"))
    order = counted.what.map(list(WORDS).index) * 1000 + counted.cause.map(_rank)
    counted = counted.assign(order=order).sort_values(["order", *keys], ignore_index=True)
    return tables.frame(tables.OUTLOOK, counted[tables.OUTLOOK.column_names].to_dict("records"))


def _rank(cause: str) -> int:
    return next((place for place, one in enumerate(causes()) if one.cause == cause), -1)


def _staying(workspace: Workspace, kept: pd.DataFrame) -> pd.DataFrame:
    gone = [file.source_path for file in earlier.read_earlier(workspace.local)]
    cause = np.where(among(kept.source_path, gone), "vanished", "")
    whose = kept.person_id.astype("Int64")
    return _described(whose, whose, "stays", cause, "", kept["size"])


def _described(before: object, now: object, what: object, cause: object, changed: object, size: object) -> pd.DataFrame:
    made = pd.DataFrame({"person_before": before, "person_now": now, "size": size})
    return made.assign(what=what, cause=cause, changed=changed)


def _changing(
    workspace: Workspace, worklist: pd.DataFrame, todo: pd.Series, there: pd.Series, ledger: Ledger
) -> pd.DataFrame:
    """The files that are new, made again, moved or leave, a row each."""
    goes = worklist.status == "release"
    leaving = there[~among(there.index.to_series(), worklist.source_path[goes]).to_numpy()]
    files = worklist[todo | among(worklist.source_path, leaving.index)].set_index("source_path", drop=False)
    files = files.reindex([*files.index, *leaving.index.difference(files.index)])
    if files.empty:
        return _described([], [], "", "", "", [])
    files["now"] = (files.status == "release").fillna(value=False).astype(bool)
    files["was"] = files.index.to_series().map(there).fillna("").astype(object)
    _follow_moved(files)
    files = files[files.now | (files.was != "")]
    whose = layout.InstancePath.columns(files.was).person_id
    before = pd.to_numeric(whose.where(files.was != ""), errors="coerce").astype("Int64")
    now = files.person_id.astype("Int64").where(files.now)
    moved = files.was != files.target_path.fillna("").astype(object)
    what = np.select([~files.now, files.was == "", moved], ["leaves", "new", "moved"], "made_again")
    cause, changed = _why(workspace, files, ledger)
    _split_and_merged(cause, before, now, worklist, there, changed)
    return _described(before, now, what, cause, changed, files["size"].fillna(0))


def _follow_moved(files: pd.DataFrame) -> None:
    """A file of the release that another path of the source stands for now does not leave."""
    files["followed"] = ""
    leaving = files[~files.now & (files.was != "")]
    by_place = dict(zip(leaving.was, leaving.index, strict=True))
    came = files.now & (files.was == "") & files.target_path.isin(by_place)
    files.loc[came, "followed"] = files.target_path[came].map(by_place)
    files.loc[came, "was"] = files.target_path[came]
    files.loc[files.index.isin(files.followed[came]), "was"] = ""


def _why(workspace: Workspace, files: pd.DataFrame, ledger: Ledger) -> tuple[pd.Series, pd.Series]:
    """The cause of each file, and the names of what changed."""
    rested = ledger.rested().set_index("source_path")
    rested = rested.reindex(files.followed.where(files.followed != "", files.index)).set_axis(files.index)
    differs = pd.DataFrame({name: files[name] != rested[name] for name in MADE_FROM}).fillna(value=False).astype(bool)
    differs &= (files.now & (files.was != "") & rested.settings.notna()).to_numpy()[:, None]
    differs["source_path"] = files.followed != ""
    settings, last = _settings(workspace)
    parts = _differing(settings, files.settings, rested.settings.fillna(last))
    names = sorted({name for one in causes() for name in one.changed} - set(differs))
    for name in names:
        differs[name] = parts.map(lambda found, name=name: name in found) & files.now & (files.was != "")
    reason, recorded = _reasons(workspace, files)
    cause, changed = pd.Series("", index=files.index), _named(differs)
    for one in causes():
        applies = differs[[*one.changed]].any(axis=1) | reason.isin(one.reasons)
        applies &= cause == ""
        if not applies.any():
            continue
        set_so = parts.map(lambda found, one=one: ", ".join(name for name in one.parameters if name in found))
        by_parameter = applies & (set_so != "")
        cause = cause.mask(applies, one.cause).mask(by_parameter, "parameter")
        changed = changed.mask(by_parameter, set_so)
    unknown = (files.was != "") & rested.settings.isna()  # made before this was written down
    of_rest = [~files.now, unknown, (files.was != "") | recorded, reason == ""]
    rest = np.select(of_rest, ["vanished", "code", "again", "new"], "source")
    return cause.mask(cause == "", pd.Series(rest, files.index)), changed


def _settings(workspace: Workspace) -> tuple[dict[str, dict[str, str]], str]:
    """Every setting by its hash, by part; and the hash of the last run's."""
    known = noted_settings(workspace)
    made = {str(name): dict(zip(rows.part, rows.value, strict=True)) for name, rows in known.groupby("settings")}
    return made, str(known.settings[known["last"]].max() if known["last"].any() else "")


def _differing(settings: Mapping[str, dict[str, str]], now: pd.Series, before: pd.Series) -> pd.Series:
    """For each file the parts that differ; none where one of the two is not known."""
    pairs = pd.Series(list(zip(now.fillna(""), before.fillna(""), strict=True)), now.index)
    found = {}
    for one, other in pairs.unique():
        new, old = settings.get(one, {}), settings.get(other, {})
        found[one, other] = frozenset(name for name in new if old and new[name] != old.get(name))
    return pairs.map(found)


def _reasons(workspace: Workspace, files: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Why a file leaves, or why it did not go until now; and whether it is on record as released."""
    rows = workspace.read_or_empty(tables.OUTCOMES)[["source_path", "status", "reason"]].set_index("source_path")
    rows = rows.reindex(files.index)
    reason = files.reason.fillna("").where(~files.now, rows.reason.fillna(""))
    return reason.mask(files.now & (files.was != ""), "").astype(str), rows.status.eq("released").fillna(
        value=False
    ).astype(bool)


def _named(differs: pd.DataFrame) -> pd.Series:
    """The names of the columns that are true, joined; each combination once."""
    names = [name for name in differs if name not in ("target_path", "modified_ns", "code", "libraries")]
    codes = differs[names].to_numpy() @ (1 << np.arange(len(names), dtype=np.int64))
    told = {code: ", ".join(name for at, name in enumerate(names) if code >> at & 1) for code in np.unique(codes)}
    return pd.Series(codes, differs.index).map(told)


def _split_and_merged(
    cause: pd.Series, before: pd.Series, now: pd.Series, worklist: pd.DataFrame, there: pd.Series, changed: pd.Series
) -> None:
    """Which persons became several, and which several one: told of all their files that change for it."""
    if not (before.notna() & now.notna() & (before != now)).any():
        return
    goes = worklist[(worklist.status == "release") & worklist.source_path.isin(there.index)]
    was = layout.InstancePath.columns(goes.source_path.map(there)).person_id.astype("Int64")
    pairs = pd.DataFrame({"was": was, "now": goes.person_id.astype("Int64")}).drop_duplicates()
    split = pairs.was[pairs.was.duplicated(keep=False)]
    merged = pairs.now[pairs.now.duplicated(keep=False)]
    concerned = now.notna() & ((before != now) | changed.str.contains("known", regex=False))
    cause[(concerned & now.isin(merged)).fillna(value=False)] = "merged"
    cause[(concerned & before.isin(split)).fillna(value=False)] = "split"


def unusual(outlook: pd.DataFrame) -> bool:
    """Whether more of the release changes than a month's corrections would."""
    there, changes = _counted(outlook)
    return changes > limit("changed_share") * there


def outlook_said(outlook: pd.DataFrame) -> str:
    """How much of the release changes, in a sentence."""
    there, changes = _counted(outlook)
    if not there:
        return "The release holds no file yet."
    said = f"Of {there:,} files in the release {changes:,} ({changes / there:.1%}) are made again, moved or leave"
    more = f", more than {limit('changed_share'):.0%}: look at the causes"
    return f"{said}{more if unusual(outlook) else ''}."


def alerts(outlook: pd.DataFrame) -> pd.Series | None:
    """The rows of :func:`chorus_nb.deid.summary.outlook_by_cause` that make it :func:`unusual`."""
    counts = by_cause(outlook)
    return counts.what.isin(CHANGES) if unusual(outlook) else None


def by_cause(outlook: pd.DataFrame) -> pd.DataFrame:
    """Files and persons by what happens and why; no person is named."""
    person = outlook.person_before.fillna(outlook.person_now)
    grouped = outlook.assign(person=person).groupby(["what", "cause", "changed"], as_index=False, sort=False)
    return grouped.agg(files=("files", "sum"), persons=("person", "nunique"), megabytes=("bytes", "sum"))


def _counted(outlook: pd.DataFrame) -> tuple[int, int]:
    """Files in the release, and how many of them change."""
    return (
        int(outlook.files[outlook.what != "new"].sum()),
        int(outlook.files[outlook.what.isin(CHANGES)].sum()),
    )
