"""What a site writes beside what is asked for, in its lookup tables and in the notes of its decisions, stays there."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import deid, explore
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping.overrides import decide
from chorus_nb.mapping.text_words import decide_words
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.release import pack
from chorus_nb.verify import checks, require_pass, verify
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite
from tests.small_release import Accession, ready, write_omop

MARK = "Zyx{}quell"
PLACES = ("person", "image", "tag", "word", "picture", "face", "header")


def mark(place: str) -> str:
    return MARK.format(place)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    site = SmallSite(tmp_path_factory.mktemp("planted") / "site")
    persons, images = "PatientID,person_id,Days_Shifted", "PatientID,AccessionNumber,image_occurence_id"
    site.lookup("Personal_map", f"{persons},{mark('header')}\nMRN-1,1001,-100,{mark('person')}\n")
    site.lookup("Image_map", f"{images},remark\nMRN-1,ACC-1,501,{mark('image')}\n")
    kind = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "StudyDescription": "CT Threlkeldine", "KVP": "120"}
    site.add_series(3, **kind)
    write_omop(site.folder / "omop", (Accession("MRN-1", "ACC-1", 1001, 501, -100, "2024-02-29 07:27:30"),))
    workspace = site.open()
    decide(workspace, "(0008,1010)", "X", mark("tag"), "A. Reviewer")
    decide_words(workspace, ["threlkeldine"], "approve", mark("word"), "A. Reviewer")
    IMAGE_LOG.append(workspace, "A. Reviewer", {"item": "series/0003", "decision": "reject", "note": mark("picture")})
    FACE_LOG.append(workspace, "A. Reviewer", {"item": "1.2.3.4.5", "decision": "release", "note": mark("face")})
    explore.scan(workspace)
    explore.link(workspace)
    deid.make_worklist(workspace)
    deid.deidentify(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    ready(workspace)
    pack(workspace)
    return workspace


def read(path: Path) -> Iterator[bytes]:
    """What a file says, its cells and members included."""
    yield path.name.encode()
    content = path.read_bytes()
    yield gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    if path.suffix == ".parquet":
        yield pd.read_parquet(path).to_csv().encode()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from map(archive.read, archive.namelist())


@pytest.mark.parametrize("place", PLACES)
def test_no_marker_in_a_lookup_table_or_a_decision_leaves(packed: Workspace, place: str) -> None:
    local = b"".join(path.read_bytes() for path in (packed.local / "decisions").rglob("*") if path.is_file())
    planted = local + b"".join(path.read_bytes() for path in Path(packed.parameters.lookup).iterdir())
    assert mark(place).encode() in planted
    leaving = [path for folder in (packed.release, packed.audit) for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in leaving if path.suffix == ".dcm"]) == 2
    assert [path for path in leaving if any(mark(place).encode().lower() in said.lower() for said in read(path))] == []
