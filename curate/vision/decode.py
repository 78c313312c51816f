"""Bytes of an image file to RGB pixels; the format is told by content, never by a name.

Untrusted bytes are normal here: formats are a fixed list, the number of pixels is checked from the header before
anything is decoded, and whatever a decoder raises becomes a `DecodeError` with a reason.
"""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from curate.errors import InputError, MissingInputError
from curate.vision.cells import read_cell

MAX_PIXELS = 100_000_000
"""Default limit on width × height; a larger picture is taken for a decompression bomb."""

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"), (b"II+\x00", "tiff"), (b"MM\x00+", "tiff"), (b"BM", "bmp"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"), (b"\x00\x00\x01\x00", "ico"), (b"8BPS", "psd"),
    (b"\xff\x0a", "jxl"), (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
)  # fmt: skip
_BRANDS = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"mif1": "heic"}
_NO_IMAGE = (
    (b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<svg", "an SVG drawing"), (b"<?xml", "XML"),
    (b"{", "JSON"), (b"%pdf", "a PDF document"), (b"%!ps", "PostScript"), (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
)  # fmt: skip
_PILLOW = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF", "ppm": "PPM",
           "avif": "AVIF", "jpeg2000": "JPEG2000", "ico": "ICO"}  # fmt: skip
# Complaints of libjpeg after which part of the picture is not what was stored.
_JPEG_HARM = ("Premature end", "premature end", "bad Huffman code", "found marker", "progression sequence")
_ORIENTATION = 0x0112
_EXIF = b"Exif\x00\x00"
_APP1, _SCAN = 0xE1, 0xDA
_SEGMENTS = frozenset([0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)])  # markers that a length follows
_TINY_PX = 8


class DecodeError(InputError):
    """Bytes that are not a whole, acceptable image.

    Attributes:
        what: The reason.
        format: Format by content, None where none is recognised.
        width: Width in pixels from the header, None where it could not be read.
        height: Likewise.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        format: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.format, self.width, self.height = format, width, height


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8, H × W × 3 RGB (H × W where grey was asked for), upright; smaller than width × height after a
            reduced-size decode.
        width: Full width in pixels, as shown.
        height: Full height in pixels, as shown.
        format: Format by content, as `sniff` names it.
        remark: What is odd about the file; empty where nothing is.
        decoder: What gave the pixels: 'libjpeg-turbo' (plain JPEG) or 'pillow' (all else). Without a version, so that
            equal rows stay equal when a library is brought up to date.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    remark: str
    decoder: str


def sniff(data: bytes) -> str | None:
    """The image format of some bytes, told by their first few.

    Args:
        data: A file's content, or its first 16 bytes or more.

    Returns:
        'jpeg', 'png', 'webp', 'gif', 'bmp', 'tiff', 'ppm' (any netpbm), 'avif', 'jpeg2000', 'ico', and the ones that
        are recognised but not decoded: 'heic', 'jxl', 'psd'. None for anything else.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in (b" ", b"\n", b"\t", b"\r", b"#"):
        return "ppm"
    return None


def decode(data: bytes, *, min_size_px: int | None = None, max_pixels: int = MAX_PIXELS, grey: bool = False) -> Decoded:
    """Decode an image, upright and in RGB, whatever its format, mode or depth.

    Transparency is laid over white, 16 bits become 8, an animation gives its first frame, and EXIF orientation is
    applied. A JPEG is decoded to its last byte even where fewer pixels are asked for, so damage shows either way.

    Args:
        data: The whole file.
        min_size_px: Decode at a reduced size where the format allows it, its short side no smaller than this;
            None = full size.
        max_pixels: Largest width × height that is accepted.
        grey: Give luma (ITU-R 601) instead of RGB; cheaper for JPEG.

    Returns:
        Pixels, full size, format and remarks.

    Raises:
        DecodeError: The bytes are empty, no image, damaged, truncated, of a format that is not decoded, or too large.
    """
    kind = sniff(data)
    if kind not in _PILLOW:
        raise DecodeError(_reason_not_decoded(data, kind), format=kind)
    remarks: list[str] = []
    if kind == "jpeg":
        decoded = _decode_jpeg(data, min_size_px, max_pixels, grey, remarks)
        if decoded is not None:
            return decoded
    return _decode_pillow(data, kind, min_size_px, max_pixels, grey, remarks)


def read_range(path: str | Path, offset: int, length: int) -> bytes:
    """Read a byte range of a file, or of a cell of a Parquet file.

    Args:
        path: The file; or a cell, as `cells.cell_uri` names it.
        offset: First byte.
        length: Number of bytes.

    Returns:
        Exactly `length` bytes.

    Raises:
        MissingInputError: The file cannot be read, or is shorter than offset + length.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the hottest open of all
            data = os.pread(file.fileno(), length, offset)
            while len(data) < length and (more := os.pread(file.fileno(), length - len(data), offset + len(data))):
                data += more
    except OSError as error:
        cell = read_cell(str(path))
        if cell is None:
            raise MissingInputError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
        data = cell[offset : offset + length]
    if len(data) < length:
        raise MissingInputError(
            f"ends at byte {offset + len(data)}, {offset + length} were expected",
            where=str(path),
            fix="The file changed after it was ingested; ingest it again.",
        )
    return data


def _reason_not_decoded(data: bytes, kind: str | None) -> str:
    if not data:
        return "empty file"
    if kind is not None:
        return f"format {kind} is not supported"
    if not data.strip(b"\x00"):
        return "no image: only zero bytes"
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = next((name for magic, name in _NO_IMAGE if head.startswith(magic)), "no known image format")
    return f"no image: {found}"


def _check_size(width: int, height: int, max_pixels: int, kind: str) -> None:
    if width * height > max_pixels:
        reason = f"too many pixels: {width} x {height} exceeds the limit of {max_pixels}"
        raise DecodeError(reason, format=kind, width=width, height=height)


def _decode_jpeg(
    data: bytes, min_size_px: int | None, max_pixels: int, grey: bool, remarks: list[str]
) -> Decoded | None:
    """The fast path; None where Pillow is to judge: CMYK, odd headers, complaints that leave the pixels in place."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a colour space that it has no name for
        return None
    _check_size(width, height, max_pixels, "jpeg")
    if colours not in ("YCbCr", "RGB", "Gray"):
        return None
    least = min_size_px or 0
    try:
        pixels = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB", min_height=least, min_width=least)
    except ValueError as error:
        reason = str(error).strip()
        if any(harm in reason for harm in _JPEG_HARM):
            if _jpeg_orientation(data) >= 5:
                width, height = height, width
            raise DecodeError(f"damaged jpeg: {reason}", format="jpeg", width=width, height=height) from None
        remarks.append(f"JPEG decoder says: {reason}")
        return None
    if grey:
        pixels = pixels[:, :, 0]
    return _upright(pixels, width, height, "jpeg", remarks, _jpeg_orientation(data), "libjpeg-turbo")


def _has_exif(jpeg: bytes) -> bool:
    """Whether a segment before the image data holds EXIF; searching all bytes for it takes longer."""
    at, end = 2, len(jpeg) - 10
    while at < end and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == _SCAN:
            return False
        if marker == _APP1 and jpeg.startswith(_EXIF, at + 4):
            return True
        if marker not in _SEGMENTS:
            break
        at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3])
    return jpeg.find(_EXIF, 0, 1 << 17) >= 0  # odd markers or bytes between segments, which decoders skip


def _jpeg_orientation(data: bytes) -> int:
    if not _has_exif(data):
        return 1
    with _quiet_pillow():
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                return _orientation(image)
        except Exception:  # the pixels are decoded already: a broken header costs the orientation only
            return 1


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # foreign EXIF breaks Pillow in many ways, and costs the orientation only
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _decode_pillow(
    data: bytes, kind: str, min_size_px: int | None, max_pixels: int, grey: bool, remarks: list[str]
) -> Decoded:
    known: dict[str, Any] = {"format": kind}
    if kind == "png" and data[12:16] == b"IHDR":  # Pillow does not tell the size of what it refuses to open
        _check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), max_pixels, kind)
    with _quiet_pillow():
        try:
            with Image.open(io.BytesIO(data), formats=[_PILLOW[kind]]) as image:
                width, height = image.size
                known |= {"width": width or None, "height": height or None}
                _check_size(width, height, max_pixels, kind)
                return _load(image, kind, min_size_px, grey, remarks)
        except DecodeError:
            raise
        except Image.DecompressionBombError:
            raise DecodeError(f"too many pixels: more than the limit of {max_pixels}", **known) from None
        except MemoryError:
            raise DecodeError("needs more memory than there is", **known) from None
        except UnidentifiedImageError:
            raise DecodeError(f"damaged {kind}: header cannot be read", **known) from None
        except Exception as error:  # decoders raise whatever foreign bytes lead them to
            raise DecodeError(f"damaged {kind}: {_first_line(error)}", **known) from None


def _load(image: Image.Image, kind: str, min_size_px: int | None, grey: bool, remarks: list[str]) -> Decoded:
    width, height = image.size
    remarks.extend(_remarks(image))
    if min_size_px and kind == "jpeg":
        short = min(width, height)
        image.draft("", (max(1, width * min_size_px // short), max(1, height * min_size_px // short)))
    image.load()
    if kind == "tiff":  # Pillow turns these upright by itself
        width, height = image.size
    turn = _orientation(image)
    flat = _opaque(image)
    factor = min(flat.size) // min_size_px if min_size_px else 1
    if factor > 1:
        flat = flat.reduce(factor)
    pixels = np.array(flat.convert("L") if grey else flat, dtype=np.uint8)
    return _upright(pixels, width, height, kind, remarks, turn, "pillow")


def _remarks(image: Image.Image) -> list[str]:
    found = []
    try:
        animated = bool(getattr(image, "is_animated", False))
    except Exception:  # a later frame is broken; the first one decides
        animated = True
    if animated:
        found.append("several frames, first one used")
    if image.mode == "CMYK":
        found.append("CMYK")
    elif image.mode.startswith("I") or image.mode == "F":
        found.append("more than 8 bits")
    elif _is_transparent(image):
        found.append("transparency, white laid under")
    return found


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in image.info


def _opaque(image: Image.Image) -> Image.Image:
    """An 8-bit RGB image, transparency laid over white."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if _is_transparent(image):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of greater depth as 0 … 255: by the range of their type, else by the range that they use."""
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    full = next((limit for limit in (1.0, 255.0, 65535.0) if top <= limit), top)
    if full == 1.0 and np.all(values == np.floor(values)):
        full = 255.0
    return (np.clip(values / full, 0.0, 1.0) * 255).astype(np.uint8)


def _upright(
    pixels: NDArray[np.uint8], width: int, height: int, kind: str, remarks: list[str], orientation: int, decoder: str
) -> Decoded:
    if orientation != 1:
        remarks.append(f"EXIF orientation {orientation} applied")
        if orientation >= 5:
            pixels = pixels.swapaxes(0, 1)
            width, height = height, width
        # What is left is a flip of columns (2, 3, 6, 7) and of rows (3, 4, 7, 8).
        columns = -1 if orientation in (2, 3, 6, 7) else 1
        rows = -1 if orientation in (3, 4, 7, 8) else 1
        pixels = np.ascontiguousarray(pixels[::rows, ::columns])
    if min(width, height) < _TINY_PX:
        remarks.append(f"tiny: {width} x {height} pixels")
    return Decoded(pixels, width, height, kind, "; ".join(remarks), decoder)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: Any = None


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """No warnings of Pillow while any thread is inside.

    warnings.catch_warnings restores the filters that it found, so that two threads that leave in the order they came
    would leave the filters of the first behind: only the first one in sets them and only the last one out restores.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_filters.__exit__(None, None, None)
