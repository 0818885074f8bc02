"""The summaries say what is here, and every figure can draw them, also when there is nothing to draw."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from chorus_nb import explore, tables
from chorus_nb.errors import InputError
from chorus_nb.explore import assess, link, profile, scan, summary
from chorus_nb.figures import explore as figures
from chorus_nb.figures.deid import outcomes_by_modality
from chorus_nb.workspace import Workspace

Add = Callable[..., Path]


def all_figures(workspace: Workspace) -> Iterator[Figure]:
    scan(workspace)
    profile(workspace)
    rules, links = summary.by_rule(assess(workspace)), summary.links(link(workspace))
    yield figures.at_a_glance(summary.counts(workspace, "Modality"), links, rules)
    yield figures.vendors(summary.counts(workspace, "Manufacturer", "ManufacturerModelName"))
    yield figures.timeline(summary.months(workspace))
    yield figures.size_distribution(summary.sizes(workspace))
    yield figures.missingness(summary.missing_minimum(workspace))
    yield figures.missingness_by_device(summary.missing_by_device(workspace))
    if len(software := summary.over_time(workspace, "SoftwareVersions")):
        yield figures.values_over_time(software, "Software")
    yield figures.private_elements(summary.private_creators(workspace.read(tables.TAG_PROFILE)))


@pytest.mark.parametrize("files", [0, 1, 30])
def test_every_figure_is_drawn_with_a_title_and_a_unit(survey: Workspace, add: Add, files: int) -> None:
    for number in range(files):
        year, modality = 2000 + number, ("CT", "MR", "$x^2$")[number % 3]
        add(f"{number}", AcquisitionDate=f"{year}0105", Modality=modality, ManufacturerModelName=f"M{number}")
    for figure in all_figures(survey):
        figure.savefig(io.BytesIO(), format="png")
        assert all(axes.get_title() or axes.get_ylabel() for axes in figure.axes)
        assert figure.axes[0].get_title()


@pytest.mark.filterwarnings("error")
def test_a_label_that_is_long_or_holds_what_no_page_shows_leaves_room_to_draw_in() -> None:
    odd = "\x1b[31m" + "W" * 900
    months = pd.DataFrame({"month": ["2024-01"], "Modality": [odd], "studies": [1]})
    outcomes = pd.DataFrame({"released": [1], "held_back": [0]}, index=[odd])
    for figure in (figures.timeline(months), outcomes_by_modality(outcomes)):
        figure.savefig(io.BytesIO(), format="png")
        (axes,) = figure.axes
        legend = axes.get_legend()
        assert legend
        texts = [text.get_text() for text in (*axes.get_yticklabels(), *legend.get_texts())]
        assert "\ufffd[31m" + "W" * 38 + "…" in texts


def test_the_overview_counts_what_is_here(survey: Workspace, add: Add) -> None:
    add("a", AcquisitionDate="20240105")
    add("b", AcquisitionDate="20240305", StudyDate="20240305", SeriesInstanceUID="1.2.3.2")
    (Path(survey.parameters.source) / "notes.txt").write_text("not an image")
    scan(survey)
    row = summary.overview(survey).iloc[0]
    assert (row["found"], row["files"], row["patients"], row["studies"], row["series"]) == (3, 2, 1, 1, 2)
    assert (row["first_day"], row["last_day"]) == ("2024-01-05", "2024-03-05")


def test_the_first_sentences_say_what_is_released_and_what_needs_attention(survey: Workspace, add: Add) -> None:
    add("a")
    add("b", AccessionNumber="UNKNOWN", BurnedInAnnotation="YES", SeriesInstanceUID="1.2.3.2")
    scan(survey)
    profile(survey)
    text = summary.in_words(survey, assess(survey), link(survey))
    assert "Of 2 accessions 1 fall in a visit;" in text
    assert "Needs attention first: burned in annotation (1)." in text


def test_minimum_metadata_is_missing_only_where_it_has_a_place(survey: Workspace, add: Add) -> None:
    add("a", StudyDescription="CHEST")
    add("b")
    scan(survey)
    missing = summary.missing_minimum(survey).set_index("attribute")["CT"]
    assert missing["StudyDescription"] == 50
    assert missing["AccessionNumber"] == 0
    assert missing["SliceThickness"] == 100
    assert missing.isna()["MagneticFieldStrength"]  # no attribute of a CT image


def test_accessions_are_counted_by_how_far_they_link(survey: Workspace, add: Add) -> None:
    add("a")
    add("b", AccessionNumber="ACC2", AcquisitionDate="20200101", StudyDate="20200101")
    add("c", AccessionNumber="ACC9")
    add("d", PatientID="STRANGER")
    add("e", AccessionNumber="", Modality="")
    scan(survey)
    linkage = link(survey)
    kinds = dict.fromkeys(summary.HOW_FAR, 1)
    assert summary.links(linkage).set_index("accessions")["count"].to_dict() == kinds
    lacking = summary.not_linked(linkage)
    assert sorted(lacking["lacks"]) == sorted(summary.HOW_FAR[1:])
    assert lacking.set_index("lacks").at["no accession number", "modalities"] == "(none)"
    assert lacking.set_index("lacks").at["accession not in Image_map", "AccessionNumber"] == "ACC9"


def test_files_without_an_id_are_no_further_patient(survey: Workspace, add: Add) -> None:
    add("a")
    add("b", PatientID="", SeriesInstanceUID="")
    scan(survey)
    counted = summary.counts(survey, "Modality").iloc[0]
    assert (counted["patients"], counted["series"], counted["files"]) == (1, 1, 2)


@pytest.fixture
def fleet(workspace: Workspace) -> Workspace:
    """Two scanners: one was updated in February, the other lacks what CHoRUS asks for."""
    rows = [
        {"source_path": f"{number}", "Manufacturer": maker, "Modality": "CT", "SoftwareVersions": version}
        | {"acquired": f"{day} 10:00:00", "PatientID": "P", "StudyInstanceUID": f"1.{number // 2}", "has_pixels": True}
        for number, (maker, version, day) in enumerate(
            [
                *[("ACME", "v1", "2020-01-05"), ("ACME", "v1", "2020-01-20"), ("ACME", "v2", "2020-02-03")],
                ("OTHER", "x", "2020-03-01"),
            ]
        )
    ]
    blank = {column.name: {"text": "", "integer": 0, "truth": False}[column.kind] for column in tables.CATALOG.columns}
    catalog = tables.frame(tables.CATALOG, [{**blank, "status": "dicom", **row} for row in rows])
    workspace.write(tables.CATALOG, catalog)
    return workspace


def test_a_software_update_is_seen(fleet: Workspace) -> None:
    spans = summary.over_time(fleet, "SoftwareVersions")
    found = spans[["device", "value", "first", "last", "files"]].to_numpy().tolist()
    assert found == [["ACME", "v1", "2020-01-05", "2020-01-20", 2], ["ACME", "v2", "2020-02-03", "2020-02-03", 1]]
    [axes] = figures.values_over_time(spans, "Software").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ACME: v1", "ACME: v2"]


def test_what_a_device_lacks_in_a_month_is_counted(fleet: Workspace) -> None:
    shares = summary.missing_by_device(fleet).set_index(["device", "month"])
    assert list(shares["files"]) == [2, 1, 1]
    assert shares["missing"].between(0, 100).all() and shares["missing"].nunique() == 1
    catalog = fleet.read(tables.CATALOG)
    catalog.loc[catalog["Manufacturer"] == "ACME", "StudyDescription"] = "CT HEAD"
    fleet.write(tables.CATALOG, catalog)
    filled = summary.missing_by_device(fleet).set_index(["device", "month"])["missing"]
    assert filled["ACME, CT"].max() < shares["missing"].min() == filled["OTHER, CT"].max()
    assert len(figures.missingness_by_device(shares.reset_index()).axes[0].get_yticklabels()) == 2
    figures.missingness_by_device(shares.reset_index().head(0))


def test_private_tags_are_counted_by_who_reserved_them() -> None:
    rows = [
        {"private_creator": "ACME 1", "tag": f"(0019,xx{number:02x})", "files": 5, "keyword": "", "covered_by": safe}
        for number, safe in enumerate(("safe private", "nothing known", "nothing known"))
    ]
    rows += [{**rows[0], "modality": "MR"}, {**rows[0], "private_creator": "", "tag": "(0008,0060)"}]
    counted = summary.private_creators(pd.DataFrame(rows))
    assert counted.to_dict("records") == [{"creator": "ACME 1", "tags": 3, "known_safe": 1, "files": 10}]
    assert figures.private_elements(counted).axes[0].get_yticklabels()[0].get_text() == "ACME 1"
    figures.private_elements(counted.head(0))


def test_what_01_made_is_asked_in_sql(fleet: Workspace) -> None:
    assert explore.ask(fleet, "SELECT files FROM studies ORDER BY 1").files.tolist() == [2, 2]
    assert explore.ask(fleet, "SELECT count(*) AS n FROM catalog").n.tolist() == [4]
    with pytest.raises(InputError, match="nowhere"):
        explore.ask(fleet, "SELECT * FROM nowhere")
    with pytest.raises(InputError) as caught:
        explore.ask(fleet, "SELECT PatientID::INTEGER FROM catalog")
    assert "'P'" not in str(caught.value)
