"""Text that stands in a file in another form: pictures within a page, escaped letters."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator

PICTURE = re.compile(rb"data:image/[a-z+]+;base64,([A-Za-z0-9+/=\s]+)")
PNG = b"\x89PNG\r\n\x1a\n"
DRAWN = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"sRGB", b"tRNS", b"sBIT", b"bKGD")  # hold no words
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def picture_texts(page: bytes) -> Iterator[bytes]:
    """What the pictures within a page hold besides what is drawn; all of one that is no PNG."""
    for found in PICTURE.finditer(page):
        picture = base64.b64decode(found[1] + b"==")
        yield from _png_texts(picture) if picture.startswith(PNG) else (picture,)


def _png_texts(picture: bytes) -> Iterator[bytes]:
    place = len(PNG)
    while place + 8 <= len(picture):
        length, kind = int.from_bytes(picture[place : place + 4]), picture[place + 4 : place + 8]
        content = picture[place + 8 : place + 8 + length]
        place += 12 + length
        if kind not in DRAWN:
            yield content
            for packed in re.finditer(rb"x[\x01\x5e\x9c\xda]", content):  # zTXt and iTXt may be deflated
                try:
                    yield zlib.decompress(content[packed.start() :])
                except zlib.error:
                    continue
        if kind == b"IEND":
            break
    yield picture[place:]


def unescaped(content: bytes) -> bytes:
    r"""JSON with its letters as letters: ``M\u00fcller`` says what is meant."""
    text = ESCAPED.sub(lambda found: chr(int(found[1], 16)), content.decode("utf-8", "replace"))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
