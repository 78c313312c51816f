"""Targets of images with several labels, and the loss on them."""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch's own documentation uses)
from torch import Tensor


def soft_targets(class_ids: list[list[int]], label_weights: list[list[float]], n_classes: int) -> Tensor:
    """Target distributions: each of an image's k labels gets 1/k times its weight (Mahajan et al. 2018, section 2.2).

    Args:
        class_ids: B lists of class numbers in [0, n_classes).
        label_weights: B lists of the same lengths; 1 = full. An image with lower weights counts less in the loss.
        n_classes: C.

    Returns:
        (B, C) float32; each row sums to its labels' mean weight.
    """
    targets_BC = torch.zeros(len(class_ids), n_classes)
    for row, (ids, weights) in enumerate(zip(class_ids, label_weights, strict=True)):
        targets_BC[row, ids] = torch.tensor(weights, dtype=torch.float32) / len(ids)
    return targets_BC


def cross_entropy(logits_BC: Tensor, targets_BC: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Softmax cross-entropy with soft targets, averaged over images.

    With k labels of weight 1 its minimum is ln k. Smoothing keeps each row's total weight (Szegedy et al. 2016).

    Args:
        logits_BC: (B, C) scores.
        targets_BC: (B, C) from `soft_targets`.
        label_smoothing: Share of each row's weight that is spread evenly over the C classes.

    Returns:
        Scalar, float32.
    """
    if label_smoothing:
        share = targets_BC.sum(dim=1, keepdim=True) / targets_BC.shape[1]
        targets_BC = (1 - label_smoothing) * targets_BC + label_smoothing * share
    return -(targets_BC * F.log_softmax(logits_BC.float(), dim=1)).sum(dim=1).mean()
