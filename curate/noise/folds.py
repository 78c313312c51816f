"""Cross-fitting folds that keep copies of an image, and the posts of one owner, together."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def unit_hash(seed: int, *parts: str) -> float:
    """A number in [0, 1) that depends on nothing but the seed and the strings.

    Args:
        seed: Random seed.
        *parts: Strings, length-prefixed before they are hashed.
    """
    digest = sha256(str(seed).encode())
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return int.from_bytes(digest.digest()[:7], "big") / 2**56


def link_groups(
    image_ids: Sequence[str], links: Sequence[Sequence[str | None]], max_link: int
) -> npt.NDArray[np.int64]:
    """Groups of images that are connected by a shared value (a copy's cluster, bytes, an owner).

    A value that more than `max_link` images share is left out: it would put half a corpus into one fold (a bot, an
    import account) and says little about any two of its images.

    Args:
        image_ids: Image ids, ascending; they fix the order of everything else.
        links: For each kind of link one value per image; None or '' = no link.
        max_link: Largest number of images that a value may connect.

    Returns:
        (N,) index of the group's first image, so of its smallest image_id.
    """
    n = len(image_ids)
    rows: list[int] = []
    columns: list[int] = []
    for values in links:
        members: dict[str, list[int]] = {}
        for index, value in enumerate(values):
            if value:
                members.setdefault(value, []).append(index)
        for indices in members.values():
            if 1 < len(indices) <= max_link:
                rows.extend(indices[:1] * (len(indices) - 1))
                columns.extend(indices[1:])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    first = np.full(component.max(initial=-1) + 1, n, np.int64)
    np.minimum.at(first, component, np.arange(n))
    return np.asarray(first[component], np.int64)


def assign_folds(
    image_ids: Sequence[str], groups_N: npt.NDArray[np.int64], n_folds: int, seed: int
) -> npt.NDArray[np.int32]:
    """The fold of each image: a hash of the seed and the smallest image_id of its group.

    Args:
        image_ids: Image ids, ascending.
        groups_N: (N,) from `link_groups`.
        n_folds: Number of folds.
        seed: Random seed.

    Returns:
        (N,) folds from 0.
    """
    heads, inverse = np.unique(groups_N, return_inverse=True)
    folds = [int(unit_hash(seed, "fold", image_ids[head]) * n_folds) for head in heads]
    return np.asarray(folds, np.int32)[inverse]
