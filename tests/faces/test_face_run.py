"""The run with ``deface: apply``: what is removed, what is held, what people decide; and nothing else changes."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb import deid, faces, tables
from chorus_nb.deid.summary import faces_by_status
from chorus_nb.drawn import DRAWN_FOLDER, Drawn
from chorus_nb.verify import checks, verify
from chorus_nb.workspace import Workspace
from tests import heads
from tests.deid.small_run import SmallSite, age, plan, reasons, run, times, tree
from tests.faces.conftest import in_this_process

judge = importlib.import_module("chorus_nb.faces.judge")
surfaces = importlib.import_module("chorus_nb.faces.surfaces")  # a verb has its name
MINE = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "StudyInstanceUID": "1.2.3.1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SmallSite:
    """A head, the same head as a rendering and in too few slices, and a chest."""
    made = SmallSite(tmp_path_factory.mktemp("heads"))
    head = heads.head("CT")
    heads.write(head, made.dicom / "head", SeriesDescription="HEAD", **MINE)
    few = head._replace(values=head.values[30:33])
    heads.write(few, made.dicom / "few", SeriesDescription="HEAD LOC", FrameOfReferenceUID="1.2.3.8", **MINE)
    rendered = {"ImageType": ["DERIVED", "SECONDARY", "VOLREN"], "SeriesDescription": "HEAD 3D"}
    heads.write(few, made.dicom / "rendering", **rendered, **MINE)
    chest = heads.negatives()["chest"]
    heads.write(chest, made.dicom / "chest", SeriesDescription="CHEST", **(MINE | {"BodyPartExamined": "CHEST"}))
    return made


@pytest.fixture(scope="module")
def defaced(site: SmallSite) -> Workspace:
    workspace = site.open(deface="apply")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
        patched.setattr("chorus_nb.faces.study.register_head", heads.registered)
        run(workspace)
    return workspace


def decide(workspace: Workspace, series: str, decision: str, shift: str = "", start: str = "") -> None:
    path = workspace.path(tables.FACE_DECISIONS)
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(tables.FACE_DECISIONS.column_names)
        writer.writerow([series, decision, start, shift, "ada", "2026-01-01T00:00:00+00:00", "test", "", ""])


def test_a_head_leaves_without_its_face_and_what_cannot_be_defaced_stays(defaced: Workspace) -> None:
    outcomes = defaced.read(tables.OUTCOMES)
    folder = outcomes.source_path.str.split("/").str[0]
    assert set(outcomes[folder == "head"].status) == {"released"}
    assert set(outcomes[folder == "chest"].status) == {"released"}
    assert set(outcomes[folder == "chest"].face_mask) == {""}
    waiting = reasons(defaced)
    assert {path.split("/")[0] for path in waiting} == {"few", "rendering"}
    assert set(waiting.values()) == {"face_not_removed"}


def test_every_pixel_outside_the_mask_is_the_original_one(defaced: Workspace) -> None:
    source = Path(defaced.parameters.source)
    outcomes = defaced.read(tables.OUTCOMES)
    changed = 0
    for row in outcomes[outcomes.face_mask != ""].itertuples():
        before, after = dcmread(source / row.source_path), dcmread(defaced.release / row.target_path)
        mask = faces.read_mask(defaced.local / faces.MASKS_FOLDER, row.face_mask, row.source_path).mask[0]
        assert np.array_equal(before.pixel_array[~mask], after.pixel_array[~mask])
        assert set(after.pixel_array[mask]) <= {24}
        assert row.face_share == pytest.approx(mask.mean())
        assert (before.PixelData == after.PixelData) == (row.face_share == 0)
        assert after.RecognizableVisualFeatures == "NO"
        assert "113102" in [code.CodeValue for code in after.DeidentificationMethodCodeSequence]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "RescaleIntercept"):
            assert before[keyword] == after[keyword]
        changed += row.face_share > 0
    assert changed > 20


def test_a_chest_claims_nothing_about_faces(defaced: Workspace) -> None:
    outcomes = defaced.read(tables.OUTCOMES)
    path = outcomes[outcomes.source_path.str.startswith("chest/")].target_path.iloc[0]
    released = dcmread(defaced.release / path)
    assert "RecognizableVisualFeatures" not in released
    assert "113102" not in [code.CodeValue for code in released.DeidentificationMethodCodeSequence]


def test_a_second_run_looks_at_nothing_again_and_rewrites_nothing(
    defaced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(defaced.release)
    before = times(defaced.release)
    monkeypatch.setattr("chorus_nb.faces.judge.each_in_child", lambda *_, **__: pytest.fail("looked again"))
    run(defaced)
    assert times(defaced.release) == before


def test_what_becomes_of_single_files_changes_the_face_of_no_other(
    defaced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text found in two slices of a head and in one of another series: nothing is looked at again."""
    monkeypatch.setattr("chorus_nb.faces.judge.each_in_child", lambda *_, **__: pytest.fail("looked again"))
    catalog = defaced.read(tables.CATALOG)
    before = faces.find_faces(defaced, catalog, catalog.index).set_index("source_path")
    held = catalog.source_path.isin(("head/030.dcm", "head/031.dcm", "few/001.dcm"))
    after = faces.find_faces(defaced, catalog, catalog.index[~held]).set_index("source_path")
    files = defaced.read(tables.FACE_VERDICTS).set_index("reason").files
    faces.find_faces(defaced, catalog, catalog.index)
    assert after.equals(before.drop(index=catalog.source_path[held]))
    assert set(before.face_mask[before.verdict == "deface"]) != {""}
    assert files[""] == heads.SLICES - 2


def test_a_head_is_drawn_once_and_again_when_what_was_released_is_another(
    defaced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []

    def draw(_: object, workspace: Workspace, mask: str, paths: list[str], written: list[str]) -> surfaces.Surfaces:
        drawn.append(written)
        return surfaces.Surfaces("", "", "", [np.full((2, 2), len(drawn), np.uint8)], [], [], written=True)

    monkeypatch.setattr(surfaces, "in_child", draw)
    [first], [second] = faces.surfaces(defaced), faces.surfaces(defaced)
    assert len(drawn) == 1 and len(drawn[0]) == heads.SLICES
    assert first.status == second.status == "defaced" and np.array_equal(first.before, second.before)
    path = defaced.release / drawn[0][0]
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        [third] = faces.surfaces(defaced)
    finally:
        path.write_bytes(content)
    assert third.before[0].max() == 2 and len(list((defaced.local / DRAWN_FOLDER).iterdir())) == 1
    verdicts = defaced.read(tables.FACE_VERDICTS)
    try:
        defaced.write(tables.FACE_VERDICTS, verdicts.assign(mask=""))  # nothing is removed any more
        assert faces.surfaces(defaced) == [] and not list((defaced.local / DRAWN_FOLDER).iterdir())
    finally:
        defaced.write(tables.FACE_VERDICTS, verdicts)


@pytest.mark.usefixtures("without_children")
def test_a_file_that_cannot_be_looked_at_is_held_and_the_others_go(tmp_path: Path) -> None:
    made = SmallSite(tmp_path)
    heads.write(heads.head("CT"), made.dicom, SeriesDescription="HEAD", **MINE)
    whole = (made.dicom / "030.dcm").read_bytes()
    (made.dicom / "030.dcm").write_bytes(whole[:-5000])
    workspace = made.open(deface="apply")
    worklist = plan(workspace)
    catalog = workspace.read(tables.CATALOG)
    said = faces.find_faces(workspace, catalog, catalog.index).set_index("source_path")
    assert list(said.index[said.verdict == "hold"]) == ["030.dcm"]
    assert said.reason["030.dcm"] == "face_not_removed"
    assert set(worklist.drop(index="030.dcm").status) == {"release"}


def test_the_verifier_finds_the_release_in_order_and_a_face_that_was_put_back(
    defaced: Workspace, tmp_path: Path
) -> None:
    verify(defaced)
    findings = defaced.read(tables.VERIFICATION)
    about = findings[findings.check.isin(("faces", "pixels", "claims")) & (findings.severity == "high")]
    assert about.empty, about
    assert checks(defaced).set_index("check").result["faces"] == "pass"
    outcomes = defaced.read(tables.OUTCOMES)
    row = outcomes.sort_values("face_share").iloc[-1]
    path = defaced.release / row.target_path
    kept = path.read_bytes()
    try:
        dataset = dcmread(path)
        dataset.PixelData = dcmread(Path(defaced.parameters.source) / row.source_path).PixelData
        dataset.save_as(path)
        verify(defaced)
        findings = defaced.read(tables.VERIFICATION)
        said = findings[(findings.check == "pixels") & (findings.severity == "high")]
        assert list(said.file) == [row.target_path]
        assert "is on record as removed and is there" in said.detail.iloc[0]
    finally:
        path.write_bytes(kept)


@pytest.mark.usefixtures("without_children")
def test_people_decide_and_the_next_run_obeys(site: SmallSite) -> None:
    workspace = site.open("decided", deface="apply")
    catalog = plan(workspace)
    series = workspace.read(tables.CATALOG).assign(folder=lambda rows: rows.source_path.str.split("/").str[0])
    series = series.drop_duplicates("folder").set_index("folder").SeriesInstanceUID
    masks = set(catalog.face_mask) - {""}
    decide(workspace, series["head"], "deface", shift="0,10,0")
    decide(workspace, series["few"], "release")
    decide(workspace, series["rendering"], "hold")
    worklist = plan(workspace)
    folder = worklist.index.str.split("/").str[0]
    moved = set(worklist[folder == "head"].face_mask)
    assert moved and not moved & masks, "the mask lies elsewhere"
    assert set(worklist[folder == "few"].status) == {"release"}
    assert set(worklist[folder == "rendering"].reason) == {"rejected_by_review"}
    verdicts = workspace.read(tables.FACE_VERDICTS).set_index("series_uid").status
    assert verdicts[series["few"]] == "as_it_is"
    deid.deidentify(workspace)
    names = {path.stem for path in (workspace.local / faces.MASKS_FOLDER).iterdir()}
    assert names == moved, "masks that no file uses are gone"


def test_a_compressed_head_loses_its_face_with_one_worker_and_with_two(tmp_path: Path) -> None:
    """JPEG Lossless, which only imagecodecs reads: every process that decodes has to know it."""
    imagecodecs = pytest.importorskip("imagecodecs")
    made = SmallSite(tmp_path)
    heads.write(heads.head("CT"), made.dicom / "head", SeriesDescription="HEAD", **MINE)
    for path in (made.dicom / "head").iterdir():
        dataset = dcmread(path)
        dataset.PixelData = encapsulate([imagecodecs.ljpeg_encode(dataset.pixel_array, bitspersample=16)])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.save_as(path)
    alone, two = made.open("alone", deface="apply"), made.open("two", deface="apply", workers=2)
    alone.key()
    two.key_path.write_bytes(alone.key_path.read_bytes())
    two.key_path.chmod(0o600)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
        first = run(alone)
    for outcomes in (first, run(two)):
        assert set(outcomes.status) == {"released"}
        assert (outcomes.face_share > 0).any()
    assert tree(alone.release) == tree(two.release)


@pytest.mark.usefixtures("without_children")
def test_a_lone_picture_that_is_no_slice_goes_only_where_its_words_name_another_part(
    tmp_path: Path, without_children: None
) -> None:
    """In colour, or without a place: it may be a rendering of a head."""
    colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB", "BitsAllocated": 8}
    colour |= {"BitsStored": 8, "HighBit": 7, "Rows": 2, "Columns": 5}
    site = SmallSite(tmp_path)
    for number, (name, attributes) in enumerate({"placeless": {}, "colour": colour, "chest": colour}.items()):
        part = "CHEST" if name == "chest" else ""
        mine = {"StudyInstanceUID": f"1.2.{number}", "SeriesInstanceUID": f"1.2.{number}.1", "BodyPartExamined": part}
        site.add(name, **mine, **attributes)
    workspace = site.open(deface="apply")
    run(workspace)
    assert reasons(workspace) == {"placeless": "face_not_removed", "colour": "face_not_removed"}


def test_a_rendering_beside_slices_is_held_with_a_reason_of_its_own() -> None:
    rows = pd.DataFrame(
        {"source_path": ["slice", "picture"], "SeriesInstanceUID": "1", "need": ["pixels", "rendering"]}
    )
    said = {"status": "no_head", "reason": "no bone", "left_out": "{}", "mask": ""}
    files = judge._files(rows, {"1": said}).set_index("source_path")
    assert files.loc["slice", ["verdict", "detail"]].tolist() == ["clean", ""]
    assert files.loc["picture", ["verdict", "detail"]].tolist() == ["hold", "a picture of a face cannot be defaced"]


def test_flag_asks_the_pixels_of_all_volumes_and_changes_none(site: SmallSite) -> None:
    workspace = site.open("flag", deface="flag")
    outcomes = run(workspace)
    assert set(outcomes.status) == {"released"}
    assert set(outcomes.face_mask) == {""}
    assert (outcomes.pixel_digest_before == outcomes.pixel_digest_after).all()
    said = workspace.read(tables.FACE_VERDICTS)
    files = workspace.read(tables.CATALOG).drop_duplicates("SeriesInstanceUID").set_index("SeriesInstanceUID")
    said = said.set_index(said.series_uid.map(files.source_path.str.split("/").str[0]))
    wanted = {"head": "may_be_head", "few": "may_be_head", "rendering": "rendering", "chest": "no_head"}
    assert said.status.to_dict() == wanted
    assert said.enclosed_ml["head"] > 1000 and said.enclosed_ml["chest"] < 20
    [row] = [table for _, table in faces_by_status(workspace).groupby("status") if table.status.iloc[0] == "no_head"]
    assert row.reason.iloc[0] == "bone encloses 0 ml of soft tissue"


def test_skip_looks_at_nothing_and_says_so(site: SmallSite) -> None:
    workspace = site.open("skip", deface="skip")
    Drawn(workspace, surfaces.SURFACES).of("f", lambda: ["a face that an earlier run showed"])
    plan(workspace)
    assert not workspace.has(tables.FACE_VERDICTS)
    assert not list((workspace.local / DRAWN_FOLDER).iterdir())
    assert list(faces_by_status(workspace).status) == ["deface is skip: nobody looked for faces"]


def test_flag_without_its_libraries_says_what_it_did_not_look_at(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = site.open("bare", deface="flag")
    monkeypatch.setattr("chorus_nb.faces.judge.can_look", lambda: False)
    plan(workspace)
    assert set(workspace.read(tables.FACE_VERDICTS).status) == {"not_asked", "rendering"}
