"""Pairs for people to judge, drawn at random."""

import csv
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa

from curate.review import queries
from curate.review.pairs import Pair, pairs_of
from curate.vision.verdicts import review_order

COLUMNS = ("row", "image_id", "eval_set", "eval_image_id", "score", "transform", "corpus_uri", "eval_uri", "sample",
           "verdict")  # fmt: skip
"""Of the file that is filled in."""

BELOW = 0.25
"""Pairs right below the threshold that are in question, by number of hits: verdicts on them can lower it."""

MIN_BELOW = 50
"""At least so many of them."""


@dataclass(frozen=True)
class Drawn:
    """Pairs to be judged.

    Attributes:
        pairs: In the order of review; the first few of them are a sample as well.
        n_open: Pairs in question that had no verdict of a sample, the drawn ones included.
        least: Least score of a pair in question; None where there is no pair.
    """

    pairs: list[Pair]
    n_open: int
    least: float | None


def draw(con: duckdb.DuckDBPyConnection, eval_set: str, n: int, threshold: float | None) -> Drawn:
    """Draw pairs at random: of each corpus image the best, where it is held a copy or comes near to it.

    Args:
        con: A prepared connection, see `leaks.prepare`.
        eval_set: Name of the set.
        n: How many at most.
        threshold: Least score of a copy; None = the n best pairs are in question.

    Returns:
        Pairs that no sample has a verdict on. They are drawn by a hash of the corpus image alone: after more were drawn
        and judged, all together are again a simple random sample.
    """
    n_hits = con.execute("SELECT count(*) FROM hits WHERE eval_set = $1 AND place = 1", [eval_set]).fetchall()[0][0]
    n_below = n if threshold is None else max(MIN_BELOW, int(BELOW * n_hits))
    given = {"eval_set": eval_set, "below": threshold, "n": n_below}
    least = con.execute(queries.NEXT_SCORE, given).fetchall()[0][0]
    least = threshold if least is None else least
    if least is None:
        return Drawn([], 0, None)
    rows = con.execute(queries.OPEN, {"eval_set": eval_set, "least": least}).fetchall()
    order = review_order([image_id for image_id, _ in rows])
    chosen = [rows[place] for place in order.argsort(kind="stable")[:n]]
    names = pa.table({
        "image_id": pa.array([image_id for image_id, _ in chosen], pa.string()),
        "eval_image_id": pa.array([other for _, other in chosen], pa.string()),
        "rank": pa.array(range(len(chosen)), pa.int64()),
    })  # fmt: skip
    con.register("chosen", names)
    pairs = pairs_of(con, queries.CHOSEN, [eval_set])
    con.unregister("chosen")
    return Drawn(pairs, len(rows), least)


def token(image_id: str, eval_set: str, eval_image_id: str, image_sha256: str | None) -> str:
    """What marks a row of a file as drawn, for these very bytes."""
    text = "\0".join((image_id, eval_set, eval_image_id, image_sha256 or ""))
    return sha256(text.encode()).hexdigest()[:16]


def write_pairs(pairs: list[Pair], out: Path) -> None:
    """Write drawn pairs as CSV with an empty column verdict."""
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row, pair in enumerate(pairs, 1):
            mark = token(pair.image_id, pair.eval_set, pair.eval_image_id, pair.corpus.sha256)
            score = "" if pair.score is None else f"{pair.score:.6g}"
            places = (str(Path(place.root, place.uri)) for place in (pair.corpus, pair.eval))
            named = (row, pair.image_id, pair.eval_set, pair.eval_image_id)
            writer.writerow((*named, score, pair.transform or "", *places, mark, ""))
