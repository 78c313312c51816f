"""What is made once for all tests of a session, whichever process they run in, and how a command is run."""

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.cli.main import run_command

ROOT = Path(__file__).parents[2]
PYTHON = (sys.executable, "-W", "ignore")
COMMAND = (*PYTHON, "-c", "from curate.cli.main import main; main()")


def environment(**changes: str) -> dict[str, str]:
    """For a process of its own: the checkout's package, one thread, a workspace only if one is named."""
    kept = {name: value for name, value in os.environ.items() if name != "CURATE_WORKSPACE"}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changes}


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process that asks for it fills; the others wait."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / name
    with (base / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


class Commands:
    """Runs command lines in this process, on one workspace."""

    def __init__(self, workspace: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.workspace = workspace
        self._capture = capture

    def __call__(self, *arguments: object) -> str:
        """What a command that succeeds writes to stdout."""
        code, out, err = self.try_(*arguments)
        assert code == 0, err
        return out

    def try_(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, stdout and stderr. An error that nobody foresaw is raised: on the terminal it is a traceback."""
        self._capture.readouterr()
        code = run_command(["-w", str(self.workspace), *map(str, arguments)])
        return code, *self._capture.readouterr()

    def complaint(self, code: int, *arguments: object) -> str:
        """The one line that a mistaken command writes to stderr; it writes nothing to stdout."""
        found, out, err = self.try_(*arguments)
        assert (found, out) == (code, ""), err
        lines = err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("curate: "), err
        return lines[0].removeprefix("curate: ")
