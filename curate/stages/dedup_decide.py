"""Which compared pairs are copies of evaluation images, for dedup."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from curate.schema import table_schema
from curate.stage import Rows, Tables
from curate.stages.dedup_search import SEARCHED_BITS
from curate.stages.queries import sql_of

log = logging.getLogger(__name__)

SURE_SCORE = 60.0
"""Threshold where a corpus is too small to say what chance scores; see vision/verify.py for what scores mean."""

_SIGNS = {"copy": 1, "": 0, "different": -1, "unsure": -2}
_DOUBT = 0.5  # eval images that look like copies of each other are kept apart even if in doubt


def decide_sets(
    tables: Tables, names: Sequence[str], encoder: str, precision: float, min_score: float | None
) -> Mapping[str, Rows]:
    """Decide on the compared pairs of each eval set.

    Args:
        tables: images, duplicate_candidates, planted_copies, eval_twins, duplicate_reviews.
        names: Eval sets.
        encoder: Full name of the encoder; '' = none.
        precision: Wanted share of true copies among the pairs, in (0, 1].
        min_score: A threshold to be used instead of what the precision asks for.

    Returns:
        Rows of near_duplicates, duplicate_thresholds and planted_recall.
    """
    found: dict[str, list[pa.Table]] = {"near_duplicates": [], "duplicate_thresholds": [], "planted_recall": []}
    with tables.connect() as con:
        n_images = int(con.execute("SELECT count(*) FROM images WHERE status = 'ok'").fetchall()[0][0])
        for name in names:
            for table, rows in _decide(con, name, encoder, n_images, precision, min_score).items():
                found[table].append(rows)
    return {table: pa.concat_tables([table_schema(table).arrow.empty_table(), *rows]) for table, rows in found.items()}


def _decide(
    con: duckdb.DuckDBPyConnection, name: str, encoder: str, n_images: int, precision: float, min_score: float | None
) -> dict[str, pa.Table]:
    from curate.vision.calibrate import decide, fit, recall_by_transform

    con.execute("CREATE OR REPLACE TEMP VIEW pairs AS FROM duplicate_candidates WHERE eval_set = " + _quoted(name))
    ids, family = _families(con, name)
    con.register("families", pa.table({"eval_image_id": ids, "family": pa.array(family)}))
    con.execute(sql_of("dedup_reviews").replace("$eval_set", _quoted(name)))
    best = _best(con, "pairs")
    compared = _compared(best, len(ids))
    model = fit(compared, *_planted(con, name, "fit", "other_score"))
    decision = decide(compared, model, precision, _reviews(con, name, best))
    if min_score is not None:
        decision = _at(decision, model, compared.best, min_score, "the threshold was given by hand")
    elif model.tail is None and decision.evidence == "model" and not decision.n_reviewed:
        why = f"the threshold is the usual one, {SURE_SCORE:g}, not one of this corpus"
        decision = _at(decision, model, compared.best, SURE_SCORE, why)
    if encoder and _plants_lack_vectors(con, name):
        why = "planted copies have no vectors of this encoder: their recall is that of hashes and parts alone"
        decision = replace(decision, note="; ".join(filter(None, (decision.note, why))))
    n_equal = int(con.execute("SELECT count(DISTINCT image_id) FROM pairs WHERE same_bytes").fetchall()[0][0])
    _log(name, decision, n_equal)
    measured = recall_by_transform(*_planted(con, name, "report", "transform"), decision.threshold)
    recall = [asdict(one) | {"eval_set": name} for one in measured]
    row = _threshold_row(decision, n_equal) | {
        "eval_set": name, "encoder": encoder, "asked_precision": precision, "n_images": n_images,
        "n_compared": best.num_rows,
    }  # fmt: skip
    return {
        "near_duplicates": _copies(con, name, decision.threshold, model),
        "duplicate_thresholds": pa.Table.from_pylist([row], table_schema("duplicate_thresholds").arrow),
        "planted_recall": pa.Table.from_pylist(recall, table_schema("planted_recall").arrow),
    }


def _plants_lack_vectors(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    query = "SELECT count(*) > 0 AND count(similarity) = 0 FROM planted_copies WHERE eval_set = ?"
    return bool(con.execute(query, [name]).fetchall()[0][0])


def _families(con: duckdb.DuckDBPyConnection, name: str) -> tuple[pa.Array, Any]:
    """The images of a set, and for each the first one that shows the same picture."""
    from curate.vision.calibrate import decide, fit
    from curate.vision.copies import components

    query = "SELECT eval_image_id FROM eval_images WHERE eval_set = $name AND status = 'ok' ORDER BY 1"
    ids = _table(con, query, name=name)["eval_image_id"].combine_chunks()
    con.register("families", pa.table({"eval_image_id": ids, "family": pa.array(np.arange(len(ids)))}))
    con.execute(
        "CREATE OR REPLACE TEMP VIEW twins AS SELECT eval_image_id AS image_id, other_id AS eval_image_id, same_bytes, "
        "score, transform FROM eval_twins WHERE eval_set = " + _quoted(name)
    )
    compared = _compared(_best(con, "twins"), len(ids))
    least = decide(compared, fit(compared, *_planted(con, name, "fit", "other_score")), _DOUBT).threshold
    pairs = _table(
        con,
        "SELECT a.family AS low, b.family AS high FROM twins JOIN families AS a ON a.eval_image_id = image_id "
        "JOIN families AS b ON b.eval_image_id = twins.eval_image_id WHERE same_bytes OR score >= $least",
        least=least,
    )
    return ids, components(len(ids), pairs["low"].to_numpy(), pairs["high"].to_numpy())


def _best(con: duckdb.DuckDBPyConnection, pairs: str) -> pa.Table:
    """image_id, family, best and other score of each compared image, sorted by image_id."""
    return _table(con, sql_of("dedup_best").replace("$pairs", pairs))


def _compared(best: pa.Table, n_evals: int) -> Any:
    from curate.vision.calibrate import Compared

    return Compared(_floats(best["best"]), _floats(best["other"]), best["family"].to_numpy(), n_evals)


def _planted(con: duckdb.DuckDBPyConnection, name: str, half: str, column: str) -> tuple[Any, Any]:
    """Scores of the planted copies of a half, NaN where the search lost one, and another of their columns."""
    query = (
        f"SELECT score, {column} FROM planted_copies WHERE eval_set = $name AND half = $half "
        "ORDER BY transform, eval_image_id"
    )
    rows = _table(con, query, name=name, half=half)
    if column == "transform":
        return _floats(rows["score"]), rows[column].to_numpy(zero_copy_only=False).astype(str)
    return _floats(rows["score"]), _floats(rows[column])


def _copies(con: duckdb.DuckDBPyConnection, name: str, threshold: float, model: Any) -> pa.Table:
    """Rows of near_duplicates."""
    from curate.vision.calibrate import p_duplicate

    rows = _table(con, sql_of("dedup_copies"), least=threshold, bits=SEARCHED_BITS)
    scores = _floats(rows["score"])
    is_sure = np.isnan(scores) | (rows["verdict"].to_numpy(zero_copy_only=False) == "copy")
    guess = np.full(len(scores), np.nan) if model.tail is None else p_duplicate(np.nan_to_num(scores), model)
    probability = np.where(is_sure, 1.0, guess)
    schema = table_schema("near_duplicates").arrow
    return (
        rows.append_column("p_duplicate", pa.array(probability, pa.float64(), mask=np.isnan(probability)))
        .select(schema.names)
        .cast(schema)
    )


def _threshold_row(decision: Any, n_equal: int) -> dict[str, Any]:
    """A decision, images with the bytes of an eval image added to its hits."""
    n_hits, is_known = decision.n_hits + n_equal, not np.isnan(decision.expected_false)
    return asdict(decision) | {
        "n_hits": n_hits,
        "precision": 1.0 - decision.expected_false / n_hits if n_hits and is_known else None,
        "expected_false": decision.expected_false if is_known else None,
        "threshold": decision.threshold if np.isfinite(decision.threshold) else None,
    }


def _reviews(con: duckdb.DuckDBPyConnection, name: str, best: pa.Table) -> Any:
    """Verdicts on the compared images; None where nobody looked."""
    from curate.vision.verdicts import Reviews, review_order

    con.register("best", best)
    said = _table(con, sql_of("dedup_verdicts"))
    verdict = said["verdict"].fill_null("").to_numpy(zero_copy_only=False)
    if not np.any(verdict != ""):
        return None
    signs = np.array([_SIGNS[word] for word in verdict.tolist()], np.int8)
    is_sampled = said["is_sampled"].to_numpy(zero_copy_only=False)
    return Reviews(signs, is_sampled, review_order(said["image_id"].to_pylist()))


def _at(decision: Any, model: Any, best: Any, score: float, why: str) -> Any:
    """The same decision at another threshold."""
    from curate.vision.calibrate import p_duplicate

    hits = best[best >= score]
    doubt = np.nan if model.tail is None else float(np.sum(1.0 - p_duplicate(np.sort(hits), model)))
    share = 1.0 - doubt / len(hits) if len(hits) else None
    note = "; ".join(filter(None, (decision.note, why)))
    return replace(
        decision, threshold=score, n_hits=len(hits), expected_false=doubt, precision=share, precision_low=None,
        evidence="model", n_reviewed=0, n_reviewed_wrong=0, note=note,
    )  # fmt: skip


def _log(name: str, decision: Any, n_equal: int) -> None:
    if not np.isfinite(decision.threshold):
        log.warning("%s: no score is sure enough for the asked precision; only equal bytes count as copies", name)
    log.info("%s: %d images are copies, %d of them byte for byte", name, decision.n_hits + n_equal, n_equal)
    if not np.isnan(decision.expected_false):
        log.info("%s: about %.1f of them are expected to be none", name, decision.expected_false)
    if decision.note:
        log.warning("%s: %s", name, decision.note)


def _table(con: duckdb.DuckDBPyConnection, query: str, **values: Any) -> pa.Table:
    return con.sql(query, params=values or None).to_arrow_table()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _floats(column: pa.ChunkedArray) -> Any:
    """float64, NaN for NULL."""
    return column.cast(pa.float64()).fill_null(np.nan).to_numpy()
