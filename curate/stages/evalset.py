"""add-evalset: the images of evaluation sets, which training data must stay clear of."""

import logging
import re
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
    from curate.sources.evalset_pieces import Layout, Truth
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

_SPLIT = re.compile(r".+_((?:val|test)(?:\d{4})?)")
_FINGERPRINTS = """
    SELECT eval_set, count(*) AS n_images, count(class_key) AS n_classed, count_if(status = 'damaged') AS n_damaged,
           sha256(string_agg(eval_image_id || chr(9) || coalesce(sha256, '') || chr(10), '' ORDER BY eval_image_id))
    FROM eval_images GROUP BY eval_set
"""


@dataclass(frozen=True, kw_only=True)
class EvalSetSpec:
    """One evaluation set."""

    name: str = param(help="Name, as --against and --on take it; imagenet_val and the other usual ones are checked.")
    path: str = param(
        help="A published set as it is unpacked, a folder with one folder per class, tars, a list, or an export."
    )
    format: Literal[
        "auto", "imagenet", "voc", "coco", "cub", "places365", "cifar", "export",
        "webdataset", "folder", "table", "webvision", "hf-parquet",
    ] = param("auto", help="Layout; auto tells by content.")  # fmt: skip
    split: str | None = param(
        None, help="Split, where the layout has several; by default what the name says, else test or val."
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
    from curate.sources.evalset_pieces import pieces_with_classes
    from curate.sources.lists import check_side_labels

    found = []
    for spec, layout in _open(params):
        labels: Any = None
        if spec.labels is not None:
            path = Path(spec.labels).expanduser().absolute()
            check_side_labels(path, spec.columns)
            labels = [path.name, path.stat().st_size, path.stat().st_mtime_ns, spec.columns]
        for piece in pieces_with_classes(layout):
            depends = {"format": layout.format, "files": piece.depends, "labels": labels}
            found.append(Part(f"{spec.name}/{piece.name}", depends, partial(_with_set, piece.load, spec.name)))
    return found


def _open(params: EvalSetParams) -> list[tuple[EvalSetSpec, "Layout"]]:
    from curate.sources.corpus import check_names
    from curate.sources.evalset_layouts import find_layout
    from curate.sources.evalset_pieces import Wanted

    check_names([spec.name for spec in params.sets], "eval set name", "add-evalset", "Choose another name.")
    found = []
    for spec in params.sets:
        said = _SPLIT.fullmatch(spec.name) if spec.name in N_EXPECTED else None
        wanted = Wanted(spec.name, spec.split or (said[1] if said else None), spec.split is not None)
        found.append((spec, find_layout(spec.path, wanted, spec.format, () if spec.labels else spec.columns)))
    return found


def _with_set(load: Any, name: str) -> pa.Table:
    rows = load()
    return rows.append_column("eval_set", pa.array([name] * rows.num_rows, pa.string()))


def make_worker(tables: Tables, params: EvalSetParams) -> Worker:
    """The function that reads a part; holds the side tables of labels."""
    from curate.sources.evalset_export import read_exported_images
    from curate.sources.lists import read_side_labels
    from curate.stages.evalset_rows import read_part, relabelled

    classes: dict[str, dict[str, list[Label]]] = {}
    for spec in params.sets:
        if spec.labels is not None:
            by_key: dict[str, list[Label]] = {}
            for key, label in read_side_labels(Path(spec.labels).expanduser().absolute(), spec.columns)[0]:
                by_key.setdefault(key, []).append(label)
            classes[spec.name] = by_key

    def work(rows: pa.Table) -> Mapping[str, pa.Table]:
        name = rows.column("eval_set")[0].as_py()
        if rows.column("kind")[0].as_py() == "export":
            found = read_exported_images(Path(rows.column("root")[0].as_py()), name)
            return {"eval_images": relabelled(found, classes.get(name, {}))}
        return {"eval_images": read_part(rows, name, params.max_pixels, classes.get(name, {}))}

    return work


def gather(tables: Tables, params: EvalSetParams) -> Mapping[str, Rows]:
    """The evaluation sets with their counts and fingerprints.

    Raises:
        MissingInputError: A set turned out to hold no image.
        FormatError: A key occurs in two tars, or an export is not as it was written.
    """
    with tables.connect() as con:
        counts = {name: rest for name, *rest in con.execute(_FINGERPRINTS).fetchall()}
        added = dict(con.execute("SELECT eval_set, added_at FROM eval_sets").fetchall())
        twice = con.execute(
            "SELECT eval_set, eval_image_id FROM eval_images GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        ).fetchall()
    if twice:
        name, key = twice[0]
        raise FormatError(f"two images with key '{key}'", where=f"eval set {name}", fix="Rename one of them.")
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = []
    for spec, layout in _open(params):
        if spec.name not in counts:
            raise MissingInputError(f"no images in '{spec.path}'", where=f"eval set {spec.name}", fix="Check path.")
        n_images, n_classed, n_damaged, fingerprint = counts[spec.name]
        _check_export(layout, fingerprint)
        truth = layout.truth()
        n_expected = N_EXPECTED.get(spec.name, truth.n_listed)
        _tell(spec.name, layout.format, (n_images, n_expected, n_classed, n_damaged), truth)
        rows.append({
            "eval_set": spec.name, "root": str(layout.root), "format": layout.format, "n_images": n_images,
            "n_expected": n_expected, "fingerprint": fingerprint, "added_at": added.get(spec.name, now),
        })  # fmt: skip
    return {"eval_sets": pa.Table.from_pylist(rows, table_schema("eval_sets").arrow)}


def _check_export(layout: "Layout", fingerprint: str) -> None:
    from curate.sources.evalset_export import export_metadata

    about = export_metadata(layout.root) if layout.format == "export" else None
    if about and about["fingerprint"] != fingerprint:
        what = f"its images have fingerprint {fingerprint[:12]}, it says {about['fingerprint'][:12]}"
        raise FormatError(what, where=str(layout.root), fix="The file was changed; get it again.")


def _tell(name: str, format: str, numbers: tuple[int, int | None, int, int], truth: "Truth") -> None:
    """One line on what was found, a warning where images are missing or too many."""
    n_images, n_expected, n_classed, n_damaged = numbers
    of = "" if n_expected is None else f" of {n_expected:,}"
    said = [f"{n_images:,}{of} images found", f"{n_damaged:,} damaged" if n_damaged else ""]
    said.append(f"{n_classed:,} with a class" + (f" ({truth.why_none})" if truth.why_none and not n_classed else ""))
    if truth.n_several:
        said.append(f"{truth.n_several:,} show several classes and are registered without one")
    complete = n_expected in (None, n_images)
    log.log(
        logging.INFO if complete else logging.WARNING,
        "eval set %s (%s): %s",
        name,
        format,
        ", ".join(filter(None, said)),
    )


STAGE = ShardStage(
    name="add-evalset",
    version=2,
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
