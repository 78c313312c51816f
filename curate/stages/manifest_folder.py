"""A manifest as a folder of its own: what `build-manifest --out` writes and training reads."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InputError, MissingInputError
from curate.schema import combine_digests, conform, digest_rows, table_schema
from curate.stage import Tables
from curate.stages.datasheet import datasheet
from curate.stages.datasheet_text import render

ROWS_PER_SHARD = 500_000

INPUTS = (
    "mentions", "rollups", "raw_labels", "ancestors", "images", "label_scores", "label_stats", "classes", "sources",
    "near_duplicates", "audits", "audit_samples", "audit_frames", "tombstones", "duplicate_clusters",
)  # fmt: skip
"""Tables that a manifest is made from."""

RULES = 3
"""Raised when the same inputs and parameters would give another manifest."""

FILES = {
    "manifest_classes": "classes.parquet",
    "manifest_origins": "origins.parquet",
    "exclusions": "exclusions.parquet",
}
"""Files of an export beside the manifest itself, by table."""

_STATEMENTS = {
    "model": "model-based, no guarantee",
    "audited": "audited: for each kept class, as far as its labels have full weight, a one-sided lower bound from "
    "designed audits reaches min_precision",
}


def manifest_name(tables: Tables, parameters: Mapping[str, Any]) -> str:
    """manifest_id: a hash of the parameters and of the logical digests of all inputs, however they are cut in parts.

    Args:
        tables: INPUTS; one that is missing counts as empty.
        parameters: JSON values.

    Returns:
        16 hex digits.
    """
    text = json.dumps([RULES, dict(parameters), input_digests(tables)], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def input_digests(tables: Tables) -> dict[str, str]:
    """Logical digest of every input table."""
    return {name: combine_digests([part.digest for part in tables.parts(name)]) for name in INPUTS}


def export_manifest(tables: Tables, manifest_id: str, out: Path) -> Path:
    """Write a manifest as a stand-alone folder; the same manifest gives the same bytes.

    The folder appears whole or not at all, and replaces an earlier export at the same place.

    Args:
        tables: What build-manifest writes, and sources.
        manifest_id: Which manifest.
        out: Folder to write; new, empty, or an earlier export.

    Returns:
        The folder.

    Raises:
        MissingInputError: There is no such manifest.
        InputError: Something else lies at `out`.
    """
    if manifest_id not in tables.arrow("manifests", ["manifest_id"])["manifest_id"].to_pylist():
        raise MissingInputError(f"no manifest '{manifest_id}'", fix="See curate sql 'FROM manifests'.")
    out = Path(out).absolute()
    if out.exists() and not (out / "provenance.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"'{out}' is there and is no manifest", fix="Give a new or an empty folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        facts = datasheet(tables, manifest_id)
        # One table after the other: together they may be larger than memory.
        made = {name: _write_rows(partial, name, _rows_of(tables, name, manifest_id)) for name in ("manifest", *FILES)}
        _write_text(partial / "provenance.json", to_json(_provenance(tables, manifest_id, made, facts)))
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o777 & ~umask)  # mkdtemp made it private
        _write_text(partial / "datasheet.json", to_json(facts))
        _write_text(partial / "DATASHEET.md", render(facts))
        _replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _rows_of(tables: Tables, name: str, manifest_id: str) -> pa.Table:
    schema = table_schema(name).arrow
    keys = [(key, "ascending") for key in ("image_id", "class_key") if key in schema.names]
    ours = pc.field("manifest_id") == manifest_id
    pieces = [pq.read_table(part.path, filters=ours) for part in tables.parts(name)]
    rows = pa.concat_tables([schema.empty_table(), *(conform(piece, name) for piece in pieces if piece.num_rows)])
    return rows.sort_by(keys).combine_chunks()


def _provenance(
    tables: Tables, manifest_id: str, made: Mapping[str, tuple[str, int]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Where a manifest comes from; made: logical digest and number of rows of each of its tables."""
    used = {source["source"] for source in facts["holds"]["sources"]}
    sources = tables.arrow("sources", ["source", "root"]).to_pylist()
    status = pc.value_counts(_rows_of(tables, "manifest_classes", manifest_id)["status"]).to_pylist()
    return {
        **{name: facts[name] for name in ("manifest_id", "curate_version", "parameters", "inputs")},
        "evidence": facts["precision"]["evidence"],
        "statement": _STATEMENTS[facts["precision"]["evidence"]],
        "sources": {row["source"]: row["root"] for row in sources if row["source"] in used},
        "digests": {name: digest for name, (digest, _) in made.items()},
        "n_rows": {name: n_rows for name, (_, n_rows) in made.items()},
        "n_classes": {each["values"]: each["counts"] for each in status},
    }


def to_json(value: Mapping[str, Any]) -> str:
    """JSON that people can read too; the same value gives the same text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _write_rows(folder: Path, name: str, rows: pa.Table) -> tuple[str, int]:
    """Write a table of a manifest, and tell its logical digest and its number of rows."""
    if name == "manifest":
        n_shards = max(-(-rows.num_rows // ROWS_PER_SHARD), 1)
        for index in range(n_shards):
            shard = rows.slice(index * ROWS_PER_SHARD, ROWS_PER_SHARD)
            pq.write_table(shard, folder / f"manifest-{index:05d}-of-{n_shards:05d}.parquet", compression="zstd")
    else:
        pq.write_table(rows, folder / FILES[name], compression="zstd")
    return digest_rows(rows, name)[0], rows.num_rows


def _write_text(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def _replace(partial: Path, out: Path) -> None:
    """Put the new folder in the place of the old one: two renames, as folders cannot be swapped in one."""
    old = partial.with_name(partial.name + ".old")
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)
