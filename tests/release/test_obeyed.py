"""What somebody decided to keep back since 03 ran keeps the release in the house until 03 obeyed it."""

from __future__ import annotations

import pytest

from chorus_nb import tables
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.deid.settings import decided_with
from chorus_nb.errors import WorkbenchError
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping.overrides import decide
from chorus_nb.mapping.text_words import decide_words
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.release import pack
from chorus_nb.release.delivery import upload
from chorus_nb.release.obeyed import decided_otherwise, mapped_otherwise, not_obeyed
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
