import logging
import shutil
from pathlib import Path

import pytest

from tests.cli.shared import Commands


@pytest.fixture(scope="session")
def looked_at(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished workspace for commands that change nothing."""
    copy = tmp_path_factory.mktemp("looked-at") / "workspace"
    return shutil.copytree(example / "notebook-demo" / "workspace", copy)


@pytest.fixture(autouse=True)
def quiet_logging():
    """Commands set up the package's logging, which other tests listen to."""
    package = logging.getLogger("curate")
    before = package.handlers[:], package.propagate, package.level
    yield
    package.handlers[:], package.propagate, package.level = before


@pytest.fixture
def cli(looked_at: Path, terminal: pytest.CaptureFixture[str]) -> Commands:
    return Commands(looked_at, terminal)


@pytest.fixture
def own(example: Path, tmp_path: Path, terminal: pytest.CaptureFixture[str]) -> Commands:
    """Commands on a finished workspace of the test's own."""
    return Commands(shutil.copytree(example / "notebook-demo" / "workspace", tmp_path / "workspace"), terminal)


@pytest.fixture
def fresh(tmp_path: Path, terminal: pytest.CaptureFixture[str]) -> Commands:
    """Commands on an empty workspace."""
    commands = Commands(tmp_path / "fresh", terminal)
    commands("init", commands.workspace)
    return commands


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    monkeypatch.delenv("CURATE_WORKSPACE", raising=False)
    return capsys
