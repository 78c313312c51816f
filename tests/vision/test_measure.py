import io
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from curate.vision import measure
from curate.vision.decode import decode
from curate.vision.measure import Measures
from curate.vision.phash import MIN_SIZE_PX, phash, shrink


def encoded(seed, size, format="jpeg"):
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(buffer, format)
    return buffer.getvalue()


SIZES = [(300, 225), (224, 224), (225, 300), (40, 30), (640, 480), (1, 1)]
STORED = [encoded(seed, SIZES[seed % 6], "png" if seed % 5 == 0 else "jpeg") for seed in range(40)]


def measured(stored):
    measures = Measures(10_000_000)
    for data in stored:
        measures.add(data)
    return measures.columns()


def alone(data):
    decoded = decode(data, min_size_px=MIN_SIZE_PX, grey=True)
    return int(phash(shrink(decoded.pixels)[None])[0])


@pytest.mark.parametrize("limit_px", [0, 50_000, 1 << 24])
def test_a_measure_does_not_depend_on_what_else_is_measured(monkeypatch, limit_px):
    monkeypatch.setattr(measure, "_WAITING_PX", limit_px)
    columns = measured(STORED)
    assert columns["phash"] == [alone(data) for data in STORED]
    assert columns["sha256"] == [sha256(data).hexdigest() for data in STORED]
    assert list(zip(columns["width"], columns["height"], strict=True)) == [SIZES[i % 6] for i in range(40)]
    assert columns["decoder"] == ["pillow" if i % 5 == 0 else "libjpeg-turbo" for i in range(40)]
    back = measured(STORED[::-1])
    assert {name: values[::-1] for name, values in back.items()} == columns


def test_what_cannot_be_decoded_or_read_keeps_its_place():
    measures = Measures(10_000_000)
    assert measures.add(b"<html>") == (None, "")
    assert measures.add(STORED[1]) == ("jpeg", "")
    measures.add_unread("gone")
    assert measures.add(STORED[1][:-40]) == ("jpeg", "")
    assert measures.add(encoded(0, (4000, 3000))) == ("jpeg", "")
    columns = measures.columns()
    assert columns["status"] == ["damaged", "ok", "damaged", "damaged", "damaged"]
    assert columns["phash"] == [None, alone(STORED[1]), None, None, None]
    assert columns["decoder"] == [None, "libjpeg-turbo", None, None, None]
    assert columns["sha256"][2] is None
    assert columns["error"][2] == "cannot be read: gone"
    assert columns["error"][4].startswith("too many pixels: 4000 x 3000")
    assert columns["width"] == [None, 224, None, 224, 4000]
    assert Measures(1).columns()["phash"] == []
