"""How often 95 % intervals of few seeds hold the truth, and how often corrected tests find what is not there.

`python -m benchmarks.coverage` simulates it and writes `analysis/calibration.csv`, which reports quote.
Errors are normal; skewed: lognormal with sigma 1; or the difference of two that are skewed, as of two arms without
an effect.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.statistics import RESAMPLES, bootstrap_intervals, sign_flip_tests, t_half_width, t_tests

OUT = Path(__file__).parents[1] / "analysis" / "calibration.csv"
SEEDS = (2, 3, 5, 10)
FAMILY = 5
"""So many claims, all of them false, are tested together."""
ERRORS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.lognormal(size=shape) - np.exp(0.5),
    "difference": lambda rng, shape: rng.lognormal(size=shape) - rng.lognormal(size=shape),
}
"""Of mean 0."""


def simulated(errors, n, simulations, rng):
    """Return a row: the shares of intervals that hold 0, and of families in which something is found.

    Args:
        errors: Of `ERRORS`.
        n: Seeds.
        simulations: How many samples for Student's t; a fifth as many families, and samples for the bootstrap.
        rng: What is drawn from.
    """
    samples = ERRORS[errors](rng, (simulations, n))
    half = t_half_width(n, samples.std(axis=1, ddof=1))
    row = {"errors": errors, "n": n, "simulations": simulations}
    row["t"] = float((np.abs(samples.mean(axis=1)) <= half).mean())
    for name, held in _bootstraps(samples[: simulations // FAMILY], rng).items():
        row[name] = float(held.mean())
    for name, p in (("false_t", t_tests(samples)), ("false_flip", sign_flip_tests(samples, rng))):
        families = p[: len(p) // FAMILY * FAMILY].reshape(-1, FAMILY)
        row[name] = float((families.min(axis=1) * FAMILY < 0.05).mean())  # the first step of Holm's method
    return row


def _bootstraps(samples, rng):
    """Return of which samples the BCa interval, and the percentile interval, hold 0."""
    held = {"bca": [], "percentile": []}
    step = 100  # a set of resamples each, of as many as a report draws
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        low, high, _ = bootstrap_intervals(part, rng)
        held["bca"].append((low <= 0) & (high >= 0))
        means = part[:, rng.integers(0, part.shape[1], (RESAMPLES, part.shape[1]))].mean(axis=2)
        low, high = np.quantile(means, [0.025, 0.975], axis=1)
        held["percentile"].append((low <= 0) & (high >= 0))
    return {name: np.concatenate(parts) for name, parts in held.items()}


def main(simulations=20_000):
    """Simulate every case and write the table."""
    cases = [(errors, n) for errors in ERRORS for n in SEEDS]
    streams = np.random.default_rng(0).spawn(len(cases))
    table = pd.DataFrame([simulated(*case, simulations, rng) for case, rng in zip(cases, streams, strict=True)])
    table.to_csv(OUT, index=False)
    table.to_string(sys.stdout, index=False)


if __name__ == "__main__":
    main()
