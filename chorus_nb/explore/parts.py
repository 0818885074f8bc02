"""What a worker makes of a batch of files: a part of the catalog and a part of the tag profile, from one reading.

A part is three Parquet files named by what it was made from, so that a later scan takes it as it is while its files
are unchanged, and a killed scan loses only the batches under way. The catalog's file is written last: it is the seal.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from pydicom import datadict

from chorus_nb import sources, tables
from chorus_nb.explore import values
from chorus_nb.explore.headers import Header, Key, NotDicom, Refused
from chorus_nb.workspace import replacing

MOST_VALUES = 400_000  # distinct values held in memory; then the part is closed and the next begun
EXAMPLES = 3

CATALOG_TAGS: dict[int, str] = {
    tag: name for name in tables.CATALOG_KEYWORDS if (tag := datadict.tag_for_keyword(name)) is not None
}
# Attributes the catalog also takes from a sequence when the root lacks them: multi-frame objects keep them there.
BORROWED = ("SharedFunctionalGroupsSequence", "RadiopharmaceuticalInformationSequence")
IN_PATHS = ((0x00100020, "PatientID"), (0x00080050, "AccessionNumber"), (0x00100010, "PatientName"))
IN_PATHS += ((0x00100030, "PatientBirthDate"),)
US_REGIONS = 0x00186011

TAGS = pa.schema(
    [("key", pa.int64())]
    + [(name, pa.string()) for name in ("modality", "sop_class", "path")]
    + [("tag", pa.int64()), ("private_creator", pa.string()), ("vr", pa.string())]
    + [(name, pa.int64()) for name in ("files", "empty", "shortest", "longest")]
    + [("low", pa.float64()), ("high", pa.float64()), ("first", pa.string()), ("last", pa.string())]
)
VALUES = pa.schema([("key", pa.int64()), ("value", pa.int64()), ("invalid", pa.bool_()), ("example", pa.string())])


class Batch(NamedTuple):
    """Files that one worker reads in one go, and where it writes their parts."""

    root: Path
    folder: Path
    zone: ZoneInfo
    files: tuple[sources.SourceFile, ...]


@dataclass(slots=True)
class _Tag:
    """A tag in files of one modality and SOP class; values by their bytes, with their length."""

    files: int = 0
    empty: int = 0
    values: dict[bytes, int] = field(default_factory=dict)


Profile = dict[tuple[str, str], dict[Key, _Tag]]


def read_batch(batch: Batch) -> int:
    """Read every file of the batch and write its parts; returns how many files. No file makes it fail."""
    rows: list[dict[str, Any]] = []
    profile: Profile = {}
    with contextlib.ExitStack() as stack:
        archives: dict[Path, zipfile.ZipFile] = {}
        for number, file in enumerate(batch.files, 1):
            header, reason = _read(batch.root, file, archives, stack)
            rows.append(_row(file, header, reason, batch.zone))
            if header is not None:
                _survey(header, profile.setdefault((rows[-1]["Modality"], rows[-1]["SOPClassUID"]), {}))
            if number == len(batch.files) or _held(profile) > MOST_VALUES:
                _write(batch.folder, rows, profile)
                rows, profile = [], {}
    return len(batch.files)


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(
    root: Path, file: sources.SourceFile, archives: dict[Path, zipfile.ZipFile], stack: contextlib.ExitStack
) -> tuple[Header | None, str]:
    """The header of a file and what is wrong with it ('' = nothing); no header if it is none."""
    if file.problem:
        return None, file.problem
    try:
        with _open(root, file, archives, stack) as opened:
            header = Header(opened, file.size)
        if not any(tag >> 16 > 2 for tag, *_ in header.elements):
            return None, header.fault or "structure_damaged"
        return header, header.fault
    except NotDicom:
        return None, "not_dicom"
    except (Refused, RecursionError, MemoryError):
        return None, "structure_refused"
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, NotImplementedError, EOFError):
        return None, "unreadable"
    except Exception:  # a fault of ours: that one file waits for a person, the others go on
        return None, "structure_damaged"


def _open(
    root: Path, file: sources.SourceFile, archives: dict[Path, zipfile.ZipFile], stack: contextlib.ExitStack
) -> BinaryIO:
    path, member = sources.split(root, file.source_path)
    if not member:
        return io.FileIO(path)  # type: ignore[return-value]
    if path not in archives:
        archives[path] = stack.enter_context(zipfile.ZipFile(path))
    return archives[path].open(member)  # type: ignore[return-value]


# --- the catalog's row ------------------------------------------------------------------------------------------------


def _row(file: sources.SourceFile, header: Header | None, reason: str, zone: ZoneInfo) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(tables.CATALOG.column_names, "")
    row |= {"source_path": file.source_path, "size": file.size, "modified_ns": file.modified_ns, "reason": reason}
    row["status"] = "dicom" if header else "not_dicom" if reason == "not_dicom" else "unreadable"
    row |= dict.fromkeys(("pixel_bytes", "private_elements", "sequences", "us_regions", "overlay_groups"), 0)
    row |= {"has_preamble": False, "has_pixels": False}
    if header is None:
        return row
    found = {tag: (value, vr) for tag, creator, vr, value, _ in header.elements if not creator}
    codecs = values.encodings(values.text(*found.get(0x00080005, (b"", "CS"))))
    for tag, keyword in CATALOG_TAGS.items():
        if tag in found:
            row[keyword] = values.text(*found[tag], codecs)
    for (path, tag, creator, vr), held in header.nested.items():
        keyword = CATALOG_TAGS.get(tag, "")
        if keyword and not creator and not row[keyword] and held and path.startswith(BORROWED):
            row[keyword] = values.text(next(iter(held)), vr, codecs)
    row |= {
        "TransferSyntaxUID": header.transfer_syntax,
        "MediaStorageSOPClassUID": values.text(*found.get(0x00020002, (b"", "UI"))),
        "has_preamble": header.has_preamble,
        "has_pixels": header.has_pixels,
        "pixel_bytes": header.pixel_bytes,
        "private_elements": header.private_elements,
        "sequences": header.sequences,
        "us_regions": header.items.get(US_REGIONS, 0),
        "overlay_groups": len({tag >> 16 for tag in found if tag >> 24 == 0x60}),
        "procedure_codes": "\\".join(
            f"{values.text(scheme, 'SH')}:{values.text(code, 'SH')}" for scheme, code in header.procedure_codes if code
        ),
        "identifiers_in_path": _identifiers_in_path(file.source_path, found),
    }
    row["acquired"], row["acquired_from"] = values.acquired(row, zone)
    return row


def _identifiers_in_path(source_path: str, found: dict[int, tuple[bytes, str]]) -> str:
    """The attributes whose value (or, of a name, its family or given part) stands in the path."""
    path, hits = source_path.casefold(), []
    for tag, keyword in IN_PATHS:
        value, vr = found.get(tag, (b"", "LO"))
        text = values.text(value, vr).casefold()
        parts = text.replace("=", "^").split("^")[:2] if keyword == "PatientName" else [text]
        if any(len(part) >= 4 and part in path for part in parts):
            hits.append(keyword)
    return "\\".join(hits)


# --- the profile ------------------------------------------------------------------------------------------------------


def _survey(header: Header, profile: dict[Key, _Tag]) -> None:
    """Add one file to the profile of its kind."""
    seen = set()
    for tag, creator, vr, value, length in header.elements:
        key = ("", tag, creator, vr)
        entry = profile.get(key)
        if entry is None:
            entry = profile[key] = _Tag()
        if key in seen:
            continue
        seen.add(key)
        entry.files += 1
        entry.values[value] = length
        if not length:
            entry.empty += 1
    for key, held in header.nested.items():
        entry = profile.get(key)
        if entry is None:
            entry = profile[key] = _Tag()
        entry.files += 1
        entry.values.update(held)
        if not any(held.values()):
            entry.empty += 1


def _held(profile: Profile) -> int:
    return sum(len(entry.values) for kind in profile.values() for entry in kind.values())


def _write(folder: Path, rows: Sequence[dict[str, Any]], profile: Profile) -> None:
    listing = "".join(f"{row['source_path']}\0{row['size']}\0{row['modified_ns']}\n" for row in rows)
    name = blake3(listing.encode("utf-8", "surrogatepass")).hexdigest(16)
    tag_rows, value_columns = [], {column: [] for column in VALUES.names}
    for (modality, sop_class), kind in profile.items():
        for key, entry in kind.items():
            number = _number("\0".join((modality, sop_class, *map(str, key))).encode())
            tag_rows.append(_summary(number, modality, sop_class, key, entry, value_columns))
    for suffix, table in (
        ("tags", pa.Table.from_pylist(tag_rows, TAGS)),
        ("values", pa.Table.from_pydict(value_columns, VALUES)),
        ("catalog", pa.Table.from_pylist(list(rows), tables.CATALOG.schema)),
    ):
        with replacing(folder / f"{name}.{suffix}.parquet", durable=False) as temporary:
            pq.write_table(table, temporary, compression="zstd")


def _summary(
    number: int, modality: str, sop_class: str, key: Key, entry: _Tag, columns: dict[str, list[Any]]
) -> dict[str, Any]:
    """The tag's row of this part; its distinct values are appended to ``columns``."""
    path, tag, creator, vr = key
    valued = {value: length for value, length in entry.values.items() if length}
    hashed = sorted((_number(value), value, length) for value, length in valued.items())
    for rank, (value_number, value, length) in enumerate(hashed):
        columns["key"].append(number)
        columns["value"].append(value_number)
        columns["invalid"].append(not values.keeps_its_vr(value, vr, length))
        # the values with the lowest hashes: the same ones however the files fall into parts
        columns["example"].append(values.example(value, vr, length) if rank < EXAMPLES and vr != "SQ" else None)
    low_high = [number for value in valued for number in values.numbers(value, vr)]
    days = [day for value in valued if (day := values.text(value, vr))[:8].isdigit()] if vr in ("DA", "DT") else []
    return {
        "key": number,
        "modality": modality,
        "sop_class": sop_class,
        "path": path,
        "tag": tag,
        "private_creator": creator,
        "vr": vr,
        "files": entry.files,
        "empty": entry.empty,
        "shortest": min(entry.values.values(), default=0),
        "longest": max((length for length in entry.values.values()), default=0),
        "low": min(low_high, default=None),
        "high": max(low_high, default=None),
        "first": min(days, default=""),
        "last": max(days, default=""),
    }


def _number(content: bytes) -> int:
    """64 bits of a digest as a signed integer, the same in every process."""
    return int.from_bytes(blake3(content).digest(8), "little", signed=True)


def batches(
    files: Iterator[sources.SourceFile], size: int, root: Path, folder: Path, zone: ZoneInfo
) -> Iterator[Batch]:
    """``files`` cut into batches of ``size``."""
    held: list[sources.SourceFile] = []
    for file in files:
        held.append(file)
        if len(held) == size:
            yield Batch(root, folder, zone, tuple(held))
            held = []
    if held:
        yield Batch(root, folder, zone, tuple(held))
