import csv
from pathlib import Path

import numpy as np
import pytest

from curate.wordnet import lexicon
from curate.wordnet.prior import FLOOR, LEXNAMES, WEIGHTS, SynsetFacts, WordSenses, sense_features, sense_odds
from curate.wordnet.senses import read_nouns
from tests.wordnet.pieces import wordnet_piece

EXPECTED = Path(__file__).with_name("expected_senses.tsv")


def _senses(tag_counts, *, first=True):
    n = len(tag_counts)
    flags = np.full(n, first)
    return WordSenses(
        words=np.zeros(n, np.int64),
        nodes=np.arange(n),
        tag_counts=np.array(tag_counts),
        ranks=np.ones(n, np.int64),
        is_first=flags,
        is_capital=np.zeros(n, bool),
    )


def _facts(*lexnames, collected=0):
    n = len(lexnames)
    return SynsetFacts(
        lexnames=np.array(lexnames, np.str_),
        collected=np.full(n, collected, np.int8),
        is_topical=np.zeros(n, bool),
        is_name=np.zeros(n, bool),
        n_kinds=np.zeros(n, np.int64),
    )


def test_shares_of_a_word_sum_to_one(nouns):
    assert all(abs(sum(shares) - 1) < 1e-9 and min(shares) > FLOOR / 2 for shares in nouns.weights.values())
    assert nouns.weights["aardvark"] == (1.0,)


def test_everyday_words_mean_in_pictures_what_people_say(nouns):
    rows = list(csv.DictReader(EXPECTED.read_text().splitlines(), delimiter="\t"))
    said = []
    for row in rows:
        shares = np.array(nouns.weights[row["word"]])
        right = np.isin([nouns.wnids[node] for node in nouns.senses[row["word"]]], row["wnids"].split())
        assert right.any() and len(right) > 1, row
        said.append((shares.max(), right[shares.argmax()]))
    confidence, right = np.array(said, float).T
    assert len(rows) == 330
    assert right.mean() > 0.9
    # A higher threshold is wrong less often, and what is nearly sure is nearly always right.
    wrong = [((confidence >= t) & (right == 0)).mean() for t in np.arange(0.3, 1.0, 0.1)]
    assert wrong == sorted(wrong, reverse=True)
    assert right[confidence >= 0.9].mean() > 0.97
    assert abs(confidence.mean() - right.mean()) < 0.1


def test_frequent_senses_weigh_more():
    odds = sense_odds(_senses([9, 1]), _facts("artifact", "artifact"))
    assert odds[0] > 2 * odds[1]


def test_pictures_show_animals_and_no_notions():
    odds = sense_odds(_senses([1, 1, 1]), _facts("animal", "cognition", "person"))
    assert odds[0] > 5 * odds[1] and odds[0] > 5 * odds[2]
    assert np.all(
        sense_odds(_senses([1]), _facts("animal", collected=3)) > 5 * sense_odds(_senses([1]), _facts("animal"))
    )


def test_a_dish_of_an_animal_is_told_from_a_dish():
    alone = sense_features(_senses([0, 0]), _facts("food", "artifact"))
    meat = sense_features(_senses([0, 0]), _facts("food", "animal"))
    fruit = sense_features(_senses([0, 0]), _facts("food", "plant"))
    assert (alone["meat"].sum(), meat["meat"].tolist(), fruit["meat"].sum()) == (0, [1, 0], 0)
    assert (fruit["fruit"].tolist(), fruit["fruit_plant"].tolist()) == ([1, 0], [0, 1])


def test_every_feature_has_a_weight_and_every_file_a_group():
    assert set(sense_features(_senses([1]), _facts("animal"))) == set(WEIGHTS)
    files = {name.removeprefix("noun.") for name in lexicon.synset_rows()["lexname"].to_pylist()}
    assert sorted(file for group in LEXNAMES.values() for file in group) == sorted(files)


def test_no_words_no_odds():
    assert sense_odds(_senses([]), _facts()).tolist() == []


def test_strength_tells_a_plural_from_a_word_that_looks_like_one(nouns):
    assert nouns.strengths["crab"] > 100 * nouns.strengths["crabs"]  # crabs are an infestation
    assert nouns.strengths["water"] > 20 * nouns.strengths["waters"]
    assert nouns.strengths["dog"] > 50 * nouns.strengths["happiness"]


def test_rows_in_any_order_give_the_same_shares():
    piece = wordnet_piece("crane", "seal")
    turned = {name: rows.take(np.arange(rows.num_rows)[::-1].copy()) for name, rows in piece.items()}
    once, again = read_nouns(**piece), read_nouns(**turned)
    assert once.senses["crane"] == again.senses["crane"]
    assert once.weights["crane"] == pytest.approx(again.weights["crane"])


def test_facts_ship_for_every_synset():
    facts = lexicon.sense_facts()
    levels, counts = np.unique(facts["collected"].to_numpy(), return_counts=True)
    assert facts["wnid"].to_pylist() == lexicon.synset_rows()["wnid"].to_pylist()
    assert levels.tolist() == [0, 1, 2, 3]
    assert counts[3] == 1000
    assert counts[1:].sum() == 21842
