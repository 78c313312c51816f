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
    for seed in range(2):
        vectors, _, right, given = with_pictures_of_nothing(seed)
        p, _ = score(vectors, given, 8)
        for k in range(8):
            estimate = model_estimate(p[given == k], 0.025, 0.025)
            covered.append(estimate.low <= right[given == k].mean() <= estimate.high)
            widths.append(estimate.high - estimate.low)
    assert np.mean(covered) >= 0.9 and np.mean(widths) < 0.35


def linear_fit(vectors, given, fold):
    corpus = scores._Corpus(np.arange(len(given)), given.astype(np.int64), fold, NOTHING_ABOVE, 8)
    images = probe.Images(vectors, probe.linear_features(vectors))
    return corpus, scores._Fit(images, corpus.moments(images), 0.2, 0.0)


def test_weights_make_class_means_cleaner():
    # Every class is confused with the next one, so that its plain mean lies between the two.
    vectors, true, given = planted(n_images=3000, noise=0.35, confuser=np.roll(np.arange(8), 1))
    fold = np.random.default_rng(1).integers(0, 5, 3000).astype(np.int32)
    corpus, fit = linear_fit(vectors, given, fold)
    weighted = {f: scores._refit(corpus, fit, f) for f in range(5)}

    def accuracy(linear):
        hit = [(vectors[fold == f] @ m.weights + m.biases).argmax(1) == true[fold == f] for f, m in linear.items()]
        return np.concatenate(hit).mean()

    assert accuracy(weighted) >= accuracy(fit.linear(range(5)))
    # What judges a fold depends on no label of the fold.
    other = np.where(fold == 2, (given + 3) % 8, given)
    changed, fit = linear_fit(vectors, other, fold)
    again = {f: scores._refit(changed, fit, f) for f in (1, 2)}
    assert np.array_equal(weighted[2].weights, again[2].weights) and np.array_equal(weighted[2].biases, again[2].biases)
    assert not np.array_equal(weighted[1].weights, again[1].weights)


def rings(n, noise, seed=0):
    """Classes that no plane parts: how far from the origin an image lies, in 2 of 6 dimensions."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    x = rng.normal(0, 0.1, (n, 6))
    x[:, 0] += (true + 1) * np.cos(angle)
    x[:, 1] += (true + 1) * np.sin(angle)
    # A dimension of its own keeps the length apart from the direction.
    x = np.concatenate([x, np.full((n, 1), 2.0)], 1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    given = np.where(rng.random(n) < noise, (true + rng.integers(1, 3, n)) % 3, true)
    return x.astype(np.float16), true, given


def test_what_no_plane_parts_is_told_apart_by_random_features():
    vectors, true, given = rings(1500, noise=0.2)
    p, _ = score(vectors, given, 3)
    assert roc_auc_score(true == given, p) > 0.95
    assert p.mean() == pytest.approx((true == given).mean(), abs=0.03)


def test_random_features_approximate_a_gaussian_kernel():
    vectors, _, _ = planted(n_images=400)
    features = probe.kernel_features(vectors, 10**6, 8)
    assert features.frequencies.shape[1] == probe.MAX_FREQUENCIES
    found = features(vectors)[:, vectors.shape[1] :]
    x = vectors.astype(np.float64)
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    typical = np.median(np.sqrt(squared[np.triu_indices(400, 1)]))
    kernel = np.exp(-squared / (2 * (probe.BANDWIDTH * typical) ** 2))
    assert np.abs(found @ found.T - kernel).max() < 0.1


@pytest.mark.parametrize(("pairs", "classes"), [(10**7, 18_291), (10**7, 1000), (50, 5), (2, 2)])
def test_means_of_any_number_of_classes_fit_into_memory(pairs, classes):
    vectors = np.eye(256, dtype=np.float32)
    dim = probe.kernel_features(vectors, pairs, classes).dim
    assert dim >= 256 and dim * classes <= max(probe.MAX_MEANS, 256 * classes)


def test_a_rare_class_is_not_where_everything_that_is_unclear_belongs():
    # Classes of 3,000, 600 and 60 images; with mistakes most labels of the third are wrong.
    rng = np.random.default_rng(3)
    true = np.repeat([0, 1, 2], [3000, 600, 60])
    vectors = rng.normal(size=(len(true), 12))
    vectors[np.arange(len(true)), true] += 2.5
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    wrong = rng.random(len(true)) < 0.05
    given = np.where(wrong, (true + rng.integers(1, 3, len(true))) % 3, true)
    p, _ = score(vectors, given, 3)
    for k in range(3):
        assert p[given == k].mean() == pytest.approx((true == given)[given == k].mean(), abs=0.05 if k < 2 else 0.2)


def ambiguous(alike, n=3000, noise=0.2, seed=0):
    """Eight classes on a circle; mistakes go anywhere, or to neighbours, and more so where a picture lies between."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 8, n)
    true = np.floor(angle).astype(np.int64)
    if alike:
        edge = np.where(angle - true > 0.5, 1 - (angle - true), angle - true)
        neighbour = np.where(angle - true > 0.5, true + 1, true - 1) % 8
        given = np.where(rng.random(n) < 4 * noise * np.maximum(0.5 - edge, 0), neighbour, true)
    else:
        given = np.where(rng.random(n) < noise, (true + rng.integers(1, 8, n)) % 8, true)
    x = np.stack([np.cos(angle * np.pi / 4), np.sin(angle * np.pi / 4)], 1)
    x = np.concatenate([x, rng.normal(0, 0.15, (n, 6))], 1)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16), true, given


def test_mistakes_among_classes_that_look_alike_are_told_from_mistakes_anywhere():
    found = {}
    for alike in (False, True):
        vectors, _, given = ambiguous(alike)
        fold = np.random.default_rng(5).integers(0, 5, len(given)).astype(np.int32)
        corpus = scores._Corpus(np.arange(len(given)), given, fold, NOTHING_ABOVE, 8)
        pairs = scores._held_out_candidates(corpus, vectors)
        found[alike] = scores.class_likeness(pairs, scores.fit_noise_model(pairs, 8), 8)
    assert found[True] > 0.6 and found[False] < 0.4


def test_likeness_finds_more_wrong_where_people_err_on_what_is_ambiguous(monkeypatch):
    vectors, true, given = ambiguous(alike=True)
    error = {}
    for share in (0.0, scores.LIKENESS_SHARE):
        monkeypatch.setattr(scores, "LIKENESS_SHARE", share)
        p, _ = score(vectors, given, 8)
        error[share] = p.mean() - (true == given).mean()
    assert 0 < error[scores.LIKENESS_SHARE] < error[0.0]


def test_shifted_log_odds_have_the_wanted_means_and_keep_the_order():
    rng = np.random.default_rng(0)
    p, like, given = rng.random(500), rng.random(500) ** 2, rng.integers(0, 7, 500)
    shifted = scores.with_means(p, like, given, 8)
    for k in range(7):
        mine = given == k
        assert shifted[mine].mean() == pytest.approx(like[mine].mean(), abs=1e-6)
        assert np.array_equal(np.argsort(shifted[mine], kind="stable"), np.argsort(p[mine], kind="stable"))


def test_confusions_are_counted_on_all_pairs_though_the_model_saw_few(monkeypatch):
    vectors, _, given = planted(n_images=1500, noise=0.25, confuser=np.roll(np.arange(8), 1))
    whole, _ = score(vectors, given, 8)
    monkeypatch.setattr(scores, "FIT_PAIRS", 300)
    few, _ = score(vectors, given, 8)
    assert not np.array_equal(whole, few) and np.abs(whole - few).mean() < 0.02


@pytest.mark.parametrize(("labels", "least_ap", "most_error"), [("aggre", 0.53, 0.04), ("random1", 0.72, 0.06)])
def test_human_noise_on_thumbnails(data, labels, least_ap, most_error):
    rows = pq.read_table(data / "cifar10n" / "embeddings_train.parquet").slice(0, 4000)
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
