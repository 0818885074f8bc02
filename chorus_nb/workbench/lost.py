"""What a delivery rests on and cannot be made anew: if it is gone, a run stops before it writes anything."""

from __future__ import annotations

from collections.abc import Iterator

from chorus_nb import layout, tables
from chorus_nb.errors import InputError
from chorus_nb.source.earlier import EARLIER_LIST, ORIGINALS_FOLDER
from chorus_nb.workspace import Workspace

RESTORING = ".restoring-"  # prefix of the folder below a workspace in which a backup is unpacked
REMEDY = "put it back: chorus-nb restore FROM FILE.yaml"


def refuse_lost(workspace: Workspace) -> None:
    """:class:`InputError` that names what is gone, and what each would cost."""
    if any(workspace.root.glob(f"{RESTORING}*")):
        raise InputError("workspace: a restore did not end; run the same chorus-nb restore again")
    if lines := [f"{what}; {REMEDY}" for what in _lost(workspace)]:
        raise InputError(*lines)


def _lost(workspace: Workspace) -> Iterator[str]:
    local = workspace.local
    delivered = any((local / "deliveries").glob("*.csv"))
    signed = workspace.has(tables.SIGN_OFF)
    if not delivered and workspace.has(tables.DELIVERIES):
        yield "local/deliveries is gone: no manifest could say what a receiver has to delete"
    if delivered and workspace.has(tables.DELIVERIES) and not signed:
        yield "the decisions are gone (release_sign_off.csv), and a delivery rests on them"
    images = any(workspace.release.glob(f"*/{layout.IMAGES}"))
    if images and (workspace.parameters.delivery == "append" or (local / EARLIER_LIST).is_file()):
        ended = workspace.has(tables.OUTCOMES)  # else 03 was stopped before it wrote the list
        names = {tables.ORIGINALS.name + ".parquet": ended, ORIGINALS_FOLDER: workspace.has(tables.ORIGINALS)}
        for name in (name for name, due in names.items() if due and not (local / name).exists()):
            yield f"local/{name} is gone: without it, so are images that the source does not hold any more"
