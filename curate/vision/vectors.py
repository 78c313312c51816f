"""Vectors that were computed elsewhere, joined to images by the source's own key.

Two layouts:

    FILE.parquet    columns key (string) and vector (list or fixed-size list of floats)
    FILE.npy        N × D floats, with the N keys beside it: FILE.keys.txt (UTF-8, one a line),
                    or FILE.keys.parquet / FILE.keys.csv with a column key
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import FormatError, MissingInputError

_KEY_FILES = (".keys.txt", ".keys.parquet", ".keys.csv")


@dataclass(frozen=True)
class KeyedVectors:
    """Vectors by key.

    Attributes:
        row: Row of each key.
        vectors: float32 N × D, every row of length 1.
    """

    row: dict[str, int]
    vectors: NDArray[np.float32]


def vector_files(path: Path) -> tuple[Path, ...]:
    """The file, and for .npy the one with its keys.

    Raises:
        MissingInputError: One of them is not there.
        FormatError: Neither Parquet nor .npy.
    """
    if not path.is_file():
        raise MissingInputError("no such file", where=str(path))
    if path.suffix == ".parquet":
        return (path,)
    if path.suffix != ".npy":
        raise FormatError("vectors come as .parquet or .npy", where=str(path))
    for suffix in _KEY_FILES:
        if (keys := path.with_suffix(suffix)).is_file():
            return path, keys
    wanted = " or ".join(path.with_suffix(suffix).name for suffix in _KEY_FILES)
    raise MissingInputError("the keys of its rows are missing", where=str(path), fix=f"Put {wanted} beside it.")


def read_vectors(path: Path) -> KeyedVectors:
    """Read and normalise a file of vectors.

    Args:
        path: Parquet or .npy, see the top of this file. No pickle is ever read.

    Raises:
        MissingInputError: The file, or that of its keys, is not there.
        FormatError: Wrong columns or shape, a key twice, a vector of zeros, or one with NaN or infinity.
    """
    files = vector_files(path)
    try:
        keys, vectors_ND = _read_parquet(path) if len(files) == 1 else (_read_keys(files[1]), _read_npy(path))
    except (pa.ArrowException, ValueError, UnicodeDecodeError, EOFError, KeyError) as error:
        raise FormatError(f"cannot be read: {str(error).splitlines()[0]}", where=str(path)) from error
    if len(keys) != len(vectors_ND):
        raise FormatError(f"{len(vectors_ND)} vectors but {len(keys)} keys", where=str(files[-1]))
    row = {key: i for i, key in enumerate(keys)}
    if len(row) != len(keys):
        twice = next(key for i, key in enumerate(keys) if row[key] != i)
        raise FormatError(f"key '{twice}' occurs twice", where=str(files[-1]))
    # Largest component to 1 first: squares of huge or tiny numbers would leave the range of floats.
    largest_N = np.abs(vectors_ND).max(axis=1, initial=0.0)
    bad = np.flatnonzero(~(np.isfinite(largest_N) & (largest_N > 0)))
    if len(bad):
        reason = "all zeros" if largest_N[bad[0]] == 0 else "NaN or infinity in it"
        raise FormatError(f"the vector of key '{keys[bad[0]]}' has no direction: {reason}", where=str(path))
    scaled_ND = vectors_ND / largest_N[:, None]
    length_N = np.sqrt((scaled_ND * scaled_ND).sum(axis=1))
    return KeyedVectors(row, (scaled_ND / length_N[:, None]).astype(np.float32))


def column_vectors(lists: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Vectors of an Arrow column of lists.

    Args:
        lists: Lists of one length, or NULL.

    Returns:
        Rows that have a vector, int64, and their vectors, float32, scaled to length 1 again: storing them in half
        precision has changed it a little.
    """
    rows = np.flatnonzero(np.asarray(lists.is_valid()))
    if not len(rows):
        return rows, np.zeros((0, 1), np.float32)
    flat = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
    wide_ND = flat.reshape(len(rows), -1).astype(np.float64)
    length_N = np.sqrt((wide_ND * wide_ND).sum(axis=1))
    return rows, (wide_ND / length_N[:, None]).astype(np.float32)


def _read_parquet(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    names = pq.read_schema(path).names
    missing = [name for name in ("key", "vector") if name not in names]
    if missing:
        raise FormatError(f"no column {' and '.join(missing)}; it has {', '.join(names)}", where=str(path))
    table = pq.read_table(path, columns=["key", "vector"])
    keys = table["key"].cast(pa.string()).combine_chunks()
    column = table["vector"].combine_chunks()
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise FormatError(f"column vector is {column.type}, not a list of floats", where=str(path))
    if keys.null_count or column.null_count:
        raise FormatError("column key or vector has NULLs", where=str(path))
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise FormatError(f"vectors of different lengths, {lengths[0]} and {lengths[1]}", where=str(path))
    values = column.flatten()
    if values.null_count:
        raise FormatError("a vector has NULLs in it", where=str(path))
    flat = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return keys.to_pylist(), flat.reshape(len(column), lengths[0] if lengths else 0)


def _read_npy(path: Path) -> NDArray[np.float64]:
    array = np.load(path, allow_pickle=False, mmap_mode="r")
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise FormatError(f"holds {array.dtype} of shape {array.shape}, not N x D numbers", where=str(path))
    return np.asarray(array, dtype=np.float64)


def _read_keys(path: Path) -> list[str]:
    if path.name.endswith(".txt"):
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if path.name.endswith(".parquet"):
        table = pq.read_table(path, columns=["key"])
    else:
        options = pyarrow.csv.ConvertOptions(include_columns=["key"], column_types={"key": pa.string()})
        table = pyarrow.csv.read_csv(path, convert_options=options)
    keys: list[str] = table["key"].cast(pa.string()).to_pylist()
    return keys
