"""What 05 shows of how each device acquires: of tables made up here, without an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from chorus_nb import tables
from chorus_nb.figures.registry import acquisition
from chorus_nb.metadata import by_device
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

NOTHING = {"text": "", "integer": 0, "number": None, "truth": False}


def found(folder: Path, *series: dict[str, object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is found where these are the series; ``device`` is their model, CT their modality if they say none."""
    workspace = Workspace(Parameters(workspace=str(folder))).create()
    rows = [
        {"Modality": "CT", **one, "folder": str(n), "ManufacturerModelName": one.get("device", "X")}
        for n, one in enumerate(series)
    ]
    for row in rows:
        row |= {f"{k}_{end}": row[k] for k in ("KVP", "SliceThickness") if k in row for end in ("min", "max")}
    for table in tables.METADATA:
        own = [row for row in rows if table.name in ("series", str(row["Modality"]).lower())]
        made = [
            {c.name: row.get(c.name, None if c.nullable else NOTHING[c.kind]) for c in table.columns} for row in own
        ]
        path = workspace.path(replace(table, format="parquet"))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(tables.to_arrow(table, tables.frame(table, made)), path)
    workspace.write(tables.IMAGE_REGISTRY, tables.empty(tables.IMAGE_REGISTRY))
    return by_device(workspace)


def of(told: pd.DataFrame, attribute: str) -> pd.DataFrame:
    return told[told["attribute"] == attribute]


def test_the_devices_with_most_series_are_told_apart_and_all_others_together(tmp_path: Path) -> None:
    series = [{"KVP": 80 + n, "device": f"M{n}"} for n in range(10) for _ in range(n + 1)]
    drawn, told = found(tmp_path, *series, {"Modality": "MR"})
    voltage = of(told, "KVP").set_index("device")["series"].to_dict()
    assert voltage == {**{f"M{n} · not said": n + 1 for n in range(2, 10)}, "other devices": 3}
    figure = acquisition(drawn)
    lines = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert lines == [*(f"M{n}\nnot said" for n in range(9, 1, -1)), "other devices"]


def test_a_series_whose_images_differ_is_a_range_and_no_value(tmp_path: Path) -> None:
    differ = {"SliceThickness_min": 1.0, "SliceThickness_max": 5.0}
    drawn, told = found(tmp_path, {"SliceThickness": 2.0}, differ, {"SliceThickness": 4.0}, {})
    [row] = of(told, "SliceThickness")[["series", "without", "lowest", "median", "highest", "differ"]].values.tolist()
    assert row == [4, 1, 1, 3, 5, 1]
    ranges = of(drawn, "SliceThickness")[["differ", "low", "high", "series"]].values.tolist()
    assert ranges == [[False, 2, 2, 1], [False, 4, 4, 1], [True, 1, 5, 1]]


def test_what_no_device_can_have_is_marked_at_the_edge_and_in_no_figure_of_the_table(tmp_path: Path) -> None:
    drawn, told = found(tmp_path, {"KVP": 120}, {"KVP": 120000})
    assert of(told, "KVP")[["lowest", "median", "highest", "impossible"]].values.tolist() == [[120, 120, 120, 1]]
    figure = acquisition(drawn)
    crosses = figure.axes[0].collections[-1]
    assert crosses.get_offsets().tolist() == [[0.98, 0]]
    assert figure.axes[0].get_xlim()[1] < 200


def test_of_spacings_that_of_the_rows_counts_and_texts_are_counted(tmp_path: Path) -> None:
    drawn, told = found(
        tmp_path,
        {"PixelSpacing": "0.5\\0.7", "ConvolutionKernel": "B30f"},
        {"PixelSpacing": "0.5\\0.5 (3); 0.6\\0.6 (1)", "ConvolutionKernel": "B30f (1); B60f (3)"},
        {"PixelSpacing": "", "ConvolutionKernel": "B30f"},
        {"PixelSpacing": "60", "ConvolutionKernel": "AA"},
    )
    columns = ["without", "median", "most_often", "differ", "impossible"]
    assert of(told, "PixelSpacing")[columns].values.tolist() == [[1, 0.5, "", 1, 1]]
    assert of(told, "ConvolutionKernel")["most_often"].tolist() == ["B30f (2); AA (1)"]
    assert of(told, "ConvolutionKernel")["differ"].tolist() == [1]
    figure = acquisition(drawn)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["B30f", "AA"]


@pytest.mark.parametrize("most", [20, 90])
def test_a_scale_is_logarithmic_where_values_lie_far_apart(tmp_path: Path, most: float) -> None:
    drawn, _ = found(tmp_path, {"Modality": "MR", "SliceThickness": 1.0}, {"Modality": "MR", "SliceThickness": most})
    figure = acquisition(drawn)
    assert figure.axes[0].get_xscale() == ("log" if most > 30 else "linear")


def test_where_nothing_is_said_there_is_no_figure(tmp_path: Path) -> None:
    drawn, told = found(tmp_path, {})
    assert drawn.empty
    assert set(told["without"]) == {1}
