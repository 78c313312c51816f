import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.vision.copies import background, components, hamming_threshold, informative, stars, threshold


@pytest.mark.parametrize("n_copies", [0, 30, 400])
def test_the_threshold_keeps_the_precision(n_copies):
    shares = []
    for seed in range(100):
        random = np.random.default_rng(seed)
        false, copies = random.exponential(0.2, 5000), 1.0 + random.exponential(2.0, n_copies)
        least, q_value = threshold(np.concatenate([false, copies]), random.exponential(0.2, 5000), 0.95)
        hits, n_false = (copies >= least).sum(), (false >= least).sum()
        shares.append(n_false / max(1, hits + n_false))
        assert n_copies < 400 or hits >= 0.8 * n_copies
        assert ((q_value >= 0) & (q_value <= 1)).all()
    assert np.mean(shares) <= (0.07 if n_copies else 0.1)


def test_q_values_fall_with_the_score():
    random = np.random.default_rng(1)
    targets = random.exponential(1.0, 400)
    _, q_value = threshold(targets, random.exponential(1.0, 400), 0.99)
    assert (np.diff(q_value[np.argsort(targets)]) <= 0).all()


def test_too_few_decoys_decide_nothing():
    least, q_value = threshold(np.full(50, 9.0), np.zeros(99), 0.5)
    assert least == np.inf
    assert (q_value == 1).all()


def test_copies_do_not_enter_the_background():
    random = np.random.default_rng(0)
    distances = 2 * random.binomial(32, 0.45, 200_000)
    clean = np.bincount(distances, minlength=65)
    planted = clean.copy()
    planted[[0, 2, 4]] += [500, 40, 10]
    np.testing.assert_array_equal(background(planted)[:8], background(clean)[:8])
    true = 200_000 * sum(math.comb(32, j) * 0.45**j * 0.55 ** (32 - j) for j in range(4))
    assert true <= background(clean)[:8].sum() <= 10 * true
    expected = background(planted)
    bits, share = hamming_threshold(planted[:13], expected[:13], 0.99)
    assert 4 <= bits <= 8
    assert (np.diff(share) >= 0).all()


def test_chance_alone_gives_no_copies():
    counts = np.bincount(2 * np.random.default_rng(0).binomial(32, 0.45, 200_000), minlength=65)
    bits, _ = hamming_threshold(np.zeros(13, np.int64), background(counts)[:13] * 100, 0.99)
    assert bits < 12


def test_flat_pictures_say_nothing():
    flat, plain = np.uint64(1 << 63), np.uint64(0x5555555555555555)
    assert informative(np.array([flat, plain])).tolist() == [False, True]


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_components_are_those_of_a_plain_search(n, edges):
    edges = [(a % n, b % n) for a, b in edges]
    left, right = np.array(edges, np.int64).reshape(-1, 2).T
    label = components(n, left, right)
    wanted = list(range(n))
    for _ in range(n):
        for a, b in edges:
            wanted[a] = wanted[b] = min(wanted[a], wanted[b])
    assert label.tolist() == wanted


def test_stars_do_not_chain():
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    assert stars(6, *chain.T).tolist() == [0, 0, 0, 3, 3, 5]
    ring = np.array([[5, 0], [5, 1], [5, 2], [2, 3]])
    assert stars(7, *ring.T).tolist() == [0, 0, 0, 3, 4, 0, 6]
    assert stars(3, np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == [0, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60))
def test_every_member_of_a_star_is_a_neighbour_of_its_centre(edges):
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    label = stars(20, *pairs.T)
    joined = {(a, b) for a, b in edges} | {(b, a) for a, b in edges}
    whole = components(20, *pairs.T)
    for first in np.unique(label):
        members = np.flatnonzero(label == first).tolist()
        assert members[0] == first
        assert len(set(whole[members])) == 1
        assert any(all(m == c or (c, m) in joined for m in members) for c in members)
