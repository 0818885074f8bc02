"""What the elements at the root of a file say, as the engine reads them: texts, numbers, the geometry of the pixels."""

from __future__ import annotations

import re

from chorus_nb import standards
from chorus_nb.dicom.charsets import DEFAULT_CHARSET, charset_of, decode_text
from chorus_nb.dicom.encodings import numbers_in, vr_of
from chorus_nb.dicom.pixel_data import Geometry
from chorus_nb.dicom.spans import Element, Refused, Spans

WHOLE_NUMBER = re.compile(rb"\+?0*(\d{1,10})(?:\.0*)?")  # 30.0 too; no count has more digits

PHOTOMETRIC_INTERPRETATION = 0x00280004
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
        return decode_text(self.raw(element), self.charset).strip(" \0") if element and element.items is None else ""

    def number_of(self, tag: int) -> int | None:
        """An unsigned number or an integer string at the root, None if it is not there or no number."""
        element = self.root.get(tag)
        if element is None or element.items is not None:
            return None
        raw = self.raw(element)
        if vr_of(tag) == "IS":
            number = WHOLE_NUMBER.fullmatch(raw.strip(b" \0"))
            return int(number[1]) if number else None
        return int(numbers_in(raw, "US", self.taken.big)[0]) if len(raw) >= 2 else None

    def geometry(self) -> Geometry:
        """What the header says of the pixels; :class:`Refused` where it does not say all that decoders ask for."""
        for tag, allowed in PIXEL_COUNTS.items():
            number = self.number_of(tag)
            if number is None or not (number in allowed if allowed else number):
                places = standards.places_slice(self.text_of(0x00080016), standards.path_step(tag))
                why = "is not there" if number is None else "is no value that it can have"
                raise Refused("geometry_unusable" if places else "value_unusable", f"{standards.tag_name(tag)}: {why}")
        if not self.text_of(PHOTOMETRIC_INTERPRETATION):
            raise Refused("value_unusable", f"{standards.tag_name(PHOTOMETRIC_INTERPRETATION)}: is not there")
        rows, columns, bits, samples, frames, stored, high, signed = map(
            self.number_of,
            (0x00280010, 0x00280011, 0x00280100, 0x00280002, 0x00280008, 0x00280101, 0x00280102, 0x00280103),
        )
        photometric = self.text_of(PHOTOMETRIC_INTERPRETATION)
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
