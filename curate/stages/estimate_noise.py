"""estimate-noise: precision of every class's labels with an interval, and what wrong labels seem to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables
from curate.stages.labels import ClassLabels, Drawn, class_looks, read_asked, read_labels


@dataclass(frozen=True, kw_only=True)
class EstimateNoise:
    """estimate-noise has no parameters: its intervals are two-sided 95 %."""


def run(tables: Tables, params: EstimateNoise) -> Mapping[str, Rows]:
    """Estimate label_stats and transition_matrix."""
    con = tables.connect()
    names = dict(con.sql("SELECT class_key, name FROM classes").fetchall())
    asked = read_asked(con)
    stats: list[dict[str, Any]] = []
    transitions = [table_schema("transition_matrix").arrow.empty_table()]
    for labels in read_labels(con):
        name = names.get(labels.class_key, labels.class_key)
        stats.append({"name": name, **_estimate(labels, asked.get(labels.class_key))})
        transitions.append(_transitions(labels))
    # Classes whose direct labels all sit on damaged images: nothing is known about them.
    known = {row["class_key"] for row in stats}
    direct = {key for (key,) in con.sql("SELECT DISTINCT kept_key FROM rollups").fetchall()}
    for class_key, name in sorted(names.items()):
        if class_key not in known and class_key in direct:
            stats.append({"name": name, **_nothing_known(class_key)})
    return {
        "label_stats": pa.Table.from_pylist(stats, schema=table_schema("label_stats").arrow),
        "transition_matrix": pa.concat_tables(transitions),
    }


def _estimate(labels: ClassLabels, asked: list[Drawn] | None) -> dict[str, Any]:
    from curate.noise.looks import judged_estimate
    from curate.noise.precision import model_estimate

    looks = class_looks(labels, asked)
    n_audited = max((int(look.judged.sum()) for look in looks), default=0)
    if n_audited:
        estimate = judged_estimate(looks, np.ones(len(labels.image_ids), np.bool_), 0.025, 0.025)
        method = "audit sample" + (" by score" if looks[-1].stratum.max() > 0 else "")
        n_waiting = int((looks[-1].drawn & ~looks[-1].judged).sum())
        method += f", {len(looks)} looks" * (len(looks) > 1) + f", {n_waiting} not judged yet" * (n_waiting > 0)
    else:
        estimate = model_estimate(labels.p_correct, 0.025, 0.025)
        method = "mean p_correct"
    return {
        "class_key": labels.class_key,
        "n_images": len(labels.image_ids),
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
    return pa.table(columns, schema=table_schema("transition_matrix").arrow)


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
    version=3,
    params=EstimateNoise,
    reads=("mentions", "rollups", "raw_labels", "ancestors", "images", "label_scores", "classes"),
    optional=("audits", "audit_samples", "audit_frames"),
    writes=("label_stats", "transition_matrix"),
    run=run,
    doc="Estimate each class's label precision with an interval.",
)
