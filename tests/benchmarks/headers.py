"""What de-identifying a header costs beside another revision: ``python -m tests.benchmarks.headers BEFORE FOLDER``.

CPU milliseconds a header of the DICOM files in FOLDER, both revisions by turns: ``again`` is the best of all rounds of
each file, as in series whose texts repeat; ``unseen`` the first time a process that has seen other files meets it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

MARGIN = 0.15  # slower than before at most
LARGEST = 1_500_000  # bytes of a file: pixels are not what is measured
RUN = f"""
import os, statistics, sys, time
from pathlib import Path
from tests.deid import conftest
engine = (getattr(conftest.engine, "__wrapped__", None) or conftest.engine.__pytest_wrapped__.obj)()
files = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.is_file() and path.stat().st_size < {LARGEST})
contents = [path.read_bytes() for path in files]
def cost(content):
    began = time.process_time()
    try:
        engine.apply(content, conftest.SUBJECT)
    except Exception:
        return None
    return time.process_time() - began
for content in contents[::2]:
    cost(content)
unseen = [took for content in contents[1::2] if (took := cost(content)) is not None]
rounds = [[cost(content) for content in contents[::2]] for _ in range(int(sys.argv[2]))]
again = [min(took) for took in zip(*rounds) if None not in took]
print(1e3 * sum(again) / len(again), 1e3 * sum(unseen) / len(unseen))
"""


def cost(checkout: Path, folder: Path, rounds: int) -> tuple[float, float]:
    """Milliseconds of CPU a header, again and unseen, with the code in ``checkout``."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", RUN, str(folder), str(rounds)]
    made = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"{checkout}: {made.stderr[-2000:]}")
    again, unseen = map(float, made.stdout.split()[-2:])
    return again, unseen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout of the other revision")
    parser.add_argument("folder", type=Path, help="DICOM files")
    parser.add_argument("--turns", type=int, default=3, help="of both revisions (3)")
    parser.add_argument("--rounds", type=int, default=6, help="of each turn, of which the best counts (6)")
    chosen = parser.parse_args()
    here, there, folder = Path(__file__).parents[2], chosen.before.resolve(), chosen.folder.resolve()
    turns = [[cost(checkout, folder, chosen.rounds) for checkout in (there, here)] for _ in range(chosen.turns)]
    slower = []
    for at, what in enumerate(("again", "unseen")):
        before, now = (min(turn[which][at] for turn in turns) for which in (0, 1))
        slower.append(now / before - 1)
        print(f"{what:8} {before:8.3f} ms before {now:8.3f} now {slower[-1]:+8.1%}")
    sys.exit(max(slower) > MARGIN)
