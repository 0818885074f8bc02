"""Defacing of CT, MR and PT volumes: found, judged, removed (Safe Harbor item 17; PS3.15 E.3.2)."""

from chorus_nb.faces.judge import find_faces
from chorus_nb.faces.masks import FOLDER, FaceMask
from chorus_nb.faces.masks import read as read_mask
from chorus_nb.faces.surfaces import Surfaces, preview, render, surfaces

__all__ = ["FOLDER", "FaceMask", "Surfaces", "find_faces", "preview", "read_mask", "render", "surfaces"]
