"""Balls are ITK's, voxel for voxel: what it makes with its filters is made here in a twentieth of the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chorus_nb.morphology import ball_closing, ball_dilation, ball_erosion, ball_opening, filled

sitk = pytest.importorskip("SimpleITK")

Masks = list[NDArray[np.bool_]]


@pytest.fixture(scope="module")
def masks() -> Masks:
    """Grains and clouds of every density that reach the edges, thin arrays, nothing and all."""
    chance = np.random.default_rng(7)
    shapes = [(9, 14, 11), (1, 12, 13), (12, 1, 9), (3, 3, 3), (8, 16, 2)]
    grains = [chance.random(shape) < density for shape in shapes for density in (0.02, 0.3, 0.7, 0.97)]
    clouds = [(np.add.reduce([np.roll(grain, by, 2) for by in range(4)]) > 1) for grain in grains]
    return [*grains, *clouds, np.zeros((4, 5, 6), bool), np.ones((4, 5, 6), bool)]


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("flat", [False, True], ids=["ball", "disc"])
@pytest.mark.parametrize(
    ("own", "of_itk"),
    [
        (ball_dilation, "BinaryDilate"),
        (ball_erosion, "BinaryErode"),
        (ball_opening, "BinaryMorphologicalOpening"),
        (ball_closing, "BinaryMorphologicalClosing"),
    ],
)
def test_a_ball_does_what_it_does_in_itk(
    masks: Masks, own: Callable[..., NDArray[np.bool_]], of_itk: str, flat: bool, radius: int
) -> None:
    ball = [radius, radius, 0 if flat else radius]
    for mask in masks:
        wanted = sitk.GetArrayFromImage(getattr(sitk, of_itk)(sitk.GetImageFromArray(mask.astype("u1")), ball)) > 0
        assert np.array_equal(own(mask, radius, flat=flat), wanted)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_hollows_are_filled_as_in_itk_slice_by_slice(masks: Masks, axis: int) -> None:
    for mask in masks:
        made = np.moveaxis(filled(mask, axis), axis, 0)
        for plane, own in zip(np.moveaxis(mask, axis, 0), made, strict=True):
            around: Any = sitk.GetImageFromArray(np.pad(plane, 1).astype("u1"))
            wanted = sitk.GetArrayFromImage(sitk.BinaryFillhole(around))[1:-1, 1:-1] > 0
            assert np.array_equal(own, wanted)
