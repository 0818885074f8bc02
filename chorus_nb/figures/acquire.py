"""The plot of 00_acquire."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chorus_nb.figures import style

MOST_MODALITIES = len(style.COLOURS)


def studies_by_cell(lines: pd.DataFrame, cells: tuple[str, ...]) -> Figure:
    """Studies by the cell they stand in, those of ``cells`` in this order, stacked by modality; the rarest as one."""
    modality = lines["modality"].replace("", "unknown")
    common = modality.value_counts().index[: MOST_MODALITIES - 1]
    kind = modality.where(modality.isin(common), "others")
    counts = pd.crosstab(lines["cell"], kind)
    rows = [cell for cell in cells if cell in counts.index]
    figure = style.new_figure(height=1.4 + 0.34 * max(len(rows), 1))
    (axes,) = figure.axes
    left = np.zeros(len(rows))
    for number, name in enumerate([*[name for name in common if name in counts], *(["others"] * ("others" in counts))]):
        values = counts.loc[rows, name].to_numpy(dtype=float)
        axes.barh(range(len(rows)), values, left=left, color=style.COLOURS[number], height=0.7, label=style.label(name))
        left += values
    for place, total in enumerate(left):
        axes.text(total, place, f" {total:,.0f}", va="center", fontsize=9, color=style.INK)
    axes.set_yticks(range(len(rows)), [cell.replace("_", " ") for cell in rows])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Where every study stands", xlabel="studies")
    if rows:
        axes.legend(frameon=False, fontsize=9, ncols=MOST_MODALITIES, loc="lower right")
    return figure
