"""Rows of images, raw_labels and rejects out of what a part of ingest holds."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.schema import table_schema

if TYPE_CHECKING:
    from curate.sources.records import Label, Record, Reject
    from curate.vision.measure import Measures

SIDE_POSITION = 1 << 20
"""Positions of labels from a side table begin here, so that they never meet those that a record brings itself."""


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
    from curate.sources.records import Reject, image_id
    from curate.vision.measure import Measures

    measures = Measures(max_pixels)
    seen: dict[str, int] = {}
    names = ("image_id", "key", "occurrence", "uri", "byte_offset", "byte_length", "url", "owner", "remark")
    values: list[tuple[Any, ...]] = []
    labels, rejects = _LabelRows(), []
    for record in read(rows):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        key = record.key
        seen[key] = occurrence = seen.get(key, -1) + 1
        found_id = image_id(source, key, occurrence)
        remark = _measure(record, measures)
        place = (record.uri, record.offset, 0 if record.data is None else len(record.data))
        values.append((found_id, key, occurrence, *place, record.url, record.owner, remark))
        if record.labels:
            labels.add(found_id, record.labels)
    columns: dict[str, Any] = {name: [row[i] for row in values] for i, name in enumerate(names)}
    columns |= measures.columns() | {"decoder": measures.decoders(), "source": [source] * len(values)}
    return {
        "images": pa.Table.from_pydict(columns, table_schema("images").arrow),
        "raw_labels": labels.table(),
        "rejects": _reject_rows(source, rejects),
    }


def _measure(record: "Record", measures: "Measures") -> str | None:
    """Measure a record's bytes; what is odd about the record."""
    from curate.sources.records import format_of_name

    if record.data is None:
        measures.add_unread(record.remarks.pop())
    else:
        kind, odd = measures.add(record.data)
        if odd:
            record.remarks.append(odd)
        named = format_of_name(record.suffix)
        if kind is not None and named is not None and kind != named:
            record.remarks.insert(0, f"named {record.suffix}, is {kind}")
    return "; ".join(dict.fromkeys(record.remarks)) if record.remarks else None


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
