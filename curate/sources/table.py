"""Lists of images and tables of labels: CSV, TSV, JSONL, Parquet.

Everything is read as text, so that a key such as 007 stays one. Columns are found by their names (`labels.ROLES`) or
by an explicit 'role=column'.
"""

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import FormatError, nearest
from curate.sources.labels import ROLES
from curate.sources.records import Reject
from curate.sources.table_files import HEAD_BYTES, ROW, as_format_error, batches_of, column_types


def read_table(path: Path, columns: Sequence[str], *needed: str) -> tuple[pa.Table, list[Reject]]:
    """A table's rows under the names of their roles, all in memory.

    Args:
        path: CSV, TSV, JSONL or Parquet file.
        columns: 'role=column' for columns whose name does not tell; they come before `labels.ROLES`.
        *needed: Roles of which one must be there.

    Returns:
        Columns row (int64, from 1, header not counted) and one per role (string, or list of strings where the file
        has lists); and rejects for rows that could not be read.

    Raises:
        FormatError: The file is no such table, or lacks a column; the message names the columns that are there.
    """
    rejects: list[Reject] = []
    schema, batches = stream_table(path, columns, *needed, rejects=rejects)
    return pa.concat_tables([schema.empty_table(), *batches]).combine_chunks(), rejects


def stream_table(
    path: Path, columns: Sequence[str], *needed: str, rejects: list[Reject]
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """A table's rows as `read_table` gives them, some thousand at a time.

    Args:
        path: CSV, TSV, JSONL or Parquet file.
        columns: 'role=column' for columns whose name does not tell.
        *needed: Roles of which one must be there.
        rejects: Grows while the rows are read; may be emptied between two batches.

    Returns:
        Schema of the batches, and the batches.

    Raises:
        FormatError: See `read_table`; also while the batches are read.
    """
    with as_format_error(path):
        types = column_types(path)
        roles = need_role(list(types), columns, needed, path.name)
        texts = {role: _text_type(types[column], path.name, column) for role, column in roles.items()}
    schema = pa.schema({"row": pa.int64(), **texts})

    def batches() -> Iterator[pa.Table]:
        with as_format_error(path):
            for batch in batches_of(path, types, sorted(set(roles.values())), rejects):
                found = [batch.column(ROW), *(_as_text(batch.column(roles[role]), texts[role]) for role in texts)]
                yield pa.table(found, schema=schema)

    return schema, batches()


def column_names(path: Path) -> list[str]:
    """The columns of a table; of a JSONL file those of its first 64 MiB.

    Raises:
        FormatError: The file is no table.
    """
    with as_format_error(path):
        return list(column_types(path, HEAD_BYTES))


def need_role(names: Sequence[str], columns: Sequence[str], needed: Sequence[str], where: str) -> dict[str, str]:
    """Column by role, once one of the needed roles is there.

    Raises:
        FormatError: None is; the message names the columns that are there.
    """
    roles = find_columns(names, columns, where)
    if needed and not set(needed) & set(roles):
        raise FormatError(
            f"no column for {' or '.join(needed)}; columns are {', '.join(names)}",
            where=where,
            fix=f"Name it: --columns {needed[0]}=COLUMN.",
        )
    return roles


def find_columns(names: Sequence[str], columns: Sequence[str], where: str) -> dict[str, str]:
    """Which column plays which role.

    Args:
        names: Columns that are there.
        columns: 'role=column', as the user says.
        where: The file, for errors.

    Returns:
        Column by role.

    Raises:
        FormatError: A role or a column does not exist.
    """
    found: dict[str, str] = {}
    for entry in columns:
        role, equals, column = entry.partition("=")
        if not equals or role not in ROLES:
            raise FormatError(f"'{entry}' is not of the form role=column", where=where, fix=nearest(role, ROLES))
        if column not in names:
            raise FormatError(f"no column '{column}'; columns are {', '.join(names)}", where=where)
        found[role] = column
    lower = {name.lower(): name for name in reversed(names)}
    for role, known in ROLES.items():
        named = next((lower[name] for name in known if name in lower and lower[name] not in found.values()), None)
        if named and role not in found:
            found[role] = named
    return found


def path_below(root: str, path: str) -> str | None:
    """A listed path relative to the root; None where it leads out of it.

    Nothing is looked up on disk: '..' is resolved in the text, and an absolute path counts as it stands.

    Args:
        root: Absolute folder.
        path: As the list gives it; backslashes are taken for slashes where there is no slash.
    """
    if "\\" in path and "/" not in path:
        path = path.replace("\\", "/")
    whole = posixpath.normpath(posixpath.join(root, path))
    below = root.rstrip("/") + "/"
    return whole[len(below) :] if whole.startswith(below) else None


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as dicts, a few thousand at a time; NULLs are left out."""
    for batch in table.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def _text_type(kind: pa.DataType, where: str, name: str) -> pa.DataType:
    """The type that a column has as text.

    Raises:
        FormatError: It cannot be text.
    """
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if is_list or pa.types.is_dictionary(kind) else kind
    if pa.types.is_nested(inner):
        raise FormatError(f"column '{name}' of type {kind} is no text", where=where)
    return pa.list_(pa.string()) if is_list else pa.string()


def _as_text(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pc.cast(column, target)
