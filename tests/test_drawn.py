"""What was drawn is not drawn again; what is damaged is; and of what is no more shown nothing stays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chorus_nb.drawn import DRAWN_FOLDER, Drawn, digests
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

MADE = ("CT, 3 files", True, 7, [np.arange(6, dtype=np.uint8).reshape(2, 3)], (np.zeros((1, 2)), np.array([True])))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Parameters(workspace=str(tmp_path), source=str(tmp_path))).create()


def again() -> Any:
    pytest.fail("drawn again")


def test_what_was_drawn_comes_back_as_it_was(workspace: Workspace) -> None:
    first_time = Drawn(workspace, "heads").of("a1", lambda: MADE)
    assert pickle.dumps(first_time) == pickle.dumps(Drawn(workspace, "heads").of("a1", again))
    title, told, count, [first], [second, third] = Drawn(workspace, "heads").of("a1", again)
    assert (title, told, count) == MADE[:3]
    for array, was in ((first, MADE[3][0]), (second, MADE[4][0]), (third, MADE[4][1])):
        assert array.dtype == was.dtype and np.array_equal(array, was)


def with_bit(kept: bytes, place: int, bit: int) -> bytes:
    """``kept`` with a bit set in the place of the last entry of the archive's directory."""
    at = kept.rindex(b"PK\x01\x02") + place
    return kept[:at] + bytes([kept[at] | bit]) + kept[at + 1 :]


@pytest.mark.parametrize(
    "damaged",
    [
        lambda kept: b"",
        lambda kept: b"PK\x03\x04",
        lambda kept: kept[:-40],
        lambda kept: with_bit(kept, 8, 1),  # as if it were encrypted
        lambda kept: with_bit(kept, 10, 64),  # as if it were compressed in an unknown way
    ],
)
def test_what_is_damaged_is_drawn_again(workspace: Workspace, damaged: Callable[[bytes], bytes]) -> None:
    Drawn(workspace, "heads").of("a1", lambda: MADE)
    [path] = (workspace.local / DRAWN_FOLDER).iterdir()
    path.write_bytes(damaged(path.read_bytes()))
    assert Drawn(workspace, "heads").of("a1", lambda: ["new"]) == ["new"]
    assert Drawn(workspace, "heads").of("a1", again) == ["new"]


def test_what_could_not_be_drawn_is_tried_again(workspace: Workspace) -> None:
    assert Drawn(workspace, "heads").of("a1", lambda: None) is None
    assert Drawn(workspace, "heads").of("a1", lambda: ["now"]) == ["now"]


def test_what_nobody_asks_for_any_more_goes_and_other_kinds_stay(workspace: Workspace) -> None:
    drawn = Drawn(workspace, "heads")
    drawn.of("a1", lambda: ["old"])
    drawn.of("a2", lambda: ["kept"])
    Drawn(workspace, "previews").of("a1", lambda: ["other"])
    drawn = Drawn(workspace, "heads")
    drawn.of("a2", again)
    drawn.forget_others()
    assert {path.name for path in (workspace.local / DRAWN_FOLDER).iterdir()} == {"heads-a2.npz", "previews-a1.npz"}


def test_the_digest_of_a_file_is_of_its_bytes_now(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"one")
    before = digests([path, tmp_path / "gone"])
    path.write_bytes(b"two")
    assert before[1] == "" and digests([path]) != before[:1] != [""]
