"""What only a process of its own shows: Ctrl-C, and a reader that leaves early."""

import signal
import subprocess
import time

import pytest

from tests.cli.shared import COMMAND, environment


def test_interrupted_is_130_and_can_be_resumed(tmp_path, example):
    [manifest] = (example / "notebook-demo" / "workspace" / "manifests").iterdir()
    line = ("train", str(manifest), "--set", "steps=100000", "--out", str(tmp_path / "model"))
    running = subprocess.Popen(
        (*COMMAND, *line), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "model").exists() and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.05)
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130, err
    assert out == "" and err == "curate: interrupted; the same command continues where it was\n"


@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_reader_that_leaves_early(looked_at, form):
    line = ("sql", "-w", str(looked_at), "FROM lemmas LIMIT 20000", "--format", form)
    running = subprocess.Popen((*COMMAND, *line), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"lemma" in running.stdout.readline()
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait() in (0, 1) and err == b""
