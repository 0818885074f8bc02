"""A volume in three planes and in 3D, its mask over it: NiiVue, whose JavaScript is in ipyniivue's wheel.

The kernel decodes and sends what was decoded; nothing else reads it, and no output keeps it.
"""

from __future__ import annotations

from typing import Any

from chorus_nb.errors import WorkbenchError
from chorus_nb.faces import shown_volume
from chorus_nb.workspace import Workspace

VIEWER_HEIGHT = 480  # pixels


def show_below(box: Any, kept: int, workspace: Workspace, series_uid: str, mask: str = "") -> None:
    """Put a volume in the place of what stands below the first ``kept`` widgets of a box; "" only takes that away."""
    for old in box.children[kept:]:
        old.close()
    box.children = box.children[:kept]
    if series_uid:
        box.children = (*box.children, volume_viewer(workspace, series_uid, mask))


def volume_viewer(workspace: Workspace, series_uid: str, mask: str = "") -> Any:
    """A widget: crosshair by click, slices by wheel, window by a drag with the right button; needs WebGL 2."""
    try:
        from ipyniivue import DragMode, MultiplanarType, NiiVue, ShowRender, Volume
    except ImportError:
        raise WorkbenchError("the viewer of volumes is not installed: pip install 'chorus-nb[deface]'") from None
    shown = shown_volume(workspace, series_uid, mask)
    viewer = NiiVue(
        height=VIEWER_HEIGHT,
        drag_mode=DragMode.CONTRAST,
        multiplanar_layout=MultiplanarType.GRID,
        multiplanar_show_render=ShowRender.ALWAYS,
        is_colorbar=False,
    )
    layers = [Volume(name="volume.nii", data=shown.image, cal_min=shown.low, cal_max=shown.high)]
    if shown.mask:
        red = {"colormap": "red", "opacity": 0.5, "cal_min": 0.5, "cal_max": 1.0}
        layers.append(Volume(name="mask.nii", data=shown.mask, **red))
    viewer.load_volumes(layers)
    return viewer
