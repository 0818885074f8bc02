"""06: what leaves the site: packed, signed off, uploaded and proved (Imaging SOP steps 11, 15; Data-Upload SOP)."""

from chorus_nb.release.manifest import totals
from chorus_nb.release.pack import pack
from chorus_nb.release.sign_off import sign_off, signed_off
from chorus_nb.release.submission import submission_note
from chorus_nb.release.upload import plan_upload, upload

__all__ = ["pack", "plan_upload", "sign_off", "signed_off", "submission_note", "totals", "upload"]
