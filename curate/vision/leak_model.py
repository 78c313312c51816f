"""Chance and copies of one eval set, separated by their scores alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.vision.tails import (
    MIN_DECOYS,
    MIN_PLANTS,
    Copies,
    Floats,
    Tail,
    copy_share,
    fit_copies,
    fit_mixture,
    posterior,
    scarce_tail,
    thin,
)

STRONG = 30.0
"""Strong evidence of a copy, in nats, in which vision/verify.py scores."""

_WEAK_COPIES = 0.05  # share of the planted copies that score less than what "scores like a copy"


@dataclass(frozen=True)
class Compared:
    """Corpus images that were compared with candidates of one eval set.

    Attributes:
        best: (M,) each image's highest score; 0 = nothing in common, higher = surer.
        others: (M,) its highest score with an eval image that shows another photograph than the best does; NaN = none.
        evals: (M,) number of the eval image of the best, in [0, n_evals).
        n_evals: Eval images of the set.
    """

    best: Floats
    others: Floats
    evals: NDArray[np.int64]
    n_evals: int


@dataclass(frozen=True)
class Model:
    """Chance and copies of one eval set, as far as scores tell.

    Attributes:
        best: (M,) best scores, ascending.
        decoys: Scores known to be chance, ascending.
        tail: Tail of chance; None where too little is known to be chance.
        knots: (K,) ascending scores.
        p_copy: (K,) probability of a copy at them, never falling.
        prevalence: Share of eval images with a copy; None where not known.
        notes: What is missing, in words.
        floor: Least score that a threshold may be: a lower one would gain next to no copies, only look-alikes.
    """

    best: Floats
    decoys: Floats
    tail: Tail | None
    knots: Floats
    p_copy: Floats
    prevalence: float | None
    notes: tuple[str, ...]
    floor: float = 0.0


def fit(compared: Compared, planted: Floats, planted_others: Floats | None = None) -> Model:
    """Separate chance from copies.

    Args:
        compared: What was found.
        planted: (P,) scores of the planted copies that thresholds are set with, with their originals; NaN = the search
            lost it.
        planted_others: (Q,) highest score of planted copies with any other eval image, NaN = none. Chance is read off
            these where the corpus has too little of it.
    """
    best, decoys = np.sort(compared.best), _decoys(compared, planted)
    notes: list[str] = []
    mixture = fit_mixture(best, decoys, planted) if len(decoys) >= MIN_DECOYS else None
    if mixture is None:
        spare = np.zeros(0) if planted_others is None else np.sort(planted_others[~np.isnan(planted_others)])
        if len(spare) < MIN_DECOYS:
            notes.append(f"too few scores above 0 are known to be chance, of {MIN_DECOYS} that are needed")
            return Model(best, decoys, None, np.zeros(1), np.zeros(1), None, tuple(notes))
        notes.append("what chance scores is known from the planted copies alone")
        tail, decoys = scarce_tail(spare, len(best)), spare
        copies = fit_copies(planted, tail.start)
    else:
        tail, copies = mixture
    if copies is None:
        notes.append(f"fewer than {MIN_PLANTS} planted copies score above chance")
    knots, p_copy = _never_falling(best, tail, copies)
    prevalence = None if copies is None else _prevalence(compared, tail, copies)
    return Model(best, decoys, tail, knots, p_copy, prevalence, tuple(notes), _floor(planted))


def _floor(planted: Floats) -> float:
    """Where the weakest copies end, but no more than what is strong evidence anyway."""
    return min(STRONG, _like_copies(planted, 0.0))


def _decoys(compared: Compared, planted: Floats) -> Floats:
    """Scores known to be chance, ascending: second best ones, but not of images that score like copies themselves.

    Such an image may hold several pictures of the eval set side by side, as a collage does.
    """
    is_chance = compared.best < _like_copies(planted, np.inf)
    return np.sort(compared.others[~np.isnan(compared.others) & is_chance])


def _like_copies(planted: Floats, unknown: float) -> float:
    """A score that nearly all planted copies exceed that were compared."""
    found = planted[~np.isnan(planted)]
    return float(np.quantile(found, _WEAK_COPIES)) if len(found) >= MIN_PLANTS else unknown


def _never_falling(best: Floats, tail: Tail, copies: Copies | None) -> tuple[Floats, Floats]:
    """Knots of the probability of a copy, from the tail's start; without planted ones the share among all above."""
    above, each = thin(best[best > tail.start])
    if not len(above):
        return np.zeros(1), np.zeros(1)
    if copies is None:
        n_false = tail.expected(above, careful=True) / (each * np.arange(len(above), 0, -1))
        p_copy = np.clip(1.0 - n_false, 0.0, 1.0)
    else:
        share = copy_share(tail.density(above) / tail.counts[0], copies.density(above))
        p_copy = posterior(tail, copies, share)(above)
    return np.append(tail.start, above), np.append(0.0, np.maximum.accumulate(p_copy))


def _prevalence(compared: Compared, tail: Tail, copies: Copies) -> float:
    """Share of eval images with a copy: a mixture of every eval image's best match over the whole corpus."""
    top = np.zeros(compared.n_evals)
    np.maximum.at(top, compared.evals, compared.best)
    matches = np.bincount(compared.evals, minlength=compared.n_evals) / max(len(compared.best), 1)
    seen = top > tail.start
    expected = tail.expected(np.where(seen, top, tail.start), careful=False) * matches
    below = np.exp(-expected)  # chance that nothing false is higher
    chance = np.where(seen, tail.density(top) * matches * below, below)
    found = copies.share_above * np.where(seen, copies.density(top) * below, 0.0)
    copy = found + (1.0 - copies.share_above * (1.0 - copies.below(top))) * chance  # something false may be higher
    return copy_share(chance, copy)


def p_duplicate(scores: Floats, model: Model) -> Floats:
    """Estimated probability that a pair is a copy, by its score; never falls with it.

    Args:
        scores: (S,) scores.
        model: Of the eval set.

    Returns:
        (S,) in [0, 1]; 0 where the model knows nothing.
    """
    return np.asarray(np.interp(scores, model.knots, model.p_copy))


def expected_false(model: Model, thresholds: Floats) -> Floats:
    """Expected number of false hits from each threshold on, the most careful of three estimates.

    The tail of chance carried on; the scores known to be chance, counted; the local probabilities, summed up.

    Args:
        model: Of the eval set, with a tail.
        thresholds: (T,) scores above the tail's start.
    """
    assert model.tail is not None
    carried_on = model.tail.expected(thresholds, careful=True)
    n_above = len(model.decoys) - np.searchsorted(model.decoys, thresholds, side="left")
    counted = n_above * (len(model.best) / len(model.decoys))
    doubt = np.cumsum((1.0 - p_duplicate(model.best, model))[::-1])
    summed = np.append(0.0, doubt)[len(model.best) - np.searchsorted(model.best, thresholds, side="left")]
    return np.asarray(np.maximum(np.maximum(carried_on, counted), summed))
