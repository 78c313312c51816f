"""A source as a whole: which format it has, how it is cut into pieces of work, and how a piece is read."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.sources.buckets import Buckets, n_buckets
from curate.sources.download_log import add_download_log
from curate.sources.folder import class_label, list_folder, read_files
from curate.sources.image_parquet import cut_file, find_image_columns, read_cells
from curate.sources.layout import guess_format
from curate.sources.lists import Entry, Row, bucket_rows, entry_rows, listed_record, long_list, reject_rows, short_list
from curate.sources.records import Record, Reject, blocks, clean_text
from curate.sources.webdataset import find_shards, read_shard
from curate.sources.webvision import cut_list, find_lists, list_rejects, read_piece

PIECE = pa.schema([(name, pa.string()) for name in ("kind", "root", "uri", "key", "payload")])
"""Rows that describe a piece: a tar, files, row groups, lines, labels, or rejects found while listing."""


@dataclass(frozen=True)
class Source:
    """A place that images come from.

    Attributes:
        name: Its name.
        format: webdataset, folder, table, webvision or hf-parquet.
        path: What was given: a folder, a tar or a list.
        root: Folder that uris are relative to.
        columns: 'role=column' for a list or for Parquet files with images.
        lists: Of WebVision, the lists to read.
    """

    name: str
    format: str
    path: Path
    root: Path
    columns: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Work that can be done on its own.

    Attributes:
        name: Stable within the source.
        depends: JSON value that changes whenever its records may.
        load: Gives rows as in `PIECE`.
    """

    name: str
    depends: Any
    load: Callable[[], pa.Table]


def check_names(names: list[str], what: str, where: str, fix: str) -> None:
    """Refuse names that are given twice, or cannot begin the name of a part.

    Args:
        names: Names of sources or eval sets.
        what: What they are, for the message.
        where: The stage.
        fix: What to do about it.

    Raises:
        ParameterError: With the first such name.
    """
    for name in names:
        if names.count(name) > 1 or "/" in name or not name:
            problem = "is given twice" if names.count(name) > 1 else "may not be empty or hold a slash"
            raise ParameterError(f"{what} '{name}' {problem}", where=where, fix=fix)


def open_source(path: str, name: str | None, format: str, root: str | None, columns: Sequence[str] = ()) -> Source:
    """Look at what a path holds.

    Args:
        path: A folder, a tar, a list (CSV, TSV, JSONL, Parquet), a Parquet file with images, or a list of WebVision.
        name: Name of the source; None = the last part of the path.
        format: webdataset, folder, table, webvision, hf-parquet, or auto: told by what lies there.
        root: For a list, the folder that its paths are relative to; None = the one that it lies in.
        columns: 'role=column' for a list or for Parquet files with images.

    Raises:
        MissingInputError: There is no such path.
        FormatError: The path cannot be read as that format.
    """
    given = Path(path).expanduser().absolute()
    if not given.exists():
        raise MissingInputError(f"no such file or folder '{path}'", fix="Check the path.")
    found = guess_format(given) if format == "auto" else format
    if found == ("table" if given.is_dir() else "folder"):
        raise FormatError(f"'{path}' cannot be read as {found}", fix="Leave out --format to have it told by content.")
    lists: list[str] = []
    base = given if given.is_dir() else given.parent
    if found == "webvision":
        base, lists = find_lists(given)
    if root is not None:
        base = Path(root).expanduser().absolute()
        if found != "table":
            raise FormatError(f"a root is for a list, '{path}' is read as {found}", fix="Leave the root out.")
        if not base.is_dir():
            raise MissingInputError(f"no such folder '{root}'", fix="Check the root.")
    return Source(clean_text(name or given.name)[0], found, given, base, tuple(columns), tuple(lists))


def pieces(source: Source, scratch: Path | None = None) -> list[Piece]:
    """Cut a source into pieces: a tar each, blocks of files, row groups, lines, or buckets of a long list.

    Args:
        source: The source.
        scratch: Folder for the buckets of a long list; None = where the system has temporary files.

    Raises:
        MissingInputError: There is nothing in it that may be an image.
        FormatError: A list lacks a column.
    """
    cut = {"webdataset": _tar_pieces, "folder": _folder_pieces, "webvision": _webvision_pieces,
           "hf-parquet": _cell_pieces}  # fmt: skip
    found = _list_pieces(source, scratch) if source.format == "table" else cut[source.format](source)
    if not any(piece.name != "rejects" for piece in found):
        raise MissingInputError(
            f"no images in '{source.path}'", where=f"source {source.name}",
            fix="Give a folder of images, of tars with images, or a list with a path column.",
        )  # fmt: skip
    return found


def read(rows: pa.Table) -> Iterator[Record | Reject]:
    """Read the records of a piece.

    Args:
        rows: What `Piece.load` gave.

    Yields:
        Records with their bytes, one in memory at a time, and rejects.
    """
    for kind, group in groupby(rows.to_pylist(), key=lambda row: row["kind"]):
        if kind == "file":
            listed = list(group)
            yield from read_files(Path(listed[0]["root"]), map(listed_record, listed))
            continue
        for row in group:
            yield from _read_row(kind, Path(row["root"]), row)


def _read_row(kind: str, root: Path, row: Row) -> Iterator[Record | Reject]:
    task = json.loads(row["payload"] or "null")
    if kind == "tar":
        records = read_shard(root / row["uri"], row["uri"])
        yield from add_download_log(records, root / task, task) if task else records
    elif kind == "cells":
        yield from read_cells(root, row["uri"], task["groups"], task["columns"])
    elif kind == "lines":
        yield from read_piece(root, task)
    elif kind == "reject":
        yield Reject(row["key"], *task)


def _tar_pieces(source: Source) -> list[Piece]:
    return [_tar_piece(source, path) for path in find_shards(source.path)]


def _tar_piece(source: Source, path: Path) -> Piece:
    """A tar, with the log of its download where one lies beside it."""
    uri, log = path.relative_to(source.root).as_posix(), path.with_suffix(".parquet")
    depends, payload = list(_status(path)), ""
    if log.is_file():
        depends += _status(log)
        payload = json.dumps(log.relative_to(source.root).as_posix())
    row = {"kind": "tar", "root": str(source.root), "uri": uri, "key": "", "payload": payload}
    return Piece(uri, depends, partial(_rows, [row]))


def _cell_pieces(source: Source) -> list[Piece]:
    """Runs of row groups of Parquet files that hold images; files that hold none are rejects."""
    found, rejects = [], []
    for path in _parquet_files(source.path):
        uri = path.relative_to(source.root).as_posix()
        try:
            find_image_columns(path, source.columns)
            groups = cut_file(path)
        except FormatError as error:
            if source.path.is_file():
                raise
            rejects.append(Reject(clean_text(uri)[0], "no_images", error.what))
            continue
        for start, stop in groups:
            payload = json.dumps({"groups": [start, stop], "columns": source.columns})
            row = {"kind": "cells", "root": str(source.root), "uri": uri, "key": "", "payload": payload}
            depends = [*_status(path), start, stop, *source.columns]
            found.append(Piece(f"{uri}:{start:06d}", depends, partial(_rows, [row])))
    return _reject_piece(source, rejects) + found


def _parquet_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (p for p in path.rglob("*.parquet") if p.is_file())
    return sorted(found, key=lambda p: p.relative_to(path).as_posix())


def _webvision_pieces(source: Source) -> list[Piece]:
    rejects = [reject for listed in source.lists for reject in list_rejects(source.root, listed)]
    found = _reject_piece(source, rejects)
    for listed in source.lists:
        for name, depends, task in cut_list(source.root, listed):
            row = {"kind": "lines", "root": str(source.root), "uri": "", "key": "", "payload": json.dumps(task)}
            found.append(Piece(name, depends, partial(_rows, [row])))
    return found


def _folder_pieces(source: Source) -> list[Piece]:
    listing = list_folder(source.path)
    found = _reject_piece(source, listing.rejects)
    for name, start, stop in blocks([file.uri for file in listing.files]):
        block = listing.files[start:stop]
        depends = _digest([(file.uri, file.size, file.mtime_ns) for file in block])
        found.append(Piece(name, depends, partial(_folder_rows, source, [file.uri for file in block])))
    return found


def _folder_rows(source: Source, uris: Sequence[str]) -> pa.Table:
    found = []
    for uri in uris:
        label = class_label(uri)
        payload = json.dumps({"rows": [{label.field: label.text}] if label else []})
        found.append({"kind": "file", "root": str(source.root), "uri": uri, "key": uri, "payload": payload})
    return _rows(found)


def _list_pieces(source: Source, scratch: Path | None) -> list[Piece]:
    n = n_buckets(source.path)
    if n > 1:
        buckets = long_list(source.path, source.columns, source.root, scratch)
        depends = [source.path.name, *_status(source.path), *source.columns]
        return [
            Piece(f"{i:05d}-of-{n:05d}", [*depends, i, n], partial(_bucket_piece, source, buckets, i)) for i in range(n)
        ]
    blocked, rejects = short_list(source.path, source.columns, source.root)
    found = _reject_piece(source, rejects)
    for name, entries in blocked:
        state = _digest([_entry_state(source.root, entry) for entry in entries])
        found.append(Piece(name, state, partial(_entry_piece, source, entries)))
    return found


def _entry_state(root: Path, entry: Entry) -> tuple[Any, ...]:
    """What a change of an entry shows in; the number of its row stands in the reject of a missing image alone."""
    *content, row = entry
    status = _status(root / entry[1])
    return (*content, *status) if status[0] >= 0 else (*content, row)


def _entry_piece(source: Source, entries: Sequence[Entry]) -> pa.Table:
    return _rows(entry_rows(source.path, source.root, entries))


def _bucket_piece(source: Source, buckets: Buckets, number: int) -> pa.Table:
    found = bucket_rows(buckets, number, source.path, source.root)
    empty = {"kind": "nothing", "root": str(source.root), "uri": "", "key": "", "payload": ""}
    return _rows(found or [empty])


def _reject_piece(source: Source, rejects: Sequence[Reject]) -> list[Piece]:
    if not rejects:
        return []
    rows = reject_rows(source.root, rejects)
    return [Piece("rejects", _digest([(row["key"], row["payload"]) for row in rows]), partial(_rows, rows))]


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _digest(values: Any) -> str:
    return sha256(json.dumps(values).encode()).hexdigest()[:32]


def _rows(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=PIECE)
