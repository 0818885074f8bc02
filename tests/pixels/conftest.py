"""A source folder of small images, with its catalog."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pydicom import Dataset

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.detection import installed
from chorus_nb.workspace import Workspace
from tests.pixels.images_with_text import Site, content


@pytest.fixture(autouse=True)
def _nothing_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some tests change how this process reads; its children read as they always do, and may remember."""
    if installed():
        monkeypatch.setattr("chorus_nb.pixels.ocr._read", {})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Write images into a source folder; gives a workspace with these parameters, and the catalog."""

    def make(images: dict[str, Dataset], **parameters: object) -> tuple[Workspace, pd.DataFrame]:
        (tmp_path / "source").mkdir(exist_ok=True)
        rows = []
        for name, dataset in images.items():
            path = tmp_path / "source" / name
            if not path.exists():
                path.write_bytes(content(dataset))
            keywords = {keyword: str(dataset.get(keyword, "")) for keyword in tables.CATALOG.keywords}
            status = path.stat()
            row = {"source_path": name, "status": "dicom", "size": status.st_size, "modified_ns": status.st_mtime_ns}
            row |= {"TransferSyntaxUID": dataset.file_meta.TransferSyntaxUID, "has_pixels": "PixelData" in dataset}
            counts = {column.name: 0 for column in tables.CATALOG.columns if column.kind == "integer"}
            rows.append({**keywords, **counts, **row, "has_preamble": True})
        made = {"source": str(tmp_path / "source"), "workspace": str(tmp_path / "workspace"), "workers": 1}
        return Workspace(Parameters.of({**made, **parameters})).create(), tables.frame(tables.CATALOG, rows)

    return make
