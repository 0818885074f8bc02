"""Figures of 05: when in a hospital stay the images were taken, and how each device acquires."""

from __future__ import annotations

from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from chorus_nb.figures import style

DAYS_SHOWN = 14  # days of a stay shown one by one
MOST_ACROSS = 4  # panels side by side; of more than that three
LINE = 0.4  # inches for a device
TERMS_DRAWN = 6  # of a text, those of most series; all others are one
OTHER_TERMS = "others"
LABEL_LENGTH = 24  # characters of a maker, a model or a term
SPREAD = 30  # highest by lowest, beyond which a scale is logarithmic


def images_per_visit_day(timing: pd.DataFrame) -> Figure:
    """Accessions by day of the stay (day 1 = admission) and modality."""
    figure = style.new_figure(height=2.8)
    (axes,) = figure.axes
    day = timing["day"].clip(0, DAYS_SHOWN + 1)
    bottom = np.zeros(DAYS_SHOWN + 2)
    for number, (modality, days) in enumerate(day.groupby(timing["modality"])):
        colour = style.COLOURS[number % len(style.COLOURS)]
        counts = np.bincount(days.astype(int), minlength=DAYS_SHOWN + 2)
        axes.bar(range(DAYS_SHOWN + 2), counts, bottom=bottom, color=colour, width=0.8, label=style.label(modality))
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


def acquisition(drawn: pd.DataFrame) -> Figure:
    """What ``metadata.by_device`` found of a modality: a panel for an attribute, a line for a device.

    A dot is a value that all images of a series have, larger where more series have it; a bar reaches from the lowest
    to the highest value of series whose images differ; a cross at the edge is a value that no device can have.
    """
    most = drawn.groupby("device")["series"].sum().sort_values(ascending=False, kind="stable")
    devices = sorted(most.index, key=lambda device: " · " not in device)  # all others are the last line
    panels = list(drawn.groupby("attribute", sort=False))
    across = len(panels) if len(panels) <= MOST_ACROSS else MOST_ACROSS - 1
    rows = -(-len(panels) // across)
    figure = style.new_figure(rows, across, width=10.5, height=rows * (0.85 + LINE * len(devices)), sharey=True)
    for axes in figure.axes[len(panels) :]:
        axes.set_visible(False)
    for axes, (attribute, own) in zip(figure.axes, panels, strict=False):
        line = own["device"].map(devices.index).to_numpy()
        draw = _terms if own["text"].any() else _numbers
        draw(axes, own, line)
        axes.tick_params(labelsize=8)
        unit = own["unit"].iloc[0]
        axes.set_title(f"{attribute} ({unit})" if unit else attribute)
    names = ["\n".join(shorten(part, LABEL_LENGTH, placeholder="…") for part in one.split(" · ", 1)) for one in devices]
    figure.axes[0].set(ylim=(len(devices) - 0.4, -0.6))
    figure.axes[0].set_yticks(range(len(devices)), [style.safe(name) for name in names])
    figure.suptitle(style.label(drawn["modality"].iloc[0]), color=style.INK, fontsize=12)
    return figure


def _numbers(axes: Axes, own: pd.DataFrame, line: np.ndarray) -> None:
    differ, possible = own["differ"].to_numpy(), own["possible"].to_numpy()
    low, high = own["low"].to_numpy(float), own["high"].to_numpy(float)
    least = most = 0.0
    if possible.any():
        least, most = low[possible].min(), high[possible].max()
        if least > 0 and most > SPREAD * least:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=6))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1000 else f"{value:,.0f}")
        )
    ranges, dots = differ & possible, ~differ & possible
    axes.hlines(line[ranges] + 0.24, low[ranges], high[ranges], color=style.ORANGE, lw=3)
    _sized_dots(axes, low[dots], line[dots], own["series"].to_numpy()[dots])
    edge = np.where(low < least, 0.02, 0.98)[~possible]
    across = axes.get_yaxis_transform()
    axes.scatter(edge, line[~possible], marker="X", s=46, color=style.RED, linewidths=0, transform=across, zorder=3)
    axes.margins(x=0.1)


def _terms(axes: Axes, own: pd.DataFrame, line: np.ndarray) -> None:
    most = own.groupby("text")["series"].sum().sort_values(ascending=False, kind="stable")
    terms = [*most.index[:TERMS_DRAWN]]
    place = own["text"].map({term: at for at, term in enumerate(terms)}).fillna(len(terms)).to_numpy()
    _sized_dots(axes, place, line, own["series"].to_numpy())
    named = [shorten(str(term), LABEL_LENGTH, placeholder="…") for term in terms]
    named += [OTHER_TERMS] if len(most) > len(terms) else []
    axes.set_xticks(range(len(named)), [style.safe(name) for name in named], rotation=30, ha="right", fontsize=8)
    axes.set_xlim(-0.6, len(named) - 0.4)


def _sized_dots(axes: Axes, values: np.ndarray, line: np.ndarray, series: np.ndarray) -> None:
    """Dots on their line, their area by the number of series."""
    area = 14 + 110 * series / max(series.max(initial=1), 12)
    axes.scatter(values, line, s=area, color=style.BLUE, alpha=0.6, linewidths=0)


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
    axes.set_yticks(range(len(names)), [style.label(name) for name in names])
    return figure, axes
