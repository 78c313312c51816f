"""The workspace on disk: tables as immutable Parquet parts, and one commit file per stage.

    workspace/
        workspace.json            marks the folder and its format
        lock                      held by a run
        curate.duckdb             views over all tables, for any DuckDB client
        parts/<table>/*.parquet   written under a temporary name, then renamed; never changed
        journal/*.jsonl           verdicts that are not in table audits yet, see review/audit/journal.py
        commits/<stage>.json      which parts make up the tables of the stage: replaced last, in one rename

A part's file name holds its fingerprint, so a part that exists is a part that is done: a killed run continues where
it was, and parts whose inputs did not change are reused. As every table has one producer, replacing the producer's
commit file moves all its tables to the new version at once.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import LockedError, MissingTableError, SchemaError, WorkspaceError
from curate.schema import check_rows, combine_digests, conform, digest_rows, macros_sql, table_schema, table_schemas
from curate.stage import StoredPart

FORMAT = 1
MAX_QUERY_BYTES = 4 * 2**30
"""Memory that a query may take at most, and half of the machine's if that is less; what needs more goes to disk."""
_FOOTER = b"curate"
# What a kill may leave behind: see _written, and stages/manifest_folder.py.
_PARTIAL = (".workspace.json.*", ".curate.duckdb.*", "commits/.*.json.*", "parts/*/.*.parquet.*", "manifests/.*")


@dataclass(frozen=True)
class PartRecord:
    """What a commit knows of a part: enough to read it, compare it and check it."""

    name: str
    file: str
    n_rows: int
    fingerprint: str
    digest: str
    location_digest: str


@dataclass(frozen=True)
class Commit:
    """One version of all tables of a stage.

    Attributes:
        stage: The producer.
        fingerprint: Of parameters and inputs; equal fingerprint, nothing to do.
        params: Parameters that it ran with, as JSON values.
        tables: Parts by table, sorted by name.
        schemas: Schema hash by table.
        latest: For tables that retain older values (manifest_id, run_id), the value that was written last.
        kept: Files that are no part of a table but serve the next incremental run.
        inputs: Logical digest by input table, to say later what changed.
    """

    stage: str
    fingerprint: str
    params: Mapping[str, Any]
    tables: Mapping[str, list[PartRecord]]
    schemas: Mapping[str, str]
    inputs: Mapping[str, str]
    latest: str = ""
    kept: list[str] = field(default_factory=list)


class Workspace:
    """A workspace folder.

    Args:
        folder: The folder.
        create: Make it if it is not there.

    Raises:
        WorkspaceError: The folder is no workspace, or one of another format.
    """

    def __init__(self, folder: str | os.PathLike[str], *, create: bool = False) -> None:
        self.folder = Path(folder).absolute()
        self._read: dict[str, tuple[int, Commit]] = {}
        self._files: tuple[tuple[tuple[str, int], ...], dict[str, PartRecord]] = ((), {})
        marker = self.folder / "workspace.json"
        if not marker.exists():
            if not create:
                raise WorkspaceError(
                    f"no workspace at '{folder}'", fix="Make one with 'curate init DIR', or name one with -w DIR."
                )
            if self.folder.exists() and any(not p.match(".workspace.json.*") for p in self.folder.iterdir()):
                raise WorkspaceError(f"'{folder}' is not empty and no workspace", fix="Give a new or an empty folder.")
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(marker, json.dumps({"format": FORMAT}).encode())
        try:
            found = json.loads(marker.read_bytes()).get("format")
        except ValueError as error:
            raise WorkspaceError(f"'{marker}' cannot be read: {error}") from error
        if found != FORMAT:
            raise WorkspaceError(f"workspace format {found}, this version reads {FORMAT}", where=str(folder))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for writing; a second holder gets a LockedError at once."""
        with (self.folder / "lock").open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                raise LockedError(
                    f"another run (process {handle.read().strip() or 'unknown'}) holds it",
                    where=f"workspace {self.folder.name}",
                    fix="Wait for it to end, or use another workspace.",
                ) from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            # Whoever held the lock before may have been killed amid a write.
            shutil.rmtree(self.folder / "tmp", ignore_errors=True)
            for pattern in _PARTIAL:
                for partial in self.folder.glob(pattern):
                    shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
            self._refresh_views()
            yield

    def commit_of(self, stage: str) -> Commit | None:
        """The current commit of a stage; None where it has not run.

        Raises:
            WorkspaceError: The commit file is damaged.
        """
        path = self.folder / "commits" / f"{stage}.json"
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if stage in self._read and self._read[stage][0] == changed:
            return self._read[stage][1]
        try:
            raw = json.loads(path.read_bytes())
            raw["tables"] = {t: [PartRecord(**part) for part in parts] for t, parts in raw["tables"].items()}
            commit = Commit(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise WorkspaceError(
                f"'{path}' cannot be read: {error}", fix="Delete it to run the stage again."
            ) from error
        self._read[stage] = changed, commit
        return commit

    def commits(self) -> dict[str, Commit]:
        """All current commits by stage."""
        names = sorted(path.stem for path in (self.folder / "commits").glob("*.json"))
        return {name: commit for name in names if (commit := self.commit_of(name))}

    def replace(self, commit: Commit) -> None:
        """Make a commit the current one, rebuild the views, and remove parts that nothing needs any more."""
        path = self.folder / "commits" / f"{commit.stage}.json"
        path.parent.mkdir(exist_ok=True)
        previous = self.commit_of(commit.stage)
        write_atomically(path, json.dumps(asdict(commit), indent=1, sort_keys=True).encode())
        self._prune(commit, previous)
        self.write_views()

    def _prune(self, commit: Commit, previous: Commit | None) -> None:
        # The version before stays readable for whoever opened it a moment ago.
        for table in commit.tables:
            keep = {part.file for c in (commit, previous) if c for part in c.tables.get(table, [])}
            keep.update(file for c in (commit, previous) if c for file in c.kept)
            for path in (self.folder / "parts" / table).glob("*.parquet"):
                if f"{table}/{path.name}" not in keep:
                    path.unlink()

    def part_path(self, file: str) -> Path:
        """Absolute path of a part's file."""
        return self.folder / "parts" / file

    def find_part(self, table: str, name: str, fingerprint: str) -> PartRecord | None:
        """The record of a finished part, from the commit or from the file's footer; None where it has to be made."""
        file = _part_file(table, name, fingerprint)
        path = self.part_path(file)
        if not path.exists():
            return None
        known = self._known().get(file)
        if known:
            return known
        try:
            footer = json.loads(pq.read_metadata(path).metadata[_FOOTER])
        except (pa.ArrowInvalid, KeyError, TypeError, ValueError):
            return None
        if footer.pop("schema") != table_schema(table).hash or footer.pop("table") != table:
            return None
        return PartRecord(**footer)

    def _known(self) -> dict[str, PartRecord]:
        """Committed parts by file, for tables whose definition is still the same."""
        commits = self.commits()
        seen = tuple((name, self._read[name][0]) for name in commits)
        if self._files[0] != seen:
            records = {
                record.file: record
                for commit in commits.values()
                for table, parts in commit.tables.items()
                if not outdated(commit, table)
                for record in parts
            }
            self._files = seen, records
        return self._files[1]

    def write_part(self, table: str, name: str, fingerprint: str, rows: pa.Table) -> PartRecord:
        """Check rows against the table's schema, sort them by key and write them as one part.

        Raises:
            SchemaError: The rows do not fit the table.
        """
        schema = table_schema(table)
        rows = conform(rows, table)
        check_rows(rows, table)
        rows = rows.sort_by([(column, "ascending") for column in schema.key]).combine_chunks()
        digest, location_digest = digest_rows(rows, table)
        file = _part_file(table, name, fingerprint)
        record = PartRecord(name, file, rows.num_rows, fingerprint, digest, location_digest)
        footer = json.dumps({**asdict(record), "table": table, "schema": schema.hash}, sort_keys=True)
        rows = rows.replace_schema_metadata({_FOOTER: footer.encode()})
        with _written(self.part_path(file)) as partial:
            pq.write_table(rows, partial, compression="zstd", row_group_size=100_000)
        return record

    def table_parts(self, name: str) -> list[PartRecord] | None:
        """The records of a table's parts; None where its stage has not run.

        Raises:
            SchemaError: The table was written under another definition.
        """
        for commit in self.commits().values():
            if name in commit.tables:
                if outdated(commit, name):
                    # What people wrote has no fingerprint, and no stage can write it again.
                    again = f"Run 'curate {commit.stage}' again."
                    away = f"Move commits/{commit.stage}.json out of the workspace to begin anew."
                    raise SchemaError(
                        f"written by {commit.stage} under another definition than schemas/{name}.sql",
                        where=f"table {name}",
                        fix=again if commit.fingerprint else away,
                    )
                return commit.tables[name]
        return None

    def tables(self, names: Iterable[str], optional: Iterable[str] = (), absent: Collection[str] = ()) -> "StageTables":
        """Read access to some tables.

        Args:
            names: Tables that must be there.
            optional: Tables that are empty if they are not there.
            absent: Tables to take for not there.

        Raises:
            MissingTableError: One that is not optional has not been produced.
        """
        found: dict[str, list[StoredPart]] = {}
        for name in (*names, *optional):
            records = None if name in absent else self.table_parts(name)
            if records is None and name not in optional:
                raise MissingTableError(f"table {name} does not exist yet", fix="Run the stage that writes it first.")
            found[name] = [self.stored(record) for record in records or []]
        newest = {t: c.latest for c in self.commits().values() for t in c.tables if c.latest and t in found}
        return StageTables(self.folder, found, newest)

    def all_tables(self) -> "StageTables":
        """Read access to every table that is there; the others are empty."""
        return self.tables((), _stored_tables())

    def stored(self, record: PartRecord) -> StoredPart:
        """A part as stages see it."""
        return StoredPart(record.name, self.part_path(record.file), record.n_rows, record.digest)

    def digests(self) -> dict[str, str]:
        """Logical digest of every table that is there."""
        return {
            name: combine_digests([part.digest for part in parts])
            for commit in self.commits().values()
            for name, parts in sorted(commit.tables.items())
        }

    def write_views(self) -> None:
        """Rebuild curate.duckdb, whose views show the current version of every table."""
        tables: dict[str, list[StoredPart]] = {name: [] for name in _stored_tables()}
        for commit in self.commits().values():
            for table, records in commit.tables.items():
                parts = [self.stored(record) for record in records]
                # A table of another definition, or whose files were removed by hand, is empty until its stage runs.
                if not outdated(commit, table) and all(part.path.exists() for part in parts):
                    tables[table] = parts
        with _written(self.folder / "curate.duckdb") as partial, duckdb.connect(str(partial)) as con:
            con.begin()
            StageTables(self.folder, tables).create_views(con)
            con.execute("CREATE SCHEMA internal")
            con.execute(f"CREATE VIEW internal.made_of AS SELECT '{self._version()}' AS version")
            con.commit()
            con.execute("CHECKPOINT")  # closing would do it too, and keep silent if it fails

    def _refresh_views(self) -> None:
        """Rebuild curate.duckdb where a killed run or a move of the folder left it behind."""
        path = self.folder / "curate.duckdb"
        if not path.exists() and not self.commits():
            return
        try:
            with duckdb.connect(str(path), read_only=True) as con:
                found = con.execute("SELECT version FROM internal.made_of").fetchall()
        except duckdb.Error:
            found = []
        if found != [(self._version(),)]:
            self.write_views()

    def _version(self) -> str:
        """Changes with every commit, and with the folder's place, which stands in the views."""
        files = sorted((self.folder / "commits").glob("*.json"))
        commits = [(file.name, file.stat().st_mtime_ns) for file in files]
        return sha256(repr((str(self.folder), commits)).encode()).hexdigest()


@dataclass(frozen=True)
class StageTables:
    """The `Tables` that a stage gets: its declared tables, each a list of parts. Can be pickled."""

    folder: Path
    found: Mapping[str, list[StoredPart]]
    newest: Mapping[str, str] = field(default_factory=dict)

    def latest(self, name: str) -> str | None:
        """See `curate.stage.Tables`."""
        return self.newest.get(name)

    def parts(self, name: str) -> list[StoredPart]:
        """See `curate.stage.Tables`."""
        if name not in self.found:
            raise SchemaError(f"table {name} was not declared", fix="Name it in the stage's reads, shared or optional.")
        return self.found[name]

    def arrow(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """See `curate.stage.Tables`."""
        schema = table_schema(name).arrow
        if columns is not None:
            schema = pa.schema([schema.field(column) for column in columns])
        pieces = [pq.read_table(part.path, columns=schema.names) for part in self.parts(name)]
        return pa.concat_tables([p.cast(schema) for p in pieces]) if pieces else schema.empty_table()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """See `curate.stage.Tables`."""
        settings: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": str(self.folder / "tmp"),
            "preserve_insertion_order": False,
            "memory_limit": f"{_memory_limit_bytes() // 2**20}MiB",
        }
        con = duckdb.connect(config=settings)
        self.create_views(con)
        return con

    def create_views(self, con: duckdb.DuckDBPyConnection) -> None:
        """One view per table, an absent one empty; views over them, and macros, where their tables are."""
        for name in sorted(self.found):
            schema = table_schema(name)
            files = [str(part.path) for part in self.found[name]]
            if files:
                listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                columns = ", ".join(f'"{column.name}"' for column in schema.columns)
                con.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM read_parquet([{listed}])")
            else:
                typed = ", ".join(f'CAST(NULL AS {c.sql_type}) AS "{c.name}"' for c in schema.columns)
                con.execute(f"CREATE VIEW {name} AS SELECT {typed} WHERE false")
        for name, schema in table_schemas().items():
            if schema.view_sql and set(schema.view_reads) <= set(self.found):
                con.execute(f"CREATE VIEW {name} AS {schema.view_sql}")
        if set(_stored_tables()) <= set(self.found):
            con.execute(macros_sql())

    def with_parts(self, more: Mapping[str, list[StoredPart]]) -> "StageTables":
        """The same tables with some replaced or added."""
        return StageTables(self.folder, {**self.found, **more}, self.newest)


def outdated(commit: Commit, table: str) -> bool:
    """Whether a table was written under another definition than schemas/ has now."""
    return table not in table_schemas() or commit.schemas[table] != table_schema(table).hash


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that it is either the old or the new one, whenever the machine stops.

    Raises:
        WorkspaceError: It cannot be written; the old one is still there.
    """
    with _written(path) as partial:
        partial.write_bytes(data)


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A temporary name to write a file under, which then takes its place whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        sync(partial)
        partial.replace(path)
    except (OSError, duckdb.Error) as error:
        partial.unlink(missing_ok=True)
        partial.with_name(f"{partial.name}.wal").unlink(missing_ok=True)
        raise WorkspaceError(
            f"cannot be written: {error}",
            where=str(path),
            fix="Make room or allow writing there; the same command continues where it was.",
        ) from error


def _memory_limit_bytes() -> int:
    return min(MAX_QUERY_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _stored_tables() -> list[str]:
    """Names of all tables that are no views."""
    return [name for name, schema in table_schemas().items() if not schema.view_sql]


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _part_file(table: str, name: str, fingerprint: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9_.=-]+", "_", name)[:60].strip(".")
    # Two names may read alike once cleaned, so the name itself is hashed in.
    return f"{table}/{readable}-{sha256(f'{name}|{fingerprint}'.encode()).hexdigest()[:20]}.parquet"
