"""Lists of images and tables of labels as pieces: short ones are read at once, long ones bucket by bucket.

The pieces of a short list depend on its rows and on each image's size and modification time. Those of a long one
depend on the size, modification time and name of the list alone, as looking at 100 million files takes hours: to have
images read again that changed or came late, touch the list.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import MissingInputError
from curate.sources.buckets import Buckets, n_buckets
from curate.sources.labels import LABEL_ROLES, Metadata, read_metadata
from curate.sources.records import Label, Record, Reject, blocks, clean_text, suffix
from curate.sources.table import column_names, need_role, path_below, read_table, rows_of

Entry = tuple[str, str, str, int]
"""Key, uri, labels and the like as JSON, and number of the row."""

Row = dict[str, str]
"""A row of a piece, see `corpus.PIECE`."""

_ODD_PATH = r"\\|//|/\.|^\.|^/|/$|\x00"
"""Paths that may change when they are put below a root; all others stay as they are."""


def short_list(path: Path, columns: Sequence[str], root: Path) -> tuple[list[tuple[str, list[Entry]]], list[Reject]]:
    """A list as named blocks of entries, by key: rows of one key and path are one image with several labels.

    Raises:
        FormatError: It is no table or has no column of paths.
    """
    table, rejects = read_table(path, columns, "path")
    entries = _entries(table, path, root, rejects)
    starts = [index for index, entry in enumerate(entries) if index == 0 or entry[0] != entries[index - 1][0]]
    found = [
        (name, entries[starts[start] : starts[stop] if stop < len(starts) else len(entries)])
        for name, start, stop in blocks([entries[index][0] for index in starts])
    ]
    return found, rejects


def long_list(path: Path, columns: Sequence[str], root: Path, scratch: Path | None) -> Buckets:
    """A list that is too long for memory.

    Raises:
        FormatError: It is no table or has no column of paths.
    """
    need_role(column_names(path), columns, ("path",), path.name)

    def place(batch: pa.Table) -> pa.Array:
        return _place(batch, lambda text: clean_text(path_below(str(root), text) or text)[0])

    return Buckets(path, columns, ("path",), place, n_buckets(path), scratch)


def bucket_rows(buckets: Buckets, number: int, path: Path, root: Path) -> list[Row]:
    """Rows of the piece that a bucket is."""
    table, rejects = buckets.read(number)
    entries = _entries(table, path, root, rejects)
    return [*reject_rows(root, rejects), *entry_rows(path, root, entries)]


def _entries(table: pa.Table, path: Path, root: Path, rejects: list[Reject]) -> list[Entry]:
    """Entries sorted by key, uri and labels, whatever the order of the rows; what is none becomes a reject."""
    found = []
    for row in rows_of(table):
        entry = _entry(row, str(root))
        if isinstance(entry, tuple):
            found.append((*entry, row["row"]))
        else:
            rejects.append(Reject(f"{path.name}:row {row['row']}", *entry))
    return sorted(found)


def _entry(row: Mapping[str, Any], root: str) -> tuple[str, str, str] | list[str]:
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


def entry_rows(path: Path, root: Path, entries: Sequence[Entry]) -> list[Row]:
    """Rows of a piece, one per image."""
    found = []
    for (key, uri), group in groupby(entries, key=lambda entry: entry[:2]):
        alike = list(group)
        payload = {"where": f"{path.name}:row {min(entry[3] for entry in alike)}"}
        text = json.dumps(payload)[:-1] + ', "rows": [' + ",".join(entry[2] for entry in alike) + "]}"
        found.append({"kind": "file", "root": str(root), "uri": uri, "key": key, "payload": text})
    return found


def reject_rows(root: Path, rejects: Sequence[Reject]) -> list[Row]:
    """Rows of a piece for what was rejected while listing."""
    return [
        {"kind": "reject", "root": str(root), "uri": "", "key": reject.locator,
         "payload": json.dumps([reject.rule, reject.detail])}
        for reject in rejects
    ]  # fmt: skip


def listed_record(row: Row) -> Record:
    """The record of a row of kind 'file', without its bytes."""
    payload = json.loads(row["payload"])
    record = Record(row["key"], row["uri"], 0, None, suffix(row["uri"]), locator=payload.get("where", ""))
    for entries in payload["rows"]:
        found = read_metadata(entries)
        record.labels.extend(found.labels)
        record.remarks.extend(found.remarks)
        record.url, record.owner = record.url or found.url, record.owner or found.owner
    return record


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


def read_side_labels(path: Path, columns: Sequence[str]) -> tuple[list[tuple[str, Label]], list[Reject]]:
    """Labels of a side table, all in memory.

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
    return _keyed_labels(*read_table(path, columns), path)


def cut_side_labels(path: Path, columns: Sequence[str], scratch: Path | None) -> tuple[Buckets | None, int]:
    """The buckets of a side table that is too long for memory, and their number; None and 1 for a short one.

    Raises:
        MissingInputError: There is no such file.
        FormatError: It is no table or lacks a column.
    """
    check_side_labels(path, columns)
    n = n_buckets(path)
    return (Buckets(path, columns, (), _side_place, n, scratch) if n > 1 else None), n


def read_side_bucket(buckets: Buckets, number: int, path: Path) -> tuple[list[tuple[str, Label]], list[Reject]]:
    """Labels of one bucket, as `read_side_labels` gives them."""
    return _keyed_labels(*buckets.read(number), path)


def _side_place(batch: pa.Table) -> pa.Array:
    return _place(batch, lambda text: clean_text(text)[0])


def _keyed_labels(table: pa.Table, rejects: list[Reject], path: Path) -> tuple[list[tuple[str, Label]], list[Reject]]:
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


def _place(batch: pa.Table, of_path: Callable[[str], str]) -> pa.Array:
    """The key of each row: its own, else the one that its path gives, else nothing."""
    found = pa.nulls(batch.num_rows, pa.string())
    for role, change in (("key", lambda text: clean_text(text)[0]), ("path", of_path)):
        if role in batch.column_names:
            found = pc.coalesce(found, _normal(batch[role].combine_chunks(), change))
    return pc.fill_null(found, "")


def _normal(texts: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """Texts with the odd ones among them changed; looking at each in Python would take most of the time."""
    odd = pc.fill_null(pc.match_substring_regex(texts, _ODD_PATH), False)
    if not pc.any(odd).as_py():
        return texts
    changed = pa.array([change(text) for text in texts.filter(odd).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, odd, changed)
