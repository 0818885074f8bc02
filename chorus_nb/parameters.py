"""Every parameter of the workbench: one flat, typed model, checked before anything runs."""

from __future__ import annotations

import csv
import difflib
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from chorus_nb.errors import InputError
from chorus_nb.secrecy import may_hold_secret
from chorus_nb.sop import kinds_that_go, omop_deliverable
from chorus_nb.source import SCHEMES, Deliveries, Source, is_store, open_source

DicomPlace = Annotated[
    str,
    StringConstraints(pattern=r"^(dimse(\+tls)?(\+get)?://[\w.-]+:\d{1,5}/[!-.0-\[\]-~]{1,16}|https?://[^\s@?#]+)$"),
]
PULLED = "pacs:"  # the value of source that means what 00 pulled
ModalityCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,16}$")]
HOLDS_SECRET = "may hold a password or a key: put it in an environment variable and write env:NAME"
WINDOWS_PATH = " (a Windows path is written with / or in single quotes: \"C:/data\", 'C:\\data')"
SCRIPT = "CTP script"  # the name of a policy that is a path
_LISTED = (Path(__file__).parent / "mapping" / "policies.csv").read_text(encoding="utf-8")
RULE_SETS = {row["name"]: row["rules"] for row in csv.DictReader(_LISTED.splitlines())}  # name: module:function
POLICIES = tuple(name for name in RULE_SETS if name != SCRIPT)  # those that come with the workbench
REQUIRED = ("site", "source", "omop", "lookup", "workspace")
"""What only a site can say: "" stands for *not said*, and a run that needs it does not begin."""
_time_zones = cache(available_timezones)  # hundreds of calls of the system
PATHS = ("source", "omop", "lookup", "orders", "workspace", "key_file", "decisions", "cohort", "policy")


class Parameters(BaseModel):
    """The parameters of a run (DESIGN "The contract"). Those of :data:`REQUIRED` have no default.

    Flat, so that one YAML file serves ``chorus-nb run FILE.yaml`` and ``papermill -f FILE.yaml`` alike.
    Relative paths are taken from the project folder (:func:`project_folder`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)

    site: str = Field("", description="Name of the site, shown in reports.")
    source: str = Field(
        "",
        description="Folder of original DICOM: any depth, any file names, zip archives too. Never written to. Or a "
        's3://, gs://, az:// or sftp:// address, its credential in the environment. "pacs:" = what 00 pulls.',
    )
    delivery: Literal["full", "append"] = Field(
        "full",
        description="full: the source holds everything; append: only what is new since the deliveries before, which "
        "stay in the release.",
    )
    batch: str = Field(
        "",
        pattern=r"^(\w[\w.-]{0,63})?$",
        description='Name of this delivery, before the path of each of its files ("" = none); append needs one where '
        "file names come again.",
    )
    omop: str = Field(
        "",
        description="Folder of OMOP CDM 5.4 tables, CSV or Parquet, already date-shifted; a DuckDB or SQLite file; "
        "or env:NAME, holding an SQLAlchemy URL.",
    )
    omop_schema: str = Field(
        "", pattern=r"^\w*$", description='Schema of the OMOP tables in a database ("" = the one its user sees first).'
    )
    lookup: str = Field(
        "", description="Folder with the two lookup tables, Image_map.csv and Personal_map.csv (SOP steps 12, 13)."
    )
    orders: str = Field(
        "",
        description="Order list for 00, CSV or env:NAME of a database with a table imaging_orders: PatientID, "
        "AccessionNumber; optional StudyDate, Modality, visit_occurrence_id, series, instances.",
    )
    pacs: list[DicomPlace] = Field(
        [],
        description="Archives that 00 asks: dimse://HOST:PORT/AET (C-MOVE to our port), with +get (C-GET) or +tls, or "
        "https://HOST/dicom-web; [] = none.",
    )
    pacs_aet: str = Field("CHORUS", pattern=r"^[!-\[\]-~]{1,16}$", description="Our own AE title.")
    pacs_port: int = Field(11112, ge=1, le=65535, description="Our own port, to which a PACS sends after C-MOVE.")
    pacs_associations: int = Field(2, ge=1, le=16, description="Studies that are pulled at once.")
    pacs_hours: str = Field(
        "",
        pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description='Hours in which archives may be asked, HH:MM-HH:MM of this machine ("" = any).',
    )
    pacs_timeout: int = Field(120, ge=1, le=3600, description="Seconds without an answer after which a PACS is gone.")
    pacs_ca: str = Field("", description='Certificate authority of the PACS, PEM ("" = those of the system).')
    pacs_certificate: str = Field("", description="Our own certificate with its key, PEM, for TLS.")
    pacs_token: str = Field("", pattern=r"^$|^env:\w+$", description="env:NAME, a bearer token for DICOMweb.")
    workspace: str = Field(
        "", description="Everything the run writes: local/ (identifiable, stays), release/ (uploaded), audit/."
    )
    key_file: str = Field("", description='The site\'s secret key, mode 0600 ("" = made once under local/).')
    decisions: str = Field("", description='Folder of what people decided ("" = local/decisions).')
    cohort: str = Field(
        "",
        description="CSV of what is released, a row each: study, series, file, accession or patient; all else is held "
        'back ("" = everything).',
    )
    policy: str = Field(
        "chorus", min_length=1, description="chorus, ps3.15, or the path of a CTP DicomAnonymizer script."
    )
    uid_method: Literal["keyed", "ctp"] = Field(
        "keyed", description="keyed (HMAC, safe) or ctp (the official unkeyed MD5, to match an earlier upload)."
    )
    uid_root: str = Field(
        "",
        pattern=r"^$|^[0-2](\.(0|[1-9]\d*))+$",
        max_length=24,
        description='Root of new UIDs ("" = 2.25 for keyed, 1.2.826.0.1.3680043.10.1596 for ctp).',
    )
    keep_device_identifiers: bool = Field(
        False, description="Keep device serial numbers (PS3.15 Retain Device Identity)."
    )
    keep_safe_private: bool = Field(True, description="Keep the private attributes PS3.15 Table E.3.10-1 calls safe.")
    kinds: Annotated[list[ModalityCode], Field(min_length=1), AfterValidator(kinds_that_go)] = Field(
        ["CT", "MR", "CR", "DX", "MG", "US"], description="Which modalities are released; SC: secondary captures too."
    )
    shift_code: int = Field(
        4, ge=0, le=4, description="Date shift code: 0 unshifted, 1 day of week, 2 season, 3 both, 4 neither."
    )
    pseudonymous_source: bool = Field(
        False, description="The source has pseudonyms for PatientIDs and accession numbers: new ids may equal them."
    )
    time_zone: str = Field("America/New_York", description="IANA time zone of the site.")
    visit_policy: Literal["hold", "blank"] = Field(
        "hold", description="Images outside every visit: hold back, or release with an empty visit_id."
    )
    burned_in_text: Literal["detect", "redact", "skip"] = Field(
        "detect", description="detect (hold back until reviewed), redact (remove without waiting) or skip."
    )
    text_bound: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the pictures of a device and layout that may hold unseen text, at 95 % confidence: as "
        "many are read as that takes; 0 = a few of each series.",
    )
    deface: Literal["flag", "apply", "skip"] = Field(
        "flag",
        description="Faces in CT, MR and PT: apply (remove or hold: recommended), flag (list, hold if sure) or skip.",
        json_schema_extra={"recommended": "apply"},
    )
    deface_ears: bool = Field(False, description="Remove the ears with the face.")
    held_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the files that 04 may hold back before its gate closes; five faults are never too many, "
        "unless they cost more than half of the files.",
    )
    workers: int = Field(0, ge=0, le=1024, description="Processes on this machine (0 = all cores).")
    scheduler: str = Field(
        "", pattern=r"^$|^(tcp|tls|ucx|ws|wss)://", description='Address of a Dask scheduler ("" = this machine).'
    )
    omop_tables: list[str] = Field(
        [], description="OMOP tables that are delivered besides procedure_occurrence, of the 13 of the Data-Upload SOP."
    )
    omop_columns: list[str] = Field(
        [], description="table.column delivered with its free text or days in texts, or outside CDM 5.4 ([] = none)."
    )
    omop_concepts: bool = Field(
        False,
        description="Fill empty concepts of the procedures that images are linked to: as procedure_concepts says for "
        "modality and LOINC code, and the modality as modifier; and tell MI-CDM how series were acquired.",
    )
    licence: str = Field(
        "",
        description='Licence of the release, for who receives it ("" = stated by the consortium with the release).',
    )
    citation: str = Field("", description='How the release is cited ("" = stated by the consortium with the release).')
    registry_url: str = Field("", description='SQLAlchemy URL or env:NAME for the registry ("" = SQLite under local/).')
    upload_url: str = Field("", description='fsspec URL for the upload ("" = pack only).')
    upload_container: str = Field(
        "",
        pattern=r"^$|^[a-z0-9](-?[a-z0-9]){2,62}$",
        description="Container of the site for the consortium's own tool, chorus-upload, where that delivers "
        '("" = that of an az:// upload_url).',
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in _time_zones():
            raise ValueError("is not an IANA time zone, such as America/New_York")
        return value

    @field_validator("source")
    @classmethod
    def _of_a_kind(cls, value: str) -> str:
        if is_store(value) and value.partition("://")[0] not in SCHEMES and not may_hold_secret(value):
            raise ValueError(f"must be a folder, or begin with one of {', '.join(f'{name}://' for name in SCHEMES)}")
        return value

    @field_validator("omop_tables")
    @classmethod
    def _of_the_sop(cls, value: list[str]) -> list[str]:
        if others := [name for name in value if name not in omop_deliverable()]:
            raise ValueError(f"{', '.join(others)}: not one of {', '.join(sorted(omop_deliverable()))}")
        return value

    @field_validator("omop_columns")
    @classmethod
    def _of_a_table(cls, value: list[str]) -> list[str]:
        if others := [name for name in value if name.partition(".")[0] not in omop_deliverable() or "." not in name]:
            raise ValueError(f"{', '.join(others)}: must be table.column of a table that may be delivered")
        return value

    @field_validator(*PATHS)
    @classmethod
    def _may_be_a_path(cls, value: str) -> str:
        too_long = len(value) > 4000 or any(len(os.fsencode(part)) > 255 for part in value.split("/"))
        if any(character < " " for character in value) or ("://" not in value and too_long):
            raise ValueError(f"cannot be a path: it is too long, or holds a control character{WINDOWS_PATH}")
        return value

    @field_validator("*")
    @classmethod
    def _no_secret(cls, value: object) -> object:
        if isinstance(value, str) and may_hold_secret(value):
            raise ValueError(HOLDS_SECRET)
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def lookup_path(self) -> Path:
        return resolve(self.lookup)

    @property
    def workspace_path(self) -> Path:
        return resolve(self.workspace)

    @property
    def policy_name(self) -> str:
        """The policy as reports name it: one of :data:`POLICIES`, or :data:`SCRIPT`."""
        return self.policy if self.policy in POLICIES else SCRIPT

    @property
    def resolved_uid_root(self) -> str:
        return self.uid_root or {"keyed": "2.25", "ctp": "1.2.826.0.1.3680043.10.1596"}[self.uid_method]

    @property
    def worker_count(self) -> int:
        return self.workers or usable_cores()

    def open_source(self) -> Source:
        """The original files, those of earlier deliveries too; asks nothing of the place where they lie."""
        place = incoming_path(self) if self.source == PULLED else self.source
        kept = self.workspace_path / "local" / "kept_of_store" if self.workspace else None
        now = open_source(place, project_folder(), kept)
        return Deliveries(now, self.workspace_path, self.batch) if self.workspace else now

    # --- reading ------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Parameters:
        """Check ``values``; :class:`InputError` has a clear line for each fault."""
        unknown = [_misspelt(name, cls.model_fields) for name in values if name not in cls.model_fields]
        try:
            parameters = cls(**{k: v for k, v in values.items() if k in cls.model_fields})
        except ValidationError as error:
            raise InputError(*unknown, *map(_in_words, error.errors())) from None
        if unknown:
            raise InputError(*unknown)
        return parameters

    @classmethod
    def read(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Parameters:
        """Read a YAML file of parameters; ``overrides`` win."""
        if not os.path.isfile(path):  # noqa: PTH113  (False where it can be no path at all)
            raise InputError(f"parameter file not found: {path}")
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark else ""
            where += WINDOWS_PATH if "escape" in str(error) else ""
            raise InputError(f"parameter file is not valid YAML{where}: {path}") from None
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise InputError(f"parameter file must hold `name: value` lines: {path}")
        return cls.of({**values, **(overrides or {})})

    def require(self, *names: str) -> None:
        """:class:`InputError` names those of ``names`` that are not set."""
        if missing := [name for name in names if not getattr(self, name)]:
            raise InputError(
                f"not set: {', '.join(missing)}; set them in a parameter file (chorus-nb run FILE.yaml; "
                "chorus-nb parameters prints one) or in the first code cell of the notebook"
            )

    def check_folders(self) -> None:
        """Every folder that is set exists, and none lies where it would be overwritten or leak (exit 2 otherwise)."""
        lines = []
        source = self.open_source()
        for name in (name for name in ("source", "lookup", "omop") if getattr(self, name)):
            value = getattr(self, name)
            if value.startswith("env:"):
                if name != "omop":
                    lines.append(f"{name}: must be a folder")
                elif not os.environ.get(value[4:]):
                    lines.append(f"{name}: environment variable {value[4:]} is not set")
            elif name == "source":
                if value != PULLED and not source.reachable():
                    lines.append(source_missing(value))
            elif not _is_there(name, value):
                lines.append(f"{name}: folder not found: {value}")
        for name in ("registry_url", "orders"):
            if (value := getattr(self, name)).startswith("env:") and not os.environ.get(value[4:]):
                lines.append(f"{name}: environment variable {value[4:]} is not set")
        for name in ("key_file", "decisions", "cohort", "orders", "pacs_ca", "pacs_certificate"):
            value = "" if getattr(self, name).startswith("env:") else getattr(self, name)
            if value and not resolve(value).exists():
                lines.append(f"{name}: not found: {value}")
            elif value and resolve(value).is_dir() != (name == "decisions"):
                lines.append(f"{name}: must be a {'folder' if name == 'decisions' else 'file'}: {value}")
        if self.policy_name == SCRIPT and not resolve(self.policy).is_file():
            lines.append(f"policy: must be {', '.join(POLICIES)} or the path of a CTP script; not found: {self.policy}")
        if self.deface == "apply" and not all(importlib.util.find_spec(name) for name in ("SimpleITK", "pydeface")):
            lines.append("deface: apply needs the extra deface: pip install 'chorus-nb[deface]'")
        match "" if self.source == PULLED else source.overlap(self.workspace_path):
            case "inside":
                lines.append("workspace: lies inside source, which is never written to; choose another folder")
            case "around":
                lines.append("workspace: holds source inside it; choose another folder")
        if self.workspace_path.exists() and not self.workspace_path.is_dir():
            lines.append(f"workspace: is not a folder: {self.workspace}")
        if lines:
            raise InputError(*lines)


def incoming_path(parameters: Parameters) -> Path:
    """Where studies lie that 00 pulled."""
    return parameters.workspace_path / "local" / "incoming"


def source_missing(place: str) -> str:
    """What a person reads where the source cannot be asked."""
    if is_store(place):
        return (
            f"source: cannot be listed: {place}; is it there, and is a credential that may list it in the environment?"
        )
    return f"source: folder not found: {place}"


def _is_there(name: str, value: str) -> bool:
    path = resolve(value)
    return path.is_dir() or (name == "omop" and path.is_file())


def project_folder() -> Path:
    """The folder relative paths are taken from: the checkout this stands in, or else the working directory.

    A notebook opened in JupyterLab runs in ``notebooks/``, papermill where it was called: both mean the same folder.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks" / "01_explore_headers.ipynb").is_file():
            return folder
    return here


def resolve(path: str | Path) -> Path:
    """``path`` made absolute, with ``~`` expanded and links followed."""
    return (project_folder() / Path(path).expanduser()).resolve()


def usable_cores() -> int:
    """Cores this process may use (affinity respected where the platform tells it)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _misspelt(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name}: unknown parameter" + (f"; did you mean {near[0]}?" if near else "")


def _in_words(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"][:1])
    given = error.get("input")
    hidden = name == "pacs_token" or "://" in (text := str(given)) or may_hold_secret(text) or len(text) > 200
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" + ("" if hidden else f" (given: {given!r})")
