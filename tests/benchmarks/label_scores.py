"""Scores of labels at scale, beside a logistic regression in scikit-learn and cleanlab on its dense probabilities.

    python -m tests.benchmarks.label_scores --sizes 100000 1280000 --peer 100000

Corpora are synthetic: every class has three looks, classes come in families of ten that look alike, a fifth of the
labels is wrong, half of these go to the same family and half anywhere. Each line is a process of its own, so that peak
memory is its own. The peer (pip install cleanlab) is timed at the size of --peer; its time grows with pairs at least
linearly.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.metrics import average_precision_score

DIM, FAMILY, LOOKS, NOISE, FOLDS = 256, 10, 3, 0.2, 5


def corpus(n, n_classes, seed=0):
    """Vectors (N, 256), shown and given classes and folds."""
    rng = np.random.default_rng(seed)
    families = rng.normal(size=(-(-n_classes // FAMILY), DIM))
    classes = families[np.arange(n_classes) // FAMILY] + 0.7 * rng.normal(size=(n_classes, DIM))
    looks = (classes[:, None] + 0.8 * rng.normal(size=(n_classes, LOOKS, DIM))).astype(np.float32)
    true = rng.integers(0, n_classes, n)
    vectors = np.empty((n, DIM), np.float16)
    for start in range(0, n, 50_000):
        block = true[start : start + 50_000]
        x = looks[block, rng.integers(0, LOOKS, len(block))] + 4.0 * rng.standard_normal((len(block), DIM), np.float32)
        vectors[start : start + 50_000] = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = true // FAMILY * FAMILY + (true + rng.integers(1, FAMILY, n)) % FAMILY
    anywhere = (true + rng.integers(1, n_classes, n)) % n_classes
    chance = rng.random(n)
    given = np.where(chance < NOISE / 2, np.minimum(near, n_classes - 1), np.where(chance < NOISE, anywhere, true))
    return vectors, true, given, rng.integers(0, FOLDS, n).astype(np.int32)


def ours(vectors, given, fold, n_classes):
    """p_correct and precision by class."""
    from curate.noise.precision import model_estimate
    from curate.noise.scores import score_labels

    p, _ = score_labels(vectors, np.arange(len(given)), given, fold, np.zeros(0, np.int64), n_classes)
    p = np.where(np.isnan(p), np.nanmean(p), p)  # a class of which too few labels lie in other folds
    order, ends = np.argsort(given, kind="stable"), np.cumsum(np.bincount(given, minlength=n_classes))
    estimates = [model_estimate(p[rows], 0.025, 0.025).precision for rows in np.split(order, ends[:-1]) if len(rows)]
    return p, np.array(estimates)


def peer(vectors, given, fold, n_classes, max_iter):
    """Self-confidence and precision by class, of five logistic regressions."""
    from cleanlab.count import estimate_joint
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression

    x = vectors.astype(np.float32)
    probabilities = np.zeros((len(given), n_classes), np.float32)
    for held_out in range(FOLDS):
        start = time.monotonic()
        model = LogisticRegression(max_iter=max_iter).fit(x[fold != held_out], given[fold != held_out])
        probabilities[np.ix_(fold == held_out, model.classes_)] = model.predict_proba(x[fold == held_out])
        print(f"fold {held_out}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    joint = estimate_joint(given, probabilities)
    return get_label_quality_scores(given, probabilities), np.diag(joint) / np.maximum(joint.sum(1), 1e-12)


def measure(who, n, n_classes, max_iter):
    vectors, true, given, fold = corpus(n, n_classes)
    start = time.monotonic()
    if who == "curate":
        score, precision = ours(vectors, given, fold, n_classes)
    else:
        score, precision = peer(vectors, given, fold, n_classes, max_iter)
    seconds = time.monotonic() - start
    right = true == given
    truth = np.bincount(given, right, n_classes) / np.maximum(np.bincount(given, minlength=n_classes), 1)
    return {
        "who": who,
        "pairs": n,
        "seconds": round(seconds, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "ap": round(float(average_precision_score(~right, -score)), 4),
        "class_error": round(float(np.abs(precision - truth).mean()), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000])
    parser.add_argument("--peer", type=int, nargs="*", default=[])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--max-iter", type=int, default=100, help="of LogisticRegression; 100 is its default")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        who, n = args.one.split(":")
        print(json.dumps(measure(who, int(n), args.classes, args.max_iter)))
        return
    common = ["--classes", str(args.classes), "--max-iter", str(args.max_iter)]
    for one in [f"curate:{n}" for n in args.sizes] + [f"cleanlab:{n}" for n in args.peer]:
        command = [sys.executable, "-m", "tests.benchmarks.label_scores", "--one", one, *common]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
