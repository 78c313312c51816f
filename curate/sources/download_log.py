"""What img2dataset writes beside a tar: a Parquet file with one row per address that it tried.

Its columns are, among others, key, url, caption, status, error_message, and the sha256 of the download as it came;
images were resized after that, so the digest is none of the stored file.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.sources.labels import add_caption, by_role, read_metadata
from curate.sources.records import Record, Reject, clean_text

_NEEDED = ("key", "status")
_BATCH_ROWS = 4096


def add_download_log(records: Iterable[Record | Reject], path: Path, uri: str) -> Iterator[Record | Reject]:
    """Complete the records of a tar by the log of its download.

    Args:
        records: What the tar holds.
        path: The log.
        uri: What rejects call it.

    Yields:
        The records; those that brought no JSON of their own get address, caption and whatever labels the log has. Then
        a reject for every row that came to no image: 'not_downloaded' with the reason, or 'missing_image'.
    """
    rows, rejects = _read(path, uri)
    seen = set()
    for record in records:
        if isinstance(record, Record):
            key = record.key.rpartition("/")[2]
            seen.add(key)
            if key in rows and not record.described:
                _describe(record, rows[key][1])
        yield record
    yield from rejects
    for key, (number, row) in rows.items():
        status = row.get("status")
        if key in seen:
            continue
        if status == "success":
            yield Reject(f"{uri}:row {number}", "missing_image", f"key '{key}' was downloaded and is not in the tar")
        else:
            detail = clean_text(str(row.get("error_message") or status or "no status"))[0]
            yield Reject(f"{uri}:row {number}", "not_downloaded", detail)


def _describe(record: Record, row: Mapping[str, Any]) -> None:
    """Give a record the metadata of its row, before the texts that it has."""
    texts = record.labels
    metadata = read_metadata(by_role(row))
    record.labels = metadata.labels
    for label in texts:
        if label.field == "caption":
            add_caption(record.labels, label.text)
        elif label not in record.labels:
            record.labels.append(label)
    record.url, record.owner = metadata.url, metadata.owner
    record.remarks = [*metadata.remarks, *(remark for remark in record.remarks if remark != "no json member")]


def _read(path: Path, uri: str) -> tuple[dict[str, tuple[int, Mapping[str, Any]]], list[Reject]]:
    """Rows by key, with their number from 1; and rejects. A tar has a few thousand rows."""
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    rejects: list[Reject] = []
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in _NEEDED if name not in file.schema_arrow.names]
            if missing:
                return {}, [Reject(uri, "unknown_side_file", f"no column {missing[0]}: no log of img2dataset")]
            names = [f.name for f in file.schema_arrow if not pa.types.is_nested(f.type) or pa.types.is_list(f.type)]
            number = 0
            for batch in file.iter_batches(_BATCH_ROWS, columns=names):
                for row in batch.to_pylist():
                    number += 1
                    key = clean_text(str(row["key"]))[0]
                    if row["key"] is None or key in found:
                        rule = "no_key" if row["key"] is None else "repeated_key"
                        rejects.append(Reject(f"{uri}:row {number}", rule, f"key '{key}'"))
                    else:
                        found[key] = number, row
    except (pa.ArrowException, OSError) as error:
        rejects.append(Reject(uri, "unreadable_side_file", str(error).splitlines()[0]))
    return found, rejects
