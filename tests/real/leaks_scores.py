"""What a workspace found of leaks.py's leaks, judged by their truth.

A pair (image, eval image) is right where the image shows that evaluation image: planted, leaked, known from the
collection, or found by looking at what was hit (leaks_seen.csv). Look-alikes that nobody judged, and those that people
would argue about, count neither way.
"""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from curate.api import Session
from tests.real.leaks import half_of

_Z = 1.959964
_SEEN = Path(__file__).with_name("leaks_seen.csv")
_TABLES = """
CREATE TABLE truth AS SELECT * FROM read_parquet('{webposts}/truth/images.parquet');
CREATE TABLE extra AS SELECT t.source_file, e.eval_file FROM read_csv('{webposts}/truth/extra_copies.csv',
    all_varchar = true) AS e JOIN truth AS t USING (key) WHERE t.source_file IS NOT NULL;
CREATE TABLE seen AS SELECT s.*, t.source_file FROM read_csv('{seen}', all_varchar = true) AS s
    LEFT JOIN truth AS t ON t.uid = try_cast(s.image AS BIGINT);
CREATE TABLE shown AS
    SELECT uid, source_file FROM truth WHERE source_file IS NOT NULL
    UNION SELECT uid, unnest(from_json(transform_params::JSON -> 'others', '["VARCHAR"]')) FROM truth
    WHERE transform = 'collage';
CREATE TABLE looks_like AS
    SELECT source_file, eval_file FROM read_parquet('{webposts}/truth/evalset.parquet') UNION FROM extra
    UNION SELECT source_file, eval_file FROM seen WHERE verdict = 'copy' AND source_file IS NOT NULL;
CREATE TABLE same AS
    SELECT DISTINCT a.eval_file AS tile, b.eval_file AS eval_image_id FROM looks_like AS a
    JOIN looks_like AS b USING (source_file)
    UNION SELECT eval_image_id, eval_image_id FROM eval_images
    UNION SELECT a, b FROM (SELECT image AS a, eval_file AS b FROM seen WHERE source_file IS NULL AND verdict = 'copy')
    UNION SELECT b, a FROM (SELECT image AS a, eval_file AS b FROM seen WHERE source_file IS NULL AND verdict = 'copy');
CREATE TABLE unjudged AS
    SELECT a.eval_file AS tile, b.eval_file AS eval_image_id
    FROM (SELECT source_a, source_b FROM read_parquet('{webposts}/truth/natural_pairs.parquet')
          UNION SELECT source_b, source_a FROM read_parquet('{webposts}/truth/natural_pairs.parquet')) AS p
    JOIN looks_like AS a ON a.source_file = source_a JOIN looks_like AS b ON b.source_file = source_b
    UNION SELECT image, eval_file FROM seen WHERE source_file IS NULL AND verdict = 'unsure'
    UNION SELECT eval_file, image FROM seen WHERE source_file IS NULL AND verdict = 'unsure';
CREATE TABLE tiles AS
    SELECT i.image_id, 'planted' AS kind, p.eval_image_id AS tile, p.transform, p.strength, p.edits
    FROM read_parquet('{data}/planted/*.parquet') AS p JOIN images AS i USING (key)
    WHERE i.source IN ('planted', 'rare')
    UNION ALL SELECT i.image_id, 'leaked', l.eval_file, coalesce(t.transform, 'known later'), NULL, t.transform_params
    FROM images AS i JOIN truth AS t ON t.uid = try_cast(i.key AS BIGINT) AND i.source IN ('posts', 'leaked')
    JOIN shown AS s USING (uid) JOIN looks_like AS l ON l.source_file = s.source_file;
CREATE TABLE judged AS
    SELECT t.image_id, s.eval_image_id, true AS is_right FROM tiles AS t JOIN same AS s USING (tile)
    UNION SELECT t.image_id, u.eval_image_id, NULL FROM tiles AS t JOIN unjudged AS u USING (tile)
    WHERE NOT EXISTS (FROM same AS s WHERE s.tile = t.tile AND s.eval_image_id = u.eval_image_id)
    UNION SELECT i.image_id, s.eval_file, NULL FROM images AS i JOIN shown AS h ON h.uid = try_cast(i.key AS BIGINT)
    JOIN seen AS s USING (source_file) WHERE s.verdict = 'unsure' AND i.source IN ('posts', 'leaked');
CREATE TABLE hits AS
    SELECT n.*, CASE WHEN j.image_id IS NULL THEN false ELSE j.is_right END AS is_right,
           half_of(n.eval_image_id) AS half
    FROM near_duplicates AS n LEFT JOIN judged AS j USING (image_id, eval_image_id);
CREATE TABLE found AS
    SELECT t.*, half_of(t.tile) AS half, EXISTS (FROM near_duplicates AS n JOIN same AS s USING (eval_image_id)
           WHERE n.image_id = t.image_id AND s.tile = t.tile) AS is_found,
           EXISTS (FROM duplicate_candidates AS c JOIN same AS s USING (eval_image_id)
           WHERE c.image_id = t.image_id AND s.tile = t.tile) AS is_compared FROM tiles AS t
"""
_HALVES = "(SELECT * FROM (VALUES ('developed'), ('reported')) AS h(half))"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The two-sided 95 % interval of a share, after Wilson."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, _Z * np.sqrt(hits / n * (1 - hits / n) / n + _Z**2 / (4 * n**2))
    middle, norm = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    return float(max((middle - spread) / norm, 0)), float(min((middle + spread) / norm, 1))


def judged(session: Session, data: Path, webposts: Path) -> duckdb.DuckDBPyConnection:
    """The workspace's views beside tables of truth: tiles, judged, hits, found."""
    con = session.connect()
    con.create_function("half_of", half_of, ["VARCHAR"], "VARCHAR")
    for statement in _TABLES.format(data=data, webposts=webposts, seen=_SEEN).split(";\n"):
        con.execute(statement)
    return con


def recall_rows(con: duckdb.DuckDBPyConnection, kind: str, half: str) -> list[tuple[str, int, int, int]]:
    """Transform, copies, how many were compared with their original, and found; '(any tile)' = by collage."""
    return con.execute(
        "WITH own AS (FROM found WHERE kind = $1 AND half LIKE $2), collages AS "
        "(SELECT bool_or(is_compared) AS compared, bool_or(is_found) AS was FROM own "
        "WHERE transform = 'collage' GROUP BY image_id) "
        "SELECT transform, count(*), count_if(is_compared), count_if(is_found) FROM own GROUP BY ROLLUP (transform) "
        "UNION ALL SELECT 'collage (any tile)', count(*), count_if(compared), count_if(was) FROM collages "
        "ORDER BY ALL NULLS LAST",
        [kind, half],
    ).fetchall()


def precision_row(con: duckdb.DuckDBPyConnection, half: str) -> tuple[int, int, int, int, int]:
    """Pairs hit, of them wrong and unjudged; images hit, of them with wrong pairs only."""
    rows = con.execute(
        "WITH own AS (FROM hits WHERE half LIKE $1), by_image AS (SELECT bool_and(NOT coalesce(is_right, true)) "
        "AS wrong FROM own GROUP BY image_id) SELECT count(*), count_if(NOT is_right), count_if(is_right IS NULL), "
        "(SELECT count(*) FROM by_image), (SELECT count_if(wrong) FROM by_image) FROM own",
        [half],
    ).fetchall()
    return rows[0]  # type: ignore[no-any-return]


def prevalence(con: duckdb.DuckDBPyConnection) -> float:
    """Share of the evaluation images that a corpus image shows."""
    question = "SELECT count(DISTINCT tile) / (SELECT count(*) FROM eval_images) FROM tiles"
    return float(con.execute(question).fetchall()[0][0])


def wrong_pairs(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Hits that are no copies as far as is known: source, key, eval image, half, score, transform, what it is."""
    return con.execute(
        "SELECT i.source, i.key, h.eval_image_id, h.half, round(h.score, 2), h.transform, "
        "(SELECT any_value(t.transform || ' of ' || t.tile) FROM tiles AS t WHERE t.image_id = h.image_id) "
        "FROM hits AS h JOIN images AS i USING (image_id) WHERE NOT is_right "
        "ORDER BY h.score DESC NULLS FIRST, i.key, 3"
    ).fetchall()


def misses(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Copies not found: transform, key, eval image, half, strength, edits, whether the pair was compared, its score."""
    return con.execute(
        "SELECT f.transform, i.key, f.tile, f.half, round(f.strength, 2), f.edits, c.image_id IS NOT NULL, "
        "round(c.score, 2), f.kind, i.status FROM found AS f JOIN images AS i USING (image_id) "
        "LEFT JOIN duplicate_candidates AS c ON c.image_id = f.image_id AND c.eval_image_id = f.tile "
        "WHERE NOT is_found ORDER BY ALL"
    ).fetchall()


def curve(
    con: duckdb.DuckDBPyConnection, best: dict[str, list[tuple[str, float]]], precision: float = 0.99
) -> dict[str, float]:
    """How well a score tells copies, at the best threshold it has, judged image by image.

    Args:
        con: See `judged`.
        best: For each image_id its evaluation images with a score, higher = surer, best first.
        precision: Share of right images among the hits that is asked for.

    Returns:
        recall at that true precision, and recall before the first false hit among posts that are no copies.
    """
    right = {(i, e): r for i, e, r in con.execute("FROM judged").fetchall()}
    copies = {i for (i, _), r in right.items() if r}
    rows = [
        (value, right.get((image, name), False), image in copies)
        for image, pairs in best.items()
        for name, value in [next(p for p in pairs if right.get((image, p[0]), False) is not None)]
    ]
    values, was, is_copy = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(-values, kind="stable")
    values, was, is_copy = values[order], was[order], is_copy[order]
    ends = np.r_[values[1:] != values[:-1], True]  # equal scores stand or fall together
    n_right, n_hit, n_alarms = was.cumsum(), np.arange(1, len(was) + 1), (~is_copy.astype(bool)).cumsum()
    return {
        "at_precision": _last(n_right, ends & (n_right >= precision * n_hit)) / max(len(copies), 1),
        "threshold": float(values[ends & (n_right >= precision * n_hit)][-1:].sum()),
        "before_false": _last(n_right, ends & (n_alarms == 0)) / max(len(copies), 1),
    }


def _last(counts: NDArray[np.int64], where: NDArray[np.bool_]) -> float:
    return float(counts[where][-1]) if where.any() else 0.0


def at_least(
    con: duckdb.DuckDBPyConnection, best: dict[str, list[tuple[str, float]]], least: float
) -> tuple[float, float]:
    """Recall and precision, image by image, of all best pairs with at least this score."""
    right = {(i, e): r for i, e, r in con.execute("FROM judged").fetchall()}
    copies = {i for (i, _), r in right.items() if r}
    was = [right.get((image, pairs[0][0]), False) for image, pairs in best.items() if pairs[0][1] >= least]
    known = [w for w in was if w is not None]
    return sum(known) / max(len(copies), 1), sum(known) / max(len(known), 1)
