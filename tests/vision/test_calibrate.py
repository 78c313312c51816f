import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.vision.calibrate import (
    Compared,
    decide,
    estimate,
    expected_false,
    fit,
    p_duplicate,
    recall_by_transform,
    review_floor,
    wilson,
)
from curate.vision.tails import fit_tail, scarce_tail
from curate.vision.verdicts import Reviews
from tests.benchmarks.precision_promise import judge, run


def corpus(n=20_000, n_copies=200, seed=0, n_evals=1000, unit=1.0):
    """Compared images with exponential chance, planted scores, and which images are copies."""
    rng = np.random.default_rng(seed)
    chance = np.sort(rng.exponential(unit, (n + n_copies, 6)), axis=1)
    copies = unit * rng.gamma(4.0, 15.0, n_copies)
    best, others = chance[:, -1].copy(), chance[:, -2]
    best[n:] = np.maximum(best[n:], copies)
    planted = unit * rng.gamma(4.0, 12.0, 600)
    planted[::10] = np.nan
    evals = rng.integers(0, n_evals, n + n_copies)
    return Compared(best, others, evals, n_evals), planted, np.arange(n + n_copies) >= n


@pytest.mark.parametrize("n_copies", [5, 200, 4000])
def test_copies_are_found_and_little_else(n_copies):
    compared, planted, is_copy = corpus(n_copies=n_copies)
    found = decide(compared, fit(compared, planted), 0.99)
    hits = compared.best >= found.threshold
    assert found.evidence == "model"
    assert found.precision_low is None
    assert found.n_hits == hits.sum()
    assert is_copy[hits].mean() >= 0.99
    assert hits[is_copy].mean() >= 0.85
    assert found.precision == pytest.approx(1 - found.expected_false / found.n_hits)
    assert found.precision >= 0.99


def test_a_corpus_without_copies_reports_none():
    reported = 0
    for seed in range(12):
        compared, planted, _ = corpus(n=2000, n_copies=0, seed=seed)
        reported += decide(compared, fit(compared, planted), 0.99).n_hits > 0
    assert reported <= 1


def test_the_threshold_moves_with_the_scale_of_scores():
    one, planted, _ = corpus()
    other, planted_other, _ = corpus(unit=1000.0)
    low = decide(one, fit(one, planted), 0.99).threshold
    assert decide(other, fit(other, planted_other), 0.99).threshold == pytest.approx(1000 * low, rel=1e-6)


def test_a_larger_corpus_needs_a_higher_threshold():
    """One plant per negative would not tell: the share of true hits at a score falls with the leaks' prevalence."""
    small, planted, _ = corpus(n=2000, n_copies=100)
    large, _, _ = corpus(n=80_000, n_copies=100)
    assert decide(large, fit(large, planted), 0.99).threshold > decide(small, fit(small, planted), 0.99).threshold


@pytest.mark.parametrize("n_sources", [0, 30, 300])
def test_prevalence_counts_eval_images_with_a_copy_found_or_not(n_sources):
    compared, _, is_copy = corpus(n_copies=n_sources)
    rng = np.random.default_rng(1)
    planted = rng.gamma(4.0, 15.0, 900)
    lost = rng.random(len(is_copy)) < 0.3  # the search loses a third of the copies, and of the planted ones
    planted[::3] = np.nan
    evals = compared.evals.copy()
    evals[is_copy] = np.arange(n_sources)
    best = np.where(is_copy & lost, 0.0, compared.best)
    compared = Compared(best, compared.others, evals, 1000)
    found = fit(compared, planted).prevalence
    assert found == pytest.approx(n_sources / 1000, abs=0.01 + 0.15 * n_sources / 1000)


def test_p_duplicate_never_falls_and_tells_chance_from_copies():
    compared, planted, is_copy = corpus(n_copies=1000)
    model = fit(compared, planted)
    scores = np.linspace(0, 300, 2000)
    p = p_duplicate(scores, model)
    assert (np.diff(p) >= 0).all()
    assert p[0] == 0
    assert p[-1] > 0.999
    near = (compared.best > 8) & (compared.best < 14)
    assert p_duplicate(compared.best[near], model).mean() == pytest.approx(is_copy[near].mean(), abs=0.15)


def test_false_hits_are_not_underestimated():
    compared, planted, is_copy = corpus(n=50_000)
    model = fit(compared, planted)
    scores = np.linspace(model.tail.start + 1e-9, 14, 30)
    true = np.array([(compared.best[~is_copy] >= score).sum() for score in scores])
    expected = expected_false(model, scores)
    assert (np.diff(expected) <= 1e-9).all()
    assert (expected >= 0.8 * true - 3).all()
    assert (expected <= 2.0 * true + 10).all()


def test_what_is_missing_is_said():
    compared, planted, _ = corpus(n=90, n_copies=5)
    found = decide(compared, fit(compared, planted), 0.99)
    assert (found.threshold, found.n_hits, found.precision) == (np.inf, 0, None)
    assert "too few scores" in found.note
    compared, planted, _ = corpus()
    model = fit(compared, planted[:20])
    found = estimate(model, 0.99)
    assert "planted copies" in found.note
    assert p_duplicate(np.array([found.threshold]), model)[0] > 0.9
    assert model.prevalence is None
    assert fit(compared, planted).notes == ()


def test_planted_copies_show_chance_where_the_corpus_is_too_small():
    compared, planted, is_copy = corpus(n=60, n_copies=10)
    chance = np.random.default_rng(3).exponential(1.0, (600, 5)).max(axis=1)
    found = decide(compared, fit(compared, planted, chance), 0.99)
    hits = compared.best >= found.threshold
    assert "planted copies alone" in found.note
    assert hits.sum() >= 5
    assert is_copy[hits].all()


def test_nothing_above_zero_is_no_proof_of_rarity():
    tail = scarce_tail(np.zeros(600), 100)
    np.testing.assert_allclose(tail.expected(np.array([1.0, 50.0]), careful=True), 0.5)
    planted = np.full(200, 9.0)
    dead = Compared(np.zeros(500), np.zeros(500), np.zeros(500, np.int64), 10)
    assert decide(dead, fit(dead, planted), 0.99).n_hits == 0
    assert decide(dead, fit(dead, planted, np.zeros(500)), 0.99).n_hits == 0


def test_nothing_compared():
    empty = Compared(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 10)
    found = decide(empty, fit(empty, np.zeros(0)), 0.99)
    assert (found.n_hits, found.precision, found.prevalence) == (0, None, None)
    assert found.note
    found = decide(empty, fit(empty, np.full(200, 9.0), np.random.default_rng(0).exponential(1.0, 500)), 0.99)
    assert (found.n_hits, found.threshold) == (0, np.inf)


@pytest.mark.parametrize("shape", [0.0, 0.2])
def test_a_truncated_tail_is_carried_on(shape):
    random = np.random.default_rng(0).random(20_000)
    values = -np.log(random) if shape == 0 else (random**-shape - 1) / shape
    tail = fit_tail(values, 1.0, 4.0)
    at = np.array([6.0])
    true = (values >= 6.0).sum()
    assert true / 3 <= tail.expected(at, careful=False)[0] <= 3 * true
    assert tail.expected(at, careful=True)[0] >= 0.8 * true


class Truth:
    """What tests.benchmarks.precision_promise.judge wants to know."""

    def __init__(self, compared, is_copy, seed=0):
        self.compared, self.is_copy = compared, is_copy
        self.order = np.random.default_rng(seed).permutation(len(is_copy)).astype(np.uint64)


def test_verdicts_prove_the_precision():
    compared, planted, is_copy = corpus(n_copies=2000)
    model = fit(compared, planted)
    reviews = judge(Truth(compared, is_copy), review_floor(model, 0.99), 400, 0, 0, 0)
    found = decide(compared, model, 0.99, reviews)
    assert found.evidence == "reviewed"
    assert 0.99 <= found.precision_low <= found.precision
    assert found.threshold <= estimate(model, 0.99).threshold
    assert found.n_reviewed == 400
    few = decide(compared, model, 0.99, judge(Truth(compared, is_copy), review_floor(model, 0.99), 100, 0, 0, 0))
    assert few.evidence == "model"
    assert few.precision_low < 0.99
    assert few.threshold == estimate(model, 0.99).threshold
    assert "more reviews" in few.note
    assert 150 <= int(few.note.split("about ")[1].split()[0]) <= 300


def test_verdicts_that_nobody_asked_for_prove_nothing_but_decide_their_pair():
    compared, planted, is_copy = corpus(n_copies=2000)
    model = fit(compared, planted)
    reviews = judge(Truth(compared, is_copy), review_floor(model, 0.99), 500, 0, 0, 0)
    verdict = reviews.verdict.copy()
    hits = np.flatnonzero(compared.best >= estimate(model, 0.99).threshold)
    verdict[hits[:3]] = -1
    found = decide(compared, model, 0.99, Reviews(verdict, np.zeros(len(verdict), bool), reviews.order))
    assert found.evidence == "model"
    assert found.n_reviewed == 0
    assert found.n_hits == len(hits) - 3


def test_look_alikes_raise_the_threshold_once_they_are_seen():
    compared, planted, is_copy = corpus(n_copies=2000)
    best = compared.best.copy()
    best[:300] = np.random.default_rng(5).uniform(15, 30, 300)  # no copies, and no other image shows it
    compared = Compared(best, compared.others, compared.evals, compared.n_evals)
    model = fit(compared, planted)
    blind = decide(compared, model, 0.99)
    seen = decide(compared, model, 0.99, judge(Truth(compared, is_copy), review_floor(model, 0.99), 600, 0, 0, 0))
    assert is_copy[best >= blind.threshold].mean() < 0.9
    assert is_copy[best >= seen.threshold].mean() > 0.98
    assert seen.threshold > 25


def test_a_set_that_was_judged_whole_is_known():
    compared, planted, is_copy = corpus(n_copies=60)
    best = compared.best.copy()
    best[:3] = 80.0
    compared = Compared(best, compared.others, compared.evals, compared.n_evals)
    model = fit(compared, planted)
    found = decide(compared, model, 0.99, judge(Truth(compared, is_copy), review_floor(model, 0.99), 10_000, 0, 0, 0))
    assert found.evidence == "reviewed"
    assert found.precision_low == found.precision == 1.0
    assert (found.n_reviewed_wrong, found.expected_false) == (3, 0.0)
    assert found.n_hits == found.n_reviewed - 3


def test_among_many_look_alikes_some_may_have_slipped_through_even_where_all_was_judged():
    compared, planted, is_copy = corpus(n_copies=60)
    best, highest = compared.best.copy(), np.sort(compared.best)[-30]
    best[:12] = np.linspace(highest - 5, highest, 12)  # look-alikes, all below the thirty best copies
    compared = Compared(best, compared.others, compared.evals, compared.n_evals)
    model = fit(compared, planted)
    floor = review_floor(model, 0.99)
    assert floor < best[:12].min()
    found = decide(compared, model, 0.99, judge(Truth(compared, is_copy), floor, 10_000, 0, 0, 0))
    assert (best[:12] >= found.threshold).sum() <= 5
    assert found.n_hits >= 30


def test_the_promise_holds_on_simulated_corpora():
    outcomes = run(20, seed=1000, max_images=10_000, budgets=(300,))
    proven = [one for one in outcomes if one.is_proven]
    assert len(proven) >= 20
    assert sum(one.is_missed for one in proven) <= 0.05 * len(proven)
    model = [one for one in outcomes if one.setting == "none | model"]
    assert sum(one.is_missed for one in model) <= 2
    assert np.mean([one.recall for one in model]) >= 0.5 * np.mean([one.oracle for one in model])


def test_recall_by_transform():
    scores = np.array([5.0, 1.0, np.nan, 9.0])
    rows = recall_by_transform(scores, np.array(["crop", "crop", "hflip", "hflip"]), 5.0)
    found = [(row.transform, row.n_planted, row.n_found, row.recall) for row in rows]
    assert found == [("", 4, 2, 0.5), ("crop", 2, 1, 0.5), ("hflip", 2, 1, 0.5)]
    assert all(row.low < row.recall < row.high for row in rows)
    nothing = recall_by_transform(scores, np.array(["crop", "crop", "hflip", "hflip"]), np.inf)
    assert [row.n_found for row in nothing] == [0, 0, 0]
    assert recall_by_transform(np.zeros(0), np.zeros(0, str), 5.0)[0].recall is None


@given(st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_wilson_contains_the_share(k, n):
    low, high = wilson(min(k, n), n)
    assert 0 <= low <= (min(k, n) / n if n else 0.5) <= high <= 1
