import shutil
from pathlib import Path

import pytest

import curate.api as api
from tests.review.audit.desks import write_workspace


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A folder with a workspace whose labels are drawn, not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    write_workspace(folder, uniform=True)
    return folder


@pytest.fixture
def session(drawn, tmp_path) -> api.Session:
    """A workspace of the test's own; the pictures are shared."""
    return api.open(shutil.copytree(drawn / "workspace", tmp_path / "workspace"))
