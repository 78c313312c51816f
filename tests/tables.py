"""Tables in memory, with the interface that stages see."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from curate.schema import conform, digest_rows, table_schema
from curate.stage import StoredPart


class MemoryTables:
    """What a stage reads from, built from Arrow tables; a list of tables makes one part each.

    Every declared table of `empty` that is not given is presented as an empty view, as optional tables are.
    """

    def __init__(
        self, given: Mapping[str, pa.Table | Sequence[pa.Table]], empty: Sequence[str] = (), folder: Path | None = None
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="curate-test-"))
        self._parts: dict[str, list[StoredPart]] = {name: [] for name in empty}
        for name, tables in given.items():
            parts = [tables] if isinstance(tables, pa.Table) else tables
            self._parts[name] = [self._store(name, i, part) for i, part in enumerate(parts)]

    def _store(self, name: str, index: int, rows: pa.Table) -> StoredPart:
        rows = conform(rows, name)
        path = self.folder / f"{name}-{index}.parquet"
        pq.write_table(rows, path)
        return StoredPart(f"{index:05d}", path, rows.num_rows, digest_rows(rows, name)[0])

    def arrow(self, name: str, columns: list[str] | None = None) -> pa.Table:
        schema = table_schema(name).arrow
        if columns is not None:
            schema = pa.schema([schema.field(column) for column in columns])
        pieces = [pq.read_table(part.path, columns=columns, schema=None) for part in self._parts[name]]
        return pa.concat_tables(pieces) if pieces else schema.empty_table()

    def parts(self, name: str) -> list[StoredPart]:
        return self._parts[name]

    def latest(self, name: str) -> str | None:
        return None

    def connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        for name, parts in self._parts.items():
            schema = table_schema(name)
            if parts:
                files = ", ".join(f"'{part.path}'" for part in parts)
                con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}])")
            else:
                columns = ", ".join(f'"{c.name}" {c.sql_type}' for c in schema.columns)
                con.execute(f"CREATE TABLE {name} ({columns})")
        if set(table_schema("image_labels").view_reads) <= set(self._parts):
            con.execute(f"CREATE VIEW image_labels AS {table_schema('image_labels').view_sql}")
        return con

    def rename_parts(self, name: str, new_name) -> None:
        """Give the parts of a table the names that their stage would have given them."""
        self._parts[name] = [replace(part, name=new_name(part.name)) for part in self._parts[name]]
