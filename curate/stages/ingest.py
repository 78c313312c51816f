"""ingest: every record of every source as a row of images or rejects, and its labels as the source gives them.

A part is a tar, a block of a folder or of a list, or a table of labels. What a part cannot know by itself is settled
after all have run: keys that occur in several tars, and labels for keys that no image bears.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import MissingInputError, ParameterError
from curate.schema import table_schema
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param

if TYPE_CHECKING:
    from curate.sources.corpus import Source
    from curate.sources.records import Label, Record, Reject
    from curate.vision.measure import Measures

SIDE_POSITION = 1 << 20
"""Positions of labels from a side table begin here, so that they never meet those that a record brings itself."""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """Where images come from."""

    path: str = param(help="Folder of tars or of images, one tar, or a list (CSV, TSV, JSONL, Parquet).")
    name: str | None = param(None, help="Name of the source; default: the last part of the path.")
    format: Literal["auto", "webdataset", "folder", "table"] = param("auto", help="Layout; auto tells by content.")
    labels: str | None = param(None, help="Table of labels, joined by key: CSV, TSV, JSONL or Parquet.")
    columns: tuple[str, ...] = param((), help="'role=column' for columns (of the labels, else of the list).")
    root: str | None = param(None, help="Folder that a list's paths are relative to; default: where the list lies.")


@dataclass(frozen=True, kw_only=True)
class IngestParams:
    """Parameters of ingest."""

    sources: tuple[SourceSpec, ...] = param(help="Where images come from.")
    max_pixels: int = param(100_000_000, help="Largest width x height that is decoded; larger ones are damaged.")


def parts(tables: Tables, params: IngestParams) -> Iterable[Part]:
    """One part per tar, block or table of labels.

    Raises:
        MissingInputError: A path does not exist, or holds no images.
        FormatError: A list or a table of labels lacks a column.
    """
    from curate.sources.corpus import pieces

    found = []
    for spec, source in _open(params):
        for piece in pieces(source):
            depends = {"format": source.format, "files": piece.depends}
            found.append(Part(f"{source.name}/{piece.name}", depends, partial(_with_source, piece.load, source.name)))
        if spec.labels is not None:
            found.append(_label_part(source.name, Path(spec.labels).expanduser().absolute(), spec.columns, []))
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


def _task(kind: str, source: str, path: Path, payload: Any) -> pa.Table:
    """One row that tells the worker what to do with a file."""
    row = {"kind": kind, "root": str(path.parent), "uri": path.name, "key": "", "payload": json.dumps(payload)}
    return pa.Table.from_pylist([{**row, "source": source}])


def _label_part(source: str, path: Path, columns: tuple[str, ...], unknown: list[str]) -> Part:
    from curate.sources.corpus import check_side_labels

    check_side_labels(path, columns)
    status = path.stat()
    depends = {"file": [path.name, status.st_size, status.st_mtime_ns], "columns": columns}
    if unknown:
        depends["unknown"] = sha256(json.dumps(unknown).encode()).hexdigest()
    payload = {"columns": columns, "unknown": unknown}
    return Part(f"{source}/labels:{path.name}", depends, partial(_task, "labels", source, path, payload))


def make_worker(tables: Tables, params: IngestParams) -> Worker:
    """The function that reads a part."""

    def work(rows: pa.Table) -> Mapping[str, pa.Table]:
        kind = rows.column("kind")[0].as_py()
        source = rows.column("source")[0].as_py()
        if kind in ("labels", "renumber"):
            row = rows.to_pylist()[0]
            read_task = _read_labels if kind == "labels" else _renumber
            return read_task(source, Path(row["root"], row["uri"]), json.loads(row["payload"]))
        return read_part(rows, source, params.max_pixels)

    return work


def read_part(rows: pa.Table, source: str, max_pixels: int) -> dict[str, pa.Table]:
    """Read, measure and label the records of a part.

    Args:
        rows: What the part's load gave.
        source: Name of the source.
        max_pixels: Largest width × height that is decoded.

    Returns:
        Rows of images, raw_labels and rejects. Occurrences are counted within the part.
    """
    from curate.sources.corpus import read
    from curate.sources.records import Reject, image_id
    from curate.vision.measure import Measures

    measures, seen = Measures(max_pixels), Counter[str]()
    names = ("image_id", "key", "occurrence", "uri", "byte_offset", "byte_length", "url", "owner", "remark")
    values: list[tuple[Any, ...]] = []
    labels, rejects = _LabelRows(), []
    for record in read(rows):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        occurrence = seen[record.key]
        seen[record.key] += 1
        found_id = image_id(source, record.key, occurrence)
        remark = _measure(record, measures)
        size = 0 if record.data is None else len(record.data)
        place = (record.uri, record.offset, size)
        values.append((found_id, record.key, occurrence, *place, record.url, record.owner, remark))
        labels.add(found_id, record.labels)
    columns: dict[str, Any] = {name: [row[i] for row in values] for i, name in enumerate(names)}
    columns |= measures.columns() | {"source": [source] * len(values)}
    return {
        "images": pa.Table.from_pydict(columns, table_schema("images").arrow),
        "raw_labels": labels.table(),
        "rejects": _reject_rows(source, rejects),
    }


def _measure(record: "Record", measures: "Measures") -> str | None:
    """Measure a record's bytes; what is odd about the record."""
    from curate.sources.records import format_of_name

    if record.data is None:
        measures.add_unread(record.remarks.pop())
    else:
        kind, odd = measures.add(record.data)
        if odd:
            record.remarks.append(odd)
        named = format_of_name(record.suffix)
        if kind is not None and named is not None and kind != named:
            record.remarks.insert(0, f"named {record.suffix}, is {kind}")
    return "; ".join(dict.fromkeys(record.remarks)) or None


class _LabelRows:
    """Rows of raw_labels."""

    def __init__(self, first_position: int = 0) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._first = first_position

    def add(self, image: str, labels: Iterable["Label"]) -> None:
        """Add all labels of an image."""
        positions: dict[str, int] = {}
        for field, text, score, language in labels:
            position = positions[field] = positions.get(field, self._first - 1) + 1
            self._rows.append((image, field, position, text, score, language))

    def table(self) -> pa.Table:
        """The rows as they stand."""
        names = ("image_id", "field", "position", "raw_label", "score", "language")
        columns = {name: [row[i] for row in self._rows] for i, name in enumerate(names)}
        return pa.Table.from_pydict(columns, table_schema("raw_labels").arrow)


def _reject_rows(source: str, rejects: Iterable["Reject"]) -> pa.Table:
    seen = Counter[str]()
    rows = []
    for reject in rejects:
        seen[reject.locator] += 1
        times = seen[reject.locator]
        locator = reject.locator if times == 1 else f"{reject.locator} ({times})"
        values = {"stage": "ingest", "rule": reject.rule, "detail": reject.detail}
        rows.append({"source": source, "locator": locator, **values})
    return pa.Table.from_pylist(rows, table_schema("rejects").arrow)


def _read_labels(source: str, path: Path, task: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Rows of a table of labels; each belongs to the first image that bears its key."""
    from itertools import groupby

    from curate.sources.corpus import read_side_labels
    from curate.sources.records import Reject, image_id

    keyed, rejects = read_side_labels(path, task["columns"])
    unknown, labels = set(task["unknown"]), _LabelRows(SIDE_POSITION)
    for key, group in groupby(keyed, key=lambda pair: pair[0]):
        found_id = image_id(source, key, 0)
        if found_id in unknown:
            rejects.append(Reject(f"{path.name}:{key}", "unknown_key", f"{len(list(group))} labels, no such image"))
        else:
            labels.add(found_id, (label for _, label in group))
    images = table_schema("images").arrow.empty_table()
    return {"images": images, "raw_labels": labels.table(), "rejects": _reject_rows(source, rejects)}


def _renumber(source: str, path: Path, task: Mapping[str, Any]) -> dict[str, pa.Table]:
    """A part as it was read, with the occurrences that earlier tars leave to it."""
    from curate.sources.records import image_id

    found = {table: pq.read_table(file) for table, file in task["parts"].items()}
    images, offsets = found["images"], task["offsets"]
    ids, occurrences, renamed = [], [], {}
    for row in images.select(["image_id", "key", "occurrence"]).to_pylist():
        occurrence, new_id = row["occurrence"] + offsets.get(row["key"], 0), row["image_id"]
        if row["key"] in offsets:
            new_id = renamed[row["image_id"]] = image_id(source, row["key"], occurrence)
        ids.append(new_id)
        occurrences.append(occurrence)
    images = _replaced(_replaced(images, "image_id", ids), "occurrence", occurrences)
    old_ids = found["raw_labels"].column("image_id").to_pylist()
    labels = _replaced(found["raw_labels"], "image_id", [renamed.get(old, old) for old in old_ids])
    return {"images": images, "raw_labels": labels, "rejects": found["rejects"]}


def _replaced(rows: pa.Table, column: str, values: list[Any]) -> pa.Table:
    index = rows.column_names.index(column)
    return rows.set_column(index, rows.schema.field(index), pa.array(values, rows.schema.field(index).type))


def settle(tables: Tables, params: IngestParams, ran: list[Part]) -> list[Part]:
    """Parts that need what only the whole source tells.

    Args:
        tables: With the rows of all parts as they ran.
        params: Parameters.
        ran: The parts.

    Returns:
        Tars that hold keys of earlier tars, renumbered; tables of labels with keys of no image, those left out.
    """
    by_name = {part.name: part for part in ran}
    changed = []
    files = {t: {p.name: str(p.path) for p in tables.parts(t)} for t in STAGE.writes}
    with tables.connect() as con:
        for spec, source in _open(params):
            if source.format == "webdataset":
                for uri, offsets in _offsets(con, source.name).items():
                    part = by_name[f"{source.name}/{uri}"]
                    payload = {"offsets": offsets, "parts": {table: files[table][part.name] for table in files}}
                    depends = {**part.depends, "offsets": sha256(json.dumps(offsets).encode()).hexdigest()}
                    load = partial(_task, "renumber", source.name, source.root / uri, payload)
                    changed.append(replace(part, depends=depends, load=load))
            if spec.labels is not None:
                path = Path(spec.labels).expanduser().absolute()
                unknown = _unknown(con, files["raw_labels"][f"{source.name}/labels:{path.name}"])
                if unknown:
                    changed.append(_label_part(source.name, path, spec.columns, unknown))
    return changed


def _offsets(con: Any, source: str) -> dict[str, dict[str, int]]:
    """By tar and key: how often earlier tars hold the key, where they do."""
    found: dict[str, dict[str, int]] = {}
    query = """
        SELECT uri, key, sum(n) OVER (
            PARTITION BY key ORDER BY uri ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)::BIGINT AS earlier
        FROM (SELECT key, uri, count(*) AS n FROM images WHERE source = ? GROUP BY ALL)
        QUALIFY earlier > 0 ORDER BY uri, key"""
    for uri, key, earlier in con.execute(query, [source]).fetchall():
        found.setdefault(uri, {})[key] = earlier
    return found


def _unknown(con: Any, part: str) -> list[str]:
    """Images that a part of raw_labels names and that are not there."""
    query = "SELECT DISTINCT image_id FROM read_parquet(?) ANTI JOIN images USING (image_id) ORDER BY image_id"
    return [found for (found,) in con.execute(query, [part]).fetchall()]


def gather(tables: Tables, params: IngestParams) -> Mapping[str, Rows]:
    """The sources, each with the time at which it was first seen.

    Raises:
        MissingInputError: A source turned out to hold no image.
    """
    with tables.connect() as con:
        counts = dict(con.execute("SELECT source, count(*) FROM images GROUP BY ALL").fetchall())
        added = dict(con.execute("SELECT source, added_at FROM sources").fetchall())
        rejected = dict(con.execute("SELECT source, min(rule || ': ' || locator) FROM rejects GROUP BY ALL").fetchall())
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
    version=1,
    params=IngestParams,
    optional=("sources",),
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
