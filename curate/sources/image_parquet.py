"""Parquet files that hold the images themselves, as Hugging Face datasets and img2dataset write them.

The image column is a struct of bytes and path, or plain bytes. Columns of labels are found by their names; the
numbers of a ClassLabel column get the names that the file's own metadata gives them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import FormatError
from curate.sources.labels import read_metadata
from curate.sources.records import Record, Reject, clean_text, suffix
from curate.sources.table import find_columns, path_below
from curate.vision.cells import cell_bytes, cell_uri

_PLAIN_NAMES = ("image", "jpg", "jpeg", "png", "webp", "img", "bytes", "image_bytes")
_ROWS_PER_PIECE = 4096
_BATCH_ROWS = 64


@dataclass(frozen=True)
class Columns:
    """Which column of a file means what.

    Attributes:
        image: The images.
        roles: Column by role, as `labels.ROLES` has them.
        names: Names of a ClassLabel column's numbers, by column.
    """

    image: str
    roles: Mapping[str, str]
    names: Mapping[str, list[str]]


def holds_images(path: Path) -> bool:
    """Whether a file is Parquet with a column of images."""
    try:
        return _image_column(pq.read_schema(path)) is not None
    except (pa.ArrowException, OSError):
        return False


def find_image_columns(path: Path, columns: tuple[str, ...] = ()) -> Columns:
    """Columns of a file with images.

    Args:
        path: The file.
        columns: 'role=column' for columns whose name does not tell.

    Raises:
        FormatError: It is no Parquet file, or has no column of images; the message names the columns.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(str(error).splitlines()[0], where=path.name) from error
    image = _image_column(schema)
    if image is None:
        what = f"no column of images (a struct of bytes and path, or bytes); columns are {', '.join(schema.names)}"
        raise FormatError(what, where=path.name)
    others = [f.name for f in schema if f.name != image and not pa.types.is_nested(_item_type(f.type))]
    roles = find_columns(others, columns, path.name)
    roles.pop("path", None)
    return Columns(image, roles, _class_names(schema))


def cut_file(path: Path) -> list[tuple[int, int]]:
    """First and last + 1 row group of each piece of a file: runs of row groups with about 4,096 rows.

    Raises:
        FormatError: It is no Parquet file.
    """
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(str(error).splitlines()[0], where=path.name) from error
    found, start, n_rows = [], 0, 0
    for group in range(metadata.num_row_groups):
        n_rows += metadata.row_group(group).num_rows
        if n_rows >= _ROWS_PER_PIECE or group == metadata.num_row_groups - 1:
            found.append((start, group + 1))
            start, n_rows = group + 1, 0
    return found


def read_cells(root: Path, uri: str, groups: tuple[int, int], columns: tuple[str, ...]) -> Iterator[Record | Reject]:
    """The images of some row groups of a file, a few in memory at a time.

    Args:
        root: Folder that uris are relative to.
        uri: The file.
        groups: First and last + 1 row group.
        columns: 'role=column', as the user says.

    Yields:
        A record per image; a reject per row without one, which names the row, from 1.
    """
    path = root / uri
    known = find_image_columns(path, columns)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        why = [name for name in ("status", "error_message") if name in names]
        wanted = list(dict.fromkeys([known.image, *known.roles.values(), *why]))
        sizes = [file.metadata.row_group(i).num_rows for i in range(groups[1])]
        for group in range(*groups):
            row, end = sum(sizes[:group]), sum(sizes[: group + 1])
            try:
                for batch in file.iter_batches(_BATCH_ROWS, [group], wanted):
                    for entries, image in _rows(pa.Table.from_batches([batch]), known):
                        yield _record(root, uri, row, entries, image, known)
                        row += 1
            except (pa.ArrowException, OSError) as error:
                detail = f"rows {row + 1} to {end}: {str(error).splitlines()[0]}"
                yield Reject(f"{uri}:row {row + 1}", "unreadable_rows", detail)


def _rows(batch: pa.Table, known: Columns) -> Iterator[tuple[dict[str, Any], tuple[bytes | None, str | None]]]:
    """Other columns of each row, and bytes and path of its image."""
    images = batch.column(known.image)
    is_struct = pa.types.is_struct(images.type)
    has_path = is_struct and images.type.get_field_index("path") >= 0
    paths = [p for chunk in images.chunks for p in chunk.field("path").to_pylist()] if has_path else []
    others = batch.drop_columns([known.image]).to_pylist() if batch.num_columns > 1 else [{}] * batch.num_rows
    for entries, data, path in zip_longest(others, cell_bytes(images), paths):
        yield entries, (data.as_py(), path)


def _record(
    root: Path, uri: str, row: int, entries: dict[str, Any], image: tuple[bytes | None, str | None], known: Columns
) -> Record | Reject:
    data, listed = image
    locator = f"{uri}:row {row + 1}"
    remarks: list[str] = []
    values = {role: _named(entries.get(c), known.names.get(c), remarks) for role, c in known.roles.items()}
    key = values.pop("key", None)
    key = clean_text(str(key if key is not None else listed or f"{uri}/{row}"))[0]
    if not key:
        return Reject(locator, "no_key", "the key is empty")
    place = cell_uri(uri, row, known.image)
    if data is None:
        found = _beside(root, uri, listed)
        if found is None:
            return _without_image(locator, entries, listed)
        place, data = found
    metadata = read_metadata(values)
    named = suffix(listed or "")
    remarks += metadata.remarks
    return Record(
        key, place, 0, data, named, metadata.labels, metadata.url, metadata.owner, remarks, locator, described=True
    )


def _beside(root: Path, uri: str, listed: str | None) -> tuple[str, bytes] | None:
    """Place and bytes of an image that the file only names: a path below the root, or beside the file."""
    for base in ("", str(Path(uri).parent)):
        below = path_below(str(root), str(Path(base, listed))) if listed and "\x00" not in listed else None
        if below and (root / below).is_file():
            try:
                return below, (root / below).read_bytes()
            except OSError:
                continue
    return None


def _without_image(locator: str, entries: Mapping[str, Any], listed: str | None) -> Reject:
    status = entries.get("status")
    if isinstance(status, str) and status != "success":
        return Reject(locator, "not_downloaded", clean_text(str(entries.get("error_message") or status))[0])
    detail = f"no bytes, and no file '{clean_text(listed)[0]}'" if listed else "no bytes"
    return Reject(locator, "missing_image", detail)


def _named(value: Any, names: list[str] | None, remarks: list[str]) -> Any:
    """A ClassLabel's number as its name; -1 stands for a label that was left out."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [name for item in value if (name := _named(item, names, remarks)) is not None]
    if value == -1:
        return None
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    remarks.append(f"class {value} has no name")
    return None


def _image_column(schema: pa.Schema) -> str | None:
    """A struct with bytes, the one called image first; else plain bytes under a usual name."""
    structs = [f.name for f in schema if pa.types.is_struct(f.type) and _holds_bytes(f.type)]
    if structs:
        return "image" if "image" in structs else str(structs[0])
    return next((name for name in _PLAIN_NAMES if name in schema.names and _is_binary(schema.field(name).type)), None)


def _holds_bytes(kind: pa.DataType) -> bool:
    return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _item_type(kind: pa.DataType) -> pa.DataType:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return kind.value_type if is_list else kind


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Names of classes by column, as Hugging Face datasets store them in the schema."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        found = {}
        for column, feature in features.items():
            inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
            names = inner.get("names") if isinstance(inner, dict) else None
            if isinstance(names, list):
                found[column] = [clean_text(str(name))[0] for name in names]
        return found
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
