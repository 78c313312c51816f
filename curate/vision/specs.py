"""Encoders as they are named on the command line, and the digests that pin them."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from curate.errors import MissingInputError, ParameterError, nearest

KINDS = ("builtin", "file", "open_clip", "sscd", "timm", "torchvision", "vectors")


def split_spec(spec: str) -> tuple[str, str]:
    """'kind:rest' in two; `rest` is '' for the built-in one.

    Raises:
        MissingInputError: There is no such kind of encoder.
    """
    kind, colon, rest = spec.partition(":")
    if kind not in KINDS or (kind == "builtin") == bool(colon) or bool(colon) != bool(rest):
        known = [kind if kind == "builtin" else f"{kind}:…" for kind in KINDS]
        raise MissingInputError(f"no encoder '{spec}'", fix=nearest(spec, known))
    return kind, rest


def split_pin(rest: str) -> tuple[str, str]:
    """'NAME@sha256:HEX' as name and hex digest; the digest is '' where there is none.

    Raises:
        ParameterError: What follows '@sha256:' is no SHA-256.
    """
    name, at, pin = rest.partition("@sha256:")
    if at and (len(pin) != 64 or set(pin.lower()) - set("0123456789abcdef")):
        raise ParameterError(f"'{pin}' is no SHA-256", where=f"encoder {rest}", fix="Give all 64 hex digits.")
    return name, pin.lower()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hex.

    Raises:
        MissingInputError: There is no such file.
    """
    try:
        stat = path.stat()
        return _file_sha256(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise MissingInputError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


@cache
def _file_sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
