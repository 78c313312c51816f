"""Direct labels by class with their scores and verdicts: what estimate-noise, build-manifest and audits read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import MissingTableError

if TYPE_CHECKING:
    from curate.noise.looks import Look

_SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class ClassLabels:
    """Direct labels of one class on decodable images.

    Attributes:
        class_key: The class.
        image_ids: R images, ascending.
        sha256: (R,) their bytes.
        p_correct: (R,) in [0, 1].
        suggested: (R,) class that fits better, or None.
    """

    class_key: str
    image_ids: list[str]
    sha256: list[str]
    p_correct: npt.NDArray[np.float64]
    suggested: list[str | None]

    def without(self, images: set[str]) -> "ClassLabels":
        """The labels on other images than these."""
        rows = [index for index, image_id in enumerate(self.image_ids) if image_id not in images]
        ids, digests = [self.image_ids[i] for i in rows], [self.sha256[i] for i in rows]
        return ClassLabels(self.class_key, ids, digests, self.p_correct[rows], [self.suggested[i] for i in rows])


@dataclass(frozen=True)
class Asked:
    """What was drawn of one class, and what people said.

    Attributes:
        frames: For each sample the pairs that it was drawn from: image_id → (sha256 of its bytes, stratum).
        drawn: Frame, look, its share of the error, image_id, and whether it was judged correct; None = not judged yet.
    """

    frames: dict[str, dict[str, tuple[str, int]]]
    drawn: list[tuple[str, int, float, str, bool | None]]


def read_labels(con: duckdb.DuckDBPyConnection, *, need_scores: bool = True) -> Iterator[ClassLabels]:
    """Direct labels class by class, in order of class_key.

    Args:
        con: Connection with image_labels, images and label_scores.
        need_scores: Whether every label must have a score; else NaN stands for none.

    Raises:
        MissingTableError: label_scores does not know a label.
    """
    rows: pa.Table = con.sql((_SQL / "direct_labels.sql").read_text(encoding="utf-8")).to_arrow_table()
    unscored = rows["p_correct"].null_count
    if need_scores and unscored:
        raise MissingTableError(
            f"{unscored} of {rows.num_rows} direct labels have no score",
            where="label_scores",
            fix="Run curate score-labels.",
        )
    keys = rows["class_key"].to_numpy()
    starts = np.flatnonzero(np.append([True], keys[1:] != keys[:-1])[: len(keys)])
    for start, end in zip(starts, np.append(starts[1:], len(keys)), strict=True):
        found = rows.slice(start, end - start)
        scores = found["p_correct"].cast(pa.float64()).fill_null(float("nan")).to_numpy()
        yield ClassLabels(
            keys[start],
            found["image_id"].to_pylist(),
            found["sha256"].fill_null("").to_pylist(),
            scores,
            found["suggested_class_key"].to_pylist(),
        )


def read_asked(con: duckdb.DuckDBPyConnection) -> dict[str, Asked]:
    """What was drawn and said, by class.

    Args:
        con: Connection with audit_frames, audit_samples, audits and images.
    """
    found: dict[str, Asked] = {}
    frames = "SELECT class_key, frame, image_id, image_sha256, stratum FROM audit_frames ORDER BY ALL"
    for class_key, frame, image_id, digest, stratum in con.sql(frames).fetchall():
        asked = found.setdefault(class_key, Asked({}, []))
        asked.frames.setdefault(frame, {})[image_id] = (digest, stratum)
    rows = con.sql((_SQL / "resolved_verdicts.sql").read_text(encoding="utf-8")).fetchall()
    for class_key, *drawn in rows:
        found[class_key].drawn.append(tuple(drawn))
    return found


def class_looks(labels: ClassLabels, asked: Asked | None) -> "list[Look]":
    """The looks at a class's labels, in order, however these changed since they were drawn.

    Labels that came later, or whose image has other bytes now, were not asked about; labels that are gone leave a
    sample of those that stayed.

    Args:
        labels: Direct labels of a class.
        asked: What was drawn of it.
    """
    from curate.noise.looks import Look

    if asked is None:
        return []
    place = {image_id: index for index, image_id in enumerate(labels.image_ids)}
    looks = []
    for number, frame, share in sorted({(look, frame, share) for frame, look, share, _, _ in asked.drawn}):
        stratum = np.full(len(labels.image_ids), -1, np.int64)
        for image_id, (digest, found) in asked.frames[frame].items():
            index = place.get(image_id)
            if index is not None and labels.sha256[index] == digest:
                stratum[index] = found
        drawn, judged, correct = (np.zeros(len(stratum), np.bool_) for _ in range(3))
        for of_frame, look, _, image_id, is_correct in asked.drawn:
            index = place.get(image_id)
            if of_frame == frame and look <= number and index is not None and stratum[index] >= 0:
                drawn[index], judged[index], correct[index] = True, is_correct is not None, bool(is_correct)
        if drawn.any():
            looks.append(Look(number, frame, share, stratum, drawn, judged, correct))
    return looks
