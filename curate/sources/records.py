"""What every reader gives: records with their bytes, and rejects with their reason."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

# Names that say that a file is no image. Any other name may be one: the content decides.
NOT_IMAGE = frozenset((
    "json", "jsonl", "txt", "text", "cls", "cls2", "caption", "csv", "tsv", "parquet", "arrow", "md", "rst", "xml",
    "html", "htm", "yaml", "yml", "toml", "ini", "log", "url", "npy", "npz", "mat", "pt", "pth", "pkl", "pickle",
    "pyd", "bin", "h5", "safetensors", "tar", "tgz", "gz", "bz2", "xz", "zst", "zip", "7z", "rar", "md5", "sha1",
    "sha256", "mp4", "avi", "mov", "mkv", "webm", "mp3", "wav", "flac", "ogg", "py", "ipynb", "sh", "db", "pdf",
    "doc", "docx",
))  # fmt: skip
# Formats by the name that files of theirs bear.
_NAMED = {
    "jpg": "jpeg", "jpeg": "jpeg", "jpe": "jpeg", "jfif": "jpeg", "png": "png", "gif": "gif", "webp": "webp",
    "bmp": "bmp", "dib": "bmp", "tif": "tiff", "tiff": "tiff", "ppm": "ppm", "pgm": "ppm", "pbm": "ppm", "pnm": "ppm",
    "avif": "avif", "jp2": "jpeg2000", "j2k": "jpeg2000", "ico": "ico", "heic": "heic", "jxl": "jxl", "psd": "psd",
}  # fmt: skip
_BLOCK_MEAN, _BLOCK_MAX = 512, 1024


class Label(NamedTuple):
    """A label as a source gives it; the fields are those of raw_labels."""

    field: str
    text: str
    score: float | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that gives no image, or no labels.

    Attributes:
        locator: Where it stands in the source.
        rule: Named rule.
        detail: What was found, in words.
    """

    locator: str
    rule: str
    detail: str


@dataclass(slots=True)
class Record:
    """One image of a source.

    Attributes:
        key: The source's own key.
        uri: File that holds the bytes, relative to the source's root.
        offset: Where they begin in it.
        data: The stored bytes; None where they could not be read.
        suffix: What the name says the format is, lower case, without a dot.
        labels: As the source gives them.
        url: Where it was found.
        owner: Who posted it.
        remarks: What is odd about the record; for data None, why it could not be read.
        locator: What a reject calls the record; empty where the key says it.
        described: Whether it brought metadata of its own.
    """

    key: str
    uri: str
    offset: int
    data: bytes | None
    suffix: str
    labels: list[Label] = field(default_factory=list)
    url: str | None = None
    owner: str | None = None
    remarks: list[str] = field(default_factory=list)
    locator: str = ""
    described: bool = False


def image_id(source: str, key: str, occurrence: int) -> str:
    """The id of an image, equal on every machine.

    SHA-256 over source, key and occurrence (a decimal number), each as UTF-8 and each led by its length in bytes as
    an unsigned 64-bit big-endian integer; of that the first 128 bits.

    Args:
        source: Name of the source.
        key: The source's own key.
        occurrence: How many earlier records of the source bear that key.

    Returns:
        32 lower-case hex digits.
    """
    packed = bytearray()
    for text in (source, key, str(occurrence)):
        encoded = text.encode()
        packed += len(encoded).to_bytes(8, "big")
        packed += encoded
    return sha256(packed).hexdigest()[:32]


def clean_text(text: str) -> tuple[str, bool]:
    """Text that Parquet, JSON and DuckDB can hold: lone surrogates and NUL are written as escapes.

    Args:
        text: Any string.

    Returns:
        The text, and whether anything had to be escaped.
    """
    if text.isascii() and "\x00" not in text:
        return text, False
    cleaned = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return cleaned, cleaned != text


def suffix(name: str) -> str:
    """What follows the last dot of a file name, lower case; empty if nothing does, or if the name begins with it."""
    stem, _, found = name.rpartition("/")[2].rpartition(".")
    return found.lower() if stem else ""


def format_of_name(suffix: str) -> str | None:
    """The format that a name claims; None where the suffix says nothing."""
    return _NAMED.get(suffix)


def blocks(keys: Sequence[str]) -> list[tuple[str, int, int]]:
    """Cut sorted keys into blocks whose borders depend on the keys nearby only.

    A block begins where a hash of the key says so, at about every 512th key, and after 1,024 keys at the latest: a
    key that is added or removed changes its own block and leaves nearly always all others as they are.

    Args:
        keys: Sorted, distinct.

    Returns:
        Name, start and stop of each block; names are hashes of the first key ('first' for the first block).
    """
    found, start, name = [], 0, "first"
    for index, key in enumerate(keys):
        # Multiplied (Knuth), as the low bits of a CRC over counting names are not well mixed.
        mixed = zlib.crc32(key.encode("utf-8", "surrogateescape")) * 2654435761 & 0xFFFFFFFF
        if index > start and (mixed < (1 << 32) // _BLOCK_MEAN or index - start == _BLOCK_MAX):
            found.append((name, start, index))
            start, name = index, sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    if start < len(keys):
        found.append((name, start, len(keys)))
    return found
