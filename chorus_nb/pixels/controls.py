"""The hidden control: pictures of the site with an invented identifier drawn in, of which it is known what is in them.

The detector looks at each, and the image reviewer shows some among the others; what both miss is counted, and the
bound of 04 is made of it. They stand in ``local/controls`` and are no files of the source: 03 reads none of them, so
none is released.
"""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.decisions import DecisionLog
from chorus_nb.errors import ChildFault
from chorus_nb.pixels import detection
from chorus_nb.pixels.boxes import Box, format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.processes import Progress
from chorus_nb.processes.child import each_in_child
from chorus_nb.workspace import Workspace, put

if TYPE_CHECKING:
    from pydicom import Dataset

CONTROLS = 60  # pictures: all found, they show that at least 0.94 of such text is
_FOLDER = "controls"  # below local/
_RISKS = ("likely", "possible", "unlikely")
_SIZES, _LEVELS = (
    (10, 12, 14, 16, 20, 24),
    (60, 90, 130),
)  # pixels; grey levels of 256 between ink and what is around it
_FONTS = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")  # come with matplotlib
_ONE_IN = 10  # pictures that a reviewer sees
_COVERED = 0.5  # share of what was drawn that the boxes of a finding have in common with it
CONTROL_LOG = DecisionLog(
    tables.CONTROL_DECISIONS, frozenset({"accept", "redact", "reject"}), lambda row: parse_boxes(row["boxes"])
)
_RECIPE = detection.TEXT_RECIPE._replace(module=__name__)


def look_at_controls(workspace: Workspace, images: pd.DataFrame, progress: Progress | None = None) -> pd.DataFrame:
    """Make the control pictures of ``images`` (of :func:`~chorus_nb.pixels.triage.triage`) and look at each: the table
    ``text_controls``. What was looked at before with the same detector is not looked at again."""
    wanted = control_pictures(images)
    detector = detection.detector_version(_RECIPE)
    known = workspace.read_or_empty(tables.TEXT_CONTROLS)
    known = known[known.detector == detector].set_index("item") if detector else known.iloc[:0].set_index("item")
    folder = workspace.local / _FOLDER
    tasks = [
        (workspace.source, path, str(folder / name), seed)
        for item, (path, name, seed) in wanted.items()
        if detector and (item not in known.index or not (folder / name).is_file())
    ]
    rows = [known.loc[item].to_dict() | {"item": item} for item in wanted if item in known.index]
    of_name = {str(folder / name): item for item, (_, name, _) in wanted.items()}
    looks = each_in_child(workspace.parameters, _plant_and_look, tasks, progress, "looking at the hidden control")
    for (_, path, target, _), answer, _ in looks:
        if not isinstance(answer, ChildFault):  # a picture that cannot be drawn on is no control
            box, found = answer
            item = of_name[target]
            rows.append(
                {"item": item, "source_path": path, "name": Path(target).name, "box": format_boxes([box])}
                | {"detector": detector, "found": int(found)}
            )
    frame = tables.frame(tables.TEXT_CONTROLS, sorted(rows, key=lambda row: str(row["item"])))
    workspace.write(tables.TEXT_CONTROLS, frame)
    return frame


def control_pictures(images: pd.DataFrame) -> dict[str, tuple[str, str, int]]:
    """:data:`CONTROLS` pictures, as many of each device and layout: what a reviewer sees as its path, to source path,
    name below :data:`_FOLDER`, and a number that what is drawn follows from. Always the same, wherever they stand."""
    fit = images[images.risk.isin(_RISKS)]
    names = fit.SOPInstanceUID.where(fit.SOPInstanceUID != "", fit.source_path)
    fit = fit.assign(order=names.map(lambda name: blake3(str(name).encode()).hexdigest())).sort_values("order")
    fit = fit.assign(turn=fit.groupby("device").cumcount()).sort_values(["turn", "order"])
    found: dict[str, tuple[str, str, int]] = {}
    taken = set(images.source_path)
    for number in range(CONTROLS if len(fit) else 0):
        row = fit.iloc[number % len(fit)]
        digest = blake3(f"{row.order}{number}".encode()).digest()
        seed = int.from_bytes(digest[:6], "big")
        beside = PurePosixPath(str(row.source_path))
        item = str(beside.with_name(f"{seed % 10**8:08}{beside.suffix}"))
        if item not in taken:
            found[item] = str(row.source_path), f"{seed:015}.dcm", seed
    return found


def _plant_and_look(source: Any, source_path: str, target: str, seed: int) -> tuple[Box, bool]:
    """In a supervised child: the control picture as a file, the box of what was drawn, whether the detector tells."""
    content, box = plant_control(source.read(source_path), seed)
    put(target, content)
    return box, is_told(detection.look(content), box)


def is_told(findings: list[TextFinding], box: Box) -> bool:
    """Whether a finding that holds an image back is about what was drawn."""
    telling = (finding.box for finding in findings if finding.tier != "low")
    return sum(box.common(one).area for one in telling) >= _COVERED * box.area


def plant_control(content: bytes, seed: int) -> tuple[bytes, Box]:
    """The first frame of a file with an invented identifier drawn into its stored values, uncompressed."""
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.uid import ExplicitVRLittleEndian

    from chorus_nb.dicom import codecs

    random = np.random.default_rng(seed)
    dataset = dcmread(io.BytesIO(content), force=True)
    frame, _ = codecs.decoder_of(dataset).as_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        frame = apply_color_lut(frame, dataset)
        frame = (frame >> 8).astype(np.uint8) if frame.dtype == np.uint16 else frame
    drawn, box = _drawn(frame, _seen(frame, dataset), random)
    said = dataset.PhotometricInterpretation if drawn.ndim == 2 else "RGB"
    bits = int(dataset.BitsStored) if drawn.ndim == 2 else 8
    _strip(dataset)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_pixel_data(drawn, said, bits, generate_instance_uid=True)
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return written.getvalue(), box


def _strip(dataset: Dataset) -> None:
    """Take away what would show, or say, that the picture is another one."""
    del dataset[0x60000000:0x60200000]  # overlay planes
    for keyword in ("IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue", "NumberOfFrames"):
        if keyword in dataset:
            delattr(dataset, keyword)


def _seen(frame: np.ndarray[Any, Any], dataset: Dataset) -> tuple[float, float]:
    """The lowest and the highest stored value that a reader tells apart: those of the header's window, or most."""
    try:
        width, centre = (float(np.ravel(dataset[name].value)[0]) for name in ("WindowWidth", "WindowCenter"))
        slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
        low, high = sorted((centre + side * width / 2 - intercept) / slope for side in (-1, 1))
    except (KeyError, IndexError, TypeError, ValueError):
        low = high = float("nan")
    within = frame.ndim == 2 and high > frame.min() and low < frame.max()
    ends = (low, high) if within else np.percentile(frame, (0.5, 99.5))
    return float(ends[0]), float(ends[1])


def _drawn(
    frame: np.ndarray[Any, Any], seen: tuple[float, float], random: np.random.Generator
) -> tuple[np.ndarray[Any, Any], Box]:
    """The frame with a line drawn into what is ``seen`` of it, brighter than what is around, or darker where that is
    bright already."""
    size = min(int(random.choice(_SIZES)), max(8, frame.shape[0] // 8))
    letters = ink(_line(random), size, str(random.choice(_FONTS)))[:, : frame.shape[1] - 2]
    y, x = (int(random.integers(1, max(2, side - own))) for side, own in zip(frame.shape, letters.shape, strict=False))
    place = np.s_[y : y + letters.shape[0], x : x + letters.shape[1]]
    values = frame.astype(np.float32)
    low, high = seen
    wide = max(high - low, 8.0)
    under = values[place].clip(low, high)
    step, around = wide / 256 * int(random.choice(_LEVELS)), float(under.mean())
    colour = around + step if around <= low + wide / 2 else around - step
    weight = letters if frame.ndim == 2 else letters[..., None]
    values[place] = np.where(weight > 0, under + weight * (colour - under), values[place])
    limits = np.iinfo(frame.dtype)
    made = values.round().clip(limits.min, limits.max).astype(frame.dtype)
    return made, Box(x, y, x + letters.shape[1], y + letters.shape[0])


def ink(line: str, size: int, font: str = _FONTS[0]) -> np.ndarray[Any, Any]:
    """Letters of a line, 0 to 1, without a margin."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    letters = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / font), size)
    left, top, right, bottom = (int(value) for value in letters.getbbox(line))
    canvas = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), line, 255, letters)
    return np.asarray(canvas, np.float32) / 255


def _line(random: np.random.Generator) -> str:
    """An invented name, number or date, as consoles write them."""
    letters = "".join(random.choice(list(part)) for part in ("BDFGKLMNPRSTVZ", "aeiou", "bdfgklmnprstvz", "aeiou"))
    name = f"{letters}{random.choice(['nek', 'sdorf', 'rston', 'velli', 'mbe', 'quist'])}"
    year, month, day = (int(random.integers(*ends)) for ends in ((1930, 2010), (1, 13), (1, 29)))
    lines = [f"{name.upper()}, {letters[::-1].upper()}", f"{letters[::-1].title()} {name}", name]
    lines += [f"MRN {random.integers(10**6, 10**7)}", f"{month:02}/{day:02}/{year}", f"DOB {year}-{month:02}-{day:02}"]
    return str(random.choice(lines))


def controls_for_reviewers(workspace: Workspace, waiting: int) -> dict[str, tuple[str, Path]]:
    """One control for every ten pictures that wait: item, to the picture it was made of and its file."""
    made = workspace.read_or_empty(tables.TEXT_CONTROLS).iloc[: -(-waiting // _ONE_IN)]
    folder = workspace.local / _FOLDER
    return {row["item"]: (row["source_path"], folder / row["name"]) for row in made.to_dict("records")}
