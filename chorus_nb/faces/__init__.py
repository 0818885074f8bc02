"""Defacing of CT, MR and PT volumes: found, judged, removed (Safe Harbor item 17; PS3.15 E.3.2)."""

from chorus_nb.faces.judge import ASKED_COLUMNS, find_faces, forget
from chorus_nb.faces.masks import MASKS_FOLDER, DamagedMask, FaceMask, read_mask
from chorus_nb.faces.surfaces import ShownVolume, Surfaces, face_preview, render, shown_volume, surfaces
