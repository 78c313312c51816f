"""How well do two images agree that lie over each other? Small windows are correlated and vote for or against a copy.

A correlation of windows does not change with brightness and contrast. What it says for a copy is the logarithm of a
likelihood ratio, read off copies and off the best alignments of look-alikes: about -ln(1 - r) less a constant.

Dimension letters: H and W pixels of a frame, G windows on a grid over it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.vision.alignment import Frame

Array = NDArray[Any]

WINDOW_PX = 7
"""Side of a window. Smaller ones have too few pixels to say much, larger ones lose more around an overlay."""

FLOORS = (3.0, 2.0, 1.0)
"""Variance that compression may add to a window, in squared grey levels, at full, half and quarter resolution."""

NEUTRAL = (1.6, 2.3, 3.0)
"""-ln(1 - r) of the correlation r that speaks neither way, at these resolutions: r = 0.80, 0.90, 0.95. One window in
twenty of a copy correlates less; coarse detail is alike in look-alikes too."""

MAX_FOR, MAX_AGAINST = 2.5, 1.5
"""What one window may say at most, in nats. The first keeps a few lines of shared text from making up for a picture
that differs, the second lets an overlay cover a third of a copy."""

ON_EDGES = 0.3
"""What agreement along a straight edge is worth: it fits any other edge along its length."""

ADDED = 0.3
"""What structure counts that only one of the images has: something may have been put over the other."""

MIN_PART, PART_GAIN = 0.5, 8.0
"""A part of the frame is judged alone if it is at least this share, and this much better than the whole, in nats."""

CHOSEN = 0.5
"""What a part loses per window, in nats, for having been chosen by its agreement."""

OUTLIER = 3.0
"""Standard deviations of the frame's own residuals (by their median) from which on a pixel shows something else."""

OUTLIERS = (0.02, 0.6)
"""Share of outliers at which they are left out: fewer change nothing, beyond more of them too little is left."""

_LEAST_OUTLIER = 8.0  # grey levels that compression alone may add beside edges
_STRIDE_PX = 4
_SHARE = _STRIDE_PX**2 / WINDOW_PX**2  # windows overlap: each stands for so much of one
_STRUCTURED = 4.0  # a window with so many times the floor's variance has half its weight
_SAME_PLACE = 0.8  # correlation of windows that surely show the same, for comparing their sharpness
_MIN_PIXELS = 200
_BLUR_SHOWS = 1.3
_BLURS = (0.5, 0.7, 0.9, 1.2, 1.6, 2.1)  # sigmas in pixels


class Agreement(NamedTuple):
    """What the windows of a frame say.

    Attributes:
        votes_GG: For (positive) and against a copy, in nats.
        correlation: Mean over windows, weighted by their structure, -1 … 1.
        n_windows: Sum of these weights: windows' worth of structure.
    """

    votes_GG: Array
    correlation: float
    n_windows: float


def agreement(frame: Frame, *, in_detail: bool) -> Agreement:
    """Correlate the windows of a frame.

    Args:
        frame: Both images.
        in_detail: At all three resolutions, told apart from straight edges, and the sharper image blurred like the
            other; else at the two coarser ones, of a frame of half the size.
    """
    own, other, mask = frame.eval_HW, frame.corpus_HW, frame.mask_HW
    first = 0 if in_detail else 1
    levels = list(_levels(own, other, mask, first))
    if in_detail:
        same = cv2.resize(levels[1][0], own.shape[::-1], interpolation=cv2.INTER_NEAREST) > _SAME_PLACE
        blurred = _same_blur(own, other, same & (mask > 0))
        levels = levels if blurred is None else list(_levels(*blurred, mask, first))
    total, products, weights = np.zeros(levels[0][0].shape, np.float32), 0.0, 1e-6
    for level, (correlation, weight) in enumerate(levels, first):
        votes = np.clip(-np.log(1.003 - np.minimum(correlation, 1.0)) - NEUTRAL[level], -MAX_AGAINST, MAX_FOR)
        if in_detail:
            votes *= np.where(votes > 0, ON_EDGES + (1 - ON_EDGES) * _corners(own), 1.0)
            own = _halved(own)
        # On the grid of the finest level, so that all levels' votes on a place can be added.
        spread = cv2.resize(votes * weight, total.shape[::-1], interpolation=cv2.INTER_NEAREST)
        total += spread * (_SHARE * votes.size / total.size)
        products, weights = products + float((correlation * weight).sum()), weights + float(weight.sum())
    return Agreement(total, products / weights, _SHARE * weights)


def without_outliers(frame: Frame, max_spread: float) -> Frame | None:
    """The frame without what was put over one of the images: writing, stickers, a watermark all across.

    Pixels of a copy differ by what compression leaves, all but the covered ones; a look-alike differs everywhere.

    Args:
        frame: Both images.
        max_spread: Grey levels by which what is not covered may differ.

    Returns:
        The same with another mask; None where outliers are too few or too many to be an overlay,
        or the rest does not agree closely.
    """
    own, other, mask = frame.eval_HW, frame.corpus_HW, frame.mask_HW > 0
    n_pixels = int(mask.sum())
    if n_pixels < _MIN_PIXELS:
        return None
    kept = mask
    for _ in range(4):
        mine, theirs = own[kept], other[kept]
        away = mine - mine.mean()
        gain = max(0.2, float((away * theirs).sum() / max(1e-3, float((away * away).sum()))))
        residual = np.abs(other - gain * own - np.median(theirs - gain * mine))
        spread = 1.48 * float(np.median(residual[mask]))
        kept = mask & (residual < max(_LEAST_OUTLIER * gain, OUTLIER * spread))
        if spread > max_spread * gain or kept.sum() < (1 - OUTLIERS[1]) * n_pixels:
            return None
    covered = cv2.dilate((mask & ~kept).astype(np.uint8), np.ones((2, 2), np.uint8))
    if not OUTLIERS[0] <= covered.sum() / n_pixels <= OUTLIERS[1]:
        return None
    return frame._replace(mask_HW=frame.mask_HW * (1 - covered).astype(np.float32))


def agreeing_part(votes_GG: Array) -> tuple[Array, Array] | None:
    """The rectangle with the highest sum of votes, where that is much above the whole's.

    What lies beyond the edge of a tile, or under a bar across the picture, is no evidence against the rest.

    Args:
        votes_GG: Votes of windows.

    Returns:
        Left and right, top and bottom as fractions of the frame; None where the whole is about as good.
    """
    if float(np.maximum(votes_GG, 0).sum()) < PART_GAIN:
        return None
    rows, columns = (np.unique(np.linspace(0, side, 13).astype(np.int64)) for side in votes_GG.shape)
    sums = np.zeros((votes_GG.shape[0] + 1, votes_GG.shape[1] + 1))
    sums[1:, 1:] = votes_GG.cumsum(axis=0).cumsum(axis=1)
    sums = sums[np.ix_(rows, columns)]
    strips = sums[None, :, :] - sums[:, None, :]
    inside = strips[:, :, None, :] - strips[:, :, :, None]  # first row, last row, first column, last column
    area = (rows[None, :] - rows[:, None])[:, :, None, None] * (columns[None, :] - columns[:, None])[None, None]
    inside = np.where(area >= MIN_PART * votes_GG.size, inside, -np.inf)
    top, bottom, left, right = np.unravel_index(int(inside.argmax()), inside.shape)
    if inside[top, bottom, left, right] < float(votes_GG.sum()) + PART_GAIN:
        return None
    return columns[[left, right]] / votes_GG.shape[1], rows[[top, bottom]] / votes_GG.shape[0]


def windows(own: Array, other: Array, mask: Array, floor: float) -> tuple[Array, Array]:
    """Correlate two images window by window.

    Args:
        own: float32, H × W.
        other: Likewise.
        mask: float32, 1 where both have pixels, else 0.
        floor: Variance that counts as none.

    Returns:
        float32 correlations, and weights in 0 … 1 by how much structure there is; 0 where little is in the mask.
    """
    mean = _window_means
    filled = mean(mask)
    norm = 1.0 / np.maximum(filled, 1e-3)
    mine, theirs = own * mask, other * mask
    m, t = mean(mine) * norm, mean(theirs) * norm
    own_var = np.maximum(mean(mine * own) * norm - m * m, 0.0)
    other_var = np.maximum(mean(theirs * other) * norm - t * t, 0.0)
    correlation = (mean(mine * other) * norm - m * t) / np.sqrt((own_var + floor) * (other_var + floor))
    most, least = np.maximum(own_var, other_var), _STRUCTURED * floor
    weight = (1 - ADDED) * own_var / (own_var + least) + ADDED * most / (most + least)
    return correlation, np.where(filled > 0.6, weight, 0.0)


def _levels(own: Array, other: Array, mask: Array, first: int) -> Iterator[tuple[Array, Array]]:
    """Correlations and weights of windows at full, half and quarter resolution."""
    for level in range(first, len(FLOORS)):
        yield windows(own, other, mask, FLOORS[level])
        own, other, mask = _halved(own), _halved(other), (_halved(mask) > 0.6).astype(np.float32)


def _halved(image: Array) -> Array:
    size = max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _window_means(values: Array) -> Array:
    smooth = cv2.boxFilter(values, -1, (WINDOW_PX, WINDOW_PX), borderType=cv2.BORDER_CONSTANT)
    top, left = (min(WINDOW_PX, side) // 2 for side in values.shape)
    return np.asarray(smooth[top::_STRIDE_PX, left::_STRIDE_PX])


def _corners(image: Array) -> Array:
    """0 where a window holds a straight edge, which fits any other along its length; 1 with structure both ways."""
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=1 / 8)
    xx, yy, xy = _window_means(across * across), _window_means(down * down), _window_means(across * down)
    gap = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    return np.asarray(np.minimum(1.0, 4.0 * (xx + yy - gap) / (xx + yy + gap + 2.0)))


def _same_blur(own: Array, other: Array, inside: Array) -> tuple[Array, Array] | None:
    """Blur the sharper one until both have as much fine detail for their coarse detail; None if they do already."""
    if inside.sum() < _MIN_PIXELS:
        return None
    ratios = [_fineness(x, inside) for x in (own, other)]
    if max(ratios) < _BLUR_SHOWS * min(ratios):
        return None
    sharp = own if ratios[0] > ratios[1] else other
    for sigma in _BLURS:
        blurred = cv2.GaussianBlur(sharp, (0, 0), sigma)
        if _fineness(blurred, inside) <= 1.05 * min(ratios):
            break
    return (blurred, other) if sharp is own else (own, blurred)


def _fineness(values: Array, inside: Array) -> float:
    """Energy of detail under two pixels, for that under five."""
    fine, coarse = cv2.GaussianBlur(values, (0, 0), 0.8), cv2.GaussianBlur(values, (0, 0), 2.0)
    return float((np.square(values - fine)[inside].mean() + 0.5) / (np.square(fine - coarse)[inside].mean() + 0.5))
