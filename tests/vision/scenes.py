"""Made-up pictures with structure at all sizes, and ways to change them. Fixed by their seeds."""

import cv2
import numpy as np


def scene(seed, height=210, width=280):
    """Uint8 RGB: coloured clouds of several sizes with discs, boxes and strokes over them."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for size in (4, 12, 40):
        coarse = rng.normal(0, 1, (height // size + 2, width // size + 2, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * (6 + size * 0.7)
    picture = np.clip(picture + rng.uniform(90, 160, 3), 0, 255).astype(np.uint8)
    for _ in range(25):
        colour = tuple(int(x) for x in rng.integers(0, 256, 3))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        radius = int(rng.integers(4, 26))
        match int(rng.integers(3)):
            case 0:
                cv2.circle(picture, (x, y), radius, colour, -1, cv2.LINE_AA)
            case 1:
                cv2.rectangle(picture, (x, y), (x + radius, y + int(rng.integers(4, 30))), colour, -1)
            case _:
                end = int(rng.integers(width)), int(rng.integers(height))
                cv2.line(picture, (x, y), end, colour, int(rng.integers(1, 4)), cv2.LINE_AA)
    return picture


def jpeg(pixels, quality=85):
    data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def resized(pixels, across, down):
    return cv2.resize(pixels, (across, down), interpolation=cv2.INTER_AREA)


def turned(pixels, degrees):
    """Counter-clockwise, of the same size; corners are black."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(pixels, matrix, (width, height))


def framed(pixels, width_px, colour):
    return cv2.copyMakeBorder(pixels, *[width_px] * 4, cv2.BORDER_CONSTANT, value=colour)


def on_a_page(pixels, seed=0):
    """As shown by an app: a bar, the picture, lines of text."""
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    page = np.full((height + 130, width + 20, 3), 250, np.uint8)
    page[:30] = (40, 80, 160)
    cv2.putText(page, "Holiday", (10, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    page[40 : 40 + height, 10 : 10 + width] = pixels
    for y in range(height + 60, height + 125, 18):
        words = "".join(chr(c) for c in rng.integers(97, 123, 18))
        cv2.putText(page, words, (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1)
    return page


def with_words(pixels):
    words = pixels.copy()
    cv2.putText(words, "wow such fun", (15, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 5)
    cv2.putText(words, "wow such fun", (15, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 2)
    return words


def watermarked(pixels):
    """Writing all across, as agencies sell pictures."""
    marked = pixels.copy()
    for y in range(20, pixels.shape[0] + 20, 42):
        cv2.putText(marked, "SAMPLE  SAMPLE  SAMPLE", (-20 + y % 50, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (250,) * 3, 2)
    return cv2.addWeighted(marked, 0.75, pixels, 0.25, 0)


def tiled(*pixels, side=150):
    """Four pictures, two by two."""
    a, b, c, d = (resized(p, side, side) for p in pixels)
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])
