"""Files of tables as batches of rows: CSV, TSV, JSONL and Parquet, whatever their length.

A batch has the file's columns and ROW, the number of each row, from 1, header not counted.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from curate.errors import FormatError
from curate.sources.labels import ROLES, class_field
from curate.sources.records import Reject, clean_text, format_of_name, suffix

SUFFIXES = {"csv": ",", "tsv": "\t", "jsonl": "", "ndjson": "", "parquet": ""}
"""Suffixes of tables, with the delimiter of those that have one."""

ROW = "\x00row"
"""Name of the column of row numbers; no column of a file may bear it."""

HEAD_BYTES = 64 << 20
"""So much of a JSONL file is looked at to tell its columns before it is read."""

_HEADER_MAX = 1 << 20
_CSV_BLOCK_BYTES = 16 << 20  # no row may be longer
_PAGE_BUFFER_BYTES = 1 << 20
_BATCH_ROWS = 1 << 16
_JSON_BATCH_ROWS = 8192
_SCORE = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@contextmanager
def as_format_error(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into a FormatError that names it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise FormatError(str(error).splitlines()[0], where=path.name) from error


def column_types(path: Path, head: int | None = None) -> dict[str, pa.DataType]:
    """Columns with their types; only Parquet and lists in JSON have others than text."""
    if _kind(path) == "parquet":
        return {field.name: field.type for field in pq.read_schema(path)}
    if _kind(path) == "jsonl":
        return _jsonl_columns(path, head)
    return dict.fromkeys(_csv_header(path)[0], pa.string())


def _csv_header(path: Path) -> tuple[list[str], int]:
    """Columns of a CSV or TSV file, and how many lines they take: none in a bare list of path, class and score."""
    with path.open("rb") as file:
        header = file.readline(_HEADER_MAX).decode("utf-8-sig", "replace")
    names = next(csv.reader([header], delimiter=SUFFIXES.get(_kind(path), ",")), [])
    if is_bare_list(names):
        return ["path", "class", "score"][: len(names)], 0
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        problem = f"two columns are called '{twice[0]}'" if twice else "the first line is empty"
        raise FormatError(problem, where=path.name, fix="The first line must name the columns.")
    return names, 1


def is_bare_list(fields: Sequence[str]) -> bool:
    """Whether a first line is a row already: an image, its class and perhaps a score, none of them a column's name.

    Args:
        fields: The first line.
    """
    known = {name for names in ROLES.values() for name in names}
    if len(fields) not in (2, 3) or known & {field.strip().lower() for field in fields}:
        return False
    is_score = len(fields) == 2 or _SCORE.fullmatch(fields[2].strip()) is not None
    return is_score and (format_of_name(suffix(fields[0])) is not None or class_field(fields[1]) != "class")


def batches_of(
    path: Path, types: Mapping[str, pa.DataType], wanted: Sequence[str], rejects: list[Reject]
) -> Iterator[pa.Table]:
    """The rows of a table, some thousand at a time.

    Args:
        path: The file.
        types: Its columns, as `column_types` gives them.
        wanted: Columns that are needed; there may be more.
        rejects: Grows by the rows that cannot be read.
    """
    if _kind(path) == "parquet":
        return _stream_parquet(path, wanted)
    if _kind(path) == "jsonl":
        return _stream_jsonl(path, types, rejects)
    return _stream_csv(path, rejects)


def _kind(path: Path) -> str:
    kind = path.suffix[1:].lower()
    return "jsonl" if kind == "ndjson" else kind


def _stream_csv(path: Path, rejects: list[Reject]) -> Iterator[pa.Table]:
    """Batches of a CSV or TSV file."""
    names, n_header = _csv_header(path)
    gone: set[int] = set()

    def reject(row: Any) -> str:
        detail = f"{row.actual_columns} fields, {row.expected_columns} were expected"
        rejects.append(Reject(f"{path.name}:row {row.number - n_header}", "broken_row", detail))
        gone.add(row.number - n_header)
        return "skip"

    parse = pyarrow.csv.ParseOptions(
        delimiter=SUFFIXES.get(_kind(path), ","), newlines_in_values=True, invalid_row_handler=reject
    )
    # In one thread, as only then the parser knows the number of a bad row.
    read = pyarrow.csv.ReadOptions(
        use_threads=False, column_names=names, skip_rows=n_header, block_size=_CSV_BLOCK_BYTES
    )
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False)
    number = 1
    with path.open("rb") as file:
        if not _rest_of(file, n_header):
            return
    with pyarrow.csv.open_csv(path, read, parse, convert) as batches:
        for batch in batches:
            numbers, number = _row_numbers(number, batch.num_rows, gone)
            yield _utf8_rows(pa.Table.from_batches([batch]), numbers, path.name, rejects)


def _rest_of(file: BinaryIO, n_header: int) -> bytes:
    """Something of what follows the header; empty where nothing does."""
    for _ in range(n_header):
        file.readline()
    return file.read(1)


def _row_numbers(number: int, n_rows: int, gone: set[int]) -> tuple[list[int], int]:
    """Numbers of the next rows that are there, and the number after them; those of skipped rows are used up."""
    if not gone:
        return list(range(number, number + n_rows)), number + n_rows
    found: list[int] = []
    while len(found) < n_rows:
        if number in gone:
            gone.remove(number)
        else:
            found.append(number)
        number += 1
    return found, number


def _utf8_rows(rows: pa.Table, numbers: list[int], name: str, rejects: list[Reject]) -> pa.Table:
    """Columns as text; rows that are not UTF-8 become rejects."""
    numbered = rows.append_column(ROW, pa.array(numbers, pa.int64()))
    texts = pa.schema([(n, pa.string()) for n in rows.column_names] + [(ROW, pa.int64())])
    try:
        return numbered.cast(texts)
    except pa.ArrowInvalid:
        pass
    good = []
    for row in numbered.to_pylist():
        number = row.pop(ROW)
        try:
            good.append({n: value.decode() for n, value in row.items()} | {ROW: number})
        except UnicodeDecodeError as error:
            rejects.append(Reject(f"{name}:row {number}", "not_utf8", f"byte {error.start} of a value is not UTF-8"))
    return pa.Table.from_pylist(good, schema=texts)


def _stream_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Batches of a Parquet file; pages are read as they are needed, however long a row group is."""
    number = 1
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_PAGE_BUFFER_BYTES) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
            numbers = pa.array(range(number, number + batch.num_rows), pa.int64())
            number += batch.num_rows
            yield pa.Table.from_batches([batch]).append_column(ROW, numbers)


def _jsonl_columns(path: Path, head: int | None) -> dict[str, pa.DataType]:
    """Names in the objects of a JSONL file, sorted; those that are ever a list are lists of text."""
    found: dict[str, bool] = {}
    for _, row in _json_lines(path, [], head):
        for name, value in row.items():
            found[name] = found.get(name, False) or isinstance(value, list)
    names = sorted(name for name in found if clean_text(name) == (name, False))
    return {name: pa.list_(pa.string()) if found[name] else pa.string() for name in names}


def _json_lines(path: Path, rejects: list[Reject], head: int | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and object of each line that has one."""
    read = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            read += len(line)
            if head is not None and read > head and number > 1:
                return
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
                yield number, row


def _stream_jsonl(path: Path, types: Mapping[str, pa.DataType], rejects: list[Reject]) -> Iterator[pa.Table]:
    """Batches of a JSONL file."""
    lines = _json_lines(path, rejects)
    while chunk := list(islice(lines, _JSON_BATCH_ROWS)):
        columns = {ROW: pa.array([number for number, _ in chunk], pa.int64())}
        for name, kind in types.items():
            values = [row.get(name) for _, row in chunk]
            if pa.types.is_list(kind):
                lists = [value if isinstance(value, list) or value is None else [value] for value in values]
                columns[name] = pa.array([v and [_plain(x) for x in v] for v in lists], kind)
            else:
                columns[name] = pa.array([_plain(value) for value in values], kind)
        yield pa.table(columns)


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    return clean_text(value if isinstance(value, str) else json.dumps(value))[0]
