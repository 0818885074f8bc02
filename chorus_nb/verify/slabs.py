"""A face in slices that are too few to find a head in: by other slices of that head, or by themselves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path

from chorus_nb.verify.bodies import PlacedSlice, Slices, body_of, slices_of, with_planes_of
from chorus_nb.verify.fronts import (
    SEEN_OF_FEW,
    Front,
    HeadPlace,
    Laid,
    Skin,
    average_head,
    laid_on,
    measured,
    on_skin,
)
from chorus_nb.verify.outlines import WEAKER, thresholds

FEWEST_LEFT = 6  # points of a face that lie on the skin of a slab (5 cm²): less of it is none


def front_in_slabs(
    sets: Sequence[Slices], beside: Callable[[], Laid | None], original: Callable[[Path], bytes] | None = None
) -> Front | None:
    """Of slices that are too few to lay a whole head onto, where they are enough to say something.

    ``beside``: how it lies in another series of its frame of reference, which says where its face is; without one a
    face is looked for in the slices alone. ``original`` as in :func:`front_in`.
    """
    stacks = [stack for slices in sets for stack in slices.slabs()]
    if not stacks or importlib.util.find_spec("SimpleITK") is None:
        return None
    whole = beside()
    return _most_of_face(_left_in(stack, whole.pose, original) if whole else _alone(stack) for stack in stacks)


def front_beside(sets: Sequence[Slices], original: Callable[[Path], bytes] | None = None) -> Front | None:
    """Of slices that are too few, beside a stack that is enough: of another size, direction or frame of reference.

    Where that stack showed a face in the source, it says where the face of those in its frame of reference is.
    """
    thin = [stack for slices in sets for stack in slices.slabs(thin=True)]
    enough = next((stack for slices in sets if not isinstance(stack := slices.stack(), str)), None)
    if not thin or not enough:
        return None
    before = body_of(with_planes_of(enough, original)) if original else ""
    whole = None if isinstance(before, str) else laid_on(before)
    if not (whole and whole.front.has_face):
        return _most_of_face(map(_alone, thin))
    return _most_of_face(
        _left_in(stack, whole.pose, original) if stack[0].space == enough[0].space else _alone(stack) for stack in thin
    )


def _most_of_face(fronts: Iterable[Front | None]) -> Front | None:
    return max(filter(None, fronts), key=lambda front: (front.may_have_face, front.face), default=None)


def _alone(stack: list[PlacedSlice]) -> Front | None:
    body = body_of(stack)
    laid = None if isinstance(body, str) or min(body.values.shape) < 2 else laid_on(body)
    return laid.front._replace(few=True) if laid and laid.front.seen >= SEEN_OF_FEW else None


def _left_in(stack: list[PlacedSlice], pose: HeadPlace, original: Callable[[Path], bytes] | None) -> Front | None:
    body, head = body_of(stack), average_head()
    before = body_of(with_planes_of(stack, original)) if original else body
    if isinstance(body, str) or isinstance(before, str) or min(body.values.shape) < 2:
        return None
    parts = list(thresholds(before.values, body.is_ct, (1.0,) if body.is_ct else WEAKER))
    shown, strong_from = max(
        ((on_skin(Skin(before, part), pose, head)[1] & head.face, part) for part in parts), key=lambda one: one[0].sum()
    )
    skin = Skin(body, strong_from)
    left = on_skin(skin, pose, head)[1] & shown
    share = float(left.sum() / shown.sum()) if left.sum() >= FEWEST_LEFT else 0.0
    return measured(skin, pose, head)._replace(face=round(share, 3), hollow=0.0, placed=True)


def face_beside(read: Callable[[str], bytes], paths: Iterable[str]) -> Laid | None:
    """How a head lies in the files of a series, if its face is there."""
    stack = slices_of((Path(path), BytesIO(read(path))) for path in paths).stack()
    body = stack if isinstance(stack, str) else body_of(stack)
    whole = None if isinstance(body, str) else laid_on(body)
    return whole if whole and whole.front.has_face else None
