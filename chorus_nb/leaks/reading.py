"""A DICOM file as the verifier reads it: every element, the bytes outside the pixels, the pixels decoded.

Only pydicom is used here; the second, independent reader is GDCM behind :mod:`chorus_nb.verify.second_opinion`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydicom import config
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.filereader import read_dataset, read_partial
from pydicom.multival import MultiValue
from pydicom.pixels import pixel_array
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb import standards
from chorus_nb.guard import fault_of, quiet

PIXEL_ELEMENTS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
MEDIA_INSTANCE = 0x00020003  # of the file meta information; its other UIDs name software, classes and syntaxes
DEFLATED = "1.2.840.10008.1.2.1.99"
BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT"))
DAY_RANGE = re.compile(r"-(?=\d{4})|-\Z")
KEPT_DECODED = 64  # bytes of a text at most
OfHeader = TypeVar("OfHeader")
DELIMITERS = {0x5C}  # the backslash between values; a code point, as pydicom's decode_bytes wants it


class Unreadable(Exception):
    """The file is not DICOM that can be trusted; the text is a short code without any header value."""


class Leaf(NamedTuple):
    """A data element that is no sequence. ``path`` = keywords of the sequences above it with item numbers."""

    path: str
    tag: int
    vr: str
    creator: str
    value: bytes
    text: str

    @property
    def name(self) -> str:
        """``Sequence.0.(gggg,eeee)``: where the element stands, for a finding."""
        tag = standards.tag_name(self.tag)
        return f"{self.path}.{tag}" if self.path else tag

    @property
    def keyword(self) -> str:
        return keyword_of(self.tag)

    @property
    def values(self) -> list[str]:
        """The values of a multi-valued text element, without padding, and without line ends that stand there too."""
        return [part.strip(" \0\t\r\n") for part in self.text.split("\\")]

    @property
    def days(self) -> list[str]:
        """The values; of a DA that is a range, which only a query may have (PS3.5 Table 6.2-1), both ends."""
        return [end for value in self.values for end in DAY_RANGE.split(value)] if self.vr != "DT" else self.values


Leaves = dict[tuple[str, int], Leaf]


class Reading:
    """A file taken in: the data set, its elements (file meta information included), header bytes and pixels.

    ``like``: the file that it differs from in nothing but its pixels and the values of ``others``, elements of its
    root.
    """

    __slots__ = ("_dataset", "_known", "header", "leaves", "like", "more", "others", "pixels")

    def __init__(
        self,
        dataset: FileDataset | Callable[[], FileDataset],
        leaves: Leaves,
        header: bytes,
        pixels: bytes | None,
        more: bool = False,
        like: Reading | None = None,
        others: frozenset[int] = frozenset(),
    ) -> None:
        self._dataset = dataset
        self._known: dict[Callable[..., Any], Any] = {}
        self.leaves = leaves
        self.header = header  # every byte outside the pixel data value: preamble, elements, what trails behind
        self.pixels = pixels  # the pixel data value, None without pixel data
        self.more = more  # something stands behind the zeros that fill the file up, such as another file
        self.like, self.others = like, others

    @property
    def dataset(self) -> FileDataset:
        if not isinstance(self._dataset, FileDataset):
            self._dataset = self._dataset()
        return self._dataset

    def once(self, function: Callable[[Reading], OfHeader], asks: Callable[[int], bool]) -> OfHeader:
        """What ``function`` says of this file: asked once for all that are alike in the elements for which ``asks`` is
        true, and in the length of their pixels, which is all that it may look at."""
        like = self.like
        if like is None or len(like.pixels or b"") != len(self.pixels or b"") or any(map(asks, self.others)):
            like = self
        if function not in like._known:
            like._known[function] = function(like)
        found: OfHeader = like._known[function]
        return found


def parse_file(content: bytes) -> Reading:
    """Parse ``content``; :class:`Unreadable` if pydicom cannot or if it ends early."""
    with quiet(), config.disable_value_validation():
        file = BytesIO(content)
        try:
            dataset = read_partial(file, _is_of_no_group, force=True)
            found = {(leaf.path, leaf.tag): leaf for part in (dataset.file_meta, dataset) for leaf in _leaves(part)}
        except Exception as error:  # pydicom raises whatever the damage leads to, and quotes values
            raise Unreadable(f"cannot be parsed: it {fault_of(error)}") from None
    if "SOPClassUID" not in dataset:
        raise Unreadable("is not a DICOM object: it names no SOP class")
    name_syntax(dataset)
    deflated = dataset.file_meta.get("TransferSyntaxUID") == DEFLATED
    more = not deflated and bool(content[file.tell() :].strip(b"\0"))
    return Reading(dataset, found, *_without_pixels(content, dataset), more)


def name_syntax(dataset: FileDataset) -> FileDataset:
    """A data set that names no transfer syntax, with that which pydicom read it by."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain
    return dataset


def _is_of_no_group(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether zeros stand where an element should: what follows the data set in a file that was filled up."""
    return int(tag) < 0x00010000


def _leaves(dataset: Dataset, path: str = "", encodings: tuple[str, ...] | None = None) -> Iterator[Leaf]:
    encodings = encodings_of(dataset, encodings)
    creators: dict[int, str] = {}  # by block, asked for once
    for key, raw in sorted(dataset.items(), key=_number):
        tag = int(key)
        vr = raw.VR or ""
        if vr in ("", "UN", "SQ") and tag not in PIXEL_ELEMENTS:
            vr = vr if vr == "SQ" else vr_by_tag(tag) or "UN"
            if vr == "SQ":
                for number, item in enumerate(dataset[key].value or ()):
                    if isinstance(item, Dataset):
                        here = f"{standards.path_step(tag)}.{number}"
                        yield from _leaves(item, f"{path}.{here}" if path else here, encodings)
                continue
        if tag in PIXEL_ELEMENTS and not path:
            continue
        value = raw.value if type(raw.value) is bytes else _bytes(raw)
        creator = ""
        if tag & 0x10000:
            block = tag >> 8
            if block not in creators:
                creators[block] = _creator(dataset, tag)
            creator = creators[block]
        yield Leaf(path, tag, vr, creator, value, "" if vr in BINARY else _text(value, encodings))


def encodings_of(dataset: Dataset, around: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """How the texts of a data set are written; ``around``: those of the data set that it is an item of."""
    if "SpecificCharacterSet" in dataset:
        try:
            return tuple(convert_encodings(dataset.get("SpecificCharacterSet") or ""))
        except Exception:  # an unknown character set: the bytes are searched all the same
            return None
    return around


def leaf_with(leaf: Leaf, value: bytes, encodings: tuple[str, ...] | None) -> Leaf:
    """The same element with another value, as it stands in a file."""
    if leaf.tag == 0x00020000:  # which pydicom reads ahead of time
        value = str(int.from_bytes(value, "little")).encode()
    return Leaf(leaf.path, leaf.tag, leaf.vr, leaf.creator, value, "" if leaf.vr in BINARY else _text(value, encodings))


def _number(item: tuple[BaseTag, RawDataElement | DataElement]) -> int:
    return int(item[0])  # the comparison of tags themselves is slow


@cache
def keyword_of(tag: int) -> str:
    """Keyword of a standard tag, "" for any other."""
    return keyword_for_tag(tag)


@cache
def vr_by_tag(tag: int) -> str:
    """The VR that the dictionary gives a tag, "" if it does not know it."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _creator(dataset: Dataset, tag: int) -> str:
    """The private creator of an element of an odd group, "" for the creators themselves and for orphans."""
    if not tag & 0xFF00:
        return ""
    reserved = BaseTag(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
    return _text(_bytes(dataset.get_item(reserved)), None).strip(" \0") if reserved in dataset else ""


def _bytes(element: RawDataElement | DataElement) -> bytes:
    value = element.value
    if value is None:
        return b""
    if isinstance(value, int) and element.VR in ("US", "SS"):  # pydicom reads Pixel Representation ahead of time
        return int(value).to_bytes(2, "little", signed=value < 0)
    if isinstance(value, MultiValue):  # the character set, which pydicom reads ahead of time too
        value = "\\".join(map(str, value))
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _text(value: bytes, encodings: tuple[str, ...] | None) -> str:
    if not value:
        return ""
    return _short_text(value, encodings) if len(value) <= KEPT_DECODED else _decoded(value, encodings)


def _decoded(value: bytes, encodings: tuple[str, ...] | None) -> str:
    if encodings:
        try:
            return decode_bytes(value, encodings, DELIMITERS).rstrip("\0 ")
        except Exception:  # bytes that do not fit the declared character set
            pass
    return value.decode("latin-1").rstrip("\0 ")


_short_text = lru_cache(maxsize=8192)(_decoded)  # most texts of a series are the same in each file


def _without_pixels(content: bytes, dataset: FileDataset) -> tuple[bytes, bytes | None]:
    """The bytes outside the pixel data value and that value; the data set inflated if it is deflated."""
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    front, body = b"", content
    if syntax == DEFLATED:
        front, body = _inflated(content)
    present = next((tag for tag in sorted(PIXEL_ELEMENTS) if tag in dataset), None)
    if present is None:
        return front + body, None
    raw: Any = dataset.get_item(present)
    value, start = raw.value or b"", getattr(raw, "value_tell", None) or raw.file_tell
    if not body.startswith(value, start):
        raise Unreadable("the pixel data is not where the header says")
    return front + body[:start] + body[start + len(value) :], value


def _inflated(content: bytes) -> tuple[bytes, bytes]:
    """The file meta information of a deflated file, and its data set."""
    start, inflater = _behind_meta(content), zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(content[start:])
    except zlib.error:
        raise Unreadable("deflated data set is damaged") from None
    return content[:start], body + inflater.unused_data


def without_deflation(content: bytes) -> bytes:
    """A file as a reader takes it that cannot inflate: deflated, with its data set as it is and named so."""
    named = DEFLATED.encode()
    if named not in content[:1024]:
        return content
    front, body = _inflated(content)
    return front.replace(named, ExplicitVRLittleEndian.encode().ljust(len(named), b"\0")) + body


def _behind_meta(content: bytes) -> int:
    """Where the data set begins, read as pydicom does: the group length may be absent or wrong."""
    file = BytesIO(content)
    file.seek(132 if content[128:132] == b"DICM" else 0)
    read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    return file.tell()


def expected_length(dataset: Dataset) -> int | None:
    """Bytes of uncompressed pixel data by the header; None where that cannot be said (PS3.3 C.7.6.3)."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in dataset:
        return None
    frames = int(dataset.get("NumberOfFrames") or 1)
    samples = 2 if dataset.PhotometricInterpretation == "YBR_FULL_422" else int(dataset.SamplesPerPixel)
    bits = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.BitsAllocated) * frames
    return (bits + 7) // 8


def altered(dataset: Dataset, without: Iterable[str] = (), **values: object) -> Dataset:
    """A data set to decode with some values in place of its own; ``copy`` would alter both, as they share elements."""
    gone = {tag_for_keyword(keyword) for keyword in without}
    made = Dataset({tag: element for tag, element in dataset.items() if tag not in gone})
    made.file_meta = dataset.file_meta
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword) or 0
        made.add_new(tag, dataset[tag].VR, value)
    return made


def decode_pixels(dataset: Dataset) -> np.ndarray:
    """All frames as an array, YBR converted to RGB; imagecodecs steps in where pydicom has no decoder."""
    with quiet():
        try:
            return pixel_array(dataset)
        except Exception:
            return _imagecodecs(dataset)


def _imagecodecs(dataset: Dataset) -> np.ndarray:
    import imagecodecs  # an extra: the core decodes what pydicom and Pillow can

    signed = int(dataset.get("PixelRepresentation", 0))
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = [imagecodecs.jpeg_decode(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=count)]
    stacked = np.stack(frames) if count > 1 else frames[0]
    return stacked.view(f"i{stacked.itemsize}") if signed else stacked
