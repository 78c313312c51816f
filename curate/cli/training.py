"""train and evaluate: from an exported manifest to a model, and from a model to its accuracy."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from curate.api import Session, open_manifest
from curate.cli.show import notes, print_table, results, watch
from curate.errors import ParameterError, nearest


def train_model(
    manifest: Path, recipe: str, out: Path, settings: Sequence[str], roots: Sequence[str], where: str | None
) -> None:
    """Train, and print the checkpoint's folder."""
    from curate.train.recipe import load_recipe
    from curate.train.train import train

    places = dict(_pair(root, "--root") for root in roots)
    found = open_manifest(manifest, places)
    for source in places:
        if source not in found.roots:
            raise ParameterError(f"--root {source}: no such source in the manifest", fix=nearest(source, found.roots))
    if where:
        found = found.where(where)
    changes = dict(_change(setting) for setting in settings)
    told = 0
    with watch("train", 1) as advance:

        def progress(done: int, total: int) -> None:
            nonlocal told
            advance((done - told) / total)
            told = done

        done = train(found, load_recipe(recipe, **changes), out, progress=progress)
    notes.print(f"{done.n_steps} steps, {done.n_images_seen:,} images, loss {done.final_loss:.4f}")
    if done.n_damaged:
        notes.print(f"{done.n_damaged} images could not be read")
    results.print(str(out))


def _change(setting: str) -> tuple[str, Any]:
    from curate.train.recipe import TrainRecipe

    name, value = _pair(setting, "--set")
    known = [field.name for field in fields(TrainRecipe)]
    if name not in known:
        raise ParameterError(f"--set {name}: no such field of a training recipe", fix=nearest(name, known))
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ParameterError(f"--set {setting}: {error}") from error


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParameterError(f"{option} {text}: not of the form NAME=VALUE")
    return name, value


def evaluate_model(session: Session, checkpoint: Path, eval_set: str) -> None:
    """Print a model's accuracies on an eval set."""
    from curate.stages.evaluate import eval_set_images, known_leaks
    from curate.train.checkpoint import open_checkpoint
    from curate.train.evaluate import evaluate

    with session.connect() as con:
        images, root = eval_set_images(con, eval_set)
        leaked = known_leaks(con, eval_set, open_checkpoint(checkpoint).run.manifest_id)
    scores = evaluate(checkpoint, images, root, leaked=leaked)
    print_table(("metric", "value", "images"), [(s.metric, s.value, s.n_images) for s in scores if not s.class_key])
