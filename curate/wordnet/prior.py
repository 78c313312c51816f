"""How likely a word is meant in each of its senses where it labels a picture: a log-linear model over WordNet.

Dimensions: N synsets, S senses (pairs of a word and a synset), W words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.hierarchy import parent_links
from curate.wordnet.lexicon import sense_facts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FLOOR = 0.003
"""Added to each sense's share: what the model calls impossible is met once in a while, and other words may tell."""

LEXNAMES = {
    "animal": ("animal",),
    "artifact": ("artifact",),
    "body": ("body",),
    "communication": ("communication",),
    "event": ("act", "event", "process"),
    "food": ("food",),
    "group": ("group",),
    "location": ("location",),
    "object": ("object",),
    "person": ("person",),
    "phenomenon": ("phenomenon",),
    "plant": ("plant",),
    "possession": ("possession",),
    "shape": ("shape",),
    "substance": ("substance",),
    "tops": ("Tops",),
    "unseen": ("attribute", "cognition", "feeling", "motive", "quantity", "relation", "state", "time"),
}
"""Lexicographer files that share a weight."""

WEIGHTS: Mapping[str, float] = {
    "tag_share": 1.0, "rank": -0.4, "first": 1.4, "kinds": 1.3, "collected_2": 1.5, "collected_3": 2.3, "topical": -0.5,
    "capital": -1.3, "name_of_person": -1.0, "name": 1.1, "meat": -0.9, "fruit": 0.9, "fruit_plant": -0.9,
    "material": -0.5, "animal": 1.0, "artifact": 0.6, "body": 0.0, "communication": -0.4, "event": -1.5, "food": 0.9,
    "group": -2.6, "location": 0.8, "object": 0.6, "person": -2.0, "phenomenon": -0.9, "plant": -0.7,
    "possession": -0.7, "shape": -1.5, "substance": -0.4, "tops": 0.8, "unseen": -1.7,
}  # fmt: skip
"""Log-odds by feature, from 330 everyday words judged by hand; examples/fit_sense_prior.py fits them.

In ten-fold cross-validation the best sense is right for 90 % of these words, all of them ambiguous."""


@dataclass(frozen=True)
class SynsetFacts:
    """What the prior looks at in a synset.

    Attributes:
        lexnames: Lexicographer file of each without 'noun.', string array of shape (N,).
        collected: Whether people collected pictures under it: 0 no, 1 ImageNet-21k, 2 several hundred pictures,
            3 ImageNet-1k; int8 of shape (N,).
        is_topical: Whether it is a term of a field (mathematics, baseball), bool of shape (N,).
        is_name: Whether it is an instance: a person, a river; bool of shape (N,).
        n_kinds: Number of direct hyponyms, int64 of shape (N,).
    """

    lexnames: NDArray[np.str_]
    collected: NDArray[np.int8]
    is_topical: Flags
    is_name: Flags
    n_kinds: Ints


@dataclass(frozen=True)
class WordSenses:
    """Pairs of a word and a synset, sorted by word.

    Attributes:
        words: Word of each sense, int64 of shape (S,), ascending from 0 without a gap.
        nodes: Synset of each, int64 of shape (S,).
        tag_counts: How often the sense occurs in WordNet's tagged texts, int64 of shape (S,).
        ranks: Place of the sense in WordNet's order, from 1; int64 of shape (S,).
        is_first: Whether the synset is called by the word before all others, bool of shape (S,).
        is_capital: Whether the synset writes the word with a capital, bool of shape (S,).
    """

    words: Ints
    nodes: Ints
    tag_counts: Ints
    ranks: Ints
    is_first: Flags
    is_capital: Flags


def synset_facts(synsets: pa.Table, hypernyms: pa.Table) -> SynsetFacts:
    """Facts in the order of the rows of `synsets`; one that the shipped tables do not know was never collected."""
    known = sense_facts()
    place = pc.index_in(synsets["wnid"], value_set=known["wnid"])
    children, parents = parent_links(synsets["wnid"], hypernyms["wnid"], hypernyms["hypernym_wnid"])
    is_instance = hypernyms["is_instance"].to_numpy(zero_copy_only=False)
    is_name = np.zeros(synsets.num_rows, bool)
    is_name[children[is_instance]] = True
    return SynsetFacts(
        lexnames=pc.replace_substring(synsets["lexname"], "noun.", "").to_numpy(zero_copy_only=False).astype(np.str_),
        collected=pc.fill_null(known["collected"].take(place), 0).to_numpy(zero_copy_only=False),
        is_topical=pc.fill_null(known["is_topical"].take(place), False).to_numpy(zero_copy_only=False),
        is_name=is_name,
        n_kinds=np.bincount(parents[~is_instance], minlength=synsets.num_rows),
    )


def word_senses(lemmas: pa.Table, synsets: pa.Table) -> tuple[list[str], WordSenses]:
    """Distinct squashed words, and their senses by synset.

    Args:
        lemmas: The table `lemmas`.
        synsets: Columns wnid and name of the table `synsets`, sorted by wnid.
    """
    n_nodes = synsets.num_rows
    encoded = lemmas["squashed"].combine_chunks().dictionary_encode()
    of_word = encoded.indices.to_numpy().astype(np.int64)
    nodes = pc.index_in(lemmas["wnid"], value_set=synsets["wnid"]).to_numpy().astype(np.int64)
    # Two lemmas of a synset may squash to one word: one sense, and their counts add up.
    pairs, which = np.unique(of_word * n_nodes + nodes, return_inverse=True)
    ranks = np.full(len(pairs), np.iinfo(np.int64).max)
    np.minimum.at(ranks, which, lemmas["sense_rank"].to_numpy().astype(np.int64))
    is_first = pc.equal(lemmas["lemma"], synsets["name"].take(pa.array(nodes))).to_numpy()
    in_lower = ~pc.match_substring_regex(lemmas["lemma"], "^[A-Z]").to_numpy()
    senses = WordSenses(
        words=pairs // n_nodes,
        nodes=pairs % n_nodes,
        tag_counts=np.bincount(which, weights=lemmas["tag_count"].to_numpy(), minlength=len(pairs)).astype(np.int64),
        ranks=ranks,
        is_first=np.bincount(which, weights=is_first, minlength=len(pairs)) > 0,
        is_capital=np.bincount(which, weights=in_lower, minlength=len(pairs)) == 0,
    )
    return encoded.dictionary.to_pylist(), senses


def sense_features(senses: WordSenses, facts: SynsetFacts) -> dict[str, Floats]:
    """What speaks for and against each sense, named as in WEIGHTS; float64 of shape (S,) each.

    tag_share is the logarithm of the smoothed share of the word's tag counts, rank that of the rank, kinds that of
    1 + n_kinds; all others are 0 or 1. Regular polysemy has its own: a dish beside its animal (meat) or its plant
    (fruit), a plant beside its fruit (fruit_plant), a substance beside its animal or plant (hide, wood).
    """
    lexnames, collected = facts.lexnames[senses.nodes], facts.collected[senses.nodes]
    is_name, n_words = facts.is_name[senses.nodes], int(senses.words[-1]) + 1 if len(senses.words) else 0

    def total(values: NDArray[np.generic]) -> Floats:
        return np.asarray(np.bincount(senses.words, weights=values, minlength=n_words)[senses.words], np.float64)

    of_animal, of_plant, of_food = (total(lexnames == name) > 0 for name in ("animal", "plant", "food"))
    share = (senses.tag_counts + 1.0) / (total(senses.tag_counts) + total(np.ones(len(senses.words), np.int64)))
    features: dict[str, Floats | Flags] = {
        "tag_share": np.log(share),
        "rank": np.log(senses.ranks),
        "first": senses.is_first,
        "kinds": np.log1p(facts.n_kinds[senses.nodes]),
        "collected_2": collected >= 2,
        "collected_3": collected >= 3,
        "topical": facts.is_topical[senses.nodes],
        "capital": senses.is_capital & (total(~senses.is_capital) > 0),
        "name_of_person": is_name & (lexnames == "person"),
        "name": is_name & (lexnames != "person"),
        "meat": (lexnames == "food") & of_animal,
        "fruit": (lexnames == "food") & of_plant,
        "fruit_plant": (lexnames == "plant") & of_food,
        "material": (lexnames == "substance") & (of_animal | of_plant),
    }
    for group, names in LEXNAMES.items():
        features[group] = np.isin(lexnames, names)
    return {name: values.astype(np.float64) for name, values in features.items()}


def sense_shares(senses: WordSenses, odds: Floats) -> Floats:
    """P(sense | the word labels a picture), in (0, 1], summing to 1 over a word; float64 of shape (S,).

    Args:
        senses: All senses of the words.
        odds: As from `sense_odds`.
    """
    totals, n_senses = np.bincount(senses.words, weights=odds), np.bincount(senses.words)
    floored = odds / totals[senses.words] + FLOOR
    return np.asarray(floored / (1.0 + FLOOR * n_senses[senses.words]), np.float64)


def sense_odds(senses: WordSenses, facts: SynsetFacts, weights: Mapping[str, float] = WEIGHTS) -> Floats:
    """How likely each sense is the one that a label means, up to a factor that all senses share.

    Divided by their sum over a word they are P(sense | the word labels a picture). The sum itself says how likely the
    word is a picture's label at all; it tells the plural of crab from the word crabs.

    Args:
        senses: All senses of the words.
        facts: The synsets.
        weights: Log-odds by feature.

    Returns:
        Odds > 0, float64 of shape (S,).
    """
    logits = np.zeros(len(senses.words))
    for name, values in sense_features(senses, facts).items():
        logits += weights[name] * values
    return np.asarray(np.exp(logits), np.float64)
