"""WebVision 1.0 and 2.0: lists of images and classes in info/, one JSON file of metadata per query.

    info/train_filelist_google.txt     image and class of each line, classes from 0
    info/train_meta_list_google.txt    JSON file and row, line by line as in the list of images
    info/queries_google.txt            number and text of each query; queries.txt in 2.0
    info/queries_synsets_map.txt       query and class, classes from 1
    info/synsets.txt                   wnid and names, one class a line

Lists are read by blocks of lines: nothing as long as a list is ever in memory.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from curate.errors import FormatError, MissingInputError
from curate.sources.line_blocks import line_blocks, read_lines
from curate.sources.records import Label, Record, Reject, clean_text, suffix
from curate.sources.table import path_below
from curate.sources.webvision_info import (
    Info,
    check_classes,
    file_state,
    info_files,
    query_of,
    read_info,
    split_line,
)
from curate.sources.webvision_metadata import QueryMetadata, metadata_file

_LIST = re.compile(r"(train|val|test)_filelist(_\w+)?\.txt")
_FOLDER, _FILE = rb"^(.*)/", rb"^(\S+)"
# google/ of the lists may lie in google_images_resized/, and the images of val in val_images_256/.
_ENDINGS = ("", "_images_resized", "_images_256", "_images", "_resized_256", "_resized")


def is_webvision(path: Path) -> bool:
    """Whether a path is a WebVision folder, or one of its lists."""
    if path.is_file():
        return bool(_LIST.fullmatch(path.name)) and (path.parent / "synsets.txt").is_file()
    return (path / "info" / "synsets.txt").is_file() and any((path / "info").glob("*_filelist*.txt"))


def find_lists(path: Path) -> tuple[Path, list[str]]:
    """Root of a WebVision folder, and the lists to read.

    Args:
        path: The folder, whose training lists are meant; or a list in its info/, which alone is meant.

    Raises:
        MissingInputError: There is no training list.
        FormatError: The path is none of these.
    """
    if not is_webvision(path):
        raise FormatError(f"'{path}' is no WebVision folder", fix="It must hold info/synsets.txt and lists of images.")
    if path.is_file():
        return path.parent.parent, [f"{path.parent.name}/{path.name}"]
    found = {p.name for p in (path / "info").glob("train_filelist*.txt")}
    halves = [f"train_filelist_{half}.txt" for half in ("google", "flickr")]
    whole = sorted(found & {"train_filelist_all.txt", "train_filelist.txt"}, reverse=True)
    # The list of all images repeats the other two.
    names = halves if found.issuperset(halves) else whole[:1] or sorted(found)
    if not names:
        raise MissingInputError(f"no train_filelist in '{path / 'info'}'", fix="Name a list, to read that one.")
    return path, [f"info/{name}" for name in names]


def cut_list(root: Path, listed: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Pieces of a list: name, what the piece depends on, and what `read_piece` has to know.

    A piece depends on its lines, on info/, on its files of metadata, and on when images were last added to their
    folders or taken away; not on each image.

    Raises:
        FormatError: A file of info/ is broken, or classes of the list are not those of its queries, as when one counts
            from 0 and the other from 1.
    """
    info = read_info(root)
    check_classes(root, listed, info)
    about = [file_state(path) for path in info_files(root)]
    meta = _meta_list(root, listed)
    partners = line_blocks(root / meta, _FILE) if meta else ()
    for number, block in enumerate(line_blocks(root / listed, _FOLDER)):
        partner = partners[number] if number < len(partners) else None
        folders = [file_state((root / _resolved(root, f"{name}/x", listed)).parent) for name in block.names]
        files = [file_state(metadata_file(root, name)) for name in partner.names] if partner else []
        depends = [block.digest, partner and partner.digest, about, folders, files]
        task = {"list": listed, "block": block.place, "meta": partner and [meta, *partner.place]}
        yield f"{listed}/{number:06d}", depends, task


def list_rejects(root: Path, listed: str) -> list[Reject]:
    """What is missing from a training list as a whole."""
    if _meta_list(root, listed) or not PurePosixPath(listed).name.startswith("train"):
        return []
    detail = "its images have no title, caption or hashtags"
    return [Reject(listed.replace("filelist", "meta_list"), "missing_metadata", f"no such file; {detail}")]


def read_piece(root: Path, task: dict[str, Any]) -> Iterator[Record | Reject]:
    """The images of a piece.

    Args:
        root: The folder.
        task: What `cut_list` gave.

    Yields:
        Records with their bytes, one in memory at a time, labelled with wnid, query, title, caption (the description)
        and hashtags; rejects, which name the line.
    """
    info, listed = read_info(root), task["list"]
    has_metadata = bool(_meta_list(root, listed))
    rows = dict(read_lines(root / task["meta"][0], *task["meta"][1:])) if task["meta"] else {}
    metadata = QueryMetadata(root, listed)
    for number, line in read_lines(root / listed, *task["block"]):
        where = f"{listed}:line {number}"
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            yield Reject(where, "not_utf8", f"byte {error.start} is not UTF-8")
            continue
        if not text:
            continue
        path, label = split_line(text)
        record = _record(root, path, listed, where)
        if isinstance(record, Record):
            _add_labels(record, path, label, info)
            if has_metadata:
                metadata.describe(record, rows.get(number, b""), number)
            record = _with_bytes(root, record)
        yield record
    yield from metadata.rejects


def _record(root: Path, path: str, listed: str, where: str) -> Record | Reject:
    uri = path_below(str(root), _resolved(root, path, listed))
    if uri is None or "\x00" in path:
        return Reject(where, "outside_root", f"{clean_text(path)[0]!r} leads out of the folder")
    return Record(path, uri, 0, None, suffix(path), locator=where, described=True)


def _add_labels(record: Record, path: str, label: int | None, info: Info) -> None:
    site, number = query_of(path)
    if label is not None and label < len(info.wnids):
        record.labels.append(Label("wnid", info.wnids[label]))
    elif label is not None:
        record.remarks.append(f"class {label} is not in synsets.txt")
    query = info.queries.get((site, number)) or info.queries.get(("", number))
    if query:
        record.labels.append(Label("query", query))
    elif number >= 0:
        record.remarks.append(f"query {number} has no text")


def _with_bytes(root: Path, record: Record) -> Record | Reject:
    path = root / record.uri
    if not path.is_file():
        return Reject(record.locator, "missing_image", f"{record.uri}: no such file")
    try:
        record.data = path.read_bytes()
    except OSError as error:
        record.remarks.append(error.strerror or str(error))
    return record


def _resolved(root: Path, path: str, listed: str) -> str:
    """A listed path, where the folder at its top is called otherwise; images of val and test are listed without one."""
    top, slash, rest = path.partition("/")
    if not slash:
        top, rest = PurePosixPath(listed).name.partition("_")[0], path
    places = (f"{top}{ending}/{rest}" for ending in _ENDINGS)
    return next((place for place in places if (root / place).parent.is_dir()), path)


def _meta_list(root: Path, listed: str) -> str:
    """The list of metadata that goes with a list of images; empty where there is none."""
    folder, slash, name = listed.rpartition("/")
    found = f"{folder}{slash}{name.replace('filelist', 'meta_list')}"
    return found if (root / found).is_file() else ""
