"""What was found in each file that is no image; searched again where it, what is searched for or the code differs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.memory import Recipe, digest
from chorus_nb.verify.findings import Finding
from chorus_nb.workspace import Workspace, digest_of, write_if_changed

SEARCHED = "searched"  # below local/: findings quote what stands around them
TREE_RECIPE = Recipe("chorus_nb.verify.tree_checks", libraries=("pyahocorasick", "pyarrow", "pandas", "pydicom"))


class SearchLog:
    """What the search read and looked for, counted while it does."""

    def __init__(self) -> None:
        self.bytes = Counter[str]()  # by file
        self.terms = self.page_words = 0

    def reading(self, name: str, contents: Iterable[bytes]) -> Iterator[bytes]:
        for content in contents:
            self.bytes[name] += len(content)
            yield content

    def table(self, counted: Iterable[str]) -> pd.DataFrame:
        """``tables.SEARCHED_PARTS`` of the ``counted`` files: audit log and reports grow from run to run."""
        parts: dict[str, list[str]] = {"OMOP tables": [], "metadata and other files": []}
        for name in sorted(counted):
            omop = name.startswith(f"release/{layout.OMOP}/")
            parts["OMOP tables" if omop else "metadata and other files"].append(name)
        rows = [
            {
                "part": part,
                "files": len(names),
                "bytes": sum(self.bytes[name] for name in names),
                "terms": self.terms,
                "page_words": self.page_words,
            }
            for part, names in parts.items()
        ]
        return tables.frame(tables.SEARCHED_PARTS, rows)


class Found(NamedTuple):
    """What a file holds: the bytes of its texts, and all findings in it."""

    size: int
    findings: tuple[Finding, ...]


class TreeMemory:
    """Of one ``kind`` of search; ``searched_for``: all that decides what is found in a file besides itself."""

    def __init__(self, workspace: Workspace, kind: str, *searched_for: object) -> None:
        self._path = workspace.local / SEARCHED / f"{kind}.json"
        self._key = TREE_RECIPE.key(None, *searched_for)
        self._before, self._now = _read(self._path), dict[str, Found]()
        self._keys: dict[str, str] = {}

    def recall(self, name: str, content: bytes | Path) -> Found | None:
        """What is known of a file of this ``name``, if anything is."""
        try:
            of_content = blake3(content).hexdigest() if isinstance(content, bytes) else digest_of(content)
        except OSError:  # it cannot be searched either
            return None
        self._keys[name] = key = digest(self._key, name, isinstance(content, bytes), of_content)
        if (found := self._before.get(key)) is not None:
            self._now[key] = found
        return found

    def keep(self, name: str, found: Found) -> None:
        """Remember what was found in a file that was asked for."""
        if key := self._keys.get(name):
            self._now[key] = found

    def write(self) -> None:
        """Remember what was asked for and kept since, and nothing else."""
        kept = {key: [found.size, found.findings] for key, found in self._now.items()}
        write_if_changed(self._path, json.dumps(kept, sort_keys=True).encode())


def in_any_order(items: Iterable[object]) -> str:
    """A digest of ``items``, in whatever order a query gives them; a million of them are not held."""
    total, bits = 0, 256
    for item in items:
        total += int.from_bytes(blake3(repr(item).encode("utf-8", "surrogatepass")).digest())
    return f"{total % (1 << bits):x}"


def _read(path: Path) -> dict[str, Found]:
    """Nothing where there is none, or none that is whole."""
    try:
        kept = json.loads(path.read_bytes())
        return {key: Found(size, tuple(Finding(*row) for row in rows)) for key, (size, rows) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
