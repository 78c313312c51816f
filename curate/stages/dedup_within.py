"""Copies within the corpus, for dedup: pairs of images, and the clusters that they make."""

import logging
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.stage import Tables

Vectors = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows that have a descriptor, and their descriptors."""

log = logging.getLogger(__name__)

_SEARCHED_BITS = 4  # more would make the self-join slow, and chance takes over soon after
_BACKGROUND_SAMPLE = 20_000
LEAST_DISTANCE = 1e-6
"""1 - cosine of vectors that differ by rounding to half precision alone; nothing counts as nearer."""
_GAPS = Path(__file__).parent / "sql" / "dedup_gaps.sql"


def measure_gaps(con: duckdb.DuckDBPyConnection, eval_set: str) -> pa.Table:
    """How far the best match of each image stands out from the next ones, see sql/dedup_gaps.sql.

    Args:
        con: Has candidates (image_id, eval_set, eval_image_id, similarity) and families (eval_image_id, family).
        eval_set: Which candidates to look at.

    Returns:
        image_id, family of the best match, d2, gap, and decoy (NULL where there are only two neighbours).
    """
    values = {"eval_set": eval_set, "least": LEAST_DISTANCE}
    return con.sql(_GAPS.read_text(encoding="utf-8"), params=values).to_arrow_table()


def cluster_corpus(tables: Tables, encoder: str, *, precision: float, k: int, device: str, within: bool) -> pa.Table:
    """Clusters of corpus images that are copies of each other.

    Args:
        tables: images and embeddings.
        encoder: Full name of the encoder for `within`.
        precision: Wanted share of true copies among the pairs that join a cluster.
        k: Nearest images that are looked at for `within`.
        device: Where neighbours are searched.
        within: Whether descriptors count too, beside bytes and perceptual hashes.

    Returns:
        Rows of duplicate_clusters.
    """
    from curate.vision.copies import components

    images = tables.arrow("images", ["image_id", "sha256", "phash", "width", "height", "status"])
    images = images.filter(pc.equal(images["status"], "ok")).sort_by("image_id")
    n = images.num_rows
    pairs = [_equal(images["sha256"]), _near(images["phash"], precision)]
    if within and encoder:
        so_far = components(n, *np.concatenate(pairs).T)
        vectors = _corpus_vectors(tables, encoder, images["image_id"])
        pairs.append(outstanding_pairs(tables.connect(), vectors, so_far, precision=precision, k=k, device=device))
    return _clusters(images, components(n, *np.concatenate(pairs).T))


def _equal(digests: pa.ChunkedArray) -> Any:
    """Each image with the first one of the same bytes."""
    code = digests.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    rows = np.arange(len(code))
    return np.stack([first[inverse], rows], axis=1)[first[inverse] != rows]


def _near(column: pa.ChunkedArray, precision: float) -> Any:
    """Pairs of near perceptual hashes; equal ones are joined through the first image that has them."""
    from curate.vision.copies import background, hamming_threshold, informative
    from curate.vision.neighbors import hamming_histogram, hamming_self_join

    codes = column.fill_null(0).to_numpy().astype(np.uint64)
    rows = np.flatnonzero(informative(codes))
    distinct, first, inverse = np.unique(codes[rows], return_index=True, return_inverse=True)
    equal = np.stack([rows[first[inverse]], rows], axis=1)[first[inverse] != np.arange(len(rows))]
    left, right = hamming_self_join(distinct, _SEARCHED_BITS)
    distance = np.bitwise_count(distinct[left] ^ distinct[right])
    sample = codes[rows][:_BACKGROUND_SAMPLE]
    histogram = hamming_histogram(sample, sample)
    histogram[0] -= len(sample)
    scale = len(rows) * (len(rows) - 1) / max(1, len(sample) * (len(sample) - 1))
    found = np.bincount(distance, minlength=_SEARCHED_BITS + 1)
    found[0] = len(equal)
    expected = background(histogram // 2)[: _SEARCHED_BITS + 1] * scale
    bits, _ = hamming_threshold(found, expected, precision)
    log.info("corpus: perceptual hashes of copies differ in at most %d bits", bits)
    near = np.stack([rows[first[left]], rows[first[right]]], axis=1)[distance <= bits]
    return np.concatenate([equal, near]) if bits >= 0 else near


def outstanding_pairs(
    con: duckdb.DuckDBPyConnection, vectors: Vectors, family: Any, *, precision: float, k: int, device: str
) -> Any:
    """Images whose nearest neighbour in their own set stands out from the next ones, each with that neighbour.

    Args:
        con: A connection; what it has under the names candidates and families is replaced.
        vectors: Rows that have a descriptor, and the descriptors.
        family: For every row of the set the smallest row that it is already known to be a copy of.
        precision: Wanted share of true copies among the pairs.
        k: Neighbours that are looked at; twice as many are fetched, as known copies do not count.
        device: Where they are searched.

    Returns:
        int64, pairs × 2: a row, and the first row of its neighbour's family.
    """
    from curate.vision.copies import threshold
    from curate.vision.neighbors import search

    described, vectors_ND = vectors
    similarity_QK, base_QK = search(vectors_ND, vectors_ND, 2 * k + 1, device=device)
    query, base = np.repeat(described, base_QK.shape[1]), described[base_QK.ravel()]
    others = family[query] != family[base]
    con.register("candidates", pa.table({
        "image_id": query[others], "eval_set": pa.array([""] * int(others.sum()), pa.string()),
        "eval_image_id": base[others], "similarity": similarity_QK.ravel()[others].astype(np.float64),
    }))  # fmt: skip
    con.register("families", pa.table({"eval_image_id": np.arange(len(family)), "family": family}))
    gaps = measure_gaps(con, "")
    con.unregister("candidates")
    con.unregister("families")
    least, _ = threshold(gaps["gap"].to_numpy(), gaps["decoy"].drop_null().to_numpy(), precision)
    kept = gaps.filter(pc.greater_equal(gaps["gap"], least))
    return np.stack([kept["image_id"].to_numpy(), kept["family"].to_numpy()], axis=1)


def _corpus_vectors(tables: Tables, encoder: str, ids: pa.ChunkedArray) -> Vectors:
    from curate.vision.vectors import column_vectors

    rows = tables.arrow("embeddings", ["image_id", "encoder", "vector"])
    rows = rows.filter(pc.equal(rows["encoder"], encoder))
    place = pc.index_in(ids, rows["image_id"].combine_chunks()).combine_chunks()
    return column_vectors(rows["vector"].combine_chunks().take(place))


def _clusters(images: pa.Table, label: Any) -> pa.Table:
    """Rows for every cluster of two or more. Images come sorted by id: a smaller row has a smaller id."""
    size = np.bincount(label, minlength=len(label))[label] if len(label) else label
    rows = np.flatnonzero(size > 1)
    pixels = (images["width"].cast(pa.int64()).to_numpy() * images["height"].cast(pa.int64()).to_numpy())[rows]
    order = np.lexsort((rows, -pixels, label[rows]))
    _, first = np.unique(label[rows][order], return_index=True)
    is_representative = np.zeros(len(rows), bool)
    is_representative[order[first]] = True
    return pa.table({
        "image_id": images["image_id"].take(pa.array(rows)),
        "cluster_id": images["image_id"].take(pa.array(label[rows])),
        "is_representative": pa.array(is_representative),
    })  # fmt: skip
