"""P(label is right) for every labelled pair, from held-out class scores and a model of how labels go wrong.

The raw softmax of a model that was trained on noisy labels is no such probability: it mixes the model's own mistakes
with those of the labels. Here the given label s is taken as drawn from the class y that the image shows,

    P(s | x) = Σ_y P(y | x) T[y, s],     P(y | x) = softmax_y(β z_y(x)),

with held-out logits z. One of the candidates y is no class at all, whose labels are any. T (confusions of labels given
what is shown), the temperature 1/β and how common such pictures are are fitted by expectation-maximisation on the
other folds (forward noise model, Patrini et al. 2017, arXiv:1609.03683; rows of T are smoothed towards a common noise
rate). A probe of labels as they come has class means full of what was mislabelled; a second one weighs its pairs by the
p_correct that the first one gave them (one step of the expectation-maximisation of Lawrence & Schölkopf 2001,
cross-fitted within the other folds). The logits come from whichever makes held-out labels likelier. p_correct is the
posterior mass, given x and s, of the label's class and the classes below it. What the model cannot see: wrong pictures
of a label that look alike and outnumber the right ones.

Which labels are given does not tell how many mistakes people make where a picture is ambiguous: a model whose T depends
on the class alone puts such labels down to the picture, and finds too few wrong (on CIFAR-10N 13 of 17 %). What can be
seen is whether classes that look alike are confused more often. Where they are, pictures that look alike are taken to
be, too: T[y, s] then grows with P(s | x)^γ, with γ a fixed share of the exponent that is found between classes. This
moves p_correct of a class up or down as a whole, to the mean that such a model gives it.

Dimensions: R pairs, K classes, M candidates per pair (the given class first), E distinct (shown, given) codes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.special import expit, logit

from curate.noise import probe

OTHER, RIGHT, NEUTRAL = 0, 1, 2
"""What a candidate means for the given label: against it, for it (same or below), neither (above it)."""

SMOOTHING = 15.0
"""Labels' worth of the common noise rate in every row of T."""

FLOOR = 8.0
"""Labels' worth of the unweighted class in a class that is fitted again with weights."""

SHRINKAGES = (0.003, 0.01, 0.05, 0.2, 0.5, 0.8)
"""Covariance shrinkages to choose from, by the likelihood of held-out given labels."""

N_CANDIDATES = 32
"""Classes that compete for an image; below some 16 the given class looks better than it is."""

LIKENESS_SHARE = 0.15
"""Exponent of likeness between pictures, as a share of that between classes."""

LEAST_SEEN = 0.01
"""Probability below which nobody would take a picture for a class because it looks like it."""

LIKENESS_PAIRS = 500
"""Pairs over which the usual likeness of a mistake is averaged."""

FIT_PAIRS = 100_000
"""Pairs, evenly spread, on which a noise model is fitted; its confusions are then counted on all."""

TUNING_PAIRS = 10_000
"""Pairs on which the shrinkage is chosen."""


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
        prior: (K + 1,) what is added to the logit of each class, and of no class at all: how common such pictures are.
        likeness: Exponent γ of a label's own probability in how often it is given wrongly, 0 and more.
        noise_rate: Share of labels that are wrong, over all classes.
        marginal: (K,) share of each class among given labels.
        codes: (E,) sorted codes y * K + s of the confusions that were seen.
        counts: (E,) their expected counts.
        shown: (K + 1,) expected count of each shown class, of none last.
        usual: Mean P(s | x)^γ over mistakes.
        log_likelihood: Mean log P(s | x) of the pairs that it was fitted on.
    """

    beta: float
    prior: npt.NDArray[np.float64]
    likeness: float
    noise_rate: float
    marginal: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]
    shown: npt.NDArray[np.float64]
    usual: float
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


def _sums(index: npt.NDArray[np.int64], value: npt.NDArray[np.float64] | None, n: int) -> npt.NDArray[np.float64]:
    """Sums of values by index, or how often each occurs."""
    return np.bincount(index.ravel(), None if value is None else value.ravel(), n).astype(np.float64)


def _shown(classes_RM: npt.NDArray[np.int32], n_classes: int) -> npt.NDArray[np.int64]:
    """Classes by their index, none at all as K."""
    return np.where(classes_RM == probe.NOTHING, n_classes, classes_RM).astype(np.int64)


def _codes(pairs: Pairs, n_classes: int) -> npt.NDArray[np.int64]:
    """Code y * K + s of every candidate y (R, M) and the given label s."""
    return _shown(pairs.classes, n_classes) * n_classes + pairs.given[:, None]


def _prior(pairs: Pairs, beta: float, prior: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """P(y | x) over the candidates, (R, M)."""
    return _softmax(beta * pairs.logits.astype(np.float64) + prior[pairs.classes])


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
    likeness_R: npt.NDArray[np.float64] | float = 1.0,
) -> npt.NDArray[np.float64]:
    """T[y, s] of every candidate, from expected counts smoothed towards the common noise rate; s ≠ y by likeness."""
    expected = noise_rate * marginal_K[given_R][:, None] + (1 - noise_rate) * (classes_RM == given_R[:, None])
    expected[:, -1] = marginal_K[given_R]
    rates = (counts + SMOOTHING * expected) / (shown_K[classes_RM] + SMOOTHING)
    # The given class is the first candidate, none at all the last.
    rates[:, 1:-1] *= np.reshape(likeness_R, (-1, 1))
    return np.asarray(rates)


def class_likeness(pairs: Pairs, model: NoiseModel, n_classes: int) -> float:
    """How much more often classes are confused that look alike: the exponent of C[y, s] ∝ M[y, s]^γ, s ≠ y, in [0, 1].

    C are the model's expected counts of label s on pictures of y; M is how alike the two are to the probe, the mean
    P(s | x) over pictures of y. Multinomial likelihood in each row.

    Args:
        pairs: Pairs that the model was fitted on.
        model: Fitted model with likeness 0.
        n_classes: K.
    """
    prior_RM = _prior(pairs, model.beta, model.prior)[:, :-1]
    rows, columns = np.nonzero(prior_RM > LEAST_SEEN)
    seen = csr_array((prior_RM[rows, columns], (rows, pairs.classes[rows, columns])), shape=(len(prior_RM), n_classes))
    alike = coo_array(seen.T @ seen)
    y, s = alike.coords
    n_C = _lookup(model, y.astype(np.int64) * n_classes + s)
    apart = y != s
    y, n_C, log_alike = y[apart], n_C[apart], np.log(alike.data[apart])
    exponents = np.linspace(0, 1, 21)
    total = np.bincount(y, n_C, n_classes)
    likelihood = []
    for exponent in exponents:
        norm = np.bincount(y, np.exp(exponent * log_alike), n_classes)
        likelihood.append(float((n_C * log_alike).sum() * exponent - (total * np.log(np.maximum(norm, 1e-300))).sum()))
    return float(exponents[int(np.argmax(likelihood))])


def _lookup(model: NoiseModel, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Expected counts of some confusions."""
    where = np.minimum(np.searchsorted(model.codes, codes), len(model.codes) - 1)
    return np.asarray(np.where(model.codes[where] == codes, model.counts[where], 0.0))


def fit_noise_model(
    pairs: Pairs,
    n_classes: int,
    likeness: float = 0.0,
    frequencies: bool = True,
    max_steps: int = 100,
    tolerance: float = 1e-5,
) -> NoiseModel:
    """Fit T, the classes' frequencies and β by expectation-maximisation with a Newton step for β.

    Args:
        pairs: Pairs of the folds that may be seen.
        n_classes: K.
        likeness: γ.
        frequencies: Whether classes are as frequent as they are found, or all alike.
        max_steps: Largest number of steps.
        tolerance: Smallest gain in mean log-likelihood worth another step.
    """
    classes, given, z = pairs.classes, pairs.given, pairs.logits.astype(np.float64)
    codes_E, inverse = np.unique(_codes(pairs, n_classes), return_inverse=True)
    inverse = inverse.reshape(classes.shape)
    marginal = _marginal(given, n_classes)
    noise_rate, counts_E, shown, prior = 0.2, np.zeros(len(codes_E)), np.zeros(n_classes + 1), np.zeros(n_classes + 1)
    of_class = z[:, :-1]
    beta = 1.0 / max(float(of_class[of_class > probe.UNTRAINED / 2].std()), 1e-6)
    likelihood, previous, like_R, usual = -np.inf, -np.inf, np.ones(len(given)), 1.0
    for _ in range(max_steps):
        prior_RM = _softmax(beta * z + prior[classes])
        joint = prior_RM * _confusion(counts_E[inverse], classes, given, shown, noise_rate, marginal, like_R)
        evidence = joint.sum(1)
        likelihood = float(np.log(evidence).mean())
        posterior = joint / evidence[:, None]
        counts_E = _sums(inverse, posterior, len(codes_E))
        shown = _sums(_shown(classes, n_classes), posterior, n_classes + 1)
        noise_rate = float((posterior * (pairs.relation == OTHER)).sum() / len(given))
        beta = _newton_beta(beta, z, prior_RM, posterior)
        slope = float((posterior[:, -1] - prior_RM[:, -1]).mean())
        curvature = float((prior_RM[:, -1] * (1 - prior_RM[:, -1])).mean())
        prior[-1] += float(np.clip(slope / max(curvature, 1e-6), -0.5, 0.5))
        if frequencies:
            prior[:-1] = np.log((shown[:-1] + 1) / (shown[:-1].mean() + 1))
        if likeness:
            state = NoiseModel(beta, prior, likeness, noise_rate, marginal, codes_E, counts_E, shown, 1.0, likelihood)
            usual = _usual_likeness(pairs, prior_RM, posterior, state)
            like_R = (prior_RM[:, 0] + LEAST_SEEN) ** likeness / usual
        if abs(likelihood - previous) < tolerance:
            break
        previous = likelihood
    return NoiseModel(beta, prior, likeness, noise_rate, marginal, codes_E, counts_E, shown, usual, likelihood)


def _marginal(given_R: npt.NDArray[np.int64], n_classes: int) -> npt.NDArray[np.float64]:
    return np.asarray((_sums(given_R, None, n_classes) + 1.0) / (len(given_R) + n_classes))


def _usual_likeness(
    pairs: Pairs, prior_RM: npt.NDArray[np.float64], posterior: npt.NDArray[np.float64], model: NoiseModel
) -> float:
    """Mean of P(s | x)^γ over the mistakes that are made by the rates of the classes, over a few of the pairs."""
    few = _spread(len(pairs.given), LIKENESS_PAIRS)
    n_classes = len(model.marginal)
    classes, q = pairs.classes[few, :-1].astype(np.int64), posterior[few, :-1]
    shown, label = classes[:, :, None], classes[:, None, :]
    counts = _lookup(model, shown * n_classes + label) + SMOOTHING * model.noise_rate * model.marginal[label]
    rate = np.where(shown == label, 0.0, counts / (model.shown[shown] + SMOOTHING))
    kept = (_lookup(model, classes * (n_classes + 1)) + SMOOTHING * (1 - model.noise_rate)) / (
        model.shown[classes] + SMOOTHING
    )
    elsewhere = np.maximum(1 - kept - rate.sum(2), 0.0)
    mistakes = (q[:, :, None] * rate).sum(1)
    alike = (prior_RM[few, :-1] + LEAST_SEEN) ** model.likeness
    unlike = (q * elsewhere).sum()
    return float(((mistakes * alike).sum() + unlike * LEAST_SEEN**model.likeness) / max(mistakes.sum() + unlike, 1e-12))


def recount(model: NoiseModel, pairs: Pairs, n_classes: int) -> NoiseModel:
    """A model whose confusions are counted on more pairs than it was fitted on."""
    codes, counts, shown = [], [], np.zeros(n_classes + 1)
    for start in range(0, len(pairs.given), FIT_PAIRS):
        some = pairs.take(np.arange(start, min(start + FIT_PAIRS, len(pairs.given))))
        q = posterior(some, model, n_classes)
        shown += _sums(_shown(some.classes, n_classes), q, n_classes + 1)
        found, inverse = np.unique(_codes(some, n_classes), return_inverse=True)
        codes.append(found)
        counts.append(_sums(inverse, q, len(found)))
    codes_E, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    counts_E = _sums(inverse, np.concatenate(counts), len(codes_E))
    return replace(model, codes=codes_E, counts=counts_E, shown=shown, marginal=_marginal(pairs.given, n_classes))


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
    counts = _lookup(model, _codes(pairs, n_classes))
    prior_RM = _prior(pairs, model.beta, model.prior)
    like_R = (prior_RM[:, 0] + LEAST_SEEN) ** model.likeness / model.usual
    rates = _confusion(counts, pairs.classes, pairs.given, model.shown, model.noise_rate, model.marginal, like_R)
    joint = prior_RM * rates
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


def frequencies_matter(pairs: Pairs, n_classes: int) -> bool:
    """Whether labels are likelier where some classes are more frequent than others, by more than their number explains.

    Where classes are of about equal size, frequencies follow what is confused with what, and ranks are worse for it.
    Akaike's criterion.
    """
    alike, different = (fit_noise_model(pairs, n_classes, frequencies=each).log_likelihood for each in (False, True))
    return (different - alike) * len(pairs.given) > n_classes


def score_pairs(
    pairs: Pairs, fold_R: npt.NDArray[np.int32], n_classes: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """p_correct and better class of every pair, each by a noise model of the other folds; see `judge`.

    Within a class a model without likeness ranks the pairs, for it ranks them better; the class's mean is that of a
    model with it.
    """
    p_correct, alike, better = np.empty(len(fold_R)), np.empty(len(fold_R)), np.empty(len(fold_R), np.int64)
    frequencies = frequencies_matter(pairs.take(_spread(len(fold_R), TUNING_PAIRS)), n_classes)
    for fold in np.unique(fold_R):
        held_out = np.flatnonzero(fold_R == fold)
        seen, chosen = pairs.take(np.flatnonzero(fold_R != fold)), pairs.take(held_out)
        few = seen.take(_spread(len(seen.given), FIT_PAIRS))
        model = fit_noise_model(few, n_classes, frequencies=frequencies)
        p_correct[held_out], better[held_out] = _judge_unseen(chosen, model, few, seen, n_classes)
        likeness = LIKENESS_SHARE * class_likeness(few, model, n_classes)
        alike[held_out] = p_correct[held_out]
        if likeness:
            model = fit_noise_model(few, n_classes, likeness, frequencies)
            alike[held_out], _ = _judge_unseen(chosen, model, few, seen, n_classes)
    return with_means(p_correct, alike, pairs.given, n_classes), better


def _judge_unseen(
    unseen: Pairs, model: NoiseModel, few: Pairs, seen: Pairs, n_classes: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """`judge` by a model that was fitted on a few of the pairs that may be seen, and counts confusions on all."""
    if len(few.given) < len(seen.given):
        model = recount(model, seen, n_classes)
    return judge(unseen, posterior(unseen, model, n_classes))


def with_means(
    p_R: npt.NDArray[np.float64], like_R: npt.NDArray[np.float64], class_R: npt.NDArray[np.int64], n_classes: int
) -> npt.NDArray[np.float64]:
    """Probabilities whose log-odds are shifted, class by class, so that their means are those of others.

    Args:
        p_R: (R,) in [0, 1].
        like_R: (R,) in [0, 1], those whose means to take.
        class_R: (R,) class of each.
        n_classes: K.
    """
    n_K = np.maximum(np.bincount(class_R, minlength=n_classes), 1)
    wanted_K = np.clip(np.bincount(class_R, like_R, n_classes) / n_K, 1e-6, 1 - 1e-6)
    log_odds = logit(np.clip(p_R, 1e-9, 1 - 1e-9))
    low_K, high_K = np.full(n_classes, -30.0), np.full(n_classes, 30.0)
    for _ in range(40):
        middle_K = (low_K + high_K) / 2
        mean_K = np.bincount(class_R, expit(log_odds + middle_K[class_R]), n_classes) / n_K
        low_K, high_K = np.where(mean_K < wanted_K, middle_K, low_K), np.where(mean_K < wanted_K, high_K, middle_K)
    return np.asarray(expit(log_odds + middle_K[class_R]))


@dataclass(frozen=True)
class _Corpus:
    """The pairs of classes that take part; fold is that of a pair."""

    image: npt.NDArray[np.int64]
    given: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int32]
    above: npt.NDArray[np.int64]
    n_classes: int

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "_Corpus":
        return _Corpus(self.image[rows], self.given[rows], self.fold[rows], self.above, self.n_classes)

    def moments(self, images: probe.Images, weight: npt.NDArray[np.float64] | None = None) -> probe.Moments:
        n_folds = int(self.fold.max()) + 1
        return probe.fold_moments(images, self.image, self.given, self.fold, self.n_classes, n_folds, weight)

    def candidates(self, images: probe.Images, linear: Mapping[int, probe.Linear]) -> Pairs:
        classes, logits = probe.pair_candidates(images, self.image, self.given, self.fold, linear, N_CANDIDATES)
        return Pairs(self.given, classes, logits, relations(self.given, classes, self.above, self.n_classes))

    def likelihood(self, images: probe.Images, linear: Mapping[int, probe.Linear]) -> float:
        """Mean log-likelihood of the given labels, held out."""
        # Enough to tell one probe from another.
        return fit_noise_model(self.candidates(images, linear), self.n_classes, tolerance=1e-4).log_likelihood


@dataclass(frozen=True)
class _Fit:
    """Discriminants by fold of one kind of features, and how well they explain held-out labels."""

    images: probe.Images
    moments: probe.Moments
    shrinkage: float
    likelihood: float

    def linear(self, folds: Iterable[int]) -> dict[int, probe.Linear]:
        return {fold: probe.fit_discriminant(self.moments, (fold,)).linear(self.shrinkage) for fold in folds}


def _fit(corpus: _Corpus, sample: _Corpus, images: probe.Images) -> _Fit:
    """Discriminants with the shrinkage under which the labels of a sample are most likely."""
    moments = corpus.moments(images)
    linear: dict[float, dict[int, probe.Linear]] = {shrinkage: {} for shrinkage in SHRINKAGES}
    for fold in np.unique(sample.fold).tolist():
        model = probe.fit_discriminant(moments, (fold,))
        for shrinkage in SHRINKAGES:
            linear[shrinkage][fold] = model.linear(shrinkage)
    likelihood, shrinkage = max((sample.likelihood(images, models), by) for by, models in linear.items())
    return _Fit(images, moments, shrinkage, likelihood)


def _refit(corpus: _Corpus, fit: _Fit, fold: int) -> probe.Linear:
    """Linear scores of a held-out fold, of pairs weighted by p_correct.

    The weights come from discriminants of all folds but this one and the pair's own, so that nothing of it has a part
    in what it is judged by.
    """
    others = [other for other in range(len(fit.moments.counts)) if other != fold]
    trained = probe.trained_classes(fit.moments, (fold,))
    inner = {g: probe.fit_discriminant(fit.moments, (fold, g), trained).linear(fit.shrinkage) for g in others}
    seen = corpus.take(corpus.fold != fold)
    pairs = seen.candidates(fit.images, inner)
    few = pairs.take(_spread(len(pairs.given), FIT_PAIRS))
    p, _ = judge(pairs, posterior(pairs, fit_noise_model(few, corpus.n_classes), corpus.n_classes))
    n_K = np.bincount(seen.given, minlength=corpus.n_classes)
    again = seen.moments(fit.images, p + FLOOR / n_K[seen.given])
    return probe.fit_discriminant(again, (fold,), trained).linear(fit.shrinkage)


def _spread(n: int, wanted: int) -> npt.NDArray[np.int64]:
    """About as many of n indices as are wanted, at most, evenly spread."""
    return np.arange(0, n, max(-(-n // wanted), 1))


def _held_out_candidates(corpus: _Corpus, vectors_NV: probe.Floats) -> Pairs:
    """Candidates of every pair by the features, shrinkage and weights that explain held-out labels best."""
    size = np.cumsum(np.bincount(corpus.fold))
    n_tuned = int(np.searchsorted(size, min(TUNING_PAIRS, size[-1]))) + 1
    tuned = np.flatnonzero(corpus.fold < n_tuned)
    sample = corpus.take(tuned[_spread(len(tuned), TUNING_PAIRS)])
    kinds = (probe.linear_features(vectors_NV), probe.kernel_features(vectors_NV, len(corpus.image), corpus.n_classes))
    fit = max((_fit(corpus, sample, probe.Images(vectors_NV, kind)) for kind in kinds), key=lambda fit: fit.likelihood)
    folds = np.unique(corpus.fold).tolist()
    # With two folds nothing is left to learn the weights from.
    if len(folds) > 2:
        weighted = {fold: _refit(corpus, fit, fold) for fold in np.unique(sample.fold).tolist()}
        if sample.likelihood(fit.images, weighted) > fit.likelihood:
            weighted |= {fold: _refit(corpus, fit, fold) for fold in folds if fold not in weighted}
            return corpus.candidates(fit.images, weighted)
    return corpus.candidates(fit.images, fit.linear(folds))


def score_labels(
    vectors_NV: probe.Floats,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_N: npt.NDArray[np.int32],
    above_codes: npt.NDArray[np.int64],
    n_classes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """p_correct and better class of every labelled pair, cross-fitted.

    Args:
        vectors_NV: L2-normalised descriptors.
        image_R: Image of each pair, ascending.
        class_R: Given class of each pair.
        fold_N: Fold of each image.
        above_codes: Sorted codes class * K + ancestor, distance 1 and more.
        n_classes: K, at least 2.

    Returns:
        p_correct (R,) in [0, 1], higher = cleaner, NaN where too few of the class's pairs lie outside the fold; and
        the class that fits better (R,), -1 where none does.
    """
    corpus = _Corpus(image_R, class_R, fold_N[image_R], above_codes, n_classes)
    n_FK = np.zeros((int(fold_N.max()) + 1, n_classes), np.int64)
    np.add.at(n_FK, (corpus.fold, class_R), 1)
    n_elsewhere = n_FK.sum(0) - n_FK
    rows = np.flatnonzero(n_elsewhere[corpus.fold, class_R] >= probe.MIN_TRAINING)
    p_correct, better = np.full(len(image_R), np.nan), np.full(len(image_R), -1, np.int64)
    if len(np.unique(corpus.fold[rows])) < 2:
        return p_correct, better
    corpus = corpus.take(rows)
    pairs = _held_out_candidates(corpus, vectors_NV)
    p_correct[rows], better[rows] = score_pairs(pairs, corpus.fold, n_classes)
    return p_correct, better


def shrunk_mean(
    total: npt.NDArray[np.float64], n: npt.NDArray[np.float64], towards: npt.NDArray[np.float64] | float
) -> npt.NDArray[np.float64]:
    """Mean of n values with the sum `total`, shrunk towards another value by SMOOTHING values' worth."""
    return np.asarray((total + SMOOTHING * towards) / (n + SMOOTHING))
