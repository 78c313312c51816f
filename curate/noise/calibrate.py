"""Scores calibrated on verdicts: what audits of some labels say about all others.

A verdict on a label of class k with score p is taken as drawn with log-odds

    η = a + b logit p + u_k,     u_k ~ N(0, τ²),

a logistic regression with classes as random effects. a and b are what all classes have in common (scores that are too
sure of themselves), u_k what the verdicts on a class say beyond that, shrunk the more the fewer they are; τ, fitted
too, is by how much classes differ from what their scores say, so how little is known of one that nobody has looked at.
Fitted by its posterior mode and Laplace's approximation (Breslow & Clayton 1993). A design may draw by score, class or
both: given these, which pairs were drawn says nothing more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from curate.noise.precision import Estimate

SPREADS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7)
"""τ to choose from."""

SPREAD_SCALE = 0.5
"""Scale of τ beforehand: classes of one corpus that differ by more are rare."""

SHIFT_ERROR = 1.5
"""Standard deviation of a beforehand, around 0."""

SLOPE_ERROR = 0.5
"""Standard deviation of b beforehand, around 1."""

SUREST = 1e-3
"""How near to 0 or 1 a score may come: no score is as good as a verdict."""

MIN_VERDICTS = 30
"""Verdicts without which scores are left as they are."""


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration.

    Attributes:
        shift: a.
        slope: b.
        spread: τ, root mean square of what it may be.
        covariance: (2, 2) of a and b.
        effects: u_k of each class with verdicts.
        errors: Standard deviation of each of them, given a and b.
        n_verdicts: On how many verdicts it rests.
    """

    shift: float
    slope: float
    spread: float
    covariance: npt.NDArray[np.float64]
    effects: dict[str, float]
    errors: dict[str, float]
    n_verdicts: int

    def log_odds(self, class_key: str, p_correct: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Calibrated log-odds (R,) of labels of a class."""
        return np.asarray(self.shift + self.slope * _log_odds(p_correct) + self.effects.get(class_key, 0.0))

    def error(self, class_key: str, p_correct: npt.NDArray[np.float64]) -> float:
        """Standard deviation of a shift of all log-odds of a class together."""
        at = np.array([1.0, float(_log_odds(p_correct).mean())])
        own = self.errors.get(class_key, self.spread)
        return float(np.sqrt(at @ self.covariance @ at + own**2))


def _log_odds(p_correct: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(logit(np.clip(p_correct, SUREST, 1 - SUREST)))


def calibrate(
    class_keys: npt.NDArray[np.str_], p_correct: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]
) -> Calibration | None:
    """Calibrate scores on verdicts.

    Args:
        class_keys: (A,) class of each judged pair.
        p_correct: (A,) its score, in [0, 1].
        correct: (A,) its verdict; unsure counts as wrong.

    Returns:
        The calibration; None with fewer than MIN_VERDICTS.
    """
    if len(correct) < MIN_VERDICTS:
        return None
    keys, inverse = np.unique(class_keys, return_inverse=True)
    x = np.stack([np.ones(len(correct)), _log_odds(p_correct)], 1)
    fits = [_fit(x, correct.astype(np.float64), inverse, len(keys), spread) for spread in SPREADS]
    log_weight = np.array([fit[0] for fit in fits])
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    # With few classes τ is as unsure as anything: what follows from each value counts by its likelihood.
    fixed, fixed_variance = _mixture(weight, [fit[1] for fit in fits], [fit[3] for fit in fits])
    effects, variance = _mixture(weight, [fit[2] for fit in fits], [fit[4] for fit in fits])
    return Calibration(
        float(fixed[0]),
        float(fixed[1]),
        float(np.sqrt(weight @ np.square(SPREADS))),
        fixed_variance,
        dict(zip(keys.tolist(), effects.tolist(), strict=True)),
        dict(zip(keys.tolist(), np.sqrt(variance).tolist(), strict=True)),
        len(correct),
    )


def _mixture(
    weight: npt.NDArray[np.float64], means: list[npt.NDArray[np.float64]], variances: list[npt.NDArray[np.float64]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and (co)variance of a mixture of normal distributions."""
    mean = np.asarray(sum(w * m for w, m in zip(weight, means, strict=True)))
    away = [
        np.outer(m - mean, m - mean) if v.ndim == 2 else (m - mean) ** 2 for m, v in zip(means, variances, strict=True)
    ]
    return mean, np.asarray(sum(w * (v + d) for w, v, d in zip(weight, variances, away, strict=True)))


def _fit(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    class_A: npt.NDArray[np.int64],
    n_classes: int,
    spread: float,
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Marginal log-likelihood of τ, then a and b, u, the covariance of a and b, and the variances of u, at the mode."""
    before, weight = np.array([0.0, 1.0]), np.diag([SHIFT_ERROR**-2, SLOPE_ERROR**-2])
    fixed, effects = before.copy(), np.zeros(n_classes)
    for _ in range(50):
        p = expit(x @ fixed + effects[class_A])
        w = np.maximum(p * (1 - p), 1e-6)
        # Newton's step; the block of the effects is diagonal, so a and b follow from a 2 x 2 system.
        d_K = np.bincount(class_A, w, n_classes) + spread**-2
        g_K = np.bincount(class_A, y - p, n_classes) - effects / spread**2
        cross_2K = np.stack([np.bincount(class_A, w * x[:, j], n_classes) for j in (0, 1)])
        schur = x.T @ (w[:, None] * x) + weight - (cross_2K / d_K) @ cross_2K.T
        g = x.T @ (y - p) - weight @ (fixed - before)
        step = np.linalg.solve(schur, g - cross_2K @ (g_K / d_K))
        step_K = (g_K - step @ cross_2K) / d_K
        scale = min(1.0, 2.0 / max(float(np.abs(step).max()), float(np.abs(step_K).max()), 1e-9))
        fixed, effects = fixed + scale * step, effects + scale * step_K
        if scale * max(float(np.abs(step).max()), float(np.abs(step_K).max())) < 1e-8:
            break
    eta = x @ fixed + effects[class_A]
    fit = float((y * eta - np.logaddexp(0, eta)).sum())
    away = fixed - before
    penalty = float(away @ weight @ away + (effects**2).sum() / spread**2) / 2
    size = float(np.linalg.slogdet(schur)[1] + np.log(d_K * spread**2).sum()) / 2
    # Half-normal beforehand.
    return fit - penalty - size - (spread / SPREAD_SCALE) ** 2 / 2, fixed, effects, np.linalg.inv(schur), 1 / d_K


@dataclass(frozen=True)
class ScoreBin:
    """Verdicts on labels with scores from `low` up to `high`.

    Attributes:
        low: In [0, 1].
        high: In [0, 1].
        n_judged: Verdicts.
        share: Of all labels that the samples stand for, in [0, 1].
        score: Their mean score.
        right: Estimated share of them that is right, in [0, 1].
        ci_low: Lower end of its 95 % interval (Wilson, at the number of verdicts that equal weights would be worth).
        ci_high: Upper end.
    """

    low: float
    high: float
    n_judged: int
    share: float
    score: float
    right: float
    ci_low: float
    ci_high: float


def score_bins(
    p_correct: npt.NDArray[np.float64],
    correct: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    n_bins: int = 10,
) -> list[ScoreBin]:
    """A reliability diagram of scores: bins of equal width, empty ones left out.

    Args:
        p_correct: (A,) scores of judged labels, in [0, 1].
        correct: (A,) verdicts.
        weight: (A,) how many labels each stands for, > 0.
        n_bins: Number of bins.
    """
    index = np.minimum((p_correct * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for number in np.unique(index).tolist():
        inside = index == number
        w = weight[inside]
        total, worth = float(w.sum()), float(w.sum() ** 2 / (w**2).sum())
        right = float(w @ correct[inside]) / total
        middle, room = right + 1.92 / worth, 1.96 * float(np.sqrt(right * (1 - right) / worth + 0.96 / worth**2))
        bins.append(
            ScoreBin(
                number / n_bins,
                (number + 1) / n_bins,
                int(inside.sum()),
                total / float(weight.sum()),
                float(w @ p_correct[inside]) / total,
                right,
                max((middle - room) / (1 + 3.84 / worth), 0.0),
                min((middle + room) / (1 + 3.84 / worth), 1.0),
            )
        )
    return bins


def calibration_error(bins: list[ScoreBin]) -> tuple[float, float]:
    """Expected calibration error, and how much of it chance alone would be expected to make of calibrated scores.

    The mean of |score - share right| over labels (Naeini et al. 2015); never 0 on few verdicts. Lower = better.
    """
    error = sum(each.share * abs(each.score - each.right) for each in bins)
    # An interval is 3.92 deviations wide; the mean of |x| of a normal x is √(2/π) deviations.
    chance = sum(each.share * (each.ci_high - each.ci_low) / 3.92 * float(np.sqrt(2 / np.pi)) for each in bins)
    return error, chance


def calibrated_estimate(
    calibration: Calibration,
    class_key: str,
    p_correct: npt.NDArray[np.float64],
    judged: npt.NDArray[np.bool_],
    correct: npt.NDArray[np.bool_],
    z: float = 1.96,
) -> Estimate:
    """Precision of a class's labels: verdicts where there are some, calibrated scores where not.

    The interval is the model's: what is left unsure about the log-odds of the class, and chance in which labels are
    right. It promises nothing where classes that were judged are unlike this one.

    Args:
        calibration: From `calibrate`.
        class_key: The class.
        p_correct: (R,) scores, at least one.
        judged: (R,) whether there is a verdict.
        correct: (R,) whether it says correct.
        z: Normal quantile of the interval.
    """
    rest = ~judged
    known, n = float((correct & judged).sum()), len(p_correct)
    log_odds = calibration.log_odds(class_key, p_correct[rest])
    error = calibration.error(class_key, p_correct)
    # The mean of a logistic function of a normal variable (MacKay 1992).
    p = expit(log_odds / np.sqrt(1 + np.pi * error**2 / 8))
    chance = float(np.sqrt((p * (1 - p)).sum()))
    middle = float(p.sum())
    bounds = []
    for sign in (-1.0, 1.0):
        moved = float(expit(log_odds + sign * z * error).sum()) - middle
        bounds.append((known + middle + sign * float(np.hypot(moved, z * chance))) / n)
    precision = (known + middle) / n
    return Estimate(precision, min(max(bounds[0], known / n, 0.0), precision), max(min(bounds[1], 1.0), precision))
