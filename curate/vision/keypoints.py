"""Keypoints of two images, and the alignments on which matched ones agree.

Nothing is drawn at random. Every matched keypoint has a place, a size and a direction, so a single match fixes a
similarity transform, and all of them can be tried: the result depends on the images alone.

Dimension letters: N keypoints, M matches.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.alignment import Proposal, compose, scale_of

Array = NDArray[Any]

MAX_MATCHES = 160
"""Best matches that are kept: each is tried against each, and a copy shows with far fewer."""

RATIO = 0.85
"""Largest ratio of the squared distances to the nearest and the second descriptor (0.92 of the distances): loose,
for geometry decides."""

MIN_INLIERS = 3
"""Fewer matches fix no transform that could be checked."""

_TOLERANCES_PX = (12.0, 6.0, 4.0, 4.0)  # of the least-squares rounds, in corpus pixels
_SCALE_STEP, _TURN = 0.5, 0.5  # agreement asked of matches: log of scale, radians
_STIFF = 25.0  # squared pixels by which a fit is held to a similarity; a squeeze needs matches that span the image

_LENGTH = 512.0
_BLOCK = 8  # rows: OpenBLAS starts threads from 2^18 products of numbers on, 8 × 64 × 400 is less

_PLACES = np.arange(128).reshape(4, 4, 8)
_MIRROR = _PLACES[::-1][:, :, -np.arange(8) % 8].ravel()
_FIRST = np.flatnonzero(np.arange(128) < _MIRROR)
_IN_PAIRS = np.concatenate([_FIRST, _MIRROR[_FIRST]])


def propose(
    eval_points: Array, eval_codes: Array, corpus_points: Array, corpus_codes: Array, eval_width: float
) -> list[Proposal]:
    """Alignments on which matched keypoints agree, as the eval image is and mirrored.

    Args:
        eval_points: float32, N × 4: x, y, size in pixels, direction in radians.
        eval_codes: uint8, N × 128: SIFT descriptors of equal length.
        corpus_points: Likewise, of the corpus image.
        corpus_codes: Likewise.
        eval_width: Width of the eval image in pixels.

    Returns:
        At most two per orientation, in no order.
    """
    if min(len(eval_points), len(corpus_points)) < MIN_INLIERS:
        return []
    found = []
    flip = np.array([[-1.0, 0.0, eval_width], [0.0, 1.0, 0.0]])
    for is_flipped, (in_eval, in_corpus) in enumerate(_match(eval_codes, corpus_codes)):
        there = eval_points[in_eval]
        if is_flipped:
            there[:, 0], there[:, 3] = eval_width - there[:, 0], np.pi - there[:, 3]
        for matrix, n in _vote(there.astype(np.float64), corpus_points[in_corpus].astype(np.float64)):
            found.append(Proposal(compose(matrix, flip) if is_flipped else matrix, n))
    return found


def codes_of(descriptors_ND: Array) -> Array:
    """SIFT descriptors as `propose` takes them: square roots (Arandjelović and Zisserman, CVPR 2012), in pairs.

    Mirroring an image swaps rows of cells and directions: number i of the first 64 with number i of the rest.

    Args:
        descriptors_ND: float32, N × 128.

    Returns:
        uint8, N × 128, each of length 512 but for rounding.
    """
    sums = np.maximum(descriptors_ND.sum(axis=1, keepdims=True), 1.0)
    roots = np.rint(np.sqrt(descriptors_ND[:, _IN_PAIRS] / sums) * _LENGTH)
    return np.asarray(np.minimum(roots, 255), np.uint8)


def _match(eval_codes: Array, corpus_codes: Array) -> list[tuple[Array, Array]]:
    """Matches (place in eval, place in corpus) with the eval image as it is, and mirrored.

    Mirroring swaps the numbers of a SIFT descriptor in pairs. Sums and differences of the pairs need two products for
    both orientations; all are whole numbers under 2^24, so float32 holds them exactly and no order of adding shows.
    """
    first, second = eval_codes[:, :64].astype(np.float32), eval_codes[:, 64:].astype(np.float32)
    other_first, other_second = corpus_codes[:, :64].astype(np.float32), corpus_codes[:, 64:].astype(np.float32)
    even = _product(other_first + other_second, first + second)
    odd = _product(other_first - other_second, first - second)
    return [_nearest(even + odd), _nearest(even - odd)]


def _product(left_N: Array, right_N: Array) -> Array:
    """Left @ right.T in blocks so small that BLAS stays in the calling thread; other workers need the cores."""
    rows = np.zeros((-(-len(left_N) // _BLOCK), _BLOCK, left_N.shape[1]), np.float32)
    rows.reshape(-1, left_N.shape[1])[: len(left_N)] = left_N
    products = rows @ np.ascontiguousarray(right_N.T)
    return np.asarray(products.reshape(-1, len(right_N))[: len(left_N)])


def _nearest(products: Array) -> tuple[Array, Array]:
    """Mutual nearest neighbours that pass the ratio test, best first; products are doubled and used up."""
    rows = np.arange(len(products))
    nearest = products.argmax(axis=1)
    best = products[rows, nearest]
    is_mutual = products.argmax(axis=0)[nearest] == rows
    products[rows, nearest] = -1.0
    next_best = products.max(axis=1)
    ratio = np.maximum(2 * _LENGTH**2 - best, 1.0) / np.maximum(2 * _LENGTH**2 - next_best, 1.0)
    kept = np.flatnonzero(is_mutual & (ratio < RATIO))
    kept = kept[np.argsort(ratio[kept], kind="stable")[:MAX_MATCHES]]
    return nearest[kept], kept


def _vote(there: Array, here: Array, n_wanted: int = 2) -> list[tuple[Array, int]]:
    """Fits around the single matches that most others agree with; matches come as M × 4 points."""
    if len(there) < MIN_INLIERS:
        return []
    growth = np.log(here[:, 2] / there[:, 2])
    turn = here[:, 3] - there[:, 3]
    factor = np.exp(growth)
    along, across = factor * np.cos(turn), factor * np.sin(turn)
    x, y = there[:, 0][None, :] - there[:, 0][:, None], there[:, 1][None, :] - there[:, 1][:, None]
    moved_x, moved_y = along[:, None] * x - across[:, None] * y, across[:, None] * x + along[:, None] * y
    miss_x = moved_x - (here[:, 0][None, :] - here[:, 0][:, None])
    miss_y = moved_y - (here[:, 1][None, :] - here[:, 1][:, None])
    # Size and direction of a keypoint are rough: what lies far from it may miss by more.
    allowed = 4.0 + 0.15 * np.sqrt(moved_x * moved_x + moved_y * moved_y)
    agree = miss_x * miss_x + miss_y * miss_y < allowed * allowed
    agree &= np.abs(growth[None, :] - growth[:, None]) < _SCALE_STEP
    agree &= np.abs((turn[None, :] - turn[:, None] + np.pi) % (2 * np.pi) - np.pi) < _TURN
    votes = agree.sum(axis=1)
    found = []
    for _ in range(n_wanted):
        first = int(votes.argmax())
        if votes[first] < MIN_INLIERS:
            break
        fitted = _polish(there, here, agree[first], growth)
        if fitted is not None:
            found.append(fitted)
        votes[agree[first]] = 0
    return found


def _polish(there: Array, here: Array, is_inlier: Array, growth: Array) -> tuple[Array, int] | None:
    """Least squares on the inliers, inliers of the result, and again with less tolerance."""
    for tolerance in _TOLERANCES_PX:
        matrix = _fit(there[is_inlier, :2], here[is_inlier, :2])
        scale = scale_of(matrix)
        if not 0.02 < scale < 50:
            return None
        misses = here[:, :2] - there[:, :2] @ matrix[:, :2].T - matrix[:, 2]
        is_inlier = np.hypot(misses[:, 0], misses[:, 1]) < tolerance * min(max(scale, 0.5), 1.0)
        is_inlier &= np.abs(growth - np.log(scale)) < 2 * _SCALE_STEP
        if is_inlier.sum() < MIN_INLIERS:
            return None
    return matrix, int(is_inlier.sum())


def _fit(there: Array, here: Array) -> Array:
    """The similarity transform of M × 2 points with least squares; from 5 points on it may squeeze and shear."""
    centre, target = there.mean(axis=0), here.mean(axis=0)
    there, here = there - centre, here - target
    spread = float(np.square(there).sum()) + 1e-9
    along = float((there * here).sum()) / spread
    across = float((there[:, 0] * here[:, 1] - there[:, 1] * here[:, 0]).sum()) / spread
    linear = np.array([[along, -across], [across, along]])
    if len(there) >= 5:
        hold = 0.05 * spread + len(there) * _STIFF
        linear = (here.T @ there + hold * linear) @ np.linalg.inv(there.T @ there + hold * np.eye(2))
    return np.concatenate([linear, (target - linear @ centre)[:, None]], axis=1)
