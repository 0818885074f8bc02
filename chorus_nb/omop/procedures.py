"""Which procedure of the record an accession is: one reading for what is expected and for what is linked."""

from __future__ import annotations

import pandas as pd

from chorus_nb.omop.cdm import IMAGE_OCCURRENCE
from chorus_nb.omop.reading import read_omop
from chorus_nb.workspace import Workspace


def linked_procedures(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    """Procedure, its visit and how it was found, by accession: MI-CDM's image_occurrence, else procedure_source_value.

    ``rows`` have AccessionNumber, person_id and image_occurrence_id; a procedure of another person is never theirs.
    """
    made = pd.DataFrame(
        {"procedure_occurrence_id": pd.NA, "procedure_visit": pd.NA, "procedure_link": ""}, index=rows.index
    ).astype({"procedure_occurrence_id": "Int64", "procedure_visit": "Int64"})
    images = read_omop(workspace, IMAGE_OCCURRENCE).drop_duplicates("image_occurrence_id")
    known = read_omop(workspace, "procedure_occurrence").sort_values("procedure_occurrence_id")
    dates = known.set_index("procedure_occurrence_id")["procedure_date"]
    # a value that several persons share is a code of the procedure, not the name of one image
    value = known["procedure_source_value"].str.strip()
    known = known.assign(value=value)[(value != "") & (known.groupby(value)["person_id"].transform("nunique") == 1)]
    known = known.drop_duplicates("value")
    number = rows["image_occurrence_id"].astype("Int64")
    for how, keys, theirs, on in (
        ("image_occurrence", number, images, "image_occurrence_id"),
        ("procedure_source_value = image_occurrence_id", number.astype("string"), known, "value"),
        ("procedure_source_value = AccessionNumber", rows["AccessionNumber"], known, "value"),
    ):
        mine = pd.DataFrame({on: keys, "mine": rows["person_id"]}).reset_index()
        found = mine.dropna().merge(
            theirs[[on, "person_id", "procedure_occurrence_id", "visit_occurrence_id"]].dropna(subset=on), on=on
        )
        found = found[found["mine"] == found["person_id"]].set_index("index")
        found = found[made.loc[found.index, "procedure_link"] == ""]
        made.loc[found.index, "procedure_occurrence_id"] = found["procedure_occurrence_id"]
        made.loc[found.index, "procedure_visit"] = found["visit_occurrence_id"]
        made.loc[found.index, "procedure_link"] = how
    made["procedure_date"] = made["procedure_occurrence_id"].map(dates).astype("string").fillna("")
    return made
