"""Pictures that were drawn before: none is drawn again while all that it is made of is as it was.

They may show faces and what stands in a source: they are kept below ``local/`` only, and no longer than the run that
shows them asks for them. Who is withdrawn takes all of them along (``workbench/withdrawal/places.csv``).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from chorus_nb.workspace import Workspace, write_atomically

DRAWN_FOLDER = "drawn"  # below local/


class Drawn:
    """The pictures of one kind, each under the key of what it is made of (:meth:`chorus_nb.memory.Recipe.key`)."""

    def __init__(self, workspace: Workspace, kind: str) -> None:
        self._folder, self._kind = workspace.local / DRAWN_FOLDER, kind
        self._asked: set[str] = set()

    def of(self, key: str, draw: Callable[[], Sequence[Any] | None]) -> list[Any] | None:
        """What ``draw`` gives: texts, numbers, arrays and sequences of them; from memory where it gave it before.

        None, for what cannot be drawn, is asked again.
        """
        path = self._folder / f"{self._kind}-{key}.npz"
        self._asked.add(path.name)
        if (kept := _read(path)) is not None:
            return kept
        if (made := draw()) is None:
            return None
        self._folder.mkdir(exist_ok=True)
        write_atomically(path, _packed(made))
        return _read(path) or list(made)  # in the shape in which it comes the next time, so that keys of it hold

    def forget_others(self) -> None:
        """Remove what nobody asked for, as it is of what is no more, or no more shown."""
        for path in self._folder.glob(f"{self._kind}-*.npz"):
            if path.name not in self._asked:
                path.unlink(missing_ok=True)


def digests(paths: Iterable[Path]) -> list[str]:
    """BLAKE3 of each file as it is now; "" of what cannot be read."""
    return [_digest(path) for path in paths]


def _digest(path: Path) -> str:
    try:
        return blake3().update_mmap(path).hexdigest()
    except OSError:
        return ""


def _packed(made: Sequence[Any]) -> bytes:
    arrays: dict[str, Any] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            name = str(len(arrays))
            arrays[name] = value
            return {"array": name}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    sink = io.BytesIO()
    texts = json.dumps(plain(made)).encode()
    np.savez(sink, **arrays, made=np.frombuffer(texts, np.uint8))
    return sink.getvalue()


def _read(path: Path) -> list[Any] | None:
    """None where there is none, or none that is whole."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            found: list[Any] = json.loads(kept["made"].tobytes(), object_hook=lambda said: kept[said["array"]])
            return found
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError, RuntimeError):  # of zipfile, too
        return None
