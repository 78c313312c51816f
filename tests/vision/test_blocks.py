import numpy as np
import pytest

from curate.vision.blocks import assign_blocks, block_members, measure_recall, self_search
from curate.vision.neighbors import search


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    """Clusters of 40, and a copy of every tenth vector."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((75, 16))
    vectors = unit(np.repeat(centres, 40, axis=0) + 0.6 * rng.standard_normal((3000, 16)))
    copies = unit(vectors[::10] + 0.02 * rng.standard_normal((300, 16)))
    return np.concatenate([vectors, copies])


def test_small_sets_are_searched_whole(vectors):
    found = self_search(vectors[:500], 4, block_rows=250)
    for mine, exact in zip(found, search(vectors[:500], vectors[:500], 4), strict=True):
        assert np.array_equal(mine, exact)


def test_copies_are_found_across_blocks(vectors):
    similarity, index = self_search(vectors, 5, block_rows=200)
    assert np.array_equal(index[:, 0], np.arange(len(vectors)))
    assert np.mean([3000 + i in index[10 * i] for i in range(300)]) > 0.99
    exact, _ = search(vectors, vectors, 5)
    assert (similarity <= exact).all()
    filled = index >= 0
    assert np.all(np.diff(np.where(filled, similarity, -2), axis=1) <= 0)
    for row in index:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def test_the_loss_is_measured(vectors):
    _, index = self_search(vectors, 5, block_rows=200)
    _, exact = search(vectors, vectors, 5)
    rows = np.unique(np.linspace(0, len(vectors) - 1, 256).astype(int))
    truth = np.mean([exact[i, 1] in index[i] for i in rows])
    assert measure_recall(vectors, index) == pytest.approx(truth)
    assert measure_recall(vectors, exact) == 1
    assert measure_recall(vectors, np.full_like(exact, -1)) == 0


def test_blocks_depend_on_the_vectors_alone(vectors, tmp_path):
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    blocks = assign_blocks(vectors, 16)
    assert np.array_equal(blocks, assign_blocks(mapped, 16))
    members = block_members(blocks)
    assert sum(len(rows) for rows in members) == 3 * len(vectors)
    assert all((np.diff(rows) > 0).all() for rows in members)
