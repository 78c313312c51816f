"""Every written form of every noun: the words, their plurals, and words that are refused. Arrays, built once.

Dimensions: W words, F forms, S senses of forms.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints, expand
from curate.wordnet.normalize import DETACHMENTS
from curate.wordnet.senses import Nouns

RIVAL = 0.25
"""Weight of a singular where the form is a word of its own that labels pictures as readily (glass against glasses)."""

RIVAL_BOUNDS = (0.05, 50.0)
"""Least and most weight of a singular against the word that the form is."""

NOUN, NON_VISUAL, FUNCTION_WORD, ABSTRACT, PROPER_NAME, ADJECTIVE, WNID = range(7)
"""Kinds of forms; `meanings` tells what is abstract, a proper name or mostly an adjective."""

MOSTLY_ADJECTIVE, MOSTLY_VERB = 2.2, 5.0
"""How much more often than as a noun a word must stand as the other to count as it."""


@dataclass(frozen=True)
class Forms:
    """Written forms, and the senses that each can have.

    Attributes:
        texts: Distinct squashed forms, string of length F; the words come first, the wnids themselves last.
        kinds: NOUN, NON_VISUAL, FUNCTION_WORD or WNID, int8 of shape (F,).
        starts: Senses of form f are starts[f]:starts[f + 1], int64 of shape (F + 1,).
        nodes: Synset of each sense, int64 of shape (S,), ascending within a form.
        weights: Weight of each sense within its form, > 0, float64 of shape (S,).
        is_plural: Whether the form has the sense as a plural only, bool of shape (S,).
        bases: Word that each form is or is the plural of (the likeliest one), -1 for none; int64 of shape (F,).
        n_words: W, the number of forms that are words themselves.
    """

    texts: pa.StringArray
    kinds: NDArray[np.int8]
    starts: Ints
    nodes: Ints
    weights: NDArray[np.float64]
    is_plural: NDArray[np.bool_]
    bases: Ints
    n_words: int


def build_forms(
    nouns: Nouns,
    exceptions: Mapping[str, Sequence[str]],
    non_visual: Set[str],
    function_words: Set[str],
    *,
    with_rivals: bool = True,
) -> Forms:
    """All forms of WordNet's nouns, and the words that label nothing.

    Args:
        nouns: WordNet.
        exceptions: Irregular plurals, squashed, each with its base forms.
        non_visual: Words that no picture shows; a plural of one is one.
        function_words: Words that label nothing; those that are also non-visual count as non-visual.
        with_rivals: Whether a form may be of several words: one itself and another's plural (glasses), or the plural
            of several (axes); all their senses then compete.
    """
    words = list(nouns.senses)
    number = {word: i for i, word in enumerate(words)}
    plurals = [
        (form, number[base], rank)
        for form, base, rank in _plural_forms(words, exceptions)
        if base in number and (with_rivals or form not in number)
    ]
    texts = list(dict.fromkeys([*words, *(form for form, _, _ in plurals), *sorted(non_visual | function_words)]))
    index = {text: i for i, text in enumerate(texts)}
    pairs = sorted({(index[form], rank, base) for form, base, rank in plurals})
    if not with_rivals:
        pairs = [pair for i, pair in enumerate(pairs) if i == 0 or pairs[i - 1][0] != pair[0]]
    form_P = np.array([form for form, _, _ in pairs], np.int64)
    base_P = np.array([base for _, _, base in pairs], np.int64)
    bases = np.full(len(texts), -1, np.int64)
    bases[form_P[::-1]] = base_P[::-1]  # the first base of a form is written last
    bases[: len(words)] = np.arange(len(words))
    starts, nodes, weights, is_plural = _senses(
        nouns, words, _rivalry(nouns, words, form_P, base_P), form_P, base_P, len(texts)
    )
    itself = np.array([nouns.index[wnid] for wnid in nouns.wnids if wnid not in index], np.int64)
    starts = np.concatenate([starts, starts[-1] + 1 + np.arange(len(itself))])
    nodes, weights = np.concatenate([nodes, itself]), np.concatenate([weights, np.ones(len(itself))])
    is_plural = np.concatenate([is_plural, np.zeros(len(itself), bool)])
    silent = pa.array(sorted(non_visual), pa.string())
    wnids = [wnid for wnid in nouns.wnids if wnid not in index]
    texts_F = pa.array([*texts, *wnids], pa.string())
    kinds = np.concatenate([np.full(len(texts), NOUN), np.full(len(wnids), WNID)]).astype(np.int8)
    bases = np.concatenate([bases, np.full(len(wnids), -1)])
    of_base = pc.is_in(texts_F.take(pa.array(np.maximum(bases, 0))), value_set=silent).to_numpy(zero_copy_only=False)
    kinds[pc.is_in(texts_F, value_set=silent).to_numpy(zero_copy_only=False) | (of_base & (bases >= 0))] = NON_VISUAL
    for word in function_words - non_visual:
        kinds[index[word]] = FUNCTION_WORD
    return Forms(texts_F, kinds, starts, nodes, weights, is_plural, bases, len(words))


def mostly_other(
    forms: Forms, noun_counts: Mapping[str, int], other_counts: Mapping[str, tuple[int, int]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which forms are mostly adjectives, and which are mostly verbs, in tagged texts; plurals are neither.

    Args:
        forms: Written forms.
        noun_counts: How often each word stands as a noun.
        other_counts: How often it stands as a verb and as an adjective, where it does.

    Returns:
        Two arrays, bool of shape (F,).
    """
    counts = [
        (noun_counts.get(w, 0), *other_counts.get(w, (0, 0))) for w in forms.texts.slice(0, forms.n_words).to_pylist()
    ]
    noun, verb, adjective = np.array(counts).T + 1.0
    rest = np.zeros(len(forms.texts) - forms.n_words, bool)
    return (
        np.concatenate([adjective >= MOSTLY_ADJECTIVE * noun, rest]),
        np.concatenate([verb >= MOSTLY_VERB * noun, rest]),
    )


def _plural_forms(words: Sequence[str], exceptions: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, int]]:
    """Plural, singular and rank (the surer base of a form first): the detachment rules the other way round."""
    for form, bases in exceptions.items():
        yield from ((form, base, rank) for rank, base in enumerate(bases))
    for word in words:
        yield from ((plural, word, rank) for plural, rank in _attached(word, exceptions))
        if word.endswith("ful"):  # boxful → boxesful
            yield from ((plural + "ful", word, rank) for plural, rank in _attached(word[:-3], exceptions))


def _attached(word: str, exceptions: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int]]:
    for rank, (suffix, ending) in enumerate(DETACHMENTS):
        if word.endswith(ending):
            plural = word[: len(word) - len(ending)] + suffix
            if len(plural) > max(2, len(suffix)) and not plural.endswith("ss") and plural not in exceptions:
                yield plural, rank


def _rivalry(nouns: Nouns, words: Sequence[str], form_P: Ints, base_P: Ints) -> NDArray[np.float64]:
    """Weight of each plural against what else its form is: by how readily the words label pictures."""
    strengths = np.array([nouns.strengths[word] for word in words])
    is_word = form_P < len(words)
    ratio = strengths[base_P] / strengths[np.where(is_word, form_P, 0)]
    return np.where(is_word, np.clip(RIVAL * ratio, *RIVAL_BOUNDS), strengths[base_P])


def _senses(
    nouns: Nouns, words: Sequence[str], rivalry: NDArray[np.float64], form_P: Ints, base_P: Ints, n_forms: int
) -> tuple[Ints, Ints, NDArray[np.float64], NDArray[np.bool_]]:
    """Senses of all forms: those of the word that a form is, then those of the words that it is the plural of."""
    n_words, n_nodes = len(words), len(nouns.wnids)
    counts_W = np.fromiter((len(nouns.senses[word]) for word in words), np.int64, n_words)
    flat = np.fromiter((node for word in words for node in nouns.senses[word]), np.int64, counts_W.sum())
    weight = np.fromiter((w for word in words for w in nouns.weights[word]), np.float64, len(flat))
    cuts = np.concatenate([[0], np.cumsum(counts_W)])
    form_X = np.concatenate([np.arange(n_words), form_P])
    word_X = np.concatenate([np.arange(n_words), base_P])
    of_pair, sense = expand(cuts[word_X], counts_W[word_X])
    is_plural = of_pair >= n_words
    scale = np.concatenate([np.ones(n_words), rivalry])[of_pair]
    keys, first, which = np.unique(form_X[of_pair] * n_nodes + flat[sense], return_index=True, return_inverse=True)
    summed = np.bincount(which, weights=weight[sense] * scale, minlength=len(keys))
    starts: Ints = np.searchsorted(keys, np.arange(n_forms + 1) * n_nodes).astype(np.int64)
    return starts, keys % n_nodes, summed.astype(np.float64), is_plural[first]
