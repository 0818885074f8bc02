"""Images to draw on: of pydicom, pydicom-data, deid-data and of the shared folder, as far as they are there."""

from __future__ import annotations

import functools
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb.dicom import codecs

codecs.register()

SHARED = Path(__file__).parents[3] / "shared" / "dicom"
FO = "fo-dicom__fo-dicom/Tests/FO-DICOM.Tests/Test Data"

# the part of a file that is drawn on (rows, columns), and what a person still reads in it, or half reads where the part
# cuts it (all parts looked at on 2026-11-28): such a picture is no picture without text
Part = tuple[slice, slice] | tuple[slice, slice, str]
LEAD = "letters of lead, cut"

WHEEL: dict[str, Part | None] = {
    "CT_small.dcm": None,
    "693_J2KI.dcm": None,
    "J2K_pixelrep_mismatch.dcm": None,
    "JPEG-lossy.dcm": None,
    "examples_overlay.dcm": None,
    "examples_ybr_color.dcm": (slice(30, 210), slice(44, 284)),
}
FILES: dict[str, Part | None] = {
    "FNNDSC__ami/data/dicom/US-RGB-8-epicard.dcm": (slice(100, 420), slice(60, 560), "image_1, R3"),
    "SMI__dicompixelanon/data/sample_dicom/US-GE-4AICL142.dcm": (
        slice(140, 410),
        slice(20, 590),
        "figures of a scale, cut",
    ),
    "SaltyJoke__Image-Registration/data-sample/A072894/axial/19010103-40.dcm": None,
    "SaltyJoke__Image-Registration/data-sample/A072894/sagittal/19010103-066.dcm": None,
    "commontk__CTKData/Data/DICOM/MRHEAD/000001.IMA": None,
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Benchmark/Data/ct.dcm": None,
    "fo-dicom__fo-dicom/Tests/FO-DICOM.Benchmark/Data/mr.dcm": None,
    f"{FO}/GH184.dcm": None,
    f"{FO}/abd1.zip.d/adb1_1.dcm": None,
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(100, 700), slice(0, 1318), LEAD),
    "neurolabusc__dcm_qa_ct/In/GE/01.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-01.dcm": None,
    "pydicom__pydicom-data/data_store/data/HTJ2KLossless_08_RGB.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG3_J2KI.dcm": (slice(0, 1300), slice(0, 1760)),
    "pypi__heudiconv/heudiconv-1.5.1/heudiconv/tests/data/axasc35.dcm": None,
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": None,
    "suyashkumar__dicom/testdata/1.dcm": None,
}
# pictures that nothing was tuned on when they were first used (2026-11-26): some to develop with, some to measure with
QA = "neurolabusc__dcm_qa"
DEVELOP: dict[str, Part | None] = {
    "ImagingDataCommons__highdicom/data/test_files/dx_image.dcm": None,
    "SaltyJoke__Image-Registration/data-sample/A072894/19001203-CAP-067.dcm": None,
    "SaltyJoke__Image-Registration/data-sample/A072894/sagittal/19001203-086.dcm": None,
    "commontk__CTKData/Data/DICOM/MRHEAD/000029.IMA": None,
    "dcm4che__dcm4che/dcm4che-test-data/src/main/resources/YBR_FULL-RLE.dcm": (slice(55, 360), slice(90, 480)),
    f"{FO}/abd1.zip.d/adb1_10.dcm": None,
    f"{QA}_ct/In/GE/06.dcm": None,
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000034.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-09.dcm": None,
    "examples_jpeg2k.dcm": (slice(112, 336), slice(42, 590)),
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": (slice(900, 1900), slice(100, 1741)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(300, 1000), slice(200, 1000)),
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(120, 680), slice(400, 1318), LEAD),
}
UNSEEN: dict[str, Part | None] = {
    "SaltyJoke__Image-Registration/data-sample/A072894/19010103-Chest-058.dcm": None,
    "SaltyJoke__Image-Registration/data-sample/A072894/axial/19001203-066.dcm": None,
    "commontk__CTKData/Data/DICOM/MRHEAD/000059.IMA": None,
    "commontk__CTKData/Data/DICOM/MRHEAD/000089.IMA": None,
    "dcm4che__dcm4che/dcm4che-test-data/src/main/resources/YBR_422.dcm": (slice(90, 440), slice(190, 780)),
    f"{FO}/CR-ModalitySequenceLUT.dcm": (slice(620, 1380), slice(0, 1976)),
    f"{QA}_ct/In/GE/16.dcm": None,
    f"{QA}_ct/In/Philips/S21610/S4010/I30": (slice(None), slice(None), "a page in colour"),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000082.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-19.dcm": None,
    "microsoft__Tools-for-Health-Data-Anonymization/DICOM/samples/lung.dcm": None,
}
LAST: dict[str, Part | None] = {  # first used on 2026-11-27
    "commontk__CTKData/Data/DICOM/MRHEAD/000074.IMA": None,
    "dcm4che__dcm4che/dcm4che-test-data/src/main/resources/YBR_FULL-RLE.dcm": (
        slice(75, 380),
        slice(60, 430),
        "DOE, cut",
    ),
    f"{FO}/CR-ModalitySequenceLUT.dcm": (slice(400, 1200), slice(100, 1900)),
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(150, 650), slice(100, 900)),
    f"{QA}_ct/In/GE/11.dcm": None,
    f"{QA}_nih/In/20180918GE/mr_0004/axial_epi_fmri_interleaved_i_to_s-00002.dcm": None,
    f"{QA}_uih/In/DTI_132225/dti_tra_dir16_PA_rot_SaveBySlc__134057/00000009.dcm": None,
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000120.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-13.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG3_J2KI.dcm": (slice(200, 1200), slice(300, 1700)),
}
FRESH: dict[str, Part | None] = {  # first used in the evening of 2026-11-27
    "commontk__CTKData/Data/DICOM/MRHEAD/000044.IMA": None,
    "cornerstonejs__cornerstone3D/packages/dicomImageLoader/testImages/"
    "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm": None,
    "cornerstonejs__dicomParser/testImages/encapsulated/multi-frame/"
    "CT0012.fragmented_no_bot_jpeg_lossless.70.dcm": None,
    "dcm4che__dcm4che/dcm4che-test-data/src/main/resources/YBR_422.dcm": (slice(120, 420), slice(220, 700)),
    f"{FO}/CR-ModalitySequenceLUT.dcm": (slice(300, 1500), slice(500, 1500)),
    f"{QA}_ct/In/GE/21.dcm": None,
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000060.dcm": None,
    f"{QA}_uih/In/DTI_132225/dti_tra_dir16_PA_rot_SaveBySlc__134057/00000012.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-06.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": (slice(200, 1300), slice(300, 1500)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(100, 800), slice(0, 900)),
}
NEXT: dict[str, Part | None] = {  # first used in the night of 2026-11-27; other slices and parts
    "commontk__CTKData/Data/DICOM/MRHEAD/000018.IMA": None,
    "FNNDSC__ami/data/dicom/US-RGB-8-epicard.dcm": (slice(130, 390), slice(150, 520)),
    f"{FO}/CR-ModalitySequenceLUT.dcm": (slice(500, 1500), slice(900, 1900), "L, of lead"),
    f"{QA}_ct/In/GE/04.dcm": None,
    f"{QA}_ct/In/GE/26.dcm": None,
    "SMI__dicompixelanon/data/sample_dicom/US-GE-4AICL142.dcm": (slice(160, 400), slice(60, 500)),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000100.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-16.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG3_J2KI.dcm": (slice(100, 1100), slice(600, 1760)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(200, 900), slice(200, 1000)),
}
LATER: dict[str, Part | None] = {  # first used in the morning of 2026-11-28; other slices and parts
    "commontk__CTKData/Data/DICOM/MRHEAD/000052.IMA": None,
    "dcm4che__dcm4che/dcm4che-test-data/src/main/resources/YBR_422.dcm": (slice(100, 380), slice(240, 760)),
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(100, 600), slice(300, 1200), LEAD),
    f"{QA}_ct/In/GE/08.dcm": None,
    f"{QA}_ct/In/GE/23.dcm": None,
    "examples_jpeg2k.dcm": (slice(120, 320), slice(120, 500)),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000072.dcm": None,
    "plotly__dash-vtk/demos/data/mri_brain/1-11.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": (slice(500, 1500), slice(200, 1500)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(50, 750), slice(100, 1000)),
}
LATEST: dict[str, Part | None] = {  # first used in the afternoon of 2026-11-28; other slices and parts
    "commontk__CTKData/Data/DICOM/MRHEAD/000036.IMA": None,
    "SMI__dicompixelanon/data/sample_dicom/US-GE-4AICL142.dcm": (slice(140, 390), slice(140, 580)),
    f"{FO}/CR-MONO1-10-chest": None,
    f"{QA}_ct/In/GE/14.dcm": None,
    f"{QA}_ct/In/GE/19.dcm": None,
    "FNNDSC__ami/data/dicom/US-RGB-8-epicard.dcm": (slice(110, 400), slice(90, 430), "ge_1"),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000088.dcm": None,
    f"{QA}_uih/In/DTI_132225/dti_tra_dir16_PA_rot_SaveBySlc__134057/00000005.dcm": None,
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(140, 640), slice(60, 1000)),
    "plotly__dash-vtk/demos/data/mri_brain/1-21.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG3_J2KI.dcm": (slice(300, 1300), slice(100, 1200)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(250, 1000), slice(50, 850)),
}
NEWEST: dict[str, Part | None] = {  # first used in the morning of 2026-11-29; most are of the wheel pydicom-data, 1.0.0
    "MR-SIEMENS-DICOM-WithOverlays.dcm": None,
    "US1_UNCR.dcm": (slice(130, 280), slice(60, 580)),
    "bad_sequence.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": (slice(700, 1700), slice(400, 1700)),
    "color-px.dcm": (slice(0, 120), slice(0, 215)),
    "explicit_VR-UN.dcm": None,
    "commontk__CTKData/Data/DICOM/MRHEAD/000066.IMA": None,
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(180, 680), slice(0, 860)),
    f"{QA}_ct/In/GE/25.dcm": None,
    "color3d_jpeg_baseline.dcm": (slice(60, 450), slice(70, 550)),
    "MR2_UNCR.dcm": None,
    "gdcm-US-ALOKA-16.dcm": (slice(90, 420), slice(30, 640)),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000108.dcm": None,
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(150, 900), slice(150, 950)),
    "eCT_Supplemental.dcm": None,
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (slice(180, 600), slice(160, 740)),
}
UNTRIED: dict[
    str, Part | None
] = {  # drawn on 2026-11-29; the foot, the whole body and those of deid-data 0.0.20 are new
    "deid_data/data/animals/cat.dcm": (slice(500, 1700), slice(300, 2500)),
    "deid_data/data/ultrasounds/ultrasound-multiframe.dcm": (slice(140, 480), slice(190, 560)),
    f"{FO}/GH355.dcm": (slice(95, 430), slice(70, 440)),
    "commontk__CTKData/Data/DICOM/MRHEAD/000083.IMA": None,
    f"{QA}_ct/In/GE/02.dcm": None,
    "deid_data/data/ultrasounds/GREYSCALE_IMAGE.dcm": (slice(130, 700), slice(130, 860)),
    "JPEG-LL.dcm": None,
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000048.dcm": None,
    "deid_data/data/animals/cat.dcm ": (slice(900, 1600), slice(1500, 2500)),
    f"{QA}_ct/In/GE/18.dcm": None,
    "deid_data/data/ultrasounds/ultrasound-multiframe.dcm ": (slice(260, 500), slice(120, 520)),
    "plotly__dash-vtk/demos/data/mri_brain/1-18.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG3_J2KI.dcm": (slice(500, 1500), slice(450, 1090)),
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(90, 560), slice(120, 940)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(120, 820), slice(220, 1010)),
}
UNOPENED: dict[str, Part | None] = {  # drawn on 2026-11-29, after that; the first two are new, with the marks of rulers
    "OBXXXX1A.dcm": (slice(100, 470), slice(200, 800)),
    "deid_data/data/ultrasounds/RGB_IMAGE.dcm": (slice(90, 730), slice(20, 830)),
    "commontk__CTKData/Data/DICOM/MRHEAD/000024.IMA": None,
    f"{QA}_ct/In/GE/17.dcm": None,
    "color3d_jpeg_baseline.dcm": (slice(40, 400), slice(100, 600)),
    "plotly__dash-vtk/demos/data/mri_brain/1-14.dcm": None,
    f"{FO}/OutOfBoundsOverlay.dcm": (slice(200, 700), slice(140, 1080)),
    f"{QA}_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750/00000094.dcm": None,
    "pydicom__pydicom-data/data_store/data/RG1_J2KI.dcm": (slice(300, 1250), slice(250, 1300)),
    f"{QA}_ct/In/GE/28.dcm": None,
    "US1_UNCR.dcm": (slice(120, 300), slice(40, 600)),
    "robyoung__dicom-test-files/data/WG04/J2KI/XA1_J2KI": (slice(170, 860), slice(60, 900)),
    "deid_data/data/animals/cat.dcm": (slice(700, 1800), slice(100, 1500)),
    "SaltyJoke__Image-Registration/data-sample/A072894/19001203-CAP-067.dcm": (slice(60, 440), slice(40, 470)),
}
SETS = {"bench": WHEEL | FILES, "develop": DEVELOP, "unseen": UNSEEN, "last": LAST, "fresh": FRESH}
SETS |= {"next": NEXT, "later": LATER, "latest": LATEST}
MORE = {"newest": NEWEST, "untried": UNTRIED, "unopened": UNOPENED}  # with pictures that are not in the shared folder
DESCRIBING = (
    "Modality",
    "ImageType",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "PhotometricInterpretation",
)


@dataclass(frozen=True)
class Background:
    """``pixels`` are stored values (frames, rows, columns[, samples]); ``header`` what describes them."""

    modality: str
    pixels: NDArray[np.generic]
    header: Dataset
    own_text: str = ""
    """what a person reads in it before anything is drawn"""

    @property
    def size(self) -> int:
        """Pixels of a frame."""
        return self.pixels.shape[1] * self.pixels.shape[2]

    @property
    def window(self) -> tuple[float, float, float]:
        """Stored values to a grey level of 256, and the lowest and highest stored value shown."""
        if self.pixels.ndim == 4:
            return 1, 0, 255
        width, centre = self.header.get("WindowWidth"), self.header.get("WindowCenter")
        if width in (None, "") or centre in (None, ""):
            low, high = (float(value) for value in np.percentile(self.pixels, (0.5, 99.5)))
        else:
            slope = float(self.header.get("RescaleSlope") or 1)
            middle, half = (float(np.ravel(value)[0]) for value in (centre, width))
            low, high = (
                (middle + side * half / 2 - float(self.header.get("RescaleIntercept") or 0)) / slope for side in (-1, 1)
            )
        return max(high - low, 8) / 256, low, high

    def file(self, pixels: NDArray[np.float32], header: dict[str, str]) -> bytes:
        """The image as an uncompressed DICOM file with these stored values."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for keyword in DESCRIBING:
            if keyword in self.header:
                setattr(dataset, keyword, self.header[keyword].value)
        for keyword, value in header.items():
            setattr(dataset, keyword, value)
        limits = np.iinfo(self.pixels.dtype)
        values = pixels.round().clip(limits.min, limits.max).astype(self.pixels.dtype)
        interpretation = "RGB" if values.ndim == 4 else str(self.header.PhotometricInterpretation)
        dataset.set_pixel_data(values if len(values) > 1 else values[0], interpretation, 8 * values.dtype.itemsize)
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=False, implicit_vr=False, little_endian=True)
        return written.getvalue()


@functools.cache
def backgrounds(which: str = "bench") -> list[Background]:
    """Every background of one of :data:`SETS` or :data:`MORE`; the last is a colour loop of 61 frames."""
    paths = [(_place(name), part) for name, part in (SETS | MORE)[which].items()]
    made = [_read(path, part) for path, part in paths if path.is_file()]
    colour = next(background for background in made if background.pixels.ndim == 4)
    return [*made, Background("US loop", np.repeat(colour.pixels[:1], 61, axis=0), colour.header, colour.own_text)]


def without_text(which: str = "bench") -> list[Background]:
    """Those of a set in which a person reads nothing, but for the loop."""
    return [background for background in backgrounds(which)[:-1] if not background.own_text]


def _place(name: str) -> Path:
    package, _, inside = name.strip().partition("/")  # a space behind: another part of the same file
    if package == "deid_data" and (spec := importlib.util.find_spec(package)) and spec.origin:
        return Path(spec.origin).parent / inside
    return SHARED / name if inside else Path(str(get_testdata_file(name, download=False)))


def _read(path: Path, part: Part | None) -> Background:
    dataset = dcmread(path, force=True)
    decoder = get_decoder(dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))  # without a head: this
    rows, columns, text = (*(part or (slice(None), slice(None))), "")[:3]
    frame = next(decoder.iter_array(dataset, as_rgb=True))[0]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        frame = (apply_color_lut(frame, dataset) >> 8).astype(np.uint8)
    frame = frame[rows, columns]
    return Background(str(dataset.get("Modality") or "OT"), frame[None], dataset, text)
