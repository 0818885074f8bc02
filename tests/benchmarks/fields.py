"""What the words of descriptions say, against labels made by hand; ``python -m tests.benchmarks.fields [idc.csv.gz]``.

With IDC's descriptions: beside it the share of study descriptions that have a LOINC code, by fold and modality, and how
often the body part that a description names goes with that of the header.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from chorus_nb.metadata.field_words import goes_with, read_description
from chorus_nb.metadata.fields import coded_part, map_fields

LABELS = Path(__file__).parents[1] / "metadata" / "descriptions_500.csv"
LABELLED = ("body_part", "laterality", "plane", "contrast", "sequence_type", "view")
STUDIES, CODES_READ, PARTS_READ = (
    LABELS.with_name(f"{name}.csv") for name in ("studies_150", "studies_read", "body_parts_120")
)
OF_ANY = ("body_part", "laterality", "contrast")  # the others are read from descriptions of series only
IN_HEADERS = {"modality": "Modality", "description": "StudyDescription", "body_part": "BodyPartExamined"}
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


def against_codes() -> pd.DataFrame:
    """By half of the labelled studies: codes said, right, wanted by a person; codes drawn by chance and read."""
    sample = pd.read_csv(STUDIES, keep_default_na=False)
    sample["code"] = map_fields(sample.rename(columns=IN_HEADERS)).loinc_code
    sample["right"] = [code in wanted.split() for code, wanted in zip(sample.code, sample.loinc, strict=True)]
    made = sample.groupby("half").agg(
        said=("code", lambda codes: (codes != "").sum()),
        right=("right", "sum"),
        wanted=("loinc", lambda codes: (codes != "").sum()),
    )
    read = pd.read_csv(CODES_READ).verdict.value_counts()
    return pd.concat([made, pd.DataFrame({"said": read.sum(), "right": read["right"] + read["less"]}, ["read"])])


def against_headers(path: str) -> pd.DataFrame:
    """By fold, of distinct descriptions: does the body part they name go with the header's? ``wrong`` is the share of
    descriptions read wrongly, as a person found among 120 that do not go with it; ``at_most``: with the unclear ones.
    """
    idc = pd.read_csv(path, keep_default_na=False)
    idc["read"] = [
        read_description(d, m).get("body_part", "") for d, m in zip(idc.description, idc.modality, strict=True)
    ]
    idc["header"] = idc.body_part.map(coded_part)
    both = idc[(idc["read"] != "") & (idc["header"] != "")]
    goes = [goes_with("body_part", a, b) for a, b in zip(both["read"], both["header"], strict=True)]
    made = both.assign(goes=goes).groupby("fold").agg(descriptions=("goes", "size"), goes=("goes", "mean"))
    judged = pd.read_csv(PARTS_READ).wrong.value_counts(normalize=True)
    made["wrong"] = (1 - made.goes) * judged["description"]
    return made.assign(at_most=(1 - made.goes) * (judged["description"] + judged["unclear"])).round(3).reset_index()


def coded_studies(path: str) -> pd.DataFrame:
    """By fold and modality: the share of series whose study description has a LOINC code."""
    idc = pd.read_csv(path, keep_default_na=False)
    idc = idc[(idc.field == "StudyDescription") & idc.modality.isin(CODED_MODALITIES)].reset_index(drop=True)
    mapped = map_fields(idc.rename(columns=IN_HEADERS))
    idc["coded"] = idc.series.where(mapped.loinc_code != "", 0)
    sums = idc.groupby(["fold", "modality"])[["coded", "series"]].sum()
    return sums.assign(share=(sums.coded / sums.series).round(3)).reset_index()


if __name__ == "__main__":
    print(against_labels().to_string(index=False))
    print(against_codes().to_string())
    if sys.argv[1:]:
        print(against_headers(sys.argv[1]).to_string(index=False))
        print(coded_studies(sys.argv[1]).to_string(index=False))
