"""What people put around, on and beside a photograph: frames, overlays, screenshots, collages.

The signature is that of leaks_edits: (pixels, strength, rng) -> pixels; a collage takes a list of pictures.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.real.leaks_edits import Pixels, Rng, fit

_WORDS = (
    "when monday hits",
    "SALE -50%",
    "no filter needed",
    "me: i am fine",
    "throwback",
    "LOVE THIS",
    "via @somebody",
    "so true",
    "photo: k. lind",
    "wait for it...",
    "Nobody:",
    "breaking news",
    "tag a friend",
    "2014",
)
_INKS = ((255, 255, 255), (0, 0, 0), (255, 221, 0), (230, 30, 60), (20, 120, 240))
_HERSHEY = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


def border(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """A margin of 2 to 25 % of the longer side: frame, bars, instant picture, card with shadow, blurred filling."""
    height, width = picture.shape[:2]
    size = round((0.02 + 0.23 * strength) * max(height, width))
    style = rng.integers(5)
    if style == 0:
        return _padded(picture, size, size, size, _ink(rng))
    if style == 1:
        sideways = rng.random() < 0.3
        return _padded(picture, *((0, 0, size) if sideways else (size, size, 0)), _ink(rng))
    if style == 2:
        return _padded(picture, max(size // 3, 2), size, max(size // 3, 2), (250, 248, 240))
    canvas = (width + 2 * size, height + 2 * size)
    if style == 3:
        return _card(picture, canvas, rng)
    back = Image.fromarray(picture).resize(canvas).filter(ImageFilter.GaussianBlur(0.06 * max(canvas)))
    back.paste(Image.fromarray(picture), (size, size))
    return np.asarray(back)


def _padded(picture: Pixels, top: int, bottom: int, side: int, ink: tuple[int, int, int]) -> Pixels:
    return np.asarray(cv2.copyMakeBorder(picture, top, bottom, side, side, cv2.BORDER_CONSTANT, value=ink))


def _card(picture: Pixels, canvas: tuple[int, int], rng: Rng) -> Pixels:
    """Round corners over a shadow on a plain or shaded ground."""
    image = Image.fromarray(picture)
    left, top = (canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2
    shape = Image.new("L", image.size)
    radius = round(float(rng.uniform(0.03, 0.12)) * min(image.size))
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, image.width - 1, image.height - 1), radius, fill=255)
    tints = np.linspace(rng.uniform(120, 255, 3), rng.uniform(120, 255, 3), canvas[1])
    ground = Image.fromarray(np.repeat(tints[:, None].astype(np.uint8), canvas[0], 1))
    shade = Image.new("L", canvas)
    shade.paste(shape.point(lambda v: v // 2), (left + 3, top + 4))
    ground.paste((0, 0, 0), (0, 0), shade.filter(ImageFilter.GaussianBlur(4)))
    ground.paste(image, (left, top), shape)
    return np.asarray(ground)


def overlay(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Words, stickers, a banner with a logo or a watermark; their boxes cover 3 to 25 % of the picture."""
    share = 0.03 + 0.22 * strength
    style = rng.integers(5)
    out = Image.fromarray(picture)
    if style == 0:
        _meme(out, share, rng)
    elif style == 1:
        _stickers(out, share, rng)
    elif style == 2:
        _banner(out, share, rng)
    elif style == 3:
        return _hershey(picture, share, rng)
    else:
        out = _marks(out, share, rng)
    return np.asarray(out)


def _meme(image: Image.Image, share: float, rng: Rng) -> None:
    """Words with an outline at the top and the bottom, wide as the picture."""
    draw = ImageDraw.Draw(image)
    band = share * image.height / 2
    for top in (0.02 * image.height, 0.98 * image.height - band):
        font = ImageFont.load_default(max(band * 0.8, 7))
        draw.text(
            (image.width / 2, top), _phrase(rng, image.width / band), font=font, fill="white", anchor="ma",
            stroke_width=max(round(band / 12), 1), stroke_fill="black",
        )  # fmt: skip


def _stickers(image: Image.Image, share: float, rng: Rng) -> None:
    """Faces, hearts and stars of any size until they cover the share."""
    draw, left = ImageDraw.Draw(image), share * image.width * image.height
    while left > 16:
        r = min(np.sqrt(left) / 2, float(rng.uniform(0.05, 0.2)) * min(image.size))
        x, y = rng.uniform(r, image.width - r), rng.uniform(r, image.height - r)
        (_face, _heart, _star)[int(rng.integers(3))](draw, x, y, r)
        left -= max(4 * r * r, 16)


def _face(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 205, 50), outline=(170, 120, 20))
    for side in (-0.35, 0.35):
        draw.ellipse((x + (side - 0.1) * r, y - 0.4 * r, x + (side + 0.1) * r, y - 0.1 * r), fill=(60, 40, 10))
    draw.chord((x - 0.55 * r, y - 0.3 * r, x + 0.55 * r, y + 0.65 * r), 10, 170, fill=(120, 30, 30))


def _heart(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    for side in (-0.5, 0.5):
        draw.ellipse((x + (side - 0.5) * r, y - 0.9 * r, x + (side + 0.5) * r, y + 0.1 * r), fill=(225, 35, 60))
    draw.polygon([(x - 0.94 * r, y - 0.2 * r), (x + 0.94 * r, y - 0.2 * r), (x, y + r)], fill=(225, 35, 60))


def _star(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    angles, reach = np.arange(10) * np.pi / 5 - np.pi / 2, np.where(np.arange(10) % 2, 0.42 * r, r)
    tips = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)
    draw.polygon([tuple(tip) for tip in tips.tolist()], fill=(90, 200, 250), outline="white")


def _banner(image: Image.Image, share: float, rng: Rng) -> None:
    """A bar of one colour with words, as news pictures and shops have it, and a round logo."""
    draw, band = ImageDraw.Draw(image), 0.85 * share * image.height
    top = 0.0 if rng.random() < 0.3 else image.height - band * float(rng.uniform(1, 1.5))
    back, ink = _INKS[int(rng.integers(1, 5))], (255, 255, 255)
    draw.rectangle((0, top, image.width, top + band), fill=back)
    font = ImageFont.load_default(max(0.7 * band, 7))
    draw.text((0.03 * image.width, top + band / 2), _phrase(rng, image.width / band), font=font, fill=ink, anchor="lm")
    r = np.sqrt(0.15 * share * image.width * image.height) / 2
    draw.ellipse((image.width - 2.5 * r, 0.5 * r, image.width - 0.5 * r, 2.5 * r), fill=back, outline=ink, width=2)


def _hershey(picture: Pixels, share: float, rng: Rng) -> Pixels:
    """Lines of stroked letters in any place."""
    out, (height, width) = picture.copy(), picture.shape[:2]
    left, line = share * width * height, float(rng.uniform(0.06, 0.16)) * height
    while left > 0:
        words, face = _phrase(rng, width / line), _HERSHEY[int(rng.integers(len(_HERSHEY)))]
        (w, h), _ = cv2.getTextSize(words, face, 1.0, 1)
        scale = min(line / h, 0.95 * width / w, float(np.sqrt(left / (w * h))) + 0.2)
        at = (int(rng.uniform(0, max(width - w * scale, 1))), int(rng.uniform(h * scale, height)))
        thick = max(round(scale * 2), 1)
        cv2.putText(out, words, at, face, scale, (0, 0, 0), thick + 2, cv2.LINE_AA)
        cv2.putText(out, words, at, face, scale, _ink(rng), thick, cv2.LINE_AA)
        left -= max(w * h * scale**2, 40)
    return out


def _marks(image: Image.Image, share: float, rng: Rng) -> Image.Image:
    """A half transparent mark, once across the picture or tiled."""
    layer = Image.new("RGBA", (2 * image.width, 2 * image.height))
    draw, tiled = ImageDraw.Draw(layer), rng.random() < 0.6
    ink = (255, 255, 255) if rng.random() < 0.7 else (0, 0, 0)
    alpha = int(rng.uniform(90, 200))
    size = max(np.sqrt(share) * image.height * (0.16 if tiled else 0.4), 7)
    font, words = ImageFont.load_default(size), str(rng.choice(["PREVIEW", "stockphoto", "© anna b.", "SAMPLE"]))
    step = max(draw.textlength(words, font=font) * 1.3, 20)
    for y in np.arange(0, layer.height, size / np.sqrt(share) * 0.8 if tiled else layer.height):
        for x in np.arange(0, layer.width, step if tiled else layer.width):
            at = (x, y) if tiled else (image.width, image.height)
            draw.text(at, words, font=font, fill=(*ink, alpha), anchor="lt" if tiled else "mm")
    layer = layer.rotate(float(rng.uniform(-40, 40)), Image.Resampling.BICUBIC)
    box = (image.width // 2, image.height // 2, image.width // 2 + image.width, image.height // 2 + image.height)
    return Image.alpha_composite(image.convert("RGBA"), layer.crop(box)).convert("RGB")


def screenshot(picture: Pixels, strength: float, rng: Rng) -> Pixels:
    """Between an application's bars, words and buttons: the picture takes 85 to 35 % of the screen."""
    share = 0.85 - 0.5 * strength
    height, width = picture.shape[:2]
    style = rng.integers(3)
    if style == 2 and height < 1.4 * width:
        style = 0
    side = 1.0 if style == 0 else float(rng.uniform(max(share, 0.85), 0.98))  # of the screen's width
    screen_w = round(width / side)
    screen_h = round(width * height / (share * screen_w))
    top = round((screen_h - height) * float(rng.uniform(0.3, 0.6)))
    dark = rng.random() < 0.5
    ground = (18, 20, 24) if dark else (252, 252, 253)
    screen = Image.new("RGB", (screen_w, screen_h), ground)
    if style == 2:  # a story: the picture over its own blur
        back = Image.fromarray(picture).resize(screen.size).filter(ImageFilter.GaussianBlur(screen_w / 14))
        screen.paste(back)
    screen.paste(Image.fromarray(picture), ((screen_w - width) // 2, top))
    _bars(screen, top, top + height, (235, 235, 235) if dark else (40, 40, 44), rng)
    scale = float(rng.uniform(0.8, 1.6))
    return fit(np.asarray(screen), screen_w * scale, screen_h * scale, rng)


def _bars(screen: Image.Image, top: int, bottom: int, ink: tuple[int, int, int], rng: Rng) -> None:
    """Clock, battery, portrait and name above the picture; buttons and comments below, a bar at the very end."""
    draw, unit = ImageDraw.Draw(screen), screen.width / 24
    small, plain = ImageFont.load_default(max(unit * 0.8, 6)), ImageFont.load_default(max(unit, 7))
    if top > 1.2 * unit:
        clock = f"{int(rng.integers(24)):02d}:{int(rng.integers(60)):02d}"
        draw.text((unit, 0.2 * unit), clock, font=small, fill=ink)
        draw.rectangle((21 * unit, 0.3 * unit, 22.8 * unit, 0.9 * unit), outline=ink)
    if top > 4 * unit:
        y = top - 1.4 * unit
        portrait = tuple(int(v) for v in rng.integers(60, 220, 3))
        draw.ellipse((unit, y - unit, 3 * unit, y + unit), fill=portrait, outline=(220, 60, 120), width=2)
        draw.text((3.5 * unit, y - 0.6 * unit), str(rng.choice(_WORDS)).replace(" ", "_"), font=plain, fill=ink)
    y = bottom + 1.3 * unit
    if y + unit < screen.height:
        _heart(draw, 1.6 * unit, y, 0.7 * unit)
        draw.ellipse((3 * unit, y - 0.7 * unit, 4.4 * unit, y + 0.7 * unit), outline=ink, width=2)
        draw.polygon([(5.4 * unit, y - 0.6 * unit), (7 * unit, y), (5.4 * unit, y + 0.7 * unit)], outline=ink)
    for row in np.arange(y + 1.4 * unit, screen.height - 3 * unit, 1.5 * unit):
        draw.text((unit, row), " ".join(rng.choice(_WORDS, 3)), font=plain, fill=ink)
    if bottom + 6 * unit < screen.height:
        for x in np.linspace(3, 21, 5):
            at = (x - 0.7) * unit, screen.height - 1.9 * unit, (x + 0.7) * unit, screen.height - 0.5 * unit
            draw.rounded_rectangle(at, 0.3 * unit, outline=ink, width=2)


_GRIDS: dict[int, list[list[tuple[float, float, float, float]]]] = {
    2: [[(0, 0, 1, 0.5), (0, 0.5, 1, 1)], [(0, 0, 0.5, 1), (0.5, 0, 1, 1)]],
    3: [[(0, 0, 0.6, 1), (0.6, 0, 1, 0.5), (0.6, 0.5, 1, 1)], [(0, 0, 1, 0.55), (0, 0.55, 0.5, 1), (0.5, 0.55, 1, 1)]],
    4: [[(0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)]],
    6: [[(x / 3, y / 2, (x + 1) / 3, (y + 1) / 2) for y in range(2) for x in range(3)]],
}  # boxes: left, top, right, bottom as shares


def tiles_of(strength: float) -> int:
    """Pictures of a collage: 2, 3, 4 or 6."""
    return (2, 3, 4, 6)[min(int(4 * strength), 3)]


def collage(pictures: Sequence[Pixels], strength: float, rng: Rng) -> Pixels:
    """2, 3, 4 or 6 pictures; each fills its cell and loses what juts out, but no more than 40 % of its area."""
    grids = _GRIDS[tiles_of(strength)]
    boxes = grids[int(rng.integers(len(grids)))]
    aspects = [p.shape[1] / p.shape[0] / ((b[2] - b[0]) / (b[3] - b[1])) for p, b in zip(pictures, boxes, strict=True)]
    shape = float(np.exp(np.median(np.log(aspects))))
    longest = max(max(p.shape[:2]) for p in pictures) * float(rng.uniform(1.3, 2.2))
    width, height = (longest, longest / shape) if shape > 1 else (longest * shape, longest)
    gap = round(float(rng.choice([0, 0.01, 0.02])) * longest)
    canvas = Image.new("RGB", (int(width), int(height)), _ink(rng))
    for picture, (x0, y0, x1, y1) in zip(pictures, boxes, strict=True):
        w, h = max(int((x1 - x0) * width) - gap, 8), max(int((y1 - y0) * height) - gap, 8)
        tile = fit(_cut(picture, w / h), w, h, rng)
        cell = Image.fromarray(tile)
        cell.thumbnail((w, h))
        canvas.paste(cell, (int(x0 * width) + gap // 2, int(y0 * height) + gap // 2))
    return np.asarray(canvas)


def _cut(picture: Pixels, aspect: float) -> Pixels:
    """The middle of the picture in another shape (width / height); at least 60 % of it stays, else it is stretched."""
    height, width = picture.shape[:2]
    w, h = min(width, max(height * aspect, 0.6 * width)), min(height, max(width / aspect, 0.6 * height))
    left, top = round((width - w) / 2), round((height - h) / 2)
    return picture[top : top + round(h), left : left + round(w)]


def _phrase(rng: Rng, letters: float) -> str:
    """Words that fill a line that is so many letter heights wide."""
    words = " ".join(rng.choice(_WORDS, 4))
    return words[: max(int(1.6 * letters), 3)]


def _ink(rng: Rng) -> tuple[int, int, int]:
    if rng.random() < 0.6:
        return _INKS[int(rng.integers(len(_INKS)))]
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue
