"""estimate-noise: precision of every class's labels with an interval, and what wrong labels seem to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables
from curate.stages.labels import ClassLabels, DrawnPair, class_looks, read_asked, read_labels
from curate.stages.queries import sql_of

if TYPE_CHECKING:
    from curate.noise.calibrate import Calibration

_KINDS = ("wrong_sense", "sibling", "other_class", "unknown")


@dataclass(frozen=True, kw_only=True)
class EstimateNoise:
    """estimate-noise has no parameters: its intervals are two-sided 95 %."""


def run(tables: Tables, params: EstimateNoise) -> Mapping[str, Rows]:
    """Estimate label_stats and transition_matrix."""
    con = tables.connect()
    names = dict(con.sql("SELECT class_key, name FROM classes").fetchall())
    asked = read_asked(con)
    calibration = _calibration(con) if asked else None
    stats: list[dict[str, Any]] = []
    transitions = [_schema_without("transition_matrix", "kind").empty_table()]
    for labels in read_labels(con):
        name = names.get(labels.class_key, labels.class_key)
        stats.append({"name": name, **_estimate(labels, asked.get(labels.class_key), calibration)})
        transitions.append(_transitions(labels))
    # Classes whose direct labels all sit on damaged images: nothing is known about them.
    known = {row["class_key"] for row in stats}
    direct = {key for (key,) in con.sql("SELECT DISTINCT kept_key FROM rollups").fetchall()}
    for class_key, name in sorted(names.items()):
        if class_key not in known and class_key in direct:
            stats.append({"name": name, **_nothing_known(class_key)})
    con.register("transitions", pa.concat_tables(transitions))
    kinds = con.sql(sql_of("transition_kinds")).to_arrow_table()
    con.register("kinds", kinds)
    con.register("estimates", pa.Table.from_pylist(stats, schema=_schema_without("label_stats", *_KINDS)))
    return {"label_stats": con.sql(sql_of("typed_noise")).to_arrow_table(), "transition_matrix": kinds}


def _schema_without(table: str, *left_out: str) -> pa.Schema:
    """Columns of a table but for those that its query adds."""
    return pa.schema([column for column in table_schema(table).arrow if column.name not in left_out])


def _calibration(con: duckdb.DuckDBPyConnection) -> "Calibration | None":
    """Scores calibrated on all verdicts of designed samples."""
    from curate.noise.calibrate import calibrate

    pairs = con.sql(sql_of("judged_pairs").format(verdicts=sql_of("resolved_verdicts"))).to_arrow_table()
    keys = np.asarray(pairs["class_key"].to_pylist(), np.str_)
    return calibrate(keys, pairs["p_correct"].to_numpy(), pairs["is_correct"].to_numpy())


def _estimate(labels: ClassLabels, asked: list[DrawnPair] | None, calibration: "Calibration | None") -> dict[str, Any]:
    """Columns of label_stats but for the kinds of noise.

    Bounds of an audited class are those of its sample alone. Where verdicts on all classes could calibrate the scores,
    its precision is what verdicts and calibrated scores say together, within the bounds.
    """
    from curate.noise.calibrate import calibrated_estimate
    from curate.noise.looks import judged_estimate
    from curate.noise.precision import Estimate, model_estimate

    looks = class_looks(labels, asked)
    p = labels.p_correct
    n_audited = max((int(look.judged.sum()) for look in looks), default=0)
    judged, correct = np.zeros(len(p), np.bool_), np.zeros(len(p), np.bool_)
    for look in looks:
        judged, correct = judged | look.judged, correct | look.correct
    if n_audited:
        estimate = judged_estimate(looks, np.ones(len(p), np.bool_), 0.025, 0.025)
        method = "audit sample" + (" by score" if looks[-1].stratum.max() > 0 else "")
        n_waiting = int((looks[-1].drawn & ~looks[-1].judged).sum())
        method += f", {len(looks)} looks" * (len(looks) > 1) + f", {n_waiting} not judged yet" * (n_waiting > 0)
        if calibration is not None:
            precision = calibrated_estimate(calibration, labels.class_key, p, judged, correct).precision
            precision = float(np.clip(precision, estimate.low, estimate.high))
            estimate = Estimate(precision, estimate.low, estimate.high)
            method += ", precision by verdicts and calibrated scores"
    elif calibration is not None:
        estimate = calibrated_estimate(calibration, labels.class_key, p, judged, correct)
        method = f"mean p_correct, calibrated on {calibration.n_verdicts} verdicts"
    else:
        estimate = model_estimate(p, 0.025, 0.025)
        method = "mean p_correct"
    return {
        "class_key": labels.class_key,
        "n_images": len(p),
        "n_audited": n_audited,
        "precision": estimate.precision,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "method": method,
        "evidence": "audited" if n_audited else "model",
    }


def _transitions(labels: ClassLabels) -> pa.Table:
    """Shares of one given class: its own by mean p_correct, the rest by what fits better ('' = nothing does)."""
    total = len(labels.image_ids)
    given = labels.suggested.fill_null("").dictionary_encode()
    keys, code = given.dictionary.to_pylist(), given.indices.to_numpy()
    mass = np.bincount(code, 1.0 - labels.p_correct, len(keys)).tolist()
    count = np.bincount(code, minlength=len(keys)).tolist()
    wrong = sorted((key, m / total, n) for key, m, n in zip(keys, mass, count, strict=True))
    rest = [(key, share, n) for key, share, n in wrong if share > 0 and key != labels.class_key]
    own = max(1.0 - sum(share for _, share, _ in rest), 0.0)
    true_keys, shares, counts = zip((labels.class_key, own, total), *rest, strict=True)
    columns = [[labels.class_key] * len(counts), true_keys, [min(share, 1.0) for share in shares], counts]
    return pa.table(columns, schema=_schema_without("transition_matrix", "kind"))


def _nothing_known(class_key: str) -> dict[str, Any]:
    return {
        "class_key": class_key,
        "n_images": 0,
        "n_audited": 0,
        "precision": 0.5,
        "ci_low": 0.0,
        "ci_high": 1.0,
        "method": "no decodable image",
        "evidence": "model",
    }


STAGE = QueryStage(
    name="estimate-noise",
    version=4,
    params=EstimateNoise,
    reads=(
        "mentions",
        "rollups",
        "raw_labels",
        "ancestors",
        "images",
        "label_scores",
        "classes",
        "class_parents",
        "label_map",
    ),
    optional=("audits", "audit_samples", "audit_frames"),
    writes=("label_stats", "transition_matrix"),
    run=run,
    doc="Estimate each class's label precision with an interval.",
)
