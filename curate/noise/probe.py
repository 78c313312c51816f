"""Cross-fitted linear discriminant probe: how well each class fits each image, by models that never saw the image.

Dimensions: N images, R labelled pairs, K classes, D descriptor, M candidates per image.

A discriminant with a shared, shrunk covariance is a linear probe in closed form. Fold statistics add up, so that F
folds cost one pass over the vectors, a Cholesky factor of D x D each and one product of N x D by D x K; there is no
step size, no epoch and no random start.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import csr_array

BLOCK = 8192
"""Images that are widened to float32 and scored at a time."""

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
class Moments:
    """Sums over the labelled pairs of each fold, each pair times its weight.

    Attributes:
        counts: (F, K) pairs of a class.
        sums: (F, K, D) sums of their vectors.
        squares: (F, D, D) sums of x xᵀ over all pairs of the fold.
    """

    counts: npt.NDArray[np.float64]
    sums: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]


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
        # Eigenvectors of the between-class covariance, found among K classes where that is less than D.
        scaled_DK = white_DK * np.sqrt(share_K)
        left, size, _ = np.linalg.svd(scaled_DK, full_matrices=False)
        n_axes = min(len(share_K) - 1, len(size), MAX_AXES)
        axes_DA = solve_triangular(lower_DD, left[:, :n_axes], lower=True, trans="T")
        return Linear(
            weights_DK.astype(np.float32),
            np.where(self.trained, bias_K, UNTRAINED).astype(np.float32),
            axes_DA.astype(np.float32),
            (centre @ axes_DA).astype(np.float32),
            (1 + size[:n_axes] ** 2).astype(np.float32),
        )


def fold_moments(
    vectors_ND: Floats,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_N: npt.NDArray[np.int32],
    n_classes: int,
    n_folds: int,
    weight_R: npt.NDArray[np.float64] | None = None,
) -> Moments:
    """Sums per fold, in blocks of images and in fixed order.

    Args:
        vectors_ND: L2-normalised descriptors.
        image_R: Image of each labelled pair, ascending.
        class_R: Class of each labelled pair.
        fold_N: Fold of each image.
        n_classes: K.
        n_folds: F.
        weight_R: Weight of each pair, 0 and more; None = 1.
    """
    dim = vectors_ND.shape[1]
    moments = Moments(
        np.zeros((n_folds, n_classes)), np.zeros((n_folds, n_classes, dim)), np.zeros((n_folds, dim, dim))
    )
    for fold in range(n_folds):
        rows = np.flatnonzero(fold_N[image_R] == fold)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            x = vectors_ND[image_R[block]].astype(np.float32)
            weight = np.ones(len(block), np.float32) if weight_R is None else weight_R[block].astype(np.float32)
            weighted = x * weight[:, None]
            moments.squares[fold] += weighted.T @ x
            moments.counts[fold] += np.bincount(class_R[block], weight, n_classes)
            member = csr_array((np.ones(len(block), np.float32), class_R[block], np.arange(len(block) + 1)))
            member.resize((len(block), n_classes))
            moments.sums[fold] += member.T @ weighted
    return moments


def fit_discriminant(
    moments: Moments, held_out: tuple[int, ...], trained_K: npt.NDArray[np.bool_] | None = None
) -> Discriminant:
    """Discriminant of all folds but some.

    Args:
        moments: Sums by fold.
        held_out: Folds to leave out.
        trained_K: Classes that take part if they have a pair; None = those with MIN_TRAINING pairs.
    """
    n_K, sum_KD, square_DD = (np.zeros(part.shape[1:]) for part in (moments.counts, moments.sums, moments.squares))
    for fold in range(len(moments.counts)):
        if fold not in held_out:
            n_K += moments.counts[fold]
            sum_KD += moments.sums[fold]
            square_DD += moments.squares[fold]
    means_KD = sum_KD / np.maximum(n_K, 1e-9)[:, None]
    square_DD -= sum_KD.T @ means_KD
    square_DD /= max(float(n_K.sum()), 1e-9)
    trained = n_K >= MIN_TRAINING if trained_K is None else trained_K & (n_K > 0)
    return Discriminant(n_K, means_KD, trained, (square_DD + square_DD.T) / 2)


def best_candidates(
    vectors_ND: Floats, weights_DK: npt.NDArray[np.float32], bias_K: npt.NDArray[np.float32], n_candidates: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The best classes of each image and their logits, best first; ties go to the smaller class.

    Returns:
        Classes (N, M) and logits (N, M), M = min(n_candidates, K).
    """
    n, m = len(vectors_ND), min(n_candidates, len(bias_K))
    classes_NM = np.empty((n, m), np.int32)
    logits_NM = np.empty((n, m), np.float32)
    for start in range(0, n, BLOCK):
        logits = vectors_ND[start : start + BLOCK].astype(np.float32) @ weights_DK + bias_K
        top = np.sort(np.argpartition(-logits, m - 1, axis=1)[:, :m], axis=1)
        values = np.take_along_axis(logits, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        classes_NM[start : start + BLOCK] = np.take_along_axis(top, order, axis=1)
        logits_NM[start : start + BLOCK] = np.take_along_axis(values, order, axis=1)
    return classes_NM, logits_NM


def pair_candidates(
    vectors_ND: Floats,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_N: npt.NDArray[np.int32],
    models: list[Linear],
    n_candidates: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """For each labelled pair the given class (first column) and the best other classes of its image.

    Args:
        vectors_ND: L2-normalised descriptors.
        image_R: Image of each pair.
        class_R: Given class of each pair.
        fold_N: Fold of each image; its own model scores it.
        models: Scores by fold.
        n_candidates: M.

    Returns:
        Classes (R, M + 1) and logits (R, M + 1), NOTHING last, the logits less the largest of a class in the row.
    """
    m = min(n_candidates, len(models[0].biases))
    classes_RM = np.full((len(image_R), m + 1), NOTHING, np.int32)
    logits_RM = np.empty((len(image_R), m + 1), np.float32)
    for fold, model in enumerate(models):
        weights_DK, bias_K = model.weights, model.biases
        rows = np.flatnonzero(fold_N[image_R] == fold)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            x, given = vectors_ND[image_R[block]].astype(np.float32), class_R[block]
            classes, logits = best_candidates(x, weights_DK, bias_K, m)
            own = np.einsum("bd,bd->b", x, weights_DK.T[given]) + bias_K[given]
            # The given class comes first; it, or else the weakest candidate, leaves its old place.
            where = np.where((classes == given[:, None]).any(1), (classes == given[:, None]).argmax(1), m - 1)
            classes[np.arange(len(block)), where] = classes[:, 0]
            logits[np.arange(len(block)), where] = logits[:, 0]
            classes[:, 0], logits[:, 0] = given, own
            best = logits.max(1, keepdims=True)
            classes_RM[block, :m], logits_RM[block, :m] = classes, logits - best
            logits_RM[block, m] = model.nothing(x) - best[:, 0]
    return classes_RM, logits_RM
