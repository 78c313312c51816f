"""What people's verdicts on a random sample of pairs prove about all pairs from some score on.

Pairs are looked at in an order that a hash of their key fixes, so that among the pairs from any score on those looked
at first are a simple random sample. The number of copies is bounded from below by a likelihood ratio against each
number it might be: a martingale, which exceeds 1 / alpha with a chance of alpha at most, however often and whenever one
looks (Ville 1939; for sampling without replacement Waudby-Smith and Ramdas, NeurIPS 2020). The likelihoods are
hypergeometric, so that the bound is exact for any number of pairs, and a set that was looked at whole is known. Whoever
reviews may stop early, or go on because the proof failed; a bound for a sample of fixed size would not survive that.

Which sets are tested in which order is fixed before any verdict: from a start on, each set contains the one before, and
testing ends at the first that fails (fixed-sequence test, Maurer et al. 1995). The starts share the error out. Pairs
judged wrong are taken out of the set that is reported, but whether testing goes on is decided with them in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""Chance at most that verdicts ever prove a precision which does not hold."""

STARTS = ((1.0, 0.8), (0.5, 0.1), (0.25, 0.1))
"""Where testing starts: share of the pairs that the model would report, best scores first, and share of ALPHA."""

REVIEW_ERROR = 0.01
"""How often a pair that is none may be judged a copy: of many look-alikes that were looked at some slip through."""

_GROWTH = 1.2  # each further set is so much larger
_ALL_TRUE = 0.6  # prior of the alternative that every pair is a copy; else about a quarter of the allowed share is none
_PRIOR = 5.0  # right verdicts that are added where the reviews still needed are guessed


@dataclass(frozen=True)
class Reviews:
    """Verdicts by corpus image, on the pair with its best eval image.

    Attributes:
        verdict: (M,) int8: 1 copy, -1 different, -2 unsure, 0 not looked at.
        is_sampled: (M,) bool, whether the sample asked for it; other verdicts prove nothing.
        order: (M,) uint64 from review_order.
    """

    verdict: NDArray[np.int8]
    is_sampled: NDArray[np.bool_]
    order: NDArray[np.uint64]


@dataclass(frozen=True)
class Sample:
    """Verdicts on a simple random sample of the pairs from some score on.

    Attributes:
        threshold: The score.
        n_pairs: Pairs from it on.
        n_removed: Of them, pairs that anyone judged different or unsure: known, and no longer held to be copies.
        verdict: (n_reviewed,) int8, verdicts on the sample in order of review.
    """

    threshold: float
    n_pairs: int
    n_removed: int
    verdict: NDArray[np.int8]

    @property
    def n_reviewed(self) -> int:
        """Pairs of the sample."""
        return len(self.verdict)

    @property
    def n_wrong(self) -> int:
        """Of them, pairs judged different or unsure."""
        return int((self.verdict < 0).sum())

    @property
    def n_left(self) -> int:
        """Pairs still held to be copies."""
        return self.n_pairs - self.n_removed

    @property
    def n_mistaken(self) -> int:
        """How many look-alikes may have been taken for copies where so many others were recognised, at the most."""
        from scipy.stats import poisson

        return int(poisson.ppf(1 - ALPHA, REVIEW_ERROR * self.n_removed)) if self.n_removed else 0

    def expected_false(self) -> float:
        """Expected number of false pairs among those that were not looked at; whom one is unsure of says nothing."""
        n_different = int((self.verdict == -1).sum())
        n_clear = n_different + int((self.verdict > 0).sum())
        return (self.n_pairs - self.n_reviewed) * (n_different + 0.5) / (n_clear + 1.0)


def review_order(keys: Sequence[str]) -> NDArray[np.uint64]:
    """Place of pairs in the order of review; lower comes first.

    A hash: the first n of any set that is chosen without it are a simple random sample, also after pairs were added.

    Args:
        keys: A text per pair that identifies it; of pairs with the best eval image, the image_id.
    """
    digests = b"".join(blake2b(key.encode(), digest_size=8, person=b"review").digest() for key in keys)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def sample_from(scores: NDArray[np.float64], reviews: Reviews, threshold: float) -> Sample:
    """The sample of the pairs from a score on: in order of review, all before the first that was not judged."""
    inside = np.flatnonzero(scores >= threshold)
    inside = inside[np.argsort(reviews.order[inside], kind="stable")]
    verdict = reviews.verdict[inside]
    gaps = np.flatnonzero((verdict == 0) | ~reviews.is_sampled[inside])
    judged = verdict[: gaps[0] if len(gaps) else len(inside)]
    return Sample(threshold, len(inside), int((verdict < 0).sum()), judged)


def lower_count(n_pairs: int, is_copy: NDArray[np.bool_], precision: float, alpha: float) -> int:
    """Lower bound of the number of copies among some pairs, valid whenever the sampling stops.

    Args:
        n_pairs: Pairs.
        is_copy: (R,) bool, verdicts on a random sample of them, in the order in which it was drawn.
        precision: Where the bound is sharpest, in (0, 1]; it holds for any.
        alpha: Chance at most that there are fewer.
    """
    from scipy.special import betaln, gammaln

    if not len(is_copy):
        return 0
    n_right = np.cumsum(is_copy, dtype=np.float64)
    n_wrong = np.arange(1, len(is_copy) + 1) - n_right
    wide = 4.0 / max(1.0 - precision, 1e-3)
    mixed = np.log(1 - _ALL_TRUE) + betaln(1.0 + n_wrong, wide + n_right) - betaln(1.0, wide)
    evidence = np.where(n_wrong == 0, np.logaddexp(np.log(_ALL_TRUE), mixed), mixed)
    evidence += gammaln(n_pairs + 1.0) - gammaln(n_pairs - n_right - n_wrong + 1.0)
    # By how much the data favour the alternative over exactly so many copies falls up to the likeliest number.
    low, high = n_right.copy(), np.maximum(n_right, np.floor(n_pairs * n_right / (n_right + n_wrong)))
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        null = gammaln(middle + 1) - gammaln(middle - n_right + 1)
        rest = np.maximum(n_pairs - middle, n_wrong)
        null += gammaln(rest + 1) - gammaln(rest - n_wrong + 1)
        refuted = evidence - null >= -np.log(alpha)
        low, high = np.where(refuted & (low < high), middle + 1, low), np.where(refuted, high, middle)
    return int(min(low.max(), n_pairs - n_wrong[-1]))


def lower_precision(sample: Sample, precision: float, alpha: float) -> float:
    """Lower bound of the share of copies among the pairs that are left; 0 where none is.

    Args:
        sample: Verdicts.
        precision: Where the bound is sharpest, in (0, 1].
        alpha: Chance at most that the share is lower.
    """
    return min(1.0, _lower_sure(sample, precision, alpha) / sample.n_left) if sample.n_left else 0.0


def _lower_sure(sample: Sample, precision: float, alpha: float) -> int:
    """Copies at least, less those that REVIEW_ERROR lets one fear were taken for copies by mistake."""
    return max(0, lower_count(sample.n_pairs, sample.verdict > 0, precision, alpha) - sample.n_mistaken)


def lowest_proven(
    scores: NDArray[np.float64], reviews: Reviews, precision: float, preferred: float
) -> tuple[Sample, float] | None:
    """The largest set, best scores first, that the verdicts prove precise enough.

    Args:
        scores: (M,) best scores.
        reviews: Verdicts on the same pairs.
        precision: Asked, in (0, 1].
        preferred: The threshold to test first; no verdict may have influenced it.

    Returns:
        The set's sample and the lower bound of its precision; None where the verdicts prove none.
    """
    ordered = np.sort(scores[scores > 0])[::-1]
    n_preferred = int((ordered >= preferred).sum())
    best: tuple[Sample, float] | None = None
    for start, share in STARTS:
        for threshold in _nested(ordered, int(np.ceil(start * n_preferred))):
            sample = sample_from(scores, reviews, threshold)
            sure = _lower_sure(sample, precision, share * ALPHA)
            if not sample.n_left or sure < precision * sample.n_left:
                break
            if best is None or threshold < best[0].threshold:
                best = sample, min(1.0, sure / sample.n_left)
            if sure < precision * sample.n_pairs:  # it passes for what was taken out of it: no further set may follow
                break
    return best


def _nested(ordered: NDArray[np.float64], rank: int) -> Iterator[float]:
    """Thresholds that take in ever more of descending scores, beginning with a rank."""
    while 0 < rank <= len(ordered):
        yield float(ordered[rank - 1])
        rank = len(ordered) if rank < len(ordered) < rank * _GROWTH else int(np.ceil(rank * _GROWTH + 1e-9))


def more_reviews(sample: Sample, precision: float) -> int | None:
    """About how many more verdicts would prove a set precise enough; None where too many were wrong for that."""
    n = sample.n_reviewed
    rate = sample.n_wrong / (n + _PRIOR)
    low, high = n + 1, sample.n_pairs + 1
    while low < high:
        total = (low + high) // 2
        further = 1 - 2 * np.diff(np.floor(rate * np.arange(total - n + 1))).astype(np.int8)
        judged = np.concatenate([sample.verdict, further])
        guess = Sample(sample.threshold, sample.n_pairs, max(sample.n_removed, int((judged < 0).sum())), judged)
        proven = lower_precision(guess, precision, STARTS[0][1] * ALPHA) >= precision
        low, high = (low, total) if proven else (total + 1, high)
    return low - n if low <= sample.n_pairs else None
