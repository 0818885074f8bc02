"""``chorus-nb`` and ``python -m chorus_nb``: the command line, also where it is told to stop while it is imported."""

from __future__ import annotations

import io
import signal
import sys


def command() -> int:
    """The exit code of the command; an interruption at whatever moment is one line."""
    try:
        for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C; Windows has no SIGHUP
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)
        if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr: a file on Windows may lack a character
            sys.stdout.reconfigure(errors="backslashreplace")
        from chorus_nb.workbench.commands import main

        return main()
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(command())
