"""RSNA CTP's scripts: read, checked, and run as a policy; and a policy written as a script."""

from chorus_nb.mapping.ctp.book import ScriptBook, read_book
from chorus_nb.mapping.ctp.expressions import PathStep, Values, trimmed
from chorus_nb.mapping.ctp.functions import Quarantine
from chorus_nb.mapping.ctp.regions import boxes

__all__ = ["PathStep", "Quarantine", "ScriptBook", "Values", "boxes", "read_book", "trimmed"]
