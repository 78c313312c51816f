"""Which labels of a class to keep, so that a stated precision holds."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curate.noise.precision import Estimate, Stratum, audited_estimate, lower_count, model_estimate

KEPT_SHARES = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of a class, best p_correct first, that audits are asked about. Fixed before any verdict is seen."""

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


@dataclass(frozen=True)
class Audited:
    """Verdicts on the pairs of one class.

    Attributes:
        stratum: (R,) stratum of each pair, from 0.
        drawn: (R,) whether the pair belongs to the judged part of the sample.
        correct: (R,) whether it was judged correct.
    """

    stratum: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.bool_]
    correct: npt.NDArray[np.bool_]

    def strata(self, inside: npt.NDArray[np.bool_]) -> list[Stratum]:
        """Counts by stratum of some of the pairs; a random sample of all is a random sample of them."""
        n = int(self.stratum.max(initial=0)) + 1
        masks = (inside, inside & self.drawn, inside & self.drawn & self.correct)
        counts = [np.bincount(self.stratum[mask], minlength=n) for mask in masks]
        return [Stratum(int(a), int(b), int(c)) for a, b, c in zip(*counts, strict=True) if a]


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
    p_correct: npt.NDArray[np.float64], audited: Audited, min_precision: float, alpha: float, min_images: int
) -> Decision:
    """Keep the largest set of pairs whose audited lower bound reaches the target.

    Nested sets, best scores first, are tested from the smallest that its audits could ever prove to the largest, and
    testing stops at the first that fails. That order is fixed by scores and sample alone, so the chance that a set
    below the target is kept is at most alpha however many are tested (fixed-sequence test; Maurer et al. 1995).

    Args:
        p_correct: (R,) scores of a class.
        audited: Verdicts on the same pairs.
        min_precision: In (0, 1].
        alpha: 1 - confidence.
        min_images: A class with fewer kept pairs is excluded.
    """
    if len(p_correct) < max(min_images, 1):
        return Decision("excluded", None, None)
    thresholds = _thresholds(p_correct, min_images)
    start = _first_provable(p_correct, audited, thresholds, min_precision, alpha)
    kept: Decision | None = None
    for threshold in thresholds[start:]:
        estimate = audited_estimate(audited.strata(p_correct >= threshold), alpha, alpha)
        if estimate.low < min_precision:
            break
        kept = Decision("kept", threshold, estimate)
    if kept:
        return kept
    whole = audited_estimate(audited.strata(p_correct >= thresholds[-1]), alpha, alpha)
    best = audited_estimate(audited.strata(p_correct >= thresholds[min(start, len(thresholds) - 1)]), alpha, alpha)
    if best.high < min_precision or audited.drawn.all():
        return Decision("excluded", None, whole)
    n_more = _more_audits(p_correct, audited, thresholds, min_precision, alpha)
    return Decision("undecided", None, whole if audited.drawn.any() else None, n_more)


def _thresholds(p_correct: npt.NDArray[np.float64], min_images: int) -> list[float]:
    """Thresholds of the kept shares, tightest first, each keeping at least min_images pairs."""
    ordered = np.sort(p_correct)[::-1]
    ranks = [max(int(np.ceil(share * len(ordered))), min_images) for share in KEPT_SHARES]
    return sorted({float(ordered[min(rank, len(ordered)) - 1]) for rank in ranks}, reverse=True)


def _first_provable(
    p_correct: npt.NDArray[np.float64], audited: Audited, thresholds: list[float], min_precision: float, alpha: float
) -> int:
    """The tightest set that would pass with one wrong verdict; else with none; else past the end."""
    for n_wrong in (1, 0):
        for index, threshold in enumerate(thresholds):
            strata = audited.strata(p_correct >= threshold)
            largest = max(range(len(strata)), key=lambda i: (strata[i].n_audited, -i))
            perfect = [Stratum(s.n_pairs, s.n_audited, s.n_audited) for s in strata]
            if perfect[largest].n_audited < max(n_wrong, 1):
                continue
            s = perfect[largest]
            perfect[largest] = Stratum(s.n_pairs, s.n_audited, s.n_audited - n_wrong)
            if audited_estimate(perfect, alpha, alpha).low >= min_precision:
                return index
    return len(thresholds)


def _more_audits(
    p_correct: npt.NDArray[np.float64], audited: Audited, thresholds: list[float], min_precision: float, alpha: float
) -> int:
    """Fewest further audits of the class after which some set would likely pass; all that are left if none would."""
    n_left = int((~audited.drawn).sum())
    best = n_left
    for threshold in thresholds:
        inside = p_correct >= threshold
        n_pairs, n_drawn = int(inside.sum()), int((inside & audited.drawn).sum())
        n_correct = int((inside & audited.drawn & audited.correct).sum())
        expected = PRIOR_AUDITS * float(p_correct[inside].mean())
        rate = (n_correct + expected) / (n_drawn + PRIOR_AUDITS)
        if rate < min_precision:
            continue
        low, high = n_drawn + 1, n_pairs
        while low < high:
            n = (low + high) // 2
            passes = lower_count(Stratum(n_pairs, n, int(rate * n)), alpha) >= min_precision * n_pairs
            low, high = (low, n) if passes else (n + 1, high)
        if low <= n_pairs:
            best = min(best, int(np.ceil((low - n_drawn) * len(p_correct) / n_pairs)))
    return max(min(best, n_left), 1)
