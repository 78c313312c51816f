import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.schema import check_rows, conform, table_schema
from curate.wordnet.mapping import MAX_RUNNERS_UP, RULE_NAMES, label_map_rows, map_rows
from curate.wordnet.occurrences import LabelReader
from curate.wordnet.surfaces import RULES
from tests.wordnet.conftest import make_mapper, mentions_of, raw_labels

BIRD, MACHINE, PLATYPUS, UKULELE = "n02012849", "n03126707", "n01873310", "n04506289"
CHAIR, DOG, PIZZA, POODLE = "n03001627", "n02084071", "n07873807", "n02113335"
SPACE_WORDS = ("armchair", "chair", "dog", "poodle", "pizza", "platypus", "crane", "egret")


def decide(mapper, *labels, **how):
    """(class_key, rule) of each mention of a post; a label is 'field:text'."""
    return [(m["class_key"], m["rule"]) for m in mentions_of(mapper, *labels, **how)]


@pytest.mark.parametrize(
    ("label", "decisions"),
    [
        ("hashtag:#Platypus🔥", [(PLATYPUS, "exact")]),
        ("hashtag:ukuleles", [(UKULELE, "plural")]),
        ("hashtag:mylittleukulele", [(UKULELE, "frame_removed")]),
        ("hashtag:ukelele", [(UKULELE, "typo")]),
        ("hashtag:redukulele", [(UKULELE, "segmented")]),
        ("class:n01873310 platypus, duckbill", [(PLATYPUS, "wnid")]),
        ("wnid:n01873310", [(PLATYPUS, "wnid")]),
        ("wnid:n99999999", [("", "unknown_wnid")]),
        ("mid:/m/0bt9lr", [("", "unsupported_mid")]),
        ("hashtag:", [("", "empty")]),
        ("hashtag:写真", [("", "other_script")]),
        ("hashtag:loveit", [("", "non_visual")]),
        ("hashtag:democracy", [("", "abstract")]),
        ("hashtag:paris", [("", "proper_name")]),
        ("hashtag:yellow", [("", "adjective")]),
        ("hashtag:crane", [("", "ambiguous")]),
        ("hashtag:dog", [(DOG, "sense_prior")]),
        ("query:platypus photo", [(PLATYPUS, "exact")]),
        ("query:cute water lilies wallpaper", [("n11714853", "plural")]),
        ("title:File:platypus.jpg", [(PLATYPUS, "exact")]),
        ("caption:", [("", "empty")]),
        ("caption:see http://platypus.com by @ukulele", [("", "no_term_found")]),
        ("caption:no platypus in this one", [("", "not_shown")]),
        ("caption:thinking about a platypus", [("", "not_shown")]),
        ("caption:not today. My platypus", [(PLATYPUS, "exact")]),
        ("caption:My platypus and an ukulele", [(PLATYPUS, "exact"), (UKULELE, "exact")]),
        ("caption:so tired #platypusesofinstagram", [(PLATYPUS, "frame_removed")]),
    ],
)
def test_one_label(mapper, label, decisions):
    assert decide(mapper, label) == decisions


def test_language_is_heeded(mapper):
    assert decide(mapper, "hashtag:platypus", "caption:a platypus", language="fr") == [("", "other_language")] * 2
    assert decide(mapper, "hashtag:platypus", language="en-GB") == [(PLATYPUS, "exact")]
    assert decide(mapper, "hashtag:platypus", language="EN") == [(PLATYPUS, "exact")]
    assert decide(mapper, "wnid:n01873310", language="fr") == [(PLATYPUS, "wnid")]  # no word of any language


def test_longest_term_wins_and_keeps_its_place(mapper):
    found = mentions_of(mapper, "caption:A Water Lily, no water")
    assert [(m["start"], m["surface"]) for m in found] == [(2, "waterlily"), (17, "water")]
    assert [m["rule"] == "not_shown" for m in found] == [False, True]


def test_the_field_does_not_change_how_sure_a_word_is(mapper):
    labels = ("hashtag:platypus", "caption:a platypus", "title:platypus.jpg", "query:platypus", "class:platypus")
    assert len({m["confidence"] for m in mentions_of(mapper, *labels)}) == 1


def test_without_context_the_mapper_abstains_and_keeps_what_it_might_be(mapper):
    (crane,) = mentions_of(mapper, "hashtag:crane")
    assert (crane["class_key"], crane["rule"], crane["confidence"]) == ("", "ambiguous", 0.0)
    assert {r["class_key"] for r in crane["runners_up"][:2]} == {BIRD, MACHINE}


def test_context_of_a_given_kind_decides(mapper):
    """Whatever evidence there is: words that speak for one sense make it the meaning."""
    nodes = {key: node for node, key in enumerate(mapper.meanings.keys)}
    for_machine = replace(mapper, evidence=lambda of, forms: np.where(of == nodes[MACHINE], 4.0, 0.0))
    assert decide(for_machine, "hashtag:crane", "hashtag:platypus") == [(MACHINE, "context"), (PLATYPUS, "exact")]
    assert decide(for_machine, "hashtag:crane", "hashtag:xqzzy")[0] == ("", "ambiguous")
    assert decide(for_machine, "hashtag:crane", "hashtag:love")[0] == ("", "ambiguous")
    assert decide(for_machine, "hashtag:crane", "caption:this is not a platypus")[0] == ("", "ambiguous")


def test_a_word_that_the_caption_only_speaks_of_is_not_shown(mapper):
    caption = "caption:thinking of the platypus"
    assert decide(mapper, "hashtag:platypus", caption) == [("", "not_shown")] * 2
    assert decide(mapper, "query:platypuses", caption)[0] == ("", "not_shown")
    assert decide(mapper, "hashtag:myplatypus", "title:no platypuses")[0] == ("", "not_shown")
    # Affirmed elsewhere, of another word, or of no word.
    assert decide(mapper, "hashtag:platypus", f"{caption}. My platypus") == [
        (PLATYPUS, "exact"), ("", "not_shown"), (PLATYPUS, "exact"),
    ]  # fmt: skip
    assert decide(mapper, "hashtag:ukulele", caption)[0] == (UKULELE, "exact")
    assert decide(mapper, "wnid:n01873310", caption)[0] == (PLATYPUS, "wnid")


def test_it_is_not_taken_back_by_the_caption_of_another_post(mapper):
    posts = {"a": [("hashtag", "platypus")], "b": [("caption", "no platypus")]}
    assert map_rows(raw_labels(posts), mapper)["rule"].to_pylist() == ["exact", "not_shown"]


def test_abstain_mode():
    mapper = make_mapper(("crane", "egret", "dog", "platypus"), mode="abstain")
    assert decide(mapper, "hashtag:crane", "hashtag:egret") == [("", "ambiguous"), ("n02008796", "exact")]
    assert decide(mapper, "hashtag:dog") == [("", "ambiguous")]


def test_group_mode_never_splits(group_mapper):
    for labels in (["hashtag:crane"], ["hashtag:crane", "hashtag:egret"], ["caption:my cranes"]):
        class_key, rule = decide(group_mapper, *labels)[0]
        assert class_key.startswith("g:") and rule in ("exact", "plural")
    assert decide(group_mapper, "hashtag:platypus") == [(PLATYPUS, "exact")]
    assert decide(group_mapper, "hashtag:crane") != decide(group_mapper, "hashtag:dog")


def test_label_space():
    mapper = make_mapper(SPACE_WORDS, (DOG, CHAIR, PIZZA))
    assert decide(mapper, "hashtag:armchair") == [(CHAIR, "exact+rolled_up")]
    assert decide(mapper, "hashtag:armchairs") == [(CHAIR, "plural+rolled_up")]
    assert decide(mapper, "hashtag:platypus") == [("", "outside_label_space")]
    assert decide(mapper, "wnid:n01873310") == [("", "outside_label_space")]
    assert decide(mapper, "wnid:n02113335") == [(DOG, "wnid+rolled_up")]
    assert decide(mapper, "hashtag:crane") == [("", "outside_label_space")]


def test_min_confidence(mapper):
    (frame,) = mentions_of(mapper, "hashtag:myplatypus")
    assert 0.75 < frame["confidence"] < 1
    strict = replace(mapper, min_confidence=0.99)
    assert decide(strict, "hashtag:myplatypus", "hashtag:platypus") == [
        ("", "below_min_confidence"), (PLATYPUS, "exact"),
    ]  # fmt: skip
    assert decide(replace(mapper, min_confidence=0.0), "hashtag:crane")[0][1] == "sense_prior"


LABELS = st.sampled_from(
    [
        *("hashtag:crane", "hashtag:egret", "hashtag:forklift", "hashtag:bass", "hashtag:guitar", "hashtag:mybass"),
        *("hashtag:love", "hashtag:", "hashtag:写真", "hashtag:cranesofinstagram", "hashtag:glasses"),
        *("query:a crane and a bass", "query:seal", "class:n02012849 crane", "wnid:n99999999", "mid:/m/写真写真"),
        *("caption:no crane, a bass", "caption:My seal with the glasses #crane", "caption:", "hashtag:ukelele"),
        *("title:seal_bass.jpg", "hashtag:mouse", "hashtag:mice", "caption:a jaguar. a mouse", "hashtag:jaguar"),
        "caption:thinking of egrets",
    ]
)  # fmt: skip
POSTS = st.lists(st.lists(LABELS, max_size=6), max_size=4)


def table(posts):
    return raw_labels({f"post{i}": [tuple(label.split(":", 1)) for label in post] for i, post in enumerate(posts)})


def rows_of(mentions):
    return sorted(mentions.to_pylist(), key=lambda m: (m["image_id"], m["field"], m["position"], m["start"]))


@pytest.fixture(scope="module")
def map_posts(mapper):
    """Rows of raw labels to sorted mentions; by a mapper that has met nothing yet, where wanted."""

    def run(rows, *, fresh=False, **changes):
        known = mapper.labels
        anew = {"labels": LabelReader(known.reader, lambda: known.patterns, known._is_verb)} if fresh else {}
        return rows_of(map_rows(rows, replace(mapper, **anew, **changes)))

    return run


@settings(deadline=None, max_examples=40)
@given(POSTS, st.randoms(use_true_random=False))
def test_order_and_parts_do_not_matter(map_posts, posts, random):
    rows = table(posts)
    expected = map_posts(rows)
    order = list(range(rows.num_rows))
    random.shuffle(order)
    assert map_posts(rows.take(pa.array(order, pa.int64()))) == expected
    apart = [
        mention for i in range(len(posts)) for mention in map_posts(rows.filter(pc.equal(rows["image_id"], f"post{i}")))
    ]
    assert apart == expected
    assert map_posts(pa.concat_tables([rows.slice(0, 1), rows.slice(1)])) == expected  # in several chunks


@settings(deadline=None, max_examples=15)
@given(POSTS)
def test_what_was_mapped_before_does_not_matter(map_posts, posts):
    assert map_posts(table(posts), fresh=True) == map_posts(table(posts))


@settings(deadline=None, max_examples=40)
@given(POSTS)
def test_mentions_are_whole_and_sound(map_posts, posts):
    rows = table(posts)
    mentions = map_posts(rows)
    labels = {(r["image_id"], r["field"], r["position"]) for r in rows.to_pylist()}
    assert {(m["image_id"], m["field"], m["position"]) for m in mentions} == labels
    check_rows(pa.Table.from_pylist(mentions, schema=table_schema("mentions").arrow), "mentions")
    for m in mentions:
        assert (m["confidence"] > 0) == (m["class_key"] != "")
        assert m["rule"] in RULE_NAMES
        assert m["confidence"] == 0 or m["confidence"] >= 0.75
        runners = m["runners_up"]
        assert len(runners) <= MAX_RUNNERS_UP == 5
        assert len({m["class_key"], *(r["class_key"] for r in runners)}) == len(runners) + 1
        sure = [r["confidence"] for r in runners]
        assert sure == sorted(sure, reverse=True) and all(0 <= c <= 1 for c in sure)
        assert all(0 < r["prior"] <= 1 for r in runners)
        assert not m["class_key"] or all(c <= m["confidence"] for c in sure)


@settings(deadline=None, max_examples=40)
@given(POSTS, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_min_confidence_only_turns_classes_into_abstentions(map_posts, posts, a, b):
    low, high = (map_posts(table(posts), min_confidence=c) for c in sorted((a, b)))
    for before, after in zip(low, high, strict=True):
        same = before == after
        abstained = after["class_key"] == "" and after["rule"] in ("ambiguous", "below_min_confidence")
        assert same or (before["class_key"] and abstained and before["confidence"] < max(a, b))
        assert not after["class_key"] or after["confidence"] >= max(a, b)


def test_no_order_of_a_posts_labels_changes_its_classes(mapper):
    labels = ["hashtag:crane", "hashtag:egret", "caption:my bass and a guitar", "hashtag:fish"]
    first = sorted(decide(mapper, *labels))
    assert all(sorted(decide(mapper, *order)) == first for order in itertools.permutations(labels))


def test_the_most_runners_up(mapper):
    (line,) = mentions_of(replace(mapper, mode="abstain"), "hashtag:heads")
    assert len(line["runners_up"]) == 5
    assert len(label_map_rows(pa.table({"surface": ["heads"], "rule": ["ambiguous"]}), mapper)) > 5


def test_no_rows(mapper):
    assert map_rows(raw_labels({"post": []}), mapper).num_rows == 0
    none = pa.table({"surface": pa.array([], pa.string()), "rule": pa.array([], pa.string())})
    assert label_map_rows(none, mapper).num_rows == 0


def test_what_surfaces_can_mean(mapper):
    met = {"crane": "context", "loveit": "non_visual", "platypuses": "plural", "/m/写真写真": "unsupported_mid"}
    rows = label_map_rows(pa.table({"surface": list(met), "rule": list(met.values())}), mapper).to_pylist()
    check_rows(conform(pa.Table.from_pylist(rows), "label_map"), "label_map")
    found = {surface: [tuple(r.values())[1:] for r in rows if r["surface"] == surface] for surface in met}
    assert found["platypuses"] == [(PLATYPUS, "plural", 1.0)]
    assert found["loveit"] == [("", "non_visual", 0.0)]
    assert found["/m/写真写真"] == [("", "unsupported_mid", 0.0)]
    assert len(found["crane"]) == 5 and sum(prior for *_, prior in found["crane"]) == pytest.approx(1, abs=1e-5)
    assert {rule for _, rule, _ in found["crane"]} == {"exact"}


def test_label_map_of_a_label_space():
    mapper = make_mapper(SPACE_WORDS, (DOG, CHAIR, PIZZA))
    texts = ["myarmchair", "platypus", "dogs", POODLE]
    rows = label_map_rows(pa.table({"surface": texts, "rule": ["x"] * 4}), mapper).to_pylist()
    rules = {(r["surface"], r["candidate"]): r["rule"] for r in rows}
    assert rules["myarmchair", CHAIR] == "frame_removed+rolled_up"
    assert rules["platypus", PLATYPUS] == "exact+outside"
    assert rules["dogs", DOG] == "plural"
    assert rules[POODLE, DOG] == "wnid+rolled_up"


def test_names_of_rules():
    assert len(set(RULE_NAMES[: len(RULES)])) == len(RULES)
    for name in ("exact", "plural", "elongated", "number_removed", "frame_removed", "typo", "segmented", "wnid"):
        assert {name, f"{name}+rolled_up", f"{name}+outside"} <= set(RULE_NAMES)
    for name in ("abstract", "proper_name", "adjective", "not_shown", "sense_prior", "no_term_found", "other_language"):
        assert name in RULE_NAMES


def test_a_longer_term_of_the_text_says_which_meaning_a_hashtag_has():
    mapper = make_mapper(("camera", "televisioncamera"))
    alone, beside = (mentions_of(mapper, "hashtag:camera", f"caption:{text}")[0] for text in ("", "the tv camera crew"))
    assert alone["class_key"] == "n02942699"
    assert beside["class_key"] == "n04404997"
