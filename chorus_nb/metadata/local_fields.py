"""What this site's headers say in its own words, and the CHoRUS field each becomes: proposed, and decided by a person.

A value is decided once, for every release: ``decisions/local_fields.csv``. Texts stand here without the words that no
list knows and without long numbers, much as they are released: the decision is found again in the released header (05).
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping
from typing import NamedTuple

import pandas as pd

from chorus_nb import standards, tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.errors import InputError
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.metadata.field_words import FIELDS, is_long_number, read_words, values
from chorus_nb.metadata.fields import CONTRADICTED, DESCRIBED_IN, OF_STUDY, decision_key, map_fields
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace

ASKED_OF = {  # by field, the modalities of which a header should say it; () = all
    "body_part": (),
    "laterality": ("MG",),
    "view": ("CR", "DX", "MG"),
    "contrast": ("CT",),
    "sequence_type": ("MR",),
}
UNSAID = "unsaid"
_ORDER = [CONTRADICTED, UNSAID, "medium", "high"]
_FROM = (
    *("Modality", *DESCRIBED_IN, "BodyPartExamined", "Laterality", "ImageLaterality", "ViewPosition"),
    *("ContrastBolusAgent", "ImageType"),
)


class LocalFields(NamedTuple):
    """``rows``: the table ``local_field_values``."""

    rows: pd.DataFrame

    @property
    def waiting(self) -> pd.DataFrame:
        """What two sources contradict or nothing says, and nobody decided: most series first."""
        open_ = self.rows[self.rows.confidence.isin([CONTRADICTED, UNSAID]) & (self.rows.reviewer == "")]
        return open_[["field", "attribute", "local", "modality", "confidence", "original", "series", "files"]]


def local_fields(workspace: Workspace) -> LocalFields:
    """Find what the headers of the last scan say of each field, and write ``local_field_values``."""
    said = _headers(workspace)
    distinct = said[list(_FROM)].drop_duplicates().reset_index(drop=True)
    answers = map_fields(distinct, decided_fields(workspace))
    current = FIELD_LOG.current(workspace)
    parts = [_rows(field, distinct, answers) for field in ASKED_OF]
    found = said.merge(distinct.assign(header=distinct.index), on=list(_FROM)).merge(pd.concat(parts), on="header")
    by = ["field", "attribute", "local", "modality", "value", "source", "confidence", "original"]
    made = found.groupby(by, as_index=False).agg(series=("SeriesInstanceUID", "nunique"), files=("files", "sum"))
    decided = [
        current.get(_item({"field": r.field, "attribute": r.attribute, "local": r.local}), {})
        for r in made.itertuples()
    ]
    made = made.assign(**{name: [row.get(name, "") for row in decided] for name in ("reviewer", "note")})
    order = made.confidence.map({name: number for number, name in enumerate(_ORDER)})
    made = made.assign(order=order).sort_values(["order", "series", *by], ascending=[True, False, *[True] * len(by)])
    rows = tables.frame(tables.LOCAL_FIELD_VALUES, made.drop(columns="order").to_dict("records"))
    workspace.write(tables.LOCAL_FIELD_VALUES, rows)
    return LocalFields(rows)


def decide_fields(
    workspace: Workspace, rows: Collection[Mapping[str, str]], value: str, note: str, reviewer: str
) -> None:
    """What ``rows`` (field, attribute, local) become; "" leaves the field unsaid. All of it stands, or nothing."""
    places = [{name: row[name] for name in ("field", "attribute", "local")} for row in rows]
    FIELD_LOG.append(
        workspace, reviewer, *({**place, "value": value, "note": note, "decision": "map"} for place in places)
    )


def decided_fields(workspace: Workspace) -> pd.DataFrame:
    """What people decided, as :func:`map_fields` takes it."""
    return pd.DataFrame(list(FIELD_LOG.current(workspace).values()), columns=["field", "attribute", "local", "value"])


def studies_without_code(workspace: Workspace) -> pd.DataFrame:
    """Descriptions of studies of the released ``kinds`` that have no LOINC code, most accessions first.

    ``more`` are the words that keep a description from the code of a plain study: those that no rule knows, and those
    that say more than a body part. A line of the site's ``loinc_map.csv`` gives it a code.
    """
    with in_bounded_memory() as connection:
        connection.register("linkage", workspace.read(tables.LINKAGE, ["PatientID", "AccessionNumber", "loinc_code"]))
        connection.read_parquet(glob.escape(str(workspace.path(tables.CATALOG)))).create_view("catalog")
        found = connection.sql(
            """SELECT Modality, StudyDescription, count(*) AS accessions
               FROM (SELECT DISTINCT trim(PatientID) AS PatientID, trim(AccessionNumber) AS AccessionNumber, Modality,
                            StudyDescription FROM catalog
                     WHERE status = 'dicom' AND list_contains($kinds, Modality))
                    JOIN linkage USING (PatientID, AccessionNumber)
               WHERE loinc_code = '' GROUP BY ALL ORDER BY accessions DESC, Modality, StudyDescription""",
            params={"kinds": workspace.parameters.kinds},
        ).df()
    texts = zip(found["StudyDescription"].fillna(""), found["Modality"].fillna(""), strict=True)
    said = [read_words(text, modality) for text, modality in texts]
    found.insert(2, "more", [", ".join((*words["unread"], *words.get("loinc", ()))) for words in said])
    return found


def values_of(field: str) -> list[str]:
    """What a field can be."""
    named = [value for of, value in values() if of == field]
    return sorted({*named, *standards.body_part_concepts()} if field == "body_part" else named)


def _headers(workspace: Workspace) -> pd.DataFrame:
    """What the headers of a series say, in the words that stay, and the files that say it."""
    names = ", ".join(_FROM)
    with in_bounded_memory() as connection:
        catalog = connection.read_parquet(glob.escape(str(workspace.path(tables.CATALOG))))
        said = catalog.filter("status = 'dicom'").aggregate(f"SeriesInstanceUID, {names}, count(*) AS files").df()
    vocabulary = site_vocabulary(workspace)

    def cut(text: str) -> str:
        for token in sorted(vocabulary.unknown(text), key=lambda token: -token.start):
            text = f"{text[: token.start]} {text[token.end :]}"
        return " ".join(word for word in text.split() if not is_long_number(word)).strip(" -_,;:")

    for name in DESCRIBED_IN:
        said[name] = said[name].fillna("").map({text: cut(text) for text in said[name].dropna().unique()}).fillna("")
    return said.fillna("")


def _rows(field: str, headers: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """By header: the local value that a decision about ``field`` would be for, and what it becomes today."""
    made = pd.DataFrame({"header": headers.index, "field": field, "modality": headers.Modality})
    for part in ("value", "source", "confidence", "original"):
        made[part] = answers[field if part == "value" else f"{field}_{part}"]
    texts_of = DESCRIBED_IN if field in OF_STUDY else DESCRIBED_IN[:2]
    first = headers[list(texts_of)].apply(lambda row: next((name for name in texts_of if row[name]), ""), axis=1)
    last = made.source.str.removeprefix("site: ").str.split(" | ", regex=False).str[-1]
    made["attribute"] = last.where(last != "", first)
    texts = dict(enumerate(headers.to_dict("records")))
    made["local"] = [texts[h].get(name, "") for h, name in zip(made.header, made.attribute, strict=True)]
    made["confidence"] = made.confidence.where(made.confidence != "", UNSAID)
    asked = ASKED_OF[field]
    silent = (made.confidence == UNSAID) & ~(headers.Modality.isin(asked) if asked else headers.Modality != "")
    return made[~silent & (made.local != "")]


def _check(row: Cells) -> None:
    if row["field"] not in FIELDS:
        raise InputError(f"field must be one of {', '.join(FIELDS)}")
    if row["value"] and row["value"] not in values_of(row["field"]):
        raise InputError(f"{row['field']} has no such value; its values stand in the data dictionary")
    if row["attribute"] not in _FROM or not row["local"].strip():
        raise InputError("attribute must be one that fields are read from, local its value")
    if not row["reviewer"].strip():
        raise InputError("a decision needs a reviewer")


def _item(row: Mapping[str, str]) -> str:
    return "|".join((row["field"], row["attribute"], decision_key(row["local"])))


FIELD_LOG = DecisionLog(tables.LOCAL_FIELDS, frozenset(("map",)), _check, _item)
