"""The engine for several machines: parts on Ray actors. The workspace must lie on a file system that all share."""

from collections.abc import Iterator, Sequence
from typing import Any

from curate.engines.local import Progress, Result, feed
from curate.errors import MissingExtraError
from curate.stage import Part, ShardStage, Tables


class _Worker:
    """Holds one worker of a stage in its own process."""

    def __init__(self, stage: ShardStage, tables: Tables, params: Any) -> None:
        self.worker, self.batch_rows = stage.make_worker(tables, params), stage.batch_rows

    def work(self, index: int, rows: Any) -> tuple[int, Result]:
        return index, feed(self.worker, rows, self.batch_rows, lambda share: None)


def run_parts(
    stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], n_workers: int, progress: Progress
) -> Iterator[tuple[Part, Result]]:
    """Run the parts of a stage on a Ray cluster; see `curate.engines.local.run_parts`.

    The cluster is the one that RAY_ADDRESS names, else one is started on this machine. A device stage has as many
    workers as the cluster has GPUs, each with one of them.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
        from ray.exceptions import RayTaskError
        from ray.util import ActorPool
    except ImportError as error:
        raise MissingExtraError("engine ray needs the package ray", fix="pip install 'curate[ray]'") from error
    if not parts:
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    n_gpus = int(ray.cluster_resources().get("GPU", 0)) if stage.pool == "device" else 0
    n_workers = min(len(parts), n_gpus or (1 if stage.pool == "device" else n_workers))
    actor = ray.remote(num_cpus=1, num_gpus=1 if n_gpus else 0)(_Worker)
    pool = ActorPool([actor.remote(stage, tables, params) for _ in range(n_workers)])
    waiting = iter(enumerate(parts))
    try:
        for index, part in (pair for pair, _ in zip(waiting, range(2 * n_workers), strict=False)):
            pool.submit(lambda a, v: a.work.remote(*v), (index, part.load()))
        while pool.has_next():
            done, rows = pool.get_next_unordered()
            progress(1.0)
            if (following := next(waiting, None)) is not None:
                pool.submit(lambda a, v: a.work.remote(*v), (following[0], following[1].load()))
            yield parts[done], rows
    except RayTaskError as error:
        raise error.cause from error  # the worker's own error, as the local engine gives it
