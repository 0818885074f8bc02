"""What people decide is appended, ordered by instant, and survives whatever others decide and take back."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chorus_nb import decisions, tables
from chorus_nb.decisions import kappa
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.faces.decisions import FACE_LOG, face_decisions
from chorus_nb.mapping.overrides import TAG_LOG, decide, read_overrides
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.decisions import IMAGE_LOG, ImageDecisions
from chorus_nb.release.signature import SIGN_OFF_LOG
from chorus_nb.workspace import Workspace

COLUMNS = "item,decision,boxes,reviewer,time,note,seen_digest\n"
ACCEPT = {"item": "a.dcm", "decision": "accept"}
REJECT = {"item": "a.dcm", "decision": "reject"}


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    folders = {name: str(tmp_path / name) for name in ("source", "lookup", "omop", "workspace")}
    return Workspace(Parameters.of({**folders, "time_zone": "America/New_York"})).create()


def by_hand(site: Workspace, *lines: str, columns: str = COLUMNS) -> Path:
    path = site.path(tables.IMAGE_DECISIONS)
    path.write_text(columns + "\n".join(lines), encoding="utf-8")
    return path


def counts(site: Workspace) -> str:
    return IMAGE_LOG.current(site)["a.dcm"]["decision"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-01T13:00:00+00:00", "2026-01-01T09:30:00-05:00"),
        ("2026-01-01T23:00:00+09:00", "2026-01-01T14:30:00Z"),
        ("2026-01-01 13:00Z", "20260101T143000.5+0000"),
        ("2026-01-01T14:00:00Z", "2026-01-01T09:30"),  # the site's zone, New York
        ("2026-W01-4T00:00:00Z", "2026-01-02"),
    ],
)
def test_the_last_instant_counts_in_whatever_zone_and_form_it_is_written(
    site: Workspace, earlier: str, later: str
) -> None:
    by_hand(site, f"a.dcm,reject,,grace,{later},,", f"a.dcm,accept,,ada,{earlier},,")
    decision = ImageDecisions(site).on("a.dcm", "", "", "", "")
    assert decision and decision.decision == "reject"
    assert list(IMAGE_LOG.history(site)["reviewer"]) == ["ada", "grace"]


def test_the_last_instant_counts_for_faces_and_tags_too(site: Workspace) -> None:
    early, late = "2026-01-01T13:00:00+00:00", "2026-01-01T09:30:00-05:00"
    site.path(tables.FACE_DECISIONS).write_text(
        f"item,decision,start,shift,reviewer,time,note\n1.2,hold,,,g,{late},\n1.2,release,,,a,{early},\n"
    )
    assert face_decisions(site)["1.2"].decision == "hold"
    site.path(tables.TAG_DECISIONS).write_text(
        "path,tag,private_creator,action,replacement,reason,reviewer,time\n"
        f'*,"(0008,103E)",,X,,r,g,{late}\n*,"(0008,103e)",,K,,r,a,{early}\n'
    )
    assert [override.rule.action for override in read_overrides(site)] == ["X"]


def test_a_decision_is_withdrawn_by_a_line_and_the_file_only_grows(site: Workspace) -> None:
    IMAGE_LOG.append(site, "ada", ACCEPT)
    before = site.path(tables.IMAGE_DECISIONS).read_bytes()
    assert IMAGE_LOG.withdraw(site, "ada") == "a.dcm"
    assert site.path(tables.IMAGE_DECISIONS).read_bytes().startswith(before)
    assert IMAGE_LOG.current(site) == {}
    assert IMAGE_LOG.withdraw(site, "ada") == ""
    assert list(IMAGE_LOG.history(site)["decision"]) == ["accept", "withdraw"]


def test_only_ones_own_decision_is_withdrawn_and_the_one_before_counts_again(site: Workspace) -> None:
    for reviewer, row in (("ada", ACCEPT), ("grace", REJECT), ("ada", {**ACCEPT, "note": "again"})):
        IMAGE_LOG.append(site, reviewer, row)
    assert counts(site) == "accept"
    assert set(IMAGE_LOG.disagreements(site)["reviewer"]) == {"ada", "grace"}
    for _ in range(2):
        IMAGE_LOG.withdraw(site, "ada")
        assert counts(site) == "reject"
    assert IMAGE_LOG.disagreements(site).empty


def test_withdrawing_a_decision_about_a_tag_keeps_those_made_since(site: Workspace) -> None:
    decide(site, "(0008,1010)", "Z", "not needed", "ada")
    decide(site, "(0008,1010)", "X", "identifies", "grace")
    decide(site, "(0008,0070)", "X", "identifies", "grace")
    [first, _] = TAG_LOG.current(site)
    assert TAG_LOG.withdraw(site, "ada", first) == first
    assert [(one.element, one.rule.action) for one in read_overrides(site)] == [(0x1010, "X"), (0x70, "X")]


def test_a_withdrawal_comes_after_its_decision_though_a_clock_is_wrong(site: Workspace) -> None:
    by_hand(site, "a.dcm,accept,,ada,2999-01-01T00:00:00Z,,\n")
    assert IMAGE_LOG.withdraw(site, "ada") == "a.dcm"
    assert IMAGE_LOG.current(site) == {}


def test_a_file_that_a_person_arranged_is_continued_as_it_is(site: Workspace) -> None:
    columns = "\ufeffdecision,item,boxes,reviewer,time,note,seen_digest\n"
    path = by_hand(site, 'accept,a.dcm,,ada,2026-01-01,"two\nlines",', "", ",,,,,,", columns=columns)
    IMAGE_LOG.append(site, "grace", REJECT)
    assert counts(site) == "reject"
    assert path.read_text(encoding="utf-8").splitlines()[-1].startswith("reject,a.dcm,,grace,")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("a.dcm,maybe,,ada,2026-01-01,,", "must be one of accept, redact, reject, withdraw"),
        ("a.dcm,accept,,ada,yesterday,,", "ISO 8601"),
        ("a.dcm,accept,,ada,,,", "ISO 8601"),
        ("a.dcm,redact,1;2,ada,2026-01-01,,", "whole numbers"),
        ("a.dcm,accept,,ada,2026-01-01", "a cell for each column"),
        ("a.dcm,accept,,ada,2026-01-01,,,", "a cell for each column"),
        ('a.dcm,accept,,ada,2026-01-01,"note,', "cannot be read as CSV"),
        ("a.dcm,withdraw,,ada,2026-01-01,,", "nothing before that to withdraw"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_file_and_row(site: Workspace, line: str, fault: str) -> None:
    by_hand(site, "b.dcm,accept,,ada,2026-01-01,,", line)
    with pytest.raises(InputError, match=rf"image_decisions\.csv, row 3: .*{fault}"):
        IMAGE_LOG.current(site)


def test_a_table_with_other_columns_is_neither_read_nor_continued(site: Workspace) -> None:
    path = by_hand(site, "a.dcm;accept", columns="item;decision\n")
    before = path.read_bytes()
    for use in (lambda: IMAGE_LOG.history(site), lambda: IMAGE_LOG.append(site, "ada", ACCEPT)):
        with pytest.raises(InputError, match="row 1: the columns must be item,decision"):
            use()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "row", [{**ACCEPT, "decision": "maybe"}, {**ACCEPT, "boxes": "1,2"}, {**ACCEPT, "note": "x" * 200_000}]
)
def test_a_decision_that_cannot_stand_is_not_written(
    site: Workspace, row: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csv.field_size_limit", lambda: 2**31)  # a library in the same process may have asked for more
    with pytest.raises(WorkbenchError):
        IMAGE_LOG.append(site, "ada", row)
    assert not site.has(tables.IMAGE_DECISIONS)


def test_a_sign_off_is_a_row_of_the_same_kind_of_log(site: Workspace) -> None:
    for reviewer in ("ada", "grace"):
        SIGN_OFF_LOG.append(site, reviewer, {"release": "abc", "note": "seen"})
    assert list(SIGN_OFF_LOG.history(site)["reviewer"]) == ["ada", "grace"]
    assert SIGN_OFF_LOG.current(site)["abc"]["reviewer"] == "grace"


@contextmanager
def another_process(run: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """A fork of this process that runs ``run`` with the end of a pipe; its id and the other end. It is killed."""
    end, its = os.pipe()
    child = os.fork()
    if not child:
        try:
            run(its)
        finally:
            os._exit(1)
    os.close(its)
    try:
        yield child, end
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(end)


def at_once(runs: list[Callable[[int], None]]) -> None:
    """Each in a process of its own, until each has written a point."""
    with ExitStack() as stack:
        ends = [stack.enter_context(another_process(run))[1] for run in runs]
        assert [os.read(end, 1) for end in ends] == [b"."] * len(runs)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@needs_fork
def test_processes_that_decide_at_once_lose_nothing(site: Workspace) -> None:
    def run(end: int, name: str) -> None:
        for number in range(25):
            IMAGE_LOG.append(site, name, {"item": f"{number}.dcm", "decision": "accept", "note": "x" * 9000})
            if number % 5 == 0:
                assert IMAGE_LOG.withdraw(site, name) == f"{number}.dcm"
        os.write(end, b".")

    at_once([lambda end, name=name: run(end, name) for name in ("ada", "grace", "run")])  # type: ignore[misc]
    history = IMAGE_LOG.history(site)
    assert history.groupby(["reviewer", "decision"]).size().to_dict() == {
        **{(name, "accept"): 25 for name in ("ada", "grace", "run")},
        **{(name, "withdraw"): 5 for name in ("ada", "grace", "run")},
    }
    assert len(IMAGE_LOG.current(site)) == 20


@needs_fork
def test_two_processes_of_one_reviewer_never_withdraw_the_same_decision(site: Workspace) -> None:
    IMAGE_LOG.append(site, "ada", *({"item": f"{number}.dcm", "decision": "accept"} for number in range(60)))

    def run(end: int) -> None:
        while IMAGE_LOG.withdraw(site, "ada"):
            pass
        os.write(end, b".")

    at_once([run, run])
    assert IMAGE_LOG.current(site) == {}


@pytest.mark.parametrize("later", ["2099-01-01T00:00:00Z", "2099-01-01"])
def test_what_is_decided_after_a_clock_was_set_back_counts(site: Workspace, later: str) -> None:
    """An accept of a clock that was ahead outlived the reject that somebody wrote an hour later."""
    by_hand(site, f"a.dcm,accept,,ada,{later},,", f"b.dcm,accept,,ada,{later},,")
    IMAGE_LOG.append(site, "grace", REJECT)
    assert counts(site) == "reject"
    assert IMAGE_LOG.current(site)["b.dcm"]["decision"] == "accept"
    IMAGE_LOG.append(site, "grace", ACCEPT, {**REJECT, "item": "c.dcm"})
    assert counts(site) == "accept"
    assert IMAGE_LOG.current(site)["c.dcm"]["time"] < "2099"
    assert IMAGE_LOG.withdraw(site, "grace", "a.dcm") == "a.dcm"
    assert counts(site) == "reject"


@needs_fork
@pytest.mark.parametrize(
    ("mode", "share", "there"), [("wb", 2, False), ("wb", 1, True), ("ab", 2, True), ("ab", 1, True)]
)
def test_a_writer_killed_anywhere_leaves_its_lines_whole_or_not_at_all(
    site: Workspace, mode: str, share: int, there: bool
) -> None:
    """Killed at the note of what it will write (wb) or in the file (ab), after all of it or a half."""
    IMAGE_LOG.append(site, "ada", ACCEPT)

    def run(_: int) -> None:
        on_disk = decisions._on_disk

        def dying(path: Path, how: str, content: bytes) -> None:
            on_disk(path, how, content[: len(content) // share] if how == mode else content)
            if how == mode:
                os.kill(os.getpid(), signal.SIGKILL)

        decisions._on_disk = dying
        IMAGE_LOG.append(site, "grace", {**REJECT, "note": 'two\n"lines"'}, {**REJECT, "item": "b.dcm"})

    with another_process(run) as (_, end):
        os.read(end, 1)  # ends when it is gone
    expected = [("ada", "accept"), *[("grace", "reject")] * 2 * there]
    said = lambda: list(IMAGE_LOG.history(site)[["reviewer", "decision"]].itertuples(index=False, name=None))  # noqa: E731
    assert said() == expected, "read without the lock"
    IMAGE_LOG.append(site, "ada", {**ACCEPT, "note": "again"})
    assert said() == [*expected, ("ada", "accept")]
    assert len(IMAGE_LOG.disagreements(site)) == 2 * there, "both are shown"
    assert IMAGE_LOG.withdraw(site, "grace") == ("b.dcm" if there else "")
    assert [path.name for path in site.decisions.iterdir() if path.suffix == ".begun"] == []


@needs_fork
def test_of_two_who_write_one_is_killed_time_and_again_and_nothing_said_to_be_written_is_lost(site: Workspace) -> None:
    chance = random.Random(7)
    confirmed: set[str] = set()

    def write(end: int, name: str) -> None:
        for number in range(10_000):
            row = {"decision": "accept", "note": "x" * 100_000}
            IMAGE_LOG.append(site, name, *({**row, "item": f"{name}{number}{part}"} for part in ("", "b", "c", "d")))
            os.write(end, f"{name}{number} ".encode())

    for turn in range(6):
        with another_process(lambda end, name=f"ada{turn}-": write(end, name)) as (child, end):  # type: ignore[misc]
            started = os.read(end, 1)  # the first is written
            own = {"item": f"grace{turn}", "decision": "reject"}
            IMAGE_LOG.append(site, "grace", own)
            time.sleep(chance.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            confirmed |= {*(started + os.read(end, 65536)).decode().split(), own["item"]}
        assert confirmed <= set(IMAGE_LOG.current(site))
    history = IMAGE_LOG.history(site)
    assert history["item"].is_unique and history["time"].is_monotonic_increasing
    assert set(history["note"].str.len()) == {0, 100_000}
    assert (history["item"].str[-1] == "b").sum() == (history["item"].str[-1] == "d").sum(), "all of four, or none"


@needs_fork
def test_who_reads_while_another_writes_sees_whole_lines(site: Workspace) -> None:
    IMAGE_LOG.append(site, "ada", ACCEPT)

    def run(end: int) -> None:
        on_disk = decisions._on_disk

        def slowly(path: Path, how: str, content: bytes) -> None:
            on_disk(path, how, content[: len(content) // 2])
            time.sleep(0.002)
            on_disk(path, "ab", content[len(content) // 2 :])

        decisions._on_disk = slowly
        for number in range(10_000):
            IMAGE_LOG.append(site, "grace", {"item": str(number), "decision": "accept", "note": "x" * 100_000})

    seen = [1]
    with another_process(run):
        until = time.monotonic() + 60
        while len(set(seen)) <= 6 and time.monotonic() < until:
            standing = IMAGE_LOG.standing(site)
            assert {len(row["note"]) for row in standing} <= {0, 100_000}
            seen.append(len(standing))
    assert seen == sorted(seen) and len(set(seen)) > 6, "read while it was written"
    assert len(IMAGE_LOG.standing(site)) >= seen[-1], "nothing that was seen is gone"


def test_a_full_disk_keeps_nothing_of_a_decision_and_says_so(site: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    IMAGE_LOG.append(site, "ada", ACCEPT)
    before = site.path(tables.IMAGE_DECISIONS).read_bytes()
    on_disk = decisions._on_disk

    def full(path: Path, mode: str, content: bytes) -> None:
        on_disk(path, mode, content[: len(content) // 2])
        if mode == "ab":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(decisions, "_on_disk", full)
    with pytest.raises(WorkbenchError, match="cannot be written"):
        IMAGE_LOG.append(site, "ada", REJECT)
    monkeypatch.undo()
    assert site.path(tables.IMAGE_DECISIONS).read_bytes() == before
    IMAGE_LOG.append(site, "grace", ACCEPT)
    assert list(IMAGE_LOG.history(site)["reviewer"]) == ["ada", "grace"]


def test_a_file_from_before_second_readings_goes_on_and_learns_of_them_with_the_first(site: Workspace) -> None:
    path = by_hand(site, 'a.dcm,accept,,ada,2026-01-01T00:00:00Z,"two\nlines",', "")
    IMAGE_LOG.append(site, "ada", {**REJECT, "item": "b.dcm"})
    assert path.read_text().startswith(COLUMNS)
    IMAGE_LOG.append(site, "grace", {**ACCEPT, "blind": "yes"})
    assert path.read_text().startswith(COLUMNS.replace("\n", ",blind\n"))
    IMAGE_LOG.append(site, "grace", {**REJECT, "item": "b.dcm"})
    rows = IMAGE_LOG.history(site)[["item", "reviewer", "note", "blind"]].to_numpy().tolist()
    assert rows == [
        ["a.dcm", "ada", "two\nlines", ""],
        ["b.dcm", "ada", "", ""],
        ["a.dcm", "grace", "", "yes"],
        ["b.dcm", "grace", "", ""],
    ]
    assert site.read(tables.IMAGE_DECISIONS)["blind"].tolist() == [row[-1] for row in rows]
    [pair] = IMAGE_LOG.agreement(site).to_dict("records")
    assert (pair["items"], pair["blind"], pair["agreed"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((20, 5, 10, 15), 0.4),  # Cohen's kappa, worked example of Wikipedia
        ((45, 15, 25, 15), 0.1304),
        ((25, 35, 5, 35), 0.2593),
        ((7, 0, 0, 3), 1.0),
        ((0, 5, 5, 0), -1.0),
        ((4, 0, 0, 0), math.nan),
    ],
)
def test_agreement_is_corrected_for_chance(counts: tuple[int, ...], expected: float) -> None:
    pairs = [("accept", "accept"), ("accept", "reject"), ("reject", "accept"), ("reject", "reject")]
    both = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    assert kappa(both) == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_agreement_counts_the_last_standing_word_of_each_pair_on_what_both_decided(site: Workspace) -> None:
    for reviewer, row in (("ada", REJECT), ("grace", ACCEPT), ("ada", ACCEPT), ("mary", REJECT)):
        IMAGE_LOG.append(site, reviewer, row)
    IMAGE_LOG.append(site, "ada", {"item": "alone.dcm", "decision": "accept"})
    IMAGE_LOG.append(site, "mary", ACCEPT)
    IMAGE_LOG.withdraw(site, "mary")
    pairs = {(row.reviewer, row.second_reviewer): row for row in IMAGE_LOG.agreement(site).itertuples()}
    assert {pair: (row.items, row.agreed) for pair, row in pairs.items()} == {
        ("ada", "grace"): (1, 1),
        ("ada", "mary"): (1, 0),
        ("grace", "mary"): (1, 0),
    }


@pytest.mark.parametrize("name", ["", "  "])
def test_a_decision_has_a_name(site: Workspace, name: str) -> None:
    with pytest.raises(InputError, match="who decides"):
        IMAGE_LOG.append(site, name, ACCEPT)


def test_faces_take_back_their_own_decisions_only(site: Workspace) -> None:
    FACE_LOG.append(site, "ada", {"item": "1.2", "decision": "release", "note": "a localizer"})
    FACE_LOG.append(site, "grace", {"item": "1.2", "decision": "deface", "shift": "0,8,0"})
    FACE_LOG.withdraw(site, "ada")
    assert face_decisions(site)["1.2"] == ("deface", None, (0.0, 8.0, 0.0), "1.2")
