"""A head is asked and registered once for all tests of faces: children, who do it anew, have to find the same face."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from chorus_nb.faces.heads import head_in
from tests import heads

_head_in = heads.remembered(head_in)


@pytest.fixture(autouse=True)
def _registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    if heads.can_register():
        monkeypatch.setattr("chorus_nb.faces.study.register_head", heads.registered)
        monkeypatch.setattr("chorus_nb.faces.asking.head_in", _head_in)


@pytest.fixture
def _larger_cubes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 mm: a third of the work, where neither millimetres nor children are at stake (``test_face_run`` and the
    benchmark ``deface`` have the product's)."""
    monkeypatch.setattr("chorus_nb.faces.volume.grid.__defaults__", (4.0,))


def in_this_process(
    parameters: object, function: Callable[..., Any], items: Collection[Any], *_: object, **how: Any
) -> Iterator[tuple[Any, Any, float]]:
    """Stands in for ``each_in_child``, where a test is not about children."""
    for item in items:
        yield item, function(*item), 0.0
    how["keep"]()


@pytest.fixture
def without_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads are looked for in this process, where those seen before are known."""
    monkeypatch.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
