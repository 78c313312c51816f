"""One look at the stored bytes of images: checksum, format, size, perceptual hash, and whether they decode."""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.decode import DecodeError, decode
from curate.vision.phash import MIN_SIZE_PX, phash, shrink

_HASHED_AT_ONCE = 2048


class Measures:
    """Columns over images, filled one image at a time; of the pixels only 32 × 32 luma is kept.

    Args:
        max_pixels: Largest width × height that is decoded.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._rows: list[tuple[Any, ...]] = []
        self._hashes: list[int | None] = []
        self._greys: list[NDArray[np.uint8]] = []
        self._unhashed: list[int] = []

    def add(self, data: bytes) -> tuple[str | None, str]:
        """Measure one image.

        Args:
            data: The stored bytes.

        Returns:
            Its format by content, and what is odd about it (empty if nothing, or if it is damaged).
        """
        try:
            decoded = decode(data, min_size_px=MIN_SIZE_PX, max_pixels=self._max_pixels, grey=True)
        except DecodeError as error:
            self._append(sha256(data).hexdigest(), error.format, error.width, error.height, error.what)
            return error.format, ""
        self._unhashed.append(len(self._hashes))
        self._greys.append(shrink(decoded.pixels))
        self._append(sha256(data).hexdigest(), decoded.format, decoded.width, decoded.height, None)
        if len(self._greys) == _HASHED_AT_ONCE:
            self._hash()
        return decoded.format, decoded.remark

    def add_unread(self, reason: str) -> None:
        """Note an image whose bytes could not be read."""
        self._append(None, None, None, None, f"cannot be read: {reason}")

    def columns(self) -> dict[str, list[Any]]:
        """What was measured, in the order of the calls: sha256, format, width, height, phash, status, error."""
        self._hash()
        names = ("sha256", "format", "width", "height", "error")
        columns = {name: [row[i] for row in self._rows] for i, name in enumerate(names)}
        status = ["ok" if error is None else "damaged" for error in columns["error"]]
        return {**columns, "phash": self._hashes, "status": status}

    def _append(self, digest: str | None, kind: str | None, width: int | None, height: int | None, error: Any) -> None:
        self._rows.append((digest, kind, width, height, error))
        self._hashes.append(None)

    def _hash(self) -> None:
        if self._greys:
            for index, value in zip(self._unhashed, phash(np.stack(self._greys)).tolist(), strict=True):
                self._hashes[index] = value
            self._greys, self._unhashed = [], []
