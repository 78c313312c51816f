"""Which eval images does an image show on a part of itself? Thumbs of its parts are looked up among theirs.

A descriptor of a whole collage, screenshot or framed picture resembles none of what is shown on it. Its parts do:
features.py has a thumb of its content without margins and of each tile of the usual layouts, and tells which of them
may be pictures of their own. One counts where one eval image stands out: among many, some are alike by chance.

Dimension letters: P parts of images, T side of a thumb, N thumbs of eval images, W of them near.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.features import THUMB_LENGTH
from curate.vision.neighbors import search

MIN_CORRELATION, MIN_LEAD = 0.5, 0.1
"""What the best eval image of a part must reach, and by how much it must lead. Of 752 tiles of collages that no
descriptor had brought up 511 do."""

_NEAR = 32  # thumbs that are compared in full, of those nearest at half the resolution
_PARTS_AT_ONCE = 256


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
        thumbs: Of each eval image, as `features.whole_thumbs` gives them; None where it cannot be read.
    """
    known = np.array([i for i, one in enumerate(thumbs) if one is not None], np.int64)
    if not len(known):
        return TileIndex(np.zeros((0, 1), np.float32), np.zeros((0, 1), np.int8), known)
    straight_NTT = np.concatenate([one for one in thumbs if one is not None])
    all_NTT = np.concatenate([straight_NTT, straight_NTT[:, :, ::-1]])
    coarse_NC = _coarse(all_NTT)
    coarse_NC /= np.maximum(1.0, np.linalg.norm(coarse_NC, axis=1, keepdims=True))
    return TileIndex(coarse_NC, all_NTT.reshape(len(all_NTT), -1), np.tile(known.repeat(2), 2))


def find_tiles(
    thumbs_PTT: NDArray[np.int8], image_P: NDArray[np.int64], index: TileIndex, device: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Eval images that stand out for a part of an image.

    Args:
        thumbs_PTT: Thumbs of parts.
        image_P: Which image each is of.
        index: The eval set.
        device: Where neighbours are searched.

    Returns:
        Image, eval image, and the correlation of the part that fits best, each pair once, sorted.
    """
    found: dict[tuple[int, int], float] = {}
    if len(thumbs_PTT) and len(index.owner):
        _, near_PW = search(_coarse(thumbs_PTT), index.coarse_NC, _NEAR, device=device)
        for start in range(0, len(thumbs_PTT), _PARTS_AT_ONCE):
            rows = slice(start, start + _PARTS_AT_ONCE)
            near = near_PW[rows]
            own_PT = thumbs_PTT[rows].reshape(len(near), -1).astype(np.float32)
            # Products of whole numbers, small enough for float32 to add them exactly.
            products_PW = np.einsum("pt,pwt->pw", own_PT, index.fine_NT[near].astype(np.float32))
            best, correlation, stands_out = _leaders(products_PW / THUMB_LENGTH**2, index.owner[near])
            for i in np.flatnonzero(stands_out).tolist():
                pair = int(image_P[start + i]), int(best[i])
                found[pair] = max(float(correlation[i]), found.get(pair, -1.0))
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    correlation = np.array([found[image, best] for image, best in pairs.tolist()], np.float64)
    return pairs[:, 0], pairs[:, 1], np.minimum(1.0, correlation)  # rounded thumbs are a little longer now and then


def _leaders(correlation_PW: NDArray[Any], owner_PW: NDArray[np.int64]) -> tuple[Any, Any, NDArray[np.bool_]]:
    """The eval image nearest to each part, its correlation, and whether it stands out."""
    first_P1 = correlation_PW.argmax(axis=1)[:, None]
    best_P1 = np.take_along_axis(correlation_PW, first_P1, 1)
    leader_P1 = np.take_along_axis(owner_PW, first_P1, 1)
    second_P = np.where(owner_PW != leader_P1, correlation_PW, -1.0).max(axis=1)
    stands_out = (best_P1[:, 0] >= MIN_CORRELATION) & (best_P1[:, 0] - second_P >= MIN_LEAD)
    return leader_P1[:, 0], best_P1[:, 0], stands_out


def _coarse(thumbs_NTT: NDArray[np.int8]) -> NDArray[np.float32]:
    """Sums of 2 × 2 values, flat."""
    n, side = thumbs_NTT.shape[:2]
    blocks = thumbs_NTT.astype(np.float32).reshape(n, side // 2, 2, side // 2, 2)
    return np.ascontiguousarray(blocks.sum(axis=(2, 4)).reshape(n, -1))
