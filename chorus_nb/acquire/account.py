"""The account: every expected study, and every other one at the source, in a cell with a reason (``gaps.csv``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.acquire.gaps import CELLS, gap_meaning, gap_remedy
from chorus_nb.acquire.wanted import written_day
from chorus_nb.mapping.lookups import read_lookups
from chorus_nb.omop import holding_visits, read_omop
from chorus_nb.workspace import Workspace

STUDY_KEY = ["PatientID", "AccessionNumber", "StudyInstanceUID"]
COUNTS = ("series_listed", "series", "instances_listed", "instances", "released", "held_back")
STAGES = ("expected", "found", "pulled", "held_back", "released")  # of the matrix, in the order of a study's way
Line = dict[str, Any]


def account(workspace: Workspace) -> pd.DataFrame:
    """The table ``acquisition`` as the tables of the run have it now; empty where 00 never said what is expected."""
    if not workspace.has(tables.EXPECTED_STUDIES):
        return tables.empty(tables.ACQUISITION)
    expected, found = workspace.read(tables.EXPECTED_STUDIES), _found(workspace)
    of_accession, of_day = defaultdict[str, list[Line]](list), defaultdict[tuple[str, str], list[Line]](list)
    for study in found:
        of_accession[study["AccessionNumber"]].append(study)
        of_day[study["PatientID"], study["day"]].append(study)
    lines, by_study = list[Line](), dict[int, Line]()
    rows: list[Line] = expected.astype(object).where(expected.notna(), None).to_dict("records")
    for row in sorted(rows, key=lambda row: (row["AccessionNumber"] == "", row["number"])):
        patients = row["PatientID"].split("\\")
        if row["AccessionNumber"] and row["fault"] != "accession_unusable":
            named = of_accession.get(row["AccessionNumber"], [])
            own = [study for study in named if study["PatientID"] in patients]
            line = _line(row, own, [study for study in named if study not in own])
        else:
            asked = patients if not row["fault"] else []
            same_day = [study for name in asked for study in of_day.get((name, row["day"]), [])]
            fitting = [study for study in same_day if _may_be(row["modality"], study["modality"])]
            free = [study for study in fitting if id(study) not in by_study]
            if taken := _without_procedure(by_study[id(study)] for study in fitting if id(study) in by_study):
                taken["asked_by"] += "\\procedure"  # the same study, named by its accession and by its procedure
                taken["procedure"], taken["visit_occurrence_id"] = True, row["visit_occurrence_id"]
                continue
            line = _line(row, free[:1], [])
        by_study |= {id(study): line for study in line["studies"]}
        lines.append(line)
    claimed = set(by_study) | {id(study) for line in lines for study in line["others"]}
    wanted = set(expected["AccessionNumber"]) - {""}
    for study in found:
        if id(study) not in claimed:
            lines.append(_line(None, [study], []))
            lines[-1]["fault"] = "wrong_patient" if study["AccessionNumber"] in wanted else ""
    return _celled(workspace, lines)


def close_account(workspace: Workspace) -> pd.DataFrame:
    """:func:`account`, kept as the table ``acquisition``; where 00 never ran nothing is kept."""
    lines = account(workspace)
    if workspace.has(tables.EXPECTED_STUDIES):
        workspace.write(tables.ACQUISITION, lines)
    return lines


def _may_be(expected: str, found: str) -> bool:
    return not expected or not found or bool(set(expected.split()) & set(found.split("\\")))


def _without_procedure(lines: Iterable[Line]) -> Line | None:
    return next((line for line in lines if line["number"] is not None and not line["procedure"]), None)


def _line(row: Line | None, studies: list[Line], others: list[Line]) -> Line:
    """A line before its visit and cell are known; ``others`` have its accession and are another patient's."""
    told = row or {**dict.fromkeys(tables.EXPECTED_STUDIES.column_names), "asked_by": "", "fault": ""}
    shown = studies[0] if studies else row or {}
    both = {name: sum(study[name] for study in studies) for name in COUNTS}
    both["series_listed"] = max(both["series_listed"], told["series"] or 0)
    both["instances_listed"] = max(both["instances_listed"], told["instances"] or 0)
    return {
        **{name: told[name] for name in ("number", "asked_by", "fault", "person_id", "visit_occurrence_id")},
        **{name: shown.get(name, "") for name in ("PatientID", "AccessionNumber", "day", "modality")},
        **both,
        "StudyInstanceUID": "\\".join(sorted({study["StudyInstanceUID"] for study in studies})),
        "since": min((study["since"] for study in studies), default=pd.NaT),
        "until": max((study["until"] for study in studies), default=pd.NaT),
        "why": next((study["why"] for study in studies if study["why"]), ""),
        "pull": next((study["pull"] for study in studies if study["pull"]), ""),
        "procedure": bool(told["procedure_occurrence_id"]),
        "studies": studies,
        "others": others if not studies else [],
    }


def _celled(workspace: Workspace, lines: list[Line]) -> pd.DataFrame:
    """The lines with person, visit, cell and reason, those of the expected first and in their order."""
    persons = read_lookups(workspace).persons.set_index("PatientID")
    frame = pd.DataFrame(lines, columns=[*_line(None, [], [])])
    own = frame["PatientID"].str.split("\\", regex=False).str[0]
    frame["person_id"] = frame["person_id"].astype("Int64").fillna(own.map(persons["person_id"]).astype("Int64"))
    shift = pd.to_timedelta(own.map(persons["Days_Shifted"]).astype("float64"), unit="D")
    since, until = pd.to_datetime(frame["since"]) + shift, pd.to_datetime(frame["until"]) + shift
    held = holding_visits(read_omop(workspace, "visit_occurrence"), frame["person_id"], since, until)
    visit = held["visit_occurrence_id"].reindex(frame.index)
    frame["outside"] = since.notna() & visit.isna()
    frame["visit_occurrence_id"] = frame["visit_occurrence_id"].astype("Int64").fillna(visit)
    cells = [_cell(row) for row in frame.to_dict("records")]
    frame["cell"], frame["reason"] = [cell for cell, _ in cells], [reason for _, reason in cells]
    frame = frame.sort_values("number", kind="stable", na_position="last", ignore_index=True)
    frame["number"], frame["line"] = frame["number"].astype("Int64"), range(1, len(frame) + 1)
    return frame[tables.ACQUISITION.column_names]


def _cell(row: Line) -> tuple[str, str]:
    """The cell of a line, and the reason: the first that is true."""
    expected = not pd.isna(row["number"])
    if not row["studies"]:
        if row["others"]:
            return "wrong_patient", ""
        return ("cannot_ask", row["fault"]) if row["fault"] else ("missing", "")
    if not expected:
        if row["fault"]:  # its accession is expected, of a patient who has a study of it
            return row["fault"], ""
        return ("outside_visit" if row["outside"] and not pd.isna(row["person_id"]) else "extra"), row["why"]
    if not row["instances"]:
        return "not_pulled", row["pull"]
    if row["instances"] < row["instances_listed"] or row["series"] < row["series_listed"]:
        lacking = "series_missing" if row["series"] < row["series_listed"] else "instances_missing"
        return "short", row["pull"] or lacking
    if row["released"]:
        return ("partly_released", row["why"]) if row["held_back"] else ("released", "")
    if row["held_back"]:
        return "held_back", row["why"]
    return ("outside_visit" if row["outside"] else "pulled"), ""


# --- what there is ----------------------------------------------------------------------------------------------------


def _found(workspace: Workspace) -> list[Line]:
    """The studies of the archive's answers and of the source, each once; counts of both, and what became of it."""
    archive, source = _archive_series(workspace), _source_series(workspace)
    keys = [*STUDY_KEY, "SeriesInstanceUID"]
    both = archive.merge(source, on=keys, how="outer", suffixes=("", "_here"))
    for name in ("Modality", "StudyDate", "StudyTime", "why"):
        here = both.get(f"{name}_here")
        both[name] = both[name].where(both[name].fillna("") != "", here).fillna("") if here is not None else both[name]
    both = both.fillna(dict.fromkeys(("listed", "instances", "released", "held_back"), 0) | {"why": ""})
    pulled = workspace.read_or_empty(tables.PULLED_STUDIES)
    reasons = dict(zip(pulled["StudyInstanceUID"], pulled["reason"], strict=True))
    found = []
    for key, part in both.groupby(STUDY_KEY, sort=True):
        day, since, until = _moment(part["StudyDate"], max(part["StudyTime"]))
        found.append(
            {
                **dict(zip(STUDY_KEY, key, strict=True)),
                "modality": "\\".join(sorted({name for name in part["Modality"] if name})),
                "day": day,
                "since": since,
                "until": until,
                "series_listed": int((part["listed"] > 0).sum()),
                "series": int((part["instances"] > 0).sum()),
                "instances_listed": int(part["listed"].sum()),
                **{name: int(part[name].sum()) for name in ("instances", "released", "held_back")},
                "why": next((why for why in part["why"] if why), ""),
                "pull": reasons.get(key[2], ""),
            }
        )
    return found


def _moment(dates: Iterable[str], time: str) -> tuple[str, pd.Timestamp, pd.Timestamp]:
    """The latest of the days as YYYY-MM-DD, and the first and last second that it and the time allow; what is a range
    or no date is none."""
    days = [day for day in map(written_day, dates) if day]
    if not days:
        return "", pd.NaT, pd.NaT
    day = pd.Timestamp(max(days))
    clock = pd.to_datetime(time[:6], format="%H%M%S", errors="coerce")
    last = day + pd.Timedelta(hours=23, minutes=59, seconds=59)
    if pd.isna(clock):
        return f"{day:%Y-%m-%d}", day, last
    moment = day + (clock - clock.normalize())
    return f"{day:%Y-%m-%d}", moment, moment


def _archive_series(workspace: Workspace) -> pd.DataFrame:
    """The archive's answers, of each study those of the PACS that lists most."""
    rows = workspace.read_or_empty(tables.ARCHIVE_SERIES)
    size = rows.groupby(["pacs", "StudyInstanceUID"])["instances"].transform("sum")
    rows = rows.assign(size=size).sort_values(["size", "pacs"], ascending=[False, True])
    best = rows.drop_duplicates("StudyInstanceUID").set_index("StudyInstanceUID")["pacs"]
    rows = rows[rows["pacs"] == rows["StudyInstanceUID"].map(best)].rename(columns={"instances": "listed"})
    return rows[[*STUDY_KEY, "SeriesInstanceUID", "Modality", "StudyDate", "StudyTime", "listed"]]


def _source_series(workspace: Workspace) -> pd.DataFrame:
    """The series of the source, from the catalog, with what became of their instances."""
    columns = [*STUDY_KEY, "SeriesInstanceUID", "SOPInstanceUID", "Modality", "StudyDate", "StudyTime"]
    rows = workspace.read_or_empty(tables.CATALOG)
    rows = rows[(rows["status"] == "dicom") & (rows["StudyInstanceUID"] != "")][["source_path", *columns]]
    outcomes = workspace.read_or_empty(tables.OUTCOMES)[["source_path", "status", "reason"]]
    rows = rows.merge(outcomes, on="source_path", how="left").fillna({"status": "", "reason": ""})
    rows = rows.assign(**{name: rows[name].str.strip() for name in STUDY_KEY})
    # one row an instance: of equal files the one that was released, or else held
    order = rows["status"].map({"released": 0, "held_back": 1, "quarantined": 1}).fillna(2)
    rows = rows.assign(order=order).sort_values("order", kind="stable").drop_duplicates(columns[:5])
    rows["released"] = (rows["status"] == "released").astype(int)
    rows["held_back"] = rows["status"].isin(["held_back", "quarantined"]).astype(int)
    rows["why"] = rows["reason"].where(rows["held_back"] == 1, "")
    found = rows.groupby(columns[:4], as_index=False).agg(
        instances=("SOPInstanceUID", "size"),
        **{name: (name, "max") for name in ("Modality", "StudyDate", "StudyTime")},
        **{name: (name, "sum") for name in ("released", "held_back")},
    )
    counts = rows[rows["why"] != ""].groupby([*columns[:4], "why"], as_index=False).size()
    most = counts.sort_values("size", ascending=False, kind="stable").drop_duplicates(columns[:4])
    return found.merge(most.drop(columns="size"), on=columns[:4], how="left").fillna({"why": ""})


# --- what is shown ----------------------------------------------------------------------------------------------------


def matrix(lines: pd.DataFrame) -> pd.DataFrame:
    """Encounters by modality: how many studies are expected, found, pulled, held back and released.

    The last two columns name cell and reason of what is not released; "none" of what lies in no encounter.
    """
    stage = pd.DataFrame(
        {
            "encounter": lines["visit_occurrence_id"].astype("string").fillna("none"),
            "modality": lines["modality"].where(lines["modality"] != "", "unknown"),
            "expected": lines["number"].notna(),
            "found": lines["StudyInstanceUID"] != "",
            "pulled": lines["instances"] > 0,
            "held_back": lines["held_back"] > 0,
            "released": lines["released"] > 0,
            "open": lines["cell"].where(lines["cell"] != "released", ""),
            "reason": lines["reason"],
        }
    )
    said = lambda texts: ", ".join(sorted({text for text in texts if text}))  # noqa: E731
    how = dict.fromkeys(STAGES, "sum") | {"open": said, "reason": said}
    return stage.groupby(["encounter", "modality"], as_index=False).agg(how)


def by_cell(lines: pd.DataFrame) -> pd.DataFrame:
    """How many studies ended in each cell, by reason, with what it means and what to do; no identifier."""
    counts = lines.groupby(["cell", "reason"], as_index=False).agg(
        studies=("line", "size"), instances=("instances", "sum")
    )
    order = counts["cell"].map({cell: place for place, cell in enumerate(CELLS)})
    counts = counts.assign(order=order).sort_values(["order", "reason"], ignore_index=True)
    words = [(row.reason or row.cell) for row in counts.itertuples()]
    counts["meaning"] = [
        gap_meaning(row.cell) + (f": {gap_meaning(row.reason)}" if row.reason else "") for row in counts.itertuples()
    ]
    counts["what_to_do"] = [gap_remedy(word) for word in words]
    return counts.drop(columns="order")
