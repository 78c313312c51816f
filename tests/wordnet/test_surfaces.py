import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.senses import group_key
from curate.wordnet.surfaces import parse_frames, read_surface

CRANE_BIRD, CRANE_MACHINE = "n02012849", "n03126707"
DOG, POODLE, CANINE, WATCH, STREET_SIGN = "n02084071", "n02113335", "n02083346", "n04555897", "n06794110"


@pytest.fixture(scope="module")
def read(make_mapper):
    return make_mapper().read


@pytest.mark.parametrize(
    ("surface", "rule", "class_key"),
    [
        ("platypus", "exact", "n01873310"),
        ("ornithorhynchusanatinus", "exact", "n01873310"),
        ("ukuleles", "plural", "n04506289"),
        ("platypusss", "elongated", "n01873310"),
        ("platypusssss", "elongated", "n01873310"),
        ("platypus2016", "number_removed", "n01873310"),
        ("myplatypus", "frame_removed", "n01873310"),
        ("platypusesofinstagram", "frame_removed", "n01873310"),
        ("mylittleukulele", "frame_removed", "n04506289"),
        ("n01873310", "wnid", "n01873310"),
    ],
)
def test_forms_of_a_word(read, surface, rule, class_key):
    reading = read(surface)
    assert [(c.class_key, c.rule, c.prior) for c in reading.candidates] == [(class_key, rule, 1.0)]


@pytest.mark.parametrize(
    ("surface", "rule"),
    [
        ("a", "function_word"),
        ("it", "function_word"),
        ("he", "function_word"),
        ("2016", "number"),
        ("love", "non_visual"),
        ("loveeee", "non_visual"),
        ("friends", "non_visual"),
        ("photooftheday", "non_visual"),
        ("xqzzy", "not_in_wordnet"),
        ("n99999999", "unknown_wnid"),
        ("/m/0bt9lr", "unsupported_mid"),
        ("x" * 5000, "too_long"),
    ],
)
def test_what_is_refused_says_why(read, surface, rule):
    assert read(surface) == (surface, (), rule)


def test_all_senses_of_a_word_compete(read):
    crane = read("crane")
    assert len(crane.candidates) == 5
    assert {CRANE_BIRD, CRANE_MACHINE} == {c.class_key for c in crane.candidates[:2]}
    assert crane.candidates[0].prior < 0.8
    assert sum(c.prior for c in crane.candidates) == pytest.approx(1, abs=1e-5)


def test_a_word_in_s_may_be_a_plural_too(read):
    rules = {c.class_key: c.rule for c in read("glasses").candidates}
    assert rules["n04272054"] == "exact"  # spectacles
    assert rules["n03438257"] == "plural"  # drinking glass


def test_label_space_rolls_descendants_up_and_keeps_others_outside(make_mapper):
    read = make_mapper((DOG, CANINE)).read
    assert read("poodle").candidates[0][:4:3] == (DOG, "exact+rolled_up")  # the nearest class, not canine
    wolf = read("wolf").candidates
    assert (wolf[0].class_key, wolf[0].rule) == (CANINE, "exact+rolled_up")
    assert {c.rule for c in wolf[1:]} == {"exact+outside"}
    assert not read("platypus").candidates[0].in_space


def test_a_class_that_is_asked_for_weighs_more_but_does_not_win_alone(make_mapper, read):
    asked = {c.class_key: c.prior for c in make_mapper((CRANE_BIRD,)).read("crane").candidates}
    free = {c.class_key: c.prior for c in read("crane").candidates}
    assert free[CRANE_BIRD] < asked[CRANE_BIRD] < 0.8
    assert asked[CRANE_MACHINE] > 0


def test_non_visual_words_that_are_asked_for_are_read(make_mapper, read):
    picture = "n03931044"
    assert read("picture").refused == "non_visual"
    assert picture in {c.class_key for c in make_mapper((picture,)).read("picture").candidates}


def test_group_mode_keeps_senses_together(make_mapper):
    read = make_mapper(senses="group").read
    fruit_and_tree = group_key(["n07739125", "n12633994"])
    assert [(c.class_key, c.prior) for c in read("apple").candidates] == [(fruit_and_tree, 1.0)]
    assert read("apples").candidates[0].class_key == fruit_and_tree
    assert read("platypus").candidates[0].class_key == "n01873310"


def test_group_mode_in_a_label_space(make_mapper, nouns):
    one = make_mapper((CRANE_BIRD,), senses="group").read("crane")
    assert [c.class_key for c in one.candidates] == [CRANE_BIRD]
    two = make_mapper((CRANE_BIRD, CRANE_MACHINE), senses="group").read("crane")
    assert [c.class_key for c in two.candidates] == [group_key(nouns.wnids[n] for n in nouns.senses["crane"])]


def test_frames_with_most_letters_come_first():
    assert parse_frames(["my*", "my*life", "*life"]) == [("my", "life"), ("", "life"), ("my", "")]


@pytest.fixture(scope="module")
def vocabulary(make_mapper):
    return make_mapper((DOG, WATCH, STREET_SIGN)).vocabulary


@settings(deadline=None)
@given(st.text(alphabet="abcdeilmnoprstuy0123456789", max_size=24))
def test_any_surface_is_read_or_refused(vocabulary, surface):
    reading = read_surface(surface, vocabulary)
    assert bool(reading.candidates) != bool(reading.refused)
    priors = [c.prior for c in reading.candidates]
    assert priors == sorted(priors, reverse=True)
    assert all(0 < prior <= 1 for prior in priors)
    assert len({c.class_key for c in reading.candidates}) == len(priors)
