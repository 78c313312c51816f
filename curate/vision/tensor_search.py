"""Exact nearest neighbours with torch, on CUDA (or, for tests, on the CPU); see neighbors.py.

Dimension letters: Q queries, N base vectors, D dimensions, K neighbours, W candidates, B a block of the base.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from curate.vision.neighbors import Nearest

_TILE_PRODUCTS = 1 << 28  # of a block of queries with a block of the base: 1 GiB in float32
_GROUP = 32
_PAIRS_AT_ONCE = 1 << 16


def nearest_on(base_ND: NDArray[np.float32], device: str) -> "Nearest":
    """The base laid on a device, ready to be searched.

    Args:
        base_ND: float32; stays on the device while the result lives.
        device: As torch names it.
    """
    import torch

    base = torch.from_numpy(base_ND).to(device)
    longest = float(torch.linalg.vector_norm(base, dim=1).max()) * (1 + 1e-5)

    def nearest(
        queries_QD: NDArray[np.float32], k: int, wanted: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        found = nearest_resident(torch.from_numpy(queries_QD).to(device), base, longest, k, wanted)
        exact_QK, index_QK, most_Q = (column.cpu().numpy() for column in found)
        return exact_QK, index_QK, most_Q

    return nearest


def nearest_resident(queries: Any, base: Any, longest: float, k: int, wanted: int) -> tuple[Any, Any, Any]:
    """As `Nearest`, from and to tensors on one device; `longest` is the length of the longest base vector."""
    import torch

    # TF32 keeps 10 bits of a factor, and may cut off the rest: 2^-9 per product, doubled. Sums add what float32 does.
    unit = 2.0**-8 + 2.0 * base.shape[1] * 2.0**-23
    with _tf32():
        rough_QW, found_QW = _candidates(queries, base, wanted)
    most_Q = rough_QW[:, -1].double() + unit * longest * torch.linalg.vector_norm(queries, dim=1).double()
    found_QW = found_QW.sort(dim=1).values
    exact_QW = _score(queries, base, found_QW)
    order_QK = exact_QW.argsort(dim=1, descending=True, stable=True)[:, :k]
    return exact_QW.gather(1, order_QK), found_QW.gather(1, order_QK), most_Q


def sum_like_numpy(terms: Any) -> Any:
    """Sum of the last axis in the order in which numpy adds a contiguous row, so that both give the same bits.

    Args:
        terms: A tensor.
    """
    n = terms.shape[-1]
    if n > 128:
        half = n // 2 - n // 2 % 8
        if n == 2 * half:  # both at once
            both = sum_like_numpy(terms.unflatten(-1, (2, half)))
            return both[..., 0] + both[..., 1]
        return sum_like_numpy(terms[..., :half]) + sum_like_numpy(terms[..., half:])
    whole = n - n % 8
    total = terms[..., 0] * 0
    if whole:
        eight = terms[..., :8].clone()
        for start in range(8, whole, 8):
            eight += terms[..., start : start + 8]
        two = eight[..., 0::2] + eight[..., 1::2]
        total = (two[..., 0] + two[..., 1]) + (two[..., 2] + two[..., 3])
    for place in range(whole, n):
        total = total + terms[..., place]
    return total


def _candidates(queries: Any, base: Any, wanted: int) -> tuple[Any, Any]:
    """Rough products, largest first, and rows of the `wanted` best base vectors: Q x W both."""
    import torch

    step = max(_GROUP, _TILE_PRODUCTS // len(queries) // _GROUP * _GROUP)
    best = torch.empty((len(queries), 0), device=queries.device)
    rows = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
    for start in range(0, len(base), step):
        value, place = _largest(queries @ base[start : start + step].T, wanted)
        best, rows = torch.cat((best, value), dim=1), torch.cat((rows, place + start), dim=1)
        best, order = best.topk(min(wanted, best.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return best, rows


def _largest(products_QB: Any, wanted: int) -> tuple[Any, Any]:
    """The largest products of every row, and where they stand.

    Finding the largest of groups costs one pass over the products, a full top-k several: the best W products lie in
    the W groups with the largest maxima.
    """
    import torch

    n = products_QB.shape[1]
    n_groups = n // _GROUP
    if n_groups <= 2 * wanted:
        found: tuple[Any, Any] = products_QB.topk(min(wanted, n), dim=1)
        return found
    grouped = products_QB[:, : n_groups * _GROUP].unflatten(1, (n_groups, _GROUP))
    group = grouped.amax(dim=2).topk(wanted, dim=1).indices
    within = torch.arange(_GROUP, device=group.device)
    rest = torch.arange(n_groups * _GROUP, n, device=group.device).expand(len(group), -1)
    place = torch.cat(((group[:, :, None] * _GROUP + within).flatten(1), rest), dim=1)
    value, order = products_QB.gather(1, place).topk(wanted, dim=1)
    return value, place.gather(1, order)


def _score(queries: Any, base: Any, found_QW: Any) -> Any:
    """Products in float64 and in fixed order, as neighbors.similarity_of_pairs gives them."""
    import torch

    step = max(1, _PAIRS_AT_ONCE // found_QW.shape[1])
    scored = [
        sum_like_numpy(queries[start : start + step, None].double() * base[found_QW[start : start + step]].double())
        for start in range(0, len(queries), step)
    ]
    return torch.cat(scored)


@contextmanager
def _tf32() -> Iterator[None]:
    """TF32 for products of float32 on CUDA, whatever the process has set."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
