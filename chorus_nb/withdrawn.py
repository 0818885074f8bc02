"""Who has withdrawn: persons and accessions that a site takes out for good, such as for want of consent.

The log ``withdrawals`` says only that it happened: OMOP's own numbers, and of the original identifiers keyed hashes,
by which the person is known again if their files come again or a lookup table gives them another number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import pandas as pd
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.errors import InputError
from chorus_nb.workspace import Workspace

WITHDRAWN = "withdrawn"  # the reason in ``worklist`` and ``outcomes``, and in the manifest
ITEM = re.compile(r"(?:person|accession):\d{1,10}|patient:[0-9a-f]{32}")
FILLING = " \0"


def _check(row: Cells) -> None:
    if not ITEM.fullmatch(row["item"]):
        raise InputError("item must be person:PERSON_ID, accession:IMAGE_OCCURRENCE_ID or patient: and its mark")
    if not row["note"].strip():
        raise InputError("a withdrawal needs a reason")


WITHDRAWAL_LOG = DecisionLog(tables.WITHDRAWALS, frozenset({"remove"}), _check)


@dataclass(frozen=True)
class Withdrawn:
    """All that was withdrawn and not taken back."""

    persons: frozenset[int] = frozenset()
    accessions: frozenset[int] = frozenset()
    procedures: frozenset[int] = frozenset()  # procedure_occurrence_id of these accessions in the EHR
    marks: frozenset[str] = frozenset()
    keys: tuple[bytes, ...] = ()  # of the site, this one and those before it: what the marks may be made with

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """As the log of the workspace has it. :class:`InputError` for a row that cannot stand."""
        rows = WITHDRAWAL_LOG.current(workspace)
        if not rows:
            return cls()
        named: dict[str, set[int]] = {"person": set(), "accession": set()}
        for item in rows:
            kind, _, number = item.partition(":")
            if kind in named:
                named[kind].add(int(number))
        said = (item.removeprefix("patient:") for item in rows if item.startswith("patient:"))
        return cls(
            frozenset(named["person"]),
            frozenset(named["accession"]),
            frozenset(int(number) for row in rows.values() for number in row["procedures"].split()),
            frozenset(mark for row in rows.values() for mark in row["marks"].split()).union(said),
            workspace.keys(),
        )

    def __bool__(self) -> bool:
        return bool(self.persons or self.accessions or self.marks)

    def has(self, patient: str, accession: str = "") -> bool:
        """Whether these original identifiers are of somebody, or of an accession, that was withdrawn."""
        whole, part = (patient.strip(FILLING),), (patient.strip(FILLING), accession.strip(FILLING))
        return any(mark(key, *told) in self.marks for key in self.keys for told in (whole, part) if told[0])

    def files(self, files: pd.DataFrame) -> pd.Series:
        """Which ``files`` (PatientID, AccessionNumber, person_id, image_occurrence_id) were withdrawn."""
        found = files.person_id.isin(self.persons) | files.image_occurrence_id.isin(self.accessions)
        if self.marks:
            pairs = pd.MultiIndex.from_frame(files[["PatientID", "AccessionNumber"]])
            told = {pair: self.has(*pair) for pair in pairs.unique()}
            found |= pd.Series([told[pair] for pair in pairs], files.index, dtype=bool)
        return found.fillna(value=False).astype(bool)

    def paths(self, paths: pd.Series) -> pd.Series:
        """Which of these paths below ``release/`` are images of theirs."""
        parts = layout.InstancePath.columns(paths)
        images = parts.image_occurrence_id.where(parts.name.notna())
        return parts.person_id.isin(map(str, self.persons)) | images.isin(map(str, self.accessions))


def mark(key: bytes, *identifiers: str) -> str:
    """What stands for original identifiers: BLAKE3 under the site's key, so that nobody without it can try them all."""
    return blake3(
        "\0".join(identifiers).encode(), key=blake3(key, derive_key_context=f"{__name__} mark").digest()
    ).hexdigest(16)


def marks_of(key: bytes, pairs: Iterable[tuple[str, ...]]) -> list[str]:
    """The marks of identifiers, each a PatientID or a PatientID with an accession number."""
    return sorted({mark(key, *(part.strip(FILLING) for part in pair)) for pair in pairs})
