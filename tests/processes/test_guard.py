"""The guarded child process: whatever happens in it, the caller goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chorus_nb.processes.guard import MEMORY, Guard, Refused


@pytest.fixture
def guard():
    made = Guard()
    yield made
    made.close()


def test_a_crash_of_native_code_is_an_answer_and_the_next_call_works(guard: Guard) -> None:
    with pytest.raises(Refused) as refused:
        guard.call(os.abort)
    assert refused.value.code == "crashed"
    assert guard.call(len, "four") == 4


def test_a_call_that_takes_too_long_is_ended(guard: Guard) -> None:
    with pytest.raises(Refused) as refused:
        guard.call(time.sleep, 60, seconds=0.5)
    assert refused.value.code == "timed_out"


def test_a_call_that_wants_all_memory_is_refused(guard: Guard) -> None:
    with pytest.raises(Refused) as refused:
        guard.call(bytearray, MEMORY + (1 << 30))
    assert refused.value.code == "out_of_memory"


def test_an_exception_is_told_without_its_text(guard: Guard) -> None:
    with pytest.raises(Refused) as refused:
        guard.call(int, "Zimmerwald")
    assert refused.value.code == "ValueError"
    assert "Zimmerwald" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_the_child_writes_to_temporary_files_goes_with_it(guard: Guard) -> None:
    folder = guard.call(os.getenv, "TMPDIR")
    assert Path(folder).is_dir()
    guard.close()
    assert not Path(folder).exists()


def test_a_child_whose_caller_was_killed_ends_and_cleans_up() -> None:
    caller = """
import os
from chorus_nb.processes.guard import Guard
guard = Guard()
print(guard.call(os.getenv, "TMPDIR"), guard.call(os.getpid), flush=True)
os.kill(os.getpid(), 9)
"""
    folder, child = subprocess.run([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True).stdout.split()
    for _ in range(100):
        if not Path(folder).exists() and not Path("/proc", child).exists():
            return
        time.sleep(0.1)
    pytest.fail("the child or its folder is still there")
