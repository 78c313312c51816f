"""Changed copies of pictures, and broken files, as they are found on the web."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

TRANSFORMS = ("identity", "resize", "jpeg", "crop", "hflip", "border", "color", "text", "grayscale", "blur")
"""How copies differ from their original; identity = the same bytes."""

DAMAGES = {
    "truncated_jpeg": "damaged", "zero_bytes": "damaged", "html_as_jpg": "damaged",
    "png_as_jpg": "odd", "broken_json": "odd", "missing_json": "odd", "missing_image": "rejected",
}  # fmt: skip
"""What is broken → what an ingest should make of it: a damaged image, a usable one with a remark, or a reject."""


def encode(pixels: npt.NDArray[np.uint8] | Image.Image, quality: int) -> bytes:
    """JPEG bytes."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def copy(original: bytes, transform: str, rng: np.random.Generator) -> bytes:
    """A copy of a JPEG file.

    Args:
        original: Its bytes.
        transform: One of TRANSFORMS.
        rng: How strongly.

    Returns:
        JPEG bytes.
    """
    if transform == "identity":
        return original
    image = Image.open(io.BytesIO(original)).convert("RGB")
    quality = int(rng.integers(70, 92))
    if transform == "jpeg":
        return encode(image, int(rng.integers(18, 40)))
    return encode(_changed(image, transform, rng), quality)


def _changed(image: Image.Image, transform: str, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    if transform == "resize":
        scale = rng.uniform(0.6, 0.85) if rng.random() < 0.5 else rng.uniform(1.2, 1.8)
        return image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    if transform == "crop":
        left, top, right, bottom = (round(side * rng.uniform(0.02, 0.08)) for side in (width, height, width, height))
        return image.crop((left, top, width - right, height - bottom))
    if transform == "hflip":
        return ImageOps.mirror(image)
    if transform == "border":
        colour = (0, 0, 0) if rng.random() < 0.5 else (255, 255, 255)
        return ImageOps.expand(image, round(min(width, height) * rng.uniform(0.05, 0.12)), colour)
    if transform == "color":
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.35))
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.75, 1.3))
        return ImageEnhance.Color(image).enhance(rng.uniform(0.3, 1.7))
    if transform == "text":
        place = (rng.uniform(0.02, 0.3) * width, rng.uniform(0.05, 0.8) * height)
        ImageDraw.Draw(image).text(place, "so nice!!"[: int(rng.integers(5, 10))], fill=(255, 255, 255))
        return image
    if transform == "grayscale":
        return ImageOps.grayscale(image).convert("RGB")
    if transform == "blur":
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 1.6)))
    raise ValueError(f"no transform {transform}")


def damage_image(original: bytes, damage: str) -> bytes | None:
    """The image file of a damaged post; None where it has none.

    Args:
        original: JPEG bytes.
        damage: One of DAMAGES; those that touch the text leave the image as it is.
    """
    if damage == "truncated_jpeg":
        return original[: len(original) * 2 // 5]
    if damage == "zero_bytes":
        return b""
    if damage == "html_as_jpg":
        return b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
    if damage == "png_as_jpg":
        buffer = io.BytesIO()
        Image.open(io.BytesIO(original)).save(buffer, "PNG")
        return buffer.getvalue()
    return None if damage == "missing_image" else original


def damage_json(original: bytes, damage: str) -> bytes | None:
    """The metadata file of a damaged post; None where it has none.

    Args:
        original: JSON bytes.
        damage: One of DAMAGES; those that touch the image leave the metadata as it is.
    """
    if damage == "broken_json":
        return original[: len(original) // 2]
    return None if damage == "missing_json" else original
