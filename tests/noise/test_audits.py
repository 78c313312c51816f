import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.noise.audits import draw, frame_name, pairs_digest, spread_budget, stratum_of

IDS = [f"{i:03d}" for i in range(50)]


def test_a_larger_draw_contains_the_smaller_and_order_does_not_matter():
    small, large = draw("c", IDS, 10, 0), draw("c", IDS[::-1], 20, 0)
    assert set(small) < set(large) and small == sorted(small)
    assert draw("c", IDS, 10, 1) != small != draw("d", IDS, 10, 0)


def test_every_image_is_drawn_equally_often():
    counts = dict.fromkeys(IDS, 0)
    for seed in range(600):
        for image in draw("c", IDS, 5, seed):
            counts[image] += 1
    assert all(30 <= n <= 95 for n in counts.values())  # 60 expected, five standard deviations


def test_strata():
    assert stratum_of(0.3, stratified=False) == stratum_of(None, stratified=True) == "all"
    assert [stratum_of(p, stratified=True) for p in (0.0, 0.5, 0.95)] == ["p>=0.00", "p>=0.50", "p>=0.90"]


def test_a_frame_knows_its_pairs_and_its_design():
    members = [("a", "x", "all"), ("b", "y", "all")]
    assert frame_name(members, 0, {"all": 1}) == frame_name(members[::-1], 0, {"all": 1})
    assert frame_name(members, 0, {"all": 1}) != frame_name(members, 1, {"all": 1})
    assert pairs_digest(members) != pairs_digest(members[:1])
    assert frame_name(members, 0, {"all": 1}).startswith(pairs_digest(members))


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
