"""What a released file says about its own de-identification, and only what was done (PS3.15 E.1.1, CID 7050)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from chorus_nb import __version__
from chorus_nb.dicom.encodings import Encoding

Code = tuple[str, str, str]  # value, scheme, meaning

CID_7050 = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113102": "Clean Recognizable Visual Features Option",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113111": "Retain Safe Private Option",
}
STUDY_DATES = (0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x0008002A)
SHIFTED, REMOVED, UNMODIFIED = b"MODIFIED", b"REMOVED", b"UNMODIFIED"  # PS3.3 C.12.1.1.9, (0028,0303)


@lru_cache(maxsize=256)
def claims(
    options: tuple[str, ...],
    policy_digest: str,
    methods_before: tuple[str, ...],
    encoding: Encoding,
    *,
    shifted: bool,
    text_checked: bool,
    cleaned_pixels: tuple[str, ...],
) -> Mapping[int, bytes]:
    """The attributes that state what was done as data elements, by tag; the same for all images of a series."""
    method = f"chorus-nb {__version__}, CHoRUS Imaging SOP, policy {policy_digest[:12]}"
    methods = [*(text[:64] for text in methods_before), method]
    codes = [(code, "DCM", CID_7050[code]) for code in sorted({*options, *cleaned_pixels})]
    if "113107" in options:
        temporal = SHIFTED if shifted else UNMODIFIED
    else:
        temporal = REMOVED
    items = b"".join(_code_item(code, encoding) for code in codes)
    made = [
        (0x00120062, "CS", b"YES"),
        (0x00120063, "LO", "\\".join(methods).encode("ascii", "replace")),
        (0x00120064, "SQ", items),
        (0x00280303, "CS", temporal),
    ]
    if text_checked:
        made.append((0x00280301, "CS", b"NO"))
    if "113102" in cleaned_pixels:
        made.append((0x00280302, "CS", b"NO"))
    return MappingProxyType({tag: encoding.element(tag, vr, value) for tag, vr, value in made})


def _code_item(code: Code, encoding: Encoding) -> bytes:
    """An item of a code sequence: value, scheme, meaning (PS3.3 section 8.8)."""
    tags = ((0x00080100, "SH"), (0x00080102, "SH"), (0x00080104, "LO"))
    content = b"".join(
        encoding.element(tag, vr, text.encode("ascii", "replace")) for (tag, vr), text in zip(tags, code, strict=True)
    )
    return encoding.item(content, False)
