from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from curate.errors import MissingInputError, ParameterError, RecipeError
from curate.recipe import build_params, find_recipe, load_recipe
from curate.stage import QueryStage, param


@dataclass(frozen=True, kw_only=True)
class Spec:
    path: str = param(help="where")
    name: str | None = param(None, help="name")


@dataclass(frozen=True, kw_only=True)
class Params:
    sources: tuple[Spec, ...] = param(help="sources")
    share: float = param(0.5, help="share")
    folds: int = param(5, help="folds")
    mode: Literal["a", "b"] = param("a", help="mode")
    flag: bool = param(False, help="flag")
    names: tuple[str, ...] = param((), help="names")


STAGE = QueryStage(name="make-things", version=1, params=Params, writes=("lemmas",), run=lambda t, p: {}, doc="")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


def test_values_are_converted(tmp_path: Path) -> None:
    path = write(
        tmp_path, "stages:\n  make-things:\n    sources: [a, {path: b, name: c}]\n    share: 1\n    names: x\n"
    )
    recipe = load_recipe(path, [STAGE], ["make-things.folds=7", "make-things.mode=b"])
    params = recipe.steps[0].params
    assert params == Params(
        sources=(Spec(path="a"), Spec(path="b", name="c")), share=1.0, folds=7, mode="b", names=("x",)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [a]", "no 'stages:' mapping"),
        ("stages: {make-thing: }", "Did you mean 'make-things'"),
        ("stage: {}\nstages: {}", "unknown entry 'stage'"),
        ("stages: {make-things: {share: 1, share: 2}}", "share is given twice"),
        ("stages: {make-things: [1]}", "must be a mapping"),
        ("stages: {a: !!python/object/apply:os.system [x]}", "could not determine a constructor"),
        ("stages: {make-things: {", "p.yaml"),
    ],
)
def test_broken_files_give_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(tmp_path, text), [STAGE])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": ["a"], "shares": 1}, "Did you mean 'share'"),
        ({}, "'sources' is missing"),
        ({"sources": ["a"], "folds": 1.5}, "'1.5' is no int"),
        ({"sources": ["a"], "folds": True}, "'True' is no int"),
        ({"sources": ["a"], "mode": "c"}, "'c' is none of a, b"),
        ({"sources": [{"pth": "a"}]}, "Did you mean 'path'"),
        ({"sources": [3]}, "'3' is no str"),
    ],
)
def test_wrong_values_name_the_parameter(values: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build_params(Params, values, "make-things")


@pytest.mark.parametrize("setting", ["folds=3", "make-things.folds", "make-thing.folds=3"])
def test_malformed_settings(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ParameterError):
        load_recipe(write(tmp_path, "stages: {make-things: {sources: a}}"), [STAGE], [setting])


def test_unknown_pipeline_lists_the_shipped_ones() -> None:
    with pytest.raises(MissingInputError, match="Shipped ones"):
        find_recipe("no-such-pipeline")
