"""map-labels: hashtags, queries, class names and captions to WordNet synsets, or a reason why not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import ParameterError
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param

if TYPE_CHECKING:
    from curate.wordnet.mapping import Decision, Mapper, Occurrence


@dataclass(frozen=True, kw_only=True)
class MapLabelsParams:
    """Parameters of map-labels."""

    classes: str | None = param(None, help="Label space: CSV with a wnid column, or a list of wnids.", file=True)
    senses: Literal["context", "group", "abstain"] = param(
        "context",
        help="Words of several senses: choose by frequency and by the post's other labels, keep the senses together "
        "as one class, or leave the word out.",
    )
    min_confidence: float = param(0.5, help="Abstain where the chosen meaning is less probable, 0 to 1.")


def cut_parts(tables: Tables, params: MapLabelsParams) -> Iterable[Part]:
    """One part of work per part of raw_labels; all labels of an image are in one.

    Parameters are checked here, in the driving process, where an error ends in one line.
    """
    from curate.wordnet.label_space import read_label_space

    if not 0 <= params.min_confidence <= 1:
        raise ParameterError(f"min_confidence is {params.min_confidence}", where="map-labels", fix="Give 0 to 1.")
    if params.classes is not None:
        read_label_space(Path(params.classes), frozenset(tables.arrow("synsets", ["wnid"])["wnid"].to_pylist()))
    for part in tables.parts("raw_labels"):
        yield Part(part.name, {"raw_labels": part.digest}, partial(pq.read_table, part.path))


def make_worker(tables: Tables, params: MapLabelsParams) -> Worker:
    """Load WordNet and the label space, once per worker."""
    mapper = _mapper(tables, params)

    def work(rows: pa.Table) -> dict[str, pa.Table]:
        return {"mentions": _map_part(rows, mapper)}

    return work


def gather_label_map(tables: Tables, params: MapLabelsParams) -> Mapping[str, Rows]:
    """What every surface that was met can mean."""
    from curate.wordnet.mapping import label_map_rows

    mapper = _mapper(tables, params)
    met = (
        tables.connect()
        .execute("SELECT DISTINCT surface FROM mentions WHERE surface <> '' ORDER BY surface")
        .fetchall()
    )
    rows = [row for (surface,) in met for row in label_map_rows(surface, mapper)]
    kinds = {"surface": pa.string(), "candidate": pa.string(), "rule": pa.string(), "prior": pa.float64()}
    columns = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds.values())]
    return {"label_map": pa.table(columns, names=list(kinds))}


def _mapper(tables: Tables, params: MapLabelsParams) -> "Mapper":
    from curate.wordnet import lexicon, mapping, senses, surfaces
    from curate.wordnet.hierarchy import nearest_above
    from curate.wordnet.label_space import read_label_space

    nouns = senses.read_nouns(tables.arrow("synsets"), tables.arrow("lemmas"), tables.arrow("hypernyms"))
    classes = None
    if params.classes is not None:
        space = read_label_space(Path(params.classes), nouns.index)
        classes = nearest_above(nouns.children, nouns.parents, [nouns.index[wnid] for wnid in space])
    vocabulary = surfaces.Vocabulary(
        nouns=nouns,
        plurals=lexicon.irregular_plurals(),
        function_words=frozenset(lexicon.word_list("function_words")),
        non_visual=frozenset(lexicon.word_list("non_visual")),
        frames=surfaces.parse_frames(lexicon.word_list("hashtag_frames")),
        classes=classes,
        senses=params.senses,
    )
    cues = frozenset(tuple(cue.split("_")) for cue in lexicon.word_list("absence_cues"))
    return mapping.Mapper(vocabulary, cues, params.min_confidence)


def _map_part(rows: pa.Table, mapper: "Mapper") -> pa.Table:
    """Mentions of all raw labels of a part; a raw label met again is read only once."""
    from curate.wordnet.mapping import decide_post, find_occurrences

    read: dict[tuple[str, str, str | None], list[Occurrence]] = {}
    images = rows["image_id"].to_pylist()
    labels = list(
        zip(rows["field"].to_pylist(), rows["raw_label"].to_pylist(), rows["language"].to_pylist(), strict=True)
    )
    sources: list[int] = []
    occurrences: list[Occurrence] = []
    decisions: list[Decision] = []
    for _, group in groupby(sorted(range(len(images)), key=images.__getitem__), key=images.__getitem__):
        post: list[Occurrence] = []
        for row in group:
            label = labels[row]
            found = read.get(label)
            if found is None:
                found = read[label] = find_occurrences(*label, mapper)
            post += found
            sources += [row] * len(found)
        occurrences += post
        decisions += decide_post(post, mapper)
    return _mention_rows(rows, sources, occurrences, decisions)


def _mention_rows(
    rows: pa.Table, sources: Sequence[int], occurrences: "Sequence[Occurrence]", decisions: "Sequence[Decision]"
) -> pa.Table:
    kept = rows.select(["image_id", "field", "position"]).take(pa.array(sources, pa.int64()))
    runners = [runner for decision in decisions for runner in decision.runners_up]
    columns: dict[str, Any] = {
        "start": pa.array([o.start for o in occurrences], pa.int32()),
        "surface": pa.array([o.reading.surface for o in occurrences], pa.string()),
        "class_key": pa.array([d.class_key for d in decisions], pa.string()),
        "rule": pa.array([d.rule for d in decisions], pa.string()),
        "confidence": pa.array([d.confidence for d in decisions], pa.float64()),
        "runners_up": pa.ListArray.from_arrays(
            pa.array(np.cumsum([0] + [len(d.runners_up) for d in decisions]), pa.int32()),
            pa.StructArray.from_arrays(
                [
                    pa.array([r[0] for r in runners], pa.string()),
                    pa.array([r[1] for r in runners], pa.float64()),
                    pa.array([r[2] for r in runners], pa.float64()),
                ],
                ["class_key", "confidence", "prior"],
            ),
        ),
    }
    for name, column in columns.items():
        kept = kept.append_column(name, column)
    return kept


STAGE = ShardStage(
    name="map-labels",
    version=1,
    params=MapLabelsParams,
    reads=("raw_labels",),
    shared=("synsets", "lemmas", "hypernyms"),
    writes=("mentions",),
    gathers=("label_map",),
    parts=cut_parts,
    make_worker=make_worker,
    gather=gather_label_map,
    pool="process",
    doc="Map hashtags, captions, queries and class names to WordNet synsets.",
)
