import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from curate.noise.precision import Stratum, audited_estimate, lower_count, lower_total, model_estimate, proves


@st.composite
def strata(draw):
    n_pairs = draw(st.integers(1, 400))
    n_audited = draw(st.integers(0, n_pairs))
    return Stratum(n_pairs, n_audited, draw(st.integers(0, n_audited)))


@given(st.lists(strata(), min_size=1, max_size=4))
def test_an_interval_contains_its_estimate(some):
    estimate = audited_estimate(some, 0.025, 0.025)
    assert 0 <= estimate.low <= estimate.precision <= estimate.high <= 1


@given(strata())
def test_one_more_right_label_never_lowers_a_bound(stratum):
    if stratum.n_correct < stratum.n_audited:
        more = Stratum(stratum.n_pairs, stratum.n_audited, stratum.n_correct + 1)
        assert lower_count(more, 0.05) >= lower_count(stratum, 0.05)
        wrong = [Stratum(s.n_pairs, s.n_audited, s.n_audited - s.n_correct) for s in (stratum, more)]
        assert lower_count(wrong[1], 0.05) <= lower_count(wrong[0], 0.05)


@settings(max_examples=40, deadline=None)
@given(st.lists(strata(), min_size=2, max_size=4))
def test_over_several_strata_a_bound_lies_between_what_was_seen_and_what_each_allows(some):
    total = lower_total(some, 0.05)
    assert sum(s.n_correct for s in some) <= total
    assert total >= sum(lower_count(s, 0.05 / len(some)) for s in some)  # Bonferroni is never shorter
    assert lower_total(some[::-1], 0.05) == total
    assert lower_total(some, 0.01) <= total


def test_two_strata_alike_are_worth_one():
    one = audited_estimate([Stratum(2000, 80, 72)], 0.025, 0.025)
    two = audited_estimate([Stratum(1000, 40, 36), Stratum(1000, 40, 36)], 0.025, 0.025)
    assert two.low == pytest.approx(one.low, abs=0.004) and two.high == pytest.approx(one.high, abs=0.004)


def test_strata_that_differ_are_worth_more():
    pooled = audited_estimate([Stratum(2000, 80, 44)], 0.025, 0.025)
    apart = audited_estimate([Stratum(1000, 40, 40), Stratum(1000, 40, 4)], 0.025, 0.025)
    assert apart.high - apart.low < 0.6 * (pooled.high - pooled.low)


def test_a_stratum_that_nobody_looked_at_may_hold_anything():
    found = audited_estimate([Stratum(100, 100, 90), Stratum(100, 0, 0)], 0.025, 0.025)
    assert (found.low, found.high) == (0.45, 0.95)


@pytest.mark.parametrize(
    ("pairs", "rates"),
    [((500, 300, 200), (0.99, 0.8, 0.3)), ((15, 10, 5), (0.9, 0.5, 0.2)), ((900, 50, 50), (0.97, 0.9, 0.5)),
     ((400, 400), (1.0, 0.98)), ((5000, 5000), (0.5, 0.5))],
)  # fmt: skip
@pytest.mark.parametrize("n", [2, 5])
def test_coverage_over_strata(pairs, rates, n):
    # No simulation: all outcomes with their chances.
    right = [round(size * rate) for size, rate in zip(pairs, rates, strict=True)]
    truth, missed = sum(right) / sum(pairs), 0.0
    for outcome in np.ndindex(*(n + 1 for _ in pairs)):
        chances = [hypergeom.pmf(x, N, M, n) for x, N, M in zip(outcome, pairs, right, strict=True)]
        chance = float(np.prod(chances))
        if chance > 1e-5:
            some = [Stratum(size, n, int(x)) for size, x in zip(pairs, outcome, strict=True)]
            found = audited_estimate(some, 0.025, 0.025)
            missed += chance * (not found.low - 1e-9 <= truth <= found.high + 1e-9)
    assert missed <= 0.05


@given(strata(), st.floats(0.01, 1), st.floats(0.001, 0.5))
def test_a_target_is_proved_where_the_bound_reaches_it(stratum, target, alpha):
    assert proves(stratum, target, alpha) == (lower_count(stratum, alpha) >= target * stratum.n_pairs - 1e-9)


def test_a_whole_class_that_was_audited_is_known():
    estimate = audited_estimate([Stratum(7, 7, 5)], 0.025, 0.025)
    assert (estimate.low, estimate.precision, estimate.high) == (5 / 7, 5 / 7, 5 / 7)


def test_intervals_shrink_with_n():
    widths = [
        (e := audited_estimate([Stratum(1000, n, round(0.9 * n))], 0.025, 0.025)).high - e.low
        for n in (10, 40, 160, 640)
    ]
    assert widths == sorted(widths, reverse=True)


def test_bounds_approach_clopper_pearson_in_a_large_class():
    # Published example: 0 wrong of 59 gives a 95 % lower bound just above 0.95.
    assert audited_estimate([Stratum(10**6, 59, 59)], 0.05, 0.05).low == pytest.approx(0.05 ** (1 / 59), abs=1e-4)


@pytest.mark.parametrize("n_pairs", [8, 60, 1000])
@pytest.mark.parametrize("n", [5, 40])
def test_exact_coverage_at_every_precision(n_pairs, n):
    # No simulation: the coverage is summed over all outcomes.
    n = min(n, n_pairs)
    for total in sorted({0, 1, n_pairs // 2, round(0.8 * n_pairs), n_pairs - 1, n_pairs}):
        outcomes = np.arange(n + 1)
        chance = hypergeom.pmf(outcomes, n_pairs, total, n)
        bounds = [audited_estimate([Stratum(n_pairs, n, int(x))], 0.025, 0.025) for x in outcomes]
        covered = sum(p for p, e in zip(chance, bounds, strict=True) if e.low <= total / n_pairs <= e.high)
        assert covered >= 0.95 - 1e-9


def test_stratified_intervals_cover():
    rng = np.random.default_rng(0)
    sizes, rates, drawn = (30, 60, 200), (0.4, 0.8, 0.98), (10, 15, 15)
    covered = 0
    for _ in range(300):
        truth = [rng.random(size) < rate for size, rate in zip(sizes, rates, strict=True)]
        some = [
            Stratum(len(t), n, int(rng.choice(t, n, replace=False).sum())) for t, n in zip(truth, drawn, strict=True)
        ]
        estimate = audited_estimate(some, 0.025, 0.025)
        covered += estimate.low <= np.concatenate(truth).mean() <= estimate.high
    assert covered / 300 >= 0.95


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_model_interval_contains_its_estimate_and_never_vanishes(p):
    estimate = model_estimate(np.array(p), 0.025, 0.025)
    assert 0 <= estimate.low <= estimate.precision <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.02
    wide = model_estimate(np.array(p), 0.005, 0.005)
    assert wide.low <= estimate.low and wide.high >= estimate.high
