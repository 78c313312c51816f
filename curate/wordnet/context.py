"""Which sense of a word a post means, judged by its other words. Whole parts at once.

Dimensions: P words of posts, C candidates, X candidates of the words of posts.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints, expand
from curate.wordnet.meanings import Meanings

MOST = 10.0
"""Largest log-odds that the words of a post together can give a candidate."""

SETTLED = 0.98
"""Prior from which on a post is not asked what a word means: hardly anything could change it."""

Evidence = Callable[[Ints, Ints], NDArray[np.float64]]
"""Log-odds for synsets (int64) from another form in the post (int64): 0 = tells nothing; see evidence.py."""


def post_evidence(posts: Ints, forms: Ints, meanings: Meanings, evidence: Evidence) -> NDArray[np.float64]:
    """Log-odds of every candidate of every word of a post, from the other words of the post.

    Args:
        posts: Post of each word, int64 of shape (P,), ascending.
        forms: Form of each word, distinct within a post, int64 of shape (P,), ascending within a post.
        meanings: What forms can mean.
        evidence: What a word says about a synset.

    Returns:
        Log-odds in the order of the words and of their candidates, float64 of shape (X,); 0 for words of one
        candidate, and for those that are SETTLED unless another word names a candidate of theirs. The order of a
        post's labels has no influence.
    """
    counts = np.diff(meanings.starts)[forms]
    first = np.cumsum(counts) - counts
    total = np.zeros(int(counts.sum()))
    best = np.where(counts > 0, meanings.priors[np.minimum(meanings.starts[forms], len(meanings.priors) - 1)], 1.0)
    open_words = np.flatnonzero((counts > 1) & (best < SETTLED))
    begins = np.searchsorted(posts, posts[open_words], side="left")
    ends = np.searchsorted(posts, posts[open_words], side="right")
    which, other = expand(begins, ends - begins)
    apart = open_words[which] != other
    word, other = open_words[which[apart]], other[apart]
    n_forms = len(meanings.kinds)
    pairs, inverse = np.unique(forms[word] * n_forms + forms[other], return_inverse=True)
    told, starts = _pair_evidence(pairs // n_forms, pairs % n_forms, meanings, evidence)
    which, place = expand(starts[inverse], counts[word])
    offset = place - starts[inverse][which]
    np.add.at(total, first[word][which] + offset, told[place])
    total[_named_otherwise(posts, forms, meanings)] = MOST
    return np.minimum(total, MOST)


def _named_otherwise(posts: Ints, forms: Ints, meanings: Meanings) -> NDArray[np.bool_]:
    """Candidates of words of several meanings that another word of the post names and that mean nothing else.

    In 'the tv camera crew #camera' the hashtag is the television camera, however rarely it is elsewhere.
    """
    counts = np.diff(meanings.starts)[forms]
    word, candidate = expand(meanings.starts[forms], counts)
    keys = posts[word] * len(meanings.keys) + meanings.classes[candidate]
    alone = counts[word] == 1
    found: NDArray[np.bool_] = ~alone & np.isin(keys, keys[alone])
    return found


def _pair_evidence(
    forms: Ints, others: Ints, meanings: Meanings, evidence: Evidence
) -> tuple[NDArray[np.float64], Ints]:
    """Log-odds of each candidate of a form from one other form, and where each pair's candidates begin.

    A candidate of several synsets has the best of theirs.
    """
    pair, candidate = expand(meanings.starts[forms], np.diff(meanings.starts)[forms])
    row, place = expand(meanings.sense_starts[candidate], np.diff(meanings.sense_starts)[candidate])
    told = evidence(meanings.nodes[place], others[pair[row]])
    best = np.full(len(candidate), -np.inf)
    np.maximum.at(best, row, told)
    counts = np.bincount(pair, minlength=len(forms))
    return best, np.cumsum(counts) - counts


def posterior(priors: NDArray[np.float64], log_odds: NDArray[np.float64], case: Ints) -> NDArray[np.float64]:
    """Probability of each candidate given the other words of its post: prior x exp(log-odds), normalised per case.

    Args:
        priors: Prior of each candidate, float64 of shape (X,).
        log_odds: What the post says about it, float64 of shape (X,).
        case: Case that each candidate belongs to, int64 of shape (X,).
    """
    weights = priors * np.exp(log_odds)
    return weights / np.bincount(case, weights=weights)[case]
