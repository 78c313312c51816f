"""Direct labels by class with their scores and verdicts: what estimate-noise, build-manifest and audits read."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import MissingTableError

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


@dataclass(frozen=True)
class DrawnLabel:
    """A pair that a design drew: is_correct is None where nobody judged it yet."""

    frame: str
    stratum: str
    image_id: str
    sample_id: str
    is_correct: bool | None


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


def read_drawn(con: duckdb.DuckDBPyConnection) -> dict[str, list[DrawnLabel]]:
    """Drawn pairs with what people said, by class; within a frame and stratum in order of sample_id."""
    rows = con.sql((_SQL / "resolved_verdicts.sql").read_text(encoding="utf-8")).fetchall()
    grouped = groupby(rows, key=lambda row: row[0])
    return {class_key: [DrawnLabel(*row[1:]) for row in members] for class_key, members in grouped}


def judged_sample(labels: ClassLabels, drawn: list[DrawnLabel]) -> tuple[list[str], dict[str, bool]]:
    """The strata and verdicts of the one designed sample that a class's estimates may rest on.

    A sample counts only while the class holds exactly the pairs that it was drawn from (its frame says so); of several
    the one with most verdicts counts. Samples are judged in the order of sample_id, which is random; what was skipped
    before a stratum's last verdict counts as wrong, what comes after it has not been asked yet.

    Args:
        labels: Direct labels of a class.
        drawn: Its drawn pairs.

    Returns:
        Stratum of each label, and image_id → judged correct; empty where no sample counts.
    """
    from curate.noise.audits import UNIFORM, pairs_digest, stratum_of

    best: tuple[int, list[str], dict[str, bool]] = (0, [UNIFORM] * len(labels.image_ids), {})
    for frame, group in groupby(drawn, key=lambda row: row.frame):
        rows = list(group)
        stratified = any(row.stratum != UNIFORM for row in rows)
        strata = [stratum_of(float(p), stratified) for p in labels.p_correct]
        members = list(zip(labels.image_ids, labels.sha256, strata, strict=True))
        if frame.split("-")[0] != pairs_digest(members):
            continue
        verdicts: dict[str, bool] = {}
        for _, stratum_rows in groupby(rows, key=lambda row: row.stratum):
            asked = list(stratum_rows)
            while asked and asked[-1].is_correct is None:
                asked.pop()
            verdicts |= {row.image_id: bool(row.is_correct) for row in asked}
        if len(verdicts) > best[0]:
            best = (len(verdicts), strata, verdicts)
    return best[1], best[2]
