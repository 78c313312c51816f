"""Augmentation as pure functions: pixels and uniform numbers in, pixels out."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Uniform = npt.NDArray[np.float64]

_GREY = np.array((124, 116, 104), dtype=np.uint8)  # what a shift uncovers: 0 after normalisation


def flip(pixels: Pixels, flipped_B: npt.NDArray[np.bool_]) -> Pixels:
    """Mirror some images left to right.

    Args:
        pixels: (B, S, S, 3) uint8.
        flipped_B: (B,) which ones.
    """
    return np.where(flipped_B[:, None, None, None], pixels[:, :, ::-1], pixels)


def shift(pixels: Pixels, x_B: Uniform, y_B: Uniform) -> Pixels:
    """Move each image by up to 1/8 of its side; what is uncovered is grey (He et al. 2016: 4 of 32 pixels).

    Args:
        pixels: (B, S, S, 3) uint8.
        x_B: (B,) in [0, 1): 0 moves to the right by S // 8, nearly 1 to the left.
        y_B: (B,) in [0, 1): the same, down and up.
    """
    n, size = pixels.shape[:2]
    margin = size // 8
    padded = np.empty((n, size + 2 * margin, size + 2 * margin, 3), dtype=np.uint8)
    padded[:] = _GREY
    padded[:, margin : margin + size, margin : margin + size] = pixels
    lefts, tops = ((draws * (2 * margin + 1)).astype(int).tolist() for draws in (x_B, y_B))
    moved = [
        padded[i, top : top + size, left : left + size] for i, (left, top) in enumerate(zip(lefts, tops, strict=True))
    ]
    return np.stack(moved)


def crop_box(
    width: int, height: int, area: float, aspect: float, x: float, y: float
) -> tuple[float, float, float, float]:
    """A random area of an image, as Inception crops it (Szegedy et al. 2015).

    Args:
        width: Of the image, in pixels.
        height: Likewise.
        area: In [0, 1): the crop covers 25 to 100 % of the image.
        aspect: In [0, 1): width to height of the crop, log-uniform from 3/4 to 4/3.
        x: In [0, 1): place from left to right.
        y: In [0, 1): place from top to bottom.

    Returns:
        Left, top, right, bottom in pixels, inside the image. A crop that would not fit is cut to it.
    """
    ratio = (3 / 4) * (16 / 9) ** aspect
    pixels = (0.25 + 0.75 * area) * width * height
    w, h = min(float(width), (pixels * ratio) ** 0.5), min(float(height), (pixels / ratio) ** 0.5)
    left, top = x * (width - w), y * (height - h)
    return left, top, min(left + w, float(width)), min(top + h, float(height))
