"""evaluate: a trained model on evaluation sets."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from curate.errors import MissingInputError, nearest
from curate.schema import table_schema
from curate.stage import QueryStage, Rows, Tables, param
from curate.stages.train import choose

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Parameters of evaluate."""

    on: tuple[str, ...] = param((), help="Evaluation sets; by default all whose images have classes.")
    run_id: str | None = param(None, help="Run to evaluate; by default the one that was trained last.")
    device: str = param("auto", help="cpu, cuda, or auto: CUDA where there is a device.")


def evaluate(tables: Tables, params: EvaluateParams) -> Mapping[str, Rows]:
    """Top-1 and top-5 accuracy over images, per class, and as the mean over classes; with and without what leaked."""
    from curate.train.evaluate import evaluate as measure

    rows: list[tuple[object, ...]] = []
    with tables.connect() as con:
        run_id = choose(
            con.execute("SELECT run_id FROM training_runs").fetchall(),
            params.run_id or tables.latest("training_runs"),
            "run_id",
        )
        query = "SELECT checkpoint, manifest_id FROM training_runs WHERE run_id = ?"
        checkpoint, manifest_id = con.execute(query, [run_id]).fetchall()[0]
        for eval_set in sorted(set(params.on)) or labelled_sets(con):
            images, root = eval_set_images(con, eval_set)
            leaked = known_leaks(con, eval_set, manifest_id)
            scores = measure(tables.folder / checkpoint, images, root, leaked=leaked, device=params.device)
            rows.extend((run_id, eval_set, s.metric, s.class_key, s.value, s.n_images) for s in scores)
    columns = [pa.array(values) for values in zip(*rows, strict=True)]
    return {"evaluations": pa.table(columns, names=table_schema("evaluations").arrow.names)}


def labelled_sets(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the evaluation sets whose images are there and have classes.

    Raises:
        MissingInputError: There is none.
    """
    query = "SELECT DISTINCT eval_set FROM eval_images WHERE class_key IS NOT NULL AND uri <> '' ORDER BY eval_set"
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
        MissingInputError: There is no such set, or it was shared without its images.
    """
    rows = con.execute("SELECT eval_set, root, format FROM eval_sets").fetchall()
    known = {str(name): (str(root), format) for name, root, format in rows}
    if eval_set not in known:
        raise MissingInputError(f"no evaluation set '{eval_set}'", fix=nearest(eval_set, known))
    root, format = known[eval_set]
    if format == "export":
        what = "it was shared without its images, so no model can be shown them"
        raise MissingInputError(what, where=f"eval set {eval_set}", fix="Add the set with its images.")
    found = con.sql("SELECT * FROM eval_images WHERE eval_set = ? ORDER BY eval_image_id", params=[eval_set])
    return found.to_arrow_table(), Path(root)


def leaked_ids(con: duckdb.DuckDBPyConnection, eval_set: str, manifest_id: str | None = None) -> list[str]:
    """Images of an eval set of which the corpus has a copy.

    Args:
        con: Sees near_duplicates, and manifest where one is named.
        eval_set: Its name.
        manifest_id: Count only copies that this manifest trains on; None = all of the corpus.

    Returns:
        eval_image_id, sorted.
    """
    query = "SELECT DISTINCT eval_image_id FROM near_duplicates WHERE eval_set = $1"
    if manifest_id is not None:
        query += " AND image_id IN (SELECT image_id FROM manifest WHERE manifest_id = $2 AND split = 'train')"
    given = [eval_set] if manifest_id is None else [eval_set, manifest_id]
    return [str(row[0]) for row in con.execute(query + " ORDER BY eval_image_id", given).fetchall()]


def known_leaks(con: duckdb.DuckDBPyConnection, eval_set: str, manifest_id: str) -> list[str] | None:
    """The leaked images of an eval set, as far as they can be known for a model.

    Args:
        con: Sees near_duplicates, duplicate_thresholds and manifest.
        eval_set: Its name.
        manifest_id: Manifest that the model was trained on; where it is not here, copies anywhere in the corpus count.

    Returns:
        eval_image_id, sorted; None where dedup did not compare the set, which is told.
    """
    compared = "SELECT 1 FROM duplicate_thresholds WHERE eval_set = $1 UNION ALL "
    compared += "SELECT 1 FROM near_duplicates WHERE eval_set = $1 LIMIT 1"
    if not con.execute(compared, [eval_set]).fetchall():
        log.warning(
            "eval set %s was not compared with the corpus, so accuracy without leaked images is not known: "
            "run 'curate dedup --against %s'",
            eval_set,
            eval_set,
        )
        return None
    if con.execute("SELECT 1 FROM manifest WHERE manifest_id = ? LIMIT 1", [manifest_id]).fetchall():
        return leaked_ids(con, eval_set, manifest_id)
    log.warning("manifest %s is not in this workspace: copies anywhere in the corpus count as leaks", manifest_id)
    return leaked_ids(con, eval_set)


STAGE = QueryStage(
    name="evaluate",
    version=2,
    params=EvaluateParams,
    reads=("training_runs", "eval_images", "eval_sets"),
    optional=("near_duplicates", "duplicate_thresholds", "manifest"),
    writes=("evaluations",),
    run=evaluate,
    retain="run_id",
    doc="Measure a trained model on evaluation sets.",
)
