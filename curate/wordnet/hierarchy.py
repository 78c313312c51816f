"""Acyclic graphs of "is a kind of": depths and closures, as functions on integer arrays.

Nodes are 0 … n-1; an edge runs from a child to a parent (the more general one).
"""

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.errors import InputError

Ints = NDArray[np.int64]


def parent_links(keys: Sequence[str], children: Sequence[str], parents: Sequence[str]) -> tuple[Ints, Ints]:
    """Edges between keys as edges between their positions.

    Args:
        keys: Distinct node keys; position = node number. Lists or Arrow columns, as the other two.
        children: Key of the more specific end of each edge.
        parents: Key of the more general end, same length.

    Returns:
        Child and parent node of each edge, int64.

    Raises:
        InputError: An end of an edge is not among the keys.
    """
    known = pa.array(keys, pa.string()) if isinstance(keys, list) else keys
    ends = []
    for end in (children, parents):
        nodes = pc.index_in(pa.array(end, pa.string()) if isinstance(end, list) else end, value_set=known)
        if nodes.null_count:
            key = end[pc.index(pc.is_null(nodes), True).as_py()]
            raise InputError(
                f"link to '{key}', which is no node", where="table hypernyms", fix="Run load-wordnet again."
            )
        ends.append(nodes.to_numpy(zero_copy_only=False).astype(np.int64))
    return ends[0], ends[1]


def node_depths(children_E: Ints, parents_E: Ints, n_nodes: int) -> NDArray[np.int32]:
    """Links on the longest path from each node up to one without parents.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        n_nodes: Number of nodes.

    Returns:
        Depths, int32 of shape (n_nodes,); 0 for a node without parents.

    Raises:
        InputError: The edges form a cycle.
    """
    depths_N = np.zeros(n_nodes, np.int32)
    for _ in range(n_nodes + 1):
        deeper_N = np.zeros(n_nodes, np.int32)
        np.maximum.at(deeper_N, children_E, depths_N[parents_E] + 1)
        if np.array_equal(deeper_N, depths_N):
            return depths_N
        depths_N = deeper_N
    raise InputError("the hypernym links form a cycle", where="table hypernyms", fix="Run load-wordnet again.")


def closure(children_E: Ints, parents_E: Ints, n_nodes: int, of: Ints | None = None) -> tuple[Ints, Ints, Ints]:
    """Every ancestor of every node, the node itself included, with the length of the shortest path.

    The edges must be acyclic; `node_depths` tells.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        n_nodes: Number of nodes.
        of: Nodes whose ancestors are wanted; all if None.

    Returns:
        Node, ancestor and distance (links; 0 = itself) of each pair, int64, sorted by node, then ancestor.
    """
    order = np.argsort(children_E, kind="stable")
    parents_E = parents_E[order]
    starts = np.searchsorted(children_E[order], np.arange(n_nodes + 1))
    frontier = np.unique(np.arange(n_nodes) if of is None else of) * (n_nodes + 1)
    levels = []
    while frontier.size:
        levels.append(frontier)
        nodes, ancestors = frontier // n_nodes, frontier % n_nodes
        counts = starts[ancestors + 1] - starts[ancestors]
        first = np.repeat(starts[ancestors] - np.cumsum(counts) + counts, counts)
        above = parents_E[first + np.arange(counts.sum())]
        frontier = np.unique(np.repeat(nodes, counts) * n_nodes + above)
    # Breadth first: the first level on which a pair is met is the length of its shortest path.
    every = np.concatenate(levels) if levels else np.empty(0, np.int64)
    pairs, met = np.unique(every, return_index=True)
    distances = np.searchsorted(np.cumsum([len(level) for level in levels]), met, side="right")
    return pairs // n_nodes, pairs % n_nodes, distances


def nearest_above(children_E: Ints, parents_E: Ints, wanted: Iterable[int]) -> dict[int, int]:
    """For every node at or below one of some wanted nodes, the nearest of these.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        wanted: Nodes that are looked for; each is nearest to itself.

    Returns:
        Node → wanted node; of several equally near, the smallest.
    """
    below: dict[int, list[int]] = {}
    for child, parent in zip(children_E.tolist(), parents_E.tolist(), strict=True):
        below.setdefault(parent, []).append(child)
    nearest: dict[int, int] = {}
    frontier = {node: node for node in wanted}
    while frontier:
        nearest |= frontier
        reached: dict[int, int] = {}
        for node, found in frontier.items():
            for child in below.get(node, ()):
                if child not in nearest:
                    reached[child] = min(found, reached.get(child, found))
        frontier = reached
    return nearest


def nearest_common(ancestors: Sequence[Set[int]], parents: Mapping[int, Sequence[int]]) -> list[int]:
    """The most specific nodes that several nodes share.

    Args:
        ancestors: For each of the several nodes, its ancestors and itself.
        parents: Parents of each node that has any.

    Returns:
        The shared ones that lie above no other shared one, ascending.
    """
    shared = set.intersection(*map(set, ancestors))
    # What is shared is closed upwards, so whatever lies above a shared node is the parent of one.
    return sorted(shared.difference(*(parents.get(node, ()) for node in shared)))
