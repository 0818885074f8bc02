"""Character sets: what Specific Character Set (0008,0005) declares, ISO 2022 too, decoded and encoded (PS3.5 §6.1)."""

from __future__ import annotations

import codecs
import re
import warnings
from functools import lru_cache

from pydicom import charset as pydicom_charset

from chorus_nb import standards
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.dicom.spans import Element

Charset = tuple[str, ...]  # Python encodings of Specific Character Set (0008,0005)
DEFAULT_CHARSET: Charset = ("iso8859",)
CHARACTER_SET = 0x00080005
_RESET = set(b"\\^=\r\n\f\t")  # behind these an ISO 2022 text is back in its first character set
# an escape (ISO 2022) to two bytes a letter, or to other letters, with what it says; any other, such as one to Latin
_ESCAPED = re.compile(
    rb"(\x1b(?:\$\(.|\$[^()]))[^\x1b]*|(\x1b\([^BJ])[^\x1b\\\r\n\f\t]*|(\x1b(?:\$\).|[(-/].)?)", re.DOTALL
)
NOT_DECLARED = b"\x1b"  # no text may hold it
ANY_BYTE = "ISO_IR 100"  # the term of what every byte can be read as
CODECS = {"utf-8": "ISO_IR 192", "gb18030": "GB18030", "gbk": "GBK", "iso8859-1": ANY_BYTE}


@lru_cache(maxsize=256)
def defined_terms(terms: str) -> str:
    """A Specific Character Set in defined terms only (PS3.3 C.12.1.1.2): common misspellings mended, others left out.

    >>> defined_terms("ISO_IR 192"), defined_terms("ISO-IR 100"), defined_terms("SMITH JOHN")
    ('ISO_IR 192', 'ISO_IR 100', 'ISO_IR 100')
    """
    given = [term.strip(" \0") for term in terms.split("\\")]
    known = standards.character_sets()
    mended = [term if term in known else _mended(term) for term in given]
    kept = [term for number, term in enumerate(mended) if term or (number == 0 and not given[0])]
    return "\\".join(kept) or (ANY_BYTE if any(given) else "")


def _mended(term: str) -> str:
    spelt = re.fullmatch(r"ISO.(2022.)?IR.?(\d+)", term, re.IGNORECASE)
    if spelt:
        right = f"ISO 2022 IR {spelt[2]}" if spelt[1] else f"ISO_IR {spelt[2]}"
        return right if right in standards.character_sets() else ""
    try:
        return CODECS.get(codecs.lookup(term).name, "") if term else ""
    except (LookupError, ValueError):
        return ""


@lru_cache(maxsize=256)
def declared_charset(terms: str) -> Charset:
    """Python encodings for a Specific Character Set; unknown terms fall back to what a byte can always be read as."""
    terms = defined_terms(terms)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warning quotes the value
        try:
            return tuple(pydicom_charset.convert_encodings([term.strip() for term in terms.split("\\")]))
        except (LookupError, ValueError):
            return DEFAULT_CHARSET


def charset_of(data: Buffer, elements: list[Element], inherited: Charset) -> Charset:
    """The encodings a data set or item declares, else those of what it stands in."""
    for element in elements:
        if element.tag == CHARACTER_SET:
            return declared_charset(bytes(data[element.value : element.end]).decode("ascii", "replace").strip(" \0"))
        if element.tag > CHARACTER_SET:
            break
    return inherited


def decode_text(raw: bytes, charset: Charset) -> str:
    """Text of a value; what its character set cannot say becomes a replacement character, never an error. Of what
    stands in a set that is not declared :data:`NOT_DECLARED` is left: read as another it is ``$B;3ED`` for 山田."""
    if b"\x1b" in raw:
        raw = _ESCAPED.sub(
            lambda found: found[0] if _is_declared(found[found.lastindex or 0], charset) else NOT_DECLARED, raw
        )
    elif raw.isascii():
        return raw.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom_charset.decode_bytes(raw, list(charset), _RESET)
        except (LookupError, ValueError):
            return raw.decode("latin-1")


def _is_declared(escape: bytes, charset: Charset) -> bool:
    encoding = pydicom_charset.CODES_TO_ENCODINGS.get(escape, "")
    return encoding in (*charset, pydicom_charset.default_encoding)


def encode_text(text: str, charset: Charset) -> bytes:
    """Bytes of a text in its character set; a character it lacks becomes ``?``."""
    if text.isascii():
        return text.encode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom_charset.encode_string(text, list(charset))
        except (LookupError, ValueError):
            return text.encode(charset[0], "replace")
