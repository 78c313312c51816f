"""Exact nearest neighbours, with results that do not depend on blocks, threads or rounding.

Candidates come from fast float32 products (FAISS, or torch on CUDA); the ones that could be among the best are scored
again in float64, each pair on its own. Search against eval sets is exact, never approximate.

Dimension letters: Q queries, N base vectors, D dimensions, K neighbours.
"""

import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_BLOCK_BYTES = 64 << 20
_GPU_WORTHWHILE = 1e12  # multiplications; below that a GPU's start costs more than it saves


def search(
    queries_QD: NDArray[np.float32], base_ND: NDArray[np.float32], k: int, *, device: str = "auto"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k base vectors with the largest inner product, for every query.

    Args:
        queries_QD: float32, any number of rows.
        base_ND: float32.
        k: Neighbours wanted; fewer are returned where the base has fewer.
        device: 'cpu', 'cuda', or 'auto': a GPU where there is one and the work is worth it.

    Returns:
        similarity_QK: float32 inner products, largest first.
        index_QK: int64 rows of the base; among equal products the lower row comes first.
    """
    k = min(k, len(base_ND))
    similarity_QK = np.zeros((len(queries_QD), k), np.float32)
    index_QK = np.zeros((len(queries_QD), k), np.int64)
    if similarity_QK.size == 0:
        return similarity_QK, index_QK
    queries_QD, base_ND = np.ascontiguousarray(queries_QD), np.ascontiguousarray(base_ND)
    top = _candidates(base_ND, len(queries_QD), device)
    # Largest error of a float32 product of these vectors, whatever the order of its sum.
    slack = 2.0 * queries_QD.shape[1] * 2.0**-24 * _longest(queries_QD) * _longest(base_ND)
    pending_Q, wanted = np.arange(len(queries_QD)), k + 8
    while len(pending_Q):
        wanted = min(wanted, len(base_ND))
        unsure = []
        for rows in _blocks(pending_Q, 8 * wanted * queries_QD.shape[1]):
            rough_QK, found_QK = top(queries_QD[rows], wanted)
            exact_QK, found_QK = _rescore(queries_QD[rows], base_ND, found_QK)
            similarity_QK[rows], index_QK[rows] = exact_QK[:, :k], found_QK[:, :k]
            # What was not fetched scores at most the last rough product: is that certainly below the k-th?
            unsure.append(rows[rough_QK[:, -1] + slack >= exact_QK[:, k - 1]])
        pending_Q = np.concatenate(unsure) if wanted < len(base_ND) else pending_Q[:0]
        wanted *= 4
    return similarity_QK, index_QK


def hamming_search(
    queries_Q: NDArray[np.uint64], base_N: NDArray[np.uint64], max_distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """All pairs of 64-bit codes that differ in few bits.

    Args:
        queries_Q: uint64 codes.
        base_N: uint64 codes.
        max_distance: Largest number of differing bits, 0 to 64.

    Returns:
        Row of the query, row of the base, and distance of each pair, sorted by both rows.
    """
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]] = []
    step = max(1, (1 << 20) // max(1, len(base_N)))  # the block of distances stays in the cache
    for start in range(0, len(queries_Q), step):
        distance_QN = np.bitwise_count(queries_Q[start : start + step, None] ^ base_N[None, :])
        query, base = np.nonzero(distance_QN <= max_distance)
        found.append((query + start, base, distance_QN[query, base]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    query, base, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    return query, base, distance


def hamming_histogram(left_Q: NDArray[np.uint64], right_N: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many pairs, one of each side, differ in 0, 1, … 64 bits; int64, 65."""
    counts = np.zeros(65, np.int64)
    step = max(1, (1 << 20) // max(1, len(right_N)))
    for start in range(0, len(left_Q), step):
        distance_QN = np.bitwise_count(left_Q[start : start + step, None] ^ right_N[None, :])
        counts += np.bincount(distance_QN.ravel(), minlength=65)
    return counts


def hamming_self_join(codes_N: NDArray[np.uint64], max_distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of different codes that differ in few bits.

    Codes within d bits agree on at least one of any d + 1 pieces (Manku, Jain and Das Sarma, WWW 2007): only those
    that share a piece are compared.

    Args:
        codes_N: uint64, no code twice.
        max_distance: Largest number of differing bits.

    Returns:
        Rows of the pairs, smaller one first, sorted, each pair once.
    """
    edges = np.linspace(0, 64, max_distance + 2).astype(int)
    found = [np.zeros(0, np.int64)]
    for low, high in pairwise(edges):
        piece_N = (codes_N >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(piece_N, kind="stable")
        first = np.arange(len(order) - 1)
        shift = 0
        while len(first):
            shift += 1
            first = first[first + shift < len(order)]
            a, b = order[first], order[first + shift]
            equal = piece_N[a] == piece_N[b]
            first, a, b = first[equal], a[equal], b[equal]
            near = np.bitwise_count(codes_N[a] ^ codes_N[b]) <= max_distance
            found.append(np.minimum(a[near], b[near]) * len(codes_N) + np.maximum(a[near], b[near]))
    pairs = np.unique(np.concatenate(found))
    return pairs // len(codes_N), pairs % len(codes_N)


def similarity_of_pairs(
    left_ND: NDArray[np.float32], left: NDArray[np.int64], right_ND: NDArray[np.float32], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Inner products of chosen pairs of rows, in float64 and in fixed order.

    Args:
        left_ND: float32.
        left: Rows of `left_ND`, one per pair.
        right_ND: float32.
        right: Rows of `right_ND`, one per pair.
    """
    found = np.zeros(len(left), np.float64)
    step = max(1, _BLOCK_BYTES // (16 * max(1, left_ND.shape[1])))
    for start in range(0, len(left), step):
        block = slice(start, start + step)
        # The pairwise sum of a contiguous axis depends on its length alone.
        products = left_ND[left[block]].astype(np.float64) * right_ND[right[block]]
        found[block] = products.sum(axis=1)
    return found


def _rescore(
    queries_QD: NDArray[np.float32], base_ND: NDArray[np.float32], found_QK: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    query = np.repeat(np.arange(len(queries_QD)), found_QK.shape[1])
    exact = similarity_of_pairs(queries_QD, query, base_ND, found_QK.ravel())
    exact_QK = exact.reshape(found_QK.shape).astype(np.float32)
    order_QK = np.lexsort((found_QK, -exact_QK), axis=1)
    return np.take_along_axis(exact_QK, order_QK, 1), np.take_along_axis(found_QK, order_QK, 1)


def _blocks(rows_Q: NDArray[np.int64], bytes_per_row: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, _BLOCK_BYTES // bytes_per_row)
    for start in range(0, len(rows_Q), step):
        yield rows_Q[start : start + step]


def _longest(vectors_ND: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", vectors_ND, vectors_ND).max(initial=0.0)))


def _candidates(base_ND: NDArray[np.float32], n_queries: int, device: str) -> Any:
    """A function from queries and k to rough products and rows, on the best device there is."""
    import faiss

    on_gpu = device == "cuda" or (device == "auto" and float(n_queries) * base_ND.size > _GPU_WORTHWHILE)
    index: Any = faiss.IndexFlatIP(base_ND.shape[1])
    if on_gpu and getattr(faiss, "get_num_gpus", lambda: 0)():
        index = faiss.index_cpu_to_all_gpus(index)
    elif on_gpu and _cuda_available():
        return _TorchIndex(base_ND).search
    index.add(base_ND)
    return index.search


def _cuda_available() -> bool:
    import torch

    return bool(torch.cuda.is_available())


class _TorchIndex:
    """Exact inner products on CUDA in full float32, base in blocks, a running top k."""

    def __init__(self, base_ND: NDArray[np.float32], block_rows: int = 1 << 18, device: str = "cuda") -> None:
        import torch

        self.torch, self.device, self.block_rows = torch, device, block_rows
        self.base_ND = torch.from_numpy(base_ND).to(device)

    def search(self, queries_QD: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        torch = self.torch
        queries = torch.from_numpy(queries_QD).to(self.device)
        best = torch.empty((len(queries), 0), device=self.device)
        rows = torch.empty((len(queries), 0), dtype=torch.int64, device=self.device)
        for start in range(0, len(self.base_ND), self.block_rows):
            block = queries @ self.base_ND[start : start + self.block_rows].T
            value, index = block.topk(min(k, block.shape[1]), dim=1)
            best, rows = torch.cat((best, value), dim=1), torch.cat((rows, index + start), dim=1)
            best, order = best.topk(min(k, best.shape[1]), dim=1)
            rows = rows.gather(1, order)
        return best.cpu().numpy(), rows.cpu().numpy()
