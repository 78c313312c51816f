"""Which candidates of dedup are copies of evaluation images."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import Tables
from curate.stages.dedup_within import LEAST_DISTANCE, measure_gaps, outstanding_pairs

log = logging.getLogger(__name__)

SEARCHED_BITS = 12
"""Pairs of perceptual hashes that differ in more bits are no candidates."""

_BACKGROUND_SAMPLE = 20_000
_DOUBT = 0.5


@dataclass(frozen=True)
class EvalSet:
    """One eval set in memory; vectors of images without one are left out, `described` says whose the rest are."""

    name: str
    ids: pa.Array
    digests: dict[str, list[int]]
    codes: Any
    has_code: Any
    described: Any
    vectors: Any


def read_eval_set(tables: Tables, name: str, encoder: str) -> EvalSet:
    """Read one eval set.

    Args:
        tables: eval_images and eval_embeddings.
        name: Its name.
        encoder: Full name of the encoder.
    """
    from curate.vision.copies import informative
    from curate.vision.vectors import column_vectors

    columns = ["eval_set", "eval_image_id", "sha256", "phash", "status"]
    images = tables.arrow("eval_images", columns)
    images = images.filter(pc.and_(pc.equal(images["eval_set"], name), pc.equal(images["status"], "ok")))
    images = images.sort_by("eval_image_id")
    vectors = tables.arrow("eval_embeddings", ["eval_set", "eval_image_id", "encoder", "vector"])
    vectors = vectors.filter(pc.and_(pc.equal(vectors["eval_set"], name), pc.equal(vectors["encoder"], encoder)))
    ids = images["eval_image_id"].combine_chunks()
    place = pc.index_in(ids, vectors["eval_image_id"].combine_chunks())
    described, vectors_ND = column_vectors(vectors["vector"].combine_chunks().take(place))
    digests: dict[str, list[int]] = {}
    for i, digest in enumerate(images["sha256"].to_pylist()):
        digests.setdefault(digest, []).append(i)
    codes = images["phash"].fill_null(0).to_numpy().astype(np.uint64)
    return EvalSet(name, ids, digests, codes, informative(codes), described, vectors_ND)


@dataclass(frozen=True)
class Limits:
    """What counts as a copy.

    Attributes:
        precision: Wanted share of copies among the pairs found, in (0, 1].
        max_phash_distance: Most bits that differ; None = by precision.
        min_similarity: Least cosine; None = by precision.
        k: Nearest images that are looked at.
        device: Where they are searched.
    """

    precision: float
    max_phash_distance: int | None
    min_similarity: float | None
    k: int
    device: str


def find_copies(tables: Tables, sets: Sequence[EvalSet], limits: Limits) -> pa.Table:
    """Copies of evaluation images, each with its strongest evidence.

    Args:
        tables: images and duplicate_candidates.
        sets: The eval sets that were searched.
        limits: What counts as a copy.

    Returns:
        Rows of near_duplicates.
    """
    from curate.vision.copies import informative

    con = tables.connect()
    con.execute("CREATE TEMP VIEW candidates AS FROM duplicate_candidates")
    con.execute(
        "CREATE TEMP TABLE decided (image_id VARCHAR, eval_set VARCHAR, eval_image_id VARCHAR, method VARCHAR, "
        "similarity DOUBLE, p_duplicate DOUBLE, transform VARCHAR)"
    )
    codes = tables.arrow("images", ["phash"])["phash"].drop_null().to_numpy().astype(np.uint64)
    n_codes = int(np.count_nonzero(informative(codes)))
    for one in sets:
        bits, chance = _bits_of_copies(con, one, n_codes, limits)
        _decide_by_hash(con, one.name, bits, chance)
        _decide_by_descriptor(con, one, bits, limits)
    # In the alphabet, as it happens, sha256 beats phash beats embedding.
    strongest = "row_number() OVER (PARTITION BY image_id, eval_set, eval_image_id ORDER BY method DESC) = 1"
    return con.sql(f"SELECT * FROM decided QUALIFY {strongest}").to_arrow_table()


def _bits_of_copies(
    con: duckdb.DuckDBPyConnection, one: EvalSet, n_codes: int, limits: Limits
) -> tuple[int, list[float]]:
    """Largest Hamming distance that counts as a copy, and the share of chance among pairs at each distance."""
    from curate.vision.copies import MIRROR, background, hamming_threshold
    from curate.vision.neighbors import hamming_histogram

    query = "SELECT phash_distance, count(*) FROM candidates WHERE eval_set = ? AND phash_distance <= ? GROUP BY ALL"
    found = np.zeros(SEARCHED_BITS + 1, np.int64)
    for distance, count in con.execute(query, [one.name, SEARCHED_BITS]).fetchall():
        found[distance] = count
    codes = one.codes[one.has_code][:_BACKGROUND_SAMPLE]
    twice = hamming_histogram(codes, codes) + hamming_histogram(codes, codes ^ MIRROR)
    twice[0] -= len(codes)  # each image with itself
    twice[np.bitwise_count(MIRROR)] -= len(codes)  # and with its own mirror image
    n_pairs = max(1.0, len(codes) * (len(codes) - 1) / 2)
    expected = background(twice // 2)[: SEARCHED_BITS + 1] * (n_codes * np.count_nonzero(one.has_code) / n_pairs)
    bits, chance = hamming_threshold(found, expected, limits.precision)
    if limits.max_phash_distance is not None:
        bits = limits.max_phash_distance
    log.info("%s: perceptual hashes of copies differ in at most %d bits", one.name, bits)
    return bits, [float(share) for share in chance]


def _decide_by_hash(con: duckdb.DuckDBPyConnection, name: str, bits: int, chance: list[float]) -> None:
    con.execute(
        "INSERT INTO decided SELECT image_id, eval_set, eval_image_id, 'sha256', 1, 1, 'identity' FROM candidates "
        "WHERE eval_set = $name AND same_bytes",
        {"name": name},
    )
    con.execute(
        "INSERT INTO decided SELECT image_id, eval_set, eval_image_id, 'phash', 1 - phash_distance / 64, "
        "1 - ($chance)[phash_distance + 1], CASE WHEN is_flipped THEN 'hflip' END FROM candidates "
        "WHERE eval_set = $name AND phash_distance <= $bits",
        {"name": name, "bits": bits, "chance": chance},
    )


def _decide_by_descriptor(con: duckdb.DuckDBPyConnection, one: EvalSet, bits: int, limits: Limits) -> None:
    from curate.vision.copies import MIN_DECOYS, threshold

    if limits.min_similarity is not None:
        con.execute(
            "INSERT INTO decided SELECT image_id, eval_set, eval_image_id, 'embedding', similarity, NULL, NULL "
            "FROM candidates WHERE eval_set = $name AND similarity >= $least",
            {"name": one.name, "least": limits.min_similarity},
        )
        return
    families = pa.table({"eval_image_id": one.ids, "family": _families(one, bits, limits)})
    con.register("families", families)
    gaps = measure_gaps(con, one.name)
    targets = gaps["gap"].to_numpy()
    decoys = gaps["decoy"].drop_null().to_numpy()
    least, q_value = threshold(targets, decoys, limits.precision)
    if len(targets) and len(decoys) < MIN_DECOYS:
        log.warning("%s: too few images to tell copies by descriptor; give --min-similarity", one.name)
    log.info("%s: a copy is %.3g times nearer than the next eval image", one.name, np.exp(least))
    con.register("outstanding", gaps.append_column("q_value", pa.array(q_value)).filter(pa.array(targets >= least)))
    con.execute(
        "INSERT INTO decided SELECT image_id, eval_set, eval_image_id, 'embedding', similarity, 1 - q_value, NULL "
        "FROM candidates JOIN families USING (eval_image_id) JOIN outstanding USING (image_id, family) "
        "WHERE eval_set = $name AND ln(d2 / greatest(1 - similarity, $floor)) >= $least",
        {"name": one.name, "floor": LEAST_DISTANCE, "least": least},
    )


def _families(one: EvalSet, bits: int, limits: Limits) -> Any:
    """Copies within an eval set, each named by its first image.

    If in doubt they count as copies: a family only keeps its members from being each other's background.
    """
    from curate.vision.copies import components
    from curate.vision.neighbors import hamming_search

    rows = np.flatnonzero(one.has_code)
    left, right, _ = hamming_search(one.codes[rows], one.codes[rows], bits)
    equal = [(places[0], place) for places in one.digests.values() for place in places[1:]]
    pairs = [np.stack([rows[left], rows[right]], axis=1), np.array(equal, np.int64).reshape(-1, 2)]
    family = components(len(one.ids), *np.concatenate(pairs).T)
    with duckdb.connect() as con:
        alike = outstanding_pairs(
            con, (one.described, one.vectors), family, precision=_DOUBT, k=limits.k, device=limits.device
        )
    return components(len(one.ids), *np.concatenate([*pairs, alike]).T)
