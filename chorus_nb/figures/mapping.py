"""The plots of notebook 02: the tag plan at a glance, and how far the lookup tables reach."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from chorus_nb.figures import style

GROUPS = {
    "kept as it is": (("K", "S"), style.BLUE),
    "changed": (("C", "U", "shift", "lookup", "age", "script"), style.GREEN),
    "removed or emptied": (("X", "Z", "D"), style.RED),
}


def actions_planned(counts: pd.DataFrame) -> Figure:
    """Tags by action (``plan.count_actions``), coloured by what it means for the value."""
    counts = counts.iloc[::-1]
    figure = style.new_figure(height=0.34 * len(counts) + 0.9)
    axes = figure.axes[0]
    colour = {action: hue for members, hue in GROUPS.values() for action in members}
    labels = [f"{row.meaning} ({row.action})" for row in counts.itertuples()]
    bars = axes.barh(labels, counts.tags, color=[colour[action] for action in counts.action])
    axes.bar_label(bars, [f"{tags:,}" for tags in counts.tags], padding=4, color=style.INK, fontsize=9)
    axes.set_xlabel("tags (place and kind of image counted apart)", color=style.MUTED, fontsize=9)
    axes.margins(x=0.08)
    axes.grid(False, axis="y")
    keys = [Patch(color=hue, label=name) for name, (_, hue) in GROUPS.items()]
    axes.legend(handles=keys, loc="lower right", frameon=False, fontsize=9)
    return figure


def lookup_coverage(covered: pd.DataFrame) -> Figure:
    """What is mapped of the patients, accessions and files in the source (``coverage``)."""
    covered = covered.iloc[::-1]
    figure = style.new_figure(height=1.9)
    axes = figure.axes[0]
    share = covered["mapped"] / covered["in the source"].clip(lower=1)
    axes.barh(covered["of the"], share, color=style.GREEN, label="mapped")
    axes.barh(covered["of the"], 1 - share, left=share, color="#d3dae1", label="not mapped")
    for row, (mapped, found) in enumerate(zip(covered["mapped"], covered["in the source"], strict=True)):
        axes.text(0.01, row, f"{mapped:,} of {found:,}", va="center", color="white", fontsize=9)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(False, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    return figure
