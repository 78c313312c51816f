import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.wordnet.forms import NON_VISUAL, NOUN, build_forms
from curate.wordnet.senses import read_nouns
from curate.wordnet.texts import DETERMINERS, NOUN_REACH, REACH, build_patterns, find_terms
from tests.wordnet.pieces import wordnet_piece

CUES = ("no", "not", "my", "thinking_of", "go^")
WORDS = (
    "water",
    "lily",
    "waterlily",
    "cat",
    "catfish",
    "fish",
    "cafe",
    "field",
    "ox",
    "dress",
    "hotdog",
    "dog",
    "love",
)
AFTER_A_COMMAND = ("this", "that", "me", "him", "her", "it", "us", "them")


@pytest.fixture(scope="module")
def forms():
    nouns = read_nouns(**wordnet_piece(*WORDS))
    return build_forms(nouns, {"oxen": ("ox",)}, {"love"}, {"the", "in"}), nouns.phrases


@pytest.fixture(scope="module")
def find(forms):
    """Texts to (form, start, is_absent, is_nominal) of the terms of each; and all hashtags."""
    built, phrases = forms
    patterns = build_patterns(built, {phrase: phrase.replace(" ", "") for phrase in phrases}, CUES)

    def find(texts):
        terms, hashtags = find_terms(texts, patterns)
        found = [[] for _ in texts]
        for row, start, form, absent, nominal in zip(*(np.asarray(c).tolist() for c in terms), strict=True):
            found[row].append((built.texts[form].as_py(), start, absent, nominal))
        return found, hashtags

    return find


@pytest.fixture(scope="module")
def find_slowly(forms):
    """A text to its terms: the longest from the left, none inside another."""
    built, phrases = forms
    texts = {
        text for text, kind in zip(built.texts.to_pylist(), built.kinds, strict=True) if kind in (NOUN, NON_VISUAL)
    }
    terms = {(text,): text for text in texts if (len(text) > 2 or text == "ox") and not text.isdigit()}
    for phrase in phrases:
        *head, last = phrase.split()
        for ending in (last, last + "s", last + "es", last[:-1] + "ies"):
            if "".join([*head, ending]) in texts:
                terms[*head, ending] = "".join([*head, ending])
    marks = {tuple(cue.rstrip("^").split("_")): [1 if cue.endswith("^") else REACH, 0] for cue in CUES}
    for word in DETERMINERS:
        marks.setdefault((word,), [0, 0])[1] = NOUN_REACH
    terms = {words: text for words, text in terms.items() if words not in marks}
    return lambda text: slowly(text, terms, marks)


def words_of(text):
    """(word, start, number of its clause) of a text, character by character."""
    hidden = text
    for pattern in (r"https?://\S+|www\.\S+", r"[#＃]\w+", r"\S+@\S+|@\w+"):
        hidden = re.sub(pattern, lambda m: "." + " " * (len(m.group()) - 1), hidden)
    plain = []
    for i, char in enumerate(hidden):
        for c in unicodedata.normalize("NFKD", char):
            if unicodedata.category(c) not in ("Mn", "Me", "Mc", "Cf") and c != "\x02":
                plain.append((c.lower() if c.lower().isascii() else c, i))
    flat = "".join(c for c, _ in plain)
    for odd, usual in {"’": "'", "‘": "'", "–": "-", "—": "-", "。": ".", "、": ","}.items():
        flat = flat.replace(odd, usual)
    flat = re.sub(r"[^\x00-\x7f]", " ", flat)
    found = []
    for match in re.finditer(r"[a-z0-9]+(?:'(?=[a-z])[a-z0-9]+)*", flat):
        n_clauses = len(re.findall(r"[.,;:!?()|\n]| -(?= )", flat[: match.start()]))
        found.append((match.group().replace("'", ""), plain[match.start()][1], n_clauses))
    return found


def slowly(text, terms, marks):
    """(form, start, is_absent, is_nominal) of each term; marks are cues and determiners with how far they reach."""
    words, found, last, i = words_of(text), [], [None, None], 0
    while i < len(words):
        n = next((n for n in (4, 3, 2, 1) if fits(words, i, n) and key(words, i, n) in terms | marks), 1)
        here = key(words, i, n)
        if here in marks:
            last = [(i + n, reach) if reach else old for old, reach in zip(last, marks[here], strict=True)]
        if here in terms:
            absent, nominal = (
                mark is not None and i - mark[0] < mark[1] and words[mark[0] - 1][2] == words[i][2] for mark in last
            )
            begins = i == 0 or words[i - 1][2] < words[i][2]
            commanded = begins and fits(words, i, n + 1) and words[i + n][0] in AFTER_A_COMMAND
            found.append((terms[here], words[i][1], absent or commanded, nominal))
        i += n
    return found


def fits(words, i, n):
    return i + n <= len(words) and words[i][2] == words[i + n - 1][2]


def key(words, i, n):
    return tuple(word for word, _, _ in words[i : i + n])


PIECES = [
    *("cat", "Cats", "fish", "catfish", "water", "lily", "Lilies", "water lily", "Water-Lilies", "waterlily", "ox"),
    *("oxen", "café", "cafe\u0301", "ﬁeld", "ﬁsh", "hot dog", "dogs", "dress", "love", "the", "my", "no", "not", "go"),
    *("thinking of", "a", "two", "this", "it", "red", "very", "x", "of", "＃cat", "#cat", "#wörd_1", "@dog"),
    *("me@dog.com", "http://cat.com/#fish", "www.dog.org", "🔥", "👩\u200d👧", "写真", "'", "’s", "'s", "-", " - "),
    *("–", ".", ",", "\n", "!", "…", "(", "\u200d", "ß", "İ", "½", "90", "é", "\u0301", "\x02", "\t", "。"),
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.sampled_from([" ", "", "  "]), max_size=14).map("".join) | st.lists(
    st.sampled_from(PIECES), max_size=10
).map(" ".join)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_terms_are_those_of_a_slow_search(find, find_slowly, texts):
    found, hashtags = find(texts)
    assert found == [find_slowly(text) for text in texts]
    for tag in hashtags:
        assert texts[tag.row][tag.start - 1] in "#＃"
        assert texts[tag.row].startswith(tag.tag, tag.start)


@settings(deadline=None)
@given(st.lists(st.text(), max_size=3))
def test_any_text_is_read_and_places_point_into_it(find, find_slowly, texts):
    found, _ = find(texts)
    assert found == [find_slowly(text) for text in texts]
    for text, terms in zip(texts, found, strict=True):
        assert [start for _, start, *_ in terms] == sorted({start for _, start, *_ in terms})
        assert all(0 <= start < len(text) for _, start, *_ in terms)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("A Water Lily in water", {(2, "waterlily"), (16, "water")}),
        ("water-lilies, catfish", {(0, "waterlilies"), (14, "catfish")}),
        ("in water. Lily sits", {(3, "water"), (10, "lily")}),  # a clause ends between them
        ("water - lily", {(0, "water"), (8, "lily")}),
        ("water\nlily", {(0, "water"), (6, "lily")}),
        ("cat. Fish", {(0, "cat"), (5, "fish")}),
        ("cat fish", {(0, "cat"), (4, "fish")}),  # WordNet writes it as one word
        ("water #x lily", {(0, "water"), (9, "lily")}),
        ("concatenate cats'", {(12, "cats")}),
        ("the cat's fish", {(4, "cats"), (10, "fish")}),  # apostrophes join
        ("the cafe\u0301's dog", {(4, "cafes"), (12, "dog")}),
        ("🔥cat🔥fish 👩\u200d👧dog", {(1, "cat"), (5, "fish"), (13, "dog")}),
        ("ﬁsh in a ﬁeld, my café", {(0, "fish"), (9, "field"), (18, "cafe")}),
        ("ﬀﬀﬀ a dog", {(6, "dog")}),  # ligatures before it do not move its place
        ("three oxen and an ox", {(6, "oxen"), (18, "ox")}),
        ("love", {(0, "love")}),  # what is made of it, others decide
        ("写真 dog 写真", {(3, "dog")}),
        ("", set()),
    ],
)
def test_terms_and_their_places(find, text, terms):
    (found,), _ = find([text])
    assert {(start, form) for form, start, *_ in found} == terms


@pytest.mark.parametrize(
    ("text", "is_absent"),
    [
        ("a dog", False),
        ("no dog", True),
        ("No, a dog", False),  # a clause ends between them
        ("not today. The dog", False),
        ("no big red dog", True),
        ("no very big red dog", False),  # out of reach
        ("thinking of the dog", True),
        ("thinking of you and the dog", False),
        ("Thinking-of dogs", True),
        ("thinking. Of dogs", False),
        ("of dogs, thinking", False),
        ("go dogs", True),
        ("go big dogs", False),  # reaches the next word only
        ("dog this!", True),  # a command
        ("Oh. Dog them", True),
        ("the dog this year", False),
        ("no hot dog", True),
        ("no #cat dog", False),  # a hashtag ends a clause
        ("no @someone dog", False),
    ],
)
def test_what_a_text_takes_back(find, text, is_absent):
    (found,), _ = find([text])
    assert [absent for _, _, absent, _ in found] == [is_absent]


@pytest.mark.parametrize(
    ("text", "is_nominal"),
    [
        ("dress up", False),
        ("a dress", True),
        ("the big red dress", True),
        ("the very big red dress", False),
        ("this, dress", False),
        ("two dresses", True),
        ("no dress", False),
        ("my dress", True),  # a cue in this test, and a determiner
    ],
)
def test_a_determiner_makes_a_noun(find, text, is_nominal):
    (found,), _ = find([text])
    assert [nominal for *_, nominal in found] == [is_nominal]


def test_a_cue_that_is_a_determiner_is_both(find):
    (found,), _ = find(["my dress"])
    assert found == [("dress", 3, True, True)]


def test_texts_do_not_touch(find):
    found, _ = find(["no", "dog hot", "dog", "", "water", "lily"])
    assert [[form for form, *_ in terms] for terms in found] == [[], ["dog"], ["dog"], [], ["water"], ["lily"]]
    assert not any(absent for terms in found for _, _, absent, _ in terms)


def test_hashtags_addresses_and_user_names_are_no_words(find):
    texts = ["#cat #fish ＃water_lily!", "see http://dog.com/#cat or www.dog.com, @dog me@dog.com", "#dogs's 50# dog"]
    found, hashtags = find(texts)
    assert [tuple(tag) for tag in hashtags] == [(0, 1, "cat"), (0, 6, "fish"), (0, 12, "water_lily"), (2, 1, "dogs")]
    assert [[(form, start) for form, start, *_ in terms] for terms in found] == [[], [], [("dog", 12)]]


def test_no_texts(find):
    assert find([]) == ([], [])
    assert find(["", " "]) == ([[], []], [])
