"""CIFAR-10 and CIFAR-100 in their binary version: files of records, each label bytes and 32 × 32 pixels.

cifar-10-batches-bin/   data_batch_1.bin … data_batch_5.bin, test_batch.bin, batches.meta.txt
cifar-100-binary/       train.bin, test.bin, fine_label_names.txt
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import FormatError, UntrustedFileError
from curate.sources.corpus import Piece
from curate.sources.evalset_pieces import (
    Layout,
    Truth,
    Wanted,
    choose_split,
    piece_row,
    rows_of_piece,
    text_lines,
)
from curate.sources.records import Label, Record, Reject
from curate.sources.webvision_info import file_state
from curate.vision.cells import record_bytes, record_image, record_uri

_TEN = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_HUNDRED = {"train": ("train.bin",), "test": ("test.bin",)}
_KINDS = (
    ("cifar-10-batches-bin", _TEN, 1, "batches.meta.txt"),
    ("cifar-100-binary", _HUNDRED, 2, "fine_label_names.txt"),
)
_PICKLES = (
    ("cifar-10-batches-py", "batches.meta", "cifar-10-binary.tar.gz"),
    ("cifar-100-python", "meta", "cifar-100-binary.tar.gz"),
)
_RECORDS_PER_PIECE = 1000


def find_cifar(path: Path, wanted: Wanted) -> Layout | None:
    """CIFAR at a path; None where it is something else.

    Args:
        path: The folder of the binary files, or the one above it.
        wanted: Split test or train; test is the usual one.

    Raises:
        UntrustedFileError: It is the version for Python, which is a program.
        MissingInputError: There is no such split.
    """
    for folder, splits, n_labels, names in _KINDS:
        for root in (path, path / folder):
            there = [split for split, files in splits.items() if all((root / file).is_file() for file in files)]
            if there:
                split = choose_split(wanted, there, ("test",), f"CIFAR in '{path}'")
                return _layout(root, splits[split], n_labels, root / names)
    _refuse_pickles(path)
    return None


def _refuse_pickles(path: Path) -> None:
    for folder, meta, archive in _PICKLES:
        for root in (path, path / folder):
            others = ("test_batch", "test")
            if (root / meta).is_file() and any((root / other).is_file() for other in others):
                what = "these are Python pickles, which are programs and never opened"
                raise UntrustedFileError(
                    what, where=str(root), fix=f"Get the binary version, {archive}, and unpack it."
                )


def _layout(root: Path, files: tuple[str, ...], n_labels: int, names: Path) -> Layout:
    def cut() -> list[Piece]:
        known = text_lines(names) if names.is_file() else []
        return [piece for file in files for piece in _cut_file(root, file, n_labels, known)]

    def truth() -> Truth:
        return Truth({}, why_none=f"{names.name}, which names them, is not there")

    return Layout("cifar", root, cut, truth, (names,))


def _cut_file(root: Path, file: str, n_labels: int, names: list[str]) -> Iterator[Piece]:
    n_bytes, changed = file_state(root / file)
    n_records, rest = divmod(n_bytes, record_bytes(n_labels))
    if rest or not n_records:
        what = f"{n_bytes} bytes are not whole records of {record_bytes(n_labels)} bytes"
        raise FormatError(what, where=str(root / file), fix="Unpack the archive again.")
    for start in range(0, n_records, _RECORDS_PER_PIECE):
        stop = min(start + _RECORDS_PER_PIECE, n_records)
        task = {"start": start, "stop": stop, "n_labels": n_labels, "names": names}
        row = piece_row("records", root, file, file.removesuffix(".bin"), task)
        yield Piece(f"{file}:{start:06d}", [n_bytes, changed, task], partial(rows_of_piece, [row]))


def read_records(rows: pa.Table) -> Iterator[Record | Reject]:
    """The images of records.

    Args:
        rows: Rows of a piece; those of kind 'records' name file, first and last + 1 record, and the classes.

    Yields:
        Records whose bytes are PPM files, called FILE/NUMBER without the file's suffix; a reject where one is cut off.
    """
    for row in rows.filter(pc.equal(rows["kind"], "records")).to_pylist():
        task = json.loads(row["payload"])
        n_labels, names = task["n_labels"], task["names"]
        size = record_bytes(n_labels)
        with Path(row["root"], row["uri"]).open("rb") as file:
            file.seek(task["start"] * size)
            for number in range(task["start"], task["stop"]):
                key, data = f"{row['key']}/{number:05d}", file.read(size)
                if len(data) < size:
                    yield Reject(key, "truncated_file", "the file changed while it was read")
                    return
                label = data[n_labels - 1]
                labels = [Label("class", names[label])] if label < len(names) else []
                uri = record_uri(row["uri"], number, n_labels)
                yield Record(key, uri, 0, record_image(data, n_labels), "ppm", labels)
