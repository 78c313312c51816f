"""What people said about the labels of one class, look by look.

A sample is judged in looks of fixed sizes: the first, then twice as many pairs in all, four times, … Each look may be
wrong with a share of the whole error that was fixed beforehand, so that the bounds hold together, whenever a person
stops and however often the sample was doubled because the last bound was not good enough. Pairs that were drawn and not
judged count against either bound: a person who stops in the middle of a look gains nothing by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curate.noise.precision import Estimate, Stratum, audited_estimate

LOOK_SHARE = 0.6
"""Share of the error that is left which a look spends unless it is the final one: 0.6, then 0.24, 0.096, …"""


def next_share(looks: "Sequence[Look]", final: bool) -> float:
    """Share of the whole error that the next look at a class may spend: in [0, 1], 0 after a final one.

    Args:
        looks: Those before.
        final: Whether it is the last one ever, which takes all that is left.
    """
    left = max(1.0 - sum(look.share for look in looks), 0.0)
    return left if final else left * LOOK_SHARE


@dataclass(frozen=True)
class Look:
    """The state of a class's sample at one look.

    Attributes:
        number: From 1, over all samples of the class.
        frame: Name of the pairs that the sample is drawn from.
        share: Share of the whole error that its bounds may spend, in [0, 1].
        stratum: (R,) stratum of each label of the class, -1 for one that the sample was not drawn from.
        drawn: (R,) whether it was drawn in this look or an earlier one of the same sample.
        judged: (R,) whether it was drawn and judged.
        correct: (R,) whether it was judged correct; unsure counts as wrong.
    """

    number: int
    frame: str
    share: float
    stratum: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.bool_]
    judged: npt.NDArray[np.bool_]
    correct: npt.NDArray[np.bool_]

    def strata(
        self, inside: npt.NDArray[np.bool_], audited: npt.NDArray[np.bool_], correct: npt.NDArray[np.bool_]
    ) -> list[Stratum]:
        """Counts by stratum of some of the labels; a random sample of a stratum is one of any part of it, too."""
        n = int(self.stratum.max(initial=-1)) + 2
        masks = (inside, inside & audited, inside & audited & correct)
        counts = [np.bincount(self.stratum[mask] + 1, minlength=n).tolist() for mask in masks]
        return [Stratum(*row) for row in zip(*counts, strict=True) if row[0]]

    def estimate(self, inside: npt.NDArray[np.bool_], alpha_low: float, alpha_high: float) -> Estimate:
        """Precision of some of the labels, at least one; the errors are those of this look alone."""
        low = audited_estimate(self.strata(inside, self.drawn, self.correct), alpha_low, alpha_high)
        if (self.judged[inside] == self.drawn[inside]).all():
            return low
        high = audited_estimate(self.strata(inside, self.drawn, self.correct | ~self.judged), alpha_low, alpha_high)
        seen = audited_estimate(self.strata(inside, self.judged, self.correct), alpha_low, alpha_high)
        return Estimate(seen.precision, min(low.low, seen.precision), max(high.high, seen.precision))


def judged_anew(looks: Sequence[Look], judged: npt.NDArray[np.bool_], correct: npt.NDArray[np.bool_]) -> list[Look]:
    """The same looks with other verdicts.

    Args:
        looks: Of one class.
        judged: (R,) whether the label was judged, drawn or not.
        correct: (R,) whether it was judged correct.
    """
    return [replace(look, judged=look.drawn & judged, correct=look.drawn & judged & correct) for look in looks]


def judged_estimate(
    looks: Sequence[Look], inside: npt.NDArray[np.bool_], alpha_low: float, alpha_high: float
) -> Estimate:
    """Precision of some of a class's labels by the last look that was begun, and bounds that hold over all looks.

    Args:
        looks: At least one, in order.
        inside: (R,) the labels that are meant, at least one.
        alpha_low: Error of the lower bound, one-sided.
        alpha_high: Error of the upper bound, one-sided.
    """
    found = [look.estimate(inside, alpha_low * look.share, alpha_high * look.share) for look in looks]
    begun = [estimate for look, estimate in zip(looks, found, strict=True) if look.judged.any()]
    precision = (begun or found)[-1].precision
    low, high = max(each.low for each in found), min(each.high for each in found)
    return Estimate(precision, min(low, precision), max(high, precision))
