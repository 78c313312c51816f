import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.forms import NOUN, WNID
from curate.wordnet.normalize import squash
from curate.wordnet.surfaces import REFUSALS, RULES, resolve

PLATYPUS, UKULELE = "n01873310", "n04506289"


@pytest.fixture(scope="module")
def reader(mapper):
    return mapper.labels.reader


@pytest.fixture(scope="module")
def read(reader):
    """Surfaces to (form, rule) of each; no form where the rule refuses it."""

    def read(surfaces):
        found = resolve(pa.array(surfaces, pa.string()), reader)
        assert len(found.forms) == len(found.rules) == len(surfaces)
        return [
            (reader.forms.texts[form].as_py(), RULES[rule]) if form >= 0 else (None, REFUSALS[rule])
            for form, rule in zip(found.forms.tolist(), found.rules.tolist(), strict=True)
        ]

    return read


@pytest.mark.parametrize(
    ("surface", "form", "rule"),
    [
        ("platypus", "platypus", "exact"),
        ("ornithorhynchusanatinus", "ornithorhynchusanatinus", "exact"),
        ("ukuleles", "ukuleles", "exact"),  # that it is a plural, the form tells
        ("n01873310", "n01873310", "exact"),
        ("platypusss", "platypus", "elongated"),
        ("platypusssss", "platypus", "elongated"),
        ("chairrrrs", "chairs", "elongated"),
        ("platypus2016", "platypus", "number_removed"),
        ("365platypus", "platypus", "number_removed"),
        ("platypusss2016", "platypus", "number_removed"),
        ("myplatypus", "platypus", "frame_removed"),
        ("ilovemyplatypus2", "platypus", "frame_removed"),
        ("platypusesofinstagram", "platypuses", "frame_removed"),
        ("mylittleukulele", "ukulele", "frame_removed"),
        ("crazycatlady", "cat", "frame_removed"),
        ("ukelele", "ukulele", "typo"),
        ("umbrela", "umbrella", "typo"),
        ("girafe", "giraffe", "typo"),
        ("redumbrella", "umbrella", "segmented"),
        ("redchair", "chair", "segmented"),
    ],
)
def test_rules(read, surface, form, rule):
    assert read([surface]) == [(form, rule)]


@pytest.mark.parametrize(
    ("surface", "rule"),
    [
        ("", "empty"),
        ("2016", "number"),
        ("007", "number"),
        ("a", "function_word"),
        ("it", "function_word"),
        ("he", "function_word"),
        ("love", "non_visual"),
        ("loveit", "non_visual"),
        ("loveeee", "non_visual"),
        ("friends", "non_visual"),
        ("photooftheday", "non_visual"),
        ("democracy", "abstract"),
        ("democracies", "abstract"),
        ("paris", "proper_name"),
        ("yellow", "adjective"),
        ("xqzzy", "not_in_wordnet"),
        ("qwertzuiopasdf", "not_in_wordnet"),
        ("n99999999", "not_in_wordnet"),
        ("x" * 100, "not_in_wordnet"),
        ("x" * 101, "too_long"),
        ("1" * 101, "too_long"),
        ("platypus" * 700, "too_long"),
    ],
)
def test_what_is_refused_says_why(read, surface, rule):
    assert read([surface]) == [(None, rule)]


def test_every_form_is_read_as_itself_or_refused_for_its_kind(read, reader):
    texts, kinds = reader.forms.texts.to_pylist()[::5], reader.meanings.kinds.tolist()[::5]
    for text, kind, (form, rule) in zip(texts, kinds, read(texts), strict=True):
        if kind in (NOUN, WNID) and not text.isdigit():
            assert (form, rule) == (text, "exact")
        else:
            assert form is None and rule in REFUSALS[3:]


def test_common_words_are_not_taken_for_slips(read):
    """They lie one slip away from a noun and are words themselves."""
    words = ["about", "their", "would", "going", "really", "there", "smith", "kevin"]
    assert not [word for word, (_, rule) in zip(words, read(words), strict=True) if rule == "typo"]


def test_no_surfaces(read):
    assert read([]) == []


PARTS = ["my", "cat", "cats", "of", "insta", "platypus", "gram", "lovers", "red", "2", "aaa", "ofinstagram", "xq"]
SURFACES = st.lists(
    st.text("abcdeilmnoprstuy0123456789", max_size=24)
    | st.lists(st.sampled_from(PARTS)).map("".join)
    | st.text(max_size=12).map(squash)
    | st.text("platypus", min_size=6, max_size=9),
    max_size=12,
)


@settings(deadline=None)
@given(SURFACES, SURFACES)
def test_any_surface_is_read_or_refused_whatever_is_beside_it(read, some, more):
    together = read([*some, *more])
    assert together == read(some) + read(more)
    assert together[::-1] == read([*some, *more][::-1])
    # What is read leads to a form that reads as itself: resolving is idempotent.
    forms = [form for form, _ in together if form is not None]
    assert read(forms) == [(form, "exact") for form in forms]


def test_a_column_may_be_a_piece_of_another(reader):
    whole = pa.array(["love", "platypusss", "xqzzy", "redumbrella", "ukelele"], pa.string())
    part = resolve(whole.slice(1, 4), reader)
    assert [RULES[r] for r in part.rules[[0, 2, 3]]] == ["elongated", "segmented", "typo"]
    assert part.forms.tolist() == resolve(whole, reader).forms.tolist()[1:]
