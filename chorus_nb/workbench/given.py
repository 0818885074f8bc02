"""What a command is given: a parameter file, and what ``--set`` puts over it.

Models are imported when a command runs: ``chorus-nb --help`` does not wait for them.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from chorus_nb.errors import InputError

if TYPE_CHECKING:
    from chorus_nb.parameters import Parameters


def given(chosen: argparse.Namespace) -> Parameters:
    """The parameters of the file that a command was given."""
    from chorus_nb.parameters import Parameters

    return Parameters.read(chosen.file, typed(getattr(chosen, "set", ())))


def typed(pairs: Iterable[str]) -> dict[str, Any]:
    """``NAME=VALUE`` pairs, typed by the model: a text stays text, however much it looks like a number."""
    from pydantic import TypeAdapter, ValidationError

    from chorus_nb.parameters import Parameters

    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set: must be NAME=VALUE: {pair}")
        field = Parameters.model_fields.get(name)
        values[name] = text
        if field and isinstance(field.default, list):
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif field and isinstance(field.default, bool | int | float):
            with contextlib.suppress(ValidationError):  # the model says what is wrong with it
                values[name] = TypeAdapter[Any](field.annotation or str).validate_python(text)
    return values
