"""The common look of every plot: calm, readable in print, told apart without colour vision."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from chorus_nb.display import visible

# Okabe & Ito's palette, distinct for every kind of colour vision
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"),
    *("#56B4E9", "#F0E442"),
)
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW)
TICK_LENGTH = 44  # letters of a tick or a legend
INK, MUTED, GRID = "#1f2933", "#6b7785", "#e4e8ec"
STATUS = {"released": GREEN, "held_back": ORANGE, "quarantined": RED, "duplicate": SKY, "not_dicom": "#b8c0c8"}
SEVERITY = {"high": RED, "medium": ORANGE, "low": SKY, "info": "#b8c0c8"}


def new_figure(rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.2, **options: Any) -> Figure:
    """A figure of ``rows`` x ``columns`` axes (``figure.axes``), ``width`` x ``height`` inches, styled; no pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.subplots(rows, columns, squeeze=False, **options)
    for axes in figure.axes:
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)  # no frame, no ticks, a faint grid
        axes.grid(True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, colors=MUTED, labelsize=9)
        axes.title.set(color=INK, fontsize=11)
    return figure


def new_pictures(rows: int, columns: int, *, width: float, height: float) -> Figure:
    """A figure of ``rows`` x ``columns`` places for pictures, without axes; a title stands right above its picture."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    with rc_context({"axes.titley": 1.0, "axes.titlecolor": INK}):  # else ticks are measured to find a place for it
        for place in range(rows * columns):
            figure.add_subplot(rows, columns, place + 1).set_axis_off()
    return figure


def safe(text: object) -> str:
    """Header text for a plot: `$` would start matplotlib's mathtext; what no page shows is not drawn either."""
    return visible(text).replace("$", r"\$")


def label(text: object) -> str:
    """The same for a tick or a legend: one line, of so many letters that room is left to draw in."""
    line = " ".join(str(text).split())
    return safe(line if len(line) <= TICK_LENGTH else line[: TICK_LENGTH - 1] + "…")
