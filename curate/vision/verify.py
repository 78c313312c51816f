"""Is one image a copy of another? Decided on the pixels, laid over each other.

Keypoints, and a few guesses that need none, propose how the images lie to each other (keypoints.py, alignment.py).
Every proposal is judged by the same measure: how well small windows of the two correlate, over all that they share
(agreement.py). Matched keypoints alone prove little (a logo, a frame, a stop sign have plenty of them); fine detail
that agrees everywhere does.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.vision.agreement import CHOSEN, FLOORS, agreeing_part, agreement, windows, without_outliers
from curate.vision.alignment import Frame, Proposal, overlay, refine
from curate.vision.features import THUMB_LENGTH, Features, extract
from curate.vision.keypoints import MIN_INLIERS, propose
from curate.vision.kinds import name_kinds, true_scale, turned_by

__all__ = ["Features", "Match", "compare", "extract"]

Array = NDArray[Any]

COARSE_PX, FINE_PX, CLOSE_PX = 64, 128, 256
"""Longest sides of the frames in which a proposal is judged; in the last one only what looks like a copy."""

CLOSE_WEIGHT = 0.25
"""What evidence in the closest frame counts: it has four times the windows. Look-alikes (another bank note, another
stop sign) fall apart there, copies only where their file is very poor."""

MIN_THUMB = 0.4
"""Least correlation of the thumbs at which whole images are laid over each other without keypoints to say so."""

WORTH_REFINING, WORTH_DETAIL = (0.35, -32.0), (0.45, -26.0)
"""Correlation and evidence of a first coarse look, and of the refined one, from which on a closer one is taken. Planted
copies are above; of proposals for other images, three in four are below the first and nine in ten below the second."""

ENOUGH = 60.0
"""Evidence at which no further alignment is tried."""

UNCOVERED = (0.35, 0.9)
"""Correlations between which it is seen whether something lies over the copy."""

MAX_SPREAD = {COARSE_PX: np.inf, FINE_PX: 8.0, CLOSE_PX: 8.0}
"""Grey levels by which what is not covered may differ: copies stay below 5, other prints of one design begin at 9. Thin
writing leaves next to nothing uncovered in a coarse frame, which decides nothing."""

ROUNDING, MIN_CONTRAST = 3, 5.0
"""Grey levels by which equal pictures may differ, and by which a picture must vary to be one."""

SEEN, TAKEN = (0.08, 0.3), (0.01, 0.06)
"""Shares of the eval image that must be seen, and of the corpus image that it must fill: evidence for a copy counts
nothing below the first and fully above the second number."""

NAMED = -20.0
"""Evidence from which on it is said what was done."""

PRIOR, SOFT = 10.0, 10.0
"""The score is SOFT × ln(1 + exp((evidence - PRIOR) / SOFT)): the evidence itself where there is much of it, and where
it speaks against a copy a number that fades out smoothly, so that chance has a tail that can be extrapolated."""

_NONE = -60.0  # evidence where nothing suggests a copy
_WHOLE = Proposal(np.eye(2, 3)).part


@dataclass(frozen=True, slots=True)
class Match:
    """What the pixels say of a pair.

    Attributes:
        score: Evidence that the corpus image shows the eval image, 0 = none, unbounded; higher = surer.
        n_inliers: Matched keypoints that agree with the alignment.
        correlation: Mean correlation of the aligned windows, -1 … 1.
        transform: Kinds of copy joined by '+', as in the table near_duplicates; what it is if it is one.
        scale: Pixels of the corpus image per pixel of the eval image, along a line.
        rotation: Degrees by which the eval image was turned, counter-clockwise, -180 … 180.
        box_left: Part of the eval image that is seen, as fractions of its sides.
        box_top: Likewise.
        box_right: Likewise.
        box_bottom: Likewise.
    """

    score: float
    n_inliers: int
    correlation: float
    transform: str
    scale: float
    rotation: float
    box_left: float
    box_top: float
    box_right: float
    box_bottom: float


@dataclass(frozen=True, slots=True)
class _Judged:
    """A proposal with what the pixels say of it; evidence may be negative."""

    evidence: float
    correlation: float
    proposal: Proposal
    frame: Frame | None = None
    trusted: Frame | None = None  # the frame, what lies over the copy masked out
    votes_GG: Array | None = None


def compare(eval_image: Features, corpus_image: Features) -> Match:
    """How sure is it that the corpus image shows the eval image, and what was done to it?

    Args:
        eval_image: Features of the eval image.
        corpus_image: Features of the corpus image.
    """
    best = _best(eval_image, corpus_image)
    return _describe(best, eval_image, corpus_image)


def _best(one: Features, other: Features) -> _Judged:
    width = one.luma_HW.shape[1]
    by_points = propose(one.points_N4, one.codes_ND, other.points_N4, other.codes_ND, width)
    by_points = sorted(by_points, key=lambda p: -p.n_inliers)[:2]
    by_thumbs, likeness = _by_thumbs(one, other)
    best = _Judged(_NONE + 30.0 * likeness, likeness, Proposal(np.eye(2, 3)))
    for proposal in [p for p in by_points if p.n_inliers > MIN_INLIERS] + by_thumbs:
        judged = _judge_closer(one, other, proposal)
        if judged.evidence > best.evidence:
            best = judged
        if best.evidence > ENOUGH:
            break
    best = _judge_closest(one, other, best) if best.evidence > 0 else best
    return replace(best, evidence=max(best.evidence, ENOUGH)) if _is_same_picture(one, other) else best


def _is_same_picture(one: Features, other: Features) -> bool:
    """Equal but for what decoders round: surely the same, however little there is to see on it."""
    if one.luma_HW.shape != other.luma_HW.shape or one.luma_HW.std() < MIN_CONTRAST:
        return False
    return bool(cv2.absdiff(one.luma_HW, other.luma_HW).max() <= ROUNDING)


def _by_thumbs(one: Features, other: Features) -> tuple[list[Proposal], float]:
    """The eval image, its content or its middle laid over the corpus image, its content or a tile of it.

    Returns:
        At most one proposal per orientation, and the best correlation of thumbs.
    """
    own, theirs = one.thumbs_KTT[:3].astype(np.float32), other.thumbs_KTT.astype(np.float32)
    found, likeness = [], -1.0
    for is_flipped in (False, True):
        table = own.reshape(3, -1) @ (theirs[:, :, ::-1] if is_flipped else theirs).reshape(len(theirs), -1).T
        i, j = divmod(int(table.argmax()), len(theirs))
        alike = float(table[i, j]) / THUMB_LENGTH**2
        likeness = max(likeness, alike)
        if alike >= MIN_THUMB:
            found.append(Proposal(_rectangles(one.boxes_K4[i], other.boxes_K4[j], is_flipped)))
    return found, likeness


def _rectangles(own: Array, theirs: Array, is_flipped: bool) -> Array:
    """The alignment that takes one rectangle to the other."""
    wide, tall = (theirs[2:] - theirs[:2]) / (own[2:] - own[:2])
    down = [0.0, tall, theirs[1] - tall * own[1]]
    if is_flipped:
        return np.array([[-wide, 0.0, theirs[2] + wide * own[0]], down], np.float64)
    return np.array([[wide, 0.0, theirs[0] - wide * own[0]], down], np.float64)


def _judge_closer(one: Features, other: Features, proposal: Proposal) -> _Judged:
    """Judge a proposal coarsely, refine it, and if that looks like a copy, do so again in detail."""
    best = _judge(one, other, proposal, COARSE_PX)
    if best.correlation < WORTH_REFINING[0] or best.evidence < WORTH_REFINING[1]:
        return best
    best = _refined(one, other, best, COARSE_PX)
    part = _agreeing_part(one, best)
    if part is not None:
        smaller = _refined(one, other, _judge(one, other, best.proposal._replace(part=part), COARSE_PX), COARSE_PX)
        best = smaller if smaller.evidence > best.evidence else best
    if best.correlation < WORTH_DETAIL[0] or best.evidence < WORTH_DETAIL[1]:
        return best
    return _refined(one, other, _judge(one, other, best.proposal, FINE_PX), FINE_PX)


def _judge_closest(one: Features, other: Features, fine: _Judged) -> _Judged:
    """Add what the full detail of the working images says, where they have more than was judged already."""
    close = _judge(one, other, fine.proposal, CLOSE_PX)
    if fine.frame is None or close.frame is None or close.frame.eval_HW.size < 1.5 * fine.frame.eval_HW.size:
        return fine
    return replace(fine, evidence=fine.evidence + CLOSE_WEIGHT * close.evidence)


def _refined(one: Features, other: Features, start: _Judged, side_px: int) -> _Judged:
    matrix = refine(start.trusted, start.proposal.matrix, 6) if start.trusted is not None else None
    if matrix is None:
        return start
    moved = _judge(one, other, start.proposal._replace(matrix=matrix), side_px)
    return moved if moved.evidence > start.evidence else start


def _judge(one: Features, other: Features, proposal: Proposal, side_px: int) -> _Judged:
    frame = overlay(one.luma_HW, other.luma_HW, proposal, side_px)
    if frame is None:
        return _Judged(_NONE, 0.0, proposal)
    found, trusted = agreement(frame, in_detail=side_px != COARSE_PX), frame
    evidence = float(found.votes_GG.sum())
    if UNCOVERED[0] < found.correlation < UNCOVERED[1] and (uncovered := without_outliers(frame, MAX_SPREAD[side_px])):
        rest = agreement(uncovered, in_detail=side_px != COARSE_PX)
        left = float(rest.votes_GG.sum()) - CHOSEN * max(0.0, found.n_windows - rest.n_windows)
        if left > evidence:
            found, trusted, evidence = rest, uncovered, left
    if proposal.part != _WHOLE:
        evidence -= CHOSEN * found.n_windows
    if evidence > 0:
        evidence *= _ramp(frame.seen, *SEEN) * _ramp(frame.taken, *TAKEN)
    return _Judged(evidence, found.correlation, proposal, frame, trusted, found.votes_GG)


def _agreeing_part(one: Features, judged: _Judged) -> tuple[float, float, float, float] | None:
    """The part of the eval image to be judged alone."""
    found = agreeing_part(judged.votes_GG) if judged.votes_GG is not None else None
    if found is None or judged.frame is None:
        return None
    (height, width), (tall, wide) = judged.frame.eval_HW.shape, one.luma_HW.shape
    corners = judged.frame.to_eval @ np.array([found[0] * width, found[1] * height, [1.0, 1.0]])  # in eval pixels
    (left, right), (top, bottom) = corners[0] / wide, corners[1] / tall
    return float(left), float(top), float(right), float(bottom)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _describe(best: _Judged, one: Features, other: Features) -> Match:
    score = SOFT * float(np.logaddexp(0.0, (best.evidence - PRIOR) / SOFT))
    matrix, frame = best.proposal.matrix, best.frame
    transform, box = "", np.array([0.0, 0.0, 1.0, 1.0])
    if frame is not None:
        height, width = one.luma_HW.shape
        rows, columns = frame.eval_HW.shape
        box = (frame.to_eval @ np.array([[0, columns], [0, rows], [1, 1]])).T.ravel() / [width, height, width, height]
        if best.evidence > NAMED:
            correlated = windows(frame.eval_HW, frame.corpus_HW, frame.mask_HW, FLOORS[0])
            transform = name_kinds(one, other, best.proposal, frame, *correlated)
    left, top, right, bottom = (float(x) for x in np.clip(box, 0.0, 1.0))
    scale, turn = true_scale(one, other, matrix), turned_by(matrix)
    return Match(score, best.proposal.n_inliers, best.correlation, transform, scale, turn, left, top, right, bottom)
