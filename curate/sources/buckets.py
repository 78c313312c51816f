"""A long list, cut by key into buckets on disk: rows of one key come together, one bucket is in memory at a time."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import FormatError, WorkspaceError
from curate.sources.records import Reject
from curate.sources.table import stream_table

SHORT_BYTES, SHORT_ROWS = 16 << 20, 1 << 18
"""A list that is longer than this, unpacked, is cut into buckets; a shorter one is read into memory."""

_BUCKET_BYTES, _BUCKET_ROWS, _BUCKETS_MAX = 1 << 20, 1 << 14, 1 << 13
_BUCKETS_PER_FILE, _FILES_MAX = 32, 256
_HELD_BYTES = 48 << 20
_LOST = pa.schema([("lost_at", pa.string()), ("lost_rule", pa.string()), ("lost_detail", pa.string())])
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")

Place = Callable[[pa.Table], pa.Array]
"""Gives the key of each row of a batch, by which rows come together."""


def n_buckets(path: Path) -> int:
    """Into how many buckets a list is cut: a power of two; 1 for a short list.

    Raises:
        FormatError: It is no Parquet file.
    """
    n_rows, size = 0, path.stat().st_size
    if path.suffix.lower() == ".parquet":
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise FormatError(str(error).splitlines()[0], where=path.name) from error
        n_rows = metadata.num_rows
        # Some columns may not be needed; what is short then is taken for long, which does no harm.
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if size <= SHORT_BYTES and n_rows <= SHORT_ROWS:
        return 1
    share = max(size // _BUCKET_BYTES, n_rows // _BUCKET_ROWS)
    return min(_BUCKETS_MAX, 1 << max(1, share.bit_length()))


class Buckets:
    """The buckets of a list, in a few files on disk that are written when the first bucket is asked for.

    Args:
        path: CSV, TSV, JSONL or Parquet file.
        columns: 'role=column' for columns whose name does not tell.
        needed: Roles of which one must be there.
        place: Gives the key of each row.
        n: How many buckets, a power of two; bucket = last 8 bytes of the key's MD5, little-endian, modulo n.
        scratch: Folder for files that go when this object does; None = where the system has them.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], needed: Sequence[str], place: Place, n: int, scratch: Path | None
    ) -> None:
        self._path, self._columns, self._needed = path, tuple(columns), tuple(needed)
        self._place, self._n, self._scratch = place, n, scratch
        self._per_file = max(min(_BUCKETS_PER_FILE, n), n // _FILES_MAX)
        self._folder: Path | None = None
        self._held: tuple[int, pa.Table] | None = None

    def read(self, number: int) -> tuple[pa.Table, list[Reject]]:
        """Rows of a bucket as `table.read_table` gives them, sorted by row; and rejects that fell into it.

        Buckets are best read in their order: the file that holds the last one stays in memory.

        Raises:
            FormatError: The list is broken.
            WorkspaceError: There is no room for the files.
        """
        if self._folder is None:
            self._folder = self._cut()
        file = number // self._per_file
        if self._held is None or self._held[0] != file:
            self._held = None
            with pa.OSFile(str(self._folder / f"{file:05d}.arrow")) as source, pa.ipc.open_stream(source) as reader:
                self._held = file, reader.read_all()
        rows = self._held[1]
        found = rows.filter(pc.equal(rows["bucket"], number)).drop_columns(["bucket"]).sort_by("row")
        lost = found.filter(pc.is_valid(found["lost_at"])).select(_LOST.names).to_pylist()
        kept = found.filter(pc.is_null(found["lost_at"])).drop_columns(_LOST.names)
        return kept, [Reject(*row.values()) for row in lost]

    def _cut(self) -> Path:
        """One pass over the list, a few thousand rows in memory at a time."""
        try:
            if self._scratch is not None:
                self._scratch.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="list-", dir=self._scratch))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            rejects: list[Reject] = []
            schema, batches = stream_table(self._path, self._columns, *self._needed, rejects=rejects)
            schema = pa.schema([*schema, *_LOST, pa.field("bucket", pa.int32())])
            with ExitStack() as stack:
                writers = [
                    stack.enter_context(pa.ipc.new_stream(folder / f"{file:05d}.arrow", schema, options=_COMPRESSED))
                    for file in range(self._n // self._per_file)
                ]
                for rows in _runs(self._numbered(schema, batches, rejects)):
                    self._write(rows, writers)
        except OSError as error:
            fix = "Make room there; the same command continues where it was."
            raise WorkspaceError(f"cannot be cut into parts: {error}", where=self._path.name, fix=fix) from error
        return folder

    def _numbered(self, schema: pa.Schema, batches: Iterator[pa.Table], rejects: list[Reject]) -> Iterator[pa.Table]:
        """Batches with the bucket of each row; rejects come as rows without values, and need no memory either."""
        with duckdb.connect() as con:

            def bucket(places: pa.Array) -> pa.ChunkedArray:
                con.register("places", pa.table({"place": places, "number": pa.array(range(len(places)), pa.int64())}))
                query = f"SELECT (md5_number_lower(place) % {self._n})::INTEGER AS bucket FROM places ORDER BY number"
                return con.sql(query).to_arrow_table()["bucket"]

            for batch in batches:
                nothing = [pa.nulls(batch.num_rows, field.type) for field in _LOST]
                yield pa.table([*batch.columns, *nothing, bucket(self._place(batch))], schema=schema)
                if rejects:
                    yield _lost(schema, rejects, bucket)
            if rejects:
                yield _lost(schema, rejects, bucket)

    def _write(self, rows: pa.Table, writers: Sequence[pa.RecordBatchStreamWriter]) -> None:
        files = pc.divide(rows["bucket"], pa.scalar(self._per_file, pa.int32())).to_numpy()
        order = np.argsort(files, kind="stable")
        borders = np.searchsorted(files[order], np.arange(len(writers) + 1))
        rows = rows.take(pa.array(order))
        for writer, start, stop in zip(writers, borders[:-1], borders[1:], strict=True):
            if stop > start:
                writer.write_table(rows.slice(start, stop - start))


def _runs(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Batches in runs of some 48 MiB, so that each file gets many rows at once."""
    held: list[pa.Table] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _HELD_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, size = [], 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _lost(schema: pa.Schema, rejects: list[Reject], bucket: Callable[[pa.Array], pa.ChunkedArray]) -> pa.Table:
    """Rejects as rows; the list is emptied."""
    places = pa.array([reject.locator for reject in rejects], pa.string())
    values = {
        "lost_at": places, "lost_rule": pa.array([reject.rule for reject in rejects], pa.string()),
        "lost_detail": pa.array([reject.detail for reject in rejects], pa.string()), "bucket": bucket(places),
    }  # fmt: skip
    columns = [values.get(field.name, pa.nulls(len(rejects), field.type)) for field in schema]
    rejects.clear()
    return pa.table(columns, schema=schema)
