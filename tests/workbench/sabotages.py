"""Fifty ways to spoil the engine, a row each: the room, what is replaced, by what, and the stage that is run again.

``images``: 03 de-identifies what the sound worklist says. ``worklist``: the worklist is made anew before. ``tables``:
05 over the images of the sound run. ``text``, ``face``: worklist and de-identification of a picture with a text drawn
into it, of a head; what the sound run found in the pixels is remembered. All in this process and without 04, which
would hold back what is spoilt: the self-test itself has to see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chorus_nb.deid.context import KEPT
from chorus_nb.dicom.container import Container
from chorus_nb.faces import FaceMask
from chorus_nb.mapping import Rule
from chorus_nb.pixels import Box
from chorus_nb.pixels.checks import Look
from chorus_nb.pixels.judge import CLEAN


class Sabotage(NamedTuple):
    """``place``: module and name within it, joined by a colon. ``spoilt``: makes the replacement from the original."""

    stage: str
    place: str
    why: str
    spoilt: Callable[[Any], Any]


def always(value: Any) -> Callable[[Any], Any]:
    return lambda sound: lambda *args, **more: value


def only_own(sound: Any) -> Any:
    return lambda vocabulary, text, own: [(*span, " ") for span in own]


def original_uid(sound: Any) -> Any:
    return lambda self, value, instance=False: value


def raw_pixels(sound: Any) -> Any:
    def whole(pixels: Any, data: Any, *args: Any, **more: Any) -> Container:
        return Container(pixels.element(data), pixels.content(data), Counter(), (b"", b""))

    return whole


def without_numbers(sound: Any) -> Any:
    return lambda self, identifiers: sound(self, replace(identifiers, numbers=frozenset()))


def unfilled(sound: Any) -> Any:
    return lambda content, boxes, face=None: content


def filled_whole(sound: Any) -> Any:
    return lambda dataset, boxes, face: sound(dataset, [Box(0, 0, 1 << 15, 1 << 15)], face)


def nothing_needed(sound: Any) -> Any:
    return lambda images: sound(images).assign(need="none")


def masks_of(value: bool) -> Callable[[Any], Any]:
    def made(sound: Any) -> Any:
        def read(*args: Any) -> FaceMask:
            mask: FaceMask = sound(*args)
            return mask._replace(mask=np.full_like(mask.mask, value))

        return read

    return made


def ignoring(action: str) -> Callable[[Any], Any]:
    def made(sound: Any) -> Any:
        def element(self: Any, e: Any, rule: Rule, level: Any, creator: str) -> Any:
            return KEPT if rule.action == action and e.items is None else sound(self, e, rule, level, creator)

        return element

    return made


ELEMENTS = "chorus_nb.deid.elements:Elements"
KEEP = Rule("K", "", "spoilt", "spoilt")
SABOTAGES = [
    Sabotage("images", f"{ELEMENTS}.looked_up", "ids stay", lambda sound: lambda self, e, level: self.text_of(e.tag)),
    Sabotage("images", f"{ELEMENTS}.element", "what is removed stays", ignoring("X")),
    Sabotage("images", f"{ELEMENTS}.element", "what is emptied stays", ignoring("Z")),
    Sabotage("images", f"{ELEMENTS}.element", "dates stay", ignoring("shift")),
    Sabotage("images", f"{ELEMENTS}.element", "UIDs stay", ignoring("U")),
    Sabotage("images", f"{ELEMENTS}.element", "ages stay", ignoring("age")),
    Sabotage("images", f"{ELEMENTS}.element", "lookups stay", ignoring("lookup")),
    Sabotage("images", f"{ELEMENTS}.sequence", "items are not entered", always(KEPT)),
    Sabotage("images", f"{ELEMENTS}.cleaned", "texts are not cleaned", always(KEPT)),
    Sabotage("images", f"{ELEMENTS}.keep", "what is kept is not looked at", always(KEPT)),
    Sabotage(
        "images",
        "chorus_nb.deid.text:Cleaner.for_technique",
        "makers and codes are not looked at",
        lambda sound: lambda self, tag, vr: str,
    ),
    Sabotage("images", f"{ELEMENTS}.shifted", "dates are emptied", always("")),
    Sabotage("images", "chorus_nb.deid.dataset:Deidentifier.rule", "everything is kept", always(KEEP)),
    Sabotage("images", "chorus_nb.deid.text:Cleaner._clean", "a text is clean", lambda sound: lambda self, text: text),
    Sabotage("images", "chorus_nb.deid.text:removals", "own values alone go", only_own),
    Sabotage("images", "chorus_nb.deid.text:_of_words", "no word is unknown", always([])),
    Sabotage("images", "chorus_nb.deid.text:cut_out", "the whole text goes", always("")),
    Sabotage("images", "chorus_nb.deid.elements:shorten", "texts are cut", lambda sound: lambda text, vr: text[:4]),
    Sabotage(
        "images", "chorus_nb.deid.uids:UidMap.replace", "UIDs stay", lambda sound: lambda self, uid, instance=False: uid
    ),
    Sabotage("images", "chorus_nb.deid.dates:shift_day", "days stay", lambda sound: lambda text, days: text),
    Sabotage("images", "chorus_nb.deid.dates:shift_day", "a day off", lambda sound: lambda t, days: sound(t, days + 1)),
    Sabotage("images", "chorus_nb.deid.dates:shift_moment", "moments stay", lambda sound: lambda text, *_: text),
    Sabotage("images", "chorus_nb.deid.dates:cap_age", "ages stay", lambda sound: lambda text: text),
    Sabotage("images", "chorus_nb.deid.dates:birth_date_tells", "old birth dates are shifted", always(False)),
    Sabotage(
        "worklist",
        "chorus_nb.deid.worklist:_kinds",
        "nothing is released",
        lambda sound: lambda work, kinds: sound(work, []),
    ),
    Sabotage(
        "images", "chorus_nb.deid.job:_outcomes", "a file is lost", lambda sound: lambda *args: sound(*args).iloc[1:]
    ),
    Sabotage("images", "chorus_nb.identity.words:Vocabulary.unknown", "every word is known", always([])),
    Sabotage("images", "chorus_nb.identity.own:Matcher._grave_spans", "own whole names are not found", always(())),
    Sabotage(
        "images",
        "chorus_nb.identity.harvest:harvest",
        "headers are not asked",
        lambda sound: lambda data, elements, charset, known, kept: known,
    ),
    Sabotage("images", "chorus_nb.identity.own:Matcher.__init__", "numbers are nobody's", without_numbers),
    Sabotage("images", "chorus_nb.dicom.container:_native", "tails stay", raw_pixels),
    Sabotage("images", "chorus_nb.dicom.container:_encapsulated", "tails of frames stay", raw_pixels),
    Sabotage("images", "chorus_nb.deid.elements:decode_text", "no text is read", always("")),
    Sabotage("images", "chorus_nb.deid.elements:encode_text", "no text is written", always(b"")),
    Sabotage(
        "worklist",
        "chorus_nb.layout:instance_names",
        "files keep their names",
        lambda sound: lambda files, *_: files.SOPInstanceUID,
    ),
    Sabotage(
        "worklist",
        "chorus_nb.mapping.lookups:Lookups.person",
        "nobody is shifted",
        lambda sound: lambda self, one: (sound(self, one)[0], 0),
    ),
    Sabotage("worklist", "chorus_nb.mapping.lookups:Lookups.image", "no accession is mapped", always(None)),
    Sabotage("tables", "chorus_nb.registry.omop_delivery:_check_cells", "no cell is looked at", always(None)),
    Sabotage("tables", "chorus_nb.registry.omop_delivery:Delivery.is_emptied", "no cell is emptied", always(False)),
    Sabotage(
        "tables",
        "chorus_nb.registry.omop:delivered_records",
        "rows are lost",
        lambda sound: lambda found: list(sound(found))[:2],
    ),
    Sabotage("text", "chorus_nb.pixels.checks:Checks.get", "no text is found", always(Look("", ()))),
    Sabotage("text", "chorus_nb.pixels.decisions:ImageDecisions.holding", "no text tells anything", always([])),
    Sabotage("text", "chorus_nb.pixels.judge:_Judge._step", "every picture is clean", always(CLEAN)),
    Sabotage("text", "chorus_nb.deid.worklist:_burned_in", "texts are not asked for", always(None)),
    Sabotage("text", "chorus_nb.pixels.redaction:fill", "nothing is filled", unfilled),
    Sabotage("text", "chorus_nb.pixels.redaction:_fill_native", "the whole picture is filled", filled_whole),
    Sabotage("face", "chorus_nb.deid.worklist:_faces", "faces are not asked for", always(None)),
    Sabotage("face", "chorus_nb.faces.judge:needs", "no header needs a look", nothing_needed),
    Sabotage("face", "chorus_nb.faces:read_mask", "masks are empty", masks_of(False)),
    Sabotage("face", "chorus_nb.faces:read_mask", "masks are whole", masks_of(True)),
]
