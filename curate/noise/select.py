"""Which labels of a class to keep, so that a stated precision holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curate.noise.audits import worth
from curate.noise.looks import Look, judged_estimate, next_share
from curate.noise.precision import Estimate, Stratum, lower_total, model_estimate, proves

KEPT_SHARES = (0.1, 0.25, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Shares of a class, best p_correct first, that audits are asked about. Fixed before any verdict is seen."""

MAIN_SHARE = 0.9
"""Share of a look's error for the set of most promise and larger ones; the rest is for smaller ones."""

PRIOR_AUDITS = 5.0
"""How many verdicts the model's own estimate counts as when the number of audits still needed is guessed."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a class.

    Attributes:
        status: kept, excluded (cannot reach the precision) or undecided (needs more audits).
        threshold: Smallest p_correct to keep; None unless kept.
        estimate: Precision of the kept pairs, of all pairs where none are kept; None where there is nothing to say.
        n_more_audits: About how many more audits decide; None unless undecided.
    """

    status: Literal["kept", "excluded", "undecided"]
    threshold: float | None
    estimate: Estimate | None
    n_more_audits: int | None = None


def model_threshold(p_correct: npt.NDArray[np.float64], min_precision: float) -> float | None:
    """Smallest threshold whose pairs have a mean p_correct of at least `min_precision`.

    Args:
        p_correct: (R,) scores of a class, any order.
        min_precision: In (0, 1].

    Returns:
        The threshold: keep p_correct >= it. None where no pair can be kept.
    """
    ordered = np.sort(p_correct)[::-1]
    mean = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    last_of_tie = np.append(ordered[1:] < ordered[:-1], [True])[: len(ordered)]
    good = np.flatnonzero((mean >= min_precision - 1e-12) & last_of_tie)
    return float(ordered[good[-1]]) if len(good) else None


def select_by_model(
    p_correct: npt.NDArray[np.float64], min_precision: float, alpha: float, min_images: int
) -> Decision:
    """Keep the largest set of pairs whose estimated precision reaches the target; no guarantee.

    Args:
        p_correct: (R,) scores of a class.
        min_precision: In (0, 1].
        alpha: 1 - confidence of the lower bound that is reported.
        min_images: A class with fewer kept pairs is excluded.
    """
    if not len(p_correct):
        return Decision("excluded", None, None)
    threshold = model_threshold(p_correct, min_precision)
    if threshold is None or (p_correct >= threshold).sum() < min_images:
        return Decision("excluded", None, model_estimate(p_correct, alpha, alpha))
    return Decision("kept", threshold, model_estimate(p_correct[p_correct >= threshold], alpha, alpha))


def select_by_audits(
    p_correct: npt.NDArray[np.float64], looks: Sequence[Look], min_precision: float, alpha: float, min_images: int
) -> Decision:
    """Keep the largest set of pairs whose audited lower bound reaches the target.

    Nested sets, best scores first, are tested in an order that scores and sample alone fix: first the set that promises
    most, then larger ones, until one fails, so that one error pays for all of them (fixed-sequence test; Maurer et al.
    1995). Beside it, with the rest of the error, smaller sets from the first that its audits could prove at all. Every
    look at a class has an error of its own; the look that proves most decides. The chance that a set below the target
    is kept is at most alpha in all.

    The pairs may be fewer than were drawn from, if scores alone chose them: a random sample of a stratum is one of any
    part of it that was fixed without the verdicts. So a cap comes before this test. To take the best of what the test
    kept would leave a smaller set, for which nothing was shown.

    Args:
        p_correct: (R,) scores of a class.
        looks: What people said about the same pairs, in order; none where nothing was drawn.
        min_precision: In (0, 1].
        alpha: 1 - confidence.
        min_images: A class with fewer kept pairs is excluded.
    """
    if len(p_correct) < max(min_images, 1):
        return Decision("excluded", None, None)
    thresholds = _thresholds(p_correct, looks, min_images)
    found: list[Decision] = []
    tightest = thresholds[0]
    for look in looks:
        error = alpha * look.share
        main = _most_promising(p_correct, look, thresholds, min_precision, MAIN_SHARE * error)
        rest = (1 - MAIN_SHARE) * error
        start = _first_provable(p_correct, look, thresholds[:main], min_precision, rest)
        found += _passing(p_correct, look, thresholds[main:], min_precision, MAIN_SHARE * error)
        found += _passing(p_correct, look, thresholds[start:main], min_precision, rest)
        tightest = thresholds[min(start, main)]
    if found:
        return min(found, key=lambda kept: kept.threshold or 0.0)
    if not looks:
        return Decision("undecided", None, None, _more_audits(p_correct, looks, thresholds, min_precision, alpha))
    whole = judged_estimate(looks, np.ones(len(p_correct), np.bool_), alpha, alpha)
    best = judged_estimate(looks, p_correct >= tightest, alpha, alpha)
    if best.high < min_precision or looks[-1].judged.all():
        return Decision("excluded", None, whole)
    n_more = _more_audits(p_correct, looks, thresholds, min_precision, alpha)
    return Decision("undecided", None, whole if looks[-1].judged.any() else None, n_more)


def _passing(
    p_correct: npt.NDArray[np.float64], look: Look, thresholds: list[float], min_precision: float, alpha: float
) -> list[Decision]:
    """The sets that pass, from the first on, before one fails."""
    kept = []
    for threshold in thresholds:
        estimate = look.estimate(p_correct >= threshold, alpha, alpha)
        if estimate.low < min_precision:
            break
        kept.append(Decision("kept", threshold, estimate))
    return kept


def _most_promising(
    p_correct: npt.NDArray[np.float64], look: Look, thresholds: list[float], min_precision: float, alpha: float
) -> int:
    """The set that is worth most by its scores and by how many audits it has."""
    sets = [p_correct >= threshold for threshold in thresholds]
    sizes = np.asarray([inside.sum() for inside in sets])
    precision = np.asarray([p_correct[inside].mean() for inside in sets])
    n_audits = np.asarray([(inside & look.drawn).sum() for inside in sets])
    return int(worth(sizes, precision, n_audits, min_precision, alpha).argmax())


def _thresholds(p_correct: npt.NDArray[np.float64], looks: Sequence[Look], min_images: int) -> list[float]:
    """Thresholds of the kept shares and of what was sampled, tightest first, each keeping at least min_images pairs."""
    ordered = np.sort(p_correct)[::-1]
    ranks = [max(int(np.ceil(share * len(ordered))), min_images) for share in KEPT_SHARES]
    found = {float(ordered[min(rank, len(ordered)) - 1]) for rank in ranks}
    found |= {float(p_correct[look.stratum >= 0].min()) for look in looks}
    return sorted((t for t in found if (p_correct >= t).sum() >= min_images), reverse=True)


def _first_provable(
    p_correct: npt.NDArray[np.float64], look: Look, thresholds: list[float], min_precision: float, alpha: float
) -> int:
    """The tightest set that would pass with one wrong verdict; else with none; else past the end."""
    for n_wrong in (1, 0):
        for index, threshold in enumerate(thresholds):
            perfect = look.strata(p_correct >= threshold, look.drawn, look.drawn)
            worst = max(range(len(perfect)), key=lambda i: (perfect[i].n_audited, -i))
            s = perfect[worst]
            if s.n_audited < max(n_wrong, 1):
                continue
            perfect[worst] = Stratum(s.n_pairs, s.n_audited, s.n_audited - n_wrong)
            if lower_total(perfect, alpha) >= min_precision * sum(each.n_pairs for each in perfect):
                return index
    return len(thresholds)


def _more_audits(
    p_correct: npt.NDArray[np.float64],
    looks: Sequence[Look],
    thresholds: list[float],
    min_precision: float,
    alpha: float,
) -> int:
    """Fewest further audits of the class after which some set would likely pass; all that are left if none would."""
    error = max(alpha * next_share(looks, final=False), 1e-9)
    nothing = np.zeros(len(p_correct), np.bool_)
    judged, correct = (looks[-1].judged, looks[-1].correct) if looks else (nothing, nothing)
    n_left = int((~judged).sum())
    best = n_left
    for threshold in thresholds:
        inside = p_correct >= threshold
        n_pairs, n_judged = int(inside.sum()), int((inside & judged).sum())
        n_correct = int((inside & judged & correct).sum())
        expected = PRIOR_AUDITS * float(p_correct[inside].mean())
        rate = (n_correct + expected) / (n_judged + PRIOR_AUDITS)
        if rate < min_precision:
            continue
        low, high = n_judged + 1, n_pairs
        while low < high:
            n = (low + high) // 2
            passes = proves(Stratum(n_pairs, n, int(rate * n)), min_precision, error)
            low, high = (low, n) if passes else (n + 1, high)
        if low <= n_pairs:
            best = min(best, int(np.ceil((low - n_judged) * len(p_correct) / n_pairs)))
    return max(min(best, n_left), 1)
