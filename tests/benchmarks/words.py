"""How many words of real descriptions stay without anybody's approval: ``python -m tests.benchmarks.words FOLDER``.

FOLDER holds ``idc_descriptions.csv.gz`` (fold, modality, field, description, series) and ``words.csv`` (word,
collections, folds), made from the public index of NCI Imaging Data Commons. Each fold is a group of collections; its
vocabulary is made of the standards, of what the project collected, and of words that other folds use in two or more
collections. With ``--sample N`` descriptions that change are printed, drawn by series, to be judged by hand.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
from collections import Counter
from pathlib import Path

from chorus_nb.deid.text import Cleaner
from chorus_nb.identity import words
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.identity.names import fold as fold_word

APPROVED = 50  # of the most frequent unknown words of a fold
FOLDS = "01234"


def descriptions(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "idc_descriptions.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_descriptions() -> frozenset[str]:
    """The shipped words that the Standard, LOINC or the project knows."""
    rows = csv.DictReader((Path(words.__file__).parent / "vocabulary.csv").open(encoding="utf-8"))
    return words.collected() | {row["word"] for row in rows if row["source"] != "IDC descriptions"}


def of_other_folds(folder: Path, fold: str, strict: bool) -> set[str]:
    """Words of other folds that two or more collections use; if ``strict``, without counting one of this fold. Words
    that are names are left out as in the package."""
    names = words.also_names()
    found = set()
    for row in csv.DictReader((folder / "words.csv").open(encoding="utf-8")):
        others, collections = set(row["folds"]) - {fold}, int(row["collections"])
        told = len(others) >= 2 or (others and collections >= 2 + (strict and fold in row["folds"]))
        if told and (row["word"] not in names or len(row["word"]) < 3 or collections >= 3):
            found.add(fold_word(row["word"]))
    return found


def share_known(folder: Path, rows: list[dict[str, str]], fold: str, strict: bool = False) -> tuple[float, float]:
    """Share of the word occurrences of a fold that stay, weighted by series: as it comes, and after approval."""
    vocabulary = words.Vocabulary(base=without_descriptions() | of_other_folds(folder, fold, strict))
    every, unknown = 0, Counter[str]()
    for row in (row for row in rows if row["fold"] == fold):
        series = int(row["series"])
        every += series * sum(not token.is_number for token in words.tokens(row["description"]))
        for token in vocabulary.unknown(row["description"]):
            unknown[token.word] += series
    left = unknown.total() - sum(count for _, count in unknown.most_common(APPROVED))
    return 1 - unknown.total() / every, 1 - left / every


def measure(folder: Path, sample: int) -> None:
    rows = descriptions(folder)
    shares = [share_known(folder, rows, fold) for fold in FOLDS]
    for fold, (before, after) in zip(FOLDS, shares, strict=True):
        print(f"fold {fold}: {before:.2%} of words stay, {after:.2%} after approving {APPROVED}")
    print(f"median {sorted(before for before, _ in shares)[len(FOLDS) // 2]:.2%}")
    strict = [share_known(folder, rows, fold, strict=True) for fold in FOLDS]
    told = ", ".join(f"{before:.2%} ({after:.2%})" for before, after in strict)
    print(f"words of two collections outside the fold only: {told}")
    cleaner = Cleaner(Identifiers(), str)
    changed = [row for row in rows if cleaner.clean(row["description"]) != row["description"]]
    print(f"{len(changed)} of {len(rows)} descriptions change with the shipped vocabulary and no approval")
    weights = [int(row["series"]) for row in rows]
    drawn = random.Random(1126).choices(rows, weights, k=sample)
    touched = [row["description"] for row in drawn if cleaner.clean(row["description"]) != row["description"]]
    print(f"of {sample} drawn by series {len(touched)} change" if sample else "")
    for text in touched:
        print(f"  {text!r} -> {cleaner.clean(text)!r}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=0)
    chosen = parser.parse_args()
    measure(chosen.folder, chosen.sample)
