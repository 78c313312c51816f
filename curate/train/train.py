"""The training loop, top to bottom."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from curate.errors import ParameterError, TrainingError
from curate.train import checkpoint as checkpoints
from curate.train.checkpoint import Checkpoint, Progress, Run
from curate.train.data import TrainingImages, load_ahead
from curate.train.loss import cross_entropy
from curate.train.manifest import Manifest
from curate.train.metrics import Metrics, read_metrics, truncate_metrics
from curate.train.model import build_model
from curate.train.recipe import TrainRecipe, recipe_to_dict
from curate.train.sampler import Position, batches
from curate.train.schedule import learning_rate

log = logging.getLogger(__name__)

_METRICS_EVERY = 10  # steps between looks at the loss, each of which makes a GPU wait


@dataclass(frozen=True)
class TrainingRun:
    """What a finished run has to show.

    Attributes:
        run_id: Hash of manifest, recipe and number of steps.
        manifest_id: Manifest that was trained on.
        folder: Holds the checkpoints and metrics.jsonl.
        n_steps: Optimiser steps.
        n_images_seen: Images shown, repeats included.
        n_damaged: Images that could not be read and were left out; they are listed in the checkpoint.
        final_loss: Mean loss of the last epoch or the last 50 steps, whichever is longer; lower = better.
    """

    run_id: str
    manifest_id: str
    folder: Path
    n_steps: int
    n_images_seen: int
    n_damaged: int
    final_loss: float


def plan_run(manifest: Manifest, recipe: TrainRecipe, max_steps: int | None = None) -> Run:
    """What training would do, with the run_id that names it.

    Args:
        manifest: The manifest; rows of another split than train do not count.
        recipe: How to train.
        max_steps: Upper limit on the steps; the schedule is fitted to it.
    """
    rows = manifest.where("split = 'train'")
    n_steps = recipe.n_steps(_epoch_images(rows), max_steps)
    parts = [rows.digest(), recipe_to_dict(recipe), n_steps]
    run_id = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Run(run_id, rows.manifest_id, rows.digest(), recipe, n_steps, rows.class_keys, rows.class_names)


def train(
    manifest: Manifest,
    recipe: TrainRecipe,
    folder: Path | str,
    *,
    max_steps: int | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    n_compute_threads: int | None = None,
    checkpoint_every: int = 500,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingRun:
    """Train a classifier on the train split of a manifest, or go on where an interrupted run stopped.

    On a CPU, with the same number of compute threads, a resumed run has exactly the losses of one that was not
    interrupted; another number of threads sums floats in another order. The number of decoding threads never matters.

    Args:
        manifest: The manifest.
        recipe: How to train.
        folder: For checkpoints and metrics.jsonl; of this run alone.
        max_steps: Upper limit on the steps; the schedule is fitted to it, so that runs on two manifests compare.
        device: 'cpu', 'cuda', or 'auto': CUDA where there is a device.
        n_threads: Images decoded at once; None = one per processor.
        n_compute_threads: Threads of torch on a CPU; None = as torch is set. One gives the same result on machines
            with different numbers of cores, and is fastest where other programs use them too.
        checkpoint_every: Steps between checkpoints; one more is written at the end.
        progress: Told of steps done and steps in all.

    Raises:
        TrainingError: The loss is not finite, too many images cannot be read, or the folder holds another run.
        ParameterError: There is no such device.
    """
    rows, run, folder = manifest.where("split = 'train'"), plan_run(manifest, recipe, max_steps), Path(folder)
    device = pick_device(device)
    last = _checkpoint_of(folder, run)
    folder.mkdir(parents=True, exist_ok=True)
    truncate_metrics(folder / "metrics.jsonl", last.progress.step if last else 0)
    if last is None or last.progress.step < run.n_steps:
        loop = _Loop(run, folder, device, checkpoint_every, progress or (lambda done, total: None))
        with _reproducible(recipe.seed, device, n_compute_threads):
            done = loop.run_from(last, rows, n_threads)
    else:
        done = last.progress
    n_last = max(50, math.ceil(_epoch_images(rows) / recipe.batch_size))
    losses = [entry["loss"] for entry in read_metrics(folder)][-n_last:]
    final_loss = math.fsum(losses) / len(losses)
    return TrainingRun(
        run.run_id, run.manifest_id, folder, run.n_steps, done.n_images_seen, len(done.damaged), final_loss
    )


@dataclass(frozen=True)
class _Loop:
    run: Run
    folder: Path
    device: str
    checkpoint_every: int
    progress: Callable[[int, int], None]

    def run_from(self, last: Checkpoint | None, rows: Manifest, n_threads: int | None) -> Progress:
        """All steps that are missing after the last checkpoint."""
        recipe, n_steps, device = self.run.recipe, self.run.n_steps, self.device
        model, optimizer = self._model_and_optimizer(last)
        done = last.progress if last else Progress(0, Position(), 0, {})
        images = TrainingImages(rows, recipe, n_threads, done.damaged)
        repeats = rows.rows.column("repeat_factor").to_numpy()
        plan = batches(images.words, repeats, recipe.seed, recipe.batch_size, done.position)
        metrics = Metrics(self.folder / "metrics.jsonl")
        with closing(images), closing(load_ahead(images.load, islice(plan, n_steps - done.step))) as ahead:
            for loaded in ahead:
                lr = learning_rate(recipe, done.step, n_steps)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                inputs, targets = _on(device, loaded.images), _on(device, loaded.targets)
                with torch.autocast(device, torch.bfloat16, enabled=device == "cuda" and recipe.bf16):
                    logits = model(inputs)
                loss = cross_entropy(logits, targets, recipe.label_smoothing)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

                n_seen = done.n_images_seen + len(inputs)
                done = Progress(done.step + 1, loaded.batch.end, n_seen, dict(images.damaged))
                metrics.add(done.step, loss.detach(), lr, len(inputs))
                at_checkpoint = done.step == n_steps or done.step % self.checkpoint_every == 0
                if at_checkpoint or done.step % _METRICS_EVERY == 0:
                    metrics.write()
                if at_checkpoint:
                    checkpoints.save(self.folder, self.run, done, model, optimizer, device)
                self.progress(done.step, n_steps)
        return done

    def _model_and_optimizer(self, last: Checkpoint | None) -> tuple[torch.nn.Module, torch.optim.SGD]:
        """As they were at the last checkpoint, or new."""
        recipe = self.run.recipe
        model = build_model(recipe.model, len(self.run.class_keys), recipe.image_size_px, recipe.seed)
        model = model.to(device=self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        optimizer = torch.optim.SGD(
            model.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
        )
        if last:
            last.load_model(model)
            last.load_optimizer(optimizer, [name for name, _ in model.named_parameters()])
            log.info("going on from step %d of %d", last.progress.step, self.run.n_steps)
        return model, optimizer


def pick_device(device: str) -> str:
    """'cpu' or 'cuda'.

    Raises:
        ParameterError: The device is not one of auto, cpu, cuda, or not there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"unknown device '{device}'", fix="Known: auto, cpu, cuda.")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise ParameterError("there is no CUDA device", fix="Use auto or cpu.")
    return "cuda" if there and device != "cpu" else "cpu"


def _epoch_images(rows: Manifest) -> float:
    """Images in an epoch, repeats included, on average."""
    return math.fsum(rows.rows.column("repeat_factor").to_pylist())


def _on(device: str, tensor: Tensor) -> Tensor:
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def _checkpoint_of(folder: Path, run: Run) -> Checkpoint | None:
    """The run's last checkpoint.

    Raises:
        TrainingError: The folder holds a run on another manifest or with another recipe.
    """
    last = checkpoints.latest(folder)
    if last is None or last.run == run:
        return last
    differs = [name for name in Run.__dataclass_fields__ if getattr(last.run, name) != getattr(run, name)]
    what = f"the checkpoint is of another run ({', '.join(name for name in differs if name != 'run_id')} differ)"
    raise TrainingError(what, where=str(folder), fix="Give another folder, or delete this one to start anew.")


@contextmanager
def _reproducible(seed: int, device: str, n_compute_threads: int | None) -> Iterator[None]:
    """Deterministic kernels on the CPU and seeded random states; torch's own settings come back afterwards."""
    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark, n_threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(device == "cpu")
        torch.backends.cudnn.benchmark = device == "cuda"
        torch.set_num_threads(n_compute_threads or n_threads)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)
            torch.backends.cudnn.benchmark = benchmark
            torch.set_num_threads(n_threads)
