"""A made-up hospital: a thousand encounters with imaging, what its archive and its export hold, and planted gaps."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.omop import visit_spans
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

ENCOUNTERS = 1000
PLANTED = 12  # of each gap
GAPS = ("missing", "short series", "short instances", "not_pulled", "wrong_patient", "outside_visit", "held_back")
CPT = {"CT": "71260", "MR": "70553", "US": "76700", "DX": "71046", "MG": "77067"}
ZERO = {"integer": 0, "truth": False, "number": 0.0}
CATALOG_ROW: dict[str, Any] = {c.name: ZERO.get(c.kind, "") for c in tables.CATALOG.columns} | {"status": "dicom"}
OUTCOME_ROW: dict[str, Any] = {c.name: ZERO.get(c.kind, "") for c in tables.OUTCOMES.columns}
Row = dict[str, Any]


def encounters(visits: pd.DataFrame | None) -> pd.DataFrame:
    """A thousand visits: those given and as many invented ones, years after all others, as it takes."""
    made = [] if visits is None else visits.to_dict("records")
    for number in range(ENCOUNTERS - len(made)):
        start = pd.Timestamp("2300-01-01 09:30") + pd.Timedelta(days=3 * number)
        end = start + pd.Timedelta(hours=number % 70)  # also of length zero
        both = {"start": start, "end": end}
        told = {f"visit_{name}_date": f"{at:%Y-%m-%d}" for name, at in both.items()}
        told |= {f"visit_{name}_datetime": f"{at:%Y-%m-%d %H:%M:%S}" for name, at in both.items()}
        ids = {"visit_occurrence_id": 990_000 + number, "person_id": 20_000_000 + number % 90}
        made.append(ids | told | {"visit_concept_id": 9201, "visit_type_concept_id": 32817})
    return pd.DataFrame(made)


class Hospital:
    """``cells``: what each study must end in, by StudyInstanceUID or, where nothing was found, by accession."""

    def __init__(self, folder: Path, visits: pd.DataFrame | None, *, outcomes: bool = False) -> None:
        self.random = random.Random(20)
        self.visits = encounters(visits)
        self.people = {
            int(number): -(place % 700) - 1 for place, number in enumerate(self.visits["person_id"].unique())
        }
        self.cells: dict[str, tuple[str, str]] = {}
        self.images, self.procedures = list[Row](), list[Row]()
        self.archive, self.catalog, self.outcomes = list[Row](), list[Row](), list[Row]()
        self.planted, self.twice = Counter[str](), 0
        spans = visit_spans(self.visits)
        for number, (visit, span) in enumerate(zip(self.visits.itertuples(), spans.itertuples(), strict=True)):
            moment = span.starts + (min(span.ends, span.starts + pd.Timedelta(days=20)) - span.starts) / 2
            gap = GAPS[number % len(GAPS)] if number < PLANTED * len(GAPS) else ""
            self.study(number, int(visit.person_id), int(visit.visit_occurrence_id), moment, gap, outcomes)
        for number in range(PLANTED):  # studies that nobody expects, in an encounter
            moment = spans["starts"].iloc[200 + number]
            self.found(f"9.1.{number}", f"X{number}", int(self.visits["person_id"].iloc[200 + number]), moment, "CT")
            self.cells[f"9.1.{number}"] = ("extra", "")
        held = next(row["AccessionNumber"] for row in self.images[100:] if row["AccessionNumber"] in self.known())
        self.found("9.2", held, max(self.people), spans["starts"].iloc[300], "CT")  # beside the right patient's own
        self.cells["9.2"] = ("wrong_patient", "")
        self.workspace = self.write(folder, outcomes)

    def known(self) -> set[str]:
        return {row["AccessionNumber"] for row in self.archive if row["PatientID"] != f"P{max(self.people)}"}

    def study(self, number: int, person: int, visit: int, moment: pd.Timestamp, gap: str, outcomes: bool) -> None:
        kind = (
            ("Image_map", "linked", "procedure")[number % 3]
            if gap not in ("wrong_patient", "outside_visit")
            else "linked"
        )
        if not gap and number % 5 == 0:
            kind = "twice"  # its accession in Image_map and a procedure that nothing links to it
            self.twice += 1
        modality, uid, accession = self.random.choice([*CPT]), f"1.2.{number}", f"A{number:05}"
        if kind != "procedure":
            self.images.append(
                {"PatientID": f"P{person}", "AccessionNumber": accession, "image_occurence_id": number + 1}
            )
        if kind != "Image_map":
            value = str(number + 1) if kind == "linked" else CPT[modality]
            self.procedures.append(
                {
                    "procedure_occurrence_id": 500 + number,
                    "person_id": person,
                    "visit_occurrence_id": visit,
                    "procedure_date": f"{moment:%Y-%m-%d}",
                    "procedure_concept_id": 0,
                    "procedure_type_concept_id": 32817,
                    "procedure_source_value": value,
                }
            )
        self.planted[gap] += 1
        key = uid
        if gap == "missing":
            key = accession if kind != "procedure" else f"procedure {500 + number}"
        elif gap == "wrong_patient":
            other = next(each for each in self.people if each != person)
            self.found(uid, accession, other, moment, modality)
            key = accession
        elif gap == "outside_visit":
            self.found(uid, accession, person, pd.Timestamp("1990-01-01 12:00"), modality, outcome="no_visit")
        else:
            self.found(uid, accession, person, moment, modality, gap, "burned_in_text" if gap == "held_back" else "")
        cell, _, what = gap.partition(" ")
        done = "released" if outcomes else "pulled"
        reason = f"{what}_missing" if what else ""
        if gap in ("held_back", "outside_visit"):
            reason = {"held_back": "burned_in_text", "outside_visit": "no_visit"}[gap] if outcomes else ""
            cell = "held_back" if outcomes else "pulled" if gap == "held_back" else gap
        self.cells[key] = (cell or done, reason)

    def found(
        self,
        uid: str,
        accession: str,
        person: int,
        moment: pd.Timestamp,
        modality: str,
        gap: str = "",
        outcome: str = "",
    ) -> None:
        """What archive and export hold of a study of two series with two images each."""
        original = moment - pd.Timedelta(days=self.people[person])
        study = {"PatientID": f"P{person}", "AccessionNumber": accession, "StudyInstanceUID": uid, "Modality": modality}
        study |= {"StudyDate": f"{original:%Y%m%d}", "StudyTime": f"{original:%H%M%S}.000"}
        for series in (f"{uid}.1", f"{uid}.2"):
            self.archive.append(
                {**study, "pacs": "a", "SeriesInstanceUID": series, "instances": 2, "other_patient": False}
            )
            for image in (f"{series}.1", f"{series}.2"):
                left = {
                    "not_pulled": True,
                    "short series": series.endswith(".2"),
                    "short instances": image.endswith(".2.2"),
                }
                if left.get(gap, False):
                    continue
                self.catalog.append(
                    CATALOG_ROW | study | {"source_path": image, "SeriesInstanceUID": series, "SOPInstanceUID": image}
                )
                status = {"status": "held_back" if outcome else "released", "reason": outcome, "source_path": image}
                self.outcomes.append(OUTCOME_ROW | status)

    def write(self, folder: Path, outcomes: bool) -> Workspace:
        for name in ("omop", "lookup", "source"):
            (folder / name).mkdir(parents=True)
        self.visits.to_csv(folder / "omop" / "visit_occurrence.csv", index=False)
        pd.DataFrame(self.procedures).to_csv(folder / "omop" / "procedure_occurrence.csv", index=False)
        persons = [(f"P{number}", number, shift) for number, shift in self.people.items()]
        frame = pd.DataFrame(persons, columns=["PatientID", "person_id", "Days_Shifted"])
        frame.to_csv(folder / "lookup" / "Personal_map.csv", index=False)
        pd.DataFrame(self.images).to_csv(folder / "lookup" / "Image_map.csv", index=False)
        places = {name: str(folder / name) for name in ("omop", "lookup", "source", "workspace")}
        workspace = Workspace(Parameters.of({"site": "made up", **places})).create()
        workspace.write(tables.ARCHIVE_SERIES, tables.frame(tables.ARCHIVE_SERIES, self.archive))
        workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, self.catalog))
        if outcomes:
            workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, self.outcomes))
        return workspace
