"""The figures of 04: the gate at a glance, and images before and after."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from chorus_nb.faces import Surfaces
from chorus_nb.figures import style
from chorus_nb.tables import code_in_words
from chorus_nb.verify.head_pictures import HeadPicture
from chorus_nb.verify.previews import Preview

RESULTS = {"pass": style.GREEN, "fail": style.RED, "not run": style.ORANGE}


def gate(checks: pd.DataFrame, findings: pd.DataFrame) -> Figure:
    """A row per check: its result, and its findings in what is released, by severity."""
    shown = checks[checks.check != "released_bytes"].iloc[::-1]
    figure = style.new_figure(width=9, height=0.26 * len(shown) + 0.9)
    axes = figure.axes[0]
    counts = findings[~findings.held].groupby(["check", "severity"]).size().unstack(fill_value=0)
    left = pd.Series(0.0, index=shown.check)
    for severity, colour in style.SEVERITY.items():
        width = counts.get(severity, pd.Series(dtype=float)).reindex(shown.check, fill_value=0).astype(float)
        axes.barh(shown.check, width, left=left, color=colour, height=0.62, label=severity)
        left = left + width
    for place, result in enumerate(shown.result):
        beside = axes.text(-0.01, place, result, transform=axes.get_yaxis_transform(), fontsize=9, weight="bold")
        beside.set(ha="right", va="center", color=RESULTS[result])
    axes.set_yticks(range(len(shown)), [code_in_words(name) for name in shown.check])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="y", pad=52)
    axes.set_xlim(0, max(left.max() * 1.05, 1))
    axes.set_title("Findings in what is released", loc="left")
    axes.set_xlabel("findings")
    axes.legend(frameon=False, ncols=4, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def face_removal(series: Sequence[Surfaces]) -> Figure:
    """A series a row: its surface before and after from two sides, the mask on three planes. Local reports only."""
    rows = max(1, len(series))
    figure = style.new_pictures(rows, 7, width=11, height=1.75 * rows)
    for number, one in enumerate(series):
        line = figure.axes[7 * number : 7 * number + 7]
        for axes, picture in zip(line, [*one.before, *one.after], strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        for axes, (picture, mask) in zip(line[4:], one.planes, strict=True):
            axes.imshow(picture, cmap="gray", interpolation="nearest")
            if mask.any() and not mask.all():
                axes.contour(mask, [0.5], colors=style.ORANGE, linewidths=1)
        colour = style.GREEN if one.status == "defaced" else style.RED
        line[0].set_title(style.safe(one.title), loc="left", fontsize=9)
        line[2].set_title("released" if one.written else "would be released", loc="left", fontsize=9)
        said = ": ".join(part for part in (code_in_words(one.status), one.reason) if part)
        line[4].set_title(style.safe(textwrap.fill(said, 46)), loc="left", fontsize=9, color=colour)
    return figure


def own_looks(heads: Sequence[HeadPicture]) -> Figure:
    """Four heads a row: released skin from the front, the middle plane, where a face would be. Local reports only."""
    rows = max(1, -(-len(heads) // 4))
    figure = style.new_pictures(rows, 8, width=11, height=2.1 * rows)
    for number, one in enumerate(heads):
        front, plane = figure.axes[2 * number : 2 * number + 2]
        for place, (axes, picture) in enumerate(((front, one.front), (plane, one.plane))):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.plot(*one.face_gone[place].T, "x", color=style.SKY, markersize=3)
            axes.plot(*one.face_there[place].T, ".", color=style.RED, markersize=4)
        plane.plot(*one.skull.T, ".", color=style.YELLOW, markersize=2)
        colour = {"disagrees": style.RED, "unsure": style.ORANGE}.get(one.beside, style.GREEN)
        front.set_title(style.safe(f"{one.title}\n{textwrap.fill(one.said, 44)}"), loc="left", fontsize=8, color=colour)
    return figure


def before_after(previews: Sequence[Preview]) -> Figure:
    """Two images a row, each as original, released and difference; redacted boxes outlined. Local reports only."""
    rows = max(1, -(-len(previews) // 2))
    figure = style.new_pictures(rows, 6, width=11, height=2.1 * rows)
    for number, preview in enumerate(previews):
        left, middle, right = figure.axes[3 * number : 3 * number + 3]
        pictures = ((left, preview.before), (middle, preview.after), (right, preview.difference))
        for axes, picture in pictures:
            axes.imshow(picture, interpolation="nearest")
        for x0, y0, x1, y1 in preview.boxes:
            left.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=style.ORANGE, linewidth=1.2))
        left.set_title(style.safe(textwrap.shorten(preview.title, 26, placeholder="…")), loc="left", fontsize=9)
        middle.set_title("released", loc="left", fontsize=9)
        text = f"{preview.changed:,} values differ" if preview.changed else "pixels identical"
        right.set_title(text, loc="left", fontsize=9, color=style.RED if preview.changed else style.GREEN)
    return figure
