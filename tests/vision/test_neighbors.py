import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.vision import neighbors, tensor_search
from curate.vision.neighbors import hamming_histogram, hamming_search, hamming_self_join, search, similarity_of_pairs
from curate.vision.tensor_search import nearest_on, sum_like_numpy


def unit_rows(n, d, seed):
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute_force(queries, base, k):
    """Every product in float64, terms added in one order; ties by the lower row."""
    products = np.array([(base.astype(np.float64) * query.astype(np.float64)).sum(axis=1) for query in queries])
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, order, 1).astype(np.float32), order


def hard_rows(n, d, seed):
    """Vectors among which the best are hard to tell: copies, neighbours in the last bit, zeros, other lengths."""
    random = np.random.default_rng(seed)
    few = unit_rows(max(2, n // 8), d, seed)
    rows = few[random.integers(0, len(few), n)]
    kind = random.integers(0, 6, n)
    last_bit = np.nextafter(rows, random.choice([-2, 2], rows.shape).astype(np.float32))
    rows = np.where((kind == 1)[:, None], last_bit, rows)
    rows = np.where((kind == 2)[:, None], rows[:, ::-1], rows)
    rows[kind == 3] = 0
    rows[kind == 4] *= random.choice([1e-3, 0.5, 1.0, 7.0], (kind == 4).sum()).astype(np.float32)[:, None]
    return np.ascontiguousarray(rows)


def on_torch(base, _n_queries, _device):
    return nearest_on(base, "cpu"), 2


@pytest.fixture(params=["faiss", "torch", "torch, coarse"])
def engine(request, monkeypatch):
    """The engines; the last one sees its factors cut to ten bits, as CUDA does in TF32."""
    if request.param != "faiss":
        monkeypatch.setattr(neighbors, "_engine", on_torch)
    if request.param == "torch, coarse":
        whole = tensor_search._candidates

        def cut(tensor):
            return (tensor.view(torch.int32) & ~((1 << 13) - 1)).view(torch.float32)

        monkeypatch.setattr(tensor_search, "_candidates", lambda q, b, w: whole(cut(q), cut(b), w))
    return request.param


@pytest.mark.parametrize("rows_of", [unit_rows, hard_rows])
@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 40), st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_search_equals_brute_force(engine, rows_of, n_queries, n_base, d, k, seed):
    queries, base = rows_of(n_queries, d, seed), rows_of(n_base, d, seed)
    similarity, index = search(queries, base, k)
    wanted, rows = brute_force(queries, base, min(k, n_base))
    np.testing.assert_array_equal(index, rows)
    np.testing.assert_array_equal(similarity, wanted)


def test_among_equal_products_the_lower_row_comes_first(engine):
    base = unit_rows(300, 16, 1)
    base[50:250] = base[50]  # far more ties than are fetched at first
    _, index = search(base[[50, 260]], base, 5)
    assert index[0].tolist() == [50, 51, 52, 53, 54]
    assert index[1, 0] == 260


def test_blocks_and_threads_leave_every_bit_as_it_is(engine, monkeypatch):
    import faiss

    queries, base = hard_rows(200, 100, 2), hard_rows(600, 100, 3)
    whole = search(queries, base, 7)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(neighbors, "_PAIRS_AT_ONCE", 5)
    monkeypatch.setattr(tensor_search, "_TILE_PRODUCTS", 300)
    monkeypatch.setattr(tensor_search, "_PAIRS_AT_ONCE", 50)
    try:
        for one, other in zip(whole, search(queries, base, 7), strict=True):
            np.testing.assert_array_equal(one, other)
        halves = [search(queries[:23], base, 7), search(queries[23:], base, 7)]
    finally:
        faiss.omp_set_num_threads(threads)
    for column in (0, 1):
        np.testing.assert_array_equal(np.concatenate([half[column] for half in halves]), whole[column])


def test_engines_agree_to_the_last_bit(monkeypatch):
    queries, base = hard_rows(100, 512, 4), hard_rows(900, 512, 4)
    one = search(queries, base, 6)
    monkeypatch.setattr(neighbors, "_engine", on_torch)
    for left, right in zip(one, search(queries, base, 6), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 64, 127, 128, 129, 200, 256, 511, 512, 768, 1000, 2048])
def test_torch_adds_in_the_order_of_numpy(d):
    terms = np.random.default_rng(d).standard_normal((50, d)) ** 5
    np.testing.assert_array_equal(sum_like_numpy(torch.from_numpy(terms)).numpy(), terms.sum(axis=1))
    left, right = unit_rows(30, d, 0), unit_rows(40, d, 1)
    rows = np.random.default_rng(0).integers(0, 30, 1100)
    alone = [(left[row].astype(np.float64) * right[row].astype(np.float64)).sum() for row in rows]
    np.testing.assert_array_equal(similarity_of_pairs(left, rows, right, rows), alone)


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
    assert hamming_search(queries, base[:0], limit)[0].shape == (0,)


def test_hamming_search_in_blocks(monkeypatch):
    queries, base = codes(150, 5), codes(90, 6)
    whole = hamming_search(queries, base, 64)
    assert len(whole[0]) == 150 * 90
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", 3000)
    for one, other in zip(whole, hamming_search(queries, base, 64), strict=True):
        np.testing.assert_array_equal(one, other)


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
