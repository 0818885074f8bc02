"""One digest for many files: what the gate passed and what the release packs must be the same bytes."""

from __future__ import annotations

from collections.abc import Mapping

from blake3 import blake3


def seal(digests: Mapping[str, str]) -> str:
    """BLAKE3 over the path below ``release/`` and the BLAKE3 of every released file, in the order of the paths."""
    made = blake3()
    for path in sorted(digests):
        made.update(f"{path}\0{digests[path]}\n".encode())
    return made.hexdigest()
