"""What the workers of dedup are fed: images of the corpus, of an eval set, and copies that were planted of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.stage import Tables
from curate.stages.eval_images import PLANTS, missing_columns, plan_of, read_eval_images

CORPUS, EVAL, PLANTED = "corpus", "eval", "planted"

WORK = pa.schema([
    ("kind", pa.string()), ("eval_set", pa.string()), ("id", pa.string()),
    # Of images of the corpus and of the set:
    ("path", pa.string()), ("byte_offset", pa.int64()), ("byte_length", pa.int64()), ("sha256", pa.string()),
    ("phash", pa.uint64()),
    # Of planted copies:
    ("transform", pa.string()), ("half", pa.string()), ("strength", pa.float64()),
    # NULL where there is none:
    ("vector", pa.list_(pa.float16())),
])  # fmt: skip
"""One image to be searched for in an eval set."""


def corpus_rows(tables: Tables, eval_set: str, encoder: str, path: Path, embeddings: Sequence[Path]) -> pa.Table:
    """The undamaged images of a part of the corpus."""
    columns = ["image_id", "source", "uri", "byte_offset", "byte_length", "sha256", "phash", "status"]
    rows = pq.read_table(path, columns=columns)
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    sources = tables.arrow("sources", ["source", "root"])
    roots = dict(zip(sources["source"].to_pylist(), sources["root"].to_pylist(), strict=True))
    places = zip(rows["source"].to_pylist(), rows["uri"].to_pylist(), strict=True)
    vectors = [pq.read_table(part, columns=["image_id", "encoder", "vector"]) for part in embeddings]
    return (
        _work(rows.rename_columns({"image_id": "id"}), CORPUS, eval_set)
        .set_column(
            WORK.get_field_index("path"),
            "path",
            pa.array([str(Path(roots.get(s, ""), uri)) for s, uri in places], pa.string()),
        )
        .set_column(WORK.get_field_index("vector"), "vector", _joined(rows["image_id"], vectors, "image_id", encoder))
    )


def eval_rows(tables: Tables, name: str, encoder: str) -> pa.Table:
    """The images of an eval set."""
    images = read_eval_images(tables, name)
    rows = pa.table({
        "id": pa.array(images.ids, pa.string()), "path": pa.array(images.paths, pa.string()),
        "byte_offset": pa.array(images.offsets, pa.int64()), "byte_length": pa.array(images.lengths, pa.int64()),
        "sha256": pa.array(images.digests, pa.string()), "phash": pa.array(images.codes, pa.uint64()),
    })  # fmt: skip
    vectors = tables.arrow("eval_embeddings", ["eval_set", "eval_image_id", "encoder", "view", "vector"])
    vectors = vectors.filter(pc.and_(pc.equal(vectors["eval_set"], name), pc.equal(vectors["view"], "")))
    return _work(rows, EVAL, name).set_column(
        WORK.get_field_index("vector"), "vector", _joined(rows["id"], [vectors], "eval_image_id", encoder)
    )


def planted_rows(tables: Tables, name: str, encoder: str) -> pa.Table:
    """The planted copies that embed described; where it has described none, those that it would have planted."""
    columns = ["eval_set", "eval_image_id", "transform", "half", "strength", "encoder", "vector"]
    rows = tables.arrow("planted_embeddings", columns)
    rows = rows.filter(pc.and_(pc.equal(rows["eval_set"], name), pc.equal(rows["encoder"], encoder)))
    planned = rows if rows.num_rows else plan_of(read_eval_images(tables, name), PLANTS)
    return _work(planned.rename_columns({"eval_image_id": "id"}), PLANTED, name)


def _work(rows: pa.Table, kind: str, eval_set: str) -> pa.Table:
    if "eval_set" in rows.column_names:
        rows = rows.drop_columns("eval_set")
    for column, value in (("kind", kind), ("eval_set", eval_set)):
        rows = rows.append_column(column, pa.array([value] * rows.num_rows, pa.string()))
    return missing_columns(rows, WORK)


def _joined(ids: pa.ChunkedArray, vectors: Sequence[pa.Table], key: str, encoder: str) -> Any:
    """Vectors of the encoder by id, NULL where there is none."""
    if not vectors:
        return pa.nulls(len(ids), pa.list_(pa.float16()))
    found = pa.concat_tables(vectors)
    found = found.filter(pc.equal(found["encoder"], encoder))
    place = pc.index_in(ids, found[key].combine_chunks())
    return found["vector"].combine_chunks().take(pa.chunked_array(place).combine_chunks())
