"""A small workspace whose leaks are known: tables as dedup writes them, and the pictures that they are about."""

import hashlib
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from curate.schema import table_schema
from curate.store import Commit, Workspace

EVIL = "<script>alert(1)</script>&\"'` $x^2$ שלום.png"
"""The name of an eval image: nothing of it may be read as HTML."""

THRESHOLD = 5.0
# Corpus image → (eval image, score); None = equal bytes. Hits are those from the threshold on.
SCORES = {0: (0, None), 1: (1, 20.0), 2: (1, 9.0), 3: (2, 6.0), 4: (3, 4.0), 5: (4, 3.0), 6: (5, 1.0)}
N_IMAGES, N_EVAL = 9, 6
RECALLS = {"": (40, 30), "crop": (20, 18), "rotate": (20, 12)}


def image_id(number: int) -> str:
    return hashlib.sha256(f"corpus {number}".encode()).hexdigest()[:32]


def eval_id(number: int) -> str:
    return EVIL if number == 1 else f"v{number}.png"


def picture(seed: int) -> bytes:
    """A PNG of a few coloured patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(patches.repeat(12, 0).repeat(12, 1)).save(out, "PNG")
    return out.getvalue()


def contents() -> tuple[list[bytes], list[bytes]]:
    """Bytes of the corpus images and of the eval images; the first of each are equal."""
    return [picture(n if n else 100) for n in range(N_IMAGES)], [picture(100 + n) for n in range(N_EVAL)]


def rows(folder: Path) -> dict[str, list[dict]]:
    """Rows by table, less the columns that may be NULL."""
    corpus, evals = contents()
    found: dict[str, list[dict]] = defaultdict(list)
    for number, data in enumerate(corpus):
        found["images"].append({"image_id": image_id(number), "source": "posts", "key": f"post-{number}",
                                "occurrence": 0, "uri": f"{number}.png", **_bytes(data)})  # fmt: skip
    for number, data in enumerate(evals):
        found["eval_images"].append({"eval_set": "val", "eval_image_id": eval_id(number), "uri": f"{number}.png",
                                     **_bytes(data)})  # fmt: skip
    for number, (other, score) in SCORES.items():
        pair = {"image_id": image_id(number), "eval_set": "val", "eval_image_id": eval_id(other), "score": score,
                "transform": "crop+rotate" if score == 20 else "crop" if score else None, "scale": 1.0,
                "box_left": 0.25, "box_top": 0.0, "box_right": 0.75, "box_bottom": 1.0}  # fmt: skip
        found["duplicate_candidates"].append({**pair, "encoder": "net#0123", "same_bytes": score is None})
        if score is None or score >= THRESHOLD:
            p = 1.0 if score is None else 0.9
            method = "embedding" if score else "sha256"
            found["near_duplicates"].append({**pair, "method": method, "similarity": 1.0, "p_duplicate": p})
    for place, (transform, half) in enumerate((t, h) for t in ("crop", "rotate") for h in ("fit", "report")):
        for number in range(N_EVAL):
            found["planted_copies"].append(
                {"eval_set": "val", "eval_image_id": eval_id(number), "transform": f"{transform}-{half}",
                 "encoder": "net#0123", "half": half, "strength": 0.5, "other_score": 0.5 * number,
                 "score": None if number == 5 else 4.0 * (number + place)}
            )  # fmt: skip
    for transform, (n_planted, n_found) in RECALLS.items():
        found["planted_recall"].append(
            {"eval_set": "val", "transform": transform, "n_planted": n_planted, "n_found": n_found,
             "recall": n_found / n_planted, "low": 0.6, "high": 0.95}
        )  # fmt: skip
    found["duplicate_thresholds"] = [
        {"eval_set": "val", "encoder": "net#0123", "asked_precision": 0.9, "threshold": THRESHOLD, "evidence": "model",
         "n_images": N_IMAGES, "n_compared": 6, "n_hits": 4, "expected_false": 0.3, "precision": 0.925,
         "prevalence": 0.5, "n_reviewed": 0, "n_reviewed_wrong": 0},
        {"eval_set": "void/../x", "encoder": "", "asked_precision": 0.9, "evidence": "model", "n_images": N_IMAGES,
         "n_compared": 0, "n_hits": 0, "expected_false": 0.0, "n_reviewed": 0, "n_reviewed_wrong": 0,
         "note": "nothing <b>was</b> planted"},
    ]  # fmt: skip
    found["eval_sets"] = [
        {"eval_set": name, "root": str(folder / "val"), "format": "folder", "n_images": n, "n_expected": expected,
         "fingerprint": "f" * 64, "added_at": 0}
        for name, n, expected in (("val", N_EVAL, 7), ("void/../x", 0, None), ("unsearched", 0, None))
    ]  # fmt: skip
    found["sources"] = [{"source": "posts", "root": str(folder / "posts"), "format": "folder", "added_at": 0}]
    return found


def _bytes(data: bytes) -> dict:
    return {"byte_offset": 0, "byte_length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "status": "ok"}


def table(name: str, given: list[dict]) -> pa.Table:
    schema = table_schema(name).arrow
    return pa.Table.from_pylist([{c: row.get(c) for c in schema.names} for row in given], schema=schema)


def write_pictures(folder: Path) -> None:
    """The files that the tables are about."""
    for name, data in zip(("posts", "val"), contents(), strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(data):
            (folder / name / f"{number}.png").write_bytes(content)


def write_workspace(folder: Path) -> Workspace:
    """The tables and pictures as a workspace, in folder/workspace."""
    write_pictures(folder)
    workspace = Workspace(folder / "workspace", create=True)
    tables = rows(folder)
    stages = {"ingest": ("images", "sources"), "add-evalset": ("eval_sets", "eval_images")}
    stages["dedup"] = tuple(name for name in tables if name not in (*stages["ingest"], *stages["add-evalset"]))
    for stage, own in stages.items():
        parts = {name: [workspace.write_part(name, "0", "test", table(name, tables[name]))] for name in own}
        schemas = {name: table_schema(name).hash for name in own}
        workspace.replace(Commit(stage, stage, {"against": ["val", "void/../x"], "precision": 0.9}, parts, schemas, {}))
    return workspace
