"""Candidates for dedup: the images of an eval set that an image may be a copy of, before any pixel is compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.errors import InputError
from curate.stage import Tables
from curate.stages.eval_images import EvalImages, read_eval_images

SEARCHED_BITS = 12
"""Pairs of perceptual hashes that differ in more bits are no candidates."""

_GATE_SAMPLE = 4096


@dataclass(frozen=True)
class Index:
    """One eval set, ready to be searched.

    Attributes:
        images: Its images.
        encoder: Full name of the encoder; '' = none.
        by_digest: Images by SHA-256.
        has_code: Whose perceptual hash says something.
        owner: Image of each row of `vectors`; an image has a row per view.
        vectors: float32, descriptors of all views.
        k: Nearest images that are looked at.
        gate: Least suspicion of what is compared because of its descriptor.
        device: Where neighbours are searched.
    """

    images: EvalImages
    encoder: str
    by_digest: dict[str, list[int]]
    has_code: NDArray[np.bool_]
    owner: NDArray[np.int64]
    vectors: NDArray[np.float32]
    k: int
    gate: float
    device: str


@dataclass(frozen=True)
class Pairs:
    """Candidates: rows of queries and eval images, with what is known of them before their pixels are seen."""

    query: NDArray[np.int64]
    image: NDArray[np.int64]
    same_bytes: NDArray[np.bool_]
    bits: Any  # Hamming distance, int32, NULL where one has no hash
    similarity: Any  # cosine, float64, NULL where one has no descriptor
    tile: Any  # correlation of thumbs, float64, NULL unless that alone brought the pair up


@dataclass(frozen=True)
class Queries:
    """Images that are searched for in a set.

    Attributes:
        digests: SHA-256 of each.
        codes: Perceptual hashes, 0 where there is none; uint64.
        described: Rows that have a descriptor, ascending.
        vectors: float32, the descriptors of these.
        itself: An eval image that each is not paired with; None where they are no images of the set.
    """

    digests: Sequence[str]
    codes: NDArray[np.uint64]
    described: NDArray[np.int64]
    vectors: NDArray[np.float32]
    itself: NDArray[np.int64] | None


def queries_of(
    digests: Sequence[str], codes: NDArray[np.uint64], vectors: pa.ChunkedArray, itself: NDArray[np.int64] | None
) -> Queries:
    """Images with what is known of them; vectors are NULL where there is none."""
    from curate.vision.vectors import column_vectors

    return Queries(digests, codes, *column_vectors(vectors.combine_chunks()), itself)


def read_index(tables: Tables, encoder: str, params: Any, name: str) -> Index:
    """Read an eval set and its descriptors.

    Args:
        tables: eval_images, eval_sets, eval_embeddings.
        encoder: Full name of the encoder; '' = none.
        params: Parameters of dedup.
        name: Of the set.
    """
    from curate.vision.copies import informative
    from curate.vision.vectors import column_vectors

    images = read_eval_images(tables, name)
    rows = tables.arrow("eval_embeddings", ["eval_set", "eval_image_id", "encoder", "view", "vector"])
    rows = rows.filter(pc.and_(pc.equal(rows["eval_set"], name), pc.equal(rows["encoder"], encoder)))
    place = pc.index_in(rows["eval_image_id"], pa.array(images.ids, pa.string()))
    rows = rows.append_column("place", place).filter(pc.is_valid(place))
    rows = rows.sort_by([("place", "ascending"), ("view", "ascending")])
    _, vectors_ND = column_vectors(rows["vector"].combine_chunks())
    owner = rows["place"].to_numpy().astype(np.int64)
    by_digest: dict[str, list[int]] = {}
    for i, digest in enumerate(images.digests):
        by_digest.setdefault(digest, []).append(i)
    straight = rows["view"].to_numpy(zero_copy_only=False) == ""
    gate = _gate(vectors_ND, owner, straight, params)
    return Index(
        images, encoder, by_digest, informative(images.codes), owner, vectors_ND, params.k, gate, params.device
    )


def _gate(vectors_ND: NDArray[np.float32], owner: NDArray[np.int64], straight: Any, params: Any) -> float:
    """The suspicion that a share `compare` of unrelated images exceeds; eval images stand in for them."""
    if params.compare >= 1 or not len(vectors_ND):
        return -np.inf
    sample = np.flatnonzero(straight)
    sample = sample[:: max(1, len(sample) // _GATE_SAMPLE)]
    _, similarity_QK = _nearest(vectors_ND[sample], vectors_ND, owner, params.k, params.device, owner[sample])
    return float(np.quantile(suspicion(similarity_QK), 1.0 - params.compare))


def suspicion(similarity_QK: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the nearest image stands out: its cosine less the mean of the next ones.

    The next ones are the background that Pizzi et al. (SSCD, CVPR 2022) subtract, taken from the eval set itself.

    Args:
        similarity_QK: Cosines of the K nearest images, largest first; -inf where there are fewer.
    """
    background = np.where(np.isfinite(similarity_QK[:, 1:]), similarity_QK[:, 1:], -1.0)
    if not background.shape[1]:
        return similarity_QK[:, 0]
    return np.asarray(similarity_QK[:, 0] - background.mean(axis=1))


def candidates(asked: Queries, one: Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of some images with the set that are worth a comparison, before any pixel is looked at.

    Args:
        asked: The images.
        one: The set.

    Returns:
        Pairs of equal bytes, and all pairs, each once; query × size of the set + eval image, ascending.

    Raises:
        InputError: Descriptors of other length than those of the set.
    """
    from curate.vision.copies import MIRROR, informative
    from curate.vision.neighbors import hamming_search

    n = len(one.images.ids)
    same = [i * n + j for i, digest in enumerate(asked.digests) for j in one.by_digest.get(digest, ())]
    mine, theirs = np.flatnonzero(informative(asked.codes)), np.flatnonzero(one.has_code)
    blocks = [np.array(same, np.int64)]
    for mirror in (np.uint64(0), MIRROR):
        query, image, _ = hamming_search(asked.codes[mine], one.images.codes[theirs] ^ mirror, SEARCHED_BITS)
        blocks.append(mine[query] * n + theirs[image])
    if len(asked.described) and len(one.vectors):
        _same_length(asked.vectors, one)
        itself = None if asked.itself is None else asked.itself[asked.described]
        images_QK, similarity_QK = _nearest(asked.vectors, one.vectors, one.owner, one.k, one.device, itself)
        open_Q = suspicion(similarity_QK) >= one.gate
        wanted = (asked.described[:, None] * n + images_QK)[open_Q]
        blocks.append(wanted[np.isfinite(similarity_QK[open_Q])])
    return _others(blocks[0], asked, n), _others(np.unique(np.concatenate(blocks)), asked, n)


def _others(key: NDArray[np.int64], asked: Queries, n: int) -> NDArray[np.int64]:
    """Pairs of different images."""
    return key if asked.itself is None else key[key % max(1, n) != asked.itself[key // max(1, n)]]


def described_pairs(same: NDArray[np.int64], known: NDArray[np.int64], shown: Any, asked: Queries, one: Index) -> Pairs:
    """Candidates with hash distance and cosine, sorted by query, then image.

    Args:
        same: Of `candidates`.
        known: Likewise.
        shown: Further pairs that parts of images brought up, as `tiles.find_tiles` gives them: queries, eval images,
            correlations.
        asked: The images.
        one: The set.
    """
    from curate.vision.copies import MIRROR, informative

    n = len(one.images.ids)
    query, image, correlation = shown
    further = query * n + image  # ascending
    key = _others(np.union1d(known, further), asked, n)
    tile = np.full(len(key), np.nan)
    by_tile = np.isin(key, known, invert=True)
    tile[by_tile] = correlation[np.searchsorted(further, key[by_tile])]
    query, image = np.divmod(key, max(1, n))
    distance = np.minimum(
        np.bitwise_count(asked.codes[query] ^ one.images.codes[image]),
        np.bitwise_count(asked.codes[query] ^ one.images.codes[image] ^ MIRROR),
    )
    similarity = _similarity(query, image, asked, one)
    return Pairs(
        query, image, np.isin(key, same),
        pa.array(distance.astype(np.int32), mask=~(informative(asked.codes)[query] & one.has_code[image])),
        pa.array(similarity, mask=np.isnan(similarity)), pa.array(tile, mask=np.isnan(tile)),
    )  # fmt: skip


def _nearest(
    queries_QD: NDArray[np.float32], base_ND: NDArray[np.float32], owner: NDArray[np.int64], k: int, device: str,
    not_with: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """The k nearest images of each query, each by its nearest view: images and cosines, -inf where there are fewer.

    An image in not_with, one for each query, does not count.
    """
    from curate.vision.neighbors import search

    views = int(np.bincount(owner).max(initial=1))
    similarity_QK, row_QK = search(queries_QD, base_ND, views * (k + (not_with is not None)), device=device)
    image_QK = owner[row_QK]
    # Nearest first: an image counts where it comes up first.
    first_QK = (image_QK[:, :, None] == image_QK[:, None, :]).argmax(axis=2)
    left_out_QK = first_QK < np.arange(image_QK.shape[1])
    if not_with is not None:
        left_out_QK |= image_QK == not_with[:, None]
    similarity = np.where(left_out_QK, -np.inf, similarity_QK.astype(np.float64))
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(image_QK, order, 1), np.take_along_axis(similarity, order, 1)


def _similarity(query: Any, image: Any, asked: Queries, one: Index) -> NDArray[np.float64]:
    """Cosine of each pair by the nearer view; NaN where one has no descriptor."""
    from curate.vision.neighbors import similarity_of_pairs

    row = np.full(int(query.max(initial=-1)) + 1, -1, np.int64)
    inside = asked.described < len(row)
    row[asked.described[inside]] = np.flatnonzero(inside)
    similarity = np.full(len(query), np.nan)
    first = np.searchsorted(one.owner, np.arange(len(one.images.ids) + 1))
    for view in range(int(np.diff(first).max(initial=0))):
        theirs = first[image] + view
        both = (row[query] >= 0) & (theirs < first[image + 1])
        found = similarity_of_pairs(asked.vectors, row[query][both], one.vectors, theirs[both])
        similarity[both] = np.fmax(similarity[both], found)
    return similarity


def _same_length(vectors_ND: Any, one: Index) -> None:
    if vectors_ND.shape[1] != one.vectors.shape[1]:
        what = f"vectors of {vectors_ND.shape[1]} numbers in the corpus and of {one.vectors.shape[1]} in the eval set"
        raise InputError(what, where=f"encoder {one.encoder}", fix="Run 'curate embed' again.")
