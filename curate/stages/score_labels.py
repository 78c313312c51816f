"""score-labels: how well each direct label fits its image, by models that never saw the image or its copies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import FormatError, MissingInputError, ParameterError, nearest
from curate.stage import QueryStage, Rows, Tables, param

_PAIRS = """
    SELECT image_id, class_key FROM image_labels JOIN images USING (image_id)
    WHERE origin = 'direct' AND status = 'ok' ORDER BY image_id, class_key
"""
_IMAGES = """
    SELECT image_id, owner, source, sha256, cluster_id
    FROM images LEFT JOIN duplicate_clusters USING (image_id)
    WHERE status = 'ok' ORDER BY image_id
"""


@dataclass(frozen=True, kw_only=True)
class ScoreLabels:
    """Parameters of score-labels."""

    encoder: str | None = param(None, help="Encoder whose descriptors to use, or the beginning of its name")
    folds: int = param(5, help="Number of cross-fitting folds, at least 2")
    min_images: int = param(10, help="Classes with fewer images get the precision of their relatives")
    seed: int = param(0, help="Seed of the folds")


@dataclass(frozen=True)
class _Corpus:
    """What is scored.

    Attributes:
        image_ids: N images, ascending.
        class_keys: K classes with a direct label, ascending.
        image: (R,) image of each direct label, ascending.
        given: (R,) class of each direct label.
        vectors: (V, D) descriptors in image order.
        vector: (N,) row of each image in vectors, -1 where it has none.
        fold: (N,) fold of each image.
        above: Sorted codes class * K + ancestor, distance 1 and more.
    """

    image_ids: list[str]
    class_keys: list[str]
    image: npt.NDArray[np.int64]
    given: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float16]
    vector: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int32]
    above: npt.NDArray[np.int64]


def choose_encoder(known: list[str], wanted: str | None) -> str:
    """The encoder that a name or its beginning means.

    Raises:
        MissingInputError: None fits, or more than one.
    """
    found = [name for name in known if wanted is None or name.startswith(wanted)]
    exact = [name for name in known if wanted in (name, name.split("#")[0])]
    if len(found) == 1 or len(exact) == 1:
        return (exact or found)[0]
    if not found:
        raise MissingInputError(
            f"no descriptors of encoder '{wanted}'", where="embeddings", fix=nearest(wanted or "", known)
        )
    raise MissingInputError(
        f"descriptors of more than one encoder: {', '.join(found)}",
        where="embeddings",
        fix="Choose one with --encoder.",
    )


def read_vectors(
    tables: Tables, encoder: str, image_ids: list[str], sha256: list[str]
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Descriptors of one encoder, of the images' present bytes.

    Args:
        tables: Tables with embeddings.
        encoder: Full encoder name.
        image_ids: Images, ascending.
        sha256: Their bytes; a descriptor of other bytes does not count.

    Returns:
        Vectors (V, D) in image order and the row of each image (N,), -1 where it has none.

    Raises:
        FormatError: Vectors of different lengths.
    """
    rows = tables.arrow("embeddings", ["image_id", "encoder", "vector", "sha256"])
    rows = rows.filter(pc.equal(rows["encoder"], encoder))
    position = pc.index_in(rows["image_id"], value_set=pa.array(image_ids, pa.string()))
    current = pc.equal(rows["sha256"], pc.take(pa.array(sha256, pa.string()), pc.fill_null(position, 0)))
    rows = rows.append_column("position", position).filter(pc.and_(pc.is_valid(position), pc.fill_null(current, False)))
    rows = rows.sort_by("position")
    where = rows["position"].to_numpy().astype(np.int64)
    vector_N = np.full(len(image_ids), -1, np.int64)
    vector_N[where] = np.arange(len(where))
    lengths = pc.unique(pc.list_value_length(rows["vector"])).to_pylist()
    if len(lengths) > 1:
        raise FormatError(f"vectors of {len(lengths)} different lengths", where=f"embeddings, encoder {encoder}")
    flat = pc.list_flatten(rows["vector"]).to_numpy()
    return np.asarray(flat, np.float16).reshape(len(where), lengths[0] if lengths else 0), vector_N


def _read(tables: Tables, params: ScoreLabels) -> _Corpus:
    from curate.noise.folds import assign_folds, link_groups

    con = tables.connect()
    encoders = [row[0] for row in con.execute("SELECT DISTINCT encoder FROM embeddings ORDER BY 1").fetchall()]
    encoder = choose_encoder(encoders, params.encoder)
    images: pa.Table = con.sql(_IMAGES).to_arrow_table()
    pairs: pa.Table = con.sql(_PAIRS).to_arrow_table()
    ids = images["image_id"].to_pylist()
    owners = [
        f"{s}\0{o}" if o else None
        for s, o in zip(images["source"].to_pylist(), images["owner"].to_pylist(), strict=True)
    ]
    links = [images["cluster_id"].to_pylist(), images["sha256"].to_pylist(), owners]
    groups = link_groups(ids, links, max_link=max(50, len(ids) // (4 * params.folds)))
    vectors, vector_N = read_vectors(tables, encoder, ids, images["sha256"].to_pylist())
    keys = sorted(set(pairs["class_key"].to_pylist()))
    key_array = pa.array(keys, pa.string())
    con.register("scored", pa.table({"class_key": key_array}))
    above: pa.Table = con.sql(
        "SELECT class_key, ancestor_key FROM ancestors SEMI JOIN scored USING (class_key) "
        "WHERE distance > 0 AND ancestor_key IN (FROM scored)"
    ).to_arrow_table()
    code = [pc.index_in(above[name], value_set=key_array).to_numpy().astype(np.int64) for name in above.column_names]
    return _Corpus(
        ids,
        keys,
        pc.index_in(pairs["image_id"], value_set=pa.array(ids, pa.string())).to_numpy().astype(np.int64),
        pc.index_in(pairs["class_key"], value_set=key_array).to_numpy().astype(np.int64),
        vectors,
        vector_N,
        assign_folds(ids, groups, params.folds, params.seed),
        np.sort(code[0] * len(keys) + code[1]),
    )


def _probe(
    corpus: _Corpus, params: ScoreLabels
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Pairs that the probe can score, their p_correct and better class (index of class_keys, or -1)."""
    from curate.noise.scores import score_labels

    has_vector = corpus.vector[corpus.image] >= 0
    n_K = np.bincount(corpus.given[has_vector], minlength=len(corpus.class_keys))
    scored_K = n_K >= params.min_images
    rows = np.flatnonzero(has_vector & scored_K[corpus.given])
    if scored_K.sum() < 2:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    dense = np.cumsum(scored_K) - 1
    kept, n_kept = np.flatnonzero(scored_K), int(scored_K.sum())
    lower, upper = np.divmod(corpus.above, len(corpus.class_keys))
    inside = scored_K[lower] & scored_K[upper]
    above = np.sort(dense[lower[inside]] * n_kept + dense[upper[inside]])
    image_V = np.flatnonzero(corpus.vector >= 0)
    p, better = score_labels(
        corpus.vectors,
        corpus.vector[corpus.image[rows]],
        dense[corpus.given[rows]],
        corpus.fold[image_V],
        above,
        n_kept,
    )
    scored = ~np.isnan(p)
    return rows[scored], p[scored], np.where(better >= 0, kept[better], -1)[scored]


def _priors(corpus: _Corpus, rows: npt.NDArray[np.int64], p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Precision of each class from the pairs that were scored: its own, shrunk towards its nearest relatives'."""
    from curate.noise.scores import shrunk_mean

    n_classes = len(corpus.class_keys)
    overall = float(p.mean()) if len(p) else 0.5
    n_K = np.bincount(corpus.given[rows], minlength=n_classes).astype(np.float64)
    sum_K: npt.NDArray[np.float64] = np.bincount(corpus.given[rows], p, n_classes).astype(np.float64)
    lower, upper = np.divmod(corpus.above, n_classes)
    # What an ancestor's subtree holds; a class looks to the smallest such subtree with scored pairs.
    n_tree, sum_tree = n_K.copy(), sum_K.copy()
    np.add.at(n_tree, upper, n_K[lower])
    np.add.at(sum_tree, upper, sum_K[lower])
    relatives = np.full(n_classes, overall)
    smallest = np.full(n_classes, np.inf)
    tree_mean = shrunk_mean(sum_tree, n_tree, overall)
    for low, up in zip(lower, upper, strict=True):
        if n_tree[up] > n_K[low] and n_tree[up] < smallest[low]:
            smallest[low], relatives[low] = n_tree[up], tree_mean[up]
    return np.clip(shrunk_mean(sum_K, n_K, relatives), 0.0, 1.0)


def run(tables: Tables, params: ScoreLabels) -> Mapping[str, Rows]:
    """Score every direct label on a decodable image."""
    if params.folds < 2 or params.min_images < 1:
        raise ParameterError("folds must be at least 2 and min_images at least 1", where="score-labels")
    corpus = _read(tables, params)
    rows, p, better = _probe(corpus, params)
    prior_K = _priors(corpus, rows, p)
    p_R, method = prior_K[corpus.given], np.full(len(corpus.given), "prior")
    fold, suggested = np.full(len(p_R), -1), np.full(len(p_R), -1)
    p_R[rows], suggested[rows], method[rows] = p, better, "probe"
    fold[rows] = corpus.fold[corpus.image[rows]]
    keys: Any = np.asarray([*corpus.class_keys, ""], object)
    table = pa.table(
        {
            "image_id": pa.array(np.asarray(corpus.image_ids, object)[corpus.image], pa.string()),
            "class_key": pa.array(keys[corpus.given], pa.string()),
            # Six digits: below them, matrix products differ between machines.
            "p_correct": np.round(p_R, 6),
            "suggested_class_key": pa.array(keys[suggested], pa.string(), mask=suggested < 0),
            "fold": pa.array(fold.astype(np.int32), mask=fold < 0),
            "method": pa.array(method, pa.string()),
        }
    )
    return {"label_scores": table}


STAGE = QueryStage(
    name="score-labels",
    version=3,
    params=ScoreLabels,
    reads=("mentions", "rollups", "raw_labels", "ancestors", "images", "embeddings"),
    optional=("duplicate_clusters",),
    writes=("label_scores",),
    run=run,
    doc="Score how well each label fits its image, out of fold.",
)
