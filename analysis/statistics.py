"""Statistics of a few seeds."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

RESAMPLES = 10_000
MOST_DRAWS = 10_000_000  # of all resamples together; reached from a thousand values on
CONFIDENCE = 0.95


def mean_interval(values: npt.ArrayLike, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean; NaN below two values.

    With few values it is too narrow: of three, no resample is wider than their range.

    Args:
        values: The values; NaN are an error of the caller.
        rng: What the resamples are drawn from.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return np.nan, np.nan
    if np.ptp(sample) == 0.0:
        return sample[0], sample[0]
    resamples = min(RESAMPLES, max(1000, MOST_DRAWS // len(sample)))
    result = stats.bootstrap(
        (sample,), np.mean, n_resamples=resamples, confidence_level=CONFIDENCE, method="percentile", rng=rng
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def geometric_mean(values: Any) -> float:
    """Return the geometric mean of the positive values; NaN if there is none."""
    positive = np.asarray(values, dtype=float)
    positive = positive[positive > 0]
    return float(np.exp(np.log(positive).mean())) if len(positive) else np.nan


def t_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean by Student's t; NaN below two values."""
    if len(values) < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)


def t_test(values: npt.NDArray[np.float64], mean: float) -> float:
    """Return the two-sided p-value of Student's t-test that the values have this mean."""
    return float(stats.ttest_1samp(values, mean).pvalue)


def holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the p-values corrected for their number by Holm's method (1979); NaN stay, and do not count."""
    from statsmodels.stats.multitest import multipletests

    corrected = p.copy()
    known = ~np.isnan(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected


POWER = 0.8
MOST_SEEDS = 10_000


def detectable(n: int, alpha: float) -> float:
    """Return the difference, in standard deviations, that a t-test of n values shows with a probability of 80 %.

    The other tail of the two-sided test is left out: for these powers it is nothing.
    """
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=alpha / 2, power=POWER, alternative="larger"))


def needed(d: float, alpha: float) -> float:
    """Return how many values a t-test needs to show a difference of d standard deviations with a probability of 80 %.

    At least 2; NaN for no difference, and where more than ten thousand are needed.
    """
    from statsmodels.stats.power import TTestPower

    def shows(n: int) -> bool:
        return bool(TTestPower().power(d, n, alpha / 2, alternative="larger") >= POWER)

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
