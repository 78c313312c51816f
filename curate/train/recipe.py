"""What is trained and how, as plain data: one frozen dataclass, one YAML file, no interpolation and no inheritance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from curate.errors import MissingInputError, RecipeError, nearest
from curate.schema import data_folder

Schedule = Literal["constant", "cosine", "step"]
Augment = Literal["none", "flip", "flip_shift", "flip_crop"]


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """How to train one classifier. Lengths in the schedule are shares of the run, so that it fits any number of steps.

    Attributes:
        model: resnet8, 14, 20, 32, 44, 56, 110 (He et al. 2016, section 4.2), or torchvision's resnet18, 34, 50, 101,
            152.
        image_size_px: Side of the square that the model sees, in pixels.
        batch_size: Images per step.
        steps: Optimiser steps. Give either steps or epochs.
        epochs: Passes over the manifest, repeats included.
        lr: Peak learning rate, for this batch size.
        momentum: Nesterov momentum in [0, 1).
        warmup: Share of the steps in which the learning rate rises linearly to lr.
        schedule: After the warm-up: constant, cosine (to 0), or step (times `decay` at each milestone).
        milestones: Where a step schedule decays, as ascending shares of all steps in (0, 1).
        decay: Factor of a step schedule.
        weight_decay: L2 penalty on all parameters.
        label_smoothing: Share of every target that is spread evenly over all classes, in [0, 1).
        augment: none; flip: left-right at random; flip_shift: and shifted by up to 1/8 of the side; flip_crop: flip,
            and a random area of 25 to 100 % of the photograph, as Inception crops it.
        bf16: Compute in bfloat16 on CUDA; without effect on a CPU.
        seed: Decides initial weights, order, repeats and augmentation.
    """

    model: str = "resnet18"
    image_size_px: int = 224
    batch_size: int = 128
    steps: int | None = None
    epochs: float | None = None
    lr: float = 0.1
    momentum: float = 0.9
    warmup: float = 0.05
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = ()
    decay: float = 0.1
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    augment: Augment = "flip_crop"
    bf16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise RecipeError("a recipe needs either steps or epochs")
        for name, holds, wanted in _limits(self):
            if not holds:
                raise RecipeError(f"{name} is {getattr(self, name)!r}", fix=f"It must be {wanted}.")

    def n_steps(self, epoch_images: float, max_steps: int | None = None) -> int:
        """Number of optimiser steps.

        Args:
            epoch_images: Images in an epoch, repeats included.
            max_steps: Upper limit; the schedule is fitted to the smaller number.
        """
        wanted = self.steps or max(1, math.ceil((self.epochs or 0) * epoch_images / self.batch_size))
        return wanted if max_steps is None else min(wanted, max_steps)


def _limits(r: TrainRecipe) -> list[tuple[str, bool, str]]:
    """Name of a field, whether its value is usable, and what it should be."""
    ascending = all(0 < a < 1 for a in r.milestones) and list(r.milestones) == sorted(set(r.milestones))
    return [
        ("image_size_px", 8 <= r.image_size_px <= 4096, "from 8 to 4096"),
        ("batch_size", r.batch_size >= 1, "at least 1"),
        ("steps", r.steps is None or r.steps >= 1, "at least 1"),
        ("epochs", r.epochs is None or 0 < r.epochs < math.inf, "above 0"),
        ("lr", 0 < r.lr < math.inf, "above 0"),
        ("momentum", 0 < r.momentum < 1, "above 0 and below 1, as Nesterov's momentum needs"),
        ("warmup", 0 <= r.warmup < 1, "at least 0 and below 1"),
        ("schedule", r.schedule in get_args(Schedule), f"one of {', '.join(get_args(Schedule))}"),
        ("milestones", ascending, "ascending shares of the run, each above 0 and below 1"),
        ("milestones", bool(r.milestones) == (r.schedule == "step"), "given with schedule: step, and only then"),
        ("decay", 0 < r.decay < 1, "above 0 and below 1"),
        ("weight_decay", 0 <= r.weight_decay < math.inf, "at least 0"),
        ("label_smoothing", 0 <= r.label_smoothing < 1, "at least 0 and below 1"),
        ("augment", r.augment in get_args(Augment), f"one of {', '.join(get_args(Augment))}"),
        ("seed", 0 <= r.seed < 2**63, "at least 0 and below 2^63"),
    ]


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(file.stem for file in (data_folder("pipelines") / "train").glob("*.yaml"))


def load_recipe(recipe: str | Path, **changes: Any) -> TrainRecipe:
    """Read a recipe by name, or from a YAML file.

    Args:
        recipe: A name from `recipe_names`, or the path of a file (anything with a suffix or a folder in it).
        **changes: Fields to replace, for example seed=1.

    Raises:
        MissingInputError: There is no such file or name.
        RecipeError: The file is no YAML mapping, or a field is unknown or ill-typed; names file and line.
    """
    file = Path(recipe)
    if not file.suffix and file.name == str(recipe):
        if str(recipe) not in recipe_names():
            fix = f"{nearest(str(recipe), recipe_names())} A file is given with its suffix, as my-recipe.yaml."
            raise MissingInputError(f"no training recipe '{recipe}'", fix=fix)
        file = data_folder("pipelines") / "train" / f"{recipe}.yaml"
    if not file.is_file():
        raise MissingInputError(f"no training recipe file '{file}'", fix=f"Known names: {', '.join(recipe_names())}.")
    values = {**_read(file), **changes}
    try:
        return recipe_from_dict(values)
    except RecipeError as error:
        if error.where:
            raise
        raise RecipeError(error.what, where=str(file), fix=error.fix) from None


def recipe_from_dict(values: Mapping[str, Any], where: Mapping[str, str] | None = None) -> TrainRecipe:
    """A recipe from plain values, each checked against the type of its field.

    Args:
        values: Field names and values; JSON and YAML forms of them.
        where: Place of each field for error messages, for example "file.yaml:3".

    Raises:
        RecipeError: A field is unknown, ill-typed or out of range.
    """
    hints = get_type_hints(TrainRecipe)
    places = where or {}
    checked = {}
    for name, value in values.items():
        if name not in hints:
            raise RecipeError(f"unknown field '{name}'", where=places.get(name, ""), fix=nearest(str(name), hints))
        try:
            checked[name] = _typed(value, hints[name])
        except (TypeError, ValueError):
            shown = " | ".join(_type_name(hint) for hint in get_args(hints[name]) or [hints[name]])
            raise RecipeError(f"{name} is {value!r}, not {shown}", where=places.get(name, "")) from None
    return TrainRecipe(**checked)


def recipe_to_dict(recipe: TrainRecipe) -> dict[str, Any]:
    """The fields as JSON values, the inverse of `recipe_from_dict`."""
    values = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return {**values, "milestones": list(recipe.milestones)}


def _type_name(hint: Any) -> str:
    return repr(hint) if isinstance(hint, str) else getattr(hint, "__name__", str(hint))


def _typed(value: Any, hint: Any) -> Any:
    """The value as its field's type; nothing is guessed but an int, or 1e-4 (a string in YAML 1.1), for a float."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return value  # __post_init__ checks and names the options
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError
        return tuple(_typed(item, float) for item in value)
    if type(None) in options:
        return None if value is None else _typed(value, options[0])
    if hint is float and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise TypeError
    return value


def _read(file: Path) -> dict[str, Any]:
    """A YAML mapping, with unknown and repeated fields refused at their line."""
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(str(error).replace("\n", " "), where=str(file), fix="It must be a YAML mapping.") from error
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError("not a mapping of field names to values", where=str(file))
    known = get_type_hints(TrainRecipe)
    seen: set[str] = set()
    for key, _ in node.value:
        place = f"{file}:{key.start_mark.line + 1}"
        if key.value not in known:
            raise RecipeError(f"unknown field '{key.value}'", where=place, fix=nearest(str(key.value), known))
        if key.value in seen:
            raise RecipeError(f"field '{key.value}' is given twice", where=place)
        seen.add(key.value)
    values: dict[str, Any] = yaml.safe_load(text)
    return values
