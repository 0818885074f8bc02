"""The tag plan, decisions about it, and how the lookup tables cover the source."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from chorus_nb import standards, tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.figures import mapping as figures
from chorus_nb.mapping import (
    ACTIONS,
    build_lookups,
    check_lookups,
    count_causes,
    coverage,
    decide,
    load_policy,
    make_plan,
    plan,
)
from chorus_nb.mapping.building import allowed_shifts
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.policy import Policy
from chorus_nb.parameters import Parameters, resolve
from chorus_nb.workspace import Workspace

CT = "1.2.840.10008.5.1.4.1.1.2"


def profile_row(
    tag: str, vr: str, path: str = "", creator: str = "", files: int = 3, example: str = ""
) -> dict[str, object]:
    return {
        "modality": "CT", "sop_class": CT, "path": path, "tag": tag, "private_creator": creator, "vr": vr,
        "files": files, "missing": 0, "empty": 0, "distinct": 1, "invalid": 0, "shortest": 1, "longest": 9,
        "odd_files": 0, "unusable_files": 0, "examples": example,
    }  # fmt: skip


PROFILE = [
    profile_row("(0008,0060)", "CS", example="CT"),
    profile_row("(0010,0010)", "PN", example="Doe^Jane"),
    profile_row("(0008,1030)", "LO", example="CHEST | HEAD"),
    profile_row("(0040,0275)", "SQ"),
    profile_row("(0008,1030)", "LO", path="RequestAttributesSequence"),
    profile_row("(0010,1002)", "SQ"),
    profile_row("(0040,0033)", "UT", path="OtherPatientIDsSequence"),
    profile_row("(0019,xx0C)", "DS", creator="VENDOR 1.0", example="1.5"),
    profile_row("(0019,00xx)", "LO", creator="VENDOR 1.0"),
    profile_row("(7053,xx00)", "DS", creator="Philips PET Private Group"),
    profile_row("(0008,1030)", "LO", path="7053[Philips PET Private Group]10"),
]


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    """A workspace with a tag profile of eleven tags."""
    workspace = Workspace(Parameters(workspace=str(tmp_path / "workspace"))).create()
    workspace.write(tables.TAG_PROFILE, tables.frame(tables.TAG_PROFILE, PROFILE))
    return workspace


def row(made: object, tag: str, path: str = "") -> dict[str, object]:
    found = made[(made.tag == tag) & (made.path == path)]  # type: ignore[index, attr-defined]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_every_tag_of_the_profile_gets_one_action_with_its_reason(site: Workspace) -> None:
    made = make_plan(site)
    assert len(made) == len(PROFILE)
    assert set(made.action) <= set(ACTIONS)
    assert (made.reason != "").all()
    assert (made.rule_source != "").all()
    assert row(made, "(0008,1030)")["example_before"] == "CHEST"


def test_what_stands_in_a_removed_sequence_goes_with_it(site: Workspace) -> None:
    made = make_plan(site)
    assert row(made, "(0040,0033)", "OtherPatientIDsSequence")["action"] == "X"
    assert row(made, "(0008,1030)", "RequestAttributesSequence")["action"] == "C"
    assert row(made, "(0008,1030)", "7053[Philips PET Private Group]10")["action"] == "X"


def test_the_official_script_is_told_beside(site: Workspace) -> None:
    made = make_plan(site)
    assert row(made, "(0019,xx0C)")["official"].startswith("removed")
    assert row(made, "(0008,1030)", "RequestAttributesSequence")["official"] == "removed with its sequence"
    assert plan.official(("PerformedProtocolCodeSequence",), 0x00080104) == "kept (sequences are not entered)"


def test_a_plan_with_a_tag_without_reason_is_refused(site: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Chorus.rule
    monkeypatch.setattr(Chorus, "rule", lambda *args: honest(*args)._replace(reason=""))
    with pytest.raises(WorkbenchError, match="no action with a reason"):
        make_plan(site)


def test_a_decision_changes_plan_and_policy_alike(site: Workspace) -> None:
    before = load_policy(site)
    decide(site, "(0019,xx0C)", "K", "a slice thickness, checked in 200 files", "A. Analyst", creator="VENDOR 1.0")
    policy = load_policy(site)
    made = row(make_plan(site), "(0019,xx0C)")
    assert (made["action"], made["decided_by"]) == ("K", "A. Analyst")
    assert "A. Analyst" in str(made["rule_source"])
    assert policy.rule(CT, (), 0x0019300C, "DS", "VENDOR 1.0").action == "K"
    assert policy.rule(CT, (), 0x0019000C, "LO", "VENDOR 1.0").action == "X"  # a private creator, not in any block
    assert policy.digest != before.digest


def test_a_later_decision_about_the_same_place_replaces_the_earlier(site: Workspace) -> None:
    decide(site, "(0008,1030)", "X", "not needed", "A")
    decide(site, "(0008,1030)", "K", "reviewed", "B", path="RequestAttributesSequence")
    decide(site, "(0008,1030)", "Z", "rather empty", "C")
    policy = load_policy(site)
    assert len(policy.overrides) == 2
    assert policy.rule(CT, (), 0x00081030, "LO").action == "Z"
    assert policy.rule(CT, ("RequestAttributesSequence",), 0x00081030, "LO").action == "K"


def test_a_decision_that_releases_more_is_marked(site: Workspace) -> None:
    decide(site, "(0010,0010)", "K", "phantoms only", "A. Analyst")
    decide(site, "(0008,1030)", "X", "not needed", "A. Analyst", path="")
    decided = plan.overridden(site, make_plan(site)).set_index("tag").releases_more
    assert decided["(0010,0010)"]
    assert not decided["(0008,1030)"]


@pytest.mark.parametrize(
    ("tag", "action", "reason", "reviewer", "fault"),
    [
        ("(0010,0020)", "K", "why", "Ada", "the release depends on"),
        ("(0008,0018)", "K", "why", "Ada", "the release depends on"),
        ("(0008,1030)", "K", "", "Ada", "needs a reason"),
        ("(0008,1030)", "K", "why", " ", "say who decides"),
        ("(0008,1030)", "keep", "why", "Ada", "action must be one of"),
        ("0008,1030", "K", "why", "Ada", "tag must be"),
        ("(0019,xx0C)", "K", "why", "Ada", "with its private creator"),
    ],
)
def test_a_decision_that_cannot_stand_is_refused(
    site: Workspace, tag: str, action: str, reason: str, reviewer: str, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        decide(site, tag, action, reason, reviewer)


def test_decisions_edited_by_hand_are_checked_by_row(site: Workspace) -> None:
    decide(site, "(0008,1030)", "X", "why", "Ada")
    path = site.path(tables.TAG_DECISIONS)
    path.write_text(path.read_text().replace(",X,", ",Q,"))
    with pytest.raises(InputError, match=r"tag_decisions\.csv, row 2"):
        load_policy(site)


@pytest.mark.parametrize(("tag", "stands"), [("(0008,1010)", True), ("(0018,1310)", False), ("(0040,0275)", False)])
def test_a_replacement_is_written_only_where_text_can_stand(site: Workspace, tag: str, stands: bool) -> None:
    decide(site, tag, "D", "why", "Ada")
    path = site.path(tables.TAG_DECISIONS)
    path.write_text(path.read_text().replace(",D,,", ",D,STATION,"))
    if stands:
        assert load_policy(site).rule(CT, (), 0x00081010, "SH").replacement == "STATION"
    else:
        with pytest.raises(InputError, match="does not hold text"):
            load_policy(site)


def test_the_notebooks_tables_come_from_the_plan(site: Workspace) -> None:
    made = make_plan(site)
    counts = plan.count_actions(made)
    assert counts.tags.sum() == len(made)
    assert plan.reasons(made).tags.sum() + plan.reasons(made, plan.REMOVES).tags.sum() == len(made)
    assert "(0019,xx0C)" in set(plan.undecided(made).tag)
    assert len(plan.differences(made)) > 0


def test_where_the_plan_departs_from_the_sites_own_script_is_told_with_its_reason(site: Workspace) -> None:
    assert plan.departures(site, make_plan(site)).empty
    script = site.local / "site.script"
    lines = (("00081030", "@keep()"), ("00400275", "@keep()"), ("00100010", "@param(@NOPE)"), ("00101002", "@remove()"))
    text = "".join(f'<e en="T" t="{tag}" n="x">{action}</e>\n' for tag, action in lines)
    script.write_text(f"<script>{text}</script>")
    scripted = Workspace(site.parameters.model_copy(update={"policy": str(script)}))
    told = plan.departures(scripted, make_plan(scripted)).set_index("difference")
    assert told.tags.to_dict() == {"undefined_parameter": 1, "unnamed": 2, "items": 2, "kept_text": 1, "warning": 0}
    assert told.loc["kept_text", "for example"] == "StudyDescription"
    assert "line 3 (00100010): parameter NOPE is not defined" in told.loc["warning", "why"]


def test_a_source_without_images_gives_an_empty_plan_and_empty_figures(site: Workspace) -> None:
    site.write(tables.TAG_PROFILE, tables.empty(tables.TAG_PROFILE))
    made = make_plan(site)
    assert made.empty
    for found in (plan.reasons(made), plan.differences(made), plan.undecided(made), plan.overridden(site, made)):
        assert found.empty
    assert not figures.actions_planned(plan.count_actions(made)).axes[0].patches


def test_the_figure_has_a_bar_for_each_action(site: Workspace) -> None:
    counts = plan.count_actions(make_plan(site))
    assert len(figures.actions_planned(counts).axes[0].patches) == len(counts)


def test_paths_come_apart_at_their_dots_but_not_inside_a_creator() -> None:
    assert standards.path_steps("A.7053[ACME 1.0]10.B") == ("A", "7053[ACME 1.0]10", "B")
    assert standards.path_steps("") == ()


# --- with a source ----------------------------------------------------------------------------------------------------


@pytest.fixture
def source(workspace: Workspace) -> Workspace:
    """The tiny demo site, scanned in name only: a catalog of four accessions and an index of files."""
    rows = [
        ("P1", "A1", "dicom"), ("P1", "A2", "dicom"), ("P1", "A2", "dicom"), ("P2", "A3", "dicom"), ("P3", "", "dicom"),
        ("", "", "not_dicom"),
    ]  # fmt: skip
    index = {"status": "dicom", "MediaStorageSOPClassUID": MediaStorageDirectoryStorage}
    blank = {c.name: False if c.kind == "truth" else 0 for c in tables.CATALOG.columns if c.kind != "text"}
    made = [
        {**blank, "source_path": str(n), "PatientID": patient, "AccessionNumber": accession, "status": status}
        for n, (patient, accession, status) in enumerate(rows)
    ]
    made.append({**blank, "source_path": "DICOMDIR", "PatientID": "", "AccessionNumber": "", **index})
    workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, made))
    return workspace


def with_tables(workspace: Workspace, folder: Path, persons: str, images: str = "", **changes: object) -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\n" + persons)
    (folder / "Image_map.csv").write_text("PatientID,AccessionNumber,image_occurence_id\n" + images)
    values = {**workspace.parameters.model_dump(), "lookup": str(folder), **changes}
    return Workspace(Parameters.of(values))


def people(workspace: Workspace) -> list[int]:
    from chorus_nb.omop import read_omop

    return sorted(int(person) for person in read_omop(workspace, "person").person_id)


def test_a_person_whose_rows_contradict_each_other_is_told_so_and_not_as_one_that_omop_lacks(
    source: Workspace, tmp_path: Path
) -> None:
    omop = tmp_path / "omop"
    shutil.copytree(resolve(source.parameters.omop), omop)
    lines = (omop / "person.csv").read_text("utf-8").splitlines()
    known = lines[1].split(",")[0]
    year = lines[0].split(",").index("year_of_birth")
    other = ["1931" if place == year else cell for place, cell in enumerate(lines[1].split(","))]
    (omop / "person.csv").write_text("\n".join(["# of the export", *lines, ",".join(other), lines[2]]) + "\n")
    site = with_tables(source, tmp_path / "l", f"P1,{known},-5\n", "P1,A1,1\n", omop=str(omop))
    found = check_lookups(site).query("rule.str.contains('omop')", engine="python")
    assert [tuple(row) for row in found[["rule", "item"]].to_numpy()] == [("omop_contradicts", f"person {known}")]


def test_what_the_lookup_tables_do_not_cover_is_found(source: Workspace, tmp_path: Path) -> None:
    known = people(source)[0]
    site = with_tables(source, tmp_path / "l", f"P1,{known},-5\nP9,{2**31 - 1},-5\n", "P1,A1,1\nP1,A7,2\nP8,A8,3\n")
    found = set(zip(check_lookups(site).rule, check_lookups(site)["item"], strict=True))
    assert found == {
        ("patient_not_mapped", "P2"), ("patient_not_mapped", "P3"), ("accession_not_mapped", "P1 A2"),
        ("accession_without_files", "P1 A7"), ("image_without_person", "P8 A8"), ("person_not_in_omop", "P9"),
    }  # fmt: skip
    causes = count_causes(check_lookups(site)).set_index("rule")
    assert "omop_contradicts" not in causes.index
    assert (causes.times["patient_not_mapped"], causes["first"]["patient_not_mapped"]) == (2, "P2; P3")
    counts = coverage(site).set_index("of the")
    assert list(counts.mapped) == [1, 1, 1]
    assert list(counts["in the source"]) == [3, 4, 5]


def test_an_identifier_that_is_only_spelt_differently_is_told(source: Workspace, tmp_path: Path) -> None:
    known = people(source)[0]
    findings = check_lookups(with_tables(source, tmp_path / "l", f"P1,{known},-5\n00p-2,{known},-5\n"))
    advice = findings[findings["rule"] == "patient_not_mapped"].set_index("item").what_to_do
    assert "spell it alike" in advice["P2"]
    assert advice["P3"] == "add the patient"


def test_tables_are_built_and_what_was_given_stays_for_ever(source: Workspace, tmp_path: Path) -> None:
    first, second = people(source)[:2]
    ids = tmp_path / "ids.csv"
    ids.write_text(f"mrn,person_id\nP1,{first}\n")
    site = with_tables(source, tmp_path / "l", "")
    for path in (tmp_path / "l").iterdir():
        path.unlink()
    made = build_lookups(site, ids)
    one = made.lookups
    assert made[1:] == (1, 0, 1, 2, 0)
    assert -730 <= one.person("P1")[1] <= -1
    assert {one.image("P1", "A1"), one.image("P1", "A2")} == {1, 2}
    assert (tmp_path / "l" / "Image_map.csv").read_text().startswith("PatientID,AccessionNumber,image_occurence_id\n")
    ids.write_text(f"mrn,person_id,shift_days\nP1b,{first},\nP2,{second},-9\n")
    again = build_lookups(site, ids)
    two = again.lookups
    assert again[1:] == (2, 0, 0, 1, 0)
    assert two.person("P1") == two.person("P1b") == one.person("P1")
    assert two.person("P2") == (second, -9)
    assert two.image("P1", "A1") == one.image("P1", "A1")
    assert two.image("P2", "A3") == 3


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("P1,{second},", "belongs to another person already"),
        ("P5,2147483000,", "not in the OMOP table PERSON"),
        ("P5,{first},-77", "has another shift already"),
        (",{first},", "PatientID is empty"),
    ],
)
def test_an_id_file_that_contradicts_what_is_known_is_refused(
    source: Workspace, tmp_path: Path, line: str, fault: str
) -> None:
    first, second = people(source)[:2]
    site = with_tables(source, tmp_path / "l", f"P1,{first},-5\n")
    ids = tmp_path / "ids.csv"
    ids.write_text("PatientID,person_id,Days_Shifted\n" + line.format(first=first, second=second) + "\n")
    with pytest.raises(InputError, match=f"ids.csv row 2: .*{fault}"):
        build_lookups(site, ids)


def test_a_table_that_is_there_alone_keeps_what_it_gives(source: Workspace, tmp_path: Path) -> None:
    """Made anew for lack of the other, it would have given everybody another shift."""
    site = with_tables(source, tmp_path / "l", f"P1,{people(source)[0]},-5\n")
    (tmp_path / "l" / "Image_map.csv").unlink()
    before = (tmp_path / "l" / "Personal_map.csv").stat().st_mtime_ns
    made = build_lookups(site)
    assert made.lookups.person("P1")[1] == -5
    assert made.accessions == 2
    assert (tmp_path / "l" / "Personal_map.csv").stat().st_mtime_ns == before


def test_what_a_run_linked_by_comes_back_where_the_tables_were_lost(source: Workspace, tmp_path: Path) -> None:
    first, second = people(source)[:2]
    site = with_tables(source, tmp_path / "l", "")
    for path in (tmp_path / "l").iterdir():
        path.unlink()
    linked = {column.name: "" if column.kind == "text" else 1 for column in tables.LINKAGE.columns}
    linked |= {"PatientID": "P1", "AccessionNumber": "A1", "person_id": first, "days_shifted": -5}
    site.write(tables.LINKAGE, tables.frame(tables.LINKAGE, [linked | {"image_occurrence_id": 77}]))
    ids = tmp_path / "ids.csv"
    ids.write_text(f"PatientID,person_id\nP1,{first}\nP2,{second}\n")
    with pytest.raises(InputError, match=r"^ids.csv row 3: Personal_map had rows when 01 ran last"):
        build_lookups(site, ids)
    ids.write_text(f"PatientID,person_id,Days_Shifted\nP1,{first},\nP2,{second},-9\n")
    made = build_lookups(site, ids)
    assert made.lookups.person("P1") == (first, -5)
    assert made.lookups.image("P1", "A1") == 77
    assert (made.persons, made.put_back, made.shifts) == (2, 2, 0)


def test_no_shift_is_drawn_for_who_is_in_the_release(source: Workspace, tmp_path: Path) -> None:
    first = people(source)[0]
    site = with_tables(source, tmp_path / "l", "")
    folder = site.release / str(first) / "Images" / "CT" / "500"
    folder.mkdir(parents=True)
    ids = tmp_path / "ids.csv"
    ids.write_text(f"PatientID,person_id\nP1,{first}\n")
    with pytest.raises(InputError, match=r"^ids.csv row 2: the release holds images of the person"):
        build_lookups(site, ids)
    ids.write_text(f"PatientID,person_id,Days_Shifted\nP1,{first},-9\n")
    image = build_lookups(site, ids).lookups.image("P1", "A1")
    assert image is not None and image > 500  # the numbers of the release stay its own


def test_what_a_site_keeps_in_its_table_is_not_written_over(source: Workspace, tmp_path: Path) -> None:
    first, second = people(source)[:2]
    site = with_tables(source, tmp_path / "l", "")
    own = f"PatientID,person_id,Days_Shifted,ward\nP1,{first},-5,7B\n"
    (tmp_path / "l" / "Personal_map.csv").write_text(own)
    ids = tmp_path / "ids.csv"
    ids.write_text(f"PatientID,person_id\nP2,{second}\n")
    with pytest.raises(InputError, match=r"^Personal_map.csv: .*would be lost"):
        build_lookups(site, ids)
    assert (tmp_path / "l" / "Personal_map.csv").read_text() == own
    assert build_lookups(site).accessions == 2  # of P1: the other table has no such column


def test_nothing_is_written_that_could_not_be_read_back(source: Workspace, tmp_path: Path) -> None:
    first, second = people(source)[:2]
    site = with_tables(source, tmp_path / "l", f"P1,{first},-5\n")
    ids = tmp_path / "ids.csv"
    before = (tmp_path / "l" / "Personal_map.csv").read_text()
    for line, fault in ((f"7.00E+08,{second}", "shortened"), (f"{second},{second}", "which would leave")):
        ids.write_text(f"PatientID,person_id\n{line}\n")
        with pytest.raises(InputError, match=fault):
            build_lookups(site, ids)
        assert (tmp_path / "l" / "Personal_map.csv").read_text() == before


def test_shifts_have_the_property_of_their_code() -> None:
    assert allowed_shifts(0) == [0]
    assert len(allowed_shifts(4)) == 730
    assert all(shift % 7 == 0 for shift in allowed_shifts(1))
    assert {-364, -728} <= set(allowed_shifts(3)) <= set(allowed_shifts(2))


# --- every file there is ----------------------------------------------------------------------------------------------


def elements(dataset: Dataset, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int, str, str]]:
    for element in dataset:
        creator = "" if element.tag.is_private_creator else getattr(element, "private_creator", None) or ""
        yield path, int(element.tag), element.VR, creator
        if element.VR == "SQ":
            step = f"{element.tag.group:04X}[{creator}]{element.tag.element & 0xFF:02X}" if creator else element.keyword
            for item in element.value:
                yield from elements(item, (*path, step or "unknown"))


def test_every_tag_of_every_file_resolves_to_one_action_with_a_reason(shared: Path, demo_site: Path) -> None:
    policy = Policy(Chorus())
    seen = set()
    for path in sorted([*(shared / "dicom").rglob("*"), *demo_site.rglob("*")]):
        if not path.is_file() or path.suffix in (".csv", ".md", ".txt", ".json", ".zip"):
            continue
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            found = list(elements(dataset))
        except Exception:
            continue  # damaged on purpose: the scan's tests are about those
        seen.update((str(dataset.get("SOPClassUID", "")), *place) for place in found)
    assert len(seen) > 4000
    for sop_class, place, tag, vr, creator in seen:
        rule = plan.element_rule(policy, sop_class, place, tag, vr, creator)
        assert rule.action in ACTIONS
        assert rule.reason
        assert rule.source
