"""RSNA CTP's scripts: read, checked, and run as a policy; and a policy written as a script."""

from chorus_nb.mapping.ctp.expressions import PathStep, ScriptFault, Values, trimmed
from chorus_nb.mapping.ctp.functions import Quarantine
from chorus_nb.mapping.ctp.regions import boxes
from chorus_nb.mapping.ctp.rule_set import ScriptRules, ctp_differences, read_script_rules
