"""Replicates: another seed of a point that was tried, where that tells more than a new point.

The value of a measurement is its knowledge gradient (Frazier, Powell and Dayanik 2009): by how much the best posterior
mean of the tried points is expected to rise with it. New points and tried ones are compared by it. Without noise, it is
the expected improvement of a new point, and 0 for a tried one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from search.oracles import REPLICATE
from search.oracles.gaussian import GaussianProcess, Points

Array = npt.NDArray[np.float64]
AGREEING = 2  # further seeds that change nothing, after which a measurement counts as free of noise
DRAWS = 20_000  # of the values of all tried points, for the probability of being the best


@dataclass(frozen=True)
class Belief:
    """What a search believes of a point that it has tried.

    Attributes:
        trial: Id of the first trial of the point.
        value: Posterior mean of the objective.
        probability: Probability that the point is the best of those tried.
        measured: Number of trials of the point.
    """

    trial: str
    value: float
    probability: float
    measured: int


def knowledge_gradients(model: GaussianProcess, tried: Points, points: Points, new: int) -> list[float]:
    """Return of each point by how much the least posterior mean of the tried points is expected to fall with a
    measurement of it.

    Args:
        model: The model, of values to be minimised.
        tried: The tried points.
        points: The points to measure.
        new: Number of points that are not among the tried ones, which they then join; they come first.
    """
    means = -model.predict(tried)[0]
    prior, deviations = model.predict(points)
    slopes = model.covariance(tried, points) / np.sqrt(deviations**2 + model.noise)
    gains = []
    for place, (mean, deviation) in enumerate(zip(-prior, deviations, strict=True)):
        offsets, rises = means, slopes[:, place]
        if place < new:
            own = deviation**2 / np.sqrt(deviation**2 + model.noise)
            offsets, rises = np.append(offsets, mean), np.append(rises, own)
        gains.append(expected_maximum(offsets, rises) - float(means.max()))
    return gains


def expected_maximum(offsets: Array, slopes: Array) -> float:
    """Return the expected maximum of the lines offset + slope · Z over a standard normal variable Z."""
    order = np.lexsort((offsets, slopes))
    upper: list[int] = []
    starts: list[float] = []  # where each line of the upper envelope begins
    for line in order:
        while upper:
            last = upper[-1]
            rise = slopes[line] - slopes[last]
            start = (offsets[last] - offsets[line]) / rise if rise > 0 else -np.inf
            if start > starts[-1]:
                break
            upper.pop()
            starts.pop()
        starts.append(start if upper else -np.inf)
        upper.append(int(line))
    ends = np.append(starts[1:], np.inf)
    probabilities = stats.norm.cdf(ends) - stats.norm.cdf(starts)
    densities = stats.norm.pdf(starts) - stats.norm.pdf(ends)
    return float(offsets[upper] @ probabilities + slopes[upper] @ densities)


def probabilities_of_best(model: GaussianProcess, tried: Points, rng: np.random.Generator) -> Array:
    """Return the probability of each tried point that its value is the least of all, (points,)."""
    means, covariance = model.predict(tried)[0], model.covariance(tried, tried)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = means + rng.standard_normal((DRAWS, len(means))) @ root.T
    return np.bincount(draws.argmin(axis=1), minlength=len(means)) / DRAWS


def agree(values: Sequence[dict[str, Any]], costs: Array) -> bool:
    """Return whether the trials of each point have equal costs, with at least `AGREEING` further seeds in all.

    Args:
        values: The point of each trial.
        costs: The cost of each trial, (trials,).
    """
    by_point: dict[str, list[float]] = {}
    for point, cost in zip(values, costs, strict=True):
        by_point.setdefault(repr(sorted(point.items())), []).append(float(cost))
    further = len(values) - len(by_point)
    return further >= AGREEING and all(len(set(known)) == 1 for known in by_point.values())


def numbered(values: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the proposal of another seed of a point.

    Args:
        values: The values of the point.
        others: The proposals of the point so far.
    """
    return {**values, REPLICATE: 1 + max(int(other.get(REPLICATE, 0)) for other in others)}
