"""Lists of images and tables of labels: CSV, TSV, JSONL, Parquet.

Everything is read as text, so that a key such as 007 stays one. Columns are found by their names (`labels.ROLES`) or
by an explicit 'role=column'.
"""

import csv
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from curate.errors import FormatError, nearest
from curate.sources.labels import ROLES
from curate.sources.records import Reject, clean_text

SUFFIXES = {"csv": ",", "tsv": "\t", "jsonl": "", "ndjson": "", "parquet": ""}
"""Suffixes of tables, with the delimiter of those that have one."""


_ROW = "\x00row"
_HEADER_MAX = 1 << 20


def read_table(path: Path, columns: Sequence[str], *needed: str) -> tuple[pa.Table, list[Reject]]:
    """A table's rows under the names of their roles.

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
    names = column_names(path)
    roles = need_role(names, columns, needed, path.name)
    try:
        if _kind(path) == "parquet":
            rows = pq.read_table(path, columns=sorted(set(roles.values())))
            rows = rows.append_column(_ROW, pa.array(range(1, rows.num_rows + 1), pa.int64()))
        elif _kind(path) == "jsonl":
            rows = _read_jsonl(path, rejects)
        else:
            rows = _read_csv(path, names, rejects)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise FormatError(str(error).splitlines()[0], where=path.name) from error
    found = {"row": rows.column(_ROW)} | {r: _as_text(rows.column(c), path.name, c) for r, c in roles.items()}
    return pa.table(found), rejects


def column_names(path: Path) -> list[str]:
    """The columns of a table.

    Raises:
        FormatError: The file is no table.
    """
    try:
        if _kind(path) == "parquet":
            return list(pq.read_schema(path).names)
        if _kind(path) == "jsonl":
            return list(_read_jsonl(path, []).column_names[:-1])
        with path.open("rb") as file:
            header = file.readline(_HEADER_MAX).decode("utf-8-sig", "replace")
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(str(error).splitlines()[0], where=path.name) from error
    names = next(csv.reader([header], delimiter=SUFFIXES.get(_kind(path), ",")), [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        problem = f"two columns are called '{twice[0]}'" if twice else "the first line is empty"
        raise FormatError(problem, where=path.name, fix="The first line must name the columns.")
    return names


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


def _kind(path: Path) -> str:
    kind = path.suffix[1:].lower()
    return "jsonl" if kind == "ndjson" else kind


def _read_csv(path: Path, names: Sequence[str], rejects: list[Reject]) -> pa.Table:
    def reject(row: Any) -> str:
        detail = f"{row.actual_columns} fields, {row.expected_columns} were expected"
        rejects.append(Reject(f"{path.name}:row {row.number - 1}", "broken_row", detail))
        return "skip"

    parse = pyarrow.csv.ParseOptions(
        delimiter=SUFFIXES.get(_kind(path), ","), newlines_in_values=True, invalid_row_handler=reject
    )
    # In one thread, as only then the parser knows the number of a bad row.
    read = pyarrow.csv.ReadOptions(use_threads=False, column_names=list(names), skip_rows=1)
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False)
    rows = pyarrow.csv.read_csv(path, read, parse, convert)
    return _utf8_rows(rows, _row_numbers(rows.num_rows, rejects), path.name, rejects)


def _row_numbers(n_rows: int, skipped: Iterable[Reject]) -> list[int]:
    """Numbers of the rows that are there, those of skipped rows left out."""
    gone = {reject.locator.rpartition(" ")[2] for reject in skipped}
    numbers = (number for number in range(1, n_rows + len(gone) + 1) if str(number) not in gone)
    return [next(numbers) for _ in range(n_rows)]


def _utf8_rows(rows: pa.Table, numbers: list[int], name: str, rejects: list[Reject]) -> pa.Table:
    """Columns as text; rows that are not UTF-8 become rejects."""
    numbered = rows.append_column(_ROW, pa.array(numbers, pa.int64()))
    texts = pa.schema([(n, pa.string()) for n in rows.column_names] + [(_ROW, pa.int64())])
    try:
        return numbered.cast(texts)
    except pa.ArrowInvalid:
        pass
    good = []
    for row in numbered.to_pylist():
        number = row.pop(_ROW)
        try:
            good.append({n: value.decode() for n, value in row.items()} | {_ROW: number})
        except UnicodeDecodeError as error:
            rejects.append(Reject(f"{name}:row {number}", "not_utf8", f"byte {error.start} of a value is not UTF-8"))
    return pa.Table.from_pylist(good, schema=texts)


def _read_jsonl(path: Path, rejects: list[Reject]) -> pa.Table:
    rows: list[Mapping[str, Any]] = []
    numbers: list[int] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
                if not isinstance(row, dict):
                    raise ValueError("no JSON object")
            except (ValueError, RecursionError) as error:
                rule = "not_utf8" if isinstance(error, UnicodeDecodeError) else "broken_json"
                rejects.append(Reject(f"{path.name}:row {number}", rule, str(error).splitlines()[0]))
            else:
                rows.append(row)
                numbers.append(number)
    names = sorted({name for row in rows for name in row if clean_text(name) == (name, False)})
    columns: dict[str, pa.Array] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if any(isinstance(value, list) for value in values):
            lists = [value if isinstance(value, list) or value is None else [value] for value in values]
            columns[name] = pa.array([v and [_plain(x) for x in v] for v in lists], pa.list_(pa.string()))
        else:
            columns[name] = pa.array([_plain(value) for value in values], pa.string())
    return pa.table({**columns, _ROW: pa.array(numbers, pa.int64())})


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    return clean_text(value if isinstance(value, str) else json.dumps(value))[0]


def _as_text(column: pa.ChunkedArray, where: str, name: str) -> pa.ChunkedArray:
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    target = pa.list_(pa.string()) if is_list else pa.string()
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    try:
        return pc.cast(column, target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FormatError(f"column '{name}' of type {kind} is no text", where=where) from error
