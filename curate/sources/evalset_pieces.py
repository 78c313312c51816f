"""What every layout of an evaluation set is made of: its images as pieces of work, and their true classes."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import FormatError, MissingInputError, ParameterError
from curate.sources.corpus import PIECE, Piece
from curate.sources.lists import reject_rows
from curate.sources.records import Reject, blocks, clean_text
from curate.sources.table import path_below
from curate.sources.webvision_info import file_state

TEXT_BYTES = 64 << 20
"""A longer list is none that belongs to an evaluation set."""

Image = tuple[str, str, str]
"""Key, uri, and the true class where key and uri tell it, else ''."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a path.

    Attributes:
        name: Name of the eval set.
        split: As the user says, or as the name of a published set does; None = the layout's usual one.
        is_given: Whether the user named the split.
    """

    name: str
    split: str | None = None
    is_given: bool = False


@dataclass(frozen=True)
class Truth:
    """What a layout says of its images.

    Attributes:
        classes: wnid or name of the true class, by key; images without a single class are left out.
        n_listed: Images that its own list names; None where it has none.
        n_several: Images that show several classes.
        why_none: Why there are no classes, where there are none.
    """

    classes: Mapping[str, str]
    n_listed: int | None = None
    n_several: int = 0
    why_none: str = ""


NO_TRUTH = Truth({})
"""Of a layout whose images bring their classes themselves."""


@dataclass(frozen=True)
class Layout:
    """An evaluation set as it lies on disk.

    Attributes:
        format: How the layout is called.
        root: Folder that uris are relative to; of an export, the file.
        cut: Gives its pieces; lists the images.
        truth: Gives its true classes; called late, and more than once.
        truth_files: Files that the classes come from.
    """

    format: str
    root: Path
    cut: Callable[[], list[Piece]]
    truth: Callable[[], Truth] = lambda: NO_TRUTH
    truth_files: tuple[Path, ...] = ()


def choose_split(wanted: Wanted, there: Sequence[str], usual: Sequence[str], where: str) -> str:
    """The split to read.

    Args:
        wanted: What is asked for.
        there: Splits that there are.
        usual: Splits that are read where none is asked for, the better one first.
        where: For errors.

    Raises:
        MissingInputError: The split that is asked for is not there.
        ParameterError: None is asked for, and there is no telling which is meant.
    """
    known = ", ".join(there) or "none"
    if wanted.split is not None:
        if wanted.split not in there:
            reason = "" if wanted.is_given else f", as the name {wanted.name} says"
            raise MissingInputError(f"no split '{wanted.split}'{reason}", where=where, fix=f"There are: {known}.")
        return wanted.split
    found = [*(name for name in usual if name in there), *(there if len(there) == 1 else ())]
    if not found:
        raise ParameterError("there is no telling which split is meant", where=where, fix=f"Use --split: {known}.")
    return found[0]


def image_pieces(root: Path, images: Iterable[Image], rejects: Sequence[Reject] = ()) -> list[Piece]:
    """Pieces of images that lie in files of their own.

    Args:
        root: Folder that uris are relative to.
        images: The images.
        rejects: What is to be reported as left out.

    Raises:
        FormatError: A key comes twice.
        MissingInputError: There is no image.
    """
    listed = sorted(images)
    keys = [image[0] for image in listed]
    if twice := next((a for a, b in pairwise(keys) if a == b), None):
        raise FormatError(f"two images with key '{twice}'", where=str(root), fix="Take one of them away.")
    if not keys:
        raise MissingInputError("no image is listed", where=str(root), fix="Check the path.")
    more = reject_rows(root, rejects)
    found = [Piece("rejects", more, partial(rows_of_piece, more))] if more else []
    for name, start, stop in blocks(keys):
        block = listed[start:stop]
        states = [(*image, *_state(f"{root}/{image[1]}")) for image in block]
        depends = sha256(json.dumps(states).encode()).hexdigest()[:32]
        found.append(Piece(name, depends, partial(_file_rows, root, block)))
    return found


def _state(path: str) -> tuple[int, int]:
    """Size and modification time; a `Path` for each would take most of the time over 50,000 images."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _file_rows(root: Path, block: Sequence[Image]) -> pa.Table:
    return rows_of_piece(
        piece_row("file", root, uri, key, {"rows": [{"class": name}] if name else []}) for key, uri, name in block
    )


def piece_row(kind: str, root: Path, uri: str = "", key: str = "", payload: Any = None) -> dict[str, str]:
    """A row of a piece, see `corpus.PIECE`."""
    return {"kind": kind, "root": str(root), "uri": uri, "key": key, "payload": json.dumps(payload) if payload else ""}


def rows_of_piece(rows: Iterable[dict[str, str]]) -> pa.Table:
    """Rows of a piece as a table."""
    return pa.Table.from_pylist(list(rows), schema=PIECE)


def pieces_with_classes(layout: Layout) -> list[Piece]:
    """The pieces of a layout; what they load ends with a row of kind 'classes', the true classes of their images."""
    states = [[path.name, *file_state(path)] for path in layout.truth_files]
    truth = cache(layout.truth)  # all pieces ask for it
    return [
        replace(piece, depends=[piece.depends, states], load=partial(_load, piece.load, truth))
        for piece in layout.cut()
    ]


def _load(load: Callable[[], pa.Table], truth: Callable[[], Truth]) -> pa.Table:
    rows, classes = load(), truth().classes
    if pc.all(pc.equal(rows["kind"], "file")).as_py():  # else the keys are not known yet
        classes = {key: classes[key] for key in rows["key"].to_pylist() if key in classes}
    more = [piece_row("classes", Path(), payload=dict(classes))] if classes else []
    return pa.concat_tables([rows, rows_of_piece(more)])


def listed_image(root: Path, uri: str, key: str, locator: str) -> Image | Reject:
    """An image that a list names, or a reject where its path leads out of the root."""
    below = path_below(str(root), uri)
    if below is None or clean_text(below)[1]:
        return Reject(locator, "outside_root", f"{clean_text(uri)[0]!r} is no path below the folder")
    return clean_text(key)[0], below, ""


def images_and_rejects(listed: Iterable[Image | Reject]) -> tuple[list[Image], list[Reject]]:
    """What a list names, parted into what can be read and what cannot."""
    both = list(listed)
    return [x for x in both if not isinstance(x, Reject)], [x for x in both if isinstance(x, Reject)]


def text_lines(path: Path) -> list[str]:
    """The lines of a text file, stripped; those without text are left out.

    Raises:
        FormatError: It is too long, no text, or cannot be read.
    """
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        FormatError: It is too long, no text, or cannot be read.
    """
    try:
        if path.stat().st_size > TEXT_BYTES:
            raise FormatError(f"longer than {TEXT_BYTES >> 20} MiB", where=str(path))
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=str(path)) from error


def single_classes(seen: Mapping[str, Collection[str]], n_listed: int | None, why_none: str = "") -> Truth:
    """The classes of images that show one alone.

    Args:
        seen: Classes by key.
        n_listed: See `Truth`.
        why_none: See `Truth`.
    """
    classes = {key: next(iter(names)) for key, names in seen.items() if len(names) == 1}
    return Truth(classes, n_listed, sum(len(names) > 1 for names in seen.values()), why_none)
