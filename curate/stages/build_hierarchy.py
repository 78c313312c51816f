"""build-hierarchy: the classes that labels name, everything above them, and how many images each has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from curate.errors import SchemaError
from curate.stage import QueryStage, Rows, Tables

if TYPE_CHECKING:
    from curate.wordnet.hierarchy import Ints

COUNT_SQL = Path(__file__).parent / "sql" / "count_class_images.sql"


@dataclass(frozen=True, kw_only=True)
class BuildHierarchyParams:
    """Parameters of build-hierarchy: none."""


@dataclass(frozen=True)
class Graph:
    """Synsets and the classes above which they lie, as nodes 0 … n-1.

    Attributes:
        keys: class_key of each node; the synsets first, ascending by wnid.
        names: Name to show of each node.
        children: Child node of each edge.
        parents: Parent node of each edge.
        members: For each class that is a set of senses, its synsets' nodes.
    """

    keys: Sequence[str]
    names: Sequence[str]
    children: "Ints"
    parents: "Ints"
    members: Mapping[str, Sequence[int]]


def run(tables: Tables, params: BuildHierarchyParams) -> Mapping[str, Rows]:
    """Close the named classes upwards and count their images."""
    from curate.wordnet.hierarchy import closure, node_depths

    con = tables.connect()
    named = con.execute("SELECT DISTINCT class_key FROM mentions WHERE class_key <> '' ORDER BY class_key").fetchall()
    graph = _graph(tables, [key for (key,) in named])
    depths = node_depths(graph.children, graph.parents, len(graph.keys))
    index = {key: node for node, key in enumerate(graph.keys)}
    direct = np.array([_node(key, index) for (key,) in named], np.int64)
    classes = np.unique(closure(graph.children, graph.parents, len(graph.keys), of=direct)[1])
    below, above, distances = closure(graph.children, graph.parents, len(graph.keys), of=classes)
    kept = np.isin(graph.children, classes)
    keys = pa.array(graph.keys, pa.string())
    con.register("nodes", pa.table({"node": classes, "class_key": keys.take(classes)}))
    con.register("closure", pa.table({"node": below, "ancestor": above}))
    counts = con.sql(COUNT_SQL.read_text(encoding="utf-8")).to_arrow_table()
    nodes = counts["node"].to_numpy()
    return {
        "classes": pa.table(
            {
                "class_key": keys.take(nodes),
                "name": pa.array(graph.names, pa.string()).take(nodes),
                "depth": depths[nodes],
                "n_images_direct": counts["n_images_direct"],
                "n_images_total": counts["n_images_total"],
            }
        ),
        "class_members": _member_rows(classes, graph),
        "class_parents": pa.table(
            {"class_key": keys.take(graph.children[kept]), "parent_key": keys.take(graph.parents[kept])}
        ),
        "ancestors": pa.table({"class_key": keys.take(below), "ancestor_key": keys.take(above), "distance": distances}),
    }


def _node(key: str, index: Mapping[str, int]) -> int:
    if key not in index:
        raise SchemaError(
            f"class '{key}' is nothing in synsets and lemmas", where="mentions", fix="Run map-labels again."
        )
    return index[key]


def _graph(tables: Tables, named: Sequence[str]) -> Graph:
    """WordNet's noun graph, and in it the named sets of senses, right below what all their members share."""
    from curate.wordnet.hierarchy import parent_links
    from curate.wordnet.senses import sense_groups

    synsets = tables.arrow("synsets", ["wnid", "name"]).sort_by("wnid")
    links = tables.arrow("hypernyms", ["wnid", "hypernym_wnid"])
    keys, names = synsets["wnid"].to_pylist(), synsets["name"].to_pylist()
    children, parents = parent_links(synsets["wnid"], links["wnid"], links["hypernym_wnid"])
    index = {key: node for node, key in enumerate(keys)}
    groups = [key for key in named if key.startswith("g:")]
    known = sense_groups(tables.arrow("lemmas", ["wnid", "lemma", "squashed"])) if groups else {}
    members = {key: [index[wnid] for wnid in known[key][0]] for key in groups if key in known}
    new_children, new_parents = _group_links(list(members.values()), children, parents, len(keys))
    return Graph(
        keys=[*keys, *members],
        names=[*names, *(known[key][1] for key in members)],
        children=np.concatenate([children, new_children]),
        parents=np.concatenate([parents, new_parents]),
        members=members,
    )


def _group_links(groups: Sequence[Sequence[int]], children: "Ints", parents: "Ints", n: int) -> tuple["Ints", "Ints"]:
    """Edges from sets of synsets, as nodes n, n + 1 …, to the nearest ancestors that all members share."""
    from curate.wordnet.hierarchy import closure, nearest_common

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


def _member_rows(classes: "Ints", graph: Graph) -> pa.Table:
    keys = [graph.keys[node] for node in classes]
    pairs = [(key, graph.keys[node]) for key in keys for node in graph.members.get(key, ())]
    pairs += [(key, key) for key in keys if key not in graph.members]
    return pa.table({"class_key": [key for key, _ in pairs], "wnid": [wnid for _, wnid in pairs]})


STAGE = QueryStage(
    name="build-hierarchy",
    version=1,
    params=BuildHierarchyParams,
    reads=("mentions", "synsets", "lemmas", "hypernyms"),
    writes=("classes", "class_members", "class_parents", "ancestors"),
    run=run,
    doc="Build the class hierarchy above the mapped labels and count images.",
)
