import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.noise.folds import assign_folds, link_groups, unit_hash

IDS = [f"{i:04d}" for i in range(200)]


def test_linked_images_share_a_group_through_any_chain_of_links():
    clusters = ["a", "a", None, None, "b", "b"]
    owners = [None, "x", "x", None, None, ""]
    groups = link_groups(IDS[:6], [clusters, owners], max_link=10)
    assert groups.tolist() == [0, 0, 0, 3, 4, 4]


def test_a_giant_owner_links_nothing():
    groups = link_groups(IDS, [["bot"] * len(IDS)], max_link=50)
    assert len(set(groups.tolist())) == len(IDS)


def test_copies_never_straddle_folds_and_all_folds_are_used():
    clusters = [str(i // 3) for i in range(len(IDS))]
    folds = assign_folds(IDS, link_groups(IDS, [clusters], 50), 5, seed=1)
    assert all(len({folds[i] for i in range(len(IDS)) if clusters[i] == c}) == 1 for c in set(clusters))
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}


def test_adding_an_image_moves_no_other():
    links = [[None] * len(IDS)]
    before = assign_folds(IDS, link_groups(IDS, links, 50), 5, seed=0)
    after = assign_folds([*IDS, "9999"], link_groups([*IDS, "9999"], [[None] * (len(IDS) + 1)], 50), 5, seed=0)
    assert np.array_equal(before, after[:-1])


def test_no_images():
    assert assign_folds([], link_groups([], [[]], 50), 5, 0).tolist() == []


@given(st.integers(), st.lists(st.text(), max_size=3))
def test_unit_hash_is_in_the_unit_interval_and_tells_parts_apart(seed, parts):
    assert 0 <= unit_hash(seed, *parts) < 1
    assert unit_hash(seed, *parts) != unit_hash(seed, *parts, "")
