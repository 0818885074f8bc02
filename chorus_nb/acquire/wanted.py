"""What is wanted: the studies that an order list, Image_map and the imaging procedures of OMOP say there are."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.mapping.lookups import read_lookups, read_rows, whole_number
from chorus_nb.omop import linked_procedures, read_omop
from chorus_nb.omop.imaging import imaging_procedures
from chorus_nb.parameters import resolve
from chorus_nb.withdrawn import WITHDRAWN, Withdrawn
from chorus_nb.workspace import Workspace, digest_of

ORDERED = ("PatientID", "AccessionNumber")  # what each order must have
MORE = ("StudyDate", "Modality", "visit_occurrence_id", "series", "instances")  # what it may have
ORDERS_TABLE = "imaging_orders"  # of the database that parameter orders names
ANY = "*"  # what an archive is never asked for
Order = dict[str, Any]
WHOLE_NUMBERS = (
    "person_id",
    "visit_occurrence_id",
    "procedure_occurrence_id",
    "image_occurrence_id",
    "series",
    "instances",
)


def expect_studies(workspace: Workspace) -> pd.DataFrame:
    """The expected studies: a row per accession, and per imaging procedure that no accession is linked to.

    An accession is expected because it is ordered or in Image_map; its procedure is the linked one. A procedure
    without one is asked for by PatientID and its original day, the shift of Personal_map taken back.
    """
    lookups = read_lookups(workspace)
    orders, images = (
        read_orders(workspace),
        lookups.images.rename(columns={"image_occurence_id": "image_occurrence_id"}),
    )
    images["image_occurrence_id"] = images["image_occurrence_id"].astype("Int64")
    rows = orders.merge(images, on=list(ORDERED), how="outer", indicator="source")
    said = {"left_only": "order list", "right_only": "Image_map", "both": "order list\\Image_map"}
    rows["asked_by"] = rows.pop("source").astype(str).map(said)
    persons = lookups.persons
    known = {row.PatientID: (row.person_id, row.Days_Shifted) for row in persons.itertuples()}
    rows["person_id"] = pd.array([known.get(name, (pd.NA,))[0] for name in rows["PatientID"]], "Int64")
    procedures = read_omop(workspace, "procedure_occurrence")
    rows = rows.join(linked_procedures(workspace, rows))
    rows["visit_occurrence_id"] = rows["procedure_visit"].fillna(rows["visit_occurrence_id"])
    imaging = imaging_procedures(procedures, workspace.parameters.lookup_path)
    linked = rows["procedure_occurrence_id"]
    modality = imaging.set_index("procedure_occurrence_id")["modality"]
    rows["modality"] = rows["modality"].where(rows["modality"] != "", linked.map(modality)).fillna("")
    named = rows["procedure_link"].fillna("") != ""
    rows.loc[named, "asked_by"] = rows["asked_by"] + "\\procedure"
    rows["shifted_day"] = rows["procedure_date"]
    alone = imaging[~imaging["procedure_occurrence_id"].isin(linked.dropna())]
    single = persons["PatientID"].str.replace("\\", ANY, regex=False)  # a backslash would make two patients of one
    names = single.groupby(persons["person_id"]).agg("\\".join)
    alone = alone.assign(
        asked_by="procedure", shifted_day=alone["procedure_date"].str[:10], PatientID=alone["person_id"].map(names)
    )
    both = pd.concat([rows, alone], ignore_index=True).reindex(
        columns=[*tables.EXPECTED_STUDIES.column_names, "shifted_day"]
    )
    shift = persons.drop_duplicates("person_id").set_index("person_id")["Days_Shifted"]
    both["day"] = _original_days(both, both["person_id"].map(shift))
    texts = ("asked_by", "PatientID", "AccessionNumber", "modality", "unread")
    both = both.assign(**{name: both[name].fillna("") for name in texts}, fault="").astype(
        dict.fromkeys(WHOLE_NUMBERS, "Int64")
    )
    both["fault"] = [
        fault_of_request(*row) for row in both[["PatientID", "AccessionNumber", "day"]].itertuples(index=False)
    ]
    both.loc[both.index.isin(rows.index) & both["PatientID"].str.contains("\\", regex=False), "fault"] = (
        "patient_unusable"
    )
    both["number"] = range(1, len(both) + 1)
    _forget_withdrawn(both, Withdrawn.of(workspace))
    workspace.write(tables.EXPECTED_STUDIES, both[tables.EXPECTED_STUDIES.column_names])
    return workspace.read(tables.EXPECTED_STUDIES)


def _forget_withdrawn(rows: pd.DataFrame, withdrawn: Withdrawn) -> None:
    """Studies of whoever withdrew stay counted; nothing is asked for them, and nothing says whose they are."""
    if not withdrawn:
        return
    gone = rows["person_id"].isin(withdrawn.persons) | rows["image_occurrence_id"].isin(withdrawn.accessions)
    gone |= rows["procedure_occurrence_id"].isin(withdrawn.procedures)
    pairs = zip(rows["PatientID"].str.split("\\", regex=False), rows["AccessionNumber"], strict=True)
    known = (any(withdrawn.has(patient, accession) for patient in patients) for patients, accession in pairs)
    gone |= pd.Series(known, rows.index, dtype=bool)
    rows.loc[gone, ["PatientID", "AccessionNumber", "day"]] = ""
    rows.loc[gone, [*WHOLE_NUMBERS]] = pd.NA
    rows.loc[gone, "fault"] = WITHDRAWN


def by_request(expected: pd.DataFrame) -> pd.DataFrame:
    """How many studies are expected, by what expects them, modality, why not asked for, and unread cells of orders."""
    asked_by = expected["asked_by"].str.replace("\\", ", ", regex=False)
    rows = expected.assign(asked_by=asked_by, modality=expected["modality"].replace("", "unknown"))
    return rows.groupby(["asked_by", "modality", "fault", "unread"], as_index=False).agg(studies=("number", "size"))


def fault_of_request(patients: str, accession: str, day: str) -> str:
    """Why a study cannot be asked for: a code of gaps.csv, "" if it can.

    A blank, ``*``, ``?`` and ``\\`` mean *any* to an archive (PS3.4 C.2.2.2): one of them would pull the archive.
    """
    if not patients:
        return "person_not_mapped"
    if not all(is_exact(name) for name in patients.split("\\")):
        return "patient_unusable"
    if accession:
        return "" if is_exact(accession) else "accession_unusable"
    return "" if day else "no_day"


def is_exact(value: str) -> bool:
    """Whether an archive takes ``value`` for itself and nothing else."""
    return bool(value) and value == value.strip() and not re.search(r"[*?\\\x00-\x1f\x7f]", value) and len(value) <= 64


def _original_days(rows: pd.DataFrame, shift: pd.Series) -> pd.Series:
    """The day an order names, else that of the procedure with the shift taken back, YYYY-MM-DD."""
    shifted = pd.to_datetime(rows["shifted_day"], format="%Y-%m-%d", errors="coerce")
    original = (shifted - pd.to_timedelta(shift.astype("float64"), unit="D")).dt.strftime("%Y-%m-%d")
    return rows["day"].where(rows["day"].fillna("") != "", original).fillna("")


def read_orders(workspace: Workspace) -> pd.DataFrame:
    """The order list of parameter ``orders``, a row a study: PatientID, AccessionNumber and, where told, what
    :data:`MORE` names.

    A cell that is no number or no day is empty, and so is what rows of one study say differently; ``unread`` names it.
    """
    value, found = workspace.parameters.orders, list[dict[str, str]]()
    if value.startswith("env:"):
        from chorus_nb.omop.databases import content_digest, engine  # slow to import, for orders of a database only

        with engine("orders", value) as opened, opened.connect() as connection:
            table = pd.read_sql_table(ORDERS_TABLE, connection).astype("string").fillna("")
        if lacking := [name for name in ORDERED if name not in table]:
            raise InputError(f"orders: table {ORDERS_TABLE} lacks the columns {', '.join(lacking)}")
        table = table.reindex(columns=[*ORDERED, *MORE], fill_value="")
        found = table.to_dict("records")
        workspace.note(f"orders/{ORDERS_TABLE}", len(found), lambda: content_digest(table))
    elif value:
        if not (path := resolve(value)).is_file():
            raise InputError(f"orders: not found: {value}")
        found = [row for _, row in read_rows(path, list(ORDERED), list(MORE))]
        workspace.note(f"orders/{path.name}", len(found), lambda: digest_of(path))
    studies = defaultdict[tuple[str, ...], list[Order]](list)
    for order in map(_order_of, found):
        names = ORDERED if order["AccessionNumber"] else (*ORDERED, "day", "modality")  # without one, each day is one
        studies[tuple(str(order[name]) for name in names)].append(order)
    columns = [*ORDERED, "day", "modality", *MORE[2:], "unread"]
    return pd.DataFrame(map(_one_of, studies.values()), columns=columns).astype(dict.fromkeys(MORE[2:], "Int64"))


def _order_of(row: dict[str, str]) -> Order:
    """A row of the list as it is meant; what cannot be read in it is empty, and ``unread`` names its columns."""
    day = written_day(row["StudyDate"])
    numbers = {name: whole_number(row[name]) for name in MORE[2:]}
    unread = {name for name, number in numbers.items() if row[name] and number is None}
    unread |= {"StudyDate"} if row["StudyDate"] and not day else set()
    told = {"day": day, "modality": row["Modality"].replace("\\", " ")}
    return {**{name: row[name] for name in ORDERED}, **told, **numbers, "unread": unread}


def written_day(text: str) -> str:
    """YYYY-MM-DD of a day written as YYYYMMDD or YYYY-MM-DD; "" of anything else."""
    try:
        return date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{8}|\d{4}-\d\d-\d\d", text, re.ASCII) else ""
    except ValueError:
        return ""


def _one_of(orders: list[Order]) -> Order:
    """What the rows of one study say together: a row for each series or modality, or the same again."""
    said = {name: {order[name] for order in orders} - {"", None} for name in ("day", *MORE[2:])}
    unread = set[str]().union(*(order["unread"] for order in orders))
    unread |= {"StudyDate" if name == "day" else name for name, values in said.items() if len(values) > 1}
    one = {name: values.pop() if len(values) == 1 else None for name, values in said.items()}
    modality = " ".join(dict.fromkeys(order["modality"] for order in orders if order["modality"]))
    told = {"day": one["day"] or "", "modality": modality, "unread": " ".join(sorted(unread))}
    return {**{name: orders[0][name] for name in ORDERED}, **one, **told}
