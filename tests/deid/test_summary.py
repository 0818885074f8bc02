"""The report of a run may be shown to others: counts, causes and remedies; nothing in it names a file or a person."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import deid, tables
from chorus_nb.deid import job, summary
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, run

SECRET = "Okonkwo"


@pytest.fixture
def ran(tmp_path: Path) -> Workspace:
    site = SmallSite(tmp_path)
    site.add_series(3, f"{SECRET} series")
    site.add(f"{SECRET} unmapped", PatientID="MRN-9")
    (site.dicom / f"{SECRET} cut").write_bytes(site.add("whole", InstanceNumber=8).read_bytes()[:-20])
    workspace = site.open()
    run(workspace)
    return workspace


def test_every_row_is_counted_once_by_status_and_reason(ran: Workspace) -> None:
    outcomes = ran.read(tables.OUTCOMES)
    counted = summary.by_reason(outcomes)
    assert counted.files.sum() == len(outcomes)
    assert dict(zip(counted.reason, counted.files, strict=True)) == {"": 4, "patient_not_mapped": 1, "truncated": 1}


def test_the_quarantine_names_cause_and_remedy(ran: Workspace) -> None:
    kept = summary.quarantine(ran.read(tables.OUTCOMES))
    assert set(kept.reason) == {"patient_not_mapped", "truncated"}
    assert (kept.what_to_do != "").all()


def test_every_reason_that_is_tried_again_has_a_remedy() -> None:
    assert set(tables.REMEDIES) >= job.PASSING


def test_what_changed_since_the_last_run_is_counted(ran: Workspace) -> None:
    outcomes = summary.released_before(ran)
    none, gone = outcomes.head(0), outcomes[outcomes.status == "released"].tail(1)
    assert summary.since(none, outcomes).files.tolist() == [4, 0, 0, 0]
    assert summary.since(outcomes, outcomes).files.tolist() == [0, 0, 4, 0]
    assert summary.since(outcomes, outcomes.drop(gone.index)).files.tolist() == [0, 0, 3, 1]


def test_the_figure_of_outcomes_is_made_of_counts_alone(ran: Workspace) -> None:
    """So it is not drawn again where a file came out otherwise."""
    outcomes = ran.read(tables.OUTCOMES)
    counts = summary.by_modality(outcomes)
    assert counts.to_dict("index") == {"CT": {"quarantined": 2, "released": 4}}
    other = outcomes.assign(target_digest="", seconds=9.0, detail="other")
    assert pickle.dumps(summary.by_modality(other)) == pickle.dumps(counts)


def test_nothing_in_it_names_a_file_or_a_person(ran: Workspace) -> None:
    outcomes, worklist = ran.read(tables.OUTCOMES), ran.read(tables.WORKLIST)
    shown: list[pd.DataFrame] = [
        *(summary.by_reason(outcomes), summary.by_reason(worklist), summary.quarantine(outcomes)),
        *(summary.notes(outcomes), summary.since(outcomes, outcomes), summary.by_modality(outcomes)),
        *(summary.what_was_done(ran), summary.outlook_by_cause(deid.outlook(ran))),
    ]
    for frame in shown:
        text = frame.to_csv()
        assert SECRET not in text
        assert "MRN-" not in text
