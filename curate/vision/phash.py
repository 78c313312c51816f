"""64-bit DCT perceptual hash, bit for bit that of imagehash.phash for the same 32 × 32 luma.

The cosines are rounded to integers, so every product and sum below is an integer under 2^53: float64 adds them
exactly, and a hash is the same on every machine, BLAS and batch size. Where imagehash compares rounding noise with
rounding noise (a flat picture), the coefficients are exactly 0 here.

Dimension letters: N images, H and W pixels.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 32
"""Images are shrunk to SIDE_PX × SIDE_PX before the transform."""

MIN_SIZE_PX = 128
"""Short side to which a reduced-size decode may go before the hash moves away from that of the full image."""

_HALVED_PX = 160  # length of a side from which averaging pairs of pixels first costs next to no accuracy
_LOBES = 3
_UNIT = 1 << 15  # weights are multiples of 1 / _UNIT: 255 × their absolute sum stays under 2^24, exact in float32
_GEMM_MAX = 1 << 18  # up to here OpenBLAS stays in the calling thread; workers run beside each other already
_KEPT = 8  # coefficients per axis
_CHUNK = 4096
_COSINES = np.round(
    65536.0 * np.cos(np.pi / (2 * SIDE_PX) * np.outer(np.arange(_KEPT), 2 * np.arange(SIDE_PX) + 1))
)  # DCT-II up to a factor, _KEPT × SIDE_PX


def shrink(grey_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a luma image to what `phash` takes.

    Long sides are halved by averaging pairs, then Lanczos with support scaled to the factor, as Pillow and so
    imagehash do it; averaging areas instead would move half as many bits again. Exact, thus equal everywhere.

    Args:
        grey_HW: uint8 luma, H × W.

    Returns:
        uint8, 32 × 32.
    """
    true_height, true_width = grey_HW.shape
    grey_HW, step_y = _halve(grey_HW)
    grey_WH, step_x = _halve(grey_HW.T)
    height, width = grey_WH.T.shape
    rows, pixels = _lanczos(height, true_height / step_y), grey_WH.T.astype(np.float32)
    narrow = np.empty((SIDE_PX, width), np.float32)
    at_once = _GEMM_MAX // (SIDE_PX * height)
    for start in range(0, width, at_once):
        np.matmul(rows, pixels[:, start : start + at_once], out=narrow[:, start : start + at_once])
    # Rounded and clipped between the passes, as Pillow does; that also keeps the second one exact.
    return _to_levels(_to_levels(narrow) @ _lanczos(width, true_width / step_x).T).astype(np.uint8)


def _halve(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Means of 2, 4, … rows, so that few enough are left, and how many; rows over at the end are left out."""
    step = 1
    while len(grey) >= _HALVED_PX:
        pairs = grey[0 : len(grey) // 2 * 2 : 2].astype(np.uint16) + grey[1::2]
        grey, step = ((pairs + np.uint16(1)) >> 1).astype(np.uint8), step * 2
    return grey, step


def _to_levels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of weights as whole levels 0 … 255, in place; np.clip alone would take longer than all of this."""
    values *= np.float32(1 / _UNIT)
    np.rint(values, out=values)
    np.maximum(values, np.float32(0), out=values)
    np.minimum(values, np.float32(255), out=values)
    return values


@lru_cache(maxsize=8 * _HALVED_PX)
def _lanczos(n_px: int, extent: float) -> NDArray[np.float32]:
    """Weights × _UNIT of n_px pixels for each of SIDE_PX, whole numbers; each row adds up to _UNIT.

    Args:
        n_px: Pixels that are there.
        extent: Length of the picture in such pixels; up to one more than n_px, where halving left some out.
    """
    step = extent / SIDE_PX
    stretch = max(step, 1.0)
    x = (np.arange(n_px) + 0.5 - (np.arange(SIDE_PX)[:, None] + 0.5) * step) / stretch
    weights = np.where(np.abs(x) < _LOBES, np.sinc(x) * np.sinc(x / _LOBES), 0.0)
    whole = np.round(weights / weights.sum(axis=1, keepdims=True) * _UNIT)
    # What rounding left over goes to the largest weight, so that a flat picture stays flat.
    whole[np.arange(SIDE_PX), whole.argmax(axis=1)] += _UNIT - whole.sum(axis=1)
    rounded: NDArray[np.float32] = whole.astype(np.float32)
    return rounded


def phash(greys_N3232: NDArray[Any]) -> NDArray[np.uint64]:
    """Perceptual hashes of a batch.

    The lowest 8 × 8 DCT-II coefficients, the constant one included; a bit is set where a coefficient exceeds the
    median of the 64 (Buchner's ImageHash, after Krawetz, "Looks Like It", 2011).

    Args:
        greys_N3232: Luma 0 … 255, N × 32 × 32, as `shrink` gives it.

    Returns:
        uint64, N: row by row, first bit highest, so that f"{hash:016x}" equals str(imagehash.phash(...)).
    """
    hashes = np.empty(len(greys_N3232), np.uint64)
    for start in range(0, len(greys_N3232), _CHUNK):
        greys = np.asarray(greys_N3232[start : start + _CHUNK], dtype=np.float64)
        coefficients = (_COSINES @ greys @ _COSINES.T).reshape(len(greys), _KEPT * _KEPT)
        bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
        hashes[start : start + _CHUNK] = np.packbits(bits, axis=1).view(">u8")[:, 0]
    return hashes


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Number of bits in which hashes differ, element by element with broadcasting.

    Args:
        a: uint64 hashes.
        b: uint64 hashes.

    Returns:
        uint8, 0 (equal) … 64.
    """
    return np.bitwise_count(np.bitwise_xor(a, b))
