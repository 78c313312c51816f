"""ingest: every record of every source as a row of images or rejects, and its labels as the source gives them.

A part is a tar, a block of a folder or of a list, some row groups, or a table of labels. What a part cannot know by
itself is settled after all have run, in ingest_settle.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import MissingInputError, ParameterError
from curate.schema import table_schema
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param
from curate.stages.ingest_rows import SIDE_POSITION as SIDE_POSITION
from curate.stages.ingest_rows import read_labels, read_part
from curate.stages.ingest_settle import (
    connect_parts,
    find_forgotten,
    find_offsets,
    rewrite,
    rewrite_task,
    write_unknown,
)

if TYPE_CHECKING:
    from curate.sources.buckets import Buckets
    from curate.sources.corpus import Source

_MAY_REPEAT_KEYS = ("webdataset", "hf-parquet", "webvision")  # parts of other formats are cut by key


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """Where images come from."""

    path: str = param(
        help="Folder (tars, images, Parquet files with images, WebVision), tar, or list (CSV, TSV, JSONL, Parquet)."
    )
    name: str | None = param(None, help="Name of the source; default: the last part of the path.")
    format: Literal["auto", "webdataset", "folder", "table", "webvision", "hf-parquet"] = param(
        "auto", help="Layout; auto tells by content."
    )
    labels: str | None = param(None, help="Table of labels, joined by key: CSV, TSV, JSONL or Parquet.")
    columns: tuple[str, ...] = param((), help="'role=column' for columns (of the labels, else of the source).")
    root: str | None = param(None, help="Folder that a list's paths are relative to; default: where the list lies.")


@dataclass(frozen=True, kw_only=True)
class IngestParams:
    """Parameters of ingest."""

    sources: tuple[SourceSpec, ...] = param(help="Where images come from.")
    max_pixels: int = param(100_000_000, help="Largest width x height that is decoded; larger ones are damaged.")


def parts(tables: Tables, params: IngestParams) -> Iterable[Part]:
    """Parts as each source is cut, and those of its table of labels.

    Raises:
        MissingInputError: A path does not exist, or holds no images.
        FormatError: A list or a table of labels lacks a column.
    """
    from curate.sources.corpus import pieces

    found = []
    for spec, source in _open(params):
        for piece in pieces(source, tables.folder / "tmp"):
            depends = {"format": source.format, "files": piece.depends}
            found.append(Part(f"{source.name}/{piece.name}", depends, partial(_with_source, piece.load, source.name)))
        if spec.labels is not None:
            found += _label_parts(tables, source.name, Path(spec.labels).expanduser().absolute(), spec.columns)
    return found


def _open(params: IngestParams) -> list[tuple[SourceSpec, "Source"]]:
    from curate.sources.corpus import check_names, open_source

    if not params.sources:
        raise ParameterError("no source is given", where="ingest", fix="Name a folder, a tar or a list.")
    opened = []
    for spec in params.sources:
        columns = () if spec.labels is not None else spec.columns
        opened.append((spec, open_source(spec.path, spec.name, spec.format, spec.root, columns)))
    check_names([source.name for _, source in opened], "source name", "ingest", "Set name (--source-name).")
    return opened


def _with_source(load: Any, source: str) -> pa.Table:
    rows = load()
    return rows.append_column("source", pa.array([source] * rows.num_rows, pa.string()))


def _label_parts(tables: Tables, source: str, path: Path, columns: tuple[str, ...]) -> list[Part]:
    """One part for a table of labels; for a long one as many as it has buckets."""
    from curate.sources.lists import cut_side_labels

    buckets, n = cut_side_labels(path, columns, tables.folder / "tmp")
    status = path.stat()
    depends = {"file": [path.name, status.st_size, status.st_mtime_ns], "columns": columns}
    found = []
    for number in range(n):
        name = f"{source}/labels:{path.name}" + (f"/{number:05d}-of-{n:05d}" if n > 1 else "")
        load = partial(_label_rows, source, path, columns, buckets, number)
        found.append(Part(name, depends if n == 1 else {**depends, "bucket": [number, n]}, load))
    return found


def _label_rows(
    source: str,
    path: Path,
    columns: tuple[str, ...],
    buckets: "Buckets | None",
    number: int,
    unknown: Path | None = None,
) -> pa.Table:
    """Labels and rejects of a part of a side table, and the images that are known not to be there."""
    from curate.sources.lists import read_side_bucket, read_side_labels

    keyed, rejects = read_side_bucket(buckets, number, path) if buckets else read_side_labels(path, columns)
    rows = [("labels", path.name, "")]
    rows += [("label", key, json.dumps(label)) for key, label in keyed]
    rows += [("reject", reject.locator, json.dumps([reject.rule, reject.detail])) for reject in rejects]
    if unknown is not None:
        rows += [("unknown", found, "") for found in pq.read_table(unknown).column("image_id").to_pylist()]
    whole = {name: [row[i] for row in rows] for i, name in enumerate(("kind", "key", "payload"))}
    return pa.table({**whole, "source": [source] * len(rows)})


def make_worker(tables: Tables, params: IngestParams) -> Worker:
    """The function that reads a part."""

    def work(rows: pa.Table) -> Mapping[str, pa.Table]:
        kind = rows.column("kind")[0].as_py()
        source = rows.column("source")[0].as_py()
        if kind == "labels":
            return read_labels(source, rows)
        if kind == "rewrite":
            return rewrite(source, json.loads(rows.column("payload")[0].as_py()))
        return read_part(rows, source, params.max_pixels)

    return work


def settle(tables: Tables, params: IngestParams, ran: list[Part]) -> list[Part]:
    """Parts that need what only the whole of the sources tells, see ingest_settle.

    Args:
        tables: With the rows of all parts as they ran.
        params: Parameters.
        ran: The parts.

    Returns:
        Parts with keys of earlier parts or with images that tombstones name, to be rewritten; tables of labels with
        keys of no image.
    """
    files = {t: {p.name: str(p.path) for p in tables.parts(t)} for t in STAGE.writes}
    side = {part.name: files["raw_labels"][part.name] for part in ran if _is_side(part)}
    changed = []
    with tables.connect() as con:
        connect_parts(con, {name: file for name, file in files["images"].items() if name not in side})
        offsets: dict[str, dict[str, int]] = {}
        for _, source in _open(params):
            if source.format in _MAY_REPEAT_KEYS:
                offsets |= find_offsets(con, source.name)
        forget = find_forgotten(con, offsets)
        unknown = write_unknown(con, side, tables.folder / "tmp")
    for part in ran:
        if part.name in unknown:
            path, digest = unknown[part.name]
            load = partial(cast(Any, part.load), unknown=path)
            changed.append(replace(part, depends={**part.depends, "unknown": digest}, load=load))
        elif part.name in offsets or part.name in forget:
            task = {"offsets": offsets.get(part.name, {}), "forget": forget.get(part.name, [])}
            digest, text = rewrite_task(files, part.name, task)
            load = partial(_rewrite_rows, part.name.partition("/")[0], text)
            changed.append(replace(part, depends={**part.depends, "rewrite": digest}, load=load))
    return changed


def _is_side(part: Part) -> bool:
    return isinstance(part.load, partial) and part.load.func is _label_rows


def _rewrite_rows(source: str, task: str) -> pa.Table:
    return pa.table({"kind": ["rewrite"], "payload": [task], "source": [source]})


def gather(tables: Tables, params: IngestParams) -> Mapping[str, Rows]:
    """The sources, each with the time at which it was first seen.

    Raises:
        MissingInputError: A source turned out to hold no image.
    """
    with tables.connect() as con:
        counts = dict(con.execute("SELECT source, count(*) FROM images GROUP BY ALL").fetchall())
        added = dict(con.execute("SELECT source, added_at FROM sources").fetchall())
        first_reject = "min_by(rule || ': ' || detail || ' (' || locator || ')', (rule, locator))"
        rejected = dict(con.execute(f"SELECT source, {first_reject} FROM rejects GROUP BY ALL").fetchall())
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = []
    for _, source in _open(params):
        if not counts.get(source.name):
            first = f"; first reject: {rejected[source.name]}" if source.name in rejected else ""
            raise MissingInputError(
                f"no images in '{source.path}'{first}", where=f"source {source.name}", fix="Check path and format."
            )
        at = added.get(source.name, now)
        rows.append({"source": source.name, "root": str(source.root), "format": source.format, "added_at": at})
    return {"sources": pa.Table.from_pylist(rows, table_schema("sources").arrow)}


STAGE = ShardStage(
    name="ingest",
    version=3,
    params=IngestParams,
    optional=("sources", "tombstones"),
    writes=("images", "raw_labels", "rejects"),
    gathers=("sources",),
    parts=parts,
    make_worker=make_worker,
    settle=settle,
    gather=gather,
    part_params=("max_pixels",),
    pool="thread",
    doc="Read images and labels from tars, folders and lists.",
)
