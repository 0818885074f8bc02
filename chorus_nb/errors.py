"""The errors a person sees. Their text names file, tag and kind of fault, never a value from a header."""


class WorkbenchError(Exception):
    """Something the analyst can mend; the message is one clear line each, free of header values."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback: the lines say what to mend."""
        return [f"{type(self).__name__}: {line}" for line in self.lines]


class InputError(WorkbenchError):
    """Wrong parameters or unusable input, found before anything runs (exit code 2)."""

    exit_code = 2


class NotReady(WorkbenchError):
    """A step was asked for before the one that makes its input."""
