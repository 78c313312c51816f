"""load-wordnet: the noun synsets of WordNet 3.0 as tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from curate.stage import QueryStage, Rows, Tables, param


@dataclass(frozen=True, kw_only=True)
class LoadWordnetParams:
    """Parameters of load-wordnet."""

    glosses: bool = param(False, help="Add definitions; needs nltk's WordNet corpus, version 3.0.")


def run(tables: Tables, params: LoadWordnetParams) -> Mapping[str, Rows]:
    """Hand over the tables that ship with the package."""
    from curate.wordnet import lexicon

    synsets = lexicon.synset_rows()
    if params.glosses:
        synsets = synsets.set_column(synsets.schema.get_field_index("gloss"), "gloss", lexicon.nltk_glosses())
    return {"synsets": synsets, "lemmas": lexicon.lemma_rows(), "hypernyms": lexicon.hypernym_rows()}


STAGE = QueryStage(
    name="load-wordnet",
    version=1,
    params=LoadWordnetParams,
    writes=("synsets", "lemmas", "hypernyms"),
    run=run,
    doc="Load the noun synsets of WordNet 3.0.",
)
