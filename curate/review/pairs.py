"""Pairs of an eval image and a corpus image to look at, and thumbnails of them."""

import base64
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
from PIL import Image

from curate.errors import FormatError, InputError
from curate.review import queries
from curate.vision.decode import decode, read_range

JPEG_QUALITY = 82
"""Of thumbnails."""

GROUPS = (
    ("strongest", "score DESC", 6),
    ("weakest", "score", 12),
    ("random", "md5(concat_ws('/', eval_set, eval_image_id, image_id))", 12),
    ("rejected", None, 12),
)
"""Pictures of the report: name, order among the hits (None = what was no hit), number. A page shows no more,
however many copies there are."""


@dataclass(frozen=True)
class Place:
    """Where the bytes of an image lie.

    Attributes:
        root: Folder.
        uri: File below it.
        offset: First byte.
        length: Number of bytes.
        sha256: Of those bytes; None where it is not known.
    """

    root: str
    uri: str
    offset: int
    length: int
    sha256: str | None


@dataclass(frozen=True)
class Pair:
    """A corpus image beside an eval image.

    Attributes:
        eval_set: Evaluation set.
        image_id: Corpus image.
        eval_image_id: Eval image.
        method: What found it, as in near_duplicates; '' where it is no hit.
        score: Evidence of the pixels.
        p_duplicate: Estimated probability that it is a copy.
        verdict: What a person said: copy, different, unsure; None where nobody looked.
        transform: Kind of copy.
        rotation: Degrees, counter-clockwise.
        scale: Corpus pixels per eval pixel.
        box: Part of the eval image that the corpus image shows: left, top, right, bottom as fractions.
        key: The source's own key of the corpus image.
        corpus: Where its bytes lie.
        eval: Where the eval image's bytes lie.
    """

    eval_set: str
    image_id: str
    eval_image_id: str
    method: str
    score: float | None
    p_duplicate: float | None
    verdict: str | None
    transform: str | None
    rotation: float | None
    scale: float | None
    box: tuple[float, float, float, float] | None
    key: str
    corpus: Place
    eval: Place


def pairs_of(con: duckdb.DuckDBPyConnection, rows: str, given: list[Any]) -> list[Pair]:
    """Pairs with all that pictures of them need.

    Args:
        con: A prepared connection, see `leaks.prepare`.
        rows: A table or query in parentheses for queries.PAIRS.
        given: Its parameters.
    """
    return [_pair(row) for row in con.execute(queries.PAIRS.format(rows=rows), given).fetchall()]


def shown_pairs(con: duckdb.DuckDBPyConnection, eval_set: str) -> dict[str, list[Pair]]:
    """The pairs whose pictures the report shows, by group.

    Args:
        con: A prepared connection.
        eval_set: Name of the set.
    """
    return {
        name: pairs_of(con, queries.HITS.format(order=order) if order else queries.REJECTED, [eval_set, n])
        for name, order, n in GROUPS
    }


def _pair(row: tuple[Any, ...]) -> Pair:
    eval_set, image_id, eval_image_id, method, score, p_duplicate, verdict, transform, rotation, scale = row[:10]
    box = None if None in row[10:14] else (row[10], row[11], row[12], row[13])
    return Pair(
        eval_set, image_id, eval_image_id, method, score, p_duplicate, verdict, transform, rotation, scale, box,
        row[14], Place(*row[15:20]), Place(*row[20:25]),
    )  # fmt: skip


@dataclass(frozen=True)
class Thumbnail:
    """A small picture to be embedded in a page.

    Attributes:
        uri: Data URI of a JPEG; '' where there is no picture.
        width: In pixels.
        height: In pixels.
        problem: Why there is none.
    """

    uri: str
    width: int = 0
    height: int = 0
    problem: str = ""


def thumbnail(place: Place, size_px: int) -> Thumbnail:
    """Read an image and make it small.

    Args:
        place: The image.
        size_px: Longest side, in pixels; smaller images stay as they are.
    """
    if not place.uri:
        return Thumbnail("", problem="the set came without its images")
    try:
        data, size = small_jpeg(place, size_px)
    except InputError as error:
        return Thumbnail("", problem=error.what)
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(data).decode(), *size)


def small_jpeg(place: Place, size_px: int) -> tuple[bytes, tuple[int, int]]:
    """Read an image and encode it anew: a JPEG, and its width and height in pixels.

    Args:
        place: The image.
        size_px: Longest side, in pixels; smaller images stay as they are.

    Raises:
        InputError: It cannot be read or decoded, or is another one now.
    """
    data = read_range(Path(place.root, place.uri), place.offset, place.length)
    if place.sha256 and sha256(data).hexdigest() != place.sha256:
        raise FormatError("the file changed after it was read")
    image = Image.fromarray(decode(data, min_size_px=size_px).pixels)
    image.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue(), image.size
