"""Order and staleness: which stages have to run, and why. Reads the workspace, changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from curate.errors import MissingTableError, RecipeError
from curate.schema import combine_digests
from curate.stage import Part, QueryStage, ShardStage, Stage
from curate.store import Commit, StageTables, Workspace, outdated

# Above this size a file counts by size, modification time and name: hashing it would cost more than the stage.
_HASHED_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Step:
    """One stage of a run with its parameters."""

    stage: Stage
    params: Any


@dataclass(frozen=True)
class Verdict:
    """What the plan says about a step.

    Attributes:
        action: reuse or run.
        why: The reason, in words.
        n_parts: Parts that would run, of all parts; None for a whole-table stage or where inputs are not known yet.
    """

    action: str
    why: str
    n_parts: tuple[int, int] | None = None


def produces(stage: Stage) -> tuple[str, ...]:
    """The tables of which a stage is the producer."""
    gathers = stage.gathers if isinstance(stage, ShardStage) else ()
    return (*stage.writes, *(table for table in gathers if table not in stage.writes))


def needs(stage: Stage) -> tuple[str, ...]:
    """The tables that must be there before a stage can run, optional ones left out."""
    shared = stage.shared if isinstance(stage, ShardStage) else ()
    return tuple(table for table in (*stage.reads, *shared) if table not in stage.optional)


def inputs(stage: Stage) -> tuple[str, ...]:
    """All tables of other stages that a stage may read."""
    return tuple(t for t in dict.fromkeys((*needs(stage), *stage.optional)) if t not in produces(stage))


def order(steps: Sequence[Step]) -> list[Step]:
    """Steps such that each producer comes before its readers; ties keep the given order.

    Raises:
        RecipeError: Stages read each other's tables in a circle.
    """
    left, ordered = list(steps), []
    while left:
        ahead = {table: step for step in left for table in produces(step.stage)}
        ready = [s for s in left if not any(ahead.get(t, s) is not s for t in inputs(s.stage))]
        if not ready:
            raise RecipeError(f"stages need each other: {', '.join(s.stage.name for s in left)}")
        ordered.append(ready[0])
        left.remove(ready[0])
    return ordered


def check_inputs(workspace: Workspace, steps: Sequence[Step], producers: Mapping[str, str]) -> None:
    """Fail before anything runs if a table is neither there nor produced by an earlier step.

    Raises:
        MissingTableError: With the stage that would write the table.
    """
    there = set(workspace.digests())
    for step in order(steps):
        for table in needs(step.stage):
            if table not in there and table not in produces(step.stage):
                raise MissingTableError(
                    f"{step.stage.name} needs table {table}, which does not exist yet",
                    fix=f"Run 'curate {producers[table]}' first." if table in producers else "",
                )
        there.update(produces(step.stage))


def identity(params: Any, only: Sequence[str] | None = None) -> dict[str, Any]:
    """Parameters as JSON values for a fingerprint; a file counts by its content, not by its path.

    Args:
        params: A params dataclass.
        only: Names to keep; None = all.
    """
    return {
        f.name: _file_identity(value) if f.metadata.get("file") and value else plain(value)
        for f in fields(params)
        if only is None or f.name in only
        for value in [getattr(params, f.name)]
    }


def plain(value: Any) -> Any:
    """A parameter value as JSON: dataclasses as objects, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _file_identity(value: str) -> list[Any]:
    path = Path(value)
    if not path.is_file():
        return [value]  # a name of something shipped, or a mistake that the stage will name
    status = path.stat()
    if status.st_size > _HASHED_FILE_BYTES:
        return [path.name, status.st_size, status.st_mtime_ns]
    return [sha256(path.read_bytes()).hexdigest()]


def fingerprint(*values: Any) -> str:
    """SHA-256 over JSON values, 32 hex digits."""
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def input_digests(workspace: Workspace, stage: Stage) -> dict[str, str]:
    """Logical digests of a stage's inputs, with the digest of locations where the stage uses them."""
    locations = isinstance(stage, QueryStage) and stage.locations
    latest = {table: commit.latest for commit in workspace.commits().values() for table in commit.tables}
    found = {}
    for table in inputs(stage):
        parts = workspace.table_parts(table) or []
        found[table] = combine_digests([part.digest for part in parts])
        found[table] += latest.get(table, "")
        if locations:
            found[table] += combine_digests([part.location_digest for part in parts])
    return found


def part_fingerprints(workspace: Workspace, stage: ShardStage, params: Any, parts: Sequence[Part]) -> dict[str, str]:
    """What each part depends on, by part name."""
    shared = {table: combine_digests([p.digest for p in workspace.table_parts(table) or []]) for table in stage.shared}
    common = [stage.name, stage.version, identity(params, stage.part_params), shared]
    found = {part.name: fingerprint(*common, part.name, part.depends) for part in parts}
    if len(found) < len(parts):
        names = [part.name for part in parts]
        raise ValueError(f"{stage.name} cut two parts of one name: {max(names, key=names.count)}")
    return found


def stage_tables(workspace: Workspace, stage: Stage) -> StageTables:
    """The tables that a stage declared; earlier rows of its own count only under the present definition."""
    commit = workspace.commit_of(stage.name)
    old = {table for table in commit.tables if outdated(commit, table)} if commit else set()
    return workspace.tables(needs(stage), stage.optional, absent=old)


def stage_fingerprint(workspace: Workspace, stage: Stage, params: Any, parts: Mapping[str, str] | None = None) -> str:
    """What a stage's tables depend on."""
    return fingerprint(stage.name, stage.version, identity(params), input_digests(workspace, stage), parts)


def judge(workspace: Workspace, step: Step) -> Verdict:
    """Whether a step whose inputs are there has to run, and why."""
    stage, commit = step.stage, workspace.commit_of(step.stage.name)
    counts, prints = None, None
    if isinstance(stage, ShardStage):
        parts = list(stage.parts(stage_tables(workspace, stage), step.params))
        prints = part_fingerprints(workspace, stage, step.params, parts)
        missing = [n for n, p in prints.items() if not all(workspace.find_part(t, n, p) for t in stage.writes)]
        counts = (len(missing), len(prints))
    if commit is None:
        return Verdict("run", "has not run", counts)
    old = [table for table in commit.tables if outdated(commit, table)]
    if old:
        return Verdict("run", f"definition of {', '.join(old)} changed", counts)
    if not all(workspace.part_path(p.file).exists() for parts in commit.tables.values() for p in parts):
        return Verdict("run", "files of its tables are gone", counts)
    if commit.fingerprint == stage_fingerprint(workspace, stage, step.params, prints):
        return Verdict("reuse", "same parameters, same inputs", counts)
    return Verdict("run", _why(workspace, step, commit), counts)


def _why(workspace: Workspace, step: Step, commit: Commit) -> str:
    now = identity(step.params)
    changed = [name for name in now if commit.params.get(name) != now[name]]
    digests = input_digests(workspace, step.stage)
    tables = [table for table in digests if commit.inputs.get(table) != digests[table]]
    reasons = [f"parameter {name} changed" for name in changed] + [f"table {table} changed" for table in tables]
    return ", ".join(reasons) or "input files changed"


def plan(workspace: Workspace, steps: Sequence[Step]) -> list[tuple[Step, Verdict]]:
    """A verdict for every step, in running order; readers of a table that will be written anew will run too."""
    verdicts: list[tuple[Step, Verdict]] = []
    renewed: dict[str, str] = {}
    for step in order(steps):
        upstream = [renewed[table] for table in inputs(step.stage) if table in renewed]
        if upstream:
            verdict = Verdict("run", f"after {', '.join(dict.fromkeys(upstream))}; reused if its tables come out equal")
        else:
            verdict = judge(workspace, step)
        if verdict.action == "run":
            renewed.update(dict.fromkeys(produces(step.stage), step.stage.name))
        verdicts.append((step, verdict))
    return verdicts
