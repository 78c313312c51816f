"""Fits the weights of curate/wordnet/prior.py to everyday words whose meaning in a photo's label was judged by hand.

    python examples/fit_sense_prior.py tests/wordnet/expected_senses.tsv

Maximum a posteriori: the likelihood of a word is the sum of the shares of the senses that were judged right; each
weight is drawn to MEANS with a normal distribution, since 330 words cannot speak about everything (few are rivers).
Prints ten-fold cross-validation, then the weights.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from curate.wordnet import lexicon
from curate.wordnet.prior import sense_features, synset_facts, word_senses

MEANS = {
    "tag_share": 0.5, "rank": -0.5, "first": 0.3, "kinds": 0.2, "collected_2": 0.7, "collected_3": 0.5, "topical": -0.7,
    "capital": -1.0, "name_of_person": -1.0, "name": -0.5, "meat": -0.5, "fruit": 0.3, "fruit_plant": -0.3,
    "material": -0.5, "communication": -0.7, "event": -1.2, "group": -0.7, "location": -0.3, "person": -0.5,
    "phenomenon": -0.7, "possession": -0.7, "shape": -0.7, "substance": -0.7, "unseen": -1.6,
}  # fmt: skip
PRECISION = 0.6

Word = tuple[NDArray[np.float64], NDArray[np.bool_]]


def read_words(path: Path) -> tuple[list[str], list[Word]]:
    """Names of the features; for each word its senses' features and which of them are right."""
    synsets = lexicon.synset_rows()
    texts, senses = word_senses(lexicon.lemma_rows(), synsets)
    features = sense_features(senses, synset_facts(synsets, lexicon.hypernym_rows()))
    number, wnids = {text: i for i, text in enumerate(texts)}, np.array(synsets["wnid"].to_pylist())
    matrix = np.stack(list(features.values()), axis=1)
    words = []
    for row in csv.DictReader(path.read_text().splitlines(), delimiter="\t"):
        of_word = np.flatnonzero(senses.words == number[row["word"]])
        words.append((matrix[of_word], np.isin(wnids[senses.nodes[of_word]], row["wnids"].split())))
    return list(features), words


def shares(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(rows @ weights - np.max(rows @ weights))
    return odds / odds.sum()


def fit(words: list[Word], means: NDArray[np.float64]) -> NDArray[np.float64]:
    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = weights - means
        value, slope = PRECISION / 2 * away @ away, PRECISION * away
        for rows, right in words:
            p = shares(rows, weights)
            value -= np.log(p[right].sum())
            slope = slope + (p - p * right / p[right].sum()) @ rows
        return value, slope

    return np.asarray(minimize(loss, means, jac=True, method="L-BFGS-B").x)


def main() -> None:
    names, words = read_words(Path(sys.argv[1]))
    means = np.array([MEANS.get(name, 0.0) for name in names])
    fold = np.random.default_rng(0).permutation(len(words)) % 10
    said = []
    for k in range(10):
        weights = fit([w for w, f in zip(words, fold, strict=True) if f != k], means)
        for (rows, right), f in zip(words, fold, strict=True):
            if f == k:
                p = shares(rows, weights)
                said.append((p.max(), right[p.argmax()], p[right].sum()))
    top, good, on_right = np.array(said, float).T
    print(f"{len(words)} words, ten-fold: best sense right {good.mean():.3f}, log loss {-np.log(on_right).mean():.3f}")
    for t in np.arange(0.3, 1.0, 0.1):
        print(f"  from {t:.1f}: right {((top >= t) * good).mean():.3f}, wrong {((top >= t) * (1 - good)).mean():.3f}")
    for name, weight in zip(names, fit(words, means), strict=True):
        print(f'    "{name}": {weight:.1f},')


if __name__ == "__main__":
    main()
