"""A site whose dates are shifted already, or not to be shifted: date shift code 0 (DS-05)."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb import tables
from chorus_nb.verify import verify
from tests.deid.small_run import PERSON_MAP, SmallSite, plan, reasons, run


@pytest.mark.parametrize(("code", "days"), [(0, "0"), (4, "-37")])
def test_a_date_that_is_to_stay_is_no_fault(tmp_path: Path, code: int, days: str) -> None:
    """Every file with a birth date was held, and each whose folder is called by its day."""
    site = SmallSite(tmp_path)
    site.lookup("Personal_map", PERSON_MAP.replace("-100", days).replace("-37", days))
    site.add("20240105/a", StudyDate="20240105", SeriesDate="20240105", PatientBirthDate="19561224")
    workspace = site.open(shift_code=code)
    plan(workspace)
    run(workspace)
    verify(workspace)
    found = workspace.read(tables.VERIFICATION)
    assert found[found.check.isin(["removed", "leaks", "dates", "names"]) & (found.severity == "high")].empty
    assert reasons(workspace) == {} and len(found[found.severity == "high"]) == 0
