"""Pictures that are not slices of a body: mammograms, ultrasound loops with a banner, and pages of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chorus_nb.demo.phantoms import PhantomVolume, noise

Colour = NDArray[np.uint8]


def mammogram(rows: int, oblique: bool, seed: int) -> PhantomVolume:
    """A breast from 0 (air) to 1, chest wall on the left edge; ``oblique`` shows the pectoral muscle (MLO)."""
    columns = rows * 3 // 4
    y = np.linspace(-1, 1, rows, dtype="f4")[:, None]
    x = np.linspace(0, 1.5, columns, dtype="f4")[None, :]
    sag = 0.12 if oblique else 0.0
    edge = 1 - np.hypot((y - sag) / 0.86, x / 1.15) + 0.02 * noise((rows, columns), (5, 5), seed)
    thick = np.sqrt(np.clip(edge, 0, None)) * 0.55
    fine = sum(noise((rows, columns), (n, n), seed + n) / n**0.55 for n in (6, 12, 25, 50, 100))
    gland = np.clip(1.1 - np.hypot((y - sag) / 0.62, (x - 0.45) / 0.62), 0, 1)
    view = thick * (0.75 + 0.25 * fine) + gland * np.clip(0.25 + 0.55 * fine, 0, 1.2) * 0.5 * (edge > 0)
    ducts = np.clip(1 - abs(noise((rows, columns), (40, 9), seed + 1) + fine * 0.3) * 9, 0, 1)
    view += 0.10 * ducts * np.clip(edge * 3, 0, 1) * np.clip(gland + 0.35, 0, 1)
    view += 0.10 * (abs(edge - 0.012) < 0.012)  # skin line
    if oblique:
        view += 0.45 * np.clip((0.62 - x * 1.25 - (y + 1) * 0.75) * 9, 0, 1)
    nipple = np.clip((0.05 - np.hypot(y - sag, x - 1.14)) * 30, 0, 1)
    view = np.maximum(view, 0.42 * nipple)
    return np.asarray(np.clip(view * 1.25, 0, 1.2) / 1.2)


def ultrasound(frames: int, rows: int, banner: Sequence[str], seed: int) -> Colour:
    """A loop of a beating heart in a sector, RGB, with ``banner`` lines written across the top."""
    columns = rows * 4 // 3
    y = np.linspace(0, 1, rows, dtype="f4")[:, None]
    x = np.linspace(-2 / 3, 2 / 3, columns, dtype="f4")[None, :]
    depth, angle = np.hypot(y - 0.2, x), np.arctan2(x, y - 0.2)
    sector = (abs(angle) < 0.68) & (depth > 0.03) & (depth < 0.77)
    generator = np.random.default_rng(seed)
    tissue = 0.5 + 0.35 * noise((rows, columns), (9, 9), seed) + 0.25 * noise((rows, columns), (40, 25), seed + 1)
    loop = np.zeros((frames, rows, columns, 3), "u1")
    for index in range(frames):
        beat = 0.5 - 0.5 * np.cos(2 * np.pi * index / frames)
        ventricle = np.hypot((y - 0.47) / (0.19 - 0.035 * beat), (x + 0.04 - (y - 0.47) * 0.2) / (0.115 - 0.035 * beat))
        atrium = np.hypot((y - 0.79) / 0.10, (x - 0.02) / (0.12 + 0.02 * beat))
        right = np.hypot((y - 0.5) / 0.15, (x + 0.27) / (0.075 - 0.015 * beat))
        blood = np.minimum(np.minimum(ventricle, atrium), right)
        wall = np.exp(-(((blood - 1.12) / 0.14) ** 2))
        grey = tissue * (0.5 + 0.8 * wall) * np.clip((blood - 0.85) * 6, 0.04, 1)
        valve = abs(y - 0.675 + 0.05 * beat * np.cos(x * 22)) < 0.006
        grey = np.where(valve & (abs(x - 0.01) < 0.1), 0.9, grey)
        grey = grey * generator.rayleigh(0.9, (rows, columns)).astype("f4") * np.exp(-0.9 * depth)
        loop[index] = (np.clip(grey * sector, 0, 1) * 235)[..., None].astype("u1")
        loop[index] = _write_label(loop[index], banner, index)
    return loop


def _write_label(frame: Colour, lines: Sequence[str], index: int) -> Colour:
    picture = Image.fromarray(frame)
    pen = ImageDraw.Draw(picture)
    size = max(picture.height // 22, 10)
    font = ImageFont.load_default(size)
    pen.rectangle((0, 0, picture.width, int(size * 1.35) * len(lines) + 2), fill=(28, 44, 78))
    for number, line in enumerate(lines):
        pen.text((4, 1 + number * int(size * 1.35)), line, fill=(235, 235, 235), font=font)
    for tick in range(1, 9):
        height = int(picture.height * (0.12 + 0.083 * tick))
        pen.line((picture.width - 12, height, picture.width - 4, height), fill=(200, 200, 200))
    sweep = int(picture.width * (0.06 + 0.85 * index / 12))
    pen.line((sweep, picture.height - 8, sweep, picture.height - 2), fill=(60, 220, 90))
    return np.asarray(picture)


def laid_out_page(lines: Sequence[str], height: int) -> Colour:
    """A white page with black text, RGB: a patient sheet or a dose report kept as a secondary capture."""
    picture = Image.new("RGB", (height * 4 // 5, height), "white")
    pen = ImageDraw.Draw(picture)
    size = height // 24
    for number, line in enumerate(lines):
        pen.text((size, size * (1.5 + 1.7 * number)), line, fill="black", font=ImageFont.load_default(size))
    pen.rectangle((size // 2, size // 2, picture.width - size // 2, height - size // 2), outline="black", width=2)
    return np.asarray(picture)
