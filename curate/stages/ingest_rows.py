"""Rows of images, raw_labels and rejects out of what a part of ingest holds."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.schema import table_schema

if TYPE_CHECKING:
    from curate.sources.records import Label, Record, Reject
    from curate.vision.measure import Measures

SIDE_POSITION = 1 << 20
"""Positions of labels from a side table begin here, so that they never meet those that a record brings itself."""

_BATCH_BYTES = 1 << 22


def read_part(rows: pa.Table, source: str, max_pixels: int) -> dict[str, pa.Table]:
    """Read, measure and label the records of a part.

    Args:
        rows: What the part's load gave.
        source: Name of the source.
        max_pixels: Largest width × height that is decoded.

    Returns:
        Rows of images, raw_labels and rejects. Occurrences are counted within the part.
    """
    from curate.sources.corpus import read
    from curate.sources.records import Reject
    from curate.vision.measure import Measures

    measures = Measures(max_pixels)
    records: list[Record] = []
    sizes: list[int] = []
    rejects: list[Reject] = []
    for batch in _batches(read(rows)):
        for record in batch:
            if isinstance(record, Reject):
                rejects.append(record)
                continue
            _measure(record, measures)
            sizes.append(0 if record.data is None else len(record.data))
            record.data = None
            records.append(record)
    images, labels = _record_rows(source, records)
    images |= measures.columns() | {"byte_length": sizes}
    return {
        "images": pa.Table.from_pydict(images, table_schema("images").arrow),
        "raw_labels": labels.table(),
        "rejects": _reject_rows(source, rejects),
    }


def _batches(records: Iterable["Record | Reject"]) -> "Iterator[list[Record | Reject]]":
    """A few megabytes of records: reading many in a row keeps to the processor's caches, which decoding empties."""
    from curate.sources.records import Reject

    batch: list[Record | Reject] = []
    n_bytes = 0
    for record in records:
        batch.append(record)
        if not isinstance(record, Reject) and record.data is not None:
            n_bytes += len(record.data)
        if n_bytes > _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    yield batch


def _measure(record: "Record", measures: "Measures") -> None:
    """Measure a record's bytes, and remark what is odd about them."""
    from curate.sources.records import format_of_name

    if record.data is None:
        measures.add_unread(record.remarks.pop())
        return
    kind, odd = measures.add(record.data)
    if odd:
        record.remarks.append(odd)
    named = format_of_name(record.suffix)
    if kind is not None and named is not None and kind != named:
        record.remarks.insert(0, f"named {record.suffix}, is {kind}")


def _record_rows(source: str, records: "Sequence[Record]") -> "tuple[dict[str, list[Any]], _LabelRows]":
    """Columns of images that do not come from the bytes, and the labels."""
    from curate.sources.records import image_id

    labels, seen = _LabelRows(), dict[str, int]()
    names = ("image_id", "source", "key", "occurrence", "uri", "byte_offset", "url", "owner", "remark")
    values: list[tuple[Any, ...]] = []
    for record in records:
        key = record.key
        seen[key] = occurrence = seen.get(key, -1) + 1
        found_id = image_id(source, key, occurrence)
        remark = "; ".join(dict.fromkeys(record.remarks)) or None
        values.append((found_id, source, key, occurrence, record.uri, record.offset, record.url, record.owner, remark))
        labels.add(found_id, record.labels)
    return {name: [row[i] for row in values] for i, name in enumerate(names)}, labels


class _LabelRows:
    """Rows of raw_labels."""

    def __init__(self, first_position: int = 0) -> None:
        self._images: list[str] = []
        self._positions: list[int] = []
        self._labels: list[Label] = []
        self._first = first_position

    def add(self, image: str, labels: Sequence["Label"]) -> None:
        """Add all labels of an image."""
        self._images += [image] * len(labels)
        self._labels += labels
        positions: dict[str, int] = {}
        for label in labels:
            position = positions[label[0]] = positions.get(label[0], self._first - 1) + 1
            self._positions.append(position)

    def table(self) -> pa.Table:
        """The rows as they stand."""
        names = ("field", "raw_label", "score", "language")
        columns: dict[str, Any] = {name: [label[i] for label in self._labels] for i, name in enumerate(names)}
        columns |= {"image_id": self._images, "position": self._positions}
        return pa.Table.from_pydict(columns, table_schema("raw_labels").arrow)


def _reject_rows(source: str, rejects: Iterable["Reject"]) -> pa.Table:
    seen = Counter[str]()
    rows = []
    for reject in rejects:
        seen[reject.locator] += 1
        times = seen[reject.locator]
        locator = reject.locator if times == 1 else f"{reject.locator} ({times})"
        values = {"stage": "ingest", "rule": reject.rule, "detail": reject.detail}
        rows.append({"source": source, "locator": locator, **values})
    return pa.Table.from_pylist(rows, table_schema("rejects").arrow)


def read_labels(source: str, rows: pa.Table) -> dict[str, pa.Table]:
    """Rows of a part of a side table; each label belongs to the first image that bears its key.

    Args:
        source: Name of the source.
        rows: First the table's name (kind 'labels'), then labels, rejects and images that are not there.

    Returns:
        Rows of images (none), raw_labels and rejects.
    """
    from curate.sources.records import Label, Reject, image_id

    of_kind: dict[str, list[dict[str, str]]] = {}
    for row in rows.select(["kind", "key", "payload"]).to_pylist():
        of_kind.setdefault(row["kind"], []).append(row)
    table = of_kind["labels"][0]["key"]
    rejects = [Reject(row["key"], *json.loads(row["payload"])) for row in of_kind.get("reject", [])]
    unknown, labels = {row["key"] for row in of_kind.get("unknown", [])}, _LabelRows(SIDE_POSITION)
    for key, group in groupby(of_kind.get("label", []), key=lambda row: row["key"]):
        found_id, found = image_id(source, key, 0), [Label(*json.loads(row["payload"])) for row in group]
        if found_id in unknown:
            rejects.append(Reject(f"{table}:{key}", "unknown_key", f"{len(found)} labels, no such image"))
        else:
            labels.add(found_id, found)
    images = table_schema("images").arrow.empty_table()
    return {"images": images, "raw_labels": labels.table(), "rejects": _reject_rows(source, rejects)}
