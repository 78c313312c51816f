"""Designed samples of labelled pairs for people to judge.

Within a stratum the pairs with the smallest hash of (seed, image, class) are drawn: a simple random sample without
replacement that does not depend on row order, and that a larger sample with the same seed contains.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from curate.noise.folds import unit_hash

SCORE_EDGES = (0.5, 0.9)
"""p_correct where strata of a stratified sample begin."""

UNIFORM = "all"


def stratum_of(p_correct: float | None, stratified: bool) -> str:
    """Name of the stratum of a pair: 'all', or the range of its p_correct."""
    if not stratified or p_correct is None:
        return UNIFORM
    edges = (0.0, *SCORE_EDGES)
    low = max(edge for edge in edges if p_correct >= edge)
    return f"p>={low:.2f}"


def pairs_digest(members: Sequence[tuple[str, str, str]]) -> str:
    """Digest of the pairs of a class that a sample is drawn from.

    Args:
        members: (image_id, sha256 of its bytes, stratum) of each pair, any order.

    Returns:
        16 hex digits.
    """
    digest = sha256()
    for member in sorted(members):
        digest.update("\0".join(member).encode() + b"\n")
    return digest.hexdigest()[:16]


def frame_name(members: Sequence[tuple[str, str, str]], seed: int, allocation: Mapping[str, int]) -> str:
    """Digest of the pairs and of the design: 16 hex digits, '-', 8 hex digits."""
    design = sha256(repr((seed, sorted(allocation.items()))).encode()).hexdigest()[:8]
    return f"{pairs_digest(members)}-{design}"


def sample_name(frame: str, image_id: str, class_key: str) -> str:
    """The sample_id of a pair in a frame: 32 hex digits."""
    return sha256("\0".join((frame, image_id, class_key)).encode()).hexdigest()[:32]


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


def draw(class_key: str, image_ids: Sequence[str], n: int, seed: int) -> list[str]:
    """Simple random sample of n images of a class or stratum, without replacement, ascending."""
    ranked = sorted(image_ids, key=lambda image_id: (unit_hash(seed, "audit", image_id, class_key), image_id))
    return sorted(ranked[:n])
