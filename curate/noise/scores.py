"""P(label is right) for every labelled pair, from held-out class scores and a model of how labels go wrong.

The raw softmax of a model that was trained on noisy labels is no such probability: it mixes the model's own mistakes
with those of the labels. Here the given label s is taken as drawn from the class y that the image shows,

    P(s | x) = Σ_y P(y | x) T[y, s],     P(y | x) = softmax_y(β z_y(x)),

with held-out logits z. One of the candidates y is no class at all, whose labels are any. T (confusions of labels given
what is shown), the temperature 1/β and how common such pictures are are fitted by expectation-maximisation on the
other folds (forward noise model, Patrini et al. 2017, arXiv:1609.03683; rows of T are smoothed towards a common noise
rate). A probe of labels as they come has class means full of what was mislabelled; the logits therefore come from a
second one, whose pairs weigh by the p_correct that a first one gave them (one step of the expectation-maximisation of
Lawrence & Schölkopf 2001, cross-fitted within the other folds). p_correct is the posterior mass, given x and s, of the
label's class and the classes below it. All classes weigh the same before the image is seen, so that a tail class is
not judged by its rarity. What the model cannot see: noise that depends on the image beyond its class (hard images are
mislabelled more often), and wrong pictures of a label that look alike and outnumber the right ones.

Dimensions: R pairs, K classes, M candidates per pair (the given class first), E distinct (shown, given) codes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.noise import probe

OTHER, RIGHT, NEUTRAL = 0, 1, 2
"""What a candidate means for the given label: against it, for it (same or below), neither (above it)."""

SMOOTHING = 15.0
"""Labels' worth of the common noise rate in every row of T."""

FLOOR = 8.0
"""Labels' worth of the unweighted class in a class that is fitted again with weights."""

SHRINKAGES = (0.05, 0.2, 0.5, 0.8)
"""Covariance shrinkages to choose from, by the likelihood of held-out given labels."""

N_CANDIDATES = 32
"""Classes that compete for an image; below some 16 the given class looks better than it is."""

TUNING_PAIRS = 20_000
"""Pairs, evenly spread, on which the shrinkage is chosen."""


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs and their candidates.

    Attributes:
        given: (R,) given class.
        classes: (R, M) candidate classes, the given one first, distinct within a row, NOTHING last.
        logits: (R, M) held-out logits, largest of the row = 0.
        relation: (R, M) OTHER, RIGHT or NEUTRAL.
    """

    given: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int32]
    logits: npt.NDArray[np.float32]
    relation: npt.NDArray[np.int8]

    def take(self, rows: npt.NDArray[np.int64]) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.given[rows], self.classes[rows], self.logits[rows], self.relation[rows])


@dataclass(frozen=True)
class NoiseModel:
    """A fitted model of labels.

    Attributes:
        beta: Inverse temperature of the logits.
        nothing: What is added to the logit of no class at all: how common such pictures are.
        noise_rate: Share of labels that are wrong, over all classes.
        marginal: (K,) share of each class among given labels.
        codes: (E,) sorted codes y * K + s of the confusions that were seen.
        counts: (E,) their expected counts.
        shown: (K + 1,) expected count of each shown class, of none last.
        log_likelihood: Mean log P(s | x) of the pairs that it was fitted on.
    """

    beta: float
    nothing: float
    noise_rate: float
    marginal: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]
    shown: npt.NDArray[np.float64]
    log_likelihood: float


def relations(
    given_R: npt.NDArray[np.int64],
    classes_RM: npt.NDArray[np.int32],
    above_codes: npt.NDArray[np.int64],
    n_classes: int,
) -> npt.NDArray[np.int8]:
    """What each candidate means for the given label.

    Args:
        given_R: Given class.
        classes_RM: Candidates.
        above_codes: Sorted codes class * K + ancestor of the hierarchy, distance 1 and more.
        n_classes: K.
    """
    below = np.isin(classes_RM.astype(np.int64) * n_classes + given_R[:, None], above_codes)
    above = np.isin(given_R[:, None] * n_classes + classes_RM, above_codes)
    relation = np.where(below, RIGHT, np.where(above, NEUTRAL, OTHER)).astype(np.int8)
    relation[classes_RM == given_R[:, None]] = RIGHT
    relation[classes_RM == probe.NOTHING] = OTHER
    return relation


def _zeros(n: int) -> npt.NDArray[Any]:
    return np.zeros(n)


def _shown(classes_RM: npt.NDArray[np.int32], n_classes: int) -> npt.NDArray[np.int64]:
    """Classes by their index, none at all as K."""
    return np.where(classes_RM == probe.NOTHING, n_classes, classes_RM).astype(np.int64)


def _with_prior(logits_RM: npt.NDArray[np.float64], nothing: float) -> npt.NDArray[np.float64]:
    """Logits with the log-odds of no class at all, the last candidate, added."""
    logits_RM[:, -1] += nothing
    return logits_RM


def _softmax(logits_RM: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(logits_RM - logits_RM.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def _confusion(
    counts: npt.NDArray[np.float64],
    classes_RM: npt.NDArray[np.int32],
    given_R: npt.NDArray[np.int64],
    shown_K: npt.NDArray[np.float64],
    noise_rate: float,
    marginal_K: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """T[y, s] of every candidate, from expected counts smoothed towards the common noise rate."""
    expected = noise_rate * marginal_K[given_R][:, None] + (1 - noise_rate) * (classes_RM == given_R[:, None])
    expected[:, -1] = marginal_K[given_R]
    return np.asarray((counts + SMOOTHING * expected) / (shown_K[classes_RM] + SMOOTHING))


def fit_noise_model(pairs: Pairs, n_classes: int, max_steps: int = 100, tolerance: float = 1e-5) -> NoiseModel:
    """Fit T and β by expectation-maximisation with a Newton step for β.

    Args:
        pairs: Pairs of the folds that may be seen.
        n_classes: K.
        max_steps: Largest number of steps.
        tolerance: Smallest gain in mean log-likelihood worth another step.
    """
    classes, given, z = pairs.classes, pairs.given, pairs.logits.astype(np.float64)
    codes_E, inverse = np.unique(_shown(classes, n_classes) * n_classes + given[:, None], return_inverse=True)
    inverse = inverse.reshape(classes.shape)
    marginal = (np.bincount(given, minlength=n_classes) + 1.0) / (len(given) + n_classes)
    noise_rate, shown, counts_E, nothing = 0.2, _zeros(n_classes + 1), _zeros(len(codes_E)), 0.0
    of_class = z[:, :-1]
    beta = 1.0 / max(float(of_class[of_class > probe.UNTRAINED / 2].std()), 1e-6)
    likelihood, previous = -np.inf, -np.inf
    for _ in range(max_steps):
        prior_RM = _softmax(_with_prior(beta * z, nothing))
        joint = prior_RM * _confusion(counts_E[inverse], classes, given, shown, noise_rate, marginal)
        evidence = joint.sum(1)
        likelihood = float(np.log(evidence).mean())
        posterior = joint / evidence[:, None]
        counts_E = np.bincount(inverse.ravel(), posterior.ravel(), len(codes_E))
        shown = np.bincount(_shown(classes, n_classes).ravel(), posterior.ravel(), n_classes + 1)
        noise_rate = float((posterior * (pairs.relation == OTHER)).sum() / len(given))
        beta = _newton_beta(beta, z, prior_RM, posterior)
        slope = float((posterior[:, -1] - prior_RM[:, -1]).mean())
        curvature = float((prior_RM[:, -1] * (1 - prior_RM[:, -1])).mean())
        nothing += float(np.clip(slope / max(curvature, 1e-6), -0.5, 0.5))
        if abs(likelihood - previous) < tolerance:
            break
        previous = likelihood
    return NoiseModel(beta, nothing, noise_rate, marginal, codes_E, counts_E, shown, likelihood)


def _newton_beta(
    beta: float, z: npt.NDArray[np.float64], prior_RM: npt.NDArray[np.float64], posterior: npt.NDArray[np.float64]
) -> float:
    """One Newton step on the expected log-likelihood, at most a fifth of beta."""
    mean = (prior_RM * z).sum(1)
    slope = float(((posterior * z).sum(1) - mean).mean())
    curvature = float(((prior_RM * z * z).sum(1) - mean * mean).mean())
    return beta + float(np.clip(slope / max(curvature, 1e-12), -0.2 * beta, 0.2 * beta))


def posterior(pairs: Pairs, model: NoiseModel, n_classes: int) -> npt.NDArray[np.float64]:
    """P(the image shows class y | image, given label) over the candidates, (R, M), rows sum to 1.

    Args:
        pairs: Pairs that the model was not fitted on.
        model: Fitted model.
        n_classes: K.
    """
    codes = _shown(pairs.classes, n_classes) * n_classes + pairs.given[:, None]
    where = np.minimum(np.searchsorted(model.codes, codes), len(model.codes) - 1)
    counts = np.where(model.codes[where] == codes, model.counts[where], 0.0)
    prior_RM = _softmax(_with_prior(model.beta * pairs.logits.astype(np.float64), model.nothing))
    joint = prior_RM * _confusion(counts, pairs.classes, pairs.given, model.shown, model.noise_rate, model.marginal)
    return np.asarray(joint / joint.sum(1, keepdims=True))


def judge(pairs: Pairs, posterior_RM: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """P(label is right), and the class that fits better.

    Mass on classes above the label neither speaks for it nor against it and is left out.

    Args:
        pairs: Labelled pairs.
        posterior_RM: From `posterior`.

    Returns:
        p_correct (R,) in [0, 1], higher = cleaner, and the better class (R,), -1 where none fits better.
    """
    right = (posterior_RM * (pairs.relation == RIGHT)).sum(1)
    against = posterior_RM * (pairs.relation == OTHER)
    p_correct = right / np.maximum(right + against.sum(1), 1e-12)
    best = against.argmax(1)
    rows = np.arange(len(best))
    better = np.where(against[rows, best] > right, pairs.classes[rows, best].astype(np.int64), -1)
    return np.clip(p_correct, 0.0, 1.0), better


def score_pairs(
    pairs: Pairs, fold_R: npt.NDArray[np.int32], n_classes: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """p_correct and better class of every pair, each by a noise model of the other folds; see `judge`."""
    p_correct, better = np.empty(len(fold_R)), np.empty(len(fold_R), np.int64)
    for fold in np.unique(fold_R):
        seen, held_out = np.flatnonzero(fold_R != fold), np.flatnonzero(fold_R == fold)
        model = fit_noise_model(pairs.take(seen), n_classes)
        chosen = pairs.take(held_out)
        p_correct[held_out], better[held_out] = judge(chosen, posterior(chosen, model, n_classes))
    return p_correct, better


@dataclass(frozen=True)
class _Corpus:
    """What `score_labels` is given."""

    vectors: probe.Floats
    image: npt.NDArray[np.int64]
    given: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int32]
    above: npt.NDArray[np.int64]
    n_classes: int

    def moments(self, rows: npt.NDArray[np.int64], weight: npt.NDArray[np.float64] | None = None) -> probe.Moments:
        n_folds = int(self.fold.max()) + 1
        return probe.fold_moments(
            self.vectors, self.image[rows], self.given[rows], self.fold, self.n_classes, n_folds, weight
        )

    def candidates(self, rows: npt.NDArray[np.int64], linear: list[probe.Linear]) -> Pairs:
        image, given = self.image[rows], self.given[rows]
        classes, logits = probe.pair_candidates(self.vectors, image, given, self.fold, linear, N_CANDIDATES)
        return Pairs(given, classes, logits, relations(given, classes, self.above, self.n_classes))


def _choose_shrinkage(corpus: _Corpus, models: list[probe.Discriminant], rows: npt.NDArray[np.int64]) -> float:
    """The shrinkage under which held-out given labels are most likely."""
    sample = rows[:: max(len(rows) // TUNING_PAIRS, 1)]
    likelihood = {}
    for value in SHRINKAGES:
        chosen = corpus.candidates(sample, [model.linear(value) for model in models])
        likelihood[value] = fit_noise_model(chosen, corpus.n_classes).log_likelihood
    return max(SHRINKAGES, key=lambda value: (likelihood[value], value))


def _refit(
    corpus: _Corpus, models: list[probe.Discriminant], moments: probe.Moments, rows: npt.NDArray[np.int64], by: float
) -> list[probe.Linear]:
    """Linear models by fold, of pairs weighted by p_correct.

    The weights for fold f come from discriminants of all folds but f and the pair's own, so that nothing of f has a
    part in what f is judged by.

    Args:
        corpus: What is scored.
        models: Discriminants of unweighted pairs, by fold.
        moments: What they were made of.
        rows: Pairs of the classes that take part.
        by: Shrinkage.
    """
    linear = [model.linear(by) for model in models]
    fold_R = corpus.fold[corpus.image]
    inner = {
        (f, g): probe.fit_discriminant(moments, (f, g), models[f].trained).linear(by)
        for f in range(len(models))
        for g in range(f)
    }
    weighted = []
    for fold in range(len(models)):
        others = [inner[max(fold, g), min(fold, g)] if g != fold else linear[fold] for g in range(len(models))]
        seen = rows[fold_R[rows] != fold]
        chosen = corpus.candidates(seen, others)
        noise = fit_noise_model(chosen, corpus.n_classes)
        p, _ = judge(chosen, posterior(chosen, noise, corpus.n_classes))
        n_K = np.bincount(chosen.given, minlength=corpus.n_classes)
        again = corpus.moments(seen, p + FLOOR / n_K[chosen.given])
        weighted.append(probe.fit_discriminant(again, (fold,), models[fold].trained).linear(by))
    return weighted


def score_labels(
    vectors_ND: probe.Floats,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_N: npt.NDArray[np.int32],
    above_codes: npt.NDArray[np.int64],
    n_classes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """p_correct and better class of every labelled pair, cross-fitted.

    Args:
        vectors_ND: L2-normalised descriptors.
        image_R: Image of each pair, ascending.
        class_R: Given class of each pair.
        fold_N: Fold of each image.
        above_codes: Sorted codes class * K + ancestor, distance 1 and more.
        n_classes: K, at least 2.

    Returns:
        p_correct (R,) in [0, 1], higher = cleaner, NaN where too few of the class's pairs lie outside the fold; and
        the class that fits better (R,), -1 where none does.
    """
    corpus = _Corpus(vectors_ND, image_R, class_R, fold_N, above_codes, n_classes)
    moments = corpus.moments(np.arange(len(image_R)))
    models = [probe.fit_discriminant(moments, (fold,)) for fold in range(int(fold_N.max()) + 1)]
    fold_R = fold_N[image_R]
    rows = np.flatnonzero(np.stack([model.trained for model in models])[fold_R, class_R])
    p_correct, better = np.full(len(image_R), np.nan), np.full(len(image_R), -1, np.int64)
    n_used = len(np.unique(fold_R[rows]))
    if n_used < 2:
        return p_correct, better
    shrinkage = _choose_shrinkage(corpus, models, rows)
    # With two folds nothing is left to learn the weights from.
    if n_used > 2:
        linear = _refit(corpus, models, moments, rows, shrinkage)
    else:
        linear = [model.linear(shrinkage) for model in models]
    p_correct[rows], better[rows] = score_pairs(corpus.candidates(rows, linear), fold_R[rows], n_classes)
    return p_correct, better


def shrunk_mean(
    total: npt.NDArray[np.float64], n: npt.NDArray[np.float64], towards: npt.NDArray[np.float64] | float
) -> npt.NDArray[np.float64]:
    """Mean of n values with the sum `total`, shrunk towards another value by SMOOTHING values' worth."""
    return np.asarray((total + SMOOTHING * towards) / (n + SMOOTHING))
