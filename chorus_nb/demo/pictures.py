"""Pictures: the pixel data of a series with the attributes that describe it (Image Pixel, Image Plane, modality).

Real pixel data comes from the files inside the pydicom wheel, everything else from :mod:`chorus_nb.demo.phantoms`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from chorus_nb.demo import chests, headers, phantoms, views
from chorus_nb.demo.scenario import DemoSeries


class DemoImage(NamedTuple):
    """A dataset with pixel data; ``burned_in`` are texts, with facts in braces, written into the pixels."""

    dataset: Dataset
    burned_in: tuple[str, ...] = ()


def draw(series: DemoSeries, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """The pictures of the first ``files`` files of ``series``; ``scale`` shrinks the matrix for the tiny site."""
    if not files:
        return
    for picture in PICTURES[series.picture](files, scale, facts):
        encode_pixels(picture.dataset, getattr(uid, series.syntax))
        yield picture


def image(sop_class: UID, array: NDArray[Any], photometric: str = "MONOCHROME2", **attributes: Any) -> Dataset:
    """A native dataset around ``array``: rows and columns, optional frames before and samples behind them."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    bits = {"u1": 8, "u2": 12, "i2": 16}[array.dtype.str[1:]]
    dataset.set_pixel_data(array, photometric, bits, generate_instance_uid=False)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encode_pixels(dataset: Dataset, syntax: UID) -> None:
    """Bring native pixel data into ``syntax``; what is compressed already stays as it is."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    if syntax == uid.JPEGBaseline8Bit:  # pydicom has no encoder for it
        content = io.BytesIO()
        Image.fromarray(dataset.pixel_array).save(content, "JPEG", quality=92)
        dataset.PixelData = encapsulate([content.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.LossyImageCompression = "01"
    elif syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    elif not syntax.is_little_endian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax


def slices(
    volume: phantoms.PhantomVolume, sop_class: UID, height: tuple[float, float], field: float, **more: Any
) -> Iterator[DemoImage]:
    """Axial images of ``volume``, feet first, between the two ``height``s and across ``field`` millimetres."""
    count, size = len(volume), volume.shape[1]
    step, pixel = round((height[1] - height[0]) / max(count - 1, 1), 3), round(field / size, 4)
    for index, plane in enumerate(volume):
        z = round(height[0] + index * step, 3)
        geometry: dict[str, Any] = {
            "ImagePositionPatient": [-field / 2, -field / 2, z],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "SliceLocation": z,
            "PixelSpacing": [pixel, pixel],
            "SliceThickness": step,
            "SpacingBetweenSlices": step,
        }
        yield DemoImage(image(sop_class, np.rint(plane).astype("i2"), **geometry, **more))


HOUNSFIELD: dict[str, Any] = {"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU"}


def ct_chest(
    window: tuple[int, int], thickness: float, files: int, scale: float, facts: Mapping[str, str]
) -> Iterator[DemoImage]:
    """Slices ``thickness`` millimetres thin; only some of them, so with gaps between."""
    volume = chests.chest_ct(files, int(256 * scale))
    more = {"WindowCenter": window[0], "WindowWidth": window[1], "SliceThickness": thickness}
    for picture in slices(volume, uid.CTImageStorage, chests.HEIGHT, chests.FIELD, **HOUNSFIELD):
        for keyword, value in more.items():
            setattr(picture.dataset, keyword, value)
        yield picture


def ct_head(files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    volume = phantoms.head_ct(files, int(256 * scale))
    more = HOUNSFIELD | {"WindowCenter": 40, "WindowWidth": 80}
    return slices(volume, uid.CTImageStorage, phantoms.HEAD_HEIGHT, phantoms.HEAD_FIELD, **more)


WEIGHTINGS: dict[str, dict[str, Any]] = {
    "T1": {"InversionTime": 900},
    "T2": {"ScanningSequence": "SE", "SequenceVariant": "SK", "RepetitionTime": 6000, "EchoTime": 96},
}


def mr_head(weighting: str, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    volume = phantoms.head_mr(files, int(192 * scale), weighting)
    return slices(volume, uid.MRImageStorage, phantoms.HEAD_HEIGHT, phantoms.HEAD_FIELD, **WEIGHTINGS[weighting])


def chest_view(
    sop_class: UID, lateral: bool, rows: int, files: int, scale: float, facts: Mapping[str, str]
) -> Iterator[DemoImage]:
    """A chest radiograph, a little different for every accession."""
    chance = np.random.default_rng(list(facts["accession"].encode()))
    view = chests.radiograph(int(rows * scale), lateral)
    for _ in range(files):
        exposed = view ** chance.uniform(0.75, 1.0) * 3300 + chance.uniform(80, 300)
        grain = chance.normal(0, 14, view.shape)
        dataset = image(sop_class, np.clip(exposed + grain, 0, 4095).astype("u2"), WindowCenter=1900, WindowWidth=3600)
        dataset.ImagerPixelSpacing = [0.4, 0.4]
        yield DemoImage(dataset)


def ct_scout(files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    for _ in range(files):
        view = chests.radiograph(int(1024 * scale))[::2, ::2] * 900 - 300
        geometry: dict[str, Any] = {
            "ImagePositionPatient": [-200, 0, 150],
            "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        }
        spacing: dict[str, Any] = {
            "PixelSpacing": [round(400 / len(view), 4)] * 2,
            "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        }
        yield DemoImage(image(uid.CTImageStorage, view.astype("i2"), **geometry, **spacing, **HOUNSFIELD))


MG_VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
VIEW_CODES = {
    "CC": headers.code("399162004", "SCT", "cranio-caudal"),
    "MLO": headers.code("399368009", "SCT", "medio-lateral oblique"),
}


def mg_views(files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    for index, (side, view) in enumerate(MG_VIEWS[:files]):
        breast = views.mammogram(int(1024 * scale), view == "MLO", seed=40 + index)
        array = ((breast[:, ::-1] if side == "R" else breast) * 3900).astype("u2")
        dataset = image(uid.DigitalMammographyXRayImageStorageForPresentation, array)
        dataset.ImageLaterality, dataset.ViewPosition = side, view
        dataset.ViewCodeSequence = [VIEW_CODES[view]]
        dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
        dataset.PatientOrientation = ["P" if side == "R" else "A", "FR"]
        dataset.ImagerPixelSpacing, dataset.WindowCenter, dataset.WindowWidth = [0.2, 0.2], 1800, 3200
        yield DemoImage(dataset)


def us_cine(files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """An echo loop with the patient's banner burned in."""
    banner = tuple(headers.scanners()["pages"]["banner"])
    for index in range(files):
        loop = views.ultrasound(12, max(int(360 * scale), 180), [line.format_map(facts) for line in banner], index)
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 2
        region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, loop.shape[1] // 6
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = loop.shape[2] - 1, loop.shape[1] - 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # centimetres
        region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
        dataset = image(uid.UltrasoundMultiFrameImageStorage, loop, "RGB", FrameTime=33.3, HeartRate=72)
        dataset.FrameIncrementPointer = 0x00181063  # Frame Time
        dataset.SequenceOfUltrasoundRegions = [region]
        yield DemoImage(dataset, banner)


def page_image(page: str, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """A secondary capture of a page with the patient's name on it."""
    lines = tuple(headers.scanners()["pages"][page])
    for _ in range(files):
        content = views.laid_out_page([line.format_map(facts) for line in lines], max(int(640 * scale), 320))
        dataset = image(uid.SecondaryCaptureImageStorage, content, "RGB", Modality="OT", ConversionType="WSD")
        yield DemoImage(dataset, lines)


def document(sop_class: UID, name: str, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """An object without an image; its content is planted."""
    for _ in range(files):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for keyword, value in ({"SOPClassUID": sop_class} | headers.scanners()["documents"][name]).items():
            setattr(dataset, keyword, value)
        yield DemoImage(dataset)


def ct_enhanced(files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """A multi-frame CT with functional groups; the groups hold positions, and dates of their own."""
    volume = phantoms.head_ct(12, int(128 * scale))
    single = [
        picture.dataset for picture in slices(volume, uid.CTImageStorage, phantoms.HEAD_HEIGHT, phantoms.HEAD_FIELD)
    ]
    dataset = image(uid.EnhancedCTImageStorage, np.rint(volume).astype("i2"))
    shared, measures, orientation, transform = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = single[0].PixelSpacing, single[0].SliceThickness
    orientation.ImageOrientationPatient = single[0].ImageOrientationPatient
    transform.RescaleIntercept, transform.RescaleSlope, transform.RescaleType = 0, 1, "HU"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [transform]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for number, plane in enumerate(single, 1):
        group, content, position = Dataset(), Dataset(), Dataset()
        content.FrameAcquisitionDateTime = content.FrameReferenceDateTime = facts["date_time"]
        content.StackID, content.InStackPositionNumber = "1", number
        position.ImagePositionPatient = plane.ImagePositionPatient
        group.FrameContentSequence, group.PlanePositionSequence = [content], [position]
        dataset.PerFrameFunctionalGroupsSequence.append(group)
    yield DemoImage(dataset)


def real(name: str, files: int, scale: float, facts: Mapping[str, str]) -> Iterator[DemoImage]:
    """A real image of the pydicom wheel, with the header its scanner wrote and what its makers left in the pixels."""
    origin = headers.scanners()["real"][name]
    for _ in range(files):
        dataset = dcmread(str(get_testdata_file(origin["file"])), force=True)
        dataset.walk(lambda *_: None)  # decodes every element, so that any transfer syntax can be written
        yield DemoImage(dataset, tuple(origin["burned_in"]))


PICTURES: dict[str, Callable[[int, float, Mapping[str, str]], Iterator[DemoImage]]] = {
    "ct_scout": ct_scout,
    "ct_chest": partial(ct_chest, (40, 400), 2.5),
    "ct_chest_lung": partial(ct_chest, (-600, 1500), 0.625),
    "ct_head": ct_head,
    "ct_enhanced": ct_enhanced,
    "mr_head_t1": partial(mr_head, "T1"),
    "mr_head_t2": partial(mr_head, "T2"),
    "dx_chest": partial(chest_view, uid.DigitalXRayImageStorageForPresentation, False, 1024),
    "cr_chest": partial(chest_view, uid.ComputedRadiographyImageStorage, False, 1024),
    "cr_chest_lateral": partial(chest_view, uid.ComputedRadiographyImageStorage, True, 1024),
    "mg_views": mg_views,
    "us_cine": us_cine,
    "sc_sheet": partial(page_image, "sheet"),
    "sc_dose": partial(page_image, "dose"),
    "sr_report": partial(document, uid.BasicTextSRStorage, "sr_report"),
    "pdf_letter": partial(document, uid.EncapsulatedPDFStorage, "pdf_letter"),
    **{name: partial(real, name) for name in headers.scanners()["real"]},
}
