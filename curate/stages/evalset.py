"""add-evalset: the images of evaluation sets, which training data must stay clear of."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from curate.errors import FormatError, MissingInputError
from curate.schema import table_schema
from curate.stage import Part, Rows, ShardStage, Tables, Worker, param

if TYPE_CHECKING:
    from curate.sources.corpus import Source
    from curate.sources.records import Label

log = logging.getLogger(__name__)

N_EXPECTED = {
    "imagenet_val": 50_000, "imagenet_v2": 10_000, "imagenet_a": 7_500, "imagenet_r": 30_000,
    "imagenet_sketch": 50_889, "cifar10_test": 10_000, "cifar100_test": 10_000, "places365_val": 36_500,
    "coco_val2014": 40_504, "coco_val2017": 5_000, "voc2007_test": 4_952, "cub200_test": 5_794, "food101_test": 25_250,
    "flowers102_test": 6_149, "pets_test": 3_669, "cars_test": 8_041, "aircraft_test": 3_333, "stl10_test": 8_000,
    "dtd_test": 1_880, "webvision_val": 50_000, "inaturalist2018_val": 24_426, "openimages_val": 41_620,
    "openimages_test": 125_436,
}  # fmt: skip
"""Images that published evaluation sets have."""


@dataclass(frozen=True, kw_only=True)
class EvalSetSpec:
    """One evaluation set."""

    name: str = param(help="Name, as --against and --on take it; imagenet_val and the other usual ones are checked.")
    path: str = param(help="Folder with one folder per class, folder of tars, one tar, or a list.")
    format: Literal["auto", "webdataset", "folder", "table", "webvision", "hf-parquet"] = param(
        "auto", help="Layout; auto tells by content."
    )
    labels: str | None = param(None, help="Table of true classes, joined by key: CSV, TSV, JSONL or Parquet.")
    columns: tuple[str, ...] = param((), help="'role=column' for columns (of the labels, else of the list).")


@dataclass(frozen=True, kw_only=True)
class EvalSetParams:
    """Parameters of add-evalset."""

    sets: tuple[EvalSetSpec, ...] = param(help="Evaluation sets.")
    max_pixels: int = param(100_000_000, help="Largest width x height that is decoded; larger ones are damaged.")


def parts(tables: Tables, params: EvalSetParams) -> Iterable[Part]:
    """One part per tar or block of files.

    Raises:
        MissingInputError: A path does not exist, or holds no images.
        FormatError: A list or a table of labels lacks a column.
    """
    from curate.sources.corpus import pieces
    from curate.sources.lists import check_side_labels

    found = []
    for spec, source in _open(params):
        labels: Any = None
        if spec.labels is not None:
            path = Path(spec.labels).expanduser().absolute()
            check_side_labels(path, spec.columns)
            labels = [path.name, path.stat().st_size, path.stat().st_mtime_ns, spec.columns]
        for piece in pieces(source):
            depends = {"format": source.format, "files": piece.depends, "labels": labels}
            found.append(Part(f"{source.name}/{piece.name}", depends, partial(_with_set, piece.load, source.name)))
    return found


def _open(params: EvalSetParams) -> list[tuple[EvalSetSpec, "Source"]]:
    from curate.sources.corpus import check_names, open_source

    check_names([spec.name for spec in params.sets], "eval set name", "add-evalset", "Choose another name.")
    return [
        (spec, open_source(spec.path, spec.name, spec.format, None, () if spec.labels else spec.columns))
        for spec in params.sets
    ]


def _with_set(load: Any, name: str) -> pa.Table:
    rows = load()
    return rows.append_column("eval_set", pa.array([name] * rows.num_rows, pa.string()))


def make_worker(tables: Tables, params: EvalSetParams) -> Worker:
    """The function that reads a part; holds the side tables of labels."""
    from curate.sources.lists import read_side_labels

    classes: dict[str, dict[str, list[Label]]] = {}
    for spec in params.sets:
        if spec.labels is not None:
            by_key: dict[str, list[Label]] = {}
            for key, label in read_side_labels(Path(spec.labels).expanduser().absolute(), spec.columns)[0]:
                by_key.setdefault(key, []).append(label)
            classes[spec.name] = by_key

    def work(rows: pa.Table) -> Mapping[str, pa.Table]:
        name = rows.column("eval_set")[0].as_py()
        return {"eval_images": read_part(rows, name, params.max_pixels, classes.get(name, {}))}

    return work


def read_part(rows: pa.Table, name: str, max_pixels: int, side_labels: Mapping[str, "list[Label]"]) -> pa.Table:
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
    from curate.sources.corpus import read
    from curate.sources.records import Reject
    from curate.vision.measure import Measures

    measures = Measures(max_pixels)
    names = ("eval_image_id", "uri", "byte_offset", "byte_length", "class_key")
    found: list[tuple[Any, ...]] = []
    keys: set[str] = set()
    for record in read(rows):
        if isinstance(record, Reject):
            log.warning("eval set %s: %s left out, %s: %s", name, record.locator, record.rule, record.detail)
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
    columns: dict[str, Any] = {column: [row[i] for row in found] for i, column in enumerate(names)}
    columns |= measures.columns() | {"eval_set": [name] * len(found)}
    del columns["format"]
    return pa.Table.from_pydict(columns, table_schema("eval_images").arrow)


def true_class(labels: "list[Label]") -> str | None:
    """The class_key that labels of an image give.

    Args:
        labels: The better ones first.

    Returns:
        A wnid, else 'u:' and the class name; None without either. A class that is called by a wnid is that wnid.
    """
    from curate.sources.folder import WNID

    for label in labels:
        if label.field in ("wnid", "class") and WNID.fullmatch(label.text):
            return label.text
    return next((f"u:{label.text}" for label in labels if label.field == "class"), None)


def gather(tables: Tables, params: EvalSetParams) -> Mapping[str, Rows]:
    """The evaluation sets with their counts.

    Raises:
        MissingInputError: A set turned out to hold no image.
        FormatError: A key occurs in two tars.
    """
    with tables.connect() as con:
        counts = dict(con.execute("SELECT eval_set, count(*) FROM eval_images GROUP BY ALL").fetchall())
        added = dict(con.execute("SELECT eval_set, added_at FROM eval_sets").fetchall())
        twice = con.execute(
            "SELECT eval_set, eval_image_id FROM eval_images GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        ).fetchall()
    if twice:
        name, key = twice[0]
        raise FormatError(f"two images with key '{key}'", where=f"eval set {name}", fix="Rename one of them.")
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = []
    for _, source in _open(params):
        n_images, n_expected = counts.get(source.name, 0), N_EXPECTED.get(source.name)
        if not n_images:
            raise MissingInputError(f"no images in '{source.path}'", where=f"eval set {source.name}", fix="Check path.")
        if n_expected is not None and n_images != n_expected:
            log.warning("eval set %s has %d images, the published one has %d", source.name, n_images, n_expected)
        values = {"format": source.format, "n_images": n_images, "n_expected": n_expected}
        at = added.get(source.name, now)
        rows.append({"eval_set": source.name, "root": str(source.root), **values, "added_at": at})
    return {"eval_sets": pa.Table.from_pylist(rows, table_schema("eval_sets").arrow)}


STAGE = ShardStage(
    name="add-evalset",
    version=1,
    params=EvalSetParams,
    optional=("eval_sets",),
    writes=("eval_images",),
    gathers=("eval_sets",),
    parts=parts,
    make_worker=make_worker,
    gather=gather,
    part_params=("max_pixels",),
    pool="thread",
    doc="Register evaluation sets.",
)
