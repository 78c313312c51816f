"""What one word of a post says about the meaning of another: glosses, neighbours and hierarchy of WordNet.

A synset is described by rare words: its lemmas, its gloss, and those of what stands above, below and around it (Lesk,
SIGDOC 1986; Banerjee & Pedersen, IJCAI 2003). A word is described by its senses, each by its share, and by itself.

Dimensions: N synsets, W words, F features (gloss words, then synsets as ancestors), P pairs, E links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from curate.wordnet.hierarchy import Ints, closure
from curate.wordnet.lexicon import gloss_rows, gloss_vocabulary, lemma_rows, synset_rows
from curate.wordnet.senses import Nouns

Floats = NDArray[np.float64]

KINDS = {"above": 0.3, "below": 1.0, "around": 1.0}
"""Weight of the words of hypernyms, hyponyms and parts or wholes (the several of a kind divided by the root of their
number) beside a synset's own."""

HIERARCHY = 0.5
"""Weight of shared ancestors beside that of shared words, which say much of it already."""

TELLING = 0.4
"""Information content from which a shared ancestor says something: a person or plant has less, a fish or tool more."""

SLOPE, NOISE, MOST = 40.0, 0.1, 10.0
"""Log-odds per unit of likeness, likeness below which it says nothing, greatest log-odds.

Set on hand-written pairs of words such as crane and marsh: tests/wordnet/contexts.tsv."""

MOST_FEATURES = 64
"""Features of a row that are kept, the largest: one row in ten has more, and those are slow."""

BLOCK = 1 << 15
"""Pairs looked at together: bounds the memory."""


@dataclass(frozen=True)
class Evidence:
    """Synsets and words as vectors of the same features; the dot product of two is their likeness, from 0 to about 1.5.

    Attributes:
        synsets: Sparse rows, float32 of shape (N, F).
        words: Sparse rows in the order of `Nouns.senses`, float32 of shape (W, F).
    """

    synsets: sparse.csr_array
    words: sparse.csr_array


def read_evidence(nouns: Nouns) -> Evidence:
    """Vectors of all synsets and words, from the gloss words that ship with the package."""
    vocabulary = gloss_vocabulary()
    own, parts = _described(nouns, vocabulary)
    rarity = np.log(len(nouns.wnids) / np.maximum(np.bincount(own.indices, minlength=len(vocabulary)), 1))
    own.data *= rarity[own.indices]
    vectors, lineage = _unit(_neighbours(nouns, parts) @ own), _lineage(nouns)
    meaning = _shares(nouns)
    place = _places(pa.chunked_array([list(nouns.senses)]), vocabulary)
    itself = _ones(np.arange(len(place)), place, (len(place), len(vocabulary)))
    words = _unit(meaning @ vectors + itself)
    return Evidence(
        synsets=_strongest(sparse.hstack([vectors, lineage], format="csr", dtype=np.float32)),
        words=_strongest(sparse.hstack([words, meaning @ lineage], format="csr", dtype=np.float32)),
    )


def _strongest(rows: sparse.csr_array) -> sparse.csr_array:
    """Rows with their largest values only, of equal ones those that come first."""
    counts = np.diff(rows.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    long = np.flatnonzero(counts[row] > MOST_FEATURES)
    order = long[np.lexsort((-rows.data[long], row[long]))]
    in_order = np.where(counts > MOST_FEATURES, counts, 0)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(in_order) - in_order, in_order)
    kept = np.ones(len(row), bool)
    kept[order[rank >= MOST_FEATURES]] = False
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(counts)))])
    return sparse.csr_array((rows.data[kept], rows.indices[kept], starts), rows.shape)


def likeness(nodes_P: Ints, words_P: Ints, evidence: Evidence) -> Floats:
    """How much what a synset is described by is what a word brings to mind.

    Args:
        nodes_P: Synsets, int64 of shape (P,).
        words_P: Words by their place in `Nouns.senses`, int64 of shape (P,).
        evidence: Both as vectors.

    Returns:
        Dot products from 0 to about 1.5, float64 of shape (P,): below 0.1 for 99.6 % of pairs drawn at random from
        everyday words and their synsets, above it for three quarters of the pairs that go together.
    """
    n_words = evidence.words.shape[0]
    pairs, which = np.unique(nodes_P * n_words + words_P, return_inverse=True)
    dots = np.zeros(len(pairs))
    for start in range(0, len(pairs), BLOCK):
        some = pairs[start : start + BLOCK]
        shared = evidence.synsets[some // n_words].multiply(evidence.words[some % n_words])
        dots[start : start + BLOCK] = shared.sum(axis=1)
    return dots[which]


def word_evidence(nodes_P: Ints, words_P: Ints, evidence: Evidence) -> Floats:
    """What another word of a post says for a synset.

    The words of a post add up, capped at MOST again: no word speaks against a synset but by speaking for another, so a
    word more never makes the meaning that it speaks for less likely, and unrelated words say nothing at all.

    Args:
        nodes_P: Synsets, int64 of shape (P,).
        words_P: Words by their place in `Nouns.senses`, int64 of shape (P,).
        evidence: Both as vectors.

    Returns:
        Log-odds in [0, MOST], float64 of shape (P,), rounded to 1/1000.
    """
    told = SLOPE * (likeness(nodes_P, words_P, evidence) - NOISE)
    return np.asarray(np.round(np.clip(told, 0.0, MOST), 3), np.float64)


def _described(nouns: Nouns, vocabulary: Sequence[str]) -> tuple[sparse.csr_array, sparse.csr_array]:
    """The words of each synset's gloss and lemmas (2 where in both), and which synset is a part of which (1)."""
    shape = (len(nouns.wnids), len(vocabulary))
    node_of = _places(synset_rows()["wnid"], nouns.wnids)
    glosses, parts = (pc.list_flatten(gloss_rows()[name]) for name in ("words", "parts"))
    owners, wholes = (node_of[pc.list_parent_indices(gloss_rows()[name])] for name in ("words", "parts"))
    lemmas = lemma_rows()
    of_lemma = _places(lemmas["wnid"], nouns.wnids)
    pieces = pc.split_pattern_regex(pc.utf8_lower(lemmas["lemma"]), "[^a-z]+")
    piece, whole = _places(pc.list_flatten(pieces), vocabulary), _places(lemmas["squashed"], vocabulary)
    named = np.concatenate([of_lemma[pc.list_parent_indices(pieces)], of_lemma]), np.concatenate([piece, whole])
    spoken = owners, glosses.to_numpy().astype(np.int64)
    return (
        _ones(*named, shape) + _ones(*spoken, shape),
        _ones(wholes, node_of[parts.to_numpy()], (shape[0], shape[0])),
    )


def _neighbours(nouns: Nouns, parts: sparse.csr_array) -> sparse.csr_array:
    """Weight of each synset's words in the vector of another, of shape (N, N)."""
    above = _ones(nouns.children, nouns.parents, parts.shape)
    around = (parts + parts.T).tocsr()
    links = sparse.eye_array(parts.shape[0], format="csr") + KINDS["above"] * above
    return links + KINDS["below"] * _spread(above.T.tocsr()) + KINDS["around"] * _spread(around)


def _shares(nouns: Nouns) -> sparse.csr_array:
    """P(synset | word), of shape (W, N)."""
    counts = np.fromiter(map(len, nouns.senses.values()), np.int64, len(nouns.senses))
    nodes = np.fromiter(chain.from_iterable(nouns.senses.values()), np.int64, counts.sum())
    shares = np.fromiter(chain.from_iterable(nouns.weights.values()), np.float64, counts.sum())
    return sparse.csr_array((shares, nodes, np.concatenate([[0], np.cumsum(counts)])), (len(counts), len(nouns.wnids)))


def _places(values: pa.ChunkedArray, among: Sequence[str]) -> Ints:
    """Place of each value among some others, -1 where it is none of them."""
    found = pc.index_in(values, value_set=pa.array(among, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)


def _ones(rows_E: Ints, columns_E: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    """Ones at some places, however often each is named; negative places are left out."""
    kept = (rows_E >= 0) & (columns_E >= 0)
    places = np.sort(rows_E[kept] * shape[1] + columns_E[kept])
    places = places[np.diff(places, prepend=-1) > 0]
    starts = np.searchsorted(places, np.arange(shape[0] + 1) * shape[1])
    return sparse.csr_array((np.ones(len(places)), places % shape[1], starts), shape)


def _spread(links: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by the root of their number of links."""
    counts = np.diff(links.indptr)
    return sparse.csr_array((1.0 / np.sqrt(np.repeat(counts, counts)), links.indices, links.indptr), links.shape)


def _unit(rows: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by their length; empty ones stay."""
    counts = np.diff(rows.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    lengths = np.sqrt(np.bincount(row, weights=rows.data**2, minlength=len(counts)))
    return sparse.csr_array((rows.data / np.maximum(lengths[row], 1e-12), rows.indices, rows.indptr), rows.shape)


def _lineage(nouns: Nouns) -> sparse.csr_array:
    """Ancestors of each synset, such that the dot product of two is the information of the nearest one they share.

    Of that only what exceeds TELLING, scaled to HIERARCHY at most. Exact in a tree, nearly so where paths join.
    """
    n_nodes = len(nouns.wnids)
    told = np.maximum(nouns.information - TELLING, 0.0)
    of_parents = np.zeros(n_nodes)
    np.maximum.at(of_parents, nouns.children, told[nouns.parents])
    added = np.sqrt(np.maximum(told - of_parents, 0.0) * HIERARCHY / (1.0 - TELLING))
    nodes, ancestors, _ = closure(nouns.children, nouns.parents, n_nodes)
    kept = added[ancestors] > 0
    nodes, ancestors = nodes[kept], ancestors[kept]
    starts = np.searchsorted(nodes, np.arange(n_nodes + 1))
    return sparse.csr_array((added[ancestors], ancestors, starts), (n_nodes, n_nodes))
