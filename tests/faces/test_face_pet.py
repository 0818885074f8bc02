"""What glows deep in the head of a PT is its brain, and stays; all that makes it known goes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces.acceptance import posed
from chorus_nb.faces.atlas import Region, regions_on
from chorus_nb.faces.braincase import glowing_brain
from chorus_nb.faces.volume import grid
from tests import heads


def test_of_a_pet_the_brain_stays_and_the_whole_face_goes() -> None:
    volume = heads.pet()
    even = grid([volume])
    pose = heads.registered(even, "PT")
    assert pose.own

    def removed(part: np.ndarray) -> tuple[int, int]:
        places = np.argwhere(part)[:, ::-1] @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        index = tuple(np.rint((places - even.origin) / even.step).astype(int)[:, ::-1].T)
        return tuple(int(posed(even, one).face[index].sum()) for one in (pose._replace(own=None), pose))

    without, with_it = removed(np.isin(heads.tissues(), ("grey", "white")))
    assert without > 100 * max(with_it, 1)
    assert len(set(removed(heads.face()))) == 1, "of the face as much as before"


def test_in_noise_whose_outline_lies_beneath_the_skin_the_brain_stays_as_well() -> None:
    volume = heads.pet()
    pose = heads.registered(grid([volume]), "PT")
    spread = 0.08 * float(np.ptp(np.percentile(volume.values, (1, 99.5))))
    grain = np.random.default_rng(5).normal(0, spread, volume.values.shape)
    even = grid([volume._replace(values=(volume.values + grain).astype("f4"))])
    own = glowing_brain(even, (regions_on(pose.matrix, even.affine, even.head.shape) & Region.BRAIN) > 0)
    places = np.argwhere(np.isin(heads.tissues(), ("grey", "white")))[:, ::-1]
    points = places @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    index = tuple(np.rint((points - even.origin) / even.step).astype(int)[:, ::-1].T)
    without, with_it = (posed(even, pose._replace(own=one)).face[index].sum() for one in (None, own))
    assert with_it < 0.2 * without


def test_what_glows_stays_also_beside_a_pose_that_is_too_small_but_not_far_from_its_brain() -> None:
    volume = heads.pet()
    even = grid([volume])
    pose, around = heads.registered(even, "PT"), even.points(even.head).mean(axis=0)
    small = pose.mapped(lambda end: end @ _larger(1.1, around))
    brain = (regions_on(small.matrix, even.affine, even.head.shape) & Region.BRAIN) > 0
    own = glowing_brain(even, brain)
    assert own
    gone = [posed(even, small._replace(own=one)).face for one in (own, own._replace(within=Region.NEAR))]
    places = np.argwhere(np.isin(heads.tissues(), ("grey", "white")))[:, ::-1]
    points = places @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    index = tuple(np.rint((points - even.origin) / even.step).astype(int)[:, ::-1].T)
    wider, near = (int(one[index].sum()) for one in gone)
    assert wider < 0.2 * near
    everywhere = small._replace(own=own._replace(mask=np.ones_like(own.mask)))
    regions, apart = regions_on(small.matrix, even.affine, even.head.shape), Region.NEAR_GLOWING
    assert (
        posed(even, everywhere).face == (posed(even, small._replace(own=None)).face & ((regions & apart) == 0))
    ).all()


def _larger(times: float, middle: np.ndarray) -> np.ndarray:
    """Patient millimetres, so many times further from the middle."""
    made = np.diag([times, times, times, 1.0])
    made[:3, 3] = middle - times * middle
    return made


def test_where_nothing_glows_deep_under_the_skin_nothing_is_kept() -> None:
    even = grid([heads.pet()])
    brain = np.zeros(even.values.shape, bool)
    assert glowing_brain(even, brain) is None
    brain[even.head] = True
    assert glowing_brain(even._replace(head=np.zeros_like(even.head)), brain) is None
