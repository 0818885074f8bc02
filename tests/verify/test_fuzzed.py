"""Whatever a header hides whatever where: it leaves in no released byte, or its file stays, with a row that says so."""

from __future__ import annotations

import base64
import gzip
import random
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pydicom.datadict import DicomDictionary
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from chorus_nb import deid, explore, standards, tables
from chorus_nb.dicom.encodings import TEXT, WORD_SIZES, Encoding
from chorus_nb.dicom.spans import read_meta, take_apart
from chorus_nb.leaks.reading import without_deflation
from chorus_nb.leaks.spellings import spelt_in
from chorus_nb.verify import verify
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite

SEED, FILES, EACH = 20270417, 24, 6
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
LINKED = {0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020, 0x00080050, 0x00080060}
"""What says whose and what a file is, and how it is read: with another value it is another patient's, or none."""
TAGS = [t for t, (vr, *_) in DicomDictionary.items() if 0x00080000 < t < 0x7F000000 and vr != "SQ" and t not in LINKED]
TAGS = [tag for tag in TAGS if tag >> 16 != 0x0028 and tag & 0xFFFF]  # of these the pixels depend
SEQUENCES = [tag for tag, (vr, *_) in DicomDictionary.items() if vr == "SQ" and tag > 0x00080000]
SAFE = sorted((*key, attribute.vr[:2]) for key, attribute in standards.safe_private().items())
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "in capitals": lambda text: text.upper().encode(),
    "in a text": lambda text: f"CT for {text}, axial".encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16, the other way round": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32-le"),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "hexadecimal in pairs": lambda text: text.encode().hex(" ").encode(),
    "Base64": lambda text: base64.b64encode(text.encode()),
    "Base64 behind a word": lambda text: b"T2_" + base64.b64encode(b"Name: " + text.encode()),
    "addresses": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "pages": lambda text: "".join(f"&#{ord(letter)};" for letter in text).encode(),
    "programs": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    "apart": lambda text: " ".join(text).encode(),
    "two values": lambda text: f"{text[:5]}\\{text}".encode(),
    "zlib": lambda text: zlib.compress(f"patient {text}".encode()),
    "gzip": lambda text: gzip.compress(f"patient {text}".encode(), mtime=0),
    "decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
}


class Planted(NamedTuple):
    token: str
    where: str
    form: bytes


class Plants:
    """Elements of a file with its patient's identifiers at places drawn by chance."""

    def __init__(self, drawn: random.Random, encoding: Encoding) -> None:
        self.drawn, self.encoding = drawn, encoding

    def of(self, token: str) -> tuple[int, bytes, Planted]:
        """An element at the root: its tag, its bytes, and what it hides."""
        kind, write = self.drawn.choice(sorted(WRITTEN.items()))
        elements, where = self._innermost(write(token)), kind
        for _ in range(self.drawn.choice((0, 0, 1, 3, 6))):
            tag, undefined = self.drawn.choice(SEQUENCES), self.drawn.random() < 0.3
            item = self.encoding.item(elements, undefined)
            elements, where = self.encoding.sequence(tag, "SQ", item, undefined), f"{tag:08x} {where}"
        group, element = (int.from_bytes(elements[at : at + 2], "little") for at in (0, 2))
        return group << 16 | element, elements, Planted(token, where, write(token))

    def _innermost(self, value: bytes) -> bytes:
        """The value in a standard element, mostly under its own VR, or in one of a maker that PS3.15 calls safe."""
        if self.drawn.random() < 0.65:
            tag = self.drawn.choice(TAGS)
            own = DicomDictionary[tag][0][:2]
            others = (*sorted(TEXT), "UN", "OB", "DS", "FD", "US")
            return self._element(tag, own if self.drawn.random() < 0.75 else self.drawn.choice(others), value)
        creator, group, offset, vr = self.drawn.choice(SAFE)
        block = self.encoding.element(group << 16 | 0x10, "LO", creator.encode())
        return block + self._element(group << 16 | 0x1000 | offset, "OB" if vr == "SQ" else vr, value)

    def _element(self, tag: int, vr: str, value: bytes) -> bytes:
        if size := WORD_SIZES.get(vr):
            value += b" " * (-len(value) % size)
        return self.encoding.element(tag, vr, value)


def word(drawn: random.Random) -> str:
    """A name that no list knows."""
    beginnings, ends = ["br", "gl", "kv", "thr", "v", "m", "qu"], ["oa", "uy", "io", "eu"]
    return "".join(drawn.choice(beginnings) + drawn.choice(ends) for _ in range(4))


def fuzzed(drawn: random.Random, number: int) -> tuple[bytes, list[Planted]]:
    """A file of a patient of its own that hides up to :data:`EACH` identifiers."""
    names = [word(drawn).capitalize() for _ in range(2)]
    own = {"PatientID": f"MRN-{number}", "AccessionNumber": f"QX{4400000 + number * 977}"}
    uids = {f"{kind}InstanceUID": f"1.3.6.1.4.1.5962.7.{number}.{len(kind)}" for kind in ("Study", "Series", "SOP")}
    syntax = SYNTAXES[number % len(SYNTAXES)]
    content = encoded(image(syntax, PatientName="^".join(names), **own, **uids))
    taken, hidden = take_apart(content), dict[int, Planted]()
    elements = {each.tag: bytes(taken.data[each.start : each.end]) for each in taken.elements}
    there = frozenset(elements)
    for _ in range(EACH):
        tag, made, planted = Plants(drawn, Encoding(taken.implicit, taken.big)).of(
            drawn.choice([*names, own["AccessionNumber"]])
        )
        if tag not in there:
            elements[tag], hidden[tag] = made, planted
    pixels = bytes(taken.data[max(each.end for each in taken.elements) :])
    body = b"".join(elements[tag] for tag in sorted(elements)) + pixels
    if syntax == DeflatedExplicitVRLittleEndian:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    return content[: read_meta(content).end] + body, list(hidden.values())


def said_in(content: bytes, token: str) -> bool:
    """Whether a released file says a token, in any of the ways in which they were written."""
    read = without_deflation(content)
    every = [read, read.replace(b"\0", b""), spelt_in(read)]
    return any(form.lower().count(token.lower().encode()) for form in every)


def test_what_a_header_hides_leaves_nowhere_and_every_file_is_accounted_for(tmp_path: Path) -> None:
    drawn, site, hidden = random.Random(SEED), SmallSite(tmp_path / "site"), dict[str, list[Planted]]()
    persons, images = "PatientID,person_id,Days_Shifted\n", "PatientID,AccessionNumber,image_occurence_id\n"
    for number in range(1, FILES + 1):
        content, hidden[f"{number}.dcm"] = fuzzed(drawn, number)
        (site.dicom / f"{number}.dcm").write_bytes(content)
        persons += f"MRN-{number},{1000 + number},-100\n"
        images += f"MRN-{number},QX{4400000 + number * 977},{9000 + number}\n"
    site.lookup("Personal_map", persons)
    site.lookup("Image_map", images)
    workspace = site.open()
    explore.scan(workspace)
    deid.make_worklist(workspace)
    deid.deidentify(workspace)
    verify(workspace)
    outcomes = workspace.read(tables.OUTCOMES).set_index("source_path")
    assert sorted(outcomes.index) == sorted(hidden)
    released = outcomes[outcomes["status"] == "released"]
    assert (outcomes.drop(released.index)["reason"] != "").all()
    assert len(released) > FILES * 2 // 3, "a test of nothing"
    left = [
        (path, planted.where)
        for path, target in released["target_path"].items()
        for content in [(workspace.release / target).read_bytes()]
        for planted in hidden[path]
        if planted.form in without_deflation(content) or said_in(content, planted.token)
    ]
    assert left == []
    assert sum(map(len, hidden.values())) > FILES * 3
