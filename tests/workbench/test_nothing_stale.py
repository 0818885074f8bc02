"""After a lookup, a parameter, a person or the key is another nothing says any more what was said before, anywhere.

``history.csv`` beside it lists the places that keep what was delivered or changed, each with its reason.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow.parquet as pq
import pydicom
import pytest
from pydicom.uid import MRImageStorage

from chorus_nb import deid, explore, mapping, metadata, tables
from chorus_nb.faces import MASKS_FOLDER
from chorus_nb.metadata import build_metadata
from chorus_nb.parameters import Parameters
from chorus_nb.registry import build_mi_cdm, build_omop, build_registry, check_registry
from chorus_nb.release import pack
from chorus_nb.release.manifest import record_delivery
from chorus_nb.seal import seal_release
from chorus_nb.verify import file_checks, previews, verify
from chorus_nb.verify.file_checks import Pair
from chorus_nb.verify.findings import Finding
from chorus_nb.workbench.index import write_indexes
from chorus_nb.workbench.lists import write_evidence
from chorus_nb.workbench.site_keys import rotate_key
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, run
from tests.small_release import PERSON, PROCEDURE, VISIT

HISTORY = list(csv.DictReader(Path(__file__).with_name("history.csv").read_text(encoding="utf-8").splitlines()))
PERSONS = "PatientID,person_id,Days_Shifted\nMRN-1,700001,-100\nMRN-2,700002,-37\nMRN-2B,700002,-37\nMRN-3,700003,-61\n"
IMAGES = "PatientID,AccessionNumber,image_occurence_id\n"
ACCESSIONS = {"ACC-1": "MRN-1", "ACC-2": "MRN-2", "ACC-3": "MRN-2B", "ACC-4": "MRN-3", "ACC-5": "MRN-1"}
IMAGES += "".join(f"{patient},{accession},81000{accession[-1]}\n" for accession, patient in ACCESSIONS.items())
ACQUIRED = {"ACC-1": "20240301", "ACC-2": "20240402", "ACC-3": "20240503", "ACC-4": "20240604", "ACC-5": "20240811"}


def of_a_second_image(pair: Pair, _: Parameters) -> Iterator[Finding]:
    """Holds back what is the second image of its series: 03 makes something wrong of it every time."""
    if file_checks.text(pair.release, 0x00200013) == "2":
        yield Finding("removed", "high", pair.task.target_path, "(0018,0060)", "has a value")


def make_again(workspace: Workspace) -> Workspace:
    """What 01 to 06 write, but for the pages of the notebooks, which each run writes anew under their names."""
    explore.scan(workspace)
    explore.profile(workspace)
    explore.link(workspace)
    explore.assess(workspace)
    mapping.text_words(workspace)
    metadata.local_fields(workspace)
    mapping.make_plan(workspace)
    deid.make_worklist(workspace)
    deid.outlook(workspace)
    deid.deidentify(workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(file_checks.FILE_CHECKS, "removed", of_a_second_image)
        verify(workspace)
    assert len([*workspace.quarantine.rglob("*.dcm")]) == 1
    assert len(previews(workspace)) == len(delivered(workspace))
    build_registry(workspace)
    build_metadata(workspace)
    build_omop(workspace)
    build_mi_cdm(workspace)
    check_registry(workspace)
    seal_release(workspace)
    pack(workspace)
    record_delivery(workspace)
    write_evidence(workspace)
    write_indexes(workspace)
    return workspace


def open_site(site: SmallSite, **parameters: object) -> Workspace:
    return site.open(**{"site": "north", "omop_tables": ["person"], "deface": "flag", "held_share": 1.0, **parameters})


def omop_persons(site: SmallSite, *persons: int) -> None:
    rows = "".join(f"{person},8532,1950,,,,8527,0,,,,,F,0,,0,,0\n" for person in persons)
    (site.folder / "omop/person.csv").write_text(PERSON + rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = SmallSite(tmp_path_factory.mktemp("stale") / "site")
    site.lookup("Personal_map", PERSONS)
    site.lookup("Image_map", IMAGES)
    omop_persons(site, 700001, 700002, 700003)
    (site.folder / "omop/visit_occurrence.csv").write_text(VISIT)
    (site.folder / "omop/procedure_occurrence.csv").write_text(PROCEDURE)
    for accession, patient in ACCESSIONS.items():
        uid, date = f"1.2.826.77.{accession[-1]}", ACQUIRED[accession]
        dates = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), date)
        ids = {"PatientID": patient, "AccessionNumber": accession, "InstanceNumber": 1}
        if accession == "ACC-5":
            ids |= {"Modality": "MR", "SOPClassUID": MRImageStorage}
        site.add(f"all/{accession}", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", **ids, **dates)
        if accession == "ACC-4":
            again = {**ids, **dates, "InstanceNumber": 2}
            site.add(f"all/{accession}-2", StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", **again)
    make_again(open_site(site))
    return site.folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> SmallSite:
    shutil.copytree(made, tmp_path / "site")
    found = SmallSite.__new__(SmallSite)
    found.folder, found.dicom = tmp_path / "site", tmp_path / "site" / "dicom"
    return found


def said(path: Path) -> bytes:
    """All that a file says; a database as its bytes are."""
    if path.suffix == ".parquet":
        cells = [cell for column in pq.read_table(path).columns for cell in column.to_pylist()]
        return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
    return path.read_bytes()


def standing(workspace: Workspace, *values: str) -> dict[str, set[str]]:
    """Where earlier values stand still, but for the places that keep them rightly.

    A number within a longer one or a digest is another; only in a database text follows text without a sign between.
    """
    found: dict[str, set[str]] = {}
    for path in (path for path in workspace.root.rglob("*") if path.is_file()):
        name = path.relative_to(workspace.root).as_posix()
        content = said(path) + b"\n" + name.encode()
        within = content.startswith(b"SQLite")
        for value in values:
            shape = re.escape(value) if within else rf"(?<![^\W_]){re.escape(value)}(?![^\W_])"
            if re.search(shape.encode(), content) and not any(fnmatchcase(name, row["place"]) for row in HISTORY):
                found.setdefault(name, set()).add(value)
    return found


def delivered(workspace: Workspace) -> dict[str, pydicom.Dataset]:
    """The released images by their accession number there."""
    images = [pydicom.dcmread(path) for path in workspace.release.rglob("*.dcm")]
    return {str(image.AccessionNumber): image for image in images}


def corrected(site: SmallSite) -> None:
    text = PERSONS.replace("MRN-1,700001,-100", "MRN-1,700001,-107").replace("MRN-3,700003", "MRN-3,700009")
    site.lookup("Personal_map", text)
    site.lookup("Image_map", IMAGES.replace("810002", "810099"))
    omop_persons(site, 700001, 700002, 700009)


def split_and_merged(site: SmallSite) -> None:
    text = PERSONS.replace("MRN-2B,700002,-37", "MRN-2B,700008,-50").replace("MRN-3,700003,-61", "MRN-3,700001,-100")
    site.lookup("Personal_map", text)
    omop_persons(site, 700001, 700002, 700008)


def split_merged_and_rotated(site: SmallSite) -> None:
    split_and_merged(site)
    workspace = open_site(site)
    (workspace.local / MASKS_FOLDER).mkdir(exist_ok=True)
    (workspace.local / MASKS_FOLDER / f"{0:032}.parquet").write_bytes(b"a face that was found once")
    rotate_key(workspace, by="A. Keeper", note="the copy on a laptop is gone")


UIDS = [f"UIDs of 81000{n}" for n in range(1, 6)]
CHANGES: dict[str, tuple[Callable[[SmallSite], object], dict[str, object], list[str]]] = {
    "shift, person, accession, uid_method and kinds": (
        corrected,
        {"uid_method": "ctp", "kinds": ["CT"]},
        ["date of 810001", "700003", "810002", "Images/MR/810005", *UIDS],
    ),
    "split, merged, another key and no faces": (
        split_merged_and_rotated,
        {"deface": "skip"},
        ["date of 810003", "date of 810004", "700003", "700002/Images/CT/810003", *UIDS],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_of_what_was_said_before_is_found(site: SmallSite, name: str) -> None:
    change, parameters, earlier = CHANGES[name]
    before = delivered(open_site(site))
    values: list[str] = []
    for what in earlier:
        image = before.get(what.rpartition(" ")[2])
        if what.startswith("date"):
            values += [image.StudyDate, f"{image.StudyDate[:4]}-{image.StudyDate[4:6]}-{image.StudyDate[6:]}"]
        elif what.startswith("UIDs"):
            values += [image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID]
        else:
            values.append(what)
    assert {value for found in standing(open_site(site), *values).values() for value in found} == set(values)
    change(site)
    workspace = make_again(open_site(site, **parameters))
    assert len(delivered(workspace)) == (4 if "kinds" in name else 5)
    assert standing(workspace, *values) == {}
    if "faces" in name:
        assert workspace.read(tables.FACE_VERDICTS).empty and not [*(workspace.local / MASKS_FOLDER).glob("*.parquet")]


def test_a_place_that_keeps_what_was_says_why(made: Path) -> None:
    there = [path.relative_to(made / "workspace").as_posix() for path in (made / "workspace").rglob("*")]
    there += ["local/retired_keys/000001.key", "local/uid_map.csv"]  # of a rotation
    for row in HISTORY:
        assert row["why"] and any(fnmatchcase(path, row["place"]) for path in there), row["place"]


def test_what_was_kept_of_a_file_that_is_gone_follows_too(site: SmallSite) -> None:
    original = (site.dicom / "all/ACC-3").read_bytes()
    (site.dicom / "all/ACC-3").unlink()
    omop_persons(site, 700001, 700002, 700003, 700008)
    workspace = open_site(site)
    originals = workspace.local / "originals"
    for person, shift in (("700002", "-44"), ("700008", "-44")):  # first in its place, then in another
        text = PERSONS.replace("-37", shift)
        site.lookup("Personal_map", text.replace("MRN-2B,700002", f"MRN-2B,{person}"))
        run(workspace)
        assert delivered(workspace)["810003"].PatientID == person
        assert workspace.source.read("all/ACC-3") == original, "04 compares with it"
        places = [
            path for part in originals.glob("*.parquet") for path in pq.read_table(part)["target_path"].to_pylist()
        ]
        assert sorted(path[:6] for path in places) == sorted(["700001", "700001", "700002", "700003", person])
