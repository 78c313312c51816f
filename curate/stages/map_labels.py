"""map-labels: hashtags, queries, class names and captions to WordNet synsets, or a reason why not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import ParameterError
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param
from curate.wordnet.label_space import LabelSpace, open_label_space

if TYPE_CHECKING:
    from curate.wordnet.mapping import Mapper
    from curate.wordnet.vocabulary import WordLists


@dataclass(frozen=True, kw_only=True)
class MapLabelsParams:
    """Parameters of map-labels."""

    classes: str | None = param(
        None,
        help="Label space: file of wnids, vocabulary (name, parent), imagenet-1k, -12k or -21k; all nouns without it.",
        file=True,
    )
    senses: Literal["context", "group", "abstain"] = param(
        "context",
        help="Words of several senses: choose by the post, keep the senses together as one class, or leave out.",
    )
    min_confidence: float = param(0.75, help="Abstain where the chosen meaning is less probable, 0 to 1.")
    stop_list: str | None = param(
        None, help="Further words to refuse, one a line; !word reads one that is refused by default.", file=True
    )
    concreteness: str | None = param(
        None,
        help="Ratings of words, 1 (abstract) to 5 (concrete): tab-separated with columns Word, Conc.M.",
        file=True,
    )


def cut_parts(tables: Tables, params: MapLabelsParams) -> Iterable[Part]:
    """One part of work per part of raw_labels; all labels of an image are in one.

    Parameters are checked here, in the driving process, where an error ends in one line.
    """
    if not 0 <= params.min_confidence <= 1:
        raise ParameterError(f"min_confidence is {params.min_confidence}", where="map-labels", fix="Give 0 to 1.")
    _word_lists(params)
    if params.classes is not None:
        _label_space(tables, params)
    for part in tables.parts("raw_labels"):
        yield Part(part.name, {"raw_labels": part.digest}, partial(pq.read_table, part.path))


def make_worker(tables: Tables, params: MapLabelsParams) -> Worker:
    """Load WordNet and the label space, once per worker."""
    from curate.wordnet.mapping import map_rows

    mapper = _mapper(tables, params)

    def work(rows: pa.Table) -> dict[str, pa.Table]:
        return {"mentions": map_rows(rows, mapper)}

    return work


def gather(tables: Tables, params: MapLabelsParams) -> Mapping[str, Rows]:
    """What every surface that was met can mean, and the label space."""
    from curate.wordnet.label_space import vocabulary_rows
    from curate.wordnet.mapping import label_map_rows

    met = "SELECT surface, min(rule) AS rule FROM mentions WHERE surface <> '' GROUP BY surface ORDER BY surface"
    surfaces = tables.connect().sql(met).to_arrow_table()
    space = _label_space(tables, params)
    names = tables.arrow("synsets", ["wnid", "name"])
    of_wnid = dict(zip(names["wnid"].to_pylist(), names["name"].to_pylist(), strict=True))
    return {
        "label_map": label_map_rows(surfaces, _mapper(tables, params)),
        "vocabulary": vocabulary_rows(space or LabelSpace([], []), of_wnid),
    }


_last: "tuple[Any, Mapper] | None" = None
"""The mapper that was built last in this process, and from what: it takes seconds, and gather needs the same one."""


def _mapper(tables: Tables, params: MapLabelsParams) -> "Mapper":
    from curate.wordnet.vocabulary import build_mapper

    global _last
    names = ("synsets", "lemmas", "hypernyms")
    space, lists = _label_space(tables, params), _word_lists(params)
    key = (
        [part.digest for name in names for part in tables.parts(name)],
        space,
        lists,
        params.senses,
        params.min_confidence,
    )
    if _last is None or _last[0] != key:
        synsets, lemmas, hypernyms = (tables.arrow(name) for name in names)
        _last = key, build_mapper(synsets, lemmas, hypernyms, space, params.senses, params.min_confidence, lists)
    return _last[1]


def _label_space(tables: Tables, params: MapLabelsParams) -> LabelSpace | None:
    if params.classes is None:
        return None
    return open_label_space(params.classes, frozenset(tables.arrow("synsets", ["wnid"])["wnid"].to_pylist()))


def _word_lists(params: MapLabelsParams) -> "WordLists":
    from curate.wordnet.vocabulary import WordLists, read_stop_list

    ratings: Mapping[str, float] = {}
    if params.concreteness is not None:
        from curate.wordnet.concreteness import read_concreteness

        ratings = read_concreteness(Path(params.concreteness))
    refused, allowed = read_stop_list(Path(params.stop_list)) if params.stop_list else (frozenset(), frozenset())
    return WordLists(refused, allowed, ratings)


STAGE = ShardStage(
    name="map-labels",
    version=2,
    params=MapLabelsParams,
    reads=("raw_labels",),
    shared=("synsets", "lemmas", "hypernyms"),
    writes=("mentions",),
    gathers=("label_map", "vocabulary"),
    parts=cut_parts,
    make_worker=make_worker,
    gather=gather,
    pool="process",
    doc="Map hashtags, captions, queries and class names to WordNet synsets.",
)
