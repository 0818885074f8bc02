"""Packed releases over invented patients, and a real Azurite where there is one."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chorus_nb.release import pack, sign_off
from chorus_nb.verify import certificate_pdf
from chorus_nb.verify.sentences import Section
from chorus_nb.workspace import Workspace
from tests.release.azurite_service import Azurite, azurite
from tests.small_release import make_workspace, parameters, ready


@pytest.fixture(scope="session")
def certificates_set() -> dict[bytes, bytes]:
    """PDFs by the sections that they say."""
    return {}


@pytest.fixture(autouse=True)
def _set_once(certificates_set: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same certificate is set in pages once for all of these tests; tests/verify ask for the same bytes again."""
    anew = certificate_pdf.pdf_certificate

    def pdf_certificate(sections: Sequence[Section]) -> bytes:
        said = pickle.dumps(list(sections))
        if said not in certificates_set:
            certificates_set[said] = anew(sections)
        return certificates_set[said]

    monkeypatch.setattr(certificate_pdf, "pdf_certificate", pdf_certificate)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, verified and registered; made once, copied for each test."""
    folder = tmp_path_factory.mktemp("built")
    ready(make_workspace(folder))
    return folder


@pytest.fixture
def built(template: Path, tmp_path: Path) -> Workspace:
    """Everything but packed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Workspace(parameters(tmp_path))


@pytest.fixture(scope="session")
def packed_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed, and signed off for an upload; made once, for it takes seconds."""
    folder = tmp_path_factory.mktemp("packed")
    shutil.copytree(template, folder, dirs_exist_ok=True)
    workspace = Workspace(parameters(folder, upload_url=str(folder / "there")))
    pack(workspace)
    sign_off(workspace, "looked at it", "A. Reviewer")
    return folder


@pytest.fixture
def packed(packed_template: Path, tmp_path: Path) -> Workspace:
    """What a person released, to be uploaded to a place that the test names."""
    shutil.copytree(packed_template, tmp_path, dirs_exist_ok=True)
    return Workspace(parameters(tmp_path))


@pytest.fixture(scope="session")
def blob_service() -> Iterator[Azurite]:
    with azurite() as service:
        yield service
