import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from curate.vision.verdicts import (
    ALPHA,
    Reviews,
    Sample,
    lower_count,
    lower_precision,
    lowest_proven,
    more_reviews,
    review_order,
    sample_from,
)


def test_the_order_of_review_depends_on_the_key_alone():
    order = review_order([f"image-{i}" for i in range(1000)])
    np.testing.assert_array_equal(review_order(["image-7", "image-3"]), order[[7, 3]])
    assert len(set(order.tolist())) == 1000
    assert abs(np.corrcoef(order.astype(float), np.arange(1000))[0, 1]) < 0.1
    assert review_order([]).shape == (0,)


def test_a_sample_ends_at_the_first_gap():
    scores = np.array([9.0, 8.0, 7.0, 1.0, 6.0])
    reviews = Reviews(
        np.array([1, -1, 1, -1, 1], np.int8), np.array([1, 1, 0, 1, 1], bool), np.arange(5, dtype=np.uint64)
    )
    sample = sample_from(scores, reviews, 5.0)
    assert (sample.n_pairs, sample.n_removed, sample.verdict.tolist()) == (4, 1, [1, -1])
    assert sample_from(scores, reviews, 8.0).n_reviewed == 2
    assert sample_from(scores, reviews, 99.0).n_pairs == 0


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_bounds_are_sane(n, data):
    verdicts = np.array(data.draw(st.lists(st.booleans(), min_size=0, max_size=n)), bool)
    low = lower_count(n, verdicts, 0.9, 0.05)
    assert verdicts.sum() <= low <= n - (~verdicts).sum()
    if len(verdicts) == n:
        assert low == verdicts.sum()
    if len(verdicts):
        assert lower_count(n, verdicts[:-1], 0.9, 0.05) <= low


@pytest.mark.parametrize("n_copies", [980, 940, 700])
def test_looking_at_every_verdict_keeps_the_error_rate(n_copies):
    """Whoever stops as soon as the bound is too high is as rare as alpha says."""
    rng = np.random.default_rng(n_copies)
    wrong = 0
    for _ in range(150):
        verdicts = rng.permutation(np.arange(1000) < n_copies)[:500]
        wrong += lower_count(1000, verdicts, 0.98, 0.2) > n_copies  # the largest bound at any time
    assert wrong / 150 <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 150)


def test_a_bound_of_fixed_size_would_not_survive_it():
    """The reason for the martingale: with the usual bound, looking after every verdict errs more often than alpha."""
    rng = np.random.default_rng(0)
    n, k = np.arange(300, 1501), 9900
    fewest = hypergeom.ppf(0.95, 10_000, k, n)  # more right verdicts than that prove more than k copies
    wrong = 0
    for _ in range(150):
        right = np.cumsum(rng.permutation(np.arange(10_000) < k)[:1500])[299:]
        wrong += bool((right > fewest).any())
    assert wrong / 150 > 2 * 0.05


def test_a_perfect_sample_of_a_third_proves_a_thousand():
    verdicts = np.ones(310, np.int8)
    assert lower_precision(Sample(1.0, 1000, 0, verdicts), 0.99, 0.04) >= 0.99
    assert lower_precision(Sample(1.0, 1000, 0, verdicts[:200]), 0.99, 0.04) < 0.99
    n_more = more_reviews(Sample(1.0, 1000, 0, verdicts[:200]), 0.99)
    assert lower_precision(Sample(1.0, 1000, 0, np.ones(200 + n_more, np.int8)), 0.99, 0.04) >= 0.99


def test_many_look_alikes_leave_a_doubt():
    few = Sample(1.0, 104, 4, np.repeat([1, -1], [100, 4]).astype(np.int8))
    many = Sample(1.0, 200, 100, np.tile([1, -1], 100).astype(np.int8))
    assert lower_precision(few, 0.99, 0.05) == 1.0
    assert 0.95 <= lower_precision(many, 0.99, 0.05) < 0.99
    assert more_reviews(many, 0.99) is None
    assert lower_precision(Sample(1.0, 3, 3, np.full(3, -1, np.int8)), 0.99, 0.05) == 0.0


def test_nothing_is_proven_against_the_truth():
    """The set from the preferred score on is just not good enough: it is proven once in twenty times at most."""
    wrong = 0
    scores = np.linspace(2.0, 1.0, 1000)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        is_copy = rng.permutation(np.arange(1000) < 895)
        order = rng.permutation(1000).astype(np.uint64)
        verdict = np.where(is_copy, 1, -1).astype(np.int8)
        verdict[order >= 150] = 0
        proven = lowest_proven(scores, Reviews(verdict, verdict != 0, order), 0.9, 1.0)
        if proven:
            left = (scores >= proven[0].threshold) & (verdict >= 0)
            wrong += is_copy[left].mean() < 0.9
    assert wrong <= 100 * ALPHA + 3 * np.sqrt(100 * ALPHA)


def test_a_lower_threshold_is_proven_where_the_sample_reaches_so_far():
    scores = np.linspace(2.0, 1.0, 1000)
    verdict, order = np.ones(1000, np.int8), np.arange(1000)[::-1].astype(np.uint64)
    proven = lowest_proven(scores, Reviews(verdict, np.ones(1000, bool), order), 0.99, 1.5)
    assert proven[0].threshold == 1.0
    assert lowest_proven(scores, Reviews(verdict, np.zeros(1000, bool), order), 0.99, 1.5) is None
    assert lowest_proven(scores, Reviews(verdict, np.ones(1000, bool), order), 0.99, np.inf) is None
