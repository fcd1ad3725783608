"""Statistics of a few seeds, vectorised over arms, based on scipy and statsmodels.

A sample is a row of a matrix, and a seed is a column. `comparisons` computes tables of studies with these functions.
`benchmarks.coverage` simulates how reliable the intervals and tests are with few seeds.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from resnet_core.runs.records.outcomes import COMPLETED, FAILURES

RESAMPLES = 10_000
MOST_DRAWS = 10_000_000  # most values of all resamples together
MOST_AT_ONCE = 1_000_000
MOST_FLIPPED = 13  # most values for which all combinations of signs are tried
ROUNDING = 1e-12  # largest difference of equal sums, relative to the sum of the magnitudes
CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)

Array = npt.NDArray[np.float64]


def summary(
    data: pd.DataFrame,
    by: list[str],
    rng: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> pd.DataFrame:
    """Summarise `value` over the runs of each group.

    Args:
        data: One row for each run: the columns `by`, and `value`, which is NaN for a run without a value.
        by: Columns that identify a group.
        rng: Generator of the bootstrap's resamples.
        bounds: Bounds of the value. The interval of Student's t is cut there.

    Returns:
        `by`; `n` values of `N` runs; `mean` with its 95 % interval of Student's t, `low` to `high`; `sd`, `median`,
        `iqm` (the mean of the middle half, see `interquartile_means`); `bootstrap_low` to `bootstrap_high` and
        `bootstrap`, see `bootstrap_intervals`. Fewer than two values have no interval.
    """
    groups = data.groupby(by, observed=True, dropna=False)["value"]
    table = groups.agg(n="count", N="size", mean="mean", sd="std", median="median")
    half = t_half_width(table["n"].to_numpy(), table["sd"].to_numpy(float))
    table["low"] = (table["mean"] - half).clip(*bounds)
    table["high"] = (table["mean"] + half).clip(*bounds)
    matrix = rows_of(data, by, table.index)
    table["iqm"] = interquartile_means(matrix)
    table["bootstrap_low"], table["bootstrap_high"], table["bootstrap"] = bootstrap_intervals(matrix, rng)
    order = ["n", "N", "mean", "low", "high", "sd", "median", "iqm", "bootstrap_low", "bootstrap_high", "bootstrap"]
    return table[order].reset_index()


def rows_of(data: pd.DataFrame, by: list[str], index: pd.Index) -> Array:
    """Return the values of each group of `index` as a row, filled with NaN."""
    number = data.groupby(by, observed=True, dropna=False)["value"].cumcount()
    position = data.groupby(by, observed=True, dropna=False).ngroup()
    matrix = np.full((len(index), int(number.max()) + 1 if len(number) else 0), np.nan)
    matrix[position, number] = data["value"]
    return matrix


def t_half_width(n: npt.ArrayLike, sd: npt.ArrayLike) -> Array:
    """Return half the width of the 95 % interval of a mean by Student's t; NaN for fewer than two values."""
    count = np.asarray(n, dtype=float)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(count - 1, 1))
    return np.where(count > 1, quantile * np.asarray(sd, dtype=float) / np.sqrt(np.maximum(count, 1)), np.nan)


def t_interval(values: Array) -> tuple[float, float]:
    """Return the 95 % interval of the mean by Student's t; NaN for fewer than two values."""
    if len(values) < 2:
        return np.nan, np.nan
    half = float(t_half_width(len(values), np.std(values, ddof=1)))
    return float(values.mean() - half), float(values.mean() + half)


def bootstrap_intervals(matrix: Array, rng: np.random.Generator) -> tuple[Array, Array, npt.NDArray[np.object_]]:
    """Return the 95 % bootstrap interval of each row's mean: BCa (Efron 1987), or percentile if BCa is undefined.

    BCa is undefined if all resamples are on one side of the mean. With few values both kinds are too narrow: resamples
    never leave the range of the values.

    Args:
        matrix: One row for each sample; NaN are left out.
        rng: Generator of the resamples. Rows with equally many values share their resamples.

    Returns:
        The lower ends, the upper ends, and how each was made: `BCa`, `percentile`, `equal values`, or nothing below
        two values.
    """
    low, high = np.full(len(matrix), np.nan), np.full(len(matrix), np.nan)
    methods = np.full(len(matrix), "", dtype=object)
    for rows, samples in _of_equal_length(matrix):
        low[rows] = high[rows] = samples[:, 0]
        methods[rows] = "equal values"
        spread = differ(samples)
        if not spread.any():
            continue
        rows, samples = rows[spread], samples[spread]
        means = _resampled_means(samples, rng)
        levels = _bca_levels(samples, means)
        undefined = np.isnan(levels).any(axis=1)
        levels[undefined] = TAILS
        low[rows], high[rows] = np.transpose([np.quantile(*row) for row in zip(means, levels, strict=True)])
        methods[rows] = np.where(undefined, "percentile", "BCa")
    return low, high, methods


def _resampled_means(samples: Array, rng: np.random.Generator) -> Array:
    """Return the means of resamples of each row, one column for each resample. All rows have the same draws."""
    by_seed = np.ascontiguousarray(samples.T)  # makes each draw contiguous in memory
    n, resamples = len(by_seed), _number_of_draws(samples)
    step = max(1, MOST_AT_ONCE // samples.size)
    parts = [min(step, resamples - start) for start in range(0, resamples, step)]
    return np.concatenate([by_seed[rng.integers(0, n, (part, n))].mean(axis=1) for part in parts]).T


def _number_of_draws(samples: Array) -> int:
    return int(np.clip(MOST_DRAWS // samples.size, 1000, RESAMPLES))


def _bca_levels(samples: Array, means: Array) -> Array:
    """Return, for each row, the quantiles of its resamples' means that are the ends of the BCa interval, or NaN.

    Scipy computes the acceleration by leaving out each value in turn, which is slow for thousands of values. For a mean
    it is known: one sixth of the skewness over the root of n.
    """
    center = samples.mean(axis=1, keepdims=True)
    same = ROUNDING * np.abs(samples).max(axis=1, keepdims=True)  # ties do not depend on the last bit of a value
    below = np.mean(means < center - same, axis=1) + np.mean(means <= center + same, axis=1)
    bias = special.ndtri(below / 2)
    bias[np.isinf(bias)] = np.nan
    deviations = samples - center
    deviations /= np.abs(deviations).max(axis=1, keepdims=True)  # avoids overflow and underflow of the cubes
    acceleration = (deviations**3).sum(axis=1) / (deviations**2).sum(axis=1) ** 1.5 / 6
    shifted = bias[:, None] + special.ndtri(TAILS)
    return np.asarray(special.ndtr(bias[:, None] + shifted / (1 - acceleration[:, None] * shifted)))


def _of_equal_length(matrix: Array) -> list[tuple[npt.NDArray[np.intp], Array]]:
    """Yield, for each number of values from two on, the positions of the rows with as many, and their values."""
    known = ~np.isnan(matrix)
    counts = known.sum(axis=1)
    groups = []
    for count in np.unique(counts[counts > 1]):
        rows = np.flatnonzero(counts == count)
        groups.append((rows, matrix[rows][known[rows]].reshape(len(rows), count)))
    return groups


def differ(samples: Array) -> npt.NDArray[np.bool_]:
    """Return which rows have values that differ by more than rounding."""
    return np.asarray(np.ptp(samples, axis=-1) > 1e-12 * np.abs(samples).max(axis=-1))


def tied(values: Array) -> Array:
    """Return the finite values, with those that differ only by rounding made equal."""
    scale = float(np.abs(values).max(initial=0.0))
    return np.round(values / scale, 11) if scale else values


def t_test(values: Array, mean: float) -> float:
    """Return the two-sided p-value of Student's t-test that the values have this mean."""
    return float(stats.ttest_1samp(values, mean).pvalue)


def t_tests(matrix: Array) -> Array:
    """Return each row's two-sided p-value of `t_test` for 0; NaN for fewer than two values, and for equal values."""
    p = np.full(len(matrix), np.nan)
    for rows, samples in _of_equal_length(matrix):
        spread = differ(samples)
        if spread.any():
            p[rows[spread]] = stats.ttest_1samp(samples[spread], 0.0, axis=1).pvalue
    return p


def sign_flip_tests(matrix: Array, rng: np.random.Generator) -> Array:
    """Return each row's two-sided p-value that the values are symmetric about 0, by flipping signs.

    The test is exact up to 13 values. Beyond, it uses ten thousand random combinations of signs, or a thousand if there
    are many values. It assumes no distribution. With n values no p-value is below 2 / 2ⁿ, so with five seeds or fewer
    none is below 5 %.

    Args:
        matrix: One row for each sample; NaN are left out.
        rng: Random generator.

    Returns:
        P-values; NaN for fewer than two values.
    """
    p = np.full(len(matrix), np.nan)
    for rows, samples in _of_equal_length(matrix):
        signs = _signs(samples, rng)
        for row, values in zip(rows, samples, strict=True):
            least = abs(values.sum()) - ROUNDING * np.abs(values).sum()
            p[row] = (np.abs((signs * values).sum(axis=1)) >= least).mean()
    return p


def _signs(samples: Array, rng: np.random.Generator) -> Array:
    """Return combinations of signs: all of them, or random ones; the first one flips no sign."""
    n = samples.shape[1]
    if n <= MOST_FLIPPED:
        return np.array(list(product((1.0, -1.0), repeat=n)))
    signs = rng.choice(np.array([-1.0, 1.0]), (_number_of_draws(samples), n))
    signs[0] = 1
    return signs


def probability_of_improvement(first: Array, second: Array) -> float:
    """Return the probability that a value of `first` is above one of `second`, equal ones counting half.

    It is the Mann-Whitney statistic over its greatest value (Agarwal et al. 2021, section 4.3). NaN are left out; the
    result is NaN if no values are left.
    """
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    if not len(first) or not len(second):
        return np.nan
    ranks = stats.rankdata(tied(np.concatenate([first, second])))[: len(first)]
    return float((ranks.sum() - len(first) * (len(first) + 1) / 2) / (len(first) * len(second)))


def interquartile_means(matrix: Array) -> Array:
    """Return each row's mean without the lowest and the highest quarter, rounded down (Agarwal et al. 2021).

    NaN are left out; the result is NaN if no values are left. For fewer than four values it is the mean.
    """
    means = np.nanmax(matrix, axis=1, initial=-np.inf) if matrix.size else np.full(len(matrix), np.nan)
    means[~np.isfinite(means)] = np.nan
    for rows, samples in _of_equal_length(matrix):
        means[rows] = stats.trim_mean(samples, 0.25, axis=1)
    return means


def rate_interval(k: int, n: int, level: float = 1 - CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of the probability of an event seen in k of n cases, at 1 - `level`; NaN if n is 0.

    It is the interval of Clopper and Pearson (1934), whose coverage is at least nominal for any n. For 0 of 5 it is 0
    to .52.
    """
    if n == 0:
        return np.nan, np.nan
    interval = stats.binomtest(k, n).proportion_ci(1 - level, method="exact")
    return float(interval.low), float(interval.high)


def failure_rates(data: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the rate of failed training for each group.

    Args:
        data: One row for each planned run: `by` and `status`. A run that was lost for a reason outside its spec, or is
            missing, says nothing about failures of training.
        by: Columns that identify an arm.

    Returns:
        `by`; `failed`, the number of runs that diverged or failed to train; `ended`, the number of these and the
        completed runs; the `rate` and its exact 95 % interval, `rate_low` to `rate_high`, see `rate_interval`.
    """
    status = data["status"]
    counted = data.assign(failed=status.isin(FAILURES), ended=status.isin([COMPLETED, *FAILURES]))
    table = counted.groupby(list(by), observed=True, dropna=False)[["failed", "ended"]].sum().reset_index()
    intervals = [rate_interval(int(k), int(n)) for k, n in zip(table["failed"], table["ended"], strict=True)]
    rate = table["failed"] / table["ended"].where(table["ended"] > 0)
    return table.assign(rate=rate, rate_low=[low for low, _ in intervals], rate_high=[high for _, high in intervals])


def holm(p: Array) -> Array:
    """Return the p-values corrected for their number by Holm's method (1979). NaN are kept and not counted.

    Statsmodels has the same function, but it collects the garbage of the whole process at each call, and a report calls
    it twenty times.
    """
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]  # argsort puts NaN last
    corrected = p.copy()
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected
