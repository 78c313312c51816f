"""Planted corpora: images as points around class centres, labels with known errors."""

import hashlib
from datetime import datetime

import numpy as np
import pyarrow as pa

from curate.schema import table_schema
from tests.tables import MemoryTables

OPTIONAL = ("duplicate_clusters", "near_duplicates", "audits", "audit_samples", "audit_frames", "tombstones")


def planted(n_images=2000, n_classes=8, dim=12, noise=0.2, spread=0.35, seed=0, confuser=None):
    """Vectors (N, D), true class (N,), given class (N,). Class k is mislabelled as `confuser[k]`, else as any other."""
    rng = np.random.default_rng(seed)
    centres = np.eye(n_classes, dim)
    true = rng.integers(0, n_classes, n_images)
    vectors = centres[true] + spread * rng.normal(size=(n_images, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wrong = rng.random(n_images) < noise
    other = (true + rng.integers(1, n_classes, n_images)) % n_classes
    if confuser is not None:
        other = np.asarray(confuser)[true]
    return vectors.astype(np.float16), true, np.where(wrong, other, true)


def sha(*parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def image_id(index):
    return f"{index:032x}"


def key_of(class_index):
    return f"c{class_index:02d}"


def arrow(name, rows):
    return pa.Table.from_pylist(rows, schema=table_schema(name).arrow)


def image_row(index, **changes):
    row = {
        "image_id": image_id(index), "source": "web", "key": f"k{index}", "occurrence": 0, "uri": "a.tar",
        "byte_offset": 512 * index, "byte_length": 100, "sha256": sha(index), "format": "jpeg", "width": 8,
        "height": 8, "phash": index, "status": "ok",
    }  # fmt: skip
    row |= changes
    if row["status"] == "damaged":
        row |= {"error": "truncated", "phash": None}
    return row


def corpus_tables(labels, vectors=None, images=None, parents=(), **tables):
    """Arrow tables of a corpus.

    Args:
        labels: (image index, class index) of each direct label.
        vectors: One per image, or None.
        images: Rows of images; by default one for each image that is labelled.
        parents: (class index, ancestor index) pairs.
        **tables: Further tables, as rows.
    """
    indices = sorted({i for i, _ in labels})
    classes = sorted({k for _, k in labels} | {k for pair in parents for k in pair})
    images = images or [image_row(i) for i in indices]
    raw, mentions, seen = [], [], {}
    for i, k in labels:
        position = seen[i] = seen.get(i, -1) + 1
        place = {"image_id": image_id(i), "field": "hashtag", "position": position}
        raw.append({**place, "raw_label": key_of(k)})
        mentions.append(
            {**place, "start": 0, "surface": key_of(k), "class_key": key_of(k), "rule": "lemma", "confidence": 1.0,
             "runners_up": []}
        )  # fmt: skip
    ancestors = [{"class_key": key_of(k), "ancestor_key": key_of(k), "distance": 0} for k in classes]
    ancestors += [{"class_key": key_of(k), "ancestor_key": key_of(a), "distance": 1} for k, a in parents]
    n = {k: len({i for i, c in labels if c == k}) for k in classes}
    given = {
        "images": images,
        "raw_labels": raw,
        "class_parents": [{"class_key": key_of(k), "parent_key": key_of(a)} for k, a in parents],
        "label_map": [{"surface": key_of(k), "candidate": key_of(k), "rule": "lemma", "prior": 1.0} for k in classes],
        "mentions": mentions,
        "ancestors": ancestors,
        "classes": [
            {
                "class_key": key_of(k),
                "name": f"class {k}",
                "depth": 0,
                "n_images_direct": n[k],
                "n_images_total": n[k],
                "n_classes_below": 0,
                "information": 1.0,
            }
            for k in classes
        ],
        "rollups": [
            {"class_key": key_of(k), "name": f"class {k}", "kept_key": key_of(k), "rule": "kept", "n_images": n[k]}
            for k in classes
            if n[k]
        ],
        "sources": [{"source": "web", "root": "/data", "format": "webdataset", "added_at": datetime(2020, 1, 1)}],
    }
    found = {name: arrow(name, rows) for name, rows in (given | tables).items()}
    if vectors is not None:
        found["embeddings"] = pa.table(
            {
                "image_id": [row["image_id"] for row in images],
                "encoder": ["net#0123456789ab"] * len(images),
                "vector": pa.array([v.astype(np.float16) for v in vectors], pa.list_(pa.float16())),
                "sha256": [row["sha256"] for row in images],
            }
        )
    return found


def memory(tables, folder):
    return MemoryTables(tables, [name for name in OPTIONAL if name not in tables], folder)


def scores(labels, p):
    """Rows of label_scores."""
    pairs = sorted(zip(labels, p, strict=True))
    return arrow(
        "label_scores",
        [
            {"image_id": image_id(i), "class_key": key_of(k), "p_correct": float(value), "fold": 0, "method": "probe"}
            for (i, k), value in pairs
        ],
    )
