import pytest

from curate.errors import CurateError, FormatError, MissingInputError
from curate.wordnet.label_space import LabelSpace, OwnClass
from curate.wordnet.mapping import map_rows
from curate.wordnet.vocabulary import WordLists, build_mapper, read_stop_list, with_own
from tests.wordnet.conftest import mentions_of, raw_labels
from tests.wordnet.pieces import wordnet_piece

DOG, POODLE, PLATYPUS, ANIMAL, PIZZA = "n02084071", "n02113335", "n01873310", "n00015388", "n07873807"
WORDS = ("dog", "poodle", "platypus", "crane", "egret", "pizza", "love", "cat", "justice", "the", "crate")


def build(*own, lists=None, wnids=(), mode="context", min_confidence=0.75):
    """A mapper over a piece of WordNet with classes of the user's own."""
    space = LabelSpace([*wnids, *(each.wnid for each in own if each.wnid)], list(own)) if own or wnids else None
    return build_mapper(**wordnet_piece(*WORDS), space=space, mode=mode, min_confidence=min_confidence, lists=lists)


def decide(mapper, *labels):
    """(class_key, rule) of each label, each a post of its own."""
    return [(m["class_key"], m["rule"]) for label in labels for m in mentions_of(mapper, label)]


@pytest.fixture(scope="module")
def instead():
    """A vocabulary instead of WordNet."""
    return build(
        OwnClass("vehicle", (), None, ()),
        OwnClass("Café Racer", ("vehicle",), None, ("fast bike",)),
        OwnClass("doggo", (), DOG, ("good boy", "crane")),
        OwnClass("labradoodle", ("doggo",), None, ()),
        OwnClass("love", (), None, ()),
        OwnClass("Pod 2", (), None, ()),
    )


@pytest.fixture(scope="module")
def beside():
    """Two classes below synsets, and all nouns are classes too."""
    return build(
        OwnClass("labradoodle", (POODLE,), None, ("doodle dog",)), OwnClass("snorg", (ANIMAL,), None, ("platypus",))
    )


@pytest.mark.parametrize(
    ("label", "class_key", "rule"),
    [
        ("hashtag:labradoodle", "u:labradoodle", "exact"),
        ("hashtag:#LabraDoodles", "u:labradoodle", "plural"),
        ("hashtag:mylabradoodle", "u:labradoodle", "frame_removed"),
        ("hashtag:labradoodlesofinstagram", "u:labradoodle", "frame_removed"),
        ("hashtag:labradoodleee", "u:labradoodle", "elongated"),
        ("hashtag:labradoodle2020", "u:labradoodle", "number_removed"),
        ("hashtag:labradodle", "u:labradoodle", "typo"),
        ("caption:Our labradoodle Max", "u:labradoodle", "exact"),
        ("caption:two labradoodles", "u:labradoodle", "plural"),
        ("caption:no labradoodle today", "", "not_shown"),
        ("query:labradoodle photo", "u:labradoodle", "exact"),
        ("class:Labradoodle", "u:labradoodle", "exact"),
        ("hashtag:caferacer", "u:Café Racer", "exact"),
        ("caption:his Café Racer", "u:Café Racer", "exact"),
        ("caption:some cafe racers", "u:Café Racer", "plural"),
        ("caption:a fast-bike", "u:Café Racer", "exact"),
        ("caption:fast. Bike", "", "no_term_found"),
        ("hashtag:fastbikes", "u:Café Racer", "plural"),
        ("caption:the Pod 2", "u:Pod 2", "exact"),
        ("hashtag:pod2", "u:Pod 2", "exact"),
        ("hashtag:vehicle", "u:vehicle", "exact"),
    ],
)
def test_words_of_an_own_class_lead_to_it(instead, label, class_key, rule):
    assert decide(instead, label) == [(class_key, rule)]


def test_an_own_name_of_a_synset_leads_to_the_synset(instead):
    assert decide(instead, "hashtag:doggo", "caption:a good boy", "wnid:n02084071") == [
        (DOG, "exact"), (DOG, "exact"), (DOG, "wnid"),
    ]  # fmt: skip
    assert decide(instead, "hashtag:poodle") == [(DOG, "exact+rolled_up")]  # what lies below is the class


def test_a_word_of_the_user_means_nothing_else_any_more(instead, beside):
    assert decide(instead, "hashtag:crane") == [(DOG, "exact")]
    assert decide(beside, "hashtag:platypus") == [("u:snorg", "exact")]
    assert mentions_of(instead, "hashtag:crane")[0]["runners_up"] == []


def test_words_that_are_refused_otherwise_are_read_if_asked_for(instead, beside):
    assert decide(instead, "hashtag:love", "caption:I love it") == [("u:love", "exact")] * 2
    assert decide(beside, "hashtag:love") == [("", "non_visual")]


def test_all_else_lies_outside(instead):
    assert decide(instead, "hashtag:egret", "hashtag:pizza", "wnid:n01873310") == [("", "outside_label_space")] * 3


def test_beside_wordnet_all_nouns_stay_classes(beside):
    assert decide(beside, "hashtag:labradoodle", "caption:a doodle dog") == [("u:labradoodle", "exact")] * 2
    assert decide(beside, "hashtag:poodle", "wnid:n01873310") == [(POODLE, "exact"), (PLATYPUS, "wnid")]
    assert decide(beside, "hashtag:pizza") == [(PIZZA, "exact")]


def test_own_classes_add_rows_and_change_no_others():
    tables = wordnet_piece(*WORDS)
    assert with_own(**tables, own=[]) == tuple(tables.values())
    own = [OwnClass("snorg", (ANIMAL, "Dogs"), None, ("platypus",)), OwnClass("dogs", (), DOG, ())]
    synsets, lemmas, hypernyms = with_own(**tables, own=own)
    assert synsets.slice(0, synsets.num_rows - 1) == tables["synsets"].combine_chunks()
    assert synsets["wnid"][-1].as_py() == "u:snorg"
    words = set(zip(lemmas["wnid"].to_pylist(), lemmas["squashed"].to_pylist(), strict=True))
    before = set(zip(tables["lemmas"]["wnid"].to_pylist(), tables["lemmas"]["squashed"].to_pylist(), strict=True))
    assert words - before == {("u:snorg", "snorg"), ("u:snorg", "platypus"), (DOG, "dogs")}
    assert before - words == {(PLATYPUS, "platypus")}
    links = hypernyms.slice(tables["hypernyms"].num_rows).to_pylist()
    assert {(row["wnid"], row["hypernym_wnid"]) for row in links} == {("u:snorg", ANIMAL), ("u:snorg", DOG)}


def test_a_stop_list(tmp_path):
    path = tmp_path / "stop.txt"
    path.write_text("\ufeff# ours\nPlatypus water_lily\n\n!love !The\n# !dog\n#egret !\n", encoding="utf-8")
    refused, allowed = read_stop_list(path)
    assert (refused, allowed) == ({"platypus", "waterlily", "egret"}, {"love", "the"})
    mapper = build(lists=WordLists(refused, allowed))
    assert decide(mapper, "hashtag:platypus", "hashtag:platypuses", "hashtag:myplatypus", "caption:a platypus") == [
        ("", "non_visual"), ("", "non_visual"), ("", "non_visual"), ("", "no_term_found"),
    ]  # fmt: skip
    (love,) = mentions_of(mapper, "hashtag:love")
    assert love["rule"] not in ("non_visual", "not_in_wordnet")  # read, whatever it is then found to be
    assert decide(mapper, "wnid:n01873310") == [(PLATYPUS, "wnid")]  # a synset is no word


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [(None, MissingInputError, "no file"), (b"\xff\xfe\x00\xd8", FormatError, "cannot be read")],
)
def test_a_stop_list_that_cannot_be_read(tmp_path, data, error, message):
    if data is not None:
        (tmp_path / "stop.txt").write_bytes(data)
    with pytest.raises(error, match=message) as raised:
        read_stop_list(tmp_path / "stop.txt")
    assert isinstance(raised.value, CurateError) and "\n" not in str(raised.value)
    with pytest.raises(FormatError, match="cannot be read"):
        read_stop_list(tmp_path)  # a folder


def test_ratings_of_concreteness():
    mapper = build(lists=WordLists(concreteness={"justice": 4.6, "platypus": 1.3, "pizza": 4.9}))
    assert decide(mapper, "hashtag:platypus", "hashtag:platypuses") == [("", "abstract")] * 2
    assert decide(mapper, "caption:a platypus") == [("", "no_term_found")]
    assert decide(mapper, "hashtag:justice")[0][1] != "abstract"
    assert decide(build(), "hashtag:justice", "hashtag:platypus") == [("", "abstract"), (PLATYPUS, "exact")]


def test_modes_and_min_confidence_are_taken_over():
    mapper = build(mode="group", min_confidence=0.97)
    assert (mapper.mode, mapper.min_confidence) == ("group", 0.97)
    found = map_rows(raw_labels({"post": [("hashtag", "crane"), ("hashtag", "myplatypus")]}), mapper).to_pylist()
    assert [m["rule"] for m in found] == ["exact", "below_min_confidence"]
