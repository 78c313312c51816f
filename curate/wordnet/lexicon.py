"""The nouns of WordNet 3.0 from the tables that ship with the package; glosses through nltk where it has the corpus.

The only file of the package that knows nltk.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import MissingInputError, WordNetVersionError
from curate.wordnet.hierarchy import node_depths, parent_links
from curate.wordnet.normalize import squash

DATA = Path(__file__).parent / "data"
"""Parquet tables and word lists; see examples/build_wordnet_tables.py."""

LEAST_PROBABILITY = 1e-7
"""Words that are rarer are not known: below it most of wordfreq's words are misspelt."""


def _read(name: str) -> pa.Table:
    return pq.read_table(DATA / f"{name}.parquet")


def synset_rows() -> pa.Table:
    """Rows of the table `synsets`, gloss NULL throughout."""
    synsets, lemmas, links = _read("synsets"), _read("lemmas"), _read("hypernyms")
    keys = lemmas["wnid"].to_numpy(zero_copy_only=False)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    children, parents = parent_links(synsets["wnid"], links["wnid"], links["hypernym_wnid"])
    return pa.table(
        {
            "wnid": synsets["wnid"],
            "name": lemmas["lemma"].take(pa.array(first)),
            "lexname": synsets["lexname"],
            "depth": node_depths(children, parents, synsets.num_rows),
            "gloss": pa.nulls(synsets.num_rows, pa.string()),
        }
    )


def sense_facts() -> pa.Table:
    """What the sense prior knows of each synset beside its lexicographer file.

    Returns:
        wnid, collected (0 = no pictures were collected under it, 1 = it is in ImageNet-21k, 2 = with several hundred
        pictures, 3 = it is in ImageNet-1k; int8) and is_topical (it is a term of some field, bool).
    """
    return _read("synsets").select(["wnid", "collected", "is_topical"])


def lemma_rows() -> pa.Table:
    """Rows of the table `lemmas`."""
    lemmas = _read("lemmas")
    squashed = pc.replace_substring_regex(pc.utf8_lower(lemmas["lemma"]), "[^a-z0-9]", "")
    return lemmas.append_column("squashed", squashed)


def hypernym_rows() -> pa.Table:
    """Rows of the table `hypernyms`."""
    return _read("hypernyms")


def gloss_rows() -> pa.Table:
    """What the gloss of each synset speaks of, in the row order of `synset_rows`.

    Returns:
        words (places in `gloss_vocabulary`, list of int16) and parts (rows of the synsets that are parts, members or
        substance of it, list of int32).
    """
    return _read("glosses")


def gloss_vocabulary() -> list[str]:
    """Squashed words of the glosses, commonest first; those in more than 1500 glosses are left out."""
    words: list[str] = _read("gloss_vocabulary")["word"].to_pylist()
    return words


@cache
def irregular_plurals() -> dict[str, tuple[str, ...]]:
    """Squashed irregular plurals, each with its squashed base forms (WordNet's noun.exc)."""
    plurals: dict[str, tuple[str, ...]] = {}
    for row in _read("exceptions").to_pylist():
        form, base = squash(row["form"]), squash(row["base"])
        plurals[form] = (*plurals.get(form, ()), base)
    return plurals


@cache
def other_parts_of_speech() -> dict[str, tuple[int, int]]:
    """Squashed nouns that are also verbs or adjectives: how often each stands as either in WordNet's tagged texts."""
    rows = _read("parts_of_speech")
    counts = zip(rows["n_verb"].to_pylist(), rows["n_adjective"].to_pylist(), strict=True)
    return dict(zip(rows["squashed"].to_pylist(), counts, strict=True))


@cache
def word_list(name: str) -> tuple[str, ...]:
    """Words of a text file of the data folder: one or more a line, '#' begins a comment."""
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(word for line in lines for word in line.partition("#")[0].split())


@cache
def word_logprobs() -> dict[str, float]:
    """English words of all kinds, squashed, with the natural logarithm of their probability in running text.

    From the package wordfreq (Speer, 2022): words from 1e-7 on, names and inflected forms among them.
    """
    from wordfreq import get_frequency_dict

    logs: dict[str, float] = {}
    for word, probability in get_frequency_dict("en", "large").items():
        squashed = squash(word)
        if probability >= LEAST_PROBABILITY and squashed:
            logs[squashed] = max(logs.get(squashed, -np.inf), float(np.log(probability)))
    return logs


def nltk_glosses() -> pa.Array:
    """Definition and examples of every noun synset, from nltk's WordNet corpus.

    Returns:
        String array in the row order of `synset_rows`.

    Raises:
        MissingInputError: nltk has no WordNet corpus.
        WordNetVersionError: The corpus is not WordNet 3.0.
    """
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        raise MissingInputError(
            "nltk has no WordNet corpus",
            where="load-wordnet",
            fix="Run `python -m nltk.downloader wordnet`, or leave out glosses.",
        ) from None
    nouns = {f"n{synset.offset():08d}": synset for synset in wordnet.all_synsets("n")}
    ours = _read("synsets")["wnid"].to_pylist()
    n_known = sum(wnid in nouns for wnid in ours)
    if n_known < len(ours) or len(nouns) > len(ours):
        raise WordNetVersionError(
            f"nltk's WordNet {wordnet.get_version()} has {n_known} of the {len(ours)} noun synsets of WordNet 3.0",
            where="load-wordnet",
            fix="Offsets name classes, so install WordNet 3.0 in NLTK_DATA/corpora/wordnet, or leave out glosses.",
        )
    return pa.array("; ".join([nouns[wnid].definition(), *nouns[wnid].examples()]) for wnid in ours)
