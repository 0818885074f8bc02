"""What the cleaner leaves and the verifier misses of identifiers planted into real descriptions, by kind:
``python -m tests.benchmarks.planted FOLDER --seed N``. FOLDER holds ``idc_descriptions.csv.gz`` (see ``words``).
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from tests.benchmarks.words import descriptions
from tests.vectors.planted import left, plant
from tests.vectors.test_planted import CLEANER, tells

BASES = 200  # descriptions that are planted into
SHOWN = 8  # texts shown of a kind


def bases(folder: Path, seed: int) -> list[str]:
    """Real descriptions that stay as they are and tell nothing."""
    every = [row["description"] for row in descriptions(folder) if 6 < len(row["description"]) < 40]
    random.Random(seed).shuffle(every)
    silent = (
        text for text in every if not any(map(str.isdigit, text)) and CLEANER.clean(text) == text and not tells(text)
    )
    return [text for text, _ in zip(silent, range(BASES), strict=False)]


def measure(folder: Path, seed: int, count: int) -> None:
    of, stayed, missed, stopped = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    shown: dict[str, list[str]] = {}
    for each in plant(seed, count, bases(folder, seed)):
        of[each.kind] += 1
        cleaned = CLEANER.clean(each.text)
        for what, counts, said in (
            ("left", stayed, bool(left(each, cleaned))),
            ("missed", missed, not tells(each.text)),
            ("stopped", stopped, not left(each, cleaned) and tells(cleaned)),
        ):
            counts[each.kind] += said
            if said:
                shown.setdefault(f"{what}: {each.kind}", []).append(f"{each.text!r} -> {cleaned!r}")
    for kind in sorted(of):
        print(f"{kind:32} {of[kind]:5} left {stayed[kind]:3} missed {missed[kind]:3} stopped {stopped[kind]:3}")
    print(f"{'all':32} {count:5} left {stayed.total()} missed {missed.total()} stopped {stopped.total()}")
    for kind, texts in sorted(shown.items()):
        print(kind, *texts[:SHOWN], sep="\n  ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    chosen = parser.parse_args()
    measure(chosen.folder, chosen.seed, chosen.count)
