import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.wordnet.calibration import calibrated
from curate.wordnet.surfaces import RULES


def sure(share, rule="exact", *, plural=False, n=3):
    """Confidence in one candidate."""
    (found,) = calibrated(np.array([share]), np.array([RULES.index(rule)]), np.array([plural]), np.array([n]))
    return float(found)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(RULES), st.booleans(), st.integers(1, 30))
def test_confidences_are_probabilities_that_grow_with_the_share(a, b, rule, plural, n):
    low, high = sorted((a, b))
    assert 0 <= sure(low, rule, plural=plural, n=n) <= sure(high, rule, plural=plural, n=n) <= 1


def test_the_word_itself_is_surest():
    by_rule = {rule: sure(0.9, rule) for rule in RULES}
    assert max(by_rule.values()) == by_rule["exact"]
    assert min(by_rule.values()) == by_rule["segmented"]  # of several words the last one
    assert sure(0.9, plural=True) <= by_rule["exact"]


def test_all_candidates_at_once():
    shares, rules = np.array([0.1, 0.9, 1.0]), np.array([0, 4, 5])
    plural, n = np.array([True, False, False]), np.array([2, 2, 1])
    alone = [sure(s, RULES[r], plural=p, n=k) for s, r, p, k in zip(shares, rules, plural, n, strict=True)]
    assert calibrated(shares, rules, plural, n).tolist() == alone
