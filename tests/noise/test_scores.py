import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from curate.noise import probe, scores
from curate.noise.precision import model_estimate
from curate.noise.scores import score_labels
from tests.noise.corpus import planted

NOTHING_ABOVE = np.zeros(0, np.int64)


def score(vectors, given, n_classes, above=NOTHING_ABOVE, seed=0):
    n = len(vectors)
    fold = np.random.default_rng(1000 + seed).integers(0, 5, n).astype(np.int32)
    return score_labels(vectors, np.arange(n), given.astype(np.int64), fold, above, n_classes)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2, 0.4])
def test_uniform_noise_is_estimated_within_three_points(noise):
    vectors, true, given = planted(n_images=3000, noise=noise)
    p, _ = score(vectors, given, 8)
    assert p.mean() == pytest.approx((true == given).mean(), abs=0.03)


def test_scores_rank_errors_and_are_calibrated():
    vectors, true, given = planted(n_images=4000, noise=0.2, spread=0.3)
    p, better = score(vectors, given, 8)
    right = true == given
    assert roc_auc_score(right, p) > 0.95
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        inside = (p >= low) & (p <= high)
        assert inside.any() and abs(p[inside].mean() - right[inside].mean()) < 0.12
    assert (better[~right] == true[~right]).mean() > 0.8
    assert (better[right] == -1).mean() > 0.95


def test_concentrated_noise_is_estimated_per_class():
    # Tortoises called glasses: all errors of a class go to one other.
    confuser = np.roll(np.arange(8), 1)
    vectors, true, given = planted(n_images=4000, noise=0.25, confuser=confuser)
    p, better = score(vectors, given, 8)
    for k in range(8):
        mine = given == k
        assert p[mine].mean() == pytest.approx((true == given)[mine].mean(), abs=0.05)
        suggested = better[mine & (better >= 0)]
        assert np.bincount(suggested).argmax() == np.roll(np.arange(8), -1)[k]


def test_a_parent_label_is_no_error():
    # Half of the images of classes 0 and 1 are labelled with their parent, class 8.
    vectors, true, given = planted(n_images=3000, noise=0.1)
    rng = np.random.default_rng(1)
    called_parent = (true < 2) & (rng.random(len(true)) < 0.5)
    given = np.where(called_parent, 8, given)
    above = np.sort(np.array([0 * 9 + 8, 1 * 9 + 8]))
    p, better = score(vectors, given, 9, above)
    assert p[called_parent].mean() > 0.95
    below = (true < 2) & (given == true)
    assert p[below].mean() > 0.9
    assert not (better[below] == 8).any()


def test_row_order_changes_nothing():
    vectors, _, given = planted(n_images=600)
    fold = np.random.default_rng(99).integers(0, 5, 600).astype(np.int32)
    p, better = score_labels(vectors, np.arange(600), given.astype(np.int64), fold, NOTHING_ABOVE, 8)
    again, better_again = score_labels(vectors, np.arange(600), given.astype(np.int64), fold, NOTHING_ABOVE, 8)
    assert np.array_equal(p, again) and np.array_equal(better, better_again)


def test_a_label_without_visual_signal_gets_no_certainty():
    vectors, true, given = planted(n_images=3000, n_classes=6, noise=0.0)
    rng = np.random.default_rng(2)
    tagged = rng.random(len(true)) < 0.15
    given = np.where(tagged, 6, given)  # a tag that says nothing about the picture
    p, _ = score(vectors, given, 7)
    assert p[tagged].mean() < 0.35 and p[~tagged].mean() > 0.9


def with_pictures_of_nothing(seed, n=2400):
    """Beside a tenth of mislabelled images, up to half of a class's images show no class at all."""
    vectors, true, given = planted(n_images=n, noise=0.1, spread=0.3, dim=40, seed=seed)
    rng = np.random.default_rng(seed + 50)
    nothing = rng.random(n) < np.linspace(0, 0.5, 8)[given]
    anything = rng.normal(size=vectors.shape)
    anything /= np.linalg.norm(anything, axis=1, keepdims=True)
    return np.where(nothing[:, None], anything, vectors).astype(np.float16), nothing, (true == given) & ~nothing, given


def test_pictures_of_no_class_rank_below_right_labels():
    vectors, nothing, right, given = with_pictures_of_nothing(seed=0)
    p, _ = score(vectors, given, 8)
    assert roc_auc_score(right, p) > 0.9
    assert p[nothing].mean() < p[right].mean() - 0.4


def test_model_intervals_hold_for_planted_classes():
    covered, widths = [], []
    for seed in range(3):
        vectors, _, right, given = with_pictures_of_nothing(seed)
        p, _ = score(vectors, given, 8)
        for k in range(8):
            estimate = model_estimate(p[given == k], 0.025, 0.025)
            covered.append(estimate.low <= right[given == k].mean() <= estimate.high)
            widths.append(estimate.high - estimate.low)
    assert np.mean(covered) >= 0.9 and np.mean(widths) < 0.35


def test_weights_make_class_means_cleaner():
    # Every class is confused with the next one, so that its plain mean lies between the two.
    vectors, true, given = planted(n_images=3000, noise=0.35, confuser=np.roll(np.arange(8), 1))
    fold = np.random.default_rng(1).integers(0, 5, 3000).astype(np.int32)
    corpus = scores._Corpus(vectors, np.arange(3000), given.astype(np.int64), fold, NOTHING_ABOVE, 8)
    rows = np.arange(3000)
    moments = corpus.moments(rows)
    models = [probe.fit_discriminant(moments, (f,)) for f in range(5)]
    weighted = scores._refit(corpus, models, moments, rows, 0.2)

    def accuracy(linear):
        hit = [(vectors[fold == f] @ m.weights + m.biases).argmax(1) == true[fold == f] for f, m in enumerate(linear)]
        return np.concatenate(hit).mean()

    assert accuracy(weighted) >= accuracy([model.linear(0.2) for model in models])
    # What judges a fold depends on no label of the fold.
    other = np.where(fold == 2, (given + 3) % 8, given).astype(np.int64)
    changed = scores._Corpus(vectors, np.arange(3000), other, fold, NOTHING_ABOVE, 8)
    moments = changed.moments(rows)
    models = [probe.fit_discriminant(moments, (f,)) for f in range(5)]
    again = scores._refit(changed, models, moments, rows, 0.2)
    assert np.array_equal(weighted[2].weights, again[2].weights) and np.array_equal(weighted[2].biases, again[2].biases)
    assert not np.array_equal(weighted[1].weights, again[1].weights)


@pytest.mark.parametrize(("labels", "least_ap", "most_error"), [("aggre", 0.53, 0.04), ("random1", 0.72, 0.06)])
def test_human_noise_on_thumbnails(data, labels, least_ap, most_error):
    rows = pq.read_table(data / "cifar10n" / "embeddings_train.parquet").slice(0, 10000)
    with (data / "cifar10n" / "labels_train.csv").open() as stream:
        by_key = {row["key"]: row for row in csv.DictReader(stream)}
    vectors = np.stack(rows["vector"].to_numpy()).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = np.array([int(by_key[key][labels]) for key in rows["key"].to_pylist()])
    clean = np.array([int(by_key[key]["clean"]) for key in rows["key"].to_pylist()])
    p, _ = score(vectors, given, 10)
    assert average_precision_score(given != clean, 1 - p) > least_ap
    errors = [abs(p[given == k].mean() - (clean == given)[given == k].mean()) for k in range(10)]
    assert np.mean(errors) < most_error
