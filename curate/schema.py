"""The definitions in schemas/*.sql as Arrow schemas and checks.

The SQL files are the single definition of every table. They are executed in an empty in-memory DuckDB, and its
catalogue is asked for types, constraints and comments; nothing parses SQL by hand. Words in square brackets at the
end of a column's comment are for the machine:

    [location]  where the bytes lie: left out of the logical digest, so that moved data stays the same data
    [volatile]  a time stamp: in no digest
    [float16]   a vector that is stored in half precision
    [key]       part of a view's key (a view has no PRIMARY KEY)
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from curate.errors import SchemaError, nearest

_TAG = re.compile(r"\s*\[(location|volatile|float16|key)\]")


def data_folder(name: str) -> Path:
    """Where schemas/ or pipelines/ lies: inside an installed package, or at the top of a checkout.

    Args:
        name: "schemas" or "pipelines".
    """
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name


@dataclass(frozen=True)
class Column:
    """One column of a table, as its SQL file defines it."""

    name: str
    sql_type: str
    nullable: bool
    comment: str
    tags: frozenset[str]


@dataclass(frozen=True)
class TableSchema:
    """One table of schemas/.

    Attributes:
        name: Table name.
        comment: What a row is.
        columns: In file order.
        key: Primary key columns.
        checks: SQL expressions that must not be false for any row.
        view_sql: The SELECT of a view; empty for a stored table.
        view_reads: Stored tables that a view reads.
        arrow: Arrow schema of the stored form.
        hash: Changes with anything that makes old parts unreadable as this table (names, types, key).
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[str, ...]
    view_sql: str
    view_reads: tuple[str, ...]
    arrow: pa.Schema
    hash: str

    def tagged(self, tag: str) -> tuple[str, ...]:
        """Names of the columns that bear a tag."""
        return tuple(column.name for column in self.columns if tag in column.tags)

    @property
    def logical_columns(self) -> tuple[str, ...]:
        """Columns that enter the logical digest."""
        return tuple(c.name for c in self.columns if not c.tags & {"location", "volatile"})


@cache
def table_schemas() -> dict[str, TableSchema]:
    """All tables and views of schemas/, by name.

    Raises:
        SchemaError: A file cannot be executed, or a table or column lacks its comment.
    """
    con = empty_database()
    catalogue = _read_catalogue(con)
    names = sorted(file.stem for file in data_folder("schemas").glob("*.sql"))
    return {name: _describe(con, name, catalogue) for name in names}


def empty_database() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with all tables and views of schemas/, without rows.

    Raises:
        SchemaError: A file cannot be executed.
    """
    con = duckdb.connect()
    texts = {file.name: file.read_text(encoding="utf-8") for file in data_folder("schemas").glob("*.sql")}
    for name, text in sorted(texts.items(), key=lambda item: ("CREATE VIEW" in item[1], item[0])):
        try:
            con.execute(text)
        except duckdb.Error as error:
            raise SchemaError(str(error).splitlines()[0], where=f"schemas/{name}") from error
    return con


@cache
def macros_sql() -> str:
    """Statements that make the macros of schemas/macros in a database with all tables and views."""
    files = sorted((data_folder("schemas") / "macros").glob("*.sql"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@cache
def macros() -> dict[str, str]:
    """What each macro gives, by name with its parameters."""
    con = empty_database()
    con.execute(macros_sql())
    rows = con.execute(
        "SELECT function_name, parameters, comment FROM duckdb_functions() "
        "WHERE NOT internal AND function_type LIKE '%macro' ORDER BY function_name"
    ).fetchall()
    return {f"{name}({', '.join(parameters)})": comment for name, parameters, comment in rows}


def table_schema(name: str) -> TableSchema:
    """The schema of one table.

    Raises:
        SchemaError: There is no such table.
    """
    schemas = table_schemas()
    if name not in schemas:
        raise SchemaError(f"no table '{name}'", fix=nearest(name, schemas))
    return schemas[name]


class _Catalogue(NamedTuple):
    """What DuckDB says of tables and views, by name."""

    columns: dict[str, list[Any]]
    constraints: dict[str, list[Any]]
    tables: dict[str, list[Any]]
    views: dict[str, list[Any]]


def _read_catalogue(con: duckdb.DuckDBPyConnection) -> _Catalogue:
    """All at once: a question about one table takes DuckDB as long as one about all."""
    queries = (
        "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY table_name, column_index",
        "SELECT table_name, constraint_type, expression, constraint_column_names FROM duckdb_constraints()",
        "SELECT table_name, comment FROM duckdb_tables() ORDER BY table_name",
        "SELECT view_name, comment, sql FROM duckdb_views() WHERE NOT internal",
    )
    found: list[dict[str, list[Any]]] = []
    for query in queries:
        found.append({})
        for name, *values in con.execute(query).fetchall():
            found[-1].setdefault(name, []).append(values)
    return _Catalogue(*found)


def _describe(con: duckdb.DuckDBPyConnection, name: str, catalogue: _Catalogue) -> TableSchema:
    columns = tuple(
        Column(column, sql_type, nullable, _TAG.sub("", comment or ""), frozenset(_TAG.findall(comment or "")))
        for column, sql_type, nullable, comment in catalogue.columns.get(name, ())
    )
    undocumented = [c.name for c in columns if not c.comment]
    if not columns or undocumented:
        raise SchemaError(f"no comment on {undocumented or 'anything'}", where=f"schemas/{name}.sql")
    constraints = catalogue.constraints.get(name, ())
    primary = [tuple(names) for kind, _, names in constraints if kind == "PRIMARY KEY"]
    key = primary[0] if primary else tuple(c.name for c in columns if "key" in c.tags)
    comment, view = (catalogue.tables.get(name) or catalogue.views[name])[0], catalogue.views.get(name)
    view_sql = view[0][1].partition(" AS ")[2].rstrip("; \n") if view else ""
    words = set(re.findall(r"\w+", view_sql))
    contract = repr([(c.name, c.sql_type, sorted(c.tags)) for c in columns] + [key])
    return TableSchema(
        name=name,
        comment=comment[0],
        columns=columns,
        key=key,
        checks=tuple(expression for kind, expression, _ in constraints if kind == "CHECK"),
        view_sql=view_sql,
        view_reads=tuple(table for table in catalogue.tables if table in words),
        arrow=_arrow_schema(con, name, columns),
        hash=sha256(contract.encode()).hexdigest()[:16],
    )


def _arrow_schema(con: duckdb.DuckDBPyConnection, name: str, columns: tuple[Column, ...]) -> pa.Schema:
    derived = con.sql(f"SELECT * FROM {name} LIMIT 0").to_arrow_table().schema
    fields = []
    for column in columns:
        arrow_type = pa.list_(pa.float16()) if "float16" in column.tags else derived.field(column.name).type
        fields.append(pa.field(column.name, arrow_type, column.nullable))
    return pa.schema(fields)


def conform(rows: pa.Table, name: str) -> pa.Table:
    """Rows in the exact Arrow schema of a table: column order, types, nullability.

    Args:
        rows: Rows with the table's column names, in any order.
        name: Table name.

    Returns:
        The same rows; nothing is converted that would lose a value.

    Raises:
        SchemaError: A column is missing, unknown, of another type, or NULL where it must not be.
    """
    schema = table_schema(name)
    missing = [c.name for c in schema.columns if c.name not in rows.column_names]
    unknown = [c for c in rows.column_names if c not in schema.arrow.names]
    if missing or unknown:
        raise SchemaError(f"columns missing: {missing}, unknown: {unknown}", where=f"table {name}")
    columns = []
    for column in schema.arrow:
        values = rows.column(column.name)
        try:
            values = values.cast(column.type, safe=not pa.types.is_list(column.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SchemaError(f"column {column.name}: {error}", where=f"table {name}") from error
        if values.null_count and not column.nullable:
            raise SchemaError(f"column {column.name} has {values.null_count} NULLs", where=f"table {name}")
        columns.append(values)
    return pa.table(columns, schema=schema.arrow)


def check_rows(rows: pa.Table, name: str) -> None:
    """Check the rows of one part against the table's CHECKs and its key.

    Args:
        rows: Rows that conform to the table.
        name: Table name.

    Raises:
        SchemaError: A CHECK is false for a row, or two rows share a key.
    """
    if not rows.num_rows:
        return
    schema = table_schema(name)
    keys, first = ", ".join(schema.key), f"min({schema.key[0]})"
    bad = [f"(count(*) FILTER (NOT ({check})), {first} FILTER (NOT ({check})))" for check in schema.checks]
    with _database().cursor() as con:
        con.register("part", _scannable(rows))
        found = con.execute(f"SELECT {', '.join(bad)} FROM part").fetchall()[0] if bad else ()
        twice = con.execute(f"SELECT {keys} FROM part GROUP BY ALL HAVING count(*) > 1 LIMIT 1").fetchall()
    for check, (n_bad, value) in zip(schema.checks, found, strict=True):
        if n_bad:
            raise SchemaError(f"{n_bad} rows violate {check}, first {schema.key[0]} = {value}", where=f"table {name}")
    if twice:
        raise SchemaError(f"two rows with key ({keys}) = {twice[0]}", where=f"table {name}")


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """For checks, each with its own cursor: to open a database takes longer than to check a thousand rows."""
    return duckdb.connect()


def digest_rows(rows: pa.Table, name: str) -> tuple[str, str]:
    """Digests of a set of rows that do not depend on their order.

    Each row is hashed (MD5 of its columns as JSON) and the hashes are added up, their two halves apart, modulo 2^64.
    So the digest of a table is the sum of its parts' digests, however they are cut.

    Args:
        rows: Rows that conform to the table.
        name: Table name.

    Returns:
        The logical digest, and the digest of key and location columns; 32 hex digits each.
    """
    if not rows.num_rows:
        return _hex([0, 0]), _hex([0, 0])
    schema = table_schema(name)
    digests = []
    with _database().cursor() as con:
        con.register("part", _hashable(rows))
        for columns in (schema.logical_columns, tuple(dict.fromkeys((*schema.key, *schema.tagged("location"))))):
            packed = ", ".join(f'"{column}" := "{column}"' for column in columns)
            # md5_number gives both halves at the price of one, the upper one in its low bits.
            query = (
                "SELECT sum((hash & 18446744073709551615::UHUGEINT)::HUGEINT), sum((hash >> 64)::HUGEINT) "
                f"FROM (SELECT md5_number(to_json(struct_pack({packed}))::VARCHAR)::UHUGEINT AS hash FROM part)"
            )
            digests.append(_hex([int(half or 0) for half in con.execute(query).fetchall()[0]]))
    return digests[0], digests[1]


def combine_digests(digests: list[str]) -> str:
    """The digest of a table from those of its parts."""
    return _hex([sum(int(digest[start : start + 16], 16) for digest in digests) for start in (0, 16)])


def _hex(halves: list[int]) -> str:
    return "".join(f"{half % 2**64:016x}" for half in halves)


def _scannable(rows: pa.Table) -> pa.Table:
    """Half-precision lists widened: DuckDB reads them from Parquet but not from memory."""
    for index, column in enumerate(rows.schema):
        if pa.types.is_list(column.type) and pa.types.is_float16(column.type.value_type):
            rows = rows.set_column(index, column.name, rows.column(index).cast(pa.list_(pa.float32())))
    return rows


def _hashable(rows: pa.Table) -> pa.Table:
    """Vectors as one hex string each: as JSON numbers they would be ten times slower to hash."""
    for index, column in enumerate(rows.schema):
        if pa.types.is_list(column.type) and pa.types.is_float16(column.type.value_type):
            raw = [value.values.to_numpy().tobytes().hex() for value in rows.column(index)]
            rows = rows.set_column(index, column.name, pa.array(raw, pa.string()))
    return rows


__all__ = ["Column", "TableSchema", "check_rows", "combine_digests", "conform", "data_folder", "digest_rows",
           "macros", "macros_sql", "table_schema", "table_schemas"]  # fmt: skip
