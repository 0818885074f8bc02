"""What the elements at the root of a file say, as the engine reads them: texts, numbers, private creators, the geometry
of the pixels."""

from __future__ import annotations

import re

from chorus_nb import standards
from chorus_nb.dicom.charsets import DEFAULT_CHARSET, charset_of, decode_text
from chorus_nb.dicom.encodings import vr_of
from chorus_nb.dicom.forms import PADS
from chorus_nb.dicom.pixel_data import Geometry
from chorus_nb.dicom.spans import Element, Refused, Spans

WHOLE_NUMBER = re.compile(rb"\+?0*(\d{1,10})(?:\.0*)?")  # 30.0 too; no count has more digits

PHOTOMETRIC_INTERPRETATION = 0x00280004
NUMBER_OF_FRAMES = 0x00280008
PIXEL_COUNTS: dict[int, tuple[int, ...]] = {
    0x00280002: (),  # Samples per Pixel
    0x00280010: (),  # Rows
    0x00280011: (),  # Columns
    0x00280100: (1, 8, 16, 32, 64),  # Bits Allocated (PS3.5 section 8.1.1), as far as decoders read them
    0x00280101: (),  # Bits Stored
    0x00280102: tuple(range(64)),  # High Bit
    0x00280103: (0, 1),  # Pixel Representation
}
"""The numbers of the Image Pixel Module that must stand with pixels (PS3.3 C.7.6.3, Type 1), and what they may be; of
() anything but 0. Decoders guess none of them."""


class RootValues:
    """The root data set of a file that was taken apart."""

    def __init__(self, taken: Spans) -> None:
        self.taken = taken
        self.data = taken.data
        self.charset = charset_of(taken.data, taken.elements, DEFAULT_CHARSET)
        self.root = {element.tag: element for element in taken.elements}  # of a tag given twice, the last
        self.root_elements = list(self.root.values())

    def raw(self, element: Element) -> bytes:
        return bytes(self.data[element.value : element.end])

    def text_of(self, tag: int) -> str:
        """Text of an element at the root, "" if it is not there."""
        element = self.root.get(tag)
        return decode_text(self.raw(element), self.charset).strip(PADS) if element and element.items is None else ""

    def number_of(self, tag: int) -> int | None:
        """An unsigned number or an integer string at the root, None if it is not there or no number."""
        element = self.root.get(tag)
        if element is None or element.items is not None:
            return None
        raw = self.raw(element)
        if vr_of(tag) == "IS":
            number = WHOLE_NUMBER.fullmatch(raw.strip(b" \0"))
            return int(number[1]) if number else None
        return int.from_bytes(raw[:2], "big" if self.taken.big else "little") if len(raw) >= 2 else None

    def creators(self, elements: list[Element]) -> dict[tuple[int, int], str]:
        """Private creators by (group, block) (PS3.5 section 7.8.1); "" for a block reserved twice or by no text."""
        found: dict[tuple[int, int], str] = {}
        for element in elements:
            tag = element[0]
            if tag & 0x1FF00 == 0x10000 and tag & 0xF0:  # (odd,0010) to (odd,00FF)
                group, number = divmod(tag, 1 << 16)
                one = element.items is None and (group, number) not in found
                found[group, number] = decode_text(self.raw(element), DEFAULT_CHARSET).strip(" \0") if one else ""
        return found

    def geometry(self) -> Geometry:
        """What the header says of the pixels; :class:`Refused` where it does not say all that decoders ask for."""
        numbers = {tag: self.number_of(tag) for tag in (*PIXEL_COUNTS, NUMBER_OF_FRAMES)}
        for tag, allowed in PIXEL_COUNTS.items():
            number = numbers[tag]
            if number is None or not (number in allowed if allowed else number):
                places = standards.places_slice(self.text_of(0x00080016), standards.path_step(tag))
                why = "is not there" if number is None else "is no value that it can have"
                raise Refused("geometry_unusable" if places else "value_unusable", f"{standards.tag_name(tag)}: {why}")
        photometric = self.text_of(PHOTOMETRIC_INTERPRETATION)
        if not photometric:
            raise Refused("value_unusable", f"{standards.tag_name(PHOTOMETRIC_INTERPRETATION)}: is not there")
        samples, rows, columns, bits, stored, high, signed, frames = numbers.values()
        return Geometry(rows, columns, bits, samples or 1, frames or 1, photometric, stored, high, signed == 1)

    def overlay_bits(self) -> dict[int, int]:
        """Bit of the pixels by overlay group that stands there (Overlay Bit Position, retired, PS3.3-2004 C.9.2)."""
        found = {}
        for group in standards.lists.OVERLAY_GROUPS:
            bit = self.number_of(group << 16 | 0x0102)
            if bit is None or group << 16 | 0x3000 in self.root:
                continue
            if bit or (self.number_of(group << 16 | 0x0100) or 0) > 1:
                found[group] = bit
        return found
