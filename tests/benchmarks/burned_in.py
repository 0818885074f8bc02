"""How much burned-in text is found: invented identifiers drawn over real images, with the truth known.

    python tests/benchmarks/burned_in.py [--images N] [--seed N]

Prints the figures of the page ``chorus_nb/pixels/MEASURED.md`` as Markdown. Backgrounds are the files of the pydicom
wheel and, where it stands beside the repository, of the shared folder. Takes about 5 seconds an image and core.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chorus_nb.pixels.boxes import merge
from chorus_nb.pixels.detection import TextFinding, look
from tests.benchmarks.images import SHARED, Background, backgrounds, without_text

SIZES = (8, 10, 12, 14, 16, 20, 24, 32)  # pixels, em
LEVELS = {120: 0.55, 65: 0.25, 28: 0.2}  # grey levels of 256 in the usual window, and how many lines have them
# what is called so: at least this many levels; below 15 part of the ink cannot be seen by eye either
CONTRASTS = {"strong": 90, "medium": 45, "faint": 15, "vanishing": 0}
FONTS = [
    Path(matplotlib.get_data_path(), "fonts/ttf", f"{name}.ttf")
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")
]
FAMILY = ("Zimmerwald", "Okonjima", "Brattlebury", "Querengaesser", "Vanterpool", "Szczepanik", "Lindqvarn")
GIVEN = ("Oktavia", "Thaddeus", "Mirabel", "Ignatius", "Philippa", "Desmond", "Anneliese")
PLACES = ("St. Corbinian Klinikum", "Harrowgate General Hospital", "Mount Alder Medical Center")


class Kind(NamedTuple):
    """What is drawn: header values and lines of an invented person, how large, how, and in which frames of a loop."""

    lines: Callable[[np.random.Generator], tuple[dict[str, str], list[str]]]
    sizes: tuple[int, ...] = SIZES
    turned: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda ink: ink
    drawn: Callable[[str, int, np.random.Generator], NDArray[np.float32]] = lambda *given: draw(*given)
    every: int = 30
    moving: int = 0  # pixels to the right a frame, in every frame


class Planted(NamedTuple):
    """A line of text in an image: its ink, where it is drawn."""

    text: str
    size: int
    contrast: str
    frame: int
    rows: slice
    columns: slice
    ink: NDArray[np.bool_]


def identifiers(
    random: np.random.Generator, named: Sequence[Sequence[str]] = (FAMILY, GIVEN, PLACES)
) -> tuple[dict[str, str], list[str]]:
    """Header values of an invented person (of these family names, given names, hospitals), and lines of text that tell
    who it is."""
    family, given, place = (str(random.choice(words)) for words in named)
    number, accession = f"{random.integers(10**6, 10**7)}", f"A{random.integers(10**7, 10**8)}"
    year, month, day = random.integers(1930, 2005), random.integers(1, 13), random.integers(1, 29)
    header = {"PatientName": f"{family}^{given}", "PatientID": number, "AccessionNumber": accession}
    header["InstitutionName"] = place
    name = random.choice([f"{family}, {given}".upper(), f"{given} {family}", family])
    date = random.choice(
        [f"{month:02}/{day:02}/{year}", f"{year}-{month:02}-{day:02}", f"DOB {day:02}.{month:02}.{year}"]
    )
    lines = [name, f"MRN {number}", f"Acc {accession}", date, f"{date} 14:32:07", place]
    return header, [str(line) for line in random.permutation(lines)]


def plant(
    background: Background, seed: int, kind: Kind | None = None, more: dict[str, str] | None = None
) -> tuple[bytes, list[Planted]]:
    """The image as a DICOM file with identifiers, or lines of a ``kind``, drawn into its stored values; its header
    says ``more``, too."""
    random = np.random.default_rng(seed)
    kind = kind or Kind(identifiers)
    header, lines = kind.lines(random)
    pixels, planted = background.pixels.astype(np.float32), []
    taken = np.zeros(pixels.shape[1:3], bool)
    for line in lines:
        size, levels = int(random.choice(kind.sizes)), int(random.choice(list(LEVELS), p=list(LEVELS.values())))
        alpha = kind.turned(kind.drawn(line, size, random))
        place = _free_place(taken, alpha.shape, random)
        if place is None:
            continue
        rows, columns = place
        taken[max(0, rows.start - 6) : rows.stop + 6, max(0, columns.start - 6) : columns.stop + 6] = True
        frame = int(random.integers(len(pixels))) // kind.every * kind.every if len(pixels) > 1 else 0
        shown = slice(frame, frame + 1)
        reached = _blend(pixels[shown, rows, columns], alpha, levels, background, random)
        for other in range(len(pixels) if kind.moving else 0):  # once around the picture
            if other != frame:
                place = np.arange(columns.start, columns.stop) + kind.moving * (other - frame)
                part = pixels[other : other + 1, rows, place % pixels.shape[2]]
                _blend(part, alpha, levels, background, random)
                pixels[other : other + 1, rows, place % pixels.shape[2]] = part
        contrast = next(name for name, least in CONTRASTS.items() if reached >= least)
        planted.append(Planted(line, size, contrast, frame, rows, columns, alpha > alpha.max() / 2))
    return background.file(pixels, {**header, **(more or {})}), planted


def draw(
    line: str, size: int, random: np.random.Generator, fonts: Sequence[Path] = tuple(FONTS)
) -> NDArray[np.float32]:
    """Ink of a line, 0 to 1, in one of ``fonts``, four in ten without anti-aliasing."""
    font = ImageFont.truetype(str(random.choice(list(fonts))), size)
    left, top, right, bottom = (int(value) for value in font.getbbox(line))
    canvas = Image.new("L", (right - left + 2, bottom - top + 2))
    pen = ImageDraw.Draw(canvas)
    pen.fontmode = "1" if random.random() < 0.4 else "L"
    pen.text((1 - left, 1 - top), line, 255, font)
    return np.asarray(canvas, np.float32) / 255


def _free_place(
    taken: NDArray[np.bool_], shape: tuple[int, ...], random: np.random.Generator
) -> tuple[slice, slice] | None:
    height, width = taken.shape[0] - shape[0] - 4, taken.shape[1] - shape[1] - 4
    if height < 1 or width < 1:
        return None
    for _ in range(50):
        at_the_edge = random.random() < 0.4
        y = int(random.choice([2, height])) if at_the_edge else int(random.integers(2, height + 2))
        x = int(random.integers(2, width + 2))
        place = slice(y, y + shape[0]), slice(x, x + shape[1])
        if not taken[place].any():
            return place
    return None


def _blend(
    part: NDArray[np.float32],
    alpha: NDArray[np.float32],
    levels: int,
    background: Background,
    random: np.random.Generator,
) -> float:
    """Draw into ``part`` in place, ``levels`` of 256 brighter than its mean, or darker where that is too bright.

    Gives the contrast that came of it: grey levels between ink and what was there, for all but a quarter of the ink.
    """
    step, low, high = background.window
    shown = part.clip(low, high)
    mean = shown.mean(axis=(0, 1, 2))
    ink = np.where(mean + levels * step <= high, mean + levels * step, np.maximum(low, mean - levels * step))
    if part.ndim == 4 and levels > 100:  # white, yellow or cyan where the image has colour
        ink = ink * np.asarray([(1, 1, 1), (1, 1, 0.2), (0.2, 1, 1)][random.integers(3)])
    weight = alpha if part.ndim == 3 else alpha[..., None]
    part += weight * (ink - part)  # half a stroke on what is far below the window is below it too, and not seen
    distance = np.abs(part.clip(low, high) - shown) / np.maximum(weight, 0.01)
    distance = distance if part.ndim == 3 else distance.max(axis=-1)
    return float(np.percentile(distance[:, alpha > alpha.max() / 2], 25) / step)


def measure(task: tuple[int, int]) -> list[dict[str, object]]:
    """In a worker: a row per planted line, and one for the image."""
    number, seed = task
    return measured(backgrounds()[number], seed)


def measured(background: Background, seed: int, kind: Kind | None = None) -> list[dict[str, object]]:
    """A row per planted line, and one for the image."""
    content, planted = plant(background, seed, kind)
    start = time.process_time()
    found = look(content)
    seconds = time.process_time() - start
    rows: list[dict[str, object]] = [{"kind": "image", "modality": background.modality, "seconds": seconds}]
    for line in planted:
        hits = [finding for finding in found if _meets(finding, line)]
        covered = np.zeros(background.pixels.shape[1:3], bool)
        for box in merge(finding.box for finding in hits):
            covered[box.y0 : box.y1, box.x0 : box.x1] = True
        share = (covered[line.rows, line.columns] & line.ink).sum() / line.ink.sum()
        tiers = {finding.tier for finding in hits}
        row = {"kind": "line", "modality": background.modality, "size": line.size, "contrast": line.contrast}
        row |= {"text": line.text, "place": (line.rows.start, line.rows.stop, line.columns.start, line.columns.stop)}
        rows.append(
            {**row, "found": share >= 0.9, "telling": bool(tiers & {"high", "medium"}), "high": "high" in tiers}
        )
    return rows


def measure_plain(number: int) -> dict[str, object]:
    """In a worker: what is found where nothing is."""
    background = without_text()[number]
    found = look(background.file(background.pixels.astype(np.float32), {}))
    return {"modality": background.modality, "boxes": sum(finding.tier != "low" for finding in found)}


def _meets(finding: TextFinding, line: Planted) -> bool:
    box = finding.box
    return (
        box.x0 < line.columns.stop
        and line.columns.start < box.x1
        and box.y0 < line.rows.stop
        and line.rows.start < box.y1
    )


def report(lines: pd.DataFrame, images: pd.DataFrame, plain: pd.DataFrame) -> Iterator[str]:
    """The figures as Markdown; *told* is the recall: what is told holds its picture back, or is filled."""
    yield f"{len(lines)} identifiers in {len(images)} images; {len(plain)} images without text.\n"
    yield "| lines | told (in a high or medium box): recall | told | ≥ 0.9 of the ink in boxes | high of those told |"
    yield "|---|---|---|---|---|"
    groups = {"all": lines}
    for column in ("contrast", "size", "modality"):
        groups |= {f"{column} {value}": part for value, part in lines.groupby(column)}
    groups["all but vanishing"] = lines[lines.contrast != "vanishing"]
    for name, part in groups.items():
        told = part[part.telling]
        shares = f"{part.telling.mean():.3f} | {len(told)} | {part.found.mean():.3f} ({part.found.sum()})"
        yield f"| {name} ({len(part)}) | {shares} | {told.high.mean():.3f} |"
    yield f"\nTiered boxes per image without text: {plain.boxes.mean():.2f}"
    yield f"CPU seconds an image: median {images.seconds.median():.1f}, mean {images.seconds.mean():.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=120, help="images with planted text")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not SHARED.is_dir():
        print("The shared folder is not there: backgrounds of the pydicom wheel only.\n")
    numbers = range(len(backgrounds()))
    tasks = list(itertools.islice(zip(itertools.cycle(numbers), itertools.count(options.seed)), options.images))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = pd.DataFrame([row for part in pool.map(measure, tasks) for row in part])
        plain = pd.DataFrame(pool.map(measure_plain, range(len(without_text()))))
    lines = rows[rows.kind == "line"].convert_dtypes()
    print("\n".join(report(lines, rows[rows.kind == "image"], plain)))


if __name__ == "__main__":
    main()
