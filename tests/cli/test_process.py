"""What only a process of its own shows: Ctrl-C, and a reader that leaves early."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.shared import COMMAND, Commands, environment

# Ctrl-C is ignored where the tests run in the background of a shell, and what they start inherits that.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


def interrupted(sign: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """A command that gets Ctrl-C once a file is there that shows that its work has begun."""
    sign.unlink(missing_ok=True)
    command = (*COMMAND[:-1], INTERRUPTIBLE + COMMAND[-1], *line)
    running = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not sign.exists() and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.02)
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    return subprocess.CompletedProcess(line, running.returncode, out, err)


def test_interrupted_training(tmp_path, example):
    [manifest] = (example / "notebook-demo" / "workspace" / "manifests").iterdir()
    model = tmp_path / "model"
    done = interrupted(model, "train", str(manifest), "--set", "steps=100000", "--out", str(model))
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "curate: interrupted; the same command continues where it was\n"


def test_an_interrupted_stage_is_done_by_the_same_command(own: Commands):
    line = ("score-labels", "--seed", "1")
    done = interrupted(own.workspace / "lock", *line, "-w", str(own.workspace))
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "curate: interrupted; the same command continues where it was\n"
    _, _, err = own.try_(*line)
    assert err.startswith("score-labels     ran")


@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_reader_that_leaves_early(looked_at, form):
    line = ("sql", "-w", str(looked_at), "FROM lemmas LIMIT 20000", "--format", form)
    running = subprocess.Popen((*COMMAND, *line), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"lemma" in running.stdout.readline()
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait() in (0, 1) and err == b""
