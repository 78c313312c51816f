"""The built-in descriptor: does it know copies, and does it give the same vectors whatever else is asked?"""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from safetensors.numpy import load_file

from curate.demo.pictures import draw
from curate.errors import MissingInputError
from curate.vision import builtin
from curate.vision.encoders import normalise, squeeze

N_PICTURES = 60
BLOCK = 16


@pytest.fixture(scope="module")
def network():
    return builtin.network()


@pytest.fixture(scope="module")
def pictures():
    return [Image.fromarray(draw(None, (7, seed))).resize((160, 130)) for seed in range(N_PICTURES)]


def describe(network, images):
    """Vectors of length 1, in blocks of a fixed size as encoders.py does it."""
    squeezed = np.stack([squeeze(np.asarray(image), network.size_px) for image in images])
    found = []
    for start in range(0, len(squeezed), BLOCK):
        block = np.zeros((BLOCK, *squeezed.shape[1:]), np.uint8)
        part = squeezed[start : start + BLOCK]
        block[: len(part)] = part
        x = torch.from_numpy(block).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            found.append(network.forward((x - network.mean[0]) / network.std[0])[: len(part)].numpy())
    return normalise(np.concatenate(found))


def jpeg(image):
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=25)
    return Image.open(packed)


def text(image):
    found = image.copy()
    ImageDraw.Draw(found).text((10, 50), "what a day", fill="white", font_size=24)
    return found


COPIES = {
    "same": lambda image: image,
    "jpeg": jpeg,
    "resize": lambda image: image.resize((70, 70)),
    "colour": lambda image: ImageEnhance.Color(image).enhance(0.5),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "crop": lambda image: image.crop((16, 12, 150, 120)),
    "mirror": ImageOps.mirror,
    "rotate": lambda image: image.rotate(8),
    "border": lambda image: ImageOps.expand(image, 14, "white"),
    "text": text,
}


def test_copies_are_nearest_to_their_original(network, pictures):
    originals = describe(network, pictures)
    copies = describe(network, [make(image) for image in pictures[:20] for make in COPIES.values()])
    nearest = (copies @ originals.T).argmax(1).reshape(20, len(COPIES))
    right = (nearest == np.arange(20)[:, None]).mean(0)
    assert right.mean() >= 0.9, dict(zip(COPIES, right, strict=True))


def test_company_in_the_block_changes_nothing(network, pictures):
    alone, together = describe(network, pictures[:1]), describe(network, pictures[:BLOCK])
    np.testing.assert_array_equal(alone[0], together[0])
    np.testing.assert_array_equal(together, describe(builtin.network(), pictures[:BLOCK]))


def test_shapes_and_odd_images(network):
    odd = [np.full(shape, value, np.uint8) for value, shape in ((0, (1, 1, 3)), (255, (3, 900, 3)), (128, (64, 64, 3)))]
    found = describe(network, odd)
    assert found.shape == (3, builtin.DIM)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_weights_are_small_and_finite():
    assert builtin.WEIGHTS.stat().st_size < 8e6
    for values in load_file(builtin.WEIGHTS).values():
        assert values.dtype == np.float16
        assert np.isfinite(values).all()


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(builtin, "WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(MissingInputError, match="no weights of the built-in descriptor"):
        builtin.network()


def test_the_name_is_had_without_torch():
    code = "import sys, curate.vision.builtin; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
