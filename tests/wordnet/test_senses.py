import numpy as np

from curate.wordnet import lexicon
from curate.wordnet.hierarchy import closure
from curate.wordnet.normalize import singulars
from curate.wordnet.senses import group_key, merge_groups, sense_groups

APPLE_FRUIT, APPLE_TREE, FRUIT, FRUIT_TREE = "n07739125", "n12633994", "n13134947", "n12651821"


def _wnids(nouns):
    return {word: frozenset(nouns.wnids[node] for node in nodes) for word, nodes in nouns.senses.items()}


def test_words_merge_iff_their_sense_sets_are_equal(nouns):
    wnids_of = _wnids(nouns)
    groups = merge_groups(wnids_of)
    assert len(groups) == 77225
    assert max(map(len, groups.values())) == 15
    assert sum(map(len, groups.values())) == 116654
    of_word = {word: wnids for wnids, words in groups.items() for word in words}
    assert of_word["brownbear"] == of_word["ursusarctos"] != of_word["bruin"]
    # No transitive blob: a word is in exactly one group, and every member has the group's senses.
    assert all(wnids_of[word] == wnids for word, wnids in of_word.items())


def test_printed_hashtags(nouns, data):
    lines = (data / "tags" / "hashtag_list_excerpt.txt").read_text().splitlines()
    tags = [line.split()[1] for line in lines if line.strip()]
    direct = [tag for tag in tags if tag in nouns.senses]
    morphed = [tag for tag in tags if any(s in nouns.senses for s in singulars(tag, lexicon.irregular_plurals()))]
    assert len(tags) == 130
    assert len(direct) == 129
    assert set(tags) - set(direct) == {"acrylicpaints"} <= set(morphed)
    # Of words with equal senses between the first and the last printed tag of a range, one survives.
    of_word = {word: words for words in merge_groups(_wnids(nouns)).values() for word in words}
    ranges = [(tag_range[0], tag_range[-1]) for tag_range in (tags[:86], tags[86:])]
    inside = {
        tuple(near)
        for tag in direct
        if len(near := [w for w in of_word[tag] if any(first <= w <= last for first, last in ranges)]) > 1
    }
    assert len(inside) == 14
    assert all(sum(word in tags for word in near) == 1 for near in inside)
    assert of_word["absinth"] != of_word["absinthe"]
    assert of_word["accessory"] != of_word["accoutrement"]


def test_group_keys():
    assert group_key(["n00000002"]) == "n00000002"
    assert group_key(["n00000002", "n00000001"]) == group_key(["n00000001", "n00000002", "n00000001"])
    assert group_key(["n00000002", "n00000001"]).startswith("g:")
    assert len(group_key(["n00000002", "n00000001"])) == 18


def test_a_group_key_leads_back_to_its_members():
    wnids, name = sense_groups(lexicon.lemma_rows())[group_key([APPLE_FRUIT, APPLE_TREE])]
    assert (wnids, name) == ([APPLE_FRUIT, APPLE_TREE], "apple")


def test_apple_the_fruit_is_a_fruit_and_apple_the_tree_is_not(nouns):
    fruit, tree = (
        closure(nouns.children, nouns.parents, len(nouns.wnids), of=np.array([nouns.index[wnid]]))[1]
        for wnid in (APPLE_FRUIT, APPLE_TREE)
    )
    assert len(nouns.senses["apple"]) == 2
    assert nouns.index[FRUIT] in fruit
    assert nouns.index[FRUIT] not in tree
    assert nouns.index[FRUIT_TREE] in tree


def test_a_writer_weighs_less_than_a_bird(nouns):
    weights = dict(zip((nouns.wnids[n] for n in nouns.senses["crane"]), nouns.weights["crane"], strict=True))
    assert len(weights) == 5
    assert weights["n02012849"] > 5 * weights["n10914331"]
