"""Bounds hold what they promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from curate.review.bounds import most_false, share_bounds


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.05, 1.0), st.floats(0, 10))
def test_bounds_hold_what_was_found(n_leaked, n_more, recall, n_false):
    n = n_leaked + n_more
    low, high = share_bounds(n_leaked, n, n_false=n_false, recall_low=recall)
    assert 0 <= low <= n_leaked / n <= high <= 1
    assert share_bounds(n_leaked, n, n_false=n_false, recall_low=None) == (low, None)
    most = round(high * n)
    assert most == n_leaked or binom.cdf(n_leaked, most, recall) >= 0.025
    assert most == n or binom.cdf(n_leaked, most + 1, recall) < 0.025


def test_nothing_found_bounds_what_there_is():
    assert share_bounds(0, 1000, n_false=0.0, recall_low=0.5)[1] == 0.005  # 0.5 ** 5 is above 2.5 %, 0.5 ** 6 is not
    assert share_bounds(0, 0, n_false=0.0, recall_low=0.5) == (None, None)


def test_false_hits_are_bounded_by_verdicts_where_there_are_any():
    assert most_false(100, 1.0, 0.95) == pytest.approx(5.0)
    assert most_false(100, 1.0, None) == 3.0
    assert most_false(2, 50.0, None) == 2.0
    assert most_false(100, 0.0, None) == 0.0
