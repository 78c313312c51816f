"""What was done to a copy? Read off the alignment, the rest of the corpus image, and the pixels over each other.

The kinds are those of the table near_duplicates. They are named for people who look at what was found; no decision
hangs on them. Limits lie between what planted copies of each kind show (a recompressed copy is aligned to 0.03 degrees
and 0.2 % of its size, say), rather nearer to the smallest change that a person would name.

Dimension letters: G windows on a grid over the frame, K pixels.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.vision.alignment import Frame, Proposal, compose, sample, scale_of, shared_box
from curate.vision.features import Features

Array = NDArray[Any]

MIN_TURN = 0.7
"""Degrees that count as a rotation."""

MIN_CUT = 0.03
"""Share of a side that must be missing for a crop."""

MIN_REST = 0.03
"""Share of the corpus image that must lie outside the copy for a border, a screenshot or a collage."""

REST_TEXTURE = (0.03, 0.5)
"""Share of that rest with structure: a border has less than the first, a collage more than the second."""

MIN_RESIZE = 0.02
"""Relative change of a side that counts."""

COLOUR_LIMITS = {"contrast": 0.15, "brightness": 6.0, "tint": 6.0, "saturation": 0.25}
"""Least change to be called one of colour: logarithms of factors, and grey levels."""

MAX_GREY = 0.15
"""What grayscale leaves of the colourfulness, at most; compression adds some again."""

BLURRED = (1.35, 1.8)
"""Factor by which the eval image is sharper than a blurred copy of its size, and than one that is shown smaller."""

MIN_COVERED = 0.03
"""Share of the frame whose windows must disagree for an overlay."""

MAX_EQUAL = 0.1
"""Mean difference, in grey levels, up to which pixels are the same."""


class Signs(NamedTuple):
    """What kinds are told by.

    Attributes:
        is_flipped: Mirrored.
        turn: Degrees, counter-clockwise.
        cut: Largest share of a side of the eval image that lies beyond the corpus image.
        rest: Share of the corpus image outside the box around the copy.
        texture: Share of that with structure.
        resize: Largest relative change of a side, up or down.
        scale: Corpus pixels per eval pixel, along a line.
        colourful: Mean difference between the channels of the eval image, in grey levels.
        saturation: That of the corpus image, as a factor.
        contrast: A factor.
        brightness: Change in grey levels.
        tint: How differently the channels changed, in grey levels.
        sharper: Fine detail of the eval image, as a factor of the corpus image's.
        covered: Share of the frame that does not agree, or was left out for that.
        difference: Mean absolute difference, in grey levels.
    """

    is_flipped: bool
    turn: float
    cut: float
    rest: float
    texture: float
    resize: float
    scale: float
    colourful: float
    saturation: float
    contrast: float
    brightness: float
    tint: float
    sharper: float
    covered: float
    difference: float


def name_kinds(
    one: Features, other: Features, proposal: Proposal, frame: Frame, correlation_GG: Array, weight_GG: Array
) -> str:
    """Kinds of copy, joined by '+'.

    Args:
        one: The eval image.
        other: The corpus image.
        proposal: How they lie.
        frame: Both, in detail.
        correlation_GG: Correlation of the windows of the frame.
        weight_GG: How much structure they have, 0 … 1.
    """
    return "+".join(_name(read_signs(one, other, proposal, frame, correlation_GG, weight_GG)))


def _name(signs: Signs) -> list[str]:
    found = [
        *(["hflip"] if signs.is_flipped else []),
        *(["rotate"] if abs(signs.turn) > MIN_TURN else []),
        *(["crop"] if signs.cut > MIN_CUT else []),
    ]
    place = ""
    if signs.rest > MIN_REST:
        plain, busy = REST_TEXTURE
        place = "border" if signs.texture < plain else "collage" if signs.texture > busy else "screenshot"
        found.append(place)
    # What is shown on a page or as a tile has another size as a rule.
    if signs.resize > MIN_RESIZE and place in ("", "border"):
        found.append("resize")
    found += _changed_colours(signs)
    if signs.sharper > BLURRED[bool(place) or signs.scale < 0.9]:
        found.append("blur")
    if signs.covered > MIN_COVERED and place != "collage":
        found.append("overlay")
    return found or ["identity" if signs.difference < MAX_EQUAL else "recompressed"]


def _changed_colours(signs: Signs) -> list[str]:
    if signs.colourful > 6 and signs.saturation < MAX_GREY:
        return ["grayscale"]
    shifted = {
        "contrast": abs(np.log(max(signs.contrast, 0.01))),
        "brightness": abs(signs.brightness),
        "tint": signs.tint,
        "saturation": abs(np.log(max(signs.saturation, 0.01))) if signs.colourful > 6 else 0.0,
    }
    return ["color"] if any(shifted[name] > least for name, least in COLOUR_LIMITS.items()) else []


def turned_by(matrix: Array) -> float:
    """Degrees by which an alignment turns the (perhaps mirrored) eval image, counter-clockwise as one sees it."""
    sign = -1.0 if np.linalg.det(matrix[:, :2]) < 0 else 1.0
    return float(-np.rad2deg(np.arctan2(sign * matrix[1, 0] - matrix[0, 1], sign * matrix[0, 0] + matrix[1, 1])))


def true_scale(one: Features, other: Features, matrix: Array) -> float:
    """Pixels of the corpus image itself per pixel of the eval image itself, along a line."""
    return scale_of(matrix) * _shrink(one) / _shrink(other)


def _shrink(image: Features) -> float:
    return float(np.sqrt(image.luma_HW.size / (image.height * image.width)))


def read_signs(
    one: Features, other: Features, proposal: Proposal, frame: Frame, correlation_GG: Array, weight_GG: Array
) -> Signs:
    """Measure all that kinds are told by; arguments as for `name_kinds`."""
    matrix, (height, width) = proposal.matrix, one.luma_HW.shape
    full = shared_box(matrix, one.luma_HW.shape, other.luma_HW.shape, Proposal(matrix).part)
    left, top, right, bottom = full[0] if full else (0.0, 0.0, float(width), float(height))
    cut = max(1 - (right - left) / width, 1 - (bottom - top) / height)
    rest, texture = _rest(other.luma_HW, matrix, np.array([[0.0, 0.0], [width, height]]))
    if rest > MIN_REST or cut > MIN_CUT:  # beyond the part may be other tiles; else something lies over the copy
        rest, texture = _rest(other.luma_HW, matrix, np.array(proposal.part).reshape(2, 2) * [width, height])
    eval_K3, corpus_K3 = _colours(one, other, matrix, frame, correlation_GG)
    colourful = [float(np.ptp(x, axis=1).mean()) for x in (eval_K3, corpus_K3)]
    contrast, brightness, tint = _tone(eval_K3, corpus_K3)
    sides = np.linalg.norm(matrix[:, :2], axis=0) * _shrink(one) / _shrink(other)
    inside = frame.mask_HW > 0
    disagrees = float(((correlation_GG < 0.25) & (weight_GG > 0.27)).mean())
    return Signs(
        is_flipped=bool(np.linalg.det(matrix[:, :2]) < 0), turn=turned_by(matrix), cut=cut, rest=rest, texture=texture,
        resize=float(np.exp(np.abs(np.log(np.maximum(sides, 1e-3))).max()) - 1), scale=true_scale(one, other, matrix),
        colourful=colourful[0], saturation=colourful[1] / max(colourful[0], 1e-3), contrast=contrast,
        brightness=brightness, tint=tint, sharper=_sharper(frame),
        covered=disagrees + (1 - frame.seen / max(full[1], 1e-3) if full else 0.0),
        difference=float(np.abs(frame.eval_HW - frame.corpus_HW)[inside].mean()) if inside.any() else 255.0,
    )  # fmt: skip


def _rest(corpus_HW: Array, matrix: Array, corners_22: Array) -> tuple[float, float]:
    """Share of the corpus image outside the box around the copy, and how much of that has structure."""
    (left, top), (right, bottom) = corners_22
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    there = corners @ matrix[:, :2].T + matrix[:, 2]
    tall, wide = corpus_HW.shape
    (left, top), (right, bottom) = np.clip([there.min(axis=0), there.max(axis=0)], 0, [wide, tall])
    share = float(1 - (right - left) * (bottom - top) / (wide * tall))
    outside = np.zeros(corpus_HW.shape, np.bool_)
    outside[2:-2, 2:-2] = True
    margin = 6  # a window that touches the copy would see its edge
    outside[max(0, int(top) - margin) : int(bottom) + margin, max(0, int(left) - margin) : int(right) + margin] = False
    if outside.sum() < 50:
        return share, 0.0
    values = corpus_HW.astype(np.float32)
    mean = cv2.blur(values, (7, 7))
    variance = cv2.blur(values * values, (7, 7)) - mean * mean
    return share, float((variance[outside] > 25.0).mean())


def _colours(one: Features, other: Features, matrix: Array, frame: Frame, correlation_GG: Array) -> tuple[Array, Array]:
    """Colours of the two images at the same places, where their windows agree, K × 3 each; coarse enough for both."""
    rows, columns = frame.eval_HW.shape
    per_pixel = frame.to_eval[0, 0] * one.colour_HW3.shape[1] / one.luma_HW.shape[1]  # small pixels per frame pixel
    theirs = frame.to_eval[0, 0] * scale_of(matrix) * other.colour_HW3.shape[1] / other.luma_HW.shape[1]
    step = 1 / min(per_pixel, theirs, 0.5)
    size = max(4, round(columns / step)), max(4, round(rows / step))
    to_frame = np.array([[columns / size[0], 0, 0], [0, rows / size[1], 0]])
    to_eval = compose(frame.to_eval, to_frame)
    agrees = cv2.resize(correlation_GG.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    inside = cv2.resize(frame.mask_HW, size, interpolation=cv2.INTER_AREA) > 0.99
    chosen = agrees & inside if (agrees & inside).sum() >= 20 else np.ones_like(agrees)
    own = _look_up(one, to_eval, size, per_pixel * step)
    return own[chosen], _look_up(other, compose(matrix, to_eval), size, theirs * step)[chosen]


def _look_up(image: Features, to_image: Array, size: tuple[int, int], per_pixel: float) -> Array:
    """Colours of an image at the pixels of a grid."""
    small, full = image.colour_HW3.shape, image.luma_HW.shape
    values, _ = sample(
        image.colour_HW3, to_image * [[small[1] / full[1]], [small[0] / full[0]]], size, min(1.0, 1 / per_pixel)
    )
    return values


def _tone(eval_K3: Array, corpus_K3: Array) -> tuple[float, float, float]:
    """Contrast as a factor, change of brightness, and how differently the channels changed, in grey levels."""
    own, theirs = eval_K3.mean(axis=1), corpus_K3.mean(axis=1)
    away = own - own.mean()
    contrast = float((away * theirs).sum() / np.square(away).sum()) if own.std() > 5 else 1.0
    change = (corpus_K3 - eval_K3).mean(axis=0)
    return contrast, float(change.mean()), float(np.ptp(change))


def _sharper(frame: Frame) -> float:
    inside = cv2.erode(frame.mask_HW, np.ones((5, 5), np.uint8)) > 0
    if not inside.any():
        return 1.0
    own, theirs = (_fineness(values, inside) for values in (frame.eval_HW, frame.corpus_HW))
    return own / theirs


def _fineness(values: Array, inside: Array) -> float:
    """Detail under two pixels as a factor of that under five."""
    fine, coarse = cv2.GaussianBlur(values, (0, 0), 0.7), cv2.GaussianBlur(values, (0, 0), 2.0)
    detail, shape = np.square(values - fine)[inside].mean(), np.square(fine - coarse)[inside].mean()
    return float(np.sqrt((detail + 0.3) / (shape + 0.3)))
