import itertools

import pytest

from curate.wordnet.mapping import decide_post, find_occurrences, label_map_rows

BIRD, MACHINE = "n02012849", "n03126707"
CHAIR, DOG, PIZZA = "n03001627", "n02084071", "n07873807"


def decide(mapper, *labels):
    """(class_key, rule) of each mention of a post; a label is 'field:text'."""
    found = [o for label in labels for o in find_occurrences(*label.split(":", 1), None, mapper)]
    return [(d.class_key, d.rule) for d in decide_post(found, mapper)]


@pytest.fixture(scope="module")
def mapper(make_mapper):
    return make_mapper()


@pytest.mark.parametrize(
    ("label", "decisions"),
    [
        ("hashtag:#Platypus🔥", [("n01873310", "exact")]),
        ("class:n01873310", [("n01873310", "wnid")]),
        ("class:n01873310 platypus, duckbill", [("n01873310", "wnid")]),
        ("wnid:n01873310", [("n01873310", "wnid")]),
        ("wnid:n99999999", [("", "unknown_wnid")]),
        ("wnid:platypus", [("", "unknown_wnid")]),
        ("wnid:", [("", "empty")]),
        ("mid:/m/0bt9lr", [("", "unsupported_mid")]),
        ("hashtag:", [("", "empty")]),
        ("hashtag:🔥", [("", "empty")]),
        ("hashtag:写真", [("", "other_script")]),
        ("hashtag:loveit", [("", "non_visual")]),
        ("query:platypus photo", [("n01873310", "exact")]),
        ("query:cute water lilies wallpaper", [("n11714853", "plural")]),
        ("query:beautiful wallpaper", [("", "non_visual")]),
        ("title:File:platypus.jpg", [("n01873310", "exact")]),
        ("caption:", [("", "empty")]),
        ("caption:as he was in it, or was I?", [("", "no_term_found")]),
        ("caption:see http://platypus.com by @ukulele", [("", "no_term_found")]),
        ("caption:no platypus in this one", [("", "not_shown")]),
        ("caption:this is not a platypus", [("", "not_shown")]),
        ("caption:thinking about a platypus", [("", "not_shown")]),
        ("caption:not today. My platypus", [("n01873310", "exact")]),
        ("caption:My platypus and an ukulele", [("n01873310", "exact"), ("n04506289", "exact")]),
        ("caption:so tired #platypusesofinstagram", [("n01873310", "frame_removed")]),
    ],
)
def test_one_label(mapper, label, decisions):
    assert decide(mapper, label) == decisions


def test_language_is_heeded(mapper):
    (found,) = find_occurrences("hashtag", "chat", "fr", mapper)
    assert found.reading.refused == "other_language"
    (found,) = find_occurrences("hashtag", "platypus", "en-GB", mapper)
    assert found.reading.candidates


def test_longest_term_wins_and_keeps_its_place(mapper):
    found = find_occurrences("caption", "A Water Lily, no water", None, mapper)
    assert [(o.start, o.reading.surface) for o in found] == [(2, "waterlily"), (17, "water")]
    assert [o.is_absent for o in found] == [False, True]


def test_words_are_not_joined_across_a_clause_or_into_other_words(mapper):
    assert [o.reading.surface for o in find_occurrences("caption", "in water. Lily sits", None, mapper)][:1] == [
        "water"
    ]
    assert "carpet" not in [o.reading.surface for o in find_occurrences("caption", "a car pet", None, mapper)]


def test_context_chooses_the_sense(mapper):
    assert decide(mapper, "hashtag:crane", "hashtag:egret", "hashtag:wadingbird")[0] == (BIRD, "context")
    assert decide(mapper, "hashtag:crane", "hashtag:forklift", "hashtag:hoist")[0] == (MACHINE, "context")


def test_without_context_the_mapper_abstains(mapper):
    assert decide(mapper, "hashtag:crane") == [("", "ambiguous")]


def test_a_retracted_word_is_no_evidence(mapper):
    assert decide(mapper, "hashtag:crane", "caption:this is not an egret")[0] == ("", "ambiguous")


def test_abstain_mode(make_mapper):
    mapper = make_mapper(senses="abstain")
    assert decide(mapper, "hashtag:crane", "hashtag:egret") == [("", "ambiguous"), ("n02008796", "exact")]
    assert decide(mapper, "hashtag:dog") == [("", "ambiguous")]


def test_group_mode_never_splits(make_mapper):
    crane, _ = decide(make_mapper(senses="group"), "hashtag:crane", "hashtag:egret")
    assert crane[0].startswith("g:")
    assert crane[1] == "exact"


def test_label_space(make_mapper):
    mapper = make_mapper((DOG, CHAIR, PIZZA))
    assert decide(mapper, "hashtag:armchair") == [(CHAIR, "exact+rolled_up")]
    assert decide(mapper, "hashtag:platypus") == [("", "outside_label_space")]
    assert decide(mapper, "wnid:n01873310") == [("", "outside_label_space")]
    assert decide(mapper, "wnid:n02113335") == [(DOG, "wnid+rolled_up")]


def test_decisions_do_not_depend_on_the_order_of_labels(mapper):
    labels = ["hashtag:crane", "hashtag:egret", "caption:my bass and a guitar", "hashtag:fish"]
    first = sorted(decide(mapper, *labels))
    assert all(sorted(decide(mapper, *order)) == first for order in itertools.permutations(labels))


def test_confidence_is_lower_in_captions_and_runners_up_are_kept(mapper):
    found = [o for f in ("hashtag", "caption") for o in find_occurrences(f, "platypus", None, mapper)]
    hashtag, caption = decide_post(found, mapper)
    assert 0.5 < caption.confidence < hashtag.confidence < 1
    (crane,) = decide_post(find_occurrences("hashtag", "crane", None, mapper), mapper)
    assert (crane.confidence, len(crane.runners_up)) == (0.0, 5)
    assert [r[1] for r in crane.runners_up] == sorted((r[1] for r in crane.runners_up), reverse=True)


def test_min_confidence(make_mapper):
    assert decide(make_mapper(min_confidence=0.8), "caption:my platypus") == [("", "below_min_confidence")]


def test_label_map_rows(mapper):
    assert label_map_rows("platypuses", mapper) == [("platypuses", "n01873310", "plural", 1.0)]
    assert label_map_rows("loveit", mapper) == [("loveit", "", "non_visual", 0.0)]
    assert len(label_map_rows("crane", mapper)) == 5
