"""Small pictures of some files side by side: what a series shows, at a glance; on screen only."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as Picture

from chorus_nb.errors import WorkbenchError
from chorus_nb.review.views import Image
from chorus_nb.workspace import Workspace

TILE = 144  # pixels of a small picture
ACROSS = 8
MOST_PICTURES = 32


def spread(paths: Sequence[str], most: int = MOST_PICTURES) -> list[str]:
    """At most ``most`` of ``paths``, evenly spread, the first and the last among them."""
    places = np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int))
    return [paths[place] for place in places]


def contact_sheet(workspace: Workspace, paths: Sequence[str]) -> tuple[bytes, int]:
    """A PNG of the middle frames of files, at the window of each, and how many of them cannot be shown (left dark)."""
    across = max(1, min(ACROSS, len(paths)))
    sheet = Picture.new("RGB", (across * TILE, max(1, -(-len(paths) // across)) * TILE), (20, 24, 28))
    failed = 0
    for number, path in enumerate(paths):
        small = _small(workspace, path)
        failed += small is None
        if small is not None:
            left, top = number % across * TILE, number // across * TILE
            sheet.paste(small, (left + (TILE - small.width) // 2, top + (TILE - small.height) // 2))
    sink = io.BytesIO()
    sheet.save(sink, "PNG", compress_level=1)
    return sink.getvalue(), failed


def _small(workspace: Workspace, path: str) -> Picture.Image | None:
    try:
        image = Image(workspace.source.read(path))
        facts, content = image.view(image.frames // 2)
    except (OSError, WorkbenchError):
        return None
    shape = (facts["height"], facts["width"])
    if facts["colour"]:
        pixels = np.frombuffer(content, np.uint8).reshape(*shape, -1)[..., :3]
    else:
        values = np.frombuffer(content, np.int16).reshape(shape).astype(np.float32)
        width = max(facts["high"] - facts["low"], 1)
        grey = (np.clip((values - facts["low"]) / width, 0, 1) * 255).astype(np.uint8)
        pixels = np.stack([255 - grey if facts["invert"] else grey] * 3, axis=-1)
    small = Picture.fromarray(np.ascontiguousarray(pixels))
    small.thumbnail((TILE - 4, TILE - 4))
    return small
