"""Pictures for the page: decoded within limits and encoded anew, never the bytes of the web."""

import threading
from html import escape
from typing import NamedTuple

from curate.errors import InputError
from curate.review.pairs import Place, small_jpeg

SIZES_PX = {"small": 360, "large": 1100}
"""Longest side by name of the size: in the grid, sharp on better screens too, and enlarged."""

_N_KEPT = 400


class Picture(NamedTuple):
    """What is sent for an image."""

    data: bytes
    media_type: str


class Pictures:
    """Pictures by image and size, the last few kept. At most two are decoded at once, as a large one takes memory."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Place, str], Picture] = {}
        self._decoding = threading.BoundedSemaphore(2)
        self._lock = threading.Lock()

    def get(self, place: Place, size: str) -> Picture:
        """The picture of an image; where there is none, one that says why.

        Args:
            place: The image.
            size: A name of SIZES_PX.
        """
        with self._lock:
            kept = self._kept.pop((place, size), None)
        if kept is None:
            with self._decoding:
                kept = _picture(place, SIZES_PX[size])
        with self._lock:
            self._kept[place, size] = kept
            while len(self._kept) > _N_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept


def _picture(place: Place, size_px: int) -> Picture:
    try:
        return Picture(small_jpeg(place, size_px)[0], "image/jpeg")
    except InputError as error:
        said = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="360" viewBox="0 0 360 360">'
            '<rect width="360" height="360" fill="#f5f7f9"/><g font-family="sans-serif" text-anchor="middle" '
            'fill="#57606a"><text x="180" y="170" font-size="22">no picture</text>'
            f'<text x="180" y="200" font-size="14">{escape(error.what[:48])}</text></g></svg>'
        )
        return Picture(said.encode(), "image/svg+xml")
