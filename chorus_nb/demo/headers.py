"""The plain header of a demo image: what a scanner of that vendor writes for that modality, and nothing planted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset

from chorus_nb.demo.scenario import Patient, Study

# Vendor: Manufacturer, root of its UIDs, Manufacturer's Model Name by modality, Software Versions.
VENDORS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "GE": ("GE MEDICAL SYSTEMS", "1.2.840.113619.2.", {"CT": "Revolution CT", "MR": "SIGNA Artist"}, "RCT_2.7"),
    "SIEMENS": ("SIEMENS", "1.3.12.2.1107.5.", {"CT": "SOMATOM Force", "MR": "Prisma"}, "syngo MR E11"),
    "PHILIPS": ("Philips Medical Systems", "1.3.46.670589.", {"CT": "IQon", "US": "EPIQ 7C"}, "4.1.6"),
    "TOSHIBA": ("TOSHIBA", "1.2.392.200036.9116.", {"CT": "Aquilion ONE", "MR": "Vantage Titan"}, "V8.4"),
    "CARESTREAM": ("Carestream Health", "1.2.840.113564.", {"DX": "DRX-Revolution"}, "5.7.453.5"),
    "FUJI": ("FUJIFILM Corporation", "1.2.392.200036.9125.", {"CR": "5000Plus"}, "A19-07"),
    "HOLOGIC": ("HOLOGIC, Inc.", "1.2.840.113681.", {"MG": "Selenia Dimensions"}, "1.10.1.2"),
}


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


# What the IODs of projection images ask for (PS3.3 C.8.11).
PROJECTION: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", ""],
    "PresentationIntentType": "FOR PRESENTATION",
    "PixelIntensityRelationship": "LOG",
    "PixelIntensityRelationshipSign": -1,
    "PresentationLUTShape": "IDENTITY",
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "RescaleType": "US",
    "BurnedInAnnotation": "NO",
    "DetectorType": "DIRECT",
    "AcquisitionContextSequence": [],
}

# Attributes of the modality's IOD that do not depend on the patient: the SOP's keep list is among them.
MODALITIES: dict[str, dict[str, Any]] = {
    "CT": {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ScanOptions": "HELICAL MODE",
        "KVP": 120,
        "XRayTubeCurrent": 312,
        "Exposure": 156,
        "ExposureTime": 500,
        "FocalSpots": 0.7,
        "FilterType": "BODY FILTER",
        "ConvolutionKernel": "STANDARD",
        "PatientPosition": "HFS",
        "ContrastBolusAgent": "",
    },
    "MR": {
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "ScanningSequence": ["GR", "IR"],
        "SequenceVariant": ["SK", "SP"],
        "ScanOptions": "IR",
        "MRAcquisitionType": "3D",
        "RepetitionTime": 2300,
        "EchoTime": 2.98,
        "EchoTrainLength": 1,
        "FlipAngle": 9,
        "MagneticFieldStrength": 3,
        "PatientPosition": "HFS",
    },
    "CR": {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "ViewPosition": "PA",
        "KVP": 117,
        "ExposureInuAs": 4000,
        "PatientOrientation": ["L", "F"],
    },
    "DX": PROJECTION
    | {
        "ViewPosition": "AP",
        "ImageLaterality": "U",
        "PatientOrientation": ["L", "F"],
        "KVP": 85,
        "Exposure": 3,
        "ExposureInuAs": 2800,
        "FilterMaterial": "ALUMINUM",
        "FilterThicknessMinimum": 1,
        "FilterThicknessMaximum": 1,
        "PositionerType": "NONE",
        "AnatomicRegionSequence": [code("51185008", "SCT", "Chest")],
    },
    "MG": PROJECTION
    | {
        "OrganExposed": "BREAST",
        "KVP": 29,
        "ExposureInuAs": 88000,
        "BodyPartThickness": 54,
        "PositionerType": "MAMMOGRAPHIC",
        "AnatomicRegionSequence": [code("76752008", "SCT", "Breast")],
    },
    "US": {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "TransducerType": "SECTOR_PHASED",
        "TransducerData": "S5-1",
        "TransducerFrequency": 3200,
        "PatientOrientation": "",
    },
}


def fill(
    dataset: Dataset, patient: Patient, study: Study, facts: Mapping[str, str], number: int, index: int | None
) -> None:
    """Write the Patient, Study, Series, Equipment and acquisition modules around the pixel data of ``dataset``.

    ``number`` is the series number, ``index`` the instance number. What the picture says about itself wins.
    """
    manufacturer, _, models, software = VENDORS[study.vendor]
    defaults = MODALITIES[study.modality] if dataset.get("Modality", study.modality) == study.modality else {}
    if "W CONTRAST" in study.description:
        defaults = defaults | {"ContrastBolusAgent": "Omnipaque 350", "ContrastBolusRoute": "IV"}
    for keyword, value in {"Modality": study.modality, "LossyImageCompression": "00", **defaults}.items():
        if keyword not in dataset:
            setattr(dataset, keyword, value)
    values: dict[str, Any] = {
        "SpecificCharacterSet": patient.charset.split("\\") if "\\" in patient.charset else patient.charset,
        "PatientSex": patient.sex,
        "PatientWeight": 71.5,
        "SeriesNumber": number,
        "InstanceNumber": index,
        "AcquisitionNumber": 1,
        "BodyPartExamined": study.body_part,
        "Manufacturer": manufacturer,
        "ManufacturerModelName": models[study.modality],
        "SoftwareVersions": software,
        "PositionReferenceIndicator": "",
    }
    if study.modality != "CR":
        values["FrameOfReferenceUID"] = facts["frame_uid"]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
