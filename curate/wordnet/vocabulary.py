"""The mapper with all that it knows: WordNet, a label space, word lists and word frequencies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.errors import FormatError, MissingInputError
from curate.wordnet import lexicon
from curate.wordnet.arrays import Ints
from curate.wordnet.evidence import Evidence, read_evidence, word_evidence
from curate.wordnet.forms import Forms, build_forms, mostly_other
from curate.wordnet.hierarchy import nearest_above
from curate.wordnet.label_space import LabelSpace, OwnClass
from curate.wordnet.mapping import Mapper
from curate.wordnet.meanings import Classes, SenseMode, build_meanings
from curate.wordnet.normalize import plain, squash
from curate.wordnet.occurrences import LabelReader
from curate.wordnet.senses import Nouns, read_nouns
from curate.wordnet.surfaces import build_reader
from curate.wordnet.texts import build_patterns


@dataclass(frozen=True)
class WordLists:
    """Lists that a user may bring.

    Attributes:
        refused: Words that no picture shows, beside those that ship.
        allowed: Shipped ones that are to be read after all.
        concreteness: Squashed word → rating, 1 (abstract) to 5 (concrete); empty = none known.
    """

    refused: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    concreteness: Mapping[str, float] = field(default_factory=dict)


def read_stop_list(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Words of a user's stop list: those to refuse, and those to read although they are refused by default.

    Args:
        path: UTF-8 text; one or more words a line, '#' and a space begin a comment, '!word' reads a word after all.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise MissingInputError(f"no file '{path}'", where="--stop-list", fix="Give a list of words.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=str(path), fix="Give a list of words in UTF-8.") from error
    words = [word for line in lines if not line.startswith("# ") for word in line.split()]
    refused = {squash(word) for word in words if not word.startswith("!")}
    allowed = {squash(word) for word in words if word.startswith("!")}
    return frozenset(refused - {""}), frozenset(allowed - {""})


def build_mapper(
    synsets: pa.Table,
    lemmas: pa.Table,
    hypernyms: pa.Table,
    space: LabelSpace | None = None,
    mode: SenseMode = "context",
    min_confidence: float = 0.75,
    lists: WordLists | None = None,
) -> Mapper:
    """A mapper.

    Args:
        synsets: Rows of the table of that name.
        lemmas: Rows of the table of that name.
        hypernyms: Rows of the table of that name.
        space: Classes that labels may become; None = every synset.
        mode: What happens to words of several senses.
        min_confidence: Below it the mapper abstains, in [0, 1].
        lists: Word lists of the user's own.
    """
    lists = lists or WordLists()
    own = space.own if space else []
    synsets, lemmas, hypernyms = with_own(synsets, lemmas, hypernyms, own)
    nouns = read_nouns(synsets, lemmas, hypernyms)
    forms = build_forms(
        nouns,
        lexicon.irregular_plurals(),
        (frozenset(lexicon.word_list("non_visual")) | lists.refused) - lists.allowed,
        frozenset(lexicon.word_list("function_words")) - lists.allowed,
        with_rivals=mode != "group",
    )
    counts = lemmas.group_by("squashed").aggregate([("tag_count", "sum")])
    noun_counts = dict(zip(counts["squashed"].to_pylist(), counts["tag_count_sum"].to_pylist(), strict=True))
    is_adjective, is_verb = mostly_other(forms, noun_counts, lexicon.other_parts_of_speech())
    ratings = _ratings(forms, lists.concreteness)
    meanings = build_meanings(forms, nouns, _classes(nouns, space), mode, is_adjective=is_adjective, ratings=ratings)
    phrases = {phrase: phrase.replace(" ", "") for phrase in nouns.phrases}
    frames = [(before, after) for before, _, after in (f.partition("*") for f in lexicon.word_list("hashtag_frames"))]
    reader = build_reader(forms, meanings, phrases, lexicon.word_logprobs(), frames)
    make_patterns = partial(build_patterns, forms, phrases, lexicon.word_list("absence_cues"))
    # Read when the first word asks: label_map needs none of it.
    tell = partial(_tell, forms.bases, cache(partial(read_evidence, nouns))) if mode == "context" else _tell_nothing
    return Mapper(LabelReader(reader, make_patterns, is_verb), mode, min_confidence, tell)


def _tell(bases: Ints, evidence: Callable[[], Evidence], nodes: Ints, forms: Ints) -> NDArray[np.float64]:
    """What forms say for synsets, see `word_evidence`; a wnid is no word and says nothing."""
    is_word = bases[forms] >= 0
    told = np.zeros(len(nodes))
    if is_word.any():
        told[is_word] = word_evidence(nodes[is_word], bases[forms[is_word]], evidence())
    return told


def _tell_nothing(nodes: Ints, forms: Ints) -> NDArray[np.float64]:
    return np.zeros(len(nodes))


def with_own(
    synsets: pa.Table, lemmas: pa.Table, hypernyms: pa.Table, own: Sequence[OwnClass]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """WordNet's tables with classes of the user's own as further synsets; their words mean nothing else any more.

    Args:
        synsets: Rows of the table of that name.
        lemmas: Rows of the table of that name.
        hypernyms: Rows of the table of that name.
        own: Classes of the user's own vocabulary.
    """
    if not own:
        return synsets, lemmas, hypernyms
    keys = {each.name.casefold(): each.class_key for each in own}
    words = [(each.class_key, word) for each in own for word in dict.fromkeys((each.name, *each.synonyms))]
    words = [(key, word) for key, word in words if squash(word)]
    taken = pa.array({squash(word) for _, word in words}, pa.string())
    left = lemmas.filter(pc.invert(pc.is_in(lemmas["squashed"], value_set=taken)))
    new = [each for each in own if each.wnid is None]
    links = [(each.class_key, keys.get(p.casefold(), p)) for each in new for p in each.parents]
    return (
        _append(synsets, [{"wnid": each.class_key, "name": each.name, "lexname": "noun.artifact"} for each in new]),
        _append(
            left,
            [
                {"wnid": key, "lemma": plain(word), "squashed": squash(word), "sense_rank": 1, "tag_count": 0}
                for key, word in words
            ],
        ),
        _append(
            hypernyms,
            [{"wnid": child, "hypernym_wnid": parent, "is_instance": False} for child, parent in links],
        ),
    )


def _append(table: pa.Table, rows: list[dict[str, object]]) -> pa.Table:
    more = [{name: row.get(name) for name in table.column_names} for row in rows]
    return pa.concat_tables([table, pa.Table.from_pylist(more, schema=table.schema)]).combine_chunks()


def _classes(nouns: Nouns, space: LabelSpace | None) -> Classes | None:
    """The classes as numbers of synsets; None where every synset is one and none is asked for."""
    if space is None:
        return None
    listed = dict.fromkeys([*space.wnids, *(each.class_key for each in space.own)])
    nearest = nearest_above(nouns.children, nouns.parents, [nouns.index[key] for key in listed])
    class_of = np.full(len(nouns.wnids), -1, np.int64)
    class_of[list(nearest)] = list(nearest.values())
    return Classes(class_of, space.beside_wordnet)


def _ratings(forms: Forms, concreteness: Mapping[str, float]) -> NDArray[np.float64]:
    """Rating of each form by the word that it is, or is the plural of; NaN where there is none."""
    of_word = [concreteness.get(word, np.nan) for word in forms.texts.slice(0, forms.n_words).to_pylist()]
    ratings = np.array([*of_word, np.nan])
    return ratings[forms.bases]
