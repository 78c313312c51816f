"""An eval set as one Parquet file without its images: what others need to keep clear of it.

One row per image: eval_image_id, sha256, phash, width, height, class_key, status, error, encoder, and with an encoder
the columns vector and vector_hflip. The schema's metadata (key 'curate_eval_set') names set, fingerprint, encoder and
the number of images that the published set has.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import FormatError, SchemaError
from curate.schema import check_rows, table_schema
from curate.sources.corpus import Piece
from curate.sources.evalset_pieces import Layout, Truth, Wanted, piece_row, rows_of_piece
from curate.sources.webvision_info import file_state
from curate.vision.vectors import column_vectors

log = logging.getLogger(__name__)

VIEWS = {"vector": "", "vector_hflip": "hflip"}
"""View of eval_embeddings by column."""

_METADATA = b"curate_eval_set"
_COLUMNS = ("eval_image_id", "sha256", "phash", "width", "height", "class_key", "status", "error")
_NAMED = (("eval_set", str), ("fingerprint", str), ("encoder", str))


def write_export(path: Path, rows: pa.Table, about: Mapping[str, Any]) -> None:
    """Write an export.

    Args:
        path: File to write.
        rows: The columns named above, vectors as lists of floats.
        about: eval_set, fingerprint, encoder ('' = none), n_expected.
    """
    fields = [pa.field(f.name, pa.list_(pa.float16()) if f.name in VIEWS else f.type) for f in rows.schema]
    packed = rows.cast(pa.schema(fields, {_METADATA: json.dumps(dict(about), sort_keys=True).encode()}))
    partial_file = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(packed, partial_file, compression="zstd", row_group_size=10_000)
        partial_file.replace(path)
    finally:
        partial_file.unlink(missing_ok=True)


def find_export(path: Path, _: Wanted) -> Layout | None:
    """An export at a path; None where it is something else."""
    about = export_metadata(path)
    if about is None:
        return None
    truth = partial(Truth, {}, about.get("n_expected"), why_none="the export names none")
    return Layout("export", path, partial(_cut, path), truth)


def export_metadata(path: Path) -> dict[str, Any] | None:
    """What an export says of itself; None where the file is none."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return None
    try:
        text = (pq.read_schema(path).metadata or {}).get(_METADATA)
        about = json.loads(text) if text else None
    except (pa.ArrowException, OSError, ValueError, RecursionError):
        return None
    if not isinstance(about, dict) or not all(isinstance(about.get(name), kind) for name, kind in _NAMED):
        return None
    n_expected = about.get("n_expected")
    return {**about, "n_expected": n_expected if isinstance(n_expected, int) else None}


def _cut(path: Path) -> list[Piece]:
    row = piece_row("export", path)
    return [Piece("images", file_state(path), partial(rows_of_piece, [row]))]


def read_exported_images(path: Path, name: str) -> pa.Table:
    """The images of an export.

    Args:
        path: The file.
        name: Eval set that they are registered as.

    Returns:
        Rows of eval_images whose uri is empty: nothing says where their bytes lie.

    Raises:
        FormatError: A column is missing, or a row does not fit the table.
    """
    schema = table_schema("eval_images").arrow
    try:
        rows = pq.read_table(path, columns=list(_COLUMNS), partitioning=None)
        n = rows.num_rows
        columns = {column: rows[column] for column in _COLUMNS}
        columns |= {"eval_set": pa.array([name] * n, pa.string()), "uri": pa.array([""] * n, pa.string())}
        columns |= {column: pa.array([0] * n, pa.int64()) for column in ("byte_offset", "byte_length")}
        found = pa.table({f.name: columns[f.name] for f in schema}).cast(schema)
        check_rows(found, "eval_images")
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise FormatError(f"no export of an eval set: {str(error).splitlines()[0]}", where=str(path)) from error
    except SchemaError as error:
        raise FormatError(f"no export of an eval set: {error.what}", where=str(path)) from error
    return found


def look_up_exported(
    path: Path, encoder: str, ids: Sequence[str], views: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Vectors of images of an export.

    Args:
        path: The file.
        encoder: Full name of the encoder that is wanted.
        ids: eval_image_id of each.
        views: View of each, as in eval_embeddings.

    Returns:
        Which of them have a vector, and the vectors, N × D. An export of another encoder has none, which is told.

    Raises:
        FormatError: It is no export, its vectors are of several lengths, or one has no direction.
    """
    rows, vectors_MD = _read_vectors(path, encoder, tuple(file_state(path)))
    wanted = enumerate(zip(views, ids, strict=True))
    found = [(i, rows[place]) for i, place in wanted if place in rows]
    index_N, row_N = np.array(found, np.intp).reshape(-1, 2).T
    return index_N, vectors_MD[row_N]


@lru_cache(maxsize=2)
def _read_vectors(
    path: Path, encoder: str, state: tuple[int, ...]
) -> tuple[dict[tuple[str, str], int], NDArray[np.float32]]:
    """Row by view and eval_image_id, and the vectors."""
    about = export_metadata(path)
    if about is None:
        raise FormatError("no export of an eval set", where=str(path), fix="Add the eval set again.")
    nothing = np.zeros((0, 1), np.float32)
    if about["encoder"] != encoder:
        log.warning("%s has vectors of %s, none of %s", path.name, about["encoder"] or "no encoder", encoder)
        return {}, nothing
    places: list[tuple[str, str]] = []
    found: list[NDArray[np.float32]] = []
    for view, ids, vectors_ND in _views(path):
        places += [(view, name) for name in ids]
        found.append(vectors_ND)
    return {place: row for row, place in enumerate(places)}, np.concatenate(found or [nothing])


def _views(path: Path) -> Iterator[tuple[str, list[str], Any]]:
    """View, ids and vectors (float32 N × D) of each view."""
    try:
        names = [name for name in VIEWS if name in pq.read_schema(path).names]
        table = pq.read_table(path, columns=["eval_image_id", *names], partitioning=None)
        lengths = {n for name in names for n in pc.unique(pc.list_value_length(table[name])).to_pylist()} - {None}
        if len(lengths) > 1:
            raise ValueError(f"vectors of {min(lengths)} and of {max(lengths)} numbers")
        for name in names:
            with np.errstate(invalid="ignore", divide="ignore"):
                rows, vectors_ND = column_vectors(table[name].combine_chunks())
            if not len(rows):
                continue
            if not np.isfinite(vectors_ND).all():
                raise ValueError("a vector has no direction")
            yield VIEWS[name], table["eval_image_id"].take(pa.array(rows)).to_pylist(), vectors_ND
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(f"no vectors: {str(error).splitlines()[0]}", where=str(path)) from error
