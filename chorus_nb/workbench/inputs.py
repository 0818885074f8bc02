"""What goes into a run, a line each: found, form, rows, range, what cannot be read, and how the ids fit together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import LABELS, DecisionLog
from chorus_nb.deid.cohort import COHORT_COLUMNS, EXCLUSION_LOG, naming_nothing, read_cohort
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.mapping.coverage import PAIR
from chorus_nb.mapping.lookups import Lookups, find_table, loosely, read_lookups
from chorus_nb.mapping.overrides import TAG_LOG
from chorus_nb.mapping.policy import rule_set
from chorus_nb.metadata.local_fields import FIELD_LOG
from chorus_nb.omop import IMAGE_OCCURRENCE, cdm_fields, contradict, open_omop, read_omop, unreadable_dates
from chorus_nb.omop.cdm import LINKED, NEEDED, PERSON_TABLE
from chorus_nb.omop.files import SEPARATOR_NAMES, OmopFolder, table_form
from chorus_nb.omop.reading import OmopTables, absent_line, empty_line
from chorus_nb.parameters import PULLED, SCRIPT, resolve, source_missing
from chorus_nb.pixels.controls import CONTROL_LOG
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.processes import dask
from chorus_nb.release.signature import SIGN_OFF_LOG
from chorus_nb.release.submission import DEVIATION_LOG
from chorus_nb.withdrawn import WITHDRAWAL_LOG
from chorus_nb.workbench.source_sample import MOST_COUNTED, SourceSample, sample_source
from chorus_nb.workspace import Workspace

LARGEST_READ = 200 << 20  # bytes of a table that is only delivered: a larger one is looked at by name
NOTHING, ALIKE = "NONE", "differ only in leading zeros, blanks, capitals or signs"
LOGS: tuple[DecisionLog, ...] = (
    *(TAG_LOG, WORD_LOG, FIELD_LOG, IMAGE_LOG, CONTROL_LOG, FACE_LOG),
    *(EXCLUSION_LOG, WITHDRAWAL_LOG, DEVIATION_LOG, SIGN_OFF_LOG),
)
NOT_SET = "not set"
WITHOUT = {
    "omop": "with it 01 says which accessions fall in a visit and which procedures they belong to",
    "lookup": "with it 01 says which patients and accessions are mapped; both are needed to link",
}


class RunInput(NamedTuple):
    """An input and what is to be said of it; a run may start where no input has ``faults``. Years for ``first`` and
    ``last`` where they come from headers, which may not be quoted. ``odd``: a person should look, whatever fits."""

    input: str
    found: str
    form: str = ""
    rows: int | None = None
    first: str = ""
    last: str = ""
    unreadable: int | None = None
    fits: str = ""
    faults: tuple[str, ...] = ()
    odd: bool = False


def run_inputs(workspace: Workspace, most: int = MOST_COUNTED) -> list[RunInput]:
    """All inputs of a run, looked at in seconds; nothing is written, and what is wrong with one is among its faults.

    ``most``: files of the source that are counted.
    """
    source, sample = _source(workspace, most)
    persons, omop = _omop(workspace)
    made = [source, *omop, *_lookups(workspace, sample, persons), _policy(workspace)]
    made += [*_cohort(workspace), *_decided(workspace)]
    return [*made, _key(workspace), _room(workspace), *_cluster(workspace)]


def inputs_table(inputs: list[RunInput]) -> pd.DataFrame:
    """The inputs as a table; ``says`` is what does not fit, or what is at fault."""
    rows = [
        (one.input, _joined(one.found, one.form), one.rows, _range(one), one.unreadable, _joined(*one.faults, one.fits))
        for one in inputs
    ]
    frame = pd.DataFrame(rows, columns=["input", "found", "rows", "range", "unreadable", "says"])
    return frame.astype({"rows": "Int64", "unreadable": "Int64"})


def input_lines(inputs: list[RunInput]) -> list[str]:
    """The inputs as lines of text, what is at fault below its input."""
    width, lines = max((len(one.input) for one in inputs), default=0), list[str]()
    for one in inputs:
        rows = "" if one.rows is None else f"{one.rows:,} rows"
        unreadable = f"{one.unreadable:,} unreadable" if one.unreadable else ""
        said = _joined(one.found, one.form, rows, _range(one), unreadable, one.fits)
        mark = "FAULT" if one.faults else "-" if one.found == NOT_SET else "look" if _odd(one) else "ok"
        lines += [f"{mark:<5}  {one.input:<{width}}  {said}"]
        lines += [f"       {line}" for line in one.faults]
    return lines


def _range(one: RunInput) -> str:
    return one.first if one.first == one.last else f"{one.first} to {one.last}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def needs_a_look(inputs: list[RunInput]) -> pd.Series:
    """Which inputs are at fault or do not fit: nothing of them is in another or is spelt otherwise, dates are odd."""
    return pd.Series([bool(one.faults) or _odd(one) for one in inputs], dtype=bool)


def _odd(one: RunInput) -> bool:
    return one.odd or NOTHING in one.fits or ALIKE in one.fits or bool(one.rows and one.unreadable)


def faults_of(inputs: list[RunInput]) -> list[str]:
    """What keeps a run from starting, each once."""
    return list(dict.fromkeys(line for one in inputs for line in one.faults))


# --- the source -------------------------------------------------------------------------------------------------------


def _source(workspace: Workspace, most: int) -> tuple[RunInput, SourceSample | None]:
    place = workspace.parameters.source
    if place == PULLED and not any(workspace.source.find() if workspace.source.reachable() else ()):
        return RunInput("source", "nothing is pulled yet: 00_acquire does that"), None
    if not workspace.source.reachable():
        return RunInput("source", "not there", faults=(source_missing(place),)), None
    sample = sample_source(workspace.source, most)
    found = f"{'more than ' * sample.more}{sample.files:,} files"
    if not sample.dicom:
        return RunInput("source", found, faults=(f"source: no DICOM file found in {place}",)), sample
    form = f"{sample.dicom:,} DICOM of {sample.opened:,} opened" if sample.opened else "DICOM"
    patients, accessions = sample.pairs["PatientID"], sample.pairs["AccessionNumber"]
    fits = (
        f"{patients[patients != ''].nunique():,} patients and {(accessions != '').sum():,} accessions in those opened"
    )
    return RunInput("source", found, form, None, *sample.years, sample.problems, fits), sample


def _not_there(workspace: Workspace, name: str) -> RunInput | None:
    """An input whose folder, or whose variable of the environment, is absent: said as the check of all folders does."""
    value: str = getattr(workspace.parameters, name)
    if value.startswith("env:"):
        there, says = bool(os.environ.get(value[4:])), f"environment variable {value[4:]} is not set"
    else:
        there, says = resolve(value).exists(), f"folder not found: {value}"
    return None if there else RunInput(name, "not there", faults=(f"{name}: {says}",))


# --- OMOP -------------------------------------------------------------------------------------------------------------


def _omop(workspace: Workspace) -> tuple[set[int] | None, list[RunInput]]:
    """Every table that is read, and the persons there are; ``None`` where they are not known."""
    if not workspace.parameters.omop:
        return None, [RunInput("omop", NOT_SET, fits=WITHOUT["omop"])]
    if absent := _not_there(workspace, "omop"):
        return None, [absent]
    try:
        opened = open_omop(workspace.parameters)
        there = opened.names()
    except InputError as error:
        return None, [RunInput("omop", "not readable", faults=error.lines)]
    except OSError as error:
        return None, [RunInput("omop", "not readable", faults=(f"omop: cannot be read ({error.strerror})",))]
    persons: set[int] | None = None
    made = []
    asked = dict.fromkeys((*NEEDED, *LINKED, *workspace.parameters.omop_tables))
    for table in asked:
        if table not in there:
            faults = (absent_line(opened, table),) if table in NEEDED else ()
            hint = "" if faults else opened.hint(table).lstrip("; ")
            if table != IMAGE_OCCURRENCE:  # which few sites have
                made.append(RunInput(f"omop {table}", "not there", fits=hint, faults=faults))
            continue
        state, read = _omop_table(workspace, opened, table, persons)
        made.append(state)
        if table == PERSON_TABLE and read is not None:
            persons = set(read["person_id"].dropna())
    return persons, made


def _omop_table(
    workspace: Workspace, opened: OmopTables, table: str, persons: set[int] | None
) -> tuple[RunInput, pd.DataFrame | None]:
    name, called = f"omop {table}", opened.names()[table]
    size = _size(opened, table)
    if table not in (*NEEDED, *LINKED) and size > LARGEST_READ:
        return RunInput(name, called, f"{size / 1e6:,.0f} MB, not read here"), None
    try:
        form, every = opened.form(table), read_omop(workspace, table, contradicting=True)
    except InputError as error:
        return RunInput(name, called, "not readable", faults=error.lines), None
    wrong = contradict(table, every)
    read = every[~wrong]
    faults = (empty_line(opened, table),) if table in NEEDED and read.empty else ()
    unreadable, fits = _fit(table, read, persons)
    told = f"{wrong.sum():,} rows contradict another's and are not read" if wrong.any() else ""
    left_out = opened.left_out(table)
    cut = f"{len(left_out):,} rows are not read, the first is row {min(left_out)}" if left_out else ""
    fits = ", ".join(filter(None, (fits, told, cut)))
    return RunInput(name, called, form, len(read), *_span(table, read), unreadable, fits, faults), read


def _size(opened: OmopTables, table: str) -> int:
    if not isinstance(opened, OmopFolder):
        return LARGEST_READ + 1
    path = opened.files[table]
    return sum(part.stat().st_size for part in ([path] if path.is_file() else path.iterdir()))


def _span(table: str, read: pd.DataFrame) -> tuple[str, str]:
    """First and last day of the first date of a table: as it is delivered, shifted."""
    fields = cdm_fields(table)
    for name in fields.loc[fields["type"] == "date", "column"]:
        days = pd.to_datetime(read[name].str[:10], format="%Y-%m-%d", errors="coerce").dropna()
        if len(days):
            return f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}"
    return "", ""


def _fit(table: str, read: pd.DataFrame, persons: set[int] | None) -> tuple[int, str]:
    """Dates that cannot be read, and whose rows a table has."""
    unreadable = sum(unreadable_dates(table, read).values())
    if persons is None or table == PERSON_TABLE or "person_id" not in read:
        return unreadable, ""
    owners = set(read["person_id"].dropna())
    return unreadable, _of("persons", len(owners & persons), len(owners), "in person")


# --- lookup tables ----------------------------------------------------------------------------------------------------


def _lookups(workspace: Workspace, sample: SourceSample | None, persons: set[int] | None) -> list[RunInput]:
    if not workspace.parameters.lookup:
        return [RunInput("lookup", NOT_SET, fits=WITHOUT["lookup"])]
    if absent := _not_there(workspace, "lookup"):
        return [absent]
    made: list[RunInput] = []
    for table in (tables.PERSON_MAP, tables.IMAGE_MAP):
        try:
            path = find_table(workspace.parameters.lookup_path, table)
            made.append(RunInput(f"lookup {table.name}", path.name, _lookup_form(path)))
        except InputError as error:
            made.append(RunInput(f"lookup {table.name}", "not there", faults=error.lines))
    there = [not one.faults for one in made]
    if not any(there):
        return made
    try:
        lookups = read_lookups(workspace, begun=not all(there))
    except WorkbenchError as error:
        new = [line for line in error.lines if line not in faults_of(made)]
        faults = [tuple(line for line in new if line.startswith(one.found)) for one in made]
        others = tuple(line for line in new if not line.startswith(tuple(one.found for one in made)))
        return [one._replace(faults=one.faults + mine + others) for one, mine in zip(made, faults, strict=True)]
    pairs = sample.pairs if sample else pd.DataFrame(columns=PAIR, dtype=str)
    counted = (
        (len(lookups.persons), _persons_fit(lookups, pairs, persons)),
        (len(lookups.images), _images_fit(lookups, pairs, alone=not there[0])),
    )
    return [
        one._replace(rows=rows, fits=fits) if read else one
        for one, read, (rows, fits) in zip(made, there, counted, strict=True)
    ]


def _lookup_form(path: Path) -> str:
    try:
        return f"CSV, {SEPARATOR_NAMES[table_form(path)[1]]}"
    except InputError:
        return ""


def _persons_fit(lookups: Lookups, pairs: pd.DataFrame, persons: set[int] | None) -> str:
    known = set(lookups.persons["PatientID"])
    seen = {patient for patient in pairs["PatientID"] if patient}
    said = [_of("patients of the files opened", len(seen & known), len(seen), "mapped") + _alike(seen - known, known)]
    if persons is not None:
        own = set(lookups.persons["person_id"])
        said.append(_of("person_id", len(own & persons), len(own), "in OMOP's person"))
    return _joined(*said)


def _images_fit(lookups: Lookups, pairs: pd.DataFrame, *, alone: bool) -> str:
    known = set(zip(lookups.images["PatientID"], lookups.images["AccessionNumber"], strict=True))
    seen = {(row.PatientID, row.AccessionNumber) for row in pairs.itertuples() if row.AccessionNumber}
    numbers = {accession for _, accession in known}
    others = {accession for _, accession in seen - known} - numbers
    owners, mapped = {patient for patient, _ in known}, set(lookups.persons["PatientID"])
    said = _of("accessions of the files opened", len(seen & known), len(seen), "mapped") + _alike(others, numbers)
    own = _of("patients", len(owners & mapped), len(owners), "in Personal_map") + _alike(owners - mapped, mapped)
    return _joined(said, "" if alone else own)


def _alike(strangers: set[str], known: set[str]) -> str:
    """The hint on what a spreadsheet does to identifiers."""
    loose = {loosely(one) for one in known} - {""}
    count = sum(loosely(one) in loose for one in strangers)
    return f" ({count:,} {ALIKE}: spell them alike)" if count else ""


def _of(what: str, count: int, total: int, where: str) -> str:
    return f"{what}: {f'{count:,}' if count else NOTHING} of {total:,} {where}" if total else ""


# --- policy, decisions, key, disk, cluster ----------------------------------------------------------------------------


def _cohort(workspace: Workspace) -> list[RunInput]:
    """What is to be released, where a cohort says so; what it names in vain once the source was scanned."""
    try:
        cohort = read_cohort(workspace)
    except InputError as error:
        return [RunInput("cohort", "cannot be read", faults=error.lines)]
    if cohort is None:
        return []
    vain = ""
    if workspace.has(tables.CATALOG):
        catalog = workspace.read(tables.CATALOG, sorted(COHORT_COLUMNS.values()), compact=True)
        vain = f"{naming_nothing(cohort, catalog):,} rows name nothing in the source"
    return [RunInput("cohort", "CSV", rows=len(cohort), fits=vain)]


def _policy(workspace: Workspace) -> RunInput:
    parameters = workspace.parameters
    own = parameters.policy_name == SCRIPT
    found = resolve(parameters.policy).name if own else parameters.policy
    if own and not resolve(parameters.policy).is_file():
        return RunInput("policy", "not there")  # the folders' own check says so
    rules, faults = _tried(lambda: rule_set(parameters))
    warned = tuple(getattr(rules, "warnings", ()))
    return RunInput("policy", found, SCRIPT if own else "built in", fits="; ".join(warned[:3]), faults=faults)


def _decided(workspace: Workspace) -> Iterator[RunInput]:
    """Every list of decisions that is there, words and labels that a site keeps among them."""
    nothing = True
    for log in LOGS:
        path = workspace.path(log.table)
        if path.is_file():
            nothing = False
            rows, faults = _tried(lambda log=log: log.history(workspace))  # type: ignore[misc]
            days = sorted(rows["time"].str[:10]) if rows is not None and len(rows) else [""]
            count = None if rows is None else len(rows)
            yield RunInput(f"decisions {log.table.name}", path.name, "CSV", count, days[0], days[-1], faults=faults)
    if workspace.has(concepts := tables.PROCEDURE_CONCEPTS):
        nothing = False
        rows, faults = _tried(lambda: workspace.read(concepts))
        count = None if rows is None else len(rows)
        yield RunInput(f"decisions {concepts.name}", workspace.path(concepts).name, "CSV", count, faults=faults)
    labels = workspace.decisions / LABELS
    if labels.is_file():
        nothing = False
        count = sum(bool(line.strip()) for line in labels.read_bytes().splitlines())
        yield RunInput("decisions", labels.name, "a label a line", count)
    if nothing:
        yield RunInput("decisions", "none yet")


def _key(workspace: Workspace) -> RunInput:
    anew = not (workspace.fingerprints() or workspace.was_used())
    if not workspace.key_path.exists() and (anew or workspace.parameters.key_file):
        return RunInput("key", "not there" if workspace.parameters.key_file else "will be made under local/")
    _, faults = _tried(workspace.key)
    return RunInput("key", workspace.key_path.name, faults=faults)


def _room(workspace: Workspace) -> RunInput:
    """What stands in the workspace already, and the space that is left on its disk."""
    there = next(folder for folder in (workspace.local, workspace.root, *workspace.root.parents) if folder.exists())
    free = f"{shutil.disk_usage(there).free / 1e9:,.1f} GB free"
    faults = () if os.access(there, os.W_OK | os.X_OK) else ("workspace: cannot be written",)
    return RunInput("workspace", "there" if there == workspace.local else "will be made", free, faults=faults)


def _cluster(workspace: Workspace) -> list[RunInput]:
    if not workspace.parameters.scheduler:
        return []
    _, faults = _tried(lambda: dask.check_cluster(workspace.parameters))
    return [RunInput("scheduler", "not fit" if faults else "answers", faults=faults)]


def _tried(look: Callable[[], Any]) -> tuple[Any, tuple[str, ...]]:
    try:
        return look(), ()
    except WorkbenchError as error:
        return None, error.lines
