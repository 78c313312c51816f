"""What people do to a photograph before they post it again: the edits that keep its frame.

Every edit is a function (pixels, strength, rng) -> pixels: H x W x 3 uint8 RGB, strength 0 (barely seen) to 1 (the
strongest that a person would still call an obvious copy), rng a numpy Generator. None of this shares code with what
`curate` plants for itself.
"""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

Pixels = NDArray[np.uint8]
Rng = np.random.Generator

_CV_KERNELS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)
_PILLOW_KERNELS = (Image.Resampling.BOX, Image.Resampling.HAMMING, Image.Resampling.BICUBIC)


def fit(picture: Pixels, width: float, height: float, rng: Rng) -> Pixels:
    """Resample to a size in pixels, with whatever kernel a program may use."""
    size = (max(round(width), 8), max(round(height), 8))
    choice = int(rng.integers(len(_CV_KERNELS) + len(_PILLOW_KERNELS)))
    if choice < len(_CV_KERNELS):
        return _bytes(cv2.resize(picture, size, interpolation=_CV_KERNELS[choice]))
    return np.asarray(Image.fromarray(picture).resize(size, _PILLOW_KERNELS[choice - len(_CV_KERNELS)]))


def resize(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Factor 1 to 0.3 or 1 to 2, sides stretched against each other by up to 10 %."""
    factor = 1 - 0.7 * strength if rng.random() < 0.5 else 1 + strength
    stretch = float(rng.uniform(-0.05, 0.05)) if rng.random() < 0.5 else 0.0
    height, width = picture.shape[:2]
    return fit(picture, width * factor * (1 + stretch), height * factor * (1 - stretch), rng)


def jpeg(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Quality 90 to 15; half of them twice, the grid of blocks moved in between."""
    quality = round(90 - 75 * strength)
    if rng.random() < 0.5:
        picture = through(picture, "JPEG", quality=int(rng.integers(quality, 96)))
        dy, dx = rng.integers(0, 4, 2)
        picture = picture[dy:, dx:]
    return through(picture, "JPEG", quality=quality, subsampling=int(rng.choice([0, 2])))


def grayscale(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Grey by any formula, contrast up to a third more, a third of them toned."""
    x = picture.astype(np.float32)
    mixes = ((0.299, 0.587, 0.114), (1 / 3, 1 / 3, 1 / 3), (0.0, 1.0, 0.0), (0.6, 0.3, 0.1))
    grey = x @ np.array(mixes[int(rng.integers(len(mixes)))], np.float32)
    grey = (grey - 128) * (1 + 0.35 * strength * rng.uniform(-1, 1)) + 128
    tone = np.array([1.08, 0.98, 0.8] if rng.random() < 1 / 3 else [1, 1, 1], np.float32)
    return _bytes(grey[..., None] * tone)


def flip(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Mirrored left to right, and saved again at quality 92 to 60."""
    return through(picture[:, ::-1], "JPEG", quality=round(92 - 32 * strength))


def colour(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """One of four ways: sliders, a filter with a name, another white balance, other hues."""
    return _COLOURS[int(rng.integers(len(_COLOURS)))](picture, strength, rng)


def _sliders(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    image = Image.fromarray(picture)
    for slider, reach in ((ImageEnhance.Brightness, 0.4), (ImageEnhance.Contrast, 0.45), (ImageEnhance.Color, 0.8)):
        image = slider(image).enhance(1 + reach * strength * float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 1)))
    return np.asarray(ImageOps.autocontrast(image, cutoff=1) if rng.random() < 0.25 else image)


def _filter(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Faded blacks, a tint for shadows and one for lights, dark corners: what photo applications sell."""
    x = picture.astype(np.float32) / 255
    light = x.mean(-1, keepdims=True)
    shadows, lights = rng.uniform(0, 0.35, 3).astype(np.float32), rng.uniform(0.75, 1, 3).astype(np.float32)
    toned = x ** float(rng.uniform(0.75, 1.35)) * (1 - 0.5 * shadows) + 0.5 * shadows * (1 - light)
    toned *= 1 - (1 - lights) * light
    height, width = picture.shape[:2]
    y, z = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    toned *= (1 - float(rng.uniform(0, 0.5)) * np.clip(np.hypot(y, z) - 0.4, 0, 1) ** 2)[..., None].astype(np.float32)
    return _bytes(255 * (x + (toned - x) * (0.3 + 0.7 * strength)))


def _white_balance(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    warm = 0.28 * strength * float(rng.choice([-1, 1]))
    gamma = float(np.exp(0.45 * strength * rng.uniform(-1, 1)))
    x = (picture.astype(np.float32) / 255) ** gamma
    return _bytes(255 * x * np.array([1 + warm, 1, 1 - warm], np.float32))


def _hues(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    turn = round(25 * strength) * int(rng.choice([-1, 1]))  # of 180
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + turn) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


_COLOURS = (_sliders, _filter, _white_balance, _hues)


def blur(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Spread 0.5 to 2.5 px where the longer side has 300: Gaussian, out of focus, or moved; some sharpened again."""
    sigma = (0.5 + 2 * strength) * max(picture.shape[:2]) / 300
    kind = rng.random()
    if kind < 0.6:
        soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    elif kind < 0.8:
        soft = cv2.filter2D(picture, -1, _disk(2 * sigma))
    else:
        soft = cv2.filter2D(picture, -1, _streak(3.46 * sigma, float(rng.uniform(0, np.pi))))
    if rng.random() < 0.2:
        soft = cv2.addWeighted(soft, 1.6, cv2.GaussianBlur(soft, (0, 0), 2 * sigma), -0.6, 0)
    return _bytes(soft)


def _disk(radius: float) -> NDArray[np.float32]:
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)
    return kernel / kernel.sum()


def _streak(length: float, angle: float) -> NDArray[np.float32]:
    reach = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = (np.clip(length / 2 + 0.5 - abs(along), 0, 1) * np.clip(1 - abs(across), 0, 1)).astype(np.float32)
    return kernel / kernel.sum()


def crop(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """97 to 60 % of the area left, in any place and of another shape; half of them scaled up again."""
    height, width = picture.shape[:2]
    area = 0.97 - 0.37 * strength
    shape = float(np.exp(rng.uniform(np.log(area), -np.log(area)) / 2))
    w, h = width * min(np.sqrt(area) * shape, 1), height * min(np.sqrt(area) / shape, 1)
    w, h = min(max(w, area * width * height / h), width), min(max(h, area * width * height / w), height)
    left, top = round(rng.uniform(0, width - w)), round(rng.uniform(0, height - h))
    part = picture[top : top + round(h), left : left + round(w)]
    if rng.random() < 0.5:
        grow = max(width, height) / max(part.shape[:2])
        part = fit(part, part.shape[1] * grow, part.shape[0] * grow, rng)
    return part


def rotate(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """1 to 10 degrees: straight corners cut, or filled, or the whole laid on a larger canvas."""
    angle = (1 + 9 * strength) * float(rng.choice([-1, 1]))
    height, width = picture.shape[:2]
    how = rng.integers(3)
    if how == 0:
        turned = Image.fromarray(picture).rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=_plain(rng))
        return np.asarray(turned)
    fills = (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE)
    zoom = _zoom(width, height, angle) if how == 1 else 1.0
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, zoom)
    fill: dict[str, Any] = {"borderMode": fills[int(rng.integers(3))], "borderValue": _plain(rng)}
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, **fill))


def _zoom(width: int, height: int, angle: float) -> float:
    """By how much a turned picture must grow to leave no empty corner."""
    s, c = abs(np.sin(np.radians(angle))), abs(np.cos(np.radians(angle)))
    return float(c + s * max(width / height, height / width))


def _plain(rng: Rng) -> tuple[int, int, int]:
    level = int(rng.choice([0, 255, 255, 128]))
    return level, level, level


def through(picture: Pixels, kind: str, **options: Any) -> Pixels:
    """The picture after a round trip through a file format."""
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, kind, **options)
        return np.asarray(Image.open(file).convert("RGB"))


def _bytes(x: Any) -> Pixels:
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
