"""``config.toml`` for the consortium's own tool, chorus-upload, for sites that must use it (Data-Upload SOP)."""

from __future__ import annotations

import json
import re
from string import Template

from chorus_nb.workspace import Workspace, write_if_changed

CONTAINER = "your-site"  # each site has its own container; the consortium tells its name
CONFIG = Template("""\
# For chorus-upload, made by the CHoRUS imaging workbench. It holds no secret: log in to Azure before you upload.
[configuration]
supported_modalities = "OMOP,Images,Waveforms,Metadata"

[journal]
journaling_mode = "full"
  [journal.local]
  path = $journal
  [journal.source]
  path = $remote_journal
    [journal.source.auth]
    auth_mode = "login"
    azure_account_url = "https://upload.chorus4ai.org"
    azure_account_name = "mghb2ailanding"

[central_path]
path = $central
azure_container = $container
  [central_path.auth]
  auth_mode = "login"
  azure_account_url = "https://upload.chorus4ai.org"
  azure_account_name = "mghb2ailanding"

[site_path]
  [site_path.default]
  path = $release
  [site_path.OMOP]
  pattern = "OMOP/{filepath}"
  [site_path.Images]
  pattern = "{patient_id:w}/Images/{filepath}"
  [site_path.Waveforms]
  pattern = "{patient_id:w}/Waveforms/{filepath}"
  [site_path.Metadata]
  pattern = "Metadata/{filepath}"
""")


def write_config(workspace: Workspace) -> None:
    """Write ``local/chorus-upload/config.toml`` over this release and, if ``upload_url`` names one, its container."""
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
    text = CONFIG.substitute({name: json.dumps(value) for name, value in values.items()})  # JSON strings are TOML's
    write_if_changed(folder / "config.toml", text.encode())
