import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet import lexicon
from curate.wordnet.hierarchy import closure, node_depths, parent_links
from curate.wordnet.label_space import open_label_space
from curate.wordnet.rollup import DISCARDED, choose_classes, merge_rare, read_above

N = 12
# Every edge runs from a larger to a smaller number, so that no graph has a cycle.
graphs = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda e: e[0] > e[1]), unique=True)
labelled = st.dictionaries(st.integers(0, N - 1), st.sets(st.integers(0, 20), min_size=1, max_size=9), max_size=N)


def links(edges):
    array = np.array(sorted(edges), np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def distances(edges):
    return {(a, b): d for a, b, d in zip(*(x.tolist() for x in closure(*links(edges), N)), strict=True)}


def merged(edges, images, spaces, least, **options):
    depths = node_depths(*links(edges), N)
    takers = np.array(sorted(images.keys() | spaces), np.int64)
    above = read_above(*links(edges), depths, takers, takers)
    counts = {node: len(found) for node, found in images.items()}
    rare = {node: found for node, found in images.items() if len(found) < least}
    return merge_rare(counts, rare, above, depths, least, **options), above


@settings(deadline=None)
@given(graphs, labelled, st.sets(st.integers(0, N - 1)), st.integers(0, 6))
def test_every_class_has_enough_images_and_is_the_nearest_that_has(edges, images, spaces, least):
    place, _ = merged(edges, images, spaces, least)
    assert place.keys() == images.keys()
    far = distances(edges)
    held = {}
    for node, target in place.items():
        held.setdefault(target, set()).update(images[node])
    kept = held.keys() - {DISCARDED}
    assert kept <= images.keys() | spaces
    assert all(len(held[node]) >= least for node in kept)
    for node, target in place.items():
        if len(images[node]) >= least:
            assert target == node
        nearer = [far[node, other] for other in kept if (node, other) in far]
        assert (far[node, target] == min(nearer)) if target != DISCARDED else not nearer


@settings(deadline=None)
@given(graphs, labelled, st.integers(0, 6))
def test_without_rolling_up_what_is_rare_is_left_out(edges, images, least):
    place, _ = merged(edges, images, set(), least, roll_up=False)
    assert place == {n: n if len(found) >= least else DISCARDED for n, found in images.items()}


@settings(deadline=None)
@given(graphs, labelled)
def test_nothing_moves_where_nothing_is_asked(edges, images):
    assert merged(edges, images, set(), 0)[0] == {node: node for node in images}


def test_the_deeper_of_two_equally_near_takes_over():
    #  0 > 1 > 2, 0 > 3; 4 is below 2 and below 3
    edges, images = [(1, 0), (2, 1), (3, 0), (4, 2), (4, 3)], {2: {1, 2}, 3: {3, 4}, 4: {5}}
    assert merged(edges, images, set(), 2)[0] == {2: 2, 3: 3, 4: 2}


@settings(deadline=None)
@given(graphs, labelled, st.sets(st.integers(0, N - 1)), st.none() | st.integers(1, N))
def test_an_antichain_has_nothing_above_anything_and_is_full(edges, images, first, max_classes):
    _, above = merged(edges, images, set(), 0)
    counts = {node: len(found) for node, found in images.items()}
    kept, left_out = choose_classes(counts, above.every, max_classes=max_classes, antichain=True, first=first)
    assert not any(a in above.every[b] for a in kept for b in kept)
    assert kept | left_out.keys() == images.keys() and not kept & left_out.keys()
    assert all(above.every[node] & kept for node, rule in left_out.items() if rule == "below_kept")
    assert all(any(node in above.every[k] for k in kept) for node, rule in left_out.items() if rule == "above_kept")
    if "max_classes" in left_out.values():
        assert len(kept) == max_classes
    if kept:
        best = max(images, key=lambda node: (node in first, counts[node], -node))
        assert best in kept


@given(labelled, st.integers(1, N))
def test_the_largest_classes_are_taken(images, n):
    counts = {node: len(found) for node, found in images.items()}
    kept, left_out = choose_classes(counts, dict.fromkeys(counts, frozenset()), max_classes=n)
    assert len(kept) == min(n, len(images)) and set(left_out.values()) <= {"max_classes"}
    assert not left_out or min(counts[node] for node in kept) >= max(counts[node] for node in left_out)


def test_the_rule_of_webvision_on_the_whole_of_imagenet():
    """ILSVRC's classes lie beside each other, so that all of them stay; then others by number, as far as they may."""
    wnids, rows = lexicon.synset_rows()["wnid"].to_pylist(), lexicon.hypernym_rows()
    children, parents = parent_links(wnids, rows["wnid"], rows["hypernym_wnid"])
    index = {wnid: node for node, wnid in enumerate(wnids)}
    space, first = (
        np.array([index[wnid] for wnid in open_label_space(f"imagenet-{size}", index).wnids]) for size in ("21k", "1k")
    )
    above = read_above(children, parents, node_depths(children, parents, len(wnids)), space, space)
    counts = dict(zip(space.tolist(), np.random.default_rng(0).integers(1, 2000, len(space)).tolist(), strict=True))
    kept, left_out = choose_classes(counts, above.every, max_classes=5000, antichain=True, first=set(first.tolist()))
    assert kept & set(first.tolist()) == counts.keys() & set(first.tolist()) and len(kept) == 5000
    assert not any(above.every[node] & kept for node in kept)
    assert set(left_out.values()) == {"below_kept", "above_kept", "max_classes"}
