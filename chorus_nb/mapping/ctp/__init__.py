"""RSNA CTP's scripts: read, checked, and run as a policy; and a policy written as a script."""

from chorus_nb.mapping.ctp.book import ScriptBook, read_book
from chorus_nb.mapping.ctp.expressions import Step, Values, trimmed
from chorus_nb.mapping.ctp.functions import Quarantine

__all__ = ["Quarantine", "ScriptBook", "Step", "Values", "read_book", "trimmed"]
