"""Checkpoints: all state of the training loop, written whole or not at all.

FOLDER/step-00000200/model.safetensors      weights and running statistics
                     optimizer.safetensors  momentum by parameter name, and the random states
                     state.json             position, recipe, manifest, classes
       metrics.jsonl                        one line per step
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from curate.errors import FormatError, MissingInputError, TrainingError
from curate.train.recipe import TrainRecipe, recipe_from_dict, recipe_to_dict
from curate.train.sampler import Position

log = logging.getLogger(__name__)

_FORMAT = 1
_KEPT = 2  # older checkpoints are deleted
_STEP = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Run:
    """What a training run is about; two runs that are equal in this end in the same weights (on the same device).

    Attributes:
        run_id: Hash of the rest.
        manifest_id: Manifest that is trained on.
        manifest_digest: Of the rows that are trained on.
        recipe: How.
        n_steps: Optimiser steps of the whole run.
        class_keys: Class of each output of the model.
        class_names: Name to show of each.
    """

    run_id: str
    manifest_id: str
    manifest_digest: str
    recipe: TrainRecipe
    n_steps: int
    class_keys: list[str]
    class_names: list[str]


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: Optimiser steps done.
        position: Where the next batch begins.
        n_images_seen: Images shown, repeats included.
        damaged: Images that could not be read, image_id to reason.
    """

    step: int
    position: Position
    n_images_seen: int
    damaged: Mapping[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        folder: Its folder.
        run: What was trained.
        progress: How far.
    """

    folder: Path
    run: Run
    progress: Progress

    def load_model(self, model: nn.Module) -> None:
        """Fill a model with the weights.

        Raises:
            FormatError: The weights are not those of such a model.
        """
        try:
            model.load_state_dict(load_file(self.folder / "model.safetensors"))
        except RuntimeError as error:
            raise FormatError(str(error).splitlines()[0], where=str(self.folder / "model.safetensors")) from error

    def load_optimizer(self, optimizer: torch.optim.Optimizer, names: list[str]) -> None:
        """Fill an optimiser with its momentum, and torch with its random states.

        Args:
            optimizer: SGD over the model's parameters, in the order of `names`.
            names: Parameter names.
        """
        tensors = load_file(self.folder / "optimizer.safetensors")
        state = optimizer.state_dict()
        state["state"] = {
            i: {"momentum_buffer": tensors[f"momentum.{name}"]}
            for i, name in enumerate(names)
            if f"momentum.{name}" in tensors
        }
        optimizer.load_state_dict(state)
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])


def save(
    folder: Path, run: Run, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, device: str
) -> Path:
    """Write a checkpoint beside the earlier ones, and delete all but the last two.

    Everything goes to a folder of another name, reaches the disk, and is then renamed: what bears the name
    step-NNNNNNNN is complete.

    Raises:
        TrainingError: A weight is not finite; nothing is written then.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        fix = "The last checkpoint is kept. Try a smaller lr or a longer warmup."
        raise TrainingError(f"weights of {broken[0]} are not finite at step {progress.step}", fix=fix)
    target = folder / f"step-{progress.step:08d}"
    temporary = folder / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(weights, temporary / "model.safetensors")
    save_file(_optimizer_tensors(model, optimizer, device), temporary / "optimizer.safetensors")
    state = {
        "format": _FORMAT,
        "run": {**asdict(run), "recipe": recipe_to_dict(run.recipe)},
        "progress": asdict(progress),
    }
    (temporary / "state.json").write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")
    for file in sorted(temporary.iterdir()):
        _sync(file)
    _sync(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    _sync(folder)
    for old in _steps(folder)[_KEPT:]:
        shutil.rmtree(old.rename(folder / f".{old.name}.tmp"))
    return target


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, device: str) -> dict[str, Tensor]:
    tensors = {"random.cpu": torch.get_rng_state()}
    if device == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    for name, parameter in model.named_parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum.detach().cpu().contiguous()
    return tensors


def latest(folder: Path) -> Checkpoint | None:
    """The last complete checkpoint of a run; None where there is none.

    A damaged one is passed over, with a warning, for the one before it.

    Raises:
        FormatError: There are checkpoints, but none can be read.
    """
    found = _steps(folder)
    for step in found:
        try:
            return _read(step)
        except FormatError as error:
            log.warning("%s; the checkpoint before it is used", error)
    if found:
        raise FormatError("no checkpoint can be read", where=str(folder), fix="Delete the folder to start anew.")
    return None


def open_checkpoint(folder: Path | str) -> Checkpoint:
    """A checkpoint by its folder, or the last one of a run's folder.

    Raises:
        MissingInputError: There is none.
        FormatError: It cannot be read.
    """
    folder = Path(folder)
    found = _read(folder) if (folder / "state.json").is_file() else latest(folder)
    if found is None:
        raise MissingInputError(f"no checkpoint in '{folder}'", fix="Give the folder that train wrote.")
    return found


def _read(folder: Path) -> Checkpoint:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if state["format"] != _FORMAT:
            raise FormatError(f"checkpoint format {state['format']}, not {_FORMAT}", where=str(folder))
        run, progress = state["run"], state["progress"]
        for name in ("model", "optimizer"):
            load_file(folder / f"{name}.safetensors")
        return Checkpoint(
            folder,
            Run(**{**run, "recipe": recipe_from_dict(run["recipe"])}),
            Progress(**{**progress, "position": Position(**progress["position"])}),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise FormatError(f"damaged checkpoint: {error}", where=str(folder)) from error


def _steps(folder: Path) -> list[Path]:
    """Folders of complete checkpoints, the last first."""
    return sorted((path for path in folder.glob("step-*") if _STEP.fullmatch(path.name)), reverse=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
