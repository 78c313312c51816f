"""WebDataset tars, as img2dataset writes them: key.jpg, key.json and key.txt one after the other.

The tar is read once, front to back, without unpacking anything. Python's tarfile takes longer for a small member
than a JPEG decoder does, so the 512-byte headers are read here (POSIX.1-2001 ustar and pax, GNU long names).
"""

import json
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from curate.sources.labels import Metadata, add_caption, by_role, class_field, read_metadata
from curate.sources.records import NOT_IMAGE, Label, Record, Reject, clean_text, suffix

_BLOCK = 512
_NAMES_MAX = 1 << 20  # a longer pax header or name is no name
_HEADERS = (b"x", b"g", b"L", b"K")  # pax for the next member or for all, GNU long name, GNU long link
_FILE = (b"0", b"\x00", b"7")
_NO_BYTES = (b"1", b"2", b"3", b"4", b"6")  # links, devices and pipes: whatever their size says, no bytes follow
_TEXTS = ("json", "cls", "txt", "caption")


class Member(NamedTuple):
    """A regular file of a tar."""

    name: str
    offset: int
    data: bytes


class TarError(ValueError):
    """A tar that ends or goes wrong before its end; what came before is good."""


def find_shards(path: Path) -> list[Path]:
    """The tars of a source, sorted by their path: a tar file itself, or all below a folder."""
    if path.is_file():
        return [path]
    return sorted((p for p in path.rglob("*.tar") if p.is_file()), key=lambda p: p.relative_to(path).as_posix())


def read_shard(path: Path, uri: str) -> Iterator[Record | Reject]:
    """The records of a tar, one in memory at a time.

    Members are grouped by what stands before the first dot of their name, as WebDataset does. A member whose name is
    not that of known metadata is taken for the image; a second one opens a second record of the same key.

    Args:
        path: The tar.
        uri: What records and rejects call it.

    Yields:
        A record per image; a reject per metadata that is broken or has no image, and for what cannot be read.
    """
    group = _Group("")
    try:
        with path.open("rb", buffering=1 << 20) as file:
            for member in read_members(file, uri):
                if isinstance(member, Reject):
                    yield member
                    continue
                key, extension = _split(member.name)
                if not key.rpartition("/")[2]:
                    yield Reject(f"{uri}/{_locator(member.name)}", "hidden_file", "name begins with a dot")
                    continue
                is_image = not _is_metadata(extension)
                if key != group.key or extension in group.seen or (is_image and group.image):
                    yield from group.close(uri)
                    group = _Group(key)
                group.add(member, extension, is_image)
        yield from group.close(uri)
    except TarError as error:
        yield from group.close(uri)
        yield Reject(uri, "truncated_shard", str(error))
    except OSError as error:
        yield from group.close(uri)
        yield Reject(uri, "unreadable_shard", error.strerror or str(error))


def read_members(file: BinaryIO, uri: str = "") -> Iterator[Member | Reject]:
    """The regular files of a tar, in order.

    Args:
        file: The tar, open at its start.
        uri: What rejects call it.

    Yields:
        Members with their bytes and where these begin; a reject for a link or a device that bears a name.

    Raises:
        TarError: The tar ends amid a member, or a header is no header.
    """
    reader = _Reader(file)
    renamed, resized = None, None
    while header := reader.header():
        kind, size = header[156:157], _size(header, reader.at)
        if kind in _HEADERS:
            block = reader.read(size, _NAMES_MAX)
            if kind == b"x":
                renamed, resized = _pax(block)
            elif kind == b"L":
                renamed = block.rstrip(b"\x00").decode("utf-8", "surrogateescape")
            continue
        name, size = renamed or _name(header), size if resized is None else resized
        renamed, resized = None, None
        if kind == b"5" or name.endswith("/"):
            continue
        if kind in _NO_BYTES:
            yield Reject(f"{uri}/{_locator(name)}", "no_regular_file", f"tar member of type {kind.decode()}")
            continue
        offset, data = reader.at, reader.read(size)
        if kind in _FILE:
            yield Member(name.removeprefix("./"), offset, data)
        else:
            yield Reject(f"{uri}/{_locator(name)}", "no_regular_file", f"tar member of type {kind!r}")


class _Reader:
    """A tar's blocks, front to back; `at` is the byte that comes next."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._end, self.at = file, file.seek(0, 2), 0
        file.seek(0)

    def header(self) -> bytes:
        """The next header; empty at the end mark, a block of zeros."""
        header = self._file.read(_BLOCK)
        if len(header) < _BLOCK:
            raise TarError(f"cut off at byte {self.at + len(header)}, where a header or the end mark was expected")
        self.at += _BLOCK
        return header if header[0] or any(header) else b""

    def read(self, size: int, most: int | None = None) -> bytes:
        """The bytes of a member, and past its padding."""
        if most is not None and size > most:
            raise TarError(f"a header of {size} bytes at byte {self.at}")
        data = self._file.read(size) if self.at + size <= self._end else b""
        if len(data) < size:
            raise TarError(f"cut off at byte {self._end}, amid a member of {size} bytes that begins at {self.at}")
        padding = -size % _BLOCK
        self._file.read(padding)
        self.at += size + padding
        return data


@dataclass(slots=True)
class _Group:
    """The members of one key, as they come."""

    key: str
    image: Member | None = None
    image_suffix: str = ""
    texts: dict[str, Member] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def add(self, member: Member, extension: str, is_image: bool) -> None:
        self.seen.add(extension)
        if is_image:
            self.image, self.image_suffix = member, suffix(member.name)
        elif extension in _TEXTS:
            self.texts[extension] = member

    def close(self, uri: str) -> Iterator[Record | Reject]:
        if not self.seen:
            return
        rejects: list[Reject] = []
        metadata = _read_texts(self.texts, uri, rejects)
        if self.image is None:
            found = ", ".join(sorted(self.seen))
            rejects = [Reject(f"{uri}/{_locator(self.key)}", "missing_image", f"only {found}")]
        else:
            key, escaped = clean_text(self.key)
            remarks = metadata.remarks + ["name escaped"] * escaped
            if ("json" in self.seen) != ("txt" in self.seen) and not {"cls", "caption"} & self.seen:
                remarks.append("no txt member" if "json" in self.seen else "no json member")
            yield Record(
                key, uri, self.image.offset, self.image.data, self.image_suffix, metadata.labels, metadata.url,
                metadata.owner, remarks, described=metadata.described,
            )  # fmt: skip
        yield from rejects


def _read_texts(texts: dict[str, Member], uri: str, rejects: list[Reject]) -> Metadata:
    """Metadata of a record; a broken member leaves a remark on the image and a reject of its own."""
    metadata = Metadata()
    for extension in _TEXTS:  # JSON first: a text that repeats it is left out
        if extension not in texts:
            continue
        member = texts[extension]
        try:
            text = member.data.removeprefix(BOM_UTF8).decode()
            if extension == "json":
                metadata = _read_json(text)
            elif extension == "cls" and text.strip():
                label = clean_text(text.strip())[0]
                metadata.labels.append(Label(class_field(label), label))
            elif extension != "cls":
                add_caption(metadata.labels, clean_text(text)[0])
        except (ValueError, RecursionError) as error:
            if isinstance(error, UnicodeDecodeError) and error.reason != "unexpected end of data":
                rule, detail = "not_utf8", f"byte {error.start} is not UTF-8"
            else:
                rule, detail = f"broken_{extension}", str(error)
            metadata.remarks.append(f"{extension} member unusable: {detail}")
            rejects.append(Reject(f"{uri}/{_locator(member.name)}", rule, detail))
    return metadata


def _read_json(text: str) -> Metadata:
    entries = json.loads(text)
    if not isinstance(entries, dict):
        raise ValueError("no JSON object")
    found = read_metadata(by_role(entries))
    found.described = True
    return found


def _split(name: str) -> tuple[str, str]:
    """Key and extension: what stands before and after the first dot of the last path component."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension.lower()


@lru_cache(maxsize=1024)
def _is_metadata(extension: str) -> bool:
    return extension.rpartition(".")[2] in NOT_IMAGE


def _locator(name: str) -> str:
    return clean_text(name)[0]


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\x00")[0]
    if header[257:262] == b"ustar" and header[345] and header[257:264] != b"ustar  ":
        name = header[345:500].partition(b"\x00")[0] + b"/" + name
    return name.decode("utf-8", "surrogateescape")


def _size(header: bytes, at: int) -> int:
    """Size of the member, once the header's checksum is seen to be right."""
    try:
        stated = int(header[148:156].strip(b"\x00 ") or b"-1", 8)
        # The low half of Adler-32 is 1 + the sum of all bytes, modulo 65521.
        total = (zlib.adler32(header) & 0xFFFF) - 1 - sum(header[148:156]) + 8 * ord(" ")
        if (stated - total) % 65521 == 0:
            if header[124] & 0x80:  # GNU: binary where octal is too short
                return int.from_bytes(header[125:136], "big")
            return int(header[124:136].strip(b"\x00 ") or b"0", 8)
    except ValueError:
        pass
    raise TarError(f"no tar header at byte {at - _BLOCK}")


def _pax(block: bytes) -> tuple[str | None, int | None]:
    """Path and size of the next member, where a pax header gives them."""
    fields, at = {}, 0
    while at < len(block):
        length, _, _ = block[at : at + 20].partition(b" ")
        if not length.isdigit() or not int(length):
            break
        record = block[at + len(length) + 1 : at + int(length)]
        name, _, value = record.removesuffix(b"\n").partition(b"=")
        fields[name.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += int(length)
    return fields.get("path"), int(fields["size"]) if fields.get("size", "").isdecimal() else None
