"""The certificate: every number of it is recomputed here from the tables, every sentence from its numbers."""

from __future__ import annotations

import copy
import html
import json
import re
import sys
from typing import Any

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.decisions import LABELS
from chorus_nb.drawn import DRAWN_FOLDER
from chorus_nb.layout import CERTIFICATE
from chorus_nb.verify import all_checks, answer, certificate, certificate_pdf, search_contents, verify, verify_tree
from chorus_nb.verify.certificate import PDF_RECIPE, certificate_facts, remembered_pdf
from chorus_nb.verify.certificate_pages import html_certificate
from chorus_nb.verify.certificate_pdf import pdf_certificate
from chorus_nb.verify.sentences import Section, checks_said, faces_said, sections_of, text_said
from chorus_nb.workspace import Workspace

VOLUMES = {"CT", "MR", "PT"}


def stored(workspace: Workspace, name: str) -> pd.DataFrame:
    return pd.read_parquet(workspace.local / f"{name}.parquet")


def numbers_from_tables(workspace: Workspace) -> dict[str, Any]:
    """Every number of the certificate, counted once more from the files of the tables."""
    outcomes, findings = stored(workspace, "outcomes"), stored(workspace, "verification")
    left = outcomes[outcomes.status == "released"]
    places = [path.split("/") for path in left.target_path]
    verdicts, catalog = stored(workspace, "image_verdicts"), stored(workspace, "catalog")
    of_left = verdicts[verdicts.source_path.isin(left.source_path)]
    face = dict(stored(workspace, "face_verdicts")[["series_uid", "status"]].to_numpy())
    released = catalog[catalog.source_path.isin(left.source_path)]
    faces: dict[str, list[str]] = {}
    for series, modality in zip(released.SeriesInstanceUID, released.Modality, strict=True):
        if series in face or modality in VOLUMES:
            faces.setdefault(face.get(series, "not_asked"), []).append(series)
    about = findings[(findings.check == "faces") & (findings.severity == "medium") & ~findings.held]
    checks = pd.concat([stored(workspace, name) for name in ("checks", "tree_checks")])
    searched = stored(workspace, "searched_parts").set_index("part")
    second = checks[checks.check == "second_look"].iloc[0]
    was_run = second.result != "not run"
    return {
        "files": len(left),
        "files_found": len(outcomes),
        "persons": len({place[0] for place in places}),
        "accessions": len({place[3] for place in places}),
        "series": len({place[4] for place in places}),
        "files_by_modality": left.groupby("modality").size().to_dict(),
        "source_files_by_status": outcomes.groupby("status").size().to_dict(),
        "not_released_by_reason": outcomes[outcomes.status != "released"].groupby("reason").size().to_dict(),
        "findings_by_severity": {
            grade: len(findings[(findings.severity == grade) & ~findings.held]) for grade in ("high", "medium")
        },
        "results": dict(checks[checks.check != "released_bytes"].groupby("result").size()),
        "faces": {
            "looked_for": True,
            "series": {name: len(set(series)) for name, series in sorted(faces.items())},
            "files": {name: len(series) for name, series in sorted(faces.items())},
            "to_be_looked_at": about.file.nunique(),
        },
        "searched": {
            **searched[["terms", "page_words"]].iloc[0].to_dict(),
            **searched[["files", "bytes"]].to_dict(),
        },
        "redacted": int((left.boxes != "").sum()),
        "decided": int((of_left.checked == "decided").sum()),
        "read": int((of_left.checked == "looked").sum()),
        "not_looked": int((~of_left.checked.isin(("looked", "sampled", "decided"))).sum()),
        "read_a_second_time": int(second.examined) if was_run else 0,
        "not_read_because": "" if was_run else second.detail,
    }


def numbers_said(data: dict[str, Any]) -> dict[str, Any]:
    """The same numbers as the certificate has them."""
    text = data["text_in_pictures"]
    results = pd.Series([row["result"] for row in data["checks"]])
    names = ("redacted", "decided", "read", "not_looked", "read_a_second_time", "not_read_because")
    return {
        **{name: data[name] for name in TOP},
        "results": results.groupby(results).size().to_dict(),
        **{name: text[name] for name in names},
    }


TOP = (
    *("files", "files_found", "persons", "accessions", "series", "files_by_modality", "source_files_by_status"),
    *("not_released_by_reason", "findings_by_severity", "faces", "searched"),
)


def made(workspace: Workspace) -> tuple[dict[str, Any], str]:
    parts = certificate(workspace, "digest of all")
    return json.loads(parts[f"{CERTIFICATE}.json"]), parts[f"{CERTIFICATE}.html"].decode()


def looked_at(workspace: Workspace) -> None:
    """A release of which pictures were read, decided and left unread, and volumes of every kind."""
    images = workspace.read(tables.IMAGE_VERDICTS)
    how = ["looked", "decided", "not"] * len(images)
    workspace.write(tables.IMAGE_VERDICTS, images.assign(checked=how[: len(images)]))
    faces = workspace.read(tables.FACE_VERDICTS)
    states = ["as_it_is", "defaced", "no_face_in_view"] * len(faces)
    workspace.write(tables.FACE_VERDICTS, faces.assign(status=states[: len(faces)]).iloc[:1])


@pytest.mark.parametrize("plant", [lambda workspace: None, looked_at])
def test_every_number_of_the_certificate_is_that_of_the_tables(release: Workspace, plant) -> None:
    verify_tree(release)
    plant(release)
    data, page = made(release)
    assert numbers_said(data) == numbers_from_tables(release)
    assert page == html_certificate(sections_of(data)).decode()  # made of these numbers only
    assert data["gate"] == answer(release.read(tables.CHECKS)), "what index and reports say"


FACTS: dict[str, Any] = {
    "site": "Zürich <b>",
    "release_blake3": "ab" * 32,
    "gate": "The gate is open: 4,201 files passed every check that was run.",
    "files": 4201,
    "persons": 37,
    "accessions": 58,
    "series": 113,
    "files_by_modality": {"CT": 4000, "US": 201},
    "files_found": 4460,
    "source_files_by_status": {"released": 4201, "held_back": 240, "not_dicom": 19},
    "not_released_by_reason": {"burned_in_text": 231, "no_visit": 9, "not_dicom": 19},
    "findings_by_severity": {"high": 0, "medium": 16},
    "checks": [
        *({"check": f"c{n}", "question": "?", "result": "pass", "why": "", "examined": n} for n in range(1, 22)),
        {"check": "visits", "question": "?", "result": "not run", "why": "there is no linkage", "examined": 0},
    ],
    "policy": {"name": "chorus", "tag_plan_blake3": "cd" * 32, "actions": {"X": 411, "K": 208, "odd": 3}},
    "opted_in": ["private elements that PS3.15 calls safe are kept"],
    "decided_by_persons": {"tags": 5, "words": 7, "pictures": 12, "faces": 2, "labels": 3},
    "text_in_pictures": {
        "looked_for": True,
        "read": 3017,
        "in_groups": 1172,
        "drawn_read": 134,
        "told": 6,
        "may_hold": 53,
        "decided": 12,
        "not_looked": 0,
        "redacted": 29,
        "read_a_second_time": 261,
        "not_read_because": "",
    },
    "faces": {
        "looked_for": True,
        "series": {"defaced": 14, "no_face_in_view": 8, "as_it_is": 2, "no_head": 77},
        "files": {"defaced": 1404, "no_face_in_view": 808, "as_it_is": 202, "no_head": 1577},
        "to_be_looked_at": 10,
    },
    "searched": {"terms": 5303, "page_words": 41, "files": {"OMOP tables": 13}, "bytes": {"OMOP tables": 77_321}},
    "safe_harbor": [{"item": "1", "what": "Names", "what was done": "emptied", "proof": "leaks pass"}],
    "uid_method": "keyed",
    "shift_code": 4,
    "versions": {"chorus-nb": "v"},
}
for _check in FACTS["checks"]:
    _check.update(findings=0, held=0)


def sentences(facts: dict[str, Any]) -> str:
    return "\n".join(sentence for section in sections_of(facts) for sentence in section.sentences)


def leaves(facts: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(facts, dict):
        return [leaf for name, value in facts.items() for leaf in leaves(value, (*path, name))]
    return [path] if isinstance(facts, int) and not isinstance(facts, bool) else []


@pytest.mark.parametrize("path", leaves(FACTS), ids=".".join)
def test_another_number_is_another_sentence(path: tuple[str, ...]) -> None:
    changed = copy.deepcopy(FACTS)
    owner = changed
    for name in path[:-1]:
        owner = owner[name]
    owner[path[-1]] += 100_000
    assert sentences(changed) != sentences(FACTS)


def test_no_number_is_said_that_is_no_fact() -> None:
    def values(facts: object) -> list[int]:
        if isinstance(facts, dict):
            return [number for value in facts.values() for number in values(value)]
        return [facts] if isinstance(facts, int) and not isinstance(facts, bool) else []

    known = set(values(FACTS)) | {
        21,
        22,
        1,
        54,
        96,
    }  # of the checks; one more than may hold text; % the detector finds
    known |= {sum(FACTS["policy"]["actions"].values()), sum(FACTS["faces"]["series"].values())}
    said = sentences(FACTS).replace("95 % confidence", "").replace("BLAKE3", "").replace("PS3.15", "")
    assert {int(one.replace(",", "")) for one in re.findall(r"(?<![\w])\d[\d,]*(?![\w])", said)} - known == set()


def test_what_was_not_run_is_said_with_its_reason() -> None:
    assert checks_said(FACTS["checks"]) == ("21 of 22 checks passed, 1 was not run (visits: there is no linkage).")
    failed = [*FACTS["checks"], {"check": "dates", "result": "fail", "why": ""}]
    assert checks_said(failed).startswith("21 of 23 checks passed") and checks_said(failed).endswith("failed: dates.")


def test_pictures_that_nobody_read_are_not_said_to_be_read() -> None:
    text = FACTS["text_in_pictures"]
    said = text_said(text)
    assert (
        "3,017 pictures were read; 1,172 are in groups of which 134 were read and 6 held text that may identify" in said
    )
    assert "fewer than 54 of 1,172" in said and "12 were decided by a person" in said
    skipped = text_said(text | {"looked_for": False, "not_read_because": "burned_in_text is skip"})
    assert skipped.startswith("Nobody looked") and "were read" not in skipped and "No second reader" in skipped


def test_faces_are_told_by_what_became_of_them() -> None:
    said = faces_said(FACTS["faces"])
    assert said.startswith("Of 101 series that could show a face, 14 (1,404 files) had their face removed; ")
    assert "2 (202 files) leave with a face that a reviewer signed for" in said
    assert faces_said({"looked_for": True, "series": {}, "files": {}, "to_be_looked_at": 0}).startswith("No released")
    odd = {"looked_for": False, "series": {"held": 1}, "files": {"held": 4}, "to_be_looked_at": 0}
    assert "1 (4 files) are on record as held" in faces_said(odd) and "Nobody was to look" in faces_said(odd)


def test_what_the_site_chose_is_said(release: Workspace) -> None:
    verify_tree(release)
    change = {"keep_device_identifiers": True, "omop_columns": ["measurement.value_source_value"], "deface": "skip"}
    change |= {"shift_code": 0}
    (release.decisions / LABELS).parent.mkdir(parents=True, exist_ok=True)
    (release.decisions / LABELS).write_text("R\n\nPORTABLE\n")
    bold = Workspace(release.parameters.model_copy(update=change))
    facts = certificate_facts(bold, all_checks(bold), "")
    said = " ".join(facts["opted_in"])
    assert "serial numbers" in said and "measurement.value_source_value" in said and "heads of volumes: skip" in said
    assert "none is shifted" in said and facts["decided_by_persons"]["labels"] == 2
    [dates] = [row["what was done"] for row in facts["safe_harbor"] if row["item"] == "3"]
    assert dates.startswith("no date of an image is shifted (shift_code 0)")
    usual = " ".join(certificate_facts(release, all_checks(release), "")["opted_in"])
    assert "serial numbers" not in usual and "private elements" in usual  # kept by default is said as well


def test_page_and_pdf_say_the_same_and_are_the_same_bytes_again() -> None:
    sections = sections_of(FACTS)
    page, pdf = html_certificate(sections), pdf_certificate(sections)
    assert (page, pdf) == (html_certificate(sections_of(FACTS)), pdf_certificate(sections_of(FACTS)))
    assert "Zürich &lt;b&gt;" in page.decode() and "<script" not in page.decode()
    shown = " ".join(re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", pdf.decode("latin-1")))
    shown = re.sub(r"\\(.)", r"\1", shown)
    for word in set(re.findall(r"\w+", re.sub(r"<style.*?</style>|<[^>]*>", " ", html.unescape(page.decode())))):
        assert word in shown or not word.isascii() or len(word) > 40, word
    assert pdf != pdf_certificate(sections_of(FACTS | {"files": 4202}))


def test_an_identifier_in_the_pdf_would_be_found(release: Workspace) -> None:
    verify(release)
    pdf = pdf_certificate(sections_of(FACTS | {"site": "MRN-77120034"}))
    assert search_contents(release, {"a.pdf": pdf}) == ["a.pdf"]
    assert search_contents(release, {"a.pdf": pdf_certificate(sections_of(FACTS))}) == []


def test_the_pdf_has_every_letter_of_a_name_and_the_search_reads_it(release: Workspace) -> None:
    """A site in any script; a decomposed letter is the composed one; what no font has is told by its code."""
    verify(release)
    site = "Łukasz, 李, A\u030angstro\u0308m; MRN-77120034"
    pdf = pdf_certificate(sections_of(FACTS | {"site": site}))
    assert pdf == pdf_certificate(sections_of(FACTS | {"site": site})), "the same bytes again"
    glyphs = set(re.findall(rb"<[0-9A-F]{4}> <([0-9A-F]{4})>", pdf))  # of the font, to Unicode
    assert {f"{ord(letter):04X}".encode() for letter in "Łukasz[U+674E]"} <= glyphs
    assert b"?" not in pdf[pdf.index(b"/Subject") :][:200] and b"\\u674e" in pdf
    assert search_contents(release, {"a.pdf": pdf}) == ["a.pdf"]
    latin = pdf_certificate(sections_of(FACTS | {"site": "A\u030angstro\u0308m"}))
    assert "(Verification certificate of Ångström)".encode("latin-1") in latin and b"DejaVu" not in latin


def test_a_pdf_is_made_anew_whenever_a_word_a_number_or_the_code_changed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And taken from memory else, the same bytes; what is damaged there is made anew, too."""
    sections, count = [Section("One", ["said"], pd.DataFrame({"n": [1]}))], list[int]()
    monkeypatch.setattr(certificate_pdf, "pdf_certificate", lambda said: count.append(1) or repr(said).encode())
    first = remembered_pdf(workspace, sections)
    assert first == repr(sections).encode() == remembered_pdf(workspace, sections) and len(count) == 1
    others = [
        [Section("One", ["other"], pd.DataFrame({"n": [1]}))],
        [Section("One", ["said"], pd.DataFrame({"n": [2]}))],
        [Section("One", ["said"], pd.DataFrame({"n": [2.0]}))],
        [Section("One", ["said"], None)],
    ]
    for other in others:
        assert remembered_pdf(workspace, other) == repr(other).encode()
    assert len(count) == 1 + len(others) and len(list((workspace.local / DRAWN_FOLDER).iterdir())) == 1
    [kept] = (workspace.local / DRAWN_FOLDER).iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    remembered_pdf(workspace, others[-1])
    module = sys.modules[remembered_pdf.__module__]
    monkeypatch.setattr(module, "PDF_RECIPE", PDF_RECIPE._replace(libraries=()))
    remembered_pdf(workspace, others[-1])
    assert len(count) == 3 + len(others)
