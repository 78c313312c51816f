"""Scores and precision on human label noise (CIFAR-10N), without audits and with 30 a class, beside cleanlab's figures.

    CURATE_TEST_DATA=DIR python -m tests.real.noise_report [--draws 40]

cleanlab's figures are those of cifar10n/ANCHORS.md: the best of its scores, and its confident joint. Classes that are
left out are estimated from verdicts on the other nine.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score

from curate.noise.audits import score_strata
from curate.noise.calibrate import calibrate, calibrated_estimate
from curate.noise.precision import Estimate, model_estimate
from curate.noise.scores import score_labels
from tests.benchmarks.audit_intervals import draw

CLEANLAB = {"random1": (0.7345, 0.0651), "aggre": (0.5383, 0.0732)}
AUDITS = 30


def read(folder: Path) -> tuple[npt.NDArray[np.float16], dict[str, npt.NDArray[np.int64]]]:
    """L2-normalised descriptors, and labels by column of labels_train.csv."""
    rows = pq.read_table(folder / "embeddings_train.parquet")
    with (folder / "labels_train.csv").open(encoding="utf-8") as stream:
        by_key = {row["key"]: row for row in csv.DictReader(stream)}
    vectors = np.stack(rows["vector"].to_numpy()).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = rows["key"].to_pylist()
    labels = {name: np.array([int(by_key[key][name]) for key in keys]) for name in ("clean", *CLEANLAB)}
    return vectors.astype(np.float16), labels


def audit(p: npt.NDArray[np.float64], given: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which labels are judged: 30 of each class by the design of `curate audit sample`."""
    judged = np.zeros(len(p), np.bool_)
    for k in np.unique(given):
        rows = np.flatnonzero(given == k)
        judged[rows[np.concatenate(draw(score_strata(p[rows], AUDITS), AUDITS, rng))]] = True
    return judged


def summary(found: list[tuple[Estimate, float]]) -> str:
    """Mean absolute error, coverage and width."""
    error = np.mean([abs(estimate.precision - true) for estimate, true in found])
    held = np.mean([estimate.low <= true <= estimate.high for estimate, true in found])
    width = np.mean([estimate.high - estimate.low for estimate, _ in found])
    return f"{error:.4f} | {held:.3f} | {width:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=40)
    asked = parser.parse_args()
    vectors, labels = read(Path(os.environ["CURATE_TEST_DATA"]) / "cifar10n")
    clean = labels.pop("clean")
    fold = np.random.default_rng(0).integers(0, 5, len(clean)).astype(np.int32)
    for name, given in labels.items():
        start = time.monotonic()
        p, _ = score_labels(vectors, np.arange(len(given)), given, fold, np.zeros(0, np.int64), 10)
        seconds = time.monotonic() - start
        right, ap, error = given == clean, *CLEANLAB[name]
        true = [float(right[given == k].mean()) for k in range(10)]
        ours = average_precision_score(~right, 1 - p)
        print(f"\n{name}: {1 - right.mean():.4f} wrong, estimated {1 - p.mean():.4f}, {seconds:.0f} s")
        print(f"average precision {ours:.4f}, cleanlab {ap:.4f}: {(ours - ap) / (1 - ap):.1%} of what was left")
        print(
            f"\n| precision of a class (cleanlab's error {error:.4f}) | mean error | held | width |\n|---|---|---|---|"
        )
        found = [(model_estimate(p[given == k], 0.025, 0.025), true[k]) for k in range(10)]
        print(f"| scores alone | {summary(found)} |")
        audited, left_out = [], []
        for number in range(asked.draws):
            judged = audit(p, given, np.random.default_rng(number))
            for k in range(10):
                others = judged & (given != k)
                mine, nothing = given == k, np.zeros(int((given == k).sum()), np.bool_)
                of_all = calibrate(given[judged].astype(str), p[judged], right[judged])
                of_others = calibrate(given[others].astype(str), p[others], right[others])
                assert of_all is not None and of_others is not None
                audited.append((calibrated_estimate(of_all, str(k), p[mine], judged[mine], right[mine]), true[k]))
                left_out.append((calibrated_estimate(of_others, str(k), p[mine], nothing, nothing), true[k]))
        print(f"| {AUDITS} verdicts a class | {summary(audited)} |")
        print(f"| {AUDITS} verdicts on each of the other classes | {summary(left_out)} |")


if __name__ == "__main__":
    main()
