"""What the results of all files rest on, written down part by part, so that a later run can say what changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from chorus_nb import tables
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import load_policy
from chorus_nb.mapping.policy import Policy
from chorus_nb.memory import Recipe, digest
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace, fingerprint_of_key

DECIDING = (
    *("kinds", "cohort", "visit_policy", "burned_in_text", "text_bound", "deface", "shift_code"),
    *("policy", "keep_device_identifiers", "keep_safe_private"),
)
"""Parameters that decide what goes, or make the rules."""


def made_with(workspace: Workspace) -> dict[str, str]:
    """What a released file is made with, besides code, libraries and parameters; the key only by its fingerprint."""
    policy = load_policy(workspace)
    made = {"rules": policy.rules_digest, "site_key": fingerprint_of_key(workspace.key())}
    return made | decided_with(workspace, policy)


def decided_with(workspace: Workspace, policy: Policy | None = None) -> dict[str, str]:
    """The same of what people decided about tags and words."""
    policy = policy or load_policy(workspace)
    words = digest(site_vocabulary(workspace).digest)
    return {"tag_decisions": digest(*policy.overrides), "known_words": words}


def note_settings(workspace: Workspace, recipe: Recipe, made: Mapping[str, str]) -> str:
    """Write down what all results rest on now; returns what it is known by."""
    parameters = {name: str(getattr(workspace.parameters, name)) for name in DECIDING}
    parts = {**recipe.parts(workspace.parameters), **parameters, **made}
    settings = digest(*sorted(parts.items()))
    known = workspace.read_or_empty(tables.RUN_SETTINGS)
    if not (known.settings == settings).any():
        rows = ({"settings": settings, "part": part, "value": value, "last": False} for part, value in parts.items())
        workspace.write(tables.RUN_SETTINGS, pd.concat([known, tables.frame(tables.RUN_SETTINGS, list(rows))]))
    return settings


def noted_settings(workspace: Workspace) -> pd.DataFrame:
    """What results rest on, as it was written down; a number is a number, ``0`` of an earlier version the ``0.0`` of
    now."""
    known, fields = workspace.read_or_empty(tables.RUN_SETTINGS), Parameters.model_fields
    number = known.part.isin([name for name in DECIDING if fields[name].annotation is float])
    return known.assign(value=known.value.mask(number, known.value.where(number, "0").astype(float).astype(str)))


def keep_settings(workspace: Workspace, last: str, named: Collection[str]) -> None:
    """``last`` are those of the run that ended; of the others those that a file of the ledger names stay."""
    known = workspace.read(tables.RUN_SETTINGS)
    known = known[known.settings.isin({last, *named})]
    workspace.write(tables.RUN_SETTINGS, known.assign(last=known.settings == last))
