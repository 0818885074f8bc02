"""Nothing is packed unless every check passed for exactly the bytes that stand in the release."""

from __future__ import annotations

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.layout import release_digest
from chorus_nb.verify import require_pass
from chorus_nb.workspace import Workspace


def require_gate(workspace: Workspace, digests: dict[str, str]) -> None:
    """The checks of 04 and of 05 must have passed, those of 04 for the images with these BLAKE3 ``digests`` by path."""
    checks = workspace.read(tables.CHECKS)
    require_pass(checks)
    passed_for = checks.set_index("check")["detail"].get("released_bytes")
    if passed_for != release_digest(digests):
        raise WorkbenchError("the release is not the one the gate passed: run 04_verify and 05_build_registry again")
    registry = workspace.read(tables.REGISTRY_CHECKS)
    failed = registry[registry["result"] == "fail"]
    if len(failed):
        raise WorkbenchError(*(f"05_build_registry: {c.question} No: {c.detail}" for c in failed.itertuples()))
