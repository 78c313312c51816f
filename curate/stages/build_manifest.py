"""build-manifest: the labels and images to train on, and for each that is left out the reason."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa

from curate.errors import ParameterError
from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables, param
from curate.stages.labels import Asked, ClassLabels, class_looks, read_asked, read_labels
from curate.stages.manifest_folder import export_manifest, manifest_name

_SQL = Path(__file__).parent / "sql"
_DECISIONS = pa.schema(
    [
        ("class_key", pa.string()),
        ("class_id", pa.int32()),
        ("status", pa.string()),
        ("threshold", pa.float64()),
        ("rule", pa.string()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class BuildManifest:
    """Parameters of build-manifest."""

    min_precision: float = param(help="Precision that the labels of every kept class must have, in (0, 1]")
    confidence: float = param(0.95, help="One-sided confidence of the lower bound, in (0.5, 1)")
    evidence: Literal["model", "audited"] = param(
        "model", help="What must reach the precision: the model's estimate, or the lower bound from audits"
    )
    leaks: Literal["drop", "keep"] = param("drop", help="What becomes of copies of eval images: left out, or kept")
    min_images: int = param(5, help="Classes with fewer kept images are excluded")
    resampling: Literal["none", "sqrt", "uniform"] = param("none", help="How strongly to repeat images of rare classes")
    resampling_t: float = param(0.001, help="Share of images below which a class counts as rare")
    val_share: float = param(0.0, help="Share of images to hold out as split val; copies stay together, in [0, 1)")
    seed: int = param(0, help="Seed of the split")

    def __post_init__(self) -> None:
        check_params(self)  # before the stages that come first in a pipeline have run for hours


def check_params(params: BuildManifest) -> None:
    """Refuse values that mean nothing.

    Raises:
        ParameterError: With the value and its range.
    """
    checks = (
        ("min_precision", 0 < params.min_precision <= 1, "(0, 1]"),
        ("confidence", 0.5 < params.confidence < 1, "(0.5, 1)"),
        ("evidence", params.evidence in ("model", "audited"), "model, audited"),
        ("leaks", params.leaks in ("drop", "keep"), "drop, keep"),
        ("min_images", params.min_images >= 1, "1 and more"),
        ("resampling", params.resampling in ("none", "sqrt", "uniform"), "none, sqrt, uniform"),
        ("resampling_t", 0 < params.resampling_t <= 1, "(0, 1]"),
        ("val_share", 0 <= params.val_share < 1, "[0, 1)"),
    )
    for name, good, allowed in checks:
        if not good:
            raise ParameterError(f"{name} = {getattr(params, name)} is not in {allowed}", where="build-manifest")


def run(tables: Tables, params: BuildManifest) -> Mapping[str, Rows]:
    """Select labels, class by class, and write down what was left out and why."""
    con = tables.connect()
    manifest_id = manifest_name(tables, asdict(params))
    con.execute("CREATE TEMP TABLE direct AS SELECT image_id, class_key FROM image_labels WHERE origin = 'direct'")
    con.execute("CREATE TEMP TABLE whole AS " + _sql("image_exclusions"), {"leaks": params.leaks})
    con.execute(f"CREATE TEMP TABLE pairs AS FROM ({_sql('direct_labels')}) ANTI JOIN whole USING (image_id)")
    classes = _decide_classes(con, params)
    con.register("decisions", pa.Table.from_pylist(classes, schema=_DECISIONS))
    values: dict[str, Any] = {
        "resampling": params.resampling,
        "resampling_t": params.resampling_t,
        "val_share": params.val_share,
    }
    values |= {"manifest_id": manifest_id, "seed": str(params.seed)}
    columns = [column.name for column in table_schema("manifest_classes").columns]
    rows = [{name: {"manifest_id": manifest_id, **row}[name] for name in columns} for row in classes]
    return {
        "manifest_classes": pa.Table.from_pylist(rows, schema=table_schema("manifest_classes").arrow),
        "manifest": con.sql(_sql("manifest_images"), params=values),
        "exclusions": con.sql(_sql("label_exclusions"), params={"manifest_id": manifest_id}),
    }


def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def _decide_classes(con: duckdb.DuckDBPyConnection, params: BuildManifest) -> list[dict[str, Any]]:
    """What becomes of each class with a direct label: columns of manifest_classes, and rule and detail for its losses.

    class_id is dense over the kept classes, in order of class_key.
    """
    names = dict(con.sql("SELECT class_key, name FROM classes").fetchall())
    out = {row[0] for row in con.sql("SELECT image_id FROM whole WHERE rule <> 'no_label'").fetchall()}
    asked = read_asked(con)
    rows = {each.class_key: _decide(each, asked.get(each.class_key), out, params) for each in read_labels(con)}
    nothing = ClassLabels("", [], [], np.zeros(0), [])
    classes: list[dict[str, Any]] = []
    n_kept = 0
    for (class_key,) in con.sql("SELECT DISTINCT class_key FROM direct ORDER BY 1").fetchall():
        row = rows.get(class_key) or _decide(nothing, None, out, params)
        is_kept = row["status"] == "kept"
        name = names.get(class_key, class_key)
        classes.append({"class_key": class_key, "name": name, "class_id": n_kept if is_kept else None, **row})
        n_kept += is_kept
    return classes


def _decide(labels: ClassLabels, asked: Asked | None, out: set[str], params: BuildManifest) -> dict[str, Any]:
    from curate.noise.select import select_by_audits, select_by_model

    labels = labels.without(out)
    p = labels.p_correct
    alpha = 1 - params.confidence
    if params.evidence == "model":
        decision = select_by_model(p, params.min_precision, alpha, params.min_images)
    else:
        looks = class_looks(labels, asked)
        decision = select_by_audits(p, looks, params.min_precision, alpha, params.min_images)
    n_kept = int((p >= decision.threshold).sum()) if decision.threshold is not None else 0
    row = {
        "status": decision.status,
        "threshold": decision.threshold,
        "n_pairs": len(p),
        "n_kept": n_kept,
        "kept_precision": decision.estimate.precision if decision.estimate and decision.status == "kept" else None,
        "kept_ci_low": decision.estimate.low if decision.estimate and decision.status == "kept" else None,
        "evidence": params.evidence,
        "n_more_audits": decision.n_more_audits,
    }
    rule, detail = _reason(row, params)
    return {**row, "rule": rule, "detail": detail}


def _reason(row: Mapping[str, Any], params: BuildManifest) -> tuple[str, str]:
    if row["status"] == "kept":
        return "below_threshold", ""
    if row["status"] == "undecided":
        return "class_undecided", f"needs about {row['n_more_audits']} more audits"
    what = "estimated precision" if params.evidence == "model" else "audited precision"
    return "class_excluded", f"no {params.min_images} labels with {what} {params.min_precision:g}"


STAGE = QueryStage(
    name="build-manifest",
    version=4,
    params=BuildManifest,
    reads=(
        "mentions",
        "rollups",
        "raw_labels",
        "ancestors",
        "images",
        "label_scores",
        "label_stats",
        "classes",
        "sources",
    ),
    optional=("near_duplicates", "audits", "audit_samples", "audit_frames", "tombstones", "duplicate_clusters"),
    writes=("manifest_classes", "manifest", "exclusions"),
    run=run,
    locations=True,
    retain="manifest_id",
    doc="Select labels that meet a precision and write the training manifest.",
)

__all__ = ["STAGE", "BuildManifest", "export_manifest"]
