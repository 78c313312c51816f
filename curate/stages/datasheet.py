"""The datasheet of a manifest: what it holds, how precise that is and how one knows, what was left out.

Its questions are those of Gebru et al., "Datasheets for Datasets" (2021), as far as tables can answer them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import duckdb

from curate.stage import Tables
from curate.stages.queries import sql_of

NOT_STATED = "not stated"

TO_STATE = {
    "purpose": "For which purpose was the dataset created?",
    "creators": "Who created it, and who paid for it?",
    "people": "Do images show people, and can they be identified?",
    "consent": "Did those who made the images or are shown in them consent?",
    "intended_uses": "What is it meant for, and what is it not to be used for?",
    "licence": "Under which licence is it distributed, and which licences do its images have?",
    "contact": "Who maintains it, and how can an image be removed?",
}
"""What only people can answer, by the key under which it stands in datasheet.json."""

RULES = {
    "tombstone": "asked to be forgotten",
    "damaged": "cannot be decoded",
    "near_duplicate": "copy of an evaluation image",
    "no_label": "no text names a class",
    "few_images": "class with too few images, none above it",
    "max_classes": "not among the largest classes",
    "below_kept": "class below one that was kept",
    "above_kept": "class above one that was kept",
    "merged": "became, rolled up, a label that the image has",
    "over_cap": "not among the highest scores of its class",
    "class_excluded": "class cannot reach the precision, or is too small",
    "class_undecided": "class needs more audits",
    "below_threshold": "score below the class's threshold",
}


def datasheet(tables: Tables, manifest_id: str) -> dict[str, Any]:
    """All facts about a manifest, as JSON values; the same manifest gives the same.

    Args:
        tables: The tables that build-manifest writes, and sources.
        manifest_id: A manifest that is there.
    """
    with tables.connect() as con:
        (made_from,) = _rows(
            con, "SELECT parameters, inputs FROM manifests WHERE manifest_id = $manifest_id", manifest_id
        )
        (counts,) = _rows(con, sql_of("datasheet_counts"), manifest_id)
        of = "WHERE manifest_id = $manifest_id"
        classes = _rows(con, f"SELECT * EXCLUDE manifest_id FROM manifest_classes {of} ORDER BY class_key", manifest_id)
        losses = _rows(con, f"SELECT * EXCLUDE manifest_id FROM manifest_losses {of} ORDER BY step", manifest_id)
        sources = _rows(
            con,
            f"SELECT source, any_value(format) AS format, count(*) AS n_images FROM manifest "
            f"LEFT JOIN sources USING (source) {of} GROUP BY source ORDER BY source",
            manifest_id,
        )
        leaks = _rows(
            con,
            "SELECT regexp_extract(detail, '^copy of ([^/]*)/', 1) AS eval_set, count(*) AS n_images FROM exclusions "
            f"{of} AND rule = 'near_duplicate' GROUP BY ALL ORDER BY eval_set",
            manifest_id,
        )
    parameters = json.loads(made_from["parameters"])
    total = {name: sum(row[name] for row in classes) for name in ("n_kept", "n_weighted", "n_inherited", "n_audited")}
    return {
        "manifest_id": manifest_id,
        "curate_version": curate_version(),
        "holds": {
            **counts,
            "n_classes": sum(row["class_id"] is not None for row in classes),
            **{name: total[name] for name in ("n_kept", "n_weighted", "n_inherited")},
            "sources": sources,
        },
        "precision": _precision(classes, parameters, total["n_audited"]),
        "losses": losses,
        "leaks": leaks,
        "parameters": parameters,
        "inputs": json.loads(made_from["inputs"]),
        "stated_by_its_makers": dict.fromkeys(TO_STATE, NOT_STATED),
        "classes": classes,
    }


def curate_version() -> str:
    """Version of this package, as far as it is installed."""
    try:
        return version("curate")
    except PackageNotFoundError:
        return "unknown"


def _rows(con: duckdb.DuckDBPyConnection, query: str, manifest_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = con.sql(query, params={"manifest_id": manifest_id}).to_arrow_table().to_pylist()
    return found


def _precision(classes: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], n_audited: int) -> dict[str, Any]:
    """What is stated of the labels' precision, how it was established, and what noise that leaves to be expected."""
    kept = [row for row in classes if row["status"] == "kept"]
    n_kept = sum(row["n_kept"] for row in kept)
    wrong = {
        name: round(math.fsum(row["n_kept"] * (1 - row[column]) for row in kept) / n_kept, 4) if n_kept else None
        for name, column in (("expected", "kept_precision"), ("at_the_bounds", "kept_ci_low"))
    }
    status = [("rolled_up" if row["rolled_up_to"] else row["status"]) for row in classes]
    return {
        "evidence": parameters["evidence"],
        "min_precision": parameters["min_precision"],
        "confidence": parameters["confidence"],
        "n_labels": n_kept,
        "n_classes": {name: status.count(name) for name in ("kept", "undecided", "excluded", "rolled_up")},
        "n_audited": n_audited,
        "n_classes_audited": sum(row["n_audited"] > 0 for row in classes),
        "n_looks": max((row["n_looks"] for row in classes), default=0),
        "n_more_audits": sum(row["n_more_audits"] or 0 for row in classes),
        "noise_rate": wrong["expected"],
        "noise_rate_at_bounds": wrong["at_the_bounds"],
        "statement": _statement(parameters, len(kept), n_kept),
    }


def _statement(parameters: Mapping[str, Any], n_classes: int, n_labels: int) -> str:
    target, share = f"{parameters['min_precision']:g}", f"{100 * parameters['confidence']:g} %"
    if not n_classes:
        return "No class was kept; nothing is stated."
    what = f"{n_labels:,} labels of {n_classes:,} classes"
    if parameters["evidence"] == "audited":
        return (
            f"Audited: for {what}, class by class, a one-sided lower bound from people's verdicts on a designed sample "
            f"says that at least {target} of a class's labels are right. For each class the bound is right with a "
            f"confidence of {share}."
        )
    return (
        f"Model-based, no guarantee: for {what}, class by class, a model's estimate says that at least {target} of a "
        "class's labels are right. No person's verdict stands behind it."
    )
