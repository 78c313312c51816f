"""How often intervals from audits hold the truth, how wide they are, and what stratifying by score saves.

    python -m tests.benchmarks.audit_intervals [--runs 1000] [--processes 2]

Classes are simulated: truth, and scores that know some of it, by kind of noise. Each is audited by the design of
`curate audit sample --final` many times over. Beside it: a uniform sample of as many pairs with the exact interval;
the same interval where the design knows the true rate of right labels at every score (`oracle`); and the width of the
textbook interval (normal, Neyman's allocation, 20 strata, true rates), which does not cover in small samples.
"""

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.noise.audits import score_strata, spread_budget
from curate.noise.precision import Stratum, audited_estimate

NOISES = ("uniform", "instance", "concentrated", "unseen")
RATES = (0.02, 0.15, 0.5)
SIZES = (20, 200, 2_000, 20_000)
AUDITS = (5, 20, 60, 200)


@dataclass(frozen=True)
class Cell:
    """One kind of class, and how many of its pairs are judged."""

    noise: str
    rate: float
    n_pairs: int
    n_audits: int


def simulate(cell: Cell, rng: np.random.Generator) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Which labels are right, and p_correct of each.

    uniform: any label is wrong with the same chance; scores see it as a classifier would (AUC 0.95), calibrated.
    instance: hard images are mislabelled more often, and scores are vague about them.
    concentrated: wrong labels form a group that scores see clearly, but for a fifth of it.
    unseen: scores are overconfident and know nothing.
    """
    n = cell.n_pairs
    right = rng.random(n) >= cell.rate
    prior = np.log((1 - cell.rate) / cell.rate)
    if cell.noise == "uniform":
        d = 2.3
        logit = prior + d * (rng.normal(size=n) + np.where(right, d / 2, -d / 2))
    elif cell.noise == "instance":
        hard = rng.beta(1, 3, n)
        chance = np.clip(hard * cell.rate / 0.25, 0, 0.95)
        right = rng.random(n) >= chance
        logit = np.log((1 - chance) / np.maximum(chance, 1e-3)) + rng.normal(size=n) + np.where(right, 0.5, -0.5)
    elif cell.noise == "concentrated":
        seen = rng.random(n) < 0.8
        logit = np.where(~right & seen, -4.0, 3.0) + rng.normal(size=n)
    else:
        logit = 4.0 + rng.normal(size=n)
    return right, 1 / (1 + np.exp(-logit))


def true_rates(right: npt.NDArray[np.bool_], p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of right labels among pairs of about the same score, in up to 20 groups."""
    rates = np.empty(len(p))
    for group in np.array_split(np.argsort(p, kind="stable"), min(20, max(len(p) // 10, 1))):
        rates[group] = right[group].mean()
    return rates


def draw(strata: npt.NDArray[np.int64], n_audits: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Pairs of one sample, stratum by stratum, as many audits in each."""
    members = [np.flatnonzero(strata == h) for h in range(int(strata.max()) + 1)]
    shares = spread_budget({f"{h:02d}": len(rows) for h, rows in enumerate(members)}, n_audits)
    return [rng.choice(rows, shares[f"{h:02d}"], replace=False) for h, rows in enumerate(members)]


def audit(
    right: npt.NDArray[np.bool_], strata: npt.NDArray[np.int64], n_audits: int, rng: np.random.Generator
) -> list[Stratum]:
    """Counts of one sample."""
    sizes = np.bincount(strata).tolist()
    drawn = draw(strata, n_audits, rng)
    return [Stratum(size, len(rows), int(right[rows].sum())) for size, rows in zip(sizes, drawn, strict=True) if size]


def measure(cell: Cell, runs: int) -> dict[str, float]:
    """Coverage and mean width in a cell; each run has a class of its own."""
    rng = np.random.default_rng([NOISES.index(cell.noise), int(1000 * cell.rate), cell.n_pairs, cell.n_audits])
    n_classes = max(runs // 50, 1)
    designs = ("uniform", "ours", "oracle")
    held: dict[str, list[bool]] = {name: [] for name in designs}
    width: dict[str, list[float]] = {name: [] for name in designs}
    textbook = []
    for _ in range(n_classes):
        right, p = simulate(cell, rng)
        rates = true_rates(right, p)
        strata = {
            "uniform": np.zeros(cell.n_pairs, np.int64),
            "ours": score_strata(p, cell.n_audits),
            "oracle": score_strata(rates, cell.n_audits),
        }
        spread = float(np.sqrt(rates * (1 - rates)).mean())
        left = max(1 - cell.n_audits / cell.n_pairs, 0.0)
        textbook.append(2 * 1.96 * spread * np.sqrt(left / cell.n_audits))
        for name in designs:
            for _ in range(runs // n_classes if name == "ours" else max(runs // n_classes // 5, 1)):
                found = audited_estimate(audit(right, strata[name], cell.n_audits, rng), 0.025, 0.025)
                held[name].append(found.low - 1e-9 <= right.mean() <= found.high + 1e-9)
                width[name].append(found.high - found.low)
    result = {f"{name} holds": float(np.mean(held[name])) for name in designs}
    result |= {f"{name} width": float(np.mean(width[name])) for name in designs}
    return result | {"textbook": float(np.mean(textbook)), "runs": float(len(held["ours"]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    cells = [Cell(*values) for values in itertools.product(NOISES, RATES, SIZES, AUDITS) if values[3] < values[2]]
    print("| noise | rate | pairs | audits | holds | width | of uniform | of oracle | of textbook |\n|" + "---|" * 9)
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(measure, cells, [asked.runs] * len(cells)))
    for cell, row in zip(cells, found, strict=True):
        ours, others = row["ours width"], ("uniform width", "oracle width", "textbook")
        ratios = " | ".join(f"{ours / row[name] if row[name] else float('nan'):.2f}" for name in others)
        what = f"{cell.noise} | {cell.rate:g} | {cell.n_pairs:,} | {cell.n_audits}"
        print(f"| {what} | {row['ours holds']:.3f} | {ours:.3f} | {ratios} |")
    worst = min(range(len(cells)), key=lambda i: found[i]["ours holds"])
    n, share = found[worst]["runs"], found[worst]["ours holds"]
    print(f"\nworst: {cells[worst]}, {share:.4f} ± {1.96 * np.sqrt(share * (1 - share) / n):.4f} of {n:.0f} runs")


if __name__ == "__main__":
    main()
