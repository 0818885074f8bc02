"""Make the vocabulary of the package again: ``python -m tests.identity.regenerate WORDS_CSV CENSUS_FOLDER``.

WORDS_CSV: words of the descriptions of public collections (word, collections, series), counted from the index of NCI
Imaging Data Commons. CENSUS_FOLDER: ``dist.all.last``, ``dist.male.first``, ``dist.female.first`` of the US Census
1990 (public domain). The workbench itself needs neither.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pydicom._dicom_dict import DicomDictionary
from pydicom.sr._concepts_dict import concepts

from chorus_nb.identity import words
from chorus_nb.identity.names import fold
from chorus_nb.standards import lists

PACKAGE = Path(words.__file__).parent
NOT_OURS = {7480, 7481, 5000, 5001}  # context groups of breeds, registries of breeds, languages and countries
COMMON = 5000  # names up to this rank are common
WORD = re.compile(r"[^\W\d_]{2,}")


def census(folder: Path) -> dict[str, int]:
    """Rank of each name, the better one of first name and surname."""
    ranks: dict[str, int] = {}
    for name in ("dist.all.last", "dist.male.first", "dist.female.first"):
        for line in (folder / name).read_text("ascii").splitlines():
            word, _, _, rank = line.split()
            ranks[word.lower()] = min(ranks.get(word.lower(), 10**6), int(rank))
    return ranks


def of_standards() -> tuple[Counter[str], set[str], set[str]]:
    """Words of context groups (counted by meaning), of the data dictionary, and of the LOINC map."""
    groups: Counter[str] = Counter()
    schemes: dict[str, Any] = concepts
    for codes in schemes.values():
        for meanings in codes.values():
            for meaning, members in meanings.values():
                if not NOT_OURS & set(members):
                    groups.update(set(WORD.findall(fold(meaning))))
    dictionary = {word for entry in DicomDictionary.values() for word in WORD.findall(fold(entry[2]))}
    said = " ".join(f"{key[1]} {code.name}" for key, code in lists.loinc_map().items())
    return groups, dictionary, set(WORD.findall(fold(said)))


def regenerate(words_csv: Path, folder: Path) -> None:
    """Write ``vocabulary.csv`` and ``also_names.csv``."""
    ranks = census(folder)
    groups, dictionary, loinc = of_standards()
    own = words.collected()
    made: dict[str, str] = {}
    for word, count in groups.items():
        if count >= 5 or word not in ranks:  # a name of an anatomist is no reason to keep everybody of that name
            made[word] = "context groups"
    made |= {word: "dictionary" for word in dictionary if ranks.get(word, 10**6) > COMMON or groups[word] >= 5}
    made |= {word: "LOINC" for word in loinc if word not in ranks or groups[word] >= 5}
    with words_csv.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            word = fold(row["word"])
            several = int(row["collections"]) >= 2
            if several and (word not in ranks or len(word) < 3 or int(row["collections"]) >= 3):
                made.setdefault(word, "IDC descriptions")
    made = {word: source for word, source in made.items() if word not in own and word not in words.never_known()}
    _write("vocabulary.csv", ("word", "source"), sorted(made.items()))
    named = [(word, "common" if ranks[word] <= COMMON else "rare") for word in sorted({*made, *own} & ranks.keys())]
    _write("also_names.csv", ("word", "as_name"), named)


def _write(name: str, head: tuple[str, ...], rows: list[tuple[str, str]]) -> None:
    with (PACKAGE / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]), Path(sys.argv[2]))
