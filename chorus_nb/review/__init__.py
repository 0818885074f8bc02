"""The panels in which a person looks and decides; each decision is a line in ``decisions/``, read by headless runs.

A module beside this one that holds a :class:`panel.Panel` is all that a panel needs to be offered here by its name.
"""

import importlib
import pkgutil

from chorus_nb.review import panel

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
globals().update({offered.__name__: offered for offered in panel.Panel.__subclasses__()})
__all__ = [offered.__name__ for offered in panel.Panel.__subclasses__()]
