"""Descriptors of copies that are planted of evaluation images, for embed; dedup measures with them what it finds."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from curate.schema import table_schema
from curate.stage import Part, Tables
from curate.stages.eval_images import EvalImages, parts_of_set, plan_of, planted_copy, read_eval_images

if TYPE_CHECKING:
    from curate.vision.encoders import Encoder

_WORK = pa.schema([
    (name, pa.string()) for name in ("encoder", "eval_set", "eval_image_id", "transform", "half", "sha256")
] + [("strength", pa.float64())])  # fmt: skip


def is_planted(rows: pa.Table) -> bool:
    """Whether a worker of embed is fed planted copies."""
    return "transform" in rows.column_names


def planted_parts(tables: Tables, spec: str, encoder: str, n_per_kind: int) -> Iterable[Part]:
    """One part per eval set.

    Args:
        tables: eval_sets and eval_images.
        spec: The encoder, as on the command line.
        encoder: Its full name.
        n_per_kind: Copies per kind of change and half.
    """
    names = sorted(tables.arrow("eval_sets", ["eval_set"])["eval_set"].to_pylist())
    for name in names if n_per_kind else []:
        digests = [part.digest for part in parts_of_set(tables.parts("eval_images"), name, names)]
        depends = {"encoder": encoder, "eval_images": digests, "n_per_kind": n_per_kind}
        yield Part(f"{encoder}/planted/{name}", depends, partial(_load, tables, spec, name, n_per_kind))


def _load(tables: Tables, spec: str, name: str, n_per_kind: int) -> pa.Table:
    images = read_eval_images(tables, name)
    plan, digests = plan_of(images, n_per_kind), dict(zip(images.ids, images.digests, strict=True))
    columns = {column: plan[column] for column in plan.column_names}
    columns["sha256"] = pa.array([digests[identifier] for identifier in plan["eval_image_id"].to_pylist()], pa.string())
    shared = {"encoder": spec, "eval_set": name}
    columns |= {column: pa.array([text] * plan.num_rows, pa.string()) for column, text in shared.items()}
    return pa.table(columns).select(_WORK.names).cast(_WORK)


def describe_planted(rows: pa.Table, images: EvalImages, encoder: "Encoder", threads: ThreadPoolExecutor) -> pa.Table:
    """Make the copies and describe them.

    Args:
        rows: What the part's load gave, or some of it; of one eval set.
        images: That set.
        encoder: The encoder.
        threads: For making them.

    Returns:
        Rows of planted_embeddings, without those that could not be made.
    """
    place = {identifier: i for i, identifier in enumerate(images.ids)}
    places = [place[identifier] for identifier in rows["eval_image_id"].to_pylist()]
    kinds, strengths = rows["transform"].to_pylist(), rows["strength"].to_pylist()
    made = list(threads.map(partial(_prepared, images, encoder), places, kinds, strengths))
    good = [i for i, pixels in enumerate(made) if pixels is not None]
    vectors_ND = np.zeros((0, encoder.dim), np.float32)
    if good:
        vectors_ND = encoder.encode(np.stack([made[i] for i in good]))
    usable_N = np.any(vectors_ND, axis=1)
    kept = rows.take(pa.array(np.array(good, np.int64)[usable_N]))
    vectors = pa.array(list(vectors_ND[usable_N].astype(np.float16)), pa.list_(pa.float16()))
    schema = table_schema("planted_embeddings").arrow
    columns = {name: kept[name] for name in schema.names if name not in ("vector", "encoder")}
    columns |= {"vector": vectors, "encoder": pa.array([encoder.name] * kept.num_rows, pa.string())}
    return pa.table(columns).select(schema.names).cast(schema)


def _prepared(images: EvalImages, encoder: "Encoder", place: int, transform: str, strength: float) -> Any:
    from curate.vision.decode import decode

    data = planted_copy(images, place, transform, strength)
    return None if data is None else encoder.preprocess(decode(data, min_size_px=encoder.size_px).pixels)
