"""How many evaluation images are leaked in truth, given what was found."""


def most_false(n_hits: int, expected_false: float | None, precision_low: float | None) -> float:
    """How many hits may be false: by the bound from verdicts, else by the 97.5 % point of Poisson's distribution.

    Args:
        n_hits: Hits.
        expected_false: Expected number of false ones; None = not known, so that all may be.
        precision_low: Lower bound of their precision; None = no verdicts.

    Returns:
        At most n_hits.
    """
    if precision_low is not None:
        return n_hits * (1 - precision_low)
    if expected_false is None:
        return float(n_hits)
    from scipy.stats import poisson

    return min(float(n_hits), float(poisson.ppf(0.975, expected_false)) if expected_false > 0 else 0.0)


def share_bounds(
    n_leaked: int, n_eval_images: int, *, n_false: float, recall_low: float | None
) -> tuple[float | None, float | None]:
    """Bounds of the share of eval images that have a copy in the corpus.

    Args:
        n_leaked: Eval images with a hit.
        n_eval_images: All of them.
        n_false: Hits that may be false; each could be the only one of its eval image.
        recall_low: Lower bound of the planted recall; None = not known. What was planted stands for what leaks.

    Returns:
        Lower and upper bound in [0, 1]; the upper one is None without recall. It is the largest number of leaks of
        which a search of that recall would find no more than were found with a probability of 2.5 % or more.
    """
    if not n_eval_images:
        return None, None
    from scipy.stats import binom

    low = max(0.0, n_leaked - n_false) / n_eval_images
    if not recall_low:
        return low, None
    fewest, most = n_leaked, n_eval_images
    while fewest < most:
        middle = (fewest + most + 1) // 2
        likely = binom.cdf(n_leaked, middle, recall_low) >= 0.025
        fewest, most = (middle, most) if likely else (fewest, middle - 1)
    return low, fewest / n_eval_images
