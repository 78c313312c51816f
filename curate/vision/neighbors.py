"""Exact nearest neighbours, with results that depend on the vectors alone.

Fast products bring candidates: float32 on the CPU (FAISS), TF32 on CUDA (torch). Each comes with a bound on its error,
so that it is certain which candidates can be among the best; those are scored again in float64, each pair on its own
and its terms added in one order. Blocks, threads and engines leave the result as it is, to the last bit. Where the
candidates do not suffice, more are fetched. Nothing here is approximate.

Dimension letters: Q queries, N base vectors, D dimensions, K neighbours, W candidates.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_BLOCK_BYTES = 64 << 20
_BLOCK_QUERIES = 1 << 15
_PAIRS_AT_ONCE = 512  # their products stay in the processor's cache
_GPU_WORTHWHILE = 1e12  # multiplications; below that a GPU's start costs more than it saves

Nearest = Callable[[NDArray[np.float32], int, int], tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]]
"""From queries, K and W to the best K of W candidates, exact products and rows, and a product that nothing outside the
candidates exceeds, of each query. W is at most N."""


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
        similarity_QK: float32 inner products, largest first. They are ordered, and rounded, from `similarity_of_pairs`.
        index_QK: int64 rows of the base; among equal products the lower row comes first.
    """
    k = min(k, len(base_ND))
    similarity_QK = np.zeros((len(queries_QD), k), np.float32)
    index_QK = np.zeros((len(queries_QD), k), np.int64)
    if similarity_QK.size == 0:
        return similarity_QK, index_QK
    queries_QD, base_ND = np.ascontiguousarray(queries_QD), np.ascontiguousarray(base_ND)
    nearest, spare = _engine(base_ND, len(queries_QD), device)
    pending_Q, wanted = np.arange(len(queries_QD)), k + spare
    while len(pending_Q):
        wanted = min(wanted, len(base_ND))
        unsure = []
        for rows in _blocks(pending_Q, 32 * wanted):
            together = rows[-1] - rows[0] + 1 == len(rows)  # then nothing needs to be copied
            queries = queries_QD[rows[0] : rows[-1] + 1] if together else queries_QD[rows]
            exact_QK, index_QK[rows], most_Q = nearest(queries, k, wanted)
            similarity_QK[rows] = exact_QK
            unsure.append(rows[most_Q >= exact_QK[:, -1]])
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
    import faiss

    index: Any = faiss.IndexBinaryFlat(64)
    index.add(np.ascontiguousarray(base_N).view(np.uint8).reshape(-1, 8))
    bytes_Q8 = np.ascontiguousarray(queries_Q).view(np.uint8).reshape(-1, 8)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))]
    step = max(1, _BLOCK_BYTES // (4 * max(1, len(base_N))))
    for start in range(0, len(queries_Q), step):
        ends, distance, base = index.range_search(bytes_Q8[start : start + step], max_distance + 1)
        query = np.repeat(np.arange(len(ends) - 1), np.diff(ends.astype(np.int64)))
        order = np.lexsort((base, query))
        found.append((query[order] + start, base[order], distance[order].astype(np.uint8)))
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

    The product of two float32 numbers is exact in float64, and numpy's sum of a contiguous row depends on its length
    alone, so that a product never depends on the other pairs.

    Args:
        left_ND: float32.
        left: Rows of `left_ND`, one per pair.
        right_ND: float32.
        right: Rows of `right_ND`, one per pair.
    """
    found = np.zeros(len(left), np.float64)
    narrow = np.empty((_PAIRS_AT_ONCE, left_ND.shape[1]), np.float32)
    wide = np.empty(narrow.shape, np.float64)
    products = np.empty(narrow.shape, np.float64)
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        block = slice(start, start + _PAIRS_AT_ONCE)
        n = len(left[block])
        np.take(left_ND, left[block], axis=0, out=narrow[:n], mode="clip")
        wide[:n] = narrow[:n]
        np.take(right_ND, right[block], axis=0, out=narrow[:n], mode="clip")
        products[:n] = narrow[:n]
        products[:n] *= wide[:n]
        np.add.reduce(products[:n], axis=1, out=found[block])
    return found


def _blocks(rows_Q: NDArray[np.int64], bytes_per_row: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, min(_BLOCK_QUERIES, _BLOCK_BYTES // bytes_per_row))
    for start in range(0, len(rows_Q), step):
        yield rows_Q[start : start + step]


def _engine(base_ND: NDArray[np.float32], n_queries: int, device: str) -> tuple[Nearest, int]:
    """What finds neighbours on the best device there is, and how many candidates more than K it should be asked for."""
    if device == "cuda" or (device == "auto" and float(n_queries) * base_ND.size > _GPU_WORTHWHILE and _has_cuda()):
        from curate.vision.tensor_search import nearest_on

        return nearest_on(base_ND, "cuda"), 11
    import faiss

    index: Any = faiss.IndexFlatIP(base_ND.shape[1])
    index.add(base_ND)
    return partial(_nearest_on_cpu, index, base_ND, longest(base_ND)), 3


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _nearest_on_cpu(
    index: Any, base_ND: NDArray[np.float32], longest_base: float, queries_QD: NDArray[np.float32], k: int, wanted: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    import faiss

    rough_QW, found_QW = index.search(queries_QD, wanted)
    # Largest error of a float32 product, whatever the order of its sum (Higham 2002, 3.1), doubled.
    unit = 2.0 * queries_QD.shape[1] * 2.0**-24
    error_Q = unit * longest_base * np.sqrt(np.einsum("qd,qd->q", queries_QD, queries_QD, dtype=np.float64))
    exact_QW = np.full(found_QW.shape, -np.inf)
    query, place = np.nonzero(rough_QW >= rough_QW[:, k - 1 : k] - 2 * error_Q[:, None])  # others cannot be among the K
    rows = found_QW[query, place]
    edges = np.linspace(0, len(query), min(faiss.omp_get_max_threads(), len(query)) + 1).astype(int)

    def score(first: int, end: int) -> None:
        piece = slice(first, end)
        exact_QW[query[piece], place[piece]] = similarity_of_pairs(queries_QD, query[piece], base_ND, rows[piece])

    with ThreadPoolExecutor(len(edges) - 1) as threads:
        list(threads.map(score, edges[:-1], edges[1:]))
    order_QK = np.lexsort((found_QW, -exact_QW), axis=1)[:, :k]
    best = np.take_along_axis(exact_QW, order_QK, 1), np.take_along_axis(found_QW, order_QK, 1)
    return *best, rough_QW[:, -1] + error_Q


def longest(vectors_ND: NDArray[np.float32]) -> float:
    """Length of the longest row."""
    return float(np.sqrt(np.einsum("nd,nd->n", vectors_ND, vectors_ND).max(initial=0.0)) * (1 + 1e-5))
