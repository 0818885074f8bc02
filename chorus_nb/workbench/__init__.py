"""Runs the notebooks, renders their reports and keeps the audit log.

``begin`` opens a notebook; :mod:`chorus_nb.workbench.run` executes all of them; ``chorus-nb`` is the command line.
"""

from chorus_nb.workbench.notebook import Run, begin
