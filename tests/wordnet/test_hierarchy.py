import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import InputError
from curate.wordnet import lexicon
from curate.wordnet.hierarchy import closure, nearest_above, nearest_common, node_depths, parent_links

# Every edge runs from a larger to a smaller number, so that no graph has a cycle.
graphs = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda e: e[0] > e[1]), unique=True)


def _edges(edges):
    array = np.array(sorted(edges), np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _closed(edges, n=15):
    return set(zip(*(column.tolist() for column in closure(*_edges(edges), n)[:2]), strict=True))


def test_wordnet():
    wnids, links = lexicon.synset_rows()["wnid"].to_pylist(), lexicon.hypernym_rows()
    children, parents = parent_links(wnids, links["wnid"], links["hypernym_wnid"])
    depths = node_depths(children, parents, len(wnids))
    n_children, n_parents = np.bincount(parents), np.bincount(children, minlength=len(wnids))
    assert [wnids[i] for i in np.flatnonzero(n_parents == 0)] == ["n00001740"]
    assert depths.max() == 19
    assert (n_children.max(), wnids[n_children.argmax()]) == (664, "n08524735")
    assert (n_parents > 1).sum() == 2213
    assert len(closure(children, parents, len(wnids))[0]) == 825356


@settings(deadline=None)
@given(graphs)
def test_closure_is_transitive_reflexive_and_idempotent(edges):
    pairs = _closed(edges)
    assert {(i, i) for i in range(15)} <= pairs
    assert all((a, d) in pairs for a, b in pairs for c, d in pairs if b == c)
    assert _closed([(a, b) for a, b in pairs if a != b]) == pairs


@settings(deadline=None)
@given(graphs, st.tuples(st.integers(8, 14), st.integers(0, 7)))
def test_closure_is_monotone(edges, edge):
    assert _closed(edges) <= _closed({*edges, edge})


@settings(deadline=None)
@given(graphs)
def test_distances_are_shortest_paths(edges):
    nodes, above, distances = closure(*_edges(edges), 15)
    shortest = {(i, i): 0 for i in range(15)}
    for step in range(1, 15):
        for (a, b), d in list(shortest.items()):
            if d == step - 1:
                for child, parent in edges:
                    if child == b:
                        shortest.setdefault((a, parent), step)
    assert dict(zip(zip(nodes.tolist(), above.tolist(), strict=True), distances.tolist(), strict=True)) == shortest


def test_closure_of_some_nodes_is_a_part_of_the_whole():
    nodes, above, _ = closure(*_edges([(2, 1), (1, 0), (3, 0)]), 4, of=np.array([2, 2]))
    assert list(zip(nodes.tolist(), above.tolist(), strict=True)) == [(2, 0), (2, 1), (2, 2)]


def test_no_edges():
    assert closure(*_edges([]), 2)[0].tolist() == [0, 1]
    assert closure(*_edges([]), 2, of=np.array([], np.int64))[0].tolist() == []


def test_depth_is_the_longest_path():
    assert node_depths(*_edges([(1, 0), (2, 1), (3, 2), (3, 0)]), 4).tolist() == [0, 1, 2, 3]


def test_a_cycle_is_refused():
    with pytest.raises(InputError, match="cycle"):
        node_depths(np.array([0, 1]), np.array([1, 0]), 2)


def test_a_link_to_nowhere_is_refused():
    with pytest.raises(InputError, match="n00000009"):
        parent_links(["n00000001"], ["n00000001"], ["n00000009"])


def test_nearest_common():
    #     0
    #    1  2      4 and 5 share 1 and 2 and with them 0; 1 and 2 are nearest
    #  4: 1, 2   5: 1, 2
    parents = {1: [0], 2: [0], 4: [1, 2], 5: [1, 2]}
    assert nearest_common([{4, 1, 2, 0}, {5, 1, 2, 0}], parents) == [1, 2]
    assert nearest_common([{4, 1, 2, 0}, {1, 0}], parents) == [1]


@settings(deadline=None)
@given(graphs, st.sets(st.integers(0, 14)))
def test_nearest_above(edges, wanted):
    nearest = {}
    for node, above, distance in zip(*(column.tolist() for column in closure(*_edges(edges), 15)), strict=True):
        if above in wanted:
            nearest[node] = min(nearest.get(node, (distance, above)), (distance, above))
    assert nearest_above(*_edges(edges), wanted) == {node: above for node, (_, above) in nearest.items()}
