"""What a run says: lines in the terminal and, all of them, in ``local/run.log``. Never a value, never an exception.

``--quiet`` leaves out what went well, ``--verbose`` adds progress every few seconds. Without a terminal there is
a line of progress a minute instead of a bar.
"""

from __future__ import annotations

import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from typing import Any

from tqdm import tqdm

from chorus_nb.workspace import Workspace

LOG = logging.getLogger("chorus_nb.run")
SECONDS_BETWEEN = {logging.DEBUG: 5.0, logging.INFO: 60.0, logging.WARNING: 60.0}  # seconds between lines of progress
LARGEST_LOG = 5_000_000  # bytes; three older ones are kept


class _Terminal(logging.StreamHandler[Any]):
    """Lines that leave a progress bar whole."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def open_log(workspace: Workspace, level: int = logging.INFO) -> None:
    """Say lines of ``level`` and above in the terminal from now on, and all of them in the log of this workspace."""
    close_log()
    terminal = _Terminal()
    terminal.setLevel(level)
    file = RotatingFileHandler(workspace.local / "run.log", maxBytes=LARGEST_LOG, backupCount=3, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    LOG.handlers = [terminal, file]
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False


def close_log() -> None:
    for handler in LOG.handlers:
        handler.close()
    LOG.handlers = []


class NotebookProgress:
    """The progress of a notebook: a bar in the terminal, and a line from time to time where there is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        level = next((handler.level for handler in LOG.handlers), logging.INFO)
        self.every, self.level = (
            SECONDS_BETWEEN.get(level, 60.0),
            logging.DEBUG if sys.stderr.isatty() else logging.INFO,
        )
        form = "{desc} {bar:20} {unit}"
        self.bar = tqdm(
            desc=name, bar_format=form, unit="", leave=False, disable=True if level > logging.INFO else None
        )
        self.began = self.told = time.monotonic()
        self.counted = ""

    def __call__(self, done: int, total: int, text: str) -> None:
        counted = (f"{done:,} of {total:,} " if total else f"{done:,} ") + text
        self.bar.total, self.bar.n, self.bar.unit = total or None, done, counted
        self.counted = f"{counted}, "
        self.bar.refresh()
        self.still()

    def still(self) -> None:
        """Say a line when it is time for one, also where nothing was counted since the last."""
        now = time.monotonic()
        if now - self.told >= self.every:
            self.told = now
            LOG.log(self.level, "%s %sat work for %.0f s", self.name, self.counted, now - self.began)
            self.counted = ""
