"""The plots of 01_explore_headers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from chorus_nb.figures import style

MOST_BARS = 12  # the rest is summed up in the last bar
MOST_COLOURS = len(style.COLOURS)
SEVERITY_ORDER = ("high", "medium", "low")


def at_a_glance(by_modality: pd.DataFrame, links: pd.DataFrame, by_rule: pd.DataFrame) -> Figure:
    """Files by modality, accessions by how far they link, findings by severity."""
    figure = style.new_figure(1, 3, width=10.5, height=max(2.9, 0.9 + 0.2 * len(by_modality)))
    images, accessions, findings = figure.axes
    _bars(images, by_modality["Modality"], by_modality["files"], style.BLUE)
    images.set(title="What is here", xlabel="DICOM files")
    colours = [style.GREEN, style.ORANGE, style.RED, style.SKY, style.PURPLE]
    _bars(accessions, links["accessions"], links["count"], colours)
    accessions.set(title="What belongs to the encounters", xlabel="accessions")
    if links.empty:
        accessions.text(0.5, 0.5, "nothing was linked", ha="center", va="center", transform=accessions.transAxes)
        accessions.set_axis_off()
    totals = by_rule.groupby("severity")["findings"].sum().reindex(SEVERITY_ORDER, fill_value=0)
    _bars(findings, totals.index, totals, [style.SEVERITY[name] for name in SEVERITY_ORDER])
    findings.set(title="What needs attention", xlabel="findings")
    return figure


def vendors(counts: pd.DataFrame) -> Figure:
    """Files by manufacturer and model; those with the fewest are summed up in one bar."""
    names = (counts["Manufacturer"] + ", " + counts["ManufacturerModelName"]).tolist()
    files = counts["files"].tolist()
    if len(names) > MOST_BARS:
        shown = MOST_BARS - 1
        names = [*names[:shown], f"{len(names) - shown:,} others"]
        files = [*files[:shown], sum(files[shown:])]
    figure = style.new_figure(height=1.0 + 0.28 * max(len(names), 2))
    (axes,) = figure.axes
    _bars(axes, names, files, style.BLUE)
    axes.set(title="Manufacturers and models", xlabel="DICOM files")
    return figure


def missingness(missing: pd.DataFrame) -> Figure:
    """Heat map: percent of a modality's images that lack an attribute of the minimum metadata; NaN = no place."""
    modalities = [name for name in missing.columns if name not in ("attribute", "level")]
    shares = missing[modalities].to_numpy(dtype=float)
    figure = style.new_figure(width=max(5.5, 3.4 + 0.62 * len(modalities)), height=1.2 + 0.24 * len(missing))
    (axes,) = figure.axes
    axes.set_facecolor(style.GRID)
    axes.set_title("Minimum metadata that is missing, by modality", pad=12)
    if not shares.size:
        return figure
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.grid(False)
    axes.set_xticks(range(len(modalities)), [style.label(name) for name in modalities])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(missing)), missing["attribute"])
    for (row, column), share in np.ndenumerate(shares):
        if share:
            shown = "–" if np.isnan(share) else "<1" if share < 1 else ">99" if 99 < share < 100 else f"{share:.0f}"
            colour = "white" if share > 60 else style.INK
            axes.text(column, row, shown, ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, ax=axes, label="percent of images without it", shrink=0.6)
    return figure


def private_elements(creators: pd.DataFrame) -> Figure:
    """Private tags by who reserved them, those that PS3.15 calls safe in green."""
    shown = creators.head(MOST_BARS)
    figure = style.new_figure(height=1.1 + 0.28 * max(len(shown), 2))
    (axes,) = figure.axes
    axes.set(title="Private tags by private creator", xlabel="different tags")
    if shown.empty:
        return figure
    _bars(axes, shown["creator"], shown["tags"], style.ORANGE)
    axes.barh(range(len(shown)), shown["known_safe"], color=style.GREEN, label="called safe by PS3.15")
    axes.barh([0], [0], color=style.ORANGE, label="nothing known")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def values_over_time(spans: pd.DataFrame, what: str) -> Figure:
    """Bars from the first to the last day of each value of a device: where one ends and the next begins, it changed."""
    figure = style.new_figure(width=10.5, height=1.2 + 0.26 * max(len(spans), 2))
    (axes,) = figure.axes
    axes.set_title(f"{what} by device, over time")
    first, last = (pd.to_datetime(spans[name], errors="coerce") for name in ("first", "last"))
    colours = [style.COLOURS[number % MOST_COLOURS] for number in pd.factorize(spans["device"])[0]]
    thinnest = max(pd.Timedelta(days=1), (last.max() - first.min()) / 150)  # a single day is seen too
    axes.barh(range(len(spans)), (last - first).clip(lower=thinnest), left=first, color=colours, height=0.7)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=7))
    names = spans["device"].str[:28] + ": " + spans["value"].str[:28]
    axes.set_yticks(range(len(spans)), [style.safe(name) for name in names])
    axes.invert_yaxis()
    return figure


def missingness_by_device(shares: pd.DataFrame) -> Figure:
    """Heat map: percent of the minimum metadata that a device's images of a month lack; grey where it made none."""
    table = shares.pivot(index="device", columns="month", values="missing")
    figure = style.new_figure(width=10.5, height=1.4 + 0.26 * max(len(table), 2))
    (axes,) = figure.axes
    axes.set_facecolor(style.GRID)
    axes.set_title("Minimum metadata that is missing, by device and month (grey: no images)")
    if table.empty:
        return figure
    months = [str(month) for month in pd.period_range(table.columns.min(), table.columns.max(), freq="M")]
    table = table.reindex(columns=months)
    image = axes.imshow(table.to_numpy(float), cmap="Blues", vmin=0, vmax=100, aspect="auto", interpolation="nearest")
    axes.grid(False)
    ticks = range(0, len(months), max(1, len(months) // 8))
    axes.set_xticks(list(ticks), [months[tick] for tick in ticks])
    axes.set_yticks(range(len(table)), [style.label(name) for name in table.index])
    figure.colorbar(image, ax=axes, label="percent missing", shrink=0.8)
    return figure


def timeline(months: pd.DataFrame) -> Figure:
    """Studies by month, stacked by modality; by year where the source spans more than ten years."""
    figure = style.new_figure(height=3.0)
    (axes,) = figure.axes
    axes.set(title="Studies over time", ylabel="studies")
    if months.empty:
        return figure
    whole = (int(months["month"].max()[:4]) - int(months["month"].min()[:4])) > 10
    period = months["month"].str[:4] if whole else months["month"]
    first, last = period.min(), period.max()
    steps = (
        [f"{year:04d}" for year in range(int(first), int(last) + 1)]
        if whole
        else [str(month) for month in np.arange(first, np.datetime64(last) + 1, dtype="datetime64[M]")]
    )
    order = months.groupby("Modality")["studies"].sum().sort_values(ascending=False).index
    named = months["Modality"].where(months["Modality"].isin(order[: MOST_COLOURS - 1]), "others")
    table = months.assign(period=period, named=named).pivot_table(
        index="period", columns="named", values="studies", aggfunc="sum", fill_value=0
    )
    table = table.reindex(steps, fill_value=0)
    columns = [name for name in (*order, "others") if name in table.columns]
    bottom = np.zeros(len(table))
    for name, colour in zip(columns, style.COLOURS, strict=False):
        count = table[name].to_numpy()
        there = np.flatnonzero(count)  # a bar of nothing would be drawn, too
        axes.bar(there, count[there], bottom=bottom[there], color=colour, label=style.label(name), width=0.9)
        bottom += count
    ticks = range(0, len(steps), max(1, len(steps) // 7))
    axes.set_xticks(list(ticks), [steps[tick] for tick in ticks])
    axes.set_xlabel("year" if whole else "month")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def size_distribution(sizes: pd.DataFrame) -> Figure:
    """File sizes by modality on a logarithmic scale: range, quartiles, median."""
    figure = style.new_figure(height=1.0 + 0.3 * max(len(sizes), 2))
    (axes,) = figure.axes
    axes.set(title="File size by modality", xlabel="kilobytes (logarithmic)")
    if sizes.empty:
        return figure
    rows = range(len(sizes))
    axes.hlines(rows, sizes["smallest"], sizes["largest"], color=style.SKY, linewidth=2, label="smallest to largest")
    axes.hlines(
        rows, sizes["lower_quartile"], sizes["upper_quartile"], color=style.BLUE, linewidth=8, label="middle half"
    )
    axes.plot(sizes["median"], rows, "o", color="white", markeredgecolor=style.BLUE, markersize=6, label="median")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(sizes["smallest"].min() / 3, sizes["largest"].max() * 3)
    axes.set_yticks(list(rows), [style.label(name) for name in sizes["Modality"]])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _bars(axes: Axes, names: Iterable[object], values: Iterable[float], colour: str | list[str]) -> None:
    """Horizontal bars, the first on top, each with its number."""
    labels, lengths = [style.label(name) for name in names], [int(value) for value in values]
    bars = axes.barh(range(len(labels)), lengths, color=colour)
    axes.bar_label(bars, [f" {length:,}" for length in lengths], fontsize=9, color=style.INK)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.grid(False)
    axes.set_xlim(0, max(lengths, default=1) * 1.18 or 1)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
