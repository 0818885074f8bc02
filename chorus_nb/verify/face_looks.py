"""What the verifier itself sees in a released volume, beside what 03 said of it: ``tables.FACE_LOOKS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom import Dataset

from chorus_nb import tables
from chorus_nb.layout import series_folder
from chorus_nb.leaks.reading import Reading
from chorus_nb.verify.bodies import SAYS_WHERE, Placing, Slices, placing_of
from chorus_nb.verify.fronts import Front, Laid, front_in
from chorus_nb.verify.repeats import distinct_sets
from chorus_nb.verify.skulls import Levels, Sampling, Skull, sampling_of
from chorus_nb.verify.slabs import front_beside, front_in_slabs

SAID_WITHOUT_FACE = ("defaced", "no_face_in_view", "came_without_face", "no_head", "")  # by 03; "": it did not ask
POSITION = 0x00200032  # Image Position (Patient)
CANNOT_BE_ASKED = "it cannot be asked for a head"
GRAVEST_FIRST = ["disagrees", "unsure", "agrees", "not_asked"]  # of ``beside``
BESIDE_SAID = {
    "agrees": "agrees with 03 in",
    "disagrees": "sees a face that 03 does not in",
    "unsure": "is not sure in",
    "not_asked": "could not be had in",
}


class FaceLook(NamedTuple):
    """One series: by its bone (CT) and by its skin; ``why`` it could not be asked for the latter."""

    skull: Skull | None = None
    front: Front | None = None
    why: str = ""

    @classmethod
    def recalled(cls, kept: Sequence[Any]) -> FaceLook:
        """From the memory of a series."""
        skull, front, why = kept
        return cls(Skull(*skull) if skull else None, Front(*front) if front else None, why)

    @property
    def is_asked(self) -> bool:
        return self.skull is not None or self.front is not None

    @property
    def has_face(self) -> bool:
        """For certain."""
        gone = self.front is not None and self.front.is_gone
        by_bone = self._by_bone and not (gone and self.skull is not None and self.skull.may_be_opened)
        return by_bone or (self.front is not None and self.front.has_face)

    @property
    def may_have_face(self) -> bool:
        return self._by_bone or (self.front is not None and self.front.may_have_face)

    @property
    def _by_bone(self) -> bool:
        return self.skull is not None and self.skull.has_face

    @property
    def answer(self) -> str:
        """A code of ``tables.FACE_LOOKS``."""
        if not self.is_asked:
            return "not_asked"
        if self.may_have_face:
            return "face" if self.has_face else "may_be_face"
        is_head = (self.front is not None and self.front.is_head) or (self.skull is not None and self.skull.is_head)
        return "no_face" if is_head else "no_head"

    @property
    def measured(self) -> str:
        """In words, for the context of a finding."""
        said = []
        if self.front:
            said.append(f"{self.front.face:.2f} of a face and {self.front.skull:.2f} of a skull's skin are there")
        if self.skull:
            said.append(f"bone encloses {self.skull.enclosed:.0f} ml, and {self.skull.juts:.0f} mm stand before it")
        return "; ".join(said)


class Looking:
    """The files of a series (``count`` of them), taken in one by one with the pixels that others need too."""

    def __init__(self, count: int) -> None:
        self._slices, self._levels = Slices(), Levels(count)
        self._fault: Exception | None = None

    def add(self, path: Path, file: Dataset | Reading, pixels: NDArray[Any]) -> None:
        """A file in its turn, with its decoded ``pixels``; what a header without sense leads to is told at the end.

        What a header says is asked once for all files that were read and are alike.
        """
        try:
            if isinstance(file, Dataset):
                self._slices.add(path, file, pixels)
                self._levels.add(pixels, sampling_of(file), corner_of(file.get("ImagePositionPatient") or ()))
                return
            corner, placing = corner_of(_values(file, POSITION)), file.once(_placing, SAYS_WHERE.__contains__)
            if placing is None or corner is None or not np.isfinite(corner).all():
                self._slices.add(path, file.dataset, pixels)
            else:
                self._slices.add_placed(path, pixels, placing, corner)
            self._levels.add(pixels, file.once(_sampling, SAYS_WHERE.__contains__), corner)
        except Exception as fault:
            self._fault = fault

    def look(
        self,
        original: Callable[[Path], bytes] | None = None,
        beside: Callable[[], Laid | None] = lambda: None,
    ) -> FaceLook:
        """At what was taken in; ``original``: what a file was, where a face is said to be removed.

        ``beside``: how the head lies in another series of its frame of reference, asked where these slices are too few.
        """
        if self._fault:
            raise self._fault
        sets = distinct_sets(self._slices)
        front, skull = front_in(sets, original), self._levels.skull()
        if isinstance(front, str):
            front = front_in_slabs(sets, beside, original) or front
        elif not front.has_face and (few := front_beside(sets, original)) and few.may_have_face:
            front = few if few.has_face or not front.may_have_face else front
        return FaceLook(skull, None, front) if isinstance(front, str) else FaceLook(skull, front)


def corner_of(position: Sequence[object]) -> NDArray[np.float64] | None:
    """Patient mm of an Image Position Patient; None unless it has three values."""
    return np.array(position, float) if len(position) == 3 else None


def _values(read: Reading, tag: int) -> list[str]:
    leaf = read.leaves.get(("", tag))
    return leaf.values if leaf else []


def _placing(read: Reading) -> Placing | None:
    return placing_of(read.dataset)


def _sampling(read: Reading) -> Sampling | None:
    return sampling_of(read.dataset)


def face_looks(
    released: pd.DataFrame, catalog: pd.DataFrame, verdicts: pd.DataFrame, looks: Mapping[str, FaceLook]
) -> pd.DataFrame:
    """``tables.FACE_LOOKS``: the released volumes of CT, MR and PT, those at odds with 03 first."""
    said = verdicts.set_index("series_uid")
    series_of = dict(tables.row_values(catalog, "source_path", "SeriesInstanceUID"))
    rows = list(_rows(released, series_of, said, looks))
    frame = tables.frame(tables.FACE_LOOKS, rows)
    return frame.sort_values(
        ["beside", "folder"],
        key=lambda column: column.map(GRAVEST_FIRST.index) if column.name == "beside" else column,
        ignore_index=True,
    )


def own_look_said(looks: pd.DataFrame) -> str:
    """``tables.FACE_LOOKS`` in a sentence."""
    counts = looks.beside.value_counts()
    said = [f"{words} {int(counts.get(name, 0)):,}" for name, words in BESIDE_SAID.items()]
    held = int(looks.held.sum())
    told = f"{', '.join(said)} (03's word stands alone there)"  # of those in which it could not be had, said last
    return f"Of {len(looks):,} released volumes the own look {told}; {held:,} of them are held back by 04."


def looks_by_answer(looks: pd.DataFrame) -> pd.DataFrame:
    """``tables.FACE_LOOKS`` counted by what both said, and by why nothing could be asked."""
    kinds = ["beside", "status", "own_look", "why", "modality", "held"]
    counted = looks.groupby(kinds, as_index=False).agg(series=("folder", "size"), files=("files", "sum"))
    return counted.sort_values(
        "beside", key=lambda column: column.map(GRAVEST_FIRST.index), kind="stable", ignore_index=True
    )


def _rows(
    released: pd.DataFrame, series_of: Mapping[str, str], said: pd.DataFrame, looks: Mapping[str, FaceLook]
) -> Iterator[dict[str, object]]:
    for folder, files in released.groupby(released.target_path.map(series_folder)):
        look = looks.get(str(folder), FaceLook())
        uid = series_of.get(files.source_path.iloc[0], "")
        if uid not in said.index and not look.is_asked:
            continue
        status = str(said.status.get(uid, ""))
        row: dict[str, object] = {"folder": folder, "modality": files.modality.iloc[0], "files": len(files)}
        row |= {"head": said["head"].get(uid, ""), "status": status}
        row |= {"own_look": look.answer, "beside": beside(status, look), "held": False, "why": look.why}
        if look.front:
            row |= {name: value for name, value in look.front._asdict().items() if name not in ("placed", "few")}
        if look.skull:
            row |= {"enclosed_ml": look.skull.enclosed, "juts": look.skull.juts}
        yield row


def beside(status: str, look: FaceLook) -> str:
    """What the own look is beside 03's word: agrees, disagrees, unsure or not_asked."""
    if not look.is_asked:
        return "not_asked"
    if status in SAID_WITHOUT_FACE and look.may_have_face:
        return "disagrees" if look.has_face else "unsure"
    return "disagrees" if look.front and look.front.is_hollow else "agrees"
