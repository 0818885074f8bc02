"""What a person decided, a parameter or a table of the site says otherwise since 03 wrote the images and 05 the tables:
nothing is packed before they obeyed it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import Cells
from chorus_nb.deid.cohort import EXCLUSION_LOG, excluded, in_cohort, read_cohort
from chorus_nb.deid.settings import decided_with, noted_settings
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.faces.decisions import FACE_LOG, face_decisions
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.parameters import PATHS, resolve
from chorus_nb.pixels.decisions import DECIDED_BY, IMAGE_LOG, ImageDecisions
from chorus_nb.processes.queries import asking
from chorus_nb.registry.settings import changed_since_registry
from chorus_nb.withdrawn import FILLING
from chorus_nb.workspace import Workspace

_RELEASED = f"""
    SELECT {", ".join(DECIDED_BY)}, image_verdicts.boxes
    FROM (SELECT source_path FROM outcomes WHERE status = 'released') JOIN catalog USING (source_path)
         JOIN image_verdicts USING (source_path)"""


_MAPPED = """
    SELECT PatientID, AccessionNumber, person_id, days_shifted, image_occurrence_id, count(*)
    FROM (SELECT source_path FROM outcomes WHERE status = 'released') JOIN worklist USING (source_path)
         JOIN catalog USING (source_path) GROUP BY ALL"""


def not_obeyed(workspace: Workspace) -> int:
    """How many images are in the release though somebody rejected or excluded them, drew other boxes on them, or holds
    their series for its face, or the cohort does not name them any more."""
    return _images(workspace) + _of_held_faces(workspace) + _left_out(workspace)


def require_obeyed(workspace: Workspace) -> None:
    """:class:`WorkbenchError` where something is to be obeyed first."""
    if said := to_be_obeyed(workspace):
        raise WorkbenchError(said)


def to_be_obeyed(workspace: Workspace) -> str:
    """What 03 or 05 has to obey before anything leaves, and what to do; "" where they obeyed all."""
    if count := not_obeyed(workspace):
        return said_of(count)
    if count := mapped_otherwise(workspace):
        return (
            f"{count:,} files of the release have another person, shift or accession in the lookup tables now than when"
            " 03 ran, or none: run 01 to 05 again"
        )
    if parts := decided_otherwise(workspace):
        return f"{' and '.join(parts)} were decided about since 03 ran: run 03, 04 and 05 again"
    if parts := set_otherwise(workspace):
        return f"{', '.join(parts)}: set otherwise when 03 ran; set it back, or run 03, 04 and 05 again"
    if parts := changed_since_registry(workspace):
        again = "01 to 05" if any(part.startswith("omop/") for part in parts) else "05"
        return f"{', '.join(parts)}: not as 05 found it; run {again} again"
    return ""


def decided_otherwise(workspace: Workspace) -> list[str]:
    """What people decided about since 03 ran, of what it makes all files with: tags, and words where any is refused
    (one that is approved may wait). Nothing where 03 noted nothing or the policy cannot be read."""
    if (noted := _noted(workspace)).empty:
        return []
    try:
        now, refused = decided_with(workspace), site_vocabulary(workspace).refused
    except InputError:
        return []
    told = {"tag_decisions": "tags", **({"known_words": "words"} if refused else {})}
    return [words for part, words in told.items() if noted.get(part, now[part]) != now[part]]


def set_otherwise(workspace: Workspace) -> list[str]:
    """Which parameters 03 ran with that are set otherwise now, and ``policy`` where its file has other rules. Of those
    that were not given nothing is known: a notebook that is opened by hand names few."""
    noted, given = _noted(workspace), workspace.parameters.model_fields_set
    there = [name for name in noted.index if name in given]
    now = {name: str(getattr(workspace.parameters, name)) for name in there}
    changed = [name for name in there if _meant(name, noted[name]) != _meant(name, now[name])]
    if "policy" in there and "policy" not in changed and resolve(workspace.parameters.policy).is_file():
        with contextlib.suppress(InputError):
            if noted.get("rules") != load_policy(workspace).rules_digest:
                changed.append("policy")
    return sorted(changed)


def _meant(name: str, value: str) -> str:
    """A path as it is, from wherever it is told: JupyterLab is given whole ones."""
    return str(resolve(value)) if name in PATHS and value else value


def _noted(workspace: Workspace) -> pd.Series:
    """By part, the settings of the last run of 03."""
    noted = noted_settings(workspace)
    return noted[noted["last"]].set_index("part")["value"]


def mapped_otherwise(workspace: Workspace) -> int:
    """How many released files the lookup tables as they are now do not map as 03 did; 0 where they cannot be read."""
    if not (workspace.parameters.lookup and all(map(workspace.has, (tables.WORKLIST, tables.CATALOG)))):
        return 0
    try:
        lookups = read_lookups(workspace)
    except InputError:
        return 0
    with asking(workspace, tables.OUTCOMES, tables.WORKLIST, tables.CATALOG) as connection:
        rows = connection.sql(_MAPPED).fetchall()
    return sum(
        files
        for patient, accession, person, days, image, files in rows
        if lookups.person(patient.strip(FILLING)) != (person, days)
        or lookups.image(patient.strip(FILLING), accession.strip(FILLING)) != image
    )


def said_of(count: int) -> str:
    """That so many images wait for 03, and what to do."""
    images = "image of the release is" if count == 1 else "images of the release are"
    return f"{count:,} {images} to be kept back, as somebody decided since 03 ran: run 03, 04 and 05 again"


def _images(workspace: Workspace) -> int:
    if not workspace.has(tables.IMAGE_VERDICTS) or not _keeps_back(IMAGE_LOG.current(workspace).values()):
        return 0
    decisions, count = ImageDecisions(workspace), 0
    with asking(workspace, tables.OUTCOMES, tables.CATALOG, tables.IMAGE_VERDICTS) as connection:
        for *image, boxes in connection.sql(_RELEASED).fetchall():
            said = decisions.on(*image)
            drawn = said is not None and said.decision == "redact" and said.boxes not in ("", boxes)
            count += drawn or (said is not None and said.decision == "reject")
    return count


def _of_held_faces(workspace: Workspace) -> int:
    if not workspace.has(tables.FACE_VERDICTS) or not _keeps_back(FACE_LOG.standing(workspace)):
        return 0
    asked = workspace.read(tables.FACE_VERDICTS, ["series_uid", "head", "status"])
    decided = face_decisions(workspace, dict(zip(asked["series_uid"], asked["head"], strict=True)))
    held = {series for series, said in decided.items() if said.decision == "hold"}
    held &= {*asked.loc[asked["status"] != "held", "series_uid"]}
    with asking(workspace, tables.OUTCOMES, tables.CATALOG) as connection:
        of_series = "SELECT count(*) FROM outcomes JOIN catalog USING (source_path) WHERE outcomes.status = 'released'"
        [(count,)] = connection.execute(f"{of_series} AND SeriesInstanceUID IN (FROM unnest(?))", [[*held]]).fetchall()
    return int(count)


def _left_out(workspace: Workspace) -> int:
    """Released files that somebody excluded or the cohort does not name; a cohort that cannot be read keeps none."""
    if not (workspace.has(tables.CATALOG) and workspace.has(tables.OUTCOMES)):
        return 0
    try:
        cohort = read_cohort(workspace)
    except InputError:
        cohort = None
    if cohort is None and not EXCLUSION_LOG.current(workspace):
        return 0
    outcomes = workspace.read(tables.OUTCOMES, ["source_path", "status"])
    released = outcomes.loc[outcomes["status"] == "released", "source_path"]
    uids = ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber"]
    catalog = workspace.read(tables.CATALOG, ["source_path", *uids])
    left_out = excluded(workspace, catalog)
    if cohort is not None:
        left_out |= ~in_cohort(cohort, catalog)
    return int((left_out & catalog["source_path"].isin(released)).sum())


def _keeps_back(rows: Iterable[Cells]) -> bool:
    return any(row["decision"].startswith(("reject", "redact", "hold")) for row in rows)
