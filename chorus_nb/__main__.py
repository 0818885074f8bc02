"""``chorus-nb`` and ``python -m chorus_nb``: the command line, also where it is told to stop while it is imported."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys

SELDOM = (50_000, 10, 10)
"""Objects after which Python looks for garbage (700 by itself): tables and headers make many, and few in circles. What
is forked from this process does as it does."""


def command() -> int:
    """The exit code of the command; an interruption at whatever moment is one line."""
    gc.set_threshold(*SELDOM)
    try:
        for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C; Windows has no SIGHUP
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)
        if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr: a file on Windows may lack a character
            sys.stdout.reconfigure(errors="backslashreplace")
        from chorus_nb.workbench.commands import main

        code = main()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not _nobody_reads_on():
            raise
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 1


def _nobody_reads_on() -> bool:
    """Whether who reads what is printed has enough, as in ``chorus-nb status FILE | head -1``; then nothing more is."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


if __name__ == "__main__":
    sys.exit(command())
