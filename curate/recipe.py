"""Pipeline files: YAML as pure data, read strictly.

    name: quickstart
    description: From web posts to a trained model.
    stages:
      ingest:
        sources: [{path: posts}]
      map-labels: {senses: context}

Stage names and parameters are those of the command line. Their order does not matter. Relative paths are taken from
the folder that the command runs in.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from curate.errors import MissingInputError, ParameterError, RecipeError, nearest
from curate.plan import Step, inputs, produces
from curate.schema import data_folder
from curate.stage import Stage


@dataclass(frozen=True)
class Recipe:
    """A pipeline file.

    Attributes:
        name: Its name.
        description: What it is for.
        steps: Stages with their parameters.
    """

    name: str
    description: str
    steps: list[Step]


def find_recipe(name: str) -> Path:
    """The file of a pipeline: a path, or the name of one that ships with the package.

    Raises:
        MissingInputError: Neither is there.
    """
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in data_folder("pipelines").glob("*.yaml")}
    if name in shipped:
        return shipped[name]
    raise MissingInputError(f"no pipeline file '{name}'", fix=f"Shipped ones: {', '.join(sorted(shipped))}.")


def load_recipe(path: Path, stages: Sequence[Stage], settings: Sequence[str] = ()) -> Recipe:
    """Read a pipeline file.

    Args:
        path: The file.
        stages: All known stages.
        settings: Overrides, each 'stage.param=value' with a YAML value.

    Returns:
        The recipe; a stage without parameters of its own that another needs (load-wordnet) is added.

    Raises:
        RecipeError: The file is no YAML, or has unknown or missing entries.
        ParameterError: A parameter is unknown or ill-typed.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(" ".join(str(error).split()), where=path.name) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("stages"), dict):
        raise RecipeError("no 'stages:' mapping", where=path.name)
    for entry in raw:
        if entry not in ("name", "description", "stages"):
            raise RecipeError(f"unknown entry '{entry}'", where=path.name, fix=nearest(str(entry), ["name", "stages"]))
    by_name = {stage.name: stage for stage in stages}
    given: dict[str, dict[str, Any]] = {}
    for name, values in raw["stages"].items():
        if name not in by_name:
            raise RecipeError(f"unknown stage '{name}'", where=path.name, fix=nearest(str(name), by_name))
        if not isinstance(values, dict | None):
            raise RecipeError(f"{name}: parameters must be a mapping", where=path.name)
        given[name] = dict(values or {})
    for setting in settings:
        _apply(setting, given, by_name)
    steps = [Step(by_name[n], build_params(by_name[n].params, v, f"{path.name}: {n}")) for n, v in given.items()]
    return Recipe(str(raw.get("name", path.stem)), str(raw.get("description", "")), with_implied(steps, stages))


def with_implied(steps: Sequence[Step], stages: Sequence[Stage]) -> list[Step]:
    """Steps, and before them each stage that reads nothing and needs no parameter but whose tables they read."""
    present = {step.stage.name for step in steps}
    wanted = {table for step in steps for table in inputs(step.stage)}
    implied = [
        Step(stage, stage.params())
        for stage in stages
        if stage.name not in present and not inputs(stage) and wanted & set(produces(stage)) and _all_default(stage)
    ]
    return [*implied, *steps]


def _all_default(stage: Stage) -> bool:
    return all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(stage.params))


def _apply(setting: str, given: dict[str, dict[str, Any]], by_name: Mapping[str, Stage]) -> None:
    target, equals, text = setting.partition("=")
    stage, dot, name = target.partition(".")
    if not equals or not dot:
        raise ParameterError(f"--set {setting}: not of the form stage.param=value")
    if stage not in by_name:
        raise ParameterError(f"--set {setting}: unknown stage '{stage}'", fix=nearest(stage, by_name))
    try:
        given.setdefault(stage, {})[name] = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ParameterError(f"--set {setting}: {' '.join(str(error).split())}") from error


def build_params(cls: type, values: Mapping[str, Any], where: str) -> Any:
    """A params dataclass from plain values.

    Args:
        cls: The dataclass.
        values: Values by name, as YAML or the command line gives them; '-' and '_' in names are the same.
        where: What to name in an error.

    Raises:
        ParameterError: A name is unknown or missing, or a value has the wrong type.
    """
    hints = typing.get_type_hints(cls)
    values = {str(name).replace("-", "_"): value for name, value in values.items()}
    known = {f.name: f for f in fields(cls)}
    for name in values:
        if name not in known:
            raise ParameterError(f"unknown parameter '{name}'", where=where, fix=nearest(name, known))
    built = {}
    for name, f in known.items():
        if name in values:
            built[name] = _convert(values[name], hints[name], f"{where}: {name}")
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ParameterError(f"parameter '{name}' is missing", where=where, fix=f.metadata.get("help", ""))
    try:
        return cls(**built)
    except ValueError as error:  # a dataclass may check its own values
        raise ParameterError(str(error), where=where) from error


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), where)
    if origin is Literal:
        if value not in arguments:
            raise ParameterError(f"'{value}' is none of {', '.join(map(str, arguments))}", where=where)
        return value
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(item, arguments[0], where) for item in items)
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            required = [f.name for f in fields(hint) if f.default is MISSING and f.default_factory is MISSING]
            value = dict.fromkeys(required, value) if len(required) == 1 else value
        if not isinstance(value, Mapping):
            raise ParameterError(f"'{value}' must be a mapping with {[f.name for f in fields(hint)]}", where=where)
        return build_params(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ParameterError(f"'{value}' is no {hint.__name__}", where=where)
    return value


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, of which plain YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
