"""Which sense of a word a post means, judged by the other labels of the post."""

import math
from collections.abc import Collection, Sequence

from curate.wordnet.senses import Nouns, relatedness
from curate.wordnet.surfaces import Candidate, Reading

SURE = 0.8
"""Prior from which a word's best candidate counts as what it means, and as evidence for other words."""

STRENGTH = 4.0
"""Log-odds between a candidate that shares everything with a sure label of the post and one that shares nothing."""


def sure_nodes(readings: Collection[Reading]) -> dict[str, int]:
    """Surface → synset, for those readings of a post that leave little doubt."""
    return {
        reading.surface: reading.candidates[0].nodes[0]
        for reading in readings
        if reading.candidates and reading.candidates[0].prior >= SURE and len(reading.candidates[0].nodes) == 1
    }


def posterior(candidates: Sequence[Candidate], evidence: Collection[int], nouns: Nouns) -> list[float]:
    """Probability of each candidate given the other labels of a post.

    Prior times exp(STRENGTH x relatedness to the most related other label), normalised: labels of one post tend to
    come from one corner of the hierarchy, and how telling that is grows with the information in what they share.

    Args:
        candidates: Candidates of one surface.
        evidence: Synsets of the post's other labels.
        nouns: The hierarchy.

    Returns:
        Probabilities in the order of the candidates, summing to 1; the priors where there is no evidence.
    """
    if not evidence or len(candidates) < 2:
        return [c.prior for c in candidates]
    closest = [max(relatedness(node, other, nouns) for node in c.nodes for other in evidence) for c in candidates]
    weights = [c.prior * math.exp(STRENGTH * near) for c, near in zip(candidates, closest, strict=True)]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
