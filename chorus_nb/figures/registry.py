"""Figures of 05: when in a hospital stay the images were taken, and what the release holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chorus_nb.figures import style

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
    modalities = sorted(timing["modality"].unique(), reverse=True)
    figure = style.new_figure(height=1.4 + 0.4 * len(modalities))
    (axes,) = figure.axes
    for place, modality in enumerate(modalities):
        hours = timing.loc[timing["modality"] == modality, "hours"].to_numpy(dtype=float)
        spread = place + 0.28 * np.sin(2.4 * np.arange(len(hours)))  # dots of one modality side by side, always alike
        colour = style.COLOURS[(len(modalities) - 1 - place) % len(style.COLOURS)]
        axes.scatter(hours, spread, s=26, color=colour, alpha=0.7, linewidths=0)
        axes.vlines(np.median(hours), place - 0.38, place + 0.38, color=style.INK, lw=1.5)
    axes.set_yticks(range(len(modalities)), [style.safe(modality) for modality in modalities])
    axes.axvline(0, color=style.MUTED, lw=1)
    axes.set(title="Time from admission to imaging (line: median)", xlabel="hours since admission")
    return figure
