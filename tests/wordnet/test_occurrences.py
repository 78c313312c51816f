import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.occurrences import READ_RULES, Growing, LabelReader
from tests.wordnet.conftest import make_mapper

WORDS = ("platypus", "ukulele", "waterlily", "water", "love", "a", "dress")
FIELDS = ("hashtag", "query", "class", "wnid", "mid", "caption", "title")


@pytest.fixture(scope="module")
def make_reader():
    """Readers that have met nothing yet; 'dress' mostly is a verb."""
    known = make_mapper(WORDS).labels
    is_verb = np.array([text == "dress" for text in known.reader.forms.texts.to_pylist()])
    return lambda: LabelReader(known.reader, lambda: known.patterns, is_verb)


def read(labels, name, reader, **how):
    """(row, start, surface, form or rule, is_absent) of each occurrence."""
    found, surfaces = reader.read(pa.array(labels, pa.string()), name, **how), reader.surfaces
    return [
        (row, start, surfaces.texts[number], form_or_rule(number, reader), absent)
        for row, start, number, absent in zip(*(column.tolist() for column in found), strict=True)
    ]


def form_or_rule(number, reader):
    form = int(reader.surfaces.forms.values[number])
    rule = READ_RULES[int(reader.surfaces.rules.values[number])]
    return f"{reader.reader.forms.texts[form].as_py()} {rule}" if form >= 0 else rule


@pytest.mark.parametrize(
    ("name", "label", "found"),
    [
        ("hashtag", "#Platypus🔥", [(0, "platypus", "platypus exact")]),
        ("hashtag", "water_lily", [(0, "waterlily", "waterlily exact")]),
        ("hashtag", "", [(0, "", "empty")]),
        ("hashtag", "🔥", [(0, "", "empty")]),
        ("hashtag", "写真", [(0, "", "other_script")]),
        ("hashtag", "#", [(0, "", "empty")]),
        ("hashtag", "#platypus #ukulele", [(1, "platypus", "platypus exact"), (11, "ukulele", "ukulele exact")]),
        ("hashtag", "dress", [(0, "dress", "dress exact")]),
        ("class", "n01873310", [(0, "n01873310", "n01873310 exact")]),
        ("class", "n01873310 platypus, duckbill", [(0, "n01873310", "n01873310 exact")]),
        ("class", " n01873310 ", [(0, "n01873310", "n01873310 exact")]),
        ("class", "n99999999 platypus", [(0, "n99999999", "unknown_wnid")]),
        ("class", "Water lily", [(0, "waterlily", "waterlily exact")]),
        ("class", "platypus, ukulele", [(0, "platypus", "platypus exact"), (10, "ukulele", "ukulele exact")]),
        ("wnid", "n01873310", [(0, "n01873310", "n01873310 exact")]),
        ("wnid", "n99999999", [(0, "n99999999", "unknown_wnid")]),
        ("wnid", "platypus", [(0, "platypus", "unknown_wnid")]),
        ("wnid", "", [(0, "", "empty")]),
        ("mid", " /m/0bt9lr", [(0, "/m/0bt9lr", "unsupported_mid")]),
        ("mid", "platypus", [(0, "platypus", "unsupported_mid")]),
        ("mid", " ", [(0, "", "empty")]),
        ("query", "platypus photo", [(0, "platypus", "platypus exact")]),
        ("query", "my water lilies here", [(3, "waterlilies", "waterlilies exact")]),
        ("query", "beautiful wallpaper", [(0, "beautifulwallpaper", "non_visual")]),
        ("query", "platypus #ukulele", [(0, "platypus", "platypus exact"), (10, "ukulele", "ukulele exact")]),
        ("query", "n01873310", [(0, "n01873310", "n01873310 exact")]),
        ("title", "File:platypus.jpg", [(5, "platypus", "platypus exact")]),
        ("caption", "", [(0, "", "empty")]),
        ("caption", " \n", [(0, "", "empty")]),
        ("caption", "as he was in it, or was I?", [(0, "", "no_term_found")]),
        ("caption", "see http://platypus.com/#platypus by @ukulele", [(0, "", "no_term_found")]),
        ("caption", "I love it", [(0, "", "no_term_found")]),  # only a hashtag says why
        ("caption", "dress up", [(0, "", "no_term_found")]),
        ("caption", "a dress", [(2, "dress", "dress exact")]),
        ("caption", "wow #platypusesofinstagram #love", [
            (5, "platypusesofinstagram", "platypuses frame_removed"), (28, "love", "non_visual")]),
        ("caption", "#love a platypus #xqzzy", [
            (1, "love", "non_visual"), (8, "platypus", "platypus exact"), (18, "xqzzy", "not_in_wordnet")]),
        ("caption", "n01873310", [(0, "", "no_term_found")]),
    ],
)  # fmt: skip
def test_one_label(make_reader, name, label, found):
    assert [(start, text, rule) for _, start, text, rule, _ in read([label], name, make_reader())] == found


def test_only_words_of_texts_are_taken_back(make_reader):
    reader = make_reader()
    assert [o[4] for o in read(["no platypus, one ukulele"], "caption", reader)] == [True, False]
    assert [o[4] for o in read(["no platypus", "#noplatypus"], "hashtag", reader)] == [True, False]


@pytest.mark.parametrize("name", FIELDS)
def test_other_languages_are_not_read(make_reader, name):
    reader = make_reader()
    (other,) = read(["platypus"], name, reader, foreign=True)
    expected = {"wnid": "unknown_wnid", "mid": "unsupported_mid"}.get(name, "other_language")
    assert other[3] == expected
    assert other[2] == ("" if name in ("caption", "title") else "platypus")  # a text is no surface
    if name not in ("wnid", "mid"):
        assert read(["platypus"], name, reader)[0][3] == "platypus exact"  # the same words in English


LABELS = [
    *("platypus", "#platypus", "my ukulele", "water lily", "love", "", " ", "写真", "no platypus", "n01873310"),
    *("n99999999", "n01873310 platypus", "platypus ukulele", "platypus #ukulele", "xqzzy", "a dress", "2016"),
    *("#love #love", "/m/0bt9lr", "water. Lily", "x" * 300, "é", "🔥 platypus", "platypuses\nukuleles"),
    "#platypusukulele",
]  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_what_was_read_before_does_not_matter(make_reader, name):
    @settings(deadline=None, max_examples=25)
    @given(st.lists(st.sampled_from(LABELS) | st.text(max_size=8), max_size=8), st.data())
    def check(labels, data):
        alone = [[(0, *o[1:]) for o in read([label], name, make_reader())] for label in labels]
        assert all(alone)  # at least one each
        expected = [(row, *o[1:]) for row, found in enumerate(alone) for o in found]
        reader = make_reader()
        read(data.draw(st.lists(st.sampled_from(LABELS), max_size=4)), data.draw(st.sampled_from(FIELDS)), reader)
        assert read(labels, name, reader) == read(labels, name, reader) == expected

    check()


def test_a_label_that_was_met_keeps_its_surface(make_reader):
    reader = make_reader()
    first = reader.read(pa.array(["platypus", "ukulele"]), "hashtag")
    more = reader.read(pa.array(["xqzzy", "ukulele", "platypus", "platypus"]), "hashtag")
    assert more.surfaces[1:].tolist() == [first.surfaces[1], *first.surfaces[:1].repeat(2)]
    n_met = len(reader.surfaces.texts)
    again = reader.read(pa.array(["platypus", "xqzzy"]), "hashtag")
    assert again.surfaces.tolist() == [first.surfaces[0], more.surfaces[0]]
    assert len(reader.surfaces.texts) == len(reader.surfaces.forms) == len(reader.surfaces.rules) == n_met
    terms = [reader.read(pa.array([text]), "caption").surfaces[0] for text in ("an ukulele", "my ukulele")]
    assert terms[0] == terms[1]


def test_many_batches(make_reader):
    reader, alone = make_reader(), make_reader()
    labels = [f"q{i % 700} platypus{i}" for i in range(3000)]
    batches = [read(labels[i : i + 300], "hashtag", reader) for i in range(0, 3000, 300)]
    assert [o[1:] for batch in batches for o in batch] == [o[1:] for o in read(labels, "hashtag", alone)]
    assert len(reader.surfaces.texts) > 1024


@given(st.lists(st.lists(st.integers(-(2**60), 2**60), max_size=1500), max_size=5))
def test_a_growing_array_holds_what_was_appended(batches):
    growing = Growing()
    for batch in batches:
        growing.append(np.array(batch, np.int64))
    joined = [value for batch in batches for value in batch]
    assert growing.values.tolist() == joined and len(growing) == len(joined)


def test_growing_far_at_once():
    growing = Growing()
    growing.append(np.arange(5))
    growing.append(np.arange(100_000))
    assert len(growing) == 100_005 and growing.values[-1] == 99_999
