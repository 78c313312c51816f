"""What is kept of an image to compare it with others: keypoints, a small grey image, a smaller one in colour.

Dimension letters: N keypoints, H and W pixels, T side of a thumb.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.vision.keypoints import codes_of

Array = NDArray[Any]

# Engines run one worker per core; threads within a comparison would only take turns.
cv2.setNumThreads(1)

WORK_PX = 256
"""Longest side of the working image: keypoints of a ninth of a collage survive, and 17 ms find them."""

MIN_WORK_PX = 128
"""Smaller images are enlarged to this, for keypoints need some pixels around them."""

MAX_POINTS = 400
"""Keypoints kept, half of them the strongest and half the strongest of their neighbourhood."""

THUMB_LENGTH = 400.0
"""Length of a thumb as a vector."""

GRIDS = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (1, 3), (3, 2), (2, 3), (3, 3))
"""Columns and rows of collages whose tiles have thumbs."""

SQUARE, WHOLE = 1, 2
"""Places of the square in the middle and of the whole among the parts that have thumbs."""

SEAM = 1.6
"""By how much the difference across a seam must exceed that across other lines near it. Nine in ten parts of ordinary
photographs are below, and three in a hundred tiles that could be found."""

_SEAM_PX, _NEAR_PX = 4, 40  # how far a seam may lie from its place, and how far the lines that it is compared with
_MARGIN_STEP = 2.5  # grey levels between neighbouring rows: colour gradients and blurred pictures stay below
_MARGIN_END = 2.0  # and what ends them is so many times the usual
_MARGINS = 0.05  # share of the image that they must take
_THUMB_PX = 20
_CENTRE_PX = 7
_COLOUR_PX = 56


@dataclass(frozen=True, slots=True)
class Features:
    """What `compare` and `find_tiles` need of an image, at most 150 kB.

    Attributes:
        height: Of the image itself, in pixels.
        width: Likewise.
        luma_HW: uint8, the working image.
        colour_HW3: uint8 RGB, smaller still.
        points_N4: float32: x, y, size in working pixels, direction in radians.
        codes_ND: uint8, N × 128: square roots of SIFT descriptors (Arandjelović and Zisserman, CVPR 2012).
        boxes_K4: float32: left, top, right, bottom of the parts that have thumbs, in working pixels: the content, the
            square in the middle, then the tiles of GRIDS, the first of which is the whole.
        thumbs_KTT: int8, locally centred, of length THUMB_LENGTH.
        is_part_K: Which of these may be a picture of its own: the content if there are margins, and the tiles of a grid
            with an edge along each of its lines.
    """

    height: int
    width: int
    luma_HW: NDArray[np.uint8]
    colour_HW3: NDArray[np.uint8]
    points_N4: NDArray[np.float32]
    codes_ND: NDArray[np.uint8]
    boxes_K4: NDArray[np.float32]
    thumbs_KTT: NDArray[np.int8]
    is_part_K: NDArray[np.bool_]


def extract(pixels: NDArray[np.uint8]) -> Features:
    """Features of an image.

    Args:
        pixels: uint8, H × W × 3 RGB.
    """
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    luma = _luma(pixels)
    points, codes = _keypoints(luma)
    boxes = _boxes(luma)
    small, thumbs = _fit(pixels, _COLOUR_PX), _thumbs(luma, boxes)
    return Features(height, width, luma, small, points, codes, boxes, thumbs, _are_parts(luma, boxes))


def whole_thumbs(pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Thumbs of the whole and of the square in the middle alone, as `extract` gives them; 2 × T × T.

    Args:
        pixels: uint8, H × W × 3 RGB.
    """
    luma = _luma(np.ascontiguousarray(pixels))
    return _thumbs(luma, _boxes(luma)[[WHOLE, SQUARE]])


def _luma(pixels: Array) -> Array:
    """The working image."""
    luma = np.asarray(_fit(cv2.cvtColor(_fit(pixels, 2 * WORK_PX), cv2.COLOR_RGB2GRAY), WORK_PX), np.uint8)
    return _fit(luma, MIN_WORK_PX, grow=True) if max(luma.shape) < MIN_WORK_PX else luma


def _fit(pixels: Array, side_px: int, *, grow: bool = False) -> Array:
    """Scale so that the longer side has side_px pixels; smaller images stay as they are unless they may grow."""
    height, width = pixels.shape[:2]
    factor = side_px / max(height, width)
    if factor >= 1 and not grow:
        return pixels
    size = max(8, round(width * factor)), max(8, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC))


def _keypoints(luma: Array) -> tuple[Array, Array]:
    finder = cv2.SIFT.create(contrastThreshold=0.02, enable_precise_upscale=True)
    found, codes = finder.detectAndCompute(luma, None)
    if not found:
        return np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)
    rows = [(p.pt[0] + 0.5, p.pt[1] + 0.5, p.size, np.deg2rad(p.angle), p.response) for p in found]
    points = np.array(rows, np.float32)
    kept = _spread(points[:, :2], points[:, 4], luma.shape)
    return points[kept, :4], codes_of(codes[kept])


def _spread(places_N2: Array, strength_N: Array, shape: tuple[int, ...], n_cells: int = 6) -> Array:
    """Which keypoints to keep: a tile of a collage must not lose all its own to a busier one."""
    n = len(strength_N)
    if n <= MAX_POINTS:
        return np.arange(n)
    cells = np.minimum(places_N2 * n_cells / np.array(shape[1::-1]), n_cells - 1).astype(np.int64)
    cell = cells[:, 1] * n_cells + cells[:, 0]
    order = np.lexsort((-strength_N, cell))
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n) - np.searchsorted(cell[order], cell[order])
    is_kept = np.zeros(n, np.bool_)
    is_kept[np.lexsort((-strength_N, rank))[: MAX_POINTS // 2]] = True
    rest = np.argsort(np.where(is_kept, np.inf, -strength_N), kind="stable")
    is_kept[rest[: MAX_POINTS - MAX_POINTS // 2]] = True
    return np.flatnonzero(is_kept)


def _content(luma: Array) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of an image without margins; they may take up to 45 % of a side each."""
    height, width = luma.shape
    top, bottom = _margins(luma)
    left, right = _margins(luma[top : height - bottom].T)
    return left, top, width - right, height - bottom


def _margins(luma: Array) -> tuple[int, int]:
    """Rows at the beginning and at the end that differ little from one to the next, up to two that differ far more."""
    steps = np.abs(np.diff(luma.astype(np.float32), axis=0)).mean(axis=1)
    longest = int(0.45 * len(luma))

    def length(steps: Array) -> int:
        is_edge = steps > _MARGIN_STEP
        first = int(is_edge.argmax())
        ends_sharply = first > 0 and steps[first] > _MARGIN_END * max(1.0, float(np.median(steps[:first])))
        return min(longest, first + 1) if ends_sharply else 0

    return length(steps), length(steps[::-1])


def _boxes(luma: Array) -> Array:
    height, width = luma.shape
    side = min(height, width)
    square = (width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2
    boxes = [_content(luma), square]
    for columns, rows in GRIDS:
        for row in range(rows):
            edges = row * height // rows, (row + 1) * height // rows
            boxes += [(i * width // columns, edges[0], (i + 1) * width // columns, edges[1]) for i in range(columns)]
    return np.array(boxes, np.float32)


def _are_parts(luma: Array, boxes: Array) -> Array:
    (height, width), (left, top, right, bottom) = luma.shape, boxes[0]
    has_margins = (right - left) * (bottom - top) < (1 - _MARGINS) * height * width
    across, down = _differences(luma), _differences(luma.T)
    found = [has_margins, False]
    for columns, rows in GRIDS:
        lines = [(across, i * width // columns) for i in range(1, columns)]
        lines += [(down, i * height // rows) for i in range(1, rows)]
        is_grid = len(lines) > 0 and all(_is_seam(differences, at) for differences, at in lines)
        found += [is_grid] * (columns * rows)
    return np.array(found, np.bool_)


def _differences(luma: Array) -> Array:
    """Mean absolute difference of the pixels left and right of each column."""
    values = luma.astype(np.float32)
    return np.pad(np.abs(values[:, 2:] - values[:, :-2]).mean(axis=0), 1)


def _is_seam(differences: Array, at: int) -> bool:
    highest = differences[max(0, at - _SEAM_PX) : at + _SEAM_PX].max()
    usual = np.median(differences[max(0, at - _NEAR_PX) : at + _NEAR_PX])
    return bool(highest > SEAM * max(usual, 1.0))


def _thumbs(luma: Array, boxes: Array) -> Array:
    return np.stack([_thumb(luma[top:bottom, left:right]) for left, top, right, bottom in boxes.astype(np.int64)])


def _thumb(luma: Array) -> Array:
    small = cv2.resize(luma, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.blur(small, (_CENTRE_PX, _CENTRE_PX))
    small *= THUMB_LENGTH / max(1.0, float(np.linalg.norm(small)))
    return np.clip(np.rint(small), -127, 127).astype(np.int8)
