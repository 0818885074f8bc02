"""``config.toml`` for the consortium's own tool, chorus-upload, for sites that must use it (Data-Upload SOP)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

from chorus_nb.workspace import Workspace, write_if_changed

CONTAINER = "your-site"  # each site has its own container; the consortium tells its name


def write_config(workspace: Workspace) -> None:
    """Write ``local/chorus-upload/config.toml`` over this release and, if ``upload_url`` names one, its container.

    One that a person edited is left alone; ``config.made.toml`` beside it always is what the workbench would write.
    """
    named = re.match(r"(?:az|abfss?)://([^/@]+)", workspace.parameters.upload_url)
    container = named[1] if named else CONTAINER
    folder = workspace.local / "chorus-upload"
    values = {
        "journal": (folder / "journal.db").as_posix(),
        "remote_journal": f"az://{container}/journal.db",
        "central": f"az://{container}/",
        "container": container,
        "release": workspace.release.as_posix(),
    }
    template = Template(Path(__file__).with_name("chorus_upload.toml").read_text(encoding="utf-8"))
    text = template.substitute({name: json.dumps(value) for name, value in values.items()})  # JSON strings are TOML's
    own, made = folder / "config.toml", folder / "config.made.toml"
    edited = own.is_file() and not (made.is_file() and own.read_bytes() == made.read_bytes())
    write_if_changed(made, text.encode())
    if not edited:
        write_if_changed(own, text.encode())
