"""How sure a mapping is: from the share of a sense and the rule that led to it to a probability."""

import numpy as np
from numpy.typing import NDArray

from curate.wordnet.arrays import Ints
from curate.wordnet.surfaces import RULES

RULE_CONFIDENCE = dict(zip(RULES, (1.0, 0.95, 0.97, 0.95, 0.9, 0.8), strict=True))
"""How surely a form is the word that a rule makes of it. Set by judgement; the share of a sense weighs far more."""

PLURAL = 0.99
"""The same for a plural."""

_OF_RULE = np.array([RULE_CONFIDENCE[rule] for rule in RULES])


def calibrated(
    shares: NDArray[np.float64], rules: Ints, is_plural: NDArray[np.bool_], n_candidates: Ints
) -> NDArray[np.float64]:
    """Probability that a candidate is what a label means.

    Args:
        shares: Share of each candidate within its form, in [0, 1].
        rules: Number in `surfaces.RULES` of how the label leads to the form.
        is_plural: Whether the form names the candidate as a plural.
        n_candidates: How many candidates the form has.

    Returns:
        Probabilities of shape (X,); higher = surer.
    """
    sure: NDArray[np.float64] = shares * _OF_RULE[np.minimum(rules, len(RULES) - 1)] * np.where(is_plural, PLURAL, 1.0)
    return sure
