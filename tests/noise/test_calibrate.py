import numpy as np
import pytest
from scipy.special import expit, logit

from curate.noise.calibrate import MIN_VERDICTS, calibrate, calibrated_estimate, calibration_error, score_bins


def simulate(rng, n_classes=40, n=200, audits=30, shift=-0.5, slope=0.7, spread=0.4):
    """Classes whose scores are off together and each by itself, and which pairs were judged."""
    keys = np.repeat([f"c{k:02d}" for k in range(n_classes)], n)
    p = rng.beta(4, 1, n_classes * n)
    effects = rng.normal(0, spread, n_classes)
    right = rng.random(len(p)) < expit(shift + slope * logit(p) + np.repeat(effects, n))
    judged = np.tile(np.arange(n) < audits, n_classes)
    return keys, p, right, judged


def test_what_was_planted_is_found():
    keys, p, right, judged = simulate(np.random.default_rng(0), n_classes=150, audits=100)
    found = calibrate(keys[judged], p[judged], right[judged])
    assert found.shift == pytest.approx(-0.5, abs=0.15) and found.slope == pytest.approx(0.7, abs=0.1)
    assert 0.25 <= found.spread <= 0.6 and found.n_verdicts == 15_000


def test_scores_that_are_right_stay_as_they_are():
    keys, p, right, judged = simulate(np.random.default_rng(1), shift=0, slope=1, spread=0)
    found = calibrate(keys[judged], p[judged], right[judged])
    assert np.abs(expit(found.log_odds("c00", p)) - p).mean() < 0.03 and found.spread <= 0.2


def test_too_few_verdicts_change_nothing():
    n = MIN_VERDICTS - 1
    assert calibrate(np.repeat("a", n), np.full(n, 0.9), np.zeros(n, bool)) is None


@pytest.mark.parametrize("verdict", [True, False])
def test_verdicts_that_all_agree_are_no_certainty(verdict):
    n = 200
    found = calibrate(np.repeat(["a", "b"], n // 2), np.full(n, 0.9), np.full(n, verdict))
    estimate = calibrated_estimate(found, "new", np.full(50, 0.9), np.zeros(50, bool), np.zeros(50, bool))
    assert 0 < estimate.precision < 1 and estimate.high - estimate.low > 0.02


def test_a_class_that_was_judged_whole_is_known():
    keys, p, right, judged = simulate(np.random.default_rng(2))
    found = calibrate(keys[judged], p[judged], right[judged])
    mine = keys == "c03"
    estimate = calibrated_estimate(found, "c03", p[mine], np.ones(200, bool), right[mine])
    assert estimate.low == estimate.precision == estimate.high == right[mine].mean()


@pytest.mark.parametrize("left_out", [False, True])
def test_intervals_hold_and_errors_shrink(left_out):
    rng = np.random.default_rng(3)
    held, errors, plain = [], [], []
    for _ in range(10):
        keys, p, right, judged = simulate(rng, spread=0.3)
        if left_out:
            judged &= np.char.endswith(keys, ("0")) | np.char.endswith(keys, ("1")) | np.char.endswith(keys, ("2"))
        found = calibrate(keys[judged], p[judged], right[judged])
        for key in np.unique(keys):
            mine = keys == key
            if left_out and judged[mine].any():
                continue
            estimate = calibrated_estimate(found, key, p[mine], judged[mine], right[mine])
            held.append(estimate.low <= right[mine].mean() <= estimate.high)
            errors.append(abs(estimate.precision - right[mine].mean()))
            plain.append(abs(p[mine].mean() - right[mine].mean()))
    assert np.mean(held) > 0.9
    assert np.mean(errors) < np.mean(plain) * 0.5


def test_bins_weigh_labels_by_what_they_stand_for():
    p = np.array([0.95, 0.95, 0.1, 0.1])
    first, last = score_bins(p, np.array([True, False, False, False]), np.array([3.0, 1.0, 2.0, 2.0]))
    assert (first.low, first.n_judged, first.share, first.right) == (0.1, 2, 0.5, 0)
    assert (last.n_judged, last.share, last.right, last.score) == (2, 0.5, 0.75, 0.95)
    error, chance = calibration_error([first, last])
    assert error == pytest.approx(0.5 * 0.1 + 0.5 * 0.2) and chance > 0.1


def test_scores_that_are_right_are_off_by_chance_only():
    rng = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(50):
        p = rng.random(500)
        error, chance = calibration_error(score_bins(p, rng.random(500) < p, np.ones(500)))
        found.append(error)
        expected.append(chance)
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.15)
    p = rng.random(500)
    error, chance = calibration_error(score_bins(p, rng.random(500) < p**3, np.ones(500)))
    assert error > 3 * chance
