"""Copies within the corpus, for dedup: pairs of images, and the clusters that they make."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.stage import StoredPart, Tables
from curate.stages.queries import sql_of

log = logging.getLogger(__name__)

_SEARCHED_BITS = 4  # more would make the self-join slow, and chance takes over soon after
_BACKGROUND_SAMPLE = 20_000
_LEAST_DISTANCE = 1e-6  # 1 - cosine of vectors that differ by rounding to half precision alone
_IN_MEMORY_BYTES = 2 << 30  # vectors beyond that are mapped from a temporary file


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
    from curate.vision.copies import components, stars

    images = tables.arrow("images", ["image_id", "sha256", "phash", "width", "height", "status"])
    images = images.filter(pc.equal(images["status"], "ok")).sort_by("image_id")
    n = images.num_rows
    same_hash, near_hash = _near(images["phash"], precision)
    # What is equal is one node: only edges between different pictures can chain.
    node = components(n, *np.concatenate([_equal(images["sha256"]), same_hash]).T)
    edges = [near_hash]
    if within and encoder:
        so_far = components(n, *np.concatenate([np.stack([np.arange(n), node], axis=1), near_hash]).T)
        with _corpus_vectors(tables, encoder, images["image_id"]) as (rows, vectors_ND):
            edges.append(_outstanding(rows, vectors_ND, so_far, precision, k, device))
    left, right = node[np.concatenate(edges).T]
    return _clusters(images, stars(n, left, right)[node])


def _equal(digests: pa.ChunkedArray) -> Any:
    """Each image with the first one of the same bytes."""
    code = digests.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    rows = np.arange(len(code))
    return np.stack([first[inverse], rows], axis=1)[first[inverse] != rows]


def _near(column: pa.ChunkedArray, precision: float) -> tuple[Any, Any]:
    """Pairs of equal perceptual hashes, each with the first image that has it, and pairs of near ones."""
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
    return (equal if bits >= 0 else equal[:0]), near


def _outstanding(
    rows: NDArray[np.int64], vectors_ND: NDArray[np.float32], family: Any, precision: float, k: int, device: str
) -> Any:
    """Images whose nearest neighbour stands out from the next ones, each with that neighbour; int64, pairs × 2.

    Known copies (`family`) do not count as neighbours, so twice as many are fetched.
    """
    from curate.vision.blocks import BLOCK_ROWS, measure_recall, self_search
    from curate.vision.copies import threshold

    similarity_NK, index_NK = self_search(vectors_ND, 2 * k + 1, device=device)
    if len(vectors_ND) > 2 * BLOCK_ROWS:
        share = measure_recall(vectors_ND, index_NK, device=device)
        log.info("corpus: the search in blocks finds %.1f %% of the nearest neighbours", 100 * share)
    image, other = np.repeat(rows, index_NK.shape[1]), rows[index_NK.ravel()]
    usable = (family[image] != family[other]) & (index_NK.ravel() >= 0)
    with duckdb.connect() as con:
        con.register("neighbours", pa.table({
            "image": image[usable], "other": other[usable], "family": family[other[usable]],
            "similarity": similarity_NK.ravel()[usable].astype(np.float64),
        }))  # fmt: skip
        query = sql_of("dedup_gaps")
        gaps = con.sql(query, params={"least": _LEAST_DISTANCE}).to_arrow_table()
    least, _ = threshold(gaps["gap"].to_numpy(), gaps["decoy"].drop_null().to_numpy(), precision)
    kept = gaps.filter(pc.greater_equal(gaps["gap"], least))
    return np.stack([kept["image"].to_numpy(), kept["other"].to_numpy()], axis=1)


@contextmanager
def _corpus_vectors(
    tables: Tables, encoder: str, ids: pa.ChunkedArray
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Rows of the corpus with a descriptor, ascending, and the descriptors; mapped from disk if they are many."""
    from curate.vision.vectors import column_vectors

    def of_encoder(part: StoredPart, columns: list[str]) -> tuple[pa.Table, Any]:
        rows = pq.read_table(part.path, columns=["image_id", "encoder", *columns])
        rows = rows.filter(pc.equal(rows["encoder"], encoder))
        place = pc.index_in(rows["image_id"], ids.combine_chunks())
        there = pc.is_valid(place)
        return rows.filter(there), place.filter(there).to_numpy().astype(np.int64)

    parts = [part for part in tables.parts("embeddings") if part.n_rows]
    places = [of_encoder(part, [])[1] for part in parts]
    rows = np.sort(np.concatenate([np.zeros(0, np.int64), *places]))
    with tempfile.TemporaryFile(dir=tables.folder) as file:
        vectors_ND: Any = np.zeros((0, 1), np.float32)
        for part in parts:
            table, place = of_encoder(part, ["vector"])
            if not len(place):
                continue
            _, found_MD = column_vectors(table["vector"].combine_chunks())
            if not len(vectors_ND):
                shape = (len(rows), found_MD.shape[1])
                in_memory = 4 * shape[0] * shape[1] <= _IN_MEMORY_BYTES
                mapped = partial(np.memmap, file, mode="w+")
                vectors_ND = (np.zeros if in_memory else mapped)(shape=shape, dtype=np.float32)
            vectors_ND[np.searchsorted(rows, place)] = found_MD
        yield rows, vectors_ND


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
