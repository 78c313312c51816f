import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.noise.looks import Look, next_share
from curate.noise.select import model_threshold, select_by_audits, select_by_model


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
    """Truth, scores and the first look at one class."""
    truth = rng.random(n_pairs) < precision
    p = np.clip(np.where(truth, 0.8, 0.4) * informative + rng.random(n_pairs) * 0.2, 0, 1)
    drawn = np.zeros(n_pairs, bool)
    drawn[rng.choice(n_pairs, min(n_audits, n_pairs), replace=False)] = True
    return truth, p, [Look(1, "f", 1.0, np.zeros(n_pairs, np.int64), drawn, drawn, drawn & truth)]


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


def look(drawn, correct, stratum=None, number=1, judged=None, share=1.0):
    stratum = np.zeros(len(drawn), np.int64) if stratum is None else stratum
    judged = drawn if judged is None else judged
    return Look(number, "f", share, stratum, drawn.copy(), judged, judged & correct)


def test_undecided_says_how_many_audits_and_they_decide():
    rng = np.random.default_rng(3)
    truth, p, _ = simulate(rng, 300, 0, 0.95, 1)
    nothing = select_by_audits(p, [], 0.8, 0.05, 5)
    assert nothing.status == "undecided" and nothing.estimate is None and 1 <= nothing.n_more_audits <= 100
    drawn = np.zeros(300, bool)
    drawn[rng.permutation(300)[: 2 * nothing.n_more_audits]] = True
    assert select_by_audits(p, [look(drawn, truth)], 0.8, 0.05, 5).status == "kept"


def test_a_whole_audit_always_decides():
    rng = np.random.default_rng(4)
    for precision in (0.5, 0.8, 0.9):
        _, p, looks = simulate(rng, 30, 30, precision, 1)
        assert select_by_audits(p, looks, 0.8, 0.05, 5).status in ("kept", "excluded")


def test_strata_are_combined():
    rng = np.random.default_rng(5)
    truth, p, _ = simulate(rng, 300, 0, 0.97, 1)
    stratum = (p >= np.median(p)).astype(np.int64)
    drawn = np.zeros(300, bool)
    for s in (0, 1):
        drawn[rng.choice(np.flatnonzero(stratum == s), 40, replace=False)] = True
    decision = select_by_audits(p, [look(drawn, truth, stratum)], 0.8, 0.05, 5)
    assert decision.status == "kept" and truth[p >= decision.threshold].mean() >= 0.8


def test_looks_together_spend_less_than_the_error():
    looks = []
    for number in range(1, 20):
        looks.append(look(np.ones(1, bool), np.ones(1, bool), number=number, share=next_share(looks, False)))
    assert [one.share for one in looks[:3]] == pytest.approx([0.6, 0.24, 0.096])
    assert sum(one.share for one in looks) <= 1
    assert next_share(looks[:1], True) == pytest.approx(0.4)
    assert next_share([look(np.ones(1, bool), np.ones(1, bool))], False) == 0


def test_who_stops_when_the_bound_looks_good_gains_nothing():
    """A class just below the target; its auditor asks for more until it is kept, or gives up after four looks."""
    rng = np.random.default_rng(6)
    runs, kept, kept_at_full_error = 200, 0, 0
    everything = np.ones(2000, bool)
    for _ in range(runs):
        truth = rng.permutation(np.arange(2000) < 1590)  # precision 0.795
        p, order, looks = rng.random(2000), rng.permutation(2000), []
        for number in range(1, 5):
            drawn = np.zeros(2000, bool)
            drawn[order[: 30 * 2 ** (number - 1)]] = True
            looks.append(look(drawn, truth, number=number, share=next_share(looks, False)))
        found = [select_by_audits(p, looks[:n], 0.8, 0.05, 1000) for n in range(1, 5)]
        kept += any(d.status == "kept" and truth[p >= d.threshold].mean() < 0.8 for d in found)
        kept_at_full_error += any(one.estimate(everything, 0.05, 0.05).low >= 0.8 for one in looks)
    assert kept / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    assert kept_at_full_error > kept  # what looks that each spend the whole error would do


def test_what_was_drawn_and_not_judged_counts_against_either_bound():
    truth, drawn = np.ones(100, bool), np.arange(100) < 40
    half = look(drawn, truth, judged=np.arange(100) < 20)
    everything = np.ones(100, bool)
    found, whole = (one.estimate(everything, 0.025, 0.025) for one in (half, look(drawn, truth)))
    assert found.precision == 1 and found.low < 0.5 < whole.low
    none_right = look(drawn, ~truth, judged=np.arange(100) < 20).estimate(everything, 0.025, 0.025)
    assert none_right.precision == 0 and none_right.high > 0.5


def test_labels_outside_the_sample_may_be_anything():
    truth, drawn = np.ones(100, bool), np.arange(100) < 50
    stratum = np.where(np.arange(100) < 50, 0, -1)
    found = look(drawn, truth, stratum).estimate(np.ones(100, bool), 0.025, 0.025)
    assert (found.low, found.high) == (0.5, 1.0)
