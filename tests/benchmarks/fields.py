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
from tests.metadata.test_study_codes import against_midrc, coded

LABELS = Path(__file__).parents[1] / "metadata" / "descriptions_500.csv"
LABELLED = ("body_part", "laterality", "plane", "contrast", "sequence_type", "view")
PARTS_READ = LABELS.with_name("body_parts_120.csv")
DELIVERED = LABELS.with_name("body_parts_250.csv")
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


def interval(right: int, said: int) -> tuple[float, float]:
    """Of a share, the 95 % interval by Wilson."""
    share, z = right / said, 1.96
    middle, reach = share + z * z / 2 / said, z * (share * (1 - share) / said + (z / 2 / said) ** 2) ** 0.5
    return round((middle - reach) / (1 + z * z / said), 3), round((middle + reach) / (1 + z * z / said), 3)


def against_codes() -> pd.DataFrame:
    """Of the labelled studies, and of MIDRC's table read without it: codes said, and true, with the 95 % interval."""
    every = {name: coded(name) for name in ("studies_150", "studies_229", "studies_169")}
    every["midrc"] = against_midrc()
    rows = []
    for name, studies in every.items():
        for modality, part in (("all", studies), *studies.groupby("modality")):
            said = part[part.code != ""]
            if len(said):
                true = int(said.true.sum())
                rows.append((name, modality, len(part), len(said), true, *interval(true, len(said))))
    return pd.DataFrame(rows, columns=["sample", "modality", "studies", "said", "true", "from", "to"])


def against_headers(path: str) -> pd.DataFrame:
    """By fold, of distinct descriptions and of series: is the body part they name the header's, a part of it, or it a
    part? ``wrong`` is the share of descriptions read wrongly, as a person found among 120 that were not so;
    ``at_most``: with the unclear ones."""
    idc = pd.read_csv(path, keep_default_na=False)
    idc["read"] = [
        read_description(d, m).get("body_part", "") for d, m in zip(idc.description, idc.modality, strict=True)
    ]
    idc["header"] = idc.body_part.map(coded_part)
    both = idc[(idc["read"] != "") & (idc["header"] != "")]
    goes = [goes_with("body_part", a, b) for a, b in zip(both["read"], both["header"], strict=True)]
    both = both.assign(goes=goes, in_series=both.series.where(goes, 0))
    made = both.groupby("fold").agg(
        descriptions=("goes", "size"), goes=("goes", "mean"), series=("series", "sum"), in_series=("in_series", "sum")
    )
    made["in_series"] /= made.series
    person = pd.read_csv(PARTS_READ, keep_default_na=False)
    still = [not goes_with("body_part", r.read, coded_part(r.body_part)) for r in person.itertuples()]
    judged = person[still].wrong.value_counts(normalize=True)
    made["wrong"] = (1 - made.goes) * judged["description"]
    return made.assign(at_most=(1 - made.goes) * (judged["description"] + judged["unclear"])).round(3).reset_index()


def delivered_parts() -> pd.DataFrame:
    """Of headers with a body part and a description, drawn and judged by hand: what ``mapped_body_part`` says.

    ``true``: what a person found, a part of it, or what it is a part of; ``same``: the very term.
    """
    sample = pd.read_csv(DELIVERED, keep_default_na=False)
    texts = {name: sample.description.where(sample.field == name, "") for name in sample.field.unique()}
    rows = pd.DataFrame({"Modality": sample.modality, "BodyPartExamined": sample.body_part, **texts})
    said = map_fields(rows).body_part
    true = [bool(a) and goes_with("body_part", a, b) for a, b in zip(said, sample.truth, strict=True)]
    clear = (said != "") & (sample.truth != "unclear")
    told = sample.assign(said=said != "", judged=clear, true=true, same=said == sample.truth)
    return told.groupby("drawn")[["said", "judged", "true", "same"]].sum().reset_index()


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
    print(against_codes().to_string(index=False))
    print(delivered_parts().to_string(index=False))
    if sys.argv[1:]:
        print(against_headers(sys.argv[1]).to_string(index=False))
        print(coded_studies(sys.argv[1]).to_string(index=False))
