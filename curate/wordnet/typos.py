"""Nouns that a mistyped label stands for: one slip away, and likelier than any other. Many labels at once.

A slip is a lost letter, two letters swapped, a letter doubled or hit beside another, or a neighbouring key. Words that
share a label's text with one letter left out are found by their hashes (as in SymSpell), then judged one by one.

Dimensions: N labels, V words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints
from curate.wordnet.segment import WordSet, hash_set, letters, look_up, look_up_all, powers, prefix_hashes, word_set

SHORTEST = 5
"""Letters of the shortest word that a slip is looked for in."""

MARGIN = 1.6
"""How much likelier than the next word, in natural logarithms, a word must be."""

SLIP = 5.0
"""Minus the logarithm of the probability of a likely slip: one word in 150 has that one."""

FLOOR = -21.0
"""Logarithm of the probability below which nothing is corrected."""

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ALIKE = ("aeiouy", "csz", "ckq", "fv", "mn", "bp", "dt", "gj", "iy", "uw")


def _pairs() -> frozenset[tuple[str, str]]:
    places = {c: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, c in enumerate(keys)}
    beside = {
        (a, b)
        for a, (row, column) in places.items()
        for b, (other, place) in places.items()
        if abs(row - other) <= 1 and abs(column - place) <= 1
    }
    return frozenset(beside | {(a, b) for group in _ALIKE for a in group for b in group})


_CONFUSED = _pairs()


@dataclass(frozen=True)
class TypoIndex:
    """Words that slips are looked for in.

    Attributes:
        words: The words.
        logs: Natural logarithm of how likely each is meant, float64 of shape (V,).
        whole: The words by hash.
        shortened: The words with one letter left out by hash.
    """

    words: Sequence[str]
    logs: NDArray[np.float64]
    whole: WordSet
    shortened: WordSet


def build_index(words: Sequence[str], logs_V: NDArray[np.float64]) -> TypoIndex:
    """Index distinct words of at least SHORTEST letters."""
    owners, hashes = _without_one(pa.array(words, pa.string()))
    return TypoIndex(words, logs_V, word_set(words), hash_set(hashes, owners, 0))


def _without_one(texts: pa.StringArray) -> tuple[Ints, NDArray[np.uint64]]:
    """Every text with each of its letters left out: text and hash."""
    if not len(texts):
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    width = max(1, max(len(text) for text in texts.to_pylist()))
    matrix, lengths = letters(texts, width)
    hashes, power = prefix_hashes(matrix), powers(width)
    whole = hashes[np.arange(len(lengths)), lengths]
    owners, found = [], []
    for i in range(width):
        rows = np.flatnonzero(lengths > i)
        tail = power[lengths[rows] - i - 1]
        owners.append(rows)
        found.append(hashes[rows, i] * tail + whole[rows] - hashes[rows, i + 1] * tail)
    return np.concatenate(owners), np.concatenate(found)


def correct(texts: pa.StringArray, index: TypoIndex) -> tuple[Ints, NDArray[np.float64]]:
    """Words that labels are slips of.

    Args:
        texts: Labels of a-z and 0-9 that are no words themselves.
        index: Words to look in.

    Returns:
        Word of each label, -1 where there is none or two are about as likely, int64 of shape (N,). And the logarithm
        of how likely the word is meant and mistyped so, float64 of shape (N,).
    """
    labels = texts.to_pylist()
    best, scores = np.full(len(labels), -1, np.int64), np.full(len(labels), -np.inf)
    for row, candidates in _candidates(texts, index).items():
        slips = ((word, slip(labels[row], index.words[word])) for word in candidates)
        ranked = sorted(((index.logs[word] - SLIP * cost, word) for word, cost in slips if cost < 2.5), reverse=True)
        if ranked and ranked[0][0] > FLOOR and (len(ranked) < 2 or ranked[0][0] - ranked[1][0] >= MARGIN):
            scores[row], best[row] = ranked[0]
    return best, scores


def _candidates(texts: pa.StringArray, index: TypoIndex) -> dict[int, set[int]]:
    rows, hashes = _without_one(texts)
    whole_rows = np.arange(len(texts))
    whole = _whole(texts)
    found: dict[int, set[int]] = {}
    words = look_up(hashes, index.whole)
    for row, word in zip(rows[words >= 0].tolist(), words[words >= 0].tolist(), strict=True):
        found.setdefault(row, set()).add(word)
    for of, wanted in ((rows, hashes), (whole_rows, whole)):
        place, word = look_up_all(wanted, index.shortened)
        for row, number in zip(of[place].tolist(), word.tolist(), strict=True):
            found.setdefault(row, set()).add(number)
    return found


def _whole(texts: pa.StringArray) -> NDArray[np.uint64]:
    width = max((len(text) for text in texts.to_pylist()), default=0)
    matrix, lengths = letters(texts, width)
    return prefix_hashes(matrix)[np.arange(len(lengths)), lengths]


def slip(label: str, word: str) -> float:
    """How unlikely the one slip from a word to a label is; infinite where it takes more than one.

    1 for a letter lost, two swapped, one doubled or one confused with a neighbour on the keyboard or of like sound; 3
    for any other letter added or changed; and 1 more for a first letter lost, added or changed, which people see.
    """
    n = 0
    while n < min(len(label), len(word)) and label[n] == word[n]:
        n += 1
    at_front = 1.0 if n == 0 else 0.0
    ahead, behind = label[n:], word[n:]
    if len(label) == len(word):
        if ahead[1:] == behind[1:]:
            return at_front + (1.0 if (behind[:1], ahead[:1]) in _CONFUSED else 3.0)
        if ahead[2:] == behind[2:] and ahead[:2] == behind[:2][::-1]:
            return 1.0
    elif len(label) + 1 == len(word) and ahead == behind[1:]:
        return at_front + 1.0
    elif len(label) == len(word) + 1 and ahead[1:] == behind:
        beside = {(ahead[0], c) for c in (label[n - 1 : n], label[n + 1 : n + 2]) if c}
        return at_front + (1.0 if beside & _CONFUSED else 3.0)
    return float("inf")
