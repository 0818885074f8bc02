"""Text in a picture, found and read with RapidOCR; its models come inside its wheel and are never downloaded."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.renders import LONG_SIDE, Render

CONFIDENCE = 0.5  # below it a reading is noise: of 680 identifiers found on the bench none was read below 0.6
MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}


class ReadLine(NamedTuple):
    """A line of text in a picture, in the picture's own pixels."""

    box: Box
    text: str
    confidence: float


@functools.cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)  # one process a core: more threads only get into each other's way
    spec = importlib.util.find_spec("rapidocr")
    assert spec and spec.origin
    folder = Path(spec.origin).parent / "models"
    return RapidOCR(
        params={
            **{f"{part}.model_path": str(folder / name) for part, name in MODELS.items()},
            "Global.log_level": "critical",
            "Global.text_score": CONFIDENCE,
            "Global.max_side_len": LONG_SIDE,
            "Global.use_vertical_padding": False,
            "Det.limit_type": "max",  # sizes are settled here, see `_scaled`
            "Det.limit_side_len": LONG_SIDE,
            # more willing than the defaults (0.3, 0.5, 1.6); what is then read below `CONFIDENCE` is dropped again
            "Det.thresh": 0.2,
            "Det.box_thresh": 0.25,
            "Det.unclip_ratio": 1.8,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def read_lines(render: Render) -> list[ReadLine]:
    """The lines of text in a picture."""
    scaled, scale = _scaled(render)
    found = _engine()(scaled)
    if found.boxes is None or found.txts is None:
        return []
    lines = []
    for corners, text, confidence in zip(found.boxes, found.txts, found.scores, strict=True):
        low, high = np.floor(corners.min(axis=0) / scale), np.ceil(corners.max(axis=0) / scale)
        lines.append(ReadLine(Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])), text, float(confidence)))
    return lines


def _scaled(render: Render) -> tuple[Any, float]:
    """Grown as the render says, but no side beyond 2560 pixels; three channels, as the models want."""
    picture, short_side, growth = render[:3]
    rows, columns = picture.shape[:2]
    scale = min(max(1.0, short_side / min(rows, columns)), LONG_SIDE / max(rows, columns), growth)
    size = (round(columns * scale), round(rows * scale))
    grown = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if scale != 1 else picture
    return cv2.cvtColor(grown, cv2.COLOR_GRAY2BGR if grown.ndim == 2 else cv2.COLOR_RGB2BGR), scale
