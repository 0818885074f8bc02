"""LOINC code of a study: the site's own map first, then MIDRC's by description, then the header's procedure codes, then
the plain code with the parts that the description names, the body part of the header where it names none."""

from __future__ import annotations

import duckdb
import pandas as pd

from chorus_nb.errors import InputError
from chorus_nb.metadata.fields import coded_part
from chorus_nb.metadata.study_codes import plain_code
from chorus_nb.standards import loinc_map, normalised_description
from chorus_nb.workspace import Workspace, digest_of

NOT_FOUND = (5, "", "")
SITE_MAP = "loinc_map.csv"  # in the lookup folder, optional: Modality, StudyDescription, loinc_code

_STUDIES = """
SELECT DISTINCT trim(PatientID) AS PatientID, trim(AccessionNumber) AS AccessionNumber, Modality, StudyDescription,
       procedure_codes, BodyPartExamined
FROM catalog WHERE status = 'dicom' ORDER BY ALL
"""


def study_codes(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> pd.DataFrame:
    """``loinc_code`` and ``loinc_source`` by PatientID and AccessionNumber."""
    own = _site_map(workspace)
    midrc = {key: study.code for key, study in loinc_map().items()}
    best: dict[tuple[str, str], tuple[int, str, str]] = {}
    by_parts: dict[tuple[int, str], dict[tuple[str, str], set[str]]] = {
        (3, "parts of the description"): {},
        (4, "parts of the description and BodyPartExamined"): {},
    }
    cursor = connection.execute(_STUDIES)
    while rows := cursor.fetchmany(10_000):
        for patient, accession, modality, description, codes, body_part in rows:
            study = modality, normalised_description(description)
            in_header = [code.removeprefix("LN:") for code in codes.split("\\") if code.startswith("LN:")]
            candidates = (
                (0, own.get(study, ""), "site map"),
                (1, midrc.get(study, "") if study[1] else "", "MIDRC map, exact description"),
                (2, in_header[0] if in_header else "", "ProcedureCodeSequence"),
            )
            found = next((candidate for candidate in candidates if candidate[1]), NOT_FOUND)
            key = patient, accession
            best[key] = min(best.get(key, found), found)
            for part, of_study in zip(("", coded_part(body_part or "")), by_parts.values(), strict=True):
                if plain := plain_code(description or "", modality or "", part):
                    of_study.setdefault(key, set()).add(plain)
    for (order, source), of_study in by_parts.items():
        for key, plain_of in of_study.items():
            if best[key] == NOT_FOUND and len(plain_of) == 1:
                best[key] = (order, min(plain_of), source)
    return pd.DataFrame(
        [(*key, code, source) for key, (_, code, source) in best.items()],
        columns=["PatientID", "AccessionNumber", "loinc_code", "loinc_source"],
    )


def _site_map(workspace: Workspace) -> dict[tuple[str, str], str]:
    path = workspace.parameters.lookup_path / SITE_MAP
    if not path.is_file():
        return {}
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        workspace.note(f"lookup/{path.name}", len(frame), lambda: digest_of(path))
        return {
            (modality.strip(), normalised_description(description)): code.strip()
            for modality, description, code in zip(
                frame["Modality"], frame["StudyDescription"], frame["loinc_code"], strict=True
            )
        }
    except (KeyError, ValueError, OSError):
        raise InputError(f"lookup: {SITE_MAP} must have the columns Modality, StudyDescription, loinc_code") from None
