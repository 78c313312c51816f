"""From which score of the pixel comparison on is a pair a copy? Decided for a wanted precision, at this corpus's size.

Without verdicts of people the answer is an estimate: chance is extrapolated from scores that are known or held to be
chance (tails.py), and is seen against all that was found, not against planted copies in equal number. Look-alikes that
score like copies do not show in it. Verdicts on a random sample turn it into a bound (verdicts.py).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curate.vision.leak_model import Compared, Model, expected_false, fit, p_duplicate
from curate.vision.tails import Floats
from curate.vision.verdicts import (
    ALPHA,
    STARTS,
    Reviews,
    Sample,
    lower_precision,
    lowest_proven,
    more_reviews,
    sample_from,
)

__all__ = [
    "Compared", "Decision", "Model", "Recall", "decide", "estimate", "expected_false", "fit", "p_duplicate",
    "recall_by_transform", "review_floor", "wilson",
]  # fmt: skip

RISK = 0.05
"""Chance at most that more false hits come up than the asked precision allows, were the estimated tail true."""

_STEP = 0.05  # share of the pairs that a threshold gives up at a time when verdicts contradict it


@dataclass(frozen=True)
class Decision:
    """Which pairs are held to be copies, and what can be expected of that; see the table duplicate_thresholds.

    Attributes:
        threshold: Least score of a copy; inf where no score is good enough.
        n_hits: Corpus images with at least that score, without those that people judged different or unsure.
        expected_false: Expected number of false ones among them, on the careful side.
        precision: 1 - expected_false / n_hits; None without hits.
        precision_low: Lower 95 % bound by verdicts; None where they are too few to say anything.
        prevalence: Estimated share of eval images with a copy in the corpus, found or not; None where not known.
        evidence: model = an estimate, reviewed = the bound reaches the asked precision.
        n_reviewed: Pairs of the random sample that were judged, among those from the threshold on.
        n_reviewed_wrong: Of them, judged different or unsure.
        note: What the estimate lacks, in words; None where nothing.
    """

    threshold: float
    n_hits: int
    expected_false: float
    precision: float | None
    precision_low: float | None
    prevalence: float | None
    evidence: Literal["model", "reviewed"]
    n_reviewed: int = 0
    n_reviewed_wrong: int = 0
    note: str | None = None


def estimate(model: Model, precision: float) -> Decision:
    """The lowest threshold at which more false hits than allowed are unlikely, by the model alone.

    Args:
        model: Of the eval set.
        precision: Wanted share of true copies among the hits, in (0, 1].
    """
    from scipy.special import gammaincinv

    nothing = Decision(np.inf, 0, 0.0, None, None, model.prevalence, "model", note="; ".join(model.notes) or None)
    if model.tail is None:
        return nothing
    scores = np.unique(model.best[(model.best > model.tail.start) & (model.best >= model.floor)])
    n_hits = len(model.best) - np.searchsorted(model.best, scores, side="left")
    n_false = expected_false(model, scores)
    n_allowed = np.floor((1 - precision) * n_hits + 1e-9)
    # The Poisson mean that stays within what is allowed but for RISK.
    good = np.flatnonzero(n_false <= gammaincinv(n_allowed + 1, RISK))
    if not len(good):
        why = "no score is sure enough for the asked precision: only equal bytes count as copies"
        return replace(nothing, note="; ".join([*model.notes, why]))
    at = good[0]
    share = float(max(0.0, 1.0 - n_false[at] / n_hits[at]))
    return replace(
        nothing, threshold=float(scores[at]), n_hits=int(n_hits[at]), expected_false=float(n_false[at]), precision=share
    )


def review_floor(model: Model, precision: float) -> float:
    """The score from which on pairs are drawn for review: the model's threshold, else where copies are likelier.

    Args:
        model: Of the eval set.
        precision: Asked, in (0, 1].

    Returns:
        A score; no verdict has a part in it.
    """
    threshold = estimate(model, precision).threshold
    if np.isfinite(threshold):
        return threshold
    likely = model.best[p_duplicate(model.best, model) >= 0.5]
    top = model.best[-100:]
    return float(likely[0]) if len(likely) else float(max(top[0], np.nextafter(0, 1))) if len(top) else np.inf


def decide(compared: Compared, model: Model, precision: float, reviews: Reviews | None = None) -> Decision:
    """The lowest threshold with the asked precision: proven by verdicts where they suffice, else estimated.

    Args:
        compared: What was found.
        model: Made of it by fit().
        precision: Wanted share of true copies among the hits, in (0, 1].
        reviews: Verdicts on the pairs of `compared`, if there are any.
    """
    by_model = estimate(model, precision)
    if reviews is None or not (reviews.verdict != 0).any():
        return by_model
    floor = review_floor(model, precision)
    proven = lowest_proven(compared.best, reviews, precision, floor)
    if proven:
        return _reviewed(by_model, proven[0], proven[1], "reviewed", by_model.note)
    note = "; ".join(filter(None, (by_model.note, _shortfall(sample_from(compared.best, reviews, floor), precision))))
    raised = _not_contradicted(compared.best, reviews, by_model.threshold, precision)
    is_whole = 0 < raised.n_pairs == raised.n_reviewed
    low = lower_precision(raised, precision, STARTS[0][1] * ALPHA) if is_whole or raised.threshold == floor else None
    return _reviewed(by_model, raised, low, "reviewed" if is_whole else "model", note)


def _shortfall(sample: Sample, precision: float) -> str:
    """Why verdicts prove nothing, and what would help."""
    if sample.n_reviewed == sample.n_pairs:
        return "all pairs were judged; of so many look-alikes some may have been taken for copies"
    n_more = more_reviews(sample, precision)
    if n_more:
        return f"verdicts do not prove the precision: about {n_more} more reviews would"
    return "verdicts do not prove the precision: too many pairs were judged different or unsure"


def _not_contradicted(best: Floats, reviews: Reviews, threshold: float, precision: float) -> Sample:
    """The pairs from the model's threshold on; from a higher one where verdicts let one expect too little of them."""
    sample = sample_from(best, reviews, threshold)
    if not (sample.verdict == -1).any():
        return sample
    ordered = np.sort(best[best >= threshold])
    while sample.n_pairs and sample.expected_false() + sample.n_mistaken > (1 - precision) * sample.n_left:
        ordered = ordered[int(np.ceil(len(ordered) * _STEP)) :]
        sample = sample_from(best, reviews, float(ordered[0]) if len(ordered) else np.inf)
    return sample


def _reviewed(
    by_model: Decision, sample: Sample, low: float | None, evidence: Literal["model", "reviewed"], note: str | None
) -> Decision:
    """A decision on what verdicts left of a set."""
    n_hits, n_false = sample.n_left, sample.expected_false()
    if evidence == "model" and sample.n_reviewed:
        n_false = max(n_false if sample.n_wrong else 0.0, by_model.expected_false - sample.n_wrong)
    elif evidence == "model":
        n_false = by_model.expected_false
    n_false = float(min(n_false, n_hits))
    return Decision(
        threshold=sample.threshold,
        n_hits=n_hits,
        expected_false=n_false,
        precision=1.0 - n_false / n_hits if n_hits else None,
        precision_low=low if n_hits else None,
        prevalence=by_model.prevalence,
        evidence=evidence,
        n_reviewed=sample.n_reviewed,
        n_reviewed_wrong=sample.n_wrong,
        note=note,
    )


def wilson(n_found: int, n_planted: int) -> tuple[float, float]:
    """95 % interval of a share, (0, 1) where nothing was tried."""
    from scipy.stats import binomtest

    if not n_planted:
        return 0.0, 1.0
    interval = binomtest(n_found, n_planted).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Recall:
    """Share of planted copies of a kind that a threshold finds; see the table planted_recall."""

    transform: str
    n_planted: int
    n_found: int
    recall: float | None
    low: float
    high: float


def recall_by_transform(scores: Floats, transforms: NDArray[np.str_], threshold: float) -> list[Recall]:
    """How many planted copies are found, by kind and, first, of all kinds ('').

    Args:
        scores: (P,) scores of planted copies that no threshold was set with; NaN = the search lost it.
        transforms: (P,) kind of each.
        threshold: Least score of a copy.
    """
    found = np.nan_to_num(scores, nan=-np.inf) >= threshold
    found &= ~np.isnan(scores)
    rows = []
    for name in ["", *np.unique(transforms).tolist()]:
        of_kind = np.ones(len(scores), bool) if name == "" else transforms == name
        n_planted, n_found = int(of_kind.sum()), int((found & of_kind).sum())
        recall = n_found / n_planted if n_planted else None
        rows.append(Recall(name, n_planted, n_found, recall, *wilson(n_found, n_planted)))
    return rows
