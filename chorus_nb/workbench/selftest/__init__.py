"""The self-test: copies of a site's own files get invented identifiers, run the chain, and what was left is counted.

All of it happens below ``local/selftest`` and is destroyed at the end. The report names kinds, places and counts only:
it may be shared.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from itertools import count, islice, zip_longest
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pydicom

from chorus_nb import deid, explore, mapping, metadata, pixels, registry, tables
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.processes import Progress
from chorus_nb.processes.child import in_child
from chorus_nb.verify import verify
from chorus_nb.workbench.selftest.invented import Invented
from chorus_nb.workbench.selftest.left import not_tried, trial_report
from chorus_nb.workbench.selftest.page import record, write_page
from chorus_nb.workbench.selftest.pictures import drawn, head_slices
from chorus_nb.workbench.selftest.plants import Plants, write_tables
from chorus_nb.workspace import Workspace, write_if_changed

SCRATCH = "selftest"  # below local/
REPORT = "selftest.csv"  # below audit/
MOST_PEOPLE = 900  # people there are
MOST_DRAWN = 6  # pictures that a text is drawn into


class Trial(NamedTuple):
    """``report``: ``place, kind, tried, left, lost``, a row each. ``missing``: in words, what was not tried."""

    report: pd.DataFrame
    missing: list[str]
    page: Path


def selftest(parameters: Parameters, files: int = 40, progress: Progress | None = None) -> Trial:
    """Try it; the report goes to ``audit/selftest.csv`` and a page.

    ``files``: how many are copied, of every kind in turn; 0 = all. :class:`InputError` where the source has none.
    """
    site = Workspace(parameters).create()
    if not site.has(tables.CATALOG):
        explore.scan(site, progress)
    chosen = chosen_files(site, files)
    if not chosen:
        raise InputError("selftest: the source has no image of a kind that is released (kinds)")
    folder = site.local / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    try:
        plants = plant_copies(site, chosen, folder)
        scratch = scratch_workspace(site, folder)
        look_at_copies(scratch, progress)
        clean_copies(scratch, progress)
        report = trial_report(scratch, plants)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_if_changed(site.audit / REPORT, tables.csv_bytes(report))
    missing = not_tried(parameters, plants)
    page = write_page(site, report, missing)
    record(site, report, page)
    return Trial(report, missing, page)


def chosen_files(site: Workspace, files: int) -> list[str]:
    """Files of every modality, class and maker in turn; those that were released, where 03 has run."""
    catalog = site.read(tables.CATALOG)
    kept = catalog[(catalog.status == "dicom") & catalog.Modality.isin(site.parameters.kinds)]
    if site.has(tables.OUTCOMES):
        outcomes = site.read(tables.OUTCOMES)
        kept = kept[kept.source_path.isin(outcomes.source_path[outcomes.status == "released"])]
    kept = kept.drop_duplicates("SOPInstanceUID")  # two of one would be in conflict
    groups = [list(own.source_path) for _, own in kept.groupby(["Modality", "SOPClassUID", "Manufacturer"], sort=True)]
    turns = (path for turn in zip_longest(*groups) for path in turn if path)
    return list(islice(turns, min(files or MOST_PEOPLE, MOST_PEOPLE)))


def plant_copies(site: Workspace, chosen: Sequence[str], folder: Path) -> Plants:
    """Write the copies, each with a person of its own, some a second time with a text in the picture, and a head."""
    for name in ("source", "lookup", "omop"):
        (folder / name).mkdir(parents=True)
    plants, people = Plants(), map(Invented.made, count(1))
    parameters = site.parameters
    seen = Counter[str]()
    for source_path in chosen:
        content = site.source.read(source_path)
        try:
            dataset = pydicom.dcmread(BytesIO(content), force=True)
            plants.add(folder / "source", dataset, next(people))
        except Exception:  # whatever a file of a site leads to here: it is not among those tried
            plants.not_prepared += 1
            continue
        kind = str(dataset.get("Modality", ""))
        if parameters.burned_in_text != "skip" and seen.total() < MOST_DRAWN and seen[kind] < 2:
            seen[kind] += _draw(content, next(people), folder / "source", plants)
    if parameters.deface != "skip" and "CT" in parameters.kinds:
        person = next(people)
        plants.head = [
            plants.add(folder / "source", slice_, person, number) for number, slice_ in enumerate(head_slices(), 1)
        ]
        plants.tried["picture", "face"] = 1
    write_tables(plants, folder)
    return plants


def _draw(content: bytes, person: Invented, folder: Path, plants: Plants) -> bool:
    lines = f"{person.family.upper()}, {person.given}", f"{person.number} {person.day(1)}"
    try:
        dataset = pydicom.dcmread(BytesIO(in_child(drawn, content, lines)), force=True)
        path = plants.add(folder, dataset, person)
    except Exception:  # too small, of another kind, or not to be decoded
        return False
    plants.copies[path] = plants.copies[path]._replace(drawn=lines)
    plants.tried["picture", "text"] += 1
    return True


def scratch_workspace(site: Workspace, folder: Path) -> Workspace:
    """The workspace of the trial: the site's parameters but for where things are, and its decisions on words, tags and
    devices."""
    own = {name: str(folder / name) for name in ("source", "lookup", "omop", "workspace")}
    elsewhere = {"key_file": "", "registry_url": "", "upload_url": "", "cohort": "", "orders": "", "pacs": []}
    changed = {**own, **elsewhere, "visit_policy": "blank", "omop_tables": []}
    changed["decisions"] = str(site.decisions) if site.decisions.is_dir() else ""
    return Workspace(site.parameters.model_copy(update=changed)).create()


def look_at_copies(scratch: Workspace, progress: Progress | None = None) -> None:
    """01 and 02 over the copies."""
    explore.scan(scratch, progress)
    explore.link(scratch)
    explore.profile(scratch)
    mapping.make_plan(scratch)


def clean_copies(scratch: Workspace, progress: Progress | None = None) -> None:
    """03, 04 and 05 over the copies."""
    deid.make_worklist(scratch, progress)
    deid.deidentify(scratch, progress)
    pixels.prove(scratch, progress)
    verify(scratch, progress)
    make_tables(scratch, progress)


def make_tables(scratch: Workspace, progress: Progress | None = None) -> None:
    """05 over what 03 and 04 left."""
    registry.build_registry(scratch, progress)
    registry.build_omop(scratch)
    metadata.build_metadata(scratch, progress)
