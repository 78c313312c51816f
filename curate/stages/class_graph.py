"""One graph of everything that can be a class: synsets, the user's own classes, sets of senses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import InputError, SchemaError
from curate.stage import Tables
from curate.wordnet.hierarchy import (
    Ints,
    closure,
    information,
    nearest_common,
    node_depths,
    on_cycles,
    parent_links,
    subtree_sizes,
)
from curate.wordnet.senses import sense_groups


@dataclass(frozen=True)
class ClassGraph:
    """Classes as nodes 0 … N-1: the synsets by wnid, then own classes, then sets of senses, each by class_key.

    Attributes:
        keys: class_key of each node.
        names: Name to show of each node.
        children: Child node of each edge.
        parents: Parent node of each edge.
        depths: (N,) links on the longest path up.
        members: Synsets of each class that does not stand for just its own.
        index: Node of each class_key.
        n_plain: How many nodes are synsets or own classes.
    """

    keys: Sequence[str]
    names: Sequence[str]
    children: Ints
    parents: Ints
    depths: npt.NDArray[np.int32]
    members: Mapping[str, Sequence[int]]
    index: Mapping[str, int]
    n_plain: int

    def node(self, key: str) -> int:
        """The node of a class.

        Raises:
            SchemaError: There is no such class.
        """
        if key not in self.index:
            raise SchemaError(f"no table has class '{key}'", where="mentions", fix="Run map-labels again.")
        return self.index[key]

    def information(self, nodes: Ints) -> npt.NDArray[np.float64]:
        """Granularity of some nodes, see the table `classes`; six digits, as logarithms differ between machines."""
        plain = self.children < self.n_plain
        children, parents = self.children[plain], self.parents[plain]
        sizes = np.ones(len(self.keys), np.int64)
        sizes[: self.n_plain] = subtree_sizes(children, parents, self.n_plain)
        groups = [self.members[self.keys[node]] for node in nodes[nodes >= self.n_plain]]
        sizes[nodes[nodes >= self.n_plain]] = _joint_sizes(groups, children, parents, self.n_plain)
        rounded: npt.NDArray[np.float64] = np.round(information(sizes[nodes], self.n_plain), 6)
        return rounded


def _joint_sizes(groups: Sequence[Sequence[int]], children: Ints, parents: Ints, n: int) -> list[int]:
    """How many nodes lie at or below any member of each set of nodes."""
    wanted = np.unique([node for members in groups for node in members]).astype(np.int64)
    tops, below, _ = closure(parents, children, n, of=wanted)
    cuts = np.searchsorted(tops, np.append(wanted, n))
    under = {node: below[cuts[i] : cuts[i + 1]] for i, node in enumerate(wanted.tolist())}
    return [len(np.unique(np.concatenate([under[node] for node in members]))) for members in groups]


def read_class_graph(tables: Tables, named: Sequence[str]) -> ClassGraph:
    """WordNet's noun graph, the user's own classes in it, and the named sets of senses below what all members share.

    Args:
        tables: synsets, lemmas, hypernyms and vocabulary.
        named: class_keys that labels were mapped to.

    Raises:
        InputError: The user's parents run in a circle.
        SchemaError: A table names a class that is not there.
    """
    names, children, parents = _plain_graph(tables)
    keys = list(names)
    index = {key: node for node, key in enumerate(keys)}
    groups = [key for key in named if key.startswith("g:")]
    known = sense_groups(tables.arrow("lemmas", ["wnid", "lemma", "squashed"])) if groups else {}
    members = {key: [index[wnid] for wnid in known[key][0]] for key in groups if key in known}
    new_children, new_parents = _group_links(list(members.values()), children, parents, len(keys))
    children, parents = np.concatenate([children, new_children]), np.concatenate([parents, new_parents])
    every = [*keys, *members]
    return ClassGraph(
        keys=every,
        names=[*names.values(), *(known[key][1] for key in members)],
        children=children,
        parents=parents,
        depths=node_depths(children, parents, len(every)),
        members=members | {key: [] for key in keys if key.startswith("u:")},
        index={key: node for node, key in enumerate(every)},
        n_plain=len(keys),
    )


def _plain_graph(tables: Tables) -> tuple[dict[str, str], Ints, Ints]:
    """Names by class_key of synsets and own classes, in the order of their nodes, and the edges between them."""
    synsets = tables.arrow("synsets", ["wnid", "name"]).sort_by("wnid")
    names = dict(zip(synsets["wnid"].to_pylist(), synsets["name"].to_pylist(), strict=True))
    own = tables.arrow("vocabulary").sort_by("class_key").to_pylist()
    names |= {row["class_key"]: row["name"] for row in own}
    given = [row for row in own if row["parent_key"]]
    links = tables.arrow("hypernyms", ["wnid", "hypernym_wnid"])
    children, parents = parent_links(
        pa.array(list(names), pa.string()),
        pa.array(links["wnid"].to_pylist() + [row["class_key"] for row in given], pa.string()),
        pa.array(links["hypernym_wnid"].to_pylist() + [row["parent_key"] for row in given], pa.string()),
    )
    if given:
        _check_circles(children, parents, list(names))
    return names, children, parents


def _check_circles(children: Ints, parents: Ints, keys: Sequence[str]) -> None:
    circle = on_cycles(children, parents, len(keys))
    if circle.size:
        some = ", ".join(keys[node] for node in circle[:3])
        raise InputError(
            f"the user's parents and WordNet's make a circle through {some}",
            where="table vocabulary",
            fix="Correct the parents in the file that --classes names, and run map-labels again.",
        )


def _group_links(groups: Sequence[Sequence[int]], children: Ints, parents: Ints, n: int) -> tuple[Ints, Ints]:
    """Edges from sets of synsets, as nodes n, n + 1 …, to the nearest ancestors that all members share."""
    members = np.array([node for nodes in groups for node in nodes], np.int64)
    over: dict[int, set[int]] = {}
    for node, ancestor in zip(
        *(column.tolist() for column in closure(children, parents, n, of=members)[:2]), strict=True
    ):
        over.setdefault(node, set()).add(ancestor)
    parents_of: dict[int, list[int]] = {}
    for child, parent in zip(children.tolist(), parents.tolist(), strict=True):
        parents_of.setdefault(child, []).append(parent)
    edges = [
        (n + i, parent)
        for i, nodes in enumerate(groups)
        for parent in nearest_common([over[node] for node in nodes], parents_of)
    ]
    links = np.array(edges, np.int64).reshape(-1, 2)
    return links[:, 0], links[:, 1]
