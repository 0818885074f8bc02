"""The libraries that run and render notebooks, without what they import where it is installed and a run never uses.

papermill imports clients of cloud stores and jsonschema a grammar of internationalised addresses: more than half of the
CPU seconds in which ``chorus-nb run`` starts.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

UNUSED = ("azure", "boto3", "gcsfs", "rfc3987_syntax")


@contextlib.contextmanager
def _as_if_not_installed(*names: str) -> Iterator[None]:
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import of it fails
    yield
    for name in hidden:
        del sys.modules[name]


with _as_if_not_installed(*UNUSED):
    import nbformat as nbformat
    import papermill as papermill
    from nbclient.exceptions import DeadKernelError as DeadKernelError
    from nbconvert import HTMLExporter as HTMLExporter
    from nbconvert import TemplateExporter as TemplateExporter
    from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter as WidgetsDataTypeFilter
    from papermill.clientwrap import PapermillNotebookClient as PapermillNotebookClient
    from papermill.engines import Engine as Engine
    from papermill.engines import NotebookExecutionManager as NotebookExecutionManager
    from papermill.engines import papermill_engines as papermill_engines
    from papermill.exceptions import PapermillExecutionError as PapermillExecutionError
