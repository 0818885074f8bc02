"""Which rows of the site's OMOP tables are of a person or an accession that was withdrawn: they are not delivered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from chorus_nb.leaks.parts import csv_parts, number_in_cell, row_texts
from chorus_nb.withdrawn import Withdrawn

PROCEDURE_FIELD = frozenset(("1147082",))  # concept of procedure_occurrence.procedure_occurrence_id: what an event is
EVENTS = {  # the column that points to an event, and the one that says what the event is (CDM 5.4)
    "measurement_event_id": "meas_event_field_concept_id",
    "observation_event_id": "obs_event_field_concept_id",
    "note_event_id": "note_event_field_concept_id",
}


@dataclass(frozen=True)
class WithdrawnRows:
    """What withdrawn rows are known by. A row without any of these columns is nobody's."""

    persons: frozenset[str] = frozenset()
    procedures: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()  # of these persons or about these procedures: note_nlp names its person not

    @classmethod
    def of(cls, withdrawn: Withdrawn, notes: Path | None) -> WithdrawnRows:
        """``notes``: the site's table, where it has one."""
        found = cls(_texts(withdrawn.persons), _texts(withdrawn.procedures))
        numbers: set[str] = set()
        for part in csv_parts(notes) if notes and withdrawn else ():
            names = [name.strip().lower() for name in part.column_names]
            if (is_withdrawn := found.rule(names)) and "note_id" in names:
                at = names.index("note_id")
                numbers |= {number_in(row, at) for row in row_texts(part) if is_withdrawn(row)}
        return cls(found.persons, found.procedures, frozenset(numbers))

    def rule(self, names: Sequence[str]) -> Callable[[Sequence[str]], bool] | None:
        """Tells of the cells of a row in the columns ``names`` whether it was withdrawn; None where none can be."""
        at = {name: place for place, name in enumerate(names)}
        asked: list[tuple[int, Collection[str], int | None]] = [
            (at[name], numbers, None)
            for name, numbers in (
                ("person_id", self.persons),
                ("procedure_occurrence_id", self.procedures),
                ("note_id", self.notes),
            )
            if name in at and numbers
        ]
        if self.procedures:
            asked += [(at[n], self.procedures, at[kind]) for n, kind in EVENTS.items() if n in at and kind in at]
        if not asked:
            return None

        def is_withdrawn(cells: Sequence[str]) -> bool:
            return any(
                number_in(cells, place) in numbers and (kind is None or number_in(cells, kind) in PROCEDURE_FIELD)
                for place, numbers, kind in asked
            )

        return is_withdrawn


def number_in(cells: Sequence[str], place: int) -> str:
    """The whole number of a cell; "" where it is none or is not there."""
    return number_in_cell(cells[place]) if place < len(cells) else ""


def _texts(numbers: Collection[int]) -> frozenset[str]:
    return frozenset(str(number) for number in numbers)
