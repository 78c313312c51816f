"""build-hierarchy: the classes that labels name, which of them stay, everything above them, and their images."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import duckdb
import numpy as np
import pyarrow as pa

from curate.errors import ParameterError
from curate.stage import QueryStage, Rows, Tables, param
from curate.stages.queries import sql_of

if TYPE_CHECKING:
    from curate.stages.class_graph import ClassGraph
    from curate.wordnet.hierarchy import Ints
    from curate.wordnet.rollup import Above

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuildHierarchyParams:
    """Parameters of build-hierarchy."""

    min_images: int = param(0, help="Images that a class needs to stay, what is rolled up to it included")
    max_classes: int | None = param(None, help="Keep so many classes, those with most images (default: all)")
    antichain: bool = param(False, help="Keep no class that lies above another, taking them by number of images")
    first: str | None = param(
        None, help="Label space, as map-labels takes it, whose classes are taken before all others", file=True
    )
    rest: Literal["roll-up", "discard"] = param(
        "roll-up", help="What becomes of other classes: the nearest kept class above them, or nothing"
    )

    def __post_init__(self) -> None:
        if self.min_images < 0 or (self.max_classes is not None and self.max_classes < 1):
            raise ParameterError(
                "min_images must be at least 0 and max_classes at least 1", where="build-hierarchy", fix="Correct it."
            )
        if self.first is not None and not self.antichain and self.max_classes is None:
            fix = "Give max_classes or antichain too, or leave it out."
            raise ParameterError("first has nothing to choose from", where="build-hierarchy", fix=fix)
        if self.rest not in ("roll-up", "discard"):
            raise ParameterError(f"rest is '{self.rest}'", where="build-hierarchy", fix="Give roll-up or discard.")


@dataclass(frozen=True)
class Rollup:
    """What became of a class that labels were mapped to: the node that it becomes, -1 where it is left out."""

    kept: int
    rule: str
    n_images: int


def run(tables: Tables, params: BuildHierarchyParams) -> Mapping[str, Rows]:
    """Choose the classes, close them upwards and count their images."""
    from curate.stages.class_graph import read_class_graph
    from curate.wordnet.hierarchy import closure

    con = tables.connect()
    named = con.execute("SELECT DISTINCT class_key FROM mentions WHERE class_key <> '' ORDER BY class_key").fetchall()
    graph = read_class_graph(tables, [key for (key,) in named])
    rollups = _roll_up(con, tables, graph, np.array([graph.node(key) for (key,) in named], np.int64), params)
    kept = np.unique([each.kept for each in rollups.values() if each.kept >= 0]).astype(np.int64)
    classes = np.unique(closure(graph.children, graph.parents, len(graph.keys), of=kept)[1])
    below, above, distances = closure(graph.children, graph.parents, len(graph.keys), of=classes)
    is_link = np.isin(graph.children, classes)
    keys = pa.array(graph.keys, pa.string())
    _place(con, graph, {node: each.kept for node, each in rollups.items()})
    con.register("closure", pa.table({"node": below, "ancestor": above}))
    counts = con.sql(sql_of("count_class_images")).to_arrow_table()
    _tell(rollups, counts["n_images_direct"].to_numpy())
    return {
        "classes": _class_rows(counts, graph, np.bincount(above, minlength=len(graph.keys)) - 1),
        "class_members": _member_rows(classes, graph),
        "class_parents": pa.table(
            {"class_key": keys.take(graph.children[is_link]), "parent_key": keys.take(graph.parents[is_link])}
        ),
        "ancestors": pa.table({"class_key": keys.take(below), "ancestor_key": keys.take(above), "distance": distances}),
        "rollups": _rollup_rows(rollups, graph),
    }


def _roll_up(
    con: duckdb.DuckDBPyConnection, tables: Tables, graph: "ClassGraph", direct: "Ints", params: BuildHierarchyParams
) -> dict[int, Rollup]:
    """What becomes of each class that labels were mapped to."""
    from curate.wordnet.rollup import DISCARDED, merge_rare, read_above

    spaces = [graph.index[key] for key in set(tables.arrow("vocabulary", ["class_key"])["class_key"].to_pylist())]
    # Only what a label names or the label space lists takes labels over: no class is made up of leftovers.
    takers = np.union1d(direct, np.array(spaces, np.int64))
    above = read_above(graph.children, graph.parents, graph.depths, takers, takers)
    n_images, rare = _count(con, graph, {node: node for node in direct.tolist()}, params.min_images)
    place = merge_rare(n_images, rare, above, graph.depths, params.min_images, roll_up=params.rest == "roll-up")
    chosen, left_out = _choose(con, graph, place, params, above)
    rollups = {}
    for node, n in n_images.items():
        target, rule = place[node], "kept" if place[node] == node else "few_images"
        if target in left_out:
            rule = left_out[target]
            near = above.near[node] if params.rest == "roll-up" else ()
            target = next((taker for taker in near if taker in chosen), DISCARDED)
        rollups[node] = Rollup(target, rule, n)
    return rollups


def _choose(
    con: duckdb.DuckDBPyConnection,
    graph: "ClassGraph",
    place: Mapping[int, int],
    params: BuildHierarchyParams,
    above: "Above",
) -> tuple[set[int], dict[int, str]]:
    """Of the classes that have enough images those that max_classes and antichain leave, and why the others go."""
    from curate.wordnet.label_space import open_label_space
    from curate.wordnet.rollup import choose_classes

    if params.max_classes is None and not params.antichain:
        return set(place.values()), {}
    n_images, _ = _count(con, graph, place, 0)
    first = open_label_space(params.first, graph.index).wnids if params.first else []
    return choose_classes(
        n_images,
        above.every,
        max_classes=params.max_classes,
        antichain=params.antichain,
        first={graph.index[wnid] for wnid in first},
    )


def _place(con: duckdb.DuckDBPyConnection, graph: "ClassGraph", place: Mapping[int, int]) -> None:
    """The table places: the node that stands for each class_key of mentions."""
    pairs = [(graph.keys[node], target) for node, target in place.items() if target >= 0]
    columns = [pa.array([key for key, _ in pairs], pa.string()), pa.array([node for _, node in pairs], pa.int64())]
    con.register("places", pa.table(columns, names=["class_key", "node"]))


def _count(
    con: duckdb.DuckDBPyConnection, graph: "ClassGraph", place: Mapping[int, int], min_images: int
) -> tuple[dict[int, int], dict[int, set[int]]]:
    """Images of each class by number, and the images themselves of those that have fewer than min_images."""
    _place(con, graph, place)
    rows = con.execute(sql_of("count_labels"), {"min_images": min_images}).fetchall()
    return {node: n for node, n, _ in rows}, {node: set(images) for node, n, images in rows if n < min_images}


def _class_rows(counts: pa.Table, graph: "ClassGraph", n_below: "Ints") -> pa.Table:
    nodes = counts["node"].to_numpy()
    return pa.table(
        {
            "class_key": pa.array(graph.keys, pa.string()).take(nodes),
            "name": pa.array(graph.names, pa.string()).take(nodes),
            "depth": graph.depths[nodes],
            "n_images_direct": counts["n_images_direct"],
            "n_images_total": counts["n_images_total"],
            "n_classes_below": n_below[nodes],
            "information": graph.information(nodes),
        }
    )


def _member_rows(classes: "Ints", graph: "ClassGraph") -> pa.Table:
    pairs = [(node, member) for node in classes.tolist() for member in graph.members.get(graph.keys[node], [node])]
    columns = [pa.array([graph.keys[pair[i]] for pair in pairs], pa.string()) for i in (0, 1)]
    return pa.table(columns, names=["class_key", "wnid"])


def _rollup_rows(rollups: Mapping[int, Rollup], graph: "ClassGraph") -> pa.Table:
    nodes = list(rollups)
    kept = [graph.keys[each.kept] if each.kept >= 0 else "" for each in rollups.values()]
    return pa.table(
        {
            "class_key": pa.array([graph.keys[node] for node in nodes], pa.string()),
            "name": pa.array([graph.names[node] for node in nodes], pa.string()),
            "kept_key": pa.array(kept, pa.string()),
            "rule": pa.array([each.rule for each in rollups.values()], pa.string()),
            "n_images": pa.array([each.n_images for each in rollups.values()], pa.int64()),
        }
    )


def _tell(rollups: Mapping[int, Rollup], n_images: "Ints") -> None:
    """One line on what was kept; more is in the view long_tail."""
    n_kept = len({each.kept for each in rollups.values() if each.kept >= 0})
    n_left_out = sum(each.kept < 0 for each in rollups.values())
    log.info(
        "%s classes, others rolled up: %s, left out: %s; %s with fewer than 20 images, %s with fewer than 100",
        *(f"{n:,}" for n in (n_kept, sum(each.rule != "kept" for each in rollups.values()) - n_left_out, n_left_out)),
        *(f"{np.count_nonzero((n_images > 0) & (n_images < least)):,}" for least in (20, 100)),
    )


STAGE = QueryStage(
    name="build-hierarchy",
    version=2,
    params=BuildHierarchyParams,
    reads=("mentions", "synsets", "lemmas", "hypernyms"),
    optional=("vocabulary",),
    writes=("classes", "class_members", "class_parents", "ancestors", "rollups"),
    run=run,
    doc="Build the class hierarchy above the mapped labels and count images.",
)
