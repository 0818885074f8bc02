"""Packing: only what passed, only where the consortium's tool takes it, always the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from chorus_nb import metadata, tables
from chorus_nb.errors import NotReady, WorkbenchError
from chorus_nb.layout import CERTIFICATE, MADE_LAST
from chorus_nb.metadata import building
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_registry
from chorus_nb.release import pack, sign_off, totals
from chorus_nb.release.consortium import write_config
from chorus_nb.release.manifest import DELTAS
from chorus_nb.release.submission import DEVIATION_LOG, submission_note
from chorus_nb.seal import seal_release
from chorus_nb.workspace import Workspace
from tests.benchmarks.year import receive
from tests.deid.small_run import tree
from tests.small_release import MR, TWO_PATIENTS, fill, make_workspace, packed, pass_gate, ready

CT = TWO_PATIENTS[0]
IMAGE = "501/Images/CT/9001/2.25.90011/001.dcm"


def test_the_manifest_has_every_file_but_itself_with_its_checksums(built: Workspace) -> None:
    manifest = packed(built).set_index("path")
    there = {path.relative_to(built.release).as_posix() for path in built.release.rglob("*") if path.is_file()}
    assert set(manifest.index) == there - {"Metadata/manifest.csv"}
    content = (built.release / IMAGE).read_bytes()
    assert manifest.loc[IMAGE, "size"] == len(content)
    assert manifest.loc[IMAGE, "md5"] == hashlib.md5(content).hexdigest()
    assert manifest.loc[IMAGE, "sha256"] == hashlib.sha256(content).hexdigest()
    assert set(manifest["delta"]) == {"added"}


def test_the_release_holds_what_the_sop_asks_for(built: Workspace) -> None:
    paths = set(packed(built)["path"])
    assert {"OMOP/procedure_occurrence.csv", "Metadata/image_registry.csv", "image_registry.csv"} <= paths
    assert "Metadata/IMAGING_SUBMISSION.md" in paths
    assert {f"Metadata/{name}.{kind}" for name in ("study", "series", "image") for kind in ("csv", "parquet")} <= paths


def test_packing_again_changes_no_file(built: Workspace) -> None:
    pack(built)
    before = {path: path.stat().st_mtime_ns for path in built.release.rglob("*") if path.is_file()}
    ready(built)
    pack(built)
    assert before == {path: path.stat().st_mtime_ns for path in built.release.rglob("*") if path.is_file()}


def test_two_sites_with_the_same_inputs_pack_the_same_bytes(tmp_path: Path) -> None:
    one, other = (packed(ready(make_workspace(tmp_path / name))) for name in ("one", "other"))
    pd.testing.assert_frame_equal(one, other)


def test_a_release_is_refused_when_a_check_failed(built: Workspace) -> None:
    checks = built.read(tables.CHECKS)
    checks.loc[0, ["result", "detail"]] = ["fail", "1 finding"]
    built.write(tables.CHECKS, checks)
    with pytest.raises(WorkbenchError, match="may not leave"):
        pack(built)
    assert not built.has(tables.MANIFEST)


def test_a_release_is_refused_when_a_registry_check_failed(built: Workspace) -> None:
    checks = built.read(tables.REGISTRY_CHECKS)
    checks.loc[0, ["result", "detail"]] = ["fail", "1 of 4"]
    built.write(tables.REGISTRY_CHECKS, checks)
    with pytest.raises(WorkbenchError, match="05_build_registry"):
        pack(built)


def test_a_byte_changed_after_the_gate_is_refused(built: Workspace) -> None:
    path = built.release / IMAGE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WorkbenchError, match="not the one the gate passed"):
        pack(built)


def test_an_image_added_after_the_gate_is_refused(built: Workspace) -> None:
    (built.release / IMAGE).with_name("777.dcm").write_bytes(b"stray")
    with pytest.raises(WorkbenchError, match="not the one the gate passed"):
        pack(built)


def test_a_release_without_a_gate_is_refused(built: Workspace) -> None:
    built.path(tables.CHECKS).unlink()
    with pytest.raises(NotReady, match="04_verify"):
        pack(built)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("-5/Images/CT/1/2/001.dcm", "skips"),
        ("pt-1/Images/CT/1/2/001.dcm", "skips"),
        ("501/001.dcm", "skips"),
        ("readme.txt", "skips"),
        ("501/Images/CT/note/2/001.dcm", "holds the word note"),
        ("501/Images/CT/9001/2/WAVE.dcm", "holds the word wave"),
        ("501/Images/CT/9001/2/001", "no file extension"),
    ],
)
def test_a_path_that_the_upload_tool_or_central_misreads_is_refused(built: Workspace, path: str, says: str) -> None:
    stray = built.release / path
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"x")
    with pytest.raises(WorkbenchError, match=says):
        pack(built)


def test_what_a_killed_run_left_half_written_is_removed(built: Workspace) -> None:
    left = built.metadata / ".partial-0011"
    left.write_bytes(b"half")
    assert "Metadata/.partial-0011" not in set(packed(built)["path"])
    assert not left.exists()


def test_an_empty_file_and_a_link_are_refused(built: Workspace) -> None:
    empty = built.omop_out / "note.csv"
    empty.touch()
    with pytest.raises(WorkbenchError, match=r"note\.csv: is empty"):
        pack(built)
    empty.unlink()
    empty.symlink_to(built.local / "linkage.parquet")
    with pytest.raises(WorkbenchError, match="is a link"):
        pack(built)


@pytest.mark.parametrize("identifier", ["MRN-0004711", "ACC-0815", "mrn-0004711"])
def test_an_original_identifier_in_an_omop_table_is_refused_without_quoting_it(
    built: Workspace, identifier: str
) -> None:
    table = built.omop_out / "procedure_occurrence.csv"
    table.write_text(table.read_text().replace('""head""', f"{identifier}|x"))
    seal_release(built)  # as if 05 had written it
    with pytest.raises(WorkbenchError, match=r"procedure_occurrence\.csv, procedure_source_value: ") as caught:
        pack(built)
    assert "0004711" not in str(caught.value)
    assert "0815" not in str(caught.value)


def test_an_identifier_in_a_parquet_table_is_refused(built: Workspace) -> None:
    path = built.metadata / "series.parquet"
    pd.read_parquet(path).assign(SeriesDescription="of MRN-0004711").to_parquet(path)
    seal_release(built)
    with pytest.raises(WorkbenchError, match=r"series\.parquet, text: identifier"):
        pack(built)


def test_the_delta_is_what_changed_since_the_last_delivery(tmp_path: Path) -> None:
    workspace = ready(make_workspace(tmp_path, TWO_PATIENTS))
    pack(workspace)
    sign_off(workspace, "looked at all of it", "A. Reviewer")
    receive(workspace, copy := tmp_path / "receiver")
    newcomer = replace(CT, patient="MRN-3", accession="ACC-3", person=503, image_occurrence=9003, visit=73)
    changed = replace(MR, attributes=(("SeriesDescription", "T1"),))
    shutil.rmtree(workspace.release / "501")
    shutil.rmtree(workspace.release / "502")
    fill(workspace, (changed, newcomer))
    (resolve(workspace.parameters.omop) / "person.csv").write_text(
        (resolve(workspace.parameters.omop) / "person.csv").read_text() + "503,8532,1950,,,,8527,0,,,,,F,0,,0,,0\n"
    )
    visits = resolve(workspace.parameters.omop) / "visit_occurrence.csv"
    visits.write_text(visits.read_text() + "73,503,9201,2024-03-01,,2024-03-03,,32817\n")
    manifest = packed(ready(workspace)).set_index("path")
    assert manifest.loc[IMAGE, "delta"] == "removed"
    assert manifest.loc["502/Images/MR/9002/2.25.90021/001.dcm", "delta"] == "modified"
    assert manifest.loc["503/Images/CT/9003/2.25.90031/001.dcm", "delta"] == "added"
    assert manifest.loc["Metadata/data_dictionary.csv", "delta"] == "unchanged"
    assert totals(workspace)["files"].sum() == len(manifest)
    receive(workspace, copy)
    assert tree(copy) == tree(workspace.release)
    sign_off(workspace, "looked at what changed", "A. Reviewer")
    recorded = workspace.read(tables.DELIVERIES).drop(columns="recorded").set_index("number")
    told = manifest.delta.value_counts()
    assert recorded.loc[2, list(DELTAS)].to_dict() == {name: told[name] for name in DELTAS}
    assert recorded.files.tolist() == [recorded.added[1], len(manifest) - told["removed"]]


def test_a_delivery_of_an_earlier_version_is_compared_with(built: Workspace) -> None:
    """Its manifest had no column ``why``."""
    pack(built)
    sign_off(built, "looked at all of it", "A. Reviewer")
    [delivered] = (built.local / "deliveries").glob("*.csv")
    earlier = pd.read_csv(delivered, dtype=str).drop(columns="why")
    earlier.loc[earlier["path"] == IMAGE, "sha256"] = "0" * 64
    earlier.to_csv(delivered, index=False)
    manifest = packed(built).set_index("path")
    assert manifest.loc[IMAGE, "delta"] == "modified"
    assert manifest["delta"].value_counts()["unchanged"] == len(manifest) - 1


def test_a_release_of_more_rows_than_a_part_of_a_table_holds_is_packed(
    built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "ROWS_IN_MEMORY", 1)
    (built.local / building.MADE_BY).unlink()  # or they stay as they were made
    metadata.build_metadata(built)
    assert pq.ParquetFile(built.metadata / "image.parquet").num_row_groups > 1
    seal_release(built)
    assert len(pack(built))


def test_the_submission_note_tells_counts_years_shift_and_what_was_held_back(tmp_path: Path) -> None:
    held = replace(MR, status="held_back", visit=None)
    workspace = ready(make_workspace(tmp_path, (CT, held), shift_code=1))
    pack(workspace)
    note = (workspace.metadata / "IMAGING_SUBMISSION.md").read_text()
    assert "| files | 2 |" in note
    assert "| years (shifted) | 2024 to 2024 |" in note
    assert "| date shift code | 1 (day of week kept) |" in note
    assert "EST -05:00 and EDT -04:00" in note
    assert f"| held_back | no_visit | 2 | {tables.REASON_MEANINGS['no_visit']} |" in note


def test_what_was_found_in_a_file_that_is_held_back_is_no_issue_of_the_release(built: Workspace) -> None:
    finding = {"file": "a", "tag": "", "kind": "k", "detail": "k"}
    rows = [
        finding | {"check": "removed", "severity": "high", "held": True},
        finding | {"check": "geometry", "severity": "medium", "held": False},
    ]
    built.write(tables.VERIFICATION, tables.frame(tables.VERIFICATION, rows))
    issues = submission_note(built)["Known issues"].issue.tolist()
    assert issues == ["geometry, findings of medium severity: 1."]


def test_blank_visits_and_long_source_values_are_told_as_deviations(tmp_path: Path) -> None:
    far = replace(CT, visit=None, person=1_234_567_890, image_occurrence=2_000_000_111)
    workspace = ready(make_workspace(tmp_path, (far,), visit_policy="blank"))
    pack(workspace)
    note = (workspace.metadata / "IMAGING_SUBMISSION.md").read_text()
    assert "2 files belong to no visit" in note
    assert "1 minted procedures" in note


def test_a_deviation_that_a_person_adds_goes_with_the_release_and_is_searched(built: Workspace) -> None:
    told = {"text": "Dates of three persons were delivered with another shift.", "decision": "add", "note": "mail"}
    DEVIATION_LOG.append(built, "A. Reviewer", told)
    pack(built)
    note = built.metadata / "IMAGING_SUBMISSION.md"
    assert f"| {told['text']} |" in note.read_text() and "A. Reviewer" not in note.read_text()
    DEVIATION_LOG.withdraw(built, "A. Reviewer")
    DEVIATION_LOG.append(built, "A. Reviewer", told | {"text": "MRN-0004711 had another shift."})
    with pytest.raises(WorkbenchError, match="IMAGING_SUBMISSION"):
        pack(built)
    with pytest.raises(WorkbenchError, match="needs its text"):
        DEVIATION_LOG.append(built, "A. Reviewer", told | {"note": " "})


def test_header_text_cannot_write_markup_into_the_note(tmp_path: Path) -> None:
    nasty = replace(CT, attributes=(("Manufacturer", "a|b <script>\nx"),))
    workspace = ready(make_workspace(tmp_path, (nasty,)))
    pack(workspace)
    assert "| a\\|b \\<script\\> x | 1 | 2 |" in (workspace.metadata / "IMAGING_SUBMISSION.md").read_text()


def test_the_configuration_for_the_consortiums_tool_is_ready_and_holds_no_secret(tmp_path: Path) -> None:
    workspace = ready(make_workspace(tmp_path, upload_url="az://emory/images"))
    pack(workspace)
    config = tomllib.loads((workspace.local / "chorus-upload" / "config.toml").read_text())
    assert config["site_path"]["default"]["path"] == workspace.release.as_posix()
    assert config["central_path"]["path"] == "az://emory/"
    assert config["central_path"]["auth"]["auth_mode"] == "login"
    assert config["journal"]["journaling_mode"] == "full"
    assert "token" not in str(config)


def test_an_edited_configuration_is_never_overwritten(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    folder = workspace.local / "chorus-upload"
    write_config(workspace)
    away = Workspace(workspace.parameters.model_copy(update={"upload_url": "az://emory"}))
    write_config(away)
    assert "az://emory/" in (folder / "config.toml").read_text()  # nobody edited it
    edited = (folder / "config.toml").read_text().replace('"full"', '"append"')
    (folder / "config.toml").write_text(edited)
    write_config(workspace)
    assert (folder / "config.toml").read_text() == edited
    assert "az://your-site/" in (folder / "config.made.toml").read_text()


def test_shareable_reports_go_along_and_stay_while_nothing_else_changes(built: Workspace) -> None:
    report = built.reports_audit / "05_build_registry.html"
    report.write_text("<p>first run</p>")
    pack(built)
    packed = built.metadata / "reports" / report.name
    assert packed.read_text() == "<p>first run</p>"
    report.write_text("<p>second run, other time</p>")
    pack(built)
    assert packed.read_text() == "<p>first run</p>"
    fill(built, (MR,))
    shutil.rmtree(built.release / "501")
    pack(ready(built))
    assert packed.read_text() == "<p>second run, other time</p>"


def test_a_report_that_goes_along_links_to_nothing_that_does_not(built: Workspace) -> None:
    report = built.reports_audit / "05_build_registry.html"
    report.write_text('<a href="index.html">All</a> <a href="#what">What</a> <a href="03_run_deid.html#x">03</a>')
    (built.reports_audit / "03_run_deid.html").write_text("<p>03</p>")
    pack(built)
    said = (built.metadata / "reports" / report.name).read_text()
    assert said == 'All <a href="#what">What</a> <a href="03_run_deid.html#x">03</a>'


def test_the_gate_holds_for_the_bytes_not_for_the_names(built: Workspace) -> None:
    first, second = (built.release / IMAGE.replace("/001", f"/{number}") for number in ("001", "002"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(WorkbenchError, match="not the one the gate passed"):
        pack(built)
    pass_gate(built)
    build_registry(built)
    seal_release(built)
    assert len(pack(built))


def test_the_note_tells_the_parameters_the_images_were_made_with(built: Workspace) -> None:
    made = {**built.parameters.model_dump(), "uid_method": "ctp", "shift_code": 3}
    lines = ({"notebook": "03_run_deid", "parameters": made}, {"notebook": "03_run_deid", "event": "report"})
    (built.audit / "audit.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"half a li')
    pack(built)
    note = (built.metadata / "IMAGING_SUBMISSION.md").read_text()
    assert "| UIDs | ctp, root 1.2.826.0.1.3680043.10.1596 |" in note
    assert "3 (day of week and season kept)" in note
    assert "official unkeyed hashes" in note


def searched_in(workspace: Workspace) -> dict[str, Any]:
    """What the certificate says was searched."""
    pack(ready(workspace))
    said: dict[str, Any] = json.loads((workspace.release / f"{CERTIFICATE}.json").read_text())["searched"]
    return said


def test_the_certificate_says_what_was_searched_and_for_how_many_terms(built: Workspace) -> None:
    before = searched_in(built)
    files = {path for path in built.release.rglob("*") if path.is_file() and path.suffix != ".dcm"}
    files -= {built.release / name for name in MADE_LAST}
    omop = {path for path in files if path.parent.name == "OMOP"}
    assert before["files"] == {"OMOP tables": len(omop), "metadata and other files": len(files - omop)}
    assert all(before["bytes"][part] > 100 * number for part, number in before["files"].items())
    terms = built.read(tables.SEARCH_TERMS)
    more = pd.DataFrame({"kind": "name", "text": ["QUILLA", "REPORT"], "whole": ["QUILLA^X", "REPORT^X"]})
    built.write(tables.SEARCH_TERMS, pd.concat([terms, more], ignore_index=True))
    after = searched_in(built)
    assert after["terms"] == before["terms"] + 2
    assert after["page_words"] == before["page_words"] + 1, "REPORT is a word of the pages"
    assert f"{after['terms']:,} identifiers and names" in (built.release / f"{CERTIFICATE}.html").read_text()
