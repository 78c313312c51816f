import time
from types import SimpleNamespace

import pytest

from curate.errors import MissingInputError, WordNetVersionError
from curate.schema import check_rows, conform
from curate.wordnet import lexicon


def test_tables_meet_their_schemas_and_the_known_counts():
    synsets, lemmas, hypernyms = lexicon.synset_rows(), lexicon.lemma_rows(), lexicon.hypernym_rows()
    for name, rows in (("synsets", synsets), ("lemmas", lemmas), ("hypernyms", hypernyms)):
        check_rows(conform(rows, name), name)
    assert synsets.num_rows == 82115
    assert max(synsets["depth"].to_pylist()) == 19
    assert len(set(lemmas["squashed"].to_pylist())) == 116654
    dog = [row for row in lemmas.to_pylist() if row["wnid"] == "n02084071"]
    assert [(row["lemma"], row["sense_rank"], row["tag_count"]) for row in dog] == [
        ("dog", 1, 42), ("domestic dog", 1, 0), ("Canis familiaris", 1, 0),
    ]  # fmt: skip


def test_tables_are_small_and_load_fast():
    start = time.perf_counter()
    lexicon.synset_rows(), lexicon.lemma_rows(), lexicon.hypernym_rows()
    assert time.perf_counter() - start < 3  # 0.2 s alone; the rest is for a busy machine
    assert sum(file.stat().st_size for file in lexicon.DATA.glob("*.parquet")) < 3_000_000


def test_licence_ships_with_the_tables():
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in (lexicon.DATA / "LICENSE").read_text()


def test_word_lists_are_squashed_words():
    for name in ("function_words", "non_visual"):
        assert all(word.isalnum() and word == word.lower() for word in lexicon.word_list(name))
    assert all(frame.count("*") == 1 for frame in lexicon.word_list("hashtag_frames"))


def _corpus(offsets):
    synsets = [
        SimpleNamespace(offset=lambda o=o: o, definition=lambda: "a thing", examples=lambda: ["it"]) for o in offsets
    ]
    return SimpleNamespace(ensure_loaded=lambda: None, all_synsets=lambda pos: synsets, get_version=lambda: "x")


@pytest.fixture
def our_offsets():
    return [int(wnid[1:]) for wnid in lexicon.synset_rows()["wnid"].to_pylist()]


def test_glosses(monkeypatch, our_offsets):
    monkeypatch.setattr("nltk.corpus.wordnet", _corpus(reversed(our_offsets)))
    glosses = lexicon.nltk_glosses()
    assert len(glosses) == 82115
    assert glosses[0].as_py() == "a thing; it"


def test_another_version_is_refused(monkeypatch, our_offsets):
    monkeypatch.setattr("nltk.corpus.wordnet", _corpus([offset + 7 for offset in our_offsets]))
    with pytest.raises(WordNetVersionError, match="of the 82115 noun synsets"):
        lexicon.nltk_glosses()


def test_no_corpus_is_said(monkeypatch):
    def fail():
        raise LookupError

    monkeypatch.setattr("nltk.corpus.wordnet", SimpleNamespace(ensure_loaded=fail))
    with pytest.raises(MissingInputError, match="no WordNet corpus"):
        lexicon.nltk_glosses()
