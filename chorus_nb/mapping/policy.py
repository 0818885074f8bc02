"""The policy of a run: for every element of every file one rule. The plan is rendered from it and the engine obeys it.

A policy is a plain frozen value: the same in every process, and what it says depends on nothing but itself.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from chorus_nb.mapping.chorus import chorus_rules
from chorus_nb.mapping.ctp import ScriptRules, Values, read_script_rules
from chorus_nb.mapping.overrides import Override, read_overrides
from chorus_nb.mapping.rules import Rule
from chorus_nb.parameters import RULE_SETS, Parameters, resolve
from chorus_nb.workspace import Workspace


class RuleSet(Protocol):
    """What a policy is made of: any object that has a rule for every element."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule: ...

    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Policy:
    """A set of rules and what people decided against it."""

    rules: RuleSet
    overrides: tuple[Override, ...] = ()

    @property
    def name(self) -> str:
        return self.rules.name

    @property
    def options(self) -> tuple[str, ...]:
        """Codes of CID 7050, De-identification Method, that hold for what this policy does."""
        return self.rules.options

    @cached_property
    def rules_digest(self) -> str:
        """Hash of the rules without what people decided: stands in every released file, so that one decision does not
        change them all."""
        return hashlib.sha256(self.rules.fingerprint().encode()).hexdigest()

    @property
    def digest(self) -> str:
        """Changes whenever a rule may have changed: a release made under another digest is made again."""
        text = "\n".join([self.rules.fingerprint(), *map(repr, self.overrides)])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str = "") -> Rule:
        """What happens to an element: keywords of the sequences above it, its tag, VR and private creator."""
        override = self.override(path, tag, creator)
        return override.rule if override else self.rules.rule(sop_class, path, tag, vr, creator)

    @property
    def scripted(self) -> bool:
        """Whether what happens to an element may depend on other elements of its file."""
        return isinstance(self.rules, ScriptRules)

    def run_script(self, tag: int, creator: str, values: Values, at_root: bool) -> str:
        """The value a CTP script makes for an element whose action is ``script``, or ``@remove()``, ``@keep()`` etc."""
        assert isinstance(self.rules, ScriptRules), "only a CTP script has rules with the action `script`"
        return self.rules.run(tag, creator, values, at_root)

    def script_copies(self, tag: int, creator: str) -> bool:
        """Whether a CTP script may make the value of an element of a part of an original one."""
        return isinstance(self.rules, ScriptRules) and self.rules.copies(tag, creator)

    def scripted_rule(
        self, keeps: bool, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str
    ) -> Rule:
        """The rule for an element that its line of a CTP script keeps, or removes, in this file."""
        assert isinstance(self.rules, ScriptRules), "only a CTP script has rules with the action `script`"
        return (self.rules.kept if keeps else self.rules.gone)(sop_class, path, tag, vr, creator)

    @property
    def gate(self) -> ScriptRules | None:
        """The site's script if it comes with a filter of its own or with regions to blank."""
        rules = self.rules
        return rules if isinstance(rules, ScriptRules) and (rules.filter or rules.signatures) else None

    def override(self, path: tuple[str, ...], tag: int, creator: str = "") -> Override | None:
        """The decision of a person that holds for an element; one for its very path before one for any depth."""
        if not self.overrides:
            return None
        fitting = [override for override in self.overrides if override.fits(path, tag, creator)]
        return max(fitting, key=lambda override: override.path != "*", default=None)


def script_rules(parameters: Parameters) -> RuleSet:
    """The rules of the site's CTP script, over those of the default policy."""
    uid_root = parameters.resolved_uid_root if parameters.uid_method == "ctp" else ""
    return read_script_rules(resolve(parameters.policy), chorus_rules(parameters), uid_root)


def rule_set(parameters: Parameters) -> RuleSet:
    """The rules of the policy that the parameters name: made by the function in its row of ``policies.csv``."""
    module, function = RULE_SETS[parameters.policy_name].split(":")
    made: RuleSet = getattr(importlib.import_module(module), function)(parameters)
    return made


def load_policy(workspace: Workspace) -> Policy:
    """The policy named in the parameters, with the overrides in the decisions folder.

    :class:`InputError` when the script or a decision cannot stand.
    """
    parameters = workspace.parameters
    return Policy(rule_set(parameters), read_overrides(workspace))
