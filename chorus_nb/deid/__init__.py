"""De-identification (notebook 03): the worklist, the run, and the crosswalk it leaves (SOP steps 10, 12, 13)."""

from chorus_nb.deid import crosswalk, summary
from chorus_nb.deid.job import ask_to_withdraw, deidentify, outlook, vanished, withdraw_vanished
from chorus_nb.deid.outlook import alerts, outlook_said, unusual
from chorus_nb.deid.worklist import make_worklist
