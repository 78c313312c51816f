"""dedup: copies of evaluation images in the corpus, and copies within the corpus.

Workers find candidates, part by part: equal bytes, near perceptual hashes, and the nearest eval images by descriptor.
gather decides on them with thresholds that it reads off the data, see dedup_decide.py and vision/copies.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import MissingInputError, ParameterError, nearest
from curate.stage import Part, Rows, ShardStage, StoredPart, Tables, Worker, param
from curate.stages.dedup_decide import SEARCHED_BITS, EvalSet, Limits, find_copies, read_eval_set
from curate.stages.dedup_within import cluster_corpus

_CANDIDATES = pa.schema([
    ("image_id", pa.string()), ("eval_set", pa.string()), ("eval_image_id", pa.string()), ("encoder", pa.string()),
    ("same_bytes", pa.bool_()), ("phash_distance", pa.int32()), ("similarity", pa.float64()),
    ("is_flipped", pa.bool_()),
])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DedupParams:
    """Parameters of dedup."""

    against: tuple[str, ...] = param((), help="Eval sets that training data must stay clear of.")
    encoder: str | None = param(
        None, help="Encoder of the descriptors, or how its name begins; by default the only one."
    )
    within: bool = param(False, help="Also compare corpus images with each other by descriptor.")
    precision: float = param(0.99, help="Share of reported copies that should be copies; it sets the thresholds.")
    k: int = param(5, help="Nearest eval images that are looked at per corpus image and eval set, 3 or more.")
    max_phash_distance: int | None = param(None, help="Bits in which perceptual hashes of copies differ, at most 12.")
    min_similarity: float | None = param(None, help="Least cosine of the descriptors of copies.")
    device: str = param("auto", help="Where neighbours are searched: cpu, cuda or auto.")


def cut_parts(tables: Tables, params: DedupParams) -> Iterable[Part]:
    """One part of work per part of images, with the embeddings of its images.

    Raises:
        MissingInputError: No such eval set or encoder.
        ParameterError: A parameter out of range, or no encoder named where there are several.
    """
    _check(tables, params)
    encoder = _resolve_encoder(tables, params.encoder)
    images = tables.parts("images")
    names = {part.name for part in images}
    by_owner: dict[str, list[StoredPart]] = {}
    for part in tables.parts("embeddings") if encoder else []:
        # embed names its parts after those of images. Whatever is named otherwise may belong to any of them.
        maker, made_by_embed, owner = part.name.rpartition("/images/")
        owner = owner if made_by_embed and owner in names else ""
        if part.n_rows and (not owner or maker == encoder):
            by_owner.setdefault(owner, []).append(part)
    for part in images:
        described = [*by_owner.get(part.name, []), *by_owner.get("", [])]
        depends = {"images": part.digest, "encoder": encoder, "embeddings": [p.digest for p in described]}
        yield Part(part.name, depends, partial(_load, part.path, [p.path for p in described], encoder))


def _check(tables: Tables, params: DedupParams) -> None:
    known = tables.arrow("eval_sets", ["eval_set"])["eval_set"].to_pylist()
    for name in params.against:
        if name not in known:
            raise MissingInputError(f"no eval set '{name}'", fix=f"{nearest(name, known)} Add one: curate evalset add.")
    if not 0 < params.precision <= 1:
        raise ParameterError(f"precision {params.precision} is not in (0, 1]")
    if params.k < 3:
        raise ParameterError(f"k {params.k} is too small", fix="The thresholds need the nearest 3 at least.")
    if params.max_phash_distance is not None and not 0 <= params.max_phash_distance <= SEARCHED_BITS:
        raise ParameterError(f"max_phash_distance {params.max_phash_distance} is not in 0 to {SEARCHED_BITS}")


def _resolve_encoder(tables: Tables, wanted: str | None) -> str:
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


def _load(path: Path, embeddings: list[Path], encoder: str) -> pa.Table:
    """image_id, sha256, phash and vector (NULL where there is none) of the undamaged images of a part."""
    rows = pq.read_table(path, columns=["image_id", "sha256", "phash", "status"])
    rows = rows.filter(pc.equal(rows["status"], "ok")).drop_columns("status")
    vectors = [pq.read_table(part, columns=["image_id", "encoder", "vector"]) for part in embeddings]
    if not vectors:
        return rows.append_column("vector", pa.nulls(rows.num_rows, pa.list_(pa.float16())))
    found = pa.concat_tables(vectors)
    found = found.filter(pc.equal(found["encoder"], encoder))
    place = pc.index_in(rows["image_id"], found["image_id"].combine_chunks())
    return rows.append_column("vector", found["vector"].combine_chunks().take(place.combine_chunks()))


def make_worker(tables: Tables, params: DedupParams) -> Worker:
    """Holds the eval sets, one index each."""
    encoder = _resolve_encoder(tables, params.encoder)
    sets = [read_eval_set(tables, name, encoder) for name in sorted(set(params.against))]

    def work(rows: pa.Table) -> dict[str, pa.Table]:
        found = [_find_candidates(rows, one, encoder, params) for one in sets]
        return {"duplicate_candidates": pa.concat_tables([_CANDIDATES.empty_table(), *found])}

    return work


def _find_candidates(rows: pa.Table, one: EvalSet, encoder: str, params: DedupParams) -> pa.Table:
    """All pairs of these rows with one eval set that are worth a look."""
    from curate.vision.copies import MIRROR, informative
    from curate.vision.neighbors import hamming_search, search, similarity_of_pairs
    from curate.vision.vectors import column_vectors

    codes = rows["phash"].fill_null(0).to_numpy().astype(np.uint64)
    has_code = informative(codes)
    described, vectors_ND = column_vectors(rows["vector"].combine_chunks())
    pairs: list[int] = []  # query * len(set) + eval image
    for i, digest in enumerate(rows["sha256"].to_pylist()):
        pairs.extend(i * len(one.ids) + j for j in one.digests.get(digest, ()))
    own, theirs = np.flatnonzero(has_code), np.flatnonzero(one.has_code)
    blocks = [np.array(pairs, np.int64)]
    for mirror in (np.uint64(0), MIRROR):
        query, base, _ = hamming_search(codes[own], one.codes[theirs] ^ mirror, SEARCHED_BITS)
        blocks.append(own[query] * len(one.ids) + theirs[base])
    if len(described) and len(one.described):
        _same_length(vectors_ND, one.vectors, encoder)
        _, base_QK = search(vectors_ND, one.vectors, params.k, device=params.device)
        blocks.append((described[:, None] * len(one.ids) + one.described[base_QK]).ravel())
    query, base = np.divmod(np.unique(np.concatenate(blocks)), max(1, len(one.ids)))
    straight = np.bitwise_count(codes[query] ^ one.codes[base]).astype(np.int32)
    mirrored = np.bitwise_count(codes[query] ^ one.codes[base] ^ MIRROR).astype(np.int32)
    no_code = ~(has_code[query] & one.has_code[base])
    left, right = _places(rows.num_rows, described)[query], _places(len(one.ids), one.described)[base]
    both = (left >= 0) & (right >= 0)
    similarity = np.full(len(query), np.nan)
    similarity[both] = similarity_of_pairs(vectors_ND, left[both], one.vectors, right[both])
    digests = rows["sha256"].take(pa.array(query)).to_pylist()
    same = [j in one.digests.get(digest, ()) for digest, j in zip(digests, base.tolist(), strict=True)]
    return pa.table({
        "image_id": rows["image_id"].take(pa.array(query)), "eval_set": pa.array([one.name] * len(query), pa.string()),
        "eval_image_id": one.ids.take(pa.array(base)), "encoder": pa.array([encoder] * len(query), pa.string()),
        "same_bytes": pa.array(same, pa.bool_()),
        "phash_distance": pa.array(np.minimum(straight, mirrored), pa.int32(), mask=no_code),
        "similarity": pa.array(similarity, mask=~both), "is_flipped": pa.array((mirrored < straight) & ~no_code),
    }).cast(_CANDIDATES)  # fmt: skip


def _same_length(left_ND: Any, right_ND: Any, encoder: str) -> None:
    if left_ND.shape[1] != right_ND.shape[1]:
        what = f"vectors of {left_ND.shape[1]} numbers in the corpus and of {right_ND.shape[1]} in the eval set"
        raise MissingInputError(what, where=f"encoder {encoder}", fix="Run 'curate embed' again.")


def _places(n: int, present: Any) -> Any:
    """For each of n rows its place among those present, or -1."""
    places = np.full(n, -1, np.int64)
    places[present] = np.arange(len(present))
    return places


def gather_decisions(tables: Tables, params: DedupParams) -> Mapping[str, Rows]:
    """Decide on the candidates, and cluster the corpus."""
    encoder = _resolve_encoder(tables, params.encoder)
    sets = [read_eval_set(tables, name, encoder) for name in sorted(set(params.against))]
    limits = Limits(params.precision, params.max_phash_distance, params.min_similarity, params.k, params.device)
    copies = find_copies(tables, sets, limits)
    clusters = cluster_corpus(
        tables, encoder, precision=params.precision, k=params.k, device=params.device, within=params.within
    )
    return {"near_duplicates": copies, "duplicate_clusters": clusters}


STAGE = ShardStage(
    name="dedup",
    version=1,
    params=DedupParams,
    reads=("images",),
    shared=("eval_images", "eval_sets", "eval_embeddings"),
    optional=("embeddings", "eval_images", "eval_sets", "eval_embeddings"),
    writes=("duplicate_candidates",),
    gathers=("near_duplicates", "duplicate_clusters"),
    parts=cut_parts,
    make_worker=make_worker,
    gather=gather_decisions,
    part_params=("against", "k"),
    pool="device",
    batch_rows=4096,
    doc="Find near-duplicates of eval sets, and copies within the corpus.",
)
