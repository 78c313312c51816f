"""Image folders: the folder that an image lies in is its class."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from curate.sources.records import NOT_IMAGE, Label, Record, Reject, clean_text, suffix

WNID = re.compile(r"n\d{8}")
"""A folder of this name is a WordNet synset."""


@dataclass(frozen=True, slots=True)
class File:
    """A file and what a change of it shows in: size in bytes, modification time in ns."""

    uri: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Listing:
    """What lies in a folder: images sorted by path, and what is none."""

    files: list[File] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def list_folder(root: Path) -> Listing:
    """All files below a folder that may be images.

    Files and folders whose name begins with a dot are left out, as in a shell. A link to a file is followed; a link to
    a folder is not (it may lead in a circle) and gives a reject.

    Args:
        root: The folder.

    Returns:
        Files with names relative to the folder, '/' between parts, sorted; rejects for files whose name says that
        they are no image, and for what cannot be listed.
    """
    found = Listing()
    _walk(str(root), "", found)
    found.files.sort(key=lambda file: file.uri)
    found.rejects.sort(key=lambda reject: reject.locator)
    return found


def _walk(folder: str, prefix: str, found: Listing) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    _visit(entry, prefix + entry.name, found)
    except OSError as error:
        found.rejects.append(Reject(clean_text(prefix)[0] or ".", "unreadable_folder", error.strerror or str(error)))


def _visit(entry: os.DirEntry[str], uri: str, found: Listing) -> None:
    cleaned, escaped = clean_text(uri)
    if entry.is_dir():
        if entry.is_symlink():
            found.rejects.append(Reject(cleaned, "linked_folder", "a link to a folder is not followed"))
        else:
            _walk(entry.path, f"{uri}/", found)
    elif escaped:
        found.rejects.append(Reject(cleaned, "undecodable_name", "the file name is not UTF-8; rename it"))
    elif suffix(entry.name) in NOT_IMAGE:
        found.rejects.append(Reject(cleaned, "not_an_image", "the name says that it is no image"))
    else:
        try:
            status = entry.stat()
        except OSError as error:
            found.rejects.append(Reject(cleaned, "missing_image", error.strerror or str(error)))
        else:
            if stat.S_ISREG(status.st_mode):
                found.files.append(File(uri, status.st_size, status.st_mtime_ns))
            else:  # opening a pipe would wait for ever
                found.rejects.append(Reject(cleaned, "no_regular_file", "a pipe, socket or device"))


def class_label(uri: str) -> Label | None:
    """The label that the path of an image gives.

    Args:
        uri: Path relative to the folder, '/' between parts.

    Returns:
        The nearest folder above it that is named as a wnid, as field 'wnid'; else the folder that it lies in, as
        field 'class'; None for a file that lies at the top.
    """
    folders = uri.split("/")[:-1]
    wnid = next((name for name in reversed(folders) if WNID.fullmatch(name)), None)
    if wnid:
        return Label("wnid", wnid)
    return Label("class", folders[-1]) if folders else None


def read_files(root: Path, records: Iterator[Record]) -> Iterator[Record | Reject]:
    """Fill in the bytes of records, one in memory at a time.

    Args:
        root: Folder that their uris are relative to.
        records: Records without bytes.

    Yields:
        The same records with bytes; a reject where there is no such file. A file that cannot be read stays a record
        without bytes, its last remark says why.
    """
    for record in records:
        path = root / record.uri
        if not path.is_file():
            yield Reject(record.locator or record.key, "missing_image", f"{record.uri}: no such file")
            continue
        try:
            record.data = path.read_bytes()
        except OSError as error:
            record.remarks.append(error.strerror or str(error))
        yield record
