import numpy as np
import pytest

from curate.wordnet import lexicon
from curate.wordnet.forms import (
    FUNCTION_WORD,
    NON_VISUAL,
    NOUN,
    RIVAL,
    RIVAL_BOUNDS,
    WNID,
    build_forms,
    mostly_other,
)
from curate.wordnet.normalize import DETACHMENTS, singulars
from curate.wordnet.senses import read_nouns
from tests.wordnet.pieces import wordnet_piece

SPECTACLES, DRINKING_GLASS = "n04272054", "n03438257"


@pytest.fixture(scope="module")
def forms(mapper):
    return mapper.labels.reader.forms


@pytest.fixture(scope="module")
def number(mapper):
    return mapper.labels.reader.number


@pytest.fixture(scope="module")
def few():
    """Forms of a few words, by default with rivals; the wordlists are the test's own."""
    nouns = read_nouns(**wordnet_piece("glass", "glasses", "axis", "axe", "ax", "platypus", "love", "yellow", "run"))

    def build(**how):
        return build_forms(
            nouns, lexicon.irregular_plurals(), {"love", "igers", "the"}, {"the", "yellow", "and"}, **how
        )

    return nouns, build


def senses(forms, text, nouns):
    """wnid → (weight, is_plural) of a form."""
    f = forms.texts.to_pylist().index(text)
    of = range(forms.starts[f], forms.starts[f + 1])
    return {nouns.wnids[forms.nodes[s]]: (float(forms.weights[s]), bool(forms.is_plural[s])) for s in of}


def test_forms_are_distinct_and_lie_in_order(forms, nouns):
    texts = forms.texts.to_pylist()
    assert len(set(texts)) == len(texts) == len(forms.kinds) == len(forms.bases) == len(forms.starts) - 1
    assert texts[: forms.n_words] == list(nouns.senses)
    assert texts[-len(nouns.wnids) :] == list(nouns.wnids)
    assert forms.starts[0] == 0 and forms.starts[-1] == len(forms.nodes) == len(forms.weights) == len(forms.is_plural)
    assert (np.diff(forms.starts) >= 0).all()
    rising = np.diff(forms.nodes) > 0
    rising[forms.starts[1:-1][forms.starts[1:-1] < len(forms.nodes)] - 1] = True
    assert rising.all()
    assert (forms.weights > 0).all()


def test_a_form_has_the_senses_of_every_word_that_it_is_or_is_the_plural_of(forms, nouns):
    exceptions, texts = lexicon.irregular_plurals(), forms.texts.to_pylist()
    n_plurals = 0
    for f in range(0, len(texts) - len(nouns.wnids), 7):
        text = texts[f]
        own = set(nouns.senses.get(text, ()))
        bases = [base for base in singulars(text, exceptions) if base in nouns.senses]
        of = slice(forms.starts[f], forms.starts[f + 1])
        expected = own.union(*(nouns.senses[base] for base in bases))
        assert set(forms.nodes[of].tolist()) == expected, text
        assert forms.is_plural[of].tolist() == [node not in own for node in forms.nodes[of].tolist()], text
        surest = text if own else bases[0] if bases else None
        assert (texts[forms.bases[f]] if forms.bases[f] >= 0 else None) == surest, text
        n_plurals += not own and bool(bases)
    assert n_plurals > 10_000


def test_what_is_no_form_is_no_plural_of_a_word(number, nouns):
    exceptions = lexicon.irregular_plurals()
    words = list(nouns.senses)[::29]
    endings = {suffix for suffix, _ in DETACHMENTS} | {"es", "e", "ss", "sful"}
    tried = {word[: len(word) - cut] + ending for word in words for ending in endings for cut in (0, 1, 2)}
    missed = {text for text in tried - number.keys() if any(b in nouns.senses for b in singulars(text, exceptions))}
    assert missed == set()


@pytest.mark.parametrize(
    ("plural", "word"),
    [
        ("geese", "goose"),
        ("octopi", "octopus"),
        ("firemen", "fireman"),
        ("wolves", "wolf"),
        ("waterlilies", "waterlily"),
        ("spoonfuls", "spoonful"),
        ("spoonsful", "spoonful"),
        ("glass", "glass"),  # no plural of 'glas'
    ],
)
def test_plurals(forms, number, plural, word):
    assert forms.texts[int(forms.bases[number[plural]])].as_py() == word


def test_a_word_in_s_may_be_the_plural_of_another(few):
    nouns, build = few
    glasses = senses(build(), "glasses", nouns)
    assert not glasses[SPECTACLES][1] and glasses[DRINKING_GLASS][1]
    assert sum(weight for weight, is_plural in glasses.values() if not is_plural) == pytest.approx(1)
    # The other word competes by how readily it labels pictures.
    ratio = np.clip(RIVAL * nouns.strengths["glass"] / nouns.strengths["glasses"], *RIVAL_BOUNDS)
    assert sum(weight for weight, is_plural in glasses.values() if is_plural) == pytest.approx(ratio)
    alone = senses(build(with_rivals=False), "glasses", nouns)
    assert set(alone) == {SPECTACLES}
    assert senses(build(), "glass", nouns).keys() == senses(build(with_rivals=False), "glass", nouns).keys()


def test_the_plural_of_two_words_has_the_senses_of_both_or_of_the_surest(few):
    nouns, build = few
    of = {word: {nouns.wnids[node] for node in nouns.senses[word]} for word in ("axis", "ax", "axe")}
    assert senses(build(), "axes", nouns).keys() == of["axis"] | of["ax"] | of["axe"]
    (surest, *_) = (b for b in singulars("axes", lexicon.irregular_plurals()) if b in nouns.senses)
    assert senses(build(with_rivals=False), "axes", nouns).keys() == of[surest]


def test_kinds(few):
    nouns, build = few
    forms = build()
    kinds = dict(zip(forms.texts.to_pylist(), forms.kinds.tolist(), strict=True))
    assert kinds["platypus"] == kinds["platypuses"] == kinds["glass"] == NOUN
    assert kinds["love"] == kinds["loves"] == NON_VISUAL  # and so is its plural
    assert kinds["igers"] == NON_VISUAL and senses(forms, "igers", nouns) == {}  # a word that WordNet does not have
    assert kinds["the"] == NON_VISUAL  # rather than a function word
    assert kinds["yellow"] == kinds["and"] == FUNCTION_WORD
    assert kinds["n01873310"] == WNID and senses(forms, "n01873310", nouns) == {"n01873310": (1.0, False)}


def test_forms_that_mostly_are_adjectives_or_verbs(few):
    _, build = few
    forms = build()
    is_adjective, is_verb = mostly_other(
        forms, {"yellow": 1, "run": 4, "glass": 3}, {"yellow": (0, 9), "run": (60, 0), "glass": (2, 0)}
    )
    texts = np.array(forms.texts.to_pylist())
    assert len(is_adjective) == len(is_verb) == len(texts)
    assert texts[is_adjective].tolist() == ["yellow"]
    assert texts[is_verb].tolist() == ["run"]
