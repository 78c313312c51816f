"""A small piece of WordNet: some words, all their senses, and everything above."""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from curate.wordnet import lexicon


@cache
def wordnet_piece(*words: str) -> dict[str, pa.Table]:
    """synsets, lemmas and hypernyms of all noun senses of some squashed words, closed upwards."""
    lemmas, hypernyms = lexicon.lemma_rows(), lexicon.hypernym_rows()
    kept = set(lemmas.filter(pc.is_in(lemmas["squashed"], pa.array(words)))["wnid"].to_pylist())
    while True:
        links = hypernyms.filter(pc.is_in(hypernyms["wnid"], pa.array(kept)))
        above = set(links["hypernym_wnid"].to_pylist())
        if above <= kept:
            break
        kept |= above
    synsets = lexicon.synset_rows()
    return {
        "synsets": synsets.filter(pc.is_in(synsets["wnid"], pa.array(kept))),
        "lemmas": lemmas.filter(pc.is_in(lemmas["wnid"], pa.array(kept))),
        "hypernyms": links,
    }
