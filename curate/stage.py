"""The two shapes of a stage. A stage is a plain function (or a few) and its declared tables.

A `QueryStage` turns whole tables into whole tables. A `ShardStage` turns parts into parts, each on its own, and
may close with a whole-table `gather` over what it wrote. Nothing here runs anything: see runner.py.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import duckdb
import pyarrow as pa

Rows: TypeAlias = pa.Table | duckdb.DuckDBPyRelation
"""What a stage hands to the runner for one table: an Arrow table or a DuckDB relation, in any row order."""

Worker = Callable[[pa.Table], Mapping[str, pa.Table]]
"""Maps the rows of one part (or a batch of them) to rows of the tables that the stage writes."""


@dataclass(frozen=True)
class StoredPart:
    """One immutable Parquet file of a table.

    Attributes:
        name: Stable name of the part within its table.
        path: The file.
        n_rows: Number of rows.
        digest: Logical digest of its rows: equal rows, equal digest, whatever their order or location.
    """

    name: str
    path: Path
    n_rows: int
    digest: str


class Tables(Protocol):
    """Read access to the tables that a stage declared, and to no other."""

    def arrow(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The whole table in memory; float16 vectors come as they are on disk."""
        ...

    def parts(self, name: str) -> list[StoredPart]:
        """The table's parts, sorted by name; empty where an optional table does not exist."""
        ...

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view per declared table, memory-limited, spilling to disk."""
        ...

    def latest(self, name: str) -> str | None:
        """Of a table that retains older values (manifest_id, run_id), the one that was written last, if known."""
        ...

    @property
    def folder(self) -> Path:
        """The workspace folder, for files that are no table (checkpoints)."""
        ...


@dataclass(frozen=True)
class Part:
    """One unit of work of a ShardStage.

    Attributes:
        name: Stable name; the output parts bear it.
        depends: JSON values that the output depends on, beside parameters and shared tables: digests of input parts,
            or size, mtime and name of an input file.
        load: Reads the rows for the worker. Called late, in the driving process.
    """

    name: str
    depends: Mapping[str, Any]
    load: Callable[[], pa.Table]


def param(default: Any = MISSING, *, help: str, file: bool = False, factory: Any = MISSING) -> Any:
    """A field of a params dataclass.

    Args:
        default: Default value; a field without one is required.
        help: One line for --help and the documentation.
        file: The value is a path; its content, not its name, enters the fingerprint.
        factory: Makes a default that is not immutable.

    Returns:
        A dataclass field.
    """
    metadata = {"help": help, "file": file}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class QueryStage:
    """A stage over whole tables.

    Attributes:
        name: Verb-noun, as typed on the command line.
        version: Raised whenever the same inputs would give other rows.
        params: Frozen keyword-only dataclass, fields made by `param`.
        reads: Tables that must be there.
        optional: Tables that are read if they are there, and are empty if not.
        writes: Tables that it produces.
        run: Does the work.
        locations: Whether it reads location columns, so that moved bytes make it stale.
        retain: Column whose older values stay in the tables (manifest_id, run_id); one run writes one value, and at
            least one row to the first table.
        doc: One line for --help.
    """

    name: str
    version: int
    params: type
    reads: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    writes: tuple[str, ...]
    run: Callable[[Tables, Any], Mapping[str, Rows]]
    locations: bool = False
    retain: str | None = None
    doc: str


@dataclass(frozen=True, kw_only=True)
class ShardStage:
    """A stage over independent parts.

    Attributes:
        name: Verb-noun, as typed on the command line.
        version: Raised whenever the same inputs would give other rows.
        params: Frozen keyword-only dataclass, fields made by `param`.
        reads: Tables that the parts are cut from; a Part names the digests that it depends on.
        shared: Tables that every worker sees whole; a change in one makes all parts stale.
        optional: Tables of either kind that may be missing.
        writes: Tables that the workers produce, part by part.
        gathers: Tables that gather produces or adds to.
        parts: Cuts the work. Cheap: it runs on every plan.
        make_worker: Called once per worker; loads what every part needs. Module-level, so that it can be pickled.
        settle: Given all parts as they ran, the parts that must run again in another form; see ingest.
        gather: Whole-table work over what the parts wrote; it may read `writes` and all that is declared.
        part_params: Parameters that the parts depend on; None = all. The others only matter to gather.
        pool: thread (work that releases the interpreter lock), process, or device (one worker in this process).
        batch_rows: The worker may be fed batches of so many rows of a part; None = a part at once.
        doc: One line for --help.
    """

    name: str
    version: int
    params: type
    reads: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    writes: tuple[str, ...]
    gathers: tuple[str, ...] = ()
    parts: Callable[[Tables, Any], Iterable[Part]]
    make_worker: Callable[[Tables, Any], Worker]
    settle: Callable[[Tables, Any, list[Part]], list[Part]] | None = None
    gather: Callable[[Tables, Any], Mapping[str, Rows]] | None = None
    part_params: tuple[str, ...] | None = None
    pool: Literal["thread", "process", "device"] = "thread"
    batch_rows: int | None = None
    doc: str


Stage = QueryStage | ShardStage
