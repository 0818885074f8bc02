"""Triage: how many pictures of a group are looked at, from the header alone."""

from __future__ import annotations

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.pixels.triage import first_sample, second_sample, triage

AXIAL = {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ImageType": "ORIGINAL\\PRIMARY\\AXIAL"}
AXIAL |= {"PhotometricInterpretation": "MONOCHROME2", "BitsStored": "12", "has_pixels": True, "overlay_groups": 0}


def catalog(*changes: dict[str, object]) -> pd.DataFrame:
    rows = [
        {"source_path": f"{number:03}", "InstanceNumber": str(number), **AXIAL, **c} for number, c in enumerate(changes)
    ]
    return pd.DataFrame(rows).reindex(columns=tables.CATALOG.column_names).fillna("")


def test_an_original_axial_image_is_unlikely_to_hold_text() -> None:
    assert triage(catalog({})).risk.tolist() == ["unlikely"]


@pytest.mark.parametrize(
    "change",
    [
        {"Modality": "US"},
        {"Modality": ""},
        {"BurnedInAnnotation": "YES"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"ConversionType": "WSD"},
        {"ImageType": "DERIVED\\SECONDARY\\AXIAL"},
        {"ImageType": "ORIGINAL\\PRIMARY\\SCREEN SAVE"},
        {"PhotometricInterpretation": "RGB"},
        {"BitsStored": "8"},
        {"overlay_groups": 1},
        {"SeriesDescription": "Dose Report"},
    ],
)
def test_a_hint_in_the_header_makes_text_likely(change: dict[str, object]) -> None:
    row = triage(catalog(change)).iloc[0]
    assert row.risk == "likely"
    assert row.risk_reason


@pytest.mark.parametrize("values", ["REFORMATTED\\AVERAGE", "MPR", "CSA MPR\\\\CSAPARALLEL"])
def test_reformatted_slices_get_a_larger_sample_unless_something_else_hints_at_text(values: str) -> None:
    slices = {"ImageType": f"DERIVED\\SECONDARY\\{values}"}
    assert triage(catalog(slices)).risk.tolist() == ["possible"]
    assert triage(catalog(slices | {"PhotometricInterpretation": "RGB"})).risk.tolist() == ["likely"]
    assert triage(catalog(slices | {"BurnedInAnnotation": "YES"})).risk.tolist() == ["likely"]
    assert len(first_sample(triage(catalog(*[slices] * 100)))) == 10
    assert len(first_sample(triage(catalog(*[slices] * 20)))) == 6


def test_a_claim_that_nothing_is_burned_in_is_not_believed() -> None:
    assert triage(catalog({"Modality": "US", "BurnedInAnnotation": "NO"})).risk.tolist() == ["likely"]


def test_documents_and_videos_are_never_opened() -> None:
    pdf = {"has_pixels": False, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}
    video = {"TransferSyntaxUID": "1.2.840.10008.1.2.4.102"}
    assert triage(catalog(pdf, video)).risk.tolist() == ["unreadable", "unreadable"]


def test_objects_without_pictures_need_no_look() -> None:
    assert triage(catalog({"has_pixels": False, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"})).risk.tolist() == [
        "none"
    ]


def test_of_a_likely_group_first_middle_and_last_are_looked_at_first() -> None:
    group = triage(catalog(*[{"Modality": "US"}] * 9))
    assert first_sample(group).source_path.tolist() == ["000", "004", "008"]


def test_of_an_unlikely_group_one_in_thirty_is_looked_at_but_never_none() -> None:
    assert len(first_sample(triage(catalog({}, {}, {})))) == 1
    assert len(first_sample(triage(catalog(*[{}] * 45)))) == 2
    assert len(first_sample(triage(catalog(*[{}] * 300)))) == 3


@pytest.mark.parametrize("number", ["1", "{0}"])
def test_what_is_looked_at_does_not_depend_on_where_the_files_lie(number: str) -> None:
    images = [{"SOPInstanceUID": f"1.{i}", "InstanceNumber": number.format(i), "Modality": "CR"} for i in range(40)]
    samples = []
    for names in (range(40), reversed(range(40))):
        files = [{**image, "source_path": f"{name:03}"} for image, name in zip(images, names, strict=True)]
        group = triage(catalog(*files))
        samples.append([set(sample(group).SOPInstanceUID) for sample in (first_sample, second_sample)])
    assert samples[0] == samples[1] and len(samples[0][1]) > 2
