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


def lemma_rows() -> pa.Table:
    """Rows of the table `lemmas`."""
    lemmas = _read("lemmas")
    squashed = pc.replace_substring_regex(pc.utf8_lower(lemmas["lemma"]), "[^a-z0-9]", "")
    return lemmas.append_column("squashed", squashed)


def hypernym_rows() -> pa.Table:
    """Rows of the table `hypernyms`."""
    return _read("hypernyms")


@cache
def irregular_plurals() -> dict[str, tuple[str, ...]]:
    """Squashed irregular plurals, each with its squashed base forms (WordNet's noun.exc)."""
    plurals: dict[str, tuple[str, ...]] = {}
    for row in _read("exceptions").to_pylist():
        form, base = squash(row["form"]), squash(row["base"])
        plurals[form] = (*plurals.get(form, ()), base)
    return plurals


@cache
def word_list(name: str) -> tuple[str, ...]:
    """Words of a text file of the data folder: one or more a line, '#' begins a comment."""
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(word for line in lines for word in line.partition("#")[0].split())


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
