"""Verify (04): the second pair of eyes. Shares no code with the de-identification; gates the release.

``verify`` writes ``tables.VERIFICATION`` and ``tables.CHECKS``; ``checks`` reads the gate's table; ``require_pass``
raises unless every check passed. 06 asks ``verify_tree`` for all that is no image, and for the ``certificate``.
"""

from chorus_nb.verify.certificate import all_checks, certificate, safe_harbor
from chorus_nb.verify.claim import claim_by_device, text_claim
from chorus_nb.verify.gate import answer, checks, failed_of_registry, is_open, require_pass, to_do
from chorus_nb.verify.holding import held_by_check
from chorus_nb.verify.previews import previews
from chorus_nb.verify.tree_checks import search_contents, verify_tree
from chorus_nb.verify.verification import searched, summary, verify
