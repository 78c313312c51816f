"""The descriptor that needs no download: colours, edge directions and coarse layout, made by hand, trained on nothing.

    layout      lowest frequencies of luma and of two opponent colours (DCT), as perceptual hashes use them
    edges       histograms of gradient direction on a 4 x 4 grid (Dalal and Triggs, CVPR 2005), unsigned
    texture     energy of gradients by direction at three scales, over the whole image
    colours     histogram of opponent colours over the whole image

Each group is centred, power-normalised (Perronnin et al., ECCV 2010), scaled to length 1 and weighted, so that a dot
product of two descriptors is a weighted mean of four correlations. All is computed in float64; rounding at the end
hides differences between processors.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VERSION = "builtin 1"
"""Raised whenever the same image would give another vector."""

SIZE_PX = 64
_EDGE_BINS, _GRID = 8, 4
_WEIGHTS = {"layout": 0.35, "edges": 0.35, "texture": 0.1, "colours": 0.2}
_POWERS = {"layout": 0.75, "edges": 0.5, "texture": 0.5, "colours": 0.5}
_LUMA_DCT, _CHROMA_DCT = 7, 4
DIM = 256


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe one image.

    Args:
        pixels: uint8 RGB, H × W × 3, any size.

    Returns:
        float32 of length DIM; its length is 1.
    """
    small = Image.fromarray(pixels).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
    rgb = np.asarray(small, dtype=np.float64) / 255.0
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = (red + green + blue) / 3.0
    opponents = (red - green) / 2.0, (red + green) / 4.0 - blue / 2.0
    groups = {
        "layout": _layout(luma, opponents),
        "edges": _edges(luma),
        "texture": _texture(luma),
        "colours": _colours(*opponents),
    }
    vector = np.concatenate([np.sqrt(_WEIGHTS[name]) * _unit(values, _POWERS[name]) for name, values in groups.items()])
    return _unit(vector, 1.0).astype(np.float32)


def _unit(values: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Signed power, then length 1; nothing to see gives a constant direction instead of none."""
    powered = np.sign(values) * np.abs(values) ** power
    length = np.sqrt((powered * powered).sum())
    if length < 1e-6:
        return np.full(len(values), len(values) ** -0.5)
    return np.asarray(powered / length)


def _layout(luma: NDArray[np.float64], opponents: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
    low = _cosines(_LUMA_DCT) @ luma @ _cosines(_LUMA_DCT).T
    chroma = [_cosines(_CHROMA_DCT) @ channel @ _cosines(_CHROMA_DCT).T for channel in opponents]
    return np.concatenate([low.ravel()[1:], *(part.ravel() for part in chroma)])


@cache
def _cosines(n: int) -> NDArray[np.float64]:
    """First n rows of the orthonormal DCT-II matrix."""
    row, column = np.arange(n)[:, None], np.arange(SIZE_PX)[None, :]
    matrix = np.sqrt(2.0 / SIZE_PX) * np.cos(np.pi * row * (2 * column + 1) / (2 * SIZE_PX))
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix)


def _energies(luma: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Gradient magnitude by direction (mod 180°), H × W × n_bins, shared between the two nearest bins."""
    dy, dx = np.gradient(luma)
    magnitude = np.hypot(dx, dy)
    place = (np.arctan2(dy, dx) / np.pi % 1.0) * n_bins
    lower = np.floor(place)
    share = place - lower
    first = lower.astype(np.intp) % n_bins
    bins = np.arange(n_bins)
    energies = np.where(bins == first[..., None], (magnitude * (1.0 - share))[..., None], 0.0)
    energies += np.where(bins == ((first + 1) % n_bins)[..., None], (magnitude * share)[..., None], 0.0)
    return np.asarray(energies)


def _edges(luma: NDArray[np.float64]) -> NDArray[np.float64]:
    side = SIZE_PX // _GRID
    energies = _energies(luma, _EDGE_BINS).reshape(_GRID, side, _GRID, side, _EDGE_BINS)
    cells = energies.sum(axis=(1, 3)).ravel()
    return np.asarray(cells - cells.mean())


def _texture(luma: NDArray[np.float64]) -> NDArray[np.float64]:
    totals = []
    for _ in range(3):
        totals.append(_energies(luma, 4).mean(axis=(0, 1)))
        half = luma.shape[0] // 2
        luma = luma.reshape(half, 2, half, 2).mean(axis=(1, 3))
    found = np.concatenate(totals)
    return np.asarray(found - found.mean())


def _colours(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Histogram over a 6 x 6 grid of opponent colours, finer near grey, shared between neighbouring bins."""
    n = 6
    soft = [(np.sign(c) * np.sqrt(np.abs(2.0 * c)) + 1.0) / 2.0 * (n - 1) for c in (first.ravel(), second.ravel())]
    shares = [np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(n))) for place in soft]
    histogram = shares[0].T @ shares[1] / len(soft[0])
    return np.asarray(histogram.ravel() - 1.0 / (n * n))
