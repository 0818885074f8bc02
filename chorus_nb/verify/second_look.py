"""A second pair of eyes on the pictures: Tesseract reads a sample of what was released, and a patient's own names,
numbers and dates are looked for in what it read. Shares nothing with the detector of 03 but the files.

What is read is identifiable: no finding, message or exception holds it, only its kind and where it stands.
"""

from __future__ import annotations

import csv
import functools
import importlib.util
import io
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd
from blake3 import blake3
from PIL import Image
from pydicom.dataset import FileDataset

from chorus_nb import tables
from chorus_nb.guard import fault_of
from chorus_nb.layout import series_folder
from chorus_nb.leaks import reading
from chorus_nb.leaks.shapes import SHAPES, Severity, looks_like, text_shapes
from chorus_nb.leaks.terms import SearchTerm, name_parts, spellings, vocabulary
from chorus_nb.processes.programs import run_program
from chorus_nb.verify.findings import Finding
from chorus_nb.verify.previews import shown, window


class _Most(NamedTuple):
    """Pictures that are read."""

    of_release: int
    of_series: int


# Nothing found in 300 means less than 1 % with such text, at 95 % confidence.
MOST_READ = {"redacted": _Most(300, 300), "likely": _Most(300, 3), "others": _Most(100, 1)}
TESSERACT_SECONDS = 60.0  # seconds for one picture; usual is one
PAGES_AT_ONCE = 16  # of up to 6.5 MB, in one process
SHORT_SIDE, LONG_SIDE, GROWTH = 1280, 2560, 4.0  # pixels: letters of 8 pixels have to grow before they can be read
SURE = 40.0  # percent; words read with less confidence are anatomy
ALIKE = 85  # percent: one letter in seven wrongly read
SPARSE_TEXT = "11"  # page segmentation mode: text anywhere, in no order
KINDS_READ = frozenset(("name", "identifier", "contact", "place", "date"))
LONG_NUMBER = re.compile(r"(?<!\d)\d(?:[ -]?\d){6,}(?!\d)")
SHORT_FORM = 6  # letters and digits of a date that numbers in a picture equal by chance
SHORT_DATE = re.compile(r"(?<!\d)(?:[0-3]?\d)([-/.])[0-3]?\d\1(?:\d{4}|\d{2})(?!\d)")
SHAPES_READ = frozenset(looks_like(kind) for kind in ("date", "age above 89", "phone number"))
_TECHNIQUE = re.compile(
    r"\b(?:w|l|c|ww|wl|tr|te|ti|b|im|image|fr|frame|se|series|slice)[\s:=]{0,2}\d{1,4}(?: ?/ ?\d{1,4})?(?![\d/-])", re.I
)
_MISREAD = str.maketrans("OQILSBZG", "00115826")  # letters and the digits they are read for


class TesseractLine(NamedTuple):
    """A line of text in a picture, in the picture's own pixels."""

    text: str
    box: tuple[int, int, int, int]


@functools.cache
def version() -> str:
    """Tesseract's version; "" where it, its English data or the extra ``pixels`` is missing."""
    program = shutil.which("tesseract")
    if program is None or importlib.util.find_spec("rapidfuzz") is None:
        return ""
    try:
        languages, said = (
            run_program([program, option], seconds=TESSERACT_SECONDS).stdout.decode()
            for option in ("--list-langs", "--version")
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    found = re.match(r"tesseract v?(\S+)", said)
    return found[1] if found and "eng" in languages.split() else ""


def chosen_to_read(released: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, bool]:
    """Which of the ``released`` rows of outcomes are read: by ``target_path`` whether a person accepted its text.

    Always the same for the same release: every redacted image, then those likely to hold text, then one of each
    other series, each up to its bound and one of every series before a second of any.
    """
    said = tables.row_values(verdicts, "source_path", "risk", "verdict", "checked")
    known = {path: (risk, verdict == "clean" and checked == "decided") for path, risk, verdict, checked in said}
    rows = tables.row_values(released, "target_path", "source_path", "boxes")
    in_series, in_release = Counter[tuple[str, str]](), Counter[str]()
    turns: list[tuple[int, str, str, str, bool]] = []
    for order, target, source, boxes in sorted((blake3(row[0].encode()).hexdigest(), *row) for row in rows):
        risk, accepted = known.get(source, ("", False))
        why = "redacted" if boxes else "others" if risk == "unlikely" else "likely"
        series = why, series_folder(target)
        if in_series[series] < MOST_READ[why].of_series:
            turns.append((in_series[series], order, why, target, accepted))
        in_series[series] += 1
    read: dict[str, bool] = {}
    for _, _, why, target, accepted in sorted(turns):
        if in_release[why] < MOST_READ[why].of_release:
            read[target] = accepted
        in_release[why] += 1
    return read


class Page(NamedTuple):
    """A picture as Tesseract gets it, so many times as large as it was."""

    image: Image.Image
    scale: float


class Question(NamedTuple):
    """A released image that is to be read, and for what; ``frames``: of each page."""

    target_path: str
    frames: tuple[int, ...]
    pages: tuple[Page, ...]
    terms: tuple[SearchTerm, ...]
    accepted: bool

    def answer(self, read: Sequence[list[TesseractLine]]) -> Iterator[Finding]:
        """What was read on its pages that tells who the patient is."""
        worst: dict[str, tuple[Severity, str]] = {}
        for frame, line in ((frame, line) for frame, lines in zip(self.frames, read, strict=True) for line in lines):
            if said := identifier_in(line.text, self.terms):
                severity, kind = said
                box = ",".join(map(str, line.box))
                worst.setdefault(kind, (severity, f"read by Tesseract in frame {frame} at {box}"))
        for kind, (severity, place) in worst.items():
            grave = "info" if self.accepted else severity
            yield Finding("second_look", grave, self.target_path, "(7FE0,0010)", kind, place)


class SecondLook:
    """Has images read by Tesseract, several in one process: to start it takes twice as long as to read a page."""

    def __init__(self) -> None:
        self._waiting: list[Question] = []
        self._found: list[Finding] = []

    def ask(self, target_path: str, dataset: FileDataset, terms: Iterable[SearchTerm], accepted: bool) -> None:
        """Have an image read; ``accepted`` by a person, whatever is read."""
        try:
            frames, pictures = zip(*looked_at(dataset), strict=True)
            pages = tuple(map(_page, pictures))
        except Exception as error:  # its kind only: decoders quote what they were given
            self._found.append(_unread(target_path, error))
            return
        question = Question(target_path, frames, pages, tuple(dict.fromkeys(terms)), accepted)
        if sum(len(one.pages) for one in (*self._waiting, question)) > PAGES_AT_ONCE:
            self._read()
        self._waiting.append(question)

    def findings(self) -> list[Finding]:
        """What was read in all of them that tells who a patient is."""
        self._read()
        return self._found

    def _read(self) -> None:
        questions, self._waiting = self._waiting, []
        try:
            self._found += _answers(questions)
        except Exception:  # each by itself, so that the fault is that of one
            for one in questions:
                try:
                    self._found += _answers([one])
                except Exception as error:  # its kind only: programs quote what they were given
                    self._found.append(_unread(one.target_path, error))


def _answers(questions: Sequence[Question]) -> list[Finding]:
    pages = [page for one in questions for page in one.pages]
    read = iter(read_with_tesseract(pages) if pages else ())
    return [finding for one in questions for finding in one.answer(list(islice(read, len(one.pages))))]


def _unread(target_path: str, error: Exception) -> Finding:
    detail = f"Tesseract could not read it: it {fault_of(error)}"
    return Finding("second_look", "medium", target_path, "(7FE0,0010)", detail)


def looked_at(dataset: FileDataset) -> Iterator[tuple[int, np.ndarray]]:
    """First, middle and last frame at the window of the header, the first also at that of its values; of a loop also
    maximum (-1) and minimum (-2) over all frames."""
    array = reading.decode_pixels(dataset)
    count = int(dataset.get("NumberOfFrames") or 1)
    for number in sorted({0, count // 2, count - 1}):
        frame = array[number] if count > 1 else array
        yield number, shown(dataset, frame, window(dataset, array))
        if number == 0 and frame.ndim == 2 and dataset.PhotometricInterpretation != "PALETTE COLOR":
            yield number, shown(dataset, frame, window(dataset, frame, from_header=False))
    if count > 1:
        for number, over_all in ((-1, array.max(axis=0)), (-2, array.min(axis=0))):
            yield number, shown(dataset, over_all, window(dataset, array))


def read_with_tesseract(pages: Sequence[Page]) -> list[list[TesseractLine]]:
    """The lines Tesseract reads on each page, in one process of its own that is ended when it takes too long."""
    content = io.BytesIO()
    pages[0].image.save(content, "TIFF", save_all=True, append_images=[page.image for page in pages[1:]])
    arguments = ["tesseract", "stdin", "stdout", "--psm", SPARSE_TEXT, "-l", "eng", "tsv"]
    ran = run_program(arguments, seconds=TESSERACT_SECONDS * len(pages), content=content.getvalue())
    ran.check_returncode()
    lines: list[dict[tuple[str, ...], list[dict[str, str]]]] = [{} for _ in pages]
    for row in csv.DictReader(
        io.StringIO(ran.stdout.decode("utf-8", "replace")), delimiter="\t", quoting=csv.QUOTE_NONE
    ):
        if row["text"] and row["text"].strip() and float(row["conf"]) >= SURE:
            of_page = lines[int(row["page_num"]) - 1]
            of_page.setdefault((row["block_num"], row["par_num"], row["line_num"]), []).append(row)
    return [
        [
            TesseractLine(" ".join(word["text"] for word in words), _around(words, page.scale))
            for words in found.values()
        ]
        for found, page in zip(lines, pages, strict=True)
    ]


def _page(picture: np.ndarray) -> Page:
    image = Image.fromarray(picture).convert("L")
    scale = min(max(1.0, SHORT_SIDE / min(image.size)), LONG_SIDE / max(image.size), GROWTH)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grown = image if scale == 1 else image.resize(size, Image.Resampling.BICUBIC)
    return Page(grown, grown.width / image.width)


def _around(words: list[dict[str, str]], scale: float) -> tuple[int, int, int, int]:
    left, top, width, height = (
        np.array([int(word[name]) for word in words]) for name in ("left", "top", "width", "height")
    )
    ends = left.min(), top.min(), (left + width).max(), (top + height).max()
    x0, y0, x1, y1 = (round(float(end) / scale) for end in ends)
    return x0, y0, x1, y1


def identifier_in(text: str, terms: Iterable[SearchTerm]) -> tuple[Severity, str] | None:
    """How much a line tells, and the kind of identifier it holds: one of ``terms``, or what looks like one."""
    terms = list(terms)
    words = [_fold(word) for word in re.findall(r"\w+", text)]
    together = _fold(text)
    for term in terms:
        if term.kind in KINDS_READ and any(_said(form, words, together) for form in _forms(term)):
            return "high", term.kind
    for kind, (severity, pattern) in SHAPES.items():
        if severity == "high" and pattern.search(text):
            return "high", looks_like(kind)
    if SHORT_DATE.search(text) or SHAPES["date"][1].search(text):
        return "medium", "looks like a date"
    if LONG_NUMBER.search(text):
        return "medium", "looks like a number of a person or an order"
    shown_as = next((said for _, said in text_shapes(_TECHNIQUE.sub(" ", text)) if said in SHAPES_READ), "")
    if shown_as:
        return "medium", shown_as
    return ("medium", "name") if _short_name_in(text, terms) else None


def _short_name_in(text: str, terms: Iterable[SearchTerm]) -> bool:
    """Whether a name of two letters stands in a line as a word of its own, beside no number, and is no word of the
    DICOM Standard."""
    words = frozenset(re.findall(r"(?<!\d)(?<!\d )[^\W\d_]+(?!\W?\d)", text.lower()))
    short = {term.text.lower() for term in terms if term.kind == "name" and len(term.text) == 2}
    return not short.isdisjoint(words - vocabulary())


def _forms(term: SearchTerm) -> Iterator[str]:
    """How a term would be read; words of the DICOM Standard stand in many pictures and prove nothing."""
    if term.kind in ("place", "contact"):
        parts = [part for part in name_parts(term.text) if len(part) > 3] or [term.text]
    else:
        parts = spellings(term)
    forms = dict.fromkeys(_fold(part) for part in parts if part.lower() not in vocabulary())
    yield from (form for form in forms if term.kind != "date" or len(form) > SHORT_FORM)


def _said(form: str, words: list[str], together: str) -> bool:
    from rapidfuzz import fuzz  # of the extra `pixels`

    if len(form) < 3:
        return False
    if len(form) < 5 or form.isdigit():  # a wrongly read digit makes another number
        return form in words or (len(form) > 5 and form in together)
    return any(fuzz.ratio(form, word) >= ALIKE for word in words) or (
        len(together) >= len(form) and fuzz.partial_ratio(form, together) >= ALIKE
    )


def _fold(text: str) -> str:
    """Capitals and digits only, with one digit for all that are read for one another."""
    return re.sub(r"[\W_]", "", text.upper()).translate(_MISREAD)
