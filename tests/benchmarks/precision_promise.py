"""Does the set of reported copies keep the precision that was asked for? Simulated scores with known truth.

    python -m tests.benchmarks.precision_promise [--corpora 200] [--seed 0]

Every corpus draws anew its size (5,000 to 500,000 images), share of copies (0.01 to 10 %), eval set (100 to 50,000
images), tail of chance, and kinds of copies. Real copies differ from planted ones in kind and strength, many overlap
with chance, several come from one eval image, and some eval images and some corpus images resemble everything. In a
second version of each corpus up to 1 % of the images are look-alikes: no copies, but with scores like copies' for one
eval image. A set is proven where the lower bound of its precision reaches what was asked.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from curate.vision.calibrate import Compared, Decision, decide, fit, review_floor, wilson
from curate.vision.verdicts import Reviews

PRECISION = 0.99
N_KINDS = 10
PEOPLE = {"perfect": (0.0, 0.0), "1 % wrong, 3 % unsure": (0.01, 0.03)}


@dataclass(frozen=True)
class Corpus:
    compared: Compared
    is_copy: np.ndarray  # whether the best pair of the image is a copy and its original
    planted: np.ndarray
    planted_others: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Outcome:
    setting: str
    is_missed: bool  # some are flagged, and fewer than asked are copies
    recall: float  # of the copies that were compared
    oracle: float  # the same at the lowest threshold with the asked precision, by the truth
    is_proven: bool
    n_flagged: int


class Chance:
    """Scores of pairs that are no copies."""

    def __init__(self, rng, n_evals):
        self.rng, self.n_evals = rng, n_evals
        self.kind = rng.choice(["exponential", "gamma", "lognormal"])
        self.shape, self.width = rng.uniform(0.5, 4.0), rng.uniform(0.3, 0.7)
        self.zeros, self.unit = rng.uniform(0.0, 0.9), np.exp(rng.uniform(-3.0, 3.0))
        self.between, self.skew = rng.uniform(0.0, 0.4), rng.uniform(1.0, 4.0)
        self.hubs = np.exp(rng.uniform(0.0, 0.3) * rng.standard_normal(n_evals))

    def draw(self, n, k):
        """Best and second best of k eval images for n corpus images, and which the best is."""
        rng, size = self.rng, (n, k)
        evals = (self.n_evals * rng.random(size) ** self.skew).astype(np.int64)
        if self.kind == "exponential":
            scores = rng.standard_exponential(size)
        elif self.kind == "gamma":
            scores = rng.standard_gamma(self.shape, size)
        else:
            scores = np.exp(self.width * rng.standard_normal(size))
        scores *= self.unit * np.exp(self.between * rng.standard_normal((n, 1))) * self.hubs[evals]
        scores[rng.random(size) < self.zeros] = 0.0
        top = scores.argmax(axis=1)
        rows = np.arange(n)
        best, of = scores[rows, top], evals[rows, top]
        scores[rows, top] = -1.0
        return best, scores.max(axis=1), of


def draw_corpus(seed, look_alikes, max_images=500_000):
    """One corpus with its truth."""
    rng = np.random.default_rng([seed, 7])
    n_images = int(np.exp(rng.uniform(np.log(5e3), np.log(max_images))))
    n_evals = int(np.exp(rng.uniform(np.log(1e2), np.log(5e4))))
    n_compared, k = int(n_images * rng.uniform(0.05, 0.4)), int(rng.integers(4, 11))
    n_leaked = max(1, int(n_images * np.exp(rng.uniform(np.log(1e-4), np.log(0.1)))))
    chance = Chance(rng, n_evals)
    best, others, evals = chance.draw(n_compared, k)

    kinds = np.quantile(best, 0.999) * np.exp(rng.uniform(np.log(0.7), np.log(20.0), N_KINDS))
    lost, spread = rng.beta(0.5, 3.0, N_KINDS), rng.uniform(0.2, 0.7)

    def copies(n, mix, shift):
        kind = rng.choice(N_KINDS, n, p=mix)
        scores = kinds[kind] * np.exp(shift + spread * rng.standard_normal(n))
        return np.where(rng.random(n) < lost[kind], np.nan, scores)

    n_planted = 2 * min(n_evals, 400)
    planted, planted_others = copies(n_planted, np.full(N_KINDS, 1 / N_KINDS), 0.0), chance.draw(n_planted, k - 1)[0]
    real = copies(n_leaked, rng.dirichlet(np.full(N_KINDS, 0.7)), rng.normal(0.0, 0.4))
    real = real[~np.isnan(real)]
    n_sources = min(max(1, int(n_leaked / (1 + rng.exponential(3.0)))), n_evals)
    of = rng.choice(rng.choice(n_evals, n_sources, replace=False), len(real))
    beside, second, wrong = chance.draw(len(real), k - 1)
    is_best = real > beside

    best = np.concatenate([best, np.maximum(real, beside)])
    others = np.concatenate([others, np.where(is_best, beside, np.maximum(second, real))])
    evals = np.concatenate([evals, np.where(is_best, of, wrong)])
    if look_alikes:
        n_alike = int(n_images * np.exp(rng.uniform(np.log(1e-5), np.log(1e-2))))
        which = rng.choice(n_compared, min(n_alike, n_compared), replace=False)
        alike = kinds[rng.choice(N_KINDS, len(which))] * np.exp(rng.normal(-1.0, 0.7, len(which)))
        best[which] = np.maximum(best[which], alike)
    is_copy = np.concatenate([np.zeros(n_compared, bool), is_best])
    order = rng.permutation(len(best)).astype(np.uint64)
    return Corpus(Compared(best, others, evals, n_evals), is_copy, planted, planted_others, order)


def judge(corpus, floor, n, wrong, unsure, seed):
    """Verdicts on the first n pairs from a score on."""
    rng = np.random.default_rng([seed, 11])
    best = corpus.compared.best
    inside = np.flatnonzero(best >= floor)
    asked = inside[np.argsort(corpus.order[inside])][:n]
    said = np.where(corpus.is_copy[asked] ^ (rng.random(len(asked)) < wrong), 1, -1)
    said[rng.random(len(asked)) < unsure] = -2
    verdict, is_sampled = np.zeros(len(best), np.int8), np.zeros(len(best), bool)
    verdict[asked], is_sampled[asked] = said, True
    return Reviews(verdict, is_sampled, corpus.order)


def oracle_recall(corpus):
    """At the lowest threshold with the asked precision."""
    is_copy = corpus.is_copy[np.argsort(-corpus.compared.best, kind="stable")]
    found = np.cumsum(is_copy)
    good = np.flatnonzero(found >= PRECISION * np.arange(1, len(found) + 1))
    return float(found[good[-1]]) / max(1, int(is_copy.sum())) if len(good) else 0.0


def outcome(setting, corpus, oracle, decision: Decision, reviews=None):
    flagged = corpus.compared.best >= decision.threshold
    if reviews is not None:
        flagged &= reviews.verdict >= 0
    n, n_true = int(flagged.sum()), int((flagged & corpus.is_copy).sum())
    recall = n_true / max(1, int(corpus.is_copy.sum()))
    return Outcome(setting, n_true < PRECISION * n, recall, oracle, (decision.precision_low or 0.0) >= PRECISION, n)


def run(n_corpora, seed, max_images=500_000, budgets=(300, 600)):
    """Outcomes of every corpus in every setting."""
    found = []
    for number in range(seed * 100_000, seed * 100_000 + n_corpora):
        for look_alikes in (False, True):
            corpus = draw_corpus(number, look_alikes, max_images)
            model = fit(corpus.compared, corpus.planted, corpus.planted_others)
            oracle, floor = oracle_recall(corpus), review_floor(model, PRECISION)
            version = "look-alikes" if look_alikes else "none"
            estimated = decide(corpus.compared, model, PRECISION)
            found.append(outcome(f"{version} | model", corpus, oracle, estimated))
            for n in budgets:
                for person, (wrong, unsure) in PEOPLE.items():
                    reviews = judge(corpus, floor, n, wrong, unsure, number)
                    decision = decide(corpus.compared, model, PRECISION, reviews)
                    found.append(outcome(f"{version} | {n} verdicts, {person}", corpus, oracle, decision, reviews))
    return found


def table(outcomes):
    """Lines of a Markdown table."""
    lines = [
        "| look-alikes | evidence | corpora | precision missed | 95 % interval | proven | missed of the proven "
        "| recall | oracle's recall | lost, median | nothing flagged |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in dict.fromkeys(one.setting for one in outcomes):
        mine = [one for one in outcomes if one.setting == setting]
        proven = [one for one in mine if one.is_proven]
        missed = sum(one.is_missed for one in mine)
        low, high = wilson(missed, len(mine))
        missed_proven = sum(one.is_missed for one in proven)
        proof = f"{missed_proven} ({wilson(missed_proven, len(proven))[1]:.1%} at most)" if proven else "–"
        lost = float(np.median([one.oracle - one.recall for one in mine]))
        lines.append(
            f"| {setting} | {len(mine)} | {missed / len(mine):.1%} | {low:.1%} to {high:.1%} | {len(proven)} | {proof} "
            f"| {np.mean([one.recall for one in mine]):.3f} | {np.mean([one.oracle for one in mine]):.3f} | {lost:.3f} "
            f"| {np.mean([one.n_flagged == 0 for one in mine]):.1%} |"
        )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    begun = time.perf_counter()
    print("\n".join(table(run(args.corpora, args.seed))))
    print(f"{time.perf_counter() - begun:.0f} s")
