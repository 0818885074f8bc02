"""Figures of notebook 03: what became of the files, and how much of each header changed."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from chorus_nb.figures import style
from chorus_nb.tables import STATUSES, code_in_words


def outcomes_by_modality(counts: pd.DataFrame) -> Figure:
    """Bars: files by status, a bar a modality; ``counts`` has these as columns and rows."""
    figure = style.new_figure(height=0.9 + 0.32 * max(len(counts), 2))
    (axes,) = figure.axes
    left = pd.Series(0, counts.index)
    for status in (name for name in STATUSES if name in counts):
        said = code_in_words(status)
        axes.barh(range(len(counts)), counts[status], left=left, color=style.STATUS[status], label=said)
        left = left + counts[status]
    axes.set_yticks(range(len(counts)), [style.label(name) for name in counts.index])
    axes.set_xlabel("files")
    axes.set_title("What became of every file found, by modality", loc="left")
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return figure


def actions_done(counts: pd.DataFrame) -> Figure:
    """Bars: changed elements by action; ``counts`` has the columns action and elements."""
    ordered = counts.sort_values("elements")
    figure = style.new_figure(height=0.9 + 0.28 * max(len(ordered), 2))
    axes = figure.axes[0]
    bars = axes.barh(ordered.action, ordered.elements, color=style.BLUE)
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=9, color=style.MUTED)
    axes.set_xlabel("data elements")
    axes.set_title("What was done to data elements", loc="left")
    return figure
