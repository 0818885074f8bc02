"""Makes the demo site once, and again only when the code that makes it changed."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import yaml

from chorus_nb import __version__
from chorus_nb.errors import InputError
from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.parameters import resolve
from chorus_nb.paths import carried
from chorus_nb.workspace import write_atomically

DEMO_FILE = carried("parameters") / "demo.yaml"  # the one place of the demo's values
DEMO_RECIPE = Recipe("chorus_nb.demo.site", libraries=DECODERS)
STAMP = "made_by.json"  # says which code made the site


@functools.cache
def demo_values() -> dict[str, str]:
    """What ``parameters/demo.yaml`` sets."""
    return dict(yaml.safe_load(DEMO_FILE.read_text(encoding="utf-8")))


def demo_folder() -> Path:
    """Where ``parameters/demo.yaml`` has the demo site, below the project or working folder."""
    return resolve(demo_values()["source"]).parent


def copy_demo_file() -> Path:
    """``parameters/demo.yaml`` beside the folder of the site, for who has no checkout."""
    path = demo_folder().with_name(DEMO_FILE.name)
    write_atomically(path, DEMO_FILE.read_bytes())
    return path


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
