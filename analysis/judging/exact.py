"""Exact tests of rates in few runs, vectorised over studies.

A p-value here is two-sided for one direction: twice the p-value of the one-sided test, and at most 1. So at a level of
5 %, each direction is found in at most 2.5 % of the studies in which it does not hold.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[np.float64]


def above_a_rate(k: Array, n: Array, rate: float) -> Array:
    """Return the p-values that a probability is above `rate`, after k of n: binomial; 1 where n is 0."""
    return np.asarray(np.minimum(1.0, 2 * np.where(n > 0, stats.binom.sf(k - 1, n, rate), 1.0)))


def below_a_rate(k: Array, n: Array, rate: float) -> Array:
    """Return the p-values that a probability is below `rate`, after k of n: binomial; 1 where n is 0."""
    return np.asarray(np.minimum(1.0, 2 * np.where(n > 0, stats.binom.cdf(k, n, rate), 1.0)))


def more_often(k: Array, n: Array, other_k: Array, other_n: Array) -> Array:
    """Return the p-values that an event is more frequent in one arm than in another: Boschloo's test (1970).

    The test is unconditional, and exact for independent arms. If seeds matter, arms with the same seeds tend to fail
    together. Differences are then rarer, so the test is conservative. If all seeds fail in one arm and none in the
    other, a paired test (McNemar) needs six seeds, and this one three.
    """
    counts = np.stack(np.broadcast_arrays(k, n, other_k, other_n), axis=-1).astype(int)
    rows, inverse = np.unique(counts.reshape(-1, 4), axis=0, return_inverse=True)
    p = np.array([_boschloo(*map(int, row)) for row in rows])
    return np.asarray(p[inverse].reshape(counts.shape[:-1]))


@cache
def _boschloo(k: int, n: int, other_k: int, other_n: int) -> float:
    if not n or not other_n or k * other_n <= other_k * n:
        return 1.0
    table = [[k, other_k], [n - k, other_n - other_k]]
    return min(1.0, 2 * float(stats.boschloo_exact(table, alternative="greater", n=32).pvalue))


def above_a_mean(means: Array, n: Array, bound: Array | float, low: float, high: float) -> Array:
    """Return the p-values that the mean of values in [low, high] is above a bound, by Hoeffding (1963, theorem 1).

    It holds for any distribution. The p-value is an upper bound, so the test is conservative.

    Args:
        means: Means of n independent values.
        n: Number of values.
        bound: The bound.
        low: Smallest possible value.
        high: Largest possible value.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # of no arm, high is low
        observed, bounds = ((np.asarray(values, dtype=float) - low) / (high - low) for values in (means, bound))
        observed, bounds = np.clip(observed, 0, 1), np.clip(bounds, 0, 1)
        divergence = special.rel_entr(observed, bounds) + special.rel_entr(1 - observed, 1 - bounds)
        p = 2 * np.exp(-n * divergence)
    return np.minimum(1.0, np.where((n > 0) & (observed > bounds), p, 1.0))


def below_a_mean(means: Array, n: Array, bound: Array | float, low: float, high: float) -> Array:
    """Return the p-values that a mean is below a bound; the arguments are those of `above_a_mean`."""
    return above_a_mean(-np.asarray(means), n, -np.asarray(bound, dtype=float), -high, -low)
