import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet import segment
from curate.wordnet.segment import MAX_LETTERS, MAX_WORDS, cut, hash_set, look_up, look_up_all, word_hashes, word_set

TEXTS = st.text("ab01z", max_size=8)


def cut_all(labels, costs):
    """Words of each label and their cost."""
    words = list(costs)
    chains, totals = cut(pa.array(labels, pa.string()), word_set(words), np.array([costs[w] for w in words], float))
    assert chains.shape == (len(labels), MAX_WORDS) and totals.shape == (len(labels),)
    return [([words[i] for i in chain if i >= 0], float(total)) for chain, total in zip(chains, totals, strict=True)]


def cheapest(label, costs):
    """The same, plainly: best[i] is the cheapest chain that spells the first i letters."""
    best = [(0.0, [])] + [(math.inf, [])] * len(label)
    for end in range(1, len(label) + 1):
        for start in range(end):
            if label[start:end] in costs and best[start][0] < math.inf:
                cost = best[start][0] + costs[label[start:end]]
                if cost < best[end][0]:
                    best[end] = cost, [*best[start][1], label[start:end]]
    return best[-1]


@given(st.sets(TEXTS), st.lists(TEXTS))
def test_words_are_found_as_in_a_dictionary(words, queries):
    words = sorted(words)
    number = {word: i for i, word in enumerate(words)}
    found = look_up(word_hashes(queries), word_set(words))
    assert found.tolist() == [number.get(query, -1) for query in queries]


@given(st.lists(TEXTS), st.lists(TEXTS))
def test_all_words_of_a_hash_are_found(words, queries):
    places, found = look_up_all(word_hashes(queries), hash_set(word_hashes(words), np.arange(len(words)), 8))
    expected = [(q, w) for q, query in enumerate(queries) for w, word in enumerate(words) if word == query]
    assert sorted(zip(places.tolist(), found.tolist(), strict=True)) == expected


def test_the_words_of_english_do_not_collide(mapper):
    words = [text for text in mapper.labels.reader.number if text]
    assert len(np.unique(word_hashes(words))) == len(words)


@settings(deadline=None)
@given(
    st.sets(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=12),
    st.lists(st.text("abc", max_size=14), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_the_cut_is_the_cheapest(words, labels, seed):
    words = sorted(words)
    costs = dict(zip(words, np.random.default_rng(seed).uniform(0.5, 9, len(words)).tolist(), strict=True))
    for label, (chain, total) in zip(labels, cut_all(labels, costs), strict=True):
        expected, best = cheapest(label, costs)
        assert total == pytest.approx(expected)
        assert chain == [] if len(best) > MAX_WORDS else "".join(chain) == (label if best else "")
        assert not chain or sum(costs[word] for word in chain) == pytest.approx(expected)


def test_rare_words_lose_against_common_ones():
    costs = {"cats": 5.0, "cat": 4.0, "so": 6.0, "of": 2.0, "sof": 14.0, "instagram": 6.0}
    (chain, total), = cut_all(["catsofinstagram"], costs)  # fmt: skip
    assert (chain, total) == (["cats", "of", "instagram"], 13.0)


@pytest.mark.parametrize(
    ("label", "n_words"),
    [
        ("", 0),
        ("a" * MAX_WORDS, MAX_WORDS),
        ("a" * (MAX_WORDS + 1), 0),
        ("b" * MAX_LETTERS, 4),
        ("b" * MAX_LETTERS + "a", 0),
        ("x", 0),
        ("ax", 0),
        ("xa", 0),
        ("axa", 0),
    ],
)
def test_bounds(label, n_words):
    costs = {"a": 1.0, "b" * 10: 3.0}
    for labels in ([label], ["", label, "x" * 90]):  # alone, and beside longer and shorter ones
        assert len(cut_all(labels, costs)[labels.index(label)][0]) == n_words


def test_nothing_to_cut_and_nothing_to_cut_into():
    assert cut_all([], {"a": 1.0}) == []
    assert cut_all(["", ""], {"a": 1.0}) == [([], 0.0)] * 2
    assert cut_all(["a"], {}) == [([], math.inf)]


def test_labels_may_be_a_piece_of_a_column():
    whole = pa.array(["zz", "ab", "", "ba", "zz"], pa.string())
    words, costs = word_set(["a", "b"]), np.array([1.0, 2.0])
    assert cut(whole.slice(1, 3), words, costs)[0][:, :2].tolist() == [[0, 1], [-1, -1], [1, 0]]


def test_the_size_of_blocks_does_not_matter(monkeypatch):
    random = np.random.default_rng(4)
    labels = ["".join(random.choice(list("abc"), random.integers(0, 12))) for _ in range(50)]
    costs = {"a": 1.5, "ab": 1.7, "bc": 2.0, "c": 3.1, "cab": 2.2, "b": 4.4}
    whole = cut_all(labels, costs)
    for size in (1, 7, 50):
        monkeypatch.setattr(segment, "BLOCK", size)
        assert cut_all(labels, costs) == whole
