"""The self-test: copies of a site's own files get invented identifiers, run the chain, and what was left is counted.

All of it happens below ``local/selftest`` and is destroyed at the end. The report names kinds, places and counts only:
it may be shared. Not tried here: text drawn into pictures and faces.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from chorus_nb import deid, explore, mapping, registry, tables
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.processes import Progress
from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace, write_if_changed

_SCRATCH = "selftest"  # below local/
REPORT = "selftest.csv"  # below audit/
_TEXTS = ("LO", "LT", "ST", "UC", "UT", "SH")
_TECHNIQUE = (
    *(
        "Modality",
        "Rows",
        "Columns",
        "BitsStored",
        "PhotometricInterpretation",
        "PixelSpacing",
        "SliceThickness",
        "KVP",
    ),
    *("ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "InstanceNumber"),
)
_SYLLABLES = ("zor", "quib", "vex", "thrun", "plok", "wixt", "gorv", "murz", "kluv", "jask")
_COLUMNS = ["place", "kind", "tried", "left", "lost"]
_PROCEDURES = (
    "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_datetime,procedure_end_date,"
    "procedure_end_datetime,procedure_type_concept_id,modifier_concept_id,quantity,provider_id,visit_occurrence_id,"
    "visit_detail_id,procedure_source_value,procedure_source_concept_id,modifier_source_value\n"
)


class Invented(NamedTuple):
    """A person who does not exist: each text is searched for in the release, by its kind."""

    family: str
    given: str
    number: str
    accession: str
    telephone: str
    born: str

    @classmethod
    def made(cls, index: int) -> Invented:
        first, second, third = index % 10, index // 10 % 10, index // 100 % 10
        family, given = (
            _SYLLABLES[first] + _SYLLABLES[second] + _SYLLABLES[third],
            _SYLLABLES[second] + _SYLLABLES[first],
        )
        number = f"{index:04d}"
        return cls(
            family=family.title(),
            given=f"{given}ab".title(),
            number=f"Q7{number}93",
            accession=f"ZK{number}481",
            telephone=f"617-555-{number}",
            born=f"1934{1 + first:02d}17",
        )

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def selftest(parameters: Parameters, files: int = 40, progress: Progress | None = None) -> pd.DataFrame:
    """``place, kind, tried, left, lost``, a row each, also written to ``audit/selftest.csv``.

    ``files``: how many are copied, of every kind in turn. :class:`InputError` where the source has none to try.
    """
    site = Workspace(parameters).create()
    if not site.has(tables.CATALOG):
        explore.scan(site, progress)
    chosen = _chosen(site, files)
    if not chosen:
        raise InputError("selftest: the source has no image of a kind that is released (kinds)")
    folder = site.local / _SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    try:
        report = _run(site, chosen, folder, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_if_changed(site.audit / REPORT, tables.csv_bytes(report))
    return report


def score(report: pd.DataFrame) -> float:
    """1 where nothing was left and nothing lost, less for each of either."""
    return float(1 - (report.left.sum() + report.lost.sum()) / max(1, report.tried.sum()))


def _chosen(site: Workspace, files: int) -> list[str]:
    """Files of every modality, class and maker in turn; those that were released, where 03 has run."""
    catalog = site.read(tables.CATALOG)
    kept = catalog[(catalog.status == "dicom") & catalog.Modality.isin(site.parameters.kinds)]
    if site.has(tables.OUTCOMES):
        outcomes = site.read(tables.OUTCOMES)
        kept = kept[kept.source_path.isin(outcomes.source_path[outcomes.status == "released"])]
    kept = kept.drop_duplicates("SOPInstanceUID")  # two of one would be in conflict
    groups = [list(own.source_path) for _, own in kept.groupby(["Modality", "SOPClassUID", "Manufacturer"], sort=True)]
    turns = (path for turn in zip_longest(*groups) for path in turn if path)
    return list(islice(turns, files))


def _run(site: Workspace, chosen: list[str], folder: Path, progress: Progress | None) -> pd.DataFrame:
    for name in ("source", "lookup", "omop"):
        (folder / name).mkdir(parents=True)
    people, planted = {}, Counter[tuple[str, str]]()
    kept: dict[str, Mapping[str, str]] = {}
    for index, source_path in enumerate(chosen):
        person = people[index] = Invented.made(index + 1)
        try:
            dataset = pydicom.dcmread(BytesIO(site.source.read(source_path)), force=True)
            name = f"{person.family}_{person.given}/{person.number}_{index}.dcm"
            technique = _technique(dataset)
            made = list(_planted(dataset, person))
            _write(dataset, person, folder / "source" / name)
        except Exception:  # whatever a file of a site leads to here: it is not among those tried
            del people[index]
            continue
        kept[name] = technique
        planted.update(made)
        planted.update([("file name", "name"), ("file name", "number"), ("outside the data set", "name")])
    _tables(people, folder)
    planted.update({("OMOP table", "name"): len(people), ("OMOP table", "number"): len(people)})
    scratch = _chain(site.parameters, folder, progress)
    left = Counter(_left(scratch, people))
    return _report(scratch, planted, left, kept, len(chosen) - len(people))


def _planted(dataset: Dataset, person: Invented) -> Iterator[tuple[str, str]]:
    """Put the person into every text that the file has, at any depth, and where any file may have one."""
    dataset.PatientTelephoneNumbers, dataset.PatientBirthDate = person.telephone, person.born
    dataset.AdditionalPatientHistory = "seen before"
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestingPhysician = "chest", "x"
    if "RequestAttributesSequence" not in dataset:
        dataset.RequestAttributesSequence = Sequence([request])
    dataset.private_block(0x0099, "CHORUS SELFTEST", create=True).add_new(1, "LO", "note")
    yield from (("tag", "telephone"), ("tag", "date of birth"))
    for place, element in list(_elements(dataset, False)):
        if element.tag.is_private_creator or element.keyword in ("Modality", "SpecificCharacterSet"):
            continue
        if element.VR == "PN":
            element.value = f"{person.family}^{person.given}"
            yield place, "name"
        elif element.keyword == "SeriesDescription" or (element.VR in _TEXTS and element.VR != "SH"):
            own = str(element.value or "")[:30].replace("\\", " ").strip()
            element.value = f"{own} {person.name}".strip()
            yield place, "name"
        elif element.VR == "SH":
            element.value = person.number
            yield place, "number"
        elif element.VR == "UN" and isinstance(element.value, bytes) and len(element.value) < 1000:
            element.value += f" {person.family} ".encode()[: 2 * (len(person.family) // 2 + 1)]
            yield place, "name"
    dataset.PatientID, dataset.AccessionNumber = person.number, person.accession
    yield from (("tag", "number"), ("tag", "accession"))


def _elements(dataset: Dataset, nested: bool) -> Iterator[tuple[str, DataElement]]:
    """Every element with its place: tag, private or nested."""
    for element in dataset:
        place = "nested" if nested else "private" if element.tag.is_private else "tag"
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item, True)
        else:
            yield place, element


def _write(dataset: Dataset, person: Invented, path: Path) -> None:
    """The file, with the name in its preamble and behind its last element."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.preamble = person.name.encode().ljust(128, b"\0")
    dataset.add_new(0xFFFCFFFC, "OB", person.name.encode().ljust(64, b"\0"))
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _tables(people: Mapping[int, Invented], folder: Path) -> None:
    persons = [(one.number, 700000 + index, -37) for index, one in people.items()]
    images = [(one.number, one.accession, 800000 + index) for index, one in people.items()]
    procedures = [
        f"{900000 + index},{700000 + index},4180642,2024-01-30,,,,32833,,1,,,,CT of {one.name} {one.number},0,\n"
        for index, one in people.items()
    ]
    for table, rows in ((tables.PERSON_MAP, persons), (tables.IMAGE_MAP, images)):
        frame = pd.DataFrame(rows, columns=table.column_names)
        (folder / "lookup" / f"{table.name}.csv").write_bytes(tables.csv_bytes(frame))
    (folder / "omop" / "procedure_occurrence.csv").write_text(_PROCEDURES + "".join(procedures))


def _chain(parameters: Parameters, folder: Path, progress: Progress | None) -> Workspace:
    """01 to 05 over the copies, with the site's policy and decisions about words and tags; faces are not looked at."""
    own = {name: str(folder / name) for name in ("source", "lookup", "omop", "workspace")}
    changed = {**own, "visit_policy": "blank", "deface": "skip", "key_file": "", "cohort": "", "omop_tables": []}
    changed["decisions"] = str(Workspace(parameters).decisions) if Workspace(parameters).decisions.is_dir() else ""
    scratch = Workspace(parameters.model_copy(update=changed)).create()
    explore.scan(scratch, progress)
    explore.link(scratch)
    explore.profile(scratch)
    mapping.make_plan(scratch)
    deid.make_worklist(scratch, progress)
    deid.deidentify(scratch, progress)
    verify(scratch, progress)
    registry.build_registry(scratch, progress)
    registry.build_omop(scratch)
    registry.build_metadata(scratch, progress)
    return scratch


def _left(scratch: Workspace, people: Mapping[int, Invented]) -> Iterator[tuple[str, str]]:
    """Place and kind of every invented text that stands in the release."""
    kinds = {"family": "name", "given": "name"}
    wanted = [
        (kinds.get(field, field), text.lower().encode())
        for one in people.values()
        for field, text in one._asdict().items()
        if field != "born"  # the same day for many: of each image its own place is asked
    ]
    born = {one.born for one in people.values()}
    for path in sorted(scratch.release.rglob("*")):
        if not path.is_file():
            continue
        name, content = str(path.relative_to(scratch.release)).lower().encode(), path.read_bytes().lower()
        yield from (("file name", kind) for kind, text in wanted if text in name)
        found = [(kind, text) for kind, text in wanted if text in content]
        if path.suffix != ".dcm":
            yield from (("OMOP table", kind) for kind, _ in found)
            continue
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        if str(dataset.get("PatientBirthDate", "")) in born:
            yield "tag", "date of birth"
        values = [(place, str(e.value).lower().encode()) for place, e in _elements(dataset, False)] if found else []
        for kind, text in found:
            places = [place for place, value in values if text in value]
            yield from ((place, kind) for place in places or ["outside the data set"])


def _technique(dataset: Dataset) -> dict[str, str]:
    return {name: str(dataset[name].value) for name in _TECHNIQUE if name in dataset and str(dataset[name].value)}


def _report(
    scratch: Workspace,
    planted: Counter[tuple[str, str]],
    left: Counter[tuple[str, str]],
    kept: Mapping[str, Mapping[str, str]],
    not_prepared: int,
) -> pd.DataFrame:
    outcomes = scratch.read(tables.OUTCOMES)
    rows: list[tuple[str, str, int, int, int]] = [
        (*one, planted[one], left[one], 0) for one in sorted({*planted, *left})
    ]
    lost, asked = Counter[str](), Counter[str]()
    for row in outcomes[outcomes.status == "released"].itertuples():
        released = pydicom.dcmread(scratch.release / row.target_path, stop_before_pixels=True)
        for name, value in kept.get(row.source_path, {}).items():
            asked[name] += 1
            lost[name] += str(released.get(name, "")) != value
    rows += [("kept", name, asked[name], 0, lost[name]) for name in sorted(asked)]
    stayed = outcomes[outcomes.status != "released"]
    rows += [("files", "run", len(outcomes), 0, 0), ("files", "could not be written anew", not_prepared, 0, 0)]
    rows += [("files", str(reason), 0, 0, int(number)) for reason, number in stayed.reason.value_counts().items()]
    return pd.DataFrame(rows, columns=_COLUMNS)
