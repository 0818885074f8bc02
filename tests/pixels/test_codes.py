"""Bar codes and QR codes are found, and hold their image back or are filled."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from chorus_nb.pixels import ocr, redact
from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.codes import EDGE, codes
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.tiers import tier
from tests.pixels.images_with_text import content, image, picture

# Code 128 (ISO/IEC 15417), set B, "MR447": start, five signs, check sign, stop; widths of bars and gaps in modules
CODE_128 = "211214 113123 231131 221231 221231 312131 111143 2331112".replace(" ", "")


def bars(module: int = 2, height: int = 30) -> NDArray[np.uint8]:
    widths = [int(width) * module for width in CODE_128]
    row = np.concatenate([np.full(width, 255 * (n % 2), np.uint8) for n, width in enumerate(widths)])
    return np.pad(np.tile(row, (height, 1)), 10 * module, constant_values=255)


def square(module: int = 3) -> NDArray[np.uint8]:
    code = np.asarray(cv2.QRCodeEncoder.create().encode("MRN 4471902"), np.uint8)
    return np.asarray(cv2.resize(code, None, fx=module, fy=module, interpolation=cv2.INTER_NEAREST), np.uint8)


def made(name: str, scale: int = 2) -> NDArray[np.uint8]:
    """What is on wrist bands, requests and films, by name of the format."""
    said = "A4471902B" if name == "Codabar" else "44719023"
    code = zxingcpp.create_barcode(said, getattr(zxingcpp, name))
    return np.array(zxingcpp.write_barcode_to_image(code, scale=scale, add_quiet_zones=True), np.uint8)


def shown(code: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
    """A noisy picture with the code in it, also fainter than black on white."""
    drawn = picture(rows=400, columns=500)
    drawn[60 : 60 + code.shape[0], 40 : 40 + code.shape[1]] = 60 + strength * 0.75 * code
    return drawn


CODES = {
    "bars": bars(),
    "thin bars": bars(1, 20),
    "lying": np.ascontiguousarray(bars().T),
    "QR": square(),
    "small QR": square(2),
}


@pytest.mark.parametrize("strength", [1.0, 0.7])
@pytest.mark.parametrize("name", CODES)
def test_a_code_is_found_where_it_is(name: str, strength: float) -> None:
    code = CODES[name]
    dark = np.argwhere(code < 128)
    code_at = Box(dark[:, 1].min() + 40, dark[:, 0].min() + 60, dark[:, 1].max() + 41, dark[:, 0].max() + 61)
    [found] = codes(shown(code, strength))
    assert found.grown(EDGE).common(code_at) == code_at
    assert code_at.grown(24).common(found) == found  # its quiet zone at most


TURN = cv2.getRotationMatrix2D((250, 200), 7, 1)
PICTURES = {
    "as it is": lambda drawn: drawn,
    "light on dark": lambda drawn: 255 - drawn,
    "faint": lambda drawn: (100 + 0.3 * drawn).astype(np.uint8),
    "turned by 7 degrees": lambda drawn: cv2.warpAffine(drawn, TURN, (500, 400), borderMode=cv2.BORDER_REFLECT),
    "blurred": lambda drawn: cv2.GaussianBlur(drawn, (0, 0), 0.5),
}


@pytest.mark.parametrize("name", ["Code128", "Code39", "ITF", "Codabar", "QRCode", "DataMatrix", "Aztec", "PDF417"])
@pytest.mark.parametrize("kind", PICTURES)
def test_codes_of_every_format_are_found_and_gone_when_filled(name: str, kind: str) -> None:
    drawn = PICTURES[kind](shown(made(name)))
    found = codes(drawn)
    assert found
    for box in (box.grown(EDGE).within(*drawn.shape) for box in found):
        drawn[box.y0 : box.y1, box.x0 : box.x1] = 0
    assert codes(drawn) == []


@pytest.mark.parametrize("text", ["", "ILLIMITABLE HILL\nIIIIIIIIIIIIIIIIIIIII\n||||||||||||||||||||"])
def test_text_and_noise_are_no_codes(text: str) -> None:
    assert codes(picture(text, rows=400, columns=500)) == []
    stripes = np.tile((np.arange(400) // 3 % 2 * 200).astype(np.uint8), (300, 1))  # a grid has one period
    assert codes(stripes) == []


@pytest.mark.parametrize("name", ["bars", "QR"])
def test_a_code_is_as_telling_as_a_name_and_goes_when_it_is_filled(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [])
    coded = content(image(pixels=shown(CODES[name])))
    [found] = look(coded)
    assert (found.tier, found.reason) == ("high", "a bar or QR code")
    assert tier(found.text, found.matched)[0] == "high"  # as judge asks, which keeps text and match only
    assert look(redact(coded, [found.box])) == []
