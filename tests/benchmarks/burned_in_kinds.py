"""How much is found of text that is no ordinary line.

    python -m tests.benchmarks.burned_in_kinds [--images N] [KIND ...]

Other scripts, small letters in large pictures, turned and upright lines, months, years and ages, names of two letters,
and text of a single frame. Drawn and counted as in :mod:`tests.benchmarks.burned_in`; of strong and medium
contrast only. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.benchmarks.burned_in import FONTS, Kind, draw, identifiers, measured
from tests.benchmarks.images import Background, backgrounds

Ink = NDArray[np.float32]
Random = np.random.Generator
PERSON = {"PatientName": "Querengaesser^Oktavia", "PatientID": "4471902"}
SCRIPTS = {  # names that are common where the script is; DejaVu has their letters
    "Cyrillic": ("Кузнецова Ирина", "Иванов", "Петренко Олег Ильич", "Шевченко А.П."),
    "Arabic": ("محمد عبد الله", "فاطمة الزهراء حسن", "خالد"),
    "Hebrew": ("דוד כהן", "מרים לוי"),
    "Armenian, Georgian, Greek": ("Արամ Պետրոսյան", "ნინო ბერიძე", "Παπαδόπουλος Γιώργος"),
}
DATES = ("03/1961", "MAR 1961", "11.1958", "born 1958", "YOB 1947", "SEP-1972")
AGES = ("93Y", "Age 91", "97 yrs", "094Y", "age: 102")


def of(*choices: str, **header: str) -> Callable[[Random], tuple[dict[str, str], list[str]]]:
    """Five of ``choices`` in an image with ``header``."""
    return lambda random: ({**PERSON, **header}, [str(line) for line in random.choice(choices, 5)])


def sans(line: str, size: int, random: Random) -> Ink:
    """In a font that has the letters of all of :data:`SCRIPTS`."""
    return draw(line, size, random, FONTS[:1])


def upright(line: str, size: int, random: Random) -> Ink:
    """The letters of a line below each other."""
    letters = [draw(letter, size, random) for letter in line if letter != " "]
    width = max(letter.shape[1] for letter in letters)
    return np.concatenate([np.pad(letter, ((1, 2), (0, width - letter.shape[1]))) for letter in letters])


KINDS = {
    **{name: Kind(of(*names), (10, 12, 14, 16, 20, 24, 32), drawn=sans) for name, names in SCRIPTS.items()},
    "6 to 8 pixels in 9 to 16 MP": Kind(identifiers, (6, 7, 8)),
    "9 to 12 pixels in 9 to 16 MP": Kind(identifiers, (9, 10, 11, 12)),
    "turned by 90": Kind(identifiers, turned=lambda ink: np.rot90(ink)),
    "turned by 180": Kind(identifiers, turned=lambda ink: np.rot90(ink, 2)),
    "turned by 270": Kind(identifiers, turned=lambda ink: np.rot90(ink, 3)),
    "upright": Kind(of("QUERENGAESSER", "OKTAVIA", "4471902"), (12, 14, 16, 20), drawn=upright),
    "months and years": Kind(of(*DATES)),
    "ages of 90 and more": Kind(of(*AGES)),
    "names of two letters": Kind(
        of("LI BO", "Bo Li", "JK", "LI", PatientName="Li^Bo", OperatorsName="JK"), (10, 12, 14, 16, 20, 24, 32)
    ),
    "one frame of a loop": Kind(identifiers, every=1),
}


def stage(name: str, number: int) -> Background:
    """The picture that a kind is drawn on: all but the loop, the loop, or a large one."""
    *still, loop = backgrounds()
    if name == "one frame of a loop":
        return loop
    if "MP" in name:
        still = [one for one in still if one.modality in ("MG", "CR", "DX", "XA") and one.pixels.ndim == 3]
        one = still[number % len(still)]
        edge = (3000, 4000)[number % 2]
        large = cv2.resize(one.pixels[0], (edge, edge), interpolation=cv2.INTER_CUBIC)
        return Background(one.modality, large[None], one.header)
    return still[number % len(still)]


def measure(task: tuple[str, int]) -> list[dict[str, object]]:
    """In a worker: the rows of an image, with its kind."""
    name, number = task
    seed = zlib.crc32(name.encode()) + number
    return [{**row, "drawn": name} for row in measured(stage(name, number), seed, KINDS[name])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), help="some of: " + "; ".join(KINDS))
    parser.add_argument("--images", type=int, default=20, help="images a kind (20)")
    chosen = parser.parse_args()
    tasks = [(name, number) for name in chosen.kinds for number in range(chosen.images)]
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        rows = pd.DataFrame([row for part in pool.map(measure, tasks) for row in part])
    lines = rows[(rows.kind == "line") & rows.contrast.isin(("strong", "medium"))]
    print("| kind | lines | high or medium | ≥ 0.9 of the ink in a box | CPU s an image |\n|---|---|---|---|---|")
    for name in chosen.kinds:
        part, seconds = lines[lines.drawn == name], rows[(rows.drawn == name) & (rows.kind == "image")].seconds
        shares = f"{part.telling.mean():.3f} | {(part.found & part.telling).mean():.3f}"
        print(f"| {name} | {len(part)} | {shares} | {seconds.median():.1f} |")
