"""Makes the demo site once, and again only when the code that makes it changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from chorus_nb import __version__
from chorus_nb.errors import InputError
from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.workspace import write_atomically

DEMO_SITE = "runs/demo/site"
DEMO_RECIPE = Recipe("chorus_nb.demo.site", libraries=DECODERS)
STAMP = "made_by.json"  # says which code made the site


def make_demo_site(folder: Path, seed: int = 1) -> bool:
    """Make the demo site in ``folder``; whether there was anything to do."""
    from chorus_nb import demo  # slow to import and rarely needed

    stamp = json.dumps({"chorus-nb": __version__, "seed": seed, "code": DEMO_RECIPE.key(None)}) + "\n"
    made_by = folder / STAMP
    if made_by.is_file():
        if made_by.read_text(encoding="ascii") == stamp:
            return False
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"demo: the folder is not empty and was not made by chorus-nb demo: {folder}")
    demo.make_site(folder, seed=seed)
    write_atomically(made_by, stamp.encode("ascii"))
    return True
