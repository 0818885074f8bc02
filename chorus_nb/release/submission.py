"""The note that goes with a release: what it holds, how it was made, where it deviates (no imaging template exists)."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from chorus_nb import __version__, layout, tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.processes.queries import asking
from chorus_nb.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

SOURCE_VALUE_LENGTH = 50  # varchar of CDM 5.4; central's own column is TEXT, so longer values are kept whole
SHIFT_CODES = ("unshifted", "day of week kept", "season kept", "day of week and season kept", "neither kept")


def _check(row: Cells) -> None:
    if not all(row[name].strip() for name in ("text", "reviewer", "note")):
        raise InputError("a deviation needs its text, who says it, and a note why")


DEVIATION_LOG = DecisionLog(tables.DEVIATIONS, frozenset({"add"}), _check, lambda row: row["text"])
"""Sentences that a person adds to the deviations of the note; searched for identifiers as all of it is."""


def note_page(workspace: Workspace) -> bytes:
    """``Metadata/IMAGING_SUBMISSION.md``, without any time of writing: the same release has the same note."""
    parts = [f"# Imaging submission of {workspace.parameters.site}"]
    parts += [f"## {heading}\n\n{_note_text(table)}" for heading, table in submission_note(workspace).items()]
    return ("\n\n".join(parts) + "\n").encode()


def submission_note(workspace: Workspace) -> dict[str, pd.DataFrame]:
    """Tables by heading: counts, years, date shift, policy, what was held back, deviations and known issues."""
    with asking(workspace, tables.IMAGE_REGISTRY, tables.RELEASED_HEADERS, tables.OUTCOMES) as connection:
        return {
            "What this is and how it was made": _note_facts(workspace, connection),
            "Images by modality": _note_counts(connection, "Modality"),
            "Images by manufacturer": _note_counts(connection, "Manufacturer"),
            "Images by body part": _note_counts(connection, "BodyPartExamined"),
            "Held back at the site": connection.sql(_HELD_BACK).df(),
            "Deviations": pd.DataFrame({"deviation": _deviations(workspace, connection)}),
            "Known issues": pd.DataFrame({"issue": _issues(workspace)}),
        }


_HELD_BACK = """
    SELECT status, reason, count(*) AS files FROM outcomes WHERE status <> 'released'
    GROUP BY ALL ORDER BY status, reason"""


def _note_facts(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    parameters = _made_with(workspace)
    ((persons, accessions, files, first, last),) = connection.sql("""
        SELECT count(DISTINCT person_id), count(DISTINCT group_id), count(*), min("datetime"[:4]), max("datetime"[:4])
        FROM image_registry""").fetchall()
    facts = {
        "persons": persons,
        "accessions": accessions,
        "series": len(workspace.read(tables.SERIES)),
        "files": files,
        "years (shifted)": f"{first} to {last}" if files else "none",
        "date shift code": f"{parameters.shift_code} ({SHIFT_CODES[parameters.shift_code]})",
        "true time zone": f"{parameters.time_zone} ({_offsets(parameters)})",
        "header policy": Path(parameters.policy).name,
        "UIDs": f"{parameters.uid_method}, root {parameters.resolved_uid_root}",
        "device identifiers": "kept" if parameters.keep_device_identifiers else "removed",
        "safe private attributes": "kept" if parameters.keep_safe_private else "removed",
        "burned-in text": parameters.burned_in_text,
        "defacing of head images": parameters.deface,
        "images outside every visit": parameters.visit_policy,
        "made with": f"CHoRUS imaging workbench {__version__}",
    }
    return pd.DataFrame(facts.items(), columns=["item", "value"]).astype("string")


def _note_counts(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    return connection.sql(f"""
        SELECT coalesce(nullif({name}, ''), '(none)') AS {name},
               count(DISTINCT AccessionNumber) AS accessions, count(*) AS files
        FROM released_headers GROUP BY ALL ORDER BY files DESC, {name}""").df()


def _made_with(workspace: Workspace) -> Parameters:
    """The parameters the images were made with, as the audit log has them; else those of this run."""
    log = workspace.audit / layout.AUDIT_LOG
    for text in reversed(log.read_text().splitlines() if log.is_file() else ()):
        with contextlib.suppress(ValueError, InputError):  # half a line of a killed run; a line of another version
            line = json.loads(text)
            if line.get("notebook") == "03_run_deid" and "parameters" in line:
                return Parameters.of(line["parameters"])
    return workspace.parameters


def _offsets(parameters: Parameters) -> str:
    """UTC offsets of the site's zone in January and in July, such as ``EST -05:00 and EDT -04:00``."""
    found = dict.fromkeys(f"{datetime(2024, month, 1, tzinfo=parameters.zone):%Z %z}" for month in (1, 7))
    return " and ".join(f"{text[:-2]}:{text[-2:]}" for text in found)


def _deviations(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> list[str]:
    made = []
    ((without_visit,),) = connection.sql("SELECT count(*) FROM image_registry WHERE visit_id IS NULL").fetchall()
    if without_visit:
        made.append(f"{without_visit:,} files belong to no visit; visit_id is blank (Multimodal-Linkage SOP).")
    wanted = ("procedure_occurrence_id", "procedure_source_value")  # a site's table may lack the second
    path = workspace.omop_out / "procedure_occurrence.csv"
    procedures = pd.read_csv(path, dtype=str, encoding="utf-8-sig", usecols=lambda name: name.strip().lower() in wanted)
    procedures = procedures.rename(columns=lambda name: name.strip().lower())
    minted = procedures["procedure_occurrence_id"].isin(workspace.read(tables.PROCEDURE_IDS)["proc_id"].astype(str))
    values = procedures.reindex(columns=wanted)["procedure_source_value"].astype("string")
    long = int((values[minted].str.len() > SOURCE_VALUE_LENGTH).sum())
    if long:
        made.append(f"procedure_source_value of {long:,} minted procedures exceeds {SOURCE_VALUE_LENGTH} characters.")
    if _made_with(workspace).uid_method == "ctp":
        made.append("UIDs are the official unkeyed hashes.")
    return [*made, *DEVIATION_LOG.current(workspace)]


def _issues(workspace: Workspace) -> list[str]:
    """What 04 and 05 found in the release; a finding about a file that is held back is no issue of it."""
    findings = workspace.read(tables.VERIFICATION) if workspace.has(tables.VERIFICATION) else None
    made = []
    if findings is not None:
        there = findings[findings["severity"].isin(["high", "medium"]) & ~findings["held"]]
        counted = there.assign(check=there["check"].map(tables.code_in_words)).groupby(["check", "severity"]).size()
        made += [f"{check}, findings of {grade} severity: {number:,}." for (check, grade), number in counted.items()]
    checks = workspace.read(tables.REGISTRY_CHECKS)
    made += [f"{c.question} {c.detail}." for c in checks.itertuples() if c.findings]
    return made


def _note_text(frame: pd.DataFrame) -> str:
    """A Markdown table; what could break a row or start markup in a value is escaped."""
    if frame.empty:
        return "None."
    if "reason" in frame:  # whoever receives it has no list of the codes; a notebook says both by itself
        frame = frame.assign(meaning=frame["reason"].map(tables.REASON_MEANINGS).fillna(""))
    rows = [frame.columns.tolist(), ["---"] * frame.shape[1], *frame.astype("string").fillna("").values.tolist()]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    for mark in "\\|<>[]`":
        text = text.replace(mark, f"\\{mark}")
    return text
