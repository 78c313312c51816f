"""evaluate: a trained model on evaluation sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from curate.errors import MissingInputError, nearest
from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables, param
from curate.stages.train import choose


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Parameters of evaluate."""

    on: tuple[str, ...] = param((), help="Evaluation sets; by default all whose images have classes.")
    run_id: str | None = param(None, help="Run to evaluate; by default the one that was trained last.")
    device: str = param("auto", help="cpu, cuda, or auto: CUDA where there is a device.")


def evaluate(tables: Tables, params: EvaluateParams) -> Mapping[str, Rows]:
    """Top-1 and top-5 accuracy over images, per class, and as the mean over classes."""
    from curate.train.evaluate import evaluate as measure

    rows: list[tuple[object, ...]] = []
    with tables.connect() as con:
        run_id = choose(
            con.execute("SELECT run_id FROM training_runs").fetchall(),
            params.run_id or tables.latest("training_runs"),
            "run_id",
        )
        found = con.execute("SELECT checkpoint FROM training_runs WHERE run_id = ?", [run_id]).fetchall()
        for eval_set in sorted(set(params.on)) or labelled_sets(con):
            images, root = eval_set_images(con, eval_set)
            scores = measure(tables.folder / found[0][0], images, root, device=params.device)
            rows.extend((run_id, eval_set, s.metric, s.class_key, s.value, s.n_images) for s in scores)
    columns = [pa.array(values) for values in zip(*rows, strict=True)]
    return {"evaluations": pa.table(columns, names=table_schema("evaluations").arrow.names)}


def labelled_sets(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the evaluation sets whose images have classes.

    Raises:
        MissingInputError: There is none.
    """
    query = "SELECT DISTINCT eval_set FROM eval_images WHERE class_key IS NOT NULL ORDER BY eval_set"
    names = [str(row[0]) for row in con.execute(query).fetchall()]
    if not names:
        raise MissingInputError("no evaluation set has classes", fix="Add one with 'curate evalset add NAME PATH'.")
    return names


def eval_set_images(con: duckdb.DuckDBPyConnection, eval_set: str) -> tuple[pa.Table, Path]:
    """Rows of eval_images of one set, and the folder that their uris are relative to.

    Args:
        con: Sees eval_images and eval_sets.
        eval_set: Its name.

    Raises:
        MissingInputError: There is no such set.
    """
    roots = {str(name): str(root) for name, root in con.execute("SELECT eval_set, root FROM eval_sets").fetchall()}
    if eval_set not in roots:
        raise MissingInputError(f"no evaluation set '{eval_set}'", fix=nearest(eval_set, roots))
    rows = con.sql("SELECT * FROM eval_images WHERE eval_set = ? ORDER BY eval_image_id", params=[eval_set])
    return rows.to_arrow_table(), Path(roots[eval_set])


STAGE = QueryStage(
    name="evaluate",
    version=1,
    params=EvaluateParams,
    reads=("training_runs", "eval_images", "eval_sets"),
    writes=("evaluations",),
    run=evaluate,
    retain="run_id",
    doc="Measure a trained model on evaluation sets.",
)
