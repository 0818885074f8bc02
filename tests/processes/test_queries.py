"""Questions by SQL: DuckDB as the runs open it."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import duckdb
from chorus_nb.processes.queries import connected
setting = "SELECT current_setting('enable_progress_bar')"
print(*(opened.execute(setting).fetchone()[0] for opened in (duckdb.connect(), connected(memory_limit="1GB"))))
"""


def test_a_long_question_draws_no_bar_over_the_lines_of_a_run() -> None:
    """As in a kernel: in a process without a file of its own DuckDB draws one, unless it is told not to."""
    said = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]
