"""What went wrong at the destination of an upload: its kind, in our words and with what to do, without its text."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_WAIT = 300.0  # seconds; who tells a longer one is not waited for


@dataclass(frozen=True)
class UploadFault:
    """A kind of ``upload_remedies.csv``; ``wait``: the seconds that the destination asked to wait, 0.0 if it did not.

    ``status``: what it answered over HTTP, 0 where it did not.
    """

    kind: str
    wait: float = 0.0
    status: int = 0

    @property
    def may_pass(self) -> bool:
        """Trying again may help."""
        return _kinds()[self.kind]["again"] == "yes" and self.wait <= LONGEST_WAIT

    def __str__(self) -> str:
        said = _kinds()[self.kind]
        answered = f" (it answered {self.status})" if self.status else ""
        return f"{said['words']}{answered}. To do: {said['remedy']}"


def fault_met(error: BaseException) -> UploadFault:
    """The first row of ``upload_faults.csv`` that the exception, or one that it comes from, meets."""
    told = list(_chain(error))
    status = next((one for each in told if (one := _status(each))), 0)
    wait = next((told_to for each in told if (told_to := _wait(each))), 0.0)
    met = (row["kind"] for row in _table("upload_faults") if any(_meets(each, row["by"], row["mark"]) for each in told))
    return UploadFault(next(met, "other"), wait, status)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _meets(error: BaseException, by: str, mark: str) -> bool:
    if by == "code":
        return mark == _code(error)
    if by == "type":
        return any(mark == kind.__name__ for kind in type(error).__mro__)
    if by == "status":
        return int(mark) == _status(error)
    if by == "errno":
        return isinstance(error, OSError) and error.errno == int(mark)
    return mark in str(error)


def _answer(error: BaseException) -> dict[str, Any]:
    """What botocore keeps of an answer."""
    answer = getattr(error, "response", None)
    return answer if isinstance(answer, dict) else {}


def _code(error: BaseException) -> str:
    code = getattr(error, "error_code", None)  # Azure's: a text or a member of an enumeration
    return str(getattr(code, "value", code) or _answer(error).get("Error", {}).get("Code", ""))


def _status(error: BaseException) -> int:
    kept = (
        getattr(error, "status_code", None),  # Azure
        _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode"),  # S3
        getattr(error, "code", None),  # Google
        getattr(error, "status", None),  # aiohttp
    )
    return next((int(one) for one in kept if str(one).isdigit() and 400 <= int(one) < 600), 0)  # type: ignore[arg-type]


def _wait(error: BaseException) -> float:
    """Retry-After, in seconds."""
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None)
    headers = headers or _answer(error).get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    told = str(headers.get("Retry-After") or headers.get("retry-after") or "")
    return float(told) if told.isdigit() else 0.0


@functools.cache
def _table(name: str) -> list[dict[str, str]]:
    lines = Path(__file__).with_name(f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
    return list(csv.DictReader(lines))


@functools.cache
def _kinds() -> dict[str, dict[str, str]]:
    return {row["kind"]: row for row in _table("upload_remedies")}
