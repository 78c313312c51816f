"""Cross-fitted linear discriminant probe: how well each class fits each image, by models that never saw the image.

Dimensions: N images, R labelled pairs, K classes, D descriptor, M candidates per image.

A discriminant with a shared, shrunk covariance is a linear probe in closed form. Fold statistics add up, so that F
folds cost one pass over the vectors, F eigendecompositions of D x D and one product of N x D by D x K; there is no
step size, no epoch and no random start.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK = 8192
"""Images that are widened to float32 and scored at a time."""

MIN_TRAINING = 5
"""Pairs that a class must have outside a fold to take part in its scoring."""

UNTRAINED = -1e9
"""Logit of a class that does not take part."""

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float16]


@dataclass(frozen=True)
class Moments:
    """Sums over the labelled pairs of each fold.

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
        means: (K, D) class means.
        trained: (K,) whether the class has MIN_TRAINING pairs outside the fold.
        eigenvalues: (D,) of the within-class covariance.
        basis: (D, D) eigenvectors, one per column.
    """

    means: npt.NDArray[np.float64]
    trained: npt.NDArray[np.bool_]
    eigenvalues: npt.NDArray[np.float64]
    basis: npt.NDArray[np.float64]

    def weights(self, shrinkage: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Linear weights (D, K) and biases (K,) with the covariance shrunk towards a multiple of the identity."""
        mean = max(float(self.eigenvalues.mean()), 1e-12)
        scale_D = 1.0 / ((1 - shrinkage) * np.maximum(self.eigenvalues, 0) + shrinkage * mean)
        weights_DK = self.basis @ (scale_D[:, None] * (self.basis.T @ self.means.T))
        bias_K = np.where(self.trained, -0.5 * np.einsum("kd,dk->k", self.means, weights_DK), UNTRAINED)
        return weights_DK.astype(np.float32), bias_K.astype(np.float32)


def fold_moments(
    vectors_ND: Floats,
    image_R: npt.NDArray[np.int64],
    class_R: npt.NDArray[np.int64],
    fold_N: npt.NDArray[np.int32],
    n_classes: int,
    n_folds: int,
) -> Moments:
    """Sums per fold, in blocks of images and in fixed order.

    Args:
        vectors_ND: L2-normalised descriptors.
        image_R: Image of each labelled pair, ascending.
        class_R: Class of each labelled pair.
        fold_N: Fold of each image.
        n_classes: K.
        n_folds: F.
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
            moments.squares[fold] += x.T @ x
            np.add.at(moments.counts[fold], class_R[block], 1)
            np.add.at(moments.sums[fold], class_R[block], x)
    return moments


def fit_discriminant(moments: Moments, held_out: int) -> Discriminant:
    """Discriminant of all folds but one."""
    n_K = moments.counts.sum(0) - moments.counts[held_out]
    sum_KD = moments.sums.sum(0) - moments.sums[held_out]
    square_DD = moments.squares.sum(0) - moments.squares[held_out]
    total = max(float(n_K.sum()), 1.0)
    means_KD = sum_KD / np.maximum(n_K, 1)[:, None]
    within_DD = (square_DD - (sum_KD.T @ means_KD)) / total
    values_D, basis_DD = np.linalg.eigh((within_DD + within_DD.T) / 2)
    return Discriminant(means_KD, n_K >= MIN_TRAINING, values_D, basis_DD)


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
    models: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
    n_candidates: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """For each labelled pair the given class (first column) and the best other classes of its image.

    Args:
        vectors_ND: L2-normalised descriptors.
        image_R: Image of each pair.
        class_R: Given class of each pair.
        fold_N: Fold of each image; its own model scores it.
        models: Weights and biases by fold.
        n_candidates: M.

    Returns:
        Classes (R, M) and logits (R, M), the logits less their largest in the row.
    """
    m = min(n_candidates, models[0][0].shape[1])
    classes_RM = np.empty((len(image_R), m), np.int32)
    logits_RM = np.empty((len(image_R), m), np.float32)
    for fold, (weights_DK, bias_K) in enumerate(models):
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
            classes_RM[block], logits_RM[block] = classes, logits - logits.max(1, keepdims=True)
    return classes_RM, logits_RM
