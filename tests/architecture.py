"""The rooms of the house: their order, who imports whom, and the picture of it in docs/architecture.md.

``python -m tests.architecture`` draws ``docs/images/rooms.svg`` from the imports of the code.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "chorus_nb"
PICTURE = ROOT / "docs" / "images" / "rooms.svg"

# From the ground up. A room imports only rooms that stand before it, on its own floor or on a lower one.
FLOORS = {
    "ground floor": (
        *(
            "errors",
            "guard",
            "morphology",
            "sop",
            "standards",
            "paths",
            "secrecy",
            "source",
            "parameters",
            "tables",
            "layout",
            "workspace",
            "memory",
            "drawn",
            "by_hand",
            "decisions",
            "withdrawn",
        ),
        *("seeds", "processes", "holds", "seal", "dicom", "omop", "identity", "leaks"),
    ),
    "rooms": (
        "demo",
        "metadata",
        "mapping",
        "acquire",
        "explore",
        "faces",
        "pixels",
        "deid",
        "verify",
        "registry",
        "release",
    ),
    "people": ("display", "figures", "review", "workbench", "__main__"),
}
EVERYWHERE = {"errors", "parameters", "tables", "workspace"}  # used by nearly all: their arrows would hide the others
ORDER = [room for rooms in FLOORS.values() for room in rooms]


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package: its dotted name without ``chorus_nb.`` ("" is the package itself), and its code."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def room_of(module: str) -> str:
    """The room a module stands in."""
    return module.split(".")[0]


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the package that ``module`` imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner.removeprefix("chorus_nb.") in modules() else node.module)
    inside = {name.removeprefix("chorus_nb.") for name in found if name.startswith("chorus_nb.")}
    return frozenset(inside & modules().keys() - {module})


@cache
def arrows() -> dict[tuple[str, str], list[str]]:
    """Which room imports which (importer, imported), and the modules that do."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for module in modules():
        for room in sorted({room_of(name) for name in imports(module)} - {room_of(module)}):
            found[room_of(module), room].append(module)
    return found


def rooms() -> list[str]:
    """The rooms and shared modules that the package has today."""
    return sorted({room_of(module) for module in modules()} - {""})


def circle(start: str) -> list[str]:
    """A way of imports from ``start`` back to it, or nothing."""
    ways, seen = [[start]], set()
    while ways:
        way = ways.pop()
        for name in imports(way[-1]):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def reached(start: str) -> Iterator[list[str]]:
    """For every module that ``start`` uses, directly or through others, a way that leads there."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        for name in sorted(imports(way[-1]) - seen):
            seen.add(name)
            ways.append([*way, name])
            yield ways[-1]


def draw(path: Path = PICTURE) -> None:
    """The rooms as boxes by floor, arrows from the importer down to the imported; the same code, the same bytes."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    matplotlib.rcParams.update({"svg.hashsalt": "rooms", "svg.fonttype": "none", "font.family": "sans-serif"})
    there = set(rooms())
    half = len(FLOORS["ground floor"]) // 2
    ground = FLOORS["ground floor"]
    rows = [*(("ground floor", part) for part in (ground[:half], ground[half:])), *list(FLOORS.items())[1:]]
    heights = (0.0, 1.6, 4.2, 6.8)
    colours = {"ground floor": "#e8eef4", "rooms": "#fdf1dc", "people": "#e6f3e6"}
    figure, axes = plt.subplots(figsize=(12, 7.2))
    places = {}
    for (floor, row), height in zip(rows, heights, strict=True):
        row = [room for room in row if room in there]
        for index, room in enumerate(row):
            x = (index + 0.5) * 12 / len(row)
            places[room] = (x, height)
            box = FancyBboxPatch((x - 0.52, height - 0.22), 1.04, 0.44, boxstyle="round,pad=0.02", ec="#444444", lw=0.9)
            box.set(fc=colours[floor], zorder=3)
            axes.add_patch(box)
            axes.text(x, height, room, ha="center", va="center", fontsize=9, zorder=4)
    floors = [room for room in ORDER if room in there]
    for importer, imported in sorted(arrows()):
        if importer not in places or imported not in places or imported in EVERYWHERE:
            continue
        (x, y), (to_x, to_y) = places[importer], places[imported]
        down = floors.index(imported) < floors.index(importer)
        start, end = (x, y + (0.24 if to_y >= y else -0.24)), (to_x, to_y + (0.24 if to_y <= y else -0.24))
        bend = 1.2 / (x - to_x) if y == to_y else 0.0
        bend = max(-0.35, min(0.35, bend))
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, connectionstyle=f"arc3,rad={bend}")
        arrow.set(color="#5b7083" if down else "#c0392b", lw=0.7 if down else 1.5, alpha=0.55 if down else 1, zorder=2)
        axes.add_patch(arrow)
    for floor, height in (("people", 7.5), ("rooms", 5.05), ("ground floor", 2.45)):
        axes.text(-0.1, height, floor, fontsize=11, color="#666666", style="italic", va="bottom")
    axes.set(xlim=(-0.2, 12.2), ylim=(-0.5, 7.9))
    axes.axis("off")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    draw()
