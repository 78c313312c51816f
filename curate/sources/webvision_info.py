"""What info/ of WebVision says: its classes, its queries, and whether its files count from where they should."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from curate.errors import FormatError
from curate.sources.folder import WNID
from curate.sources.line_blocks import sample_lines
from curate.sources.records import clean_text

_QUERY = re.compile(r"q(\d+)")
_QUERY_FILES = {"queries.txt": "", "queries_google.txt": "google", "queries_flickr.txt": "flickr"}


@dataclass(frozen=True)
class Info:
    """What info/ says, without the lists of images.

    Attributes:
        wnids: By class, from 0.
        queries: Text by ('google', 'flickr' or '', number of the query).
        class_of: Class, from 0, by number of the query.
        map_starts_at: Lowest class that queries_synsets_map.txt names; 1 as published.
    """

    wnids: list[str]
    queries: dict[tuple[str, int], str]
    class_of: dict[int, int]
    map_starts_at: int


def check_classes(root: Path, listed: str, info: Info) -> None:
    """Compare the classes of a list with those of its queries, on lines from all over the list.

    Raises:
        FormatError: Most lines disagree; says which file seems to count from where.
    """
    n_known = n_same = n_above = 0
    for line in sample_lines(root / listed):
        path, label = split_line(line.decode("utf-8", "replace").strip())
        expected = info.class_of.get(query_of(path)[1])
        if expected is not None and label is not None:
            n_known += 1
            n_same += label == expected
            n_above += label == expected + 1
    if not n_known or 2 * n_same >= n_known:
        return
    reason = "no common base would make them agree"
    if 2 * n_above >= n_known:
        zero = info.map_starts_at == 0
        reason = f"{'queries_synsets_map.txt' if zero else 'the list'} seems to count from {0 if zero else 1}"
    raise FormatError(
        f"classes of {n_known - n_same} of {n_known} lines looked at are not those of their queries: {reason}",
        where=listed,
        fix="The list must count classes from 0, and info/queries_synsets_map.txt from 1.",
    )


def read_info(root: Path) -> Info:
    """Classes and queries of a WebVision folder.

    Raises:
        FormatError: A line is not of the published form; names it.
    """
    return _read_info(root, tuple(tuple(file_state(path)) for path in info_files(root)))


def info_files(root: Path) -> list[Path]:
    """The files that `read_info` reads, whether they are there or not."""
    return [root / "info" / n for n in ("synsets.txt", "queries_synsets_map.txt", *_QUERY_FILES)]


@lru_cache(maxsize=8)
def _read_info(root: Path, states: tuple[Any, ...]) -> Info:
    wnids = [first for first, _ in _pairs(root / "info" / "synsets.txt")]
    if wrong := next((wnid for wnid in wnids if not WNID.fullmatch(wnid)), None):
        raise FormatError(f"'{wrong[:40]}' is no wnid", where="info/synsets.txt")
    queries = {
        (site, _number(first, name)): clean_text(text)[0]
        for name, site in _QUERY_FILES.items()
        for first, text in _pairs(root / "info" / name)
    }
    name = "queries_synsets_map.txt"
    of_query = {_number(q, name): _number(c, name) for q, c in _pairs(root / "info" / name)}
    class_of = {query: number - 1 for query, number in of_query.items()}
    return Info(wnids, queries, class_of, min(of_query.values(), default=1))


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """First word and rest of each line; nothing where there is no such file."""
    if not path.is_file():
        return
    try:
        for line in path.read_text("utf-8-sig").splitlines():
            if line.strip():
                first, *rest = line.split(maxsplit=1)
                yield first, rest[0].strip() if rest else ""
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read: {error}", where=f"info/{path.name}") from error


def _number(text: str, name: str) -> int:
    digits = text.removeprefix("q")
    if not digits.isdecimal():
        raise FormatError(f"'{text[:40]}' is no number", where=f"info/{name}")
    return int(digits)


def split_line(text: str) -> tuple[str, int | None]:
    """Path and class of a line; lists of test images have no class."""
    path, *label = text.rsplit(maxsplit=1)[-2:] if text.strip() else [""]
    if label and label[0].isdecimal():
        return path, int(label[0])
    return text, None


def query_of(path: str) -> tuple[str, int]:
    """Site ('google', 'flickr' or '') and number of the query that a path belongs to; -1 where it names none."""
    top, *folders = path.split("/")[:-1] or [""]
    site = next((name for name in ("google", "flickr") if top.startswith(name)), "")
    number = next((int(m[1]) for name in reversed(folders) if (m := _QUERY.fullmatch(name))), -1)
    return site, number


def file_state(path: Path) -> list[int]:
    """Size and modification time; [] where there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return []
    return [status.st_size, status.st_mtime_ns]
