"""Figures of 05: when in a hospital stay the images were taken, and what the release holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chorus_nb.figures import style

DEVICES_SHOWN = 12
DAYS_SHOWN = 14  # days of a stay shown one by one


def images_per_visit_day(timing: pd.DataFrame) -> Figure:
    """Accessions by day of the stay (day 1 = admission) and modality."""
    figure = style.new_figure(height=2.8)
    (axes,) = figure.axes
    day = timing["day"].clip(0, DAYS_SHOWN + 1)
    bottom = np.zeros(DAYS_SHOWN + 2)
    for number, (modality, days) in enumerate(day.groupby(timing["modality"])):
        colour = style.COLOURS[number % len(style.COLOURS)]
        counts = np.bincount(days.astype(int), minlength=DAYS_SHOWN + 2)
        axes.bar(range(DAYS_SHOWN + 2), counts, bottom=bottom, color=colour, width=0.8, label=style.safe(modality))
        bottom += counts
    axes.set_xticks(range(DAYS_SHOWN + 2), ["before", *map(str, range(1, DAYS_SHOWN + 1)), "later"])
    axes.set(title="Imaging by day of the stay", xlabel="day of the visit", ylabel="accessions")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(timing):
        axes.legend(frameon=False, fontsize=9, ncols=len(style.COLOURS))
    return figure


def time_to_imaging(timing: pd.DataFrame) -> Figure:
    """Hours from admission to the first image of each accession, a dot each, with the median of the modality."""
    figure, axes = _dots(timing["modality"], timing["hours"])
    axes.axvline(0, color=style.MUTED, lw=1)
    axes.set(title="Time from admission to imaging (line: median)", xlabel="hours since admission")
    return figure


def thickness(series: pd.DataFrame) -> Figure:
    """Slice thickness of each series, a dot each, by modality and device: those with most series, then all others."""
    named = series["modality"] + " · " + series["device"]
    most = named.value_counts(sort=True).sort_index().nlargest(DEVICES_SHOWN).index
    figure, axes = _dots(named.where(named.isin(most), "other devices"), series["thickness"])
    axes.set(title="Slice thickness by device (line: median)", xlabel="mm")
    return figure


def _dots(groups: pd.Series, values: pd.Series) -> tuple[Figure, Axes]:
    """A line of dots for each group, with its median."""
    names = sorted(groups.unique(), reverse=True)
    figure = style.new_figure(height=1.4 + 0.4 * len(names))
    (axes,) = figure.axes
    for place, name in enumerate(names):
        own = values[groups == name].to_numpy(dtype=float)
        spread = place + 0.28 * np.sin(2.4 * np.arange(len(own)))  # dots of one group side by side, always alike
        colour = style.COLOURS[(len(names) - 1 - place) % len(style.COLOURS)]
        axes.scatter(own, spread, s=26, color=colour, alpha=0.7, linewidths=0)
        axes.vlines(np.median(own), place - 0.38, place + 0.38, color=style.INK, lw=1.5)
    axes.set_yticks(range(len(names)), [style.safe(name) for name in names])
    return figure, axes
