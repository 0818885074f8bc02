"""Which code made a result: equal digests of equal inputs make equal results."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent
TEXTS = {".py", ".csv", ".txt", ".json", ".yaml"}  # hashed with LF line ends, however they were checked out


@lru_cache(maxsize=8)
def code_digest(*rooms: str) -> str:
    """Hash of the code and the data files of these rooms of the package; without rooms, of all of it."""
    digest = hashlib.sha256()
    for folder in [PACKAGE / room for room in rooms] or [PACKAGE]:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in TEXTS | {".gz"}:
                content = path.read_bytes()
                digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
                digest.update(content.replace(b"\r\n", b"\n") if path.suffix in TEXTS else content)
    return digest.hexdigest()[:32]
