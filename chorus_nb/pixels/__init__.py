"""Burned-in text: found, judged, removed (03), and proven gone (04)."""

from chorus_nb.pixels.boxes import Box, format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding, find_text
from chorus_nb.pixels.judge import judge
from chorus_nb.pixels.proof import prove
from chorus_nb.pixels.redaction import redact
from chorus_nb.pixels.triage import TRIAGE_COLUMNS
