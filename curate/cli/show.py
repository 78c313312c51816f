"""What the terminal shows: progress and log lines on stderr, results on stdout."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    import duckdb

    from curate.runner import Outcome

notes = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)


class _Notes(logging.Handler):
    """One line per message, whatever the width, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        notes.print(level + self.format(record), markup=False)


def set_up_logging(verbose: bool) -> None:
    """Log lines of the package on stderr: what is worth knowing, and with verbose everything."""
    package = logging.getLogger("curate")
    package.handlers[:] = [_Notes()]
    package.propagate = False
    package.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def watch(stage: str, n_parts: int) -> Iterator[Callable[[float], None]]:
    """A progress bar on a terminal; one log line at each tenth otherwise."""
    if not n_parts:
        yield lambda share: None
    elif notes.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=notes, transient=True) as bar:
            task = bar.add_task(stage, total=n_parts)
            yield lambda share: bar.advance(task, share)
    else:
        yield _plain_progress(stage, n_parts)


def _plain_progress(stage: str, n_parts: int) -> Callable[[float], None]:
    done = 0.0
    told = 0

    def advance(share: float) -> None:
        nonlocal done, told
        done += share
        tenths = int(10 * done / n_parts + 1e-6)
        if tenths > told and n_parts > 1:
            told = tenths
            notes.print(f"{stage}: {round(done, 1):g} of {n_parts} parts")

    return advance


def outcome_line(outcome: "Outcome") -> str:
    """One line on what became of a stage."""
    rows = ", ".join(f"{table} {n:,}" for table, n in outcome.n_rows.items())
    parts = f" ({outcome.n_parts_run} parts run, {outcome.n_parts_reused} reused)" if outcome.n_parts_run else ""
    return f"{outcome.stage:16} {outcome.action:6} {outcome.seconds:7.1f} s  {rows}{parts}"


def print_relation(relation: "duckdb.DuckDBPyRelation", form: str) -> None:
    """Print a query's result on stdout as table, csv, json or parquet."""
    rows = relation.to_arrow_table()
    if form == "csv":
        from pyarrow import csv

        csv.write_csv(rows, sys.stdout.buffer)
    elif form == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(rows, sys.stdout.buffer)
    elif form == "json":
        for row in rows.to_pylist():
            sys.stdout.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")
    else:
        print_table(rows.column_names, [list(row.values()) for row in rows.to_pylist()])


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print rows as an aligned table: framed on a terminal, plain columns in a pipe."""
    cells = [["" if value is None else _cell(value) for value in row] for row in rows]
    if results.is_terminal:
        table = Table(*map(escape, names), title=title, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in cells:
            table.add_row(*map(escape, row))
        results.print(table)
        return
    if title:
        sys.stdout.write(f"{title}\n")
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    for row in [list(names), *cells]:
        sys.stdout.write("  ".join(map(set_cell_size, row, widths)).rstrip() + "\n")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).splitlines())
