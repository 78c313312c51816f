"""Where in one image does another lie? Alignments, images laid over each other under them, and their refinement.

An alignment is a 2 × 3 matrix from positions in the eval image to positions in the corpus image. Positions are in
pixels of the working images, and continuous: the centre of the first pixel is (0.5, 0.5). A mirrored copy has an
alignment of negative determinant.

Dimension letters: H and W pixels.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Proposal(NamedTuple):
    """An alignment, how many matched keypoints speak for it, and the part of the eval image it is held to."""

    matrix: Array
    n_inliers: int = 0
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def compose(after: Array, before: Array) -> Array:
    """The alignment that applies `before`, then `after`."""
    return np.concatenate([after[:, :2] @ before[:, :2], (after[:, :2] @ before[:, 2] + after[:, 2])[:, None]], axis=1)


def invert(matrix: Array) -> Array:
    """The alignment backwards."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.concatenate([inverse, -(inverse @ matrix[:, 2])[:, None]], axis=1)


def scale_of(matrix: Array) -> float:
    """Corpus pixels per eval pixel, along a line."""
    return float(np.sqrt(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])))


class Frame(NamedTuple):
    """Both images over the area that they share, in the upright eval image, at a common resolution.

    Attributes:
        eval_HW: float32 luma.
        corpus_HW: float32 luma of the corpus image, carried back.
        mask_HW: float32, 1 where the corpus image has a pixel, else 0.
        to_eval: Alignment from the frame to the eval image.
        seen: Share of the eval image that the corpus image shows, 0 … 1.
        taken: Share of the corpus image that it fills, 0 … 1.
    """

    eval_HW: Array
    corpus_HW: Array
    mask_HW: Array
    to_eval: Array
    seen: float
    taken: float


def overlay(eval_HW: Array, corpus_HW: Array, proposal: Proposal, side_px: int) -> Frame | None:
    """Lay two images over each other; None where they share too little.

    Args:
        eval_HW: uint8 luma.
        corpus_HW: uint8 luma.
        proposal: How they lie.
        side_px: Longest side of the frame. It is never finer than either image.
    """
    matrix = proposal.matrix
    box = shared_box(matrix, eval_HW.shape, corpus_HW.shape, proposal.part)
    if box is None:
        return None
    (left, top, right, bottom), seen, taken = box
    scale = scale_of(matrix)
    rate = min(1.0, scale, side_px / max(right - left, bottom - top))
    width, height = max(8, round((right - left) * rate)), max(8, round((bottom - top) * rate))
    if max(width, height) < 12:
        return None
    to_eval = np.array([[(right - left) / width, 0.0, left], [0.0, (bottom - top) / height, top]])
    size = (width, height)
    own, _ = sample(eval_HW, to_eval, size, rate)
    other, mask = sample(corpus_HW, compose(matrix, to_eval), size, rate / scale)
    return Frame(own, other, mask, to_eval, seen, taken)


def shared_box(
    matrix: Array, eval_shape: tuple[int, ...], corpus_shape: tuple[int, ...], part: tuple[float, ...]
) -> tuple[tuple[float, float, float, float], float, float] | None:
    """Box (left, top, right, bottom) around the shared area in eval pixels, and its share of either image."""
    height, width = eval_shape[:2]
    tall, wide = corpus_shape[:2]
    left, top, right, bottom = (x * side for x, side in zip(part, (width, height, width, height), strict=True))
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    there = (corners @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    area, shape = cv2.intersectConvexConvex(there, np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32))
    if shape is None or area < 1:
        return None
    back = invert(matrix)
    shared = shape.reshape(-1, 2).astype(np.float64) @ back[:, :2].T + back[:, 2]
    left, top = np.maximum(shared.min(axis=0), [left, top])
    right, bottom = np.minimum(shared.max(axis=0), [right, bottom])
    if min(right - left, bottom - top) < 1:
        return None
    seen = min(1.0, area / (scale_of(matrix) ** 2 * width * height))
    return (float(left), float(top), float(right), float(bottom)), seen, min(1.0, area / (wide * tall))


def sample(image_HW: Array, to_image: Array, size: tuple[int, int], rate: float) -> tuple[Array, Array]:
    """Sample an image at the pixels of a frame, after shrinking it to about the frame's resolution.

    Args:
        image_HW: uint8, grey or RGB.
        to_image: Alignment from the frame to the image.
        size: Width and height of the frame.
        rate: Pixels of the frame per pixel of the image.

    Returns:
        float32 values, repeated beyond the image's edge, and a float32 mask that is 1 within it.
    """
    if rate < 0.9:
        height, width = image_HW.shape[:2]
        smaller = max(4, round(height * rate)), max(4, round(width * rate))
        image_HW = cv2.resize(image_HW, smaller[::-1], interpolation=cv2.INTER_AREA)
        to_image = to_image * np.array([[smaller[1] / width], [smaller[0] / height]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = to_image.copy()
    pixels[:, 2] += to_image[:, :2] @ [0.5, 0.5] - 0.5
    sampled = cv2.warpAffine(image_HW.astype(np.float32), pixels, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    ones = np.ones(image_HW.shape[:2], np.float32)
    inside = cv2.warpAffine(ones, pixels, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return sampled, (inside > 0.99).astype(np.float32)


def refine(frame: Frame, matrix: Array, n_steps: int) -> Array | None:
    """Shift, turn, squeeze and shear the corpus image for the best correlation with the eval image.

    Enhanced correlation coefficient (Evangelidis and Psarakis, PAMI 2008); None where it finds no way.

    Args:
        frame: Both images under `matrix`.
        matrix: Alignment.
        n_steps: Gauss-Newton steps.
    """
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, n_steps, 1e-4)
    start, mask = np.eye(2, 3, dtype=np.float32), frame.mask_HW.astype(np.uint8)
    try:
        _, shift = cv2.findTransformECC(frame.eval_HW, frame.corpus_HW, start, cv2.MOTION_AFFINE, stop, mask, 5)
    except cv2.error:
        return None
    moved = shift.astype(np.float64)
    if not np.isfinite(moved).all() or not 0.5 < scale_of(moved) < 2:
        return None
    moved[:, 2] += 0.5 - moved[:, :2] @ [0.5, 0.5]
    return compose(compose(matrix, frame.to_eval), compose(moved, invert(frame.to_eval)))
