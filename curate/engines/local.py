"""The engine for one machine: threads, processes, or the calling thread for a device."""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

import pyarrow as pa

from curate.stage import Part, ShardStage, Tables, Worker

Result = dict[str, pa.Table]
Progress = Callable[[float], None]
"""Told the share of a part that was just done."""

_THREADS_S = 5.0
"""Work that takes longer moves from threads to processes: to start one takes most of a second."""


def run_parts(
    stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], n_workers: int, progress: Progress
) -> Iterator[tuple[Part, Result]]:
    """Run the parts of a stage, yielding each as it ends, in any order.

    Args:
        stage: The stage.
        tables: Its declared tables.
        params: Its parameters.
        parts: The parts to run.
        n_workers: How many run at once; a device stage always has one.
        progress: Called from the consuming thread.

    Yields:
        Each part with the rows that it gave, by table.

    Raises:
        Exception: Whatever a worker raised first; parts that were running are waited for, not reported.
    """
    n_workers = min(n_workers, len(parts))
    if stage.pool == "device" or n_workers <= 1:
        yield from _in_this_thread(stage, tables, params, parts, progress)
    elif stage.pool == "thread":
        yield from _in_threads(stage, tables, params, parts, n_workers, progress)
    else:
        yield from _in_processes(stage, tables, params, parts, n_workers, progress)


def default_workers() -> int:
    """One worker per processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_this_thread(
    stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], progress: Progress
) -> Iterator[tuple[Part, Result]]:
    if not parts:
        return
    worker = stage.make_worker(tables, params)
    for part in parts:
        yield part, feed(worker, part.load(), stage.batch_rows, progress)


def _in_threads(
    stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], n_workers: int, progress: Progress
) -> Iterator[tuple[Part, Result]]:
    """Threads, which start at once; then processes for long work, as these do not wait for one interpreter lock."""
    local = threading.local()

    def work(rows: pa.Table) -> Result:
        if not hasattr(local, "worker"):
            local.worker = stage.make_worker(tables, params)
        return feed(local.worker, rows, stage.batch_rows, lambda share: None)

    waiting, end = iter(parts), time.monotonic() + _THREADS_S
    early = iter(lambda: next(waiting, None) if time.monotonic() < end else None, None)
    with ThreadPoolExecutor(n_workers) as threads:

        def submit(rows: pa.Table) -> Future[Result]:
            return threads.submit(work, rows)

        yield from _in_pool(submit, early, n_workers, progress)
        rest = list(waiting)
        if len(rest) <= 2 * n_workers:
            yield from _in_pool(submit, rest, n_workers, progress)
            return
    yield from _in_processes(stage, tables, params, rest, n_workers, progress)


def _in_processes(
    stage: ShardStage, tables: Tables, params: Any, parts: Sequence[Part], n_workers: int, progress: Progress
) -> Iterator[tuple[Part, Result]]:
    # Workers start clean: forking would copy locks that DuckDB's and Arrow's threads hold.
    context = multiprocessing.get_context("spawn")
    start = (stage.make_worker, tables, params, stage.batch_rows)
    with ProcessPoolExecutor(n_workers, context, _start_process, start) as processes:

        def submit(rows: pa.Table) -> Future[Result]:
            with nullcontext() if stage.make_worker.__module__ == "__main__" else _without_main():
                return processes.submit(_work_in_process, rows)  # starts a process while there are too few

        yield from _in_pool(submit, parts, n_workers, progress)


@contextmanager
def _without_main() -> Iterator[None]:
    """A process that starts now does not import the calling script, which would run again where nothing guards it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _in_pool(
    submit: Callable[[pa.Table], Future[Result]], parts: Iterable[Part], n_workers: int, progress: Progress
) -> Iterator[tuple[Part, Result]]:
    waiting = iter(parts)
    running: dict[Future[Result], Part] = {}
    try:
        while True:
            # Two per worker keep all busy while only few parts lie in memory.
            while len(running) < 2 * n_workers and (part := next(waiting, None)) is not None:
                rows = part.load()
                with _no_interrupts():  # processes start on submit, and inherit this
                    running[submit(rows)] = part
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                part = running.pop(future)
                result = future.result()
                progress(1.0)
                yield part, result
    finally:
        for future in running:
            future.cancel()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def feed(worker: Worker, rows: pa.Table, batch_rows: int | None, progress: Progress) -> Result:
    """Feed a worker the rows of a part, so many at a time, and put its results together."""
    if batch_rows is None or rows.num_rows <= batch_rows:
        result = dict(worker(rows))
        progress(1.0)
        return result
    pieces: dict[str, list[pa.Table]] = {}
    for start in range(0, rows.num_rows, batch_rows):
        batch = rows.slice(start, batch_rows)
        for table, piece in worker(batch).items():
            pieces.setdefault(table, []).append(piece)
        progress(batch.num_rows / rows.num_rows)
    return {table: pa.concat_tables(found) for table, found in pieces.items()}


MakeWorker = Callable[[Tables, Any], Worker]
_process_worker: tuple[Worker | Exception, int | None] | None = None


def _start_process(make_worker: MakeWorker, tables: Tables, params: Any, batch: int | None) -> None:
    global _process_worker
    # The driving process says what Ctrl-C means; a worker just ends.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    atexit.register(os._exit, 0)  # else DuckDB complains of what that thread still holds
    try:
        _process_worker = make_worker(tables, params), batch
    except Exception as error:  # raised here it would only break the pool; the first part brings it home
        _process_worker = error, batch


def _end_with_parent() -> None:
    """A worker that waits for work would wait for ever where the driving process was killed."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work_in_process(rows: pa.Table) -> Result:
    assert _process_worker is not None
    worker, batch_rows = _process_worker
    if isinstance(worker, Exception):
        raise worker
    return feed(worker, rows, batch_rows, lambda share: None)
