"""The errors a person sees. Their text names file, tag and kind of fault, never a value from a header."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Something the analyst can mend; the message is one clear line each, free of header values."""

    exit_code = 1
    remedy = ""  # what the user can do, where the lines themselves do not say it

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join([*lines, *([f"What to do: {self.remedy}"] if self.remedy else [])]))

    def __reduce__(self) -> tuple[type[WorkbenchError], tuple[str, ...]]:
        return type(self), self.lines

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback: the lines say what to mend."""
        return [f"{type(self).__name__}: {line}" for line in str(self).splitlines()]


class InputError(WorkbenchError):
    """Wrong parameters or unusable input, found before anything runs (exit code 2); each line says what to mend."""

    exit_code = 2


class NotReady(WorkbenchError):
    """A step was asked for before the one that makes its input."""

    remedy = "run the notebooks in their order: chorus-nb run FILE.yaml goes on where it stopped"


class SchemaError(WorkbenchError):
    """A table does not have the columns or types it should; names the columns, never a value."""

    remedy = "delete the table that is named if no person edited it, and run the notebook that makes it"


class DamagedTable(SchemaError):
    """A kept table is damaged, of another version, or not as its notebook left it; the line says what to delete."""

    remedy = ""


class FileFault(WorkbenchError):
    """One file cannot be used for what was asked of it; the others go on. The text holds no value."""


class WorkerLost(WorkbenchError):
    """A worker process died, or was ended because it took too long or too much memory."""

    remedy = "run again with fewer workers if memory is short; the file that did it is told in local/outcomes"

    def __init__(self) -> None:
        super().__init__("a worker process died; run again, it goes on where it stopped")

    def __reduce__(self) -> tuple[type[WorkerLost], tuple[()]]:
        return type(self), ()


class ChildFault(WorkbenchError):
    """A supervised child failed. ``code``: ``timed_out``, ``crashed``, ``out_of_memory``, or an exception's name."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the pixels of a file could not be processed ({code})")

    def __reduce__(self) -> tuple[type[ChildFault], tuple[str]]:
        return type(self), (self.code,)
