import hashlib
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.noise import audits
from curate.noise.audits import MAX_STRATA, draw, frame_name, score_strata, spread_budget

IDS = [f"{i:03d}" for i in range(50)]


def test_a_larger_draw_contains_the_smaller_and_order_does_not_matter():
    small, large = draw("c", IDS, 10), draw("c", IDS[::-1], 20)
    assert large[:10] == small and len(set(large)) == 20
    assert draw("d", IDS, 10) != small


def test_every_image_is_drawn_equally_often():
    counts = dict.fromkeys(IDS, 0)
    for frame in range(600):
        for image in draw(str(frame), IDS, 5):
            counts[image] += 1
    assert all(30 <= n <= 95 for n in counts.values())  # 60 expected, five standard deviations


def name_of(class_key, members, seed):
    ids, digests, strata = zip(*members, strict=True)
    return frame_name(class_key, pa.array(ids), pa.array(digests), np.array(strata), seed)


def test_a_frame_knows_its_class_its_pairs_and_its_seed():
    members = [("a", "x", 0), ("b", "y", 0)]
    assert name_of("c", members, 0) == name_of("c", members[::-1], 0)
    others = [name_of("d", members, 0), name_of("c", members, 1), name_of("c", members[:1], 0)]
    others.append(name_of("c", [("a", "x", 1), ("b", "y", 0)], 0))
    assert len({name_of("c", members, 0), *others}) == 5


HEX = st.text("0123456789abcdef")


@given(st.dictionaries(HEX, st.tuples(HEX, st.integers(0, 4)), min_size=1), st.integers(1, 5))
def test_a_frame_is_named_as_if_pair_by_pair(pairs, at_once):
    members = [(image_id, *rest) for image_id, rest in pairs.items()]
    digest = hashlib.sha256(repr(("n1", 7)).encode())
    for member in sorted(members):
        digest.update(repr(member).encode())
    with mock.patch.object(audits, "HASHED_AT_ONCE", at_once):
        assert name_of("n1", members, 7) == digest.hexdigest()[:24]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 300))
def test_strata_follow_the_scores(scores, n_audits):
    p = np.array(scores)
    strata = score_strata(p, n_audits)
    assert strata.min() >= 0 and strata.max() < MAX_STRATA
    for h in range(int(strata.max())):
        if (strata == h).any() and (strata > h).any():
            assert p[strata == h].max() <= p[strata > h].min()
    if n_audits < 20:
        assert (strata == 0).all()


def test_what_scores_are_sure_of_is_asked_about_less_but_is_asked():
    p = np.array([0.999] * 900 + [0.5] * 100)
    strata = score_strata(p, 40)
    sizes = np.bincount(strata)
    assert len(sizes) == 4 and (strata[900:] == 0).all()
    assert 2.5 < sizes[-1] / sizes[0] < 3.5  # as many audits each; √(0.5 · 0.5) / √(0.03 · 0.97) = 2.9


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 50), max_size=8), st.integers(0, 300))
def test_a_budget_is_spent_and_never_exceeded(sizes, budget):
    shares = spread_budget(sizes, budget)
    assert sum(shares.values()) == min(budget, sum(sizes.values()))
    assert all(0 <= shares[key] <= sizes[key] for key in sizes)
    open_ = [key for key in sizes if shares[key] < sizes[key]]
    if open_:
        assert max(shares.values()) - min(shares[key] for key in open_) <= 1


def test_budget_is_even():
    assert spread_budget({"a": 100, "b": 2, "c": 100}, 20) == pytest.approx({"a": 9, "b": 2, "c": 9})
