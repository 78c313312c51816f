import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import InputError
from curate.wordnet import lexicon
from curate.wordnet.hierarchy import (
    closure,
    information,
    nearest_above,
    nearest_common,
    node_depths,
    on_cycles,
    parent_links,
    subtree_sizes,
)

# Every edge runs from a larger to a smaller number, so that no graph has a cycle.
graphs = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda e: e[0] > e[1]), unique=True)


def _edges(edges):
    array = np.array(sorted(edges), np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _closed(edges, n=15):
    return set(zip(*(column.tolist() for column in closure(*_edges(edges), n)[:2]), strict=True))


@pytest.fixture(scope="module")
def wordnet():
    """wnids, children, parents."""
    wnids, links = lexicon.synset_rows()["wnid"].to_pylist(), lexicon.hypernym_rows()
    return wnids, *parent_links(wnids, links["wnid"], links["hypernym_wnid"])


def test_wordnet(wordnet):
    wnids, children, parents = wordnet
    depths = node_depths(children, parents, len(wnids))
    n_children, n_parents = np.bincount(parents), np.bincount(children, minlength=len(wnids))
    assert [wnids[i] for i in np.flatnonzero(n_parents == 0)] == ["n00001740"]
    assert depths.max() == 19
    assert (n_children.max(), wnids[n_children.argmax()]) == (664, "n08524735")
    assert (n_parents > 1).sum() == 2213
    assert on_cycles(children, parents, len(wnids)).size == 0
    nodes, above, distances = closure(children, parents, len(wnids))
    assert len(nodes) == 825356
    root = wnids.index("n00001740")
    # 19 is the longest path; of the shortest paths to the root, the longest has 18 links.
    assert ((above == root).sum(), distances[above == root].max()) == (82115, 18)


def test_the_senses_of_apple(wordnet):
    """The fruit is a fruit; the tree is a fruit tree, and no fruit."""
    wnids, children, parents = wordnet
    lemmas = lexicon.lemma_rows()
    senses = lemmas.filter(pc.equal(lemmas["squashed"], "apple"))["wnid"].to_pylist()
    assert sorted(senses) == ["n07739125", "n12633994"]
    above = {}
    for wnid in senses:
        ancestors = closure(children, parents, len(wnids), of=np.array([wnids.index(wnid)]))[1]
        above[wnid] = {wnids[node] for node in ancestors}
    fruit, edible_fruit, fruit_tree = "n13134947", "n07705931", "n12651821"
    assert {fruit, edible_fruit} <= above["n07739125"] and fruit_tree not in above["n07739125"]
    assert fruit_tree in above["n12633994"] and not {fruit, edible_fruit} & above["n12633994"]


def test_granularity_of_wordnet(wordnet):
    wnids, children, parents = wordnet
    sizes = subtree_sizes(children, parents, len(wnids))
    specific = information(sizes, len(wnids))
    keys = {"entity": "n00001740", "animal": "n00015388", "dog": "n02084071", "poodle": "n02113335"}
    node = {name: wnids.index(wnid) for name, wnid in keys.items()}
    assert [int(sizes[node[name]]) for name in node] == [82115, 4017, 190, 5]
    assert specific[node["entity"]] == 0 and specific.max() == 1
    assert specific[node["animal"]] < specific[node["dog"]] < specific[node["poodle"]]
    assert (specific[children] >= specific[parents]).all()


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


@settings(deadline=None)
@given(graphs)
def test_sizes_count_each_node_once(edges):
    pairs = _closed(edges)
    assert subtree_sizes(*_edges(edges), 15).tolist() == [sum(b == node for _, b in pairs) for node in range(15)]


@settings(deadline=None)
@given(graphs)
def test_depth_is_one_more_than_the_deepest_parent(edges):
    depths = node_depths(*_edges(edges), 15)
    for node in range(15):
        assert depths[node] == max((depths[b] + 1 for a, b in edges if a == node), default=0)


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
    # 0 above 1 > 2 > 3 > 1 above 4
    links = np.array([1, 2, 3, 1, 4]), np.array([0, 1, 2, 3, 1])
    assert on_cycles(*links, 5).tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="cycle"):
        node_depths(*links, 5)
    assert on_cycles(np.array([0]), np.array([0]), 1).tolist() == [0]


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
