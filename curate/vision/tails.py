"""Where chance ends and copies begin: the tail of non-copies' scores, and the mixture of both.

The scale of the scores of pairs that are no copies is not known beforehand. Their tail is read off the best scores
themselves, between two marks: it starts where scores known to be chance grow rare, and ends where copies begin to
outnumber chance. Weak copies between the marks make it look heavier, which errs on the careful side; what lies above
them does not enter. Scores known to be chance (with an eval image of another family than the best's) set the first mark
and no more than that: they are second best of several, so that their own tail is lighter than that of the best.

The tail is a generalised Pareto distribution (Pickands 1975), truncated at the upper mark. All its shapes and scales
that the scores do not refute are kept, and the worst of them counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_DECOYS = 100
"""Fewer scores known to be chance say too little about a tail."""

MIN_PLANTS = 30
"""Fewer planted copies above the tail's start say too little about the scores of copies."""

MAX_SHAPE = 0.5
"""Heaviest tail considered: its variance is just infinite. 0 = exponential."""

MIN_INSIDE = 10
"""Fewer scores between the marks give no tail."""

BELIEF = 0.75
"""How much of a score's probability to be a copy's is believed while the tail of chance is fitted. All of it explains
the tail away where real copies are stronger than planted ones; none of it takes weak copies for chance. Chosen with
other seeds of tests/benchmarks/precision_promise.py than those it reports."""

_TOP_DECOYS = 200  # the tail starts at this decoy from the top, of few decoys at the 20th part, but
_FEW_DECOYS = 30  # no higher than at this one
_WORTH = 500  # a tail is only nearly a Pareto: more scores than so many do not make it surer
_REFUTED = 1.35  # log-likelihood below the best: half of the 90 % quantile of chi-square with one degree of freedom
_TAIL_POINTS = 250  # a longer sample is thinned to so many quantiles

Floats = NDArray[np.float64]
Copying = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Tail:
    """Expected number of chance scores above a score.

    Attributes:
        start: Scores above it are in the tail.
        end: Scores above it did not enter the fit.
        shapes: (G,) shapes of the tails that are not refuted, the likeliest first; 0 = exponential, higher = heavier.
        scales: (G,) their scales, in units of the score.
        counts: (G,) how many chance scores lie above the start by each.
    """

    start: float
    end: float
    shapes: Floats
    scales: Floats
    counts: Floats

    def expected(self, scores: Floats, careful: bool) -> Floats:
        """Expected number of chance scores at or above each score, which must not lie below the start.

        Args:
            scores: (S,) scores.
            careful: Whether the worst of the tails counts, else the likeliest.
        """
        excess = np.maximum(scores - self.start, 0.0)
        worst = np.zeros(len(scores))
        n = len(self.shapes) if careful else 1
        for shape, scale, count in zip(self.shapes[:n], self.scales[:n], self.counts[:n], strict=True):
            worst = np.maximum(worst, count * np.exp(_log_survival(excess, shape, scale)))
        return worst

    def density(self, scores: Floats) -> Floats:
        """Chance scores per unit of score by the likeliest tail, at scores above the start."""
        excess = np.maximum(scores - self.start, 0.0)
        shape, scale = float(self.shapes[0]), float(self.scales[0])
        log_density = _log_survival(excess, shape, scale) - np.log(scale + shape * excess)
        return np.asarray(self.counts[0] * np.exp(log_density))


@dataclass(frozen=True)
class Copies:
    """Distribution of the scores of copies above the tail's start, from planted ones.

    Attributes:
        knots: (K,) ascending scores; between two of them the density is constant.
        share_above: Share of all planted copies above the start; those that the search lost are below.
    """

    knots: Floats
    share_above: float

    def density(self, scores: Floats) -> Floats:
        """Share of these copies per unit of score; above the last knot it falls off exponentially."""
        widths = np.diff(self.knots)
        each = 1.0 / (len(widths) + 1)
        place = np.clip(np.searchsorted(self.knots, scores, side="right") - 1, 0, len(widths) - 1)
        beyond = scores - self.knots[-1]
        reach = max(float(self.knots[-1] - self.knots[len(self.knots) // 2]), 1e-9)
        return np.where(beyond > 0, each / reach * np.exp(-np.maximum(beyond, 0.0) / reach), each / widths[place])

    def below(self, scores: Floats) -> Floats:
        """Share of these copies below each score; the last knot's successors are left out."""
        return np.asarray(np.interp(scores, self.knots, np.linspace(0.0, 1.0, len(self.knots))))


def _log_survival(excess: Floats | float, shape: Floats | float, scale: Floats | float) -> Floats:
    """Of a generalised Pareto distribution; shapes below 1e-9 stand for the exponential."""
    small = np.maximum(shape, 1e-9)
    return np.asarray(-np.log1p(small * (excess / np.asarray(scale))) / small)


def thin(values: Floats, n_points: int = 4000) -> tuple[Floats, float]:
    """At most so many quantiles of some values, ascending, and how many values each stands for."""
    if len(values) <= n_points:
        return np.sort(values), 1.0
    return np.quantile(values, (np.arange(n_points) + 0.5) / n_points), len(values) / n_points


def fit_tail(best: Floats, start: float, end: float, p_copy: Copying | None = None) -> Tail | None:
    """All tails that the scores between two marks do not refute; None where fewer than 10 scores are there.

    Args:
        best: Best scores, copies among them.
        start: Where the tail starts.
        end: Scores above it may be copies and do not enter.
        p_copy: How likely each score is a copy's; BELIEF of that is believed, as real copies are not like planted ones.
    """
    inside = best[(best > start) & (best <= end)]
    if len(inside) < MIN_INSIDE:
        return None
    points, each = thin(inside, _TAIL_POINTS)
    weight = np.ones(len(points)) if p_copy is None else 1.0 - BELIEF * p_copy(points)
    excess, total = points - start, each * float(weight.sum())
    grid = np.meshgrid(np.linspace(0.0, MAX_SHAPE, 11), float(excess.mean()) * np.exp(np.linspace(-1.5, 3.5, 91)))
    shapes, scales = grid[0].ravel(), grid[1].ravel()
    log_density = _log_survival(excess, shapes[:, None], scales[:, None])
    log_density -= np.log(scales[:, None] + shapes[:, None] * excess)
    beyond = np.exp(_log_survival(end - start, shapes, scales))
    log_likelihood = min(total, _WORTH) * (log_density @ (weight / weight.sum()) - np.log1p(-beyond))
    order = np.argsort(-log_likelihood, kind="stable")
    kept = order[log_likelihood[order] >= log_likelihood.max() - _REFUTED]
    return Tail(start, end, shapes[kept], scales[kept], total / (1.0 - beyond[kept]))


def _start(decoys: Floats) -> tuple[float, float]:
    """Where the tail starts by scores known to be chance, and the highest of them."""
    ordered = np.sort(decoys)[::-1]
    rank = min(_TOP_DECOYS, max(_FEW_DECOYS, len(ordered) // 20), len(ordered))
    return float(max(ordered[rank - 1], 0.0)), float(max(ordered[0], 0.0))


def scarce_tail(decoys: Floats, n: int) -> Tail:
    """Tail of n chance scores from a sample of such scores alone, for where too few others are to be seen.

    Args:
        decoys: At least 100 scores known to be chance.
        n: Number of scores whose tail is wanted.
    """
    start, top = _start(decoys)
    tail = fit_tail(decoys, start, top)
    if tail is not None:
        return Tail(tail.start, tail.end, tail.shapes, tail.scales, tail.counts * n / len(decoys))
    # Of a score that never came up, three in as many tries can be expected at most, at 95 %.
    return Tail(top, top, np.zeros(1), np.full(1, 1e12), np.full(1, 3.0 * n / len(decoys)))


def fit_copies(planted: Floats, start: float) -> Copies | None:
    """Distribution of planted scores (NaN = the search lost it) above a score; None where they are too few."""
    above = planted[planted > start]
    if len(above) < MIN_PLANTS:
        return None
    knots = np.quantile(above, np.linspace(0.0, 1.0, min(len(above) // 3, 40)))
    knots = np.unique(np.append(start, knots))
    return Copies(knots, len(above) / len(planted))


def copy_share(chance: Floats, copies: Floats) -> float:
    """Share of copies in a sample, by expectation-maximisation.

    Args:
        chance: (S,) density of each value were it chance.
        copies: (S,) its density were it a copy.
    """
    share = 0.5
    for _ in range(300):
        weight = share * copies
        updated = float(np.mean(weight / np.maximum(weight + (1 - share) * chance, 1e-300)))
        if abs(updated - share) < 1e-7:
            break
        share = updated
    return share


def fit_mixture(best: Floats, decoys: Floats, planted: Floats) -> tuple[Tail, Copies | None] | None:
    """The tail of chance and the distribution of copies; None where the tail cannot be seen.

    The upper mark begins at the highest decoy, and moves to where copies, by the mixture so far, begin to outnumber
    chance.

    Args:
        best: (M,) best score of each corpus image.
        decoys: Scores known to be chance, at least one.
        planted: Scores of planted copies; NaN = the search lost it.
    """
    start, least = _start(decoys)
    tail, copies = fit_tail(best, start, least), fit_copies(planted, start)
    if tail is None or copies is None:
        return None if tail is None else (tail, None)
    above, _ = thin(best[best > start])
    end = least
    for _ in range(6):
        p_copy = posterior(tail, copies, copy_share(tail.density(above) / tail.counts[0], copies.density(above)))
        outnumbered = above[(p_copy(above) >= 0.5) & (above > least)]
        mark = float(np.nextafter(outnumbered[0], least)) if len(outnumbered) else float(above[-1])
        found = fit_tail(best, start, mark, p_copy)
        if found is None or mark == end:
            break
        tail, end = found, mark
    return tail, copies


def posterior(tail: Tail, copies: Copies, share: float) -> Copying:
    """Probability of a copy by score above the tail's start, given the share of copies there."""

    def p_copy(scores: Floats) -> Floats:
        chance = (1.0 - share) * tail.density(scores) / tail.counts[0]
        copy = share * copies.density(scores)
        return np.asarray(copy / np.maximum(copy + chance, 1e-300))

    return p_copy
