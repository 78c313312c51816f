"""Ragged arrays: groups of different sizes laid end to end."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def expand(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Rows of a ragged array laid end to end.

    Args:
        starts: Where each group begins, int64 of shape (G,).
        counts: How many members each group has, int64 of shape (G,).

    Returns:
        Group of each member and place of each member, int64 of shape (counts.sum(),).
    """
    groups = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    return groups, places
