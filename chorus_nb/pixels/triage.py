"""How likely a picture holds text, from the header alone. It decides how many pictures of a series are looked at,
never that a picture is trusted: BurnedInAnnotation is absent or wrong in most images that carry names."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
from blake3 import blake3

SAMPLE = 3  # pictures of a series looked at first: first, middle and last
ONE_IN = 30  # pictures of an unlikely series: one at least, SAMPLE at most
SECOND, SECOND_ONE_IN = 6, 10  # of a possible series, and where one of those tells: one in ten, this many at least
SAMPLED = ("possible", "unlikely")
_RISK = 0.05
HALF_RISK = _RISK / 2  # where the detector's share is measured too, each of the two may be wrong so often
_DETECTOR_FINDS = 0.96  # share of lines that the detector finds and that tell (MEASURED.md: 0.970 x 0.996)
_RULES = json.loads(Path(__file__).with_name("triage.json").read_text(encoding="utf-8"))["rules"]
TRIAGE_COLUMNS = tuple(
    dict.fromkeys(
        (
            *(
                "source_path",
                "size",
                "modified_ns",
                "SeriesInstanceUID",
                "SOPInstanceUID",
                "acquired",
                "InstanceNumber",
            ),
            *("Rows", "Columns", "Manufacturer", "ManufacturerModelName"),
            *(column for rule in _RULES for column in rule["when"]),
        )
    )
)
"""What is read of a candidate here and in :mod:`~chorus_nb.pixels.judge`."""


def triage(candidates: pd.DataFrame) -> pd.DataFrame:
    """``candidates`` (rows of the catalog) with ``risk``, ``risk_reason``, ``device`` and ``group``.

    ``risk`` is the first rule of ``triage.json`` that fits: likely, possible, unlikely, unreadable (never opened here)
    or none. A group is a series on one device in one geometry: text stands in the same places.
    """
    rows = candidates.reindex(columns=list(TRIAGE_COLUMNS)).reset_index(drop=True)
    told = pd.DataFrame("", index=rows.index, columns=["risk", "risk_reason"])
    open_rows = np.ones(len(rows), bool)
    said = {
        column: pd.factorize(rows[column].astype(str)) for column in {key for rule in _RULES for key in rule["when"]}
    }
    for rule in _RULES:
        fits = open_rows.copy()
        for column, pattern in rule["when"].items():
            numbers, texts = said[column]
            fit = re.compile(pattern, re.IGNORECASE).fullmatch
            fits &= np.array([*(fit(text.strip()) is not None for text in texts), False])[numbers]  # -1: not there
        if fits.any():
            told.loc[fits, ["risk", "risk_reason"]] = rule["risk"], rule["reason"]
            open_rows &= ~fits
    told["device"] = _shared(device(rows))
    told["group"] = _shared(rows.SeriesInstanceUID.astype(str) + "|" + told.device + "|" + told.risk)
    return pd.concat([rows, told], axis=1)


def _shared(texts: pd.Series[str]) -> pd.Series[str]:
    """The same, equal texts one object in memory: a long one of each picture would be half of what it takes."""
    numbers, different = pd.factorize(texts)
    return pd.Series(different.take(numbers), texts.index)


def device(rows: pd.DataFrame) -> pd.Series[str]:
    """``MANUFACTURER|MODEL|ROWSxCOLS``: what a decision on a device and geometry is about."""
    parts = {name: rows[name].astype(str).str.strip().str.upper() for name in ("Manufacturer", "ManufacturerModelName")}
    return parts["Manufacturer"] + "|" + parts["ManufacturerModelName"] + "|" + rows.Rows + "x" + rows.Columns


def first_sample(group: pd.DataFrame, share: float = 0) -> pd.DataFrame:
    """First, middle and last picture of a likely group in the order of InstanceNumber. Of any other group pictures
    drawn at random, always the same: one in ten of a possible one, one in 30 of an unlikely one, at least ``share``."""
    risk, every = group.risk.iloc[0], len(group)
    if risk == "likely":
        return _spread(group, SAMPLE)
    usual = _second_size(every) if risk == "possible" else min(SAMPLE, math.ceil(every / ONE_IN))
    by_chance = [blake3(str(name).encode()).digest() for name in _names(group)]
    return group.iloc[sorted(range(every), key=by_chance.__getitem__)[: max(usual, math.ceil(share * every - 1e-9))]]


def share_to_draw(pictures: int, bound: float, finds: float = _DETECTOR_FINDS, risk: float = _RISK) -> float:
    """The share of ``pictures`` to draw, so that with none that tells at most the share ``bound`` of them does, but for
    the ``risk``: one more than that would be drawn and found (``finds``) otherwise (Clopper and Pearson 1934).

    >>> round(share_to_draw(3000, 0.01), 3), share_to_draw(3000, 0)
    (0.096, 0)
    """
    if not bound:
        return 0
    too_many = math.floor(bound * pictures) + 1
    return min(1.0, (1 - float(risk ** (1 / too_many))) / max(finds, 1e-9))


def least_found(found: int, shown: int) -> float:
    """The smallest share found that would, with a probability of :data:`HALF_RISK`, show as many as ``found``
    (Clopper and Pearson 1934): with the bound it is part of, that leaves 95 % confidence.

    >>> round(least_found(60, 60), 3), round(least_found(54, 60), 3), least_found(0, 60)
    (0.94, 0.795, 0.0)
    """
    low, high = 0.0, found / max(1, shown)
    for _ in range(50):
        middle = (low + high) / 2
        terms = (math.comb(shown, k) * middle**k * (1 - middle) ** (shown - k) for k in range(found, shown + 1))
        low, high = (middle, high) if sum(terms) < HALF_RISK else (low, middle)
    return low


def second_sample(group: pd.DataFrame) -> pd.DataFrame:
    """A larger sample: one in ten, six at least."""
    return _spread(group, _second_size(len(group)))


def _second_size(pictures: int) -> int:
    return min(pictures, max(SECOND, math.ceil(pictures / SECOND_ONE_IN)))


def _names(group: pd.DataFrame) -> list[str]:
    """What a picture is drawn by: its SOP Instance UID, so that the same images from another place give the same."""
    return [uid or path for uid, path in zip(group.SOPInstanceUID.tolist(), group.source_path.tolist(), strict=True)]


def _spread(group: pd.DataFrame, wanted: int) -> pd.DataFrame:
    number = pd.to_numeric(group.InstanceNumber, errors="coerce")
    order = pd.DataFrame({"number": number, "name": _names(group)}, group.index).sort_values(["number", "name"])
    places = [len(order) // 2] if wanted == 1 else np.linspace(0, len(order) - 1, wanted).round().astype(int)
    return group.loc[order.index[np.unique(places)]]
