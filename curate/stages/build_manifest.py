"""build-manifest: the labels and images to train on, and for each that is left out the reason."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import duckdb
import pyarrow as pa

from curate.errors import ParameterError
from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables, param
from curate.stages.class_decisions import decide_classes, decisions_table, place_classes
from curate.stages.labels import check_scores, want_classes
from curate.stages.manifest_folder import export_manifest, input_digests, manifest_name
from curate.stages.queries import sql_of

_PLACES = pa.schema([("class_key", pa.string()), ("place", pa.string())])


@dataclass(frozen=True, kw_only=True)
class BuildManifest:
    """Parameters of build-manifest."""

    min_precision: float = param(help="Precision that the labels of every kept class must have, in (0, 1]")
    confidence: float = param(0.95, help="One-sided confidence of the lower bound, in (0.5, 1)")
    evidence: Literal["model", "audited"] = param(
        "model", help="What must reach the precision: the model's estimate, or the lower bound from audits"
    )
    leaks: Literal["drop", "keep"] = param("drop", help="What becomes of copies of eval images: left out, or kept")
    keep: Literal["precise", "all"] = param(
        "precise", help="What becomes of labels below the precision: left out, or kept with p_correct as their weight"
    )
    min_images: int = param(5, help="Classes with fewer kept images are excluded")
    max_per_class: int | None = param(
        None, help="Choose among so many labels of a class, those with the highest scores (default: all)"
    )
    roll_up: bool = param(False, help="Give the labels of classes with fewer than min_images to the class above them")
    inherit: bool = param(False, help="Fill in the classes above each kept label, as far as the manifest has them")
    resampling: Literal["none", "sqrt", "uniform", "inverse"] = param(
        "none",
        help="How strongly to repeat images of rare classes: by nothing, √(t / share), t / share, or 1 / share",
    )
    resampling_t: float = param(0.001, help="t: share of images below which sqrt and uniform count a class as rare")
    val_share: float = param(0.0, help="Share of images to hold out as split val; copies stay together, in [0, 1)")
    seed: int = param(0, help="Seed of the split, and of what lies within the cap among equal scores")

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
        ("keep", params.keep in ("precise", "all"), "precise, all"),
        ("min_images", params.min_images >= 1, "1 and more"),
        (
            "max_per_class",
            params.max_per_class is None or params.max_per_class >= params.min_images,
            f"min_images ({params.min_images}) and more",
        ),
        ("resampling", params.resampling in ("none", "sqrt", "uniform", "inverse"), "none, sqrt, uniform, inverse"),
        ("resampling_t", 0 < params.resampling_t <= 1, "(0, 1]"),
        ("val_share", 0 <= params.val_share < 1, "[0, 1)"),
    )
    for name, good, allowed in checks:
        if not good:
            raise ParameterError(f"{name} = {getattr(params, name)} is not in {allowed}", where="build-manifest")


def run(tables: Tables, params: BuildManifest) -> Mapping[str, Rows]:
    """Select labels, class by class, and write down what was left out and why."""
    con = tables.connect()
    parameters = asdict(params)
    manifest_id = manifest_name(tables, parameters)
    values = {**parameters, "manifest_id": manifest_id, "seed": str(params.seed)}
    _keep_direct(con, values)
    places = place_classes(con, params.min_images) if params.roll_up else {}
    con.register("places", pa.table({"class_key": [*places], "place": [*places.values()]}, schema=_PLACES))
    _keep_as(con, "usable", "usable_labels", values)
    con.execute("DROP TABLE pairs")
    classes = decide_classes(con, params, places)
    con.register("decisions", decisions_table(classes))
    _keep_as(con, "fates", "label_fates", values)
    con.execute("DROP TABLE usable")
    _keep_as(con, "kept", "kept_labels", values)
    n_inherited = dict(
        con.sql("SELECT class_key, count(*) FROM kept WHERE origin = 'inherited' GROUP BY ALL").fetchall()
    )
    rows = [{**row, "manifest_id": manifest_id, "n_inherited": n_inherited.get(row["class_key"], 0)} for row in classes]
    made_from = {"parameters": parameters, "inputs": input_digests(tables)}
    origins = "SELECT ? AS manifest_id, image_id, class_key, origin, direct_key FROM kept WHERE origin <> 'direct'"
    return {
        "manifests": _rows("manifests", [{"manifest_id": manifest_id, **{k: _json(v) for k, v in made_from.items()}}]),
        "manifest_classes": _rows("manifest_classes", rows),
        "manifest": _query(con, "manifest_images", values),
        "manifest_origins": con.sql(origins, params=[manifest_id]),
        "manifest_losses": _query(con, "manifest_losses", values),
        "exclusions": _query(con, "label_exclusions", values),
    }


def _keep_direct(con: duckdb.DuckDBPyConnection, values: Mapping[str, Any]) -> None:
    """Tables of direct labels: those of usable images (pairs), of others (gone), and the classes of both (labelled).

    They hold what later queries ask for and no more: each may be as large as the corpus.
    """
    want_classes(con)
    con.execute(
        "CREATE TEMP TABLE direct AS "
        f"SELECT image_id, class_key, status = 'ok' AS is_decodable, p_correct FROM ({sql_of('direct_labels')})"
    )
    check_scores(con, "SELECT p_correct FROM direct WHERE is_decodable")
    _keep_as(con, "whole", "image_exclusions", values)
    con.execute("CREATE TEMP TABLE labelled AS SELECT DISTINCT class_key FROM direct")
    con.execute("CREATE TEMP TABLE gone AS SELECT image_id, class_key, rule FROM direct JOIN whole USING (image_id)")
    con.execute(
        "CREATE TEMP TABLE pairs AS SELECT image_id, class_key, p_correct FROM direct ANTI JOIN whole USING (image_id) "
        "WHERE is_decodable"
    )
    con.execute("DROP TABLE direct")


def _named(sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the values those that a query asks for: DuckDB refuses more."""
    return {name: values[name] for name in re.findall(r"\$([a-z_]+)", sql)}


def _query(con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
    sql = sql_of(name)
    return con.sql(sql, params=_named(sql, values))


def _keep_as(con: duckdb.DuckDBPyConnection, table: str, name: str, values: Mapping[str, Any]) -> None:
    sql = sql_of(name)
    con.execute(f"CREATE TEMP TABLE {table} AS {sql}", _named(sql, values))


def _rows(table: str, rows: list[dict[str, Any]]) -> pa.Table:
    columns = [column.name for column in table_schema(table).columns]
    known = [{name: row[name] for name in columns} for row in rows]
    return pa.Table.from_pylist(known, schema=table_schema(table).arrow)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


STAGE = QueryStage(
    name="build-manifest",
    version=5,
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
    writes=("manifests", "manifest_classes", "manifest", "manifest_origins", "manifest_losses", "exclusions"),
    run=run,
    locations=True,
    retain="manifest_id",
    doc="Select labels that meet a precision and write the training manifest.",
)

__all__ = ["STAGE", "BuildManifest", "export_manifest"]
