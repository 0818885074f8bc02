"""Figures of 05: when in a hospital stay the images were taken, and what the release holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from chorus_nb.figures import style

LONGEST = 14  # days of a stay shown one by one


def images_per_visit_day(timing: pd.DataFrame) -> Figure:
    """Accessions by day of the stay (day 1 = admission) and modality."""
    figure = style.new_figure(height=2.8)
    (axes,) = figure.axes
    day = timing["day"].clip(0, LONGEST + 1)
    bottom = np.zeros(LONGEST + 2)
    for colour, (modality, days) in zip(style.COLOURS, day.groupby(timing["modality"]), strict=False):
        counts = np.bincount(days.astype(int), minlength=LONGEST + 2)
        axes.bar(range(LONGEST + 2), counts, bottom=bottom, color=colour, width=0.8, label=style.safe(modality))
        bottom += counts
    axes.set_xticks(range(LONGEST + 2), ["before", *map(str, range(1, LONGEST + 1)), "later"])
    axes.set(title="Imaging by day of the stay", xlabel="day of the visit", ylabel="accessions")
    axes.legend(frameon=False, fontsize=9, ncols=3)
    return figure


def time_to_imaging(timing: pd.DataFrame) -> Figure:
    """Hours from admission to each accession, as the share of accessions reached, by modality."""
    figure = style.new_figure(height=2.8)
    (axes,) = figure.axes
    for colour, (modality, hours) in zip(style.COLOURS, timing.groupby("modality")["hours"], strict=False):
        reached = np.sort(hours.clip(lower=0).to_numpy())
        share = np.arange(1, len(reached) + 1) / len(reached)
        axes.step(np.append(reached, reached[-1] + 1), np.append(share, 1), color=colour, where="post", lw=2)
        axes.plot(reached, share, "o", ms=4, color=colour, label=f"{style.safe(modality)} ({len(reached)})")
    axes.set(title="Time from admission to imaging", xlabel="hours since admission", ylabel="share of accessions")
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure
