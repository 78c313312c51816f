"""The truth of the demo's corpus as tables, withheld from the road and compared with what it found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.demo.copies import DAMAGES
from curate.demo.posts import Claim, Post
from curate.demo.vocabulary import Concept

_SCHEMAS = {
    "posts": {
        "key": pa.string(), "class_key": pa.string(), "kind": pa.string(), "transform": pa.string(),
        "copy_of": pa.string(), "damage": pa.string(), "outcome": pa.string(),
    },
    "pairs": {"key": pa.string(), "wnid": pa.string(), "is_correct": pa.bool_(), "noise_type": pa.string()},
    "leaks": {"key": pa.string(), "eval_image_id": pa.string(), "transform": pa.string()},
    "classes": {
        "wnid": pa.string(), "name": pa.string(), "title": pa.string(), "n_labels": pa.int64(),
        "n_correct": pa.int64(), "true_precision": pa.float64(),
    },
}  # fmt: skip


def write_truth(
    folder: Path, concepts: Sequence[Concept], posts: Mapping[str, Post], eval_image_ids: Sequence[str]
) -> None:
    """Writes posts, pairs, leaks and classes as Parquet.

    posts: key, class_key (true class; NULL = outside the vocabulary), kind, transform, copy_of (key or eval image),
    damage and outcome (what ingest should make of it: damaged, odd or rejected; NULL = nothing is broken).
    pairs: every class that a post's words name, and whether the picture shows it; damaged posts included.
    leaks: copies of evaluation images; eval_image_id is the path below the evaluation set, without its ending.
    classes: title tells classes of one name apart; true precision over the pairs of posts that are not damaged.

    Args:
        folder: Made if it is not there.
        concepts: Label space.
        posts: The posts by key.
        eval_image_ids: By number of the evaluation image.
    """
    key_of = {post.number: key for key, post in posts.items()}
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
    for key, post in posts.items():
        if post.kind == "leak":
            copy_of: str | None = eval_image_ids[post.origin]
            tables["leaks"].append({"key": key, "eval_image_id": copy_of, "transform": post.transform})
        else:
            copy_of = key_of.get(post.origin)
        tables["posts"].append(_post_row(key, post, copy_of))
        tables["pairs"] += [_pair_row(key, post, claim) for claim in post.claims]
    tables["classes"] = [_class_row(concept, concepts, list(posts.values())) for concept in concepts]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(_SCHEMAS[name])), folder / f"{name}.parquet")


def _post_row(key: str, post: Post, copy_of: str | None) -> dict[str, Any]:
    return {
        "key": key,
        "class_key": post.shows,
        "kind": post.kind,
        "transform": post.transform or None,
        "copy_of": copy_of,
        "damage": post.damage or None,
        "outcome": DAMAGES.get(post.damage),
    }


def _pair_row(key: str, post: Post, claim: Claim) -> dict[str, Any]:
    correct = claim.wnid == post.shows
    return {"key": key, "wnid": claim.wnid, "is_correct": correct, "noise_type": claim.noise_type}


def _class_row(concept: Concept, concepts: Sequence[Concept], posts: Sequence[Post]) -> dict[str, Any]:
    alone = sum(other.name == concept.name for other in concepts) == 1
    shown = [p.shows for p in posts if p.kind != "damaged" for claim in p.claims if claim.wnid == concept.wnid]
    n_correct = sum(wnid == concept.wnid for wnid in shown)
    return {
        "wnid": concept.wnid,
        "name": concept.name,
        "title": concept.name if alone else f"{concept.name} ({concept.broader[0]})",
        "n_labels": len(shown),
        "n_correct": n_correct,
        "true_precision": n_correct / len(shown) if shown else None,
    }
