"""What somebody decided to keep back since 03 ran keeps the release in the house until 03 obeyed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb import tables
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.deid.settings import DECIDING, decided_with
from chorus_nb.errors import WorkbenchError
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping import load_policy
from chorus_nb.mapping.overrides import decide
from chorus_nb.mapping.text_words import decide_words
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.registry.settings import changed_since_registry
from chorus_nb.release import pack
from chorus_nb.release.delivery import upload
from chorus_nb.release.obeyed import decided_otherwise, mapped_otherwise, not_obeyed, set_otherwise, to_be_obeyed
from chorus_nb.workbench import waiting
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace

PASSED = {step.name: "passed" for step in STEPS}
SERIES, DEVICE, DRAWN = "1.2.77.1", "MAKER|MODEL|2x2", "0,0,1,1"


def looked_at(workspace: Workspace, boxes: str = "", face: str = "no_head") -> Workspace:
    """As 03 leaves it: each image on one device, those of the first patient in one series."""
    catalog = workspace.read(tables.CATALOG)
    first = catalog["PatientID"] == catalog["PatientID"].iloc[0]
    catalog["SeriesInstanceUID"] = first.map({True: SERIES, False: "1.2.77.2"})
    catalog["SOPInstanceUID"] = [f"1.2.77.9.{number}" for number in range(len(catalog))]
    workspace.write(tables.CATALOG, catalog)
    verdicts = [
        {"source_path": path, "verdict": "redact" if boxes else "clean", "boxes": boxes, "device": DEVICE}
        for path in catalog["source_path"]
    ]
    workspace.write(tables.IMAGE_VERDICTS, tables.frame(tables.IMAGE_VERDICTS, verdicts))
    zeros = {c.name: 0 for c in tables.FACE_VERDICTS.columns if c.kind != "text" and not c.nullable}
    series = {"series_uid": SERIES, "head": SERIES, "status": face}
    workspace.write(tables.FACE_VERDICTS, tables.frame(tables.FACE_VERDICTS, [zeros | series]))
    return workspace


def first_of(workspace: Workspace) -> str:
    return str(workspace.read(tables.OUTCOMES)["source_path"].iloc[0])


@pytest.mark.parametrize(
    ("item", "decision", "boxes", "images"),
    [
        *[("", "reject", "", 1), (f"series:{SERIES}", "reject", "", 2), ("", "redact", DRAWN, 1)],
        *[(f"device:{DEVICE}", "redact", DRAWN, 4), ("", "accept", "", 0), ("elsewhere", "reject", "", 0)],
    ],
)
def test_an_image_that_is_to_be_kept_back_is_not_packed(
    built: Workspace, item: str, decision: str, boxes: str, images: int
) -> None:
    row = {"item": item or first_of(looked_at(built)), "decision": decision, "boxes": boxes}
    IMAGE_LOG.append(looked_at(built), "A. Reviewer", row)
    assert not_obeyed(built) == images
    if images:
        with pytest.raises(WorkbenchError, match=rf"{images} images? of the release .* run 03, 04 and 05 again"):
            pack(built)
        IMAGE_LOG.withdraw(built, "A. Reviewer")
        assert not_obeyed(built) == 0


def test_boxes_that_03_filled_are_obeyed(built: Workspace) -> None:
    row = {"item": f"device:{DEVICE}", "decision": "redact", "boxes": DRAWN}
    IMAGE_LOG.append(looked_at(built, boxes=DRAWN), "A. Reviewer", row)
    assert not_obeyed(built) == 0


@pytest.mark.parametrize(("face", "images"), [("no_head", 2), ("held", 0)])
def test_a_series_that_is_held_for_its_face_is_not_packed(built: Workspace, face: str, images: int) -> None:
    FACE_LOG.append(looked_at(built, face=face), "A. Reviewer", {"item": SERIES, "decision": "hold"})
    assert not_obeyed(built) == images


@pytest.mark.parametrize(("item", "images"), [(f"series:{SERIES}", 2), ("1.2.77.9.0", 1), ("series:1.9", 0)])
def test_what_somebody_excluded_is_not_packed(built: Workspace, item: str, images: int) -> None:
    item = first_of(built) if item == "1.2.77.9.0" else item
    EXCLUSION_LOG.append(looked_at(built), "A. Reviewer", {"item": item, "decision": "exclude", "note": "no consent"})
    assert not_obeyed(built) == images


def test_what_is_packed_and_signed_may_not_leave_any_more(packed: Workspace) -> None:
    assert waiting.may_leave(packed, PASSED).state == "yes"
    row = {"item": first_of(looked_at(packed)), "decision": "reject"}
    IMAGE_LOG.append(packed, "A. Reviewer", row)
    told = waiting.may_leave(packed, PASSED)
    assert told.state == "not yet" and told.said[0].startswith("1 image of the release is to be kept back")
    with pytest.raises(WorkbenchError, match="to be kept back"):
        upload(packed)


@pytest.mark.parametrize(
    ("persons", "images", "files"),
    [
        ("MRN-0004711,501,-100\nMRN-0004712,502,-31", "MRN-0004711,ACC-0815,9001\nMRN-0004712,ACC-0816,9002", 0),
        ("MRN-0004711,503,-100\nMRN-0004712,502,-31", "MRN-0004711,ACC-0815,9001\nMRN-0004712,ACC-0816,9002", 2),
        ("MRN-0004711,501,-101\nMRN-0004712,502,-31", "MRN-0004711,ACC-0815,9001\nMRN-0004712,ACC-0816,9002", 2),
        ("MRN-0004711,501,-100\nMRN-0004712,502,-31", "MRN-0004711,ACC-0815,9001\nMRN-0004712,ACC-0816,9003", 2),
        ("MRN-0004712,502,-31", "MRN-0004712,ACC-0816,9002", 2),
        ("no table", "", 0),
    ],
)
def test_what_the_lookup_tables_map_otherwise_by_now_is_not_packed(
    built: Workspace, persons: str, images: str, files: int
) -> None:
    folder = built.parameters.lookup_path
    (folder / "Personal_map.csv").write_text(f"PatientID,person_id,Days_Shifted\n{persons}\n")
    (folder / "Image_map.csv").write_text(f"PatientID,AccessionNumber,image_occurence_id\n{images}\n")
    assert mapped_otherwise(built) == files
    if files:
        with pytest.raises(WorkbenchError, match=f"{files} files of the release have another person"):
            pack(built)


def test_decisions_about_tags_and_words_are_obeyed_first(built: Workspace) -> None:
    assert decided_otherwise(built) == []
    decide(built, "(0018,1020)", "K", "a version", "A. Reviewer")
    rows = [
        {"settings": "1", "part": part, "value": value, "last": True} for part, value in decided_with(built).items()
    ]
    built.write(tables.RUN_SETTINGS, tables.frame(tables.RUN_SETTINGS, rows))
    decide_words(built, ["threlkeldine"], "approve", "a drug", "A. Reviewer")
    assert decided_otherwise(built) == []
    decide_words(built, ["quillfeather"], "refuse", "a name", "A. Reviewer")
    assert decided_otherwise(built) == ["words"]
    decide(built, "(0018,1020)", "X", "a name in it", "A. Reviewer")
    with pytest.raises(WorkbenchError, match=r"^tags and words were decided about since 03 ran"):
        pack(built)


def set_anew(workspace: Workspace, **others: object) -> Workspace:
    return Workspace(workspace.parameters.model_copy(update=others))


@pytest.mark.parametrize(
    ("cohort", "images"),
    [
        *[("accession\nACC-0815\n", 2), ("accession\nACC-0815\nACC-0816\n", 0), ("patient\nMRN-1\n", 4)],
        ("no such column\n1\n", 0),
    ],
)
def test_what_the_cohort_does_not_name_any_more_is_not_packed(built: Workspace, cohort: str, images: int) -> None:
    path = built.root / "cohort.csv"
    path.write_text(cohort)
    assert not_obeyed(set_anew(looked_at(built), cohort=str(path))) == images


@pytest.mark.parametrize(
    ("now", "told"),
    [
        *[({"deface": "apply"}, ["deface"]), ({"kinds": ["CT"], "deface": "flag"}, ["kinds"])],
        *[({"keep_device_identifiers": True}, ["keep_device_identifiers"]), ({"workers": 3}, [])],
    ],
)
def test_a_parameter_that_is_set_otherwise_since_03_ran_is_obeyed_first(
    built: Workspace, now: dict[str, object], told: list[str]
) -> None:
    """``deface: apply`` set before 06 alone was run packed the faces, and nothing said so."""
    assert set_otherwise(built) == []
    noted = {name: str(getattr(built.parameters, name)) for name in DECIDING}
    rows = [{"settings": "1", "part": part, "value": value, "last": True} for part, value in noted.items()]
    built.write(tables.RUN_SETTINGS, tables.frame(tables.RUN_SETTINGS, rows))
    assert set_otherwise(built) == [] and set_otherwise(set_anew(built, **now)) == told
    if told:
        with pytest.raises(WorkbenchError, match=f"^{told[0]}: set otherwise when 03 ran"):
            pack(set_anew(built, **now))
    of_before = [row | {"value": "0"} if row["part"] == "text_bound" else row for row in rows]
    built.write(tables.RUN_SETTINGS, tables.frame(tables.RUN_SETTINGS, of_before))
    assert set_otherwise(set_anew(built, **now)) == told, "0 and 0.0 are one number"
    few = built.parameters.model_dump(include={"source", "omop", "lookup", "workspace"})
    assert set_otherwise(Workspace(Parameters.of(few))) == []  # as a notebook opened by hand gives them


def test_a_policy_file_that_was_edited_since_03_ran_is_obeyed_first(built: Workspace) -> None:
    script = built.root / "site.script"
    script.write_text('<script><e en="T" t="00080070" n="Manufacturer">@keep()</e></script>')
    scripted = set_anew(built, policy=str(script))
    noted = {"policy": str(script), "rules": load_policy(scripted).rules_digest}
    rows = [{"settings": "1", "part": part, "value": value, "last": True} for part, value in noted.items()]
    built.write(tables.RUN_SETTINGS, tables.frame(tables.RUN_SETTINGS, rows))
    assert set_otherwise(scripted) == []
    script.write_text(script.read_text().replace("@keep", "@remove"))
    assert set_otherwise(scripted) == ["policy"]


@pytest.mark.parametrize(
    ("file", "told"),
    [("person", "omop/person.csv"), ("visit_occurrence", "omop/visit_occurrence.csv"), ("death", "omop/death.csv")],
)
def test_a_table_of_the_site_that_changed_since_05_ran_is_not_packed_as_it_was(
    built: Workspace, file: str, told: str
) -> None:
    """Mended dates, or persons taken out, stayed at home: 06 packed what 05 had made of the table before."""
    assert changed_since_registry(built) == []
    path = Path(built.parameters.omop) / f"{file}.csv"
    path.write_text((path.read_text() if path.is_file() else "person_id,death_date,death_type_concept_id") + "\n")
    assert changed_since_registry(built) == [told]
    with pytest.raises(WorkbenchError, match=f"^{told}: not as 05 found it; run 01 to 05 again"):
        pack(built)


def test_what_05_was_told_to_share_is_obeyed_first(built: Workspace) -> None:
    assert changed_since_registry(set_anew(built, omop_tables=["note"])) == ["omop_tables"]
    assert changed_since_registry(set_anew(built, omop="elsewhere")) == []  # told by whoever reads it
    concepts = tables.frame(tables.PROCEDURE_CONCEPTS, [{"modality": "CT", "procedure_concept_id": 4180938}])
    built.write(tables.PROCEDURE_CONCEPTS, concepts)
    assert to_be_obeyed(built) == "decisions/procedure_concepts.csv: not as 05 found it; run 05 again"
