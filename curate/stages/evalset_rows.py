"""What add-evalset makes of the images of a part."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from curate.errors import FormatError
from curate.schema import table_schema
from curate.sources.evalset_layouts import read_rows
from curate.sources.folder import WNID
from curate.sources.records import Label, Reject
from curate.vision.measure import Measures

log = logging.getLogger(__name__)


def read_part(rows: pa.Table, name: str, max_pixels: int, side_labels: Mapping[str, Sequence[Label]]) -> pa.Table:
    """Read and measure the images of a part.

    Args:
        rows: What the part's load gave.
        name: Name of the eval set.
        max_pixels: Largest width × height that is decoded.
        side_labels: Labels by key, beside those that the images bring.

    Returns:
        Rows of eval_images.

    Raises:
        FormatError: A key occurs twice, so that it names no image.
    """
    measures = Measures(max_pixels)
    names = ("eval_image_id", "uri", "byte_offset", "byte_length", "class_key")
    found: list[tuple[Any, ...]] = []
    keys: set[str] = set()
    rejects: list[Reject] = []
    for record in read_rows(rows):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        if record.key in keys:
            raise FormatError(
                f"two images with key '{record.key}'", where=f"eval set {name}", fix="Rename one of them."
            )
        keys.add(record.key)
        if record.data is None:
            measures.add_unread(record.remarks[-1])
        else:
            measures.add(record.data)
        size = 0 if record.data is None else len(record.data)
        class_key = true_class([*side_labels.get(record.key, ()), *record.labels])
        found.append((record.key, record.uri, record.offset, size, class_key))
    _tell_rejects(rejects, name)
    columns: dict[str, Any] = {column: [row[i] for row in found] for i, column in enumerate(names)}
    columns |= measures.columns() | {"eval_set": [name] * len(found)}
    del columns["format"], columns["decoder"]
    return pa.Table.from_pydict(columns, table_schema("eval_images").arrow)


def _tell_rejects(rejects: Sequence[Reject], name: str) -> None:
    """One line: a set whose images lie elsewhere would fill the screen."""
    if rejects:
        first, more = rejects[0], f" (and {len(rejects) - 1:,} more)" if len(rejects) > 1 else ""
        log.warning("eval set %s: %s left out, %s: %s%s", name, first.locator, first.rule, first.detail, more)


def true_class(labels: Sequence[Label]) -> str | None:
    """The class_key that labels of an image give.

    Args:
        labels: The better ones first.

    Returns:
        A wnid, else 'u:' and the class name; None without either. A class that is called by a wnid is that wnid.
    """
    for label in labels:
        if label.field in ("wnid", "class") and WNID.fullmatch(label.text):
            return label.text
    return next((f"u:{label.text}" for label in labels if label.field == "class"), None)


def relabelled(rows: pa.Table, side_labels: Mapping[str, Sequence[Label]]) -> pa.Table:
    """Rows of eval_images with the classes of a side table, where it has them.

    Args:
        rows: Rows of eval_images.
        side_labels: Labels by key.
    """
    if not side_labels:
        return rows
    pairs = zip(rows["eval_image_id"].to_pylist(), rows["class_key"].to_pylist(), strict=True)
    classes = [true_class(side_labels.get(key, [])) or own for key, own in pairs]
    return rows.set_column(rows.column_names.index("class_key"), "class_key", pa.array(classes, pa.string()))
