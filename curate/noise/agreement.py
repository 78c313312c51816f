"""Several people's verdicts on the same labels: what they add up to, who is still to be asked, how far they agree."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from curate.noise.folds import unit_hash

N_JUDGES = 3
"""How many people a pair is shown to at most: two who differ, and the one who decides."""


def is_correct(verdicts: Collection[str]) -> bool | None:
    """What the verdicts on a pair add up to, one of each person: more than half of them must say correct.

    Args:
        verdicts: 'correct', 'wrong', 'unsure'; unsure counts as wrong, and so does a tie.

    Returns:
        None where nobody judged.
    """
    n_correct = sum(verdict == "correct" for verdict in verdicts)
    return 2 * n_correct > len(verdicts) if verdicts else None


def is_disputed(verdicts: Collection[str]) -> bool:
    """Whether two people differ on a pair and no third has decided."""
    return len(verdicts) == N_JUDGES - 1 and len(set(verdicts)) > 1


def wants_second(image_id: str, class_key: str, share: float) -> bool:
    """Whether a pair is one of those that two people judge: a random share of all, fixed by a hash.

    Args:
        image_id: Image of the pair.
        class_key: Label of the pair.
        share: In [0, 1]; a larger share contains a smaller one.
    """
    return unit_hash(0, "second opinion", image_id, class_key) < share


def wants_another(verdicts: Collection[str], is_double: bool) -> bool:
    """Whether one more person is to judge a pair: nobody has, only one of two has, or two differ.

    Args:
        verdicts: Verdicts so far, one of each person.
        is_double: Whether two are to judge it, see `wants_second`.
    """
    return not verdicts or (len(verdicts) == 1 and is_double) or is_disputed(verdicts)


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        n_pairs: Pairs that at least two people judged.
        share: Chance that two of a pair's verdicts are equal, in [0, 1], over these pairs; None without any.
        alpha: Krippendorff's alpha for nominal data, at most 1: 1 = agreement, 0 = as by chance, below = less than by
            chance; None where it is not defined, as all verdicts are equal or there is no pair.
    """

    n_pairs: int
    share: float | None
    alpha: float | None


def agreement(judged: Iterable[Sequence[str]]) -> Agreement:
    """How far people agree, whoever and however many they are (Krippendorff 2011, Computing Krippendorff's alpha).

    Alpha compares the disagreement inside pairs with that between any two verdicts. It is asked of the first two
    verdicts of a pair: a third is given only where these differ, and would make people look worse than they are.

    Args:
        judged: For each pair the verdicts on it; pairs with fewer than two are left out.
    """
    units = [list(verdicts) for verdicts in judged if len(verdicts) > 1]
    if not units:
        return Agreement(0, None, None)
    total = Counter(verdict for unit in units for verdict in unit)
    n = sum(total.values())
    # Ordered pairs of equal verdicts: of a unit of m verdicts each counts 1 / (m - 1), so that a verdict counts once.
    equal = sum(sum(c * (c - 1) for c in Counter(unit).values()) / (len(unit) - 1) for unit in units)
    by_chance = sum(c * (c - 1) for c in total.values()) / (n - 1)
    share = sum(sum(c * (c - 1) for c in Counter(u).values()) / (len(u) * (len(u) - 1)) for u in units) / len(units)
    alpha = None if len(total) == 1 else 1 - (n - equal) / (n - by_chance)
    return Agreement(len(units), share, alpha)
