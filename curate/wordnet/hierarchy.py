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
                f"link to '{key}', which is no node",
                where="tables hypernyms and vocabulary",
                fix="Run load-wordnet and map-labels again.",
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
    depths_N = _peel(children_E, parents_E, n_nodes)
    if (depths_N < 0).any():
        raise InputError("the hypernym links form a cycle", where="table hypernyms", fix="Run load-wordnet again.")
    return depths_N


def on_cycles(children_E: Ints, parents_E: Ints, n_nodes: int) -> Ints:
    """Nodes that lie on a cycle, or between two cycles, ascending; empty where the edges are acyclic.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        n_nodes: Number of nodes.
    """
    from_above, from_below = _peel(children_E, parents_E, n_nodes), _peel(parents_E, children_E, n_nodes)
    return np.flatnonzero((from_above < 0) & (from_below < 0))


def _peel(children_E: Ints, parents_E: Ints, n_nodes: int) -> NDArray[np.int32]:
    """Depths, level by level: a node is reached with the last of its parents; -1 where that never happens."""
    starts, children_E = _by_node(parents_E, children_E, n_nodes)
    waits_N = np.bincount(children_E, minlength=n_nodes)
    depths_N = np.full(n_nodes, -1, np.int32)
    level, depth = np.flatnonzero(waits_N == 0), 0
    while level.size:
        depths_N[level] = depth
        reached, n = np.unique(_next(starts, children_E, level)[1], return_counts=True)
        waits_N[reached] -= n
        level, depth = reached[waits_N[reached] == 0], depth + 1
    return depths_N


def _by_node(nodes_E: Ints, others_E: Ints, n_nodes: int) -> tuple[Ints, Ints]:
    """Edges grouped by one end: where each node's begin, (n_nodes + 1,), and the other ends in that order."""
    order = np.argsort(nodes_E, kind="stable")
    return np.searchsorted(nodes_E[order], np.arange(n_nodes + 1)), others_E[order]


def _next(starts: Ints, others_E: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """How many neighbours each of some nodes has, and all of these neighbours, node by node."""
    counts = starts[nodes + 1] - starts[nodes]
    first = np.repeat(starts[nodes] - np.cumsum(counts) + counts, counts)
    return counts, others_E[first + np.arange(counts.sum())]


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
    starts, parents_E = _by_node(children_E, parents_E, n_nodes)
    frontier = np.unique(np.arange(n_nodes) if of is None else of) * (n_nodes + 1)
    levels = []
    while frontier.size:
        levels.append(frontier)
        nodes, ancestors = frontier // n_nodes, frontier % n_nodes
        counts, above = _next(starts, parents_E, ancestors)
        frontier = np.unique(np.repeat(nodes, counts) * n_nodes + above)
    # Breadth first: the first level on which a pair is met is the length of its shortest path.
    every = np.concatenate(levels) if levels else np.empty(0, np.int64)
    pairs, met = np.unique(every, return_index=True)
    distances = np.searchsorted(np.cumsum([len(level) for level in levels]), met, side="right")
    return pairs // n_nodes, pairs % n_nodes, distances


def subtree_sizes(children_E: Ints, parents_E: Ints, n_nodes: int) -> Ints:
    """How many nodes lie at or below each node, each counted once however many ways lead down to it.

    Args:
        children_E: Child node of each edge.
        parents_E: Parent node of each edge.
        n_nodes: Number of nodes.

    Returns:
        int64 of shape (n_nodes,), at least 1.
    """
    return np.bincount(closure(children_E, parents_E, n_nodes)[1], minlength=n_nodes)


def information(sizes: Ints, n_nodes: int) -> NDArray[np.float64]:
    """Intrinsic information content: how specific a class is, from the share of all nodes that it covers.

    Args:
        sizes: Nodes at or below each class, at least 1.
        n_nodes: Number of nodes.

    Returns:
        1 - ln(size) / ln(n_nodes), in [0, 1]; 0 = covers all, 1 = a leaf (Seco, Veale & Hayes, ECAI 2004).
    """
    specific: NDArray[np.float64] = 1.0 - np.log(sizes) / np.log(max(n_nodes, 2))
    return specific


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
