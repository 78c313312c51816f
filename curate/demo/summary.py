"""What the road found in the demo's corpus beside what was planted in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow.parquet as pq

from curate.demo import queries
from curate.demo.copies import TRANSFORMS

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class Tally:
    """So many of so many."""

    n: int
    of: int

    @property
    def share(self) -> float:
        """The quotient; NaN of nothing."""
        return self.n / self.of if self.of else float("nan")

    def __str__(self) -> str:
        return f"{self.n:,} of {self.of:,}"


@dataclass(frozen=True)
class ClassRow:
    """One planted class; a value that the road did not give is None.

    Attributes:
        name: Name, with a word more where two classes share it.
        wnid: Synset.
        n_labels: Direct labels that were mapped to it.
        true_precision: Share of them that is right.
        estimate: Estimated precision of them.
        ci_low: Lower end of its interval.
        ci_high: Upper end.
        status: In the manifest: kept, excluded or undecided.
        n_kept: Labels that the manifest keeps.
        kept_precision: Share of those that is right.
    """

    name: str
    wnid: str
    n_labels: int
    true_precision: float
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    status: str | None
    n_kept: int
    kept_precision: float | None


@dataclass(frozen=True)
class Run:
    """A model that was trained.

    Attributes:
        name: What it was trained on.
        accuracy: Top-1 on the evaluation set, in [0, 1].
        n_images: Size of the evaluation set.
        n_steps: Optimiser steps.
    """

    name: str
    accuracy: float
    n_images: int
    n_steps: int


@dataclass(frozen=True)
class Comparison:
    """Findings beside the truth. Precision is the share of labels that are right, by the class that was drawn.

    Attributes:
        truth: Folder of the truth.
        classes: By true precision, lowest first.
        mapped: Labels that were planted and mapped to their class, of those planted.
        mapped_rightly: The same, of those mapped to any class of the label space.
        leaks: Copies of evaluation images found, by transform.
        n_false_hits: Posts held to be such copies that are none.
        copies: Copies within the corpus found in one cluster with their original.
        damaged: Damaged posts that were told for what they are, by kind.
        before: Right ones among all labels.
        after: Right ones among the labels that the manifest keeps.
        kept: Right labels on pictures that are no leaks: those kept, of all.
        n_leaks_left: Leaks that are in the manifest.
        runs: Models, in the order given.
    """

    truth: Path
    classes: tuple[ClassRow, ...]
    mapped: Tally
    mapped_rightly: Tally
    leaks: Mapping[str, Tally]
    n_false_hits: int
    copies: Mapping[str, Tally]
    damaged: Mapping[str, Tally]
    before: Tally
    after: Tally
    kept: Tally
    n_leaks_left: int
    runs: tuple[Run, ...]

    @property
    def estimated(self) -> tuple[ClassRow, ...]:
        """Classes that have an estimate."""
        return tuple(row for row in self.classes if row.estimate is not None)

    @property
    def mean_absolute_error(self) -> float:
        """Of the estimated precision, over classes."""
        errors = [abs((row.estimate or 0.0) - row.true_precision) for row in self.estimated]
        return float(np.mean(errors)) if errors else float("nan")

    @property
    def correlation(self) -> float:
        """Pearson's, of estimated and true precision over classes; NaN where one of them does not vary."""
        pairs = np.array([(row.estimate, row.true_precision) for row in self.estimated], float).reshape(-1, 2)
        if len(pairs) < 2 or not (pairs.std(0) > 0).all():
            return float("nan")
        return float(np.corrcoef(pairs.T)[0, 1])

    @property
    def covered(self) -> Tally:
        """Intervals that hold the true precision."""
        rows = [row for row in self.estimated if row.ci_low is not None and row.ci_high is not None]
        n = sum((row.ci_low or 0.0) <= row.true_precision <= (row.ci_high or 0.0) for row in rows)
        return Tally(n, len(rows))


def compare(
    con: duckdb.DuckDBPyConnection, truth: Path, *, manifest_id: str, runs: Mapping[str, str] | None = None
) -> Comparison:
    """Compares a workspace with the truth of the corpus that it was made from.

    Args:
        con: With one view per table of the workspace; temporary tables are added to it.
        truth: Folder that `generate` wrote the truth to.
        manifest_id: The manifest to judge.
        runs: Trained models to report: what each was trained on → run_id.
    """
    for name in ("posts", "pairs", "leaks", "classes"):
        con.register(f"truth_{name}", pq.read_table(truth / f"{name}.parquet"))
    given: dict[str, Any] = {"manifest_id": manifest_id}
    for statement in queries.SETUP.split(";\n"):
        if statement.strip():
            con.execute(statement, given if "$manifest_id" in statement else None)
    n_mapped, n_planted, n_found = con.execute(queries.MAPPED).fetchall()[0]
    right, total, right_kept, total_kept, held_kept, held, n_leaks = con.execute(queries.PAIRS).fetchall()[0]
    return Comparison(
        truth=truth,
        classes=tuple(ClassRow(*row) for row in con.execute(queries.CLASSES, given).fetchall()),
        mapped=Tally(n_mapped, n_planted),
        mapped_rightly=Tally(n_mapped, n_found),
        leaks=dict(sorted(_tallies(con, queries.LEAKS).items(), key=lambda item: TRANSFORMS.index(item[0]))),
        n_false_hits=con.execute(queries.FALSE_HITS).fetchall()[0][0],
        copies=_tallies(con, queries.COPIES),
        damaged=_tallies(con, queries.DAMAGED),
        before=Tally(right, total),
        after=Tally(right_kept, total_kept),
        kept=Tally(held_kept, held),
        n_leaks_left=n_leaks,
        runs=tuple(run for name, run_id in (runs or {}).items() for run in _run(con, name, run_id)),
    )


def _tallies(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, Tally]:
    return {name: Tally(n, of) for name, n, of in con.execute(query).fetchall()}


def _run(con: duckdb.DuckDBPyConnection, name: str, run_id: str) -> list[Run]:
    rows = con.execute(
        "SELECT value, n_images, n_steps FROM evaluations JOIN training_runs USING (run_id) "
        "WHERE run_id = $1 AND metric = 'top1' AND class_key = '' ORDER BY eval_set LIMIT 1",
        [run_id],
    ).fetchall()
    return [Run(name, *row) for row in rows]


def render(comparison: Comparison) -> "Group":
    """The comparison for a terminal: a table of classes, and a line for everything else."""
    from rich.console import Group
    from rich.table import Table

    classes = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    classes.add_column("class")
    for title in ("labels", "right", "estimate, 95 %", "kept", "right of them"):
        classes.add_column(title, justify="right")
    for row in comparison.classes:
        estimate = "–" if row.estimate is None else f"{row.estimate:.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}]"
        kept = str(row.n_kept) if row.n_kept else row.status or "–"
        right = "" if row.kept_precision is None else f"{row.kept_precision:.2f}"
        classes.add_row(row.name, str(row.n_labels), f"{row.true_precision:.2f}", f"{estimate:>17}", kept, right)
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in statements(comparison):
        facts.add_row(name, text)
    return Group(classes, "", facts)


def statements(comparison: Comparison) -> list[tuple[str, str]]:
    """What there is to say beside the table of classes: pairs of a heading and a sentence."""
    c = comparison
    lines = [
        ("classes", f"{len(c.estimated)} of {len(c.classes)} planted classes found"),
        ("mapping", f"{c.mapped} planted labels mapped to their class, {_percent(c.mapped_rightly)} of those mapped"),
        (
            "precision",
            f"estimate off by {c.mean_absolute_error:.3f} on average, correlation {c.correlation:.2f}, "
            f"{c.covered} intervals hold the truth (model-based, no guarantee)",
        ),
        ("leaks", f"{_sum(c.leaks)} found, {c.n_false_hits} false: {_list(c.leaks)}"),
        ("copies", f"{_sum(c.copies)} within the corpus found: {_list(c.copies)}"),
        ("damaged", f"{_sum(c.damaged)} told for what they are{_missed(c.damaged)}"),
        (
            "manifest",
            f"{c.after.of:,} of {c.before.of:,} labels kept; right: {_percent(c.before)} before, "
            f"{_percent(c.after)} after; {_percent(c.kept)} of the right ones kept; {c.n_leaks_left} leaks left in",
        ),
    ]
    if c.runs:
        trained = ", ".join(f"{100 * run.accuracy:.1f} % on {run.name} ({run.n_steps:,} steps)" for run in c.runs)
        lines.append(("accuracy", f"trained {trained}; {c.runs[0].n_images} evaluation images"))
    return lines


def _percent(tally: Tally) -> str:
    return f"{100 * tally.share:.1f} %" if tally.of else "–"


def _sum(tallies: Mapping[str, Tally]) -> Tally:
    return Tally(sum(t.n for t in tallies.values()), sum(t.of for t in tallies.values()))


def _list(tallies: Mapping[str, Tally]) -> str:
    return ", ".join(f"{name} {tally.n}/{tally.of}" for name, tally in tallies.items())


def _missed(tallies: Mapping[str, Tally]) -> str:
    missed = {name: tally for name, tally in tallies.items() if tally.n < tally.of}
    return f", not all of {_list(missed)}" if missed else ""
