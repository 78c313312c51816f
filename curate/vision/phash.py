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
_CACHED_PX = 1 << 18  # pixels at once, so that a step finds in the cache what the step before it wrote
_KEPT = 8  # coefficients per axis
_CHUNK = 4096
_COSINES = np.round(
    65536.0 * np.cos(np.pi / (2 * SIDE_PX) * np.outer(np.arange(_KEPT), 2 * np.arange(SIDE_PX) + 1))
)  # DCT-II up to a factor, _KEPT × SIDE_PX


def shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink luma images to what `phash` takes.

    Long sides are halved by averaging pairs, then Lanczos with support scaled to the factor, as Pillow and so
    imagehash do it; averaging areas instead would move half as many bits again. Exact, thus equal everywhere, and
    for an image alone the same as among others.

    Args:
        grey: uint8 luma, H × W, or N × H × W for images of one shape, which share most of the cost.

    Returns:
        uint8, 32 × 32 or N × 32 × 32.
    """
    grey_NHW = grey if grey.ndim == 3 else grey[None]
    n, height, width = grey_NHW.shape
    small_N3232 = np.empty((n, SIDE_PX, SIDE_PX), np.uint8)
    at_once = max(1, _CACHED_PX // (height * width))
    for start in range(0, n, at_once):
        _shrink_chunk(grey_NHW[start : start + at_once], small_N3232[start : start + at_once])
    return small_N3232.reshape(*grey.shape[:-2], SIDE_PX, SIDE_PX)


def _shrink_chunk(grey_NHW: NDArray[np.uint8], out_N3232: NDArray[np.uint8]) -> None:
    true_height, true_width = grey_NHW.shape[1:]
    grey_NHW, step_y = _halve_rows(grey_NHW)
    grey_NHW, step_x = _halve_columns(grey_NHW)
    n, height, width = grey_NHW.shape
    pixels_NHW = grey_NHW.astype(np.float32)
    narrow_N32W = np.empty((n, SIDE_PX, width), np.float32)
    for row, start, stop, weights in _bands(height, true_height / step_y, 8):
        np.matmul(weights, pixels_NHW[:, start:stop], out=narrow_N32W[:, row : row + 8])
    # Rounded and clipped between the passes, as Pillow does; that also keeps the second one exact.
    _to_levels(narrow_N32W)
    small_N3232 = np.empty((n, SIDE_PX, SIDE_PX), np.float32)
    for column, start, stop, weights in _bands(width, true_width / step_x, 16):
        np.matmul(narrow_N32W[:, :, start:stop], weights.T, out=small_N3232[:, :, column : column + 16])
    out_N3232[:] = _to_levels(small_N3232)


def _halve_rows(grey_NHW: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Means of 2, 4, … rows, so that few enough are left, and how many; rows over at the end are left out."""
    step = 1
    while (height := grey_NHW.shape[1]) >= _HALVED_PX:
        upper, lower = grey_NHW[:, 0 : height // 2 * 2 : 2], grey_NHW[:, 1::2]
        # (a + b + 1) >> 1 without a wider type.
        grey_NHW, step = (upper | lower) - ((upper ^ lower) >> np.uint8(1)), step * 2
    return grey_NHW, step


def _halve_columns(grey_NHW: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The same for columns; two neighbours are read as one number, steps of two bytes would take far longer."""
    step = 1
    while (width := grey_NHW.shape[2]) >= _HALVED_PX:
        pairs = np.ascontiguousarray(grey_NHW[:, :, : width // 2 * 2]).view(np.uint16)
        sums = (pairs >> np.uint16(8)) + (pairs & np.uint16(255))
        sums += np.uint16(1)
        sums >>= np.uint16(1)
        grey_NHW, step = sums.astype(np.uint8), step * 2
    return grey_NHW, step


def _to_levels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of weights as whole levels 0 … 255, in place."""
    values *= np.float32(1 / _UNIT)
    np.rint(values, out=values)
    return values.clip(np.float32(0), np.float32(255), out=values)


@lru_cache(maxsize=8 * _HALVED_PX)
def _bands(n_px: int, extent: float, n_rows: int) -> list[tuple[int, int, int, NDArray[np.float32]]]:
    """`_lanczos` without most of its zeros.

    Products with so few rows also stay in the calling thread (OpenBLAS shares out those above 2^18 multiplications),
    and workers run beside each other already.

    Args:
        n_px: As in `_lanczos`.
        extent: Likewise.
        n_rows: Rows of weights in a band.

    Returns:
        First row, first pixel, last pixel + 1, and weights of each band.
    """
    weights, found = _lanczos(n_px, extent), []
    for row in range(0, SIDE_PX, n_rows):
        band = weights[row : row + n_rows]
        used = np.flatnonzero(band.any(axis=0))
        start, stop = int(used[0]), int(used[-1]) + 1
        found.append((row, start, stop, np.ascontiguousarray(band[:, start:stop])))
    return found


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
