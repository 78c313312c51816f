import numpy as np
import pytest

from curate.wordnet.forms import ABSTRACT, ADJECTIVE, FUNCTION_WORD, NON_VISUAL, NOUN, PROPER_NAME, WNID, build_forms
from curate.wordnet.hierarchy import nearest_above
from curate.wordnet.meanings import ASKED_FOR, Classes, build_meanings
from curate.wordnet.senses import group_key, read_nouns
from tests.wordnet.pieces import wordnet_piece

CRANE_BIRD, CRANE_MACHINE, PARIS_TREES = "n02012849", "n03126707", "n12494794"
DOG, CANINE, POODLE, WOLF, PICTURE = "n02084071", "n02083346", "n02113335", "n02114100", "n03931044"
PIECE = (
    "crane",
    "dog",
    "poodle",
    "wolf",
    "platypus",
    "picture",
    "love",
    "glass",
    "glasses",
    "apple",
    "paris",
    "justice",
    "the",
)


class Meant:
    """Meanings of a piece of WordNet, and a way to look at them."""

    def __init__(self, space=(), mode="context", *, beside_others=False, adjectives=(), ratings=()):
        self.nouns = read_nouns(**wordnet_piece(*PIECE))
        self.forms = build_forms(self.nouns, {}, {"love", "picture"}, {"the"}, with_rivals=mode != "group")
        self.texts = self.forms.texts.to_pylist()
        asked = [self.nouns.index[wnid] for wnid in space]
        class_of = np.full(len(self.nouns.wnids), -1, np.int64)
        for node, above in nearest_above(self.nouns.children, self.nouns.parents, asked).items():
            class_of[node] = above
        given = dict(ratings)
        self.meanings = build_meanings(
            self.forms,
            self.nouns,
            Classes(class_of, beside_others) if space else None,
            mode,
            is_adjective=np.isin(self.texts, adjectives),
            ratings=np.array([given.get(text, np.nan) for text in self.texts]),
        )

    def of(self, text):
        """class_key → (prior, in_space, is_plural, is_rolled_up) of a form's candidates, best first."""
        m, f = self.meanings, self.texts.index(text)
        return {
            m.keys[m.classes[c]]: (
                float(m.priors[c]),
                bool(m.in_space[c]),
                bool(m.is_plural[c]),
                bool(m.is_rolled_up[c]),
            )
            for c in range(m.starts[f], m.starts[f + 1])
        }

    def kind(self, text):
        return int(self.meanings.kinds[self.texts.index(text)])


def check(m, forms):
    """What holds for the candidates of every form."""
    form = np.repeat(np.arange(len(forms.texts)), np.diff(m.starts))
    assert m.starts[0] == 0 and m.starts[-1] == len(m.classes) == len(m.priors) == len(m.in_space) == len(m.is_plural)
    assert ((m.priors > 0) & (m.priors <= 1)).all()
    has_some = np.diff(m.starts) > 0
    assert np.array_equal(has_some, np.diff(forms.starts) > 0)
    assert np.bincount(form, weights=m.priors)[has_some] == pytest.approx(1, abs=3e-5)
    within = np.diff(form) == 0
    falls, ties = np.diff(m.priors) < 0, np.diff(m.priors) == 0
    assert (~within | falls | (ties & (np.diff(m.classes) > 0))).all()  # best first, ties by class
    assert len(np.unique(form * len(m.keys) + m.classes)) == len(form)
    assert len(m.sense_starts) == len(m.classes) + 1 and (np.diff(m.sense_starts) > 0).all()
    assert m.sense_starts[-1] == len(m.nodes)
    assert not (m.is_rolled_up & ~m.in_space).any()


def test_all_of_wordnet(mapper, nouns):
    m, forms = mapper.meanings, mapper.labels.reader.forms
    check(m, forms)
    assert list(m.keys) == list(nouns.wnids)
    assert m.in_space.all() and not m.asked_for.any() and not m.is_rolled_up.any()
    # Every synset is a class of its own: candidates are the senses of the form, in another order.
    assert len(m.classes) == len(forms.nodes) and np.array_equal(m.nodes, m.classes)
    assert (m.kinds[-len(nouns.wnids) :] == WNID).all()


def test_words_with_several_senses(mapper):
    m, number = mapper.meanings, mapper.labels.reader.number
    n_senses = {word: int(np.diff(m.starts)[number[word]]) for word in ("apple", "crane", "platypus", "dog")}
    assert n_senses == {"apple": 2, "crane": 5, "platypus": 1, "dog": 7}
    a = m.starts[number["crane"]]
    assert {m.keys[m.classes[c]] for c in (a, a + 1)} == {CRANE_BIRD, CRANE_MACHINE}
    assert m.priors[a] < 0.8


def test_all_of_wordnet_with_senses_kept_together(group_mapper, nouns):
    m, forms = group_mapper.meanings, group_mapper.labels.reader.forms
    check(m, forms)
    assert (np.diff(m.starts) <= 1).all() and (m.priors == 1).all()
    words, keys = list(nouns.senses), []
    for f, word in enumerate(words):
        keys.append(m.keys[m.classes[m.starts[f]]])
        if f % 50 == 0:
            assert keys[-1] == group_key(nouns.wnids[node] for node in nouns.senses[word])
    assert len(set(keys)) == len({frozenset(nodes) for nodes in nouns.senses.values()}) == 77225
    bases = forms.bases[forms.n_words : len(forms.bases) - len(nouns.wnids)]
    of_plural = m.classes[m.starts[forms.n_words + np.flatnonzero(bases >= 0)]]
    assert np.array_equal(of_plural, m.classes[m.starts[bases[bases >= 0]]])  # a plural is what its singular is


def test_plurals():
    free = Meant()
    assert free.of("platypus").keys() == free.of("platypuses").keys() == {"n01873310"}
    assert not free.of("platypus")["n01873310"][2] and free.of("platypuses")["n01873310"][2]
    assert {key: is_plural for key, (_, _, is_plural, _) in free.of("glasses").items()}["n04272054"] is False
    assert free.of("glasses")["n03438257"][2]


def test_a_label_space_takes_what_lies_below_and_leaves_the_rest_outside():
    some = Meant((DOG, CANINE))
    check(some.meanings, some.forms)
    assert some.of("poodle")[DOG][1:] == (True, False, True)  # the nearest class, not canine
    assert some.of("wolf")[CANINE][1:] == (True, False, True)
    assert {in_space for key, (_, in_space, *_) in some.of("wolf").items() if key != CANINE} == {False}
    assert some.of("dog")[DOG][1:] == (True, False, False)
    assert some.of("platypus") == {"n01873310": (1.0, False, False, False)}
    assert some.of(POODLE) == {DOG: (1.0, True, False, True)}
    assert some.of(DOG) == {DOG: (1.0, True, False, False)}
    asked = dict(zip(some.texts, some.meanings.asked_for.tolist(), strict=True))
    assert asked["poodle"] and asked["poodles"] and asked["wolf"] and asked[POODLE]
    assert not asked["platypus"] and not asked["love"]


def test_senses_that_become_one_class_are_one_candidate():
    some = Meant(("n00001740",))  # entity
    assert some.of("crane") == {"n00001740": (1.0, True, False, True)}
    assert (np.diff(some.meanings.starts) <= 1).all()


def test_a_space_beside_all_other_synsets():
    some = Meant((DOG,), beside_others=True)
    assert some.of("poodle")[DOG][1:] == (True, False, True)
    assert some.of("platypus") == {"n01873310": (1.0, True, False, False)}
    assert not some.meanings.asked_for[some.texts.index("platypus")]


def test_a_sense_that_is_asked_for_weighs_more_but_does_not_win_alone():
    free, asked = Meant().of("crane"), Meant((CRANE_BIRD,)).of("crane")
    assert free[CRANE_BIRD][0] < asked[CRANE_BIRD][0] < 1
    assert asked[CRANE_MACHINE][0] > 0.001
    # The odds of the asked-for sense grow by the factor, and by what it gets at least.
    assert asked[CRANE_BIRD][0] / asked[CRANE_MACHINE][0] > ASKED_FOR * free[CRANE_BIRD][0] / free[CRANE_MACHINE][0]
    both = Meant((CRANE_BIRD, CRANE_MACHINE)).of("crane")
    assert both[CRANE_BIRD][0] / both[CRANE_MACHINE][0] == pytest.approx(
        free[CRANE_BIRD][0] / free[CRANE_MACHINE][0], rel=0.2
    )


def test_groups_in_a_label_space():
    one = Meant((CRANE_BIRD,), mode="group")
    assert one.of("crane") == {CRANE_BIRD: (1.0, True, False, False)}
    two = Meant((CRANE_BIRD, CRANE_MACHINE), mode="group")
    key = group_key(two.nouns.wnids[node] for node in two.nouns.senses["crane"])
    assert two.of("crane") == {key: (1.0, True, False, False)}
    assert two.of("platypus") == {"n01873310": (1.0, False, False, False)}
    check(two.meanings, two.forms)


def test_kinds_of_words():
    free = Meant(adjectives=("glass",))
    kinds = {text: free.kind(text) for text in ("platypus", "love", "picture", "the", "glass", "paris", "justice", DOG)}
    assert kinds == {
        "platypus": NOUN, "love": NON_VISUAL, "picture": NON_VISUAL, "the": FUNCTION_WORD, "glass": ADJECTIVE,
        "paris": PROPER_NAME, "justice": ABSTRACT, DOG: WNID,
    }  # fmt: skip


def test_what_is_asked_for_is_a_noun_whatever_it_is_otherwise():
    paris = next(key for key in Meant().of("paris") if key != PARIS_TREES)
    asked = Meant((PICTURE, paris, "n03438257"), adjectives=("glass", "platypus"))
    assert {asked.kind(text) for text in ("picture", "paris", "glass")} == {NOUN}
    assert asked.kind(PICTURE) == WNID
    assert asked.kind("love") == NON_VISUAL and asked.kind("platypus") == ADJECTIVE


def test_ratings_of_concreteness_decide():
    rated = Meant(ratings={"justice": 4.5, "platypus": 1.2, "dog": 3.0, "paris": 4.9, "love": 5.0}.items())
    assert rated.kind("justice") == NOUN
    assert rated.kind("platypus") == ABSTRACT
    assert rated.kind("dog") == NOUN
    assert rated.kind("paris") == PROPER_NAME and rated.kind("love") == NON_VISUAL
