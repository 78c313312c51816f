"""How two manifests differ: in the workspace, or as folders of their own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import FormatError, MissingInputError
from curate.schema import table_schema
from curate.stages.manifest_folder import FILES
from curate.stages.queries import sql_of

_TABLES = ("manifest", *FILES)
_MADE_FROM = pa.schema([(name, pa.string()) for name in ("part", "item", "old", "new")])


@dataclass(frozen=True)
class Side:
    """A manifest to compare.

    Attributes:
        manifest_id: Its id.
        queries: By table, the SELECT that gives the manifest's rows.
        parameters: Parameters of build-manifest.
        inputs: Digest of each table that it was made from.
    """

    manifest_id: str
    queries: Mapping[str, str]
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]


def stored_side(con: duckdb.DuckDBPyConnection, manifest_id: str) -> Side:
    """A manifest of a workspace.

    Args:
        con: Connection with the tables that build-manifest writes.
        manifest_id: One that is there.
    """
    found = con.execute("SELECT parameters, inputs FROM manifests WHERE manifest_id = ?", [manifest_id]).fetchall()[0]
    queries = {name: f"FROM {name} WHERE manifest_id = {_quoted(manifest_id)}" for name in _TABLES}
    return Side(manifest_id, queries, *map(json.loads, found))


def folder_side(folder: Path) -> Side:
    """A manifest that was exported.

    Raises:
        MissingInputError: The folder holds no manifest, or not all of it.
        FormatError: It was written under other definitions, or cannot be read.
    """
    from curate.train.manifest import manifest_files

    file = folder / "provenance.json"
    if not file.is_file():
        fix = "Give the folder that build-manifest --out wrote, or the id of a manifest."
        raise MissingInputError(f"no manifest in '{folder}': provenance.json is missing", fix=fix)
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        made_from = known["manifest_id"], known["parameters"] or {}, known["inputs"] or {}
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError("no manifest_id, parameters and inputs in it", where=str(file)) from error
    files = {"manifest": manifest_files(folder), **{table: [folder / name] for table, name in FILES.items()}}
    for table, paths in files.items():
        for path in paths:
            _check_file(path, table)
    queries = {t: f"FROM read_parquet([{', '.join(_quoted(str(p)) for p in paths)}])" for t, paths in files.items()}
    return Side(made_from[0], queries, *made_from[1:])


def compare(con: duckdb.DuckDBPyConnection, old: Side, new: Side) -> None:
    """Make the views and the table labels that the questions below ask."""
    for name in _TABLES:
        columns = ", ".join(column.name for column in table_schema(name).columns)
        sides = [
            f"SELECT '{which}' AS side, {columns} FROM ({side.queries[name]})"
            for which, side in (("old", old), ("new", new))
        ]
        con.execute(f"CREATE TEMP VIEW both_{name} AS {' UNION ALL '.join(sides)}")
    con.register("made_from", pa.Table.from_pylist(_made_from(old, new), schema=_MADE_FROM))
    con.execute(f"CREATE TEMP TABLE labels AS {sql_of('diff_labels')}")


def differences(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """What differs, part by part: summary, parameter, input, rule, class, threshold."""
    return con.sql(sql_of("diff_summary"))


def changed_labels(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Direct labels that became something else, with what they were and what they are."""
    return con.sql(
        "SELECT image_id, class_key, old || coalesce(' as ' || old_as, '') AS old, "
        "new || coalesce(' as ' || new_as, '') AS new FROM labels "
        "WHERE (old, old_as) IS DISTINCT FROM (new, new_as) ORDER BY image_id, class_key"
    )


def _made_from(old: Side, new: Side) -> list[dict[str, str | None]]:
    pairs = (("parameter", old.parameters, new.parameters), ("input", old.inputs, new.inputs))
    rows = [(part, item, _said(a, item), _said(b, item)) for part, a, b in pairs for item in sorted({*a, *b})]
    return [dict(zip(_MADE_FROM.names, row, strict=True)) for row in rows if row[2] != row[3]]


def _said(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else json.dumps(value) if name in values else None


def _check_file(path: Path, table: str) -> None:
    if not path.is_file():
        raise MissingInputError(f"{path.name} is missing", where=str(path.parent), fix="Export the manifest again.")
    try:
        there: Sequence[str] = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"no readable Parquet file: {str(error).splitlines()[0]}", where=str(path)) from error
    missing = [column.name for column in table_schema(table).columns if column.name not in there]
    if missing:
        fix = "It is of another version of curate; export the manifest again."
        raise FormatError(f"columns missing: {', '.join(missing)}", where=str(path), fix=fix)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
