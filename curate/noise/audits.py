"""Designed samples of labelled pairs for people to judge.

Within a stratum the pairs with the smallest hash of frame and image are drawn: a simple random sample without
replacement that does not depend on row order, and that a larger sample of the same frame contains.
"""

import heapq
from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import betabinom, binom

from curate.noise.folds import unit_hash
from curate.noise.precision import MODEL_VERDICTS

AUDITS_PER_STRATUM = 10
"""Audits of a class for each of its strata: with fewer, bounds lose more than strata gain."""

MAX_STRATA = 5

N_SETS = 20
"""Sets of best scores, each larger than the one before by as much of the class, of which one is audited."""

SUREST = 0.03
"""How near to 0 or 1 a score may come in the design of a sample."""


HASHED_AT_ONCE = 100_000
"""Pairs of a frame that become text together when it is named."""


def score_strata(p_correct: npt.NDArray[np.float64], n_audits: int) -> npt.NDArray[np.int64]:
    """Strata of a class by score, such that the same number of audits in each is nearly the best design.

    By Neyman's rule a stratum of N pairs, a share p of them right, deserves audits in proportion to N √(p (1 - p));
    cuts that make this equal also are nearly the best cuts (Dalenius & Hodges 1959). p_correct stands for p, kept off
    0 and 1 so that what the scores are sure of is looked at, too: a score is no verdict.

    Args:
        p_correct: (R,) in [0, 1]; among equal scores the order of the pairs decides.
        n_audits: Audits to share out; AUDITS_PER_STRATUM make a stratum.

    Returns:
        (R,) stratum of each pair, 0 = lowest scores.
    """
    n_strata = int(np.clip(n_audits // AUDITS_PER_STRATUM, 1, MAX_STRATA))
    order = np.argsort(p_correct, kind="stable")
    p = np.clip(p_correct[order], SUREST, 1 - SUREST)
    weight = np.cumsum(np.sqrt(p * (1 - p)))
    # The middle of a pair's own weight says where it lies.
    place = (weight - np.sqrt(p * (1 - p)) / 2) / weight[-1]
    strata = np.empty(len(p), np.int64)
    strata[order] = np.minimum((place * n_strata).astype(np.int64), n_strata - 1)
    return strata


def sampled_strata(
    p_correct: npt.NDArray[np.float64], n_audits: int, min_precision: float | None, alpha: float
) -> npt.NDArray[np.int64]:
    """Strata of what is to be audited of a class: of all of it, or of what may be kept at a precision.

    Args:
        p_correct: (R,) in [0, 1].
        n_audits: Audits to spend.
        min_precision: In (0, 1]; None = of all of it.
        alpha: Error that the look may spend.

    Returns:
        (R,) stratum of each pair, 0 = lowest scores, -1 for one that is not to be drawn from.
    """
    if min_precision is None:
        return score_strata(p_correct, n_audits)
    strata = np.full(len(p_correct), -1, np.int64)
    inside = promising(p_correct, n_audits, min_precision, alpha)
    strata[inside] = score_strata(p_correct[inside], n_audits)
    return strata


def promising(
    p_correct: npt.NDArray[np.float64], n_audits: int, min_precision: float, alpha: float
) -> npt.NDArray[np.bool_]:
    """The pairs to audit so that as many right ones as possible may be expected to be kept at a precision.

    Args:
        p_correct: (R,) in [0, 1].
        n_audits: Audits to spend.
        min_precision: In (0, 1].
        alpha: Error that the look may spend.

    Returns:
        (R,) whether the pair belongs to the set of best scores of most worth; all where no set has a chance.
    """
    ordered = np.sort(p_correct)[::-1]
    sizes = np.unique(np.ceil(np.linspace(0, 1, N_SETS + 1)[1:] * len(ordered)).astype(np.int64))
    precision = np.cumsum(ordered)[sizes - 1] / sizes
    value = worth(sizes, precision, np.minimum(n_audits, sizes), min_precision, alpha)
    chosen = int(value.argmax()) if value.max() > 0 else -1
    return np.asarray(p_correct >= ordered[sizes[chosen] - 1])


def worth(
    sizes: npt.NDArray[np.int64],
    precision: npt.NDArray[np.float64],
    n_audits: npt.NDArray[np.int64],
    min_precision: float,
    alpha: float,
) -> npt.NDArray[np.float64]:
    """Right pairs that sets may be expected to contribute if they are audited: size x precision x chance to pass.

    A set passes if the lower bound of its sample reaches the precision. How precise it is is as uncertain as
    MODEL_VERDICTS verdicts with the scores' mean would leave it (beta-binomial).

    Args:
        sizes: (S,) pairs.
        precision: (S,) their mean p_correct.
        n_audits: (S,) audits in each, at most its size.
        min_precision: In (0, 1].
        alpha: Error of the lower bound.
    """
    # The bound of x right ones reaches the precision if P(X >= x) <= alpha there (Clopper-Pearson).
    too_few = binom.isf(alpha, n_audits, min_precision)
    mean = np.clip(precision, 0.01, 0.99)
    chance = betabinom.sf(too_few, n_audits, mean * MODEL_VERDICTS, (1 - mean) * MODEL_VERDICTS)
    return np.asarray(np.where((n_audits > 0) & (too_few < n_audits), chance * sizes * precision, 0.0))


def frame_name(class_key: str, image_ids: pa.Array, digests: pa.Array, strata: npt.NDArray[np.int64], seed: int) -> str:
    """Name of the pairs of a class that a sample is drawn from: 24 hex digits.

    Args:
        class_key: The class.
        image_ids: R hex strings, any order.
        digests: R hex strings, sha256 of the images' bytes; '' where these are not known.
        strata: (R,) stratum of each pair.
        seed: Seed of the draw.
    """
    order = pc.sort_indices(image_ids)
    columns = [image_ids.take(order), digests.take(order), pa.array(strata).take(order).cast(pa.string())]
    members = pc.binary_join_element_wise("('", columns[0], "', '", columns[1], "', ", columns[2], ")", "")
    digest = sha256(repr((class_key, seed)).encode())
    for start in range(0, len(members), HASHED_AT_ONCE):
        digest.update("".join(members.slice(start, HASHED_AT_ONCE).to_pylist()).encode())
    return digest.hexdigest()[:24]


def sample_name(frame: str, image_id: str) -> str:
    """The sample_id of a pair in a frame: 32 hex digits."""
    return sha256(f"{frame}\0{image_id}".encode()).hexdigest()[:32]


def spread_budget(sizes: Mapping[str, int], budget: int) -> dict[str, int]:
    """Share a number of audits out evenly: nobody gets more than its size, what is left over goes to the others.

    Args:
        sizes: Pairs by class or stratum.
        budget: Audits to share out; the first few in key order get one more where it does not divide.

    Returns:
        Audits by key, adding up to min(budget, sum of sizes).
    """
    shares = dict.fromkeys(sorted(sizes), 0)
    left = min(budget, sum(sizes.values()))
    while left > 0:
        hungry = [key for key in shares if shares[key] < sizes[key]]
        each = max(left // len(hungry), 1)
        for key in hungry[:left]:
            given = min(each, sizes[key] - shares[key])
            shares[key] += given
            left -= given
    return shares


def draw(frame: str, image_ids: Sequence[str], n: int) -> list[str]:
    """Simple random sample of n images of a stratum, without replacement, in the order in which they are drawn."""
    return heapq.nsmallest(n, image_ids, key=lambda image_id: (unit_hash(0, frame, image_id), image_id))
