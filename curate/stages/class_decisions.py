"""What becomes of each class in a manifest: rolled up, kept, excluded or undecided."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.stages.labels import class_looks, read_asked, stream_labels

if TYPE_CHECKING:
    from curate.noise.looks import Look
    from curate.stages.build_manifest import BuildManifest

_DECISIONS = pa.schema(
    [
        ("class_key", pa.string()),
        ("name", pa.string()),
        ("class_id", pa.int32()),
        ("status", pa.string()),
        ("threshold", pa.float64()),
        ("rule", pa.string()),
        ("detail", pa.string()),
    ]
)


def place_classes(con: duckdb.DuckDBPyConnection, min_images: int) -> dict[str, str]:
    """Classes with too few labels, each with the class above that takes its labels over.

    The rule is that of build-hierarchy: deepest classes first, each to the nearest class above that has enough labels,
    or gets enough this way; an image counts once. Only a class that has labels of its own takes others over.

    Args:
        con: Connection with pairs, ancestors and classes.
        min_images: Labels that a class needs.

    Returns:
        Class → class above it. Classes below none that has enough are left out.
    """
    from curate.wordnet.rollup import DISCARDED, Above, merge_rare

    con.execute("CREATE TEMP TABLE sizes AS SELECT class_key, count(*) AS n FROM pairs GROUP BY class_key")
    rows = con.sql(
        "SELECT class_key, n, coalesce(depth, 0) FROM sizes LEFT JOIN classes USING (class_key) ORDER BY class_key"
    ).fetchall()
    listed = con.execute(
        "SELECT class_key, list(image_id) FROM pairs SEMI JOIN (FROM sizes WHERE n < ?) USING (class_key) GROUP BY ALL",
        [min_images],
    ).fetchall()
    keys = [row[0] for row in rows]
    node = {key: index for index, key in enumerate(keys)}
    rare = {node[key]: set(images) for key, images in listed}
    near: dict[int, list[int]] = {each: [] for each in sorted(rare)}
    above = con.execute(
        "SELECT a.class_key, ancestor_key FROM ancestors AS a JOIN classes AS c ON c.class_key = ancestor_key "
        "WHERE distance > 0 ORDER BY a.class_key, distance, depth DESC, ancestor_key"
    ).fetchall()
    for key, ancestor in above:
        if ancestor in node and node.get(key) in rare:
            near[node[key]].append(node[ancestor])
    depths = np.asarray([depth for _, _, depth in rows], np.int32)
    place = merge_rare({node[key]: n for key, n, _ in rows}, rare, Above({}, near), depths, min_images)
    return {keys[a]: keys[b] for a, b in place.items() if b not in (a, DISCARDED)}


def decide_classes(
    con: duckdb.DuckDBPyConnection, params: "BuildManifest", places: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What becomes of each class with a direct label, in order of class_key.

    Args:
        con: Connection with labelled, usable, classes, images and the tables of audits.
        params: Parameters of build-manifest.
        places: Classes that were rolled up.

    Returns:
        Columns of manifest_classes, and rule and detail for what the class loses. class_id is dense over the classes of
        which the manifest has labels.
    """
    names = dict(con.sql("SELECT class_key, name FROM classes").fetchall())
    asked = read_asked(con)
    over = dict(con.sql("SELECT class_key, count(*) FROM usable WHERE rule = 'over_cap' GROUP BY ALL").fetchall())
    labelled = con.sql("FROM labelled ORDER BY ALL").fetchall()
    usable = (
        "SELECT image_id, class_key, p_correct, NULL::VARCHAR AS suggested_class_key, NULL::VARCHAR AS sha256 "
        "FROM usable WHERE rule IS NULL"
    )
    rows = {
        each.class_key: _decide(
            each.p_correct, class_looks(each, asked.get(each.class_key)), over.get(each.class_key, 0), params
        )
        for each in stream_labels(con, usable)
    }
    classes: list[dict[str, Any]] = []
    n_classes = 0
    for (class_key,) in labelled:
        row = rows.get(class_key) or _decide(np.zeros(0), [], 0, params)
        is_there = row["n_kept"] + row["n_weighted"] > 0
        known = {"class_key": class_key, "name": names.get(class_key, class_key), "rolled_up_to": places.get(class_key)}
        classes.append({**known, "class_id": n_classes if is_there else None, **row})
        n_classes += is_there
    return classes


def decisions_table(classes: list[dict[str, Any]]) -> pa.Table:
    """What the SQL files of build-manifest know as decisions."""
    return pa.Table.from_pylist(classes, schema=_DECISIONS)


def _decide(p: npt.NDArray[np.float64], looks: "list[Look]", n_over: int, params: "BuildManifest") -> dict[str, Any]:
    """Columns of manifest_classes, rule and detail of a class of which n_over more labels are over the cap."""
    from curate.noise.select import select_by_audits, select_by_model

    alpha = 1 - params.confidence
    if params.evidence == "model":
        decision = select_by_model(p, params.min_precision, alpha, params.min_images)
    else:
        decision = select_by_audits(p, looks, params.min_precision, alpha, params.min_images)
    n_kept = int((p >= decision.threshold).sum()) if decision.threshold is not None else 0
    n_more = decision.n_more_audits
    if n_more is not None and n_over:  # samples are drawn from all labels of a class, whatever the cap
        n_more = math.ceil(n_more * (len(p) + n_over) / len(p))
    weighted = params.keep == "all" and len(p) >= params.min_images
    row = {
        "status": decision.status,
        "threshold": decision.threshold,
        "n_pairs": len(p),
        "n_kept": n_kept,
        "n_weighted": len(p) - n_kept if weighted else 0,
        "kept_precision": decision.estimate.precision if decision.estimate and decision.status == "kept" else None,
        "kept_ci_low": decision.estimate.low if decision.estimate and decision.status == "kept" else None,
        "evidence": params.evidence,
        "n_audited": int(looks[-1].judged.sum()) if looks else 0,
        "n_looks": len(looks),
        "n_more_audits": n_more,
    }
    rule, detail = _reason(row, params)
    return {**row, "rule": rule, "detail": detail}


def _reason(row: Mapping[str, Any], params: "BuildManifest") -> tuple[str, str]:
    if row["status"] == "kept":
        return "below_threshold", ""
    if row["status"] == "undecided":
        return "class_undecided", f"needs about {row['n_more_audits']} more audits"
    what = "estimated precision" if params.evidence == "model" else "audited precision"
    return "class_excluded", f"no {params.min_images} labels with {what} {params.min_precision:g}"
