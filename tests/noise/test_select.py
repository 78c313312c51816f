import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.noise.select import Audited, model_threshold, select_by_audits, select_by_model


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.05, 1))
def test_model_threshold_keeps_the_largest_set_that_reaches_the_precision(values, target):
    p = np.array(values)
    threshold = model_threshold(p, target)
    reaching = [t for t in p if p[p >= t].mean() >= target - 1e-12]
    if threshold is None:
        assert not [t for t in reaching if p[p >= t].mean() > target + 1e-9]
    else:
        assert p[p >= threshold].mean() >= target - 1e-9
        assert (p >= threshold).sum() >= max((p >= t).sum() for t in reaching)


def test_select_by_model():
    p = np.array([0.99] * 50 + [0.5] * 50)
    kept = select_by_model(p, 0.8, 0.05, 5)
    assert kept.status == "kept" and kept.threshold == 0.99
    assert kept.estimate.low < kept.estimate.precision == pytest.approx(0.99)
    assert select_by_model(np.full(50, 0.5), 0.8, 0.05, 5).status == "excluded"
    assert select_by_model(np.full(3, 0.99), 0.8, 0.05, 5).status == "excluded"
    assert select_by_model(np.zeros(0), 0.8, 0.05, 5).status == "excluded"


def simulate(rng, n_pairs, n_audits, precision, informative):
    """Truth, scores and a uniform sample's verdicts of one class."""
    truth = rng.random(n_pairs) < precision
    p = np.clip(np.where(truth, 0.8, 0.4) * informative + rng.random(n_pairs) * 0.2, 0, 1)
    drawn = np.zeros(n_pairs, bool)
    drawn[rng.choice(n_pairs, min(n_audits, n_pairs), replace=False)] = True
    return truth, p, Audited(np.zeros(n_pairs, np.int64), drawn, drawn & truth)


@pytest.mark.parametrize(("n_pairs", "n_audits", "precision"), [(50, 20, 0.78), (400, 40, 0.78), (2000, 100, 0.75)])
@pytest.mark.parametrize("informative", [0.0, 0.2])
def test_kept_sets_hold_the_precision(n_pairs, n_audits, precision, informative):
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(150):
        truth, p, audited = simulate(rng, n_pairs, n_audits, precision, informative)
        decision = select_by_audits(p, audited, 0.8, 0.05, 5)
        if decision.status == "kept":
            broken += truth[p >= decision.threshold].mean() < 0.8
            assert decision.estimate.low >= 0.8
    assert broken / 150 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_clean_classes_are_kept_whole_and_foul_ones_excluded():
    rng = np.random.default_rng(2)
    kept = [select_by_audits(p, a, 0.8, 0.05, 5) for _, p, a in (simulate(rng, 200, 40, 0.98, 1) for _ in range(30))]
    assert np.mean([d.status == "kept" for d in kept]) > 0.9
    foul = [select_by_audits(p, a, 0.8, 0.05, 5) for _, p, a in (simulate(rng, 200, 40, 0.2, 0) for _ in range(30))]
    assert all(d.status == "excluded" for d in foul)


def test_undecided_says_how_many_audits_and_they_decide():
    rng = np.random.default_rng(3)
    truth, p, _ = simulate(rng, 300, 0, 0.95, 1)
    drawn = np.zeros(300, bool)
    nothing = select_by_audits(p, Audited(np.zeros(300, np.int64), drawn, drawn), 0.8, 0.05, 5)
    assert nothing.status == "undecided" and nothing.estimate is None and 1 <= nothing.n_more_audits <= 100
    drawn[rng.permutation(300)[: 2 * nothing.n_more_audits]] = True
    assert select_by_audits(p, Audited(np.zeros(300, np.int64), drawn, drawn & truth), 0.8, 0.05, 5).status == "kept"


def test_a_whole_audit_always_decides():
    rng = np.random.default_rng(4)
    for precision in (0.5, 0.8, 0.9):
        _, p, audited = simulate(rng, 30, 30, precision, 1)
        assert select_by_audits(p, audited, 0.8, 0.05, 5).status in ("kept", "excluded")


def test_strata_are_combined():
    rng = np.random.default_rng(5)
    truth, p, _ = simulate(rng, 300, 0, 0.97, 1)
    stratum = (p >= np.median(p)).astype(np.int64)
    drawn = np.zeros(300, bool)
    for s in (0, 1):
        drawn[rng.choice(np.flatnonzero(stratum == s), 40, replace=False)] = True
    decision = select_by_audits(p, Audited(stratum, drawn, drawn & truth), 0.8, 0.05, 5)
    assert decision.status == "kept" and truth[p >= decision.threshold].mean() >= 0.8
