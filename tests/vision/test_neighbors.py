import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.vision import neighbors
from curate.vision.neighbors import hamming_histogram, hamming_search, hamming_self_join, search


def unit_rows(n, d, seed):
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute_force(queries, base, k):
    products = (queries.astype(np.float64) @ base.astype(np.float64).T).astype(np.float32)
    order = np.lexsort((np.broadcast_to(np.arange(len(base)), products.shape), -products), axis=1)[:, :k]
    return np.take_along_axis(products, order, 1), order


@given(st.integers(1, 60), st.integers(1, 200), st.integers(1, 12), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_search_equals_brute_force(n_queries, n_base, k, seed):
    queries, base = unit_rows(n_queries, 24, seed), unit_rows(n_base, 24, seed + 100)
    similarity, index = search(queries, base, k)
    wanted, rows = brute_force(queries, base, min(k, n_base))
    np.testing.assert_array_equal(index, rows)
    np.testing.assert_allclose(similarity, wanted, atol=1e-6)


def test_among_equal_products_the_lower_row_comes_first():
    base = unit_rows(300, 16, 1)
    base[50:250] = base[50]  # far more ties than are fetched at first
    _, index = search(base[[50, 260]], base, 5)
    assert index[0].tolist() == [50, 51, 52, 53, 54]
    assert index[1, 0] == 260


def test_blocks_leave_results_as_they_are(monkeypatch):
    queries, base = unit_rows(500, 32, 2), unit_rows(400, 32, 3)
    whole = search(queries, base, 7)
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", 10_000)
    for one, other in zip(whole, search(queries, base, 7), strict=True):
        np.testing.assert_array_equal(one, other)
    halves = [search(queries[:123], base, 7), search(queries[123:], base, 7)]
    for column in (0, 1):
        np.testing.assert_array_equal(np.concatenate([half[column] for half in halves]), whole[column])


def test_the_torch_index_finds_the_same():
    queries, base = unit_rows(40, 16, 4), unit_rows(500, 16, 5)
    rough, index = neighbors._TorchIndex(base, block_rows=64, device="cpu").search(queries, 6)
    wanted, rows = brute_force(queries, base, 6)
    np.testing.assert_allclose(rough, wanted, atol=1e-5)
    np.testing.assert_array_equal(index, rows)


def test_nothing_to_search_in():
    similarity, index = search(unit_rows(3, 8, 0), np.zeros((0, 8), np.float32), 5)
    assert similarity.shape == index.shape == (3, 0)
    assert search(np.zeros((0, 8), np.float32), unit_rows(3, 8, 0), 2)[1].shape == (0, 2)


def codes(n, seed):
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


@pytest.mark.parametrize("limit", [0, 4, 24])
def test_hamming_search_equals_brute_force(limit):
    queries, base = codes(200, 0), codes(3000, 1)
    base[:20] = queries[:20] ^ np.uint64(0b1011)
    query, row, distance = hamming_search(queries, base, limit)
    every = np.array([[(int(q) ^ int(b)).bit_count() for b in base] for q in queries[:30]])
    wanted = np.argwhere(every <= limit)
    kept = query < 30
    np.testing.assert_array_equal(np.stack([query[kept], row[kept]], axis=1), wanted)
    np.testing.assert_array_equal(distance[kept], every[tuple(wanted.T)])
    assert hamming_search(queries[:0], base, limit)[0].shape == (0,)


@pytest.mark.parametrize("limit", [0, 1, 3, 4])
def test_self_join_finds_each_pair_once(limit):
    some = np.unique(codes(1500, 2))
    every = np.unique(np.concatenate([some, some[:60] ^ np.uint64(5), some[:60] ^ np.uint64(1 << 63 | 1 << 31)]))
    left, right = hamming_self_join(every, limit)
    a, b, _ = hamming_search(every, every, limit)
    np.testing.assert_array_equal(left, a[a < b])
    np.testing.assert_array_equal(right, b[a < b])


def test_histogram_counts_every_pair():
    left, right = codes(70, 3), codes(2000, 4)
    counts = hamming_histogram(left, right)
    assert counts.sum() == 140_000
    assert counts[:20].sum() == len(hamming_search(left, right, 19)[0])
