import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.typos import FLOOR, MARGIN, SHORTEST, SLIP, build_index, correct, slip

WORDS = ["platypus", "ukulele", "fountain", "mountain", "giraffe", "umbrella"]


def corrected(labels, words=WORDS, logs=None):
    """The word of each label, None where there is none."""
    logs_V = np.full(len(words), -10.0) if logs is None else np.array(logs, float)
    found, scores = correct(pa.array(labels, pa.string()), build_index(words, logs_V))
    assert np.array_equal(np.isfinite(scores), found >= 0)
    return [words[i] if i >= 0 else None for i in found.tolist()]


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("platyus", "platypus"),  # a letter lost
        ("latypus", "platypus"),  # the first one
        ("platypu", "platypus"),  # the last one
        ("patlypus", None),  # not neighbours
        ("playtpus", "platypus"),  # two letters swapped
        ("lpatypus", "platypus"),
        ("platypsu", "platypus"),
        ("plattypus", "platypus"),  # a letter doubled
        ("platypuss", "platypus"),
        ("platyopus", "platypus"),  # the key beside hit too
        ("plarypus", "platypus"),  # the key beside hit instead
        ("platipus", "platypus"),  # of like sound
        ("platyqus", None),  # any other letter
        ("platzzypus", None),
        ("xplatypus", None),
        ("platyps2", None),
        ("plaipus", None),  # two slips
        ("pltyps", None),
        ("platypusplatypus", None),
        ("ountain", None),  # fountain or mountain
        ("gountain", "fountain"),  # g lies beside f
        ("", None),
        ("x", None),
        ("zebra", None),
    ],
)
def test_one_label(label, word):
    assert corrected([label]) == [word]


@pytest.mark.parametrize(
    ("label", "word", "cost"),
    [
        ("ukulle", "ukulele", 1),
        ("kulele", "ukulele", 2),
        ("ukuulele", "ukulele", 1),
        ("ukulelew", "ukulele", 1),
        ("ukulelep", "ukulele", 3),
        ("ukelele", "ukulele", 1),
        ("yukulele", "ukulele", 2),
        ("ikulele", "ukulele", 2),
        ("ukulqle", "ukulele", 3),
        ("ukluele", "ukulele", 1),
        ("uklele", "ukulele", 1),
        ("ukll", "ukulele", math.inf),
        ("ukeleel", "ukulele", math.inf),
        ("ukulelele", "ukulele", math.inf),
    ],
)
def test_how_unlikely_a_slip_is(label, word, cost):
    assert slip(label, word) == cost


def test_the_likelier_word_is_meant_if_much_likelier():
    pair = ["fountain", "mountain"]
    assert corrected(["ountain"], pair, [-8.0, -8.0 - MARGIN]) == ["fountain"]
    assert corrected(["ountain"], pair, [-8.0 - MARGIN, -8.0]) == ["mountain"]
    assert corrected(["ountain"], pair, [-8.0, -8.0 - MARGIN + 0.01]) == [None]


def test_unlikely_words_are_not_guessed():
    assert corrected(["platyus"], ["platypus"], [FLOOR + SLIP + 0.01]) == ["platypus"]
    assert corrected(["platyus"], ["platypus"], [FLOOR + SLIP]) == [None]


def test_nothing_to_correct_and_nothing_to_look_in():
    assert corrected([]) == []
    assert corrected(["platyus", ""], []) == [None, None]


def one_slip_away(word):
    """Labels that one change of letters makes of a word."""
    letters = "abemnty1"
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    lost = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    changed = {a + c + b[1:] for a, b in cuts if b for c in letters}
    added = {a + c + b for a, b in cuts for c in letters}
    return lost | swapped | changed | added


@settings(deadline=None)
@given(st.data())
def test_slips_are_finite_for_one_change_and_for_no_other(data):
    word = data.draw(st.text("abemnty", min_size=2, max_size=6))
    label = data.draw(st.sampled_from(sorted(one_slip_away(word))) | st.text("abemnty1", max_size=7))
    assert math.isfinite(slip(label, word)) == (label in one_slip_away(word))


@settings(deadline=None)
@given(st.data())
def test_the_index_finds_what_trying_every_word_finds(data):
    some = st.text("abent", min_size=SHORTEST, max_size=SHORTEST + 2)
    words = data.draw(st.lists(some, unique=True, min_size=1, max_size=8))
    logs = data.draw(st.lists(st.integers(-20, -5).map(float), min_size=len(words), max_size=len(words)))
    near = sorted(set().union(*map(one_slip_away, words)))
    labels = data.draw(st.lists(st.sampled_from(near) | some, max_size=6))

    def plainly(label):
        costs = [slip(label, word) for word in words]
        ranked = sorted(((log - SLIP * c, w) for w, log, c in zip(words, logs, costs, strict=True) if c < 2.5))[::-1]
        clear = bool(ranked) and (len(ranked) == 1 or ranked[0][0] - ranked[1][0] >= MARGIN)
        return ranked[0][1] if clear and ranked[0][0] > FLOOR else None

    assert corrected(labels, words, logs) == [plainly(label) for label in labels]
