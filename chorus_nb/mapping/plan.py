"""The tag plan: a row per tag of the site, rendered from the very policy the engine obeys (SOP steps 7, 10, 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import Any

import pandas as pd
from pydicom.datadict import private_dictionary_description

from chorus_nb import standards, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.mapping.ctp import ScriptRules, ctp_differences
from chorus_nb.mapping.policy import Policy, load_policy
from chorus_nb.mapping.rules import ACTIONS, Rule, dictionary
from chorus_nb.workspace import Workspace

KEY = list(tables.TAG_PLAN.key)
RELEASES = frozenset({"K", "C", "S", "U", "shift", "lookup", "age", "script"})
"""Actions after which something of the element is in the release."""
REMOVES = frozenset({"X", "Z", "D"})


def make_plan(workspace: Workspace) -> pd.DataFrame:
    """Resolve every tag of the profile to one action with its reason, and write ``tag_plan``.

    :class:`InputError` when the policy or a decision cannot stand.
    """
    profile = workspace.read(tables.TAG_PROFILE)
    policy = load_policy(workspace)
    rows, places = [], defaultdict[tuple[str, ...], list[Any]](list)
    for said in profile.itertuples(index=False):
        places[said.sop_class, said.path, said.tag, said.private_creator].append(said)
    for (sop_class, path, tag, creator), found in sorted(places.items(), key=itemgetter(0)):
        most = max(found, key=attrgetter("files"))
        place, number = standards.path_steps(path), standards.parse_tag(tag)
        rule = element_rule(policy, sop_class, place, number, most.vr, creator)
        override = policy.override(place, number, creator)
        rows.append(
            {
                "sop_class": sop_class,
                "modality": "\\".join(sorted({said.modality for said in found})),
                "path": path,
                "tag": tag,
                "private_creator": creator,
                "keyword": _name(number, creator),
                "vr": most.vr,
                "action": rule.action,
                "replacement": rule.replacement,
                "reason": rule.reason,
                "rule_source": rule.source,
                "official": official(place, number),
                "decided_by": override.reviewer if override and rule == override.rule else "policy",
                "files": sum(said.files for said in found),
                "example_before": most.examples.split(" | ")[0][:80],
            }
        )
    plan = tables.frame(tables.TAG_PLAN, rows)
    unclear = plan[~plan.action.isin(list(ACTIONS)) | (plan.reason == "") | (plan.rule_source == "")]
    if len(unclear):
        raise WorkbenchError(*(f"tag_plan: {tag} has no action with a reason" for tag in unclear.tag.unique()))
    workspace.write(tables.TAG_PLAN, plan)
    return plan


def with_examples(workspace: Workspace, plan: pd.DataFrame, preview: pd.DataFrame) -> pd.DataFrame:
    """``plan`` with examples before and after from real files the engine was run on; writes it again."""
    seen = preview.drop_duplicates(KEY).set_index(KEY)[["before", "after"]]
    joined = plan.join(seen, on=KEY)
    plan = plan.assign(
        example_before=joined.before.fillna(plan.example_before), example_after=joined.after.fillna(plan.example_after)
    )
    workspace.write(tables.TAG_PLAN, plan)
    return plan


def element_rule(policy: Policy, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str = "") -> Rule:
    """What becomes of an element in the end: its own rule, or that of the sequence which takes it along."""
    for depth, step in enumerate(path):
        above, owner = standards.parse_step(step)
        rule = policy.rule(sop_class, path[:depth], above, "SQ", owner)
        if rule.action in REMOVES:
            return Rule("X", "", "goes with the sequence that holds it", rule.source)
    return policy.rule(sop_class, path, tag, vr, creator)


def _name(tag: int, creator: str) -> str:
    """Keyword of a standard tag; of a private one what PS3.15 or pydicom's private dictionary says it is."""
    if entry := dictionary(tag):
        return entry.keyword
    if not creator or tag & 0xFFFF <= 0xFF:  # of nobody, or a private creator itself
        return ""
    if safe := standards.safe_private().get((creator, tag >> 16, tag & 0xFF)):
        return safe.meaning[:64]
    try:
        return private_dictionary_description(tag, creator)
    except KeyError:
        return ""


def official(path: tuple[str, ...], tag: int) -> str:
    """What the official CHoRUS chain does to a tag: it never looks into sequences."""
    if not path:
        return standards.official_action(tag)
    above, _ = standards.parse_step(path[0])
    if standards.official_action(above).startswith(("removed", "@remove")):
        return "removed with its sequence"
    return "kept (sequences are not entered)"


# --- what the notebook shows of it ------------------------------------------------------------------------------------


def count_actions(plan: pd.DataFrame) -> pd.DataFrame:
    """Tags and occurrences in files by action."""
    counts = plan.groupby("action").agg(tags=("tag", "size"), files=("files", "sum")).reset_index()
    counts.insert(1, "meaning", counts.action.map(ACTIONS))
    return counts.sort_values("tags", ascending=False, ignore_index=True)


def reasons(plan: pd.DataFrame, actions: frozenset[str] = RELEASES) -> pd.DataFrame:
    """Why tags are given one of ``actions``: a row per action, reason and rule, with the commonest tags.

    ``times``: elements in files, a file counted once for each tag.
    """
    chosen = plan[plan.action.isin(list(actions))].sort_values("files", ascending=False)
    rows = [
        (_in_words(action), reason, source, len(found), int(found.files.sum()), ", ".join(_names(found)[:3]))
        for (action, reason, source), found in chosen.groupby(["action", "reason", "rule_source"], sort=False)
    ]
    made = pd.DataFrame(rows, columns=["action", "reason", "rule", "tags", "times", "for example"])
    return made.sort_values("tags", ascending=False, ignore_index=True)


def differences(plan: pd.DataFrame) -> pd.DataFrame:
    """Tags where the plan does other than the official script, in groups, with why that is safer or more useful."""
    plan = plan[plan.sop_class.isin(list(standards.RELEASABLE)) & (plan.tag > "(0008")]
    leaves = plan.official.str.match(r"kept|@keep|@require|lookup|dates")
    drops = plan.official.str.contains("removed|@remove|@empty", regex=True)
    kinds = {
        "nested dates stay real; the plan shifts them": (plan.action == "shift") & leaves & (plan.path != ""),
        "a date the script leaves real; the plan shifts it": (plan.action == "shift")
        & (plan.official == standards.NOT_IN_SCRIPT)
        & (plan.path == ""),
        "UIDs inside sequences stay; the plan replaces them": (plan.action == "U") & leaves,
        "identifying, unknown or private content stays; the plan removes it": plan.action.isin(["X", "Z", "D"])
        & leaves,
        "text stays as typed; the plan removes identifiers from it": (plan.action == "C") & leaves,
        "ages above 89 stay; the plan caps them": (plan.action == "age") & leaves,
        "times become the time of the run; the plan keeps them": (plan.action == "K") & (plan.official == "@time()"),
        "removed though safe or cleanable; the plan keeps it": plan.action.isin(["K", "C", "S", "shift"]) & drops,
    }
    rows = [
        {
            "the official script, and the plan": name,
            "tags": int(which.sum()),
            "times": int(plan.files[which].sum()),
            "for example": ", ".join(_names(plan[which])[:3]),
        }
        for name, which in kinds.items()
        if which.any()
    ]
    return pd.DataFrame(rows, columns=["the official script, and the plan", "tags", "times", "for example"])


def departures(workspace: Workspace, plan: pd.DataFrame) -> pd.DataFrame:
    """Where the plan does other than the site's own script, by kind with its reason; and the script's warnings.
    Empty if the policy is no script."""
    columns = ["difference", "CTP", "here", "why", "tags", "for example"]
    rules = load_policy(workspace).rules
    if not isinstance(rules, ScriptRules):
        return pd.DataFrame(columns=columns)
    named = plan.rule_source.str.extract(r", ([a-z_]+)\Z")[0]
    named = named.mask(plan.reason.str.startswith("not in the site's script") & (plan.action != "K"), "unnamed")
    named = named.mask(plan.reason.str.startswith("in an item that the site's script does not enter"), "items")
    rows = [
        (*difference, int(which.sum()), ", ".join(_names(plan[which])[:3]))
        for difference in ctp_differences()
        if (which := named == difference.name).any()
    ]
    return pd.DataFrame([*rows, *(("warning", "", "", text, 0, "") for text in rules.warnings)], columns=columns)


def headers(plan: pd.DataFrame, preview: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Of each modality one header: what changes in it, before and after, with a caption that says what does not."""
    known = plan.set_index(KEY)[["action", "keyword"]]
    for modality, rows in preview.groupby("modality", sort=True):
        joined = rows.drop(columns="keyword").join(known, on=KEY)
        changed = joined[joined.before != joined.after].assign(element=_elements)
        caption = f"One {modality} image: {len(changed):,} elements change, {len(rows) - len(changed):,} do not"
        done = [_done(*cells) for cells in zip(changed.action.fillna(""), changed.after, strict=True)]
        changed = changed.assign(action=done)
        yield caption, changed[["tag", "element", "before", "action", "after"]]


def undecided(plan: pd.DataFrame) -> pd.DataFrame:
    """Local tags the policy removes only because nothing vouches for them: a person may decide otherwise."""
    plan = plan[plan.sop_class.isin(list(standards.RELEASABLE))]
    nothing_known = plan.reason.str.contains("not known to be safe|does not belong") & (plan.action == "X")
    rows = plan[nothing_known & (plan.decided_by == "policy")].sort_values("files", ascending=False)
    rows = rows.assign(element=_elements(rows)).rename(
        columns={"private_creator": "creator", "example_before": "example"}
    )
    return rows[["modality", "tag", "creator", "element", "vr", "files", "example"]].reset_index(drop=True)


def overridden(workspace: Workspace, plan: pd.DataFrame) -> pd.DataFrame:
    """What people decided, against what the policy says; ``releases_more`` where Table E.1-1 would have it removed."""
    undecided = Policy(load_policy(workspace).rules)
    rows = []
    for row in plan[plan.decided_by != "policy"].itertuples():
        rule: Rule = undecided.rule(
            row.sop_class,
            standards.path_steps(row.path),
            standards.parse_tag(row.tag),
            row.vr,
            row.private_creator,
        )
        more = row.action in RELEASES and rule.action not in RELEASES
        rows.append(
            (row.tag, row.private_creator, row.path, rule.action, row.action, more, row.reason, row.rule_source)
        )
    columns = ["tag", "creator", "path", "policy", "decided", "releases_more", "reason", "who and when"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates(ignore_index=True)


def _in_words(action: str) -> str:
    """``clean (C)``: an action in words, with its code where that is another."""
    words = ACTIONS.get(action, action)
    return words if words == action else f"{words} ({action})"


def _done(action: str, after: str) -> str:
    """An action in words; where it keeps the element, and yet this value went with what is in it, that too."""
    if action not in ("K", "shift") or (action == "shift" and after):
        return _in_words(action)
    return f"{_in_words(action)}, but not {'all of ' if after else ''}this value"


def _elements(rows: pd.DataFrame) -> pd.Series:
    """Where an element stands, as one text: its sequences and its keyword."""
    return (rows.path.str.replace(".", " › ") + " › " + rows.keyword).str.strip(" ›")


def _names(plan: pd.DataFrame) -> list[str]:
    named = plan.sort_values("files", ascending=False, kind="stable")
    return list(dict.fromkeys(named.keyword.where(named.keyword != "", named.tag)))
