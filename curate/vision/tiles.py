"""Which eval images does an image show on a part of itself? Thumbs of its parts are looked up among theirs.

A descriptor of a whole collage, screenshot or framed picture resembles none of what is shown on it. Its parts do:
features.py has a thumb of its content without margins and of each tile of the usual layouts. A part counts where one
eval image stands out, for among many parts and many eval images some thumbs are alike by chance.

Dimension letters: Q images, K parts of each, T side of a thumb, N thumbs of eval images, W of them near.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.features import SQUARE, THUMB_LENGTH, WHOLE
from curate.vision.neighbors import search

MIN_CORRELATION, MIN_LEAD = 0.5, 0.1
"""What the best eval image of a part must reach, and by how much it must lead. Of 752 tiles of collages that no
descriptor had brought up 511 do, and so does some part of every second photograph, at the cost of a comparison."""

_NEAR = 32  # thumbs that are compared in full, of those nearest at half the resolution


@dataclass(frozen=True)
class TileIndex:
    """Thumbs of an eval set: of each image and of the square in its middle, as they are and mirrored.

    Attributes:
        coarse_NC: float32, thumbs at half the resolution, of length 1.
        fine_NT: int8, thumbs, flat.
        owner: int64, N: which eval image each is of.
    """

    coarse_NC: NDArray[np.float32]
    fine_NT: NDArray[np.int8]
    owner: NDArray[np.int64]


def index_tiles(thumbs: Sequence[NDArray[np.int8] | None]) -> TileIndex:
    """Make an eval set ready for `find_tiles`.

    Args:
        thumbs: Of each eval image, as `features.thumbs_of` gives them; None where it cannot be read.
    """
    known = np.array([i for i, one in enumerate(thumbs) if one is not None], np.int64)
    straight = [one[part] for one in thumbs if one is not None for part in (WHOLE, SQUARE)]
    if not straight:
        return TileIndex(np.zeros((0, 1), np.float32), np.zeros((0, 1), np.int8), known)
    straight_NTT = np.stack(straight)
    all_NTT = np.concatenate([straight_NTT, straight_NTT[:, :, ::-1]])
    coarse_NC = _coarse(all_NTT)
    coarse_NC /= np.maximum(1.0, np.linalg.norm(coarse_NC, axis=1, keepdims=True))
    return TileIndex(coarse_NC, all_NTT.reshape(len(all_NTT), -1), np.tile(known.repeat(2), 2))


def find_tiles(
    thumbs_QKTT: NDArray[np.int8], index: TileIndex, device: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Eval images that stand out for a part of an image.

    Args:
        thumbs_QKTT: Thumbs of the parts of each image.
        index: The eval set.
        device: Where neighbours are searched.

    Returns:
        Image, eval image, and the correlation of the part that fits best, each pair once, sorted.
    """
    n_images, n_parts = thumbs_QKTT.shape[:2]
    if not n_images or not len(index.owner):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    flat_PTT = thumbs_QKTT.reshape(-1, *thumbs_QKTT.shape[2:])
    _, near_PW = search(_coarse(flat_PTT), index.coarse_NC, _NEAR, device=device)
    found: dict[tuple[int, int], float] = {}
    for image in range(n_images):
        rows = slice(image * n_parts, (image + 1) * n_parts)
        own_KT = flat_PTT[rows].reshape(n_parts, -1).astype(np.float32)
        near_KW = near_PW[rows]
        # Products of whole numbers, small enough for float32 to add them exactly.
        products_KW = np.einsum("kt,kwt->kw", own_KT, index.fine_NT[near_KW].astype(np.float32))
        for best, correlation in _outstanding(products_KW / THUMB_LENGTH**2, index.owner[near_KW]):
            found[image, best] = max(correlation, found.get((image, best), -1.0))
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    best_P = np.array([found[image, best] for image, best in pairs.tolist()], np.float64)
    return pairs[:, 0], pairs[:, 1], np.minimum(1.0, best_P)  # rounded thumbs are a little longer now and then


def _outstanding(correlation_KW: NDArray[Any], owner_KW: NDArray[np.int64]) -> list[tuple[int, float]]:
    """The eval image that leads for a part, and its correlation, for the parts that have one."""
    first_K = correlation_KW.argmax(axis=1)[:, None]
    best_K1 = np.take_along_axis(correlation_KW, first_K, 1)
    leader_K1 = np.take_along_axis(owner_KW, first_K, 1)
    second_K = np.where(owner_KW != leader_K1, correlation_KW, -1.0).max(axis=1)
    stands_out = (best_K1[:, 0] >= MIN_CORRELATION) & (best_K1[:, 0] - second_K >= MIN_LEAD)
    return list(zip(leader_K1[stands_out, 0].tolist(), best_K1[stands_out, 0].tolist(), strict=True))


def _coarse(thumbs_NTT: NDArray[np.int8]) -> NDArray[np.float32]:
    """Sums of 2 × 2 values, flat."""
    n, side = thumbs_NTT.shape[:2]
    blocks = thumbs_NTT.astype(np.float32).reshape(n, side // 2, 2, side // 2, 2)
    return np.ascontiguousarray(blocks.sum(axis=(2, 4)).reshape(n, -1))
