"""Verify (04): the second pair of eyes. Shares no code with the de-identification; gates the release.

``verify`` writes ``tables.VERIFICATION`` and ``tables.CHECKS``; ``checks`` reads the gate's table; ``require_pass``
raises unless every check passed.
"""

from chorus_nb.verify.certificate import certify
from chorus_nb.verify.gate import answer, checks, require_pass, to_do
from chorus_nb.verify.previews import previews
from chorus_nb.verify.verification import summary, verify
