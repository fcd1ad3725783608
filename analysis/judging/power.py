"""Power: the number of seeds needed to show a difference, for t-tests, sign tests and failure rates."""

from collections.abc import Callable, Sequence

import numpy as np

from analysis.judging import exact

POWER = 0.8
SEEDS = (3, 5, 10, 20)
"""Numbers of seeds in tables of power."""
MOST_SEEDS = 10_000
MOST_RUNS = 1_000
ROUNDING = 1e-12


def detectable(n: int, alpha: float) -> float:
    """Return the difference, in standard deviations, that a t-test of n values detects with a power of 80 %.

    The other tail of the two-sided test is neglected, since it is negligible at these powers.
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=alpha / 2, power=POWER, alternative="larger"))


def needed(d: float, alpha: float, *, both: bool = False) -> float:
    """Return the number of values that a t-test needs to detect d standard deviations with a power of 80 %.

    Args:
        d: Distance of the mean from the bound, or from the nearer margin.
        alpha: Two-sided significance level.
        both: Whether the mean is in the middle between two margins, so that both tests must reject.

    Returns:
        Number of values, at least 2. NaN if there is no difference, or if more than ten thousand are needed.
    """
    from statsmodels.stats.power import TTestPower

    least = 1 - (1 - POWER) / 2 if both else POWER

    def shows(n: int) -> bool:
        return bool(TTestPower().power(d, n, alpha / 2, alternative="larger") >= least)

    return float("nan") if np.isnan(d) else _fewest(shows, MOST_SEEDS)


def needed_of_signs(alpha: float) -> int:
    """Return the least number of seeds of a sign test. With fewer, not even seeds that all agree are significant."""
    return int(np.floor(1 - np.log2(alpha))) + 1


def needed_of_rates(rates: Sequence[float], shares: Sequence[float], bound: float, alpha: float) -> float:
    """Return the number of runs of each arm that would show the observed difference of failure rates from the bound.

    It is the number for a power of 80 % by the normal approximation of the arcsine of the rates (Cohen 1988, chapter
    6). It is larger if the exact test would not reject even at exactly these rates.

    Args:
        rates: Failure rates of one or two arms.
        shares: Shares of the arms in the contrast.
        bound: Bound of the contrast.
        alpha: Two-sided significance level.

    Returns:
        Number of runs. NaN if there is no difference, if a rate is unknown, for other contrasts, and if more than a
        thousand are needed.
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
    """Return the least number from 2 that is enough, by bisection; NaN if more than `most` are needed."""
    enough = 2
    while not shows(enough):
        enough *= 2
        if enough > most:
            return float("nan")
    few = enough // 2  # not enough, or 1
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if shows(middle) else (middle, enough)
    return float(enough)
