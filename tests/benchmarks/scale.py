"""Tables of a site of so many files, made up, through what 01, 03, 05 and 06 do with them: ``scale.py ROWS [STEP …]``.

No image is made. Each step runs in a process of its own; printed are CPU seconds, the peak of memory and both by row.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import deid, explore, layout, metadata, registry, seal, tables
from chorus_nb.explore import summary
from chorus_nb.metadata import headers
from chorus_nb.parameters import Parameters
from chorus_nb.processes.programs import scratch
from chorus_nb.processes.queries import asking, in_bounded_memory, told
from chorus_nb.registry import database, image_registry
from chorus_nb.release import manifest
from chorus_nb.workspace import Workspace

SERIES, STUDY, PERSON = 200, 800, 2400  # files in one
NOTHING = {"text": "''", "integer": "0", "number": "0", "truth": "false"}
TARGET = f"(i // {PERSON} + 1001) || '/Images/CT/' || (i // {STUDY} + 501) || '/2.25.' || i // {SERIES} || '/' || i"
UIDS = {
    "SOPInstanceUID": "'2.25.1234567890123456789012345' || i",
    "SeriesInstanceUID": f"'2.25.2234567890123456789012345' || i // {SERIES}",
    "StudyInstanceUID": f"'2.25.3234567890123456789012345' || i // {STUDY}",
    "Modality": "'CT'",
    "Rows": "'512'",
    "Columns": "'512'",
}
SOURCE = f"'study' || i // {STUDY} || '/series' || i // {SERIES} || '/IM' || i"
DIGEST = "sha256(i::TEXT)"
MADE: dict[str, dict[str, str]] = {
    "catalog": {
        **UIDS,
        "SOPClassUID": "'1.2.840.10008.5.1.4.1.1.2'",
        "source_path": SOURCE,
        "status": "'dicom'",
        "size": "526000 + i % 100",
        "PatientID": f"'MRN' || i // {PERSON}",
        "AccessionNumber": f"'ACC' || i // {STUDY}",
        "StudyDate": "'20240105'",
        "acquired": "'2024-01-05 10:15:30'",
        "has_pixels": "true",
        "Manufacturer": f"'MAKER' || i // {SERIES} % 7",
        "InstanceNumber": f"(i % {SERIES})::TEXT",
    },
    "outcomes": {
        "source_path": SOURCE,
        "status": "'released'",
        "target_path": f"{TARGET} || '.dcm'",
        "modality": "'CT'",
        **dict.fromkeys(("source_digest", "target_digest", "pixel_digest_before", "pixel_digest_after"), DIGEST),
    },
    "worklist": {
        "source_path": SOURCE,
        "status": "'release'",
        "target_path": f"{TARGET} || '.dcm'",
        "person_id": f"i // {PERSON} + 1001",
        "days_shifted": "-100",
        "image_occurrence_id": f"i // {STUDY} + 501",
        "fingerprint": DIGEST,
    },
    "released_headers": {
        **UIDS,
        "target_path": f"{TARGET} || '.dcm'",
        "target_digest": DIGEST,
        "size": "526000",
        "PatientID": f"(i // {PERSON} + 1001)::TEXT",
        "AccessionNumber": f"(i // {STUDY} + 501)::TEXT",
    },
}


def make(workspace: Workspace, count: int) -> None:
    """The tables of ``count`` files, and the lookup tables."""
    with duckdb.connect() as connection:
        for name, made in MADE.items():
            table = getattr(tables, name.upper())
            columns = ", ".join(f"{made.get(c.name, NOTHING[c.kind])} AS {c.name}" for c in table.columns)
            asked = connection.sql(f"SELECT {columns} FROM range({count}) AS made(i)")
            with pq.ParquetWriter(workspace.path(table), table.schema, compression="zstd") as writer:
                for batch in asked.to_arrow_reader(100_000):
                    writer.write_table(tables.fitted(table, pa.Table.from_batches([batch])))
        read = headers.HEADERS_RECIPE.key(None).encode()
        workspace.path(tables.RELEASED_HEADERS).with_suffix(".key").write_bytes(read)
        workspace.write(tables.TAG_PROFILE, tables.empty(tables.TAG_PROFILE))
        folder = workspace.root / "lookup"
        for needed in (folder, workspace.root / "omop", workspace.root / "dicom"):
            needed.mkdir()
        persons = f"""SELECT 'MRN' || i AS "PatientID", i + 1001 AS person_id, -100 AS "Days_Shifted"
            FROM range({count} // {PERSON} + 1) AS made(i)"""
        images = f"""SELECT 'MRN' || i * {STUDY} // {PERSON} AS "PatientID", 'ACC' || i AS "AccessionNumber",
            i + 501 AS image_occurence_id FROM range({count} // {STUDY} + 1) AS made(i)"""
        connection.sql(persons).write_csv(str(folder / "Personal_map.csv"), header=True)
        connection.sql(images).write_csv(str(folder / "Image_map.csv"), header=True)


def of_query(connection: duckdb.DuckDBPyConnection, asked: str) -> Iterator[str]:
    """The texts of an answer of one column."""
    return (text for (text,) in told(connection, asked))


def sealed(workspace: Workspace, count: int) -> None:
    """Checksums as read, seal and manifest of files that are not there."""
    digests = ", ".join(f"{DIGEST} AS {name}" for name in ("md5", "sha256", "blake3"))
    listed = f"SELECT {TARGET} || '.dcm' AS path, 526000 AS size, {digests} FROM range({count}) AS made(i)"
    state = SimpleNamespace(st_size=526000, st_mode=stat.S_IFREG | 0o644)
    with (
        scratch() as folder,
        in_bounded_memory() as connection,
        patch.object(
            layout,
            "standing",
            lambda _: ((path, state, "") for path in of_query(connection, f"SELECT path FROM ({listed})")),
        ),
    ):
        file = Path(folder) / "measured.parquet"
        connection.sql(listed).write_parquet(str(file))
        seal.seal_release(workspace, seal.Known(file))
        seal.require_seal(workspace, seal.Known(file))
        manifest.write_manifest(workspace, manifest.Measured(file), Path(folder) / "manifest.csv")


def registered(workspace: Workspace) -> None:
    """Rows of the registry, its database and its CSV."""
    asked = tables.OUTCOMES, tables.WORKLIST, tables.CATALOG, tables.RELEASED_HEADERS
    with asking(workspace, *asked) as connection, database.registry_database(workspace) as opened:
        image_registry.register_files(workspace, connection)
        database.store(opened, connection, visit_required=False)
        database.export(opened, workspace.metadata / "image_registry.csv")


def checked(workspace: Workspace) -> None:
    """The checks of 05 and what it shows, over files that are not there."""
    with asking(workspace, tables.OUTCOMES) as connection:
        listed = "SELECT target_path FROM outcomes"
        with patch.object(layout, "each_below", lambda _: of_query(connection, listed)):
            registry.check_registry(workspace)
    registry.first_rows(workspace, 2)
    image_registry.by_procedure(workspace)
    registry.link_summary(workspace)
    registry.held_back(workspace)
    registry.visit_timing(workspace)


STEPS: dict[str, Callable[[Workspace, int], object]] = {
    "01 link": lambda workspace, _: explore.link(workspace),
    "01 quality": lambda workspace, _: explore.assess(workspace),
    "01 figures": lambda workspace, _: [summary.counts(workspace, "Modality"), summary.months(workspace)],
    "03 worklist": lambda workspace, _: deid.make_worklist(workspace),
    "05 registry": lambda workspace, _: registered(workspace),
    "05 checks": lambda workspace, _: checked(workspace),
    "05 metadata": lambda workspace, _: metadata.build_metadata(workspace),
    "06 seal and manifest": sealed,
}


def opened(root: Path) -> Workspace:
    folders = {one: str(root / one) for one in ("omop", "lookup")}
    told = {"visit_policy": "blank", "burned_in_text": "skip", "deface": "skip", "source": str(root / "dicom")}
    return Workspace(Parameters(workspace=str(root), workers=1, **told, **folders)).create()


def step(name: str, root: Path, count: int) -> None:
    """One step, in this process."""
    before, began = peak(), time.process_time()
    STEPS[name](opened(root), count)
    seconds, most = time.process_time() - began, peak()
    per_row = f"{1e6 * seconds / count:8.1f} us and {1e6 * (most - before) / count:8,.0f} bytes a row"
    print(f"{name:22}{count:12,} rows {seconds:8.1f} CPU s, peak {most:7,.0f} MB;{per_row}", flush=True)


def peak() -> float:
    """The most memory that this process held so far, MB (Linux: that of its parent does not count)."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3


def main(count: int, names: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("SCRATCH")) as folder:
        make(opened(Path(folder)), count)
        for name in names or STEPS:
            subprocess.run([sys.executable, __file__, "--step", name, folder, str(count)], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--step":
        step(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]), sys.argv[2:])
