import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.lexicon import irregular_plurals
from curate.wordnet.normalize import has_other_script, shortened, singulars, squash, squash_all


@settings(deadline=None)
@given(st.text())
def test_squashing_is_idempotent_and_leaves_ascii_letters_and_digits(text):
    once = squash(text)
    assert squash(once) == once
    assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789" for c in once)


@pytest.mark.parametrize(
    ("written", "squashed"),
    [
        ("#WaterLily", "waterlily"),
        ("water_lily", "waterlily"),
        ("Devil's darning needle", "devilsdarningneedle"),
        ("ｆａｃｅ", "face"),  # full-width
        ("airplane\u200d", "airplane"),  # zero-width joiner
        ("airplane✈️", "airplane"),
        ("c\u0301ougar", "cougar"),
        ("café", "cafe"),
        ("ＩＳＴＡＮＢＵＬ", "istanbul"),
        ("İSTANBUL", "istanbul"),  # its lower case is two characters
        ("写真", ""),
        ("🔥🔥", ""),
        ("", ""),
    ],
)
def test_squash(written, squashed):
    assert squash(written) == squashed


@settings(deadline=None)
@given(st.lists(st.text() | st.text("aZ9#- \n"), max_size=8))
def test_a_column_is_squashed_as_its_strings_are(texts):
    assert squash_all(pa.array(texts, pa.string())).to_pylist() == [squash(text) for text in texts]


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"),
        ("watches", "watch"),
        ("wrenches", "wrench"),
        ("boxes", "box"),
        ("butterflies", "butterfly"),
        ("waterlilies", "waterlily"),
        ("firemen", "fireman"),
        ("wolves", "wolf"),
        ("geese", "goose"),  # irregular
        ("octopi", "octopus"),
        ("acrylicpaints", "acrylicpaint"),
    ],
)
def test_singulars(plural, singular):
    assert singular in list(singulars(plural, irregular_plurals()))


def test_words_in_ss_are_no_plurals():
    assert list(singulars("glass", {})) == []


def test_drawn_out_letters():
    assert list(shortened("chairrrr")) == ["chairr", "chair"]
    assert list(shortened("beeee")) == ["bee"]
    assert list(shortened("grass")) == []


def test_other_script():
    assert has_other_script("写真")
    assert has_other_script("кот")
    assert not has_other_script("cat кот")
    assert not has_other_script("123 🔥")
