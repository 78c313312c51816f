"""Direct labels by class with their scores and verdicts: what estimate-noise, build-manifest and audits read.

Labels stream class by class, sorted by DuckDB, and stay Arrow columns: only those of one class are in memory, and only
what is asked of a class becomes Python objects.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import MissingTableError
from curate.stages.queries import sql_of

if TYPE_CHECKING:
    from curate.noise.looks import Look

_BATCH_ROWS = 100_000

DrawnPair = tuple[str, int, float, str, bool | None]
"""Frame, look, its share of the error, image_id, and whether the pair was judged correct; None = not judged yet."""


@dataclass(frozen=True)
class ClassLabels:
    """Direct labels of one class on decodable images.

    Attributes:
        class_key: The class.
        image_ids: R images, ascending.
        p_correct: (R,) in [0, 1], NaN for a label without a score.
        suggested: R classes that fit better, or NULL.
        sha256: R digests of the images' bytes; NULL where nobody asked for them.
        frames: R lists of the frames that the label, with the bytes that it has now, was in, with its stratum; or NULL.
    """

    class_key: str
    image_ids: pa.Array
    p_correct: npt.NDArray[np.float64]
    suggested: pa.Array
    sha256: pa.Array
    frames: pa.Array


def read_labels(
    con: duckdb.DuckDBPyConnection,
    *,
    classes: Iterable[str] | None = None,
    need_scores: bool = True,
    with_bytes: bool = False,
) -> Iterator[ClassLabels]:
    """Direct labels class by class, in order of class_key.

    Args:
        con: Connection with mentions, rollups, images, label_scores, audit_frames and audit_samples; it must not be
            used meanwhile.
        classes: Which classes; None = all.
        need_scores: Whether every label must have a score; else NaN stands for none.
        with_bytes: Whether to tell the images' bytes.

    Raises:
        MissingTableError: label_scores does not know a label.
    """
    want_classes(con, classes)
    direct = f"({sql_of('direct_labels')})"
    digest = "coalesce(sha256, '')" if with_bytes else "NULL::VARCHAR"
    columns = f"image_id, class_key, p_correct, suggested_class_key, {digest} AS sha256"
    stream = stream_labels(con, f"SELECT {columns} FROM {direct} WHERE status = 'ok'")
    for labels in stream:
        if need_scores and np.isnan(labels.p_correct).any():
            stream.close()
            check_scores(con, f"SELECT p_correct FROM {direct} WHERE status = 'ok'")
        yield labels


def want_classes(con: duckdb.DuckDBPyConnection, keys: Iterable[str] | None = None) -> None:
    """Say which classes direct_pairs and direct_labels.sql give: some, or all."""
    if keys is None:
        con.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT DISTINCT kept_key AS class_key FROM rollups")
    else:
        con.register("wanted_keys", pa.table({"class_key": pa.array(sorted(set(keys)), pa.string())}))
        con.execute("CREATE OR REPLACE TEMP TABLE wanted AS FROM wanted_keys")
        con.unregister("wanted_keys")
    con.execute(f"CREATE OR REPLACE TEMP VIEW direct_pairs AS {sql_of('direct_pairs')}")


def check_scores(con: duckdb.DuckDBPyConnection, labels: str) -> None:
    """Refuse labels that nothing is known about.

    Args:
        con: A connection.
        labels: Query for the p_correct of all labels.

    Raises:
        MissingTableError: One is NULL.
    """
    n_labels, n_scored = con.sql(f"SELECT count(*), count(p_correct) FROM ({labels})").fetchall()[0]
    if n_scored < n_labels:
        raise MissingTableError(
            f"{n_labels - n_scored} of {n_labels} direct labels have no score",
            where="label_scores",
            fix="Run curate score-labels.",
        )


def stream_labels(con: duckdb.DuckDBPyConnection, labels: str) -> Generator[ClassLabels, None, None]:
    """Labels class by class, in order of class_key and image_id.

    Args:
        con: Connection with images, audit_frames and audit_samples; it must not be used meanwhile.
        labels: Query for image_id, class_key, p_correct, suggested_class_key and sha256.
    """
    query = (
        f"SELECT l.*, f.frames FROM ({labels}) AS l "
        f"LEFT JOIN ({sql_of('framed_labels')}) AS f USING (image_id, class_key) ORDER BY l.class_key, l.image_id"
    )
    with con.sql(query).to_arrow_reader(_BATCH_ROWS) as reader:
        for class_key, rows in runs(reader, "class_key"):
            yield ClassLabels(
                class_key,
                rows["image_id"],
                rows["p_correct"].to_numpy(zero_copy_only=False),  # NULL becomes NaN
                rows["suggested_class_key"],
                rows["sha256"],
                rows["frames"],
            )


def runs(batches: Iterable[pa.RecordBatch], column: str) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows cut where a column changes.

    Args:
        batches: Rows in which equal values lie together.
        column: Strings, none of them NULL.

    Yields:
        Each value with its rows.
    """
    held: list[pa.RecordBatch] = []
    value = ""
    for batch in batches:
        cut = pc.run_end_encode(batch[column])
        start = 0
        for found, end in zip(cut.values.to_pylist(), cut.run_ends.to_pylist(), strict=True):
            if held and found != value:
                yield value, held[0] if len(held) == 1 else pa.concat_batches(held)
                held = []
            value = found
            held.append(batch.slice(start, end - start))
            start = end
    if held:
        yield value, held[0] if len(held) == 1 else pa.concat_batches(held)


def read_asked(con: duckdb.DuckDBPyConnection) -> dict[str, list[DrawnPair]]:
    """What was drawn and said, by class.

    Args:
        con: Connection with audit_samples, audits and images.
    """
    found: dict[str, list[DrawnPair]] = {}
    for class_key, *drawn in con.sql(sql_of("resolved_verdicts")).fetchall():
        found.setdefault(class_key, []).append(tuple(drawn))
    return found


def class_looks(labels: ClassLabels, asked: list[DrawnPair] | None) -> "list[Look]":
    """The looks at a class's labels, in order, however these changed since they were drawn.

    Labels that came later, or whose image has other bytes now, were not asked about; labels that are gone leave a
    sample of those that stayed.

    Args:
        labels: Direct labels of a class.
        asked: What was drawn of it.
    """
    from curate.noise.looks import Look

    if not asked:
        return []
    n = len(labels.image_ids)
    images = pa.array([image_id for _, _, _, image_id, _ in asked], labels.image_ids.type)
    places = pc.index_in(images, value_set=labels.image_ids).fill_null(-1).to_numpy()
    strata = {frame: _strata_of(labels, frame) for frame in sorted({frame for frame, *_ in asked})}
    looks = []
    for number, frame, share in sorted({(look, frame, share) for frame, look, share, _, _ in asked}):
        stratum = strata[frame]
        drawn, judged, correct = (np.zeros(n, np.bool_) for _ in range(3))
        for index, (of_frame, look, _, _, is_correct) in zip(places.tolist(), asked, strict=True):
            if of_frame == frame and look <= number and index >= 0 and stratum[index] >= 0:
                drawn[index], judged[index], correct[index] = True, is_correct is not None, bool(is_correct)
        if drawn.any():
            looks.append(Look(number, frame, share, stratum, drawn, judged, correct))
    return looks


def _strata_of(labels: ClassLabels, frame: str) -> npt.NDArray[np.int64]:
    """Stratum of each label in a frame, -1 for one that was not in it."""
    stratum = np.full(len(labels.image_ids), -1, np.int64)
    found = pc.list_flatten(labels.frames)
    inside = pc.equal(found.field("frame"), frame).to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(labels.frames).to_numpy()
    stratum[rows[inside]] = found.field("stratum").to_numpy()[inside]
    return stratum
