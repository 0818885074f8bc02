"""06: what leaves the site: packed, signed off, uploaded and proved (Imaging SOP steps 11, 15; Data-Upload SOP)."""

from chorus_nb.release.consortium import ask_tool
from chorus_nb.release.delivery import ask_to_upload, plan_upload, token_given, upload, upload_token
from chorus_nb.release.manifest import totals
from chorus_nb.release.packing import pack
from chorus_nb.release.relayout import relayout, write_identity_lookups
from chorus_nb.release.signature import ask_to_sign, sign_off, signed_off
from chorus_nb.release.submission import submission_note
