"""Execution: check, run, check, commit; resume and reuse. The only place that writes tables."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from curate.engines.local import Progress, default_workers, run_parts
from curate.errors import SchemaError, WorkspaceError
from curate.plan import (
    Step,
    Verdict,
    fingerprint,
    identity,
    input_digests,
    judge,
    order,
    part_fingerprints,
    produces,
    stage_fingerprint,
    stage_tables,
)
from curate.schema import table_schema
from curate.stage import Part, QueryStage, Rows, ShardStage, Stage, Tables
from curate.store import Commit, PartRecord, StageTables, Workspace, outdated

log = logging.getLogger(__name__)

# A whole-table stage's output is cut into parts of so many rows.
_ROWS_PER_PART = 1_000_000


class Engine(Protocol):
    """Runs the parts of a stage; see engines.local.run_parts."""

    def __call__(
        self, stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], n_workers: int, progress: Progress
    ) -> Iterator[tuple[Part, dict[str, pa.Table]]]:
        """Yield each part with its rows as it ends."""
        ...


Watch = Callable[[str, int], AbstractContextManager[Progress]]
"""Shows progress: given a stage's name and its number of parts, a context whose value is told of what is done."""


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        stage: Name.
        action: reused or ran.
        why: The reason, in words.
        seconds: Wall time.
        n_parts_run: Parts that ran (ShardStage).
        n_parts_reused: Parts that were there already (ShardStage).
        n_rows: Rows by table.
    """

    stage: str
    action: str
    why: str
    seconds: float
    n_parts_run: int
    n_parts_reused: int
    n_rows: Mapping[str, int]


def run(
    workspace: Workspace,
    steps: Sequence[Step],
    *,
    engine: Engine = run_parts,
    n_workers: int | None = None,
    watch: Watch = lambda stage, n_parts: nullcontext(lambda share: None),
) -> Iterator[Outcome]:
    """Run steps in the order that their tables ask for, yielding as each ends.

    What is up to date is reused. A run that was killed continues with the parts that are missing and ends in the
    same bytes.

    Args:
        workspace: Where the tables are.
        steps: Stages and parameters, in any order.
        engine: Where parts run.
        n_workers: Parts at once; None = one per processor.
        watch: Shows progress.

    Yields:
        One outcome per step.

    Raises:
        LockedError: Another run holds the workspace.
        SchemaError: A stage wrote rows that do not fit its tables.
    """
    with workspace.lock():
        for step in order(steps):
            began = time.perf_counter()
            verdict = judge(workspace, step)
            commit, n_run, n_reused = _done(workspace, step, verdict, engine, n_workers or default_workers(), watch)
            n_rows = {table: sum(part.n_rows for part in parts) for table, parts in commit.tables.items()}
            action = "reused" if verdict.action == "reuse" else "ran"
            seconds = time.perf_counter() - began
            yield Outcome(step.stage.name, action, verdict.why, seconds, n_run, n_reused, n_rows)


def _done(
    workspace: Workspace, step: Step, verdict: Verdict, engine: Engine, n_workers: int, watch: Watch
) -> tuple[Commit, int, int]:
    """The commit of a step, reused or new; parts that ran and parts that were there."""
    stage, params = step.stage, step.params
    if verdict.action == "reuse":
        commit = workspace.commit_of(stage.name)
        assert commit is not None
        return commit, 0, verdict.n_parts[1] if verdict.n_parts else 0
    try:
        if isinstance(stage, QueryStage):
            return _run_query(workspace, stage, params, watch), 0, 0
        return _run_shards(workspace, stage, params, engine, n_workers, watch)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        fix = "Make room, then give the same command again."
        raise WorkspaceError(str(error).splitlines()[0], where=stage.name, fix=fix) from error


def _run_query(workspace: Workspace, stage: QueryStage, params: Any, watch: Watch) -> Commit:
    tables = stage_tables(workspace, stage)
    print_ = stage_fingerprint(workspace, stage, params)
    with watch(stage.name, 1) as progress:
        # No name for what the stage gives: its relations hold a database, which is to go when they are written.
        written = _write_whole(workspace, stage, stage.writes, stage.run(tables, params), print_)
        progress(1.0)
    latest = ""
    if stage.retain:
        latest = written[stage.writes[0]][0].name.partition("/")[0]
        written = {table: _retained(workspace, stage.name, latest, table, new) for table, new in written.items()}
    return _commit(workspace, stage, params, print_, written, latest=latest)


def _retained(workspace: Workspace, stage: str, latest: str, table: str, new: list[PartRecord]) -> list[PartRecord]:
    """New parts beside those of older values of the retained column; a part's name begins with its value."""
    new = [part for part in new if part.n_rows]
    commit = workspace.commit_of(stage)
    if commit and outdated(commit, table):
        log.warning("%s: rows of earlier runs are dropped, they were written under another definition", table)
    there = commit.tables.get(table, []) if commit and not outdated(commit, table) else []
    old = [p for p in there if p.name.partition("/")[0] != latest]
    return sorted([*old, *new], key=lambda part: part.name)


def _run_shards(
    workspace: Workspace, stage: ShardStage, params: Any, engine: Engine, n_workers: int, watch: Watch
) -> tuple[Commit, int, int]:
    tables = stage_tables(workspace, stage)
    parts = list(stage.parts(tables, params))
    prints = part_fingerprints(workspace, stage, params, parts)
    print_ = stage_fingerprint(workspace, stage, params, prints)

    def make(wanted: Sequence[Part], wanted_prints: Mapping[str, str]) -> tuple[dict[str, list[PartRecord]], int]:
        found = {p.name: _finished(workspace, stage, p.name, wanted_prints[p.name]) for p in wanted}
        missing = [p for p in wanted if not found[p.name]]
        with watch(stage.name, len(missing)) as progress:
            for part, rows in engine(stage, tables, params, missing, n_workers, progress):
                if set(rows) != set(stage.writes):
                    raise SchemaError(f"{stage.name} gave {sorted(rows)}, declared {sorted(stage.writes)}")
                found[part.name] = [
                    workspace.write_part(t, part.name, wanted_prints[part.name], rows[t]) for t in stage.writes
                ]
        by_table = {
            table: sorted((records[i] for records in found.values()), key=lambda record: record.name)
            for i, table in enumerate(stage.writes)
        }
        return by_table, len(missing)

    written, n_run = make(parts, prints)
    kept: list[str] = []
    if stage.settle:
        changed = stage.settle(_seen(workspace, stage, written), params, parts)
        if changed:
            base = {part.name for part in changed}
            kept = [p.file for records in written.values() for p in records if p.name in base]
            again = {part.name: part for part in changed}
            final = [again.get(part.name, part) for part in parts]
            written, n_more = make(final, part_fingerprints(workspace, stage, params, final))
            n_run += n_more
    if stage.gather:
        seen = _seen(workspace, stage, written)
        inputs = [print_, {t: [p.digest for p in records] for t, records in written.items()}]
        gathered = _write_whole(workspace, stage, stage.gathers, stage.gather(seen, params), fingerprint(*inputs))
        for table, records in gathered.items():
            written[table] = [*written.get(table, []), *records]
    n_reused = len(parts) - min(n_run, len(parts))
    return _commit(workspace, stage, params, print_, written, kept), n_run, n_reused


def _seen(workspace: Workspace, stage: ShardStage, written: Mapping[str, list[PartRecord]]) -> StageTables:
    tables = stage_tables(workspace, stage)
    return tables.with_parts({t: [workspace.stored(r) for r in records] for t, records in written.items()})


def _finished(workspace: Workspace, stage: ShardStage, name: str, print_: str) -> list[PartRecord]:
    records = [workspace.find_part(table, name, print_) for table in stage.writes]
    return [record for record in records if record] if all(records) else []


def _write_whole(
    workspace: Workspace, stage: Stage, tables: Sequence[str], results: Mapping[str, Rows], print_: str
) -> dict[str, list[PartRecord]]:
    if set(results) != set(tables):
        raise SchemaError(f"{stage.name} gave {sorted(results)}, declared {sorted(tables)}")
    retain = stage.retain if isinstance(stage, QueryStage) else None
    prefix = "" if isinstance(stage, QueryStage) else "~"  # after all parts that workers wrote
    written = {}
    for table in tables:
        written[table] = [
            workspace.write_part(table, _part_name(rows, retain, prefix, index), print_, rows)
            for index, rows in enumerate(_chunks(results[table], table))
        ]
    return written


def _part_name(rows: pa.Table, retain: str | None, prefix: str, index: int) -> str:
    if retain is None:
        return f"{prefix}{index:05d}"
    values = rows.column(retain).unique().to_pylist()
    if len(values) > 1:
        raise SchemaError(f"one run may write one {retain}, found {values[:3]}")
    return f"{values[0] if values else ''}/{index:05d}"


def _chunks(rows: Rows, table: str) -> Iterator[pa.Table]:
    """Rows in the order of the table's key, so many at a time; at least one chunk, if an empty one."""
    key = table_schema(table).key
    if isinstance(rows, duckdb.DuckDBPyRelation):
        ordered = rows.order(", ".join(f'"{column}"' for column in key))
        reader = ordered.to_arrow_reader(_ROWS_PER_PART)
        n_chunks = 0
        for batch in _rebatched(reader):
            n_chunks += 1
            yield batch
        if not n_chunks:
            yield reader.schema.empty_table()
        return
    rows = rows.sort_by([(column, "ascending") for column in key])
    for start in range(0, max(rows.num_rows, 1), _ROWS_PER_PART):
        yield rows.slice(start, _ROWS_PER_PART)


def _rebatched(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in reader:
        held.append(batch)
        n_held += batch.num_rows
        if n_held >= _ROWS_PER_PART:
            whole = pa.Table.from_batches(held)
            yield whole.slice(0, _ROWS_PER_PART)
            held, n_held = whole.slice(_ROWS_PER_PART).to_batches(), n_held - _ROWS_PER_PART
    if n_held:
        yield pa.Table.from_batches(held)


def _commit(
    workspace: Workspace,
    stage: Stage,
    params: Any,
    print_: str,
    written: Mapping[str, list[PartRecord]],
    kept: Sequence[str] = (),
    latest: str = "",
) -> Commit:
    _check_keys(workspace, written)
    commit = Commit(
        stage=stage.name,
        fingerprint=print_,
        params=identity(params),
        tables=dict(written),
        schemas={table: table_schema(table).hash for table in produces(stage)},
        inputs=input_digests(workspace, stage),
        latest=latest,
        kept=list(kept),
    )
    workspace.replace(commit)
    return commit


def _check_keys(workspace: Workspace, written: Mapping[str, Sequence[PartRecord]]) -> None:
    """No key twice in a whole table; inside a part it was checked when the part was written."""
    cut = {table: records for table, records in written.items() if sum(record.n_rows > 0 for record in records) > 1}
    if not cut:
        return
    stored = {table: [workspace.stored(record) for record in records] for table, records in cut.items()}
    with StageTables(workspace.folder, stored).connect() as con:
        for table in cut:
            key = ", ".join(table_schema(table).key)
            twice = con.execute(f"SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1 LIMIT 1").fetchall()
            if twice:
                raise SchemaError(f"two rows with key ({key}) = {twice[0]}", where=f"table {table}")


def append(workspace: Workspace, stage: str, table: str, rows: pa.Table) -> int:
    """Add rows to a table that people write and that only grows: audits and their samples, reviews, tombstones.

    Rows whose key is there already are left as they are, so that the same file may be imported twice.

    Args:
        workspace: The workspace.
        stage: Name that the commit bears.
        table: The table.
        rows: New rows.

    Returns:
        How many rows were new.
    """
    key = list(table_schema(table).key)
    with workspace.lock():
        old = workspace.tables((), (table,))
        new = rows.join(old.arrow(table, key), key, join_type="left anti")
        if new.num_rows:
            commit = workspace.commit_of(stage)
            tables = dict(commit.tables) if commit else {}
            records = list(tables.get(table, []))
            name = f"{len(records):05d}"
            records.append(
                workspace.write_part(table, name, fingerprint(stage, table, name), new.select(rows.column_names))
            )
            tables[table] = records
            schemas = {t: table_schema(t).hash for t in tables}
            base = commit or Commit(stage, "", {}, {}, {}, {})
            workspace.replace(replace(base, tables=tables, schemas=schemas))
        return int(new.num_rows)
