"""The plain header of a demo image: what a scanner of that vendor writes for that modality, and nothing planted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydicom.dataset import Dataset

from chorus_nb.demo.scenario import DemoPatient, DemoStudy


@cache
def scanners() -> dict[str, Any]:
    """``vendors`` and ``modalities`` of ``headers.yaml``."""
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("headers.yaml").read_text(encoding="utf-8"))
    return content


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def fill_header(
    dataset: Dataset, patient: DemoPatient, study: DemoStudy, facts: Mapping[str, str], number: int, index: int | None
) -> None:
    """Write the Patient, Study, Series, Equipment and acquisition modules around the pixel data of ``dataset``.

    ``number`` is the series number, ``index`` the instance number. What the picture says about itself wins.
    """
    scanner = scanners()["vendors"][study.vendor]
    defaults = (
        scanners()["modalities"][study.modality] if dataset.get("Modality", study.modality) == study.modality else {}
    )
    if "W CONTRAST" in study.description:
        defaults = defaults | {"ContrastBolusAgent": "Omnipaque 350", "ContrastBolusRoute": "IV"}
    for keyword, value in {"Modality": study.modality, "LossyImageCompression": "00", **defaults}.items():
        if keyword not in dataset:
            items = isinstance(value, list) and any(isinstance(item, dict) for item in value)
            setattr(dataset, keyword, [code(*item.values()) for item in value] if items else value)
    values: dict[str, Any] = {
        "SpecificCharacterSet": patient.charset.split("\\") if "\\" in patient.charset else patient.charset,
        "PatientSex": patient.sex,
        "PatientWeight": 71.5,
        "SeriesNumber": number,
        "InstanceNumber": index,
        "AcquisitionNumber": 1,
        "BodyPartExamined": study.body_part,
        "Manufacturer": scanner["manufacturer"],
        "ManufacturerModelName": scanner["models"][study.modality],
        "SoftwareVersions": scanner["software"],
        "PositionReferenceIndicator": "",
    }
    if study.modality != "CR":
        values["FrameOfReferenceUID"] = facts["frame_uid"]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
