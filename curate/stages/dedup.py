"""dedup: copies of evaluation images in the corpus, and copies within the corpus.

Workers compare, part by part and eval set by eval set: candidates by bytes, perceptual hash and descriptor are looked
at pixel by pixel (dedup_compare.py). Three kinds of images are sent through the same steps: those of the corpus,
copies of eval images that were planted to see what is found, and the eval images themselves. gather then decides,
see dedup_decide.py.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from os import cpu_count
from typing import Any

import pyarrow as pa

from curate.errors import MissingInputError, ParameterError, nearest
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param
from curate.stages.dedup_compare import Prepared, compare_rows, prepare
from curate.stages.dedup_decide import decide_sets
from curate.stages.dedup_rows import corpus_rows, eval_rows, planted_rows
from curate.stages.dedup_within import cluster_corpus
from curate.stages.eval_images import parts_of_set

log = logging.getLogger(__name__)

_SETS_AT_ONCE = 2
_MANY = 1_000_000  # compared images, above which a word of warning is due
_OUTPUTS = ("duplicate_candidates", "planted_copies", "eval_twins")


@dataclass(frozen=True, kw_only=True)
class DedupParams:
    """Parameters of dedup."""

    against: tuple[str, ...] = param((), help="Eval sets that training data must stay clear of.")
    encoder: str | None = param(
        None, help="Encoder of the descriptors, or how its name begins; by default the only one."
    )
    within: bool = param(False, help="Also compare corpus images with each other by descriptor.")
    precision: float = param(0.99, help="Share of reported copies that should be copies; it sets the threshold.")
    min_score: float | None = param(None, help="Least score of a copy, instead of what --precision gives.")
    k: int = param(5, help="Nearest eval images that a corpus image is compared with, 3 or more.")
    compare: float = param(1.0, help="Share of the corpus, the most suspicious, that is compared pixel by pixel.")
    device: str = param("auto", help="Where neighbours are searched: cpu, cuda or auto.")


def cut_parts(tables: Tables, params: DedupParams) -> Iterable[Part]:
    """For every eval set: one part per part of images, one for its planted copies, one for the set itself.

    Raises:
        MissingInputError: No such eval set or encoder.
        ParameterError: A parameter out of range, or no encoder named where there are several.
    """
    known = _check(tables, params)
    encoder = resolve_encoder(tables, params.encoder)
    images = tables.parts("images")
    embedded = _by_owner(tables, encoder, {part.name for part in images})
    for name in sorted(set(params.against)):
        own = parts_of_set(tables.parts("eval_images"), name, known)
        vectors = parts_of_set(tables.parts("eval_embeddings"), name, known, f"{encoder}/eval_images/")
        planted = parts_of_set(tables.parts("planted_embeddings"), name, known, f"{encoder}/planted/")
        index = {"eval_set": name, "encoder": encoder, "index": [p.digest for p in (*own, *vectors)]}
        yield Part(f"{name}/~set", index, partial(eval_rows, tables, name, encoder))
        depends = {**index, "planted": [p.digest for p in planted]}
        yield Part(f"{name}/~planted", depends, partial(planted_rows, tables, name, encoder))
        for part in images:
            described = [*embedded.get(part.name, []), *embedded.get("", [])]
            depends = {**index, "images": part.digest, "embeddings": [p.digest for p in described]}
            load = partial(corpus_rows, tables, name, encoder, part.path, [p.path for p in described])
            yield Part(f"{name}/{part.name}", depends, load)


def _by_owner(tables: Tables, encoder: str, names: set[str]) -> dict[str, list[Any]]:
    """Parts of embeddings by the part of images that they belong to; '' = any.

    embed names its parts after those of images. Whatever is named otherwise may belong to any of them.
    """
    by_owner: dict[str, list[Any]] = {}
    for part in tables.parts("embeddings") if encoder else []:
        maker, made_by_embed, owner = part.name.rpartition("/images/")
        owner = owner if made_by_embed and owner in names else ""
        if part.n_rows and (not owner or maker == encoder):
            by_owner.setdefault(owner, []).append(part)
    return by_owner


def _check(tables: Tables, params: DedupParams) -> list[str]:
    known: list[str] = tables.arrow("eval_sets", ["eval_set"])["eval_set"].to_pylist()
    for name in params.against:
        if name not in known:
            raise MissingInputError(f"no eval set '{name}'", fix=f"{nearest(name, known)} Add one: curate evalset add.")
    if not 0 < params.precision <= 1:
        raise ParameterError(f"precision {params.precision} is not in (0, 1]")
    if not 0 < params.compare <= 1:
        raise ParameterError(f"compare {params.compare} is not in (0, 1]")
    if params.k < 3:
        raise ParameterError(f"k {params.k} is too small", fix="The threshold needs the nearest 3 at least.")
    return known


def resolve_encoder(tables: Tables, wanted: str | None) -> str:
    """Full name of the encoder; '' where nothing is embedded."""
    found = tables.connect().execute("SELECT DISTINCT encoder FROM eval_embeddings ORDER BY encoder").fetchall()
    if not found:
        found = tables.connect().execute("SELECT DISTINCT encoder FROM embeddings ORDER BY encoder").fetchall()
    known = [row[0] for row in found]
    fitting = [name for name in known if name.startswith(wanted or "")]
    if wanted and not fitting:
        fix = f"{nearest(wanted, known)} Run 'curate embed' with it first."
        raise MissingInputError(f"nothing is embedded with encoder '{wanted}'", fix=fix)
    if len(fitting) > 1:
        names = ", ".join(fitting)
        raise ParameterError(f"several encoders to choose from: {names}", fix="Name one with --encoder.")
    return fitting[0] if fitting else ""


def make_worker(tables: Tables, params: DedupParams) -> Worker:
    """Holds the eval sets that it met last, one index each."""
    encoder = resolve_encoder(tables, params.encoder)
    n_compared = params.compare * len(params.against) * sum(part.n_rows for part in tables.parts("images"))
    if n_compared > _MANY:
        log.warning(
            "about %.1f million images will be compared pixel by pixel, some 25 a second and core; "
            "--compare 0.1 would take the most suspicious tenth",
            n_compared / 1e6,
        )
    threads = ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="compare")
    sets: Callable[[str], Prepared] = lru_cache(_SETS_AT_ONCE)(partial(prepare, tables, encoder, params, threads))

    def work(rows: pa.Table) -> Mapping[str, pa.Table]:
        return compare_rows(rows, sets(rows["eval_set"][0].as_py()) if rows.num_rows else None)

    return work


def gather_decisions(tables: Tables, params: DedupParams) -> Mapping[str, Rows]:
    """Decide on the candidates, and cluster the corpus."""
    encoder = resolve_encoder(tables, params.encoder)
    clusters = cluster_corpus(
        tables, encoder, precision=params.precision, k=params.k, device=params.device, within=params.within
    )
    decided = decide_sets(tables, sorted(set(params.against)), encoder, params.precision, params.min_score)
    return {**decided, "duplicate_clusters": clusters}


STAGE = ShardStage(
    name="dedup",
    version=3,
    params=DedupParams,
    reads=("images", "sources"),
    optional=(
        "embeddings", "eval_images", "eval_sets", "eval_embeddings", "planted_embeddings",
        "duplicate_reviews",
    ),
    writes=_OUTPUTS,
    gathers=("near_duplicates", "duplicate_thresholds", "planted_recall", "duplicate_clusters"),
    parts=cut_parts,
    make_worker=make_worker,
    gather=gather_decisions,
    part_params=("k", "compare"),
    pool="device",
    batch_rows=512,
    doc="Find near-duplicates of eval sets, and copies within the corpus.",
)  # fmt: skip
