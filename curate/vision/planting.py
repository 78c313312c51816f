"""Copies of evaluation images, made on purpose: what dedup finds of them says what it would find of real ones.

Every kind of change has a strength from 0 (hardly visible) to 1 (the strongest that a person would still call a
copy). Colours, places and words are drawn from a seed. Strengths fall into ten bands; the even ones set thresholds
(half 'fit'), the odd ones measure (half 'report'), so that nothing is measured on what it was tuned on.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

HALVES = ("fit", "report")
_BANDS = 10

Rng = np.random.Generator


@dataclass(frozen=True)
class Plant:
    """One copy to be made.

    Attributes:
        image: Place of the eval image in the list that was sampled from.
        transform: One of TRANSFORMS.
        half: One of HALVES.
        strength: In [0, 1].
    """

    image: int
    transform: str
    half: str
    strength: float


def plan_plants(ids: Sequence[str], n_per_kind: int) -> list[Plant]:
    """Which copies to make of which images. Depends on the ids alone, not on their order.

    Args:
        ids: Of the images of one eval set.
        n_per_kind: Copies per transform and half; fewer where there are fewer images.

    Returns:
        Sorted by image, then transform.
    """
    halves: dict[str, list[int]] = {half: [] for half in HALVES}
    for place, identifier in enumerate(ids):
        halves[HALVES[_hash("half", identifier) % 2]].append(place)
    plants = []
    for band, half in enumerate(HALVES):
        for transform in TRANSFORMS:
            chosen = sorted(halves[half], key=lambda place: _hash(transform, ids[place]))[:n_per_kind]
            for turn, place in enumerate(chosen):
                within = _hash(transform, "strength", ids[place]) % 10_000 / 10_000
                # Bands take turns, so that few plants cover all strengths.
                strength = (2 * (turn % (_BANDS // 2)) + band + within) / _BANDS
                plants.append(Plant(place, transform, half, strength))
    return sorted(plants, key=lambda plant: (ids[plant.image], plant.transform))


def plant_copy(
    pixels: NDArray[np.uint8], transform: str, strength: float, seed: str, other: NDArray[np.uint8]
) -> bytes:
    """A changed copy of an image, as a file.

    Args:
        pixels: uint8 RGB, H × W × 3.
        transform: One of TRANSFORMS; 'identity' gives the same pixels.
        strength: In [0, 1].
        seed: Same seed, same copy.
        other: Another picture, for collages; uint8 RGB.

    Returns:
        JPEG bytes; PNG for 'identity'.
    """
    rng = np.random.default_rng(_hash(seed, transform))
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    if transform == "identity":
        image.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    if transform == "collage":
        changed = _collage(image, Image.fromarray(other), strength, rng)
    elif transform == "repost":
        changed = image
        for name in rng.choice(_REPOSTED, size=3, replace=False):
            changed = _CHANGES[name](changed, 0.5 * strength, rng)
    else:
        changed = _CHANGES[transform](image, strength, rng)
    quality = round(_between(92, 12, strength)) if transform == "recompressed" else int(rng.integers(70, 95))
    changed.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _hash(*words: str) -> int:
    return int.from_bytes(blake2b("\0".join(words).encode(), digest_size=8).digest(), "big")


def _between(weakest: float, strongest: float, strength: float) -> float:
    return weakest + (strongest - weakest) * strength


def _colour(rng: Rng) -> tuple[int, int, int]:
    """Often white or black, else any."""
    kind = rng.random()
    if kind < 0.3:
        return (255, 255, 255)
    if kind < 0.6:
        return (0, 0, 0)
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _resize(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Down to a quarter or up to double, sometimes squeezed a little."""
    scale = 2.0**strength if rng.random() < 0.3 else 0.25**strength
    squeeze = 1 + 0.2 * strength * rng.uniform(-1, 1)
    size = [
        max(8, round(side * scale * factor)) for side, factor in zip(image.size, (squeeze, 1 / squeeze), strict=True)
    ]
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    return image.resize((size[0], size[1]), filters[int(rng.integers(3))])


def _grayscale(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    grey = ImageOps.grayscale(image)
    return ImageEnhance.Contrast(grey).enhance(1 + 0.4 * strength * rng.uniform(-1, 1)).convert("RGB")


def _hflip(image: Image.Image, _strength: float, _rng: Rng) -> Image.Image:
    return ImageOps.mirror(image)


def _border(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """A frame, or bars on two sides."""
    width = _between(0.02, 0.3, strength) * min(image.size)
    sides = [(1, 1, 1, 1), (0, 1, 0, 1), (1, 0, 1, 0), (1, 1, 1, 2)][int(rng.integers(4))]
    left, top, right, bottom = (round(width * side) for side in sides)
    return ImageOps.expand(image, (left, top, right, bottom), _colour(rng))


def _color(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Brightness, contrast, saturation, hue and gamma, each up or down."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(float((1 + 0.7 * strength) ** rng.uniform(-1, 1)))
    gamma = (1 + 0.6 * strength) ** rng.uniform(-1, 1)
    image = image.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)
    shift = round(20 * strength * rng.uniform(-1, 1))
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _overlay(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Words, shapes or a faint mark over up to a quarter of the picture."""
    image = image.convert("RGBA")
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw, (width, height) = ImageDraw.Draw(layer), image.size
    opacity = int(rng.integers(110, 256))
    side = np.sqrt(_between(0.02, 0.25, strength))
    left, top = rng.uniform(0, 1 - side) * width, rng.uniform(0, 1 - side) * height
    box = (left, top, left + side * width, top + side * height)
    kind = int(rng.integers(4))
    if kind == 0:
        draw.rectangle(box, fill=(*_colour(rng), opacity))
    elif kind == 1:
        draw.ellipse(box, fill=(*_colour(rng), opacity), outline=(*_colour(rng), 255))
    else:
        words = "".join(chr(letter) for letter in rng.integers(97, 123, int(rng.integers(3, 12))))
        font = ImageFont.load_default(size=max(8.0, 0.5 * side * height))
        for line in range(1 if kind == 2 else 3):
            place = (left * 0.5, top + line * 0.3 * side * height)
            draw.text(place, words, fill=(*_colour(rng), opacity), font=font)
    return Image.alpha_composite(image, layer).convert("RGB")


def _screenshot(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """The picture on a page with bars, lines of text and buttons."""
    width, height = image.size
    share = np.sqrt(_between(0.85, 0.3, strength))
    page = (round(width / share * rng.uniform(1.0, 1.1)), round(height / share * rng.uniform(1.0, 1.2)))
    ground = (255, 255, 255) if rng.random() < 0.6 else (24, 24, 28)
    ink = tuple(255 - level for level in ground)
    canvas = Image.new("RGB", page, ground)
    draw = ImageDraw.Draw(canvas)
    left, top = round(rng.uniform(0, 1) * (page[0] - width)), round(rng.uniform(0.2, 0.8) * (page[1] - height))
    draw.rectangle((0, 0, page[0], max(4, top // 3)), fill=_colour(rng))
    font = ImageFont.load_default(size=max(8.0, 0.04 * page[1]))
    for y in (*range(max(4, top // 3) + 2, top, 24), *range(top + height + 4, page[1], 24)):
        words = "".join(chr(letter) for letter in rng.integers(97, 123, int(rng.integers(5, 40))))
        draw.text((0.03 * page[0], y), words, fill=ink, font=font)
    canvas.paste(image, (left, top))
    return canvas


def _blur(image: Image.Image, strength: float, _rng: Rng) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_between(0.002, 0.012, strength) * min(image.size)))


def _crop(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Keeps 95 down to 45 % of the area, anywhere, its proportions changed a little."""
    area, shape = _between(0.95, 0.45, strength), np.exp(0.15 * rng.uniform(-1, 1))
    width, height = (min(1.0, np.sqrt(area) * factor) for factor in (shape, 1 / shape))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    box = (left, top, left + width, top + height)
    across, down = image.size
    return image.crop(tuple(round(edge * side) for edge, side in zip(box, (across, down, across, down), strict=True)))


def _rotate(image: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """Turned by up to 20°, corners filled or cut away."""
    degrees = float(_between(1, 20, strength) * rng.choice([-1, 1]))
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_colour(rng))
    if rng.random() < 0.5:
        return turned
    width, height = image.size
    loss = np.sin(np.deg2rad(abs(degrees))) * max(width, height) / min(width, height)
    across, down = (max(8, round(side * (1 - 0.5 * min(1.0, loss)))) for side in (width, height))
    left, top = (turned.width - across) // 2, (turned.height - down) // 2
    return turned.crop((left, top, left + across, top + down))


def _collage(image: Image.Image, other: Image.Image, strength: float, rng: Rng) -> Image.Image:
    """One of 2, 4 or 6 tiles."""
    columns, rows = ((2, 1), (2, 2), (3, 2))[min(2, int(strength * 3))]
    side = max(48, round(1.2 * min(image.size) / max(columns, rows)))
    canvas = Image.new("RGB", (columns * side, rows * side), (255, 255, 255))
    own = int(rng.integers(columns * rows))
    for tile in range(columns * rows):
        shown = image if tile == own else (other, ImageOps.mirror(other), ImageOps.flip(other))[tile % 3]
        fitted = ImageOps.fit(shown, (side - 4, side - 4), Image.Resampling.BICUBIC)
        canvas.paste(fitted, ((tile % columns) * side + 2, (tile // columns) * side + 2))
    return canvas


_CHANGES: dict[str, Callable[[Image.Image, float, Rng], Image.Image]] = {
    "resize": _resize, "recompressed": lambda image, _strength, _rng: image, "grayscale": _grayscale, "hflip": _hflip,
    "border": _border, "color": _color, "overlay": _overlay, "screenshot": _screenshot, "blur": _blur, "crop": _crop,
    "rotate": _rotate,
}  # fmt: skip
_REPOSTED = ("resize", "grayscale", "hflip", "border", "color", "overlay", "blur", "crop")

TRANSFORMS = ("identity", *_CHANGES, "collage", "repost")
"""Kinds of copies; 'repost' is three changes of half strength, one after the other."""
