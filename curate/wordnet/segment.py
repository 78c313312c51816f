"""Cutting run-together labels into words (#catsofinstagram → cats of instagram), many labels at once.

The likeliest cut under a unigram model, by dynamic programming over all labels in step. Substrings are looked up by
64-bit polynomial hashes in numpy.

Dimensions: N labels, L letters, V words, H hits (a word at a place of a label), T words of the longest cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints, expand

MAX_LETTERS = 40
"""Longest label that is cut; longer ones are chains of words without an end."""

MAX_WORDS = 8
"""Most words that a label is cut into."""

BLOCK = 20_000
"""Labels cut at a time: bounds the memory."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_SIEVE_BITS = 24


@dataclass(frozen=True)
class WordSet:
    """Words by hash.

    Attributes:
        hashes: Sorted hashes of the words, uint64 of shape (V,).
        numbers: Word of each hash, int64 of shape (V,).
        sieve: Whether some word's hash begins with these bits; most substrings end here.
        longest: Letters of the longest word.
    """

    hashes: NDArray[np.uint64]
    numbers: Ints
    sieve: NDArray[np.bool_]
    longest: int


def letters(texts: pa.StringArray, n_letters: int) -> tuple[NDArray[np.uint8], Ints]:
    """Bytes of ASCII texts as a matrix padded with zeros, uint8 of shape (N, n_letters), and their lengths.

    Args:
        texts: Strings of at most n_letters bytes, no NULL.
        n_letters: Width.
    """
    if not len(texts):
        return np.zeros((0, n_letters), np.uint8), np.zeros(0, np.int64)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets)
    matrix = np.zeros((len(texts), n_letters), np.uint8)
    inside = np.arange(n_letters) < lengths[:, None]
    matrix[inside] = data[offsets[0] : offsets[-1]]
    return matrix, lengths


def prefix_hashes(matrix_NL: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Polynomial hash of every beginning, uint64 of shape (N, L + 1); arithmetic modulo 2^64."""
    n, width = matrix_NL.shape
    hashes = np.zeros((n, width + 1), np.uint64)
    for i in range(width):
        hashes[:, i + 1] = hashes[:, i] * _BASE + _scatter(matrix_NL[:, i])
    return hashes


def powers(n: int) -> NDArray[np.uint64]:
    """The base of the hash to the power 0 … n, uint64 of shape (n + 1,)."""
    return np.cumprod(np.concatenate([[np.uint64(1)], np.full(n, _BASE)]), dtype=np.uint64)


def _scatter(codes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Letters as numbers far apart, so that short words do not collide."""
    return (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)


def _slot(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0x94D049BB133111EB) >> np.uint64(64 - _SIEVE_BITS)


def word_hashes(words: Sequence[str]) -> NDArray[np.uint64]:
    """Hash of each ASCII word."""
    texts = pa.array(words, pa.string())
    width = max(map(len, words), default=0)
    matrix, lengths = letters(texts, width)
    return prefix_hashes(matrix)[np.arange(len(words)), lengths]


def word_set(words: Sequence[str]) -> WordSet:
    """Distinct ASCII words for `find_words`; a word is numbered by its place."""
    hashes = word_hashes(words)
    return hash_set(hashes, np.arange(len(words)), max(map(len, words), default=0))


def hash_set(hashes: NDArray[np.uint64], numbers: Ints, longest: int) -> WordSet:
    """Texts by hash; several may share one."""
    order = np.argsort(hashes, kind="stable")
    sieve = np.zeros(1 << _SIEVE_BITS, bool)
    sieve[_slot(hashes)] = True
    return WordSet(hashes[order], numbers[order], sieve, longest)


def look_up(hashes: NDArray[np.uint64], words: WordSet) -> Ints:
    """Word of each hash, -1 where there is none."""
    found = np.full(len(hashes), -1, np.int64)
    likely = np.flatnonzero(words.sieve[_slot(hashes)])
    place = np.minimum(np.searchsorted(words.hashes, hashes[likely]), len(words.hashes) - 1)
    hit = words.hashes[place] == hashes[likely]
    found[likely[hit]] = words.numbers[place[hit]]
    return found


def look_up_all(hashes: NDArray[np.uint64], words: WordSet) -> tuple[Ints, Ints]:
    """Places of hashes, and every word that has each: pairs, int64."""
    likely = np.flatnonzero(words.sieve[_slot(hashes)])
    first = np.searchsorted(words.hashes, hashes[likely], side="left")
    counts = np.searchsorted(words.hashes, hashes[likely], side="right") - first
    which, places = expand(first, counts)
    return likely[which], words.numbers[places]


def cut(
    texts: pa.StringArray, words: WordSet, costs_V: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The cheapest way to write each label as a chain of words.

    Args:
        texts: Labels of a-z and 0-9.
        words: Words that a label may be made of.
        costs_V: Cost of each, > 0: minus the logarithm of its probability.

    Returns:
        Words of each label in order, -1 after the last, int32 of shape (N, MAX_WORDS); all -1 where the label is no
        such chain, is longer than MAX_LETTERS, or needs more words. And the cost of each chain, float64 of shape (N,).
    """
    chains, costs = [np.zeros((0, MAX_WORDS), np.int32)], [np.zeros(0)]
    for start in range(0, len(texts), BLOCK):
        chain, cost = _cut_block(texts.slice(start, BLOCK), words, costs_V)
        chains.append(chain)
        costs.append(cost)
    return np.concatenate(chains), np.concatenate(costs)


def _cut_block(
    texts: pa.StringArray, words: WordSet, costs_V: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    texts = pc.if_else(pc.greater(pc.binary_length(texts), MAX_LETTERS), "", texts)
    matrix, lengths = letters(texts, min(MAX_LETTERS, int(pc.max(pc.binary_length(texts)).as_py())))
    width = matrix.shape[1]
    hashes, power = prefix_hashes(matrix), powers(width)
    best = np.full((len(texts), width + 1), np.inf)
    best[:, 0] = 0.0
    word_at = np.full((len(texts), width + 1), -1, np.int64)
    from_at = np.zeros((len(texts), width + 1), np.int64)
    for end in range(1, width + 1):
        alive = np.flatnonzero(lengths >= end)
        for start in range(max(0, end - words.longest), end):
            rows = alive[np.isfinite(best[alive, start])]
            if not rows.size:
                continue
            found = look_up(hashes[rows, end] - hashes[rows, start] * power[end - start], words)
            hit = found >= 0
            rows, found = rows[hit], found[hit]
            cost = best[rows, start] + costs_V[found]
            better = cost < best[rows, end]
            rows, found = rows[better], found[better]
            best[rows, end], word_at[rows, end], from_at[rows, end] = cost[better], found, start
    return _trace(word_at, from_at, lengths), best[np.arange(len(lengths)), lengths]


def _trace(word_at: Ints, from_at: Ints, lengths: Ints) -> NDArray[np.int32]:
    """Words from the last one back to the first, then turned round."""
    rows, place = np.arange(len(lengths)), lengths.copy()
    backwards = np.full((len(lengths), MAX_WORDS), -1, np.int32)
    for step in range(MAX_WORDS):
        at = word_at[rows, place]
        backwards[:, step] = np.where(place > 0, at, -1)
        place = np.where((place > 0) & (at >= 0), from_at[rows, place], place)
    whole = (place == 0) & (lengths > 0)
    n_words = np.where(whole, (backwards >= 0).sum(1), 0)
    steps = np.arange(MAX_WORDS)
    chain = np.take_along_axis(backwards, np.maximum(n_words[:, None] - 1 - steps, 0), 1)
    return np.where(steps < n_words[:, None], chain, -1).astype(np.int32)
