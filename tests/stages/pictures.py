"""A small corpus of drawn pictures with copies of an evaluation set in it, as files and as tables."""

import datetime
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageEnhance, ImageOps

from curate.schema import table_schema
from curate.vision.measure import Measures

ENCODER = "test#0123456789ab"
SIDE = 96


def draw(seed):
    """A picture with structure at all scales: coloured noise of a few octaves with rectangles in it."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE, 3))
    for cells in (3, 6, 12, 24, 48):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8))
        total += np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float) / cells**0.5
    pixels = (255 * (total - total.min()) / np.ptp(total)).astype(np.uint8)
    for _ in range(5):
        x, y, w, h = rng.integers(4, SIDE // 2, 4)
        pixels[y : y + h // 2, x : x + w // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def saved(image, quality=92):
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def bright(image):
    return saved(ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.25)).enhance(0.85), 60)


COPIES = {
    "identity": None,
    "recompressed": lambda image: saved(image, 40),
    "resize": lambda image: saved(image.resize((140, 140), Image.Resampling.BICUBIC)),
    "hflip": lambda image: saved(ImageOps.mirror(image)),
    "color": bright,
    "crop": lambda image: saved(image.crop((6, 4, 88, 90))),
    "border": lambda image: saved(ImageOps.expand(image, 5, (255, 255, 255))),
}


def describe(data, *, mirrored=False):
    """A descriptor that any copy changes a little: 6 × 6 luma of the picture, and noise that tells pictures apart."""
    image = Image.open(io.BytesIO(data)).convert("L")
    if mirrored:
        image = ImageOps.mirror(image)
    small = np.asarray(image.resize((6, 6), Image.Resampling.BOX), float).ravel()
    small -= small.mean()
    return small / np.linalg.norm(small)


@dataclass
class World:
    """Files; copies[i] = (eval image, kind) says what corpus[i] is a copy of."""

    evals: list = field(default_factory=list)
    corpus: list = field(default_factory=list)
    copies: dict = field(default_factory=dict)


def make_world(n_evals=25, n_others=60, per_kind=3):
    world = World([saved(draw(i)) for i in range(n_evals)])
    places = iter(range(n_evals))
    for kind, change in COPIES.items():
        for _ in range(per_kind):
            place = next(places)
            original = world.evals[place]
            world.copies[len(world.corpus)] = (place, kind)
            world.corpus.append(original if change is None else change(Image.open(io.BytesIO(original))))
    world.corpus += [saved(draw(10_000 + i)) for i in range(n_others)]
    return world


def rows_of(name, rows):
    return pa.Table.from_pylist(rows, schema=table_schema(name).arrow)


def _measured(files):
    measures = Measures(10**6)
    for data in files:
        measures.add(data)
    return measures.columns()


def as_tables(world, folder, eval_set="val", *, described=True):
    """The tables that dedup reads; files are written below `folder`."""
    folder = Path(folder)
    for name, files in (("corpus", world.corpus), (eval_set, world.evals)):
        (folder / name).mkdir(exist_ok=True)
        for i, data in enumerate(files):
            (folder / name / f"{i}.jpg").write_bytes(data)
    of_corpus, of_evals = _measured(world.corpus), _measured(world.evals)
    images = [
        {"image_id": f"{i:032x}", "source": "s", "key": str(i), "occurrence": 0, "uri": f"{i}.jpg", "byte_offset": 0,
         "byte_length": len(data), "width": 10 + i % 7, "height": 10, "sha256": of_corpus["sha256"][i],
         "phash": of_corpus["phash"][i], "status": "ok"} for i, data in enumerate(world.corpus)
    ]  # fmt: skip
    images.append(images[0] | {"image_id": "f" * 32, "phash": None, "status": "damaged", "error": "so it was said"})
    now = datetime.datetime(2026, 1, 1)
    tables = {
        "images": images,
        "sources": [{"source": "s", "root": str(folder / "corpus"), "format": "folder",
                     "added_at": now}],
        "eval_images": [
            {"eval_set": eval_set, "eval_image_id": f"e{i:04d}", "uri": f"{i}.jpg", "byte_offset": 0,
             "byte_length": len(data), "sha256": of_evals["sha256"][i], "phash": of_evals["phash"][i], "status": "ok"}
            for i, data in enumerate(world.evals)
        ],
        "eval_sets": [{"eval_set": eval_set, "root": str(folder / eval_set), "format": "folder",
                       "n_images": len(world.evals), "added_at": now}],
    }  # fmt: skip
    if described:
        tables["embeddings"] = [
            {"image_id": f"{i:032x}", "encoder": ENCODER, "vector": describe(data).astype(np.float16),
             "sha256": of_corpus["sha256"][i]} for i, data in enumerate(world.corpus)
        ]  # fmt: skip
        tables["eval_embeddings"] = [
            {"eval_set": eval_set, "eval_image_id": f"e{i:04d}", "encoder": ENCODER, "view": view,
             "vector": describe(data, mirrored=bool(view)).astype(np.float16), "sha256": of_evals["sha256"][i]}
            for i, data in enumerate(world.evals) for view in ("", "hflip")
        ]  # fmt: skip
    return {name: rows_of(name, [_only(name, row) for row in rows]) for name, rows in tables.items()}


def _only(name, row):
    known = table_schema(name).arrow.names
    return {key: value for key, value in row.items() if key in known}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()
