"""Which layout an evaluation set lies in, told by what is there, and how its images are read."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import FormatError, MissingInputError
from curate.sources.corpus import open_source, pieces, read
from curate.sources.evalset_cifar import find_cifar, read_records
from curate.sources.evalset_coco import find_coco
from curate.sources.evalset_export import find_export
from curate.sources.evalset_imagenet import find_imagenet, name_by_set
from curate.sources.evalset_lists import find_cub, find_places
from curate.sources.evalset_pieces import Layout, Wanted
from curate.sources.evalset_voc import find_voc
from curate.sources.labels import class_field
from curate.sources.records import Label, Record, Reject
from curate.sources.webvision import is_webvision

LAYOUTS: dict[str, Callable[[Path, Wanted], Layout | None]] = {
    "export": find_export, "imagenet": find_imagenet, "voc": find_voc, "coco": find_coco, "cub": find_cub,
    "places365": find_places, "cifar": find_cifar,
}  # fmt: skip
"""Layouts of published sets: each looks at a path, and gives None where it is something else."""


def find_layout(path: str, wanted: Wanted, format: str = "auto", columns: tuple[str, ...] = ()) -> Layout:
    """Look at what a path holds.

    Args:
        path: A folder, a tar, a list, a Parquet file with images, or an export.
        wanted: Name of the set, and which split.
        format: A name in LAYOUTS, one of `corpus.open_source`, or auto: told by what lies there.
        columns: 'role=column' for a list or for Parquet files with images.

    Raises:
        MissingInputError: There is no such path, or not the split that is asked for.
        FormatError: The path cannot be read as that format.
    """
    given = Path(path).expanduser().absolute()
    for name, find in LAYOUTS.items():
        with suppress(OSError):  # what cannot be looked into is for the reader to report
            if format in ("auto", name) and (layout := find(given, wanted)):
                return layout
    if format in LAYOUTS and given.exists():
        fix = "Leave out --format to have it told by content."
        raise FormatError(f"'{path}' cannot be read as {format}", fix=fix)
    chosen = given if format in LAYOUTS else _split_of(given, wanted, format)
    source = open_source(str(chosen), wanted.name, format, None, columns)
    return Layout(source.format, source.root, partial(pieces, source))


def _split_of(path: Path, wanted: Wanted, format: str) -> Path:
    """What to read of a folder: of WebVision the list of a split, else the folder that is called like the split.

    Raises:
        MissingInputError: The split is not there.
    """
    of_webvision = format in ("auto", "webvision") and path.is_dir() and is_webvision(path)
    if of_webvision:
        there = {name.name.removesuffix("_filelist.txt"): name for name in (path / "info").glob("*_filelist.txt")}
        found = there.get(wanted.split or "val", path if wanted.split in (None, "train") else None)
    else:
        look = wanted.split is not None and path.is_dir()
        there = {entry.name: entry for entry in path.iterdir() if entry.is_dir()} if look else {}
        # Where the name of the set says the split, the path may be the split's own folder.
        found = there.get(wanted.split or "", None if wanted.is_given else path)
    if found is None:
        known = ", ".join(sorted(there)[:20]) or "none"
        raise MissingInputError(f"no split '{wanted.split}'", where=str(path), fix=f"There are: {known}.")
    return found


def read_rows(rows: pa.Table) -> Iterator[Record | Reject]:
    """Read the images of a piece, their true classes among the labels.

    Args:
        rows: What a piece of `pieces_with_classes` gave.

    Yields:
        Records with their bytes, one in memory at a time, under the names that the set itself gives them; and rejects.
    """
    of_classes = rows.filter(pc.equal(rows["kind"], "classes"))["payload"].to_pylist()
    classes: dict[str, str] = {key: name for text in of_classes for key, name in json.loads(text).items()}
    by_set = pc.any(pc.equal(rows["kind"], "imagenet")).as_py()
    for record in chain(read(rows), read_records(rows)):
        if isinstance(record, Record):
            if by_set:
                record.key, wnid = name_by_set(record.key)
                record.labels += [Label("wnid", wnid)] if wnid else []
            if name := classes.get(record.key):
                record.labels.append(Label(class_field(name), name))
        yield record
