"""Vectors that were computed elsewhere, joined to images by the source's own key.

Three layouts:

    FILE.parquet    columns key (string) and vector (list or fixed-size list of floats)
    FILE.npy        N × D floats, with the N keys beside it: FILE.keys.txt (UTF-8, one a line),
                    or FILE.keys.parquet / FILE.keys.csv with a column key
    FOLDER          of clip-retrieval: img_emb/img_emb_N.npy and metadata/metadata_N.parquet, whose column key, or
                    else image_path, holds the keys

Vectors stay on disk and are read where they are asked for, .npy by the page and Parquet by the row group. In memory
are only the digests of the keys: 24 bytes each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import FormatError
from curate.vision.specs import file_sha256
from curate.vision.vector_files import VectorFile, open_file, pair_files

_DIGEST_WHOLE = 1 << 30  # bytes; more would take longer to hash than a plan may take


@dataclass(frozen=True)
class KeyedVectors:
    """Vectors by key.

    Attributes:
        files: What holds them.
        first: Row of the first vector of each file, among all, and behind them the number of rows.
        digests: Digests of all keys as two uint64 columns, upper and lower half, sorted; N × 2.
        rows: int64, the row of each.
    """

    files: tuple[VectorFile, ...]
    first: NDArray[np.int64]
    digests: NDArray[np.uint64]
    rows: NDArray[np.int64]

    def look_up(self, keys: Sequence[str | None]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Vectors of the keys that are there.

        Args:
            keys: Any keys; None is never there.

        Returns:
            Places of the keys that were found, ascending, and their vectors, float32, of length 1.

        Raises:
            FormatError: A vector of zeros, or with NULL, NaN or infinity in it; or of another length than others.
        """
        asked = np.array([place for place, key in enumerate(keys) if key is not None], np.int64)
        wanted = _key_digests(pa.array([keys[place] for place in asked], pa.string()))
        place = np.searchsorted(self.digests[:, 0], wanted[:, 0])
        found = np.full(len(asked), -1, np.int64)
        inside = np.arange(len(asked))
        while len(inside := inside[place[inside] < len(self.rows)]):
            same = self.digests[place[inside]] == wanted[inside]
            found[inside[same.all(axis=1)]] = self.rows[place[inside[same.all(axis=1)]]]
            inside = inside[same[:, 0] & ~same[:, 1]]  # equal upper halves: look at the next
            place[inside] += 1
        there = found >= 0
        vectors_ND = self._take(found[there])
        return asked[there], _unit(vectors_ND, [keys[place] for place in asked[there]])

    def _take(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        vectors_ND = np.zeros((len(rows), self.files[0].dim), np.float64)
        owner = np.searchsorted(self.first, rows, side="right") - 1
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            vectors_ND[mine] = self.files[number].take(rows[mine] - self.first[number])
        return vectors_ND


def open_vectors(path: Path) -> KeyedVectors:
    """Open vectors, and read their keys.

    Args:
        path: One of the layouts at the top of this file. No pickle is ever read.

    Raises:
        MissingInputError: The file, or that of its keys, is not there.
        FormatError: Wrong columns or shape, or a key twice.
    """
    files = tuple(open_file(vectors, keys) for vectors, keys in pair_files(path))
    odd = next((file for file in files if file.dim != files[0].dim), None)
    if odd:
        raise FormatError(f"vectors of length {odd.dim}, not {files[0].dim} as before", where=str(odd.path))
    parts = [np.concatenate([_NO_DIGESTS, *map(_key_digests, file.read_keys())]) for file in files]
    for file, part in zip(files, parts, strict=True):
        if len(part) != file.n_rows:
            raise FormatError(f"{file.n_rows} vectors but {len(part)} keys", where=str(file.path))
    first = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    digests = np.concatenate(parts)
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    digests = digests[order]
    twice = np.flatnonzero((digests[1:] == digests[:-1]).all(axis=1))
    opened = KeyedVectors(files, first, digests, order)
    if len(twice):
        row = int(order[twice].min())
        raise FormatError(f"key '{_key_at(opened, row)}' occurs twice", where=str(path))
    return opened


def vectors_digest(path: Path) -> str:
    """What names the vectors: a digest over all files' content, or, beyond 1 GiB, over their names, sizes and times.

    Raises:
        MissingInputError: One of them is not there.
        FormatError: None of the layouts.
    """
    files = [file for pair in pair_files(path) for file in dict.fromkeys(pair)]
    stats = [file.stat() for file in files]
    if sum(stat.st_size for stat in stats) <= _DIGEST_WHOLE:
        return " ".join(file_sha256(file) for file in files)
    facts = [f"{file.name} {stat.st_size} {stat.st_mtime_ns}" for file, stat in zip(files, stats, strict=True)]
    return sha256("\n".join(facts).encode()).hexdigest()


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


_NO_DIGESTS = np.zeros((0, 2), np.uint64)


def _key_digests(keys: pa.Array) -> NDArray[np.uint64]:
    """MD5 of each key, as two columns; it tells keys apart, it guards nothing."""
    import duckdb

    with duckdb.connect() as con:
        con.register("keys", pa.table({"key": keys}))
        table = con.sql("SELECT from_hex(md5(key)) AS digest FROM keys").to_arrow_table()
    column = table["digest"].combine_chunks().cast(pa.binary(16))
    halves = np.frombuffer(column.buffers()[1], ">u8", count=2 * len(column), offset=16 * column.offset)
    return halves.reshape(-1, 2).astype(np.uint64)


def _key_at(vectors: KeyedVectors, row: int) -> str:
    owner = int(np.searchsorted(vectors.first, row, side="right")) - 1
    at = int(vectors.first[owner])
    for keys in vectors.files[owner].read_keys():
        if row < at + len(keys):
            return str(keys[row - at].as_py())
        at += len(keys)
    return ""


def _unit(vectors_ND: NDArray[np.float64], keys: list[Any]) -> NDArray[np.float32]:
    # Largest component to 1 first: squares of huge or tiny numbers would leave the range of floats.
    largest_N = np.abs(vectors_ND).max(axis=1, initial=0.0)
    bad = np.flatnonzero(~(np.isfinite(largest_N) & (largest_N > 0)))
    if len(bad):
        reason = "all zeros" if largest_N[bad[0]] == 0 else "NaN or infinity in it"
        raise FormatError(f"the vector of key '{keys[bad[0]]}' has no direction: {reason}")
    scaled_ND = vectors_ND / largest_N[:, None]
    length_N = np.sqrt((scaled_ND * scaled_ND).sum(axis=1))
    return np.asarray(scaled_ND / length_N[:, None], dtype=np.float32)
