"""A face is found where there is one and removed whole; nothing else is ever called defaced."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")

from chorus_nb.faces import read_mask, registration, stacks
from chorus_nb.faces.acceptance import (
    LIMITS,
    Limit,
    Measures,
    came_without_face,
    face_left,
    measure,
    posed,
    refusals,
)
from chorus_nb.faces.atlas import Region, regions_on
from chorus_nb.faces.braincase import braincase
from chorus_nb.faces.masks import paths
from chorus_nb.faces.registration import Pose, _difference, _nodded, register_head, rotated, same_head, same_place
from chorus_nb.faces.settling import Hill, _every_other
from chorus_nb.faces.study import Asked, remove_faces
from chorus_nb.faces.volume import WATER_LIKE, Grid, Volume, cubes, grid, head, stature
from chorus_nb.source import open_source
from tests import heads

pytestmark = pytest.mark.usefixtures("_larger_cubes")


def found(volume: Volume, *step: float) -> tuple[Grid, Pose, list[str], Measures]:
    even = grid([volume], *step)
    pose = heads.registered(even, volume.modality)
    measures = measure(even, pose, posed(even, pose))
    return even, pose, refusals(measures, volume.modality), measures


@cache
def demo_head(kind: str = "T1") -> tuple[Grid, Pose, list[str], Measures]:
    """As its files have it, so that those who search the same files know it."""
    with tempfile.TemporaryDirectory() as folder:
        names = heads.write(heads.head(kind), Path(folder))
        [volume] = stacks.stacks(stacks.load(open_source(folder), names))
    return found(volume)


def test_the_demo_head_is_accepted_and_its_face_goes_while_its_brain_stays(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "faces"
    names = heads.write(heads.head("CT"), source)
    [answer] = remove_faces(open_source(source), folder, [Asked("1", "face", tuple(names))], False)
    assert (answer.status, answer.reason) == ("defaced", "")
    removed = np.concatenate([read_mask(folder, answer.mask, name).mask for name in names])
    assert removed[heads.face()].mean() >= 0.95
    assert not removed[np.isin(heads.tissues(), ("grey", "white"))].any(), "its own brain stays whole"
    assert answer.brain_ml == 0, "of the template's brain"
    assert read_mask(folder, answer.mask, names[0]).value == 24, "air"


def test_a_turned_head_gets_a_mask_that_is_turned_with_it() -> None:
    _, pose, _, _ = demo_head()
    case = next(heads.stress(heads.head("T1"), seed=3))
    even, turned, reasons, _ = found(case.volume)
    wanted = pose._replace(matrix=pose.matrix @ np.linalg.inv(case.moved), rivals=(), beside=())
    should, does = (posed(even, one).face & even.head for one in (wanted, turned))
    assert reasons or (should & does).sum() >= 0.9 * should.sum()


def test_the_pose_of_a_cut_ct_is_the_same_wherever_its_last_run_begins() -> None:
    """So that a slice more or less moves it by little."""
    even = grid([heads.above(heads.head("CT"), -45)])
    values, within = np.clip(even.values, *WATER_LIKE), even.points(braincase(even))[::10]
    hill = Hill(even, values, registration._region(even), -np.inf, within)
    starts = registration._starts(even, [(-12, 0, 0), (12, 0, 0)], ["crown"])[1::3]
    [one, other] = (hill.climbed(start).matrix for start in starts)
    centre = even.points(even.head).mean(axis=0)
    assert _difference(*starts, centre) > 0.4
    assert _difference(one, other, centre) < registration.ONE_PLACE


def test_a_mr_without_its_last_slice_loses_the_same_face() -> None:
    """The benchmark ``deface --slices`` has more."""
    volume = heads.head("T1")
    masks = []
    for kept in (volume, volume._replace(values=volume.values[:-1])):
        even = grid([kept])
        masks.append(posed(even, heads.registered(even, "MR")).face)
    both = min(map(len, masks))
    one, other = (mask[:both] for mask in masks)
    assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.97


@pytest.mark.fast
def test_the_crown_of_a_head_lies_where_it_does_though_a_tilted_field_ends_in_a_wedge() -> None:
    """What is narrow at the highest level was taken for the crown: the band of a face began at the cheeks."""
    z, y, x = np.ogrid[-60:63:3.0, -90:93:3.0, -90:93:3.0]
    field = np.broadcast_to(z < 33 + 0.33 * y + 0 * x, (41, 61, 61))
    ball = field & (np.hypot(np.hypot(x, y), z + 14) < 85)
    even = Grid(ball.astype("f4"), ball, np.asarray(field), np.array([-90.0, -90, -60]), 3.0)
    assert stature(even).crown == pytest.approx(71, abs=5)
    whole = np.ones_like(even.field)
    assert stature(even._replace(field=whole)).crown < 55, "a narrow head that the field shows whole is one"


@pytest.mark.fast
def test_half_of_the_cubes_are_the_same_ones_when_a_volume_loses_slices() -> None:
    even = cubes([heads.head("T1")], 6.0)
    later = Grid(even.values[1:], even.head[1:], even.field[1:], even.origin + np.array([0, 0, 6.0]), 6.0)
    np.testing.assert_array_equal(_every_other(even)[1:], _every_other(later))


@pytest.mark.parametrize(("before", "after", "settles"), [(1.0, 1.0, True), (0.86, 0.9, True), (0.9, 0.86, False)])
def test_a_mr_settles_where_its_most_forward_point_still_goes(
    monkeypatch: pytest.MonkeyPatch, before: float, after: float, settles: bool
) -> None:
    """The brow of a head that is turned down, at the upper edge of the mask: the ends of the search take it."""
    top = Pose(np.eye(4) * 1.01, 1.1, 0.9)
    monkeypatch.setattr(registration, "_settled", lambda *_: [top])
    monkeypatch.setattr(registration, "foremost", lambda _, matrix: after if matrix is top.matrix else before)
    pose = register_head(grid([heads.head("T1")], 6.0), "MR")
    assert (pose.matrix is top.matrix) == settles


@pytest.mark.parametrize("name", ["skull-stripped brain", "two knees"])
def test_what_is_no_head_with_a_face_is_never_called_defaced(name: str) -> None:
    """The benchmark ``deface`` has more."""
    volume = heads.negatives()[name]
    _, _, reasons, measures = found(volume, 6.0)  # an eighth of the points: no pose is at stake
    assert reasons or measures.face < 0.02, name


GOOD = Measures(0.96, 1.09, 1.0, 1.05, 5.0, 0.0, 0.15, 0.9, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.measure}{limit.modality}")
def test_each_limit_refuses_by_itself_and_says_why(limit: Limit) -> None:
    modality = limit.modality or "MR"
    assert refusals(GOOD, modality) == []
    beyond = limit.high + 0.001 if limit.high < np.inf else min(limit.low, limit.doubt) - 0.001
    for value in (beyond, float("nan")):
        [reason] = refusals(GOOD._replace(**{limit.measure: value}), modality)
        assert limit.reason in reason


@pytest.mark.parametrize(
    "limit", [limit for limit in LIMITS if limit.doubt < np.inf], ids=lambda limit: f"{limit.measure}{limit.modality}"
)
def test_a_measure_in_doubt_is_outvoted_only_where_all_others_are_sure(limit: Limit) -> None:
    modality, doubtful = limit.modality or "MR", GOOD._replace(**{limit.measure: limit.doubt})
    assert refusals(doubtful, modality) == []
    for other in LIMITS:
        if other.measure == limit.measure or other.modality not in ("", modality):
            continue
        unsure = other.sure - 0.001 if other.high == np.inf else other.sure + 0.001
        assert refusals(doubtful._replace(**{other.measure: unsure}), modality), f"{other.measure} is not sure"


@pytest.mark.parametrize(("measure", "value"), [("rotation", 48.8), ("scale_high", 1.347), ("scale_low", 0.75)])
def test_no_face_is_in_view_only_of_a_head_that_lies_and_measures_as_most_do(measure: str, value: float) -> None:
    """Coronal slices of orbits, under a pose that lay the face elsewhere, were released as they were."""
    turned = GOOD._replace(**{measure: value})
    assert refusals(turned, "MR") == [], "what looks at its front says that it is the face"
    assert refusals(turned._replace(face=0.0, nose=0.0, front=0.0), "MR")
    assert refusals(GOOD._replace(face=0.0, nose=0.0, front=0.0), "MR") == []


def one_head() -> dict[str, Volume]:
    """What a study of one head holds beside its T1: by name, in the same frame of reference."""
    t2 = heads.head("T2")
    brain = np.isin(heads.tissues(), ("grey", "white", "csf"))
    random = np.random.default_rng(3)
    hiss = random.uniform(0, 1, brain.shape)
    noise = np.abs(random.normal(0, 40, brain.shape))
    names, places = np.unique(heads.tissues(), return_inverse=True)
    grain = random.normal(0, 12, brain.shape)
    bare, faint = np.where(brain, t2.values, noise), np.where(brain, t2.values, t2.values * 0.1 + noise / 4)
    left_by = t2.affine + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4])

    def few(volume: Volume, *places: int) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * places[0]
        affine[:3, 2] *= places[1] - places[0] if len(places) > 1 else 1
        return volume._replace(values=volume.values[list(places)].astype("f4"), affine=affine)

    def contrast(**signal: float) -> np.ndarray:
        """Signal by tissue with grain; all other tissues are faint, as bone and air are."""
        return np.array([signal.get(name, 20.0) for name in names])[places].reshape(brain.shape) + np.abs(grain)

    def distorted(values: np.ndarray) -> np.ndarray:
        """Drawn out by up to 8 mm over the air of the sinuses, with a ghost half a field away: echo planar."""
        rows = np.arange(values.shape[1])
        drawn = np.rint(np.clip(rows + 3.2 * np.exp(-(((rows - 24) / 10) ** 2)), 0, len(rows) - 1)).astype(int)
        return values[:, drawn] + 0.06 * np.roll(values[:, drawn], len(rows) // 2, axis=1)

    return {
        "t2": t2,
        "dwi": few(t2._replace(values=bare), *range(8, 64, 4)),
        "moved by 5 mm": few(t2._replace(values=bare, affine=left_by), *range(8, 64, 4)),
        "adc": few(t2._replace(values=np.where(brain, 700 + noise, hiss * 3000)), 20, 30, 40),
        "phase": few(t2._replace(values=np.where(brain, 2000 + noise, hiss * 4095)), 20, 30, 40),
        "fa": few(t2._replace(values=np.where(brain, noise * 10, 0)), 20, 30, 40),
        "flair": few(t2._replace(values=contrast(csf=90, grey=700, white=560, fat=900, skin=420)), *range(0, 72, 4)),
        "swi": few(t2._replace(values=contrast(csf=800, grey=500, white=450, fat=350, skin=250)), *range(34, 68)),
        "bold": few(t2._replace(values=distorted(faint)), *range(8, 68, 3)),
        "localizer": few(t2, 24, 34),
        "single": few(t2, 24),
    }


def test_the_face_of_one_series_goes_from_every_series_of_its_frame_of_reference(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "faces"
    volumes = one_head()
    t2 = volumes["t2"]
    away = np.array([[0, 0, 0, 0], [0, 0, 0, 70.0], [0, 0, 0, 0], [0] * 4])
    volumes |= {"t1": heads.head("T1"), "few away": t2._replace(values=t2.values[30:36], affine=t2.affine + away)}
    below = np.array([[0.0] * 4, [0.0] * 4, [0, 0, 0, -200.0], [0.0] * 4])
    volumes = {"few below": t2._replace(values=t2.values[:4], affine=t2.affine + below)} | volumes
    asked = []
    for name, volume in volumes.items():
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
    asked.append(asked[-1]._replace(series="decided", decision="deface", lead="t1"))
    (source / "mosaic").write_bytes(heads.mosaic(volumes["dwi"]))
    asked.append(Asked("mosaic", "face", ("mosaic",)))
    answers = {one.series: one for one in remove_faces(open_source(source), folder, asked, False)}
    away_one = answers.pop("few away")
    assert away_one.status == "not_defaced", "it lies where the head is not"
    below_it = answers.pop("few below")
    assert (below_it.status, below_it.mask, below_it.shared_from) == ("no_face_in_view", "", "t1")
    assert {name: one.status for name, one in answers.items()} == dict.fromkeys(answers, "defaced")
    assert {name: one.shared_from for name, one in answers.items()} == dict.fromkeys(answers, "t1") | {"t1": ""}
    assert all(one.brain_ml == 0 for one in answers.values())
    tiles = read_mask(folder, answers["mosaic"].mask, "mosaic").mask[0].reshape(4, heads.SIZE, 4, heads.SIZE)
    alone = sorted(path.name for path in (source / "dwi").iterdir())
    slices = [read_mask(folder, answers["dwi"].mask, f"dwi/{name}").mask[0] for name in alone]
    assert np.array_equal(tiles.transpose(0, 2, 1, 3).reshape(16, heads.SIZE, heads.SIZE)[:14], slices)
    moved = "moved by 5 mm"
    names = sorted(path.name for path in (source / moved).iterdir())
    removed = np.stack([read_mask(folder, answers[moved].mask, f"{moved}/{name}").mask[0] for name in names])
    assert removed[heads.face()[8:64:4]].mean() >= 0.95


def search_ends_wrong_but_of_the_demo_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is searched is refused, as what has no outline is (the benchmark ``face_study`` searches)."""
    even, pose, _, _ = demo_head()
    wrong = pose._replace(matrix=_nodded(pose.matrix, 60, even), rivals=(), beside=())
    searched = lambda volume, *_: pose if np.array_equal(volume.values, even.values) else wrong  # noqa: E731
    monkeypatch.setattr("chorus_nb.faces.study.register_head", searched)


def test_the_face_goes_from_a_series_of_another_frame_of_reference_that_shows_none_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Diffusion after the person was laid down anew: registered to the head that its study has accepted."""
    t1, dwi = heads.head("T1"), one_head()["dwi"]
    moved = heads.about_middle(t1, heads.rotated(6, 4, -5))
    moved[:3, 3] += 12, -9, 15
    elsewhere = dwi._replace(affine=moved @ dwi.affine)
    search_ends_wrong_but_of_the_demo_head(monkeypatch)
    source, folder = tmp_path / "source", tmp_path / "faces"
    asked = []
    for name, volume in {"t1": t1, "dwi": elsewhere}.items():
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files), frame=name))
    answers = {one.series: one for one in remove_faces(open_source(source), folder, asked, False)}
    assert {name: one.status for name, one in answers.items()} == {"t1": "defaced", "dwi": "defaced"}
    found = answers["dwi"]
    assert (found.shared_from, found.brain_ml) == ("t1", 0)
    names = sorted(path.name for path in (source / "dwi").iterdir())
    removed = np.stack([read_mask(folder, found.mask, f"dwi/{name}").mask[0] for name in names])
    assert removed[heads.face()[8:64:4]].mean() >= 0.95


def test_a_series_without_an_outline_takes_the_face_where_its_frame_of_reference_and_its_pixels_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who moved while they were scanned, seen a second time half a field away: no head's outline."""
    t1, t2 = heads.head("T1"), heads.head("T2")
    grain = np.abs(np.random.default_rng(5).normal(0, 8, t2.values.shape))
    ghost = np.roll(t2.values, heads.SIZE // 2, axis=1)
    moved = t2._replace(values=(t2.values * 0.6 + ghost * 0.3 + grain).astype("f4"))
    search_ends_wrong_but_of_the_demo_head(monkeypatch)
    source, folder = tmp_path / "source", tmp_path / "faces"
    asked = []
    for name, volume in {"t1": t1, "moved": moved}.items():
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
    answers = {one.series: one for one in remove_faces(open_source(source), folder, asked, False)}
    found = answers["moved"]
    assert (found.status, found.shared_from, found.brain_ml) == ("defaced", "t1", 0)
    removed = np.stack([read_mask(folder, found.mask, path).mask[0] for path in asked[1].paths])
    assert removed[heads.face()].mean() >= 0.95


@pytest.mark.parametrize("size", [0.8, 1.0, 1.2])
def test_poses_differ_by_what_they_move_whatever_the_size_of_the_head(size: float) -> None:
    """Of a head larger than the template every two ends were two places, of a smaller one turned ends were one."""
    pose, turned = np.eye(4), np.eye(4)
    pose[:3, :3], turned[:3, :3] = np.eye(3) * size, size * rotated(10, 0, 0)
    assert _difference(pose, pose, np.zeros(3)) == 0
    assert _difference(pose, turned, np.zeros(3)) == pytest.approx(size * np.radians(10), rel=0.01)


def test_what_lies_between_two_ends_of_the_search_and_is_clearly_better_is_the_pose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two searches end 8 degrees to either side of the best pose: neither is it, and neither is its rival."""
    even, pose, _, _ = demo_head()
    scorer = registration._Scorer(
        even, registration._comparable(even.values, "MR", even.head), registration._region(even)
    )
    nodded = (_nodded(pose.matrix, degrees, even) for degrees in range(-6, 7))
    best = max(nodded, key=lambda matrix: scorer.pose(matrix).fit)  # of the flat valley where the search ended
    beside = [_nodded(best, degrees, even) for degrees in (-8, 8, -8)]
    made = {"similarity": lambda: best, "affine": lambda: beside.pop()}
    monkeypatch.setattr("chorus_nb.faces.registration._turned_round", lambda *_: [])
    monkeypatch.setattr("chorus_nb.faces.registration._settled", lambda _, __, ends: ends)
    monkeypatch.setattr("chorus_nb.faces.registration.refine", lambda *how: made[how[-1]]())
    between = register_head(even, "MR", (0.0, 0.0, 0.0))
    assert _difference(between.matrix, best, even.points(even.head).mean(axis=0)) < 0.02
    assert between.ends == (between.matrix,)


def test_a_pose_whose_face_takes_what_the_skull_encloses_fits_less() -> None:
    """A smooth CT head nodded by 24 degrees looks much the same; its bone says where the brain is."""
    _, pose, _, _ = demo_head()
    even = grid([heads.head("CT")])
    values, region = registration._comparable(even.values, "CT", even.head), registration._region(even)
    scorer = registration._Scorer(even, values, region, "CT")
    true, nodded = (scorer.pose(matrix) for matrix in (pose.matrix, _nodded(pose.matrix, 24, even)))
    assert true.lost == 0 and nodded.lost > 0.01
    assert nodded.fit == pytest.approx(nodded._replace(lost=0).fit - 2 * nodded.lost)
    mr = registration._Scorer(even, values, region)
    assert mr.pose(nodded.matrix).lost == 0, "no bone shows"


def test_a_head_that_lies_face_down_is_no_head_that_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dome fits nearly as well with its front behind: the pose that fits better is looked for, and it says so."""
    even, pose, _, _ = demo_head()
    monkeypatch.setattr(registration, "refine", lambda *how: how[1])
    scorer = registration._Scorer(
        even, registration._comparable(even.values, "MR", even.head), registration._region(even)
    )

    def refined(poses: list[Pose], _: str) -> list[Pose]:
        return sorted((scorer.pose(one.matrix) for one in poses), key=lambda one: -one.fit)

    wrong = scorer.pose(registration._about_centre(pose.matrix, rotated(0, 180, 0), even))
    [right] = registration._turned_round(wrong, even, scorer, refined)
    assert np.allclose(right.matrix, pose.matrix) and right.fit > wrong.fit + 0.05
    assert registration._turned_round(pose, even, scorer, refined) == []


@pytest.mark.parametrize("modality", ["XA", "NM", "CR"])
def test_where_no_limits_were_measured_those_of_mr_count(modality: str) -> None:
    assert refusals(GOOD._replace(dice=0.905), modality) == refusals(GOOD._replace(dice=0.905), "MR") != []


def test_the_cubes_of_a_volume_stay_where_they_are_when_it_loses_slices() -> None:
    """What the search looks at does not move with the first slice of a series."""
    whole, part = heads.head("CT"), heads.above(heads.head("CT"), -90)
    one, other = cubes([whole], 3.0), cubes([part], 3.0)
    shift = (other.origin - one.origin) / 3.0
    assert np.allclose(shift, np.rint(shift))
    low = round(shift[2]) + 2
    assert np.allclose(one.values[low:], other.values[2:], atol=1)


def test_where_a_body_lies_in_its_field_changes_nothing_of_it() -> None:
    even, wide = grid([heads.head("CT")]), ((0, 5), (3, 9), (12, 4))
    inner = tuple(slice(before, -after) for before, after in wide)
    values = np.pad(even.values, wide, constant_values=-1000)
    found = head(values, np.ones(values.shape, bool), "CT", 3.0)
    assert found.any() and np.array_equal(found[inner], head(even.values, np.ones_like(even.field), "CT", 3.0))


def test_ends_of_the_search_that_are_one_place_spare_the_brain_of_each_and_others_are_asked_for_it() -> None:
    """What is said to be one place takes no brain of any end; where a rival would take some, that is a measure."""
    even, pose, _, _ = demo_head()
    back, far = pose.matrix.copy(), pose.matrix.copy()
    back[1, 3] -= 20
    far[1, 3] += 25
    near = pose._replace(rivals=(), beside=(back, far))
    there = posed(even, near)
    assert not (there.face & np.logical_or.reduce(there.brains)).any()
    assert (there.face & ~posed(even, near._replace(beside=())).face).any(), "the face of each goes"
    assert measure(even, near, there).brain == 0
    rival = pose._replace(rivals=(far,), beside=())
    assert measure(even, rival, posed(even, rival)).brain > 0.01


def test_where_ends_contradict_each_other_a_rival_takes_nothing_deep_beside_the_brain_and_the_whole_face_goes() -> None:
    even, pose, _, _ = demo_head()
    far = pose.matrix.copy()
    far[1, 3] -= 25
    contradicted = pose._replace(rivals=(far,), beside=(), own=None)
    own = registration._own_brain(even, "MR", contradicted, np.zeros_like(even.head))
    before, after = posed(even, contradicted), posed(even, contradicted._replace(own=own))
    kept = np.argwhere(before.face & ~after.face) * even.step
    assert len(kept) > 100 and not (before.faces[0] & ~after.face & before.face).any(), "of its own face nothing stays"
    air = np.argwhere(~even.head) * even.step
    assert min(np.linalg.norm(air - place, axis=1).min() for place in kept[::20]) > 12, "the skin goes"
    assert measure(even, contradicted._replace(own=own), after).brain == measure(even, contradicted, before).brain
    assert registration._own_brain(even, "MR", pose._replace(rivals=()), np.zeros_like(even.head)) is None


def test_what_the_skull_of_a_ct_encloses_stays_also_where_a_pose_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, (even, pose, _, _) = heads.head("CT"), demo_head("CT")
    assert pose.own
    back = pose.matrix.copy()
    back[1, 3] -= 7
    wrong = pose._replace(matrix=back, rivals=(), beside=())
    assert (pose.own.mask & posed(even, wrong._replace(own=None)).face).sum() > (
        pose.own.mask & posed(even, wrong).face
    ).sum()
    monkeypatch.setattr("chorus_nb.faces.study.register_head", lambda *_: wrong)
    names = heads.write(volume, tmp_path / "source")
    source, asked = open_source(tmp_path / "source"), [Asked("1", "face", tuple(names), decision="deface")]
    [answer] = remove_faces(source, tmp_path / "faces", asked, False)
    removed = np.concatenate([read_mask(tmp_path / "faces", answer.mask, name).mask for name in names])
    assert not removed[np.isin(heads.tissues(), ("grey", "white"))].any()
    assert removed[heads.face()].mean() >= 0.99, "all that makes it known goes"


def test_what_bone_encloses_far_from_the_brain_is_no_brain() -> None:
    even, pose, _, _ = demo_head("CT")
    assert pose.own
    everywhere = pose._replace(own=pose.own._replace(mask=np.ones_like(pose.own.mask)))
    regions, face = regions_on(pose.matrix, even.affine, even.values.shape), posed(even, everywhere).face
    assert np.array_equal(face, posed(even, pose).face & ((regions & Region.NEAR) == 0))
    assert face.sum() > 0.5 * posed(even, pose).face.sum()


def filled(volume: Volume, pose: Pose, value: float, region: Region = Region.FACE) -> Volume:
    """The volume after somebody defaced it, or stripped it to its brain."""
    found = regions_on(pose.matrix, volume.affine, volume.values.shape)
    zone = (found & region) > 0 if region != Region.BRAIN else (found & region) == 0
    return volume._replace(values=np.where(zone, np.float32(value), volume.values))


def test_a_face_that_was_filled_before_is_known_by_its_one_value_and_a_faint_one_is_there(tmp_path: Path) -> None:
    even, pose, _, _ = demo_head()
    zone = regions_on(pose.matrix, even.affine, even.values.shape)
    face, random = (zone & Region.FACE) > 0, np.random.default_rng(1)
    for fill in (0.0, 77.0):
        assert face_left(even._replace(values=np.where(face, np.float32(fill), even.values)), pose) < 0.01
    faint = np.where(face, even.values * 0.02, even.values).astype("f4")
    noise = np.where(face, random.normal(5, 2, face.shape), even.values).astype("f4")
    for values in (even.values, faint, noise):
        assert face_left(even._replace(values=values), pose) > 0.5
    beyond = even.points(face)[:, 1].max()
    cut = even.field & (even.points(np.ones(face.shape, bool))[:, 1].reshape(face.shape) > beyond - 15)
    assert np.isnan(face_left(even._replace(field=cut), pose)), "most of the zone is not in view"


@pytest.mark.parametrize("wrong", [{"dice": 0.84}, {"nmi": 1.03}, {"rotation": 51.0}, {"scale_high": 1.5}, {}])
def test_only_a_head_that_is_surely_there_came_without_its_face(wrong: dict[str, float]) -> None:
    measures = GOOD._replace(scalp=0.01, nose=0.0, front=0.0, **wrong)
    assert came_without_face(measures, 0.05) == (not wrong)
    assert not came_without_face(measures, 0.2) and not came_without_face(measures, float("nan"))


@pytest.mark.parametrize("region", [Region.FACE, Region.BRAIN], ids=["defaced", "skull-stripped"])
def test_a_series_that_came_without_a_face_is_released_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: Region
) -> None:
    pose = demo_head()[1]
    monkeypatch.setattr("chorus_nb.faces.study.register_head", lambda *_: pose._replace(dice=0.9))
    names = heads.write(filled(heads.head("T1"), pose, 0, region), tmp_path / "source")
    source, asked = open_source(tmp_path / "source"), [Asked("1", "face", tuple(names))]
    [answer] = remove_faces(source, tmp_path / "faces", asked, False)
    assert (answer.status, answer.mask, answer.removed) == ("came_without_face", "", 0)
    assert answer.reason.startswith("no face is left in it: where one lies, ")
    whole = heads.write(heads.head("T1"), tmp_path / "source" / "whole")
    paths = (*names, *(f"whole/{name}" for name in whole))
    [answer] = remove_faces(source, tmp_path / "faces", [Asked("1", "face", paths)], False)
    assert answer.status == "not_defaced", "the second image of each place shows its face"


def test_the_noise_beside_what_was_filled_is_no_body() -> None:
    even, pose, _, _ = demo_head()
    face = (regions_on(pose.matrix, even.affine, even.values.shape) & Region.FACE) > 0
    found = head(np.where(face, np.float32(0), even.values), even.field, "MR", even.step)
    rest = even.head & ~face
    assert 2 * (found & rest).sum() >= 0.95 * (found.sum() + rest.sum())


@pytest.mark.parametrize(
    ("ends", "one_head"),
    [
        ((0, 0.5, 9, 20, 31, 40), True),
        ((0, 9, 20, 31, 40, 0.5), True),
        ((9, 20, 31, 40, 0, 20, 0.5, 31), True),
        ((0, 9, 20, 31, 9, 20), False),
    ],
)
def test_two_frames_of_reference_are_one_head_only_where_two_starts_end_at_one_place(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[float, ...], one_head: bool
) -> None:
    """``ends``: degrees by which they are turned away from the truth; after four, two began beside the best one."""
    even, turned = demo_head()[0], iter(ends)

    def refined(fixed: object, start: object, kind: str, to: object) -> np.ndarray:
        return heads.about_middle(heads.head("T1"), heads.rotated(next(turned), 0, 0)) if kind == "finely" else start

    monkeypatch.setattr("chorus_nb.faces.registration.refine", refined)
    moved = same_head(even, "MR", even, "MR")
    assert (moved is not None) == one_head
    assert moved is None or np.array_equal(moved, np.eye(4))


@pytest.mark.parametrize(("end", "one_place"), [(3.0, True), (4.0, False)])
def test_a_frame_of_reference_is_believed_where_the_pixels_end_beside_it(
    monkeypatch: pytest.MonkeyPatch, end: float, one_place: bool
) -> None:
    """``end``: degrees by which the registration turns what the frame of reference says."""
    even = demo_head()[0]
    turned = heads.about_middle(heads.head("T1"), heads.rotated(end, 0, 0))
    monkeypatch.setattr("chorus_nb.faces.registration.refine", lambda *_: turned)
    monkeypatch.setattr("chorus_nb.faces.registration._shared_information", lambda *_: 1.05)
    assert (same_place(even, "MR", even, "MR") is not None) == one_place
    monkeypatch.setattr("chorus_nb.faces.registration._shared_information", lambda *_: 1.03)
    assert same_place(even, "MR", even, "MR") is None


def test_without_a_pose_to_share_too_few_slices_are_held(tmp_path: Path) -> None:
    volume = heads.head("CT")
    names = heads.write(volume._replace(values=volume.values[:5]), tmp_path / "source")
    [answer] = remove_faces(
        open_source(tmp_path / "source"), tmp_path / "faces", [Asked("1", "face", tuple(names))], False
    )
    assert (answer.status, answer.reason) == ("not_defaced", "too few slices")


def test_a_damaged_file_costs_itself_only_and_a_series_of_them_that_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, pose = heads.head("CT"), demo_head("CT")[1]
    monkeypatch.setattr("chorus_nb.faces.study.register_head", lambda *_: pose)
    source = tmp_path / "source"
    asked = []
    for name in ("whole", "broken"):
        files = heads.write(volume, source / name, SeriesDescription=name)
        asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
    for path in [source / "whole" / "030.dcm", *(source / "broken").iterdir()]:
        path.write_bytes(path.read_bytes()[:-5000])
    answers = {one.series: one for one in remove_faces(open_source(source), tmp_path / "faces", asked, False)}
    whole = answers["whole"]
    assert (whole.status, whole.left_out, whole.remembered) == ("defaced", ("whole/030.dcm",), False)
    assert "whole/030.dcm" not in paths(tmp_path / "faces", whole.mask)
    assert (answers["broken"].status, answers["broken"].reason[:23]) == ("not_defaced", "could not be looked at ")


def test_a_real_head_loses_its_face_and_keeps_its_brain(shared: Path, tmp_path: Path) -> None:
    source = shared / "dicom" / "commontk__CTKData" / "Data" / "DICOM" / "MRHEAD"
    names = sorted(path.name for path in source.iterdir())
    [answer] = remove_faces(open_source(source), tmp_path / "faces", [Asked("1", "pixels", tuple(names))], False)
    assert (answer.status, answer.brain_ml) == ("defaced", 0)
    assert answer.measures and answer.measures.nose == answer.measures.front == 1


def test_a_tilted_head_cut_below_the_orbits_is_defaced_or_held_and_never_passed(shared: Path, tmp_path: Path) -> None:
    source = shared / "dicom" / "neurolabusc__dcm_qa_ct" / "In" / "GE"
    names = sorted(path.name for path in source.iterdir())
    [answer] = remove_faces(open_source(source), tmp_path / "faces", [Asked("1", "face", tuple(names))], False)
    assert answer.status in ("defaced", "not_defaced")
    assert answer.mask, "a reviewer can look at what would go"
