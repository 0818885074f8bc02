"""Text in a picture, found and read with the models inside RapidOCR's wheel; they are never downloaded."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.renders import LONG_SIDE, Render

CONFIDENCE = 0.5  # below it a reading is noise: of 680 identifiers found on the bench none was read below 0.6
# A line found this surely counts though it cannot be read. What anatomy is found as is higher than `TALLEST` (pixels,
# or share of the shorter side) or as wide as high: of 24 real images without text one such box had 0.55, none 0.6
UNREAD, TALLEST, TALLEST_SHARE, LONGISH = 0.6, 48, 0.04, 1.3
EXPLAINED = 3.0  # heights of its line that a letter accounts for; a reading leaves letters out that it does not know
MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}


class ReadLine(NamedTuple):
    """A line of text in a picture, in the picture's own pixels; ``text`` is "" where it could not be read."""

    box: Box
    text: str
    confidence: float
    """of the reading; of having found a line where it could not be read"""


class _Models(NamedTuple):
    finder: Any
    boxes: Any
    cut: Any
    reader: Any


@functools.cache
def _models() -> _Models:
    from onnxruntime import InferenceSession, SessionOptions
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_det.utils import DBPostProcess
    from rapidocr.utils.process_img import get_rotate_crop_image

    cv2.setNumThreads(1)  # one process a core: more threads only get into each other's way
    spec = importlib.util.find_spec("rapidocr")
    assert spec and spec.origin
    folder = Path(spec.origin).parent / "models"
    options = SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    reader = RapidOCR(
        params={
            **{f"{part}.model_path": str(folder / name) for part, name in MODELS.items()},
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    finder = InferenceSession(str(folder / MODELS["Det"]), options, providers=["CPUExecutionProvider"])
    # more willing than the defaults (0.3, 0.5, 1.6); what is then read below `CONFIDENCE` is dropped again
    boxes = DBPostProcess(thresh=0.2, box_thresh=0.25, unclip_ratio=1.8, use_dilation=True)
    return _Models(finder, boxes, get_rotate_crop_image, reader)


def read_lines(render: Render) -> list[ReadLine]:
    """The lines of text in a picture, also those that are surely there and cannot be read."""
    scaled, scale = _scaled(render)
    tallest = max(TALLEST, TALLEST_SHARE * min(render.picture.shape[:2]))
    lines = []
    for corners, found, text, confidence in _found(scaled):
        corners = corners / scale
        length, height = _sides(corners)
        letters = sum(character.isalnum() for character in text)
        unread = confidence < CONFIDENCE or length > EXPLAINED * letters * height
        if unread and found >= UNREAD and height <= tallest and length >= LONGISH * height:
            text, confidence = "", found
        elif confidence < CONFIDENCE:
            continue
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        lines.append(ReadLine(Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])), text, float(confidence)))
    return lines


def _sides(corners: Any) -> tuple[float, float]:
    """The longer and the shorter side of a line that may be turned."""
    sides = [float(np.linalg.norm(corners[0] - corners[other])) for other in (1, 3)]
    return max(sides), min(sides)


def _found(picture: Any) -> Iterator[tuple[Any, float, str, float]]:
    """Corners of each line found, how sure that is, what it reads and how sure that is."""
    models = _models()
    boxes, scores = models.boxes(_map_of_text(picture), picture.shape[:2])
    if not len(boxes):
        return
    cuts = [models.cut(picture, corners.copy()) for corners in boxes]
    read = models.reader.recognize_txt(models.reader.cls_and_rotate(cuts)[0])
    yield from zip(boxes, scores, read.txts, read.scores, strict=True)


def _map_of_text(picture: Any) -> Any:
    """How likely each pixel belongs to a line; sides are those of the picture to the next multiple of 32."""
    finder = _models().finder
    rows, columns = (max(32, 32 * round(side / 32)) for side in picture.shape[:2])
    blob = cv2.dnn.blobFromImage(picture, 2 / 255, (columns, rows), (127.5, 127.5, 127.5))
    return finder.run(None, {finder.get_inputs()[0].name: blob})[0]


def _scaled(render: Render) -> tuple[Any, float]:
    """Grown as the render says, but no side beyond 2560 pixels; three channels, as the models want."""
    picture, short_side, growth = render[:3]
    rows, columns = picture.shape[:2]
    scale = min(max(1.0, short_side / min(rows, columns)), LONG_SIDE / max(rows, columns), growth)
    size = (round(columns * scale), round(rows * scale))
    grown = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if scale != 1 else picture
    return cv2.cvtColor(grown, cv2.COLOR_GRAY2BGR if grown.ndim == 2 else cv2.COLOR_RGB2BGR), scale
