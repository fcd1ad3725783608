"""Power: the number of seeds needed to show a difference, for t-tests, sign tests and failure rates."""

from collections.abc import Callable, Sequence

import numpy as np

from analysis import exact

POWER = 0.8
SEEDS = (3, 5, 10, 20)
"""Numbers of seeds in tables of power."""
MOST_SEEDS = 10_000
MOST_RUNS = 1_000
ROUNDING = 1e-12


def detectable(n: int, alpha: float) -> float:
    """Return the difference, in standard deviations, that a t-test of n values shows with a probability of 80 %.

    The other tail of the two-sided test is neglected, since it is negligible at these powers.
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

    return float("nan") if np.isnan(d) else _fewest(shows, MOST_SEEDS)


def needed_of_signs(alpha: float) -> int:
    """Return how many seeds a test of signs needs at least: with fewer, not even all on one side show anything."""
    return int(np.floor(1 - np.log2(alpha))) + 1


def needed_of_rates(rates: Sequence[float], shares: Sequence[float], bound: float, alpha: float) -> float:
    """Return how many runs of each arm would show that training fails as often as it has.

    It is the number that the normal approximation of the arcsine of the rates needs for a probability of 80 % (Cohen
    1988, chapter 6), or more, if the exact test does not show even the rates themselves.

    Args:
        rates: How often training fails in each of one or two arms.
        shares: Of the arms in the contrast.
        bound: Of the contrast.
        alpha: Two-sided.

    Returns:
        NaN for no difference or an unknown rate, for other contrasts, and where more than a thousand are needed.
    """
    from scipy.stats import norm
    from statsmodels.stats.proportion import proportion_effectsize

    single = len(shares) == 1
    if not single and (len(shares) != 2 or abs(sum(shares)) > ROUNDING or bound != 0):
        return float("nan")
    other = bound / shares[0] if single else rates[1]
    if np.isnan([*rates, other]).any() or rates[0] == other:
        return float("nan")
    h = abs(proportion_effectsize(rates[0], other))
    least = (1 if single else 2) * ((norm.isf(alpha / 2) + norm.isf(1 - POWER)) / h) ** 2

    def shows(n: int) -> bool:
        k, ks = (np.array([round(rate * n)], dtype=float) for rate in (rates[0], other))
        runs = np.array([float(n)])
        if single:
            test = exact.above_a_rate if rates[0] > other else exact.below_a_rate
            return bool(n >= least and test(k, runs, other)[0] < alpha)
        high, low = (k, ks) if rates[0] > other else (ks, k)
        return bool(n >= least and exact.more_often(high, runs, low, runs)[0] < alpha)

    return _fewest(shows, MOST_RUNS)


def _fewest(shows: Callable[[int], bool], most: int) -> float:
    """Return the least number from 2 that shows something, by bisection; NaN if more than `most` are needed."""
    enough = 2
    while not shows(enough):
        enough *= 2
        if enough > most:
            return float("nan")
    few = enough // 2  # too few, or 1
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if shows(middle) else (middle, enough)
    return float(enough)
