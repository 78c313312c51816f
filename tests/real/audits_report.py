"""What audits of real labels buy: classes kept and labels lost, by how the pairs to judge were drawn.

    CURATE_TEST_DATA=DIR python -m tests.real.audits_report WORKSPACE [--draws 5]

WORKSPACE holds the road over webposts up to score-labels (tests/real/webposts.py says how). Verdicts are the truth.
"""

import argparse
import os
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

import curate
from curate.noise.audits import sampled_strata
from curate.noise.looks import LOOK_SHARE, Look
from curate.noise.select import select_by_audits
from tests.benchmarks.audit_intervals import draw
from tests.real.webposts import joined

ALPHA = 0.05
DESIGNS = ("uniform", "by score", "for the precision")


def strata_of(design: str, p: npt.NDArray[np.float64], n: int, target: float) -> npt.NDArray[np.int64]:
    """Stratum of each label, -1 for one that is not drawn from: as `curate audit sample` cuts them."""
    if design == "uniform":
        return np.zeros(len(p), np.int64)
    return sampled_strata(p, n, target if design == DESIGNS[2] else None, ALPHA * LOOK_SHARE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    asked = parser.parse_args()
    classes: dict[str, list[tuple[float, bool]]] = {}
    with joined(curate.open(asked.workspace), Path(os.environ["CURATE_TEST_DATA"])) as con:
        for key, p, right in con.execute("SELECT class_key, p_correct, is_right FROM pairs ORDER BY ALL").fetchall():
            classes.setdefault(key, []).append((p, right))
    names = ("target", "a class", "drawn", "verdicts", "kept", "falsely kept", "right labels kept", "kept labels right")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for target, n, design in ((t, n, d) for t in (0.8, 0.9) for n in (20, 40) for d in DESIGNS):
        total: Counter[str] = Counter()
        rng = np.random.default_rng(0)
        for rows in list(classes.values()) * asked.draws:
            p, right = np.asarray([row[0] for row in rows]), np.asarray([row[1] for row in rows])
            stratum = strata_of(design, p, min(n, len(p)), target)
            inside, drawn = np.flatnonzero(stratum >= 0), np.zeros(len(p), np.bool_)
            drawn[inside[np.concatenate(draw(stratum[inside], min(n, len(inside)), rng))]] = True
            look = Look(1, "frame", LOOK_SHARE, stratum, drawn, drawn, drawn & right)
            threshold = select_by_audits(p, [look], target, ALPHA, 5).threshold
            kept = p >= threshold if threshold is not None else np.zeros(len(p), np.bool_)
            total.update(
                verdicts=int(drawn.sum()),
                kept=int(kept.any()),
                falsely=int(kept.any() and right[kept].mean() < target),
                right=int(right.sum()),
                right_kept=int(right[kept].sum()),
                labels_kept=int(kept.sum()),
            )
        of = {name: count / asked.draws for name, count in total.items()}
        shares = f"{of['right_kept'] / of['right']:.3f} | {of['right_kept'] / max(of['labels_kept'], 1):.3f}"
        kept_of = f"{of['kept']:.1f} of {len(classes)}"
        print(f"| {target} | {n} | {design} | {of['verdicts']:,.0f} | {kept_of} | {of['falsely']:.1f} | {shares} |")


if __name__ == "__main__":
    main()
