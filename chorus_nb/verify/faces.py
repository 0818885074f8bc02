"""Which released series may show a face: a volume of the head can be rendered into one (Safe Harbor item 17).

What 03 made of each series is one thing; the verifier's own look (:mod:`chorus_nb.verify.face_looks`) another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

import pandas as pd

from chorus_nb.layout import series_folder
from chorus_nb.leaks.shapes import Severity
from chorus_nb.standards import RELEASABLE
from chorus_nb.verify.face_looks import FaceLook
from chorus_nb.verify.findings import Finding

ANATOMY = ("Modality", "BodyPartExamined", "StudyDescription", "SeriesDescription", "SOPClassUID")
CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(?:\.\d)?")
PAGE = re.compile(r"\b(?:dose|report|page|summary|protocol|worksheet)\b", re.IGNORECASE)  # text, captured: no volume
VOLUMES = ("CT", "MR", "PT")
# Parts of the body whose field of view can hold a face (facts: pixels.md §C.4); a whole body holds one too.
HEAD = re.compile(
    r"head|brain|skull|face|facial|cranio|orbit|sinus|neck|iac\b|temporal|maxill|mandib|dental|pituitary"
    r"|c.?spine|cervical|whole.?body",
    re.IGNORECASE,
)
SLICES_OF_A_FACE = 10  # less cannot be rendered into one (findings of 03: a volume to register has as many)
REMOVED = "its face was removed"
SAID: dict[str, tuple[Severity, str]] = {
    "as_it_is": ("medium", "released with its face: a reviewer decided so"),
    "no_face_in_view": ("low", "a head whose face lies outside the field of view"),
    "came_without_face": ("low", "a head from which the face had been removed before"),
    "no_head": ("low", "its header says head or neck, its pixels show none"),
    "may_be_head": ("medium", "may show a head, not defaced"),
    "not_asked": ("medium", "its pixels were not asked for a head: an extra is not installed"),
    "rendering": ("medium", "a picture that may show a face"),
}
NOT_ON_RECORD = "may show a face, and it is not on record that it was removed"
SIGNED_FOR = "a head with its face, which deface: flag leaves: it waits until a reviewer signs for it"
NOT_ASKED = "its pixels were not asked for a head"
AGAINST: dict[str, tuple[Severity, str]] = {
    "defaced": ("high", "its face is on record as removed"),
    "came_without_face": ("high", "03 saw that it came without its face"),
    "no_face_in_view": ("high", "03 saw no face in view"),
    "no_head": ("high", "03 saw no head"),
    "": ("high", "03 did not ask for a head"),
}
"""What 03 said of a series in which the verifier sees a face."""
A_FACE, PERHAPS = "a front like a face is there", "a front that may be a face is there"


def faces_left(
    released: pd.DataFrame,
    catalog: pd.DataFrame,
    verdicts: pd.DataFrame,
    looks: Mapping[str, FaceLook],
    *,
    removes: bool,
) -> Iterator[Finding]:
    """What is known of each released volume, and what the verifier's own look says against it.

    ``verdicts``: what 03 made of each series (``tables.FACE_VERDICTS``). ``removes``: whether it was to remove faces,
    not to list heads. ``looks``: by series folder. What is not certain is said once a head.
    """
    images = released[["source_path", "target_path", "face_mask"]].merge(catalog, on="source_path")
    said = {row["series_uid"]: (row["status"], row["head"]) for row in verdicts.to_dict("records")}
    told: set[tuple[str, str]] = set()
    for folder, series in images.groupby(images.target_path.map(series_folder)):
        removed = bool((series.face_mask != "").all())
        status, head = said.get(series.SeriesInstanceUID.iloc[0], ("", ""))
        look = looks.get(str(folder), FaceLook())
        if (status == "may_be_head" and _is_certain(series, look)) or (status == "not_asked" and look.has_face):
            yield Finding("faces", "high", str(folder), "", SIGNED_FOR)
            continue
        yield from _on_record(str(folder), series, removed, status, removes)
        for finding in _by_own_look(str(folder), look, "defaced" if removed else status):
            if finding.severity != "medium" or (head or str(folder), finding.kind) not in told:
                told.add((head or str(folder), finding.kind))
                yield finding


def _on_record(folder: str, series: pd.DataFrame, removed: bool, status: str, removes: bool) -> Iterator[Finding]:
    said = _says_of(series)
    if removed:
        yield Finding("faces", "info", folder, "", REMOVED)
    elif status and (status != "no_head" or HEAD.search(said)):
        severity, detail = SAID.get(status, ("high", NOT_ON_RECORD))
        yield Finding("faces", severity, folder, "", detail)
    elif not status and _is_volume(series) and not _is_harmless_capture(series, said):
        named_only: Severity = "medium" if HEAD.search(said) else "low"
        detail = NOT_ON_RECORD if HEAD.search(said) else NOT_ASKED
        yield Finding("faces", "high" if removes else named_only, folder, "", detail)


def _is_volume(series: pd.DataFrame) -> bool:
    """Slices of CT, MR or PT, by Modality or by SOP class."""
    return bool((series.Modality.isin(VOLUMES) | series.SOPClassUID.map(RELEASABLE).isin(VOLUMES)).any())


def _is_certain(series: pd.DataFrame, look: FaceLook) -> bool:
    """A face that leaves for certain: its header names a head and its pixels may be one, or a front stands there."""
    named = HEAD.search(_says_of(series)) is not None and len(series) >= SLICES_OF_A_FACE
    return named or look.has_face


def _says_of(series: pd.DataFrame) -> str:
    said = zip(*(series[name] for name in ANATOMY[1:4]), strict=True)
    return " ".join(chain.from_iterable(dict.fromkeys(said)))


def _is_harmless_capture(series: pd.DataFrame, said: str) -> bool:
    """Pictures that were captured have no volume to ask: a page of text, or words of another part of the body."""
    if not series.SOPClassUID.str.fullmatch(CAPTURE).all():
        return False
    return bool(series.SeriesDescription.str.contains(PAGE).all()) or (bool(said.strip()) and not HEAD.search(said))


def _by_own_look(folder: str, look: FaceLook, status: str) -> Iterator[Finding]:
    """A head that 03 did not see, or a front that still stands where it says that there is none."""
    skull, certain = look.skull, look.has_face
    if status in AGAINST and look.may_have_face:
        severity, detail = AGAINST[status]
        if status == "no_head" and not (look.front and look.front.has_face):
            certain = skull is not None and skull.has_crown and skull.has_face  # without its crown a pelvis looks alike
        said = f"{detail}, and {A_FACE if certain else PERHAPS}"
        yield Finding("faces", severity if certain else "medium", folder, "", said, look.measured)
    elif look.front and look.front.is_hollow:
        detail = "its face is on record as removed, and what its skull encloses is gone"
        yield Finding("faces", "high", folder, "", detail, f"{look.front.hollow:.2f} of it")
    elif status == "no_head" and skull is not None and skull.is_head:
        detail = "03 saw no head, and bone encloses soft tissue as a skull does"
        yield Finding("faces", "medium", folder, "", detail, look.measured)
    elif look.answer in ("face", "may_be_face", "no_face"):
        yield Finding("faces", "info", folder, "", "a head by the verifier's own look", look.measured)
