"""Long text files by blocks of lines, of which one is in memory at a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from curate.errors import FormatError

LINES_PER_BLOCK = 4096
_LINE_MAX = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 13


@dataclass(frozen=True)
class Block:
    """Some lines of a file.

    Attributes:
        place: First byte, byte behind the last, and number of the first line, from 1.
        digest: SHA-256 of the bytes, 32 hex digits.
        names: What the pattern found, distinct and sorted.
    """

    place: tuple[int, int, int]
    digest: str
    names: tuple[str, ...]


def line_blocks(path: Path, pattern: bytes) -> tuple[Block, ...]:
    """Cut a file into blocks of 4,096 lines.

    Args:
        path: The file; it is read once as long as it stays as it is.
        pattern: Regular expression for lines, whose only group is collected.

    Raises:
        FormatError: It cannot be read, or a line is longer than 1 MiB.
    """
    try:
        status = path.stat()
        return _cut(path, re.compile(pattern, re.MULTILINE), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}", where=path.name) from error


def read_lines(path: Path, start: int, stop: int, first: int) -> Iterator[tuple[int, bytes]]:
    """Number and content of the lines of a block.

    Args:
        path: The file.
        start: First byte.
        stop: Byte behind the last.
        first: Number of the first line.
    """
    with path.open("rb") as file:
        file.seek(start)
        yield from enumerate(file.read(stop - start).splitlines(), first)


def sample_lines(path: Path) -> Iterator[bytes]:
    """Lines from 64 places spread evenly over a file; of a short file all."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            yield from file.read().splitlines()
            return
        for place in range(_SAMPLES):
            file.seek(place * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            lines = file.read(_SAMPLE_BYTES).splitlines()
            yield from lines[1:-1]  # the first and the last one may be cut


@lru_cache(maxsize=32)
def _cut(path: Path, pattern: re.Pattern[bytes], size: int, mtime_ns: int) -> tuple[Block, ...]:
    found = []
    with path.open("rb") as file:
        start, line = 0, 1
        for text in _texts(file, path.name):
            names = sorted({name.decode("utf-8", "surrogateescape") for name in pattern.findall(text)})
            place = (start, start + len(text), line)
            found.append(Block(place, sha256(text).hexdigest()[:32], tuple(names)))
            start, line = start + len(text), line + LINES_PER_BLOCK
    return tuple(found)


def _texts(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Runs of 4,096 lines."""
    lines: list[bytes] = []
    while line := file.readline(_LINE_MAX):
        if len(line) == _LINE_MAX:
            raise FormatError("a line is longer than 1 MiB", where=name)
        lines.append(line)
        if len(lines) == LINES_PER_BLOCK:
            yield b"".join(lines)
            lines = []
    if lines:
        yield b"".join(lines)
