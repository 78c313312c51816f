"""Files of vectors and of their keys, read a piece at a time."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import FormatError, MissingInputError

_KEY_FILES = (".keys.txt", ".keys.parquet", ".keys.csv")
_KEY_COLUMNS = ("key", "image_path")
_KEYS_AT_ONCE = 1 << 18
_GROUPS_AT_ONCE = 2


@dataclass(frozen=True)
class VectorFile:
    """One file of vectors.

    Attributes:
        path: Where it lies.
        n_rows: Vectors in it.
        dim: Length of each.
        read_keys: Their keys, in order, in pieces.
        take: Vectors of some rows, float64; any order.
    """

    path: Path
    n_rows: int
    dim: int
    read_keys: Callable[[], Iterator[pa.Array]]
    take: Callable[[NDArray[np.int64]], NDArray[np.float64]]


def pair_files(path: Path) -> list[tuple[Path, Path]]:
    """Files of vectors, each with the file of its keys (which may be the same), in order.

    Args:
        path: A Parquet or .npy file, or a folder of clip-retrieval.

    Raises:
        MissingInputError: It is not there, or one of a pair is not.
        FormatError: It is none of them.
    """
    if path.is_dir():
        return _pairs_of_folder(path)
    if not path.is_file():
        raise MissingInputError("no such file", where=str(path))
    if path.suffix == ".parquet":
        return [(path, path)]
    if path.suffix != ".npy":
        raise FormatError("vectors come as .parquet or .npy", where=str(path))
    for suffix in _KEY_FILES:
        if (keys := path.with_suffix(suffix)).is_file():
            return [(path, keys)]
    wanted = " or ".join(path.with_suffix(suffix).name for suffix in _KEY_FILES)
    raise MissingInputError("the keys of its rows are missing", where=str(path), fix=f"Put {wanted} beside it.")


def open_file(path: Path, keys: Path) -> VectorFile:
    """Open a file of vectors.

    Raises:
        FormatError: It cannot be read, or has the wrong columns or shape.
    """
    with _readable(path):
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False, mmap_mode="r")
            if array.ndim != 2 or array.dtype.kind not in "fiu":
                raise FormatError(f"holds {array.dtype} of shape {array.shape}, not N x D numbers", where=str(path))
            n_rows, dim = array.shape
            return VectorFile(path, n_rows, dim, partial(_keys, keys), partial(_rows_of_array, array))
        return _open_parquet(path)


def _pairs_of_folder(path: Path) -> list[tuple[Path, Path]]:
    numbered = {
        match[1]: file for file in path.glob("img_emb/*.npy") if (match := re.fullmatch(r"img_emb_(\d+)", file.stem))
    }
    if not numbered:
        raise FormatError("holds no img_emb/img_emb_N.npy", where=str(path), fix="Give a folder of clip-retrieval.")
    pairs = [(numbered[n], path / "metadata" / f"metadata_{n}.parquet") for n in sorted(numbered, key=int)]
    for vectors, keys in pairs:
        if not keys.is_file():
            raise MissingInputError(f"the keys of {vectors.name} are missing", where=str(keys))
    return pairs


def _open_parquet(path: Path) -> VectorFile:
    file = pq.ParquetFile(path)
    schema, names = file.schema_arrow, file.schema_arrow.names
    missing = [name for name in ("key", "vector") if name not in names]
    if missing:
        raise FormatError(f"no column {' and '.join(missing)}; it has {', '.join(names)}", where=str(path))
    kind = schema.field("vector").type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise FormatError(f"column vector is {kind}, not a list of floats", where=str(path))
    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    group = lru_cache(_GROUPS_AT_ONCE)(partial(_row_group, path))
    dim = group(0).shape[1] if counts else 0

    def take(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        vectors_ND = np.zeros((len(rows), dim), np.float64)
        owner = np.searchsorted(first, rows, side="right") - 1
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            held = group(int(number))
            if held.shape[1] != dim:
                raise FormatError(f"vectors of different lengths, {dim} and {held.shape[1]}", where=str(path))
            vectors_ND[mine] = held[rows[mine] - first[number]]
        return vectors_ND

    return VectorFile(path, int(first[-1]), dim, partial(_keys, path), take)


def _row_group(path: Path, number: int) -> NDArray[Any]:
    """Vectors of one row group, N × D."""
    column = pq.ParquetFile(path).read_row_group(number, columns=["vector"])["vector"].combine_chunks()
    if column.null_count:
        raise FormatError("column vector has NULLs", where=str(path))
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise FormatError(f"vectors of different lengths, {lengths[0]} and {lengths[1]}", where=str(path))
    values = column.flatten()
    if values.null_count:
        raise FormatError("a vector has NULLs in it", where=str(path))
    flat: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), lengths[0] if lengths else 0)


def _rows_of_array(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    order = np.argsort(rows)  # pages are read in the order in which they lie
    vectors_ND = np.empty((len(rows), array.shape[1]), np.float64)
    vectors_ND[order] = array[rows[order]]
    return vectors_ND


def _keys(path: Path) -> Iterator[pa.Array]:
    with _readable(path):
        for keys in _key_pieces(path):
            if keys.null_count:
                raise FormatError("column key has NULLs", where=str(path))
            yield keys


def _key_pieces(path: Path) -> Iterator[pa.Array]:
    if path.suffix == ".txt":
        yield from _lines(path)
    elif path.suffix == ".csv":
        options = pyarrow.csv.ConvertOptions(include_columns=["key"], column_types={"key": pa.string()})
        with pyarrow.csv.open_csv(path, convert_options=options) as reader:
            for batch in reader:
                yield batch["key"]
    else:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        column = next((name for name in _KEY_COLUMNS if name in names), None)
        if column is None:
            raise FormatError(f"no column {' or '.join(_KEY_COLUMNS)}; it has {', '.join(names)}", where=str(path))
        for batch in file.iter_batches(_KEYS_AT_ONCE, columns=[column]):
            yield batch[column].cast(pa.string())


def _lines(path: Path) -> Iterator[pa.Array]:
    held: list[str] = []
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            held.append(line.removesuffix("\n"))
            if len(held) == _KEYS_AT_ONCE:
                yield pa.array(held, pa.string())
                held = []
    yield pa.array(held, pa.string())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what the readers raise into one clear line."""
    try:
        yield
    except (pa.ArrowException, ValueError, EOFError, KeyError) as error:
        raise FormatError(f"cannot be read: {str(error).splitlines()[0]}", where=str(path)) from error
