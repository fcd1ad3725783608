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
