import pytest

from curate.wordnet import lexicon
from curate.wordnet.hierarchy import nearest_above
from curate.wordnet.mapping import Mapper
from curate.wordnet.senses import Nouns, read_nouns
from curate.wordnet.surfaces import SenseMode, Vocabulary, parse_frames


@pytest.fixture(scope="session")
def nouns() -> Nouns:
    return read_nouns(lexicon.synset_rows(), lexicon.lemma_rows(), lexicon.hypernym_rows())


@pytest.fixture(scope="session")
def make_mapper(nouns):
    """A mapper over a label space given by wnids, with the word lists that ship."""

    def make(space: tuple[str, ...] = (), senses: SenseMode = "context", min_confidence: float = 0.5) -> Mapper:
        vocabulary = Vocabulary(
            nouns=nouns,
            plurals=lexicon.irregular_plurals(),
            function_words=frozenset(lexicon.word_list("function_words")),
            non_visual=frozenset(lexicon.word_list("non_visual")),
            frames=parse_frames(lexicon.word_list("hashtag_frames")),
            classes=nearest_above(nouns.children, nouns.parents, [nouns.index[w] for w in space]) if space else None,
            senses=senses,
        )
        cues = frozenset(tuple(cue.split("_")) for cue in lexicon.word_list("absence_cues"))
        return Mapper(vocabulary, cues, min_confidence)

    return make
