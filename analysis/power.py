"""How many seeds show which difference, by Student's t-test."""

import numpy as np

POWER = 0.8
MOST_SEEDS = 10_000


def detectable(n: int, alpha: float) -> float:
    """Return the difference, in standard deviations, that a t-test of n values shows with a probability of 80 %.

    The other tail of the two-sided test is left out: for these powers it is nothing.
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=alpha / 2, power=POWER, alternative="larger"))


def needed(d: float, alpha: float, *, both: bool = False) -> float:
    """Return how many values a t-test needs to show a difference of d standard deviations with a probability of 80 %.

    Args:
        d: The distance of the mean from the bound, or from the margin that is nearer.
        alpha: Two-sided.
        both: Whether the mean is in the middle between two margins, so that both tests must show it.

    Returns:
        At least 2; NaN for no difference, and where more than ten thousand are needed.
    """
    from statsmodels.stats.power import TTestPower

    least = 1 - (1 - POWER) / 2 if both else POWER

    def shows(n: int) -> bool:
        return bool(TTestPower().power(d, n, alpha / 2, alternative="larger") >= least)

    enough = 2
    while not shows(enough):
        enough *= 2
        if np.isnan(d) or enough > MOST_SEEDS:
            return np.nan
    few = enough // 2  # too few, or 1
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if shows(middle) else (middle, enough)
    return float(enough)
