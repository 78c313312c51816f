"""Cross-fitted linear discriminant probe: how well each class fits each image, by models that never saw the image.

Dimensions: N images, R labelled pairs, K classes, V descriptor, D features, M candidates per image.

A discriminant with a shared, shrunk covariance is a linear probe in closed form. Fold statistics add up, so that F
folds cost one pass over the vectors, a Cholesky factor of D x D each and one product of N x D by D x K; there is no
step size, no epoch and no random start.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.sparse import csr_array

BLOCK = 4096
"""Pairs whose features are computed and scored at a time."""

MAX_FREQUENCIES = 2560
"""Random frequencies at most: beyond, products of D x D outweigh what they add."""

MAX_MEANS = 1 << 24
"""Class means times features at most, so that 18,000 classes fit into memory."""

SCATTER_PAIRS = 100_000
"""Pairs, evenly spread, that the covariance of what a class shows is estimated from."""

BANDWIDTH = 2.0
"""Standard deviation of the kernel in typical distances between two images."""

MIN_TRAINING = 5
"""Pairs that a class must have outside a fold to take part in its scoring."""

UNTRAINED = -1e9
"""Logit of a class that does not take part."""

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float16]
NOTHING = -1
"""Stands for no class at all in a list of candidates."""

MAX_AXES = 256
"""Discriminant axes, widest first, along which pictures of no class are told from the others."""


@dataclass(frozen=True)
class Features:
    """Descriptors beside random Fourier features of them: a linear probe of these is one of a Gaussian kernel.

    Rahimi & Recht 2007. Some √N log N frequencies lose nothing against the kernel itself (Rudi & Rosasco 2017,
    arXiv:1602.04474).

    Attributes:
        frequencies: (V, H).
    """

    frequencies: npt.NDArray[np.float32]

    @property
    def dim(self) -> int:
        """D = V + 2 H."""
        return int(self.frequencies.shape[0] + 2 * self.frequencies.shape[1])

    def __call__(self, vectors_BV: Floats) -> npt.NDArray[np.float32]:
        """Features (B, D)."""
        x = vectors_BV.astype(np.float32)
        n_linear, n_frequencies = self.frequencies.shape
        features = np.empty((len(x), self.dim), np.float32)
        features[:, :n_linear] = x
        phase = x @ self.frequencies
        np.cos(phase, out=features[:, n_linear : n_linear + n_frequencies])
        np.sin(phase, out=features[:, n_linear + n_frequencies :])
        features[:, n_linear:] *= np.float32(1 / math.sqrt(max(n_frequencies, 1)))
        return features


def linear_features(vectors_NV: Floats) -> Features:
    """The descriptors as they are."""
    return Features(np.zeros((vectors_NV.shape[1], 0), np.float32))


def kernel_features(vectors_NV: Floats, n_pairs: int, n_classes: int, seed: int = 0) -> Features:
    """As many random features as a number of pairs and classes deserves; deterministic.

    Args:
        vectors_NV: L2-normalised descriptors.
        n_pairs: Labelled pairs.
        n_classes: K.
        seed: Seed of the frequencies.
    """
    dim = vectors_NV.shape[1]
    wanted = math.sqrt(n_pairs) * math.log(max(n_pairs, 2))
    affordable = (MAX_MEANS / n_classes - dim) / 2
    n_frequencies = max(int(min(wanted, affordable, MAX_FREQUENCIES)), 0)
    few = vectors_NV[:: max(len(vectors_NV) // 1000, 1)][:1000].astype(np.float32)
    # For unit vectors squared distances follow from products.
    distance = np.sqrt(np.clip(2 - 2 * few @ few.T, 0, None))
    typical = max(float(np.median(distance[np.triu_indices(len(few), 1)])), 1e-3) if len(few) > 1 else 1.0
    frequencies = np.random.default_rng(seed).standard_normal((dim, n_frequencies), np.float32)
    return Features(frequencies / np.float32(BANDWIDTH * typical))


@dataclass(frozen=True)
class Linear:
    """Scores of one held-out fold.

    Attributes:
        weights: (D, K).
        biases: (K,).
        axes: (D, A) discriminant axes, along which a class has variance 1.
        origin: (A,) mean of all pairs on them.
        spread: (A,) variance along them of a picture of any class.
    """

    weights: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    origin: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]

    def nothing(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Logits (B,) of a class that was not seen, its mean drawn like those that were, on the scale of the others.

        The integral over that mean is a normal distribution with between- plus within-class covariance (Ioffe 2006,
        probabilistic linear discriminant analysis).
        """
        u = x @ self.axes - self.origin
        return np.asarray(0.5 * ((u * u) @ (1 - 1 / self.spread) - np.log(self.spread).sum()), np.float32)


@dataclass(frozen=True)
class Images:
    """Descriptors of N images, whose features are computed when they are asked for: they would not fit into memory.

    Attributes:
        vectors: (N, V) L2-normalised.
        features: What the probe sees of them.
    """

    vectors: Floats
    features: Features

    def __getitem__(self, images_B: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Features (B, D) of some images."""
        return self.features(self.vectors[images_B])


@dataclass(frozen=True)
class Moments:
    """Sums over the labelled pairs of each fold, each pair times its weight.

    Attributes:
        counts: (F, K) pairs of a class.
        sums: (F, K, D) sums of their features.
        scatter: (F, D, D) sums of (x - m) (x - m)ᵀ over evenly spread pairs, m the mean of the class in the fold.
        freedom: (F,) degrees of freedom of the scatter.
    """

    counts: npt.NDArray[np.float64]
    sums: npt.NDArray[np.float32]
    scatter: npt.NDArray[np.float32]
    freedom: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Discriminant:
    """What the linear weights of one held-out fold are made of.

    Attributes:
        counts: (K,) pairs, each times its weight.
        means: (K, D) class means.
        trained: (K,) whether the class takes part.
        within: (D, D) within-class covariance.
    """

    counts: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    trained: npt.NDArray[np.bool_]
    within: npt.NDArray[np.float64]

    def linear(self, shrinkage: float) -> Linear:
        """Linear scores with the covariance shrunk towards a multiple of the identity."""
        diagonal = np.arange(len(self.within))
        shrunk_DD = (1 - shrinkage) * self.within
        shrunk_DD[diagonal, diagonal] += shrinkage * max(float(np.trace(self.within)) / len(diagonal), 1e-12)
        lower_DD = cholesky(shrunk_DD, lower=True, overwrite_a=True)
        share_K = self.counts / max(float(self.counts.sum()), 1e-9)
        centre = share_K @ self.means
        white_DK = solve_triangular(lower_DD, (self.means - centre).T, lower=True)
        weights_DK = solve_triangular(lower_DD, white_DK, lower=True, trans="T")
        bias_K = -0.5 * (white_DK * white_DK).sum(0) - centre @ weights_DK
        left, variance = _widest(white_DK * np.sqrt(share_K), min(len(share_K) - 1, MAX_AXES))
        axes_DA = solve_triangular(lower_DD, left, lower=True, trans="T")
        return Linear(
            weights_DK.astype(np.float32),
            np.where(self.trained, bias_K, UNTRAINED).astype(np.float32),
            axes_DA.astype(np.float32),
            (centre @ axes_DA).astype(np.float32),
            (1 + variance).astype(np.float32),
        )


def _widest(scaled_DK: npt.NDArray[np.float64], n_axes: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Unit vectors (D, A) along which the columns of a matrix are spread most, and their squared lengths (A,) there."""
    dim, n_classes = scaled_DK.shape
    gram = scaled_DK.T @ scaled_DK if n_classes < dim else scaled_DK @ scaled_DK.T
    last = len(gram) - 1
    size, vectors = eigh(gram, subset_by_index=(max(len(gram) - n_axes, 0), last))
    size, vectors = np.maximum(size[::-1], 0.0), vectors[:, ::-1]
    # Axes without spread tell nothing apart, and dividing by their length is noise.
    wide = size > 1e-9 * max(float(size[0]), 1e-12)
    size, vectors = size[wide], vectors[:, wide]
    return (scaled_DK @ vectors / np.sqrt(size) if n_classes < dim else vectors), size


def fold_moments(
    images: Images,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_R: npt.NDArray[np.int32],
    n_classes: int,
    n_folds: int,
    weight_R: npt.NDArray[np.float64] | None = None,
) -> Moments:
    """Sums per fold, in blocks of pairs and in fixed order.

    Args:
        images: What to look at.
        image_R: Image of each labelled pair, ascending.
        class_R: Class of each labelled pair.
        fold_R: Fold of each labelled pair.
        n_classes: K.
        n_folds: F.
        weight_R: Weight of each pair, 0 and more; None = 1.
    """
    dim = images.features.dim
    w_R = np.ones(len(image_R), np.float32) if weight_R is None else weight_R.astype(np.float32)
    counts, freedom = np.zeros((n_folds, n_classes)), np.zeros(n_folds)
    sums = np.zeros((n_folds, n_classes, dim), np.float32)
    scatter = np.zeros((n_folds, dim, dim), np.float32)
    step = max(len(image_R) // SCATTER_PAIRS, 1)
    for fold in range(n_folds):
        rows = np.flatnonzero(fold_R == fold)
        for block in _blocks(rows):
            x, w = images[image_R[block]], w_R[block]
            counts[fold] += np.bincount(class_R[block], w, n_classes)
            member = csr_array((w, class_R[block], np.arange(len(block) + 1)), shape=(len(block), n_classes))
            sums[fold] += member.T @ x
        means = sums[fold] / np.maximum(counts[fold], 1e-9).astype(np.float32)[:, None]
        for block in _blocks(rows[::step]):
            x, w, given = images[image_R[block]], w_R[block], class_R[block]
            x -= means[given]
            scatter[fold] += (x * w[:, None]).T @ x
            # A mean of a few pairs lies nearer to them than the truth does.
            freedom[fold] += float((w * (1 - w / np.maximum(counts[fold, given], 1e-9))).sum())
    return Moments(counts, sums, scatter, freedom)


def _blocks(rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def fit_discriminant(
    moments: Moments, held_out: tuple[int, ...], trained_K: npt.NDArray[np.bool_] | None = None
) -> Discriminant:
    """Discriminant of all folds but some.

    Args:
        moments: Sums by fold.
        held_out: Folds to leave out.
        trained_K: Classes that take part if they have a pair; None = those with MIN_TRAINING pairs.
    """
    folds = _folds(moments, held_out)
    n_K = moments.counts[folds].sum(0)
    sum_KD, scatter = np.zeros(moments.sums.shape[1:]), np.zeros(moments.scatter.shape[1:])
    for fold in folds:
        sum_KD += moments.sums[fold]
        scatter += moments.scatter[fold]
    scatter /= max(float(moments.freedom[folds].sum()), 1e-9)
    sum_KD /= np.maximum(n_K, 1e-9)[:, None]
    trained = trained_classes(moments, held_out) if trained_K is None else trained_K & (n_K > 0)
    return Discriminant(n_K, sum_KD, trained, scatter)


def trained_classes(moments: Moments, held_out: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Classes (K,) with enough pairs in all folds but some."""
    return np.asarray(moments.counts[_folds(moments, held_out)].sum(0) >= MIN_TRAINING)


def _folds(moments: Moments, held_out: tuple[int, ...]) -> list[int]:
    return [fold for fold in range(len(moments.counts)) if fold not in held_out]


def best_candidates(
    logits_BK: npt.NDArray[np.float32], n_candidates: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The best classes of each image and their logits, best first; ties go to the smaller class.

    Returns:
        Classes (B, M) and logits (B, M), M = min(n_candidates, K).
    """
    m = min(n_candidates, logits_BK.shape[1])
    top = np.sort(np.argpartition(-logits_BK, m - 1, axis=1)[:, :m], axis=1)
    values = np.take_along_axis(logits_BK, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1).astype(np.int32), np.take_along_axis(values, order, axis=1)


def pair_candidates(
    images: Images,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_R: npt.NDArray[np.int32],
    models: Mapping[int, Linear],
    n_candidates: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """For each labelled pair the given class (first column) and the best other classes of its image.

    Args:
        images: What to look at.
        image_R: Image of each pair.
        class_R: Given class of each pair.
        fold_R: Fold of each pair; its own model scores it.
        models: Scores by fold.
        n_candidates: M.

    Returns:
        Classes (R, M + 1) and logits (R, M + 1), NOTHING last, the logits less the largest of a class in the row.
    """
    m = min(n_candidates, len(next(iter(models.values())).biases))
    classes_RM = np.full((len(image_R), m + 1), NOTHING, np.int32)
    logits_RM = np.empty((len(image_R), m + 1), np.float32)
    for fold, model in models.items():
        for block in _blocks(np.flatnonzero(fold_R == fold)):
            x, given = images[image_R[block]], class_R[block]
            every = x @ model.weights + model.biases
            classes, logits = best_candidates(every, m)
            own = every[np.arange(len(block)), given]
            # The given class comes first; it, or else the weakest candidate, leaves its old place.
            where = np.where((classes == given[:, None]).any(1), (classes == given[:, None]).argmax(1), m - 1)
            classes[np.arange(len(block)), where] = classes[:, 0]
            logits[np.arange(len(block)), where] = logits[:, 0]
            classes[:, 0], logits[:, 0] = given, own
            best = logits.max(1, keepdims=True)
            classes_RM[block, :m], logits_RM[block, :m] = classes, logits - best
            logits_RM[block, m] = model.nothing(x) - best[:, 0]
    return classes_RM, logits_RM
