"""How scores are spread over pairs of a corpus image and an eval image: the curve and the histogram of the report."""

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from curate.review import queries

N_STEPS = 80
"""Steps into which the range of scores is cut."""

DECADES = 1e6
"""The highest score shown is at most so many times the lowest."""


@dataclass(frozen=True)
class Scores:
    """How scores are spread. Counts are per step between two edges; the first step holds all that is lower, too.

    Attributes:
        edges: N_STEPS + 1 scores, each so many times the one before.
        corpus: Corpus images by their best score with any eval image.
        n_equal_bytes: Corpus images left out of `corpus`, because they equal an eval image byte for byte.
        planted: Planted copies by their score with the original.
        n_not_reached: Planted copies whose original the search did not bring up for comparison.
        others: Planted copies by their best score with an image that they are no copy of.
        n_images_above: For each step, corpus images that would be held copies if the threshold were its lower edge.
        n_eval_above: Eval images that would be held leaked, likewise.
        expected_false: How many of those corpus images are expected to be none, by the probability of each; None
            below the threshold, where dedup gives none.
    """

    edges: list[float]
    corpus: list[int]
    n_equal_bytes: int
    planted: list[int]
    n_not_reached: int
    others: list[int]
    n_images_above: list[int]
    n_eval_above: list[int]
    expected_false: list[float | None]


def collect_scores(con: duckdb.DuckDBPyConnection, eval_set: str, threshold: float | None) -> Scores | None:
    """How the scores of an eval set's pairs are spread.

    Args:
        con: A prepared connection, see `leaks.prepare`.
        eval_set: Name of the set.
        threshold: Least score of a copy; None = there is none.

    Returns:
        None where no pair was compared, or none has anything in common.
    """
    low, lowest, highest = con.execute(queries.SCORE_RANGE, [eval_set]).fetchall()[0]
    if not highest:
        return None
    mark = threshold or highest
    top = round_up(max(highest, 1.2 * mark))
    bottom = 1 / round_up(1 / min(max(low or lowest, top / DECADES), 0.5 * mark, 0.5 * highest))
    edges = np.geomspace(bottom, top, N_STEPS + 1)
    given = {"eval_set": eval_set, "bottom": bottom, "step": float(np.log(top / bottom) / N_STEPS), "n": N_STEPS}

    def counts(query: str) -> tuple[list[Any], Any]:
        """Values by step, and what has no score."""
        found = dict(con.execute(query, given).fetchall())
        return [found.get(place, 0) for place in range(N_STEPS)], found.get(-1, 0)

    corpus, n_equal = counts(queries.CORPUS_SCORES)
    planted, n_not_reached = counts(queries.PLANTED_SCORES)
    expected = zip(edges, _above(*counts(queries.FALSE_SCORES)), strict=False)
    return Scores(
        edges=[float(edge) for edge in edges],
        corpus=corpus,
        n_equal_bytes=n_equal,
        planted=planted,
        n_not_reached=n_not_reached,
        others=counts(queries.OTHER_SCORES)[0],
        n_images_above=_above(corpus, n_equal),
        n_eval_above=_above(*counts(queries.EVAL_SCORES)),
        expected_false=[round(n, 9) if threshold is not None and edge >= threshold else None for edge, n in expected],
    )


def _above(counts: list[Any], always: Any) -> list[Any]:
    """Sums from the top down to each step."""
    return (np.cumsum(np.array(counts)[::-1])[::-1] + always).tolist()  # type: ignore[no-any-return]


def round_up(value: float) -> float:
    """The next number that reads well: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten.

    Args:
        value: Above 0.
    """
    power = 10.0 ** np.floor(np.log10(value))
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return float(next(step * power for step in steps if step * power >= value * (1 - 1e-12)))
