import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.context import MOST, SETTLED, post_evidence, posterior
from tests.wordnet.conftest import make_mapper, mentions_of

BIRD, MACHINE, LIVING_THING = "n02012849", "n03126707", "n00004258"
WORDS = ("crane", "egret", "forklift", "bass", "guitar", "fish", "dog")


@pytest.fixture(scope="module")
def reader():
    return make_mapper(WORDS).labels.reader


def told_by_hand(nodes, forms):
    """Some log-odds for every pair, negative ones and none at all among them."""
    return ((nodes * 7 + forms * 13) % 11 - 3) * 0.5


@pytest.fixture(scope="module")
def tell(reader):
    """Words of posts to the log-odds of all their candidates, as computed and slowly; `evidence` as given."""
    meanings = reader.meanings

    def slowly(f, others, evidence):
        of = range(meanings.starts[f], meanings.starts[f + 1])
        if len(of) < 2 or meanings.priors[of[0]] >= SETTLED:
            return [0.0] * len(of)
        nodes = [meanings.nodes[meanings.sense_starts[c] : meanings.sense_starts[c + 1]] for c in of]
        return [min(sum(max(evidence(n, np.full_like(n, g))) for g in others), MOST) for n in nodes]

    def tell(posts, evidence):
        pairs = sorted((post, reader.number[word]) for post, words in enumerate(posts) for word in words)
        post, form = np.array(pairs, np.int64).reshape(-1, 2).T
        expected = [
            value
            for here, f in pairs
            for value in slowly(f, [g for there, g in pairs if there == here and g != f], evidence)
        ]
        return post_evidence(post, form, meanings, evidence).tolist(), expected

    return tell


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from(WORDS)), max_size=5))
def test_words_of_a_post_add_up(tell, posts):
    found, expected = tell(posts, told_by_hand)
    assert found == pytest.approx(expected)


def test_what_a_post_says_is_bounded(tell):
    found, expected = tell([WORDS], lambda nodes, forms: np.full(len(nodes), 5.0))
    assert found == expected and set(found) == {0.0, MOST}


def test_a_class_of_several_synsets_has_the_best_that_is_said_for_one():
    m = make_mapper(WORDS, (LIVING_THING,)).labels.reader
    crane, dog = m.number["crane"], m.number["dog"]
    words, m = np.sort([crane, dog]), m.meanings
    told = post_evidence(np.zeros(2, np.int64), words, m, told_by_hand)
    of_crane = told[: np.diff(m.starts)[crane]] if crane < dog else told[-np.diff(m.starts)[crane] :]
    n_synsets = np.diff(m.sense_starts)[m.starts[crane] : m.starts[crane + 1]]
    assert n_synsets.max() > 1  # birds and people become one class
    for i, c in enumerate(range(m.starts[crane], m.starts[crane + 1])):
        nodes = m.nodes[m.sense_starts[c] : m.sense_starts[c + 1]]
        assert of_crane[i] == max(told_by_hand(nodes, np.full_like(nodes, dog)))


def test_a_word_alone_is_told_nothing(tell):
    for posts in ([], [{"crane"}], [{"crane"}, {"egret"}, {"crane"}]):
        assert not any(tell(posts, told_by_hand)[0])


def test_posterior():
    case = np.array([0, 0, 1, 1, 1])
    priors = np.array([0.75, 0.25, 0.5, 0.3, 0.2])
    assert posterior(priors, np.zeros(5), case) == pytest.approx(priors)
    told = posterior(priors, np.array([0, np.log(3), 0, 0, 9.0]), case)
    assert told[:2] == pytest.approx([0.5, 0.5])
    assert told[4] > 0.99
    assert np.bincount(case, weights=told) == pytest.approx([1, 1])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(1e-6, 1), st.floats(-MOST, MOST)), min_size=1, max_size=12).map(
        sorted
    )
)
def test_a_posterior_is_a_distribution_that_follows_the_evidence(rows):
    case, priors, told = (np.array(column) for column in zip(*rows, strict=True))
    found = posterior(priors, told, case)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    assert np.bincount(case, weights=found)[np.unique(case)] == pytest.approx(1)
    more = told.copy()
    more[0] += 1
    assert posterior(priors, more, case)[0] >= found[0] - 1e-12
    assert posterior(priors, told + 2.5, case) == pytest.approx(found)


@pytest.mark.parametrize(
    ("labels", "class_key"),
    [
        (("hashtag:crane", "hashtag:egret", "hashtag:wadingbird"), BIRD),
        (("hashtag:crane", "caption:An egret and other wading birds"), BIRD),
        (("hashtag:crane", "hashtag:forklift", "hashtag:hoist"), MACHINE),
        (("query:crane", "title:Forklift with a hoist.jpg"), MACHINE),
    ],
)
def test_the_other_words_of_a_post_choose_the_sense(mapper, labels, class_key):
    for order in itertools.permutations(labels):
        found = {m["surface"]: m for m in mentions_of(mapper, *order)}
        assert (found["crane"]["class_key"], found["crane"]["rule"]) == (class_key, "context")
    assert mentions_of(mapper, labels[0])[0]["rule"] == "ambiguous"  # not by itself
