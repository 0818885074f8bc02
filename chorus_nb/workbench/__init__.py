"""Runs the notebooks, renders their reports and keeps the audit log.

``begin`` opens a notebook; :mod:`chorus_nb.workbench.run` executes all of them; ``chorus-nb`` is the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chorus_nb.workbench.notebook import Run, begin

__all__ = ["Run", "begin"]


def __getattr__(name: str) -> Any:
    """``begin`` brings pandas and IPython with it, for which no other command waits."""
    if name in __all__:
        from chorus_nb.workbench import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
