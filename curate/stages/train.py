"""train: a classifier on a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.errors import ParameterError
from curate.stage import QueryStage, Rows, Tables, param


@dataclass(frozen=True, kw_only=True)
class TrainParams:
    """Parameters of train."""

    recipe: str = param("quickstart", help="Training recipe: a shipped name, or a YAML file.", file=True)
    manifest_id: str | None = param(None, help="Manifest to train on; by default the one that was built last.")
    where: str | None = param(None, help="SQL condition: train on rows of the manifest that meet it.")
    max_steps: int | None = param(None, help="Upper limit on the steps; the schedule is fitted to it.")
    seed: int | None = param(None, help="Seed; by default the recipe's.")
    device: str = param("auto", help="cpu, cuda, or auto: CUDA where there is a device.")
    n_compute_threads: int | None = param(None, help="Threads of torch on a CPU; 1 gives equal results everywhere.")


def train(tables: Tables, params: TrainParams) -> Mapping[str, Rows]:
    """Train; a run that was interrupted goes on from its last checkpoint."""
    from curate.train.manifest import from_tables
    from curate.train.recipe import load_recipe
    from curate.train.train import plan_run
    from curate.train.train import train as train_on

    with tables.connect() as con:
        manifest_id = choose(
            con.execute("SELECT DISTINCT manifest_id FROM manifest").fetchall(),
            params.manifest_id or tables.latest("manifest"),
        )
        rows, classes = (
            con.sql(f"SELECT * FROM {table} WHERE manifest_id = ?", params=[manifest_id]).to_arrow_table()
            for table in ("manifest", "manifest_classes")
        )
        roots = {source: Path(root) for source, root in con.execute("SELECT source, root FROM sources").fetchall()}
    manifest = from_tables(manifest_id, rows, classes, roots)
    if params.where:
        manifest = manifest.where(params.where)
    recipe = load_recipe(params.recipe, **({} if params.seed is None else {"seed": params.seed}))
    run_id = plan_run(manifest, recipe, params.max_steps).run_id
    folder = Path("runs", run_id)
    done = train_on(
        manifest,
        recipe,
        tables.folder / folder,
        max_steps=params.max_steps,
        device=params.device,
        n_compute_threads=params.n_compute_threads,
    )
    return {
        "training_runs": pa.table(
            {
                "run_id": [done.run_id],
                "manifest_id": [done.manifest_id],
                "recipe": [Path(params.recipe).stem],
                "checkpoint": [folder.as_posix()],
                "n_steps": [done.n_steps],
                "n_images_seen": [done.n_images_seen],
                "final_loss": [done.final_loss],
            }
        )
    }


def choose(found: list[tuple[Any, ...]], wanted: str | None, what: str = "manifest_id") -> str:
    """The one id that is there, or the one that is asked for.

    Raises:
        ParameterError: There is none, it is not there, or there are several and none is asked for.
    """
    ids = sorted(str(row[0]) for row in found)
    listed = ", ".join(ids) or "none"
    if wanted is not None and wanted not in ids:
        raise ParameterError(f"no {what} '{wanted}'", fix=f"There are: {listed}.")
    if wanted is None and len(ids) != 1:
        raise ParameterError(f"{len(ids)} values of {what}, one is needed", fix=f"Give {what}; there are: {listed}.")
    return wanted or ids[0]


STAGE = QueryStage(
    name="train",
    version=1,
    params=TrainParams,
    reads=("manifest", "manifest_classes", "sources"),
    writes=("training_runs",),
    run=train,
    retain="run_id",
    doc="Train a classifier on a manifest.",
)
