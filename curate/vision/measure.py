"""One look at the stored bytes of images: checksum, format, size, perceptual hash, and whether they decode."""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.vision.decode import DecodeError, decode
from curate.vision.phash import MIN_SIZE_PX, phash, shrink

_WAITING_PX = 1 << 24
"""Luma pixels that are held until they are hashed, at most; images of one shape are then hashed together."""

_Row = tuple[str | None, str | None, int | None, int | None, str | None, str | None]


class Measures:
    """Columns over images, filled one image at a time.

    Args:
        max_pixels: Largest width × height that is decoded.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._rows: list[_Row] = []
        self._hashes: list[int | None] = []
        self._greys: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
        self._n_waiting_px = 0

    def add(self, data: bytes) -> tuple[str | None, str]:
        """Measure one image.

        Args:
            data: The stored bytes.

        Returns:
            Its format by content, and what is odd about it (empty if nothing, or if it is damaged).
        """
        digest = sha256(data).hexdigest()
        try:
            decoded = decode(data, min_size_px=MIN_SIZE_PX, max_pixels=self._max_pixels, grey=True)
        except DecodeError as error:
            self._rows.append((digest, error.format, error.width, error.height, error.what, None))
            return error.format, ""
        grey, kind = decoded.pixels, decoded.format
        self._greys.setdefault(grey.shape, []).append((len(self._rows), grey))
        self._rows.append((digest, kind, decoded.width, decoded.height, None, decoded.decoder))
        self._n_waiting_px += grey.size
        if self._n_waiting_px > _WAITING_PX:
            self._hash()
        return kind, decoded.remark

    def add_unread(self, reason: str) -> None:
        """Note an image whose bytes could not be read."""
        self._rows.append((None, None, None, None, f"cannot be read: {reason}", None))

    def columns(self) -> dict[str, list[Any]]:
        """What was measured, in the order of the calls.

        sha256, format, width, height, phash, status, error; and decoder, what gave the pixels, as `Decoded.decoder`
        names it, None where nothing did.
        """
        self._hash()
        names = ("sha256", "format", "width", "height", "error", "decoder")
        columns = {name: [row[i] for row in self._rows] for i, name in enumerate(names)}
        status = ["ok" if error is None else "damaged" for error in columns["error"]]
        return {**columns, "phash": self._hashes, "status": status}

    def _hash(self) -> None:
        self._hashes += [None] * (len(self._rows) - len(self._hashes))
        if not self._greys:
            return
        groups = list(self._greys.values())
        small = np.concatenate([shrink(np.stack([grey for _, grey in group])) for group in groups])
        places = [place for group in groups for place, _ in group]
        for place, value in zip(places, phash(small).tolist(), strict=True):
            self._hashes[place] = value
        self._greys, self._n_waiting_px = {}, 0
