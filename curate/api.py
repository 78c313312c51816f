"""The Python API: everything that a command does is one call here."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from curate.engines import local, ray
from curate.errors import CurateError, MissingInputError, ParameterError, WorkspaceError, nearest
from curate.plan import Step, Verdict, check_inputs, order, plain, plan, produces
from curate.recipe import build_params, find_recipe, load_recipe, with_implied
from curate.review.audit.journal import read_journals, retire
from curate.runner import Engine, Outcome, Watch, append
from curate.runner import run as run_steps
from curate.schema import table_schema
from curate.stage import Stage
from curate.stages.catalog import STAGES
from curate.store import Workspace

if TYPE_CHECKING:
    from curate.train.data import Manifest

log = logging.getLogger(__name__)

# Stages that the command line knows by another name.
_COMMANDS = {"add-evalset": "evalset add", "train": "run PIPELINE.yaml", "evaluate": "run PIPELINE.yaml"}

# Called one after the other, these commands add up: a second eval set does not forget the first.
_ADDS_UP = {"ingest": "sources", "add-evalset": "sets", "embed": "encoder", "dedup": "against"}


def open(folder: str | os.PathLike[str] = "workspace", *, create: bool = False) -> "Session":
    """Open a workspace.

    Args:
        folder: The workspace folder.
        create: Make it if it is not there.

    Raises:
        WorkspaceError: The folder is no workspace.
    """
    session = Session(Workspace(folder, create=create))
    try:
        session.take_in_verdicts()
    except (CurateError, OSError) as error:  # reading goes on; nothing is lost
        log.warning("verdicts of the audit page are not in table audits yet: %s", error)
    return session


def run(
    pipeline: str | os.PathLike[str], workspace: "Session", settings: Sequence[str] = (), **options: Any
) -> list[Outcome]:
    """Run a pipeline file on a workspace.

    Args:
        pipeline: Path, or name of a shipped one.
        workspace: Where the tables go.
        settings: Overrides, each 'stage.param=value'.
        **options: As for `Session.run_steps`.
    """
    return list(workspace.run_steps(workspace.read_pipeline(pipeline, settings), **options))


def open_manifest(folder: str | os.PathLike[str], roots: Mapping[str, str] | None = None) -> "Manifest":
    """Open an exported manifest for training.

    Args:
        folder: What build-manifest wrote.
        roots: Where sources lie now, by source name, if they have moved.
    """
    from curate.train.data import open_manifest as load

    return load(Path(folder), roots or {})


def stage_named(name: str) -> Stage:
    """The stage of that name.

    Raises:
        ParameterError: There is none.
    """
    by_name = {stage.name: stage for stage in STAGES}
    if name not in by_name:
        raise ParameterError(f"unknown stage '{name}'", fix=nearest(name, by_name))
    return by_name[name]


def producer_commands() -> dict[str, str]:
    """By table, the command that writes it; tables that people write have none."""
    return {table: _COMMANDS.get(stage.name, stage.name) for stage in STAGES for table in produces(stage)}


@dataclass(frozen=True)
class Session:
    """An open workspace.

    Attributes:
        store: The workspace on disk.
    """

    store: Workspace

    @property
    def folder(self) -> Path:
        """The workspace folder."""
        return self.store.folder

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view per table; a table that does not exist yet is empty."""
        return self.store.all_tables().connect()

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The result of a query over the tables.

        Raises:
            ParameterError: The query is wrong.
        """
        try:
            return self.connect().sql(query)
        except duckdb.Error as error:
            raise ParameterError(one_line(error)) from error

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """A table as a DuckDB relation."""
        return self.connect().table(table_schema(name).name)

    def arrow(self, name: str) -> pa.Table:
        """A table as an Arrow table, sorted by key, with the types of schemas/."""
        schema = table_schema(name)
        if schema.view_sql:
            return self.table(name).order(", ".join(schema.key)).to_arrow_table().cast(schema.arrow)
        rows = self.store.tables((), (name,)).arrow(name)
        return rows.sort_by([(column, "ascending") for column in schema.key])

    def digests(self) -> dict[str, str]:
        """Logical digest of every table that is there."""
        return self.store.digests()

    def run(self, stage: str, *, watch: Watch | None = None, n_workers: int | None = None, **params: Any) -> Outcome:
        """Run one stage, after the implied ones that have not run (load-wordnet).

        Sources, eval sets, encoders and --against add to those of earlier calls.

        Args:
            stage: Its name.
            watch: Shows progress, see `curate.runner.run`.
            n_workers: Parts at once; None = one per processor.
            **params: The stage's parameters; files and folders as text or Path.
        """
        found = stage_named(stage)
        given = self._with_earlier(found, {k: _plain(v) for k, v in params.items() if v is not None})
        step = Step(found, build_params(found.params, given, stage))
        implied = [s for s in with_implied([step], STAGES) if not self.store.commit_of(s.stage.name)]
        options: dict[str, Any] = {"n_workers": n_workers} | ({"watch": watch} if watch else {})
        return list(self.run_steps([*(s for s in implied if s is not step), step], **options))[-1]

    def drop(self, stage: str, name: str, **options: Any) -> Outcome:
        """Run a stage again without one entry of the list that its calls add to: a source, an eval set, an encoder.

        Args:
            stage: Name of the stage.
            name: Name of the entry.
            **options: As for `run_steps`.
        """
        found, commit = stage_named(stage), self.store.commit_of(stage)
        listed = _ADDS_UP[stage]
        entries = commit.params[listed] if commit else []
        left = [value for value in entries if _name_of(value) != name]
        if len(left) == len(entries):
            raise MissingInputError(f"no '{name}'", where=stage, fix=nearest(name, map(_name_of, entries)))
        params = build_params(found.params, {**commit.params, listed: left} if commit else {}, stage)
        return next(self.run_steps([Step(found, params)], **options))

    def check_files(self) -> None:
        """Read every file of the tables.

        Raises:
            WorkspaceError: One is damaged or gone; with the stage to run again.
        """
        for stage, commit in self.store.commits().items():
            remade = stage in {known.name for known in STAGES}
            fix = f"Delete it and run stage {stage} again." if remade else "Restore it from a copy."
            for path in [self.store.part_path(part.file) for parts in commit.tables.values() for part in parts]:
                try:
                    for _ in pq.ParquetFile(path).iter_batches():
                        pass
                except (OSError, pa.ArrowException) as error:
                    raise WorkspaceError("the file is damaged or gone", where=str(path), fix=fix) from error

    def newest_manifest(self) -> str:
        """The manifest_id that build-manifest wrote last.

        Raises:
            MissingInputError: There is no manifest.
        """
        commit = self.store.commit_of("build-manifest")
        if commit is None:
            raise MissingInputError("no manifest yet", fix="Run 'curate build-manifest --min-precision 0.8'.")
        return commit.latest

    def find_manifest(self, name: str) -> str:
        """The manifest_id that is named by itself or by its beginning.

        Raises:
            MissingInputError: No manifest, or more than one, goes by that name.
        """
        ids = sorted(row[0] for row in self.connect().sql("SELECT manifest_id FROM manifests").fetchall())
        found = [each for each in ids if each == name] or [each for each in ids if name and each.startswith(name)]
        if not ids:
            raise MissingInputError(
                f"no manifest '{name}'", fix="There is none yet: run 'curate build-manifest --min-precision 0.8'."
            )
        if len(found) > 1:
            raise MissingInputError(f"'{name}' names several manifests", fix=f"Give one: {', '.join(found)}.")
        if not found:
            fix = nearest(name, ids) if len(ids) > 5 else f"There are: {', '.join(ids)}."
            raise MissingInputError(f"no manifest '{name}', and no such folder", fix=fix)
        return str(found[0])

    def datasheet(self, manifest: str | None = None) -> dict[str, Any]:
        """What a manifest holds, how precise its labels are and how one knows, as JSON values.

        Args:
            manifest: Its id, or how it begins; None = the newest.

        Raises:
            MissingInputError: There is no such manifest.
        """
        from curate.stages.datasheet import datasheet

        manifest_id = self.newest_manifest() if manifest is None else self.find_manifest(manifest)
        return datasheet(self.store.all_tables(), manifest_id)

    def diff(self, old: str, new: str, *, labels: bool = False) -> duckdb.DuckDBPyRelation:
        """How two manifests of this workspace differ.

        Args:
            old: Id of a manifest, or how it begins.
            new: The one to compare with it.
            labels: Each label that became something else, in place of counts.

        Raises:
            MissingInputError: There is no such manifest.
        """
        from curate.stages.manifest_diff import changed_labels, compare, differences, stored_side

        con = self.connect()
        compare(con, *(stored_side(con, self.find_manifest(name)) for name in (old, new)))
        return changed_labels(con) if labels else differences(con)

    def export_manifest(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Write the newest manifest as a folder that training reads without the workspace, see `open_manifest`.

        Args:
            folder: New, empty, or one that holds a manifest; None = manifests/ID in the workspace.

        Returns:
            The folder.

        Raises:
            MissingInputError: There is no manifest, or the folder holds something else.
        """
        from curate.stages.build_manifest import export_manifest

        manifest_id = self.newest_manifest()
        out = Path(folder) if folder else self.folder / "manifests" / manifest_id
        return export_manifest(self.store.all_tables(), manifest_id, out)

    def take_in_verdicts(self) -> int:
        """Move verdicts that the audit page has saved into table audits; `open` and `run_steps` do it unasked.

        Returns:
            How many were new.

        Raises:
            LockedError: Another run holds the workspace.
            WorkspaceError: A file of verdicts is damaged.
        """
        found = read_journals(self.folder)
        rows = {row["verdict_id"]: row for journal in found for row in journal.rows}
        known = set(self.store.tables((), ("audits",)).arrow("audits", ["verdict_id"])[0].to_pylist()) if rows else ()
        new = [row for verdict_id, row in rows.items() if verdict_id not in known]
        if new:
            append(self.store, "audit-import", "audits", pa.Table.from_pylist(new, table_schema("audits").arrow))
        for journal in found:
            retire(journal)
        return len(new)

    def _with_earlier(self, stage: Stage, params: dict[str, Any]) -> dict[str, Any]:
        name, commit = _ADDS_UP.get(stage.name), self.store.commit_of(stage.name)
        if name is None or (name not in params and commit is None):
            return params
        later = params.get(name, [])
        later = [_absolute(plain(value), name) for value in (later if isinstance(later, list | tuple) else [later])]
        replaced = {_name_of(value) for value in later}
        earlier = [v for v in (commit.params.get(name, []) if commit else []) if _name_of(v) not in replaced]
        sets = self.store.commit_of("add-evalset")
        if stage.name == "dedup" and sets:  # a set that was removed is not asked for again
            known = [_name_of(value) for value in sets.params["sets"]]
            earlier = [value for value in earlier if value in known]
        return {**params, name: [*earlier, *later]}

    def read_pipeline(self, pipeline: str | os.PathLike[str], settings: Sequence[str] = ()) -> list[Step]:
        """The steps of a pipeline file, in running order."""
        return order(load_recipe(find_recipe(os.fspath(pipeline)), STAGES, settings).steps)

    def run_steps(
        self, steps: Sequence[Step], *, until: str | None = None, engine: str = "local", **options: Any
    ) -> Iterator[Outcome]:
        """Run steps, yielding as each ends.

        Args:
            steps: Stages with parameters.
            until: Name of the last stage to run.
            engine: Where parts run: local or ray.
            **options: n_workers and watch, see `curate.runner.run`.

        Raises:
            ParameterError: There is no such engine.
            MissingTableError: A stage needs a table that no stage here produces; nothing has run then.
        """
        steps = self._up_to(order(steps), until)
        self.take_in_verdicts()
        check_inputs(self.store, steps, producer_commands())
        yield from run_steps(self.store, steps, engine=_engine_named(engine), **options)

    def plan(self, steps: Sequence[Step], until: str | None = None) -> list[tuple[Step, Verdict]]:
        """For each step: reuse or run, and why. Changes nothing."""
        steps = self._up_to(order(steps), until)
        check_inputs(self.store, steps, producer_commands())
        return plan(self.store, steps)

    def _up_to(self, steps: list[Step], until: str | None) -> list[Step]:
        if until is None:
            return steps
        names = [step.stage.name for step in steps]
        if until not in names:
            raise ParameterError(f"--until {until}: no such stage in this pipeline", fix=nearest(until, names))
        return steps[: names.index(until) + 1]

    def find_image(self, image: str) -> str:
        """The image_id of an image named by id, by the beginning of its id, by key or by url.

        Raises:
            MissingInputError: No image, or more than one, goes by that name.
        """
        found = self.connect().execute(
            "SELECT DISTINCT image_id, source, key FROM images "
            "WHERE image_id = $1 OR key = $1 OR url = $1 OR (length($1) >= 6 AND starts_with(image_id, $1)) "
            "ORDER BY image_id LIMIT 6",
            [image],
        )
        rows = found.fetchall()
        if not rows:
            raise MissingInputError(f"no image '{image}'", fix="Give an image_id, the source's key, or the url.")
        if len(rows) > 1:
            listed = ", ".join(f"{image_id} ({source})" for image_id, source, _ in rows)
            raise MissingInputError(f"'{image}' names several images", fix=f"Give one image_id: {listed}.")
        return str(rows[0][0])


def _engine_named(name: str) -> Engine:
    engines: dict[str, Engine] = {"local": local.run_parts, "ray": ray.run_parts}
    if name not in engines:
        raise ParameterError(f"unknown engine '{name}'", fix=nearest(name, engines))
    return engines[name]


def _plain(value: Any) -> Any:
    """A parameter as a pipeline file would give it: paths as text."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _absolute(entry: Any, parameter: str) -> Any:
    """A source, an eval set or an encoder that later calls find from whatever folder they run in."""
    if parameter == "sources" and isinstance(entry, str):  # a bare path stands for a source
        entry = {"path": entry}
    if isinstance(entry, Mapping):
        places = ("path", "labels", "root")
        return {n: _full(v) if n in places and isinstance(v, str) else v for n, v in entry.items()}
    kind, colon, path = str(entry).partition(":")
    return f"{kind}:{_full(path)}" if colon and kind in ("file", "vectors") else entry


def _full(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - Path.resolve() would follow links


def _name_of(value: Any) -> str:
    """What makes two entries of a growing list the same: the name of a source or eval set, else the value."""
    return str(value.get("name") or Path(str(value.get("path"))).name) if isinstance(value, Mapping) else str(value)


def one_line(error: duckdb.Error) -> str:
    """What DuckDB says, without its drawing of the query."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("LINE", "^")))[:500]
