"""Images without a file or byte range of their own: how they are named, and how their bytes are read.

A page of a Parquet file is compressed, so an image in it has no place of its own in the file. Its uri names file,
row and column instead; its offset is 0. Likewise a record of CIFAR's binary files is no image file, but the pixels
of one: its uri names the record, and its bytes are those pixels as a PPM file.
"""

import re
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import MissingInputError

_CELL = re.compile(r"(.+)#row=(\d+)&column=([^/]+)", re.DOTALL)
_RECORD = re.compile(r"(.+)#record=(\d+)&labels=(\d)", re.DOTALL)
_CACHE_BYTES = 256 << 20
_PLANES = (3, 32, 32)
_PLANES_BYTES = 3 * 32 * 32
_PPM_HEADER = b"P6\n32 32\n255\n"
_Group = tuple[tuple[str, int, int], str, int]

_lock = threading.Lock()
_groups: OrderedDict[_Group, pa.ChunkedArray] = OrderedDict()


def cell_uri(uri: str, row: int, column: str) -> str:
    """The uri of a cell.

    Args:
        uri: The Parquet file.
        row: From 0, as DuckDB's file_row_number counts.
        column: The column.
    """
    return f"{uri}#row={row}&column={quote(column, safe='')}"


def record_uri(uri: str, record: int, n_labels: int) -> str:
    """The uri of a record of CIFAR's binary files.

    Args:
        uri: The file.
        record: From 0.
        n_labels: Label bytes that lead each record: 1 in CIFAR-10, 2 in CIFAR-100.
    """
    return f"{uri}#record={record}&labels={n_labels}"


def record_bytes(n_labels: int) -> int:
    """Length of a record: its label bytes and 32 × 32 pixels, plane by plane."""
    return n_labels + _PLANES_BYTES


def record_image(record: bytes, n_labels: int) -> bytes:
    """A record's pixels as a PPM file.

    Args:
        record: The whole record; red, green and blue plane follow its label bytes, row by row.
        n_labels: Its label bytes.
    """
    planes = np.frombuffer(record, np.uint8, _PLANES_BYTES, n_labels).reshape(_PLANES)
    return _PPM_HEADER + planes.transpose(1, 2, 0).tobytes()


def read_cell(path: str) -> bytes | None:
    """The bytes of a cell, or of a record.

    The row group that a cell lies in is read as a whole, and the last ones read are kept: reading rows in their order
    costs each row group once, reading them at random costs one for nearly every row.

    Args:
        path: A folder and a uri that `cell_uri` or `record_uri` gave.

    Returns:
        The bytes; None where the path names neither a cell of a Parquet file nor a record of a file that is there.

    Raises:
        MissingInputError: The file cannot be read, or has no such cell or record.
    """
    if record := _RECORD.fullmatch(path):
        return _read_record(Path(record[1]), int(record[2]), int(record[3])) if Path(record[1]).is_file() else None
    named = _CELL.fullmatch(path)
    if not named or not Path(named[1]).is_file():
        return None
    row, column = int(named[2]), unquote(named[3])
    status = Path(named[1]).stat()
    file = (named[1], status.st_size, status.st_mtime_ns)
    try:
        starts_G = _starts(file)
        group = int(np.searchsorted(starts_G, row, side="right")) - 1
        if row < starts_G[-1]:
            value = _group((file, column, group))[row - int(starts_G[group])].as_py()
            if isinstance(value, bytes):
                return value
    except (pa.ArrowException, OSError, KeyError, IndexError) as error:
        raise MissingInputError(f"cannot be read: {str(error).splitlines()[0]}", where=path) from error
    fix = "The file changed after it was ingested; ingest it again."
    raise MissingInputError("no image in this cell", where=path, fix=fix)


def _read_record(path: Path, number: int, n_labels: int) -> bytes:
    size = record_bytes(n_labels)
    where = record_uri(str(path), number, n_labels)
    try:
        with path.open("rb") as file:
            is_there = (number + 1) * size <= file.seek(0, 2)
            if is_there:
                file.seek(number * size)
                return record_image(file.read(size), n_labels)
    except OSError as error:
        raise MissingInputError(f"cannot be read: {error.strerror or error}", where=where) from error
    raise MissingInputError("no such record", where=where, fix="The file changed; add the set again.")


def cell_bytes(images: pa.ChunkedArray) -> pa.ChunkedArray:
    """The bytes of a column of images: the column itself, or the part 'bytes' of its structs."""
    if not pa.types.is_struct(images.type):
        return images
    return pa.chunked_array([chunk.field("bytes") for chunk in _known(images)], images.type.field("bytes").type)


def _known(images: pa.ChunkedArray) -> list[pa.StructArray]:
    """Chunks in which a NULL struct has NULL fields too."""
    return [pa.StructArray.from_arrays(chunk.flatten(), fields=list(chunk.type)) for chunk in images.chunks]


@lru_cache(maxsize=1024)
def _starts(file: tuple[str, int, int]) -> NDArray[np.int64]:
    """First row of each row group, and behind them the number of rows; (G + 1,) int64."""
    metadata = pq.read_metadata(file[0])
    return np.cumsum([0, *(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))])


def _group(wanted: _Group) -> pa.ChunkedArray:
    """A column of a row group, from the cache where it is there."""
    (path, _, _), column, group = wanted
    with _lock:  # one reads, the others find it read
        if wanted not in _groups:
            with pq.ParquetFile(path) as file:
                _groups[wanted] = cell_bytes(file.read_row_group(group, columns=[column]).column(column))
            while len(_groups) > 1 and sum(cells.nbytes for cells in _groups.values()) > _CACHE_BYTES:
                _groups.popitem(last=False)
        _groups.move_to_end(wanted)
        return _groups[wanted]
