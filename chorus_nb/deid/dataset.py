"""One header in, one header out: the tag plan applied to every element at every depth (SOP steps 12, 13).

What the plan keeps is passed on as the bytes it was; pixels too, but nothing else that stands among them.
Nothing of what is refused leaves.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from chorus_nb import __version__
from chorus_nb.deid import claims
from chorus_nb.deid.context import Change, Circumstances, Seen, Subject
from chorus_nb.deid.elements import Elements
from chorus_nb.deid.text import Cleaner
from chorus_nb.deid.uids import UidMap
from chorus_nb.dicom.container import Container, held_to
from chorus_nb.dicom.encodings import DEFLATED_SYNTAXES, Buffer, Encoding
from chorus_nb.dicom.spans import Refused, Spans, take_apart
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.identity.words import Vocabulary

if TYPE_CHECKING:
    from chorus_nb.mapping import Policy, Rule

IMPLEMENTATION_UID = "2.25.302043790172249692526321623266752743501"  # of this program; tells a released file
SOP_CLASS = 0x00080016
EXTENDED_OFFSETS = (0x7FE00001, 0x7FE00002)  # table and lengths
MOST_SEEN = 2048  # elements remembered for an image series
IMPLEMENTATION_VERSION = f"CHORUS_NB {__version__}"[:16]


class Deidentified(NamedTuple):
    """A file to be written: ``header``, then ``pixels`` as they were (empty where there are none).

    ``pixels_at``: where the pixels begin in the file that was read; -1 where they do not stand there as such.
    """

    header: bytes
    pixels: Buffer
    pixel_value: Buffer
    sop_instance_uid: str
    changes: list[Change]
    notes: Counter[str]
    pixels_at: int = -1


class Deidentifier:
    """Applies one policy with one site key. Made once per process; what it has decided it remembers."""

    def __init__(self, policy: Policy, uids: UidMap, zone: ZoneInfo, vocabulary: Vocabulary | None = None) -> None:
        self.policy = policy
        self.uids = uids
        self.zone = zone
        self._rules_digest = policy.rules_digest
        self._cleaners = lru_cache(maxsize=512)(lambda found: Cleaner(found, uids.new, vocabulary))
        self._rules: dict[tuple[str, tuple[str, ...], int, str, str], Rule] = {}
        self._seen = lru_cache(maxsize=8)(lambda circumstances: Seen())

    def apply(
        self, content: Buffer, subject: Subject, *, text_checked: bool = False, cleaned_pixels: tuple[str, ...] = ()
    ) -> Deidentified:
        """De-identify one file; :class:`Refused` (with a reason code) if any of it cannot be understood.

        ``text_checked``: the pixels were searched and hold no identifying text now. ``cleaned_pixels``: codes of
        CID 7050 for what was done to the pixels.
        """
        taken = take_apart(content)
        if taken.meta.get(0x00020012, b"").rstrip(b"\0 ").decode("ascii", "replace") == IMPLEMENTATION_UID:
            raise Refused("already_deidentified", "written by this workbench")
        elements = Elements(self, taken, subject)
        by_tag = elements.kept()  # first: a reason that names a value says more than one about the pixels
        container = _container(elements, taken)
        claimed = claims.claims(
            self.policy.options,
            self._rules_digest,
            elements.methods_before(),
            elements.level.encoding,
            shifted=subject.days_shifted != 0,
            text_checked=text_checked,
            cleaned_pixels=cleaned_pixels,
        )
        by_tag.update(claimed)
        if not _index_fits(by_tag, container):
            by_tag = {tag: element for tag, element in by_tag.items() if tag not in EXTENDED_OFFSETS}
            elements.notes.append("extended offset table left out")
        body = b"".join(by_tag[tag] for tag in sorted(by_tag))
        pixels, value = (container.element, container.value) if container else (b"", b"")
        at = taken.pixels.value if taken.pixels else -1
        if taken.transfer_syntax in DEFLATED_SYNTAXES:
            body, pixels, at = _deflate(body + bytes(pixels)), b"", -1
        sop_class = elements.level.encoding.value_of(by_tag.get(SOP_CLASS, b""))  # a private one is new
        head = _meta(sop_class.strip(b" \0"), elements.sop_instance, taken.transfer_syntax)
        return Deidentified(
            head + body, pixels, value, elements.sop_instance, elements.changes, Counter(elements.notes), at
        )

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        """The policy's rule, remembered: a series asks the same again for every image."""
        key = (sop_class, path, tag, vr, creator)
        try:
            return self._rules[key]
        except KeyError:
            rule = self._rules[key] = self.policy.rule(sop_class, path, tag, vr, creator)
            return rule

    def seen(self, circumstances: Circumstances) -> Seen:
        """What was made of elements so far; nothing where a script lets an element depend on others of its file."""
        if self.policy.scripted:
            return Seen()
        seen = self._seen(circumstances)
        if len(seen) > MOST_SEEN:  # what differs from image to image is never met again
            seen.clear()
        return seen

    def cleaner(self, found: Identifiers) -> Cleaner:
        """A cleaner for what identifies this patient; the same for all images whose headers say the same."""
        return self._cleaners(found)


def _container(elements: Elements, taken: Spans) -> Container | None:
    """The pixel data element without anything but pixels; what was in it is noted."""
    if taken.pixels is None:
        return None
    made = held_to(
        taken.pixels,
        taken.data,
        taken.transfer_syntax,
        elements.geometry(),
        elements.overlay_bits(),
        big=taken.big,
    )
    for what, times in made.removed.items():
        elements.notes += [f"removed from the pixel data, {what}"] * times
    return made


def _index_fits(by_tag: dict[int, Buffer], container: Container | None) -> bool:
    """Whether the Extended Offset Table, where there is one, says where frames begin and how long they are."""
    offsets, lengths = (bytes(by_tag.get(tag, b""))[12:] for tag in EXTENDED_OFFSETS)
    if not any(tag in by_tag for tag in EXTENDED_OFFSETS):
        return True
    if container is None:
        return False
    right = container.offsets[1]
    if offsets != container.offsets[0] or len(lengths) != len(right) or not right:
        return False
    pairs = zip(struct.iter_unpack("<Q", lengths), struct.iter_unpack("<Q", right), strict=True)
    return all(0 <= held - told <= 1 for (told,), (held,) in pairs)  # with or without its padding


def _meta(sop_class: bytes, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble of zeros and fresh file meta information, nothing of the source's (PS3.10 section 7.1)."""
    write = Encoding(False, False).element
    content = b"".join(
        (
            write(0x00020001, "OB", b"\0\1"),
            write(0x00020002, "UI", sop_class),
            write(0x00020003, "UI", sop_instance.encode("ascii", "replace")),
            write(0x00020010, "UI", transfer_syntax.encode("ascii", "replace")),
            write(0x00020012, "UI", IMPLEMENTATION_UID.encode("ascii")),
            write(0x00020013, "SH", IMPLEMENTATION_VERSION.encode("ascii")),
        )
    )
    return bytes(128) + b"DICM" + write(0x00020000, "UL", struct.pack("<L", len(content))) + content


def _deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    return deflated + b"\0" * (len(deflated) & 1)
