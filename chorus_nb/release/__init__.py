"""06: what leaves the site: packed, signed off, uploaded and proved (Imaging SOP steps 11, 15; Data-Upload SOP)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chorus_nb.release.consortium import ask_tool
    from chorus_nb.release.delivery import ask_to_upload, plan_upload, token_given, upload, upload_token
    from chorus_nb.release.manifest import first_of_manifest, totals
    from chorus_nb.release.packing import pack
    from chorus_nb.release.signature import ask_to_sign, sign_off, signed_off
    from chorus_nb.release.submission import submission_note

MADE_IN = {
    "consortium": ("ask_tool",),
    "delivery": ("ask_to_upload", "plan_upload", "token_given", "upload", "upload_token"),
    "manifest": ("first_of_manifest", "totals"),
    "packing": ("pack",),
    "signature": ("ask_to_sign", "sign_off", "signed_off"),
    "submission": ("submission_note",),
}


def __getattr__(name: str) -> Any:
    """Each verb brings its module when it is asked for: ``chorus-nb check`` does not wait for the verifier."""
    for module, verbs in MADE_IN.items():
        if name in verbs:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
