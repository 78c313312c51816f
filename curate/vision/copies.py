"""When is a match close enough to be a copy? Thresholds from the data, for a wanted precision.

Nothing here knows an encoder or a scale of similarity: the background that false matches come from is read off the
matches themselves.
"""

import numpy as np
from numpy.typing import NDArray

MIN_DECOYS = 100
"""Fewer decoys say too little about a tail."""

MIRROR = np.uint64(0x5555555555555555)
"""Mirroring an image changes the sign of every odd column of its DCT: those bits of its perceptual hash turn over,
but for a few near the median."""

_TAIL = 30
_FIT_COUNT = 30  # pairs at a distance that make its frequency trustworthy


def informative(codes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which perceptual hashes say something. They are cut at their median; a flat picture has few bits of one kind."""
    return np.asarray(np.abs(np.bitwise_count(codes).astype(np.int64) - 32) <= 8)


def threshold(
    targets: NDArray[np.float64], decoys: NDArray[np.float64], precision: float
) -> tuple[float, NDArray[np.float64]]:
    """The lowest score at which the expected share of false hits stays within bounds.

    Decoys are scores of what is known to be false, distributed like the false ones among the targets. The number of
    false hits above a score is estimated by counting them (target-decoy search, Elias and Gygi, Nature Methods 2007).
    Among the last 30 decoys counting is too coarse: an exponential tail through them counts on in fractions, so that
    a corpus without copies reports none.

    Args:
        targets: Scores of all that was searched for; higher = more like a copy.
        decoys: Scores of as many or more decoys; fewer count for more each.
        precision: Wanted share of true hits, in (0, 1].

    Returns:
        The threshold, inf where none is good enough, and for every target the estimated share of false hits among
        those that score at least as high (its q-value), in [0, 1].
    """
    if len(decoys) < MIN_DECOYS or not len(targets):
        return np.inf, np.ones(len(targets))
    order = np.argsort(-targets, kind="stable")
    scores = targets[order]
    n_hits = len(targets) - np.searchsorted(np.sort(targets), scores, side="left")
    n_false = _expected_above(np.sort(decoys), scores)
    share = np.minimum(1.0, n_false * (len(targets) / len(decoys)) / n_hits)
    q_value = np.minimum.accumulate(share[::-1])[::-1]
    accepted = np.flatnonzero(share <= 1.0 - precision + 1e-12)
    found = np.empty(len(targets))
    found[order] = q_value
    return (float(scores[accepted[-1]]) if len(accepted) else np.inf), found


def _expected_above(decoys: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected number of decoys at or above each score; decoys come sorted."""
    counted = len(decoys) - np.searchsorted(decoys, scores, side="left")
    start = decoys[-_TAIL - 1]
    excess = max(float(np.mean(decoys[-_TAIL:] - start)), 1e-12)
    tail = _TAIL * np.exp(-np.maximum(scores - start, 0.0) / excess)
    return np.where(scores > start, np.maximum(counted, tail), counted)


def background(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected numbers of pairs at each Hamming distance, had there been no copies among them.

    The histogram of distances between different pictures falls ever faster towards 0 (its logarithm is concave, as a
    binomial's is). Copies and look-alikes show as the place where it stops doing so. From there on, and where pairs
    are too few to count on, the last trustworthy ratio continues it.

    Args:
        counts: Pairs by distance, 0 to 64.

    Returns:
        float64, 65.
    """
    # Hashes cut at their median have 32 bits set, so that all distances are even: two levels make one.
    levels = np.append(counts, 0).reshape(33, 2).sum(axis=1).astype(np.float64)
    level = int(levels.argmax())
    ratio = 1.0
    while level > 0 and levels[level - 1] >= _FIT_COUNT and levels[level - 1] / levels[level] <= ratio:
        ratio = levels[level - 1] / levels[level]
        level -= 1
    ratio = min(ratio, 0.9)
    levels[:level] = levels[level] * ratio ** np.arange(level, 0, -1)
    return np.repeat(levels / 2.0, 2)[:65]


def hamming_threshold(
    found: NDArray[np.int64], expected: NDArray[np.float64], precision: float
) -> tuple[int, NDArray[np.float64]]:
    """The largest Hamming distance at which chance explains few enough of the pairs found.

    Args:
        found: Pairs by distance, from 0.
        expected: Pairs by distance that chance alone would give, same length.
        precision: Wanted share of true pairs, in (0, 1].

    Returns:
        The distance, -1 where none will do, and by distance the expected share of chance among pairs at least as
        close, in [0, 1].
    """
    share = np.minimum(1.0, np.cumsum(expected) / np.maximum(1, np.cumsum(found)))
    share = np.maximum.accumulate(share)
    accepted = np.flatnonzero(share <= 1.0 - precision)
    return (int(accepted[-1]) if len(accepted) else -1), share


def components(n: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Connected components of a graph.

    Args:
        n: Number of nodes.
        left: One end of each edge.
        right: The other end.

    Returns:
        int64, n: the smallest node of each node's component.
    """
    label = np.arange(n, dtype=np.int64)
    while len(left):
        low, high = np.minimum(label[left], label[right]), np.maximum(label[left], label[right])
        np.minimum.at(label, high, low)  # both are roots: the higher one goes below the lower
        while not np.array_equal(label, label[label]):
            label = label[label]
        apart = label[left] != label[right]
        left, right = left[apart], right[apart]
    return label


def stars(n: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clusters of a graph in which every member is a neighbour of one and the same member.

    Connected components chain look-alikes: a resembles b, b resembles c, and a photograph ends up with another one.
    Here the node with the most neighbours takes all of them, then the next that is left, and so on: two members are
    at most two edges apart.

    Args:
        n: Number of nodes.
        left: One end of each edge.
        right: The other end.

    Returns:
        int64, n: the smallest node of each node's cluster.
    """
    ends = np.concatenate([np.stack([left, right], axis=1), np.stack([right, left], axis=1)])
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    starts = np.searchsorted(ends[:, 0], np.arange(n + 1))
    degree = np.diff(starts)
    label = np.arange(n, dtype=np.int64)
    is_taken = np.zeros(n, bool)
    linked = np.flatnonzero(degree)
    for centre in linked[np.argsort(-degree[linked], kind="stable")].tolist():
        if is_taken[centre]:
            continue
        around = ends[starts[centre] : starts[centre + 1], 1]
        members = np.append(around[~is_taken[around]], centre)
        is_taken[members] = True
        label[members] = members.min()
    return label
