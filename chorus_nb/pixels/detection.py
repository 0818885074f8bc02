"""Text in the pictures of a DICOM file: found, read, and given a tier."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom import Dataset, dcmread

from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.pixels import ultrasound
from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.tiers import CODED, Tier, is_noise, tier
from chorus_nb.processes.child import in_child

if TYPE_CHECKING:
    from chorus_nb.pixels.ocr import ReadLine

TEXT_RECIPE = Recipe(__name__, libraries=("rapidocr", "onnxruntime", "opencv-python", *DECODERS))


# A reading that is large (pixels, and share of the shorter side), short (letters, no digit) and doubtful is ribs or a
# skull. Lines that identify are kept all the same, and of the bench's lines none is lost.
LARGE, LARGE_SHARE, SHORT, DOUBTFUL = 40, 0.04, 5, 0.9
# A line in a mosaic that is so high (share of the shorter side) and has no more than so many different characters is a
# row of its brains: nine of 150 pixels each were read 日日日日日日日日日, 000000009 and, downwards, 390, all with 0.9
ROW_OF_BRAINS, FEW_SIGNS = 0.1, 3
# What is surely writing is harmless only when it was read so surely: a name in Arabic read "33]3-1d" at 0.62, the
# technique on the screens of four real ultrasound systems at 0.93 and more
SURELY_READ = 0.8
# Of three letters and fewer a name may read as technique, too: `CM` read `CH`, a name in Hebrew `on`, `98Y` `A86`, each
# with 0.93; of 52 such labels on 14 real screens and pages four were read less surely than this. What is all
# strokes is anatomy, or the marks of a ruler: 11
BRIEF, BRIEFLY_READ, STROKES = 3, 0.95, set("1Il|")
UPRIGHT_NUMBER = 1.5  # times as high as wide: no scale has its figures below each other
# The marks of a ruler are found as lines that cannot be read, 6 to 8 pixels long; of lines of letters that were told by
# nothing else the shortest has 11 (two letters of 8 pixels: what is outlined is wider than its ink)
MARK = 8
# Heights of a line beyond its ends that count as the line where it is measured what filling takes beside it: of the 1.5
# that are filled the rest is the picture. All of them as the line hid 1.9 of 2.4 % of a small picture
LINE_ENDS = 1.2
NO_LINE = Box(0, 0, 0, 0)


class TextFinding(NamedTuple):
    """A line of text in a picture. ``text`` is identifiable: it goes into local tables only."""

    box: Box
    text: str
    confidence: float
    tier: Tier
    reason: str
    matched: str = ""
    """keyword of the header attribute that says the same"""
    frame: int = 0
    """counted from 0; -1 and -2 when it was read from the maximum or minimum over all frames"""
    line: Box = NO_LINE
    """the line as its surest reading outlined it, and `LINE_ENDS`; ``box`` has more, and what others took for it"""


def installed() -> bool:
    """Whether the extra ``pixels`` is installed."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def detector_version(recipe: Recipe = TEXT_RECIPE) -> str:
    """The key of what is found, besides the file; "" without a detector."""
    return recipe.key(None) if installed() else ""


def find_text(content: bytes, words: Sequence[str] = ()) -> list[TextFinding]:
    """Every line of text in the pictures of a DICOM file, compared with its header and ``words`` (names, identifiers).

    Runs in a child process; :class:`~chorus_nb.errors.ChildFault` when the pixels cannot be decoded or read.
    """
    return in_child(look, content, tuple(words))


def look(content: bytes, words: Iterable[str] = ()) -> list[TextFinding]:
    """:func:`find_text` in this process: for the supervised child."""
    from chorus_nb.identity import pictures  # the others need the extra `pixels`, which the caller may do without
    from chorus_nb.pixels import codes, marks, ocr, renders

    dataset = dcmread(io.BytesIO(content), force=True)
    given = [part for word in words for part in (*pictures.long_parts(word), *pictures.short_names(word))]
    known = {**dict.fromkeys(given, "a value asked for"), **pictures.words_of_header(dataset)}
    mosaic = "MOSAIC" in (dataset.get("ImageType") or ())
    grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
    found, coded, before, first, exact = list[TextFinding](), list[TextFinding](), None, None, None
    sure: dict[int, list[Box]] = {}  # lines of a frame that another reading of it need not read again
    columns, shorter = int(dataset.Columns), min(dataset.Rows, dataset.Columns)
    for frame, render in renders.pictures(dataset):
        whole = render.picture.ndim == 3  # a picture of one colour may be an overlay, which shows more
        if (
            frame != before
        ):  # its first render: the frame as a reader sees it, which is one of three views of a grey one
            shown = render.picture[..., 0] if grey and whole else render.picture
            exact = render.exact
            first = shown if first is None else first
            boxes = [render.in_image(box, columns) for box in codes.codes(shown)]
            coded += [TextFinding(box, CODED, 1.0, *tier(CODED, ""), "", frame, box) for box in boxes]
        before = frame
        there = [render.of_image(box, columns) for box in sure.get(frame, ()) if whole]
        if render.beside and not any(one.frame == frame for one in found):
            continue  # most pictures hold no line, and what this view alone would show of them is mostly anatomy
        for line in ocr.read_lines(render, there):
            matched = pictures.header_match(line.text, known)
            if is_noise(line.text, mosaic and not matched and line.confidence < DOUBTFUL) and (line.text or mosaic):
                continue
            box = render.in_image(line.box, columns)
            if mosaic and not matched and len(set(line.text)) <= FEW_SIGNS and _height(box) > ROW_OF_BRAINS * shorter:
                continue
            mark = not line.text and max(box.x1 - box.x0, box.y1 - box.y0) <= MARK
            if mark or (line.doubt and not matched):
                continue
            letters = sum(character.isalnum() for character in line.text)
            unsure = not line.text or (line.confidence < DOUBTFUL and letters <= BRIEF)
            if unsure and whole and exact is not None and not matched and marks.are_marks(exact, box):
                continue
            if line.confidence >= DOUBTFUL and line.text:
                sure.setdefault(frame, []).append(box.padded())
            said = tier(line.text, matched)
            if said[0] == "low" and not _is_technique(line, box):
                line, said = line._replace(text=""), tier("", "")
            if render.legible and not line.text:
                continue
            finding = TextFinding(box, line.text, line.confidence, *said, matched, frame, box)
            if line.sure or not _is_anatomy(finding, shorter):
                found.append(finding)
    found = [one._replace(box=one.box.padded(), line=one.line.padded(LINE_ENDS)) for one in _distinct(found)]
    found += [_mapped(finding, lambda box: box.grown(codes.EDGE)) for finding in _distinct(coded)]
    found = [_mapped(finding, lambda box: box.within(dataset.Rows, dataset.Columns)) for finding in found]
    return found + _frame_of_console(dataset, found, first)


def _mapped(finding: TextFinding, change: Callable[[Box], Box]) -> TextFinding:
    return finding._replace(box=change(finding.box), line=change(finding.line))


def _frame_of_console(dataset: Dataset, found: list[TextFinding], shown: Any) -> list[TextFinding]:
    """The bands around an ultrasound picture in which a line is high; each is as telling as one not understood."""
    telling, harmless = ([one.box for one in found if one.tier == name] for name in ("high", "low"))
    said = tier(ultrasound.CONSOLE, "")
    bands = ultrasound.bands(dataset, telling, harmless, shown)
    return [TextFinding(box, ultrasound.CONSOLE, 1.0, *said) for box in bands]  # no line: a header may call tissue so


def _height(box: Box) -> float:
    """The shorter side: a line may run from top to bottom."""
    return min(box.x1 - box.x0, box.y1 - box.y0)


def _is_technique(line: ReadLine, box: Box) -> bool:
    """Whether a line that reads as technique was read so surely, and stands so, that it is no name or number."""
    letters = [character for character in line.text if character.isalnum()]
    if set(letters) <= STROKES:
        return not line.sure or line.confidence >= SURELY_READ
    if len(letters) > 1 and "".join(letters).isdigit() and box.y1 - box.y0 >= UPRIGHT_NUMBER * (box.x1 - box.x0):
        return False
    least = BRIEFLY_READ if len(letters) <= BRIEF else SURELY_READ if line.sure else 0.0
    return line.confidence >= least


def _is_anatomy(finding: TextFinding, shorter_side: int) -> bool:
    box = finding.box
    large = _height(box) > max(LARGE, LARGE_SHARE * shorter_side)
    letters = [character for character in finding.text if character.isalnum()]
    short = 0 < len(letters) < SHORT and not any(character.isdigit() for character in letters)
    return finding.tier == "medium" and large and short and finding.confidence < DOUBTFUL


def _distinct(found: Iterable[TextFinding]) -> list[TextFinding]:
    """The same line seen in several renders and frames once: the most telling tier, then the surest reading."""
    order = {"high": 0, "medium": 1, "low": 2}
    kept: list[TextFinding] = []
    for finding in sorted(found, key=lambda finding: (order[finding.tier], -finding.confidence)):
        for position, other in enumerate(kept):
            if finding.box.common(other.box).area >= 0.7 * min(finding.box.area, other.box.area):
                kept[position] = other._replace(box=other.box.hull(finding.box))
                break
        else:
            kept.append(finding)
    return kept
