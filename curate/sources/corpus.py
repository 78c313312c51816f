"""A source as a whole: which format it has, how it is cut into pieces of work, and how a piece is read."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.sources.folder import class_label, list_folder, read_files
from curate.sources.labels import LABEL_ROLES, Metadata, read_metadata
from curate.sources.records import Label, Record, Reject, blocks, clean_text, suffix
from curate.sources.table import SUFFIXES, column_names, need_role, path_below, read_table, rows_of
from curate.sources.webdataset import find_shards, read_shard

PIECE = pa.schema([(name, pa.string()) for name in ("kind", "root", "uri", "key", "payload")])
"""Rows that describe a piece: a tar, files, a table of labels, or rejects that were found while listing."""


@dataclass(frozen=True)
class Source:
    """A place that images come from.

    Attributes:
        name: Its name.
        format: webdataset, folder or table.
        path: What was given: a folder, a tar or a list.
        root: Folder that uris are relative to.
        columns: 'role=column' for a list.
    """

    name: str
    format: str
    path: Path
    root: Path
    columns: tuple[str, ...] = ()


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
        path: A folder, a tar, or a list (CSV, TSV, JSONL, Parquet).
        name: Name of the source; None = the last part of the path.
        format: webdataset, folder, table, or auto: told by what lies there.
        root: For a list, the folder that its paths are relative to; None = the one that it lies in.
        columns: 'role=column' for a list.

    Raises:
        MissingInputError: There is no such path.
        FormatError: The path cannot be read as that format.
    """
    given = Path(path).expanduser().absolute()
    if not given.exists():
        raise MissingInputError(f"no such file or folder '{path}'", fix="Check the path.")
    found = _guess(given) if format == "auto" else format
    if found == ("table" if given.is_dir() else "folder"):
        raise FormatError(f"'{path}' cannot be read as {found}", fix="Leave out --format to have it told by content.")
    base = given if given.is_dir() else given.parent
    if root is not None:
        base = Path(root).expanduser().absolute()
        if found != "table":
            raise FormatError(f"a root is for a list, '{path}' is read as {found}", fix="Leave the root out.")
        if not base.is_dir():
            raise MissingInputError(f"no such folder '{root}'", fix="Check the root.")
    return Source(clean_text(name or given.name)[0], found, given, base, tuple(columns))


def _guess(path: Path) -> str:
    if path.is_dir():
        return "webdataset" if next(path.rglob("*.tar"), None) else "folder"
    kind = path.suffix[1:].lower()
    if kind == "tar":
        return "webdataset"
    if kind in SUFFIXES:
        return "table"
    fix = "Unpack it first: images are read in place." if kind in ("gz", "tgz", "zip", "xz", "zst", "bz2") else ""
    raise FormatError(
        f"'{path.name}' is neither a folder nor one of tar, {', '.join(SUFFIXES)}",
        fix=fix or "Convert it, or name a folder.",
    )


def pieces(source: Source) -> list[Piece]:
    """Cut a source into pieces: a tar each, or blocks of files.

    Raises:
        MissingInputError: There is nothing in it that may be an image.
        FormatError: A list lacks a column.
    """
    if source.format == "webdataset":
        found = [_tar_piece(source, path) for path in find_shards(source.path)]
    elif source.format == "folder":
        found = _folder_pieces(source)
    else:
        found = _list_pieces(source)
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
        if kind == "tar":
            for row in group:
                yield from read_shard(Path(row["root"], row["uri"]), row["uri"])
        elif kind == "reject":
            for row in group:
                yield Reject(row["key"], *json.loads(row["payload"]))
        else:
            listed = list(group)
            yield from read_files(Path(listed[0]["root"]), map(_listed_record, listed))


def _tar_piece(source: Source, path: Path) -> Piece:
    uri, status = path.relative_to(source.root).as_posix(), path.stat()
    row = {"kind": "tar", "root": str(source.root), "uri": uri, "key": "", "payload": ""}
    return Piece(uri, [status.st_size, status.st_mtime_ns], partial(_rows, [row]))


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
        payload = json.dumps({label.field: label.text}) if label else "{}"
        found.append({"kind": "file", "root": str(source.root), "uri": uri, "key": uri, "payload": payload})
    return _rows(found)


def _list_pieces(source: Source) -> list[Piece]:
    """Blocks of a list, by key: rows of one key and path are one image with several labels."""
    table, rejects = read_table(source.path, source.columns, "path")
    entries = []
    for row in rows_of(table):
        entry = _list_entry(row, str(source.root))
        if isinstance(entry, tuple):
            entries.append(entry)
        else:
            rejects.append(Reject(f"{source.path.name}:row {row['row']}", *entry))
    entries.sort()
    found = _reject_piece(source, rejects)
    starts = [index for index, entry in enumerate(entries) if index == 0 or entry[0] != entries[index - 1][0]]
    for name, start, stop in blocks([entries[index][0] for index in starts]):
        block = entries[starts[start] : starts[stop] if stop < len(starts) else len(entries)]
        depends = _digest([(*entry, *_status(source.root / entry[1])) for entry in block])
        found.append(Piece(name, depends, partial(_list_rows, source, block)))
    return found


def _list_entry(row: Mapping[str, Any], root: str) -> tuple[str, str, str] | list[str]:
    """Key, uri and the rest of a row; or rule and detail of a reject."""
    path = row.get("path", "")
    uri = path_below(root, path) if path else None
    if not path:
        return ["no_path", "the path is empty"]
    if uri is None:
        return ["outside_root", f"{clean_text(path)[0]!r} leads out of the folder that paths are relative to"]
    if clean_text(uri)[1]:
        return ["undecodable_name", f"{clean_text(path)[0]!r} is no file name"]
    key = clean_text(row.get("key", uri))[0]
    if not key:
        return ["no_key", "the key is empty"]
    rest = {name: value for name, value in row.items() if name not in ("row", "path", "key")}
    return key, uri, json.dumps(rest, sort_keys=True)


def _list_rows(source: Source, entries: Sequence[tuple[str, str, str]]) -> pa.Table:
    found = []
    for (key, uri), group in groupby(entries, key=lambda entry: entry[:2]):
        payload = "[" + ",".join(entry[2] for entry in group) + "]"
        found.append({"kind": "file", "root": str(source.root), "uri": uri, "key": key, "payload": payload})
    return _rows(found)


def _listed_record(row: dict[str, str]) -> Record:
    payload = json.loads(row["payload"])
    record = Record(row["key"], row["uri"], 0, None, suffix(row["uri"]))
    for entries in payload if isinstance(payload, list) else [payload]:
        found = read_metadata(entries)
        record.labels.extend(found.labels)
        record.remarks.extend(found.remarks)
        record.url, record.owner = record.url or found.url, record.owner or found.owner
    return record


def read_side_labels(path: Path, columns: Sequence[str]) -> tuple[list[tuple[str, Label]], list[Reject]]:
    """Labels of a side table.

    Args:
        path: CSV, TSV, JSONL or Parquet with a key column (or a path column, for a folder) and columns of labels.
        columns: 'role=column' for columns whose name does not tell.

    Returns:
        (key, label) sorted by key and label, whatever the order of the rows, tags of one row in their order; and
        rejects.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is no such table or lacks a column.
    """
    check_side_labels(path, columns)
    table, rejects = read_table(path, columns)
    rows: list[tuple[str, str, Metadata]] = []
    for row in rows_of(table):
        number, path_value = row.pop("row"), row.pop("path", None)
        key = clean_text(row.pop("key", path_value or ""))[0]
        if not key:
            rejects.append(Reject(f"{path.name}:row {number}", "no_key", "the key is empty"))
            continue
        rows.append((key, json.dumps(row, sort_keys=True), read_metadata(row)))
    rows.sort(key=lambda row: row[:2])
    return [(key, label) for key, _, metadata in rows for label in metadata.labels], rejects


def check_side_labels(path: Path, columns: Sequence[str]) -> None:
    """Fail early where a side table is missing or lacks a column; reads its header only.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is no table or lacks a column.
    """
    if not path.is_file():
        raise MissingInputError(f"no such file '{path}'", fix="Check --labels.")
    names = column_names(path)
    need_role(names, columns, ("key", "path"), path.name)
    need_role(names, columns, LABEL_ROLES, path.name)


def _reject_piece(source: Source, rejects: Sequence[Reject]) -> list[Piece]:
    if not rejects:
        return []
    rows = [
        {"kind": "reject", "root": str(source.root), "uri": "", "key": reject.locator,
         "payload": json.dumps([reject.rule, reject.detail])}
        for reject in rejects
    ]  # fmt: skip
    return [Piece("rejects", _digest([(row["key"], row["payload"]) for row in rows]), partial(_rows, rows))]


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _digest(values: Any) -> str:
    return sha256(json.dumps(values).encode()).hexdigest()[:32]


def _rows(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=PIECE)
