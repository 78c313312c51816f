import numpy as np
import pytest

from curate.errors import FormatError, MissingInputError
from curate.train.evaluate import accuracies, evaluate
from curate.train.recipe import TrainRecipe
from curate.train.train import train
from tests.train.corpus import eval_rows

RECIPE = TrainRecipe(model="resnet8", image_size_px=16, batch_size=16, steps=40, lr=0.05, augment="flip_shift")


def by_name(scores):
    return {(score.metric, score.class_key): score.value for score in scores}


def test_micro_and_class_mean_differ_where_classes_are_unequal():
    # 90 images of a, all right; 10 of b, all taken for a, with b the second guess.
    truth = np.array([0] * 90 + [1] * 10)
    ranked = np.tile([0, 1, 2, 3, 4, 5], (100, 1))
    found = by_name(accuracies(ranked, truth, list("abcdef")))
    assert found["top1", ""] == 0.9
    assert found["top1_class_mean", ""] == 0.5
    assert found["top5", ""] == found["top5_class_mean", ""] == 1.0
    assert (found["top1", "a"], found["top1", "b"]) == (1.0, 0.0)
    assert ("top1", "c") not in found


def test_the_sixth_guess_does_not_count():
    found = by_name(accuracies(np.array([[0, 1, 2, 3, 4, 5]] * 2), np.array([4, 5]), list("abcdef")))
    assert found["top5", ""] == 0.5


def test_leaked_images_are_left_out_or_count_as_wrong():
    # 90 of a, all right, 30 of them leaked; 10 of b, all wrong, all leaked.
    truth = np.array([0] * 90 + [1] * 10)
    ranked = np.tile([0, 2, 3, 4, 5, 1], (100, 1))
    leaked = np.arange(100) % 3 == 0
    leaked[90:] = True
    scores = {(s.metric, s.class_key): (s.value, s.n_images) for s in accuracies(ranked, truth, list("abcdef"), leaked)}
    assert scores["top1", ""] == (0.9, 100)
    assert scores["top1_clean", ""] == (1.0, 60)
    assert scores["top1_lower", ""] == (0.6, 100)
    assert scores["top1_class_mean_clean", ""] == (1.0, 60)  # no clean image of b is left
    assert scores["top1_class_mean_lower", ""] == (pytest.approx(1 / 3), 100)
    assert scores["top1_lower", "a"] == (pytest.approx(2 / 3), 90)
    assert ("top1_clean", "b") not in scores and scores["top1_lower", "b"] == (0.0, 10)


@pytest.mark.parametrize("seed", range(20))
def test_the_lower_bound_is_never_above_what_was_seen(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, 50)
    ranked = np.argsort(rng.random((50, 6)), axis=1)
    leaked = rng.random(50) < rng.random()
    leaked[0] = False
    scores = {(s.metric, s.class_key): s for s in accuracies(ranked, truth, list("abcdef"), leaked)}
    for metric in ("top1", "top5", "top1_class_mean", "top5_class_mean"):
        for key in ("", *"abcdef"):
            if (metric, key) in scores:
                seen, low = scores[metric, key], scores[f"{metric}_lower", key]
                assert 0 <= low.value <= seen.value and low.n_images == seen.n_images
                clean = scores.get((f"{metric}_clean", key))
                assert clean is None or clean.n_images <= seen.n_images
    assert scores["top1_clean", ""].n_images == 50 - leaked.sum()
    plain = [
        s for s in accuracies(ranked, truth, list("abcdef"), leaked) if not s.metric.endswith(("_clean", "_lower"))
    ]
    assert plain == accuracies(ranked, truth, list("abcdef"))


def test_a_set_that_leaked_as_a_whole_has_no_clean_part():
    scores = accuracies(np.zeros((4, 1), int), np.zeros(4, int), ["a"], np.ones(4, bool))
    found = by_name(scores)
    assert found["top1", ""] == 1.0 and found["top1_lower", ""] == 0.0
    assert not [metric for metric, _ in found if metric.endswith("_clean")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from curate.train.manifest import from_tables
    from tests.train.corpus import class_rows, manifest_rows

    folder = tmp_path_factory.mktemp("trained")
    rows = manifest_rows(folder / "posts", n=120)
    train(from_tables("m1", rows, class_rows(), {"posts": folder / "posts"}), RECIPE, folder / "run")
    return folder / "run"


def test_a_trained_model_knows_new_images(trained, tmp_path):
    images = eval_rows(tmp_path / "val")
    scores = evaluate(trained, images, tmp_path / "val", n_threads=1)
    found = by_name(scores)
    assert found["top1", ""] > 0.6  # chance: 0.25
    assert found["coverage", ""] == 1.0
    leaked = ["e0000", "e0003", "nowhere"]
    with_leaks = evaluate(trained, images, tmp_path / "val", leaked=leaked)
    assert [s for s in with_leaks if "clean" not in s.metric and "lower" not in s.metric] == scores
    assert {s.n_images for s in with_leaks if (s.metric, s.class_key) == ("top1_clean", "")} == {38}
    again = images.take(list(reversed(range(40))))
    assert with_leaks == evaluate(trained, again, tmp_path / "val", leaked=set(leaked), n_threads=3)


def test_unknown_classes_lower_coverage_not_accuracy(trained, tmp_path):
    keys = [f"u:{i % 4}" for i in range(20)] + ["u:other"] * 10 + [None] * 10
    found = {
        (s.metric, s.class_key): s for s in evaluate(trained, eval_rows(tmp_path / "val", keys=keys), tmp_path / "val")
    }
    assert found["coverage", ""].value == pytest.approx(2 / 3)
    assert found["coverage", ""].n_images == 30
    assert found["top1", ""].n_images == 20


def test_nothing_to_measure_is_an_error(trained, tmp_path):
    images = eval_rows(tmp_path / "val", keys=["u:other"] * 40)
    with pytest.raises(MissingInputError, match="none of 40 labelled images"):
        evaluate(trained, images, tmp_path / "val")


def test_an_unreadable_image_is_named(trained, tmp_path):
    images = eval_rows(tmp_path / "val")
    (tmp_path / "val" / "pack.bin").write_bytes(b"")
    with pytest.raises(FormatError, match=r"pack\.bin"):
        evaluate(trained, images, tmp_path / "val")


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="no checkpoint in"):
        evaluate(tmp_path, eval_rows(tmp_path / "val"), tmp_path / "val")
