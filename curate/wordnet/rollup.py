"""Which classes stay: rare ones go up to what lies above them, and no class need lie above another.

Nodes are those of a hierarchy (see hierarchy.py); "nearer" is fewer links, then the greater depth, then the smaller
node.
"""

from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.wordnet.hierarchy import Ints, closure

DISCARDED = -1
"""Stands in place of a class where a label is left out."""


@dataclass(frozen=True)
class Above:
    """What lies above some classes.

    Attributes:
        every: All ancestors of each class, itself left out.
        near: Those of them that may take labels over, the nearest first.
    """

    every: Mapping[int, frozenset[int]]
    near: Mapping[int, Sequence[int]]


def read_above(children_E: Ints, parents_E: Ints, depths_N: NDArray[np.int32], of: Ints, takers: Ints) -> Above:
    """Ancestors of some classes.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        depths_N: Depth of each node.
        of: The classes.
        takers: Nodes that may take labels over.
    """
    nodes, ancestors, distances = closure(children_E, parents_E, len(depths_N), of=of)
    order = np.lexsort((ancestors, -depths_N[ancestors], distances, nodes))
    proper = order[distances[order] > 0]
    every: dict[int, list[int]] = {node: [] for node in of.tolist()}
    near: dict[int, list[int]] = {node: [] for node in of.tolist()}
    takes_over = np.isin(ancestors, takers)
    columns = nodes[proper].tolist(), ancestors[proper].tolist(), takes_over[proper].tolist()
    for node, ancestor, taker in zip(*columns, strict=True):
        every[node].append(ancestor)
        if taker:
            near[node].append(ancestor)
    return Above({node: frozenset(found) for node, found in every.items()}, near)


def merge_rare(
    n_images: Mapping[int, int],
    rare_images: Mapping[int, Set[int]],
    above: Above,
    depths_N: NDArray[np.int32],
    min_images: int,
    *,
    roll_up: bool = True,
) -> dict[int, int]:
    """Give the images of rare classes to the nearest class above that has enough images, or that gets enough this way.

    Deepest classes first; what a class takes over counts towards its own number, an image once.

    Args:
        n_images: Images of each class that has any.
        rare_images: The images themselves, of each class that has fewer than min_images.
        above: What lies above each of these classes, and above every class that may take over.
        depths_N: Depth of each node.
        min_images: Images that a class needs.
        roll_up: False = rare classes are left out.

    Returns:
        Class → itself, a class above it, or DISCARDED. Whatever is named here has min_images or more, and none that
        may take over, has min_images and lies nearer.
    """
    if not roll_up:
        return {node: node if n >= min_images else DISCARDED for node, n in n_images.items()}
    place = {node: node for node in n_images}
    held: dict[int, list[int]] = {node: [node] for node in n_images}
    images = {node: set(found) for node, found in rare_images.items()}
    plenty = {node for node, n in n_images.items() if n >= min_images}
    takers = {taker for node in rare_images for taker in above.near[node]}
    gone: set[int] = set()
    for node in sorted(takers | rare_images.keys(), key=lambda node: (-int(depths_N[node]), node)):
        if node in plenty or len(images.get(node, ())) >= min_images:
            continue
        gone.add(node)
        for label in held.pop(node, ()):
            target = next((taker for taker in above.near[label] if taker not in gone), DISCARDED)
            place[label] = target
            if target != DISCARDED:
                held.setdefault(target, []).append(label)
                if target not in plenty:
                    images.setdefault(target, set()).update(rare_images[label])
    return place


def choose_classes(
    n_images: Mapping[int, int],
    above: Mapping[int, frozenset[int]],
    *,
    max_classes: int | None = None,
    antichain: bool = False,
    first: Container[int] = (),
) -> tuple[set[int], dict[int, str]]:
    """Take classes by descending number of images, ties by node.

    Args:
        n_images: Images of each class.
        above: All ancestors of each class.
        max_classes: How many to take at most.
        antichain: Take a class only if none above it and none below it was taken (WebVision 2.0, whose first classes
            were those of ILSVRC).
        first: Classes that are asked before all others.

    Returns:
        The classes taken, and for each of the others the rule: below_kept, above_kept or max_classes.
    """
    kept: set[int] = set()
    covered: set[int] = set()
    left_out: dict[int, str] = {}
    for node in sorted(n_images, key=lambda node: (node not in first, -n_images[node], node)):
        if antichain and not kept.isdisjoint(above[node]):
            left_out[node] = "below_kept"
        elif antichain and node in covered:
            left_out[node] = "above_kept"
        elif max_classes is not None and len(kept) >= max_classes:
            left_out[node] = "max_classes"
        else:
            kept.add(node)
            covered |= above[node]
    return kept, left_out
