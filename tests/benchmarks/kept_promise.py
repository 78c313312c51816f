"""How often `--evidence audited` keeps a class below its target, and how much it keeps beside an oracle.

    python -m tests.benchmarks.kept_promise [--runs 400] [--processes 2]

Classes are simulated as in audit_intervals.py, audited by the design of `curate audit sample --min-precision T
--final`, and decided as by `curate build-manifest`. The oracle has the same scores and as many audits, and knows the
truth at every threshold: it puts all of its audits into the one set, best scores first, that promises most, and tests
it once at the full error.
"""

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from curate.noise.audits import sampled_strata
from curate.noise.looks import Look
from curate.noise.precision import Stratum, proves
from curate.noise.select import select_by_audits
from tests.benchmarks.audit_intervals import NOISES, Cell, draw, simulate

TARGETS = (0.7, 0.8, 0.9, 0.95)
RATES = (0.02, 0.08, 0.15, 0.25, 0.5)
SIZES = (200, 2_000)
AUDITS = (20, 64, 200)
ALPHA = 0.05


@dataclass(frozen=True)
class Outcome:
    """What became of one class."""

    kept: bool
    falsely: bool
    n_correct: int
    oracle: float


def oracle(right: npt.NDArray[np.bool_], p: npt.NDArray[np.float64], n_audits: int, target: float) -> float:
    """Correct pairs that the oracle may expect to keep."""
    best, found = 0.0, right[np.argsort(-p, kind="stable")].cumsum()
    for size in np.unique(np.linspace(5, len(p), 40).astype(int)):
        n, total = min(n_audits, int(size)), int(found[size - 1])
        if total < target * size:
            continue
        passing = [x for x in range(n + 1) if proves(Stratum(int(size), n, x), target, ALPHA)]
        if passing:
            best = max(best, float(hypergeom.sf(passing[0] - 1, size, total, n)) * total)
    return best


def run(cell: Cell, target: float, runs: int) -> list[Outcome]:
    """Classes of a cell."""
    rng = np.random.default_rng([NOISES.index(cell.noise), int(1000 * cell.rate), cell.n_pairs, cell.n_audits])
    outcomes = []
    n_classes = max(runs // 20, 1)
    for _ in range(n_classes):
        right, p = simulate(cell, rng)
        best = oracle(right, p, cell.n_audits, target)
        stratum = sampled_strata(p, cell.n_audits, target, ALPHA)
        inside = np.flatnonzero(stratum >= 0)
        for _ in range(runs // n_classes):
            drawn = np.zeros(len(p), np.bool_)
            drawn[inside[np.concatenate(draw(stratum[inside], cell.n_audits, rng))]] = True
            look = Look(1, "frame", 1.0, stratum, drawn, drawn, drawn & right)
            decision = select_by_audits(p, [look], target, ALPHA, 5)
            kept = p >= decision.threshold if decision.threshold is not None else np.zeros(len(p), np.bool_)
            below = bool(kept.any()) and right[kept].mean() < target
            outcomes.append(Outcome(bool(kept.any()), below, int(right[kept].sum()), best))
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    grid = [
        (Cell(noise, rate, size, n), target)
        for noise, rate, size, n, target in itertools.product(NOISES, RATES, SIZES, AUDITS, TARGETS)
        if n < size
    ]
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(run, *zip(*grid, strict=True), [asked.runs] * len(grid)))
    names = ("noise", "target", "audits", "classes", "kept", "falsely kept", "worst cell", "correct, of the oracle's")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for noise, target, n in itertools.product(NOISES, TARGETS, AUDITS):
        key = (noise, target, n)
        rows = [out for (cell, t), out in zip(grid, found, strict=True) if (cell.noise, t, cell.n_audits) == key]
        every = [outcome for out in rows for outcome in out]
        worst = max(np.mean([o.falsely for o in out]) for out in rows)
        expected = sum(o.oracle for o in every)
        share = sum(o.n_correct for o in every) / expected if expected else float("nan")
        falsely = sum(o.falsely for o in every) / len(every)
        print(
            f"| {noise} | {target} | {n} | {len(every):,} | {np.mean([o.kept for o in every]):.3f} | {falsely:.4f} | "
            f"{worst:.3f} | {share:.2f} |"
        )


if __name__ == "__main__":
    main()
