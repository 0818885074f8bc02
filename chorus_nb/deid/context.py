"""What happens to an element depends on: whom its file belongs to, where it stands, what else the file says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from chorus_nb.deid.text import Cleaner
from chorus_nb.dicom.charsets import Charset
from chorus_nb.dicom.encodings import Buffer, Encoding
from chorus_nb.identity.identifiers import Identifiers

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from chorus_nb.deid.uids import UidMap
    from chorus_nb.mapping import Policy, Rule

KEPT: Literal[True] = True  # an element passed on as the bytes it was
Made = bytes | Literal[True] | None  # new bytes, KEPT, or left out


class Subject(NamedTuple):
    """Whom a file belongs to and what the lookup tables say (SOP step 12)."""

    person_id: int
    days_shifted: int
    image_occurrence_id: int
    known_ids: frozenset[str] = frozenset()  # every PatientID of this person
    known: Identifiers = Identifiers()  # what all files and tables of this person say
    is_old: bool = False  # whether any of them is of an age above 89

    @property
    def everything(self) -> Identifiers:
        """What is known of this person besides the file at hand."""
        return self.known | Identifiers(numbers=self.known_ids)


class Change(NamedTuple):
    """A changed element: a row of the crosswalk (SOP step 10). Identifiable."""

    path: str
    tag: str
    keyword: str
    vr: str
    original: str
    action: str
    rule_source: str
    new: str


class Circumstances(NamedTuple):
    """All that decides about an element at the root besides its own bytes and its private creator."""

    subject: Subject
    sop_class: str
    found: Identifiers
    patient_id: str
    accession: str
    hide_birth_date: bool
    charset: Charset
    encoding: Encoding


Seen = dict[Buffer | tuple[str, Buffer], tuple[Made, list[Change], list[str]]]
"""What was made of elements (their bytes, with the creator of a private one) under the same circumstances, with the
changes and notes that go with it."""


class Engine(Protocol):
    """What the elements ask of the de-identifier they belong to."""

    policy: Policy
    uids: UidMap
    zone: ZoneInfo

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule: ...

    def cleaner(self, found: Identifiers) -> Cleaner: ...

    def seen(self, circumstances: Circumstances) -> Seen: ...


class Level(NamedTuple):
    """Where an element stands: the root or an item."""

    path: tuple[str, ...]  # keywords of the sequences above, as the policy knows them
    where: str  # the same with item numbers, for the crosswalk
    charset: Charset
    encoding: Encoding
    creators: Mapping[tuple[int, int], str] = MappingProxyType({})  # its private creators, by (group, block)
