"""metrics.jsonl: one line per step."""

import json
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.errors import TrainingError

log = logging.getLogger(__name__)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl: step (from 1), loss, lr, images_per_s."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


class Metrics:
    """Losses on their way to metrics.jsonl; they stay on the device until they are written.

    Args:
        file: The file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._waiting: list[tuple[int, Tensor, float, int]] = []
        self._since = time.perf_counter()

    def add(self, step: int, loss: Tensor, lr: float, n_images: int) -> None:
        """Note the loss (a scalar tensor), learning rate and number of images of a step."""
        self._waiting.append((step, loss, lr, n_images))

    def write(self) -> None:
        """Append what waits; a loss that is no number is written too, and then stops the run.

        Raises:
            TrainingError: A loss is not finite.
        """
        losses = torch.stack([loss for _, loss, _, _ in self._waiting]).tolist()
        now = time.perf_counter()
        rate = sum(n for _, _, _, n in self._waiting) / (now - self._since)
        broken = None
        with self._file.open("a", encoding="utf-8") as out:
            for (step, _, lr, _), loss in zip(self._waiting, losses, strict=True):
                finite = math.isfinite(loss)
                broken = broken or (None if finite else step)
                entry = {"step": step, "loss": loss if finite else None, "lr": lr, "images_per_s": round(rate, 1)}
                out.write(json.dumps(entry) + "\n")
            out.flush()
            os.fsync(out.fileno())
        log.debug("step %d: loss %.4f, %.0f images/s", self._waiting[-1][0], losses[-1], rate)
        self._waiting, self._since = [], now
        if broken:
            fix = "The last checkpoint is kept. Try a smaller lr or a longer warmup."
            raise TrainingError(f"the loss is not finite at step {broken}", where=str(self._file), fix=fix)


def truncate_metrics(file: Path, step: int) -> None:
    """Keep the lines up to a step: what was written after the checkpoint comes again."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] > step:
                break
        except ValueError:  # cut off in the middle of a line
            break
        kept.append(line + "\n")
    temporary = file.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(file)
