"""``chorus-nb lab``: JupyterLab on a copy of the notebooks, so that no output is ever saved beside the originals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import POLICIES, PULLED, Parameters, resolve
from chorus_nb.workbench.jupyter import papermill
from chorus_nb.workbench.notebook import prepare_process
from chorus_nb.workbench.run import NOTEBOOKS
from chorus_nb.workbench.steps import STEPS, needed
from chorus_nb.workspace import Workspace

FOLDERS = ("source", "omop", "lookup", "orders", "workspace", "key_file", "decisions", "policy")
SETTINGS = {  # JupyterLab asks its makers' server for news and updates unless told not to
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/extensionmanager-extension/plugin": {"enabled": False},
}


def open_lab(parameters: Parameters, options: Sequence[str] = ()) -> int:
    """Open JupyterLab on copies of the notebooks with these parameters filled in; returns when it is closed."""
    if find_spec("jupyterlab") is None:
        raise WorkbenchError("JupyterLab is not installed; pip install 'chorus-nb[lab]'")
    folder = make_copies(parameters)
    command = [sys.executable, "-m", "jupyterlab", *options, *_options(folder)]
    return subprocess.call(command, env={**os.environ, **_settings(folder / ".jupyter")})


def make_copies(parameters: Parameters) -> Path:
    """The folder of the copies, after a check of the parameters."""
    return prepare_copies(prepare_process(parameters, needed(STEPS[0].name)))


def prepare_copies(workspace: Workspace) -> Path:
    """Copy the notebooks into ``local/lab`` with the parameters of ``workspace``; paths made absolute."""
    folder = workspace.local / "lab"
    folder.mkdir(exist_ok=True)
    values = {name: _absolute(name, value) for name, value in workspace.parameters.model_dump().items()}
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        papermill.execute_notebook(notebook, folder / notebook.name, values, prepare_only=True)
    return folder


def strip_outputs(model: dict[str, Any], **_: Any) -> None:
    """Jupyter's pre-save hook: outputs, which show original values, stay on the screen and never reach the disk."""
    if model["type"] != "notebook" or model["content"] is None:
        return
    model["content"]["metadata"].pop("widgets", None)
    for cell in model["content"]["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


def _absolute(name: str, value: Any) -> Any:
    plain = name not in FOLDERS or not value or value.startswith("env:") or value in (*POLICIES, PULLED)
    return value if plain else str(resolve(value))


def _options(folder: Path) -> list[str]:
    """Loopback only, token on (Jupyter's default), kernels without an open port where the platform can."""
    options = {
        "ServerApp.root_dir": str(folder),
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.answer_yes": "True",
        "LabApp.news_url": "None",
        "LabApp.extension_manager": "readonly",
        "FileContentsManager.pre_save_hook": f"{__name__}.{strip_outputs.__name__}",
    }
    if os.name == "posix":
        options["KernelManager.transport"] = "ipc"
        options["ServerApp.allow_root"] = str(os.geteuid() == 0)
    return [f"--{name}={value}" for name, value in options.items()]


def _settings(folder: Path) -> dict[str, str]:
    """Settings of its own: a user's Jupyter configuration could open a port or switch the token off."""
    for plugin, settings in SETTINGS.items():
        file = folder / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")
    return {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
