"""From images to compared pairs, for dedup: candidates by bytes, hash, descriptor and parts, then their pixels."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import MissingInputError
from curate.schema import table_schema
from curate.stage import Tables
from curate.stages.dedup_rows import CORPUS, EVAL, PLANTED
from curate.stages.dedup_search import Index, Pairs, Queries, candidates, described_pairs, queries_of, read_index
from curate.stages.eval_images import EvalImages, eval_pixels, planted_copy, read_verified

if TYPE_CHECKING:
    from curate.vision.tiles import TileIndex

log = logging.getLogger(__name__)

_WORKING_PX = 256  # short side of what is decoded for a comparison
_KEPT_FEATURES = 1 << 15  # of eval images, some 100 kB each


@dataclass(frozen=True)
class Prepared:
    """An eval set, ready to be searched and compared with.

    Attributes:
        index: For the search.
        features: Local features of an image by its place; cached. None where it cannot be read.
        tiles: Gives the thumbs of all images; made once.
        threads: For comparisons.
    """

    index: Index
    features: Callable[[int], Any]
    tiles: Callable[[], "TileIndex"]
    threads: ThreadPoolExecutor


def prepare(tables: Tables, encoder: str, params: Any, threads: ThreadPoolExecutor, name: str) -> Prepared:
    """Read an eval set and its descriptors.

    Args:
        tables: eval_images, eval_sets, eval_embeddings.
        encoder: Full name of the encoder; '' = none.
        params: Parameters of dedup.
        threads: For comparisons.
        name: Of the set.
    """
    index = read_index(tables, encoder, params, name)
    features = lru_cache(_KEPT_FEATURES)(partial(_eval_features, index.images))
    return Prepared(index, features, cache(partial(_index_tiles, index.images, threads)), threads)


def compare_rows(rows: pa.Table, one: Prepared | None) -> dict[str, pa.Table]:
    """Send images of one kind through the search and the comparison.

    Args:
        rows: WORK of dedup_rows.py, of one eval set.
        one: That set; None if there are no rows.

    Returns:
        Rows of duplicate_candidates, planted_copies and eval_twins; only the one that fits their kind has any.
    """
    kind = rows["kind"][0].as_py() if rows.num_rows and one else ""
    found = {name: table_schema(name).arrow.empty_table() for name in _ROWS_OF.values()}
    if one and kind:
        found[_ROWS_OF[kind]] = {CORPUS: _corpus, EVAL: _twins, PLANTED: _planted}[kind](rows, one)
    return found


_ROWS_OF = {CORPUS: "duplicate_candidates", PLANTED: "planted_copies", EVAL: "eval_twins"}


def _corpus(rows: pa.Table, one: Prepared) -> pa.Table:
    pairs, matches = _matched(_queries(rows), _readers(rows), one)
    return _table("duplicate_candidates", pairs, matches, one, {
        "image_id": rows["id"].take(pa.array(pairs.query)), "eval_image_id": _ids(one, pairs.image),
        "same_bytes": pa.array(pairs.same_bytes), "phash_distance": pairs.bits, "similarity": pairs.similarity,
        "tile_similarity": pairs.tile,
        **{name: pa.array([m and getattr(m, name) for m in matches]) for name in _GEOMETRY},
    })  # fmt: skip


def _twins(rows: pa.Table, one: Prepared) -> pa.Table:
    """Pairs of different images of the set."""
    place = {identifier: i for i, identifier in enumerate(one.index.images.ids)}
    own = np.array([place[identifier] for identifier in rows["id"].to_pylist()], np.int64)
    pairs, matches = _matched(_queries(rows, own), _readers(rows), one)
    return _table("eval_twins", pairs, matches, one, {
        "eval_image_id": rows["id"].take(pa.array(pairs.query)), "other_id": _ids(one, pairs.image),
        "same_bytes": pa.array(pairs.same_bytes),
    })  # fmt: skip


def _planted(rows: pa.Table, one: Prepared) -> pa.Table:
    """How each copy did: its score with the original, and the best with any other image."""
    place = {identifier: i for i, identifier in enumerate(one.index.images.ids)}
    own = np.array([place.get(identifier, -1) for identifier in rows["id"].to_pylist()], np.int64)
    kinds, strengths = rows["transform"].to_pylist(), rows["strength"].to_pylist()
    made = list(one.threads.map(partial(_planted_one, one.index.images), own.tolist(), kinds, strengths))
    digests, codes = [digest for _, digest, _ in made], np.array([code for _, _, code in made], np.uint64)
    readers = [partial(_planted_pixels, data) for data, _, _ in made]
    pairs, matches = _matched(queries_of(digests, codes, rows["vector"], None), readers, one)
    scores = np.array([np.nan if match is None else match.score for match in matches])
    right = own[pairs.query] == pairs.image
    other = np.full(rows.num_rows, np.nan)
    alone = np.array([kind != "collage" for kind in kinds], bool)  # a collage holds a second eval image
    wrong = np.flatnonzero(~right & ~np.isnan(scores) & alone[pairs.query])
    np.fmax.at(other, pairs.query[wrong], scores[wrong])
    hit = np.full(rows.num_rows, -1, np.int64)
    hit[pairs.query[right]] = np.flatnonzero(right)
    found = pa.array(hit, mask=hit < 0)
    columns = {
        "eval_set": rows["eval_set"], "eval_image_id": rows["id"], "transform": rows["transform"],
        "half": rows["half"], "strength": rows["strength"],
        "encoder": pa.array([one.index.encoder] * rows.num_rows, pa.string()),
        "phash_distance": pairs.bits.take(found), "similarity": pairs.similarity.take(found),
        "score": pa.array(scores, mask=np.isnan(scores)).take(found),
        "other_score": pa.array(other, mask=np.isnan(other)),
        "found_as": pa.array([m and (m.transform or None) for m in matches], pa.string()).take(found),
    }  # fmt: skip
    usable = pa.array([data is not None for data, _, _ in made])
    return (
        pa.table(columns)
        .select(table_schema("planted_copies").arrow.names)
        .filter(usable)
        .cast(table_schema("planted_copies").arrow)
    )


def _planted_one(images: EvalImages, place: int, transform: str, strength: float) -> tuple[bytes | None, str, int]:
    """The file of a planted copy, its SHA-256 and its perceptual hash."""
    from curate.vision.measure import Measures

    data = planted_copy(images, place, transform, strength) if place >= 0 else None
    if data is None:
        return None, "", 0
    measures = Measures(max_pixels=1 << 62)
    measures.add(data)
    columns = measures.columns()
    return data, columns["sha256"][0], columns["phash"][0] or 0


def _planted_pixels(data: bytes | None) -> Any:
    from curate.vision.decode import decode

    return None if data is None else decode(data, min_size_px=_WORKING_PX).pixels


def _readers(rows: pa.Table) -> list[Callable[[], Any]]:
    """For every row a function that gives its pixels, None where they cannot be read."""
    names = ("path", "byte_offset", "byte_length", "sha256")
    return [partial(_pixels, *one) for one in zip(*(rows[name].to_pylist() for name in names), strict=True)]


def _pixels(path: str, offset: int, length: int, digest: str) -> Any:
    from curate.vision.decode import decode

    try:
        data = read_verified(path, offset, length, digest)
        return decode(data, min_size_px=_WORKING_PX, max_pixels=1 << 62).pixels
    except MissingInputError as error:
        log.warning("not compared: %s", error)
        return None


def _eval_features(images: EvalImages, place: int) -> Any:
    from curate.vision.verify import extract

    try:
        return extract(eval_pixels(images, place, _WORKING_PX))
    except MissingInputError as error:
        log.warning("not compared: %s", error)
        return None


def _index_tiles(images: EvalImages, threads: ThreadPoolExecutor) -> "TileIndex":
    from curate.vision.tiles import index_tiles

    return index_tiles(list(threads.map(partial(_eval_thumbs, images), range(len(images.ids)))))


def _eval_thumbs(images: EvalImages, place: int) -> Any:
    from curate.vision.features import whole_thumbs

    try:
        return whole_thumbs(eval_pixels(images, place, _WORKING_PX))
    except MissingInputError:
        return None  # said when its features are asked for


def _queries(rows: pa.Table, itself: NDArray[np.int64] | None = None) -> Queries:
    codes = np.asarray(rows["phash"].fill_null(0).to_numpy(), np.uint64)
    return queries_of(rows["sha256"].to_pylist(), codes, rows["vector"], itself)


def _matched(asked: Queries, readers: Sequence[Callable[[], Any]], one: Prepared) -> tuple[Pairs, list[Any]]:
    """Candidates of some images, and a `Match` for each; None for equal bytes and for what cannot be read.

    Args:
        asked: The images.
        readers: Gives the pixels of each, None where they cannot be read.
        one: The set.
    """
    same, known = candidates(asked, one.index)
    open_queries = np.unique(np.setdiff1d(known, same) // max(1, len(one.index.images.ids))).tolist()
    found = one.threads.map(partial(_own_features, readers), open_queries)
    features = dict(zip(open_queries, found, strict=True))
    pairs = described_pairs(same, known, _shown(features, one), asked, one.index)
    wanted = np.flatnonzero(~pairs.same_bytes)
    matches: list[Any] = [None] * len(pairs.query)
    work = partial(_compare_pair, pairs, one, features)
    for i, match in zip(wanted.tolist(), one.threads.map(work, wanted.tolist()), strict=True):
        matches[i] = match
    return pairs, matches


def _own_features(readers: Sequence[Callable[[], Any]], query: int) -> Any:
    from curate.vision.verify import extract

    pixels = readers[query]()
    return None if pixels is None else extract(pixels)


def _shown(features: dict[int, Any], one: Prepared) -> tuple[Any, Any, Any]:
    """Eval images that stand out for a part of an image: images, eval images, correlations."""
    from curate.vision.tiles import find_tiles

    parts = {query: own.thumbs_KTT[own.is_part_K] for query, own in features.items() if own is not None}
    query_P = np.repeat(np.array(list(parts), np.int64), [len(thumbs) for thumbs in parts.values()])
    if not len(query_P):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    return find_tiles(np.concatenate(list(parts.values())), query_P, one.tiles(), one.index.device)


def _compare_pair(pairs: Pairs, one: Prepared, features: dict[int, Any], i: int) -> Any:
    from curate.vision.verify import compare

    own, theirs = features[int(pairs.query[i])], one.features(int(pairs.image[i]))
    return None if own is None or theirs is None else compare(theirs, own)


_GEOMETRY = ("scale", "rotation", "box_left", "box_top", "box_right", "box_bottom")


def _table(name: str, pairs: Pairs, matches: list[Any], one: Prepared, columns: dict[str, Any]) -> pa.Table:
    schema = table_schema(name).arrow
    shared = {
        "eval_set": pa.array([one.index.images.name] * len(pairs.query), pa.string()),
        "encoder": pa.array([one.index.encoder] * len(pairs.query), pa.string()),
        "score": pa.array([m and m.score for m in matches], pa.float64()),
        "transform": pa.array([m and (m.transform or None) for m in matches], pa.string()),
    }
    return pa.table({**shared, **columns}).select(schema.names).cast(schema)


def _ids(one: Prepared, image: Any) -> pa.Array:
    return pa.array(one.index.images.ids, pa.string()).take(pa.array(image))
