"""What people do to pictures before they post them again, at random strengths. All images are uint8 H × W × 3."""

from collections.abc import Callable

import cv2
import numpy as np
from scenes import word
from textures import Image, Rng

Draw = Callable[[], Image]
"""Gives another picture, to lie beside or over the copied one."""


def squeeze(image: Image, side: int) -> Image:
    """The whole image as a square."""
    kind = cv2.INTER_AREA if image.shape[0] * image.shape[1] > side * side else cv2.INTER_LINEAR
    return cv2.resize(image, (side, side), interpolation=kind)


def _clip(values: np.ndarray) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


def crop(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    area, shape = rng.uniform(0.3, 0.95), np.exp(rng.normal(0, 0.15))
    high, wide = (np.clip(np.sqrt(area) * s, 0.3, 1) for s in (shape, 1 / shape))
    height, width = int(image.shape[0] * high), int(image.shape[1] * wide)
    top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def rotate(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    height, width = image.shape[:2]
    zoom = rng.choice([1.0, rng.uniform(0.8, 1.35)])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-20, 20), zoom)
    border = int(rng.choice([cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT, cv2.BORDER_REPLICATE], p=(0.7, 0.15, 0.15)))
    fill = (int(rng.choice([0, 255, rng.integers(256)])),) * 3
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill)


def mirror(rng: Rng, image: Image, draw: Draw) -> Image:
    del rng, draw
    return np.ascontiguousarray(image[:, ::-1])


def compress(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(5, 60))))
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def shrink(rng: Rng, image: Image, draw: Draw) -> Image:
    """Small and large again, or of other proportions."""
    del draw
    height, width = image.shape[:2]
    if rng.random() < 0.35:
        return cv2.resize(image, (int(width * np.exp(rng.normal(0, 0.25))) + 1, height))
    factor = rng.uniform(0.2, 0.7)
    small = cv2.resize(image, (int(width * factor) + 1, int(height * factor) + 1), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR])))


def blur(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 3.5))


def recolour(rng: Rng, image: Image, draw: Draw) -> Image:
    """Brightness, contrast, saturation, hue, cast and gamma."""
    del draw
    found = image.astype(np.float32)
    grey = found.mean(-1, keepdims=True)
    found = grey + (found - grey) * rng.uniform(0.2, 1.9)
    found = (found - 128) * rng.uniform(0.55, 1.6) + 128 + rng.uniform(-45, 45)
    found *= rng.uniform(0.8, 1.2, 3).astype(np.float32)
    found = _clip(255 * (np.clip(found, 0, 255) / 255) ** np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.3:
        hsv = cv2.cvtColor(found, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + int(rng.integers(-14, 15))) % 180
        found = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return found


def grey(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    tone = np.array([1, 1, 1]) if rng.random() < 0.7 else np.array([1.1, 0.95, 0.75]) * rng.uniform(0.9, 1.1, 3)
    return _clip((light - 128) * rng.uniform(0.8, 1.3) + 128 * tone)


def grain(rng: Rng, image: Image, draw: Draw) -> Image:
    del draw
    return _clip(image + rng.normal(0, rng.uniform(4, 22), image.shape).astype(np.float32))


def border(rng: Rng, image: Image, draw: Draw) -> Image:
    """A frame: plain, a blurred copy of the picture, or bars on two sides."""
    height, width = image.shape[:2]
    sides = rng.uniform(0.02, 0.22) * np.array([height, height, width, width]) * rng.uniform(0.7, 1.3, 4)
    kind = rng.random()
    sides[2:] *= kind > 0.25
    sides[:2] *= not 0.25 < kind < 0.4
    top, bottom, left, right = sides.astype(int).tolist()
    shape = (height + top + bottom, width + left + right, 3)
    if rng.random() < 0.8:
        frame = np.full(shape, 0, np.uint8) + rng.choice([0, 255, -1])
        frame = rng.integers(0, 256, 3) + np.zeros(shape) if frame[0, 0, 0] not in (0, 255) else frame
    else:
        frame = cv2.GaussianBlur(cv2.resize(draw() if rng.random() < 0.4 else image, shape[1::-1]), (0, 0), 6)
    frame = frame.astype(np.uint8)
    frame[top : top + height, left : left + width] = image
    return frame


def screenshot(rng: Rng, image: Image, draw: Draw) -> Image:
    """The picture within a page or an app: bars, lines of text, buttons, perhaps other pictures."""
    height, width = image.shape[:2]
    high, wide = int(height * rng.uniform(1.15, 2.0)), int(width * rng.uniform(1.0, 1.35))
    dark = rng.random() < 0.4
    back, ink = (rng.integers(0, 50), 220) if dark else (rng.integers(215, 256), 40)
    page = np.full((high, wide, 3), back, np.uint8)
    top, left = int(rng.integers(0, high - height + 1)), int(rng.integers(0, wide - width + 1))
    bar = int(high * rng.uniform(0.04, 0.1))
    page[:bar] = rng.integers(0, 256, 3) if rng.random() < 0.5 else back
    page[-bar:] = rng.integers(0, 256, 3) if rng.random() < 0.3 else back
    for y in range(bar, high, int(rng.integers(9, 20))):
        if rng.random() < 0.6:
            line = " ".join(word(rng) for _ in range(int(rng.integers(1, 5))))
            at, scale = (int(rng.integers(2, 20)), y), rng.uniform(0.2, 0.45)
            cv2.putText(page, line, at, 0, scale, (ink,) * 3, 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 6))):
        at, radius = (int(rng.integers(wide)), int(rng.integers(high))), int(rng.integers(3, 10))
        cv2.circle(page, at, radius, rng.integers(0, 256, 3).tolist(), -1, cv2.LINE_AA)
    if rng.random() < 0.25 and top > 30:
        page[bar : top - 4] = cv2.resize(draw(), (wide, top - 4 - bar)) if top - 4 > bar else back
    page[top : top + height, left : left + width] = image
    return page


def write(rng: Rng, image: Image, draw: Draw) -> Image:
    """Words over the picture, with an outline, a bar behind them, or above and below as in a meme."""
    del draw
    found = image.copy()
    height, width = found.shape[:2]
    ink = rng.choice([np.zeros(3), np.full(3, 255), rng.integers(0, 256, 3)]).tolist()
    for _ in range(int(rng.integers(1, 4))):
        scale, thick = rng.uniform(0.35, 1.3), int(rng.integers(1, 4))
        line = " ".join(word(rng) for _ in range(int(rng.integers(1, 4))))
        x, y = int(rng.uniform(-0.1, 0.5) * width), int(rng.uniform(0.1, 1) * height)
        if rng.random() < 0.25:
            half = int(16 * scale)
            found[max(0, y - 2 * half) : y + half] = 255 - np.array(ink, np.uint8)
        elif rng.random() < 0.5:
            cv2.putText(found, line, (x, y), 2, scale, [255 - c for c in ink], thick + 2, cv2.LINE_AA)
        cv2.putText(found, line, (x, y), 2, scale, ink, thick, cv2.LINE_AA)
    return found


def stickers(rng: Rng, image: Image, draw: Draw) -> Image:
    """Faces, marks and small pictures laid over it, some half-transparent."""
    found = image.copy()
    height, width = found.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        layer, radius = found.copy(), int(min(height, width) * rng.uniform(0.03, 0.16))
        at, tone = (int(rng.integers(width)), int(rng.integers(height))), rng.integers(0, 256, 3).tolist()
        kind = rng.random()
        if kind < 0.45:
            cv2.circle(layer, at, radius, tone, -1, cv2.LINE_AA)
            for side in (-1, 1):
                eye = (at[0] + side * radius // 3, at[1] - radius // 4)
                cv2.circle(layer, eye, max(1, radius // 6), (20, 20, 20), -1, cv2.LINE_AA)
            cv2.ellipse(layer, at, (radius // 2 + 1, radius // 2 + 1), 0, 20, 160, (20, 20, 20), 1, cv2.LINE_AA)
        elif kind < 0.75:
            corners = rng.normal(0, radius, (int(rng.integers(3, 8)), 2)) + at
            cv2.fillPoly(layer, [corners.astype(np.int32)], tone, cv2.LINE_AA)
        else:
            y, x = max(0, at[1] - radius), max(0, at[0] - radius)
            spot = layer[y : y + 2 * radius, x : x + 2 * radius]
            spot[:] = cv2.resize(draw(), spot.shape[1::-1])
        share = rng.choice([1.0, rng.uniform(0.3, 0.8)])
        found = cv2.addWeighted(layer, share, found, 1 - share, 0)
    return found


TRANSFORMS: dict[Callable[[Rng, Image, Draw], Image], float] = {
    crop: 0.22, rotate: 0.1, mirror: 0.06, compress: 0.06, shrink: 0.06, blur: 0.06, recolour: 0.11, grey: 0.05,
    grain: 0.03, border: 0.08, screenshot: 0.08, write: 0.05, stickers: 0.04,
}  # fmt: skip
"""Every transform with the share of draws that it gets."""


def copy(rng: Rng, image: Image, draw: Draw, most: int = 3) -> Image:
    """A copy after one to `most` different transforms, stored as JPEG."""
    count = 1 + int(rng.random() < 0.55) + int(rng.random() < 0.3)
    makers = rng.choice(len(TRANSFORMS), min(count, most), replace=False, p=list(TRANSFORMS.values()))
    found = image
    for maker in makers:
        found = list(TRANSFORMS)[maker](rng, found, draw)
    if rng.random() < 0.35:
        _, data = cv2.imencode(".jpg", found, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))))
        found = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return found


def join(rng: Rng, images: list[Image], side: int) -> Image:
    """Two to four images in one: a grid, a strip, an inset, or a blend (two images only).

    Args:
        rng: Random numbers.
        images: Two, three or four images.
        side: Pixels of the square that comes out.
    """
    if len(images) == 2 and rng.random() < 0.5:
        under, over = (squeeze(image, side) for image in images)
        if rng.random() < 0.4:
            share = rng.uniform(0.35, 0.65)
            return cv2.addWeighted(under, share, over, 1 - share, 0)
        size = int(side * rng.uniform(0.4, 0.65))
        top, left = rng.integers(0, side - size + 1, 2)
        under[top : top + size, left : left + size] = squeeze(images[1], size)
        return under
    gap = int(rng.choice([0, 0, 1, 2]))
    page = np.full((side, side, 3), rng.choice([0, 255]), np.uint8)
    cut_y, cut_x = (int(side * c) for c in np.clip(rng.normal(0.5, 0.04, 2), 0.3, 0.7))
    if len(images) == 4:
        boxes = [(0, cut_y, 0, cut_x), (0, cut_y, cut_x, side), (cut_y, side, 0, cut_x), (cut_y, side, cut_x, side)]
    elif len(images) == 3:
        boxes = [(0, side, 0, cut_x), (0, cut_y, cut_x, side), (cut_y, side, cut_x, side)]
    else:
        boxes = [(0, side, 0, cut_x), (0, side, cut_x, side)]
    turned = rng.random() < 0.5
    for image, (top, bottom, left, right) in zip(images, boxes, strict=True):
        y, x = ((left, right), (top, bottom)) if turned else ((top, bottom), (left, right))
        spot = page[y[0] + gap : y[1] - gap, x[0] + gap : x[1] - gap]
        spot[:] = cv2.resize(image, spot.shape[1::-1], interpolation=cv2.INTER_AREA)
    return page
