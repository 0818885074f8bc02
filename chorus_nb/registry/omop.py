"""The OMOP tables of the release: those that were asked for, and a procedure for each accession without one."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.leaks.cells import identifying_cells
from chorus_nb.leaks.parts import csv_parts
from chorus_nb.omop import cdm_fields, open_omop, read_omop
from chorus_nb.omop.reading import OmopTables
from chorus_nb.registry.image_registry import by_procedure
from chorus_nb.registry.omop_ages import PERSON_TABLE, old_ages, tells_ages
from chorus_nb.registry.omop_delivery import Delivery, delivered_records, examine_table
from chorus_nb.registry.omop_links import broken_links
from chorus_nb.registry.omop_repeated import write_once
from chorus_nb.registry.omop_withdrawn import WithdrawnRows
from chorus_nb.registry.settings import note_registry_settings
from chorus_nb.sop import omop_deliverable
from chorus_nb.standards import modality_concepts
from chorus_nb.withdrawn import Withdrawn
from chorus_nb.workspace import Workspace, digest_of, replacing, write_if_changed

PROCEDURE_TABLE = "procedure_occurrence"
IMAGING_PROCEDURE = 4180938  # Multimodal-Linkage SOP C.1: provisional, `procedure_concepts` refines it
STANDARD_ALGORITHM = 32880  # procedure type of rows that an algorithm made


def build_omop(workspace: Workspace) -> pd.DataFrame:
    """Write the tables that were asked for into ``release/OMOP`` and add the minted procedures.

    Returns the added rows. ``procedure_occurrence`` always goes, others of the 13 of the Data-Upload SOP if
    ``omop_tables`` names them. What the site delivers stays byte for byte, its columns in the order of the CDM, but for
    cells that go empty: free text that ``omop_columns`` does not name, and cells that identify somebody; for columns
    outside the CDM that it does not name, rows that are no whole ones, and rows of persons and accessions that were
    withdrawn; for years of birth that tell an age above 90; and, if ``omop_concepts`` says so, for concepts of linked
    procedures where none stands.
    Writes ``tables.OMOP_FINDINGS`` and ``tables.OMOP_WITHHELD``.
    """
    added = minted_procedures(workspace)
    asked = {PROCEDURE_TABLE, *workspace.parameters.omop_tables}
    opened = open_omop(workspace.parameters)
    there = set(opened.names())
    delivered = _delivered(workspace, opened, asked & there)
    withdrawn = Withdrawn.of(workspace)
    searched = {name: functools.partial(_parts_of, path) for name, path in delivered.items()}
    identifying = identifying_cells(workspace, searched, withdrawn.persons)
    withheld = _withheld(workspace, withdrawn)
    notes = _delivered(workspace, opened, {"note"} & there).get("note") if withdrawn else None
    gone, shared = WithdrawnRows.of(withdrawn, notes), workspace.parameters.omop_columns
    found = [
        _examined(workspace, name, path, (identifying[name], shared, withheld.keys(), gone))
        for name, path in sorted(delivered.items())
    ]
    for one in found:
        one.counts["", "rows_left_out"] = len(opened.left_out(one.table))
        if one.table == PROCEDURE_TABLE and workspace.parameters.omop_concepts:
            one.concepts = linked_concepts(workspace)
        if one.table == PERSON_TABLE and tells_ages(workspace):
            one.ages = old_ages(workspace, delivered)
        workspace.note(f"omop/{opened.names()[one.table]}", one.rows, functools.partial(digest_of, one.source))
        rows = added if one.table == PROCEDURE_TABLE else added.iloc[:0]
        _write(one, rows, workspace.omop_out / f"{one.table}.csv")
    if PROCEDURE_TABLE not in delivered:
        write_if_changed(workspace.omop_out / f"{PROCEDURE_TABLE}.csv", tables.csv_bytes(added))
    kept = {f"{name}.csv" for name in (*delivered, PROCEDURE_TABLE)}
    for path in workspace.omop_out.iterdir():
        if path.name not in kept:  # what nobody asks for any more leaves the release too
            path.unlink()
    _write_findings(workspace, found, asked, there, withheld)
    note_registry_settings(workspace)
    return added


def _parts_of(path: Path) -> Iterator[pa.Table]:
    """The table, in parts; :class:`InputError` if it is none."""
    try:
        yield from csv_parts(path)
    except ValueError:
        raise InputError(f"omop: {path.name} is not a readable CSV table with a header") from None


def _examined(workspace: Workspace, name: str, path: Path, asked: tuple[Any, ...]) -> Delivery:
    """A table, examined, each of its rows once."""
    found = examine_table(name, path, *asked)
    if not found.twice:
        return found
    once = workspace.local / "omop" / f"{name}.once.csv"
    left_out = write_once(path, once, found.names().index(f"{name}_id"), found.twice)
    found = examine_table(name, once, *asked)
    found.counts.update(left_out)
    return found


def omop_findings(workspace: Workspace) -> pd.DataFrame:
    """``tables.OMOP_FINDINGS`` with what each means and what to do about it."""
    words = pd.read_csv(Path(__file__).with_name("omop_findings.csv"), dtype=str)
    return workspace.read(tables.OMOP_FINDINGS).merge(words, on="finding", how="left")


def _write(found: Delivery, added: pd.DataFrame, target: Path) -> None:
    """The records of a table, and the ``added`` rows in the order of its columns and with its line ends."""
    with replacing(target, if_changed=True) as new, new.open("wb") as file:
        end = b"\n"
        for record in delivered_records(found):
            file.write(record)
            end = record
        if len(added):
            newline = "\r\n" if found.counts["", "line_ends"] else "\n"
            rows = added.reindex(columns=found.delivered_names())
            text = rows.to_csv(index=False, header=False, lineterminator=newline)
            file.write((newline * (not end.endswith(b"\n")) + text).encode())


def _withheld(workspace: Workspace, withdrawn: Withdrawn) -> Counter[int]:
    """Persons none of whose images is released although there are some, with the number of these; none withdrawn."""
    outcomes = workspace.read(tables.OUTCOMES, ["source_path", "status"])
    persons = workspace.read(tables.WORKLIST, ["source_path", "person_id"]).dropna(subset=["person_id"])
    images = persons.merge(outcomes, on="source_path")
    released = withdrawn.persons.union(images.loc[images["status"] == "released", "person_id"])
    kept = images[images["status"].isin(["held_back", "quarantined"]) & ~images["person_id"].isin(released)]
    return Counter(kept["person_id"].astype(int).tolist())


def _write_findings(
    workspace: Workspace, found: list[Delivery], asked: set[str], there: set[str], withheld: Counter[int]
) -> None:
    rows: list[dict[str, object]] = [
        {"table": one.table, "column": column, "finding": code, "count": count}
        for one in found
        for (column, code), count in sorted([*one.counts.items(), (("", "persons_withheld"), one.rows_of.total())])
        if count
    ]
    links = sorted(broken_links(workspace.omop_out).items())
    rows += [
        {"table": table, "column": column, "finding": "points_nowhere", "count": n} for (table, column), n in links
    ]
    deliverable = omop_deliverable()
    rows += [{"table": name, "finding": "not_found"} for name in sorted(asked - there - {PROCEDURE_TABLE})]
    for name in sorted(there - asked):
        rows.append({"table": name, "finding": "not_asked_for" if name in deliverable else "never_delivered"})
    workspace.write(tables.OMOP_FINDINGS, tables.frame(tables.OMOP_FINDINGS, rows))
    named: list[dict[str, object]] = [
        {"table": one.table, "person_id": person, "rows": count, "images": withheld[person]}
        for one in found
        for person, count in sorted(one.rows_of.items())
    ]
    workspace.write(tables.OMOP_WITHHELD, tables.frame(tables.OMOP_WITHHELD, named))


def minted_procedures(workspace: Workspace) -> pd.DataFrame:
    """A CDM 5.4 row per minted procedure id of the registry, in the order of the ids; columns in the CDM's order."""
    made = by_procedure(workspace)
    ours = made[made.index.isin(workspace.read(tables.PROCEDURE_IDS)["proc_id"])]
    ehr = read_omop(workspace, PROCEDURE_TABLE).set_index("procedure_occurrence_id")["person_id"]
    fed_back = ours.index.isin(ehr.index)  # the site took an earlier release into its own table
    known = ehr.reindex(ours.index[fed_back])
    if any((known != ours.loc[fed_back, name]).any() for name in ("person_id", "person_beside")):
        raise InputError("omop: procedure_occurrence has other persons under procedure ids of the images")
    first = ours[~fed_back]
    folder = first["folders"].map(_common_folder).astype("string")
    source_value = "path: " + folder + ", group: " + first["group_id"].astype("string")
    made = pd.DataFrame(
        {
            "procedure_occurrence_id": first.index,
            "person_id": first["person_id"],
            "procedure_concept_id": _procedure_concepts(workspace, first),
            "procedure_date": first["datetime"].str[:10],
            "procedure_datetime": first["datetime"],
            "procedure_type_concept_id": STANDARD_ALGORITHM,
            "visit_occurrence_id": first["visit_id"],
            "procedure_source_value": source_value,
        }
    )
    return made.reindex(columns=cdm_fields(PROCEDURE_TABLE)["column"]).reset_index(drop=True)


def linked_concepts(workspace: Workspace) -> dict[str, dict[str, str]]:
    """By procedure of the record, what its images tell of it: the concept that the site decided on for modality and
    LOINC code, and as modifier the concept of the modality."""
    made = by_procedure(workspace)
    linked = made[~made.index.isin(workspace.read(tables.PROCEDURE_IDS)["proc_id"])]
    linked = linked.assign(loinc_code=linked["only_loinc_code"])
    modifiers = linked["modality"].map(modality_concepts())
    made = pd.DataFrame(
        {
            "procedure_concept_id": _procedure_concepts(workspace, linked, otherwise=0),
            "modifier_concept_id": [getattr(one, "omop_concept_id", 0) for one in modifiers],
        },
        index=linked.index,
    )
    rows = zip(made.index, made.to_dict("records"), strict=True)
    return {str(int(proc)): {str(name): str(concept) for name, concept in row.items() if concept} for proc, row in rows}


def _common_folder(folders: Sequence[str]) -> str:
    """The accession's folder, or what the folders have in common when it has several modalities."""
    return os.path.commonpath(list(folders)).replace(os.sep, "/")


def _procedure_concepts(
    workspace: Workspace, procedures: pd.DataFrame, otherwise: int = IMAGING_PROCEDURE
) -> pd.Series:
    """The concept the site decided on for modality and LOINC code, for either of them, or ``otherwise`` (the SOP's)."""
    decided = workspace.read_or_empty(tables.PROCEDURE_CONCEPTS)
    concepts = decided.set_index(["modality", "loinc_code"])["procedure_concept_id"].to_dict()
    return pd.Series(
        [
            next((concepts[k] for k in ((m, code), ("", code), (m, "")) if k in concepts), otherwise)
            for m, code in zip(procedures["modality"], procedures["loinc_code"], strict=True)
        ],
        index=procedures.index,
    )


def _delivered(workspace: Workspace, opened: OmopTables, wanted: set[str]) -> dict[str, Path]:
    """These tables of the site as CSV files by name; what stands in another form is written anew under ``local/``."""
    made = {}
    for name in sorted(wanted):
        if plain := opened.plain(name):
            made[name] = plain
            continue
        made[name] = workspace.local / "omop" / f"{name}.csv"
        with replacing(made[name]) as temporary:
            opened.write_plain(name, temporary)
    return made
