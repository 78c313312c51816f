"""Neighbours within one large set of vectors: exact search inside k-means blocks.

Copies lie so near each other that they fall into the same block nearly always; a vector is put into several blocks
for those that lie at a border. How much is lost that way can be measured, see `measure_recall`. Sums run in a fixed
order and neighbours are exact, so that the blocks depend on the vectors alone.

Dimension letters: N vectors, D dimensions, K neighbours, B blocks, P blocks per vector.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.neighbors import search

BLOCK_ROWS = 20_000
"""Vectors that a block should have."""

_PROBES = 3
_SAMPLE_PER_BLOCK = 64
_ROUNDS = 6
_ASSIGNED_AT_ONCE = 1 << 16


def self_search(
    vectors_ND: NDArray[Any], k: int, *, block_rows: int = BLOCK_ROWS, device: str = "auto"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest vectors of each vector, itself among them; exact where one block holds them all.

    Args:
        vectors_ND: Floats of length 1; may be a memory map, of which a block at a time is read.
        k: Neighbours wanted; there may be fewer than that, see below.
        block_rows: Vectors per block, about.
        device: Where neighbours are searched: cpu, cuda or auto.

    Returns:
        similarity_NK: float32 cosines, largest first; -inf where the blocks hold fewer.
        index_NK: int64 rows; -1 likewise.
    """
    n = len(vectors_ND)
    if n <= 2 * block_rows:
        whole_ND = np.asarray(vectors_ND, np.float32)
        return search(whole_ND, whole_ND, k, device=device)
    blocks_NP = assign_blocks(vectors_ND, -(-n // block_rows), device)
    similarity_NK = np.full((n, k), -np.inf, np.float32)
    index_NK = np.full((n, k), -1, np.int64)
    for members in block_members(blocks_NP):
        inside_MD = np.asarray(vectors_ND[members], np.float32)
        similarity_MK, place_MK = search(inside_MD, inside_MD, k, device=device)
        _merge(similarity_NK, index_NK, members, similarity_MK, members[place_MK])
    return similarity_NK, index_NK


def assign_blocks(vectors_ND: NDArray[Any], n_blocks: int, device: str = "auto") -> NDArray[np.int64]:
    """The blocks of each vector, nearest first; int64, N × P.

    Args:
        vectors_ND: Floats of length 1.
        n_blocks: How many blocks.
        device: Where neighbours are searched.
    """
    chosen = np.linspace(0, len(vectors_ND) - 1, min(len(vectors_ND), _SAMPLE_PER_BLOCK * n_blocks)).astype(np.int64)
    sample_SD = np.asarray(vectors_ND[np.unique(chosen)], np.float32)
    centres_BD = sample_SD[np.linspace(0, len(sample_SD) - 1, n_blocks).astype(np.int64)]
    for _ in range(_ROUNDS):
        _, nearest_S1 = search(sample_SD, centres_BD, 1, device=device)
        order = np.argsort(nearest_S1[:, 0], kind="stable")
        used, starts = np.unique(nearest_S1[order, 0], return_index=True)
        sums_UD = np.add.reduceat(sample_SD[order].astype(np.float64), starts, axis=0)
        length_U1 = np.maximum(np.linalg.norm(sums_UD, axis=1, keepdims=True), 1e-12)
        centres_BD = centres_BD.copy()  # a centre that nobody is nearest to stays where it is
        centres_BD[used] = sums_UD / length_U1
    found = [
        search(np.asarray(vectors_ND[i : i + _ASSIGNED_AT_ONCE], np.float32), centres_BD, _PROBES, device=device)[1]
        for i in range(0, len(vectors_ND), _ASSIGNED_AT_ONCE)
    ]
    return np.concatenate(found)


def block_members(blocks_NP: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each block, ascending."""
    order = np.argsort(blocks_NP.ravel(), kind="stable")
    _, starts = np.unique(blocks_NP.ravel()[order], return_index=True)
    return np.split(order // blocks_NP.shape[1], starts[1:])


def _merge(
    similarity_NK: NDArray[np.float32],
    index_NK: NDArray[np.int64],
    rows: NDArray[np.int64],
    similarity_MK: NDArray[np.float32],
    found_MK: NDArray[np.int64],
) -> None:
    """Keep the best k of what is there and what was found, each row once; in place."""
    k = index_NK.shape[1]
    index = np.concatenate([index_NK[rows], found_MK], axis=1)
    similarity = np.concatenate([similarity_NK[rows], similarity_MK], axis=1)
    order = np.lexsort((index, -similarity), axis=1)
    index, similarity = np.take_along_axis(index, order, 1), np.take_along_axis(similarity, order, 1)
    again = np.zeros(index.shape, bool)  # the same pair has the same score wherever it is found
    again[:, 1:] = index[:, 1:] == index[:, :-1]
    similarity[again], index[again] = -np.inf, -1
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    index_NK[rows], similarity_NK[rows] = np.take_along_axis(index, order, 1), np.take_along_axis(similarity, order, 1)


def measure_recall(
    vectors_ND: NDArray[Any], index_NK: NDArray[np.int64], n_sample: int = 256, *, device: str = "auto"
) -> float:
    """Share of the true nearest other vectors that `self_search` found, on a sample.

    Args:
        vectors_ND: What was searched.
        index_NK: What was found.
        n_sample: Vectors of the sample.
        device: Where neighbours are searched.
    """
    rows = np.unique(np.linspace(0, len(vectors_ND) - 1, n_sample).astype(np.int64))
    queries_SD = np.asarray(vectors_ND[rows], np.float32)
    best = np.full(len(rows), -np.inf)
    nearest = np.full(len(rows), -1, np.int64)
    for start in range(0, len(vectors_ND), _ASSIGNED_AT_ONCE):
        block_BD = np.asarray(vectors_ND[start : start + _ASSIGNED_AT_ONCE], np.float32)
        similarity_S2, place_S2 = search(queries_SD, block_BD, 2, device=device)
        similarity_S2 = np.where(place_S2 + start == rows[:, None], -np.inf, similarity_S2)
        first = similarity_S2.argmax(axis=1)
        here = np.take_along_axis(similarity_S2, first[:, None], 1)[:, 0]
        better = here > best
        best = np.where(better, here, best)
        nearest = np.where(better, np.take_along_axis(place_S2, first[:, None], 1)[:, 0] + start, nearest)
    return float(np.mean([near in found for near, found in zip(nearest, index_NK[rows], strict=True)]))
