"""The policy of a run: for every element of every file one rule. The plan is rendered from it and the engine obeys it.

A policy is a plain frozen value: the same in every process, and what it says depends on nothing but itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from chorus_nb import standards
from chorus_nb.mapping import basic, chorus
from chorus_nb.mapping.overrides import Override, read_overrides
from chorus_nb.mapping.rules import Rule
from chorus_nb.workspace import Workspace


class RuleBook(Protocol):
    """What a policy is made of: any object that has a rule for every element."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule: ...

    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Chorus:
    """The default policy (see :mod:`chorus_nb.mapping.chorus`)."""

    keep_device_identifiers: bool = False
    keep_safe_private: bool = True
    name: str = field(default="chorus", init=False)

    @property
    def options(self) -> tuple[str, ...]:
        """Codes of CID 7050: the profile and the options it is applied with."""
        device = ("113109",) if self.keep_device_identifiers else ()
        private = ("113111",) if self.keep_safe_private else ()
        return ("113100", "113105", "113107", "113108", *device, *private)

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        return chorus.rule(
            sop_class, path, tag, vr, creator, device=self.keep_device_identifiers, private=self.keep_safe_private
        )

    def fingerprint(self) -> str:
        return f"{self.name} {self.keep_device_identifiers} {self.keep_safe_private} {_rules_digest()}"


@dataclass(frozen=True)
class BasicProfile:
    """The plain profile of PS3.15 (see :mod:`chorus_nb.mapping.basic`)."""

    name: str = field(default="ps3.15", init=False)
    options: tuple[str, ...] = field(default=("113100",), init=False)

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str) -> Rule:
        return basic.rule(sop_class, path, tag, vr)

    def fingerprint(self) -> str:
        return f"{self.name} {_rules_digest()}"


@dataclass(frozen=True)
class Policy:
    """A rule book and what people decided against it."""

    book: RuleBook
    overrides: tuple[Override, ...] = ()

    @property
    def name(self) -> str:
        return self.book.name

    @property
    def options(self) -> tuple[str, ...]:
        """Codes of CID 7050, De-identification Method, that hold for what this policy does."""
        return self.book.options

    @property
    def digest(self) -> str:
        """Changes whenever a rule may have changed: a release made under another digest is made again."""
        text = "\n".join([self.book.fingerprint(), *(repr(override.rule) for override in self.overrides)])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str = "") -> Rule:
        """What happens to an element: keywords of the sequences above it, its tag, VR and private creator."""
        override = self.override(path, tag, creator)
        return override.rule if override else self.book.rule(sop_class, path, tag, vr, creator)

    def override(self, path: tuple[str, ...], tag: int, creator: str = "") -> Override | None:
        """The decision of a person that holds for an element; one for its very path before one for any depth."""
        if not self.overrides:
            return None
        fitting = [override for override in self.overrides if override.fits(path, tag, creator)]
        return max(fitting, key=lambda override: override.path != "*", default=None)


def load_policy(workspace: Workspace) -> Policy:
    """The policy named in the parameters, with the overrides in the decisions folder."""
    parameters = workspace.parameters
    book: RuleBook
    if parameters.policy == "chorus":
        book = Chorus(parameters.keep_device_identifiers, parameters.keep_safe_private)
    elif parameters.policy == "ps3.15":
        book = BasicProfile()
    else:
        raise NotImplementedError(parameters.policy)
    return Policy(book, read_overrides(workspace))


@cache
def _rules_digest() -> str:
    """Digest of the rules themselves: the modules that state them and the tables they read."""
    digest = hashlib.blake2b(digest_size=16)
    here = Path(__file__).parent
    for name in ("rules.py", "chorus.py", "basic.py"):
        digest.update((here / name).read_bytes())
    for name in ("ps3_15.csv", "safe_private.csv", "chorus_tags.csv", "iods.json.gz"):
        digest.update((standards.DATA / name).read_bytes())
    return digest.hexdigest()
