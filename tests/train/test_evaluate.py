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
    assert scores == evaluate(trained, images.take(list(reversed(range(40)))), tmp_path / "val", n_threads=3)


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
