"""What a worker makes of a batch of files: a part of the catalog and a part of the tag profile, from one reading.

A part is three Parquet files named by what it was made from, so that a later scan takes it as it is while its files
are unchanged, and a killed scan loses only the batches under way. The catalog's file is written last: it is the seal.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from pydicom import datadict

from chorus_nb import tables
from chorus_nb.dicom.charsets import Charset, declared_charset
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.dicom.survey import Header, NotDicom
from chorus_nb.explore import values
from chorus_nb.explore.tally import Tally
from chorus_nb.source import BEGINNING, Source, SourceFile, is_archive
from chorus_nb.standards import modality_code
from chorus_nb.workspace import replacing

ASKED_AGAIN = ("truncated", "structure_refused")  # faults of the file for which it is set aside
LARGEST_ASKED = 1 << 30  # bytes of a file that is read whole for its reason
END_OF_ZIP, LARGEST_END_OF_ZIP = b"PK\x05\x06", 22 + 0xFFFF  # APPNOTE 4.3.16: the last record, its comment behind it
VALUES_IN_MEMORY = 400_000  # distinct values held in memory; then the part is closed and the next begun

CATALOG_TAGS: dict[int, str] = {
    tag: name for name in tables.CATALOG.keywords if (tag := datadict.tag_for_keyword(name)) is not None
}
# Attributes the catalog also takes from a sequence when the root lacks them: multi-frame objects keep them there.
BORROWED = ("SharedFunctionalGroupsSequence", "RadiopharmaceuticalInformationSequence")
IN_PATHS = {
    0x00100020: "PatientID",
    0x00080050: "AccessionNumber",
    0x00100010: "PatientName",
    0x00100030: "PatientBirthDate",
}
US_REGIONS = 0x00186011
OF_FRAMES, POSITION = "PerFrameFunctionalGroupsSequence.PlanePositionSequence", 0x00200032

EMPTY_ROW: dict[str, Any] = {
    column.name: {"text": "", "integer": 0, "truth": False}[column.kind] for column in tables.CATALOG.columns
}


class Batch(NamedTuple):
    """Files that one worker reads in one go, and where it writes their parts."""

    source: Source
    folder: Path
    zone: ZoneInfo
    files: tuple[SourceFile, ...]


def read_batch(batch: Batch) -> int:
    """Read every file of the batch and write its parts; returns how many files. No file makes it fail."""
    rows: list[dict[str, Any]] = []
    tally = Tally()
    for number, file in enumerate(batch.files, 1):
        header, reason = read_file(batch.source, file)
        detail = ""
        if reason in ASKED_AGAIN:
            reason, detail = _asked_strictly(batch.source, file, reason)
        rows.append(_catalog_row(file, header, reason, batch.zone) | {"detail": detail})
        if header is not None:
            tally.add(header, rows[-1]["Modality"], rows[-1]["SOPClassUID"])
        if number == len(batch.files) or (number % 32 == 0 and tally.held > VALUES_IN_MEMORY):
            write_survey_part(batch.folder, rows, tally)
            rows, tally = [], Tally()
    return len(batch.files)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_file(source: Source, file: SourceFile) -> tuple[Header | None, str]:
    """The header of a file and what is wrong with it ('' = nothing); no header if it is none."""
    if file.problem:
        return None, file.problem
    try:
        with source.open(file.source_path) as opened:
            try:
                header = Header(opened, file.size, ends_asked=not source.by_request)
            except NotDicom:
                opened.seek(0)
                packed = is_archive(opened.read(BEGINNING)) or _unpacks_itself(opened, file)
                return None, "archive_not_opened" if packed else "not_dicom"
        if not header.elements or header.elements[-1][0][1] >> 16 <= 2:
            return None, header.fault
        return header, header.fault
    except Refused as refused:
        return None, refused.reason
    except (RecursionError, MemoryError):
        return None, "structure_refused"
    except OSError:
        source.require_reachable()
        return None, "unreadable"
    except Exception:  # a fault of ours: that one file waits for a person, the others go on
        return None, "structure_damaged"


def _unpacks_itself(opened: BinaryIO, file: SourceFile) -> bool:
    """Whether a zip archive stands behind something else, as in the program that many a patient's CD holds."""
    if not file.source_path.lower().endswith((".zip", ".exe")):
        return False
    opened.seek(max(0, file.size - LARGEST_END_OF_ZIP))
    return END_OF_ZIP in opened.read(LARGEST_END_OF_ZIP)


def _asked_strictly(source: Source, file: SourceFile, reason: str) -> tuple[str, str]:
    """The reason and the detail that the strict reader gives, which reads the whole file and never guesses."""
    if file.size > LARGEST_ASKED:
        return reason, ""
    try:
        take_apart(source.range(file.source_path, 0, file.size))
    except Refused as refused:
        return refused.reason, refused.detail
    except (OSError, MemoryError, RecursionError):
        return reason, ""
    return "", ""


# --- the catalog's row ------------------------------------------------------------------------------------------------


def _catalog_row(file: SourceFile, header: Header | None, reason: str, zone: ZoneInfo) -> dict[str, Any]:
    row = EMPTY_ROW | {"source_path": file.source_path, "size": file.size, "modified_ns": file.modified_ns}
    row["reason"] = reason
    row["status"] = "dicom" if header else "not_dicom" if reason == "not_dicom" else "unreadable"
    if header is None:
        return row
    found = {tag: (value, vr) for (_, tag, creator, vr), value, _ in header.elements if not creator}
    codecs = declared_charset(values.text_of(*found.get(0x00080005, (b"", "CS"))))
    for tag, keyword in CATALOG_TAGS.items():
        if tag in found:
            row[keyword] = values.text_of(*found[tag], codecs)
    for (path, tag, creator, vr), held in header.nested.items():
        keyword = CATALOG_TAGS.get(tag, "")
        if keyword and not creator and not row[keyword] and held and path.startswith(BORROWED):
            row[keyword] = values.text_of(next(iter(held)), vr, codecs)
    row |= {
        "Modality": modality_code(row["Modality"]),
        "TransferSyntaxUID": header.transfer_syntax,
        "MediaStorageSOPClassUID": values.text_of(*found.get(0x00020002, (b"", "UI"))),
        "has_preamble": header.has_preamble,
        "has_pixels": header.has_pixels,
        "pixel_bytes": header.pixel_bytes,
        "private_elements": header.private_elements,
        "sequences": header.sequences,
        "us_regions": header.items.get(US_REGIONS, 0),
        "overlay_groups": len({tag >> 16 for tag in found if tag >> 24 == 0x60}),
        "frame_places": len(header.nested.get((OF_FRAMES, POSITION, "", "DS"), ())),
        "procedure_codes": "\\".join(
            f"{values.text_of(scheme, 'SH')}:{values.text_of(code, 'SH')}"
            for scheme, code in header.procedure_codes
            if code
        ),
        "identifiers_in_path": _identifiers_in_path(file.source_path, found, codecs),
    }
    row["acquired"], row["acquired_from"] = values.acquired(row, zone)
    return row


def _identifiers_in_path(source_path: str, found: dict[int, tuple[bytes, str]], codecs: Charset) -> str:
    """The attributes whose value (or, of a name, its family or given part) stands in the path."""
    path, hits = source_path.casefold(), []
    for tag, keyword in IN_PATHS.items():
        value, vr = found.get(tag, (b"", "LO"))
        text = values.text_of(value, vr, codecs).casefold()
        parts = text.replace("=", "^").split("^")[:2] if keyword == "PatientName" else [text]
        if any(len(part) >= 4 and part in path for part in parts):
            hits.append(keyword)
    return "\\".join(hits)


def write_survey_part(folder: Path, rows: list[dict[str, Any]], tally: Tally) -> None:
    listing = "".join(f"{row['source_path']}\0{row['size']}\0{row['modified_ns']}\n" for row in rows)
    name = blake3(listing.encode()).hexdigest(16)
    tags, distinct = tally.tables()
    catalog = pa.Table.from_pylist(rows, tables.CATALOG.schema)
    for suffix, table in (("tags", tags), ("values", distinct), ("catalog", catalog)):
        with replacing(folder / f"{name}.{suffix}.parquet", durable=False) as temporary:
            pq.write_table(table, temporary, compression="zstd")


def batches(files: Iterator[SourceFile], size: int, source: Source, folder: Path, zone: ZoneInfo) -> Iterator[Batch]:
    """``files`` cut into batches of ``size``."""
    while held := tuple(islice(files, size)):
        yield Batch(source, folder, zone, held)
