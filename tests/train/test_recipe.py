from itertools import pairwise

import pytest

from curate.errors import MissingInputError, RecipeError
from curate.train.model import SMALL, TORCHVISION
from curate.train.recipe import TrainRecipe, load_recipe, recipe_from_dict, recipe_names, recipe_to_dict
from curate.train.schedule import learning_rate


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load(name):
    recipe = load_recipe(name)
    assert recipe.model in (*SMALL, *TORCHVISION)
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


def test_changes_replace_fields():
    assert load_recipe("quickstart", seed=3).seed == 3


def write(folder, text):
    (folder / "my.yaml").write_text(text)
    return folder / "my.yaml"


def test_a_number_in_scientific_notation_is_a_number(tmp_path):
    assert load_recipe(write(tmp_path, "steps: 5\nlr: 1e-3\n")).lr == 1e-3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: 5\nweigt_decay: 0.1\n", r"my.yaml:2: unknown field 'weigt_decay'. Did you mean 'weight_decay'"),
        ("steps: 5\nsteps: 6\n", "my.yaml:2: field 'steps' is given twice"),
        ("lr: 0.1\n", "either steps or epochs"),
        ("steps: 5\nepochs: 1\n", "either steps or epochs"),
        ("steps: many\n", "steps is 'many', not int"),
        ("steps: 5\nlr: fast\n", "lr is 'fast', not float"),
        ("steps: 5\nbf16: 1\n", "bf16 is 1, not bool"),
        ("steps: 5\nlr: -1\n", "lr is -1.0"),
        ("steps: 5\nlr: .nan\n", "lr is nan"),
        ("steps: 5\nschedule: cosin\n", "one of constant, cosine, step"),
        ("steps: 5\nschedule: step\n", "milestones"),
        ("steps: 5\nschedule: step\nmilestones: [0.8, 0.5]\n", "ascending"),
        ("- steps\n", "not a mapping"),
        ("steps: [\n", "YAML"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, text, says):
    with pytest.raises(RecipeError, match=says) as caught:
        load_recipe(write(tmp_path, text))
    assert "my.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(MissingInputError, match="Did you mean 'quickstart'"):
        load_recipe("quikstart")
    with pytest.raises(MissingInputError, match="no training recipe file"):
        load_recipe("nowhere/my.yaml")


def test_steps_follow_from_epochs_and_are_capped():
    recipe = TrainRecipe(epochs=2, batch_size=10)
    assert recipe.n_steps(101) == 21
    assert recipe.n_steps(101, max_steps=5) == 5
    assert TrainRecipe(steps=7).n_steps(1e9, max_steps=50) == 7


def rates(recipe, n):
    return [learning_rate(recipe, step, n) for step in range(n)]


def test_warm_up_reaches_the_peak_at_its_end():
    # Batch 8,064 at 0.1 per 256 images: 3.15.
    found = rates(TrainRecipe(steps=100, lr=0.1 / 256 * 8064, warmup=0.1, schedule="constant"), 100)
    assert found[9] == found[50] == pytest.approx(3.15)
    assert found[0] == pytest.approx(0.315)


def test_cosine_falls_to_nearly_nothing_without_a_jump():
    found = rates(TrainRecipe(steps=200, lr=1.0, warmup=0.1, schedule="cosine"), 200)
    assert max(found) == 1.0
    assert found[20:] == sorted(found[20:], reverse=True)
    assert 0 < found[-1] < 1e-3
    assert max(abs(a - b) for a, b in pairwise(found[20:])) < 0.01


def test_step_schedule_halves_at_equally_spaced_points():
    places = [i / 11 for i in range(1, 11)]
    recipe = TrainRecipe(steps=110, lr=1.0, warmup=0, schedule="step", milestones=tuple(places), decay=0.5)
    found = rates(recipe, 110)
    assert found[0] == found[9] == 1.0
    assert found[10] == 0.5
    assert found[-1] == 0.5**10


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_one_step_runs_have_a_rate(schedule):
    assert learning_rate(TrainRecipe(steps=1, lr=0.3, schedule=schedule, warmup=0.9), 0, 1) == 0.3
