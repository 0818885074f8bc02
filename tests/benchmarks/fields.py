"""What the words of descriptions say, against labels made by hand; ``python -m tests.benchmarks.fields [idc.csv.gz]``.

With IDC's descriptions: beside it the share of study descriptions that have a LOINC code, by fold and modality.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from chorus_nb.mapping.field_words import read_description
from chorus_nb.mapping.fields import map_fields

LABELS = Path(__file__).parents[1] / "mapping" / "descriptions_500.csv"
LABELLED = ("body_part", "laterality", "plane", "contrast", "sequence_type", "view")
OF_ANY = ("body_part", "laterality", "contrast")  # the others are read from descriptions of series only
CODED_MODALITIES = ("CT", "MR", "CR", "DX", "US", "MG")


def against_labels() -> pd.DataFrame:
    """By half and field: how many were said, how many of them right, how many a person found."""
    sample = pd.read_csv(LABELS, keep_default_na=False)
    rows = []
    for half, part in sample.groupby("half"):
        for field in LABELLED:
            seen = part if field in OF_ANY else part[part.field == "SeriesDescription"]
            said = pd.Series([read_description(r.description, r.modality).get(field, "") for r in seen.itertuples()])
            want = seen[field].reset_index(drop=True)
            right = int(((said == want) & (said != "")).sum())
            rows.append((half, field, int((said != "").sum()), right, int((want != "").sum())))
    return pd.DataFrame(rows, columns=["half", "field", "said", "right", "labelled"])


def coded_studies(path: str) -> pd.DataFrame:
    """By fold and modality: the share of series whose study description has a LOINC code."""
    idc = pd.read_csv(path, keep_default_na=False)
    idc = idc[(idc.field == "StudyDescription") & idc.modality.isin(CODED_MODALITIES)].reset_index(drop=True)
    mapped = map_fields(idc.rename(columns={"modality": "Modality", "description": "StudyDescription"}))
    idc["coded"] = idc.series.where(mapped.loinc_code != "", 0)
    sums = idc.groupby(["fold", "modality"])[["coded", "series"]].sum()
    return sums.assign(share=(sums.coded / sums.series).round(3)).reset_index()


if __name__ == "__main__":
    print(against_labels().to_string(index=False))
    if sys.argv[1:]:
        print(coded_studies(sys.argv[1]).to_string(index=False))
