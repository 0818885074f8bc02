"""What 01 says of its inputs and 02 of one header of each modality, made again by DuckDB and pydicom alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pydicom
from pydicom.dataset import Dataset

SHOWN = 40  # rows of a header that the page shows
SOON_OTHER = ("key", "workspace")  # what is said of them was so before the run
DATED = {"visit_occurrence": "visit_start_date", "procedure_occurrence": "procedure_date"}


def inputs_said(connection: duckdb.DuckDBPyConnection) -> list[list[str]]:
    """A row for each input, but for those that the run itself changes."""

    def one(query: str) -> list[str]:
        [row] = connection.execute(f"select {query}").fetchall()
        return [str(cell) for cell in row]

    def n(query: str) -> str:
        return one(query)[0]

    def mapped(what: str, known: str, of: str, where: str) -> str:
        inside, total = one(f"count(*) filter (x in ({known})), count(*) from (select distinct {of})")
        return f"{what}: {inside} of {total} {where}"

    dicom = "from catalog where status = 'dicom'"
    first, last = one(f"left(min(acquired), 4), left(max(acquired), 4) {dicom} and acquired <> ''")
    patient, accession = "trim(PatientID)", "trim(AccessionNumber)"
    pair = f"({patient}, {accession})"
    unread = n("count(*) from catalog where status = 'unreadable'")
    opened = n("count(*) from catalog where status <> 'unreadable'")
    seen = (
        f"{n(f'count(distinct {patient}) {dicom} and {patient} <> {chr(39) * 2}')} patients and "
        f"{n(f'count(distinct {pair}) {dicom} and {accession} <> {chr(39) * 2}')} accessions in those opened"
    )
    form = f"{n('count(*) from catalog')} files; {n(f'count(*) {dicom}')} DICOM of {opened} opened"
    rows = [["source", form, "", f"{first} to {last}", unread, seen]]
    for table in ("person", *DATED):
        days, fits = "", ""
        if table in DATED:
            low, high = one(f"min({DATED[table]}), max({DATED[table]}) from omop_{table}")
            days = f"{low} to {high}"
            fits = mapped("persons", "select person_id from omop_person", f"person_id x from omop_{table}", "in person")
        found = f"{table}.csv; CSV, commas, UTF-8"
        rows.append([f"omop {table}", found, n(f"count(*) from omop_{table}"), days, "0", fits])
    people, images = "select PatientID from Personal_map", "select (PatientID, AccessionNumber) from Image_map"
    says = {
        "Personal_map": (
            mapped("patients of the files opened", people, f"{patient} x {dicom} and x <> ''", "mapped"),
            mapped(
                "person_id", "select person_id from omop_person", "person_id x from Personal_map", "in OMOP's person"
            ),
        ),
        "Image_map": (
            mapped("accessions of the files opened", images, f"{pair} x {dicom} and {accession} <> ''", "mapped"),
            mapped("patients", people, "PatientID x from Image_map", "in Personal_map"),
        ),
    }
    for table, said in says.items():
        rows.append(
            [f"lookup {table}", f"{table}.csv; CSV, commas", n(f"count(*) from {table}"), "", "", "; ".join(said)]
        )
    rows += [["policy", "chorus; built in", "", "", "", ""], ["decisions", "none yet", "", "", "", ""]]
    return sorted(rows)


def headers_said(connection: duckdb.DuckDBPyConnection, source: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Of each modality the caption and the first rows: tag, before and after of each element that changes.

    Which elements are there, and in which order, the file says; what becomes of each, the examples of the tag plan.
    """
    shown = connection.execute(
        """select catalog.Modality, min_by((source_path, SOPClassUID), source_path)
        from catalog
        join worklist using (source_path) where catalog.status = 'dicom' and catalog.reason = '' and has_pixels
        and person_id is not null
        and image_occurrence_id is not null and worklist.reason not in ('kind_not_released', 'already_deidentified')
        group by 1 order by 1"""
    ).fetchall()
    for modality, (path, sop_class) in shown:
        plan = connection.execute(
            "select path, tag, private_creator, example_before, example_after from tag_plan where sop_class = ?",
            [sop_class],
        ).fetchall()
        examples = {tuple(cell or "" for cell in row[:3]): tuple(map(told, row[3:])) for row in plan}
        places = dict.fromkeys(places_of(pydicom.dcmread(source / path, force=True)))
        rows = [[place[1], *examples[place]] for place in places]
        changed = [row for row in rows if row[1] != row[2]]
        caption = f"One {modality} image: {len(changed)} elements change, {len(rows) - len(changed)} do not"
        yield caption, changed[:SHOWN]


def told(cell: str | None) -> str:
    """A cell of the plan, without the mark that keeps a spreadsheet from computing it."""
    text = cell or ""
    return text[1:] if text.startswith("'") and text[1:2] in "=+-@" else text


def places_of(dataset: Dataset, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """Path, tag and private creator of each element, as the plan names them, those of sequences after it."""
    for element in dataset:
        group, low = element.tag.group, element.tag.element
        if group >= 0x7FE0 and not path:
            return  # from the pixels on 02 reads nothing
        tag, creator = f"({group:04X},{low:04X})", ""
        if element.tag.is_private_creator:
            tag, creator = f"({group:04X},00xx)", str(element.value)
        elif element.tag.is_private and low > 0xFF:
            block = dataset.get((group, low >> 8))
            tag, creator = f"({group:04X},xx{low & 0xFF:02X})", str(block.value) if block else ""
        yield ".".join(path), tag, creator
        step = f"{group:04X}[{creator}]{low & 0xFF:02X}" if creator else element.keyword
        for item in element.value if element.VR == "SQ" else ():
            yield from places_of(item, (*path, step))
