"""Files that are laid out alike, as those of a series are: one is taken apart by pydicom, the next along its elements.

Every element with its place in the tree, its VR and the bytes between are held to those of the file before, values and
their lengths may be others. What differs in anything else is read by pydicom, and so is the first: nothing is read here
that pydicom did not read so in the file before. Explicit VR little endian, which most files are written in.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from io import BytesIO
from typing import NamedTuple

from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

from chorus_nb import standards
from chorus_nb.leaks.reading import PIXEL_ELEMENTS, Leaf, Leaves, Reading, encodings_of, leaf_with, parse_file

MOST_LAYOUTS = 5  # of the files of a series; where there are more, pydicom reads those that have another
LARGEST_KEPT = 64 << 20  # bytes of a file that is kept for the next
LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 Table 7.1-1
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
NO_LENGTH = b"\xff\xff\xff\xff"
GROUP_LENGTH, SYNTAX, CHARACTER_SET = 0x00020000, 0x00020010, 0x00080005


class _Odd(Exception):
    """The file is written in a way that only pydicom reads."""


class _Token(NamedTuple):
    """What stands in a file: bytes that are the same in each, and behind them a length and so many bytes more."""

    same: bytes
    length: int = 0  # bytes of the length, 0: none
    ends: bool = False  # here ends what began last
    begins: bool = False  # the length is that of tokens which follow, and all of the value
    value: bytes = b""
    leaf: Leaf | None = None
    free: bool = False  # may have another value
    pixels: bool = False


class _Run(NamedTuple):
    """Tokens one behind the other, and the bytes they were so far in each file: most of a file is held to few of these.

    It ends where an element began to differ, which is in no sequence, so that what begins in it ends in it too.
    """

    tokens: tuple[_Token, ...]
    content: bytes | None  # None: of pixels, which are never held to those before


_Tokens = Generator[_Token, None, int]  # gives where they end


class SeriesReader:
    """Reads one file after another as :func:`chorus_nb.leaks.reading.parse_file` does."""

    def __init__(self) -> None:
        self._layout: _Layout | None = None
        self._left = MOST_LAYOUTS

    def read(self, content: bytes, like: bytes | None = None) -> Reading:
        """A file taken in; ``like``: pixels that it may hold as well, which are then not copied."""
        if self._layout and (read := self._layout.read(content, like)):
            return read
        read = parse_file(content)
        if self._left and len(content) <= LARGEST_KEPT:
            self._layout, self._left = _layout_of(content, read), self._left - 1
        return read


def _layout_of(content: bytes, read: Reading) -> _Layout | None:
    """How a file is laid out; None where reading it by that is not to read the same."""
    try:
        layout = _Layout(tuple(_tokens(content, read)), read)
    except _Odd:
        return None
    again = layout.read(content)
    if again is None or (again.header, again.pixels) != (read.header, read.pixels):
        return None
    return layout if list(again.leaves.items()) == list(read.leaves.items()) else None


class _Layout:
    def __init__(self, tokens: tuple[_Token, ...], read: Reading) -> None:
        self._tokens, self._read, self._encodings = tokens, read, encodings_of(read.dataset, None)
        self._apart = {id(token) for token in tokens if token.pixels}  # no run goes beyond these
        self._runs = list(self._joined())

    def _joined(self) -> Iterator[_Run]:
        for is_apart, part in itertools.groupby(self._tokens, lambda token: id(token) in self._apart):
            for tokens in ((token,) for token in part) if is_apart else (tuple(part),):
                yield _Run(tokens, None if tokens[0].pixels else b"".join(map(_as_it_stood, tokens)))

    def read(self, content: bytes, like: bytes | None = None) -> Reading | None:
        """A file that is laid out like this; None for any other."""
        at, ends, leaves = 0, list[int](), Leaves(self._read.leaves)
        others, header = list[tuple[_Token, bytes]](), content
        found: bytes | None = None
        for tokens, known_content in self._runs:
            if known_content is not None and content.startswith(known_content, at):
                at += len(known_content)
                continue
            for token in tokens:
                same, width, token_ends, begins, known, leaf, free, is_pixels = token
                if token_ends and ends.pop() != at:
                    return None
                if not content.startswith(same, at):
                    return None
                at += len(same)
                if not width:
                    continue
                start = at + width
                end = start + int.from_bytes(content[at:start], "little")
                if begins:
                    ends.append(end)
                    at = start
                    continue
                at = end
                if is_pixels:  # most of the file: copied once
                    is_like = like is not None and len(like) == end - start and content.startswith(like, start)
                    header, found = content[:start] + content[end:], like if is_like else content[start:end]
                    others.append((token, found or b""))
                    continue
                value = content[start:end]
                if value != known:
                    if not free:
                        return None
                    others.append((token, value))
                    if leaf is not None:
                        leaves[leaf.path, leaf.tag] = self._other(leaf, value)
        if at != len(content) or ends:
            return None
        if not self._apart.issuperset(id(token) for token, _ in others):
            self._apart.update(id(token) for token, _ in others)
            self._runs = list(self._joined())
        differ = frozenset(token.leaf.tag for token, _ in others if token.leaf)
        return Reading(lambda: self._dataset(others), leaves, header, found, like=self._read, others=differ)

    def _other(self, leaf: Leaf, value: bytes) -> Leaf:
        return leaf_with(leaf, value, None if leaf.tag >> 16 == 0x0002 else self._encodings)

    def _dataset(self, others: list[tuple[_Token, bytes]]) -> FileDataset:
        """The data set of the file before with these values."""
        before = self._read.dataset
        elements, meta = dict(before.items()), dict(before.file_meta.items())
        for token, value in others:
            tag = BaseTag(int.from_bytes(token.same[:2], "little") << 16 | int.from_bytes(token.same[2:4], "little"))
            vr = token.same[4:6].decode("ascii")
            raw = RawDataElement(tag, vr, len(value), value, 0, False, True)
            (meta if tag >> 16 == 0x0002 else elements)[tag] = raw
        made = FileDataset(BytesIO(), elements, before.preamble, FileMetaDataset(meta), False, True)
        made.set_original_encoding(False, True, before.original_character_set)
        return made


def _as_it_stood(token: _Token) -> bytes:
    """The bytes of a token in the file before."""
    if token.begins or not token.length:
        return token.same + token.value
    return token.same + len(token.value).to_bytes(token.length, "little") + token.value


def _tokens(content: bytes, read: Reading) -> _Tokens:
    if content[128:132] != b"DICM" or read.dataset.file_meta.get("TransferSyntaxUID") != ExplicitVRLittleEndian:
        raise _Odd
    yield _Token(content[:132])
    return (yield from _elements(content, 132, len(content), "", read.leaves))


def _elements(content: bytes, at: int, end: int, path: str, leaves: Leaves, *, until: bytes = b"") -> _Tokens:
    """The elements of a data set that ends at ``end``, or before it with ``until``."""
    while at < end:
        if until and content.startswith(until, at):
            yield _Token(content[at : at + 8])
            return at + 8
        tag = int.from_bytes(content[at : at + 2], "little") << 16 | int.from_bytes(content[at + 2 : at + 4], "little")
        vr = content[at + 4 : at + 6]
        width = 4 if vr in LONG_FORM else 2
        same, start = content[at : at + (8 if width == 4 else 6)], at + 2 * width + 4
        length = content[start - width : start]
        stop = start + int.from_bytes(length, "little")
        if vr == b"SQ":
            step = f"{path}.{standards.path_step(tag)}" if path else standards.path_step(tag)
            at = yield from _items(content, same, start, None if length == NO_LENGTH else stop, step, leaves)
            continue
        if length == NO_LENGTH or stop > end:
            raise _Odd
        value, at = content[start:stop], stop
        if tag in PIXEL_ELEMENTS and not path:
            yield _Token(same, width, pixels=True)
            continue
        leaf = leaves.get((path, tag))
        if leaf is None:
            raise _Odd
        named = tag in (SYNTAX, CHARACTER_SET) or (tag >> 16 & 1 and tag & 0xFFFF <= 0xFF)
        as_it_stands = leaf.value == value or tag == GROUP_LENGTH
        yield _Token(same, width, value=value, leaf=leaf, free=not path and not named and as_it_stands)
    if until:
        raise _Odd
    return at


def _items(content: bytes, same: bytes, at: int, end: int | None, path: str, leaves: Leaves) -> _Tokens:
    """A sequence behind its tag and VR (``same``) and its length, up to ``end``, or to where it says that it ends."""
    yield _Token(same + NO_LENGTH) if end is None else _Token(same, 4, begins=True, value=content[at - 4 : at])
    number = 0
    while end is None or at < end:
        start, length = at + 8, content[at + 4 : at + 8]
        if end is None and content.startswith(SEQUENCE_END, at):
            yield _Token(content[at:start])
            return start
        if not content.startswith(ITEM, at):
            raise _Odd
        here = f"{path}.{number}"
        if length == NO_LENGTH:
            yield _Token(content[at:start])
            at = yield from _elements(content, start, len(content), here, leaves, until=ITEM_END)
        else:
            stop = start + int.from_bytes(length, "little")
            yield _Token(ITEM, 4, begins=True, value=length)
            at = yield from _elements(content, start, stop, here, leaves)
            if at != stop:
                raise _Odd
            yield _Token(b"", ends=True)
        number += 1
    yield _Token(b"", ends=True)
    return at
