"""From pixel data to pictures in which text can be read: views of a frame, as one hides text that another shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.overlays import get_overlay_array
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from chorus_nb.dicom import codecs
from chorus_nb.errors import FileFault
from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.fine import small_letters
from chorus_nb.pixels.loops import Loop

GreyImage = NDArray[np.uint8]
SHORT_SIDE, IN_COLOUR, LONG_SIDE = 1024, 1280, 2560  # pixels: text of 8 pixels must be seen, memory stay below 1 GB
SMALLER, SMALLEST = 1000, 640  # pixels: bounds of the shorter side in the second reading
NO_LARGER = 800  # pixels of the shorter side: a small frame, and what it is grown to; see `renders`
SURROUNDINGS = 5  # pixels: what a letter of a small frame is compared with; nearer edges do not outshine it
WHITE_SHARE = 0.02  # share of a small grey picture that is as white as its window goes: then a third view is read
WIDER, THICKEST = 25, 11  # pixels: letters are thinner; what is wider is the picture
NOISE = 2  # grey levels of 256 that the dark of an ultrasound picture differs by where nothing is
GROWTH, FINER = 4.0, 6.0  # at most: text of 8 pixels is then as high as the models like it, and small images stay quick
MOST_NOTICED = 5  # parts of a small grey frame that are looked at alone: a fifth of the time that all would take
IN_PARTS = 5_000_000  # pixels of a grey frame that is small enough to be looked at in parts as a whole
EVERY = 30  # frames between two that are looked at


class Render(NamedTuple):
    """A picture, and how far it is grown before it is read: to this short side, by no more than this factor."""

    picture: GreyImage
    short_side: int = SHORT_SIDE
    growth: float = GROWTH
    left: int = 0  # where it was cut out of a picture
    top: int = 0
    columns: int = 0  # of that picture; 0 = it is the whole
    read: int | None = None  # which of its colours alone is read; None = the picture as it is
    beside: bool = False  # asked only where a view before it shows a line
    alone: bool = False  # all of it is looked at in parts, each alone
    parts: int = 0  # how many parts are looked at alone, too, where it shows a line
    again: bool = False  # what cannot be read counts where it is found surely, or again where it is looked at closely
    legible: bool = False  # only what can be read counts: outlines of what else it shows look like writing
    exact: GreyImage | None = None  # the whole frame as large as it is, where it has 8 bits or colours

    def in_image(self, box: Box, columns: int) -> Box:
        """A box in this picture as one in an image of so many ``columns``."""
        scale = columns / (self.columns or self.picture.shape[1])
        moved = (box.x0 + self.left, box.y0 + self.top, box.x1 + self.left, box.y1 + self.top)
        return Box(*moved).scaled(scale)

    def of_image(self, box: Box, columns: int) -> Box:
        """A box in an image of so many ``columns`` as one in this picture."""
        box = box.scaled((self.columns or self.picture.shape[1]) / columns)
        return Box(box.x0 - self.left, box.y0 - self.top, box.x1 - self.left, box.y1 - self.top)

    def part(self, box: Box, columns: int) -> Render:
        """What ``box`` of an image of so many ``columns`` shows; the whole if that is no more than twice as much."""
        height, width = self.picture.shape[:2]
        scale = width / columns
        x0, y0, x1, y1 = (round(value * scale) for value in (box.x0, box.y0, box.x1, box.y1))
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        if (x1 - x0) * (y1 - y0) * 2 > width * height:
            return self
        return self._replace(picture=self.picture[y0:y1, x0:x1], left=x0, top=y0, columns=width)


def frame_numbers(count: int) -> list[int]:
    """Which frames are looked at in any case: first, middle, last and every 30th."""
    return sorted({0, count // 2, count - 1, *range(0, count, EVERY)})


def _frames(dataset: Dataset) -> Iterator[NDArray[np.generic]]:
    try:
        yield from (frame for frame, _ in codecs.decoder_of(dataset).iter_array(dataset, as_rgb=True))
    except MemoryError:  # no fault of the file
        raise
    except Exception:
        raise FileFault("its pixels cannot be decoded") from None


def pictures(dataset: Dataset) -> Iterator[tuple[int, Render]]:
    """``(frame number, render)`` of every frame: of those of :func:`frame_numbers` as a whole, of any other where it
    shows what they do not; -1 and -2 are maximum and minimum over all frames. :class:`FileFault` if some are missing
    or damaged.

    Of a grey volume or loop what cannot be read is looked at again in all but its first frame: a heart of 1,625 frames
    and a head of 128 had ten places that look like writing once, and 101 of 102 drawn lines are found again."""
    for number, render in _pictures(dataset):
        grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
        yield number, render._replace(again=grey and number != 0)


def _pictures(dataset: Dataset) -> Iterator[tuple[int, Render]]:
    count = int(dataset.get("NumberOfFrames") or 1)
    chosen = set(frame_numbers(count))
    highest: NDArray[np.generic] | None = None
    lowest: NDArray[np.generic] | None = None
    loop, number, hidden = Loop(), -1, None
    for number, frame in enumerate(_frames(dataset)):
        unseen, behind = None, _behind_colours(frame, dataset)
        if behind is not None:
            hidden = behind if hidden is None else np.maximum(hidden, behind)
        if count > 1:
            highest = frame if highest is None else np.maximum(highest, frame)
            lowest = frame if lowest is None else np.minimum(lowest, frame)
            unseen = loop.unseen(_coloured(frame, dataset))
        if number in chosen:
            # large text that stays in place through the loop shows in the first frame and in the maximum
            first = renders(frame, dataset, closely=True) if number == 0 else renders(frame, dataset)[:1]
            yield from ((number, render) for render in first)
        elif unseen:
            yield number, renders(frame, dataset)[0].part(unseen, int(dataset.Columns))
        if count > 1 and (number in chosen or unseen):
            loop.looked()
    if number + 1 < count:
        raise FileFault("fewer frames than NumberOfFrames")
    if highest is not None and lowest is not None:
        yield from ((-1, render) for render in renders(highest, dataset)[:2])
        yield -2, renders(lowest, dataset)[0]
    if hidden is not None:
        yield (
            -1 if count > 1 else 0,
            Render(_in_three(local_contrast(hidden, SURROUNDINGS, NOISE)), IN_COLOUR, legible=True),
        )
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x3000) in dataset:
            plane = get_overlay_array(dataset, group)
            yield from ((0, Render(_picture(layer))) for layer in (plane if plane.ndim == 3 else plane[None])[:1])


def renders(frame: NDArray[np.generic], dataset: Dataset, closely: bool = False) -> tuple[Render, ...]:
    """What is read of a frame, the first of it in any case: what a reader sees; its local contrast, because text 60 HU
    above air shows in no usual window; and one of the two smaller, for large text.

    Of a small grey frame (:data:`NO_LARGER`) the local contrast is read alone; of another grey one it, what a reader
    sees and that with its contrast evened out are the colours of one picture: the models read photographs, and find in
    one pass what stands out in any. What a reader sees is read once more alone and smaller: at an edge the others hide
    a letter. In colour that loses writing: each is read for itself, and of the contrast the smaller. ``closely``: and
    what lies outside a narrow window, and the parts of a large picture that may show small letters, each grown
    threefold; where a line was found a small grey frame is read as a larger one is, a larger one in parts, with nearer
    contrast, a coloured one in two contrasts of its colours.
    """
    frame = _coloured(frame, dataset)
    if frame.ndim == 3:
        values = _in_colour(frame)
        whole, coloured = (seen.round().astype(np.uint8) for seen in (values, _limit_size(values)))
        grey = np.asarray(cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY), np.uint8)
        contrast = local_contrast(grey.astype(np.float32), SURROUNDINGS, NOISE)
        wider = local_contrast(grey.astype(np.float32), least=NOISE)
        seen = Render(coloured, IN_COLOUR, exact=whole), Render(_in_three(contrast), IN_COLOUR), _smaller(wider)
        if not closely:
            return seen
        brightest = np.asarray(frame.max(axis=2), np.float32)
        return *seen, _of_colours(coloured), _of_paleness(coloured), *_close(brightest, brightest)
    values, window = _values(frame, dataset)
    shown = _picture(window)
    exact = np.asarray(frame, np.uint8) if frame.dtype == np.uint8 else None
    if min(shown.shape) > NO_LARGER:
        evened = _evened(shown)
        usual = Render(np.dstack([shown, local_contrast(values), evened]), exact=exact), _smaller(shown)
        if not closely:
            return usual
        nearer = Render(np.dstack([shown, local_contrast(values, SURROUNDINGS), evened]), beside=True, alone=True)
        return *usual, *([nearer] * (shown.size <= IN_PARTS)), *_close(values, window)
    three = Render(np.dstack([shown, local_contrast(values, SURROUNDINGS), _evened(shown)]))
    usual = (
        three._replace(short_side=NO_LARGER, read=1, parts=MOST_NOTICED, exact=exact),
        three._replace(short_side=SMALLEST, growth=2.0, read=0),
    )
    if not closely:
        return usual
    third = _beyond(values, window) if _is_narrow(window) else three._replace(growth=FINER, beside=True)
    return *usual, third, *_close(values, window)


def _of_colours(picture: GreyImage) -> Render:
    """Near contrast of lightness, of green to red and of blue to yellow: letters as light as what is under them."""
    axes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)
    contrasts = [local_contrast(axes[..., place], SURROUNDINGS, NOISE) for place in range(3)]
    return Render(np.dstack(contrasts), IN_COLOUR, FINER, beside=True)


def _of_paleness(picture: GreyImage) -> Render:
    """Near contrast of saturation, of the least of the colours and of lightness: pale letters over colours of flow."""
    most, least = (end(axis=2).astype(np.float32) for end in (picture.max, picture.min))
    lightness = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0], np.float32)
    contrasts = [local_contrast(values, SURROUNDINGS, NOISE) for values in (most - least, least, lightness)]
    return Render(np.dstack(contrasts), NO_LARGER, FINER, beside=True)


def _is_narrow(window: NDArray[np.float32]) -> bool:
    """Whether some of what is measured lies above a reader's window: bone, and whatever stands on it, is white."""
    return float((window >= window.max()).mean()) > WHITE_SHARE


def _beyond(values: NDArray[np.float32], window: NDArray[np.float32]) -> Render:
    """What lies outside a narrow window drawn together, and taken away what is wider than a stroke: a letter that runs
    from the brain over bone into air shows whole. Three ways of taking it away are the colours of one picture."""
    inside = values[(window > window.min()) & (window < window.max())]
    low, high = (float(end) for end in (inside.min(), inside.max())) if inside.size else (0.0, 1.0)
    place = (values - low) / max(high - low, 1e-6)
    outside = np.log2(1 + 4 * np.maximum(0, np.abs(place - 0.5) - 0.5))  # 0 within the window
    drawn = 64 + 128 * place.clip(0, 1) + np.sign(place - 0.5) * np.minimum(63, 12 * outside)
    whole = drawn.round().astype(np.uint8)
    wide = whole - cv2.medianBlur(whole, WIDER).astype(np.float32)
    stroke = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THICKEST, THICKEST))
    light, dark = (cv2.morphologyEx(whole, hat, stroke) for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    thin = light.astype(np.float32) - dark
    colours = (128 + 6 * wide, local_contrast(whole.astype(np.float32), SURROUNDINGS), 128 + 4 * thin)
    return Render(np.dstack([colour.clip(0, 255).astype(np.uint8) for colour in colours]), NO_LARGER)


def as_shown(frame: NDArray[np.generic], dataset: Dataset) -> NDArray[np.float32]:
    """What a reader sees of a frame, as large as it is, 0 (nothing) to 255; with its colours if it has some."""
    frame = _coloured(frame, dataset)
    return _in_colour(frame) if frame.ndim == 3 else _spread(_values(frame, dataset)[1])


def _in_colour(frame: NDArray[np.generic]) -> NDArray[np.float32]:
    return _spread(frame, highest=255 if frame.dtype == np.uint8 else None)


def _smaller(picture: GreyImage) -> Render:
    """A view once more, in which large letters are as high as the models like them."""
    return Render(_in_three(_limit_size(picture, SMALLER / min(picture.shape))), SMALLEST, 2.0)


def _in_three(picture: GreyImage) -> GreyImage:
    """As three colours: so a view is told from the plane of an overlay."""
    return np.dstack([picture] * 3)


def _close(values: NDArray[np.float32], window: NDArray[np.float32]) -> Iterator[Render]:
    """The parts of a large picture, of which a reader sees ``window``, that may show small letters."""
    low, high = (float(end) for end in np.percentile(values[::4, ::4], (0.5, 99.5)))  # letters may be outside a window
    parts = small_letters((values - low) * (255 / ((high - low) or 1)))
    shown = _spread(window) if parts else window
    for x0, y0, x1, y1 in parts:
        grey = shown[y0:y1, x0:x1].round().astype(np.uint8)
        together = np.dstack([grey, local_contrast(values[y0:y1, x0:x1]), _evened(grey)])
        yield Render(together, LONG_SIDE, 3.0, x0, y0, values.shape[1])


def _values(frame: NDArray[np.generic], dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The values of a grey frame, and what a reader's window leaves of them; both the brighter the higher."""
    values, window = frame.astype(np.float32), _window(frame, dataset)
    return (-values, -window) if dataset.PhotometricInterpretation == "MONOCHROME1" else (values, window)


def _coloured(frame: NDArray[np.generic], dataset: Dataset) -> NDArray[np.generic]:
    return apply_color_lut(frame, dataset) if dataset.PhotometricInterpretation == "PALETTE COLOR" else frame


def _behind_colours(frame: NDArray[np.generic], dataset: Dataset) -> NDArray[np.float32] | None:
    """How far each stored value lies above the least in the frame that the palette shows in the same colour; None where
    each has its own. Letters that no reader sees are there for who reads the values."""
    if dataset.PhotometricInterpretation != "PALETTE COLOR":
        return None
    values, places = np.unique(frame, return_inverse=True)
    _, first, colours = np.unique(_coloured(values, dataset), axis=0, return_index=True, return_inverse=True)
    above = values.astype(np.float32) - values[first[colours.ravel()]].astype(np.float32)
    return above[places.reshape(frame.shape)] if above.any() else None


def local_contrast(values: NDArray[np.float32], around: float = 10, least: float = 0) -> GreyImage:
    """Each value's distance from its surroundings (σ ``around`` pixels) in units of their spread (twice that σ), which
    is taken to be no less than ``least``."""
    values = _limit_size(values)
    centred = values - cv2.GaussianBlur(values, (0, 0), around)
    spread = np.sqrt(cv2.GaussianBlur(centred * centred, (0, 0), 2 * around))
    return _picture(np.clip(0.5 + centred / (6 * np.maximum(spread, least) + 1e-6), 0, 1), 0, 1)


def _evened(grey: GreyImage) -> GreyImage:
    """Histogram equalised in tiles of an eighth, with limited contrast."""
    return np.asarray(cv2.createCLAHE(4, (8, 8)).apply(grey), np.uint8)


def _window(frame: NDArray[np.generic], dataset: Dataset) -> NDArray[np.float32]:
    try:
        values = np.asarray(apply_modality_lut(frame, dataset))
        if dataset.get("WindowWidth") not in (None, "") or dataset.get("VOILUTSequence"):
            return np.asarray(apply_voi_lut(values, dataset, index=0), np.float32)
    except MemoryError:  # no fault of the file
        raise
    except Exception:  # a window that means nothing, such as a width of 0, is none
        values = frame
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(np.clip(values, low, high), np.float32)


def _picture(values: NDArray[np.generic], lowest: float | None = None, highest: float | None = None) -> GreyImage:
    """``values`` spread over 0..255 between the two bounds (their own extremes when not given), no side too long."""
    return _limit_size(_spread(values, lowest, highest)).round().astype(np.uint8)


def _spread(
    values: NDArray[np.generic], lowest: float | None = None, highest: float | None = None
) -> NDArray[np.float32]:
    low = float(values.min()) if lowest is None and highest is None else float(lowest or 0)
    high = float(values.max()) if highest is None else highest
    return (values.astype(np.float32) - low) * (255 / ((high - low) or 1))


def _limit_size(values: NDArray[Any], scale: float = 0) -> NDArray[Any]:
    """Shrunk by ``scale``, or so that no side is longer than 2560 pixels; never grown."""
    rows, columns = values.shape[:2]
    scale = scale or LONG_SIDE / max(rows, columns)
    if scale >= 1:
        return values
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
