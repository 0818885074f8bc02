"""One run of the optimiser of SimpleITK: from a pose to the best beside it, by mutual information.

Always one thread and fixed sampling, so that the same volume gives the same transform on every run and worker.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Matrix, Region, Template, template
from chorus_nb.faces.volume import Grid

BINS, SEED = 32, 7  # of the joint histogram; of the places looked at


class _Run(NamedTuple):
    """How the optimiser runs: both images shrunk, the share of points it looks at, its longest and shortest step.

    ``most``: points, whatever their share is: of a trunk there are more than of a head.
    """

    shrink: int
    template: int
    sampled: float
    longest: float
    shortest: float
    steps: int
    most: float = np.inf


RUNS = {
    "coarse": _Run(1, 2, 0.5, 4.0, 0.1, 30, 16_000),
    "turned": _Run(1, 2, 0.5, 4.0, 0.1, 20, 8_000),  # the same of a head that lies otherwise than its header says
    "similarity": _Run(2, 2, 0.4, 2.0, 0.02, 60),
    "affine": _Run(1, 1, 0.2, 2.0, 0.02, 60),
    "rigid": _Run(2, 1, 0.5, 4.0, 0.02, 80),
    "finely": _Run(1, 1, 0.5, 1.5, 0.005, 100),
}
RIGID = ("rigid", "finely")


class Fixed:
    """What a search keeps still: the values of a volume in the region it looks at, made ready once."""

    def __init__(self, volume: Grid, values: NDArray[np.float32], region: Mask) -> None:
        self.image, self.mask = image_of(values, volume), image_of(region.astype("u1"), volume)
        self.points = int(region.sum())
        self.centre = volume.points(region).mean(axis=0)
        self._smoothed: dict[int, Any] = {}

    def shrunk(self, factor: int) -> Any:
        """The image, smoothed first, of so many times larger voxels."""
        import SimpleITK as sitk

        if factor > 1 and factor not in self._smoothed:
            smooth = sitk.SmoothingRecursiveGaussian(self.image, self.image.GetSpacing()[0] * 0.8)
            self._smoothed[factor] = sitk.Shrink(smooth, [factor] * 3)
        return self._smoothed.get(factor, self.image)


def refine(fixed: Fixed, matrix: Matrix, kind: str, to: Any = None) -> Matrix:
    """One run of the optimiser from ``matrix``, of a kind of ``RUNS``; ``to``: an image instead of the template's."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # sums in one order: the same result every time
    run = RUNS[kind]
    transform = _transform(kind, matrix, fixed.centre)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(run.sampled, run.most / max(fixed.points, 1)), SEED)
    method.SetMetricFixedMask(fixed.mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(run.longest, run.shortest, run.steps, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed.shrunk(run.shrink), to or _template_image(run.template))
    except RuntimeError:  # the pose left the template: nothing to compare
        return matrix
    return _matrix(transform)


def _transform(kind: str, matrix: Matrix, centre: NDArray[np.float64]) -> Any:
    import SimpleITK as sitk

    moved = matrix[:3, :3] @ centre + matrix[:3, 3]
    transform: Any = sitk.VersorRigid3DTransform() if kind in RIGID else sitk.Similarity3DTransform()
    if kind == "affine":
        transform = sitk.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    if kind != "affine":
        u, _, v = np.linalg.svd(matrix[:3, :3])
        scale = 1.0 if kind in RIGID else float(np.cbrt(abs(np.linalg.det(matrix[:3, :3]))))
        transform.SetMatrix((scale * (u @ v)).ravel().tolist())
    else:
        transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation((moved - centre).tolist())
    return transform


def _matrix(transform: Any) -> Matrix:
    made = np.eye(4)
    made[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    centre = np.array(transform.GetCenter())
    made[:3, 3] = centre + np.array(transform.GetTranslation()) - made[:3, :3] @ centre
    return made


def image_of(values: NDArray[Any], volume: Grid) -> Any:
    """Values of a grid as an image of SimpleITK, in patient millimetres."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(values)
    image.SetSpacing([volume.step] * 3)
    image.SetOrigin(volume.origin.tolist())
    return image


@lru_cache(maxsize=2)
def _template_image(shrink: int) -> Any:
    return image_like(template(), shrink=shrink)


def image_like(shape: Template, region: Region | None = None, soft: float = 1.2, shrink: int = 1) -> Any:
    """What the template shows, or where a region of it is, softened by millimetres, of twice its voxels or larger."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(
        np.clip(shape.values, 0, 450) if region is None else shape.shows(region).astype("f4")
    )
    affine = np.linalg.inv(shape.to_index)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, soft * shrink), [2 * shrink] * 3)
