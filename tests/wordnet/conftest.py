"""WordNet, and mappers over all of it or over a piece of it, each built once."""

from collections.abc import Iterable, Mapping
from functools import cache

import pyarrow as pa
import pytest

from curate.schema import table_schema
from curate.wordnet import lexicon
from curate.wordnet.label_space import LabelSpace
from curate.wordnet.mapping import Mapper, map_rows
from curate.wordnet.meanings import SenseMode
from curate.wordnet.senses import Nouns, read_nouns
from curate.wordnet.vocabulary import build_mapper
from tests.wordnet.pieces import wordnet_piece


@cache
def make_mapper(
    words: tuple[str, ...] = (),
    space: tuple[str, ...] = (),
    mode: SenseMode = "context",
    min_confidence: float = 0.75,
) -> Mapper:
    """A mapper over what some words need of WordNet, or over all of it (seconds), and a label space of wnids."""
    tables = wordnet_piece(*words) if words else whole_wordnet()
    given = LabelSpace(list(space), []) if space else None
    return build_mapper(**tables, space=given, mode=mode, min_confidence=min_confidence)


@cache
def whole_wordnet() -> dict[str, pa.Table]:
    """synsets, lemmas and hypernyms as they ship."""
    return {"synsets": lexicon.synset_rows(), "lemmas": lexicon.lemma_rows(), "hypernyms": lexicon.hypernym_rows()}


def raw_labels(posts: Mapping[str, Iterable[tuple[str, str] | tuple[str, str, str]]]) -> pa.Table:
    """Rows of raw_labels from image_id → (field, text) or (field, text, language)."""
    rows = []
    for image, labels in posts.items():
        n_of_field: dict[str, int] = {}
        for name, text, *language in labels:
            position = n_of_field[name] = n_of_field.get(name, -1) + 1
            row = {"image_id": image, "field": name, "position": position, "raw_label": text}
            rows.append(row | {"score": None, "language": language[0] if language else None})
    return pa.Table.from_pylist(rows, schema=table_schema("raw_labels").arrow)


def mentions_of(mapper: Mapper, *labels: str, language: str | None = None) -> list[dict[str, object]]:
    """Mentions of one post in the order of its labels; a label is 'field:text'."""
    split = [tuple(label.split(":", 1)) for label in labels]
    post = [(*label, language) if language else label for label in split]
    found = map_rows(raw_labels({"post": post}), mapper).to_pylist()
    assert {(m["field"], m["position"]) for m in found} == {
        (name, [n for n, _ in split[:i]].count(name)) for i, (name, _) in enumerate(split)
    }
    return found


@pytest.fixture(scope="session")
def nouns() -> Nouns:
    return read_nouns(**whole_wordnet())


@pytest.fixture(scope="session")
def mapper() -> Mapper:
    """All of WordNet, every synset a class."""
    return make_mapper()


@pytest.fixture(scope="session")
def group_mapper() -> Mapper:
    """All of WordNet, the senses of a word kept together."""
    return make_mapper(mode="group")
