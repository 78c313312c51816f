"""Small manifests over generated images: a class is a colour and a stripe direction, under noise."""

import io
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from curate.schema import conform

COLOURS = [(220, 40, 40), (40, 200, 60), (50, 70, 230), (230, 210, 50)]


def image_id(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


def picture(label: int, seed: int, size: tuple[int, int] = (24, 20)) -> bytes:
    rng = np.random.default_rng([label, seed])
    width, height = size
    y, x = np.mgrid[:height, :width]
    stripes = np.sin((x if label % 2 else y) * 1.3 + rng.uniform(0, 6))[..., None]
    pixels = np.array(COLOURS[label % 4]) * (0.6 + 0.3 * stripes) + rng.normal(0, 25, (height, width, 3))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def pack(folder: Path, pictures: dict[str, bytes]) -> dict[str, tuple[str, int, int]]:
    """One file with all pictures after some leading bytes; where each lies."""
    folder.mkdir(parents=True, exist_ok=True)
    content, places = b"head", {}
    for name, data in pictures.items():
        places[name] = ("pack.bin", len(content), len(data))
        content += data
    (folder / "pack.bin").write_bytes(content)
    return places


def manifest_rows(folder: Path, n: int = 60, n_classes: int = 4, **columns: list) -> pa.Table:
    names = [f"{i:04d}" for i in range(n)]
    places = pack(folder, {name: picture(i % n_classes, i) for i, name in enumerate(names)})
    rows = {
        "manifest_id": ["m1"] * n,
        "image_id": [image_id(name) for name in names],
        "source": ["posts"] * n,
        "uri": [places[name][0] for name in names],
        "byte_offset": [places[name][1] for name in names],
        "byte_length": [places[name][2] for name in names],
        "class_ids": [[i % n_classes] for i in range(n)],
        "class_keys": [[f"u:{i % n_classes}"] for i in range(n)],
        "label_weights": [[1.0]] * n,
        "p_correct": [0.9] * n,
        "repeat_factor": [1.0] * n,
        "split": ["train"] * n,
        **columns,
    }
    return conform(pa.table(rows), "manifest")


def class_rows(n_classes: int = 4) -> pa.Table:
    kept = {
        "class_key": [f"u:{c}" for c in range(n_classes)] + ["u:out"],
        "class_id": [*range(n_classes), None],
        "name": [f"class {c}" for c in range(n_classes)] + ["left out"],
        "status": ["kept"] * n_classes + ["excluded"],
        "threshold": [0.5] * n_classes + [None],
        "evidence": ["model"] * (n_classes + 1),
    }
    n = n_classes + 1
    unset = {"kept_precision": None, "kept_ci_low": None, "n_more_audits": None, "rolled_up_to": None}
    none = {name: [0] * n for name in ("n_weighted", "n_inherited", "n_audited", "n_looks")}
    rows = {"manifest_id": ["m1"] * n, **kept, "n_pairs": [9] * n, "n_kept": [9] * n, **none}
    return conform(pa.table({**rows, **{name: pa.nulls(n) for name in unset}}), "manifest_classes")


def export(folder: Path, rows: pa.Table, classes: pa.Table, roots: dict[str, str], n_shards: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n_shards):
        shard = rows.take(list(range(i, rows.num_rows, n_shards)))
        pq.write_table(shard, folder / f"manifest-{i:05d}-of-{n_shards:05d}.parquet")
    pq.write_table(classes, folder / "classes.parquet")
    (folder / "provenance.json").write_text(json.dumps({"manifest_id": "m1", "sources": roots}))
    return folder


def eval_rows(folder: Path, n: int = 40, n_classes: int = 4, keys: list[str | None] | None = None) -> pa.Table:
    names = [f"e{i:04d}" for i in range(n)]
    places = pack(folder, {name: picture(i % n_classes, 10_000 + i) for i, name in enumerate(names)})
    rows = {
        "eval_set": ["val"] * n,
        "eval_image_id": names,
        "uri": [places[name][0] for name in names],
        "byte_offset": [places[name][1] for name in names],
        "byte_length": [places[name][2] for name in names],
        "class_key": keys or [f"u:{i % n_classes}" for i in range(n)],
        "status": ["ok"] * n,
    }
    unset = ("sha256", "phash", "width", "height", "error")
    return conform(pa.table({**rows, **{name: pa.nulls(n) for name in unset}}), "eval_images")
