"""Text in a picture, found and read with the models inside RapidOCR's wheel; they are never downloaded."""

from __future__ import annotations

import functools
import importlib.util
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from blake3 import blake3

from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.likelihood import Finder, map_of_parts, map_of_text
from chorus_nb.pixels.renders import LONG_SIDE, Render

CONFIDENCE = 0.6  # below it a reading is noise: of 680 identifiers found on the bench none was read below 0.6
# A line found this surely counts though it cannot be read. What anatomy is found as is higher than `TALLEST` (pixels,
# or share of the shorter side) or as wide as high: of 24 real images without text one such box had 0.55, none 0.6
UNREAD, TALLEST, TALLEST_SHARE, LONGISH = 0.6, 48, 0.04, 1.35
# Small ones need less, and long ones may be higher: of 60 images without text no box of this shape came so near, but
# for the rounds of a mosaic of brains, which are 62 pixels high and more
FINE_LINE, FINE_LONGISH, UNREAD_FINE = 32, 2.5, 0.53
LONG_LINE, TALLEST_LONG = 3.0, 60
SURE_LINE = 0.7  # found so surely, a line needs no second look though it is large, and is no anatomy though it is short
# A large one that is not long is writing only when it is found so surely: the dome of the liver in three drawn chests
# of 256 pixels had 0.71 to 0.74 in their local contrast, a name in Arabic 0.79
SURE_LARGE = 0.77
# and then it may be as high as a long one when it is so many times as long as high: names of five letters of 32 pixels
LARGE_LONGISH = 2.0
# So does one that is found less surely (at least so), but read surely enough for both together: on 43 images without
# text the two made 0.92 at most (but for a mosaic of brains), of lines in Arabic and Hebrew that were lost 1.14
LESS_SURE, TOGETHER = 0.5, 1.1
EXPLAINED = 2.2  # heights of its line that a letter accounts for; a reading leaves letters out that it does not know
READ_TURNED = 1.5  # what is so many times as high as wide is turned before it is read
# A line higher than this many pixels and this share of the shorter side, or that covers this share of the picture and
# is higher than the models like, is read once more, shrunk to what they like, and counts when it reads alike (percent).
# Of 7 readings of ribs and breasts none did, of 17 of drawn words of 69 to 120 pixels 16.
LARGE, LARGE_SHARE, COVERS, LIKED, ALIKE = 40, 0.04, 0.02, 32, 60
# Letters and confidence: no anatomy reads so. Of seven letters less will do: in 123 pictures without text the surest
# reading of more than four, but for rounds, had 0.64
LONG_ENOUGH, SURE_ENOUGH = 4, 0.9
LONGER, LESS_SURELY = 7, 0.8
SHRUNK_ENOUGH = 2  # letters: nor does it when it is shrunk
COVERED = 0.8  # share of a line within the padded box of one that was read already
# An edge that runs into a line makes one box of both, larger and less sure than the line is: what was not taken for a
# line is outlined once more where it is at least so likely, and then needs to be found as surely as `UNREAD` and to be
# no higher than `LIKED`: a mosaic of brains that no header calls so has hearts of 41 pixels and more
HEART = 0.5
# The model sees a line over a row of brains, or over vessels, as one bar as high as its letters; what is outlined is to
# be higher than what is seen, and takes in what is beside. What was not taken for a line is outlined a third time,
# closely (by so much) and where the model is at least so likely, and counts when letters are read there: surely, or in
# a bar that is as likely as that
CORE, CORE_GROWN, CORE_SURE = 0.7, 0.4, 0.8
# What is outlined and does not count is looked at once more, grown to these heights (pixels) with so many heights of
# what is around: writing is found there surely, in the same place (share of what either covers that both do: of two
# lines that are told by it 0.46, of four places of anatomy at most 0.40) and as high (share of the other); anatomy is
# not, or is higher, or is round: as wide as high though it is no small letter
CLOSER = ((40, 2), (56, 1))
SAME_PLACE, SAME_HEIGHT, NO_ROUND, SMALL_LETTER = 0.45, 0.6, 1.2, 16
# A volume has a hundred frames that differ, each with anatomy of its own: there a line is longer. Of four such places
# in 372 views of real CT, MR and PT three have 1.22 to 1.35; none of 420 drawn lines that are told there is lost
LONGER_AGAIN = 1.4
# Where a picture holds one line it holds others: there what the model does no more than notice is a doubt, too. In 69
# pictures without text nine had boxes that came of it; so it is not asked where no line is
NOTICED = 0.04
KNOWN_PICTURES = 64  # of which a process knows what it read in them: a frame that stands still, a page sent twice

MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}


class ReadLine(NamedTuple):
    """A line of text in a picture, in the picture's own pixels; ``text`` is "" where it could not be read."""

    box: Box
    text: str
    confidence: float
    """of the reading; of having found a line where it could not be read"""
    sure: bool = False
    """it has the shape of a line and was found so surely that it is writing, whatever it reads"""
    doubt: bool = False
    """it is surely read, and as large as anatomy is: a line only where the header says the same"""


class _Line(NamedTuple):
    corners: Any
    score: float
    text: str
    confidence: float


class _Models(NamedTuple):
    finder: Finder
    outlines: Any
    hearts: Any
    cores: Any
    noticed: Any
    cut: Any
    reader: Any


_read: dict[tuple[object, ...], list[ReadLine]] = {}  # the first read, the first out


@functools.cache
def _models() -> _Models:
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_det.utils import DBPostProcess
    from rapidocr.utils.process_img import get_rotate_crop_image

    cv2.setNumThreads(1)  # one process a core: more threads only get into each other's way
    spec = importlib.util.find_spec("rapidocr")
    assert spec and spec.origin
    folder = Path(spec.origin).parent / "models"
    finder = Finder(str(folder / MODELS["Det"]))  # before any other model: only the first is asked about denormals
    reader = RapidOCR(
        params={
            **{f"{part}.model_path": str(folder / name) for part, name in MODELS.items()},
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
    # more willing than the defaults (0.3, 0.5, 1.6); what is then read below `CONFIDENCE` is dropped again
    outlines, hearts, cores, noticed = (
        DBPostProcess(thresh=least, box_thresh=found, unclip_ratio=grown, use_dilation=True)
        for least, found, grown in (
            (0.2, 0.25, 1.8),
            (HEART, UNREAD, 1.8),
            (CORE, CORE, CORE_GROWN),
            (NOTICED, NOTICED, 1.8),
        )
    )
    return _Models(finder, outlines, hearts, cores, noticed, get_rotate_crop_image, reader)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_models.cache_clear)  # a fork has no threads but the one that made it


def read_lines(render: Render, known: Sequence[Box] = ()) -> list[ReadLine]:
    """The lines of text in a picture, also those that are surely there and cannot be read; none within ``known``."""
    scaled, scale = _scaled(render)
    asked = blake3(scaled).digest(), scaled.shape, scale, render.alone, render.parts, render.again, tuple(known)
    if asked not in _read:
        if len(_read) == KNOWN_PICTURES:
            del _read[next(iter(_read))]
        _read[asked] = _lines(scaled, scale, known, render)
    return _read[asked]


def _lines(scaled: Any, scale: float, known: Sequence[Box], render: Render) -> list[ReadLine]:
    likely = map_of_text(_models().finder, scaled, render.alone)
    done = [box.scaled(scale) for box in known]
    letters = LIKED * scale  # what is higher is anatomy where a part is looked at alone: a whole picture shows it, too
    lines, doubts = _outlined(scaled, likely, scale, done, letters if render.alone else np.inf, render.again)
    if render.parts and (known or any(_is_text(line) for line in lines)):
        likely_alone = map_of_parts(_models().finder, scaled, likely, done, render.parts)
        more, doubtful = _outlined(scaled, likely_alone, scale, done, letters, render.again)
        lines, doubts = lines + more, doubts + doubtful
    there = known or any(not line.doubt for line in lines)
    noticed = _noticed(scaled, likely, LIKED * scale) if there else []
    look = functools.partial(_closely, longer=LONGER_AGAIN) if render.again else _closely
    for line, closely in (*((line, look) for line in doubts), *((line, _closer) for line in noticed)):
        if not _within(line.corners, done) and (again := closely(scaled, line, scale)) is not None:
            box = _box(again.corners)
            lines.append(ReadLine(box.scaled(1 / scale), again.text, float(again.confidence)))
            done.append(box)
    return lines


def _outlined(
    scaled: Any, likely: Any, scale: float, done: list[Box], highest: float = np.inf, again: bool = False
) -> tuple[list[ReadLine], list[_Line]]:
    """What counts of what is outlined where a picture is ``likely`` to hold lines, and the doubts; ``done`` grows.

    ``again``: a line that is neither read nor sure is one of the doubts.
    """
    lines, doubts = list[ReadLine](), list[_Line]()
    for outline, tallest in ((_models().outlines, highest), (_models().hearts, LIKED * scale)):
        found = [(line, _kept(line, scaled, scale)) for line in _found(scaled, likely, outline, done, tallest)]
        if again:
            small = LIKED * scale  # what is higher is looked at closely by nobody
            found = [
                (line, None if _is_unsure(kept) and _sides(line.corners)[1] <= small else kept) for line, kept in found
            ]
        lines += [kept[0] for _, kept in found if kept]
        done += [kept[1] for _, kept in found if kept and not kept[0].doubt]
        doubts += [line for line, kept in found if not kept and _sides(line.corners)[1] <= LIKED * scale]
    for line in _found(scaled, likely, _models().cores, done, min(highest, TALLEST * scale)):
        if _is_read(line) and (kept := _kept(line, scaled, scale)):
            lines.append(kept[0])
            done.append(kept[1])
    return lines, doubts


def _is_unsure(kept: tuple[ReadLine, Box] | None) -> bool:
    return kept is not None and not kept[0].text and not kept[0].sure


def _noticed(picture: Any, likely: Any, tallest: float) -> list[_Line]:
    """Places that the model does no more than notice; nothing is read there."""
    found = zip(*_models().noticed(likely, picture.shape[:2]), strict=True)
    return [_Line(corners, score, "", 0.0) for corners, score in found if _sides(corners)[1] <= tallest]


def _kept(line: _Line, scaled: Any, scale: float) -> tuple[ReadLine, Box] | None:
    """What counts of a line that was found in a picture grown by ``scale``, and its box there; None: nothing."""
    rows, columns = (side / scale for side in scaled.shape[:2])
    length, height = (side / scale for side in _sides(line.corners))
    letters = sum(character.isalnum() for character in line.text)
    writing, sure = _is_writing(line, length, height, min(rows, columns))
    explained = (EXPLAINED if letters != 1 else LONGISH) * letters * height
    unread = line.confidence < CONFIDENCE or _as_read(line.corners) / scale > explained
    if unread and writing:
        line = line._replace(text="", confidence=line.score)
    elif line.confidence < CONFIDENCE or _is_ideograph(line.text):
        return None
    large = height > max(LARGE, LARGE_SHARE * min(rows, columns))
    large = large or (height > LIKED and length * height > COVERS * rows * columns)
    enough = SURE_ENOUGH if letters < LONGER else LESS_SURELY
    doubt = large and not sure and not (letters >= LONG_ENOUGH and line.confidence >= enough)
    if doubt and (again := _read_again(scaled, line)) is not None:
        line, doubt = again, False
    if doubt and not (line.text and letters >= SHRUNK_ENOUGH and line.confidence >= SURE_ENOUGH):
        return None
    box = _box(line.corners / scale)
    return ReadLine(box, line.text, float(line.confidence), sure, doubt), box.scaled(scale)


def _is_read(line: _Line) -> bool:
    """Whether letters were read in what was outlined closely."""
    letters = sum(character.isalnum() for character in line.text)
    enough = SURE_ENOUGH if line.score < CORE_SURE else CONFIDENCE
    return letters >= LONG_ENOUGH and line.confidence >= enough


def _is_text(line: ReadLine) -> bool:
    """Whether a line is more than a single character, which a picture without text may show."""
    return not line.doubt and (not line.text or sum(character.isalnum() for character in line.text) > 1)


def _is_ideograph(text: str) -> bool:
    """Whether a line was read as one ideograph, which two letters close to each other are: FU as 中. It is a doubt."""
    return len(text) == 1 and "IDEOGRAPH" in unicodedata.name(text, "")


def _is_writing(line: _Line, length: float, height: float, shorter_side: int) -> tuple[bool, bool]:
    """Whether a line counts though it cannot be read, and whether it is sure; its sides in pixels of the picture."""
    long = length >= (LARGE_LONGISH if line.score >= SURE_LARGE else LONG_LINE) * height
    tallest = max(TALLEST_LONG if long else TALLEST, TALLEST_SHARE * shorter_side)
    shaped = height <= tallest and length >= LONGISH * height
    fine = height <= FINE_LINE and length >= FINE_LONGISH * height
    both = line.score >= LESS_SURE and line.score + line.confidence >= TOGETHER
    found = both or line.score >= (UNREAD_FINE if fine else UNREAD)
    found = found and (long or height <= LARGE or line.score >= SURE_LARGE)
    return shaped and found, shaped and line.score >= (UNREAD if long else SURE_LINE)


def _closely(picture: Any, line: _Line, scale: float, longer: float = NO_ROUND) -> _Line | None:
    """A line in doubt as it is found where it is looked at closely, so many times ``longer`` than high; None: it is
    not, or is of another size."""
    found = (one for look in CLOSER for one in _at_height(picture, line, *look, _models().hearts))
    return _same(line, found, scale, longer)


def _closer(picture: Any, line: _Line, scale: float) -> _Line | None:
    """:func:`_closely` of a place that was noticed only: once, and what can be read there need not be found surely."""
    return _same(line, _at_height(picture, line, *CLOSER[-1], _models().outlines), scale, even_round=True)


def _same(
    line: _Line, found: Iterable[_Line], scale: float, longer: float = NO_ROUND, even_round: bool = False
) -> _Line | None:
    """The first of what was found that is in the place of a line and as high, and is found surely or can be read."""
    place, before = _box(line.corners), _sides(line.corners)[1]
    for again in found:
        letters = sum(character.isalnum() for character in again.text)
        read = letters >= SHRUNK_ENOUGH and again.confidence >= SURE_ENOUGH
        box = _box(again.corners)
        common, (length, height) = box.common(place).area, _sides(again.corners)
        here = common >= SAME_PLACE * (box.area + place.area - common)
        here |= even_round and read and common >= COVERED * place.area  # a part of a line was noticed
        shaped = length >= longer * height or height <= SMALL_LETTER * scale
        counts = (shaped and again.score >= UNREAD) or (read and even_round)
        if here and counts and min(height, before) >= SAME_HEIGHT * max(height, before):
            return again if read else again._replace(text="", confidence=again.score)
    return None


def _at_height(picture: Any, line: _Line, height: int, around: float, outline: Any) -> Iterator[_Line]:
    """What is found where a line is, when it is made as high as this, with so many heights of its surroundings."""
    before = _sides(line.corners)[1]
    low = np.maximum(0, np.floor(line.corners.min(axis=0) - around * before)).astype(int)
    high = np.ceil(line.corners.max(axis=0) + around * before).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    factor = height / before
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    made = cv2.resize(part, None, fx=factor, fy=factor, interpolation=how)
    scale = np.array(part.shape[1::-1]) / made.shape[1::-1]
    for again in _found(made, map_of_text(_models().finder, made), outline):
        yield again._replace(corners=again.corners * scale + low)


def _read_again(picture: Any, line: _Line) -> _Line | None:
    """What a large line is when it is looked at as high as the models like it; None: it was anatomy."""
    from rapidfuzz import fuzz

    for again in _at_height(picture, line, LIKED, 1, _models().outlines):
        alike = again.confidence >= CONFIDENCE and fuzz.ratio(line.text, again.text) >= ALIKE
        letters = sum(character.isalnum() for character in again.text)
        found = again.score >= UNREAD
        if alike or (found and not line.text):
            return line._replace(corners=again.corners)
        if found and letters >= SHRUNK_ENOUGH and again.confidence >= SURE_ENOUGH:
            return again
    return None


def _box(corners: Any) -> Box:
    """The smallest box of whole pixels around a line."""
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _sides(corners: Any) -> tuple[float, float]:
    """The longer and the shorter side of a line that may be turned."""
    sides = [float(np.linalg.norm(corners[0] - corners[other])) for other in (1, 3)]
    return max(sides), min(sides)


def _as_read(corners: Any) -> float:
    """How long a line was as it was read: one letter may be a little higher than wide, and is no two for it."""
    wide, high = (float(np.linalg.norm(corners[0] - corners[other])) for other in (1, 3))
    return wide if high < READ_TURNED * wide else high


def _found(
    picture: Any, likely: Any, outline: Any, known: Sequence[Box] = (), tallest: float = np.inf
) -> Iterator[_Line]:
    """What ``outline`` finds where a picture is ``likely`` to hold lines, not within ``known``, no higher than so."""
    models = _models()
    new = [
        (corners, score)
        for corners, score in zip(*outline(likely, picture.shape[:2]), strict=True)
        if _sides(corners)[1] <= tallest and not _within(corners, known)
    ]
    if not new:
        return
    cuts = [models.cut(picture, corners.copy()) for corners, _ in new]
    read = models.reader.recognize_txt(models.reader.cls_and_rotate(cuts)[0])
    for (corners, score), text, confidence in zip(new, read.txts, read.scores, strict=True):
        yield _Line(corners, score, text, confidence)


def _within(corners: Any, known: Sequence[Box]) -> bool:
    box = Box(*corners.min(axis=0), *corners.max(axis=0))
    return any(box.common(other).area >= COVERED * box.area for other in known)


def _scaled(render: Render) -> tuple[Any, float]:
    """Grown as the render says, but no side beyond 2560 pixels; three channels, as the models want."""
    picture, short_side, growth = render[:3]
    picture = picture if render.read is None else picture[..., render.read]
    rows, columns = picture.shape[:2]
    scale = min(max(1.0, short_side / min(rows, columns)), LONG_SIDE / max(rows, columns), growth)
    size = (round(columns * scale), round(rows * scale))
    grown = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if scale != 1 else picture
    return cv2.cvtColor(grown, cv2.COLOR_GRAY2BGR if grown.ndim == 2 else cv2.COLOR_RGB2BGR), scale
