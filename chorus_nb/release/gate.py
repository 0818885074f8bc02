"""Nothing is packed unless every check passed for exactly the bytes that stand in the release."""

from __future__ import annotations

import duckdb
import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.seal import seal
from chorus_nb.verify import require_pass
from chorus_nb.workspace import Workspace

SHORTEST = 5  # characters of an identifier that is looked for; a shorter one meets itself by chance
WORD = r"[^\s,;|\"'()\[\]<>=]+"  # what an identifier stands between


def require_gate(workspace: Workspace, digests: dict[str, str]) -> None:
    """The checks of 04 and of 05 must have passed, those of 04 for the images with these BLAKE3 ``digests`` by path."""
    checks = workspace.read(tables.CHECKS)
    require_pass(checks)
    passed_for = checks.set_index("check")["detail"].get("released_bytes")
    if passed_for != seal(digests):
        raise WorkbenchError("the release is not the one the gate passed: run 04_verify and 05_build_registry again")
    registry = workspace.read(tables.REGISTRY_CHECKS)
    failed = registry[registry["result"] == "fail"]
    if len(failed):
        raise WorkbenchError(*(f"05_build_registry: {c.question} No: {c.detail}" for c in failed.itertuples()))


def refuse_identifiers(workspace: Workspace) -> None:
    """No original PatientID, accession or path of the source may stand in a table, note or report of the release."""
    identifiers = _identifiers(workspace)
    lines = []
    with duckdb.connect() as connection:
        connection.register("identifiers", pd.DataFrame({"word": sorted(identifiers)}, dtype="string"))
        for path in sorted((*workspace.omop_out.rglob("*"), *workspace.metadata.rglob("*"))):
            if path.suffix in (".csv", ".md", ".html", ".sql", ".toml") and path.stat().st_size:
                found = _lines_with_identifiers(connection, str(path))
                if found:
                    lines.append(f"{path.relative_to(workspace.release).as_posix()}: {found} lines hold an identifier")
    if lines:
        raise WorkbenchError(*lines)


def _identifiers(workspace: Workspace) -> set[str]:
    linkage = workspace.read(tables.LINKAGE)
    values = {*linkage["PatientID"], *linkage["AccessionNumber"]}
    new = {str(n) for column in ("person_id", "image_occurrence_id") for n in linkage[column].dropna()}
    return {value.strip() for value in values if len(value.strip()) >= SHORTEST} - new


def _lines_with_identifiers(connection: duckdb.DuckDBPyConnection, path: str) -> int:
    query = """
        WITH line AS (SELECT column0 AS text, row_number() OVER () AS number
                      FROM read_csv(?, columns={'column0': 'VARCHAR'}, header=false, delim='\x01', quote='', escape='',
                                    auto_detect=false, strict_mode=false, max_line_size=50000000)),
             word AS (SELECT number, unnest(regexp_extract_all(text, ?)) AS word FROM line)
        SELECT count(DISTINCT number) FROM word SEMI JOIN identifiers USING (word)"""
    found = connection.execute(query, [path, WORD]).fetchone()
    return int(found[0]) if found else 0
