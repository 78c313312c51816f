import csv
import time
from pathlib import Path

import numpy as np
import pytest

from curate.wordnet import lexicon
from curate.wordnet.evidence import MOST, Evidence, likeness, read_evidence, word_evidence
from curate.wordnet.senses import read_nouns
from tests.wordnet.pieces import wordnet_piece

CONTEXTS = Path(__file__).with_name("contexts.tsv")
CRANE_BIRD, CRANE_MACHINE, BASS_INSTRUMENT, BASS_FISH = "n02012849", "n03126707", "n02803349", "n02565573"


@pytest.fixture(scope="module")
def evidence(nouns) -> Evidence:
    return read_evidence(nouns)


@pytest.fixture(scope="module")
def tell(nouns, evidence):
    """Log-odds of each sense of a word from other words, summed and capped."""
    number = {word: i for i, word in enumerate(nouns.senses)}

    def told(word, *others):
        nodes = np.array(nouns.senses[word])
        pairs = np.tile(nodes, len(others)), np.repeat([number[other] for other in others], len(nodes))
        return np.minimum(word_evidence(*pairs, evidence).reshape(len(others), -1).sum(axis=0), MOST)

    return told


def _best(nouns, word, told):
    return nouns.wnids[nouns.senses[word][int((np.log(nouns.weights[word]) + told).argmax())]]


@pytest.mark.parametrize(
    ("word", "other", "wnid"),
    [
        ("crane", "marsh", CRANE_BIRD),
        ("crane", "heron", CRANE_BIRD),
        ("crane", "derrick", CRANE_MACHINE),
        ("bass", "guitar", BASS_INSTRUMENT),
        ("bass", "fish", BASS_FISH),
    ],
)
def test_another_word_tells_the_meaning(nouns, tell, word, other, wnid):
    told = dict(zip((nouns.wnids[n] for n in nouns.senses[word]), tell(word, other), strict=True))
    assert told[wnid] == max(told.values()) > 0.8


def test_contexts_written_by_hand(nouns, tell):
    irregular = {"drawers": "drawer", "cards": "card", "flowers": "flower", "soldiers": "soldier"}
    rows = list(csv.DictReader(CONTEXTS.read_text().splitlines(), delimiter="\t"))
    alone, told = [], []
    for row in rows:
        other = row["context"] if row["context"] in nouns.senses else irregular[row["context"]]
        right = row["wnids"].split()
        alone.append(_best(nouns, row["word"], 0.0) in right)
        told.append(_best(nouns, row["word"], tell(row["word"], other)) in right)
    assert len(rows) == 222
    assert np.mean(alone) < 0.5  # they were chosen against the prior
    assert np.mean(told) > 0.78


def test_unrelated_words_tell_nothing(nouns, tell):
    lines = CONTEXTS.read_text().splitlines()
    words = sorted({row["word"] for row in csv.DictReader(lines, delimiter="\t")})
    rng = np.random.default_rng(4)
    changed = silent = 0
    for _ in range(1000):
        word, other = rng.choice(words, 2, replace=False).tolist()
        told = tell(word, other)
        changed += _best(nouns, word, told) != _best(nouns, word, 0.0)
        silent += not told.any()
    assert changed < 20
    assert silent > 960


def test_more_words_never_take_back_what_one_says(nouns, tell):
    one, more = tell("crane", "marsh"), tell("crane", "marsh", "love", "monday", "photography", "heron")
    assert np.all(more >= one)
    assert np.all(more <= MOST)


def test_pairs_are_independent_of_their_order_and_repeats(nouns, evidence):
    rng = np.random.default_rng(0)
    nodes, words = rng.integers(0, len(nouns.wnids), 3000), rng.integers(0, len(nouns.senses), 3000)
    order = rng.integers(0, 3000, 5000)
    once, again = word_evidence(nodes, words, evidence), word_evidence(nodes[order], words[order], evidence)
    assert np.array_equal(once[order], again)
    assert once.dtype == np.float64
    assert once.min() == 0.0
    assert word_evidence(nodes[:0], words[:0], evidence).shape == (0,)


def test_a_word_is_like_its_own_meaning(nouns, evidence):
    number = {word: i for i, word in enumerate(nouns.senses)}
    words = ["zebra", "accordion", "toothbrush"]
    nodes, places = np.array([nouns.senses[w][0] for w in words]), np.array([number[w] for w in words])
    likes = likeness(nodes, places, evidence)
    assert np.all(likes > 0.8)
    assert np.all(likes < 1.7)
    assert np.all(likeness(nodes, places[::-1].copy(), evidence)[[0, 2]] < 0.1)


def test_millions_of_pairs_are_quick(nouns, evidence):
    rng = np.random.default_rng(1)
    nodes, words = rng.integers(0, len(nouns.wnids), 200_000), rng.integers(0, len(nouns.senses), 200_000)
    start = time.perf_counter()
    word_evidence(nodes, words, evidence)
    assert time.perf_counter() - start < 2  # 0.1 s alone; the rest is for a busy machine


def test_a_piece_of_wordnet_will_do():
    nouns = read_nouns(**wordnet_piece("crane", "heron"))
    evidence = read_evidence(nouns)
    number = {word: i for i, word in enumerate(nouns.senses)}
    nodes = np.array([nouns.index[CRANE_BIRD], nouns.index[CRANE_MACHINE]])
    bird, machine = likeness(nodes, np.full(2, number["heron"]), evidence)
    assert bird > 2 * machine


def test_glosses_ship_as_words_only():
    rows, vocabulary = lexicon.gloss_rows(), lexicon.gloss_vocabulary()
    assert rows.num_rows == 82115
    words = [vocabulary[i] for i in rows["words"][lexicon.synset_rows()["wnid"].to_pylist().index(CRANE_BIRD)].as_py()]
    assert {"wading", "marsh", "bird"} <= set(words)
    assert all(len(words.values) < 60 for words in rows["words"])
