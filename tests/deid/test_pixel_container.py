"""Nothing but pixels leaves in the pixel data element, in whichever transfer syntax, and no decoded pixel changes."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.dicom import codecs
from chorus_nb.dicom.spans import Refused
from tests.deid.conftest import SUBJECT

pytest.importorskip("imagecodecs")
from tests.pixel_carriers import MARK, Carrier, carriers

CARRIERS = carriers()
SIGNED = {
    f"1.2.840.10008.1.2.4.{number}" for number in (80, 81, 90, 91, 201)
}  # their encoders leave a comment of theirs


def released(made: Deidentified) -> bytes:
    return made.header + bytes(made.pixels)


def decoded(content: bytes) -> np.ndarray:
    codecs.register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(BytesIO(content))
        array: np.ndarray = dataset.pixel_array
    return array


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: f"{carrier.syntax[18:]} {carrier.place}")
def test_what_is_planted_among_pixels_does_not_leave(engine: Deidentifier, carrier: Carrier) -> None:
    if carrier.held:
        with pytest.raises(Refused) as refused:
            engine.apply(carrier.file, SUBJECT)
        assert refused.value.reason in ("pixels_not_walked", "bits_beyond_stored")
        return
    made = engine.apply(carrier.file, SUBJECT)
    content = released(made)
    assert not any(part in content for part in (b"Quellbrook", b"Thessaly", b"4471902"))
    assert (decoded(content) == decoded(carrier.clean)).all()
    if carrier.place == "nowhere" and carrier.syntax not in SIGNED:
        assert bytes(made.pixel_value) in carrier.file, "a container that holds nothing else keeps its bytes"
        assert not any("pixel data" in note for note in made.notes)
    else:
        assert any("pixel data" in note or "offset table" in note for note in made.notes), "what was removed is noted"


def test_every_transfer_syntax_that_can_be_written_here_was_tried() -> None:
    assert len({carrier.syntax for carrier in CARRIERS}) == 10
    assert len(CARRIERS) > 150
    assert sum(MARK[:20] in carrier.file for carrier in CARRIERS) > 120
